"""Tabs that are restored at once, as on Monday morning: every one of them ends where it wanted to go."""

import re

import pytest
from playwright.sync_api import expect

#: Bookmarks; the same one may be there more than once.
BOOKMARKS = ["/teams/team1", "/teams/team2", "/", "/teams/team1?app=JupyterLab", "/teams/team2", "/teams/team1"]

#: All requests leave before any answer comes: the browser is told to go on without waiting.
GO = "url => { setTimeout(() => { location.href = url }, 0) }"


def restored(visitor, local, number):
    """So many tabs, each where the identity provider asks who it is."""
    tabs = [visitor.context.new_page() for _ in range(number)]
    for tab in tabs:
        tab.goto(local.idp)
    for tab, path in zip(tabs, BOOKMARKS):
        tab.evaluate(GO, local.broker + path)
    for tab in tabs:
        expect(tab).to_have_url(re.compile(re.escape(local.idp) + "/sso"))
    return tabs


def sign_in(tab, local, path):
    """Says who it is; whether the tab ends where its bookmark leads."""
    with tab.expect_navigation(url=re.compile("/auth|/saml/acs|/$")):
        tab.locator("#user-1 button", has_text=re.compile("^Sign in$")).click()
    if path == "/":
        return tab.url == local.broker + "/" and "Your teams" in tab.locator("h1").inner_text()
    return tab.url.startswith(f"{local.idp}/auth")


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("number", [3, 5])
def test_tabs_that_start_at_the_same_moment_are_each_signed_in(visitor, local, number, newest_first):
    tabs = restored(visitor, local, number)
    ways = list(zip(tabs, BOOKMARKS))
    for tab, path in reversed(ways) if newest_first else ways:
        assert sign_in(tab, local, path), (path, tab.url)
    assert [line["code"] for line in local.decisions() if line.get("code")] == []


def test_of_six_tabs_the_sixth_may_push_out_the_first_and_no_other(visitor, local):
    tabs = restored(visitor, local, 6)
    ended = [sign_in(tab, local, path) for tab, path in zip(tabs, BOOKMARKS)]
    assert sum(ended) >= 5, ended
    for tab in [tab for tab, good in zip(tabs, ended) if not good]:
        expect(tab.locator("#code")).to_have_text("request_unknown")
        tab.get_by_role("link", name="Your teams").click()
        expect(tab.get_by_role("heading", level=1)).to_have_text("Your teams")
