"""The zip that `infra/hub/build x86_64` leaves, unpacked and started as Lambda starts it.

    infra/hub/build x86_64 && target/test-venv/bin/python -m pytest -s tests/templates/built_zip.py

Not part of `tests/run`: a release build takes the better part of an hour. STUDIO_BROKER_ZIP names another
zip. Settings are those of the template's two functions.
"""

import json
import os
import pathlib
import struct
import tempfile
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ZIP = pathlib.Path(os.environ.get("STUDIO_BROKER_ZIP", ROOT / "target/hub/x86_64/bootstrap.zip"))
#: ELF's names of processors.
MACHINES = {"x86_64": 0x3E, "arm64": 0xB7}
#: What Lambda takes unpacked: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
UNPACKED_LIMIT = 250 * 1024 * 1024


FOLDER = tempfile.TemporaryDirectory()


def unpack(path):
    """A folder with the two programs: the function from the zip, the command line as it was built here."""
    folder = pathlib.Path(FOLDER.name)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
        (folder / "bootstrap").chmod(archive.getinfo("bootstrap").external_attr >> 16)
    (folder / "studio-broker-lambda").symlink_to("bootstrap")
    (folder / "studio-broker").symlink_to(ROOT / "target/debug/studio-broker")
    return folder


# Read when the programs' module is loaded.
os.environ["STUDIO_BROKER_BIN"] = str(unpack(ZIP))

from lambda_runtime import FRONTS, Function
from templates import HUB, stack
from world import PUBLIC_URL, RunningBroker, World, unique

REST_API = next(front for front in FRONTS if front.name == "rest-api")


def machine(path):
    with zipfile.ZipFile(path) as archive, archive.open("bootstrap") as binary:
        head = binary.read(20)
    assert head[:4] == b"\x7fELF"
    return struct.unpack_from("<H", head, 18)[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    yield world
    world.stop()


@pytest.fixture
def start(world, tmp_path):
    started = []

    def start(name):
        variables = stack(HUB, {"PublicUrl": PUBLIC_URL}).resources[name]["Properties"]["Environment"]["Variables"]
        started.append(Function(tmp_path / name, world.aws.environment(**variables)))
        return started[-1]

    yield start
    for function in started:
        function.stop()


class RunningFunction(RunningBroker):
    def __init__(self, world, function):
        super().__init__(world, function.program, None, PUBLIC_URL)
        self.function = function

    def browser(self):
        return REST_API.browser(self.function, self.public_url)


def test_the_zip_holds_one_executable_for_the_processor():
    with zipfile.ZipFile(ZIP) as archive:
        (entry,) = archive.infolist()
    assert entry.filename == "bootstrap"
    assert (entry.external_attr >> 16) & 0o111 == 0o111
    assert machine(ZIP) == MACHINES["x86_64"]
    assert entry.file_size < UNPACKED_LIMIT
    print(f"\n{ZIP}: {ZIP.stat().st_size} bytes, {entry.file_size} unpacked")


def test_a_zip_for_arm64_beside_it_is_for_arm64():
    other = ZIP.parent.parent / "arm64" / "bootstrap.zip"
    if other.exists():
        assert machine(other) == MACHINES["arm64"]
        print(f"\n{other}: {other.stat().st_size} bytes")


def test_it_signs_a_person_in_through_the_rest_api(world, start):
    broker = RunningFunction(world, start("BrokerFunction"))
    assert broker.browser().get("/healthz").text == "ok"
    assert broker.acs_url in broker.browser().get("/saml/metadata").text
    browser, answer = broker.sign_in(user_id=unique("person"), teams="team1")
    for _ in range(10):
        if answer.opens_studio():
            break
        answer = browser.get("/teams/team1")
    assert answer.opens_studio()
    (decision,) = broker.program.decisions(outcome="signed_in")
    assert decision["idp"] == world.idp_entity_id


def test_the_validator_reports_an_item_that_cannot_be_used(start):
    function = start("ValidatorFunction")
    record = {
        "eventSource": "aws:dynamodb",
        "eventSourceARN": "arn:aws:dynamodb:eu-central-1:111111111111:table/studio-broker-teams/stream/1",
        "dynamodb": {"Keys": {"team_id": {"S": "t"}}, "NewImage": {"team_id": {"S": "t"}, "account_id": {"N": "1"}}},
    }
    assert function.invoke({"Records": [record]}) == {"batchItemFailures": []}
    (line,) = [line for line in function.program.log() if line.get("event") == "item_invalid"]
    assert line["table"] == "studio-broker-teams"
    assert json.dumps(line).count("account_id") >= 1
