"""A service provider on python3-saml: validates a posted response, uses it once, redirects.

Settings come as JSON on standard input; the port is printed."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.settings import OneLogin_Saml2_Settings

given = json.load(sys.stdin)
acs = urlsplit(given["acs_url"])
settings = OneLogin_Saml2_Settings(
    {
        "strict": True,
        "sp": {
            "entityId": given["audience"],
            "assertionConsumerService": {"url": given["acs_url"]},
        },
        "idp": {
            "entityId": given["issuer"],
            "singleSignOnService": {"url": "https://idp.example.com/sso"},
            "x509cert": given["certificate"],
        },
        "security": {"wantAssertionsSigned": given["signs"] == "assertion"},
    }
)
used = set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        request = {
            "https": "on",
            "http_host": acs.netloc,
            "script_name": acs.path,
            "post_data": {"SAMLResponse": form["SAMLResponse"][0]},
        }
        auth = OneLogin_Saml2_Auth(request, old_settings=settings)
        auth.process_response()
        accepted = not auth.get_errors() and auth.get_last_assertion_id() not in used
        used.add(auth.get_last_assertion_id())
        if not accepted:
            print(auth.get_errors(), auth.get_last_error_reason(), file=sys.stderr)
        self.send_response(302 if accepted else 403)
        if accepted:
            self.send_header("Location", f"https://studio.example.com/{auth.get_attribute('teamid')[0]}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
