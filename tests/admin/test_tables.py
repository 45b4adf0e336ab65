"""What boto3 wrote, `plan` understands; what `apply` wrote, boto3 reads; and nobody's edit is lost."""

import pytest

from conftest import METADATA, Between, item, team


def idp(**more):
    return {
        "entity_id": "https://idp.example.com/metadata",
        "metadata_xml": (METADATA / "idp.xml").read_text(),
        "allowed_teams": ["*"],
        **more,
    }


FULL = team(
    display_name="Équipe 1",
    description="first\nsecond",
    broker_role_arn="arn:aws:iam::012345678901:role/Broker",
    external_id="x-1",
    groups=["a", "b"],
    user_settings={
        "DefaultLandingUri": "studio::",
        "SpaceStorageSettings": {"DefaultEbsStorageSettings": {"DefaultEbsVolumeSizeInGb": 5}},
        "SecurityGroups": ["sg-2", "sg-1"],
        "Future": {"Flag": False, "Ratio": 0.5},
    },
    tags={"CostCenter": "0012"},
    session_duration_seconds=3600,
    landing_uri="app:JupyterLab:",
    space_name="shared",
    allowed_cidrs=["192.0.2.0/24"],
    adopt_profiles=False,
    enabled=False,
    paused_reason="moving",
)


def test_what_apply_wrote_boto3_reads(world):
    file = world.file({"teams": [FULL], "idps": [idp(denied_users=["x"])]})
    world.run("teams", "apply", file)
    assert world.get(world.teams, "team1") == item({**FULL, "revision": 1})
    assert world.get(world.idps, idp()["entity_id"]) == item(idp(denied_users=["x"]))
    assert world.run("teams", "plan", file).stdout == "no changes: the tables hold what is wanted\n"


def test_what_boto3_wrote_plan_understands(world):
    world.put(world.teams, item({**FULL, "revision": 41}))
    changed = {**FULL, "groups": ["b", "c"], "enabled": True, "tags": {"CostCenter": "0013"}}
    plan = world.json("teams", "plan", world.file({"teams": [changed]}), code=3)
    (change,) = plan["changes"]
    assert (change["key"], change["action"]) == ("team1", "update")
    assert change["differences"] == [
        {"path": "enabled", "before": False, "after": True},
        {"path": "groups", "before": ["a", "b"], "after": ["b", "c"]},
        {"path": "tags.CostCenter", "before": "0012", "after": "0013"},
    ]
    world.run("teams", "apply", world.file({"teams": [changed]}))
    assert world.get(world.teams, "team1") == item({**changed, "revision": 42})


def test_what_does_not_change_is_not_rewritten(world):
    by_hand = item(FULL) | {"groups": {"SS": ["b", "a"]}, "session_duration_seconds": {"N": "3600"}}
    world.put(world.teams, by_hand)
    assert world.json("teams", "plan", world.file({"teams": [FULL]}))["changes"] == []
    world.run("teams", "apply", world.file({"teams": [{**FULL, "description": "x"}]}))
    stored = world.get(world.teams, "team1")
    assert sorted(stored["groups"]["SS"]) == ["a", "b"]
    world.run("teams", "apply", world.file({"teams": [{**FULL, "groups": ["z"]}]}))
    assert world.get(world.teams, "team1")["groups"] == {"SS": ["z"]}


def test_an_attribute_that_the_file_lacks_goes(world):
    world.put(world.teams, item(FULL))
    world.run("teams", "apply", world.file({"teams": [team()]}))
    assert world.get(world.teams, "team1") == item({**team(), "revision": 1})


def test_a_malformed_item_is_repaired(world):
    broken = item(team()) | {"account_id": {"N": "12345678901"}, "blob": {"B": b"\x00\xff"}}
    world.put(world.teams, broken)
    plan = world.json("teams", "plan", world.file({"teams": [team()]}), code=3)
    assert [d["path"] for d in plan["changes"][0]["differences"]] == ["account_id", "blob"]
    world.run("teams", "apply", world.file({"teams": [team()]}))
    assert world.get(world.teams, "team1") == item({**team(), "revision": 1})


# somebody else, between the read and the write


def meanwhile(world, act, operation="UpdateItem"):
    world.between.once(operation, lambda _: act())


@pytest.mark.parametrize(
    "name, value",
    [
        ("description", {"S": "by hand"}),
        ("paused_reason", {"S": "an attribute that it did not have"}),
        ("groups", {"SS": ["a"]}),
        ("user_settings", {"M": {"DefaultLandingUri": {"S": "app:JupyterLab:"}}}),
        ("revision", {"N": "2"}),
    ],
    ids=["other-value", "new-attribute", "other-type", "inside-a-map", "another-apply"],
)
def test_an_edit_by_hand_is_not_overwritten(world, name, value):
    world.put(world.teams, item(team(description="old", groups=["a"], revision=1)))
    meanwhile(world, lambda: world.edit("team1", name, value))
    file = world.file({"teams": [team(description="new", groups=["a"])]})
    done = world.run("teams", "apply", file, code=5)
    said = "written otherwise" if name in ["revision"] or value == {"SS": ["a"]} else name
    assert said in done.stderr.split("changed meanwhile")[1]
    assert "hint:" in done.stderr
    stored = world.get(world.teams, "team1")
    assert stored[name] == value
    assert stored["description"] in [{"S": "old"}, value]
    # The same command again starts from what is there now.
    world.run("teams", "apply", file)
    assert world.get(world.teams, "team1")["description"] == {"S": "new"}


def test_an_attribute_that_nobody_knows_survives_a_write_that_did_not_see_it(world):
    world.put(world.teams, item(team()))
    meanwhile(world, lambda: world.edit("team1", "mail", {"S": "x@example.com"}))
    world.run("teams", "apply", world.file({"teams": [team(description="new")]}))
    stored = world.get(world.teams, "team1")
    assert (stored["mail"], stored["description"]) == ({"S": "x@example.com"}, {"S": "new"})


def test_an_item_that_appears_meanwhile_is_not_overwritten(world):
    meanwhile(world, lambda: world.put(world.teams, item(team(description="theirs"))))
    done = world.run("teams", "apply", world.file({"teams": [team(description="ours")]}), code=5)
    assert "it appeared" in done.stderr
    assert world.get(world.teams, "team1")["description"] == {"S": "theirs"}


def test_an_item_that_is_removed_meanwhile_stays_removed(world):
    world.put(world.teams, item(team()))

    def remove():
        world.client.delete_item(TableName=world.teams, Key={"team_id": {"S": "team1"}})

    meanwhile(world, remove)
    done = world.run("teams", "apply", world.file({"teams": [team(description="x")]}), code=5)
    assert "it was removed" in done.stderr
    assert world.get(world.teams, "team1") is None


def test_an_item_that_is_edited_meanwhile_is_not_removed(world):
    world.put(world.teams, item(team()))
    meanwhile(world, lambda: world.edit("team1", "enabled", {"BOOL": False}), "DeleteItem")
    done = world.run("teams", "remove", "team1", code=5)
    assert "enabled" in done.stderr
    assert world.get(world.teams, "team1") is not None


def test_one_edit_by_hand_does_not_hold_up_the_others(world):
    world.put(world.teams, item(team("a")))
    world.put(world.teams, item(team("b")))

    def edit_a(request):
        if request["Key"]["team_id"]["S"] == "a":
            world.edit("a", "description", {"S": "by hand"})

    world.between.on["UpdateItem"] = edit_a
    file = world.file({"teams": [team("a", groups=["g"]), team("b", groups=["g"]), team("c")]})
    plan = world.json("teams", "apply", file, code=5)
    assert [(c["key"], c["outcome"]) for c in plan["changes"]] == [
        ("a", "changed_meanwhile"),
        ("b", "written"),
        ("c", "written"),
    ]


# failures on the way


@pytest.mark.parametrize("operation, command", [("UpdateItem", "apply"), ("DeleteItem", "remove")])
def test_a_write_whose_answer_was_lost_is_not_taken_for_somebody_elses(world, operation, command):
    world.put(world.teams, item(team(revision=1)))
    world.between.once(operation, lambda _: Between.LOST)
    if command == "apply":
        world.run("teams", "apply", world.file({"teams": [team(description="new")]}))
        assert world.get(world.teams, "team1") == item(team(description="new", revision=2))
    else:
        world.run("teams", "remove", "team1")
        assert world.get(world.teams, "team1") is None
    assert world.between.seen.count(operation) == 2


def test_apply_resumes_after_a_failure(world):
    teams = [team(f"team{i}") for i in range(60)]
    file = world.file({"teams": teams})
    allowed = 10

    def deny(_):
        nonlocal allowed
        allowed -= 1
        if allowed < 0:
            return 400, {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "no"}

    world.between.on["UpdateItem"] = deny
    done = world.run("teams", "apply", file, code=4)
    assert "10 of 60 written" in done.stderr and "not tried" in done.stderr
    assert len(world.between.seen) < 60
    world.between.on.clear()
    plan = world.json("teams", "apply", file)
    assert plan["counts"] == {"create": 50, "update": 0, "remove": 0}
    assert world.run("teams", "plan", file).returncode == 0


def test_a_throttled_write_is_tried_again(world):
    busy = {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "busy"}
    world.between.once("UpdateItem", lambda _: (400, busy))
    world.run("teams", "apply", world.file({"teams": [team()]}))
    assert world.get(world.teams, "team1") is not None


# what is not done


def writes(world):
    return [operation for operation in world.between.seen if operation not in ["Scan"]]


def test_plan_and_dry_run_only_read(world):
    world.put(world.teams, item(team("old")))
    file = world.file({"teams": [team()]})
    world.run("teams", "plan", file, "--prune", code=3)
    world.run("teams", "apply", file, "--prune", "--dry-run")
    world.run("teams", "remove", "old", "--dry-run")
    assert writes(world) == []


def test_a_file_with_faults_writes_nothing(world):
    bad = team("team2", account_id=12345678901)
    done = world.run("teams", "apply", world.file({"teams": [team(), bad]}), code=2)
    assert "team \"team2\": account_id:" in done.stderr
    assert world.between.seen == []


def test_what_the_file_lacks_stays_without_prune(world):
    world.put(world.teams, item(team("old")))
    world.put(world.idps, item(idp()))
    file = world.file({"teams": [team()]})
    done = world.run("teams", "apply", file)
    assert 'team "old"' in done.stderr
    assert world.get(world.teams, "old") is not None
    world.run("teams", "apply", file, "--prune")
    assert world.get(world.teams, "old") is None
    # The file does not speak of identity providers.
    assert world.get(world.idps, idp()["entity_id"]) is not None


def test_many_removals_need_their_number(world):
    for i in range(6):
        world.put(world.teams, item(team(f"old{i}", domain_id="d-other")))
    file = world.file({"teams": [team()]})
    for arguments in [[], ["--confirm-removals", "5"]]:
        done = world.run("teams", "apply", file, "--prune", *arguments, code=2)
        assert "--confirm-removals 6" in done.stderr
    assert writes(world) == []
    world.run("teams", "apply", file, "--prune", "--confirm-removals", "6")
    assert world.json("teams", "list")["teams"][0]["item"]["team_id"] == "team1"


def test_privileged_settings_need_their_word(world):
    settings = {"CustomPosixUserConfig": {"Uid": 10001, "Gid": 1001}}
    file = world.file({"teams": [team(user_settings=settings)]})
    plan = world.json("teams", "plan", file, code=3)
    (member,) = plan["changes"][0]["privileged"]
    assert member["path"] == "user_settings.CustomPosixUserConfig"
    assert "10001" in plan["changes"][0]["warnings"][0]
    done = world.run("teams", "apply", file, code=2)
    assert "--allow-privileged" in done.stderr
    assert writes(world) == []
    world.run("teams", "apply", file, "--allow-privileged")
    # What is there already is no news.
    world.run("teams", "apply", world.file({"teams": [team(user_settings=settings, groups=["g"])]}))


# who may read and write


def denied(_):
    return 400, {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "no"}


def test_a_table_that_the_command_does_not_change_may_be_closed(world):
    def only_teams(request):
        if request["TableName"] == world.idps:
            return denied(request)

    world.between.on["Scan"] = only_teams
    done = world.run("teams", "plan", world.file({"teams": [team()]}), code=3)
    assert "who gains or loses access is not known" in done.stderr
    world.run("teams", "plan", world.file({"teams": [], "idps": []}), code=4)


@pytest.mark.parametrize("group", ["teams", "idps"])
def test_without_rights_the_exit_code_is_4(world, group):
    world.between.on["Scan"] = denied
    for command in [["list"], ["show", "x"], ["export"], ["plan", world.file({group: []})]]:
        done = world.run(group, *command, code=4)
        assert "error: dynamodb:Scan is not allowed: no" in done.stderr and done.stdout == ""


def test_a_table_that_is_not_there_is_named(world):
    done = world.run("teams", "list", code=1, STUDIO_BROKER_TEAMS_TABLE="no-such-table")
    assert "no-such-table" in done.stderr and "STUDIO_BROKER_TEAMS_TABLE" in done.stderr
