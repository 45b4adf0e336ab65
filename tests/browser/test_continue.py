"""The page that asks before another identity provider's person takes over a browser, in Chromium."""

import re
from urllib.parse import quote

from playwright.sync_api import expect

PARTNER = "https://idp.example.com/second"


def attacked(visitor, local, person="user-2"):
    """Jane uses her browser; then a link of the partner's has it sign in as somebody of theirs."""
    local.add_idp(display_name="Partner IdP", directory="partner")
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    # A page of the attacker's sends the browser to the broker, which asks at the partner's.
    visitor.page.goto(local.idp)
    with visitor.page.expect_navigation(url=re.compile(re.escape(local.idp) + "/sso")) as navigation:
        visitor.page.evaluate(
            "url => { location.href = url }",
            f"{local.broker}/saml/login?idp={quote(PARTNER, safe='')}",
        )
    assert navigation.value
    request = visitor.page.locator("input[name=in_response_to]").first.input_value()
    issuer = quote(PARTNER, safe="")
    response = local.mint(f"person={person}&issuer={issuer}&in_response_to={request}")
    visitor.post_response(response)


def expect_question(visitor, local):
    expect(visitor.page).to_have_url(local.broker + "/saml/continue")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Is this you?")
    expect(visitor.page.locator("#idp")).to_have_text("Partner IdP")


def opened(local):
    return [line for line in local.decisions() if line["outcome"] in ("opened", "signed_in")]


def test_another_idps_person_takes_over_only_after_a_click(visitor, local):
    attacked(visitor, local)
    expect_question(visitor, local)
    visitor.look("continue")
    assert [line["directory"] for line in opened(local)] == ["default"]
    visitor.page.get_by_role("button", name=re.compile("^Continue as")).click()
    expect(visitor.page).to_have_url(re.compile(re.escape(local.idp) + "/auth"))
    assert {line["directory"] for line in opened(local)} == {"default", "partner"}


def test_who_does_not_continue_is_back_at_their_own_teams(visitor, local):
    attacked(visitor, local)
    expect_question(visitor, local)
    visitor.page.get_by_role("button", name="Do not continue").click()
    visitor.expect_chooser("Team 1", "Team 2")
    codes = [line.get("code") for line in local.decisions() if line["outcome"] == "refused"]
    assert codes == ["other_person"]


def test_reload_and_back_ask_again_and_meet_no_replay(visitor, local):
    attacked(visitor, local)
    expect_question(visitor, local)
    visitor.page.reload()
    expect_question(visitor, local)
    visitor.visit("/")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.page.go_back()
    expect_question(visitor, local)
    visitor.page.get_by_role("button", name="Do not continue").click()
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.page.go_back()
    visitor.expect_chooser("Team 1", "Team 2")


def test_without_script_and_with_the_keyboard_alone(arrive, local):
    # Minting needs script; the question does not.
    visitor = arrive(local)
    attacked(visitor, local)
    expect_question(visitor, local)
    assert visitor.page.locator("script").count() == 0
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.value") == "continue"
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.value") == "stop"
    visitor.page.keyboard.press("Enter")
    visitor.expect_chooser("Team 1", "Team 2")


def test_a_form_of_another_site_does_not_answer_for_the_person(visitor, local):
    attacked(visitor, local)
    expect_question(visitor, local)
    token = visitor.page.locator("input[name=token]").input_value()
    # Even with the page's own token, which nobody else can read.
    visitor.post(local.broker + "/saml/continue", {"token": token, "answer": "continue"})
    visitor.expect_chooser("Team 1", "Team 2")
    assert [line["directory"] for line in opened(local)] == ["default"]
