"""Reload, Back and Forward after a sign-in never meet a replay; a real replay has its page."""

import re

from playwright.sync_api import expect


def test_reload_shows_the_chooser_again(visitor):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    assert visitor.page.reload().status == 200
    visitor.expect_chooser("Team 1", "Team 2")


def test_back_from_the_chooser_and_forward_again_shows_no_replay(visitor, local):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.page.go_back()
    assert visitor.page.url.startswith(local.idp)
    visitor.page.go_forward()
    visitor.expect_chooser("Team 1", "Team 2")


def test_back_from_studio_leads_to_the_chooser(visitor):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.open_team("Team 1")
    visitor.expect_studio(profile="user-1-team1")
    visitor.page.go_back()
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.open_team("Team 2")
    visitor.expect_studio(profile="user-1-team2")


def test_reload_and_back_in_a_studio_that_opened_at_once_show_no_replay(visitor, local):
    visitor.choose_tile("user-2")
    visitor.expect_studio(profile="user-2-team2")
    visitor.page.reload()
    visitor.expect_studio(profile="user-2-team2")
    visitor.page.go_back()
    assert visitor.page.url.startswith(local.idp)
    visitor.page.go_forward()
    visitor.expect_studio(profile="user-2-team2")


def test_reload_and_back_on_an_error_show_no_replay(visitor, local):
    visitor.choose_tile("user-11")
    visitor.expect_error("target_denied")
    visitor.page.reload()
    visitor.expect_error("target_denied")
    visitor.page.go_back()
    assert visitor.page.url.startswith(local.idp)
    visitor.page.go_forward()
    visitor.expect_error("target_denied")


def test_a_replayed_response_has_a_page_that_leads_to_the_teams(visitor, local):
    response = local.mint("person=user-1")
    visitor.post_response(response)
    visitor.expect_chooser("Team 1", "Team 2")
    assert visitor.post_response(response).status == 403
    visitor.expect_error("replayed")
    visitor.glance("error-replayed")
    visitor.page.get_by_role("link", name="Your teams").click()
    visitor.expect_chooser("Team 1", "Team 2")


def test_a_response_replayed_in_another_browser_signs_nobody_in(arrive, local):
    response = local.mint("person=user-1")
    thief = arrive(local)
    arrive(local).post_response(response)
    assert thief.post_response(response).status == 403
    thief.expect_error("replayed")
    thief.page.get_by_role("link", name="Your teams").click()
    expect(thief.page).to_have_url(re.compile(re.escape(local.idp) + "/sso"))
