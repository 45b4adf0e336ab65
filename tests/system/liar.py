"""SageMaker as nobody should believe it."""

import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Liar:
    """SageMaker that forwards everything, and answers another address."""

    def __init__(self, endpoint, url):
        liar = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                kept = (
                    "authorization",
                    "x-amz-target",
                    "x-amz-security-token",
                    "content-type",
                    "x-amz-date",
                )
                headers = {name: self.headers[name] for name in kept if self.headers[name]}
                request = urllib.request.Request(endpoint, body, headers)
                try:
                    with urllib.request.urlopen(request, timeout=10) as answer:
                        status, text = answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    status, text = error.code, error.read()
                for member in ("AuthorizedUrl", "Url"):
                    if status == 200 and list(json.loads(text)) == [member]:
                        text = json.dumps({member: liar.url}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.url = url
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
