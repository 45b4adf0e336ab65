"""`profiles list · drift · offboard`, with boto3 making and looking at the profiles."""

import subprocess
import time

import boto3
import pytest

from conftest import BINARY, item
from fleet import ACCOUNTS, fleet  # noqa: F401

STORE = "d-1234567890"
GROUP = "90678ba2c1-5f0e8a52-3c1d-4b7e-9a60-2d4f8c1b7e13"


def test_profiles_are_listed_by_user_team_and_account(fleet):
    fleet.profile("lab1", "ann")
    fleet.profile("lab2", "ann")
    fleet.profile("lab1", "annette")
    fleet.profile("lab1", "x", name="by-hand", tags={})

    def listed(*filters):
        profiles = fleet.json("profiles", "list", *filters)["profiles"]
        return [(profile["owner"], profile["team"]) for profile in profiles]

    assert listed() == [("ann", "lab1"), ("ann", "lab2"), ("annette", "lab1")]
    assert listed("--user", "ann") == [("ann", "lab1"), ("ann", "lab2")]
    assert listed("--team", "lab1") == [("ann", "lab1"), ("annette", "lab1")]
    assert listed("--account", ACCOUNTS["lab2"]) == [("ann", "lab2")]
    shown = fleet.run("profiles", "list", "--team", "lab1")
    assert "1 more without both tags" in shown.stderr
    heading, *rows = shown.stdout.splitlines()
    assert heading.split() == "OWNER TEAM ACCOUNT REGION PROFILE STATUS CHANGED HOME".split()
    cells = rows[0].split()
    assert cells[:6] == ["ann", "lab1", "600000000001", "eu-west-1", "ann-lab1", "InService"]
    assert cells[7] == "200005"


def test_all_pages_are_read_and_a_name_that_only_contains_another_is_not_it(fleet):
    for number in range(23):
        fleet.profile("lab1", f"u{number}")
    fleet.profile("lab1", "xu1")
    assert len(fleet.json("profiles", "list")["profiles"]) == 24
    [own] = fleet.json("profiles", "list", "--user", "u1")["profiles"]
    assert own["profile"] == "u1-lab1"


def test_an_account_that_fails_is_named_and_the_others_are_listed(fleet):
    fleet.profile("lab1", "ann")
    fault = {"operation": "ListUserProfiles", "account": ACCOUNTS["lab2"], "effect": "deny"}
    fleet.control("faults", **fault)
    answer = fleet.json("profiles", "list", code=1)
    assert [profile["owner"] for profile in answer["profiles"]] == ["ann"]
    [failed] = answer["failed"]
    assert (failed["code"], failed["subject"]) == ("not_allowed", "account 600000000002")


def test_looking_uses_the_doctor_role_and_ending_the_lifecycle_role(fleet):
    fleet.profile("lab1", "ann")
    fleet.json("profiles", "list")
    fleet.json("profiles", "drift")
    roles = {call["parameters"]["RoleArn"].split("/")[-1] for call in fleet.calls("AssumeRole")}
    assert roles == {"StudioBrokerDoctor"}
    fleet.json("profiles", "offboard", "ann", "--yes")
    deleted = fleet.calls("DeleteUserProfile")
    assert all("StudioBrokerLifecycle" in call["principal"] for call in deleted) and deleted


def drift(fleet, *arguments, code=3):
    found = fleet.json("profiles", "drift", *arguments, code=code)["drift"]
    return [(d["profile"], d["drift"], d["detail"]) for d in found]


def test_settings_that_differ_are_shown_and_repaired(fleet):
    lab = {"JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.t3.medium"}}}
    fleet.profile("lab1", "ann", **lab)
    fleet.profile("lab1", "bob", DefaultLandingUri="studio::")
    assert drift(fleet, code=0) == []
    fleet.put_team("lab1", user_settings=lab)
    path = "JupyterLabAppSettings"
    assert drift(fleet) == [("bob-lab1", "settings_differ", path)]
    assert "1 profile differs\n" in fleet.run("profiles", "drift", code=3).stderr
    assert fleet.calls("UpdateUserProfile") == []
    repaired = fleet.json("profiles", "drift", "--repair")["drift"]
    assert [(d["profile"], d["repaired"]) for d in repaired] == [("bob-lab1", True)]
    described = fleet.sagemaker("lab1").describe_user_profile(
        DomainId=fleet.domains["lab1"], UserProfileName="bob-lab1"
    )
    assert described["UserSettings"] == {
        "ExecutionRole": "arn:aws:iam::600000000001:role/lab1-execution",
        "DefaultLandingUri": "studio::",
        **lab,
    }
    assert drift(fleet, code=0) == []


def test_a_profile_with_a_name_that_its_owner_does_not_have_is_not_repaired(fleet):
    fleet.profile("lab1", "ann", name="bob-lab1", DefaultLandingUri="studio::")
    lab = {"JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.t3.medium"}}}
    fleet.put_team("lab1", user_settings=lab)
    [found] = fleet.json("profiles", "drift", "--repair", code=1)["drift"]
    assert found["repaired"] == "its name is none that ann has, look at its tags"
    assert fleet.calls("UpdateUserProfile") == []


def test_profiles_whose_team_is_gone_or_elsewhere_are_orphans(fleet):
    fleet.profile("lab1", "ann")
    fleet.profile("lab1", "bob", name="bob-old", tags={"Team": "old", "User": "bob"})
    fleet.profile("lab1", "eve", name="eve-lab2", tags={"Team": "lab2", "User": "eve"})
    moved = f"the team is in 600000000002 us-east-1 {fleet.domains['lab2']}"
    assert drift(fleet) == [
        ("bob-old", "team_gone", "no team has this id"),
        ("eve-lab2", "team_moved", moved),
    ]


@pytest.mark.parametrize("command", ["list", "drift"])
def test_a_team_that_cannot_be_used_is_told_from_one_that_is_not_there(fleet, command):
    fleet.put_team("lab1", execution_role_arn="role/lab1")
    failed = fleet.json("profiles", command, "--team", "lab1", code=1)["failed"]
    assert [(f["subject"], f["code"], f["fix"]) for f in failed] == [
        ("team lab1", "team_invalid", "studio-broker teams show lab1")
    ]
    assert fleet.calls("AssumeRole") == []
    other = fleet.json("profiles", command, "--team", "lab2")
    assert other["failed"] == []
    missing = fleet.run("profiles", command, "--team", "lab9", code=2)
    assert 'there is no team "lab9"' in missing.stderr
    assert missing.stderr.endswith("hint: studio-broker teams list\n")


def test_a_profile_that_failed_is_shown_with_its_reason(fleet):
    fault = {"operation": "CreateUserProfile", "effect": "settle", "status": "Failed"}
    fleet.control("faults", **fault, reason="no role", times=1)
    fleet.profile("lab1", "ann")
    assert drift(fleet) == [("ann-lab1", "failed", "Failed: no role")]


def test_people_who_left_the_groups_are_shown_where_the_groups_alone_decide(fleet):
    fleet.put_idp(identity_store_id=STORE)
    fleet.put_team("lab1", groups=[GROUP])
    fleet.profile("lab1", "user-14")
    fleet.profile("lab1", "user-1")
    fleet.profile("lab1", "nobody")
    fleet.profile("lab2", "nobody")
    assert drift(fleet) == [
        ("nobody-lab1", "user_gone", "no identity store knows the person"),
        ("user-1-lab1", "user_gone", "the person is in none of the team's groups"),
    ]
    fleet.put_idp()
    assert drift(fleet, code=0) == []


def test_people_of_a_store_that_somebody_else_simulates(fleet, moto):
    """The identity store is moto's, with ids of its own: two people, one of them in the team's group."""
    store = boto3.client(
        "identitystore",
        endpoint_url=moto,
        region_name="eu-central-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    where = {"IdentityStoreId": STORE}
    group = store.create_group(**where, DisplayName="Lab 1")["GroupId"]
    users = {}
    for name in ("in", "out"):
        made = store.create_user(
            **where,
            UserName=f"{name}@example.com",
            DisplayName=name,
            Name={"GivenName": name, "FamilyName": name},
        )
        users[name] = made["UserId"]
    member = {"GroupId": group, "MemberId": {"UserId": users["in"]}}
    store.create_group_membership(**where, **member)
    fleet.put_idp(identity_store_id=STORE)
    fleet.put_team("lab1", groups=[group])
    for name in ("in", "out"):
        fleet.profile("lab1", users[name])
    found = fleet.json(
        "profiles", "drift", code=3, AWS_ENDPOINT_URL_IDENTITYSTORE=moto
    )["drift"]
    assert [(d["owner"], d["drift"]) for d in found] == [(users["out"], "user_gone")]


def furnish(fleet, team, user):
    """A profile with an app, a private space with an app, and a failed app."""
    name = fleet.profile(team, user)
    sagemaker, domain = fleet.sagemaker(team), fleet.domains[team]
    of_profile = {"DomainId": domain, "UserProfileName": name}
    sagemaker.create_app(**of_profile, AppType="JupyterServer", AppName="default")
    fault = {"operation": "CreateApp", "effect": "settle", "status": "Failed", "times": 1}
    fleet.control("faults", **fault)
    sagemaker.create_app(**of_profile, AppType="KernelGateway", AppName="broken")
    space = {"DomainId": domain, "SpaceName": f"{user}-space"}
    sagemaker.create_space(
        **space,
        OwnershipSettings={"OwnerUserProfileName": name},
        SpaceSharingSettings={"SharingType": "Private"},
    )
    sagemaker.create_app(**space, AppType="JupyterLab", AppName="default")
    return name


def test_an_offboarding_is_planned_first_and_nothing_happens(fleet):
    furnish(fleet, "lab1", "ann")
    done = fleet.run("profiles", "offboard", "ann", code=3)
    assert done.stdout.splitlines() == [
        "ann in directory default is the owner ann",
        "  revoke  what is open in 1 profile",
        "  deny    ann at IdP https://idp.example.com/metadata",
        "  delete  app JupyterServer default (lab1)",
        "  delete  app JupyterLab default of space ann-space (lab1)",
        "  delete  space ann-space (lab1)",
        "  delete  profile ann-lab1 in 600000000001 eu-west-1 (lab1, InService)",
        "  keep    home directory /200005 on fs-0a1b2c3d4e5f60718",
    ]
    assert done.stderr == "hint: studio-broker profiles offboard ann --yes\n"
    assert "denied_users" not in fleet.idp()
    assert fleet.calls("DeleteApp") == [] and fleet.profiles("lab1") == ["ann-lab1"]


def test_everything_goes_in_the_right_order_and_the_home_is_reported(fleet):
    furnish(fleet, "lab1", "ann")
    fleet.profile("lab2", "ann")
    fleet.profile("lab2", "annette")
    answer = fleet.json("profiles", "offboard", "ann", "--yes")
    assert answer["denied_at"] == ["https://idp.example.com/metadata"]
    homes = {(p["team"], p["home_uid"], p["home_file_system"], p["ended"]) for p in answer["profiles"]}
    assert homes == {
        ("lab1", "200005", "fs-0a1b2c3d4e5f60718", True),
        ("lab2", "200005", "fs-0a1b2c3d4e5f60718", True),
    }
    assert fleet.profiles("lab1") == [] and fleet.profiles("lab2") == ["annette-lab2"]
    times = {}
    for operation in ("UpdateItem", "DeleteApp", "DeleteSpace", "DeleteUserProfile"):
        mine = [call for call in fleet.calls(operation) if call["account"] in (ACCOUNTS["lab1"], "111111111111")]
        times[operation] = [call["time"] for call in mine]
    assert max(times["UpdateItem"]) < min(times["DeleteApp"])
    assert max(times["DeleteApp"]) < min(times["DeleteSpace"])
    assert max(times["DeleteSpace"]) < min(times["DeleteUserProfile"])
    assert fleet.idp()["denied_users"] == {"L": [{"S": "ann"}]}
    again = fleet.run("profiles", "offboard", "ann", "--yes")
    assert again.stdout == "ann is refused everywhere and has no profile\n"


def test_an_offboarding_that_was_stopped_goes_on_where_it_was(fleet):
    furnish(fleet, "lab1", "ann")
    fleet.control("settings", delete_delay_ms=4000)
    left = fleet.json("profiles", "offboard", "ann", "--yes", "--wait", "0", code=1)
    [profile] = left["profiles"]
    assert profile["ended"] is False and profile["why"].startswith("still waiting: app ")
    assert fleet.profiles("lab1") == ["ann-lab1"]
    fleet.control("settings", delete_delay_ms=0)
    done = fleet.json("profiles", "offboard", "ann", "--yes")
    assert done["denied_at"] == [] and done["profiles"][0]["ended"] is True
    assert fleet.profiles("lab1") == []


def test_only_profiles_with_both_tags_this_owner_and_their_name_are_deleted(fleet):
    fleet.profile("lab1", "ann", name="ann-half", tags={"User": "ann"})
    fleet.profile("lab1", "bob", name="bob-lab1", tags={"Team": "lab1", "User": "ann"})
    fleet.profile("lab1", "ann", name="ann-lab1", tags={"Team": "lab1", "User": "bob"})
    fleet.profile("lab2", "ann", name="ann-x-lab2", tags={"Team": "lab2", "User": "ann"})
    answer = fleet.json("profiles", "offboard", "ann", "--yes")
    assert answer["profiles"] == []
    assert len(answer["left_alone"]) == 2
    assert fleet.profiles("lab1") == ["ann-half", "ann-lab1", "bob-lab1"]
    assert fleet.profiles("lab2") == ["ann-x-lab2"]
    again = fleet.run("profiles", "offboard", "ann", "--yes")
    assert "has no profile" not in again.stdout
    assert again.stderr.count("left alone: ") == 2


def test_tags_that_change_after_the_plan_stop_the_deletion(fleet):
    name = furnish(fleet, "lab1", "ann")
    fleet.control("settings", delete_delay_ms=1500)
    import threading

    def retag():
        fleet.wait(lambda: fleet.calls("DeleteApp"))
        arn = f"arn:aws:sagemaker:eu-west-1:600000000001:user-profile/{fleet.domains['lab1']}/{name}"
        fleet.sagemaker("lab1").add_tags(ResourceArn=arn, Tags=[{"Key": "User", "Value": "bob"}])

    thread = threading.Thread(target=retag)
    thread.start()
    answer = fleet.json("profiles", "offboard", "ann", "--yes", code=1)
    thread.join()
    [profile] = answer["profiles"]
    assert profile["ended"] is False and "its tag User is" in profile["why"]
    assert fleet.profiles("lab1") == ["ann-lab1"]


def test_a_shared_space_stops_the_end_unless_it_is_wanted(fleet):
    name = fleet.profile("lab1", "ann")
    fleet.sagemaker("lab1").create_space(
        DomainId=fleet.domains["lab1"],
        SpaceName="together",
        OwnershipSettings={"OwnerUserProfileName": name},
        SpaceSharingSettings={"SharingType": "Shared"},
    )
    answer = fleet.json("profiles", "offboard", "ann", "--yes", code=1)
    assert "shared spaces, where others work: together" in answer["profiles"][0]["why"]
    fleet.json("profiles", "offboard", "ann", "--yes", "--shared-spaces")
    assert fleet.profiles("lab1") == []


def test_denied_users_are_added_to_a_set_and_to_every_provider_of_the_directory(fleet):
    fleet.dynamodb.update_item(
        TableName="studio-broker-idps",
        Key={"entity_id": {"S": fleet.entity_id}},
        UpdateExpression="SET denied_users = :denied",
        ExpressionAttributeValues={":denied": {"SS": ["eve"]}},
    )
    fleet.profile("lab1", "ann")
    fleet.json("profiles", "offboard", "ann", "--yes")
    assert sorted(fleet.idp()["denied_users"]["SS"]) == ["ann", "eve"]


def test_a_user_id_of_several_directories_must_say_which(fleet):
    import conftest

    other = (conftest.METADATA / "other.xml").read_text()
    second = {
        "entity_id": other.split('entityID="')[1].split('"')[0],
        "metadata_xml": other,
        "allowed_teams": ["lab1"],
        "directory": "elsewhere",
    }
    fleet.dynamodb.put_item(TableName="studio-broker-idps", Item=item(second))
    done = fleet.run("profiles", "offboard", "ann", "--yes", code=2)
    assert "default, elsewhere" in done.stderr
    assert "hint: studio-broker profiles offboard ann --yes --directory default\n" in done.stderr
    answer = fleet.json("profiles", "offboard", "ann", "--directory", "elsewhere", "--yes", "--allow-unknown")
    assert answer["denied_at"] == [second["entity_id"]]
    assert "denied_users" not in fleet.idp()


def test_an_account_that_cannot_be_entered_is_named_and_the_rest_is_done(fleet):
    fleet.profile("lab1", "ann")
    fleet.profile("lab2", "ann")
    fault = {"operation": "AssumeRole", "account": ACCOUNTS["lab2"], "effect": "deny"}
    fleet.control("faults", **fault)
    answer = fleet.json("profiles", "offboard", "ann", "--yes", code=1)
    assert [failed["code"] for failed in answer["failed"]] == ["account_closed"]
    assert fleet.profiles("lab1") == [] and fleet.profiles("lab2") == ["ann-lab2"]


@pytest.mark.parametrize("end", ["Delete_Failed"])
def test_a_profile_that_sagemaker_cannot_delete_is_reported_at_once(fleet, end):
    fleet.profile("lab1", "ann")
    fault = {"operation": "DeleteUserProfile", "effect": "settle", "status": end}
    fleet.control("faults", **fault, reason="EFS is locked", ms=0)
    started = time.monotonic()
    answer = fleet.json("profiles", "offboard", "ann", "--yes", code=1)
    assert answer["profiles"][0]["why"] == "SageMaker could not delete it: EFS is locked"
    assert time.monotonic() - started < 10


def test_profiles_of_a_team_that_cannot_be_used_are_found_where_its_item_says(fleet):
    fleet.profile("lab1", "ann")
    fleet.profile("lab3", "ann")
    fleet.put_team("lab3", session_duration_seconds=1)
    done = fleet.run("profiles", "offboard", "ann", "--yes")
    assert "outside of what was asked: team lab3" in done.stderr
    assert fleet.profiles("lab1") == [] and fleet.profiles("lab3") == []


def test_a_team_that_cannot_be_used_is_told_when_nobody_looked_for_its_profiles(fleet):
    fleet.profile("lab1", "ann")
    fleet.profile("lab3", "ann")
    fleet.put_team("lab3", region="nowhere")
    answer = fleet.json("profiles", "offboard", "ann", "--yes", code=1)
    told = [("team_invalid", "team lab3")]
    assert [(failed["code"], failed["subject"]) for failed in answer["failed"]] == told
    assert fleet.profiles("lab1") == [] and fleet.profiles("lab3") == ["ann-lab3"]
    again = fleet.run("profiles", "offboard", "ann", "--yes", code=1)
    assert "team lab3" in again.stderr and "has no profile" not in again.stdout
    for command in ("list", "drift"):
        answer = fleet.json("profiles", command, code=1)
        assert [(failed["code"], failed["subject"]) for failed in answer["failed"]] == told
    assert fleet.json("profiles", "list", "--team", "lab1")["failed"] == []


def test_no_directory_is_guessed_while_an_identity_provider_cannot_be_used(fleet):
    fleet.profile("lab1", "ann")
    fleet.dynamodb.put_item(
        TableName="studio-broker-idps",
        Item=item({"entity_id": "https://broken", "directory": "default", "allowed_teams": ["*"]}),
    )
    done = fleet.run("profiles", "offboard", "ann", "--yes", code=2)
    assert "IdP https://broken" in done.stderr
    assert "hint: studio-broker profiles offboard ann --yes --directory default" in done.stderr
    assert "denied_users" not in fleet.idp() and fleet.profiles("lab1") == ["ann-lab1"]
    named = ("profiles", "offboard", "ann", "--directory", "default", "--yes")
    answer = fleet.json(*named, code=1)
    assert [failed["code"] for failed in answer["failed"]] == ["idp_invalid"]
    assert answer["denied_at"] == [fleet.entity_id] and fleet.profiles("lab1") == []


def test_what_the_second_look_cannot_see_or_leaves_alone_is_told(fleet):
    fleet.profile("lab1", "ann")
    fleet.control("settings", delete_delay_ms=1500)
    import threading

    def disturb():
        fleet.wait(lambda: fleet.calls("DeleteUserProfile"))
        fleet.profile("lab2", "ann", name="ann-x-lab2")
        fault = {"operation": "AssumeRole", "account": ACCOUNTS["lab3"], "effect": "deny"}
        fleet.control("faults", **fault)

    thread = threading.Thread(target=disturb)
    thread.start()
    answer = fleet.json("profiles", "offboard", "ann", "--yes", code=1)
    thread.join()
    assert [failed["code"] for failed in answer["failed"]] == ["account_closed"]
    [left] = answer["left_alone"]
    assert left.startswith("ann-x-lab2 in 600000000002")
    assert fleet.profiles("lab1") == [] and fleet.profiles("lab2") == ["ann-x-lab2"]


def test_the_brokers_longest_cache_is_waited_for_unless_its_setting_is_known(fleet):
    started = time.monotonic()
    for user in ["ann", "eve"]:
        fleet.profile("lab1", user)
    done = fleet.run("profiles", "offboard", "ann", "--yes", STUDIO_BROKER_TEAM_CACHE_SECONDS="2")
    assert "for 2 s" in done.stderr and time.monotonic() - started >= 2
    command = [BINARY, "profiles", "offboard", "eve", "--yes"]
    settings = {**fleet.settings, "STUDIO_BROKER_TEAM_CACHE_SECONDS": ""}
    process = subprocess.Popen(command, env=settings, stderr=subprocess.PIPE, text=True)
    lines = [process.stderr.readline() for _ in range(1)]
    while lines[-1] and "may not know" not in lines[-1]:
        lines.append(process.stderr.readline())
    process.kill()
    process.wait()
    assert "for 300 s" in lines[-1] and "set STUDIO_BROKER_TEAM_CACHE_SECONDS" in lines[-1]


@pytest.mark.parametrize("user", ["", " jane", "jane\n", "a" * 257])
def test_nobody_can_have_such_a_user_id_and_nothing_is_done(fleet, user):
    fleet.profile("lab1", "jane")
    refused = fleet.run("profiles", "offboard", user, "--yes", code=2)
    assert "nobody can have this user id" in refused.stderr
    assert "denied_users" not in fleet.idp() and fleet.profiles("lab1") == ["jane-lab1"]


def test_a_plan_of_offboarding_is_data_too(fleet):
    fleet.profile("lab1", "ann")
    plan = fleet.json("profiles", "offboard", "ann", code=3)
    assert plan["to_be_denied_at"] == ["https://idp.example.com/metadata"]
    assert [(p["profile"], p["ended"]) for p in plan["profiles"]] == [("ann-lab1", None)]
    done = fleet.json("profiles", "offboard", "ann", "--yes")
    assert done["denied_at"] == plan["to_be_denied_at"] and "to_be_denied_at" not in done


def test_hints_repeat_the_command_with_all_its_options(fleet):
    fleet.profile("lab1", "ann")
    options = ("--directory", "default", "--shared-spaces", "--wait", "0")
    planned = fleet.run("profiles", "offboard", "ann", *options, code=3)
    command = "studio-broker profiles offboard ann --directory default --shared-spaces --wait 0"
    assert planned.stderr.endswith(f"hint: {command} --yes\n")
    fleet.control("settings", delete_delay_ms=4000)
    left = fleet.run("profiles", "offboard", "ann", *options, "--yes", code=1)
    assert left.stderr.endswith(f"hint: {command} --yes\n")
