"""Doors of a team, as administrators write, read, plan and check them."""

import pytest

from conftest import METADATA, item, team
from fleet import ACCOUNTS, fleet  # noqa: F401

APP = "arn:aws:sagemaker:eu-west-1:012345678901:mlflow-app/app-ABCDEF123456"
SERVER = "arn:aws:sagemaker:eu-west-1:012345678901:mlflow-tracking-server/runs"
PARTNER = "arn:aws:sagemaker:eu-west-1:012345678901:partner-app/app-ABCDEF123456"
RUNS = {"id": "runs", "kind": "mlflow_app", "arn": APP}
OLD_RUNS = {"id": "old-runs", "kind": "mlflow_server", "arn": SERVER, "session_duration_seconds": 3600}
CHECKS = {"id": "checks", "kind": "partner_app", "arn": PARTNER, "display_name": "Checks"}


def test_doors_are_written_shown_exported_and_no_news_afterwards(world):
    world.run("idps", "add", METADATA / "idp.xml", "--all-teams")
    wanted = team(doors=[RUNS, OLD_RUNS, CHECKS], groups=["g"])
    file = world.file({"teams": [wanted]})
    plan = world.json("teams", "plan", file, code=3)
    said = "\n".join(plan["changes"][0]["consequences"])
    assert f"door runs appears, to the MLflow App {APP}" in said
    assert f"door checks appears, to the Partner AI App {PARTNER}" in said
    assert 'whoever opens the team opens them: whom "' in said and 'the group "g"' in said
    assert plan["changes"][0]["privileged"] == []
    world.run("teams", "apply", file)
    assert world.json("teams", "plan", file)["changes"] == []
    (shown,) = world.json("teams", "show", "team1")["teams"]
    assert shown["item"]["doors"] == [RUNS, OLD_RUNS, CHECKS]
    assert APP in world.run("teams", "show", "team1").stdout
    exported = world.file(world.run("teams", "export").stdout, "exported.yaml")
    assert world.json("teams", "plan", exported)["changes"] == []


def test_a_door_that_leads_elsewhere_or_goes_is_told_by_its_id(world):
    world.run("teams", "apply", world.file({"teams": [team(doors=[RUNS, CHECKS])]}))
    moved = {**RUNS, "arn": APP.replace("ABCDEF", "UVWXYZ")}
    file = world.file({"teams": [team(doors=[moved])]})
    plan = world.run("teams", "plan", file, code=3).stdout
    assert f'doors.runs.arn: "{APP}" → "{moved["arn"]}"' in plan
    assert f"door runs leads to the MLflow App {moved['arn']} from now on, and not to {APP}" in plan
    assert "door checks goes" in plan


@pytest.mark.parametrize(
    "door, place",
    [
        ({**RUNS, "arn": APP.replace("012345678901", "999999999999")}, "doors[0].arn"),
        ({**RUNS, "arn": APP.replace("eu-west-1", "eu-west-2")}, "doors[0].arn"),
        ({**RUNS, "arn": APP.replace("arn:aws:", "arn:aws-cn:")}, "doors[0].arn"),
        ({**RUNS, "kind": "partner_app"}, "doors[0].arn"),
        ({**RUNS, "kind": "studio"}, "doors[0].kind"),
        ({**RUNS, "id": "Runs"}, "doors[0].id"),
        ({**RUNS, "url": "javascript:alert(1)"}, "doors[0].url"),
    ],
)
def test_a_file_with_a_bad_door_writes_nothing(world, door, place):
    done = world.run("teams", "apply", world.file({"teams": [team(doors=[door])]}), code=2)
    assert place in done.stderr
    assert world.get(world.teams, "team1") is None


def test_an_id_that_stands_twice_and_a_twenty_first_door_are_refused(world):
    twice = world.file({"teams": [team(doors=[RUNS, {**CHECKS, "id": "runs"}])]})
    assert "an id that no other door" in world.run("teams", "plan", twice, code=2).stderr
    many = [{**RUNS, "id": f"d{number}"} for number in range(21)]
    done = world.run("teams", "plan", world.file({"teams": [team(doors=many)]}), code=2)
    assert "21 doors" in done.stderr


def test_a_bad_door_of_the_table_is_told_by_show(world):
    world.put(world.teams, item(team(doors=[{**RUNS, "kind": "studio"}, CHECKS])))
    (shown,) = world.json("teams", "show", "team1")["teams"]
    assert shown["state"] == "open"
    (fault,) = shown["faults_in_part"]
    assert fault.startswith("doors[0].kind:")


def test_another_teams_door_needs_its_word(world):
    world.run("teams", "apply", world.file({"teams": [team(doors=[RUNS])]}))
    both = [team(doors=[RUNS]), team("team2", domain_id="d-two", doors=[{**RUNS, "id": "theirs"}])]
    file = world.file({"teams": both})
    plan = world.json("teams", "plan", file, code=3)
    (member,) = plan["changes"][0]["privileged"]
    assert (member["path"], member["value"]) == ("doors.theirs.arn", APP)
    assert "team1" in member["reach"]
    done = world.run("teams", "apply", file, code=2)
    assert "--allow-privileged" in done.stderr
    assert world.get(world.teams, "team2") is None
    kept = world.folder / "kept.json"
    world.run("teams", "plan", file, "--out", kept, code=3)
    assert "--allow-privileged" in world.run("teams", "apply", kept, code=2).stderr
    world.run("teams", "apply", kept, "--allow-privileged")
    # What is there already is no news.
    both[1]["groups"] = ["g"]
    world.run("teams", "apply", world.file({"teams": both}))


def test_the_target_role_gets_the_doors_by_name(world):
    teams = [
        team(doors=[RUNS, CHECKS]),
        team("team2", doors=[CHECKS, RUNS]),
        team("team3", doors=[OLD_RUNS]),
        team("team4"),
    ]
    report = world.json("teams", "spoke", world.file({"teams": teams}))
    parameters = report["spokes"][0]["parameters"]
    slots = [parameters[f"Doors{number}"] for number in range(1, 33)]
    assert slots[:2] == [f"team1,team2={APP},{PARTNER}", f"team3={SERVER}"]
    assert not any(slots[2:])


# doctor


def put_door(fleet, kind="mlflow_app", status=None, team="lab1", **settings):  # noqa: F811
    """Makes what a door leads to; the door."""
    sagemaker = fleet.sagemaker(team)
    role = f"arn:aws:iam::{ACCOUNTS[team]}:role/Behind"
    if status:
        fleet.control("faults", operation=f"Create{NOUNS[kind]}", effect="settle", times=1, **status)
    mlflow = {"ArtifactStoreUri": "s3://bucket/path", "RoleArn": role}
    if kind == "mlflow_app":
        arn = sagemaker.create_mlflow_app(Name="runs", **mlflow)["Arn"]
    elif kind == "mlflow_server":
        made = sagemaker.create_mlflow_tracking_server(TrackingServerName="runs", **mlflow)
        arn = made["TrackingServerArn"]
    else:
        app = {"Name": "checks", "Type": "comet", "ExecutionRoleArn": role, "Tier": "medium"}
        app |= {"AuthType": "IAM", "EnableIamSessionBasedIdentity": True, **settings}
        arn = sagemaker.create_partner_app(**app)["Arn"]
    return {"id": "door", "kind": kind, "arn": arn}


NOUNS = {
    "mlflow_app": "MlflowApp",
    "mlflow_server": "MlflowTrackingServer",
    "partner_app": "PartnerApp",
}


def findings(fleet, code=3):  # noqa: F811
    return fleet.json("doctor", code=code)["findings"]


@pytest.mark.parametrize("kind", NOUNS)
def test_nothing_is_found_behind_a_door_that_runs(fleet, kind):  # noqa: F811
    fleet.put_team("lab1", doors=[put_door(fleet, kind)])
    assert findings(fleet, code=0) == []


@pytest.mark.parametrize(
    "kind, status, settings, code, words",
    [
        ("mlflow_app", {"status": "CreateFailed"}, {}, "door_not_running", "status CreateFailed"),
        ("mlflow_server", {"status": "Stopped"}, {}, "door_not_running", "status Stopped"),
        ("partner_app", {"ms": 3_600_000}, {}, "door_updating", "status Creating"),
        ("partner_app", None, {"EnableIamSessionBasedIdentity": False}, "partner_app_identity_off", "takes everybody"),
        ("partner_app", None, {"AuthType": "IDC"}, "partner_app_not_iam", "AuthType"),
    ],
)
def test_what_is_wrong_behind_a_door_is_found_with_its_fix(fleet, kind, status, settings, code, words):  # noqa: F811
    door = put_door(fleet, kind, status, **settings)
    fleet.put_team("lab1", doors=[door])
    worst = 0 if code in ("door_updating", "partner_app_identity_off") else 3
    (finding,) = findings(fleet, worst)
    assert (finding["code"], finding["subject"]) == (code, "team lab1, door door")
    assert words in finding["found"]
    assert finding["fix"]


def test_a_door_to_nothing_and_one_to_elsewhere_are_found(fleet):  # noqa: F811
    arn = f"arn:aws:sagemaker:eu-west-1:{ACCOUNTS['lab1']}:mlflow-app/app-NOTHING00000"
    elsewhere = put_door(fleet, team="lab2")
    fleet.put_team("lab1", doors=[{"id": "door", "kind": "mlflow_app", "arn": arn}, {**elsewhere, "id": "far"}])
    found = {finding["code"]: finding for finding in findings(fleet)}
    assert set(found) == {"door_missing", "team_part_invalid"}
    assert arn in found["door_missing"]["found"]
    assert found["team_part_invalid"]["found"].startswith("doors[1].arn:")


def test_a_target_role_that_does_not_know_the_door_or_gives_it_to_all(fleet):  # noqa: F811
    door = put_door(fleet)
    fleet.put_team("lab1", doors=[door])
    target = f"arn:aws:iam::{ACCOUNTS['lab1']}:role/StudioBrokerTarget"
    policy = fleet.documents("lab1")["permission_policy"]
    own = [s for s in policy["Statement"] if door["arn"] in str(s)]
    others = [s for s in policy["Statement"] if door["arn"] not in str(s)]
    fleet.control("settings", roles={target: {"permission_policy": {**policy, "Statement": others}}})
    (finding,) = findings(fleet)
    assert finding["code"] == "target_role_refuses"
    for words in ("CreatePresignedMlflowAppUrl", "DescribeMlflowApp", "for door door"):
        assert words in finding["found"]
    wide = [{name: value for name, value in s.items() if name != "Condition"} for s in own]
    fleet.control("settings", roles={target: {"permission_policy": {**policy, "Statement": others + wide}}})
    (finding,) = findings(fleet)
    assert finding["code"] == "target_role_too_wide"
    assert "door door, in an unknown team's session" in finding["found"]
