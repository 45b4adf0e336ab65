"""The story: two users, two teams, two accounts; from the portal, from a bookmark, by a group."""

import re

import pytest
from playwright.sync_api import expect

STUDIO_OF_USER_1 = {
    "Team 1": {
        "account": "222222222222",
        "region": "us-east-1",
        "domain": "d-localteam001",
        "profile": "user-1-team1",
        "execution_role": "arn:aws:iam::222222222222:role/Team1Execution",
        "team_tag": "team1",
        "user_tag": "user-1",
        "tags": "CostCenter = 1001, Team = team1, User = user-1",
        "session_name": "user-1",
        "session_tags": "Team = team1, User = user-1",
        "session_seconds": "43200 s",
    },
    "Team 2": {
        "account": "333333333333",
        "region": "eu-west-1",
        "domain": "d-localteam002",
        "profile": "user-1-team2",
        "execution_role": "arn:aws:iam::333333333333:role/Team2Execution",
        "team_tag": "team2",
        "user_tag": "user-1",
        "tags": "Team = team2, User = user-1",
        "session_name": "user-1",
        "session_tags": "Team = team2, User = user-1",
        "session_seconds": "28800 s",
    },
}


# A first profile takes about as long in life.
FIRST_PROFILE_MS = 700


def test_user_1_chooses_between_two_teams_and_opens_both(visitor, local):
    local.set_control(profile_delay_ms=FIRST_PROFILE_MS)
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    visitor.look("chooser")
    for team, studio in STUDIO_OF_USER_1.items():
        visitor.visit("/")
        visitor.open_team(team)
        visitor.expect_studio(**studio)
    visitor.look("studio")


def test_user_2_gets_straight_into_the_one_team(visitor, local):
    local.set_control(profile_delay_ms=FIRST_PROFILE_MS)
    visitor.choose_tile("user-2")
    visitor.expect_studio(profile="user-2-team2", account="333333333333", session_name="user-2")
    visitor.visit("/")
    visitor.expect_chooser("Team 2")


def test_user_2_does_not_get_into_team_1(visitor):
    visitor.choose_tile("user-2")
    visitor.expect_studio(profile="user-2-team2")
    assert visitor.visit("/teams/team1").status == 403
    visitor.expect_error("not_entitled")
    visitor.glance("error-not-entitled")


def test_a_team_that_is_not_granted_looks_like_one_that_does_not_exist(visitor):
    def seen(path):
        status = visitor.visit(path).status
        text = visitor.page.locator("main").inner_text()
        return status, re.sub(r"[0-9A-Z]{10}\n|\d\d:\d\d:\d\d", "", text)

    visitor.choose_tile("user-2")
    visitor.expect_studio(profile="user-2-team2")
    assert seen("/teams/team1") == seen("/teams/team6") == seen("/teams/no-such-team")


def test_a_tile_of_one_team_opens_that_team(visitor):
    visitor.choose_tile("user-1", "Open Team 2")
    visitor.expect_studio(profile="user-1-team2")


def test_the_front_page_asks_to_sign_in_and_then_shows_the_teams(visitor):
    visitor.visit("/")
    visitor.choose_person("user-1")
    visitor.expect_chooser("Team 1", "Team 2")


def test_a_bookmark_of_a_team_asks_to_sign_in_and_then_opens_the_team(visitor):
    visitor.visit("/teams/team1")
    visitor.choose_person("user-1")
    visitor.expect_studio(profile="user-1-team1", user_tag="user-1")


def test_a_bookmark_of_an_app_lands_in_the_app(visitor):
    visitor.visit("/teams/team1?app=JupyterLab")
    visitor.choose_person("user-1")
    visitor.expect_studio(profile="user-1-team1", landing_uri="app:JupyterLab:")


def test_two_sign_ins_in_two_tabs_each_end_where_they_began(visitor):
    first, second = visitor.page, visitor.context.new_page()
    first.goto(visitor.local.broker + "/teams/team1")
    second.goto(visitor.local.broker + "/teams/team2")
    for tab, profile in ((first, "user-1-team1"), (second, "user-1-team2")):
        visitor.page = tab
        visitor.choose_person("user-1")
        visitor.expect_studio(profile=profile)


def test_a_member_of_a_group_gets_into_the_groups_team(visitor):
    visitor.choose_tile("user-14")
    visitor.expect_studio(profile="user-14-team13", session_tags="Team = team13, User = user-14")


def test_a_changed_team_takes_effect_at_the_next_opening(visitor, local):
    visitor.choose_tile("user-2")
    visitor.expect_studio(profile="user-2-team2", landing_uri="–")
    local.change_team("team2", landing_uri="app:CodeEditor:", display_name="The second team")
    visitor.visit("/")
    visitor.open_team("The second team")
    visitor.expect_studio(profile="user-2-team2", landing_uri="app:CodeEditor:")


def test_studio_does_not_learn_where_one_came_from(visitor):
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    with visitor.page.expect_request(re.compile("/auth")) as request:
        visitor.open_team("Team 1")
    assert "referer" not in request.value.all_headers()


@pytest.mark.parametrize("path", ["/", "/teams/team1"])
def test_a_person_without_a_sign_in_learns_nothing_about_teams(visitor, local, path):
    local.order_fault(service="dynamodb", operation="Query", effect="deny")
    visitor.visit(path)
    expect(visitor.page).to_have_url(re.compile(re.escape(local.idp) + "/sso"))
