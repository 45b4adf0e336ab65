"""An administrator's first month: what must not be lost, misled or missed."""

import base64
import json
import shlex
import signal
import subprocess
import time
from urllib.parse import quote

import pytest

from conftest import BINARY, METADATA, hints, item, team
from fleet import ACCOUNTS, fleet  # noqa: F401

ENTITY_ID = "https://idp.example.com/metadata"


def as_file(fleet, **teams):
    """Teams of the fleet as a file has them; what is named here differs."""
    listed = []
    for name in ACCOUNTS:
        stored = fleet.dynamodb.get_item(
            TableName="studio-broker-teams", Key={"team_id": {"S": name}}
        )["Item"]
        plain = {key: next(iter(value.values())) for key, value in stored.items()}
        if teams.get(name, {}) is not None:
            listed.append({**plain, **teams.get(name, {})})
    path = fleet.folder / "mappings.json"
    path.write_text(json.dumps({"teams": listed}))
    return path


# 1. orphans


def test_profiles_of_a_team_that_was_removed_by_a_command_are_found(fleet):
    fleet.profile("lab1", "ann")
    fleet.run("teams", "remove", "lab1")
    found = fleet.json("profiles", "drift", code=3)["drift"]
    assert [(one["profile"], one["drift"]) for one in found] == [("ann-lab1", "team_gone")]
    assert fleet.json("profiles", "drift", "--team", "lab1", code=3)["drift"]
    fleet.run("profiles", "drift", "--team", "lab9", code=2)


def test_profiles_of_a_team_that_somebody_removed_by_hand_are_found(fleet):
    fleet.profile("lab1", "ann")
    # Any write by a command sees where teams are.
    fleet.run("teams", "pause", "lab3")
    fleet.dynamodb.delete_item(TableName="studio-broker-teams", Key={"team_id": {"S": "lab1"}})
    found = fleet.json("profiles", "drift", code=3)["drift"]
    assert [one["drift"] for one in found] == ["team_gone"]


def test_profiles_that_a_team_left_behind_are_found(fleet):
    fleet.profile("lab1", "ann")
    before = fleet.domains["lab1"]
    made = fleet.sagemaker("lab1").create_domain(
        DomainName="second",
        AuthMode="IAM",
        DefaultUserSettings={"ExecutionRole": f"arn:aws:iam::{ACCOUNTS['lab1']}:role/Default"},
    )
    fleet.put_team("lab1", domain_id=made["DomainId"])
    found = fleet.json("profiles", "drift", code=3)["drift"]
    assert [(one["drift"], one["domain"]) for one in found] == [("team_moved", before)]


def test_the_item_of_places_is_no_team_to_anybody(fleet):
    fleet.run("teams", "remove", "lab1")
    stored = fleet.dynamodb.get_item(
        TableName="studio-broker-teams", Key={"team_id": {"S": "-places"}}
    )["Item"]
    assert any(place.startswith(ACCOUNTS["lab1"]) for place in stored["places"]["SS"])
    assert "-places" not in fleet.run("teams", "list").stdout
    assert "-places" not in fleet.run("teams", "export").stdout
    exported = fleet.folder / "all.yaml"
    exported.write_text(fleet.run("teams", "export").stdout)
    assert fleet.json("teams", "plan", exported, "--prune")["changes"] == []
    fleet.run("doctor", code=0)


# 2. offboarding where no team is any more


def test_whoever_leaves_is_found_in_an_account_without_teams(fleet):
    fleet.profile("lab1", "lea")
    fleet.run("teams", "remove", "lab1")
    done = fleet.json("profiles", "offboard", "lea", "--yes")
    assert [one["ended"] for one in done["profiles"]] == [True]
    assert fleet.profiles("lab1") == []


def test_an_account_without_teams_that_cannot_be_searched_is_named(fleet):
    fleet.profile("lab2", "lea")
    fleet.run("teams", "remove", "lab1")
    fleet.control("faults", operation="AssumeRole", account=ACCOUNTS["lab1"], effect="deny")
    done = fleet.run("profiles", "offboard", "lea", "--yes", code=1)
    assert f"account {ACCOUNTS['lab1']} (no team any more)" in done.stderr
    assert "everywhere" not in done.stdout + done.stderr
    forgotten = fleet.run("profiles", "drift", "--forget", ACCOUNTS["lab1"])
    assert "searched no longer" in forgotten.stdout
    fleet.run("profiles", "offboard", "lea", "--yes")
    fleet.run("profiles", "drift", "--forget", ACCOUNTS["lab2"], code=1)


# 3. typing errors


def test_a_person_whom_nothing_knows_needs_a_flag_and_the_near_ids_are_named(fleet):
    fleet.profile("lab1", "u0009")
    for typed in ["U0009", "u0009x"]:
        refused = fleet.json("profiles", "offboard", typed, "--yes", code=2)["error"]
        assert refused["code"] == "user_unknown"
        assert refused["unknown"] == [{"user": typed, "nearest": ["u0009"]}]
        assert "denied_users" not in fleet.idp()
    fleet.run("profiles", "offboard", "nobody", "--yes", "--allow-unknown")
    assert fleet.idp()["denied_users"]["L"] == [{"S": "nobody"}]
    # Who is denied already is no typing error.
    fleet.run("profiles", "offboard", "nobody", "--yes")
    fleet.run("profiles", "offboard", "nobody", "--undeny")
    assert "denied_users" not in fleet.idp()


def test_a_person_whom_nothing_knows_needs_a_flag_also_where_no_idp_is(fleet):
    fleet.profile("lab1", "u0009")
    fleet.run("idps", "remove", fleet.entity_id)
    refused = fleet.json("profiles", "offboard", "U0009", "--yes", code=2)["error"]
    assert refused["unknown"] == [{"user": "U0009", "nearest": ["u0009"]}]
    fleet.run("profiles", "offboard", "U0009", code=3)
    done = fleet.run("profiles", "offboard", "U0009", "--yes", "--allow-unknown")
    assert "refused everywhere" not in done.stdout
    assert fleet.profiles("lab1") == ["u0009-lab1"]


def test_a_session_makes_somebody_known(fleet):
    fleet.dynamodb.put_item(
        TableName="studio-broker-state",
        Item=item({"pk": "x", "user_id": "kim", "directory": "default", "expires_at": 1}),
    )
    fleet.run("profiles", "offboard", "kim", "--yes")
    assert fleet.idp()["denied_users"]["L"] == [{"S": "kim"}]


def test_several_people_and_a_file(fleet):
    for user in ["ann", "bob", "cy"]:
        fleet.profile("lab1", user)
    (fleet.folder / "leavers.txt").write_text("bob # since June\n\nann\n")
    done = fleet.json("profiles", "offboard", "cy", "--file", "leavers.txt", "--yes")
    assert [one["user"] for one in done["people"]] == ["cy", "bob", "ann"]
    assert fleet.profiles("lab1") == []


# 4. interrupts


def interrupted(fleet, *arguments, after, timeout=60):
    """Runs a command and sends it an interrupt once a condition holds."""
    process = subprocess.Popen(
        [BINARY, *map(str, arguments)],
        cwd=fleet.folder,
        env=fleet.settings,
        stdout=(fleet.folder / "out").open("w"),
        stderr=(fleet.folder / "err").open("w"),
    )
    deadline = time.monotonic() + 30
    while not after() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.wait(timeout)
    return process.returncode, *((fleet.folder / name).read_text() for name in ["out", "err"])


def test_an_interrupted_apply_tells_what_was_written_and_goes_on(local_world):
    count = 400
    path = local_world.file({"teams": [team(f"team{i:03}") for i in range(count)]})

    def slowly(_):
        time.sleep(0.1)

    local_world.between.on["UpdateItem"] = slowly
    written = lambda: local_world.between.seen.count("UpdateItem") > 40
    code, out, err = interrupted(local_world, "teams", "apply", path, after=written)
    assert code == 1, (out, err)
    told = [line for line in out.splitlines() if line.startswith("created team")]
    there = local_world.client.scan(TableName=local_world.teams, Select="COUNT")["Count"]
    assert len(told) == there - 1 and 0 < len(told) < count  # the item of places is the one more
    assert f"interrupted: {len(told)} of {count} written" in err
    assert "hint: studio-broker teams apply" in err
    local_world.between.on.clear()
    local_world.run("teams", "apply", path)


def test_an_interrupted_offboarding_tells_what_is_left(fleet):
    fleet.profile("lab1", "ann")
    fleet.control("settings", delete_delay_ms=20000)
    begun = lambda: bool(fleet.calls("DeleteUserProfile"))
    code, out, err = interrupted(fleet, "profiles", "offboard", "ann", "--yes", after=begun)
    assert code == 1, (out, err)
    assert "refused: ann at IdP" in out
    assert "interrupted: 0 of 1 profile gone; left: ann-lab1" in err, err
    assert "hint: studio-broker profiles offboard ann --yes" in err


def test_interrupted_assignments_are_counted_and_the_command_goes_on(fleet):
    fleet.put_idp(identity_store_id="d-1234567890")
    fleet.control("faults", operation="CreateApplicationAssignment", effect="delay", ms=3000, times=1)
    begun = lambda: "made the group studio-broker-lab3" in (fleet.folder / "err").read_text()
    code, out, err = interrupted(fleet, "identity-center", "apply", "--write-teams", after=begun)
    assert code == 1, (out, err)
    assert "made the group studio-broker-lab1" in err
    assert "interrupted: 4 of 9 steps done" in err and "assigned the application to the group of team lab1" in err
    assert "hint: studio-broker identity-center apply --write-teams" in err
    fleet.run("identity-center", "apply", "--write-teams")
    fleet.run("identity-center", "plan", code=0)


# 5. hints


def test_a_hint_reaches_no_further_than_what_was_asked(fleet):
    lab = {"JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.t3.medium"}}}
    fleet.profile("lab1", "ann")
    fleet.put_team("lab1", user_settings=lab)
    done = fleet.run("profiles", "drift", "--team", "lab1", "--parallel", "2", code=3)
    assert "studio-broker profiles drift --team lab1 --parallel 2 --repair" in hints(done.stderr)
    assert "1 profile differs" in done.stderr


def test_a_confirmation_that_was_wrong_is_replaced_in_the_hint(local_world):
    for number in range(7):
        local_world.put(local_world.teams, item(team(f"team{number}")))
    path = local_world.file({"teams": []})
    done = local_world.run("teams", "apply", path, "--prune", "--confirm-removals", "3", code=2)
    [hint] = hints(done.stderr)
    assert hint.endswith("--prune --confirm-removals 7")
    local_world.run(*shlex.split(hint)[1:])


def test_what_cannot_be_read_again_has_no_hint(local_world):
    text = json.dumps({"teams": [team()]})
    done = local_world.run("teams", "plan", "-", code=3, text=text)
    assert hints(done.stderr) == []


# 6. one malformed item


def test_one_malformed_item_that_is_not_asked_for_is_one_line(fleet):
    fleet.profile("lab1", "ann")
    bad = item({"team_id": "team12", "account_id": ACCOUNTS["lab2"], "region": "us-east-1"})
    bad["domain_id"] = {"S": fleet.domains["lab2"]}
    fleet.dynamodb.put_item(TableName="studio-broker-teams", Item=bad)
    for command in [
        ["profiles", "list"],
        ["profiles", "list", "--account", ACCOUNTS["lab1"]],
        ["profiles", "list", "--team", "lab1"],
        ["profiles", "drift"],
        ["profiles", "drift", "--team", "lab1"],
        ["doctor", "--team", "lab1"],
        ["profiles", "offboard", "ann", "--yes"],
    ]:
        done = fleet.run(*command)
        assert "team12" not in done.stdout, command
        assert [line for line in done.stderr.splitlines() if "team12" in line][1:] == [], command
    shown = fleet.json("doctor", code=3)
    assert any(one["subject"] == "team team12" for one in shown["findings"])


# 8. one object, whatever happens


def test_a_failure_is_the_one_object_too(local_world):
    local_world.put(local_world.teams, item(team()))
    local_world.file({"teams": [{**team(), "account_id": 12, "colour": "red"}]})
    faults = local_world.json("teams", "plan", "mappings.json", code=2)["error"]["faults"]
    assert [(one["line"], one["attribute"]) for one in faults] == [(1, "account_id"), (1, "colour")]
    assert all(one["file"].endswith("mappings.json") and one["expected"] for one in faults)
    missing = local_world.json("teams", "list", code=1, STUDIO_BROKER_TEAMS_TABLE="no-such-table")
    assert missing["error"]["code"] == "table_missing"
    usage = json.loads(local_world.run("teams", "lst", "-o", "json", code=2).stdout)
    assert usage["error"]["code"] == "usage"


def test_a_conflict_is_one_object_with_the_plan_and_the_error(local_world):
    local_world.put(local_world.teams, item(team()))
    local_world.file({"teams": [team(display_name="New")]})
    edit = lambda _: local_world.edit("team1", "description", {"S": "by hand"})
    local_world.between.once("UpdateItem", edit)
    shown = local_world.json("teams", "apply", "mappings.json", code=5)
    assert shown["changes"][0]["outcome"] == "changed_meanwhile"
    assert shown["error"]["code"] == "conflict"


# 9. removing


def test_removing_what_is_not_there_fails_with_the_nearest_unless_it_may(local_world):
    local_world.put(local_world.teams, item(team("dept00")))
    done = local_world.run("teams", "remove", "dept0O", code=1)
    assert "perhaps dept00" in done.stderr
    assert local_world.get(local_world.teams, "dept00")
    local_world.run("teams", "remove", "dept0O", "dept00", "--ignore-missing")
    assert local_world.get(local_world.teams, "dept00") is None


# 10. values


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"region": "eu-centrall-1"}, "perhaps eu-central-1"),
        ({"landing_uri": "http://x"}, "expected studio::"),
        ({"user_settings": {"SharingSettings": {"NotebookOutputOption": "Alowed"}}}, "perhaps Allowed"),
        ({"user_settings": {"SecurityGroup": ["sg-1"]}}, "perhaps SecurityGroups"),
        ({"allowed_cidrs": []}, "nobody can open the team"),
    ],
)
def test_a_value_that_is_probably_a_mistake_is_said_and_passes(local_world, change, said):
    path = local_world.file({"teams": [team(**change)]})
    plan = local_world.json("teams", "plan", path, code=3)
    assert any(said in one for one in plan["changes"][0]["warnings"]), plan
    local_world.run("teams", "apply", path)


def test_a_revision_in_a_file_is_said_to_be_ignored(local_world):
    path = local_world.file({"teams": [team(revision=5)]})
    plan = local_world.json("teams", "plan", path, code=3)
    assert any("revision is the table's own" in one for one in plan["warnings"])


# friction


def test_what_takes_profiles_from_people_needs_its_number(fleet):
    fleet.profile("lab1", "ann")
    role = f"arn:aws:iam::{ACCOUNTS['lab1']}:role/other"
    path = as_file(fleet, lab1={"domain_id": "d-elsewhere"}, lab3={"execution_role_arn": role.replace(ACCOUNTS["lab1"], ACCOUNTS["lab3"])})
    plan = fleet.json("teams", "plan", path, code=3)
    # Nobody has a profile in lab3 so far.
    assert plan["confirm"] == {"moved": 1}
    refused = fleet.json("teams", "apply", path, code=2)["error"]
    assert (refused["code"], refused["confirm"]) == ("confirmation_needed", {"moved": 1})
    fleet.run("teams", "apply", path, "--confirm", "moved=2", code=2)
    fleet.run("teams", "apply", path, "--confirm", "moved=1")


def test_a_kept_plan_needs_the_number_of_what_is_there_when_it_is_applied(fleet):
    path = as_file(fleet, lab1={"domain_id": "d-elsewhere"})
    fleet.run("teams", "plan", path, "--out", "agreed.plan", code=3)
    shown = fleet.json("teams", "apply", "agreed.plan", "--dry-run")
    assert shown["confirm"] == {}
    # Somebody's first sign-in came between.
    fleet.profile("lab1", "ann")
    fleet.run("teams", "apply", "agreed.plan", code=2)
    fleet.run("teams", "apply", "agreed.plan", "--confirm", "moved=1")


def test_people_who_were_denied_come_back_by_their_number_only(local_world):
    idp = {"entity_id": ENTITY_ID, "metadata_xml": (METADATA / "idp.xml").read_text(), "allowed_teams": ["*"]}
    local_world.put(local_world.idps, item({**idp, "denied_users": ["eve", "mallory"]}))
    path = local_world.file({"idps": [idp]})
    refused = local_world.run("idps", "apply", path, code=2)
    assert "2 people who were denied may sign in again" in refused.stderr
    [hint] = hints(refused.stderr)
    assert hint.endswith("--confirm readmitted=2")
    local_world.run(*shlex.split(hint)[1:])


def test_a_kept_plan_writes_exactly_that_or_nothing(local_world):
    path = local_world.file({"teams": [team(), team("team2")]})
    shown = local_world.run("teams", "plan", path, "--out", "agreed.plan", code=3)
    assert "hint: studio-broker teams apply agreed.plan" in shown.stderr
    path.write_text(json.dumps({"teams": [team("other")]}))
    local_world.run("teams", "apply", "agreed.plan")
    assert local_world.get(local_world.teams, "team2") and not local_world.get(local_world.teams, "other")
    # The tables have moved on: nothing of it is written twice.
    again = local_world.json("teams", "apply", "agreed.plan", code=5)
    assert again["error"]["code"] == "conflict"


def test_a_kept_plan_is_refused_whole_when_one_item_has_changed(local_world):
    for name in ["team1", "team2"]:
        local_world.put(local_world.teams, item(team(name)))
    changed = [team(name, display_name="New") for name in ["team1", "team2"]]
    local_world.run("teams", "plan", local_world.file({"teams": changed}), "--out", "p", code=3)
    local_world.edit("team2", "description", {"S": "by hand"})
    done = local_world.run("teams", "apply", "p", code=5)
    assert 'nothing was written: team "team2"' in done.stderr
    assert "display_name" not in local_world.get(local_world.teams, "team1")


def test_a_kept_plan_whose_tables_change_in_the_last_moment_writes_nothing(local_world):
    for name in ["team1", "team2"]:
        local_world.put(local_world.teams, item(team(name)))
    changed = [team(name, display_name="New") for name in ["team1", "team2"]]
    local_world.run("teams", "plan", local_world.file({"teams": changed}), "--out", "p", code=3)
    edit = lambda _: local_world.edit("team2", "description", {"S": "by hand"})
    local_world.between.once("TransactWriteItems", edit)
    local_world.run("teams", "apply", "p", code=5)
    assert "display_name" not in local_world.get(local_world.teams, "team1")


def test_tables_that_know_no_transactions_take_files_and_refuse_kept_plans(local_world):
    """Global tables of multi-Region strong consistency: infra/regions/README.md."""
    refused = {"__type": "com.amazon.coral.validate#ValidationException", "message": "no transactions here"}
    local_world.between.on["TransactWriteItems"] = lambda _: (400, refused)
    path = local_world.file({"teams": [team(), team("team2")]})
    done = local_world.run("teams", "apply", path)
    assert "could not be remembered" not in done.stderr
    assert local_world.raw(local_world.teams, "-places")["places"]["SS"]
    path = local_world.file({"teams": [team("team3"), team("team4")]})
    local_world.run("teams", "plan", path, "--out", "p", code=3)
    assert "no transactions here" in local_world.run("teams", "apply", "p", code=1).stderr
    assert not local_world.get(local_world.teams, "team3")


def test_a_kept_plan_is_for_one_hub(local_world, tmp_path):
    local_world.run("teams", "plan", local_world.file({"teams": [team()]}), "--out", "p", code=3)
    refused = local_world.json("teams", "apply", "p", code=2, AWS_REGION="us-east-1")["error"]
    assert refused["code"] == "plan_of_another_hub"
    kept = json.loads((tmp_path / "p").read_text())
    kept["changes"][0]["key"] = "team2"
    (tmp_path / "p").write_text(json.dumps(kept))
    assert local_world.json("teams", "apply", "p", code=2)["error"]["code"] == "plan_invalid"


def test_a_plan_as_markdown_has_the_hub_at_its_head(local_world):
    path = local_world.file({"teams": [team(display_name="a|b @all")]})
    shown = local_world.run("teams", "plan", path, "--markdown", code=3).stdout
    assert shown.startswith("### Plan for account ") and local_world.teams in shown.splitlines()[0].replace("\\", "")
    assert "a\\|b \\@all" in shown


def test_several_files_and_a_folder_are_one(local_world):
    folder = local_world.folder / "teams"
    folder.mkdir()
    (folder / "a.yaml").write_text(json.dumps({"teams": [team("a")]}))
    (folder / "b.yml").write_text(json.dumps({"teams": [team("b")]}))
    (folder / "notes.txt").write_text("none")
    other = local_world.file({"teams": [team("c")]})
    plan = local_world.json("teams", "plan", folder, other, code=3)
    assert [change["key"] for change in plan["changes"]] == ["a", "b", "c"]
    other.write_text(json.dumps({"teams": [team("b")]}))
    done = local_world.run("teams", "plan", folder, other, code=2)
    assert "stands twice, first in" in done.stderr and "b.yml:1" in done.stderr


def test_departments_prune_their_own(local_world):
    one = local_world.file({"owner": "one", "teams": [team("a"), team("b")]}, "one.json")
    two = local_world.file({"owner": "two", "teams": [team("c")]}, "two.json")
    local_world.run("teams", "apply", one)
    local_world.run("teams", "apply", two, "--prune")
    one.write_text(json.dumps({"owner": "one", "teams": [team("a")]}))
    plan = local_world.json("teams", "plan", one, "--prune", code=3)
    assert [(c["key"], c["action"]) for c in plan["changes"]] == [("b", "remove")]


def test_a_variable_that_is_no_setting_is_said(local_world):
    done = local_world.run("teams", "list", STUDIO_BROKER_TEAM_TABLE="x")
    assert "perhaps STUDIO_BROKER_TEAMS_TABLE" in done.stderr


def test_a_team_is_paused_and_resumed_and_its_history_names_who(local_world):
    local_world.put(local_world.teams, item(team()))
    local_world.run("teams", "pause", "team1", "--reason", "until noon")
    stored = local_world.raw(local_world.teams, "team1")
    assert stored["enabled"] == {"BOOL": False} and stored["paused_reason"] == {"S": "until noon"}
    assert stored["changed_at"]["S"].endswith("Z")
    shown = local_world.json("teams", "history", "team1")
    assert shown["changed_by"] == stored["changed_by"]["S"] and shown["changed_by"].startswith("arn:aws:")
    assert local_world.json("teams", "list", "--state", "paused")["teams"]
    local_world.run("teams", "resume", "team1")
    stored = local_world.get(local_world.teams, "team1")
    assert stored["enabled"] == {"BOOL": True} and "paused_reason" not in stored
    local_world.run("teams", "pause", "tema1", code=1)


def test_an_idp_is_switched_and_its_teams_change(local_world):
    local_world.run("idps", "add", METADATA / "idp.xml", "--teams", "team1")
    local_world.run("idps", "disable", ENTITY_ID)
    assert local_world.get(local_world.idps, ENTITY_ID)["enabled"] == {"BOOL": False}
    assert len(local_world.json("idps", "list", "--state", "disabled")["idps"]) == 1
    local_world.run("idps", "enable", ENTITY_ID)
    done = local_world.run("idps", "teams", ENTITY_ID, "+vision", "-team1")
    assert 'there is no team "vision"' in done.stdout
    assert local_world.get(local_world.idps, ENTITY_ID)["allowed_teams"] == {"L": [{"S": "vision"}]}


def test_the_history_of_a_log_is_shown(local_world):
    line = {"event": "item_changed", "key": '"team1"', "timestamp": "t", "changes": "enabled: true", "by": "x"}
    (local_world.folder / "log").write_text(json.dumps({"events": [{"message": json.dumps(line)}]}))
    shown = local_world.run("teams", "history", "team1", "--log", "log")
    assert "enabled: true" in shown.stdout


def test_a_reference_and_a_code_are_explained(local_world):
    line = {"event": "decision", "reference": "R1", "outcome": "refused", "code": "target_denied", "team": "team1", "account": "222222222222", "detail": "sts:AssumeRole: AccessDenied"}
    (local_world.folder / "log").write_text("noise\n" + json.dumps(line) + "\n")
    shown = local_world.run("explain", "reference", "R1", "--log", "log")
    for said in ["account: 222222222222", "sts:AssumeRole", "runbook", "Teams…"]:
        assert said in shown.stdout, said
    local_world.run("explain", "reference", "R2", "--log", "log", code=1)
    assert "filter-log-events" in local_world.run("explain", "reference", "R1", code=2).stderr
    assert "runbook" in local_world.run("explain", "code", "target_denied").stdout
    assert "perhaps target_denied" in local_world.run("explain", "code", "target_denid", code=1).stderr


def test_doctor_fails_on_what_it_is_asked_to_and_leaves_out_what_is_known(fleet):
    fleet.put_team("lab1", adopt_profiles=True)
    assert fleet.json("doctor")["findings"][0]["code"] == "adopt_profiles_on"
    fleet.run("doctor", "--fail-on", "warning", code=3)
    left = fleet.json("doctor", "--fail-on", "warning", "--ignore", "adopt_profiles_on=lab1")
    assert (left["findings"], left["ignored"]) == ([], 1)
    fleet.run("doctor", "--ignore", "no_such_cause=lab1", code=2)
    assert fleet.json("doctor", "--account", ACCOUNTS["lab2"])["checked"]["teams"] == 1


def test_a_rename_is_seen_with_the_people(fleet):
    fleet.profile("lab1", "ann")
    path = as_file(fleet, lab1={"team_id": "lab1new"})
    plan = fleet.json("teams", "plan", path, "--prune", code=3)
    new = next(change for change in plan["changes"] if change["key"] == "lab1new")
    assert any('takes the place of team "lab1"' in one for one in new["consequences"])
    assert any("1 profile stays behind" in one for one in new["consequences"]), new
    assert plan["confirm"] == {"moved": 1}
    fleet.run("teams", "apply", path, "--prune", code=2)
    fleet.run("teams", "apply", path, "--prune", "--confirm", "moved=1")


def test_a_rename_of_a_team_without_profiles_needs_no_number(fleet):
    path = as_file(fleet, lab1={"team_id": "lab1new"})
    assert fleet.json("teams", "plan", path, "--prune", code=3)["confirm"] == {}
    fleet.run("teams", "apply", path, "--prune")


def test_a_look_that_does_not_reach_everything_is_partial(fleet):
    path = as_file(fleet)
    teams = json.loads(path.read_text())["teams"]
    path.write_text(json.dumps({"teams": [{**one, "team_id": one["team_id"] + "x"} for one in teams]}))
    plan = fleet.json("teams", "plan", path, "--look-into", "1", code=3)
    assert plan["partial"] and any("--look-into 3" in one for one in plan["warnings"])


@pytest.mark.parametrize("attribute", [{"Enabled": False}, {"Allowed_cidrs": ["192.0.2.0/24"]}])
def test_a_misspelt_attribute_that_takes_access_away_closes_the_team(local_world, attribute):
    local_world.put(local_world.teams, item({**team(), **attribute}))
    [shown] = local_world.json("teams", "list")["teams"]
    assert shown["state"] == "cannot be used" and next(iter(attribute)).lower() in shown["faults"][0]


@pytest.mark.parametrize("form", ["base64", "encoded", "body", "pasted", "har", "har-text"])
def test_saml_verify_takes_what_browsers_copy(local_world, form):
    folder = METADATA.parents[1] / "cli/explain.in"
    encoded = base64.b64encode((folder / "response.xml").read_bytes()).decode()
    quoted = quote(encoded, safe="")
    har = lambda data: json.dumps({"log": {"entries": [{"request": {"postData": data}}]}})
    text = {
        "base64": encoded,
        "encoded": quoted,
        "body": f"RelayState=%2Fteams%2Fx&SAMLResponse={quoted}",
        "pasted": f"SAMLResponse={encoded}",
        "har": har({"params": [{"name": "SAMLResponse", "value": quoted}]}),
        "har-text": har({"text": f"SAMLResponse={quoted}"}),
    }[form]
    (local_world.folder / "copied").write_text(text)
    command = [
        "saml", "verify", "--idp-metadata", folder / "idp.xml",
        "--sp-entity-id", "https://sp.example/metadata",
        "--acs-url", "https://sp.example/acs", "--at", "2026-11-22T12:00:00Z",
    ]
    direct = local_world.run(*command, folder / "response.xml", code=0)
    copied = local_world.run(*command, "copied", code=0)
    assert (copied.stdout, copied.stderr) == (direct.stdout, direct.stderr) and direct.stdout


def test_calls_are_told_when_asked_for(local_world):
    assert "asked AWS: DynamoDB.Scan" in local_world.run("teams", "list", "-v").stderr
    assert "asked AWS" not in local_world.run("teams", "list").stderr
