"""After the sign-in: who opens what, decided again each time, until the session ends."""

import re
import time

import pytest

from browser import over_http
from programs import REPOSITORY
from world import ACCOUNT, DOMAIN, PUBLIC_URL, REGION, request_id, unique


def same_but_for_reference_and_time(page):
    text = re.sub(r'id="reference">[^<]*<', 'id="reference"><', page.text)
    return page.status, re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "", text)


# without a session


def test_a_bookmark_signs_in_first_and_then_opens(fresh_world):
    broker = fresh_world.serve()
    browser = broker.browser()
    answer = browser.get("/teams/team3?app=JupyterLab")
    assert answer.status == 302
    assert answer.location.startswith(f"{fresh_world.idp}/sso?")
    user = unique("user-")
    request = request_id(answer.location)
    _, answer = broker.sign_in(
        browser, user_id=user, teams=["team1", "team3"], in_response_to=request
    )
    assert answer.opens_studio()
    presigned = fresh_world.aws.calls(operation="CreatePresignedDomainUrl", error=None)[-1]
    assert presigned["parameters"]["UserProfileName"] == f"{user}-team3"
    assert presigned["parameters"]["LandingUri"] == "app:JupyterLab:"


def test_without_a_session_a_team_is_not_looked_up(fresh_world):
    broker, aws = fresh_world.serve(), fresh_world.aws
    aws.forget_calls()
    known = broker.browser().get("/teams/team1")
    unknown = broker.browser().get("/teams/nobody-knows-this")
    assert known.status == unknown.status == 302
    tables = [call["parameters"].get("TableName") for call in aws.calls(service="dynamodb")]
    assert "studio-broker-teams" not in tables


def test_open_requests_stay_small_enough_for_browsers_to_keep_them(fresh_world):
    browser = fresh_world.serve().browser()
    for _ in range(6):
        answer = browser.get(f"/teams/{'t' * 63}?app=RStudioServerPro&space={'%F0%9F%98%80' * 64}")
        cookie = answer.cookies["request"]
        assert len(cookie.name) + len(cookie.value) <= 4096, "RFC 6265, section 6.1"


# who may open what


def test_unknown_not_granted_and_paused_teams_look_alike_to_those_without_a_right(broker, aws):
    paused = aws.new_team(enabled=False, paused_reason="secret plans")
    invalid = aws.new_team(account_id=444444444444)
    browser = broker.signed_in(teams=["team1", "team2"])
    pages = [
        browser.get(f"/teams/{team}")
        for team in ["nobody-knows", "team3", paused["team_id"], invalid["team_id"]]
    ]
    assert pages[0].status == 403
    assert pages[0].code == "not_entitled"
    alike = {same_but_for_reference_and_time(page) for page in pages}
    assert len(alike) == 1
    assert (
        len({str(sorted(h for h in page.headers if h[0].lower() != "date")) for page in pages}) == 1
    )


def test_the_same_holds_for_problems(broker, aws):
    browser = broker.signed_in(teams=["team1", "team2"])
    problems = [
        browser.get(f"/teams/{team}", accept="application/json").json for team in ["x", "team3"]
    ]
    for problem in problems:
        del problem["reference"], problem["time"]
    assert problems[0] == problems[1]


def test_a_paused_team_tells_its_reason_to_the_entitled_and_cannot_be_opened(broker, aws):
    team = aws.new_team(enabled=False, paused_reason="Back on <Monday>")
    browser = broker.signed_in(teams=["team1", team["team_id"]])
    chooser = browser.get("/")
    assert re.search("Back on &(lt|#60);Monday&(gt|#62);", chooser.text)
    assert f"{PUBLIC_URL}/teams/{team['team_id']}" not in chooser.links
    page = browser.get(f"/teams/{team['team_id']}")
    assert (page.status, page.code) == (403, "team_paused")
    assert "Back on" in page.text


def test_a_malformed_team_is_told_to_the_entitled_and_harms_no_other(broker, aws):
    browser = broker.signed_in(user_id=unique("user-"), teams=["team12", "team3"])
    assert browser.get("/").status == 200
    page = browser.get("/teams/team12")
    assert (page.status, page.code) == (503, "team_invalid")
    assert page.header("retry-after") is None
    (line,) = broker.program.decisions(reference=page.reference)
    for part in ["studio-broker-teams", "team12", "account_id", "leading zeros"]:
        assert part in line["detail"]
    assert browser.get("/teams/team3").opens_studio()


def test_an_idp_grants_only_the_teams_that_it_may(broker, aws):
    idp = broker.world.new_idp(allowed_teams=["team1", "team3"])
    browser = broker.signed_in(issuer=idp, teams=["team1", "team2", "team3"])
    assert "/teams/team2" not in browser.get("/").text
    assert browser.get("/teams/team2").code == "not_entitled"
    assert browser.get("/teams/team3").opens_studio()


def test_a_group_of_the_assertion_gives_access_and_no_other_does(broker, aws):
    team = aws.new_team(groups=["data-science", "ml"])
    user = unique("user-")
    browser, answer = broker.sign_in(user_id=user, groups="ml,other")
    assert answer.opens_studio()
    browser = broker.signed_in(user_id=unique("user-"), groups="ML,data")
    assert browser.get(f"/teams/{team['team_id']}").code == "not_entitled"


def test_a_group_that_is_bound_to_one_idp_counts_nowhere_else(broker, aws):
    one, other = (broker.world.new_idp(groups_attribute="groups") for _ in range(2))
    group = unique("group-")
    team = aws.new_team(groups=[f"{one}#{group}"])
    assert broker.sign_in(issuer=one, groups=group)[1].opens_studio()
    # Nobody else says it: neither the name, nor the whole text as a name of its own.
    for said in [group, f"{one}#{group}"]:
        browser = broker.signed_in(issuer=other, user_id=unique("user-"), groups=said)
        assert browser.get(f"/teams/{team['team_id']}").code == "not_entitled", said
    # Nor its own IdP by the whole text.
    browser = broker.signed_in(issuer=one, user_id=unique("user-"), groups=f"{one}#{group}")
    assert browser.get(f"/teams/{team['team_id']}").code == "not_entitled"


def test_groups_count_only_where_the_idps_item_names_their_attribute(broker, aws):
    group = unique("group-")
    aws.new_team(groups=[group])
    silent, named = broker.world.new_idp(), broker.world.new_idp(groups_attribute="memberOf")
    browser, _ = broker.sign_in(issuer=silent, groups=group)
    assert browser.get("/").status == 403
    browser, _ = broker.sign_in(issuer=named, groups=group)
    assert browser.get("/").status == 403
    assert broker.sign_in(issuer=named, attribute=f"memberOf={group}")[1].opens_studio()


def test_the_attributes_have_the_names_that_the_idps_item_gives_them(broker, aws):
    idp = broker.world.new_idp(user_attribute="uid", teams_attribute="https://x.example/teams")
    user = unique("user-")
    attributes = [
        f"uid={user}",
        "https://x.example/teams=team3",
        "https://x.example/teams=nobody-knows",
    ]
    _, answer = broker.sign_in(issuer=idp, user_id="another", teams=["team1"], attribute=attributes)
    assert answer.opens_studio()
    assert last_presigned(aws)["UserProfileName"] == f"{user}-team3"


def test_denied_users_may_be_a_string_set(broker, aws):
    idp = broker.world.new_idp(denied_users={"one", "two"})
    assert broker.sign_in(issuer=idp, user_id="two")[1].code == "user_denied"


def test_groups_may_be_a_string_set(broker, aws):
    team = aws.new_team(groups={"string-set-a", "string-set-b"})
    browser, answer = broker.sign_in(groups="string-set-b")
    assert answer.opens_studio()
    assert browser.get(f"/teams/{team['team_id']}").opens_studio()


def test_team_ids_are_compared_exactly(broker, aws):
    team = aws.new_team()
    browser = broker.signed_in(teams=[team["team_id"].upper()])
    assert browser.get(f"/teams/{team['team_id']}").code == "not_entitled"


# decided again each time


def test_a_change_of_a_team_counts_at_the_next_opening(broker, aws):
    team = aws.new_team()
    browser, answer = broker.sign_in(teams=[team["team_id"]])
    assert answer.opens_studio()
    path = f"/teams/{team['team_id']}"
    aws.change_team(team, enabled=False)
    assert browser.get(path).code == "team_paused"
    aws.change_team(team, enabled=True)
    assert browser.get(path).opens_studio()
    aws.change_team(team, domain_id="d-nowhere")
    assert browser.get(path).code == "domain_missing"
    aws.change_team(team, domain_id="D-nonsense")
    assert browser.get(path).code == "team_invalid"
    aws.teams.delete_item(Key={"team_id": team["team_id"]})
    assert browser.get(path).code == "not_entitled"


@pytest.mark.parametrize(
    "change, code",
    [
        ({"enabled": False}, "session_void"),
        ({"directory": "others"}, "session_void"),
        ({"denied_users": ["the-user"]}, "user_denied"),
        ({"allowed_teams": ["team1"]}, "not_entitled"),
        ({"handoff": "sometimes"}, "idp_invalid"),
    ],
)
def test_a_change_of_the_idp_counts_in_an_open_session(broker, aws, change, code):
    idp = broker.world.new_idp()
    browser, answer = broker.sign_in(issuer=idp, user_id="the-user", teams=["team3"])
    assert answer.opens_studio()
    aws.change_idp(idp, **change)
    page = browser.get("/teams/team3")
    assert page.code == code
    assert page.location is None
    aws.change_idp(
        idp, enabled=True, directory=None, denied_users=None, allowed_teams=["*"], handoff=None
    )
    assert browser.get("/teams/team3").opens_studio()


def test_an_idp_that_is_removed_ends_its_sessions(broker, aws):
    idp = broker.world.new_idp()
    browser = broker.signed_in(issuer=idp, teams=["team1", "team3"])
    aws.idps.delete_item(Key={"entity_id": idp})
    assert browser.get("/teams/team3").code == "session_void"
    assert browser.get("/").code == "session_void"


def test_a_key_that_leaves_the_metadata_ends_the_sessions_that_it_signed(broker, aws):
    other_key = certificate_of_another_key()
    idp = broker.world.new_idp()
    browser = broker.signed_in(issuer=idp, teams=["team1", "team3"])
    metadata = aws.idps.get_item(Key={"entity_id": idp})["Item"]["metadata_xml"]
    certificate = re.search(r"<ds:X509Certificate>[^<]*</ds:X509Certificate>", metadata).group(0)
    (descriptor,) = re.findall(r"<md:KeyDescriptor.*</md:KeyDescriptor>", metadata, re.S)
    rolling = metadata.replace(descriptor, descriptor.replace(certificate, other_key) + descriptor)
    aws.change_idp(idp, metadata_xml=rolling)
    assert browser.get("/teams/team3").opens_studio(), "both keys are trusted while they roll"
    aws.change_idp(idp, metadata_xml=metadata.replace(certificate, other_key))
    assert browser.get("/teams/team3").code == "session_void"
    assert browser.get("/").code == "session_void"


def certificate_of_another_key():
    pem = (REPOSITORY / "tests" / "fixtures" / "keys" / "rsa2048.crt").read_text()
    body = "".join(line for line in pem.splitlines() if "CERTIFICATE" not in line)
    return f"<ds:X509Certificate>{body}</ds:X509Certificate>"


# the client's address


def test_a_team_opens_only_from_its_networks_by_the_socket(broker, aws):
    inside = aws.new_team(allowed_cidrs=["10.0.0.0/8", "127.0.0.0/8"])
    outside = aws.new_team(allowed_cidrs=["10.0.0.0/8", "::1/128"])
    browser = broker.signed_in(teams=[inside["team_id"], outside["team_id"]])
    forged = [("X-Forwarded-For", "10.1.2.3"), ("Forwarded", "for=10.1.2.3")]
    assert browser.get(f"/teams/{inside['team_id']}").opens_studio()
    page = browser.get(f"/teams/{outside['team_id']}", headers=forged)
    assert (page.status, page.code) == (403, "network_refused")
    (line,) = broker.program.decisions(reference=page.reference)
    assert (line["client_address"], line["client_address_source"]) == ("127.0.0.1", "direct")


@pytest.mark.parametrize(
    "forwarded, opens",
    [
        ("10.1.2.3, 203.0.113.9", True),
        ("6.6.6.6, 10.1.2.3, 203.0.113.9", True),
        ("10.1.2.3, 6.6.6.6, 203.0.113.9", False),
        ("203.0.113.9", False),
        ("nonsense, 203.0.113.9", False),
        ("10.1.2.3:443, 203.0.113.9", True),
        ("::ffff:10.1.2.3, 203.0.113.9", True),
        ("", False),
        (None, False),
    ],
)
def test_behind_proxies_the_nth_entry_from_the_right_counts(
    forwarding_broker, aws, forwarded, opens
):
    team = aws.new_team(allowed_cidrs=["10.0.0.0/8"])
    broker = forwarding_broker
    browser = broker.signed_in(teams=[team["team_id"], "team1"])
    page = browser.get(f"/teams/{team['team_id']}", headers=[("X-Forwarded-For", forwarded)])
    assert page.opens_studio() is opens
    assert opens or page.code == "network_refused"


@pytest.fixture(scope="module")
def forwarding_broker(world):
    return world.serve(STUDIO_BROKER_CLIENT_ADDRESS="forwarded:2")


def test_the_address_is_asked_at_the_opening_and_not_at_the_sign_in(broker, aws):
    team = aws.new_team(allowed_cidrs=["10.0.0.0/8"])
    browser, answer = broker.sign_in(teams=[team["team_id"]])
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/teams/{team['team_id']}")
    assert browser.get(answer.location).code == "network_refused"


# space and app


@pytest.mark.parametrize(
    "app, landing",
    [
        ("studio", "studio::"),
        ("JupyterLab", "app:JupyterLab:"),
        ("CodeEditor", "app:CodeEditor:"),
        ("JupyterServer", "app:JupyterServer:"),
        ("RStudioServerPro", "app:RStudioServerPro:"),
        ("Canvas", "app:Canvas:"),
    ],
)
def test_an_app_becomes_its_landing_uri(broker, aws, session_of_team3, app, landing):
    assert session_of_team3.get(f"/teams/team3?app={app}").opens_studio()
    assert last_presigned(aws)["LandingUri"] == landing


@pytest.mark.parametrize("app", ["jupyterlab", "Minesweeper", "studio::", "app:JupyterLab:", ""])
def test_any_other_app_is_ignored(broker, aws, session_of_team3, app):
    assert session_of_team3.get(f"/teams/team3?app={app}").opens_studio()
    assert "LandingUri" not in last_presigned(aws)


@pytest.fixture(scope="module")
def session_of_team3(broker):
    browser = broker.signed_in(user_id=unique("user-"), teams=["team1", "team3"])
    assert browser.get("/teams/team3").opens_studio()
    return browser


def last_presigned(aws):
    return aws.calls(operation="CreatePresignedDomainUrl", error=None)[-1]["parameters"]


def test_the_teams_own_landing_and_space_are_used_without_asking(broker, aws):
    space = unique("team-space-")
    make_space(aws, space, owner=None)
    team = aws.new_team(landing_uri="app:CodeEditor:", space_name=space)
    browser, answer = broker.sign_in(teams=[team["team_id"]])
    assert answer.opens_studio()
    assert (last_presigned(aws)["LandingUri"], last_presigned(aws)["SpaceName"]) == (
        "app:CodeEditor:",
        space,
    )
    assert browser.get(f"/teams/{team['team_id']}?space={space}").opens_studio()
    assert aws.calls(operation="DescribeSpace") == []
    assert browser.get(f"/teams/{team['team_id']}?app=studio").opens_studio()
    assert last_presigned(aws)["LandingUri"] == "studio::"


def test_a_persons_own_space_is_used_and_nobody_elses(broker, aws):
    team = aws.new_team()
    browsers, profiles = [], []
    for _ in range(2):
        user = unique("user-")
        browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
        assert answer.opens_studio()
        browsers.append(browser)
        profiles.append(f"{user}-{team['team_id']}")
    own, others = unique("space-"), unique("space-")
    make_space(aws, own, owner=profiles[0])
    make_space(aws, others, owner=profiles[1])
    path = f"/teams/{team['team_id']}?space="
    assert browsers[0].get(path + own).opens_studio()
    assert last_presigned(aws)["SpaceName"] == own
    pages = [
        browsers[0].get(path + space)
        for space in (others, "no-such-space", "no%20such%20space%21", "x" * 64)
    ]
    for page in pages:
        assert (page.status, page.code) == (403, "space_refused")
    assert len({same_but_for_reference_and_time(page) for page in pages}) == 1


def make_space(aws, name, owner):
    ownership = {}
    if owner:
        ownership = {
            "OwnershipSettings": {"OwnerUserProfileName": owner},
            "SpaceSharingSettings": {"SharingType": "Private"},
        }
    aws.sagemaker().create_space(DomainId=DOMAIN, SpaceName=name, **ownership)


# what an opening answers


def test_an_opening_is_a_redirect_that_nothing_keeps(broker, aws, session_of_team3):
    answer = session_of_team3.get("/teams/team3")
    assert answer.status == 302
    assert answer.body == b""
    assert answer.header("cache-control") == "no-store"
    assert answer.header("referrer-policy") == "no-referrer"


def test_the_url_lives_as_long_as_the_setting_and_the_session_as_long_as_the_team_says(world, aws):
    broker = world.serve(STUDIO_BROKER_URL_SECONDS=7)
    team = aws.new_team(session_duration_seconds=1800)
    broker.sign_in(teams=[team["team_id"]])
    assert last_presigned(aws)["ExpiresInSeconds"] == 7
    assert last_presigned(aws)["SessionExpirationDurationInSeconds"] == 1800
    other = aws.new_team()
    broker.sign_in(teams=[other["team_id"]])
    assert last_presigned(aws)["SessionExpirationDurationInSeconds"] == 43200


def test_the_url_lives_30_seconds_unless_told_otherwise(broker, aws, session_of_team3):
    session_of_team3.get("/teams/team3")
    assert last_presigned(aws)["ExpiresInSeconds"] == 30


def test_the_waiting_page_needs_no_script_survives_reload_and_can_be_told_to_stop(broker, aws):
    team = aws.new_team()
    aws.settings(profile_delay_ms=4_000)
    browser, answer = broker.sign_in(teams=[team["team_id"]])
    path = f"{PUBLIC_URL}/teams/{team['team_id']}"
    assert (answer.status, answer.location) == (303, path)
    page = browser.get(path)
    assert page.status == 200
    assert re.fullmatch(rf"[1-9]\d?; url={path}", page.header("refresh"))
    assert "<script" not in page.text
    (stop,) = [link for link in page.links if "refresh=off" in link]
    still = browser.get(stop.replace("&#38;", "&").replace("&amp;", "&"))
    assert (still.status, still.header("refresh")) == (200, None)
    deadline = time.monotonic() + 20
    while not (page := browser.get(path)).opens_studio():
        assert page.status == 200
        assert time.monotonic() < deadline
    assert len(aws.calls(operation="CreateUserProfile", error=None)) == 1


def test_the_times_between_two_looks_differ(broker, aws):
    team = aws.new_team()
    aws.settings(profile_delay_ms=60_000)
    people = [broker.sign_in(user_id=unique("user-"), teams=[team["team_id"]])[0] for _ in range(20)]
    pages = [browser.get(f"/teams/{team['team_id']}") for browser in people]
    assert all("Preparing your profile" in page.text for page in pages)
    assert len({page.header("refresh").split(";")[0] for page in pages}) > 1


def test_who_waits_for_a_profile_stands_in_nobodys_way(world, aws):
    broker, team = world.serve(), aws.new_team()
    aws.settings(profile_delay_ms=60_000)
    waiting, _ = broker.sign_in(teams=[team["team_id"]])
    aws.settings(profile_delay_ms=0)
    # The looks of somebody who waits for SageMaker are throttled, again and again.
    path, ended = f"/teams/{team['team_id']}", time.monotonic() + 4
    while time.monotonic() < ended:
        aws.fault(operation="DescribeUserProfile", effect="throttle", times=1)
        page = waiting.get(path)
        assert (page.status, "Preparing your profile" in page.text) == (200, True)
        time.sleep(0.2)
    aws.clear_faults()
    other = broker.signed_in(user_id=unique("user-"), teams=[team["team_id"], "team3"])
    deadline = time.monotonic() + 8
    while not other.get(path).opens_studio():
        assert time.monotonic() < deadline, "nobody is before them"
        time.sleep(0.3)
    aws.forget_lines()


def place_of(page):
    """The place in line that a waiting page comes back to."""
    found = re.search(r"[?&]place=([^&]*)", page.header("refresh"))
    return found and found[1]


@pytest.fixture
def who_waits_for_a_url(world, aws):
    """A broker, the path of a team, and a browser whose profile is ready and whose URL is throttled."""
    broker, team = world.serve(), aws.new_team()
    browser, answer = broker.sign_in(user_id=unique("user-"), teams=[team["team_id"]])
    assert answer.opens_studio()
    aws.fault(operation="CreatePresignedDomainUrl", effect="throttle")
    yield broker, f"/teams/{team['team_id']}", browser
    aws.clear_faults()
    aws.forget_lines()


def test_whoever_is_called_and_whose_calls_take_too_long_keeps_their_place(
    world, aws, who_waits_for_a_url
):
    _, path, browser = who_waits_for_a_url
    assert re.fullmatch(r"url\.\d+\.\d+", place_of(browser.get(path)))
    aws.clear_faults()
    # Another process assumes the role first: each call has its time, both together have not.
    browser.send = over_http(world.serve().port)
    for service in ["sts", "sagemaker"]:
        aws.fault(service=service, effect="delay", ms=1_100)
    place = f"url.1.{int(time.time() * 1000)}"
    page = browser.get(f"{path}?place={place}")
    assert (page.status, place_of(page)) == (200, place)
    assert "AWS is busy" in page.text


def test_whoever_is_called_elsewhere_stands_in_no_other_line_on_the_way(aws, who_waits_for_a_url):
    _, path, browser = who_waits_for_a_url
    place = f"create.1.{int(time.time() * 1000)}"
    aws.forget_calls()
    page = browser.get(f"{path}?place={place}")
    assert (page.status, place_of(page)) == (200, place)
    assert len(aws.calls(operation="CreatePresignedDomainUrl")) == 1
    assert aws.lines() == [], "no place was taken in the line for a URL"


def test_where_the_state_table_takes_no_line_people_come_back_some_time(aws, who_waits_for_a_url):
    broker, path, browser = who_waits_for_a_url
    aws.fault(service="dynamodb", operation="UpdateItem", effect="error", code="InternalServerError")
    page = browser.get(path)
    assert (page.status, place_of(page)) == (200, None)
    assert 2 <= int(page.header("refresh").split(";")[0]) <= 6
    assert "no place in line" in broker.program.output()
    aws.clear_faults()
    deadline = time.monotonic() + 15
    while not browser.get(path).opens_studio():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_whoever_answers_next_knows_that_the_profile_is_being_prepared(world, broker, aws):
    team = aws.new_team()
    aws.settings(profile_delay_ms=6_000)
    browser, answer = broker.sign_in(teams=[team["team_id"]])
    assert answer.status == 303
    aws.forget_calls()
    other = world.serve()
    browser.send = over_http(other.port)
    assert browser.get(answer.location).status == 200
    # A URL is the scarcest call: none is asked for that could not be given out.
    assert "DescribeUserProfile" in aws.operations()
    assert not {"CreatePresignedDomainUrl", "ListTags"} & set(aws.operations())
    deadline = time.monotonic() + 20
    while not (page := browser.get(answer.location)).opens_studio():
        assert page.status == 200
        assert time.monotonic() < deadline
    assert len(aws.calls(operation="CreatePresignedDomainUrl")) == 1
    assert aws.calls(operation="UpdateItem") == [], "the session was told once"
    other.program.stop()


def test_other_clients_get_503_with_retry_after_while_the_profile_is_prepared(broker, aws):
    team = aws.new_team()
    aws.settings(profile_delay_ms=60_000)
    browser, _ = broker.sign_in(teams=[team["team_id"]])
    answer = browser.get(f"/teams/{team['team_id']}", accept="application/json")
    assert answer.status == 503
    assert int(answer.header("retry-after")) >= 1
    assert answer.header("content-type") == "application/problem+json"


def test_nobody_waits_longer_than_two_seconds(broker, aws):
    for fault in [
        {"service": "sts", "operation": "AssumeRole", "effect": "hang"},
        {"service": "sagemaker", "operation": "DescribeUserProfile", "effect": "hang"},
        {"service": "sagemaker", "operation": "CreateUserProfile", "effect": "delay", "ms": 5000},
        {"service": "sagemaker", "effect": "trickle", "ms": 300},
    ]:
        aws.clear_faults()
        aws.fault(**fault)
        team = aws.new_team()
        started = time.monotonic()
        _, answer = broker.sign_in(teams=[team["team_id"]])
        assert time.monotonic() - started < 2.6, fault
        assert answer.status == 303, fault
    assert broker.program.is_alive


def test_when_a_table_throttles_an_opening_waits_as_well(broker, aws):
    browser = broker.signed_in(user_id=unique("user-"), teams=["team1", "team3"])
    aws.fault(service="dynamodb", operation="GetItem", effect="throttle")
    page = browser.get("/teams/team3")
    assert page.status == 200
    assert re.fullmatch(rf"\d+; url={PUBLIC_URL}/teams/team3", page.header("refresh"))
    other = browser.get("/teams/team3", accept="application/json")
    assert (other.status, other.code) == (503, "aws_busy")
    aws.clear_faults()
    assert browser.get("/teams/team3").opens_studio()


def test_reloads_of_a_waiting_page_decide_again(broker, aws):
    team = aws.new_team()
    aws.settings(profile_delay_ms=60_000)
    browser, answer = broker.sign_in(teams=[team["team_id"]])
    assert browser.get(answer.location).status == 200
    aws.change_team(team, enabled=False)
    assert browser.get(answer.location).code == "team_paused"


# the end of a session


def test_signing_out_is_a_button_and_ends_the_session(broker, aws):
    browser = broker.signed_in(teams=["team1", "team3"])
    stolen = browser.cookie_header()
    page = browser.get("/sign-out")
    assert page.status == 200
    assert re.search(rf'<form method="post" action="{PUBLIC_URL}/sign-out">', page.text)
    assert "Your teams" in browser.get("/").text, "the page alone ends nothing"
    done = browser.post("/sign-out")
    assert done.status == 200
    assert "Studio sessions" in done.text and "administrator" in done.text
    assert done.cookies["session"].attributes["max-age"] == "0"
    assert not browser.cookie("session")
    answer = broker.browser().get("/teams/team3", headers=[("Cookie", stolen)])
    assert not answer.opens_studio()
    assert answer.code is None, "a sign-in is offered"


def test_signing_out_ends_one_session_and_no_other(broker, aws):
    user = unique("user-")
    one, other = (broker.signed_in(user_id=user, teams=["team1", "team3"]) for _ in range(2))
    one.post("/sign-out")
    assert other.get("/").status == 200
    assert "Your teams" in other.get("/").text


def test_after_signing_out_the_response_is_still_a_replay(broker, aws):
    response = broker.response(user_id=unique("user-"), teams=["team1", "team3"])
    browser = broker.browser()
    browser.post_from_idp(response)
    browser.post("/sign-out")
    for other in [browser, broker.browser()]:
        answer = other.post_from_idp(response)
        assert (answer.status, answer.code) == (403, "replayed")


def test_signing_out_without_a_session_does_no_harm(broker, aws):
    answer = broker.browser().post("/sign-out")
    assert (answer.status, answer.cookies) == (200, {}), "another site's post ends nothing"
    assert aws.calls() == []


def test_a_session_that_is_over_asks_to_sign_in_and_its_response_is_still_a_replay(broker, aws):
    response = broker.response(
        user_id=unique("user-"), teams=["team1", "team3"], session_expires_in=2
    )
    browser = broker.browser()
    assert browser.post_from_idp(response).status == 303
    cookies = browser.cookie_header()
    assert "Your teams" in browser.get("/").text
    time.sleep(2.5)
    for path in ["/", "/teams/team3"]:
        answer = broker.browser().get(path, headers=[("Cookie", cookies)])
        assert not answer.opens_studio()
        assert answer.code is None, "a sign-in is offered"
        assert "Your teams</h1>" not in answer.text
    answer = broker.browser().post_from_idp(response)
    assert (answer.status, answer.code) == (403, "replayed")


def test_the_secret_alone_or_with_another_key_is_no_session(broker, aws):
    one, other = (broker.signed_in(teams=["team1", "team3"]) for _ in range(2))
    (key, _), (_, secret) = (browser.cookie("session").value.split(".") for browser in (one, other))
    name = one.cookie("session").name
    answer = broker.browser().get("/teams/team3", headers=[("Cookie", f"{name}={key}.{secret}")])
    assert not answer.opens_studio()
    assert answer.code is None


def test_a_session_opens_at_any_process_with_the_same_table(world, broker, aws):
    browser = broker.signed_in(teams=["team1", "team3"])
    browser.send = over_http(world.serve().port)
    assert browser.get("/teams/team3").opens_studio()
    assert (aws.calls()[-1]["account"], aws.calls()[-1]["region"]) == (ACCOUNT, REGION)
