"""Signing out ends the broker's session, says what stays, and cannot be done by another site."""

import re

from playwright.sync_api import expect


def expect_signed_out(visitor):
    heading = visitor.page.get_by_role("heading", level=1)
    expect(heading).to_have_text(re.compile("^You are signed out"))


def test_the_button_ends_the_session(visitor, local):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.page.get_by_role("link", name="Sign out").click()
    expect(visitor.page.locator("main")).to_contain_text("stay open")
    visitor.look("sign-out")
    visitor.page.get_by_role("button", name="Sign out").click()
    expect_signed_out(visitor)
    visitor.look("signed-out")
    names = [cookie["name"] for cookie in visitor.context.cookies(local.broker)]
    assert not any("-session-" in name for name in names)
    visitor.visit("/teams/team1")
    expect(visitor.page).to_have_url(re.compile(re.escape(local.idp) + "/sso"))


def test_a_copy_of_the_session_cookie_is_worth_nothing_after_it(visitor, local):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    copy = visitor.context.cookies(local.broker)
    visitor.visit("/sign-out")
    visitor.page.get_by_role("button", name="Sign out").click()
    expect_signed_out(visitor)
    visitor.context.add_cookies(copy)
    visitor.visit("/teams/team1")
    expect(visitor.page).to_have_url(re.compile(re.escape(local.idp) + "/sso"))


def test_the_page_alone_ends_nothing(visitor):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.visit("/sign-out")
    visitor.visit("/")
    visitor.expect_chooser("Team 1", "Team 2")


def test_a_form_of_another_site_signs_nobody_out(visitor, local):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.post(local.broker + "/sign-out", {})
    visitor.visit("/")
    visitor.expect_chooser("Team 1", "Team 2")


def test_back_after_signing_out_opens_nothing(visitor, local):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.page.get_by_role("link", name="Sign out").click()
    visitor.page.get_by_role("button", name="Sign out").click()
    expect_signed_out(visitor)
    visitor.visit("/")
    expect(visitor.page).to_have_url(re.compile(re.escape(local.idp) + "/sso"))
