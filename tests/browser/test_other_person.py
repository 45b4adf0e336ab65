"""Whoever shares a browser, and whoever would slip somebody into their own profile."""

import re

from playwright.sync_api import expect


def test_the_tile_of_another_person_asks_at_the_identity_provider_who_it_is(visitor, local):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.choose_tile("user-2")
    visitor.choose_person("user-2")
    visitor.expect_studio(profile="user-2-team2", user_tag="user-2", session_name="user-2")
    codes = [line.get("code") for line in local.decisions()]
    assert codes.count("other_person") == 1


def test_after_that_the_browser_is_the_other_persons(visitor):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.choose_tile("user-2")
    visitor.choose_person("user-2")
    visitor.expect_studio(profile="user-2-team2")
    visitor.visit("/")
    visitor.expect_chooser("Team 2")
    visitor.choose_tile("user-2")
    visitor.expect_studio(profile="user-2-team2")


def test_the_tile_of_one_team_still_opens_that_team(visitor):
    visitor.choose_tile("user-2")
    visitor.expect_studio(profile="user-2-team2")
    visitor.choose_tile("user-1", "Open Team 1")
    visitor.choose_person("user-1")
    visitor.expect_studio(profile="user-1-team1")


def test_an_attackers_response_does_not_end_the_victims_session(visitor, local):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.post_response(local.mint("person=user-2"))
    expect(visitor.page).to_have_url(re.compile(re.escape(local.idp) + "/sso"))
    visitor.visit("/")
    visitor.expect_chooser("Team 1", "Team 2")


def test_signing_out_does_not_forget_whose_browser_it_is(visitor):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.page.get_by_role("link", name="Sign out").click()
    visitor.page.get_by_role("button", name="Sign out").click()
    visitor.choose_tile("user-2")
    visitor.choose_person("user-2")
    visitor.expect_studio(profile="user-2-team2")


def test_where_nobody_can_be_asked_the_response_is_refused(visitor, local):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    item = local.table("studio-broker-idps").scan()["Items"][0]
    redirect = r'<md:SingleSignOnService Binding="[^"]*HTTP-Redirect"[^>]*>'
    local.change_idp(metadata_xml=re.sub(redirect, "", item["metadata_xml"]))
    assert visitor.post_response(local.mint("person=user-2")).status == 403
    visitor.expect_error("other_person")
    visitor.glance("error-other-person")


def test_an_answer_to_somebody_elses_request_is_refused(arrive, local):
    attacker, victim = arrive(local), arrive(local)
    attacker.visit("/")
    request = attacker.page.locator("input[name=in_response_to]").first.input_value()
    response = local.mint(f"person=user-2&in_response_to={request}")
    assert victim.post_response(response).status == 403
    victim.expect_error("request_unknown")
    victim.glance("error-request-unknown")
