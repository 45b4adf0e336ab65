"""The page between the identity provider's post and Studio, for policies that block the redirect."""

import re

import pytest
from playwright.sync_api import expect


def restrict_forms(visitor):
    """Makes the identity provider's pages post to the broker only, redirects included."""

    def with_policy(route):
        answer = route.fetch()
        policy = f"form-action 'self' {visitor.local.broker}; " + answer.headers["content-security-policy"]
        route.fulfill(response=answer, headers=answer.headers | {"content-security-policy": policy})

    visitor.page.route(visitor.local.idp + "/sign-in", with_policy)


def test_under_a_strict_form_policy_the_page_leads_into_studio(visitor, local):
    local.change_idp(handoff="page")
    restrict_forms(visitor)
    visitor.choose_tile("user-2")
    visitor.expect_studio(profile="user-2-team2")


@pytest.mark.parametrize(
    ("person", "relay_state", "path"),
    [
        ("user-1", {}, "/"),
        ("user-1", {"RelayState": "/teams/team1?app=JupyterLab"}, "/teams/team1?app=JupyterLab"),
        ("user-2", {}, "/teams/team2"),
        ("user-2", {"RelayState": "https://evil.example/"}, "/teams/team2"),
        ("user-11", {}, "/teams/team10"),
    ],
)
def test_the_page_links_one_of_our_own_addresses(visitor, local, person, relay_state, path):
    local.change_idp(handoff="page")
    visitor.stay_on_pages_that_move_on()
    assert visitor.post_response(local.mint(f"person={person}"), **relay_state).status == 200
    link = visitor.page.get_by_role("link", name="Continue")
    expect(link).to_have_attribute("href", local.broker + path)
    assert "token=" not in visitor.page.content()


def test_the_page_is_fit_to_be_seen_and_its_link_works(visitor, local):
    local.change_idp(handoff="page")
    visitor.stay_on_pages_that_move_on()
    visitor.choose_tile("user-2")
    expect(visitor.page).to_have_url(local.broker + "/saml/acs")
    visitor.look("handoff")
    visitor.page.get_by_role("link", name="Continue").click()
    visitor.expect_studio(profile="user-2-team2")


def test_reload_and_back_after_the_page_show_no_replay(visitor, local):
    local.change_idp(handoff="page")
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.page.reload()
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.page.go_back()
    expect(visitor.page).to_have_url(re.compile(re.escape(local.idp)))
