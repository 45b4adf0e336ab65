"""The function with the settings that the template gives it, behind the API as the template makes it."""

import json
import subprocess
from urllib.parse import urlsplit

import pytest
from lambda_runtime import Front, Function, rest_answer, rest_event
from programs import BINARIES
from templates import CERTIFICATE, HUB, stack
from world import RunningBroker, World, unique

#: The kinds of addresses that the template can give.
ADDRESSES = {
    "of API Gateway": {},
    "of its private endpoint": {"EndpointType": "PRIVATE", "Network": "new"},
    "a host name": {"DomainName": "studio.example.com", "CertificateArn": CERTIFICATE},
    "of a proxy": {"PublicUrl": "https://sso.example.com/studio", "ClientAddress": "forwarded:2", "ProxyCidrs": "192.0.2.0/28"},
}
#: Who calls the API: a person, or the proxy; what a person writes into the header themselves; the person.
CALLER, MADE_UP, PERSON = "192.0.2.7", "203.0.113.66", "198.51.100.23"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """For its tables, its SageMaker and its identity provider."""
    world = World(tmp_path_factory.mktemp("world"))
    yield world
    world.stop()


@pytest.fixture
def start(world, tmp_path):
    """Starts one of the template's functions as Lambda would."""
    started = []

    def start(made, name):
        variables = made.resources[name]["Properties"]["Environment"]["Variables"]
        started.append(Function(tmp_path / name, world.aws.environment(**variables)))
        return started[-1]

    yield start
    for function in started:
        function.stop()


class RunningFunction(RunningBroker):
    """The broker's function behind the stage of the REST API."""

    def __init__(self, world, function, made):
        super().__init__(world, function.program, None, made.outputs["PortalUrl"])
        self.function, self.stage = function, made.resources["Stage"]["Properties"]["StageName"]
        self.is_proxied = made.parameters["PublicUrl"] != ""

    def browser(self):
        def event(front, method, path, query, headers, body):
            # The stage, or a host name's base path, is not part of the path that the function sees.
            path = path.removeprefix(urlsplit(self.public_url).path) or "/"
            # A proxy appends whom it saw; API Gateway always appends who called it.
            forwarded = [MADE_UP, *([PERSON] if self.is_proxied else []), CALLER]
            headers = [*headers, ("X-Forwarded-For", ", ".join(forwarded))]
            return rest_event(front, method, path, query, headers, body)

        front = Front("rest-api", event, rest_answer, stage=self.stage)
        return front.browser(self.function, self.public_url)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_person_signs_in_at_the_address(world, start, address):
    made = stack(HUB, ADDRESSES[address])
    broker = RunningFunction(world, start(made, "BrokerFunction"), made)
    metadata = broker.browser().get("/saml/metadata").text
    assert f'Location="{made.outputs["AcsUrl"]}"' in metadata
    assert f'entityID="{made.outputs["Audience"]}"' in metadata
    browser, answer = broker.sign_in(user_id=unique("person"), teams="team1")
    for _ in range(10):
        if answer.opens_studio():
            break
        answer = browser.get("/teams/team1")
    assert answer.opens_studio()
    (decision,) = broker.program.decisions(outcome="signed_in")
    assert decision["client_address"] == (PERSON if broker.is_proxied else CALLER)


def test_the_validator_reports_an_item_that_cannot_be_used(start):
    function = start(stack(HUB), "ValidatorFunction")
    table = stack(HUB).resources["TeamsTable"]["Properties"]["TableName"]
    image = {"team_id": {"S": "t"}, "account_id": {"N": "1"}}
    record = {
        "eventSource": "aws:dynamodb",
        "eventSourceARN": f"arn:aws:dynamodb:eu-central-1:111111111111:table/{table}/stream/1",
        "dynamodb": {"Keys": {"team_id": {"S": "t"}}, "NewImage": image},
    }
    assert function.invoke({"Records": [record]}) == {"batchItemFailures": []}
    (line,) = [line for line in function.program.log() if line.get("event") == "item_invalid"]
    assert line["table"] == table
    assert "account_id" in json.dumps(line)


def test_settings_that_cannot_be_used_are_one_event_of_the_log():
    settings = {"STUDIO_BROKER_PUBLIC_URL": "ftp://example.com", "STUDIO_BROKER_CLOCK_SKEW_SECONDS": "soon"}
    ended = subprocess.run([BINARIES / "studio-broker-lambda"], env=settings, capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("settings cannot be used: STUDIO_BROKER_")
    assert all(f"{name}: found " in line for name in settings)
