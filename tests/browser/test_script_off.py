"""A browser that runs no script: every step has a button or a link, and pages move on by header."""

import re

import pytest
from playwright.sync_api import expect


@pytest.fixture
def visitor(arrive, local):
    return arrive(local, java_script_enabled=False)


def carry_response(visitor):
    """Presses the button that stands in for the identity provider's script."""
    visitor.page.get_by_role("button", name="Continue").click()


def test_user_1_opens_both_teams(visitor):
    visitor.choose_tile("user-1")
    carry_response(visitor)
    visitor.expect_chooser("Team 1", "Team 2")
    for team, profile in (("Team 1", "user-1-team1"), ("Team 2", "user-1-team2")):
        visitor.visit("/")
        visitor.open_team(team)
        visitor.expect_studio(profile=profile)


def test_user_2_gets_straight_into_studio(visitor):
    visitor.choose_tile("user-2")
    carry_response(visitor)
    visitor.expect_studio(profile="user-2-team2")


def test_a_bookmark_leads_through_the_sign_in(visitor):
    visitor.visit("/teams/team1")
    visitor.choose_person("user-1")
    carry_response(visitor)
    visitor.expect_studio(profile="user-1-team1")


def test_the_waiting_page_comes_back_by_itself(visitor, local):
    local.order_fault(operation="CreateUserProfile", effect="settle", ms=3_000, status="InService")
    visitor.choose_tile("user-2")
    carry_response(visitor)
    expect(visitor.page.get_by_role("status")).to_be_visible()
    visitor.expect_studio(profile="user-2-team2")


def test_the_handoff_page_moves_on_by_itself(visitor, local):
    local.change_idp(handoff="page")
    visitor.choose_tile("user-2")
    carry_response(visitor)
    visitor.expect_studio(profile="user-2-team2")


def test_errors_show_and_signing_out_works(visitor):
    visitor.choose_tile("user-3")
    carry_response(visitor)
    visitor.expect_error("no_team")
    visitor.visit("/sign-out")
    visitor.page.get_by_role("button", name="Sign out").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(re.compile("^You are signed out"))


def test_another_person_is_asked_for(visitor):
    visitor.choose_tile("user-1")
    carry_response(visitor)
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.choose_tile("user-2")
    carry_response(visitor)
    visitor.choose_person("user-2")
    carry_response(visitor)
    visitor.expect_studio(profile="user-2-team2")
