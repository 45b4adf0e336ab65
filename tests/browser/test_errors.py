"""Every refusal has a page: what happened, what to do next, a code and a reference."""

import pytest
from playwright.sync_api import expect

# person, address that the person ends at, code, status
PEOPLE = [
    ("user-3", "/", "no_team", 403),
    ("user-6", "/teams/team5", "profile_failed", 502),
    ("user-7", "/teams/team6", "team_paused", 403),
    ("user-8", "/teams/team7", "quota_reached", 502),
    ("user-9", "/teams/team8", "domain_missing", 502),
    ("user-10", "/teams/team9", "domain_sso_mode", 502),
    ("user-11", "/teams/team10", "target_denied", 502),
    ("user-12", "/teams/team11", "profile_foreign", 502),
]


@pytest.mark.parametrize(("person", "path", "code", "status"), PEOPLE)
def test_a_person_of_the_story_sees_their_error(visitor, local, person, path, code, status):
    visitor.choose_tile(person)
    visitor.expect_error(code)
    expect(visitor.page).to_have_url(local.broker + path)
    assert visitor.page.reload().status == status
    visitor.expect_error(code)
    visitor.glance(f"error-{code.replace('_', '-')}")


def test_a_paused_team_says_why(visitor):
    visitor.choose_tile("user-7")
    visitor.expect_error("team_paused")
    visitor.look("error-team-paused")
    expect(visitor.page.locator("main")).to_contain_text("open again on Monday")


def test_a_malformed_team_does_no_harm_to_the_other(visitor):
    visitor.choose_tile("user-13")
    visitor.expect_chooser("Team 3")
    expect(visitor.page.locator("#team-team12 a")).to_have_count(0)
    expect(visitor.page.locator("#team-team12")).to_contain_text("mistake")
    visitor.look("chooser-with-a-malformed-team")
    visitor.open_team("Team 3")
    visitor.expect_studio(profile="user-13-team3")
    assert visitor.visit("/teams/team12").status == 503
    visitor.expect_error("team_invalid")
    visitor.look("error-team-invalid")


def test_a_paused_team_stands_in_the_chooser_with_its_reason_and_does_not_open(visitor, local):
    local.change_team("team3", enabled=False, paused_reason="Budget used up until July.")
    visitor.choose_tile("user-4")
    visitor.expect_chooser("Team 1", "Team 2")
    expect(visitor.page.locator("#team-team3")).to_contain_text("Budget used up until July.")
    expect(visitor.page.locator("#team-team3 a")).to_have_count(0)
    visitor.look("chooser-with-a-paused-team")


def test_a_long_name_does_not_break_the_chooser(visitor, local):
    local.change_team("team3", display_name="W" * 200, description="<b>words</b> " * 60)
    visitor.choose_tile("user-4")
    visitor.expect_chooser("Team 1", "Team 2", "W" * 200)
    visitor.glance("chooser-with-a-long-name")


def test_a_person_who_is_denied_is_put_out_of_an_open_session(visitor, local):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    local.change_idp(denied_users=["user-1"])
    assert visitor.page.reload().status == 403
    visitor.expect_error("user_denied")
    visitor.glance("error-user-denied")


def test_a_space_of_somebody_else_is_refused(visitor):
    visitor.choose_tile("user-2")
    visitor.expect_studio(profile="user-2-team2")
    assert visitor.visit("/teams/team2?space=somebody-elses").status == 403
    visitor.expect_error("space_refused")
    visitor.glance("error-space-refused")


def test_a_team_does_not_open_from_another_network(visitor, local):
    local.change_team("team2", allowed_cidrs=["203.0.113.0/24"])
    visitor.choose_tile("user-2")
    visitor.expect_error("network_refused")
    visitor.glance("error-network-refused")


def test_a_table_that_is_gone_has_its_page(visitor, local):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    local.order_fault(
        service="dynamodb", effect="error", code="ResourceNotFoundException", status=400, message=""
    )
    assert visitor.page.reload().status == 503
    visitor.expect_error("table_missing")
    visitor.glance("error-table-missing")


def test_an_aws_that_does_not_answer_has_its_page(visitor, local):
    visitor.choose_tile("user-2")
    visitor.expect_studio(profile="user-2-team2")
    local.order_fault(service="sagemaker", effect="error", code="InternalFailure", status=500)
    assert visitor.visit("/teams/team2").status == 503
    visitor.expect_error("aws_unreachable")
    visitor.glance("error-aws-unreachable")


def test_a_page_that_does_not_exist_says_so(visitor):
    assert visitor.visit("/no-such-page").status == 404
    visitor.expect_error("not_found")
    visitor.glance("error-not-found")


def test_the_address_of_the_sign_in_form_typed_by_hand_says_how_to_go_on(visitor):
    assert visitor.visit("/saml/acs").status == 405
    visitor.expect_error("method_not_allowed")
    visitor.glance("error-method-not-allowed")


def test_a_response_that_is_too_old_has_its_page(visitor, local):
    assert visitor.post_response(local.mint("person=user-1&issued_ago=7200")).status == 403
    visitor.expect_error(visitor.page.locator("#code").inner_text())
    assert visitor.page.locator("#code").inner_text() not in ("replayed", "internal")
    visitor.glance("error-saml-refusal")


def test_a_form_that_holds_no_response_has_its_page(visitor, local):
    assert visitor.post(local.broker + "/saml/acs", {"nothing": "here"}).status == 400
    visitor.expect_error("form_malformed")
    visitor.glance("error-form-malformed")


def test_the_reference_on_the_page_finds_the_decision_in_the_log(visitor, local):
    visitor.choose_tile("user-11")
    visitor.expect_error("target_denied")
    lines = [line for line in local.decisions() if line["reference"] == visitor.reference()]
    assert [(line["code"], line["owner"], line["team"]) for line in lines] == [
        ("target_denied", "user-11", "team10")
    ]


def test_every_page_leads_back_to_the_teams(visitor):
    visitor.choose_tile("user-13")
    visitor.expect_chooser("Team 3")
    visitor.visit("/teams/team12")
    visitor.expect_error("team_invalid")
    visitor.page.get_by_role("link", name="Your teams").click()
    visitor.expect_chooser("Team 3")


def test_after_no_team_one_can_sign_in_again(visitor, local):
    visitor.choose_tile("user-3")
    visitor.expect_error("no_team")
    visitor.page.get_by_role("link", name="Sign in again").click()
    visitor.choose_person("user-3")
    visitor.expect_error("no_team")


def test_after_a_session_that_does_not_count_any_more_one_can_sign_in_again(visitor, local):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    local.change_idp(directory="moved")
    assert visitor.page.reload().status == 403
    visitor.expect_error("session_void")
    visitor.glance("error-session-void")
    visitor.page.get_by_role("link", name="Sign in again").click()
    visitor.choose_person("user-1")
    # The same name in another directory is another person.
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Is this you?")
    visitor.page.get_by_role("button", name="Continue as").click()
    visitor.expect_chooser("Team 1", "Team 2")
