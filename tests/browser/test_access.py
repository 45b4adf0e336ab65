"""Access by name and for a time, a second factor where a team asks for it, and an end at once: as people
see it."""

import json
import os
import re
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from local import program
from playwright.sync_api import expect

MFA = "https://refeds.org/profile/mfa"


def administrator(local, *arguments, code=0):
    """A command of an administrator of the hub account."""
    settings = {
        "AWS_ENDPOINT_URL": local.aws,
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "111111111111",
        "AWS_SECRET_ACCESS_KEY": "any",
        "STUDIO_BROKER_TEAM_CACHE_SECONDS": "0",
    }
    done = subprocess.run(
        [program(), *map(str, arguments)], env=os.environ | settings, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout


def test_somebody_let_in_for_a_while_sees_until_when_and_then_nothing(visitor, local):
    administrator(local, "access", "grant", "user-2", "team1", "--until", "2098-01-31T18:00:00Z", "--reason", "audit")
    visitor.choose_tile("user-2")
    visitor.expect_chooser("Team 1", "Team 2")
    expect(visitor.page.locator("#team-team1")).to_contain_text("Your access ends 2098-01-31 18:00 UTC.")
    visitor.look("chooser-until")
    visitor.open_team("Team 1")
    visitor.expect_studio(profile="user-2-team1", user_tag="user-2")
    administrator(local, "access", "end", "user-2", "team1")
    visitor.visit("/")
    visitor.expect_chooser("Team 2")
    visitor.visit("/teams/team1")
    visitor.expect_error("not_entitled")


def test_access_ends_while_a_page_waits(visitor, local):
    local.set_control(profile_delay_ms=60_000)
    end = datetime.now(timezone.utc) + timedelta(seconds=15)
    local.change_team("team1", members={"user-2": end.strftime("%Y-%m-%dT%H:%M:%SZ")})
    visitor.choose_tile("user-2")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.visit("/teams/team1")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Preparing your profile")
    # The page comes back by itself.
    expect(visitor.page.locator("#code")).to_have_text("not_entitled", timeout=40_000)


def test_a_team_asks_for_a_second_factor_and_gets_it(visitor, local):
    local.change_team("team1", authn_contexts=[MFA])
    visitor.choose_tile("user-1")
    # The chooser has a link that signs in so; a bookmark knows nothing of it.
    visitor.expect_chooser("Team 2")
    visitor.visit("/teams/team1")
    visitor.expect_error("authn_context_refused")
    visitor.look("authn-context-refused")
    visitor.page.locator("#sign-in").click()
    expect(visitor.page).to_have_url(re.compile(re.escape(local.idp) + "/sso"))
    expect(visitor.page.locator("main")).to_contain_text("second factor")
    visitor.page.locator("#user-1-open").click()
    visitor.expect_studio(profile="user-1-team1")
    visitor.visit("/teams/team1")
    visitor.expect_studio(profile="user-1-team1")


def test_a_revoked_session_ends_in_the_browser_and_comes_back(visitor, local):
    visitor.choose_tile("user-2")
    visitor.expect_studio(profile="user-2-team2")
    visitor.page.locator("#go-on").click()
    expect(visitor.page).to_have_url(re.compile("/session$"))
    expect(visitor.page.locator("#profile")).to_have_text("user-2-team2")
    administrator(local, "profiles", "revoke", "user-2", "--team", "team2", "--yes")
    visitor.page.reload()
    expect(visitor.page.locator("#ended")).to_have_text("This session has ended")
    visitor.visit("/teams/team2")
    visitor.expect_error("access_revoked")
    visitor.look("access-revoked")
    administrator(local, "profiles", "revoke", "user-2", "--team", "team2", "--undo", "--yes")
    visitor.visit("/teams/team2")
    visitor.expect_studio(profile="user-2-team2")


@pytest.fixture
def report(local, tmp_path):
    """The page of the report, over a few people."""
    soon = datetime.now(timezone.utc)
    for number, person in enumerate(["ann", "bob", "cid", "dan"]):
        end = (soon + timedelta(days=number * 6, hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        administrator(local, "access", "grant", person, "team1", "--until", end, "--reason", f"project {number}")
    local.change_team("team2", members={"eve": "2020-01-01T00:00:00Z", "fay": "always"})
    path = tmp_path / "access.html"
    # The story has accounts that no administrator can enter; they are named.
    settings = {"AWS_ENDPOINT_URL": local.aws, "AWS_REGION": "eu-central-1",
                "AWS_ACCESS_KEY_ID": "111111111111", "AWS_SECRET_ACCESS_KEY": "any"}
    done = subprocess.run([program(), "access", "report", "--html", path, "--output", "json"],
                          env=os.environ | settings, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1) and json.loads(done.stdout)["access"]
    return path


def test_the_report_is_one_page_that_everybody_can_read_and_print(arrive, local, report, tmp_path):
    visitor = arrive(local)
    visitor.choose_tile("user-2")
    visitor.expect_studio(profile="user-2-team2")
    page = visitor.page
    page.goto(report.as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text("Access to SageMaker Studio")
    expect(page.locator("svg.days rect.bar")).to_have_count(4)
    expect(page.locator("#needless + .wide")).to_contain_text("eve in team2")
    visitor.look("access-report")
    printed = page.pdf(path=tmp_path / "access.pdf")
    assert printed.startswith(b"%PDF")
