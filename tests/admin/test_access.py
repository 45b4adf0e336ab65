"""`access grant · end · explain · report` and `profiles revoke`, with boto3 on the other side."""

import csv
import io
import re
from datetime import datetime, timedelta, timezone

import boto3
import pytest

from conftest import METADATA, item, team
from fleet import ACCOUNTS, fleet  # noqa: F401

REASON = ["--reason", "the audit"]


def idp(**more):
    metadata = (METADATA / "idp.xml").read_text()
    entity_id = metadata.split('entityID="')[1].split('"')[0]
    return {"entity_id": entity_id, "metadata_xml": metadata, "allowed_teams": ["*"], **more}


def entry(fleet, team_id, key):
    found = fleet.dynamodb.get_item(TableName="studio-broker-teams", Key={"team_id": {"S": team_id}})
    return found["Item"].get("members", {"M": {}})["M"].get(key)


def plain(value):
    return {name: member["S"] for name, member in value["M"].items()}


def in_hours(moment):
    end = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    return (end - datetime.now(timezone.utc)) / timedelta(hours=1)


# one entry each


def test_a_grant_is_one_entry_that_names_who_did_it(fleet):
    said = fleet.json("access", "grant", "ann", "lab1", "--for", "8h", *REASON)
    assert (said["key"], said["before"], said["written"]) == ("ann", None, True)
    written = plain(entry(fleet, "lab1", "ann"))
    assert 7.9 < in_hours(written["until"]) <= 8
    assert (written["reason"], written["by"]) == ("the audit", "arn:aws:iam::111111111111:user/administrator")
    again = fleet.json("access", "grant", "ann", "lab1", "--always", *REASON)
    assert again["before"]["until"] == written["until"]
    assert plain(entry(fleet, "lab1", "ann"))["until"] == "always"
    fleet.json("access", "end", "ann", "lab1")
    assert entry(fleet, "lab1", "ann") is None
    assert fleet.json("access", "end", "ann", "lab1")["removed"] is False


def test_a_grant_is_seen_in_the_teams_history_and_a_young_rule_is_none_to_clean_up(fleet):
    fleet.put_team("lab2", members={"old": "always"})
    fleet.json("access", "grant", "ann", "lab1", "--always", *REASON)
    history = fleet.json("teams", "history", "lab1")
    assert history["changed_by"] == "arn:aws:iam::111111111111:user/administrator"
    assert -1 < in_hours(history["changed_at"]) <= 0
    needless = {(one["kind"], one["subject"]) for one in fleet.json("access", "report")["needless"]}
    assert ("rule_without_profile", "old in lab2") in needless, "nobody knows since when"
    assert ("rule_without_profile", "ann in lab1") not in needless, "it is some seconds old"


def test_until_is_a_moment_in_utc_that_is_to_come(fleet):
    fleet.run("access", "grant", "ann", "lab1", "--until", "2098-01-31T18:00:00Z", *REASON)
    assert plain(entry(fleet, "lab1", "ann"))["until"] == "2098-01-31T18:00:00Z"
    for bad in ["2098-01-31T18:00:00", "2098-01-31T18:00:00+01:00", "2020-01-01T00:00:00Z",
                "10000-01-01T00:00:00Z", "tomorrow", "always"]:
        assert fleet.run("access", "grant", "bob", "lab1", "--until", bad, *REASON, code=2).stderr
    for bad in ["0h", "-1h", "8", "8x", ""]:
        fleet.run("access", "grant", "bob", "lab1", f"--for={bad}", *REASON, code=2)
    fleet.run("access", "grant", "bob", "lab1", *REASON, code=2)
    fleet.run("access", "grant", "bob", "lab1", "--always", "--for", "8h", *REASON, code=2)
    fleet.run("access", "grant", "bob", "lab1", "--always", code=2)
    fleet.run("access", "grant", "bob", "lab1", "--always", "--reason", "x" * 257, code=2)
    assert entry(fleet, "lab1", "bob") is None


@pytest.mark.parametrize("user", ["", " ann", "ann ", "a\nb", "x" * 257])
def test_a_user_id_that_nobody_can_have_is_refused(fleet, user):
    fleet.run("access", "grant", user, "lab1", "--always", *REASON, code=2)
    fleet.run("access", "explain", user, code=2)
    fleet.run("profiles", "revoke", user, code=2)


def test_a_team_that_is_not_there_is_refused_with_those_that_are_near(fleet):
    refused = fleet.run("access", "grant", "ann", "lab9", "--always", *REASON, code=1)
    assert 'there is no team "lab9", perhaps lab1 or lab2 or lab3' in refused.stderr
    fleet.run("access", "end", "ann", "nowhere", code=1)


def test_the_directory_is_the_only_one_or_named(fleet):
    fleet.put_idp(directory="okta")
    assert fleet.json("access", "grant", "ann", "lab1", "--always", *REASON)["key"] == "okta/ann"
    fleet.run("access", "grant", "ann", "lab1", "--always", "--directory", "nope", *REASON, code=2)
    text = (METADATA / "idp.xml").read_text().replace(fleet.entity_id, "https://second.example.com/")
    fleet.dynamodb.put_item(TableName="studio-broker-idps", Item=item(
        {"entity_id": "https://second.example.com/", "metadata_xml": text, "allowed_teams": ["*"]}
    ))
    refused = fleet.run("access", "grant", "bob", "lab1", "--always", *REASON, code=2)
    assert "default, okta" in refused.stderr and "--directory default" in refused.stderr
    said = fleet.json("access", "grant", "a/b", "lab1", "--always", "--directory", "default", *REASON)
    assert said["key"] == "default/a/b"


def test_no_directory_is_guessed_while_no_identity_provider_can_be_used(fleet):
    fleet.profile("lab1", "ann")
    fleet.put_idp(metadata_xml="<a/>")
    for command in (
        ("access", "grant", "ann", "lab1", "--always", *REASON),
        ("access", "end", "ann", "lab1"),
        ("profiles", "revoke", "ann", "--yes"),
    ):
        refused = fleet.run(*command, code=2)
        assert f"IdP {fleet.entity_id}: metadata_xml" in refused.stderr
        assert "--directory default\n" in refused.stderr
    assert entry(fleet, "lab1", "ann") is None
    said = fleet.json("access", "grant", "ann", "lab1", "--always", "--directory", "default", *REASON)
    assert said["key"] == "ann"
    fleet.run("profiles", "revoke", "ann", "--directory", "Default", "--yes", code=2)


def test_a_key_that_stands_there_stays_and_two_become_one(fleet):
    fleet.put_team("lab1", members={"default/ann": "always"})
    assert fleet.json("access", "grant", "ann", "lab1", "--for", "1h", *REASON)["key"] == "default/ann"
    fleet.put_team("lab1", members={"default/ann": "always", "ann": "2020-01-01T00:00:00Z", "bob": "always"})
    said = fleet.json("access", "grant", "ann", "lab1", "--for", "1h", *REASON)
    assert (said["key"], said["before"]["until"]) == ("ann", "2020-01-01T00:00:00Z")
    assert entry(fleet, "lab1", "default/ann") is None and entry(fleet, "lab1", "bob") == {"S": "always"}


def test_an_entry_that_cannot_be_read_is_replaced_and_members_of_another_type_are_not(fleet):
    fleet.put_team("lab1", members={"ann": 7})
    assert fleet.json("access", "grant", "ann", "lab1", "--always", *REASON)["before"] is None
    fleet.put_team("lab1", members=["ann"])
    refused = fleet.run("access", "grant", "ann", "lab1", "--always", *REASON, code=1)
    assert "members is no map" in refused.stderr


def test_ended_entries_go_by_a_command_and_never_by_themselves(fleet):
    members = {"old": "2020-01-01T00:00:00Z", "now": "always", "bad": "soon",
               "x": {"until": "2021-01-01T00:00:00Z"}}
    fleet.put_team("lab1", members=members)
    fleet.put_team("lab2", members={f"u{n}": "2020-01-01T00:00:00Z" for n in range(120)})
    fleet.run("access", "grant", "ann", "lab1", "--always", *REASON)
    assert entry(fleet, "lab1", "old")
    dry = fleet.json("access", "end", "--ended", "--dry-run")
    assert len(dry["removed"]) == 122 and entry(fleet, "lab1", "old")
    assert len(fleet.json("access", "end", "--ended", "--team", "lab1")["removed"]) == 2
    assert entry(fleet, "lab1", "old") is None and entry(fleet, "lab1", "x") is None
    assert entry(fleet, "lab1", "now") and entry(fleet, "lab1", "bad") and entry(fleet, "lab1", "ann")
    assert len(fleet.json("access", "end", "--ended")["removed"]) == 120


def test_an_item_without_room_is_said_before_it_fails(fleet):
    fleet.put_team("lab1", members={f"user-{n:05}": "always" for n in range(20)},
                   description="x" * 400_000)
    refused = fleet.run("access", "grant", "ann", "lab1", "--always", "--reason", "x" * 256,
                        code=0)
    assert "of 409600 bytes" in refused.stderr
    fleet.put_team("lab1", members={}, description="x" * 409_300)
    refused = fleet.run("access", "grant", "ann", "lab1", "--always", "--reason", "x" * 256, code=1)
    assert "DynamoDB takes 409600 at most: nothing was written" in refused.stderr
    assert entry(fleet, "lab1", "ann") is None


# beside each other, on two DynamoDBs


def grant(world, user="ann", code=0, **settings):
    return world.run("access", "grant", user, "team1", "--always", *REASON, code=code, **settings)


def put(world, **more):
    world.put(world.teams, item(team(**more)))
    world.put(world.idps, item(idp()))


def members(world):
    found = world.get(world.teams, "team1").get("members", {"M": {}})
    return found["M"]


@pytest.fixture
def tables(local_world):
    return local_world


def test_the_first_entries_of_two_people_at_once_are_both_written(tables):
    put(tables)

    def somebody_else(_):
        tables.edit("team1", "members", {"M": {"bob": {"S": "always"}}})

    tables.between.once("UpdateItem", somebody_else)
    grant(tables)
    assert set(members(tables)) == {"ann", "bob"}


def test_another_entry_or_attribute_that_changes_meanwhile_is_kept(tables):
    put(tables, members={"bob": "always"})

    def somebody_else(_):
        tables.edit("team1", "members", {"M": {"bob": {"S": "2098-01-01T00:00:00Z"}, "cid": {"S": "always"}}})
        tables.edit("team1", "description", {"S": "by hand"})

    tables.between.once("UpdateItem", somebody_else)
    grant(tables)
    assert set(members(tables)) == {"ann", "bob", "cid"}
    assert members(tables)["bob"] == {"S": "2098-01-01T00:00:00Z"}
    assert tables.get(tables.teams, "team1")["description"] == {"S": "by hand"}


@pytest.mark.parametrize("key", ["ann", "default/ann"])
def test_the_same_persons_entry_that_changes_meanwhile_is_a_conflict(tables, key):
    put(tables, members={"bob": "always"})
    theirs = {"M": {"bob": {"S": "always"}, key: {"S": "2098-01-01T00:00:00Z"}}}
    tables.between.once("UpdateItem", lambda _: tables.edit("team1", "members", theirs))
    refused = grant(tables, code=5)
    assert "somebody else changed the entry" in refused.stderr
    assert members(tables) == theirs["M"]


def test_a_team_that_goes_meanwhile_is_not_made_again(tables):
    put(tables)

    def remove(_):
        tables.client.delete_item(TableName=tables.teams, Key={"team_id": {"S": "team1"}})

    tables.between.once("UpdateItem", remove)
    grant(tables, code=1)
    assert tables.get(tables.teams, "team1") is None


def test_a_lost_answer_is_no_conflict(tables):
    put(tables, members={"bob": "always"})
    tables.between.once("UpdateItem", lambda _: tables.between.LOST)
    grant(tables)
    assert set(members(tables)) == {"ann", "bob"}


def test_an_apply_beside_a_grant_writes_over_nothing(tables):
    put(tables)
    file = tables.file({"teams": [team(description="from the file")]})
    tables.between.once("UpdateItem", lambda _: tables.edit("team1", "members", {"M": {"bob": {"S": "always"}}}))
    tables.run("teams", "apply", file, code=5)
    assert set(members(tables)) == {"bob"}


# the file


def test_a_file_with_members_is_held_against_their_rules(tables):
    put(tables)
    bad = {"teams": [team(members={"ann": "soon", "bob": "always", "Up/x": "always"})]}
    refused = tables.run("teams", "plan", tables.file(bad), code=2).stderr
    assert 'members.ann: found "soon", expected always, or a moment in UTC' in refused
    assert "members.Up/x" in refused and "members.bob" not in refused
    exported = tables.run("teams", "export").stdout
    assert tables.run("teams", "plan", tables.file(exported, "export.yaml"), code=0)


def test_plan_names_each_person_whose_access_comes_goes_or_moves(tables):
    put(tables, members={"ann": "always", "bob": "2098-01-01T00:00:00Z", "cid": "always"})
    wanted = {"teams": [team(members={
        "ann": "always", "bob": "2099-01-01T00:00:00Z", "okta/dan": "always", "default/ann": "always"})]}
    file = tables.file(wanted)
    said = tables.run("teams", "plan", file, code=3).stdout
    assert "+ okta/dan gains access to team1 without end" in said
    assert "~ bob has access to team1 until 2099-01-01T00:00:00Z, now until 2098-01-01T00:00:00Z" in said
    assert "- cid loses access to team1" in said
    assert "ann gains" not in said and "are the same person: the earlier end counts" in said
    people = tables.json("teams", "plan", file, code=3)["people"]
    assert [(p["user_id"], p.get("before"), p.get("after")) for p in people] == [
        ("bob", "2098-01-01T00:00:00Z", "2099-01-01T00:00:00Z"),
        ("cid", "always", None),
        ("dan", None, "always"),
    ]


# explained


def explain(fleet, *arguments):
    return fleet.json("access", "explain", *arguments)


def test_explain_says_which_rule_opens_until_when(fleet):
    fleet.put_team("lab1", members={"ann": "2098-01-01T00:00:00Z"})
    fleet.put_team("lab2", groups=["g1"])
    opened = {t["team"]: (t["because"], t["until"]) for t in explain(fleet, "ann", "--groups", "g1")["teams"]}
    assert opened == {
        "lab1": ('its members hold "ann" until 2098-01-01T00:00:00Z', "2098-01-01T00:00:00Z"),
        "lab2": ('its groups hold "g1"', "always"),
    }
    later = explain(fleet, "ann", "--groups", "g1", "--at", "2098-01-01T00:00:00Z")
    assert [t["team"] for t in later["teams"]] == ["lab2"]


def refused_by(fleet, *arguments, team_id="lab1", **more):
    fleet.put_team(team_id, members={"ann": "always"}, **more)
    said = explain(fleet, "ann", "--team", team_id, *arguments)
    [decision] = said["decisions"]
    found = [check for check in decision["checks"] if check["outcome"] == "refused"]
    assert (not found) == said["opens"]
    after = [check["outcome"] for check in decision["checks"]]
    if found:
        at = after.index("refused")
        assert set(after[:at]) <= {"holds"} and set(after[at + 1:]) <= {"not_reached"}
    return (found[0]["code"], found[0]["check"]) if found else None


def test_explain_names_the_first_check_that_does_not_hold(fleet):
    assert refused_by(fleet) is None
    assert refused_by(fleet, enabled=False) == ("team_paused", "enabled")
    assert refused_by(fleet, allowed_cidrs=["192.0.2.0/24"]) == ("network_refused", "network")
    assert refused_by(fleet, "--address", "192.0.2.7", allowed_cidrs=["192.0.2.0/24"]) is None
    contexts = {"authn_contexts": ["urn:mfa"]}
    assert refused_by(fleet, **contexts) == ("authn_context_refused", "authentication context of the team")
    assert refused_by(fleet, "--authn-context", "urn:mfa", **contexts) is None
    assert refused_by(fleet, account_id="short") == ("team_invalid", "the team's item")
    fleet.put_idp(denied_users=["ann"])
    assert refused_by(fleet) == ("user_denied", "denied people")
    fleet.put_idp(allowed_teams=["lab2"])
    assert refused_by(fleet) == ("not_entitled", "allowed teams")
    fleet.put_idp(enabled=False)
    assert refused_by(fleet) == ("session_void", "identity provider")
    fleet.put_idp(authn_contexts=["urn:mfa"])
    assert refused_by(fleet)[0] == "authn_context_refused"


def test_explain_says_what_would_change_it(fleet):
    said = fleet.run("access", "explain", "bob", "--team", "lab1", "--teams", "lab2")
    assert "bob of directory default at" in said.stdout and "does not open lab1" in said.stdout
    assert "change: studio-broker access grant bob lab1 --for 8h --reason TEXT --directory default" in said.stderr
    assert 'teamid: "lab2"' in said.stderr
    missing = fleet.run("access", "explain", "bob", "--team", "nowhere")
    assert "there is no such team" in missing.stderr


# reviewed


def test_the_report_joins_entries_and_profiles_and_names_what_nobody_needs(fleet, tmp_path):
    fleet.put_team("lab1", members={"ann": "2098-01-01T00:00:00Z", "old": "2020-01-01T00:00:00Z", "new": "always",
                                    "=cmd": {"until": "always", "reason": 'a "quoted", text'}})
    fleet.put_idp(denied_users=["eve"])
    fleet.profile("lab1", "ann")
    fleet.profile("lab2", "eve")
    fleet.profile("lab3", "xav", tags={"Team": "gone", "User": "xav"}, name="xav-gone")
    page, table = tmp_path / "access.html", tmp_path / "access.csv"
    report = fleet.json("access", "report", "--html", page, "--csv", table)
    rows = {(row["person"], row["team"]): row for row in report["access"]}
    assert rows["ann", "lab1"]["rule"] == "member" and rows["ann", "lab1"]["profile"] == "ann-lab1"
    assert rows["ann", "lab1"]["status"] == "InService" and rows["ann", "lab1"]["until"].startswith("2098")
    assert rows["new", "lab1"]["profile"] is None and rows["old", "lab1"]["ended"] is True
    assert rows["eve", "lab2"]["denied"] is True and rows["xav", "gone"]["rule"] == "none"
    needless = {(one["kind"], one["subject"].split(" in ")[0]) for one in report["needless"]}
    assert {("entry_ended", "old"), ("rule_without_profile", "new"), ("denied_with_profile", "eve-lab2"),
            ("profile_without_rule", "xav-gone")} <= needless
    assert {(one["account"], one["profiles"]) for one in report["accounts"]} >= {(ACCOUNTS["lab1"], 1)}
    assert all(one["quota"] for one in report["accounts"])
    read = list(csv.DictReader(io.StringIO(table.read_bytes().decode())))
    assert {row["person"] for row in read} == {"ann", "old", "new", "'=cmd", "eve", "xav"}
    assert [row["reason"] for row in read if row["person"] == "'=cmd"] == ['a "quoted", text']
    text = page.read_text()
    assert "<script" not in text and not re.search(r'(src|href)="(?!#)', text)
    shown = fleet.run("access", "report").stdout
    assert "PERSON" in shown and "QUOTA" in shown and "NOT NEEDED" in shown


def test_an_account_that_cannot_be_looked_at_is_named(fleet):
    fleet.control("faults", operation="ListUserProfiles", account=ACCOUNTS["lab2"], effect="deny")
    report = fleet.json("access", "report", code=1)
    assert [failed["subject"] for failed in report["failed"]] == [f"account {ACCOUNTS['lab2']}"]


# ended at once


def tags(fleet, team_id, name):
    arn = fleet.sagemaker(team_id).describe_user_profile(
        DomainId=fleet.domains[team_id], UserProfileName=name)["UserProfileArn"]
    found = fleet.sagemaker(team_id).list_tags(ResourceArn=arn)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in found}


def test_revoke_tags_every_profile_of_the_person_and_undo_takes_it_back(fleet):
    for team_id in ACCOUNTS:
        fleet.profile(team_id, "ann")
    fleet.profile("lab1", "annette")
    planned = fleet.run("profiles", "revoke", "ann", code=3)
    assert planned.stdout.count("revoke  profile") == 3 and "--yes" in planned.stderr
    assert "StudioBrokerRevoked" not in tags(fleet, "lab1", "ann-lab1")
    done = fleet.json("profiles", "revoke", "ann", "--yes")
    assert [profile["done"] for profile in done["profiles"]] == [True] * 3
    for team_id in ACCOUNTS:
        assert "StudioBrokerRevoked" in tags(fleet, team_id, f"ann-{team_id}")
    assert "StudioBrokerRevoked" not in tags(fleet, "lab1", "annette-lab1")
    assert len(fleet.json("profiles", "revoke", "ann", "--yes")["already"]) == 3
    callers = {call["principal"].split("/")[1] for call in fleet.calls("AddTags")}
    assert "StudioBrokerLifecycle" in callers
    listed = fleet.json("profiles", "list", "--user", "ann")["profiles"]
    assert [profile["revoked"] for profile in listed] == [True] * 3
    fleet.json("profiles", "revoke", "ann", "--team", "lab1", "--undo", "--yes")
    assert "StudioBrokerRevoked" not in tags(fleet, "lab1", "ann-lab1")
    assert "StudioBrokerRevoked" in tags(fleet, "lab2", "ann-lab2")


def test_a_profile_that_only_has_the_persons_tag_is_left_alone(fleet):
    fleet.profile("lab1", "ann", name="ann-x")
    said = fleet.json("profiles", "revoke", "ann", "--yes")
    assert said["profiles"] == [] and "ann-x in" in said["left_alone"][0]
    assert "StudioBrokerRevoked" not in tags(fleet, "lab1", "ann-x")


def test_what_cannot_be_tagged_is_named_and_the_rest_is_done(fleet):
    for team_id in ["lab1", "lab2"]:
        fleet.profile(team_id, "ann")
    fleet.control("faults", operation="AddTags", account=ACCOUNTS["lab1"], effect="deny")
    said = fleet.json("profiles", "revoke", "ann", "--yes", code=1)
    assert {profile["team"]: profile["done"] for profile in said["profiles"]} == {"lab1": False, "lab2": True}
    assert said["failed"][0]["subject"].startswith("profile ann-lab1")


def test_the_lifecycle_role_may_set_this_tag_and_no_other(fleet):
    fleet.profile("lab1", "ann")
    sts = fleet.client("sts")
    role = f"arn:aws:iam::{ACCOUNTS['lab1']}:role/StudioBrokerLifecycle"
    credentials = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    sagemaker = boto3.client(
        "sagemaker", endpoint_url=fleet.endpoint, region_name="eu-west-1",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    arn = sagemaker.describe_user_profile(
        DomainId=fleet.domains["lab1"], UserProfileName="ann-lab1")["UserProfileArn"]
    revoked = {"Key": "StudioBrokerRevoked", "Value": "x"}
    sagemaker.add_tags(ResourceArn=arn, Tags=[revoked])
    for bad in [[{"Key": "User", "Value": "bob"}], [revoked, {"Key": "Team", "Value": "lab2"}]]:
        with pytest.raises(sagemaker.exceptions.ClientError, match="AccessDenied"):
            sagemaker.add_tags(ResourceArn=arn, Tags=bad)
    with pytest.raises(sagemaker.exceptions.ClientError, match="AccessDenied"):
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=["User"])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["StudioBrokerRevoked"])


def test_offboard_begins_with_the_end_of_what_is_open(fleet):
    fleet.profile("lab1", "ann")
    fleet.json("profiles", "offboard", "ann", "--yes")
    order = [call["operation"] for call in fleet.calls()]
    assert order.index("AddTags") < order.index("UpdateItem") < order.index("DeleteUserProfile")
