"""`POST /saml/acs`: what is accepted, what is refused, where the browser goes, and the cookies."""

import re
from urllib.parse import parse_qs, quote, quote_plus, urlsplit

import pytest

from world import DOMAIN, PUBLIC_URL, request_id, unique


def no_redirect_address(metadata):
    return re.sub(r"<md:SingleSignOnService[^>]*HTTP-Redirect[^>]*/>", "", metadata)


# the form


@pytest.mark.parametrize(
    "encode",
    [
        lambda response: "SAMLResponse=" + quote_plus(response),
        lambda response: "SAMLResponse=" + response,
        lambda response: "RelayState=x&SAMLResponse=" + quote_plus(response) + "&unknown=1",
        lambda response: "SAMLResponse=" + quote_plus(response) + "&RelayState=%2F",
        lambda response: "SAMLResponse=" + quote_plus(wrapped(response, "\r\n")),
        lambda response: "SAMLResponse=" + quote_plus(wrapped(response, "\n")),
        lambda response: "SAMLResponse=" + quote(response, safe=""),
    ],
    ids=["encoded", "raw", "last", "first", "crlf", "lf", "all-percent"],
)
def test_the_form_is_read_in_any_order_and_any_encoding_of_base64(broker, aws, encode):
    answer = broker.browser().post("/saml/acs", encode(broker.response(user_id=unique("user-"))))
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")


def test_a_relay_state_that_stands_twice_does_no_harm(broker, aws):
    response = quote_plus(broker.response(user_id=unique("user-"), teams=["team1", "team2"]))
    form = f"RelayState=%2Fteams%2Fteam1&SAMLResponse={response}&RelayState=%2Fteams%2Fteam2"
    answer = broker.browser().post("/saml/acs", form)
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")


def wrapped(text, line_break):
    return line_break.join(text[i : i + 76] for i in range(0, len(text), 76))


# where the browser goes


def test_one_team_leads_straight_into_studio(broker, aws):
    _, answer = broker.sign_in(teams=["team3"])
    assert answer.opens_studio()
    assert answer.body == b""


def test_the_way_into_studio_is_not_cached_and_not_referred_from(broker, aws):
    _, answer = broker.sign_in(teams=["team3"])
    assert answer.status == 302
    assert answer.header("cache-control") == "no-store"
    assert answer.header("referrer-policy") == "no-referrer"


def test_several_teams_lead_to_the_chooser(broker, aws):
    browser, answer = broker.sign_in(teams=["team1", "team2"])
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")
    chooser = browser.get("/")
    assert chooser.status == 200
    assert {f"{PUBLIC_URL}/teams/team1", f"{PUBLIC_URL}/teams/team2"} <= set(chooser.links)


def test_no_team_leads_to_a_page_that_says_whom_to_ask(broker, aws):
    browser, answer = broker.sign_in()
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")
    page = browser.get("/")
    assert page.status == 403
    assert "Ask" in page.text


def test_an_error_is_told_at_the_teams_own_address(broker, aws):
    browser, answer = broker.sign_in(teams=["team8"])
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/teams/team8")
    page = browser.get(answer.location)
    assert (page.status, page.code) == (502, "domain_missing")


def test_a_profile_that_takes_its_time_is_waited_for_at_the_teams_own_address(broker, aws):
    team = aws.new_team()
    aws.settings(profile_delay_ms=30_000)
    browser, answer = broker.sign_in(teams=[team["team_id"]])
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/teams/{team['team_id']}")
    page = browser.get(answer.location)
    assert page.status == 200
    assert re.fullmatch(rf"\d+; url={answer.location}", page.header("refresh"))


# RelayState


def test_relay_state_names_the_team(broker, aws):
    _, answer = broker.sign_in(teams=["team1", "team3"], relay_state="/teams/team3")
    assert answer.opens_studio()
    assert aws.calls(operation="CreatePresignedDomainUrl")[-1]["parameters"]["DomainId"] == DOMAIN


@pytest.mark.parametrize("bookmark", [None, "team1"])
def test_relay_state_of_an_answer_counts_unless_the_person_came_for_something(
    broker, aws, bookmark
):
    browser, teams = broker.browser(), ["team1", "team3"]
    path = "/saml/login" + (f"?team={bookmark}" if bookmark else "")
    asked = request_id(browser.get(path).location)
    _, answer = broker.sign_in(
        browser, teams=teams, relay_state="/teams/team3", in_response_to=asked
    )
    assert answer.opens_studio() or bookmark
    opened = aws.calls(operation="CreatePresignedDomainUrl")[-1]["parameters"]["DomainId"]
    assert (opened == DOMAIN) is (bookmark is None), "team3 stands in this domain, team1 elsewhere"


def test_relay_state_of_an_answer_names_none_but_the_persons_own_teams(broker, aws):
    browser = broker.browser()
    asked = request_id(browser.get("/saml/login").location)
    _, answer = broker.sign_in(
        browser, teams=["team1", "team2"], relay_state="/teams/team3", in_response_to=asked
    )
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")


def test_relay_state_names_the_app(broker, aws):
    team = aws.new_team()
    state = f"/teams/{team['team_id']}?app=JupyterLab"
    _, answer = broker.sign_in(teams=["team1", team["team_id"]], relay_state=state)
    assert answer.opens_studio()
    presigned = aws.calls(operation="CreatePresignedDomainUrl", error=None)[-1]["parameters"]
    assert presigned["LandingUri"] == "app:JupyterLab:"


def test_relay_state_keeps_its_parameters_when_the_browser_has_to_wait(broker, aws):
    team = aws.new_team()
    aws.settings(profile_delay_ms=30_000)
    state = f"/teams/{team['team_id']}?space=my-space&app=CodeEditor"
    _, answer = broker.sign_in(teams=[team["team_id"]], relay_state=state)
    assert answer.status == 303
    assert re.fullmatch(
        rf"{PUBLIC_URL}/teams/{team['team_id']}\?space=my(-|%2D)space&app=CodeEditor",
        answer.location,
    )


@pytest.mark.parametrize(
    "state",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/teams/team2",
        "/teams/nobody-knows",
        "/teams/../sign-out",
        "/teams/team1/../../x",
        "/teams/team1\r\nSet-Cookie: a=b",
        "/teams/team1#//evil.example",
        "teams/team1",
        "/sign-out",
        "x" * 5000,
        "\x00",
        "/teams/team1%0d%0aX: y",
        "/teams/TEAM1",
        "",
    ],
)
def test_anything_else_in_relay_state_is_ignored(broker, aws, state):
    browser, answer = broker.sign_in(teams=["team1", "team3"], relay_state=state)
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")
    assert "evil" not in str(answer.headers)
    assert set(browser.jar) == {cookie.name for cookie in answer.cookies.values()}


@pytest.mark.parametrize(
    "query", ["?next=https://evil.example", "?app=Minesweeper", "?app=a&app=b", "?%00=1"]
)
def test_other_parameters_in_relay_state_are_ignored(broker, aws, query):
    user = unique("user-")
    _, answer = broker.sign_in(
        user_id=user, teams=["team1", "team3"], relay_state=f"/teams/team3{query}"
    )
    assert answer.opens_studio()
    assert "LandingUri" not in aws.calls(operation="CreatePresignedDomainUrl")[-1]["parameters"]


# handoff page


def test_the_handoff_page_links_the_team_and_moves_on_by_itself(broker, aws):
    idp = broker.world.new_idp(handoff="page")
    browser, page = broker.sign_in(issuer=idp, teams=["team3"])
    assert (page.status, page.location) == (200, None)
    assert f"{PUBLIC_URL}/teams/team3" in page.links
    assert re.fullmatch(rf"\d+; url={PUBLIC_URL}/teams/team3", page.header("refresh"))
    assert "/auth?token=" not in page.text
    assert browser.get("/teams/team3").opens_studio()


# cookies


def test_cookies_of_an_https_broker_are_bound_to_its_host(broker, aws):
    _, answer = broker.sign_in()
    session, owner = answer.cookies["session"], answer.cookies["owner"]
    for cookie in (session, owner):
        assert cookie.name.startswith("__Host-")
        assert {"secure", "httponly"} <= set(cookie.attributes)
        assert cookie.attributes["path"] == "/"
        assert "domain" not in cookie.attributes
    assert session.attributes["samesite"] == "Lax"
    assert 3590 <= int(session.attributes["max-age"]) <= 3600
    assert owner.attributes["samesite"] == "None"
    assert owner.attributes["max-age"] == str(90 * 24 * 3600)


def test_the_request_cookie_of_an_https_broker_comes_with_the_idps_post(broker, aws):
    request = started(broker)[1].cookies["request"]
    assert request.name.startswith("__Host-")
    assert {"secure", "httponly"} <= set(request.attributes)
    assert request.attributes["samesite"] == "None"
    assert request.attributes["max-age"] == "600"
    assert "domain" not in request.attributes


def test_on_loopback_the_session_is_plain_and_the_other_two_stay_secure(world, aws):
    browser, answer = world.broker.sign_in()
    started = browser.get(f"/saml/login?idp={world.idp_entity_id}")
    session, owner = answer.cookies["session"], answer.cookies["owner"]
    assert "secure" not in session.attributes
    assert session.attributes["samesite"] == "Lax"
    for cookie in (owner, started.cookies["request"]):
        assert "secure" in cookie.attributes
        assert cookie.attributes["samesite"] == "None"
    for cookie in (session, owner, started.cookies["request"]):
        assert not cookie.name.startswith("__")
        assert "httponly" in cookie.attributes


def test_two_public_urls_have_different_cookie_names(world, broker, aws):
    other = world.serve(public_url="https://studio.example.com/other")
    names = {cookie.name for cookie in broker.sign_in()[1].cookies.values()}
    others = {cookie.name for cookie in other.sign_in()[1].cookies.values()}
    assert not names & others


def test_a_session_cookie_that_appears_twice_counts_as_absent(broker, aws):
    browser = broker.signed_in(teams=["team1", "team2"])
    pair = f"{browser.cookie('session').name}={browser.cookie('session').value}"
    once = broker.browser().get("/", headers=[("Cookie", pair)])
    assert "Your teams" in once.text
    for twice in [
        [("Cookie", f"{pair}; {pair}")],
        [("Cookie", pair), ("Cookie", pair)],
        [("Cookie", f"{pair}; {browser.cookie('session').name}=x")],
    ]:
        answer = broker.browser().get("/", headers=twice)
        assert "team1" not in answer.text


def test_a_request_cookie_that_appears_twice_counts_as_absent(broker, aws):
    browser, started_login = started(broker)
    cookie = browser.cookie("request")
    response = broker.response(
        user_id=unique("user-"), in_response_to=request_id(started_login.location)
    )
    doubled = [("Cookie", f"{cookie.name}={cookie.value}; {cookie.name}={cookie.value}")]
    answer = browser.post_from_idp(response, headers=doubled)
    assert (answer.status, answer.code) == (403, "request_unknown")


def test_the_session_ends_with_the_idps_session_if_that_is_earlier(broker, aws):
    _, answer = broker.sign_in(session_expires_in=100)
    assert 90 <= int(answer.cookies["session"].attributes["max-age"]) <= 100


def test_the_session_lasts_as_long_as_the_setting_says(world, aws):
    broker = world.serve(STUDIO_BROKER_SESSION_MINUTES=5)
    _, answer = broker.sign_in()
    assert 290 <= int(answer.cookies["session"].attributes["max-age"]) <= 300


# answers to our requests


def started(broker, browser=None, path=""):
    """A sign-in that the browser started at the test IdP: browser and answer."""
    browser = browser or broker.browser()
    answer = browser.get(f"/saml/login?idp={quote(broker.world.idp_entity_id, safe='')}{path}")
    assert answer.status == 302
    return browser, answer


def test_an_answer_to_our_request_signs_in(broker, aws):
    browser, login = started(broker)
    _, answer = broker.sign_in(browser, in_response_to=request_id(login.location))
    assert answer.status == 303
    assert browser.cookie("session")
    assert not browser.cookie("request"), "the request is answered"


def test_the_team_that_was_asked_for_opens_after_the_sign_in(broker, aws):
    browser, login = started(broker, path="&team=team3")
    _, answer = broker.sign_in(
        browser, teams=["team1", "team3"], in_response_to=request_id(login.location)
    )
    assert answer.opens_studio()


def test_an_answer_to_a_request_of_another_browser_is_refused(broker, aws):
    _, login = started(broker)
    for other in [broker.browser(), started(broker)[0]]:
        _, answer = broker.sign_in(other, in_response_to=request_id(login.location))
        assert (answer.status, answer.code) == (403, "request_unknown")


def test_an_answer_to_a_made_up_request_is_refused(broker, aws):
    _, answer = broker.sign_in(in_response_to="_" + "0" * 64)
    assert (answer.status, answer.code) == (403, "request_unknown")


def test_a_request_to_one_idp_is_not_answered_by_another(broker, aws):
    other = broker.world.new_idp()
    browser, login = started(broker)
    _, answer = broker.sign_in(browser, issuer=other, in_response_to=request_id(login.location))
    assert (answer.status, answer.code) == (403, "request_unknown")


def test_one_request_has_one_answer(broker, aws):
    browser, login = started(broker)
    jar = dict(browser.jar)
    _, first = broker.sign_in(browser, in_response_to=request_id(login.location))
    assert first.status == 303
    browser.jar = jar
    _, second = broker.sign_in(browser, in_response_to=request_id(login.location))
    assert (second.status, second.code) == (403, "replayed")


def test_five_sign_ins_are_open_at_most_and_each_can_be_answered(broker, aws):
    browser = broker.browser()
    requests = [request_id(started(broker, browser)[1].location) for _ in range(6)]
    assert [cookie.kind for cookie in browser.jar.values()] == ["request"] * 5
    user = unique("user-")
    _, oldest = broker.sign_in(browser, user_id=user, in_response_to=requests[0])
    assert (oldest.status, oldest.code) == (403, "request_unknown")
    for request in requests[1:]:
        _, answer = broker.sign_in(browser, user_id=user, in_response_to=request)
        assert answer.status == 303


def test_where_only_answers_are_accepted_an_unsolicited_response_is_refused(broker, aws):
    idp = broker.world.new_idp(allow_unsolicited=False)
    _, answer = broker.sign_in(issuer=idp)
    assert (answer.status, answer.code) == (403, "unsolicited_refused")


# somebody else's response


def test_a_response_for_somebody_else_starts_a_sign_in_and_is_not_consumed(broker, aws):
    browser = broker.signed_in()
    planted = broker.response(user_id=unique("attacker-"), teams=["team3"])
    answer = browser.post_from_idp(planted, "/teams/team3")
    assert answer.status == 303
    assert answer.location.startswith(f"{broker.world.idp}/sso?SAMLRequest=")
    assert "session" not in answer.cookies and "owner" not in answer.cookies
    assert len(aws.calls(operation="PutItem")) == 1, "the first sign-in only"
    assert broker.browser().post_from_idp(planted).opens_studio(), "it was not consumed"
    (line,) = [
        line
        for line in broker.program.decisions(code="other_person")
        if "attacker" in line["owner"]
    ][-1:]
    assert line["outcome"] == "refused"


def test_the_sign_in_that_is_started_instead_may_be_anybodys(broker, aws):
    browser = broker.signed_in()
    other = unique("user-")
    answer = browser.post_from_idp(broker.response(user_id=other))
    _, answer = broker.sign_in(browser, user_id=other, in_response_to=request_id(answer.location))
    assert answer.status == 303
    assert browser.post_from_idp(broker.response(user_id=other)).status == 303
    assert browser.cookie("session")


def test_what_somebody_elses_response_was_for_is_opened_where_it_is_the_persons_own(broker, aws):
    for teams, location in [(["team1", "team2"], f"{PUBLIC_URL}/"), (["team1", "team3"], None)]:
        browser = broker.signed_in()
        planted = broker.response(user_id=unique("attacker-"), teams=["team3"])
        started = browser.post_from_idp(planted, "/teams/team3").location
        (relayed,) = parse_qs(urlsplit(started).query)["RelayState"]
        values = {"teams": teams, "in_response_to": request_id(started), "relay_state": relayed}
        _, answer = broker.sign_in(browser, user_id=unique("user-"), **values)
        assert answer.opens_studio() if location is None else answer.location == location


def test_without_an_address_for_a_sign_in_somebody_elses_response_is_refused(broker, aws):
    idp = broker.world.new_idp(no_redirect_address)
    browser = broker.signed_in(issuer=idp)
    planted = broker.response(issuer=idp, user_id=unique("attacker-"))
    answer = browser.post_from_idp(planted)
    assert (answer.status, answer.code, answer.location) == (403, "other_person", None)
    assert broker.browser().post_from_idp(planted).status == 303, "it was not consumed"


def test_the_same_person_may_come_again_and_from_any_browser(broker, aws):
    user = unique("user-")
    browser = broker.signed_in(user_id=user)
    assert broker.signed_in(browser=browser, user_id=user)
    assert broker.signed_in(user_id=user)


def test_the_last_owner_is_remembered_after_the_sign_out(broker, aws):
    browser = broker.signed_in()
    browser.post("/sign-out")
    answer = browser.post_from_idp(broker.response(user_id=unique("attacker-")))
    assert answer.location.startswith(f"{broker.world.idp}/sso?")


def test_the_owner_cookie_tells_no_user_id_and_is_salted(broker, aws):
    user = unique("user-")
    values = {broker.signed_in(user_id=user).cookie("owner").value for _ in range(2)}
    assert len(values) == 2
    assert not any(user in value for value in values)


def test_the_same_id_of_another_directory_is_somebody_else(broker, aws):
    user = unique("user-")
    other = broker.world.new_idp(directory="partners")
    browser = broker.signed_in(user_id=user)
    answer = browser.post_from_idp(broker.response(issuer=other, user_id=user))
    assert answer.status == 303
    assert answer.location.startswith(f"{broker.world.idp}/sso?")


def owner_cookies(value):
    """What stands under the last owner's name and cannot be verified, by how it came there."""
    return {
        "twice": "{name}={value}; {name}={value}",
        "twice, once empty": "{name}=; {name}={value}",
        "empty": "{name}=",
        "malformed": "{name}=x",
        "cut": f"{{name}}={value[:-1]}",
        "longer": "{name}={value}.x",
        "of another form": "{name}=salt.hash",
    }


@pytest.mark.parametrize("how", owner_cookies("x").keys())
def test_a_last_owner_that_cannot_be_verified_is_somebody_else(broker, aws, how):
    browser = broker.signed_in()
    owner = browser.cookie("owner")
    line = owner_cookies(owner.value)[how].format(name=owner.name, value=owner.value)
    planted = broker.response(user_id=unique("attacker-"), teams=["team3"])
    answer = browser.post_from_idp(planted, headers=[("Cookie", line)])
    assert answer.status == 303
    assert answer.location.startswith(f"{broker.world.idp}/sso?SAMLRequest=")
    assert set(answer.cookies) == {"request"}
    assert broker.browser().post_from_idp(planted).opens_studio(), "it was not consumed"


@pytest.mark.parametrize("state", ["{url}/teams/team3", "/teams/team3"])
def test_relay_state_may_have_our_own_public_url_in_front(broker, aws, state):
    state = state.format(url=PUBLIC_URL)
    assert broker.sign_in(teams=["team1", "team3"], relay_state=state)[1].opens_studio()


@pytest.mark.parametrize(
    "state",
    [
        "https://evil.example/teams/team3",
        "{url}.evil.example/teams/team3",
        "{url}//evil.example/teams/team3",
        "http://studio.example.com/teams/team3",
    ],
)
def test_relay_state_with_another_url_in_front_is_ignored(broker, aws, state):
    state = state.format(url=PUBLIC_URL)
    _, answer = broker.sign_in(teams=["team1", "team3"], relay_state=state)
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")


def test_sign_ins_that_start_at_the_same_moment_are_each_answered(broker, aws):
    """Tabs restored at once: all requests leave before any answer comes."""
    browser, names, requests = broker.browser(), set(), []
    for _ in range(6):
        alone, login = started(broker)
        requests.append(request_id(login.location))
        browser.jar.update(alone.jar)
        names |= set(alone.jar)
    assert len(names) == 6, "no cookie overwrites another one"
    user = unique("user-")
    for request in requests:
        _, answer = broker.sign_in(browser, user_id=user, in_response_to=request)
        assert answer.status == 303, answer.code
    assert not browser.cookie("request")


def test_whoever_holds_a_request_cookie_cannot_make_it_younger_or_anothers(broker, aws):
    browser, login = started(broker)
    cookie = browser.cookie("request")
    parts = cookie.value.split(".")
    assert [part for part in parts if part.isdigit()], "it says when it began"
    cookie.value = ".".join(str(int(part) + 5) if part.isdigit() and len(part) == 10 else part for part in parts)
    _, answer = broker.sign_in(browser, in_response_to=request_id(login.location))
    assert answer.code == "request_unknown"


# refusals


@pytest.mark.parametrize(
    "values, code",
    [
        ({"sign": "none"}, "signature_missing"),
        ({"audience": "https://other.example.com/saml/metadata"}, "audience_mismatch"),
        ({"audience": f"{PUBLIC_URL}/saml/metadata/"}, "audience_mismatch"),
        ({"recipient": f"{PUBLIC_URL}/saml/acs/"}, "recipient_mismatch"),
        ({"destination": "https://other.example.com/saml/acs"}, "destination_mismatch"),
        ({"destination": ""}, "destination_missing"),
        ({"issued_ago": 400, "expires_in": 300}, None),
        ({"issued_ago": -300}, None),
        ({"session_expires_in": -100}, "session_expired"),
        ({"issuer": "https://unknown.example.com"}, "idp_unknown"),
        ({"user_id": ""}, "user_id_unusable"),
        ({"user_id": " padded"}, "user_id_unusable"),
        ({"user_id": "two", "attribute": "ssouserid=values"}, "user_id_unusable"),
        ({"user_id": "x" * 257}, "user_id_unusable"),
        ({"user_id": "tab\there"}, "user_id_unusable"),
    ],
)
def test_a_response_with_one_thing_wrong_is_refused_with_its_code_and_writes_nothing(
    broker, aws, values, code
):
    browser = broker.browser()
    answer = browser.post_from_idp(broker.response(**{"user_id": unique("user-"), **values}))
    assert answer.status == 403
    assert answer.code in ([code] if code else ["expired", "confirmation_expired", "not_yet_valid"])
    assert browser.jar == {}
    assert aws.calls(operation="PutItem") == []


@pytest.mark.parametrize("ago, accepted", [(50, True), (70, False)])
def test_the_skew_is_tolerated_and_no_more(broker, aws, ago, accepted):
    _, answer = broker.sign_in(issued_ago=600 + ago, expires_in=600)
    assert (answer.status == 303) is accepted
    _, answer = broker.sign_in(issued_ago=-ago)
    assert (answer.status == 303) is accepted


def test_no_skew_is_tolerated_where_the_setting_says_so(world, aws):
    broker = world.serve(STUDIO_BROKER_CLOCK_SKEW_SECONDS=0)
    _, answer = broker.sign_in(issued_ago=605, expires_in=600)
    assert answer.status == 403
    _, answer = broker.sign_in()
    assert answer.status == 303


@pytest.mark.parametrize(
    "required, signed, accepted",
    [
        ("either", "response", True),
        ("either", "assertion", True),
        ("assertion", "assertion", True),
        ("assertion", "both", True),
        ("assertion", "response", False),
        ("response", "response", True),
        ("response", "assertion", False),
        ("both", "both", True),
        ("both", "response", False),
        ("both", "assertion", False),
    ],
)
def test_what_must_be_signed_is_said_by_the_idps_item(broker, aws, required, signed, accepted):
    idp = broker.world.new_idp(require_signed=required)
    _, answer = broker.sign_in(issuer=idp, sign=signed)
    assert answer.status == (303 if accepted else 403)
    assert answer.code == (None if accepted else "signature_required")


def test_a_denied_user_is_refused_at_the_sign_in_and_nothing_is_written(broker, aws):
    idp = broker.world.new_idp(denied_users=["denied"])
    _, answer = broker.sign_in(issuer=idp, user_id="denied")
    assert (answer.status, answer.code) == (403, "user_denied")
    assert aws.calls(operation="PutItem") == []
    assert broker.sign_in(issuer=idp, user_id="denied2")[1].status == 303


def test_a_switched_off_idp_looks_like_an_unknown_one(broker, aws):
    idp = broker.world.new_idp(enabled=False)
    _, off = broker.sign_in(issuer=idp)
    _, unknown = broker.sign_in(issuer="https://unknown.example.com")
    assert (off.status, off.code) == (unknown.status, unknown.code) == (403, "idp_unknown")


def test_an_idp_item_with_a_mistake_is_told_apart_and_harms_no_other(broker, aws):
    idp = broker.world.new_idp(require_signed="sometimes")
    _, answer = broker.sign_in(issuer=idp)
    assert (answer.status, answer.code) == (503, "idp_invalid")
    (line,) = broker.program.decisions(reference=answer.reference)
    for part in ["studio-broker-idps", idp, "require_signed", "sometimes"]:
        assert part in line["detail"]
    assert broker.sign_in()[1].status == 303


def test_an_idp_whose_metadata_is_anothers_is_invalid(broker, aws):
    idp = broker.world.new_idp(lambda metadata: metadata.replace('entityID="', 'entityID="x'))
    _, answer = broker.sign_in(issuer=idp)
    assert (answer.status, answer.code) == (503, "idp_invalid")


def test_the_user_id_may_be_the_name_id(broker, aws):
    idp = broker.world.new_idp(user_attribute="NameID")
    browser, answer = broker.sign_in(issuer=idp, user_id="ignored", name_id="ann@example.com")
    assert answer.status == 303
    assert broker.program.decisions(outcome="signed_in", owner="ann@example.com")


# replays


def test_a_replay_gets_a_page_that_leads_to_the_teams(broker, aws):
    response = broker.response(user_id=unique("user-"), teams=["team1", "team2"])
    browser = broker.browser()
    assert browser.post_from_idp(response).status == 303
    again = browser.post_from_idp(response)
    assert (again.status, again.code) == (403, "replayed")
    assert f"{PUBLIC_URL}/" in again.links
    assert browser.get("/").status == 200, "the session of the first post stays"


def test_a_replay_in_another_browser_gives_it_nothing(broker, aws):
    response = broker.response(user_id=unique("user-"), teams=["team3"])
    assert broker.browser().post_from_idp(response).opens_studio()
    thief = broker.browser()
    answer = thief.post_from_idp(response)
    assert (answer.status, answer.code, thief.jar) == (403, "replayed", {})


# tables


@pytest.mark.parametrize("setting", ["IDPS", "STATE"])
def test_a_missing_table_is_told_as_such(world, aws, setting):
    broker = world.serve(**{f"STUDIO_BROKER_{setting}_TABLE": "nowhere-to-be-found"})
    _, answer = broker.sign_in()
    assert (answer.status, answer.code) == (503, "table_missing")
    assert "nowhere-to-be-found" not in answer.text
    assert answer.header("retry-after") is None, "it is there once somebody has mended it"


def test_a_missing_teams_table_is_told_once_somebody_has_signed_in(world, aws):
    broker = world.serve(STUDIO_BROKER_TEAMS_TABLE="nowhere-to-be-found")
    browser, answer = broker.sign_in(teams=["team1"])
    assert answer.status == 303, "the response is consumed, so the answer is no error"
    page = browser.get(answer.location)
    assert (page.status, page.code) == (503, "table_missing")


def test_a_table_that_throttles_is_told_apart(broker, aws):
    aws.fault(service="dynamodb", operation="PutItem", effect="throttle")
    _, answer = broker.sign_in()
    assert (answer.status, answer.code) == (503, "aws_busy")
    assert int(answer.header("retry-after")) >= 1


def test_a_table_that_does_not_answer_is_told_apart_and_nobody_waits_long(broker, aws):
    aws.fault(service="dynamodb", operation="PutItem", effect="hang")
    _, answer = broker.sign_in()
    assert (answer.status, answer.code) == (503, "aws_unreachable")


@pytest.mark.parametrize("operations", [["GetItem"], ["BatchGetItem"], ["GetItem", "BatchGetItem"]])
def test_teams_that_cannot_be_looked_up_in_time_cost_nobody_the_session(broker, aws, operations):
    """The response is consumed: without its cookie the person could only meet the replay."""
    browser, login = started(broker, path="&team=team3")
    for operation in operations:
        aws.fault(operation=operation, effect="hang", about="studio-broker-teams")
    _, answer = broker.sign_in(
        browser, teams=["team1", "team3"], in_response_to=request_id(login.location)
    )
    assert answer.status in (302, 303)
    assert browser.cookie("session")
    aws.clear_faults()
    assert browser.get("/teams/team3").opens_studio()
