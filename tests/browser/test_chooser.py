"""The chooser as a portal: what it shows of teams, what it finds, and how it looks with few teams and many."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

MFA = "https://refeds.org/profile/mfa"

#: Everything that a team can show.
SHOWN = {
    "apps": ["Canvas", "JupyterLab", "CodeEditor"],
    "contact": "ml-platform@example.com",
    "links": [
        {"title": "Handbook", "url": "https://wiki.example.com/team1/handbook"},
        {"title": "Cost of this month", "url": "https://cost.example.com/?team=team1&span=month"},
    ],
    "labels": {"Data class": "restricted", "Cost centre": "4711"},
}

SUBJECTS = ["Vision", "Speech", "Search", "Fraud", "Pricing", "Logistics", "Genomics", "Climate", "Robotics", "Support"]
REGIONS = ["eu-central-1", "us-east-1", "ap-southeast-2"]


def team(number, **attributes):
    """An item for the table: one of many teams, open to User 2."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    account = f"{700000000000 + number // 3}"
    return {
        "team_id": f"{subject.lower()}-{number:03}",
        "display_name": f"{subject} {number:03}",
        "description": f"Models and experiments of {subject.lower()}, group {number % 7}",
        "account_id": account,
        "region": REGIONS[number % len(REGIONS)],
        "domain_id": f"d-many{number:03}",
        "execution_role_arn": f"arn:aws:iam::{account}:role/Many{number:03}",
        "members": {"user-2": "always"},
        "apps": ["JupyterLab", "CodeEditor"],
        "contact": f"{subject.lower()}@example.com",
        "links": [{"title": "Handbook", "url": f"https://wiki.example.com/{subject.lower()}/{number}"}],
        "labels": {"Data class": ["public", "internal", "restricted"][number % 3]},
    } | attributes


@pytest.fixture
def add_teams(local):
    """add_teams(number): User 2 is a member of so many more teams."""

    def add(number):
        with local.table("studio-broker-teams").batch_writer() as batch:
            for i in range(number):
                batch.put_item(Item=team(i))

    return add


def names(visitor):
    return visitor.page.locator(".cards h2").all_inner_texts()


def card(visitor, team_id):
    return visitor.page.locator(f"#team-{team_id}")


def test_a_team_shows_what_helps_to_choose(visitor, local):
    local.change_team("team1", **SHOWN)
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 1", "Team 2")
    shown = card(visitor, "team1")
    links = shown.get_by_role("link")
    # The team's own landing comes first, then the apps in one order for all teams, then pages and people.
    expect(links).to_have_text(
        ["Team 1", "JupyterLab", "Code Editor", "Canvas", "Handbook", "Cost of this month", "ml-platform@example.com"]
    )
    addresses = [link.get_attribute("href") for link in links.all()]
    ours = local.broker + "/teams/team1"
    assert addresses == [
        ours, f"{ours}?app=JupyterLab", f"{ours}?app=CodeEditor", f"{ours}?app=Canvas",
        "https://wiki.example.com/team1/handbook", "https://cost.example.com/?team=team1&span=month",
        "mailto:ml-platform@example.com",
    ]
    expect(shown.get_by_role("list", name="Labels").get_by_role("listitem")).to_have_text(
        ["Cost centre: 4711", "Data class: restricted"]
    )
    expect(shown).to_contain_text("Experiments of the first team")
    expect(shown).to_contain_text("Account 222222222222 · us-east-1")
    # Who has two teams sees them both: a search would only be in the way.
    expect(visitor.page.get_by_role("search")).to_have_count(0)
    visitor.look("chooser-portal")


@pytest.mark.parametrize("app, landing", [("JupyterLab", "app:JupyterLab:"), ("Code Editor", "app:CodeEditor:"), ("Canvas", "app:Canvas:")])
def test_an_app_of_the_card_opens_that_app(visitor, local, app, landing):
    local.change_team("team1", **SHOWN)
    visitor.choose_tile("user-1")
    card(visitor, "team1").get_by_role("link", name=app, exact=True).click()
    visitor.expect_studio(profile="user-1-team1", landing_uri=landing)


def test_bookmarks_of_apps_in_several_tabs_survive_one_sign_in_each(visitor, local):
    wanted = {"JupyterLab": "app:JupyterLab:", "CodeEditor": "app:CodeEditor:", "studio": "studio::"}
    tabs = {}
    for app in wanted:
        tabs[app] = visitor.context.new_page()
        tabs[app].goto(f"{local.broker}/teams/team1?app={app}")
    for app, tab in tabs.items():
        visitor.page = tab
        visitor.choose_person("user-1")
        visitor.expect_studio(profile="user-1-team1", landing_uri=wanted[app])


def test_a_bookmark_of_an_app_survives_the_choice_of_an_identity_provider(visitor, local):
    local.add_idp(display_name="Second")
    visitor.visit("/teams/team1?app=Canvas")
    visitor.page.get_by_role("link", name="Test identity provider").click()
    visitor.choose_person("user-1")
    visitor.expect_studio(profile="user-1-team1", landing_uri="app:Canvas:")


def test_what_is_bad_is_not_shown_and_takes_nothing_with_it(visitor, local):
    local.change_team(
        "team1",
        display_name="Team 1 <b>&amp;</b>",
        description="\"><script>alert(1)</script>",
        apps=["JupyterLab", "Evil", "JupyterLab"],
        contact="javascript:alert(1)",
        links=[
            {"title": "one", "url": "javascript:alert(1)"},
            {"title": "two", "url": "https://user:word@evil.example/"},
            {"title": "three", "url": "https://evil.example/" + "x" * 3000},
            {"title": "four", "url": "https://evil.example/\u0007"},
            {"title": "five", "url": "http://evil.example/"},
            {"title": "<img src=x onerror=alert(1)>", "url": "https://evil.example/"},
            {"title": "Handbook", "url": "https://wiki.example.com/?a=1&b=<2>".replace("<2>", "%3C2%3E")},
            7,
        ],
        labels={"Class": "<script>alert(1)</script>", "Owner": "R&D", "Number": 7, "Line": "a\nb"},
    )
    visitor.choose_tile("user-1")
    shown = card(visitor, "team1")
    expect(shown.get_by_role("link")).to_have_text(["Team 1 <b>&amp;</b>", "JupyterLab", "Handbook"])
    expect(shown).to_contain_text("\"><script>alert(1)</script>")
    expect(shown.get_by_role("list", name="Labels")).to_have_text("Owner: R&D")
    html = visitor.page.content()
    for foreign in ("<script", "javascript:", "evil.example", "user:word", "onerror"):
        assert foreign not in html.replace("&lt;script&gt;", "").replace("&quot;&gt;", ""), foreign
    shown.get_by_role("link", name="JupyterLab").click()
    visitor.expect_studio(profile="user-1-team1", landing_uri="app:JupyterLab:")
    told = [line.get("fault", "") for line in local.log() if line.get("message") == "a part of an item cannot be used"]
    for part in ("apps[1]", "apps[2]", "contact", *(f"links[{i}]" for i in (0, 1, 2, 3, 4, 5, 7)),
                 "labels.Class", "labels.Number", "labels.Line"):
        assert any(fault.startswith(part) for fault in told), (part, told)


def test_a_paused_team_says_why_and_whom_to_ask(visitor, local):
    local.change_team("team6", **SHOWN)
    visitor.choose_tile("user-7")
    visitor.expect_error("team_paused")
    expect(visitor.page.locator("#contact")).to_have_attribute("href", "mailto:ml-platform@example.com")
    visitor.look("error-with-contact")
    visitor.visit("/")
    shown = card(visitor, "team6")
    expect(shown).to_contain_text("Moved to another account this week; open again on Monday.")
    expect(shown).to_contain_text("Data class: restricted")
    # Nothing of it opens, and everything about it can be read.
    expect(shown.get_by_role("link")).to_have_text(["Handbook", "Cost of this month", "ml-platform@example.com"])
    visitor.look("chooser-paused")


def test_a_team_that_asks_for_another_sign_in_has_the_link_to_it(visitor, local):
    local.change_team("team1", authn_contexts=[MFA], **SHOWN)
    visitor.choose_tile("user-1")
    visitor.expect_chooser("Team 2")
    shown = card(visitor, "team1")
    expect(shown).to_contain_text("This team asks for another kind of sign-in than yours")
    visitor.look("chooser-asks-again")
    shown.get_by_role("link", name="Sign in again for Team 1").click()
    expect(visitor.page).to_have_url(re.compile(re.escape(local.idp) + "/sso"))
    visitor.page.locator("#user-1-open").click()
    visitor.expect_studio(profile="user-1-team1")


def test_whom_to_ask_is_told_to_the_entitled_alone(arrive, local):
    local.change_team("team12", **SHOWN)  # Its account id is a number: it cannot be used.
    local.change_team("team1", allowed_cidrs=["192.0.2.0/24"], **SHOWN)
    one = arrive(local)
    one.choose_tile("user-1")
    one.expect_chooser("Team 1", "Team 2")
    one.visit("/teams/team1")
    one.expect_error("network_refused")
    expect(one.page.locator("#contact")).to_have_text("ml-platform@example.com")
    other = arrive(local)
    other.choose_tile("user-2")
    other.expect_studio(profile="user-2-team2")
    for path in ("/teams/team1", "/teams/team12", "/teams/no-such-team"):
        other.visit(path)
        other.expect_error("not_entitled")
        assert "ml-platform" not in other.page.content()
    third = arrive(local)
    third.choose_tile("user-13")
    third.expect_chooser("Team 3")
    expect(card(third, "team12")).to_contain_text("ml-platform@example.com")
    third.visit("/teams/team12")
    third.expect_error("team_invalid")
    expect(third.page.locator("#contact")).to_have_text("ml-platform@example.com")


@pytest.mark.parametrize("number, searched", [(6, False), (7, True)])
def test_the_search_is_there_from_eight_teams_on(visitor, add_teams, number, searched):
    add_teams(number)
    visitor.choose_tile("user-2")
    expect(visitor.page.locator(".cards h2")).to_have_count(number + 1)
    expect(visitor.page.get_by_role("search")).to_have_count(int(searched))


def test_a_search_needs_no_script(arrive, local, add_teams):
    add_teams(12)
    visitor = arrive(local, java_script_enabled=False)
    visitor.choose_tile("user-2")
    visitor.page.get_by_role("button", name="Continue").click()
    expect(visitor.page.locator("#found")).to_have_text("13 teams")
    search = visitor.page.get_by_role("searchbox", name="Search by name, account, Region or label")
    search.fill("VISION restricted")
    visitor.page.get_by_role("button", name="Search").click()
    expect(visitor.page).to_have_url(visitor.local.broker + "/?q=VISION+restricted")
    expect(visitor.page.locator("#found")).to_have_text("0 of your 13 teams · Show all")
    expect(visitor.page.locator("main")).to_contain_text("No team of yours holds every word of VISION restricted.")
    expect(search).to_have_value("VISION restricted")
    for query, found in {
        "vision": ["Vision 000", "Vision 010"],
        "  vision   INTERNAL ": ["Vision 010"],
        "700000000003": ["Support 009", "Speech 011", "Vision 010"],
        "eu-central-1 class: public": ["Fraud 003", "Genomics 006", "Support 009", "Vision 000"],
        "team2": ["Team 2"],
        "models second": ["Team 2"],
    }.items():
        search.fill(query)
        search.press("Enter")
        expect(visitor.page.locator("#found")).to_contain_text(f"{len(found)} of your 13 teams")
        assert sorted(names(visitor)) == sorted(found), query
    visitor.page.get_by_role("link", name="Show all").click()
    expect(visitor.page.locator("#found")).to_have_text("13 teams")


def test_a_search_by_keyboard_with_what_a_screen_reader_says(visitor, add_teams):
    add_teams(12)
    visitor.choose_tile("user-2")
    expect(visitor.page.locator("#found")).to_have_text("13 teams")
    keyboard = visitor.page.keyboard
    focused = lambda: visitor.page.evaluate("document.activeElement.id || document.activeElement.innerText")  # noqa: E731
    keyboard.press("Tab")
    assert focused() == "Sign out"
    keyboard.press("Tab")
    assert focused() == "q"
    keyboard.type("genomics")
    keyboard.press("Enter")
    # The page's title is what is read first, then the status.
    expect(visitor.page).to_have_title(re.compile("^1 of 13 teams"))
    expect(visitor.page.get_by_role("status")).to_contain_text("1 of your 13 teams")
    told = visitor.page.locator("main").aria_snapshot()
    assert '- search' in told and 'searchbox "Search by name, account, Region or label"' in told, told
    assert 'heading "Genomics 006" [level=2]' in told, told
    seen = []
    for _ in range(9):
        keyboard.press("Tab")
        seen.append(focused())
    expected = ["q", "Search", "Show all", "Genomics 006", "JupyterLab", "Code Editor", "Handbook", "genomics@example.com"]
    assert seen[1:9] == expected, seen
    visitor.look("chooser-search")


@pytest.mark.parametrize(
    "query",
    [
        "x" * 10_000,
        "y " * 5_000,
        "\u202e\u2066vision\u2069",
        "<script>alert(1)</script>\"' onfocus=alert(1) autofocus x=",
        "e\u0301\u0327" * 300,
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \ufeff\u200b\ufdfd",
        "ﷺ" * 200,
        "\x00\x01\x1b[2J\r\nSet-Cookie: a=b",
        "İıſßΣς",
        "%",
        "{{7*7}} ${7*7} {% raw %}",
    ],
)
def test_whatever_is_looked_for_the_page_stays_a_page(visitor, add_teams, query):
    add_teams(12)
    visitor.choose_tile("user-2")
    expect(visitor.page.locator("#found")).to_have_text("13 teams")
    answer = visitor.visit("/?q=" + quote(query, safe=""))
    assert answer.status == 200 and "set-cookie" not in answer.headers
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Your teams")
    expect(visitor.page.locator("#found")).to_contain_text("of your 13 teams")
    value = visitor.page.locator("#q").input_value()
    assert len(value) <= 2 * 128 and not re.search("[\x00-\x1f\u202a-\u202e\u2066-\u2069]", value)
    assert visitor.page.locator("script, [onfocus], [onerror], [autofocus]").count() == 0
    overflow = visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0
    visitor.page.get_by_role("link", name="Show all").click()
    expect(visitor.page.locator("#found")).to_have_text("13 teams")


@pytest.mark.parametrize("query", ["%ff%fe", "q=%ed%a0%80", "", "q", "%00", "q=a&q=b", "q=%20%20"])
def test_a_query_that_is_none_shows_all_teams(visitor, add_teams, query):
    add_teams(12)
    visitor.choose_tile("user-2")
    expect(visitor.page.locator("#found")).to_have_text("13 teams")
    assert visitor.visit("/?" + query).status == 200
    expect(visitor.page.locator("#found")).to_contain_text("13 teams")


def test_three_hundred_teams_are_quick_to_read(visitor, add_teams, local):
    add_teams(300)
    visitor.choose_tile("user-2")
    expect(visitor.page.locator(".cards h2")).to_have_count(301)
    visitor.page.set_viewport_size({"width": 1280, "height": 900})
    visitor.picture("chooser-300")
    visitor.glance("chooser-300")
    visitor.page.emulate_media(color_scheme="dark")
    visitor.picture("chooser-300-dark")
    visitor.page.locator("#q").fill("robotics restricted ap-southeast-2")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator("#found")).to_contain_text("of your 301 teams")
    assert names(visitor) and all(name.startswith("Robotics") for name in names(visitor))


def test_at_two_hundred_per_cent_and_in_print_everything_is_there(arrive, local, add_teams, tmp_path, screenshots):
    add_teams(12)
    # A window of 1280 × 900 at 200 %.
    visitor = arrive(local, viewport={"width": 640, "height": 450}, device_scale_factor=2)
    visitor.choose_tile("user-2")
    expect(visitor.page.locator("#found")).to_have_text("13 teams")
    assert visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    visitor.picture("chooser-200-per-cent")
    # Text alone at 200 %, as WCAG 1.4.4 has it.
    visitor.page.set_viewport_size({"width": 1024, "height": 768})
    visitor.page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    visitor.picture("chooser-text-200-per-cent")
    visitor.page.reload()
    for scheme in ("light", "dark"):
        visitor.page.emulate_media(media="print", color_scheme=scheme)
        colours = visitor.page.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
        assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    expect(visitor.page.get_by_role("search")).to_be_hidden()
    expect(visitor.page.locator(".cards h2")).to_have_count(13)
    visitor.picture("chooser-print")
    assert visitor.page.pdf(path=screenshots / "chooser-print.pdf").startswith(b"%PDF")
