"""A stand-in for Lambda's Runtime API, and the events and answers of what stands in front of a
function.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html,
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

import base64
import itertools
import json
import queue
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from browser import Answer, Browser
from programs import Program

#: The longest that an invocation may take here.
PATIENCE = 30


class FunctionError(Exception):
    """The function reported an error, or died, instead of answering."""


class Function:
    """`studio-broker-lambda`, or another program by its path, running under the stand-in."""

    def __init__(self, folder, settings, program="studio-broker-lambda"):
        self._events, self._answers, self._ids = queue.Queue(), {}, itertools.count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        name = "studio-broker"
        environment = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/22/[$LATEST]0",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        }
        self.program = Program(folder, [], {**environment, **settings}, program)

    def invoke(self, event):
        """What the function answers to an event.

        Raises FunctionError when it reports an error or ends."""
        answered = queue.Queue()
        request_id = f"00000000-0000-0000-0000-{next(self._ids):012}"
        self._answers[request_id] = answered
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        self._events.put((request_id, payload))
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                kind, body = answered.get(timeout=0.05)
            except queue.Empty:
                if not self.program.is_alive:
                    raise FunctionError(f"it ended: {self.program.output()}") from None
                continue
            if kind == "error":
                raise FunctionError(body.decode())
            return json.loads(body)
        raise FunctionError("no answer")

    def stop(self):
        self.program.process.kill()
        self.program.process.wait()
        self._server.shutdown()
        self._server.server_close()

    def _handler(function):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # An event's body must not wait 40 ms for the acknowledgement of its head.
            disable_nagle_algorithm = True

            def do_GET(self):
                if not self.path.endswith("/runtime/invocation/next"):
                    return self._reply(404, b"{}")
                request_id, payload = function._events.get()
                arn = "arn:aws:lambda:eu-central-1:111111111111:function:studio-broker"
                return self._reply(
                    200,
                    payload,
                    {
                        "Lambda-Runtime-Aws-Request-Id": request_id,
                        "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 29_000),
                        "Lambda-Runtime-Invoked-Function-Arn": arn,
                        "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000",
                    },
                )

            def do_POST(self):
                body = self._body()
                *_, request_id, kind = self.path.split("/")
                if request_id in function._answers:
                    function._answers.pop(request_id).put((kind, body))
                return self._reply(202, b'{"status":"OK"}')

            def _body(self):
                if self.headers.get("transfer-encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("content-length", 0)))
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def _reply(self, status, body, headers=None):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler


@dataclass
class Front:
    """What stands before the function: makes an event of a request, and an answer of what came."""

    name: str
    event: object
    answer: object
    base64_body: bool = False
    stage: str = "$default"

    def browser(self, function, public_url):
        def send(method, path, headers, body):
            return self.answer(function.invoke(self.event_of(method, path, headers, body)))

        return Browser(send, public_url)

    def event_of(self, method, path, headers, body):
        parts = urlsplit(path)
        headers = [("Host", "front.example.com"), *headers]
        text = body
        if body is not None:
            text = base64.b64encode(body).decode() if self.base64_body else body.decode()
        return self.event(self, method, parts.path, parts.query, headers, text)


def rest_event(front, method, path, query, headers, body):
    """A REST API's event; also that of an HTTP API with payload format 1.0. Parameters come decoded."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": dict(headers) or None,
        "multiValueHeaders": gathered(headers) or None,
        "queryStringParameters": dict(pairs) or None,
        "multiValueQueryStringParameters": gathered(pairs) or None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": "111111111111",
            "apiId": "a1b2c3d4e5",
            "resourceId": "123456",
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "path": f"/{front.stage}{path}",
            "stage": front.stage,
            "protocol": "HTTP/1.1",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "192.0.2.7", "userAgent": "test"},
        },
        "body": body,
        "isBase64Encoded": front.base64_body and body is not None,
    }


def http_api_1_event(front, method, path, query, headers, body):
    event = rest_event(front, method, path, query, headers, body)
    event["version"] = "1.0"
    event["requestContext"]["domainName"] = "id.execute-api.eu-central-1.amazonaws.com"
    return event


def http_api_2_event(front, method, path, query, headers, body, in_headers_too=False):
    """An HTTP API's event of format 2.0: the cookies stand apart."""
    cookies = [
        part for name, value in headers if name.lower() == "cookie" for part in value.split("; ")
    ]
    rest = [(name.lower(), value) for name, value in headers if name.lower() != "cookie"]
    joined = {name: ",".join(values) for name, values in gathered(rest).items()}
    if in_headers_too and cookies:
        joined["cookie"] = "; ".join(cookies)
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": joined,
        "requestContext": {
            "accountId": "111111111111",
            "apiId": "a1b2c3d4e5",
            "domainName": "id.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "id",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "test",
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": front.stage,
            "time": "22/Nov/2026:14:00:00 +0000",
            "timeEpoch": 1795356000000,
        },
        "isBase64Encoded": front.base64_body and body is not None,
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = dict(parse_qsl(query, keep_blank_values=True))
    if body is not None:
        event["body"] = body
    return event


def function_url_event(front, method, path, query, headers, body):
    """A function URL's event: format 2.0, with the cookies in the headers as well."""
    return http_api_2_event(front, method, path, query, headers, body, in_headers_too=True)


def alb_event(front, method, path, query, headers, body, multi_value=False):
    """A load balancer's event: parameters as they were sent, the client's address in a header."""
    headers = [(name.lower(), value) for name, value in headers]
    headers.append(("x-forwarded-for", "192.0.2.7"))
    pairs = [tuple(part.partition("=")[::2]) for part in query.split("&") if part]
    event = {
        "requestContext": {
            "elb": {
                "targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:111111111111:targetgroup/broker/1"
            }
        },
        "httpMethod": method,
        "path": path,
        "body": body or "",
        "isBase64Encoded": front.base64_body and body is not None,
    }
    if multi_value:
        event["multiValueHeaders"] = gathered(headers)
        event["multiValueQueryStringParameters"] = gathered(pairs)
    else:
        event["headers"] = dict(headers)
        event["queryStringParameters"] = dict(pairs)
    return event


def alb_multi_value_event(front, method, path, query, headers, body):
    return alb_event(front, method, path, query, headers, body, multi_value=True)


def gathered(pairs):
    found = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def body_of(answer):
    body = answer.get("body") or ""
    return base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()


def rest_answer(answer):
    """Of a name in both maps API Gateway takes the list."""
    multi = {
        name.lower(): values for name, values in (answer.get("multiValueHeaders") or {}).items()
    }
    headers = [(name, value) for name, values in multi.items() for value in values]
    for name, value in (answer.get("headers") or {}).items():
        if name.lower() not in multi:
            headers.append((name.lower(), value))
    return Answer(answer["statusCode"], headers, body_of(answer))


def http_api_answer(answer):
    assert "multiValueHeaders" not in answer, "format 2.0 knows no such member"
    headers = [(name.lower(), value) for name, value in (answer.get("headers") or {}).items()]
    assert "set-cookie" not in dict(headers)
    headers += [("set-cookie", cookie) for cookie in answer.get("cookies") or []]
    return Answer(answer["statusCode"], headers, body_of(answer))


def alb_answer(answer):
    """Without multi-value headers the load balancer reads `headers` only, each name as it is spelt."""
    assert answer["statusDescription"].startswith(f"{answer['statusCode']} ")
    headers = [(name.lower(), value) for name, value in answer["headers"].items()]
    return Answer(answer["statusCode"], headers, body_of(answer))


def alb_multi_value_answer(answer):
    """With them it reads `multiValueHeaders` only."""
    assert answer["statusDescription"].startswith(f"{answer['statusCode']} ")
    pairs = answer["multiValueHeaders"].items()
    headers = [(name.lower(), value) for name, values in pairs for value in values]
    return Answer(answer["statusCode"], headers, body_of(answer))


def _fronts():
    kinds = [
        ("rest-api", rest_event, rest_answer, "prod"),
        ("http-api-1.0", http_api_1_event, rest_answer, "$default"),
        ("http-api-2.0", http_api_2_event, http_api_answer, "$default"),
        ("function-url", function_url_event, http_api_answer, "$default"),
        ("alb", alb_event, alb_answer, ""),
        ("alb-multi-value", alb_multi_value_event, alb_multi_value_answer, ""),
    ]
    for name, event, answer, stage in kinds:
        for base64_body in (False, True):
            suffix = "-base64" if base64_body else ""
            yield Front(name + suffix, event, answer, base64_body, stage)


#: Everything that may stand before the function, each with plain and with base64 bodies.
FRONTS = list(_fronts())
