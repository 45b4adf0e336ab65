"""Items of the tables as administrators leave them: a bad one is refused with where and why, and
harms no other; a change counts when the cache says so."""

import re
import time
from decimal import Decimal

import pytest
from boto3.dynamodb.types import Binary

from world import ACCOUNT, PUBLIC_URL, unique

GROUP = "a-group"


def fault_line(broker, reference):
    (line,) = broker.program.decisions(reference=reference)
    return line["detail"]


@pytest.mark.parametrize(
    "attribute, value",
    [
        ("account_id", 444444444444),
        ("account_id", "44444444444"),
        ("account_id", "44444444444a"),
        ("account_id", None),
        ("region", "Ireland"),
        ("region", "eu-west-1 "),
        ("region", "\u0435u-west-1"),
        ("region", None),
        ("domain_id", "localteam"),
        ("domain_id", "d-UPPER"),
        ("domain_id", None),
        ("execution_role_arn", "arn:aws:iam::999999999999:role/Other"),
        ("execution_role_arn", f"arn:aws-cn:iam::{ACCOUNT}:role/Other"),
        ("execution_role_arn", f"arn:aws:iam::{ACCOUNT}:user/NoRole"),
        ("execution_role_arn", f"arn:aws:iam::{ACCOUNT}:role/Other\n"),
        ("execution_role_arn", None),
        ("broker_role_arn", "arn:aws:iam::999999999999:role/Other"),
        ("broker_role_arn", ""),
        ("groups", "not-a-list"),
        ("groups", [1]),
        ("user_settings", "{}"),
        ("user_settings", {"ExecutionRole": f"arn:aws:iam::{ACCOUNT}:role/Other"}),
        ("user_settings", {"executionrole": "x"}),
        ("user_settings", {"A": {"B": None}}),
        ("user_settings", {"A": b"binary"}),
        ("tags", {"Team": "x"}),
        ("tags", {"user": "x"}),
        ("tags", {"aws:x": "x"}),
        ("tags", {"AWS:x": "x"}),
        ("tags", {"SageMaker:x": "x"}),
        ("tags", {"Cost": "1", "cost": "2"}),
        ("tags", {f"k{n}": "v" for n in range(49)}),
        ("tags", {"k": 1}),
        ("session_duration_seconds", 1799),
        ("session_duration_seconds", 43201),
        ("session_duration_seconds", "3600"),
        ("session_duration_seconds", Decimal("1800.5")),
        ("space_name", "no such name!"),
        ("allowed_cidrs", ["10.0.0.0/33"]),
        ("allowed_cidrs", ["not a network"]),
        ("adopt_profiles", "true"),
        ("enabled", "false"),
        ("enabled", 0),
    ],
)
def test_a_team_with_one_mistake_is_refused_with_its_place_and_harms_no_other(
    broker, aws, attribute, value
):
    team = aws.new_team()
    aws.change_team(team, **{attribute: value})
    if value is None and attribute in aws.teams.get_item(Key={"team_id": team["team_id"]})["Item"]:
        raise AssertionError("the attribute is still there")
    user = unique("user-")
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"], "team3"])
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")
    page = browser.get(f"/teams/{team['team_id']}")
    assert (page.status, page.code) == (503, "team_invalid")
    detail = fault_line(broker, page.reference)
    for part in ["studio-broker-teams", team["team_id"], attribute, "expected"]:
        assert part in detail, detail
    assert attribute not in page.text
    assert browser.get("/").status == 200
    assert f"{PUBLIC_URL}/teams/team3" in browser.get("/").links


def test_a_list_of_networks_that_is_empty_lets_nobody_in_or_is_a_mistake(broker, aws):
    team = aws.new_team(allowed_cidrs=[])
    browser, _ = broker.sign_in(teams=[team["team_id"]])
    assert browser.get(f"/teams/{team['team_id']}").code in ("network_refused", "team_invalid")


def test_unknown_attributes_are_ignored_with_a_warning(broker, aws):
    team = aws.new_team(colour_of_the_door="red")
    assert broker.sign_in(teams=[team["team_id"]])[1].opens_studio()
    assert any(
        line.get("level") == "WARN"
        and "colour_of_the_door" in str(line)
        and team["team_id"] in str(line)
        for line in broker.program.log()
    )


@pytest.mark.parametrize(
    "value",
    [None, {1, 2}, Binary(b"x"), {"inside": None}, [Decimal("1e-120")], Decimal("1." + "3" * 37)],
    ids=["null", "numbers", "binary", "null inside", "small number", "long number"],
)
def test_an_attribute_that_nobody_knows_may_be_of_any_type(broker, aws, value):
    team, idp = aws.new_team(note=value), broker.world.new_idp(note=value)
    assert broker.sign_in(issuer=idp, teams=[team["team_id"]])[1].opens_studio()


def test_every_optional_attribute_may_be_there(broker, aws):
    team = aws.new_team(
        display_name="A team",
        description="Its description",
        external_id="x" * 10,
        groups={"one", "two"},
        user_settings={},
        tags={f"key{n}": "v" for n in range(48)},
        session_duration_seconds=1800,
        landing_uri="studio::",
        allowed_cidrs={"127.0.0.1/32", "2001:db8::/32"},
        adopt_profiles=False,
        enabled=True,
        paused_reason="none",
        revision=7,
    )
    assert broker.sign_in(teams=[team["team_id"]])[1].opens_studio()


@pytest.mark.parametrize(
    "attribute, value",
    [
        ("metadata_xml", None),
        ("metadata_xml", "<no metadata/>"),
        ("metadata_xml", ""),
        ("allowed_teams", None),
        ("allowed_teams", "*"),
        ("directory", "Upper"),
        ("directory", "x" * 33),
        ("directory", ""),
        ("identity_store_id", "store"),
        ("identity_store_region", "Ireland"),
        ("denied_users", "user"),
        ("allow_unsolicited", "yes"),
        ("handoff", "maybe"),
        ("require_signed", "none"),
        ("enabled", "true"),
        ("portal_url", "javascript:alert(1)"),
        ("portal_url", "http://portal.example.com/"),
    ],
)
def test_an_idp_with_one_mistake_is_refused_with_its_place(broker, aws, attribute, value):
    idp = broker.world.new_idp()
    aws.change_idp(idp, **{attribute: value})
    _, answer = broker.sign_in(issuer=idp, teams=["team3"])
    assert (answer.status, answer.code) == (503, "idp_invalid")
    detail = fault_line(broker, answer.reference)
    for part in ["studio-broker-idps", idp, attribute, "expected"]:
        assert part in detail, detail
    assert broker.sign_in(teams=["team3"])[1].opens_studio()


@pytest.mark.parametrize(
    "change",
    [
        lambda xml: xml.replace('Location="http://127.0.0.1', 'Location="http://idp.example.com'),
        lambda xml: xml + xml.partition("?>")[2],
        lambda xml: re.sub(r"<md:KeyDescriptor.*</md:KeyDescriptor>", "", xml, flags=re.S),
        lambda xml: xml.replace('use="signing"', 'use="encryption"'),
        lambda xml: "<!DOCTYPE x []>" + xml.partition("?>")[2],
        lambda xml: xml[:-30],
    ],
    ids=["plain-http", "two", "no-key", "encryption-key-only", "doctype", "cut"],
)
def test_metadata_that_breaks_a_rule_is_refused(broker, aws, change):
    idp = broker.world.new_idp(change)
    _, answer = broker.sign_in(issuer=idp)
    assert (answer.status, answer.code) == (503, "idp_invalid")


@pytest.mark.parametrize(
    "change",
    [
        lambda xml: "\ufeff" + xml,
        lambda xml: xml.replace("<md:IDPSSODescriptor", "<!-- a comment --><md:IDPSSODescriptor"),
        lambda xml: xml.replace(' use="signing"', ""),
        lambda xml: xml.replace(
            "<md:EntityDescriptor", '<md:EntityDescriptor validUntil="2001-01-01T00:00:00Z"'
        ),
        lambda xml: xml.replace(
            "</md:EntityDescriptor>",
            '<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
            '<md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" '
            'Location="https://x.example/" index="0"/></md:SPSSODescriptor></md:EntityDescriptor>',
        ),
    ],
    ids=["bom", "comment", "key-without-use", "valid-until", "another-role"],
)
def test_what_does_no_harm_in_metadata_is_accepted(broker, aws, change):
    idp = broker.world.new_idp(change)
    assert broker.sign_in(issuer=idp)[1].status == 303


def test_what_administrators_write_is_text_on_pages_and_never_markup(broker, aws):
    hostile = "<script>alert('x')</script>\"&'"
    team = aws.new_team(
        display_name=hostile, description=hostile, enabled=False, paused_reason=hostile
    )
    browser, _ = broker.sign_in(teams=[team["team_id"], "team3"], name_id=hostile)
    for page in [browser.get("/"), browser.get(f"/teams/{team['team_id']}")]:
        assert "<script" not in page.text
        assert "alert(" in page.text


def test_five_hundred_groups_pass(broker, aws):
    aws.new_team(groups=["group-499-of-many"])
    groups = ",".join(f"group-{n}-of-many" for n in range(500))
    assert broker.sign_in(groups=groups)[1].opens_studio()


def test_as_many_teams_as_a_person_can_have_are_shown(broker, aws):
    teams = [aws.new_team()["team_id"] for _ in range(130)]
    browser, answer = broker.sign_in(teams=teams)
    assert answer.location == f"{PUBLIC_URL}/"
    assert {f"{PUBLIC_URL}/teams/{team}" for team in teams} <= set(browser.get("/").links)


# how old an item may be


def test_a_change_goes_unnoticed_for_as_long_as_the_cache_says_and_no_longer(world, aws):
    broker = world.serve(STUDIO_BROKER_TEAM_CACHE_SECONDS=2)
    idp, team = world.new_idp(), aws.new_team()
    browser, answer = broker.sign_in(issuer=idp, teams=[team["team_id"]])
    assert answer.opens_studio()
    aws.change_team(team, enabled=False)
    time.sleep(2.2)
    assert browser.get(f"/teams/{team['team_id']}").code == "team_paused"
    aws.change_idp(idp, enabled=False)
    time.sleep(2.2)
    assert browser.get(f"/teams/{team['team_id']}").code == "session_void"


def test_what_was_missing_or_wrong_is_looked_at_again_after_two_seconds(world, aws):
    broker = world.serve(STUDIO_BROKER_TEAM_CACHE_SECONDS=300)
    team = aws.new_team(account_id="wrong")
    later, idp = unique("t"), world.new_idp(require_signed="wrong")
    browser, _ = broker.sign_in(teams=[team["team_id"], later])
    assert browser.get(f"/teams/{team['team_id']}").code == "team_invalid"
    assert browser.get(f"/teams/{later}").code == "not_entitled"
    assert broker.sign_in(issuer=idp)[1].code == "idp_invalid"
    aws.change_team(team, account_id=ACCOUNT)
    aws.new_team(team_id=later)
    aws.change_idp(idp, require_signed="either")
    time.sleep(2.2)
    assert browser.get(f"/teams/{team['team_id']}").opens_studio()
    assert browser.get(f"/teams/{later}").opens_studio()
    assert broker.sign_in(issuer=idp)[1].status == 303


def test_a_team_that_gets_a_group_is_found_by_it(world, aws):
    broker = world.serve(STUDIO_BROKER_TEAM_CACHE_SECONDS=1)
    group, team = unique("group-"), aws.new_team()
    browser, _ = broker.sign_in(groups=group)
    assert browser.get("/").status == 403
    aws.change_team(team, groups=[group])
    time.sleep(1.5)
    assert f"{PUBLIC_URL}/teams/{team['team_id']}" in browser.get("/").links
    aws.change_team(team, groups=["another"])
    time.sleep(1.5)
    assert browser.get(f"/teams/{team['team_id']}").code == "not_entitled"


# slow tables


@pytest.mark.parametrize("path", ["/", "/teams/team3"])
def test_nobody_waits_longer_than_two_seconds_for_slow_tables(broker, aws, path):
    browser = broker.signed_in(user_id=unique("user-"), teams=["team1", "team3"])
    aws.fault(service="dynamodb", effect="delay", ms=1400)
    started = time.monotonic()
    browser.get(path)
    assert time.monotonic() - started < 3.5, "three reads one after the other"


def test_nobody_waits_longer_than_two_seconds_to_sign_in_with_slow_tables(broker, aws):
    response = broker.response(user_id=unique("user-"), teams=["team3"])
    aws.fault(service="dynamodb", effect="delay", ms=1450)
    started = time.monotonic()
    broker.browser().post_from_idp(response)
    assert time.monotonic() - started < 2.85, "read and write one after the other"
