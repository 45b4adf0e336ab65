"""The three cookies, as Chromium keeps them."""

import re
import time

from playwright.sync_api import expect

DAY = 24 * 3600


def all_kept(visitor):
    """The cookies that the browser keeps for the broker."""
    session = visitor.context.new_cdp_session(visitor.page)
    return session.send("Network.getCookies", {"urls": [visitor.local.broker + "/"]})["cookies"]


def kept(visitor):
    """What the browser keeps for the broker: {what: cookie}, names without their hash."""
    cookies = all_kept(visitor)
    found = {}
    for cookie in cookies:
        name = re.fullmatch(r"studio-broker-(\w+)-[0-9a-f]{12}", cookie["name"])
        assert name, cookie["name"]
        assert (cookie["domain"], cookie["path"], cookie["httpOnly"]) == ("localhost", "/", True)
        found[name[1]] = cookie
    assert len(found) == len(cookies)
    return found


def attributes(cookie):
    return cookie["sameSite"], cookie["secure"]


def lasts(cookie):
    return cookie["expires"] - time.time()


def test_a_sign_in_leaves_a_session_and_the_last_owner(visitor):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    cookies = kept(visitor)
    assert {name: attributes(cookie) for name, cookie in cookies.items()} == {
        "session": ("Lax", False),
        "owner": ("None", True),
    }
    assert 59 * 60 < lasts(cookies["session"]) <= 3600
    assert 89 * DAY < lasts(cookies["owner"]) <= 90 * DAY
    assert "user-1" not in cookies["owner"]["value"]
    assert visitor.page.evaluate("document.cookie") == ""


def test_a_sign_in_that_starts_here_is_remembered_for_ten_minutes_and_then_done_with(visitor):
    visitor.visit("/teams/team1")
    cookies = kept(visitor)
    assert {name: attributes(cookie) for name, cookie in cookies.items()} == {
        "request": ("None", True)
    }
    assert 9 * 60 < lasts(cookies["request"]) <= 600
    visitor.choose_person("user-1")
    visitor.expect_studio(profile="user-1-team1")
    assert set(kept(visitor)) == {"session", "owner"}


def test_at_most_five_sign_ins_are_open_and_the_newest_counts(visitor):
    numbers = []
    for _ in range(7):
        visitor.visit("/teams/team1?space=" + "s" * 63)
        cookies = all_kept(visitor)
        numbers.append(len({cookie["name"] for cookie in cookies}))
        assert sum(len(cookie["name"] + cookie["value"]) for cookie in cookies) < 3_000
    assert numbers == [1, 2, 3, 4, 5, 5, 5]
    visitor.visit("/teams/team2")
    visitor.choose_person("user-1")
    visitor.expect_studio(profile="user-1-team2")


def test_a_session_of_one_minute_is_over_after_it(start_local, arrive):
    visitor = arrive(start_local(STUDIO_BROKER_SESSION_MINUTES="1"))
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    assert 50 < lasts(kept(visitor)["session"]) <= 60


def test_a_session_cookie_that_was_tampered_with_counts_as_none(visitor, local):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    session = kept(visitor)["session"]
    value = session["value"][:-4] + "AAAA"
    visitor.context.add_cookies([{"name": session["name"], "value": value, "url": local.broker}])
    visitor.visit("/")
    expect(visitor.page).to_have_url(re.compile(re.escape(local.idp) + "/sso"))
