"""The page while SageMaker prepares a first profile."""

import re
import time

from playwright.sync_api import expect


NOW, STOP = re.compile(r"\bnow\b"), re.compile("^Stop")


def expect_waiting(visitor):
    expect(visitor.page.get_by_role("status")).to_be_visible()


def test_the_page_comes_back_by_itself_and_ends_in_studio(visitor, local):
    visitor.choose_tile("user-5")
    expect_waiting(visitor)
    expect(visitor.page).to_have_url(local.broker + "/teams/team4")
    visitor.expect_studio(profile="user-5-team4", user_tag="user-5")


def test_the_page_survives_reload_and_another_sign_in(visitor, local):
    local.order_fault(service="sagemaker", effect="throttle")
    visitor.choose_tile("user-2")
    expect_waiting(visitor)
    assert visitor.page.reload().status == 200
    expect_waiting(visitor)
    visitor.choose_tile("user-2")
    expect_waiting(visitor)
    local.clear_faults()
    visitor.expect_studio(profile="user-2-team2")


def test_its_link_stops_it_and_another_goes_on(visitor, local):
    local.order_fault(service="sagemaker", effect="throttle")
    visitor.choose_tile("user-2")
    visitor.page.get_by_role("link", name=STOP).click()
    stopped = re.escape(local.broker) + r"/teams/team2\?refresh=off&since=\d+(&place=\w+\.\d+\.\d+)?"
    expect(visitor.page).to_have_url(re.compile(f"^{stopped}$"))
    expect_waiting(visitor)
    asked = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    # Longer than a page that goes on by itself takes to come back.
    visitor.page.wait_for_timeout(6_500)
    assert asked == []
    local.clear_faults()
    visitor.page.get_by_role("link", name=NOW).click()
    visitor.expect_studio(profile="user-2-team2")


def test_both_kinds_of_the_page_are_fit_to_be_seen(visitor, local):
    local.order_fault(operation="CreateUserProfile", effect="settle", ms=60_000, status="InService")
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.stay_on_pages_that_move_on()
    visitor.visit("/teams/team1")
    expect_waiting(visitor)
    visitor.look("waiting")
    visitor.page.emulate_media(reduced_motion="reduce")
    bar = visitor.page.locator(".pulse span")
    assert bar.evaluate("bar => getComputedStyle(bar).animationName") == "none"
    visitor.page.get_by_role("link", name=STOP).click()
    expect(visitor.page.get_by_role("link", name=STOP)).to_have_count(0)
    visitor.look("waiting-stopped")


def test_it_ends_in_a_clear_page_when_sagemaker_fails(visitor, local):
    local.order_fault(operation="CreateUserProfile", effect="settle", ms=3_000, status="Failed")
    visitor.choose_tile("user-2")
    expect_waiting(visitor)
    expect(visitor.page.locator("#code")).to_have_text("profile_failed")
    visitor.expect_error("profile_failed")


def test_a_busy_aws_makes_one_wait_too(visitor, local):
    visitor.choose_tile("user-2")
    visitor.expect_studio(profile="user-2-team2")
    visitor.stay_on_pages_that_move_on()
    local.order_fault(service="sagemaker", effect="throttle")
    begun = time.monotonic()
    assert visitor.visit("/teams/team2").status == 200
    assert time.monotonic() - begun < 6
    expect_waiting(visitor)
    expect(visitor.page.get_by_role("status")).to_contain_text("busy")
    visitor.look("waiting-busy")
    local.clear_faults()
    visitor.page.get_by_role("link", name=NOW).click()
    visitor.expect_studio(profile="user-2-team2")


def test_a_place_in_the_team_is_kept_while_waiting(visitor, local):
    local.order_fault(operation="CreateUserProfile", effect="settle", ms=3_000, status="InService")
    visitor.visit("/teams/team2?app=CodeEditor")
    visitor.choose_person("user-2")
    expect_waiting(visitor)
    expect(visitor.page).to_have_url(local.broker + "/teams/team2?app=CodeEditor")
    visitor.expect_studio(profile="user-2-team2", landing_uri="app:CodeEditor:")
