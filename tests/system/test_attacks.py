"""What attackers try who need no XML: over cookies, links, logs, tables and other people's accounts.

`saml/src/attacks.rs` lists them all; many have their test where the attacked thing is tested."""

import base64
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from lambda_runtime import FRONTS, Function
from test_lambda import RunningFunction
from world import PUBLIC_URL, unique


@pytest.fixture(scope="module", params=["serve", *(front.name for front in FRONTS[::2])])
def anywhere(request, world, broker, tmp_path_factory):
    """`serve`, and the Lambda function behind each front."""
    if request.param == "serve":
        yield broker
        return
    front = next(front for front in FRONTS if front.name == request.param)
    settings = {"STUDIO_BROKER_PUBLIC_URL": PUBLIC_URL, "STUDIO_BROKER_TEAM_CACHE_SECONDS": 0}
    folder = tmp_path_factory.mktemp("function")
    function = Function(folder, world.aws.environment(**settings))
    yield RunningFunction(world, function, front)
    function.stop()


# cookies


#: What other sites of the same domain may set, by accident or not.
OTHERS = [
    "name=Jürgen",
    "\u2000{owner}=salt.hash",
    "\x85{owner}=salt.hash",
    "{owner_lower}=salt.hash",
    "={owner}",
    "{owner}",
    "; ; =; ==",
]


@pytest.mark.parametrize("others", OTHERS)
def test_a_cookie_of_another_site_hides_neither_session_nor_last_owner(
    anywhere, broker, aws, others
):
    browser = anywhere.signed_in(teams=["team1", "team3"])
    owner = browser.cookie("owner").name
    others = others.format(owner=owner, owner_lower=owner.lower())
    both = f"{others}; {browser.cookie_header()}"
    # On the wire a header is bytes; events of Lambda hold text.
    cookies = [("Cookie", both.encode() if anywhere is broker else both)]
    assert browser.get("/", headers=cookies).status == 200, "the session is there"
    planted = anywhere.response(user_id=unique("attacker-"))
    answer = browser.post_from_idp(planted, headers=cookies)
    assert (answer.status, "session" in answer.cookies) == (303, False), "and so is the last owner"
    assert answer.location.startswith(f"{anywhere.world.idp}/sso?")


def test_a_sign_in_replaces_the_session_that_a_browser_brings(broker, aws):
    attacker = broker.signed_in(teams=["team1", "team3"])
    planted = attacker.cookie("session")
    victim = broker.browser()
    victim.jar[planted.name] = planted
    victim, _ = broker.sign_in(victim, teams=["team1", "team3"])
    ours = victim.cookie("session")
    assert ours.name == planted.name
    assert not set(ours.value.split(".")) & set(planted.value.split(".")), "key and secret are new"


def test_a_post_of_another_site_signs_nobody_out(broker, aws):
    browser = broker.signed_in(teams=["team1", "team3"])
    browser.request("POST", "/sign-out", form={}, cross_site=True)
    assert browser.get("/").status == 200


@pytest.mark.parametrize("site", ["same-site", "cross-site", "same-origin, same-site", ""])
def test_a_post_of_a_sibling_domain_signs_nobody_out(anywhere, aws, site):
    browser = anywhere.signed_in(teams=["team1", "team3"])
    answer = browser.post("/sign-out", headers=[("Sec-Fetch-Site", site)])
    assert (answer.status, answer.code, answer.cookies) == (403, "not_navigation", {})
    assert browser.get("/teams/team3").opens_studio()


@pytest.mark.parametrize("site", ["same-origin", "none", None])
def test_a_post_of_our_own_page_signs_out(broker, aws, site):
    browser = broker.signed_in(teams=["team1", "team3"])
    cookies = browser.cookie_header()
    assert browser.post("/sign-out", headers=[("Sec-Fetch-Site", site)]).status == 200
    after = broker.browser().get("/teams/team3", headers=[("Cookie", cookies)])
    assert not after.opens_studio()


# logs


INJECTED = '\r\n{"event":"decision","outcome":"opened","owner":"injected"}\r\n\x1b[2J'


def test_no_request_writes_a_line_of_its_own(anywhere, aws):
    before = len(anywhere.program.log())
    text = INJECTED.replace("\x1b", "")  # which no XML holds
    for values in [
        {"issuer": text},
        {"audience": text},
        {"user_id": unique("user-") + text},
        {"name_id": "x" + text},
        {"teams": ["team3", text]},
    ]:
        anywhere.sign_in(relay_state=f"/teams/team3{INJECTED}", **values)
    browser = anywhere.signed_in(teams=["team1", "team3"])
    for path in [f"/teams/{quote(INJECTED)}", f"/teams/team3?space={quote(INJECTED)}", quote(INJECTED)]:
        browser.get(path)
    browser.get(f"/saml/login?idp={quote(INJECTED)}")
    lines = [line for line in anywhere.program.output().splitlines() if line]
    assert all(line.startswith(("{", "listening")) for line in lines)
    assert not [line for line in anywhere.program.log()[before:] if line.get("owner") == "injected"]
    assert "\x1b" not in anywhere.program.output()


# addresses


@pytest.mark.parametrize(
    "path",
    [
        "/teams/team3%0d%0aSet-Cookie:%20a=b",
        "/teams/team3%0d%0aLocation:%20https://evil.example",
        "/teams/..%2f..%2fsaml%2facs",
        "/teams/https:%2f%2fevil.example",
        "//evil.example",
        "/%5cevil.example",
        "/saml/acs%2f..",
        "/teams/team3;evil",
        "/teams/team3%00",
    ],
)
def test_a_path_that_means_something_elsewhere_means_nothing_here(broker, aws, path):
    answer = broker.signed_in(teams=["team1", "team3"]).get(path)
    assert (answer.status, answer.location, answer.cookies) == (404, None, {})


@pytest.mark.parametrize("parameter", ["next", "url", "return", "redirect_uri", "RelayState"])
def test_no_parameter_is_a_redirect_target(broker, aws, parameter):
    browser = broker.signed_in(teams=["team1", "team3"])
    for path in ["/", "/sign-out", "/teams/team3", "/saml/login"]:
        answer = browser.get(f"{path}?{parameter}=https://evil.example/")
        assert "evil.example" not in (answer.location or "") + (answer.header("refresh") or "")
        assert "evil.example" not in answer.text


# tables


@pytest.mark.parametrize("issuer", ["漢" * 1024, "x" * 2049, "x" * 1025, "\U0001f600" * 600])
def test_an_issuer_that_no_key_can_hold_is_unknown_and_asks_for_nothing(broker, aws, issuer):
    _, answer = broker.sign_in(issuer=issuer)
    assert (answer.status, answer.code) == (403, "idp_unknown")
    assert aws.calls(service="dynamodb") == []


def test_a_store_that_does_not_answer_tells_nobody_which_teams_there_are(broker, aws):
    idp = broker.world.new_idp(
        identity_store_id="d-1234567890", identity_store_region="eu-central-1"
    )
    by_group, other = aws.new_team(groups=["some-group"]), aws.new_team()
    browser = broker.browser()
    values = {"issuer": idp, "user_id": unique("user-"), "name_id": "nobody@example.com"}
    assert broker.sign_in(browser, **values)[1].status == 303
    pages = [
        browser.get(f"/teams/{team}")
        for team in [by_group["team_id"], other["team_id"], "no-such-team"]
    ]
    assert len({(page.status, page.code) for page in pages}) == 1
    assert len({re.sub(r"[2-9A-HJ-NP-Z]{10}|\d\d:\d\d:\d\d", "", page.text) for page in pages}) == 1


def test_a_hundred_made_up_issuers_do_not_push_a_real_one_aside(broker, aws):
    for number in range(100):
        broker.sign_in(issuer=f"https://{number}.evil.example")
    assert broker.sign_in()[1].status == 303


def test_of_a_flood_of_unknown_issuers_few_are_read_and_a_new_idp_is_in_soon(world, aws):
    broker = world.serve(STUDIO_BROKER_TEAM_CACHE_SECONDS=30)
    aws.forget_calls()
    began = time.monotonic()

    def post(number):
        # On a busy machine somebody may wait two seconds in vain, and comes again.
        for _ in range(5):
            code = broker.sign_in(issuer=f"https://{number}.evil.example")[1].code
            if code != "aws_unreachable":
                break
        return code

    with ThreadPoolExecutor(16) as posts:
        codes = set(posts.map(post, range(400)))
    assert codes == {"idp_unknown"}
    reads = [call for call in aws.calls(service="dynamodb") if call["operation"] in ("GetItem", "Scan")]
    windows = 1 + (time.monotonic() - began) // 10
    assert len(reads) < 60 * windows < 400, "of 400"
    new, started = broker.world.new_idp(), time.monotonic()
    while broker.sign_in(issuer=new)[1].code in ("idp_unknown", "aws_unreachable"):
        assert time.monotonic() - started < 10
        post(f"more-{time.monotonic()}")
        time.sleep(0.2)
    assert broker.sign_in()[1].status == 303


def test_a_team_that_is_not_granted_and_one_that_is_not_there_cost_the_same(world, aws):
    broker = world.serve(STUDIO_BROKER_TEAM_CACHE_SECONDS=30)
    team, group = aws.new_team(groups=["others"]), unique("group-")
    aws.new_team(groups=[group])
    for values in [{}, {"groups": group}]:
        opener, _ = broker.sign_in(user_id=unique("user-"), teams=[team["team_id"]])
        browser, _ = broker.sign_in(user_id=unique("user-"), **values)
        opener.get(f"/teams/{team['team_id']}")  # so that it is in memory
        time.sleep(2.1)
        # What the process reads beside, once in a while, may fall into one of the calls; what tells teams
        # apart does so in every round.
        for _ in range(3):
            costs = []
            for path in [team["team_id"], unique("no-such-team-"), unique("another-"), team["team_id"]]:
                aws.forget_calls()
                assert browser.get(f"/teams/{path}").code == "not_entitled"
                costs.append(tuple(aws.operations()))
            if len(set(costs)) == 1:
                break
        assert len(set(costs)) == 1, costs


def test_a_made_up_place_in_line_is_worth_no_more_calls_than_a_click(world, aws):
    broker, team, now = world.serve(), aws.new_team(), int(time.time() * 1000)
    browser, answer = broker.sign_in(user_id=unique("user-"), teams=[team["team_id"]])
    assert answer.opens_studio()
    aws.fault(operation="CreatePresignedDomainUrl", effect="throttle")
    try:
        for place in [
            "",
            f"url.1.{now}",
            f"url.{2**64 - 1}.{now}",
            f"url.{2**64 - 1}.{2**63 - 1}",
            f"url.1.{-(2**63)}",
            f"look.1.{now}",
            "url.1",
            "x" * 3000,
        ]:
            aws.forget_calls()
            page = browser.get(f"/teams/{team['team_id']}?place={place}")
            assert (page.status, page.code) == (200, None), place
            assert int(page.header("refresh").split(";")[0]) <= 60, place
            assert len(aws.calls(operation="CreatePresignedDomainUrl")) <= 5, place
    finally:
        aws.clear_faults()
        aws.forget_lines()


# other people's accounts


def test_an_idp_administrator_is_somebody_of_their_own_directory_at_most(broker, aws):
    team, victim = aws.new_team(), unique("user-")
    browser, _ = broker.sign_in(user_id=victim, teams=[team["team_id"]])
    (victims,) = [call for call in aws.calls(operation="CreateUserProfile", error=None)]
    partner = broker.world.new_idp(directory="partner", allowed_teams=[team["team_id"]])
    for user_id in [victim, f" {victim}", victim.upper(), victims["parameters"]["UserProfileName"]]:
        aws.forget_calls()
        broker.sign_in(issuer=partner, user_id=user_id, teams=[team["team_id"], "team3", "*"])
        for call in aws.calls(operation="AssumeRole"):
            asked = call["parameters"]
            assert asked["RoleSessionName"] == asked["Tags.member.2.Value"] != victim
            assert asked["Tags.member.1.Value"] == team["team_id"]
        for call in aws.calls(operation="CreatePresignedDomainUrl"):
            name = call["parameters"]["UserProfileName"]
            assert name.lower() != victims["parameters"]["UserProfileName"].lower()


def test_a_team_editor_moves_their_own_team_and_no_other(broker, aws):
    mine, others = aws.new_team(groups=["mine"]), aws.new_team(groups=["others"])
    idp = broker.world.new_idp(groups_attribute="groups")
    values = {"issuer": idp, "groups": "mine"}
    assert broker.sign_in(user_id=unique("user-"), **values)[1].opens_studio()
    # What an editor may write: names, groups, reasons; here as hostile as can be.
    aws.change_team(
        mine,
        groups=["mine", "others", "*", ""],
        display_name=f"</a><script>{others['team_id']}",
        description=f"https://evil.example/{others['team_id']}",
    )
    page = broker.browser().get(f"/teams/{others['team_id']}")
    assert not page.opens_studio()
    browser = broker.signed_in(user_id=unique("user-"), **{**values, "groups": "nothing"})
    assert browser.get(f"/teams/{others['team_id']}").code == "not_entitled"
    assert "<script>" not in browser.get("/").text


@pytest.mark.parametrize(
    "tags",
    [
        {"Team": "{team}", "User": "{user}x"},
        {"Team": "{team}", "User": "{user}", "Cost": "1"},
        {"Team": "{team}"},
        {"User": "{user}"},
        {},
    ],
    ids=["another-user", "right", "no-user", "no-team", "none"],
)
def test_a_profile_that_a_spoke_administrator_plants_opens_only_as_the_owners(broker, aws, tags):
    team, user = aws.new_team(), unique("user-")
    tags = {key: value.format(team=team["team_id"], user=user) for key, value in tags.items()}
    aws.plant_profile(team, f"{user}-{team['team_id']}", tags)
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    if tags.get("Team") == team["team_id"] and tags.get("User") == user:
        assert answer.opens_studio()
    else:
        assert browser.get(f"/teams/{team['team_id']}").code == "profile_foreign"
        assert not answer.opens_studio()


# exhaustion


def test_a_quota_that_is_reached_stops_new_profiles_and_nobody_elses(broker, aws):
    team, user = aws.new_team(), unique("user-")
    assert broker.sign_in(user_id=user, teams=[team["team_id"]])[1].opens_studio()
    aws.settings(profile_quotas={team["account_id"]: 0})
    browser, answer = broker.sign_in(teams=[team["team_id"]])
    assert answer.status == 303
    assert browser.get(f"/teams/{team['team_id']}").code == "quota_reached"
    assert broker.sign_in(user_id=user, teams=[team["team_id"]])[1].opens_studio()


def test_a_document_that_would_grow_to_gigabytes_is_refused_at_once(broker, aws):
    xml = base64.b64decode(broker.response(user_id=unique("user-"), sign="response")).decode()
    root = re.search(r"<[A-Za-z0-9]*:?Response ", xml).group()
    xml = xml.replace(root, f'{root}xmlns:x="{"u" * 120_000}" ', 1)
    status = re.search(r"<[A-Za-z0-9]*:?Status>", xml).group()
    xml = xml.replace(status, "<x:a/>" * 18_000 + status, 1)
    answer = broker.browser().post_from_idp(base64.b64encode(xml.encode()).decode())
    assert (answer.status, answer.code) == (403, "canonical_form_too_large")
    status = Path(f"/proc/{broker.program.process.pid}/status").read_text()
    assert int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) < 300_000, "never more"
