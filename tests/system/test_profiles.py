"""Profiles in the teams' accounts: what is created, changed, adopted or refused, and with which calls."""

import base64
import hashlib
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from liar import Liar
from world import ACCOUNT, DOMAIN, PUBLIC_URL, REGION, World, fetch, unique

ROLE = f"arn:aws:iam::{ACCOUNT}:role/StudioBrokerTarget"

#: Everything that real SageMaker has been seen to do and that harms no profile for good; `GET /_control` of
#: the simulated AWS says where. Every test of this file holds with all of it, and with nothing of it.
UNKIND = {
    "leaves_out_empty": True,
    "fills_in_defaults": True,
    "reorders": True,
    "odd_answers": True,
    "updates_with_apps": "validation",
    "tags_delay_ms": 300,
    "profile_delay_ms": 400,
    "existing_profile": "validation",
    "missing_list_tags": "empty",
    "studio_url_uses": 1,
}


@pytest.fixture(scope="module", params=["kind", "unkind"])
def world(request, tmp_path_factory):
    """`studio-broker local` with everything around it; one for each SageMaker."""
    world = World(tmp_path_factory.mktemp("world"))
    world.is_kind = request.param == "kind"
    if not world.is_kind:
        world.aws.usual_settings.update(UNKIND)
    yield world
    world.stop()


@pytest.fixture(scope="module")
def doubter(world):
    """A broker that believes in no profile and looks at each anew."""
    return world.serve(STUDIO_BROKER_PROFILE_CACHE_SECONDS=0)


def one(calls):
    assert len(calls) == 1, calls
    return calls[0]


def created(aws):
    return one(aws.calls(operation="CreateUserProfile", error=None))["parameters"]


def tags_of(parameters):
    tags = {tag["Key"]: tag["Value"] for tag in parameters["Tags"]}
    assert len(tags) == len(parameters["Tags"])
    return tags


# names


def digest(*parts):
    """26 characters of lower-case base32 of SHA-256 over length-prefixed parts."""
    data = b"".join(struct.pack(">I", len(part.encode())) + part.encode() for part in parts)
    return base64.b32encode(hashlib.sha256(data).digest()).decode().lower()[:26]


A_DIGEST = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    "user_id, readable, owner_is_plain, profile_is_plain",
    [
        ("jane", "jane", True, True),
        ("90678ba2c1-5f0e8a52-3c1d-4b7e-9a60-2d4f8c1b7e13", None, True, True),
        ("jane-doe", "jane-doe", True, True),
        ("Jane", "jane", True, False),
        ("jane.doe@example.com", "jane-doe-example-com", True, False),
        ("jane_doe", "jane-doe", True, False),
        ("-jane", "jane", True, False),
        ("j", "j", False, True),
        ("jane doe", "jane-doe", False, False),
        ("\u00fcml\u00e4ut", "ml-ut", False, False),
        ("\u65e5\u672c", "u", False, False),
        ("a1." * 20, ("a1-" * 20)[:36], True, False),
        ("x" * 60, "x" * 36, False, False),
        ("x" * 200, "x" * 36, False, False),
        (f"jane-{A_DIGEST}", f"jane-{A_DIGEST}"[:36], False, False),
        ("a/b:c,d", "a-b-c-d", False, False),
    ],
)
def test_owner_and_profile_are_plain_names_or_carry_a_digest(
    broker, aws, user_id, readable, owner_is_plain, profile_is_plain
):
    team = aws.new_team()
    team_id = team["team_id"]
    _, answer = broker.sign_in(user_id=user_id, teams=[team_id])
    assert answer.opens_studio()
    owner = user_id if owner_is_plain else f"{readable}-{digest('default', user_id)}"
    name = (
        f"{user_id}-{team_id}"
        if profile_is_plain
        else f"{readable}-{digest('default', user_id, team_id)}"
    )
    assert created(aws)["UserProfileName"] == name
    assert tags_of(created(aws)) == {"Team": team_id, "User": owner}
    assert one(aws.calls(operation="AssumeRole"))["parameters"]["RoleSessionName"] == owner


def test_a_team_id_with_a_hyphen_has_a_digest_in_its_profiles_names(broker, aws):
    team = aws.new_team(team_id=unique("te-am-"))
    user = unique("user-")
    broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert created(aws)["UserProfileName"] == f"{user}-{digest('default', user, team['team_id'])}"


def test_people_of_another_directory_never_share_a_name(broker, aws):
    idp = broker.world.new_idp(directory="partners")
    team, user = aws.new_team(), unique("user-")
    assert broker.sign_in(issuer=idp, user_id=user, teams=[team["team_id"]])[1].opens_studio()
    partner = created(aws)
    assert partner["UserProfileName"] == f"{user}-{digest('partners', user, team['team_id'])}"
    assert tags_of(partner)["User"] == f"{user}-{digest('partners', user)}"
    aws.forget_calls()
    assert gets_in(broker, user, team)
    assert created(aws)["UserProfileName"] == f"{user}-{team['team_id']}"


def test_idps_that_share_a_directory_share_their_people(broker, aws):
    idp = broker.world.new_idp()
    team, user = aws.new_team(), unique("user-")
    assert broker.sign_in(issuer=idp, user_id=user, teams=[team["team_id"]])[1].opens_studio()
    assert gets_in(broker, user, team)
    assert created(aws)["UserProfileName"] == f"{user}-{team['team_id']}"


# what is sent


def test_assume_role_names_the_owner_the_team_and_the_external_id(broker, aws):
    team, user = aws.new_team(external_id="external/id:1@x"), unique("user-")
    assert gets_in(broker, user, team)
    call = one(aws.calls(operation="AssumeRole"))
    parameters = dict(call["parameters"])
    seconds = int(parameters.pop("DurationSeconds", 3600))
    assert seconds <= 3600
    tags = {
        parameters.pop(f"Tags.member.{n}.Key"): parameters.pop(f"Tags.member.{n}.Value")
        for n in (1, 2)
    }
    assert tags == {"Team": team["team_id"], "User": user}
    for name in ("Action", "Version"):
        parameters.pop(name)
    assert parameters == {
        "RoleArn": ROLE,
        "RoleSessionName": user,
        "ExternalId": "external/id:1@x",
    }


def test_a_team_may_name_the_role_that_is_assumed(broker, aws):
    role = f"arn:aws:iam::{ACCOUNT}:role/path/OtherBrokerRole"
    team = aws.new_team(broker_role_arn=role)
    assert broker.sign_in(teams=[team["team_id"]])[1].opens_studio()
    assert one(aws.calls(operation="AssumeRole"))["parameters"]["RoleArn"] == role


def test_the_role_that_is_assumed_has_the_name_of_the_setting(world, aws):
    aws.settings(target_role_name="OurTarget")
    broker = world.serve(STUDIO_BROKER_TARGET_ROLE_NAME="OurTarget")
    team = aws.new_team()
    assert broker.sign_in(teams=[team["team_id"]])[1].opens_studio()
    assert one(aws.calls(operation="AssumeRole"))["parameters"]["RoleArn"].endswith(
        ":role/OurTarget"
    )


def test_a_profile_is_created_with_role_settings_and_tags_and_nothing_else(broker, aws):
    team = aws.new_team(
        user_settings={
            "JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.t3.medium"}}
        },
        tags={"CostCenter": "1001", "Stage": "dev"},
    )
    user = unique("user-")
    assert gets_in(broker, user, team)
    parameters = dict(created(aws))
    assert tags_of(parameters) == {
        "Team": team["team_id"],
        "User": user,
        "CostCenter": "1001",
        "Stage": "dev",
    }
    del parameters["Tags"]
    assert parameters == {
        "DomainId": DOMAIN,
        "UserProfileName": f"{user}-{team['team_id']}",
        "UserSettings": {
            "ExecutionRole": team["execution_role_arn"],
            "JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.t3.medium"}},
        },
    }


def test_settings_that_nobody_here_has_heard_of_pass_through_unchanged(world, doubter, aws):
    future = {
        "HoloDeckSettings": {
            "Enabled": True,
            "Decks": [{"Name": "a", "Size": Decimal(3)}, {"Name": "b", "Ratio": Decimal("0.25")}],
            "Empty": {},
            "None": [],
            "Big": Decimal("12345678901234567890"),
            "Words": {"one"},
        },
        "JupyterLabAppSettings": {"NewMember": "x"},
    }
    team = aws.new_team(user_settings=future)
    browser, answer = doubter.sign_in(teams=[team["team_id"]])
    assert answer.opens_studio() or opens(browser, team)
    assert created(aws)["UserSettings"] == {
        "ExecutionRole": team["execution_role_arn"],
        "HoloDeckSettings": {
            "Enabled": True,
            "Decks": [{"Name": "a", "Size": 3}, {"Name": "b", "Ratio": 0.25}],
            "Empty": {},
            "None": [],
            "Big": 12345678901234567890,
            "Words": ["one"],
        },
        "JupyterLabAppSettings": {"NewMember": "x"},
    }
    assert opens(browser, team)
    # What was sent is what is there, but for the order of the decks.
    assert len(aws.calls(operation="UpdateUserProfile")) == (not world.is_kind)


# how many calls


def test_a_warm_sign_in_is_two_calls(world, aws):
    broker = world.serve(STUDIO_BROKER_TEAM_CACHE_SECONDS=300)
    team, user = aws.new_team(), unique("user-")
    assert gets_in(broker, user, team)
    aws.forget_calls()
    assert gets_in(broker, user, team)
    assert sorted(aws.operations()) == ["CreatePresignedDomainUrl", "PutItem"]


def test_a_sign_in_in_a_fresh_process_is_at_most_seven_calls_in_three_round_trips(
    world, broker, aws
):
    team, user = aws.new_team(), unique("user-")
    assert gets_in(broker, user, team)
    # Four round trips would be longer than a browser is kept waiting, so they would never open at
    # once; three of them leave a busy machine little time, so it may try again.
    for _ in range(4):
        aws.clear_faults()
        fresh = world.serve(STUDIO_BROKER_TEAM_CACHE_SECONDS=300)
        response = fresh.response(user_id=user, teams=[team["team_id"]])
        aws.forget_calls()
        aws.fault(effect="delay", ms=480)
        if fresh.browser().post_from_idp(response).opens_studio():
            break
        fresh.program.stop()  # what it still does for nobody is not counted
    else:
        raise AssertionError("it never opens at once")
    # Other processes of this world read the index of teams anew from time to time: this one does it once.
    assert len([name for name in aws.operations() if name != "Scan"]) <= 6, aws.operations()


def test_an_opening_with_a_session_reads_the_session_and_signs(world, aws):
    broker = world.serve(STUDIO_BROKER_TEAM_CACHE_SECONDS=300)
    team, user = aws.new_team(), unique("user-")
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.opens_studio()
    aws.forget_calls()
    assert browser.get(f"/teams/{team['team_id']}").opens_studio()
    assert sorted(aws.operations()) == ["CreatePresignedDomainUrl", "GetItem"]


# many people at once


def test_of_a_hundred_people_at_once_every_call_carries_the_callers_own_tags(broker, aws):
    teams = [aws.new_team() for _ in range(4)]
    people = [(unique("user-"), teams[n % 4]["team_id"]) for n in range(100)]
    responses = [broker.response(user_id=user, teams=[team]) for user, team in people]
    browsers = [broker.browser() for _ in people]
    aws.forget_calls()

    def sign_in(number):
        browser, answer = browsers[number], browsers[number].post_from_idp(responses[number])
        deadline = time.monotonic() + 60
        while not answer.opens_studio():
            assert time.monotonic() < deadline, (answer.status, answer.code)
            time.sleep(0.2)
            answer = browser.get(f"/teams/{people[number][1]}")
        return answer.location

    with ThreadPoolExecutor(16) as signing_in:
        locations = list(signing_in.map(sign_in, range(100)))
    for call in aws.calls(operation="AssumeRole"):
        parameters = call["parameters"]
        tags = {
            parameters[f"Tags.member.{n}.Key"]: parameters[f"Tags.member.{n}.Value"] for n in (1, 2)
        }
        assert (tags["User"], tags["Team"]) in people
        assert parameters["RoleSessionName"] == tags["User"]
    pairs = {f"{user}-{team}": {"User": user, "Team": team} for user, team in people}
    calls = aws.calls(service="sagemaker")
    assert len(calls) >= 400
    for call in calls:
        parameters = call["parameters"]
        profile = parameters.get("UserProfileName") or parameters["ResourceArn"].rpartition("/")[2]
        assert call["session_tags"] == pairs[profile]
        assert call["principal"].endswith(f"/{pairs[profile]['User']}")
    assert len(aws.calls(operation="CreateUserProfile", error=None)) == 100
    for (user, team), location in list(zip(people, locations, strict=True))[::10]:
        assert f"{user}-{team}" in fetch(location), "the URL opens the person's own profile"


@pytest.mark.parametrize("existing", ["in_use", "validation"])
def test_two_first_sign_ins_of_one_person_at_once_both_get_in(broker, aws, existing):
    aws.settings(existing_profile=existing, profile_delay_ms=300)
    team, user = aws.new_team(), unique("user-")
    responses = [broker.response(user_id=user, teams=[team["team_id"]]) for _ in range(4)]
    together = threading.Barrier(4)

    def sign_in(response):
        browser = broker.browser()
        together.wait(timeout=30)
        answer = browser.post_from_idp(response)
        return answer.opens_studio() or opens_in_time(browser, team)

    with ThreadPoolExecutor(4) as signing_in:
        assert list(signing_in.map(sign_in, responses)) == [True] * 4
    created(aws)


# drift


def test_a_new_role_is_applied_with_the_complete_merged_settings(world, broker, aws):
    team = aws.new_team(user_settings={"StudioWebPortal": "ENABLED"})
    user = unique("user-")
    aws.plant_profile(
        team,
        f"{user}-{team['team_id']}",
        {"Team": team["team_id"], "User": user},
        SecurityGroups=["sg-12345678"],
        JupyterServerAppSettings={"DefaultResourceSpec": {"InstanceType": "system"}},
    )
    new_role = f"arn:aws:iam::{ACCOUNT}:role/NewRole"
    aws.change_team(team, execution_role_arn=new_role)
    assert gets_in(broker, user, team)
    update = one(aws.calls(operation="UpdateUserProfile", error=None))["parameters"]
    filled_in = {} if world.is_kind else {
        "AutoMountHomeEFS": "DefaultAsDomain",
        "SharingSettings": {"NotebookOutputOption": "Disabled"},
    }
    assert update == {
        "DomainId": DOMAIN,
        "UserProfileName": f"{user}-{team['team_id']}",
        "UserSettings": {
            "ExecutionRole": new_role,
            "StudioWebPortal": "ENABLED",
            "SecurityGroups": ["sg-12345678"],
            "JupyterServerAppSettings": {"DefaultResourceSpec": {"InstanceType": "system"}},
            **filled_in,
        },
    }


def test_a_changed_mapping_is_applied_at_the_next_opening_although_the_profile_is_believed_in(
    broker, aws
):
    team = aws.new_team(user_settings={"StudioWebPortal": "ENABLED"})
    browser, answer = broker.sign_in(teams=[team["team_id"]])
    assert answer.opens_studio()
    aws.change_team(team, user_settings={"StudioWebPortal": "DISABLED"})
    assert browser.get(f"/teams/{team['team_id']}").opens_studio()
    update = one(aws.calls(operation="UpdateUserProfile", error=None))["parameters"]
    assert update["UserSettings"]["StudioWebPortal"] == "DISABLED"


@pytest.mark.parametrize(
    "planted, drifts",
    [
        ({"StudioWebPortal": "DISABLED"}, True),
        ({"StudioWebPortal": "ENABLED", "SecurityGroups": ["sg-1234"]}, False),
        ({"StudioWebPortal": "ENABLED"}, False),
        ({}, True),
    ],
)
def test_only_members_that_the_mapping_names_are_compared(doubter, aws, planted, drifts):
    team = aws.new_team(user_settings={"StudioWebPortal": "ENABLED"})
    user = unique("user-")
    tags = {"Team": team["team_id"], "User": user}
    aws.plant_profile(team, f"{user}-{team['team_id']}", tags, **planted)
    assert gets_in(doubter, user, team)
    assert len(aws.calls(operation="UpdateUserProfile")) == drifts


def test_settings_that_sagemaker_does_not_change_keep_nobody_out_but_another_role_does(doubter, aws):
    team, user = aws.new_team(user_settings={"StudioWebPortal": "ENABLED"}), unique("user-")
    name = f"{user}-{team['team_id']}"
    aws.plant_profile(team, name, {"Team": team["team_id"], "User": user})
    # Every update is answered as if it were done, and nothing is changed.
    aws.fault(operation="UpdateUserProfile", profile=name, effect="error", code="Done", status=200)
    browser = doubter.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    assert opens(browser, team)
    assert opens(browser, team)
    assert len(aws.calls(operation="UpdateUserProfile")) == 1

    aws.change_team(team, execution_role_arn=f"arn:aws:iam::{ACCOUNT}:role/NewRole")
    for _ in range(2):
        page = ends(browser, team)
        assert (page.status, page.code) == (502, "profile_failed")
        (line,) = doubter.program.decisions(reference=page.reference, outcome="refused")
        assert "ExecutionRole" in line["detail"]
    assert len(aws.calls(operation="UpdateUserProfile")) == 2, "the new settings once, too"


def ends(browser, team, seconds=40):
    """The page that no longer waits."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        page = browser.get(f"/teams/{team['team_id']}")
        if page.status != 200:
            return page
        time.sleep(0.2)
    raise AssertionError("it waits without end")


RSTUDIO = {"AccessStatus": "DISABLED", "UserGroup": "R_STUDIO_USER"}


def differing(aws, wanted, planted=None):
    """A team that wants these settings, and somebody's profile that has others: team, user, name."""
    team, user = aws.new_team(user_settings=wanted), unique("user-")
    name = f"{user}-{team['team_id']}"
    tags = {"Team": team["team_id"], "User": user}
    aws.plant_profile(team, name, tags, **(planted or {}))
    return team, user, name


def kept_lines(broker, name):
    return [
        line
        for line in broker.program.log()
        if line.get("profile") == name and "SageMaker keeps" in str(line.get("message"))
    ]


@pytest.mark.parametrize(
    "kept, members",
    [
        ("RStudioServerProAppSettings.UserGroup", "RStudioServerProAppSettings.UserGroup"),
        ("RStudioServerProAppSettings", "RStudioServerProAppSettings"),
    ],
    ids=["member", "whole"],
)
def test_what_sagemaker_keeps_otherwise_is_sent_once_by_all_processes_together(
    world, aws, kept, members
):
    aws.settings(keeps_settings=[kept])
    wanted = {"RStudioServerProAppSettings": RSTUDIO, "StudioWebPortal": "ENABLED"}
    team, user, name = differing(aws, wanted)
    for number in range(3):
        broker = world.serve(STUDIO_BROKER_PROFILE_CACHE_SECONDS=0)
        browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
        assert answer.opens_studio() or opens(browser, team)
        assert opens(browser, team), "with the same session, too"
        assert members in str(kept_lines(broker, name)[-1]["members"])
        assert len(broker.program.decisions(outcome="updated")) == (number == 0)
    assert len(aws.calls(operation="UpdateUserProfile")) == 1
    assert aws.profile(team, name)["UserSettings"]["StudioWebPortal"] == "ENABLED"


def test_after_a_day_it_is_sent_once_more(world, aws):
    aws.settings(keeps_settings=["StudioWebPortal"])
    team, user, name = differing(aws, {"StudioWebPortal": "ENABLED"})
    doubter = world.serve(STUDIO_BROKER_PROFILE_CACHE_SECONDS=0)
    browser = doubter.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    assert opens(browser, team)
    (item,) = [item for item in aws.state.scan()["Items"] if name in item["pk"]]
    assert int(item["expires_at"]) - int(item["sent_at"]) == 86_400
    # DynamoDB deletes it days later.
    item["expires_at"] = 1
    aws.state.put_item(Item=item)
    for _ in range(2):
        assert opens(browser, team)
    assert len(aws.calls(operation="UpdateUserProfile")) == 2


def test_what_is_remembered_of_an_update_names_nobody_beyond_the_profile(world, aws):
    aws.settings(keeps_settings=["StudioWebPortal"])
    team, user, name = differing(aws, {"StudioWebPortal": "ENABLED"})
    browser = world.serve().signed_in(user_id=user, teams=[team["team_id"], "team3"])
    assert opens(browser, team)
    (item,) = [item for item in aws.state.scan()["Items"] if name in item["pk"]]
    assert set(item) == {"pk", "expires_at", "tries", "sent_at", "came", "way", "token"}


def test_settings_that_were_applied_and_then_changed_by_hand_are_applied_again(doubter, aws):
    team, user, name = differing(aws, {"StudioWebPortal": "ENABLED"})
    browser = doubter.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    for number in range(1, 4):
        assert opens(browser, team)
        assert len(aws.calls(operation="UpdateUserProfile", error=None)) == number
        aws.sagemaker().update_user_profile(
            DomainId=DOMAIN,
            UserProfileName=name,
            UserSettings={
                "ExecutionRole": team["execution_role_arn"],
                "StudioWebPortal": "DISABLED",
            },
        )
    assert len(doubter.program.decisions(outcome="updated", owner=user)) == 3


def start_app(aws, name):
    aws.sagemaker().create_app(
        DomainId=DOMAIN, UserProfileName=name, AppType="JupyterServer", AppName="default"
    )


@pytest.mark.parametrize("how", ["validation", "in_use"])
def test_who_has_an_open_notebook_gets_in_although_the_update_is_refused(world, aws, how):
    aws.settings(updates_with_apps=how)
    team, user, name = differing(aws, {"StudioWebPortal": "ENABLED"})
    start_app(aws, name)
    refused = 0
    for _ in range(3):
        broker = world.serve(STUDIO_BROKER_PROFILE_CACHE_SECONDS=0)
        browser, _ = broker.sign_in(user_id=user, teams=[team["team_id"]])
        assert opens_in_time(browser, team)
        assert opens_in_time(browser, team)
        lines = broker.program.decisions(outcome="update_refused")
        assert all("StudioWebPortal" in line["detail"] for line in lines)
        refused += len(lines)
    assert refused == 1
    assert 1 <= len(aws.calls(operation="UpdateUserProfile")) <= 3, "of all processes together"
    assert "StudioWebPortal" not in aws.profile(team, name)["UserSettings"]


def test_what_failed_and_then_met_an_open_notebook_was_not_sent(world, aws):
    aws.settings(updates_with_apps="in_use")
    broker = world.serve(STUDIO_BROKER_PROFILE_CACHE_SECONDS=0)
    team, user, name = differing(aws, {"StudioWebPortal": "ENABLED"})
    start_app(aws, name)
    # No call of ours does anything; the repeated one looks as if the first had.
    failed = {"effect": "error", "code": "InternalFailure", "status": 500, "message": "x"}
    aws.fault(operation="UpdateUserProfile", profile=name, times=1, **failed)
    assert gets_in(broker, user, team)
    assert not broker.program.decisions(outcome="updated")
    aws.sagemaker().delete_app(
        DomainId=DOMAIN, UserProfileName=name, AppType="JupyterServer", AppName="default"
    )
    # What apps stand in the way of is tried again, ten minutes later.
    (item,) = [item for item in aws.state.scan()["Items"] if name in item["pk"]]
    assert item["came"] in ("in_use", "refused")
    item["sent_at"] -= 600
    aws.state.put_item(Item=item)
    assert gets_in(broker, user, team)
    assert aws.profile(team, name)["UserSettings"]["StudioWebPortal"] == "ENABLED"


def gets_in(broker, user, team):
    """Whether signing in ends in Studio, on a slow machine by way of the waiting page."""
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    return answer.opens_studio() or opens_in_time(browser, team)


def opens_in_time(browser, team, seconds=20):
    """Whether the waiting page ends in Studio."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = browser.get(f"/teams/{team['team_id']}")
        if answer.opens_studio():
            return True
        assert answer.status == 200, answer.code
        time.sleep(0.3)
    return False


@pytest.mark.parametrize("how", ["validation", "in_use"])
def test_another_role_stays_closed_while_apps_run_and_opens_once_they_are_stopped(doubter, aws, how):
    aws.settings(updates_with_apps=how, delete_delay_ms=0)
    team, user, name = differing(aws, {})
    start_app(aws, name)
    new_role = f"arn:aws:iam::{ACCOUNT}:role/NewRole"
    aws.change_team(team, execution_role_arn=new_role)
    browser = doubter.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    deadline = time.monotonic() + 20
    while (page := browser.get(f"/teams/{team['team_id']}")).status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert page.code in ("team_invalid", "profile_failed")
    aws.sagemaker().delete_app(
        DomainId=DOMAIN, UserProfileName=name, AppType="JupyterServer", AppName="default"
    )
    # A refusal is remembered for two seconds at most.
    time.sleep(2.1)
    assert opens_in_time(browser, team)
    assert aws.profile(team, name)["UserSettings"]["ExecutionRole"] == new_role


def test_a_merge_that_sagemaker_refuses_keeps_nobody_out_and_says_why(doubter, aws):
    team, user, name = differing(
        aws, {"StudioWebPortal": "DISABLED"}, {"DefaultLandingUri": "studio::"}
    )
    browser = doubter.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    assert opens(browser, team)
    assert opens(browser, team)
    (line,) = doubter.program.decisions(outcome="update_refused", owner=user)
    assert "StudioWebPortal" in line["detail"] and "DefaultLandingUri" in line["detail"]
    one(aws.calls(operation="UpdateUserProfile"))


def test_a_refused_update_is_tried_again_after_ten_minutes(world, aws):
    team, user, name = differing(aws, {"StudioWebPortal": "ENABLED"})
    aws.fault(operation="UpdateUserProfile", profile=name, effect="deny")
    doubter = world.serve(STUDIO_BROKER_PROFILE_CACHE_SECONDS=0)
    browser = doubter.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    assert opens(browser, team)
    (line,) = doubter.program.decisions(outcome="update_refused", owner=user)
    assert "AccessDenied" in line["detail"]
    aws.clear_faults()
    assert opens(browser, team)
    assert len(aws.calls(operation="UpdateUserProfile")) == 1
    (item,) = [item for item in aws.state.scan()["Items"] if name in item["pk"]]
    item["sent_at"] -= 600
    aws.state.put_item(Item=item)
    assert opens(browser, team)
    assert aws.profile(team, name)["UserSettings"]["StudioWebPortal"] == "ENABLED"


def test_of_two_processes_that_find_the_same_drift_at_once_one_sends(world, aws):
    aws.settings(update_delay_ms=300)
    team, user, _ = differing(aws, {"StudioWebPortal": "ENABLED"})
    brokers = [world.serve() for _ in range(3)]
    browsers = [
        broker.signed_in(user_id=user, teams=[team["team_id"], "team3"]) for broker in brokers
    ]
    with ThreadPoolExecutor(3) as people:
        assert list(people.map(lambda browser: opens_in_time(browser, team), browsers)) == [True] * 3
    one(aws.calls(operation="UpdateUserProfile"))
    assert sum(len(broker.program.decisions(outcome="updated")) for broker in brokers) == 1


def test_the_tags_of_a_new_profile_may_come_later(broker, aws):
    aws.settings(tags_delay_ms=1_200, profile_delay_ms=0)
    team, user = aws.new_team(), unique("user-")
    browser, _ = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert opens_in_time(browser, team)
    created(aws)


def test_who_did_not_create_a_new_profile_waits_for_its_tags_too(broker, aws):
    """Two first sign-ins of one person: the other's profile is there, and its tags are not seen yet."""
    team, user = aws.new_team(), unique("user-")
    browser = broker.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    aws.settings(tags_delay_ms=700, profile_delay_ms=0)
    aws.plant_profile(team, f"{user}-{team['team_id']}", {"Team": team["team_id"], "User": user})
    assert opens_in_time(browser, team)


def test_a_new_profile_whose_tags_never_come_is_foreign_within_the_request(broker, aws):
    team, user = aws.new_team(), unique("user-")
    browser = broker.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    aws.settings(profile_delay_ms=0)
    aws.plant_profile(team, f"{user}-{team['team_id']}", {})
    page = browser.get(f"/teams/{team['team_id']}")
    assert (page.status, page.code, page.location) == (502, "profile_foreign", None)


def test_absent_is_the_same_as_empty(doubter, aws):
    wanted = {
        "SecurityGroups": [],
        "SharingSettings": {},
        "JupyterLabAppSettings": {"CodeRepositories": [], "EmrSettings": {"AssumableRoleArns": []}},
    }
    team, user, _ = differing(aws, wanted)
    assert gets_in(doubter, user, team)
    assert aws.calls(operation="UpdateUserProfile") == []


def test_an_answer_that_the_sdk_would_not_read_is_read(doubter, aws):
    aws.settings(odd_answers=True)
    file_systems = [{"EFSFileSystemConfig": {"FileSystemId": "fs-0a1b2c3d4e5f60718"}}]
    idle = {"IdleSettings": {"LifecycleManagement": "ENABLED", "IdleTimeoutInMinutes": 60}}
    planted = {
        "SecurityGroups": ["sg-1111"],
        "CustomFileSystemConfigs": file_systems,
        "JupyterLabAppSettings": {"AppLifecycleManagement": idle},
    }
    wanted = {**planted, "StudioWebPortal": "ENABLED"}
    del wanted["CustomFileSystemConfigs"]
    team, user, name = differing(aws, wanted, planted)
    browser = doubter.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    assert opens(browser, team)
    sent = one(aws.calls(operation="UpdateUserProfile"))["parameters"]["UserSettings"]
    # What SageMaker did not tell is not sent back, and numbers are those that it takes.
    assert "CustomFileSystemConfigs" not in sent
    minutes = sent["JupyterLabAppSettings"]["AppLifecycleManagement"]["IdleSettings"]
    assert repr(minutes["IdleTimeoutInMinutes"]) == "60"


def test_lists_are_compared_in_their_order(doubter, aws):
    wanted = {"SecurityGroups": ["sg-1111", "sg-2222"]}
    team, user = aws.new_team(user_settings=wanted), unique("user-")
    tags = {"Team": team["team_id"], "User": user}
    aws.plant_profile(
        team, f"{user}-{team['team_id']}", tags, SecurityGroups=["sg-2222", "sg-1111"]
    )
    assert gets_in(doubter, user, team)
    update = one(aws.calls(operation="UpdateUserProfile"))["parameters"]
    assert update["UserSettings"]["SecurityGroups"] == ["sg-1111", "sg-2222"]


# behind our back


def test_a_profile_that_was_deleted_behind_our_back_is_noticed_and_made_again(broker, aws):
    team, user = aws.new_team(), unique("user-")
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.opens_studio()
    aws.settings(delete_delay_ms=0)
    aws.delete_profile(team, f"{user}-{team['team_id']}")
    assert opens(browser, team)
    assert len(aws.calls(operation="CreateUserProfile", error=None)) == 2


def test_the_same_is_true_where_sagemaker_says_not_found_first(broker, aws):
    aws.settings(missing_presign="not_found", missing_list_tags="not_found", delete_delay_ms=0)
    team, user = aws.new_team(), unique("user-")
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.opens_studio()
    aws.delete_profile(team, f"{user}-{team['team_id']}")
    assert opens(browser, team)


def test_a_profile_that_is_being_deleted_is_waited_for_and_made_again(broker, aws):
    team, user = aws.new_team(), unique("user-")
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.opens_studio()
    aws.settings(delete_delay_ms=1500)
    aws.delete_profile(team, f"{user}-{team['team_id']}")
    assert opens(browser, team)
    assert len(aws.calls(operation="CreateUserProfile", error=None)) == 2


def opens(browser, team, seconds=30):
    """Whether the team opens, by a browser that comes back to the waiting page."""
    return opens_in_time(browser, team, seconds)


@pytest.mark.parametrize(
    "change", [{"User": "somebody-else"}, {"Team": "another-team"}, {"User": None}]
)
def test_a_profile_whose_tags_changed_is_foreign_and_its_url_never_leaves(broker, aws, change):
    team, user = aws.new_team(), unique("user-")
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.opens_studio()
    arn = aws.profile(team, f"{user}-{team['team_id']}")["UserProfileArn"]
    ((key, value),) = change.items()
    if value is None:
        aws.sagemaker().delete_tags(ResourceArn=arn, TagKeys=[key])
    else:
        aws.sagemaker().add_tags(ResourceArn=arn, Tags=[{"Key": key, "Value": value}])
    page = browser.get(f"/teams/{team['team_id']}")
    assert (page.status, page.code, page.location) == (502, "profile_foreign", None)


def test_tags_are_compared_exactly(broker, aws):
    team = aws.new_team()
    user = unique("user-")
    name = f"{user}-{team['team_id']}"
    aws.plant_profile(team, name, {"Team": team["team_id"], "User": user.upper()})
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.status == 303
    assert browser.get(f"/teams/{team['team_id']}").code == "profile_foreign"


def test_names_that_differ_in_case_only_are_one_profile_and_never_shared(broker, aws):
    team, user = aws.new_team(), unique("user-")
    name = f"{user}-{team['team_id']}"
    aws.plant_profile(team, name.upper(), {"Team": team["team_id"], "User": user})
    assert gets_in(broker, user, team)
    assert aws.calls(operation="CreateUserProfile") == []


# states


def test_a_pending_profile_is_waited_for(broker, aws):
    team, user = aws.new_team(), unique("user-")
    aws.settings(profile_delay_ms=2500)
    aws.plant_profile(team, f"{user}-{team['team_id']}", {"Team": team["team_id"], "User": user})
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.status == 303
    assert opens(browser, team)
    assert aws.calls(operation="CreateUserProfile") == []


def test_a_failed_profile_ends_in_a_clear_page(broker, aws):
    browser, _ = broker.sign_in(user_id=unique("user-"), teams=["team5"])
    page = ends(browser, {"team_id": "team5"})
    assert (page.status, page.code) == (502, "profile_failed")
    assert page.header("refresh") is None
    (line,) = broker.program.decisions(reference=page.reference)
    assert "simulated failure" in line["detail"]
    assert "simulated failure" not in page.text


def test_a_profile_whose_update_failed_and_that_differs_is_not_waited_for_without_end(doubter, aws):
    team, user = aws.new_team(user_settings={"StudioWebPortal": "ENABLED"}), unique("user-")
    browser, answer = doubter.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.opens_studio()
    aws.fault(
        operation="UpdateUserProfile", effect="settle", ms=0, status="Update_Failed", reason="why"
    )
    aws.sagemaker().update_user_profile(
        DomainId=DOMAIN,
        UserProfileName=f"{user}-{team['team_id']}",
        UserSettings={"ExecutionRole": team["execution_role_arn"], "StudioWebPortal": "DISABLED"},
    )
    page = ends(browser, team)
    assert page.opens_studio() or (page.status, page.code) == (502, "profile_failed")


def test_a_profile_as_the_mapping_wants_it_opens_although_its_last_update_failed(doubter, aws):
    team, user = aws.new_team(user_settings={"StudioWebPortal": "ENABLED"}), unique("user-")
    browser, answer = doubter.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.opens_studio()
    aws.fault(
        operation="UpdateUserProfile", effect="settle", ms=0, status="Update_Failed", reason="why"
    )
    aws.sagemaker().update_user_profile(
        DomainId=DOMAIN,
        UserProfileName=f"{user}-{team['team_id']}",
        UserSettings={"ExecutionRole": team["execution_role_arn"], "StudioWebPortal": "ENABLED"},
    )
    assert browser.get(f"/teams/{team['team_id']}").opens_studio()


# adoption


def adoptable(aws, tags=None, role=None, team=None, **settings):
    """A team that adopts, and a planted profile under the exact name: team, user."""
    user = unique("user-")
    item = aws.new_team(
        **{"adopt_profiles": True, "user_settings": {"StudioWebPortal": "ENABLED"}, **(team or {})}
    )
    tags = {"Team": item["team_id"]} if tags is None else tags
    role = role or item["execution_role_arn"]
    aws.plant_profile(item, f"{user}-{item['team_id']}", tags, ExecutionRole=role, **settings)
    return item, user


@pytest.mark.parametrize("settings", [{}, {"StudioWebPortal": "ENABLED"}])
def test_a_profile_without_owner_is_adopted_where_the_mapping_allows_it(broker, aws, settings):
    team, user = adoptable(aws, **settings)
    browser, _ = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert opens(browser, team)
    added = one(aws.calls(operation="AddTags", error=None))["parameters"]
    assert added["Tags"] == [{"Key": "User", "Value": user}]
    assert aws.profile(team, f"{user}-{team['team_id']}")["Tags"]["User"] == user
    assert len(broker.program.decisions(outcome="adopted", owner=user)) == 1


@pytest.mark.parametrize(
    "planted",
    [
        {"team": {"adopt_profiles": False}},
        {"tags": {}},
        {"tags": {"Team": "another-team"}},
        {"role": f"arn:aws:iam::{ACCOUNT}:role/Administrator"},
        {"StudioWebPortal": "DISABLED"},
        {"SecurityGroups": ["sg-1234"]},
        {
            "JupyterServerAppSettings": {
                "LifecycleConfigArns": [
                    f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:studio-lifecycle-config/steal"
                ]
            }
        },
    ],
    ids=["not-allowed", "no-team", "other-team", "other-role", "other-value", "more", "script"],
)
def test_any_other_profile_without_owner_is_refused(broker, aws, planted):
    team, user = adoptable(aws, **planted)
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.status == 303
    page = browser.get(answer.location)
    assert (page.status, page.code) == (502, "profile_foreign")
    assert aws.calls(operation="AddTags") == []
    assert aws.calls(operation="UpdateUserProfile") == []


def test_a_profile_with_an_owner_is_never_adopted(broker, aws):
    user = unique("user-")
    team = aws.new_team(adopt_profiles=True)
    tags = {"Team": team["team_id"], "User": "somebody-else"}
    aws.plant_profile(team, f"{user}-{team['team_id']}", tags)
    browser, _ = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert browser.get(f"/teams/{team['team_id']}").code == "profile_foreign"


# what AWS says


@pytest.mark.parametrize(
    "team, code",
    [
        ("team7", "quota_reached"),
        ("team8", "domain_missing"),
        ("team9", "domain_sso_mode"),
        ("team10", "target_denied"),
    ],
)
def test_what_stands_in_the_way_is_told_by_its_code(broker, aws, team, code):
    browser, answer = broker.sign_in(teams=[team])
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/teams/{team}")
    for accept in ["text/html", "application/json"]:
        page = browser.get(f"/teams/{team}", accept=accept)
        assert (page.status, page.code) == (502, code)


@pytest.mark.parametrize("code", ["PackedPolicyTooLarge", "ValidationError", "MalformedPolicyDocument"])
def test_a_session_that_sts_itself_refuses_is_not_sagemakers_refusal(broker, aws, code):
    team = aws.new_team()
    browser = broker.signed_in(teams=[team["team_id"], "team3"])
    aws.fault(operation="AssumeRole", effect="error", code=code, status=400)
    page = browser.get(f"/teams/{team['team_id']}")
    assert (page.status, page.code) == (502, "target_refused")
    (line,) = broker.program.decisions(reference=page.reference)
    assert "STS" in line["detail"] and code in line["detail"] and "SageMaker" not in line["detail"]


def test_a_foreign_profile_under_the_expected_name_is_refused(broker, aws):
    browser, _ = broker.sign_in(user_id="user-12", teams=["team11"])
    page = browser.get("/teams/team11")
    assert (page.status, page.code) == (502, "profile_foreign")
    assert "somebody-else" not in page.text


def test_a_mapping_that_points_at_anothers_domain_or_role_is_refused_by_aws(broker, aws):
    team = aws.teams.get_item(Key={"team_id": "team3"})["Item"]
    aws.change_team("team3", domain_id="d-localteam004")
    try:
        browser, _ = broker.sign_in(teams=["team3"])
        assert browser.get("/teams/team3").code == "target_denied"
    finally:
        aws.teams.put_item(Item=team)


@pytest.mark.parametrize(
    "operation", ["AssumeRole", "DescribeUserProfile", "CreatePresignedDomainUrl"]
)
def test_when_aws_throttles_a_browser_waits_and_others_are_told_to_come_back(
    world, aws, operation
):
    broker, team = world.serve(), aws.new_team()
    browser, answer = broker.sign_in(teams=[team["team_id"], "team1"])
    aws.fault(operation=operation, effect="throttle")
    page = browser.get(f"/teams/{team['team_id']}")
    assert page.status == 200
    assert f"url={PUBLIC_URL}/teams/{team['team_id']}" in page.header("refresh")
    path, deadline = f"/teams/{team['team_id']}", time.monotonic() + 10
    while (other := browser.get(path, accept="application/json")).code == "preparing":
        assert time.monotonic() < deadline, "the profile is made, whoever is throttled"
        time.sleep(0.3)
    assert (other.status, other.code) == (503, "aws_busy")
    assert int(other.header("retry-after")) >= 1
    aws.clear_faults()
    # A refusal or an error is remembered for two seconds at most.
    assert opens(browser, team, seconds=60)
    aws.forget_lines()


@pytest.mark.parametrize("effect", ["malformed", "reset"])
def test_an_answer_that_nobody_understands_opens_nothing(broker, aws, effect):
    team = aws.new_team()
    browser, _ = broker.sign_in(teams=[team["team_id"], "team1"])
    aws.fault(operation="CreatePresignedDomainUrl", effect=effect)
    page = browser.get(f"/teams/{team['team_id']}")
    assert not page.opens_studio()
    assert page.status in (200, 503)
    assert page.code in (None, "aws_unreachable")


def test_credentials_that_end_early_are_replaced(broker, aws):
    team = aws.new_team()
    browser, answer = broker.sign_in(teams=[team["team_id"]])
    assert answer.opens_studio()
    aws.control("expire-credentials", "POST")
    assert browser.get(f"/teams/{team['team_id']}").opens_studio()
    assert len(aws.calls(operation="AssumeRole")) == 2


def test_credentials_are_bound_to_the_external_id_and_never_shared_between_people(broker, aws):
    team = aws.new_team(external_id="one")
    browsers = [broker.sign_in(teams=[team["team_id"]])[0] for _ in range(2)]
    assert len(aws.calls(operation="AssumeRole")) == 2
    for browser in browsers:
        assert opens(browser, team)
    assert len(aws.calls(operation="AssumeRole")) == 2, "cached, one for each"
    aws.change_team(team, external_id="two")
    assert opens(browsers[0], team)
    assert aws.calls(operation="AssumeRole")[-1]["parameters"]["ExternalId"] == "two"


def test_a_refusal_of_the_role_is_forgotten_after_two_seconds(broker, aws):
    team = aws.new_team()
    aws.fault(operation="AssumeRole", effect="deny")
    browser, _ = broker.sign_in(teams=[team["team_id"]])
    assert browser.get(f"/teams/{team['team_id']}").code == "target_denied"
    aws.clear_faults()
    time.sleep(2.1)
    assert opens(browser, team)


def test_groups_of_an_identity_store_give_access(broker, aws):
    idp = broker.world.new_idp(
        identity_store_id="d-1234567890", identity_store_region="eu-central-1"
    )
    values = {"issuer": idp, "user_id": unique("user-"), "name_id": "user-14@example.com"}
    browser, answer = broker.sign_in(**values)
    assert answer.opens_studio(), "team13 has the group"
    aws.fault(service="identitystore", effect="deny")
    _, answer = broker.sign_in(**{**values, "user_id": unique("user-")})
    assert not answer.opens_studio(), "what cannot be read refuses"


# the address that SageMaker answers


@pytest.fixture(scope="module")
def lied_to(world):
    liar = Liar(world.aws.endpoint, None)
    broker = world.serve(AWS_ENDPOINT_URL_SAGEMAKER=liar.endpoint)
    broker.liar = liar
    yield broker
    liar.server.shutdown()


@pytest.mark.parametrize(
    "url, followed",
    [
        (f"https://d-abc.studio.{REGION}.sagemaker.aws/auth?token=x", True),
        ("https://evil.example/auth?token=x", False),
        (f"https://d-abc.studio.{REGION}.sagemaker.aws.evil.example/auth?token=x", False),
        (f"https://evil.example/.studio.{REGION}.sagemaker.aws/auth?token=x", False),
        (f"https://evil.example#.studio.{REGION}.sagemaker.aws/auth?token=x", False),
        (f"https://evil.example\\.studio.{REGION}.sagemaker.aws/auth?token=x", False),
        (f"https://user@d-abc.studio.{REGION}.sagemaker.aws/auth?token=x", False),
        (f"http://d-abc.studio.{REGION}.sagemaker.aws/auth?token=x", False),
        ("https://d-abc.studio.eu-west-1.sagemaker.aws/auth?token=x", False),
        (f"https://studio.{REGION}.sagemaker.aws/auth?token=x", False),
        (f"https://evilstudio.{REGION}.sagemaker.aws/auth?token=x", False),
        (f"//d-abc.studio.{REGION}.sagemaker.aws/auth?token=x", False),
        ("javascript:alert(1)", False),
        (f"https://d-abc.studio.{REGION}.sagemaker.aws/auth?token=x\r\nSet-Cookie: a=b", False),
        ("", False),
        (None, False),
    ],
)
def test_only_an_address_of_the_regions_studio_is_followed(lied_to, aws, url, followed):
    lied_to.liar.url = url
    team = aws.new_team()
    browser, answer = lied_to.sign_in(teams=[team["team_id"]])
    if followed:
        # On a busy machine the two seconds may be over before: then the page that waits goes on.
        deadline = time.monotonic() + 30
        while answer.status != 302 and time.monotonic() < deadline:
            time.sleep(0.2)
            answer = browser.get(f"/teams/{team['team_id']}")
        assert (answer.status, answer.location) == (302, url)
    else:
        assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/teams/{team['team_id']}")
        page = browser.get(answer.location)
        assert page.location is None
        assert page.status >= 500
        if url and url.startswith("https://") and "@" not in url:
            assert page.code == "url_foreign", "and not that it may help to try again"
            assert "its host is none of the Region's own" in lied_to.program.output()


def test_a_host_that_the_setting_names_is_followed_and_no_other(world, aws, lied_to):
    endpoint = lied_to.liar.endpoint
    broker = world.serve(
        AWS_ENDPOINT_URL_SAGEMAKER=endpoint,
        STUDIO_BROKER_URL_HOSTS="studio.partition.example, other.example",
    )
    team, user = aws.new_team(), unique("user-")
    for host, followed in [
        ("d-abc.studio.partition.example", True),
        ("x.other.example", True),
        ("evilother.example", False),
        ("d-abc.studio.partition.example.evil.example", False),
    ]:
        lied_to.liar.url = f"https://{host}/auth?token=x"
        _, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
        assert (answer.status == 302) is followed, host
        if not followed:
            (line,) = broker.program.decisions(outcome="refused", owner=user)[-1:]
            assert line["code"] == "url_foreign"
            assert host in line["detail"] and "token" not in line["detail"]
