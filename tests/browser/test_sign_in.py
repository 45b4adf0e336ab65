"""How one gets in where there is not exactly one identity provider that takes requests."""

import re

from playwright.sync_api import expect

SECOND = "https://idp.example.com/second"


def test_among_several_identity_providers_the_person_chooses(visitor, local):
    local.add_idp(display_name="Second identity provider", directory="second")
    assert visitor.visit("/teams/team1").status == 200
    expect(visitor.page.locator(".cards .name a")).to_have_text(
        ["Second identity provider", "Test identity provider"]
    )
    visitor.look("choose-identity-provider")
    visitor.page.get_by_role("link", name="Test identity provider").click()
    visitor.choose_person("user-1")
    visitor.expect_studio(profile="user-1-team1")


def test_an_identity_provider_that_takes_no_requests_is_reached_through_its_portal(visitor, local):
    item = local.table("studio-broker-idps").scan()["Items"][0]
    redirect = r'<md:SingleSignOnService Binding="[^"]*HTTP-Redirect"[^>]*>'
    local.change_idp(metadata_xml=re.sub(redirect, "", item["metadata_xml"]))
    assert visitor.visit("/").status == 200
    visitor.look("start-in-the-portal")
    visitor.page.get_by_role("link", name="Test identity provider").click()
    expect(visitor.page).to_have_url(local.idp + "/")


def test_without_an_identity_provider_the_page_says_so(visitor, local):
    local.change_idp(enabled=False)
    visitor.visit("/")
    expect(visitor.page.locator("main")).to_contain_text("nobody can sign in")
    visitor.look("no-identity-provider")


def test_pages_name_the_organization_and_whom_to_ask(start_local, arrive):
    local = start_local(
        STUDIO_BROKER_ORGANIZATION="Example Corporation", STUDIO_BROKER_CONTACT="help@example.com"
    )
    visitor = arrive(local)
    visitor.choose_tile("user-3")
    visitor.expect_error("no_team")
    expect(visitor.page.get_by_role("banner")).to_have_text("Example Corporation")
    link = visitor.page.get_by_role("contentinfo").get_by_role("link", name="help@example.com")
    expect(link).to_have_attribute("href", "mailto:help@example.com")
    assert visitor.page.title().endswith("Example Corporation")
    visitor.look("error-no-team-with-contact")
