"""One page, one sign-in: Studio, an app of it, MLflow and a Partner AI App, each in the person's own name."""

import pytest
from playwright.sync_api import expect

#: The session that every one of them is opened with.
SESSION = {"session_name": "user-15", "session_tags": "Team = team14, User = user-15"}
PLACE = {"account": "666666666666", "region": "eu-west-1"}
DOORS = {
    "experiments": {"door_kind": "mlflow_app", "door_name": "team14-experiments"},
    "runs-2025": {"door_kind": "mlflow_server", "door_name": "team14-runs"},
    "evaluations": {"door_kind": "partner_app", "person": "user-15"},
}
STUDIO = {"profile": "user-15-team14", "user_tag": "user-15"}


def card(visitor):
    return visitor.page.locator("#team-team14")


def door(visitor, id):
    return card(visitor).locator(f'a[href$="/teams/team14/doors/{id}"]')


@pytest.fixture
def visitor(arrive, local):
    visitor = arrive(local)
    visitor.choose_tile("user-15")
    visitor.expect_chooser("Team 14 (doors)", "Team 3")
    return visitor


def test_everything_of_a_team_opens_from_one_page_in_the_persons_own_name(visitor, local):
    visitor.look("chooser-doors")
    visitor.open_team("Team 14 (doors)")
    visitor.expect_studio(**STUDIO, **SESSION, **PLACE, landing_uri="–")
    visitor.visit("/")
    card(visitor).get_by_role("link", name="JupyterLab", exact=True).click()
    visitor.expect_studio(**STUDIO, **SESSION, **PLACE, landing_uri="app:JupyterLab:")
    for id, facts in DOORS.items():
        visitor.visit("/")
        door(visitor, id).click()
        visitor.expect_studio(**facts, **SESSION, **PLACE)
        visitor.glance(f"behind-{id}")
    opened = [line for line in local.decisions() if line["outcome"] == "opened"]
    assert [(line.get("door"), line["owner"]) for line in opened] == [
        (None, "user-15"), (None, "user-15"), *((id, "user-15") for id in DOORS)
    ]


def test_a_door_of_the_first_visit_waits_for_no_profile(visitor, local):
    local.order_fault(operation="CreateUserProfile", effect="settle", ms=60_000, status="InService")
    door(visitor, "experiments").click()
    visitor.expect_studio(**DOORS["experiments"], **SESSION)


def test_bookmarks_of_doors_and_apps_in_several_tabs_each_survive_the_sign_in(arrive, local):
    visitor = arrive(local)
    wanted = {
        "/teams/team14/doors/experiments": DOORS["experiments"],
        "/teams/team14?app=CodeEditor": STUDIO | {"landing_uri": "app:CodeEditor:"},
        "/teams/team14/doors/evaluations": DOORS["evaluations"],
        "/teams/team14/doors/runs-2025": DOORS["runs-2025"],
    }
    tabs = {path: visitor.context.new_page() for path in wanted}
    for path, tab in tabs.items():
        tab.goto(local.broker + path)
    for path, tab in reversed(tabs.items()):
        visitor.page = tab
        visitor.choose_person("user-15")
        visitor.expect_studio(**wanted[path])


def test_the_names_of_doors_say_what_they_are(visitor):
    expect(card(visitor).get_by_role("list", name="In Team 14 (doors)").get_by_role("link")).to_have_text(
        ["JupyterLab", "Code Editor", "Canvas",
         "Experiments MLflow App", "Runs of 2025 MLflow tracking server", "Evaluations Partner AI App"]
    )


def test_nothing_of_a_paused_team_opens(visitor, local):
    local.change_team("team14", enabled=False, paused_reason="Moves this week")
    visitor.visit("/")
    visitor.expect_chooser("Team 3")
    expect(card(visitor)).to_contain_text("Moves this week")
    expect(card(visitor).locator('a[href*="/teams/"]')).to_have_count(0)
    visitor.visit("/teams/team14/doors/experiments")
    visitor.expect_error("team_paused")
    expect(visitor.page.locator("#contact")).to_have_text("team14@example.com")


def test_a_bad_door_is_not_shown_and_takes_no_other_with_it(visitor, local):
    item = local.table("studio-broker-teams").get_item(Key={"team_id": "team14"})["Item"]
    first, second, third = item["doors"]
    elsewhere = second | {"arn": second["arn"].replace("eu-west-1", "us-east-1")}
    local.change_team("team14", doors=[first, elsewhere, third, third | {"kind": "window", "id": "x"}])
    visitor.visit("/")
    expect(door(visitor, first["id"])).to_have_count(1)
    expect(door(visitor, third["id"])).to_have_count(1)
    expect(card(visitor).locator('a[href*="/doors/"]')).to_have_count(2)


def test_a_door_that_is_gone_says_so_and_whom_to_ask(visitor, local):
    local.sagemaker("666666666666", "eu-west-1").delete_mlflow_tracking_server(TrackingServerName="team14-runs")
    door(visitor, "runs-2025").click()
    visitor.expect_error("door_unavailable")
    expect(visitor.page.locator("#contact")).to_have_text("team14@example.com")
    visitor.look("door-gone")
