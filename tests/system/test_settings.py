"""Settings: every fault in one message, exit 2, and nothing secret in it."""

import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_der_x509_certificate

from programs import REPOSITORY, run
from world import PUBLIC_URL

KEYS = REPOSITORY / "tests" / "fixtures" / "keys"
AWS = {
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "AKIAX",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}
GOOD = {**AWS, "STUDIO_BROKER_PUBLIC_URL": PUBLIC_URL}


def start(program, settings):
    """Runs a program whose settings are wrong; what it says."""
    if program == "serve":
        ended = run("serve", "--listen", "127.0.0.1:0", settings=settings)
    else:
        ended = run(
            settings={**settings, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"},
            program="studio-broker-lambda",
        )
    assert ended.returncode == 2, (ended.returncode, ended.stderr)
    assert ended.stdout == ""
    return ended.stderr


@pytest.fixture(params=["serve", "lambda"])
def program(request):
    return request.param


BAD = {
    "STUDIO_BROKER_PUBLIC_URL": "ftp://studio.example.com",
    "STUDIO_BROKER_ENTITY_ID": "two words",
    "STUDIO_BROKER_TEAMS_TABLE": "a table!",
    "STUDIO_BROKER_IDPS_TABLE": "x",
    "STUDIO_BROKER_STATE_TABLE": "t\u00e4ble",
    "STUDIO_BROKER_TARGET_ROLE_NAME": "a/role",
    "STUDIO_BROKER_URL_SECONDS": "4",
    "STUDIO_BROKER_SESSION_MINUTES": "721",
    "STUDIO_BROKER_CLOCK_SKEW_SECONDS": "181",
    "STUDIO_BROKER_TEAM_CACHE_SECONDS": "301",
    "STUDIO_BROKER_PROFILE_CACHE_SECONDS": "86401",
    "STUDIO_BROKER_CLIENT_ADDRESS": "forwarded:0",
    "STUDIO_BROKER_CONTACT": "nobody",
    "STUDIO_BROKER_TLS_ROOTS": "none",
    "STUDIO_BROKER_URL_HOSTS": "com,https://x",
    "STUDIO_BROKER_SP_KEY": "no key",
    "STUDIO_BROKER_LOG": "a=b=c",
}


def test_all_faults_stand_in_one_message(program):
    message = start(program, {**AWS, **BAD})
    for variable, value in BAD.items():
        (line,) = [line for line in message.splitlines() if variable in line]
        assert "expected" in line
        if variable not in ("STUDIO_BROKER_SP_KEY", "STUDIO_BROKER_STATE_TABLE"):
            assert value in line


def test_without_a_public_url_the_program_says_so(program):
    message = start(program, AWS)
    assert "STUDIO_BROKER_PUBLIC_URL" in message
    assert "https://" in message


@pytest.mark.parametrize(
    "variable, value",
    [
        ("STUDIO_BROKER_PUBLIC_URL", "http://studio.example.com"),
        ("STUDIO_BROKER_PUBLIC_URL", "https://studio.example.com/?a=b"),
        ("STUDIO_BROKER_PUBLIC_URL", "https://studio.example.com/#x"),
        ("STUDIO_BROKER_PUBLIC_URL", "https://"),
        ("STUDIO_BROKER_PUBLIC_URL", "studio.example.com"),
        ("STUDIO_BROKER_PUBLIC_URL", "https://stud io.example.com"),
        ("STUDIO_BROKER_PUBLIC_URL", "http://localhost.evil.example"),
        ("STUDIO_BROKER_PUBLIC_URL", "http://127.0.0.1.evil.example"),
        ("STUDIO_BROKER_URL_SECONDS", "301"),
        ("STUDIO_BROKER_URL_SECONDS", "30s"),
        ("STUDIO_BROKER_URL_SECONDS", "-30"),
        ("STUDIO_BROKER_URL_SECONDS", "+30"),
        ("STUDIO_BROKER_URL_SECONDS", "30.0"),
        ("STUDIO_BROKER_URL_SECONDS", " 30"),
        ("STUDIO_BROKER_URL_SECONDS", "99999999999999999999"),
        ("STUDIO_BROKER_SESSION_MINUTES", "0"),
        ("STUDIO_BROKER_CLOCK_SKEW_SECONDS", "-1"),
        ("STUDIO_BROKER_CLIENT_ADDRESS", "forwarded"),
        ("STUDIO_BROKER_CLIENT_ADDRESS", "forwarded:-1"),
        ("STUDIO_BROKER_CLIENT_ADDRESS", "forwarded:one"),
        ("STUDIO_BROKER_CLIENT_ADDRESS", "Direct"),
        ("STUDIO_BROKER_CONTACT", "http://help.example.com"),
        ("STUDIO_BROKER_CONTACT", "javascript:alert(1)"),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused_alone(variable, value):
    message = start("serve", {**GOOD, variable: value})
    assert variable in message
    assert message.count("STUDIO_BROKER_") == 1, message


def test_what_was_found_is_cut_to_a_hundred_characters_and_escaped(program):
    value = "https://x.example/\u0007\u001b[31m\n<" + "y" * 500
    message = start(program, {**GOOD, "STUDIO_BROKER_PUBLIC_URL": value})
    assert "\u0007" not in message and "\u001b" not in message
    (found,) = re.findall(r"y+", message.partition("expected")[0])
    assert len(found) <= 100
    assert len([line for line in message.splitlines() if "STUDIO_BROKER_" in line]) == 1


def test_the_user_part_of_a_url_is_never_shown(program):
    for variable in ("STUDIO_BROKER_PUBLIC_URL", "STUDIO_BROKER_CONTACT"):
        message = start(program, {**GOOD, variable: "https://admin:hunter2@studio.example.com/"})
        assert variable in message
        assert "hunter2" not in message and "admin" not in message


@pytest.mark.parametrize(
    "value", ["admin:hunter2@studio.example.com", "//admin:hunter2@x", "https://admin:hun/ter2@x"]
)
def test_nor_is_it_where_the_url_is_none(program, value):
    message = start(program, {**GOOD, "STUDIO_BROKER_PUBLIC_URL": value})
    assert "hunter2" not in message and "admin" not in message and "hun/" not in message


def test_a_key_in_the_wrong_variable_is_never_shown(program):
    key = (KEYS / "sp.pem").read_text()
    message = start(program, {**GOOD, "STUDIO_BROKER_ENTITY_ID": key})
    assert "STUDIO_BROKER_ENTITY_ID" in message and key.splitlines()[1][:20] not in message


@pytest.mark.parametrize("variable", ["ENTITY_ID", "ORGANIZATION", "URL_SECONDS", "LOG"])
def test_bytes_that_are_no_text_are_a_fault(program, variable):
    message = start(program, {**GOOD, f"STUDIO_BROKER_{variable}": b"30\xff"})
    assert f"STUDIO_BROKER_{variable}" in message


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:secretsmanager:xx",
        "arn:aws:secretsmanager:eu-central-1:1:secret:x",
        "arn:aws:secretsmanager:eu-central-1:111111111111:table:x",
    ],
)
def test_what_is_no_arn_of_a_secret_is_a_fault(program, arn):
    message = start(program, {**GOOD, "STUDIO_BROKER_SP_KEY": arn})
    assert "STUDIO_BROKER_SP_KEY" in message and arn in message


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://x"])
def test_an_endpoint_that_is_none_is_a_fault(program, url):
    message = start(program, {**GOOD, "AWS_ENDPOINT_URL": url, "STUDIO_BROKER_URL_SECONDS": "1"})
    assert "AWS_ENDPOINT_URL" in message and "STUDIO_BROKER_URL_SECONDS" in message


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN PRIVATE KEY-----\nMIIEvgIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n",
        "MIIEvgIBADANBgkqhkiG9w0BAQEFAASC",
        (KEYS / "p256.pem").read_text(),
        (KEYS / "sp.crt").read_text(),
        (KEYS / "sp.pem").read_text().replace("PRIVATE KEY", "SECRET KEY"),
    ],
    ids=["cut", "bare", "elliptic", "certificate", "other-label"],
)
def test_a_key_that_cannot_be_used_is_never_shown(program, key):
    message = start(program, {**GOOD, "STUDIO_BROKER_SP_KEY": key})
    assert "STUDIO_BROKER_SP_KEY" in message
    for line in key.splitlines():
        if len(line) > 10 and "-----" not in line:
            assert line not in message


@pytest.mark.parametrize("key", ["sp.pem", "sp.pkcs1.pem"])
def test_both_forms_of_a_key_are_read_and_the_first_of_several_is_published(world, key):
    several = (KEYS / key).read_text() + (KEYS / "sp-next.pem").read_text()
    metadata = world.serve(STUDIO_BROKER_SP_KEY=several).browser().get("/saml/metadata").text
    numbers = (
        load_pem_private_key((KEYS / "sp.pem").read_bytes(), None).public_key().public_numbers()
    )
    assert 'use="encryption"' in metadata
    assert published_modulus(metadata) == numbers.n


def published_modulus(metadata):
    """The modulus of the one encryption key of the metadata, as certificate or as key value."""
    certificates = re.findall(r"<(?:\w+:)?X509Certificate>([^<]*)<", metadata)
    if certificates:
        (text,) = certificates
        return load_der_x509_certificate(base64.b64decode(text)).public_key().public_numbers().n
    (text,) = re.findall(r"<(?:\w+:)?Modulus>([^<]*)<", metadata)
    return int.from_bytes(base64.b64decode(text), "big")


SECRET = "arn:aws:secretsmanager:eu-west-3:111111111111:secret:studio-broker-sp-key-AbCdEf"


@pytest.fixture
def secrets():
    """A stand-in for Secrets Manager with one secret."""
    held, asked = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            assert self.headers["x-amz-target"] == "secretsmanager.GetSecretValue"
            value = held.get(asked[-1]["SecretId"])
            found = {"ARN": SECRET, "Name": "x", "SecretString": value}
            missing = {
                "__type": "ResourceNotFoundException",
                "Message": "Secrets Manager can't find it.",
            }
            body = json.dumps(found if value else missing).encode()
            self.send_response(200 if value else 400)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    held["endpoint"] = f"http://127.0.0.1:{server.server_port}"
    held["asked"] = asked
    yield held
    server.shutdown()


def test_the_key_may_be_in_a_secret(world, secrets):
    secrets[SECRET] = (KEYS / "sp.pem").read_text()
    settings = {
        "STUDIO_BROKER_SP_KEY": SECRET,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": secrets["endpoint"],
    }
    metadata = world.serve(**settings).browser().get("/saml/metadata").text
    numbers = (
        load_pem_private_key((KEYS / "sp.pem").read_bytes(), None).public_key().public_numbers()
    )
    assert published_modulus(metadata) == numbers.n
    assert secrets["asked"] == [{"SecretId": SECRET}]


@pytest.mark.parametrize("value", [None, "hunter2 is no key"])
def test_a_secret_without_a_key_stops_the_start_and_is_not_shown(secrets, value):
    secrets[SECRET] = value
    settings = {
        "STUDIO_BROKER_SP_KEY": SECRET,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": secrets["endpoint"],
    }
    ended = run("serve", "--listen", "127.0.0.1:0", settings={**GOOD, **settings})
    assert ended.returncode == 2
    assert "STUDIO_BROKER_SP_KEY: found a secret that" in ended.stderr
    assert "hunter2" not in ended.stderr


@pytest.mark.parametrize(
    "bounds", [("5", "1", "0", "0", "0"), ("300", "720", "180", "300", "86400")]
)
def test_the_bounds_themselves_are_accepted(world, bounds):
    names = [
        "URL_SECONDS",
        "SESSION_MINUTES",
        "CLOCK_SKEW_SECONDS",
        "TEAM_CACHE_SECONDS",
        "PROFILE_CACHE_SECONDS",
    ]
    settings = {f"STUDIO_BROKER_{name}": bound for name, bound in zip(names, bounds, strict=True)}
    assert world.serve(**settings).sign_in()[1].status == 303


def test_an_empty_variable_counts_as_unset(world):
    settings = {name: "" for name in BAD if name != "STUDIO_BROKER_PUBLIC_URL"}
    assert world.serve(**settings).sign_in()[1].status == 303


def test_without_a_region_the_tables_cannot_be_found():
    settings = {name: value for name, value in GOOD.items() if name != "AWS_REGION"}
    settings |= {"AWS_EC2_METADATA_DISABLED": "true", "STUDIO_BROKER_URL_SECONDS": "1"}
    message = start("serve", settings)
    assert "AWS_REGION" in message and "STUDIO_BROKER_URL_SECONDS" in message


@pytest.mark.parametrize("command", [["serve"], ["local", "--ephemeral", "--port", "0"]])
def test_a_fault_is_one_json_object_where_json_is_asked_for(command):
    settings = {**GOOD, "STUDIO_BROKER_URL_SECONDS": "1"}
    ended = run("--output", "json", *command, settings=settings)
    error = json.loads(ended.stdout)["error"]
    assert (ended.returncode, error["exit"], ended.stderr) == (2, 2, "")
    assert "STUDIO_BROKER_URL_SECONDS" in error["message"]


@pytest.mark.parametrize(
    "arguments", [["serve", "--listen", "nonsense"], ["serve", "--port", "1"], ["sevre"], []]
)
def test_wrong_arguments_are_exit_2_and_words_on_standard_error(arguments):
    ended = run(*arguments, settings=GOOD)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr
    ended = run("--output", "json", *arguments, settings=GOOD)
    assert ended.returncode == 2
    if arguments:
        assert json.loads(ended.stdout)["error"]["exit"] == 2
        assert ended.stderr == ""


def test_colour_is_only_for_terminals():
    ended = run("sevre", settings={**GOOD, "NO_COLOR": "1"})
    assert "\u001b" not in ended.stderr
    assert "\u001b" not in run("--help").stdout


def test_a_port_that_is_taken_is_told_and_is_exit_1(world):
    taken = f"127.0.0.1:{world.broker.port}"
    ended = run("serve", "--listen", taken, settings={**GOOD})
    assert ended.returncode == 1
    assert taken in ended.stderr
