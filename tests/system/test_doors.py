"""Doors of a team: MLflow Apps, MLflow tracking servers and Partner AI Apps, opened by presigned URLs."""

import re
import time
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from liar import Liar
from world import ACCOUNT, HUB_REGION, PUBLIC_URL, REGION, authn_request, request_id, unique

KINDS = ["mlflow_app", "mlflow_server", "partner_app"]
OPENS = {
    "mlflow_app": "CreatePresignedMlflowAppUrl",
    "mlflow_server": "CreatePresignedMlflowTrackingServerUrl",
    "partner_app": "CreatePartnerAppPresignedUrl",
}
DESCRIBES = {
    "mlflow_app": "DescribeMlflowApp",
    "mlflow_server": "DescribeMlflowTrackingServer",
    "partner_app": "DescribePartnerApp",
}
DEADLINE = 30


def path_of(team, door):
    return f"/teams/{team['team_id']}/doors/{door['id']}"


def opened(browser, path):
    """The answer of a door that opens; on a busy machine the two seconds may be over before."""
    deadline = time.monotonic() + DEADLINE
    while True:
        answer = browser.get(path)
        if answer.status == 302 or time.monotonic() > deadline:
            return answer
        time.sleep(0.2)


def page_behind(url):
    """What a browser sees there: the page's facts by their ids, or its status."""
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code
    return dict(re.findall(r'<dd id="([^"]+)">([^<]*)</dd>', text))


@pytest.fixture
def team_with_doors(aws):
    doors = [aws.new_door(kind) for kind in KINDS]
    team = aws.new_team(doors=doors)
    aws.forget_calls()
    return team


@pytest.mark.parametrize("kind", KINDS)
def test_a_door_opens_for_the_person_alone_and_makes_no_profile(broker, aws, team_with_doors, kind):
    team, user = team_with_doors, unique("user-")
    (door,) = [door for door in team["doors"] if door["kind"] == kind]
    browser = broker.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    aws.forget_calls()
    answer = opened(browser, path_of(team, door))
    assert answer.opens_studio(), (answer.status, answer.text)
    assert answer.header("cache-control") == "no-store"
    assert answer.header("referrer-policy") == "no-referrer"
    facts = page_behind(answer.location)
    assert (facts["door-kind"], facts["door-arn"]) == (kind, door["arn"])
    assert facts["session-name"] == user
    assert facts["session-tags"] == f"Team = {team['team_id']}, User = {user}"
    assert facts.get("person") == (user if kind == "partner_app" else None)
    operations = aws.operations()
    assert OPENS[kind] in operations
    assert not [name for name in operations if "UserProfile" in name or name == "CreatePresignedDomainUrl"]
    assert DESCRIBES[kind] not in operations, "nothing is looked at while all is well"
    (call,) = aws.calls(operation=OPENS[kind])[-1:]
    assert call["parameters"]["ExpiresInSeconds"] == 30
    assert call["parameters"]["SessionExpirationDurationInSeconds"] == 43_200
    (line,) = broker.program.decisions(outcome="opened", owner=user)
    assert (line["door"], line["door_kind"], line["team"]) == (door["id"], kind, team["team_id"])
    assert "profile" not in line and line["account"] == ACCOUNT and line["aws_request_ids"]
    assert answer.location not in broker.program.output()


@pytest.mark.parametrize("kind", KINDS)
def test_a_warm_opening_costs_two_calls(world, aws, kind):
    broker = world.serve(STUDIO_BROKER_TEAM_CACHE_SECONDS=300)
    door = aws.new_door(kind)
    team = aws.new_team(doors=[door])
    browser = broker.signed_in(teams=[team["team_id"], "team3"])
    assert opened(browser, path_of(team, door)).status == 302
    deadline = time.monotonic() + DEADLINE
    while True:
        aws.forget_calls()
        answer = browser.get(path_of(team, door))
        if answer.status == 302 or time.monotonic() > deadline:
            break
    assert answer.opens_studio()
    assert sorted(aws.operations()) == sorted(["GetItem", OPENS[kind]])


def test_a_url_of_mlflow_opens_once(broker, aws, team_with_doors):
    team = team_with_doors
    browser = broker.signed_in(teams=[team["team_id"], "team3"])
    for door in team["doors"]:
        url = opened(browser, path_of(team, door)).location
        assert page_behind(url)["door-kind"] == door["kind"]
        again = page_behind(url)
        assert (again == 403) is door["kind"].startswith("mlflow"), (door, again)


def test_a_session_behind_a_door_lasts_as_the_door_says_and_no_longer_than_the_access(broker, aws):
    door = {**aws.new_door("mlflow_app"), "session_duration_seconds": 7200}
    other = aws.new_door("partner_app")
    user, soon = unique("user-"), int(time.time()) + 3600
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(soon))
    team = aws.new_team(doors=[door, other])
    browser = broker.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    opened(browser, path_of(team, door))
    aws.change_team(team, members={user: until})
    member = broker.signed_in(user_id=user, teams=["team1", "team3"])
    for one in (door, other):
        opened(member, path_of(team, one))
    lasts = [
        aws.calls(operation=OPENS[kind])[-1]["parameters"]["SessionExpirationDurationInSeconds"]
        for kind in ("mlflow_app", "partner_app")
    ]
    assert aws.calls(operation=OPENS["mlflow_app"])[0]["parameters"]["SessionExpirationDurationInSeconds"] == 7200
    assert all(3000 < seconds <= 3600 for seconds in lasts), lasts


# who may


def test_a_door_is_the_entitled_persons_alone(broker, aws, team_with_doors):
    team = team_with_doors
    path = path_of(team, team["doors"][0])
    stranger = broker.signed_in(teams=["team1", "team3"])
    aws.forget_calls()
    answers = [
        stranger.get(path),
        stranger.get(f"/teams/{team['team_id']}/doors/nothing"),
        stranger.get("/teams/no-such-team/doors/nothing"),
    ]
    assert {(answer.status, answer.code) for answer in answers} == {(403, "not_entitled")}
    assert not aws.calls(service="sts") and not aws.calls(service="sagemaker")
    friend = broker.signed_in(teams=[team["team_id"], "team3"])
    unlisted = friend.get(f"/teams/{team['team_id']}/doors/nothing")
    assert (unlisted.status, unlisted.code) == (404, "door_unknown")
    problem = friend.get(f"/teams/{team['team_id']}/doors/nothing", accept="application/json")
    assert (problem.status, problem.code) == (404, "door_unknown")
    (line,) = broker.program.decisions(reference=unlisted.reference)
    assert line["unverified"] == {"door": "nothing"} and "door" not in line


@pytest.mark.parametrize(
    "attributes, status, code",
    [
        ({"enabled": False}, 403, "team_paused"),
        ({"allowed_cidrs": ["192.0.2.0/24"]}, 403, "network_refused"),
        ({"authn_contexts": ["urn:example:second-factor"]}, 403, "authn_context_refused"),
        ({"execution_role_arn": "x"}, 503, "team_invalid"),
    ],
)
def test_what_closes_a_team_closes_its_doors(broker, aws, team_with_doors, attributes, status, code):
    team = team_with_doors
    door = team["doors"][0]
    browser = broker.signed_in(teams=[team["team_id"], "team3"])
    aws.change_team(team, **attributes)
    aws.forget_calls()
    page = browser.get(path_of(team, door))
    assert (page.status, page.code) == (status, code)
    assert not aws.calls(service="sagemaker")
    if code == "authn_context_refused":
        query = f"&amp;team={team['team_id']}&amp;door={door['id']}&amp;again=1"
        assert query in page.text.replace("&#38;", "&amp;"), "the link leads on to the door"


def test_what_opens_is_for_a_person_who_navigates(broker, aws, team_with_doors):
    browser = broker.signed_in(teams=[team_with_doors["team_id"], "team3"])
    path = path_of(team_with_doors, team_with_doors["doors"][0])
    for header in [("Sec-Purpose", "prefetch"), ("Sec-Fetch-Dest", "iframe")]:
        assert browser.get(path, headers=[header]).code == "not_navigation"
    assert browser.request("HEAD", path).status == 405
    assert browser.post(path).status == 405
    for other in ["/teams/team1/doors", "/teams/team1/doors/", "/teams/team1/doors/a/b", "/teams/team1/x"]:
        assert browser.get(other).status == 404, other


def test_a_denied_person_opens_no_door_in_an_open_session(world, broker, aws, team_with_doors):
    idp, user = world.new_idp(), unique("user-")
    browser = broker.signed_in(issuer=idp, user_id=user, teams=[team_with_doors["team_id"], "team3"])
    path = path_of(team_with_doors, team_with_doors["doors"][0])
    assert opened(browser, path).status == 302
    aws.change_idp(idp, denied_users=[user])
    assert browser.get(path).code == "user_denied"


# a team's session and another team's door, in both directions


def session_of(aws, team, user):
    """The credentials that the broker would hold for this person."""
    sts = boto3.client(
        "sts",
        endpoint_url=aws.endpoint,
        region_name=HUB_REGION,
        aws_access_key_id="AKIALOCALHUB",
        aws_secret_access_key="local",
    )
    tags = [{"Key": "Team", "Value": team["team_id"]}, {"Key": "User", "Value": user}]
    role = f"arn:aws:iam::{team['account_id']}:role/StudioBrokerTarget"
    given = sts.assume_role(RoleArn=role, RoleSessionName=user, Tags=tags)["Credentials"]
    return boto3.client(
        "sagemaker",
        endpoint_url=aws.endpoint,
        region_name=team["region"],
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_teams_session_opens_its_own_door_and_not_another_teams(aws, kind):
    doors = [aws.new_door(kind), aws.new_door(kind)]
    teams = [aws.new_team(doors=[door]) for door in doors]
    for team in teams:
        sagemaker = session_of(aws, team, "user-1")
        for door in doors:
            name = door["arn"].rpartition("/")[2]
            named = {"TrackingServerName": name} if kind == "mlflow_server" else {"Arn": door["arn"]}
            for operation in (OPENS[kind], DESCRIBES[kind]):
                method = getattr(sagemaker, "_".join(re.findall("[A-Z][a-z]+", operation)).lower())
                if door in team["doors"]:
                    method(**named)
                else:
                    with pytest.raises(ClientError, match="AccessDenied"):
                        method(**named)


# what is behind the door


def test_a_door_that_the_role_does_not_know_is_denied(broker, aws, team_with_doors):
    browser = broker.signed_in(teams=[team_with_doors["team_id"], "team3"])
    door = team_with_doors["doors"][0]
    role = f"arn:aws:iam::{ACCOUNT}:role/StudioBrokerTarget"
    documents = aws.control(f"roles/{team_with_doors['team_id']}")
    policy = documents["permission_policy"]
    policy["Statement"] = [s for s in policy["Statement"] if door["arn"] not in str(s)]
    aws.settings(roles={role: {"permission_policy": policy}})
    page = browser.get(path_of(team_with_doors, door))
    assert (page.status, page.code) == (502, "target_denied")
    assert door["arn"] not in page.text
    (line,) = broker.program.decisions(reference=page.reference)
    assert OPENS[door["kind"]] in line["detail"] and line["door"] == door["id"]


@pytest.mark.parametrize("wire", ["validation", "not_found"])
@pytest.mark.parametrize(
    "kind, status",
    [("mlflow_app", "CreateFailed"), ("mlflow_server", "Stopped"), ("partner_app", "Failed"), (None, None)],
)
def test_what_is_behind_a_door_is_told_apart(broker, aws, kind, status, wire):
    aws.settings(shut_door=wire)
    if kind:
        door = aws.new_door(kind, settle={"status": status})
    else:
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-app/app-NOTHING00000"
        door = {"id": "gone", "kind": "mlflow_app", "arn": arn}
    team = aws.new_team(doors=[door])
    browser = broker.signed_in(teams=[team["team_id"], "team3"])
    page = browser.get(path_of(team, door))
    assert (page.status, page.code) == (502, "door_unavailable")
    assert page.header("refresh") is None
    assert ("does not run" if kind else "does not exist") in page.text
    problem = browser.get(path_of(team, door), accept="application/json")
    assert (problem.status, problem.code) == (502, "door_unavailable")
    for answer in (page, problem):
        assert door["arn"] not in answer.text and str(status) not in answer.text
    (line,) = broker.program.decisions(reference=page.reference)
    assert (status or "does not exist") in line["detail"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_door_that_is_being_prepared_is_waited_for(broker, aws, kind):
    door = aws.new_door(kind, settle={"ms": 3_600_000})
    other = aws.new_door(kind)
    team = aws.new_team(doors=[door, other])
    browser = broker.signed_in(teams=[team["team_id"], "team3"])
    page = browser.get(path_of(team, door))
    assert page.status == 200 and page.header("refresh").endswith(f"url={PUBLIC_URL}{path_of(team, door)}")
    assert "being prepared or updated" in page.text
    problem = browser.get(path_of(team, door), accept="application/json")
    assert (problem.status, problem.code) == (503, "door_updating")
    assert int(problem.header("retry-after")) >= 5
    assert '"status":"Creating"' in broker.program.output()
    # An update under way, and its end.
    sagemaker, name = aws.sagemaker(), other["arn"].rpartition("/")[2]
    aws.settings(update_delay_ms=3_600_000)
    if kind == "mlflow_server":
        sagemaker.update_mlflow_tracking_server(TrackingServerName=name)
    else:
        getattr(sagemaker, f"update_{kind}")(Arn=other["arn"])
    assert browser.get(path_of(team, other), accept="application/json").code == "door_updating"


def test_a_server_opens_again_once_it_is_started(broker, aws):
    door = aws.new_door("mlflow_server")
    team = aws.new_team(doors=[door])
    browser = broker.signed_in(teams=[team["team_id"], "team3"])
    server, name = aws.sagemaker(), door["arn"].rpartition("/")[2]
    server.stop_mlflow_tracking_server(TrackingServerName=name)
    assert browser.get(path_of(team, door)).code == "door_unavailable"
    server.start_mlflow_tracking_server(TrackingServerName=name)
    assert opened(browser, path_of(team, door)).status == 302
    server.delete_mlflow_tracking_server(TrackingServerName=name)
    deadline = time.monotonic() + DEADLINE
    while "does not exist" not in browser.get(path_of(team, door)).text:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_throttled_people_wait_in_turn_and_their_page_keeps_the_door(broker, aws, team_with_doors):
    door = team_with_doors["doors"][0]
    browser = broker.signed_in(teams=[team_with_doors["team_id"], "team3"])
    aws.fault(operation=OPENS[door["kind"]], effect="throttle")
    page = browser.get(path_of(team_with_doors, door))
    address = page.header("refresh").partition("url=")[2]
    path = re.escape(PUBLIC_URL + path_of(team_with_doors, door))
    assert re.fullmatch(rf"{path}\?since=\d+&place={door['kind']}\.\d+\.\d+", address)
    aws.clear_faults()
    deadline = time.monotonic() + DEADLINE
    while browser.get(address).status != 302:
        assert time.monotonic() < deadline
        time.sleep(0.3)


# the item


def test_a_bad_door_closes_itself_and_nothing_else(broker, aws):
    good = aws.new_door("mlflow_app")
    elsewhere = aws.new_door("mlflow_app", account="333333333333")
    twin = {**aws.new_door("mlflow_app"), "id": "twin"}
    bad = [
        {**elsewhere, "id": "other-account"},
        {**good, "id": "other-kind", "kind": "partner_app"},
        {**good, "id": "unknown-kind", "kind": "studio"},
        {**good, "id": "wild", "arn": good["arn"].rpartition("/")[0] + "/*"},
        {**good, "id": "null", "arn": None},
        {**good, "id": "long", "session_duration_seconds": 43_201},
        {**good, "id": "closed", "enabled": False},
        twin,
        {**twin, "arn": good["arn"]},
        "not a map",
        None,
    ]
    team = aws.new_team(doors=[*bad, good])
    browser = broker.signed_in(teams=[team["team_id"], "team3"])
    for door in bad:
        if isinstance(door, dict):
            page = browser.get(path_of(team, door))
            assert (page.status, page.code) == (404, "door_unknown"), door
    assert opened(browser, path_of(team, good)).status == 302
    assert opened(browser, f"/teams/{team['team_id']}").status == 302
    warned = broker.program.output()
    for number in range(len(bad)):
        assert f"doors[{number}]" in warned, number


def test_the_twenty_first_door_stays_closed(broker, aws):
    doors = [{**aws.new_door("mlflow_app"), "id": f"d{number}"} for number in range(21)]
    team = aws.new_team(doors=doors)
    browser = broker.signed_in(teams=[team["team_id"], "team3"])
    assert opened(browser, path_of(team, doors[19])).status == 302
    assert browser.get(path_of(team, doors[20])).code == "door_unknown"
    assert "21 doors" in broker.program.output()


# the URL


@pytest.fixture(scope="module")
def lied_to(world):
    liar = Liar(world.aws.endpoint, None)
    broker = world.serve(AWS_ENDPOINT_URL_SAGEMAKER=liar.endpoint)
    broker.liar = liar
    yield broker
    liar.server.shutdown()


HOSTS = {
    "mlflow_app": f"app-a.mlflow.sagemaker.{REGION}.app.aws",
    "mlflow_server": f"t-a.{REGION}.experiments.sagemaker.aws",
    "partner_app": f"app-a.partner.{REGION}.sagemaker.aws",
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_an_address_of_the_kinds_own_host_is_followed(lied_to, aws, kind):
    door = aws.new_door(kind)
    team = aws.new_team(doors=[door])
    browser = lied_to.signed_in(teams=[team["team_id"], "team3"])
    lied_to.liar.url = f"https://{HOSTS[kind]}/auth?authToken=x"
    answer = opened(browser, path_of(team, door))
    assert (answer.status, answer.location) == (302, lied_to.liar.url)
    others = [host for other, host in HOSTS.items() if other != kind and kind != "partner_app"]
    for url in [
        *(f"https://{host}/auth?token=secret" for host in others),
        f"http://{HOSTS[kind]}/auth?token=secret",
        f"https://user@{HOSTS[kind]}/auth?token=secret",
        f"https://{HOSTS[kind].replace(REGION, 'ap-south-1')}/auth?token=secret",
        f"https://{HOSTS[kind]}.evil.example/auth?token=secret",
        f"https://d-a.studio.{'ap-south-1'}.sagemaker.aws/auth?token=secret",
        "javascript:alert(1)",
        "",
    ]:
        lied_to.liar.url = url
        page = browser.get(path_of(team, door))
        assert page.location is None and page.code == "url_foreign", url
    assert "secret" not in lied_to.program.output()


# deep links


def test_a_deep_link_to_a_door_survives_the_sign_in_in_several_tabs(fresh_world):
    aws, broker, user = fresh_world.aws, fresh_world.serve(), unique("user-")
    team = aws.new_team(doors=[aws.new_door(kind) for kind in KINDS])
    browser = broker.browser()
    logins = [(door, browser.get(path_of(team, door))) for door in team["doors"]]
    for door, login in reversed(logins):
        assert login.status == 302 and login.location.startswith(fresh_world.idp)
        assert authn_request(login.location) is not None
        values = {"user_id": user, "teams": [team["team_id"], "team3"]}
        _, answer = broker.sign_in(browser, in_response_to=request_id(login.location), **values)
        if answer.status == 303:
            answer = opened(browser, answer.location)
        assert page_behind(answer.location)["door-arn"] == door["arn"]


def test_relay_state_selects_among_the_persons_own_doors(broker, aws, team_with_doors):
    team = team_with_doors
    door = team["doors"][1]
    for relayed in (path_of(team, door), PUBLIC_URL + path_of(team, door)):
        browser, answer = broker.sign_in(relay_state=relayed, teams=[team["team_id"], "team3"])
        if answer.status == 303:
            assert answer.location == PUBLIC_URL + path_of(team, door)
            answer = opened(browser, answer.location)
        assert page_behind(answer.location)["door-arn"] == door["arn"]
    _, answer = broker.sign_in(relay_state=path_of(team, door), teams=["team1", "team3"])
    assert answer.location == f"{PUBLIC_URL}/", "of another's team nothing is selected"


def test_the_choice_among_idps_leads_on_to_the_door(world, aws, team_with_doors):
    world.new_idp()
    broker = world.serve()
    page = broker.browser().get(path_of(team_with_doors, team_with_doors["doors"][0]))
    assert page.status == 200
    links = re.findall(r'href="([^"]*saml/login[^"]*)"', page.text)
    wanted = {"team": [team_with_doors["team_id"]], "door": [team_with_doors["doors"][0]["id"]]}
    queries = [parse_qs(urlsplit(link.replace("&amp;", "&").replace("&#38;", "&")).query) for link in links]
    assert any(wanted.items() <= query.items() for query in queries), links
