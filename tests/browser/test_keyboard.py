"""Nothing but Tab, Enter and Space."""

import re

from playwright.sync_api import expect

# A card's ring may surround the whole card, which is its link's ::after.
FOCUS = """() => {
  const element = document.activeElement
  const ring = ['', '::after'].some(part => {
    const style = getComputedStyle(element, part)
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
  })
  return [element.innerText, element.matches(':focus-visible') && ring]
}"""


def tab(visitor):
    """Goes on by Tab; what has the focus now, which must show."""
    visitor.page.keyboard.press("Tab")
    name, visible = visitor.page.evaluate(FOCUS)
    assert visible, f"the focus on {name!r} cannot be seen"
    return name.strip()


def test_the_whole_way_from_the_portal_into_both_teams_and_out(visitor, local):
    page = visitor.page
    page.goto(local.idp)
    assert tab(visitor) == "Open SageMaker Studio"
    page.keyboard.press("Enter")
    visitor.expect_chooser("Team 1", "Team 2")
    assert [tab(visitor), tab(visitor), tab(visitor)] == ["Team 1", "Team 2", "Sign out"]

    visitor.visit("/")
    assert tab(visitor) == "Team 1"
    visitor.picture("chooser-with-focus")
    page.keyboard.press("Enter")
    visitor.expect_studio(profile="user-1-team1")

    visitor.visit("/")
    assert [tab(visitor), tab(visitor)] == ["Team 1", "Team 2"]
    page.keyboard.press("Enter")
    visitor.expect_studio(profile="user-1-team2")

    visitor.visit("/")
    assert [tab(visitor), tab(visitor), tab(visitor)][-1] == "Sign out"
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert tab(visitor) == "Sign out"
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^You are signed out"))


def test_a_team_that_cannot_be_opened_takes_no_focus(visitor):
    visitor.choose_tile("user-13")
    visitor.expect_chooser("Team 3")
    assert [tab(visitor), tab(visitor)] == ["Team 3", "Sign out"]


def test_the_way_back_from_an_error(visitor):
    visitor.choose_tile("user-13")
    visitor.expect_chooser("Team 3")
    visitor.visit("/teams/team12")
    visitor.expect_error("team_invalid")
    assert tab(visitor) == "Your teams"
    visitor.page.keyboard.press("Enter")
    visitor.expect_chooser("Team 3")


def test_the_waiting_page(visitor, local):
    local.order_fault(operation="CreateUserProfile", effect="settle", ms=60_000, status="InService")
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.stay_on_pages_that_move_on()
    visitor.visit("/teams/team1")
    expect(visitor.page.get_by_role("status")).to_be_visible()
    now, stop, teams = (tab(visitor) for _ in range(3))
    assert "now" in now and stop.startswith("Stop") and teams == "Your teams"
