"""Before another identity provider's person takes over a browser, its owner is asked."""

import html
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from browser import Browser, over_http
from world import PUBLIC_URL, request_id, unique


@pytest.fixture(scope="module")
def partner(world):
    """Another enabled identity provider, whose administrator is the attacker."""
    return world.new_idp(directory="partner", display_name="Partner IdP")


def answered(broker, browser, idp, **values):
    """A sign-in that the browser started at `idp`, by a link or by the guard itself, and its answer."""
    login = browser.get(f"/saml/login?idp={quote(idp, safe='')}")
    values = {"issuer": idp, "in_response_to": request_id(login.location), **values}
    return broker.sign_in(browser, **values)[1]


def form_of(page):
    """The fields of the page that asks, without the buttons."""
    return {
        name: html.unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text)
    }


def asked(broker, browser, idp, **values):
    """The page that asks, after a sign-in that makes it necessary."""
    answer = answered(broker, browser, idp, **values)
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/saml/continue")
    assert not {"session", "owner"} & set(answer.cookies)
    page = browser.get(answer.location)
    assert page.status == 200
    return page


def test_a_link_to_an_attackers_idp_changes_no_browser_without_a_word(broker, aws, partner):
    victim = broker.signed_in(teams=["team1", "team3"])
    before = dict(victim.jar)
    page = asked(broker, victim, partner, user_id="mallory", name_id="mallory@partner.example", teams=["team3"])
    assert "somebody else" in page.text
    assert "mallory@partner.example" in page.text and "Partner IdP" in page.text
    assert not page.location and not page.header("refresh"), "nobody is taken on"
    assert "script" not in page.text
    for kind in ["session", "owner"]:
        assert victim.cookie(kind).value == [c for c in before.values() if c.kind == kind][0].value
    assert "CreatePresignedDomainUrl" not in aws.operations()
    assert victim.get("/teams/team1").status in (200, 302), "the victim's own session goes on"


def test_the_guards_own_request_answered_by_the_attacker_asks(broker, aws, partner):
    victim = broker.signed_in(teams=["team1", "team3"])
    planted = broker.response(issuer=partner, user_id="mallory", teams=["team3"])
    guard = victim.post_from_idp(planted)
    assert guard.location.startswith(f"{broker.world.idp}/sso?")
    values = {"issuer": partner, "user_id": "mallory", "in_response_to": request_id(guard.location)}
    _, answer = broker.sign_in(victim, teams=["team3"], **values)
    assert answer.location == f"{PUBLIC_URL}/saml/continue"


def test_who_continues_is_signed_in_where_they_wanted_to_go(broker, aws, partner):
    browser, team = broker.signed_in(), aws.new_team()
    idp = quote(partner, safe="")
    login = browser.get(f"/saml/login?idp={idp}&team={team['team_id']}")
    values = {"issuer": partner, "in_response_to": request_id(login.location)}
    user = unique("user-")
    _, answer = broker.sign_in(browser, user_id=user, teams=["team3", team["team_id"]], **values)
    page = browser.get(answer.location)
    went_on = browser.post("/saml/continue", {**form_of(page), "answer": "continue"})
    assert (went_on.status, went_on.location) == (303, f"{PUBLIC_URL}/teams/{team['team_id']}")
    assert set(went_on.cookies) == {"session", "owner", "pending"}
    assert browser.get(went_on.location).opens_studio()
    again = answered(broker, browser, partner, user_id=user, teams=["team3"])
    assert again.opens_studio(), "the browser is theirs now"


def test_one_team_opens_after_the_answer_and_not_before(broker, aws, partner):
    browser = broker.signed_in()
    page = asked(broker, browser, partner, user_id=unique("user-"), teams=["team3"])
    assert "AssumeRole" not in aws.operations()
    went_on = browser.post("/saml/continue", {**form_of(page), "answer": "continue"})
    assert went_on.location == f"{PUBLIC_URL}/teams/team3"
    assert browser.get(went_on.location).opens_studio()


def test_who_does_not_continue_keeps_their_own_session(broker, aws, partner):
    browser = broker.signed_in(teams=["team1", "team3"])
    page = asked(broker, browser, partner, user_id="mallory", teams=["team3"])
    pending = browser.cookie("pending")
    stopped = browser.post("/saml/continue", {**form_of(page), "answer": "stop"})
    assert (stopped.status, stopped.location) == (303, f"{PUBLIC_URL}/")
    assert "team1" in browser.get("/").text
    browser.jar[pending.name] = pending
    late = browser.post("/saml/continue", {**form_of(page), "answer": "continue"})
    assert "session" not in late.cookies, "the sign-in has ended"


def test_the_waiting_session_opens_nothing_under_any_cookie(broker, aws, partner):
    browser = broker.signed_in()
    asked(broker, browser, partner, user_id="mallory", teams=["team3"])
    session, pending = browser.cookie("session"), browser.cookie("pending")
    key, secret, _ = pending.value.split(".")
    thief = [("Cookie", f"{session.name}={key}.{secret}")]
    for path in ["/", "/teams/team3"]:
        answer = broker.browser().get(path, headers=thief)
        assert not answer.opens_studio() and "Your teams" not in answer.text


def test_without_the_pages_token_nothing_goes_on(broker, aws, partner):
    browser = broker.signed_in()
    page = asked(broker, browser, partner, user_id="mallory", teams=["team3"])
    for form in [{}, {"token": ""}, {"token": "x" * 64}, {"token": form_of(page)["token"] + "x"}]:
        answer = browser.post("/saml/continue", {**form, "answer": "continue"})
        assert (answer.location, answer.cookies) == (f"{PUBLIC_URL}/saml/continue", {})


def test_a_post_of_another_site_continues_nothing(broker, aws, partner):
    """The attacker knows a token of their own browser; the victim's holds another sign-in, or none."""
    attacker, victim = broker.signed_in(), broker.signed_in()
    token = form_of(asked(broker, attacker, partner, user_id="mallory", teams=["team3"]))
    before = dict(victim.jar)
    form = {**token, "answer": "continue"}
    answer = victim.request("POST", "/saml/continue", form=form, cross_site=True)
    assert (answer.location, answer.cookies) == (f"{PUBLIC_URL}/", {})
    asked(broker, victim, partner, user_id="mallory2", teams=["team3"])
    answer = victim.request("POST", "/saml/continue", form=form, cross_site=True)
    assert not answer.cookies, "the cookie of the sign-in that waits does not come with it"
    answer = victim.post("/saml/continue", form)
    assert answer.location == f"{PUBLIC_URL}/saml/continue", "nor does another sign-in's token help"
    assert victim.cookie("owner").value == [c for c in before.values() if c.kind == "owner"][0].value
    assert victim.cookie("pending").attributes["samesite"] == "Lax"


def test_a_hidden_frame_continues_nothing(broker, aws, partner):
    browser = broker.signed_in()
    page = asked(broker, browser, partner, user_id="mallory", teams=["team3"])
    frame = [("Sec-Fetch-Dest", "iframe")]
    form = {**form_of(page), "answer": "continue"}
    assert browser.post("/saml/continue", form, headers=frame).code == "not_navigation"
    assert browser.get("/saml/continue", headers=frame).code == "not_navigation"
    assert page.header("x-frame-options") == "DENY"


def test_reload_back_and_the_same_answer_twice_meet_no_error(broker, aws, partner):
    browser, user = broker.signed_in(), unique("user-")
    page = asked(broker, browser, partner, user_id=user, teams=["team1", "team3"])
    assert form_of(browser.get("/saml/continue")) == form_of(page), "reload asks the same"
    form = {**form_of(page), "answer": "continue"}
    assert browser.post("/saml/continue", form).location == f"{PUBLIC_URL}/"
    assert browser.post("/saml/continue", form).location == f"{PUBLIC_URL}/"
    assert browser.get("/saml/continue").location == f"{PUBLIC_URL}/"
    assert "team1" in browser.get("/").text


def test_of_two_tabs_that_ask_the_newer_sign_in_is_named(broker, aws, partner):
    browser = broker.signed_in()
    first = asked(broker, browser, partner, user_id="one", name_id="one@x.example", teams=["team3"])
    second = asked(broker, browser, partner, user_id="two", name_id="two@x.example", teams=["team3"])
    answer = browser.post("/saml/continue", {**form_of(first), "answer": "continue"})
    page = browser.get(answer.location)
    assert "two@x.example" in page.text and form_of(page) == form_of(second)


def test_any_process_asks_and_hears_the_answer(world, broker, aws, partner):
    browser = broker.signed_in()
    asked(broker, browser, partner, user_id=unique("user-"), teams=["team3"])
    browser.send = over_http(world.serve().port)
    page = browser.get("/saml/continue")
    went_on = browser.post("/saml/continue", {**form_of(page), "answer": "continue"})
    assert browser.get(went_on.location).opens_studio()


def test_whose_idp_was_switched_off_meanwhile_does_not_continue(broker, aws):
    idp = broker.world.new_idp(directory="others")
    browser = broker.signed_in()
    page = asked(broker, browser, idp, user_id=unique("user-"), teams=["team3"])
    aws.change_idp(idp, enabled=False)
    answer = browser.post("/saml/continue", {**form_of(page), "answer": "continue"})
    assert (answer.status, answer.code, answer.cookies) == (403, "session_void", {})


@pytest.mark.parametrize("cookie", ["{name}=", "{name}=x", "{name}={value}; {name}={value}"])
def test_an_owner_that_cannot_be_verified_asks_too(broker, aws, cookie):
    browser, idp = broker.signed_in(), broker.world.idp_entity_id
    owner = browser.cookie("owner")
    login = browser.get(f"/saml/login?idp={quote(idp, safe='')}")
    request = browser.cookie("request")
    line = cookie.format(name=owner.name, value=owner.value)
    cookies = [("Cookie", f"{request.name}={request.value}; {line}")]
    response = broker.response(user_id=unique("user-"), in_response_to=request_id(login.location))
    answer = browser.post_from_idp(response, headers=cookies)
    assert answer.location == f"{PUBLIC_URL}/saml/continue"


def test_nobody_is_asked_at_the_same_idp_nor_in_a_fresh_browser_nor_themselves(broker, aws, partner):
    own = broker.world.idp_entity_id
    browser = broker.signed_in()
    assert answered(broker, browser, own, user_id=unique("user-"), teams=["team3"]).opens_studio()
    assert answered(broker, broker.browser(), partner, user_id="m", teams=["team3"]).opens_studio()
    same_people = broker.world.new_idp()
    user = unique("user-")
    browser = broker.signed_in(user_id=user)
    assert answered(broker, browser, same_people, user_id=user, teams=["team3"]).opens_studio()


def test_another_idp_with_the_same_directory_asks_about_another_person(broker, aws):
    same_people = broker.world.new_idp()
    asked(broker, broker.signed_in(), same_people, user_id=unique("user-"), teams=["team3"])


def test_the_handoff_page_leads_to_the_question(broker, aws):
    idp = broker.world.new_idp(directory="handoff", handoff="page")
    browser = broker.signed_in()
    page = answered(broker, browser, idp, user_id=unique("user-"), teams=["team3"])
    assert page.status == 200
    assert page.header("refresh") == f"0; url={PUBLIC_URL}/saml/continue"


def test_what_an_idp_says_about_its_person_is_text_on_the_page(broker, aws, partner):
    name = "</bdi><script>alert(1)</script>\u202eevil"
    page = asked(broker, broker.signed_in(), partner, user_id="mallory", name_id=name)
    assert "<script" not in page.text and "&lt;script" in page.text.replace("&#60;", "&lt;")


def test_an_idp_that_first_says_the_victims_own_name_is_asked_about_the_attackers(broker, aws):
    neighbour, victim = broker.world.new_idp(), unique("user-")
    browser, _ = broker.sign_in(user_id=victim, teams=["team1", "team3"])
    owner = browser.cookie("owner").value
    for _ in range(2):
        answer = answered(broker, browser, neighbour, user_id=victim, teams=["team1", "team3"])
        assert answer.location == f"{PUBLIC_URL}/", "they share a directory: it is the same person"
        assert browser.cookie("owner").value == owner
        answer = answered(broker, browser, neighbour, user_id=unique("mallory-"), teams=["team3"])
        assert answer.location == f"{PUBLIC_URL}/saml/continue"
        assert "session" not in answer.cookies


@pytest.mark.parametrize(
    "name", ["victim@corp.example" + "\u00a0" * 5000, "victim@corp.example\u202e\u2066\u200b"]
)
def test_a_name_hides_nothing_of_the_page_that_asks(broker, aws, partner, name):
    browser = broker.signed_in()
    page = asked(broker, browser, partner, user_id=unique("user-"), name_id=name)
    (person,) = re.findall(r'id="person"><bdi>(.*?)</bdi>', page.text)
    assert person.startswith("victim@corp.example") and len(person) <= 101
    assert not set(person) & set("\u202e\u2066\u200b")


@pytest.mark.parametrize(
    ("reply", "told"), [("continue", ("signed_in", None)), ("stop", ("refused", "other_person"))]
)
def test_many_clicks_on_one_answer_are_one_line(broker, aws, partner, reply, told):
    browser, user = broker.signed_in(), unique("user-")
    page = asked(broker, browser, partner, user_id=user, teams=["team1", "team3"])
    form, cookies = {**form_of(page), "answer": reply}, browser.cookie_header()
    before, together = len(broker.program.decisions()), threading.Barrier(8)
    # One of the answers of the table is lost, so that a write of our own looks like somebody else's.
    aws.fault(service="dynamodb", operation="UpdateItem", times=1, effect="lose_answer")

    def click(_):
        other = broker.browser()
        together.wait(timeout=30)
        return other.post("/saml/continue", form, headers=[("Cookie", cookies)])

    with ThreadPoolExecutor(8) as clicks:
        answers = list(clicks.map(click, range(8)))
    assert {answer.status for answer in answers} == {303}
    lines = broker.program.decisions()[before:]
    assert [(line["outcome"], line.get("code")) for line in lines] == [told]
    assert any("session" in answer.cookies for answer in answers) == (reply == "continue")


def test_asking_continuing_and_stopping_are_one_line_each(broker, aws, partner):
    for reply, expected in [("continue", ("signed_in", None)), ("stop", ("refused", "other_person"))]:
        browser, user = broker.signed_in(), unique("user-")
        before = len(broker.program.decisions())
        page = asked(broker, browser, partner, user_id=user, teams=["team1", "team3"])
        browser.post("/saml/continue", {**form_of(page), "answer": reply})
        lines = broker.program.decisions()[before:]
        told = [(line["outcome"], line.get("code")) for line in lines]
        assert told == [("asked", None), expected]
        assert len({line["assertion_digest"] for line in lines}) == 1
        assert {line["directory"] for line in lines} == {"partner"}
