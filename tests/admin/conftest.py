"""Administrators' commands against two DynamoDBs, with boto3 on the other side and somebody in between."""

import json
import os
import pathlib
import shlex
import subprocess
import sys
import threading
import uuid
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import aws_models
from aws_models import pytest_terminal_summary  # noqa: F401

BINARIES = pathlib.Path(os.environ.get("STUDIO_BROKER_BIN", ROOT / "target/debug"))
BINARY = str(BINARIES / "studio-broker")
METADATA = ROOT / "tests/fixtures/metadata"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIALOCALHUB", "AWS_SECRET_ACCESS_KEY": "any"}


@pytest.fixture(scope="session")
def local():
    command = [BINARY, "local", "--aws-only", "--ephemeral", "--port", "0", "--output", "json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    endpoint = json.loads(process.stdout.readline())["aws_endpoint"]
    aws_models.record(endpoint)
    yield endpoint
    try:
        aws_models.check(endpoint)
    finally:
        process.terminate()
    assert process.wait(10) == 0


@pytest.fixture(scope="session")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["local", "moto"])
def endpoint(request):
    return request.getfixturevalue(request.param)


#: How STS refuses.
NOT_ALLOWED = b"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>no</Message></Error><RequestId>x</RequestId></ErrorResponse>"""


def hints(text):
    """The hints of what a command said that are commands of ours."""
    lines = [line.removeprefix("hint: ") for line in text.splitlines()]
    return [line for line in lines if line.startswith("studio-broker ")]


def must_fit(arguments, text, env):
    """Every hint is read by the parser, and one of the same command keeps all its options."""
    asked = [str(word) for word in arguments]
    for hint in hints(text):
        words = shlex.split(hint)[1:]
        done = subprocess.run([BINARY, *words, "--help"], env=env, capture_output=True, text=True)
        assert done.returncode == 0, (hint, done.stderr)
        if words[:2] == asked[:2]:
            lost = {word.split("=")[0] for word in asked if word.startswith("--")} - {
                word.split("=")[0] for word in words
            }
            assert lost <= {"--markdown", "--out"}, (hint, lost)


class Between:
    """Passes requests on; `on[operation]` is asked first, and may answer itself or lose the answer."""

    LOST = object()

    def __init__(self, endpoint, dynamodb_only=False):
        self.on, self.seen, self.dynamodb_only = {}, [], dynamodb_only
        target = urlsplit(endpoint).netloc
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service, _, operation = (self.headers["X-Amz-Target"] or "").partition(".")
                if service.startswith("DynamoDB"):
                    outer.seen.append(operation)
                    request = json.loads(body)
                elif outer.dynamodb_only:
                    return self.answer(403, NOT_ALLOWED)
                else:
                    request = dict(parse_qsl(body.decode()))
                    operation = operation or request["Action"]
                hook = outer.on.get(operation)
                answer = hook(request) if hook else None
                if isinstance(answer, tuple):
                    status, document = answer
                    text = document if isinstance(document, bytes) else json.dumps(document).encode()
                    return self.answer(status, text)
                upstream = HTTPConnection(target)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ["host", "connection"]}
                upstream.request("POST", self.path, body, headers)
                got = upstream.getresponse()
                text = got.read()
                if answer is Between.LOST:
                    self.close_connection = True
                    return self.connection.close()
                self.answer(got.status, text)

            def answer(self, status, text):
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()

    def once(self, operation, act):
        """Before the first call of an operation, `act` is done."""
        waiting = [act]

        def hook(request):
            if waiting:
                return waiting.pop()(request)

        self.on[operation] = hook


class World:
    """Two fresh tables at an endpoint, the command line on one side and boto3 on the other."""

    def __init__(self, endpoint, folder, dynamodb_only=False):
        self.folder, self.endpoint = folder, endpoint
        self.between = Between(endpoint, dynamodb_only)
        self.client = boto3.client(
            "dynamodb",
            endpoint_url=endpoint,
            region_name="eu-central-1",
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key="any",
        )
        name = uuid.uuid4().hex[:12]
        self.teams, self.idps = f"teams-{name}", f"idps-{name}"
        for table, key in [(self.teams, "team_id"), (self.idps, "entity_id")]:
            self.client.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        self.settings = {
            **CREDENTIALS,
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": self.between.url,
            "STUDIO_BROKER_TEAMS_TABLE": self.teams,
            "STUDIO_BROKER_IDPS_TABLE": self.idps,
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
        }

    def run(self, *arguments, code=0, text=None, **settings):
        """Runs a command; the completed process, whose exit code is the one that is expected."""
        done = subprocess.run(
            [BINARY, *map(str, arguments)],
            cwd=self.folder,
            env={**self.settings, **settings},
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        must_fit(arguments, done.stderr, self.settings)
        return done

    def json(self, *arguments, code=0, **settings):
        return json.loads(self.run(*arguments, "--output", "json", code=code, **settings).stdout)

    def file(self, content, name="mappings.json"):
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def put(self, table, item):
        self.client.put_item(TableName=table, Item=item)

    def raw(self, table, key):
        name = "team_id" if table == self.teams else "entity_id"
        got = self.client.get_item(TableName=table, Key={name: {"S": key}}, ConsistentRead=True)
        return got.get("Item")

    def get(self, table, key):
        """An item without the notes on who wrote it."""
        found = self.raw(table, key)
        return found and {k: v for k, v in found.items() if k not in ["changed_by", "changed_at"]}

    def edit(self, team, name, value):
        """What somebody does by hand in the console."""
        self.client.update_item(
            TableName=self.teams,
            Key={"team_id": {"S": team}},
            UpdateExpression="SET #name = :value",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": value},
        )


@pytest.fixture
def world(endpoint, request, tmp_path):
    # Of moto only DynamoDB is needed.
    world = World(endpoint, tmp_path, dynamodb_only="moto" in request.node.name)
    yield world
    world.between.server.shutdown()


@pytest.fixture
def local_world(local, tmp_path):
    world = World(local, tmp_path)
    yield world
    world.between.server.shutdown()


def team(team_id="team1", **more):
    """A team as a file has it."""
    return {
        "team_id": team_id,
        "account_id": "012345678901",
        "region": "eu-west-1",
        "domain_id": "d-abc",
        "execution_role_arn": "arn:aws:iam::012345678901:role/Team1",
        **more,
    }


def typed(item):
    """Plain JSON as DynamoDB's types."""
    if isinstance(item, bool):
        return {"BOOL": item}
    if isinstance(item, str):
        return {"S": item}
    if isinstance(item, (int, float)):
        return {"N": str(item)}
    if isinstance(item, list):
        return {"L": [typed(element) for element in item]}
    return {"M": {name: typed(member) for name, member in item.items()}}


def item(plain):
    return typed(plain)["M"]
