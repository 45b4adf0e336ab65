"""Every command in every situation: its exit code, and one JSON object on standard output."""

import json

import pytest

from conftest import METADATA, Between, item, team
from fleet import Fleet

ENTITY_ID = "https://idp.example.com/metadata"

#: Each command with the exit codes of: fine, nothing to do, unauthorised, table missing, endpoint down, one
#: bad item. `None` where a situation does not touch the command.
TABLE = {
    "teams list": (0, None, 4, 1, 1, 0),
    "teams show team1": (0, None, 4, 1, 1, 0),
    "teams export": (0, None, 4, 1, 1, 0),
    "teams plan changed.json": (3, None, 4, 1, 1, 3),
    "teams plan same.json": (0, 0, 4, 1, 1, 0),
    "teams apply changed.json": (0, None, 4, 1, 1, 0),
    "teams apply same.json": (0, 0, 4, 1, 1, 0),
    "teams remove team1": (0, None, 4, 1, 1, 0),
    "teams remove nobody --ignore-missing": (0, 0, 4, 1, 1, 0),
    "teams pause team1": (0, None, 4, 1, 1, 0),
    "teams resume team1": (0, None, 4, 1, 1, 0),
    "teams history team1": (0, None, 4, 1, 1, 0),
    "teams spoke same.json": (0, None, None, None, None, None),
    "idps list": (0, None, 4, 1, 1, 0),
    "idps show IDP": (0, None, 4, 1, 1, 0),
    "idps export": (0, None, 4, 1, 1, 0),
    "idps plan same.json": (0, 0, 4, 1, 1, 0),
    "idps apply same.json": (0, 0, 4, 1, 1, 0),
    "idps add METADATA": (0, 0, 4, 1, 1, 0),
    "idps remove IDP": (0, None, 4, 1, 1, 0),
    "idps disable IDP": (0, None, 4, 1, 1, 0),
    "idps enable IDP": (0, None, 4, 1, 1, 0),
    "explain code target_denied": (0, None, None, None, None, None),
    "explain reference R1 --log log.json": (0, None, None, None, None, None),
}
SITUATIONS = ["fine", "nothing to do", "unauthorised", "table missing", "endpoint down", "one bad item"]
CASES = [
    (command, situation, code)
    for command, codes in TABLE.items()
    for situation, code in zip(SITUATIONS, codes, strict=True)
    if code is not None
]
#: The error's code in a situation, where the command fails.
ERRORS = {"unauthorised": "not_authorised", "table missing": "table_missing", "endpoint down": "aws_unreachable"}


#: The same for what works over all accounts, on three accounts with a profile of ann's in the first.
OVER_ACCOUNTS = {
    "doctor": (0, None, 4, 3, 1, 3),
    "profiles list": (0, None, 4, 1, 1, 1),
    "profiles drift": (0, 0, 4, 1, 1, 1),
    "profiles revoke ann --yes": (0, None, 4, 1, 1, 1),
    "profiles revoke nobody --yes": (0, 0, 4, 1, 1, 1),
    "access explain ann": (0, None, 4, 1, 1, 0),
    "access report": (0, None, 4, 1, 1, 1),
    "access grant ann lab1 --always --reason test": (0, None, 4, 1, 1, 0),
    "access end ann lab1": (0, 0, 4, 1, 1, 0),
    "access end --ended": (0, 0, 4, 1, 1, 0),
    "identity-center plan": (3, None, 4, 1, 1, 3),
}


def denied(_):
    return 400, {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "no"}


def prepare(world):
    idp = {
        "entity_id": ENTITY_ID,
        "metadata_xml": (METADATA / "idp.xml").read_text(),
        "allowed_teams": ["*"],
    }
    world.put(world.teams, item(team()))
    world.put(world.idps, item(idp))
    world.file({"teams": [team()], "idps": [idp]}, "same.json")
    world.file({"teams": [team(description="new")]}, "changed.json")
    line = {"event": "decision", "reference": "R1", "code": "target_denied"}
    world.file(json.dumps(line), "log.json")


def words(command):
    places = {"IDP": ENTITY_ID, "METADATA": str(METADATA / "idp.xml")}
    return [places.get(word, word) for word in command.split()]


@pytest.mark.parametrize(("command", "situation", "code"), CASES)
def test_a_command_in_a_situation(local_world, command, situation, code):
    world, settings = local_world, {}
    prepare(world)
    if situation == "unauthorised":
        world.between.on["Scan"] = denied
    elif situation == "table missing":
        settings = {"STUDIO_BROKER_TEAMS_TABLE": "none", "STUDIO_BROKER_IDPS_TABLE": "none"}
    elif situation == "endpoint down":
        # At once: how patient the SDK is has a test of its own.
        settings = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    elif situation == "one bad item":
        world.put(world.teams, {"team_id": {"S": "bad"}, "account_id": {"N": "1"}})
    shown = world.json(*words(command), code=code, **settings)
    assert isinstance(shown, dict)
    assert ("error" in shown) is (code in (1, 2, 4, 5))
    if "error" in shown:
        error = shown["error"]
        assert error["code"] == ERRORS[situation] and error["exit"] == code and error["message"]


@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        ("teams show nobody", 1, "not_found"),
        ("teams remove nobody", 1, "not_found"),
        ("teams pause nobody", 1, "not_found"),
        ("idps show nobody", 1, "not_found"),
        ("idps disable nobody", 1, "not_found"),
        ("teams history nobody", 1, "not_found"),
        ("explain code nothing", 1, "not_found"),
        ("teams plan none.json", 2, "file_unreadable"),
        ("teams plan bad.json", 2, "file_invalid"),
        ("teams plan", 2, "usage"),
        ("teams apply same.json --confirm what=1", 2, "usage"),
        ("explain reference R1", 2, "log_needed"),
        ("profiles list --team nobody", 2, "not_found"),
        ("doctor --ignore what", 2, "usage"),
    ],
)
def test_a_failure_has_a_code(local_world, command, code, error):
    prepare(local_world)
    local_world.file({"teams": [{"team_id": "x"}]}, "bad.json")
    shown = local_world.json(*words(command), code=code)
    assert shown["error"]["code"] == error


def test_a_setting_that_cannot_be_used_has_a_code(local_world):
    shown = local_world.json("teams", "list", code=2, STUDIO_BROKER_TEAMS_TABLE="a table!")
    assert shown["error"]["code"] == "setting_invalid"
    assert shown["error"]["faults"][0]["variable"] == "STUDIO_BROKER_TEAMS_TABLE"


def test_nobody_looks_at_silence_while_aws_does_not_answer(local_world):
    done = local_world.run("teams", "list", code=1, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert "has not answered yet" in done.stderr and "error: dynamodb:Scan" in done.stderr


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    fleet.profile("lab1", "ann")
    fleet.between = Between(fleet.endpoint)
    yield fleet
    fleet.between.server.shutdown()
    fleet.process.terminate()


@pytest.mark.parametrize(
    ("command", "situation", "code"),
    [
        (command, situation, code)
        for command, codes in OVER_ACCOUNTS.items()
        for situation, code in zip(SITUATIONS, codes, strict=True)
        if code is not None
    ],
)
def test_a_command_over_all_accounts_in_a_situation(fleet, command, situation, code):
    settings = {"AWS_ENDPOINT_URL": fleet.between.url}
    fleet.between.on.clear()
    bad = {"team_id": {"S": "bad"}, "account_id": {"N": "1"}}
    fleet.dynamodb.delete_item(TableName="studio-broker-teams", Key={"team_id": bad["team_id"]})
    if situation == "unauthorised":
        fleet.between.on.update(dict.fromkeys(["Scan", "GetItem", "DescribeTable"], denied))
    elif situation == "table missing":
        settings |= {"STUDIO_BROKER_TEAMS_TABLE": "none", "STUDIO_BROKER_IDPS_TABLE": "none"}
    elif situation == "endpoint down":
        settings |= {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    elif situation == "one bad item":
        fleet.dynamodb.put_item(TableName="studio-broker-teams", Item=bad)
    shown = fleet.json(*command.split(), code=code, **settings)
    assert isinstance(shown, dict)
    if situation in ERRORS and not command.startswith("doctor"):
        error = shown["error"]
        assert error["code"] == ERRORS[situation] and error["exit"] == code and error["message"]
