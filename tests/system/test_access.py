"""The life of access: by name and for a time, with the right sign-in, ended at once."""

import time
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from world import PUBLIC_URL, authn_request, unique

MFA, PASSWORD = "https://refeds.org/profile/mfa", "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"


def moment(**offset):
    return (datetime.now(timezone.utc) + timedelta(**offset)).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_member(aws, value, **attributes):
    """A user and a team that names them alone."""
    user = unique("member-")
    return user, aws.new_team(members={user: value}, **attributes)


# by name


@pytest.mark.parametrize(
    "value",
    [
        "always",
        "2098-01-31T18:00:00Z",
        {"until": "always", "reason": "the audit", "by": "arn:aws:iam::111111111111:user/ann"},
        {"until": "9999-12-31T23:59:59Z"},
    ],
)
def test_a_member_signs_in_to_the_team(broker, aws, value):
    user, team = as_member(aws, value)
    browser, answer = broker.sign_in(user_id=user)
    assert answer.opens_studio()
    assert browser.get(f"/teams/{team['team_id']}").opens_studio()


@pytest.mark.parametrize(
    "value",
    [
        "2020-01-01T00:00:00Z",
        "2099-01-01T00:00:00",
        "2099-01-01T00:00:00+01:00",
        "Always",
        "",
        4102444800,
        ["always"],
        None,
        {"until": "always", "Until": "2020-01-01T00:00:00Z"},
        {"reason": "no end"},
    ],
)
def test_an_entry_that_is_over_or_cannot_be_read_gives_nothing_and_harms_nobody(broker, aws, value):
    user, team = as_member(aws, value)
    other = unique("other-")
    aws.change_team(team, members={user: value, other: "always"})
    browser, answer = broker.sign_in(user_id=user)
    assert answer.status == 303
    assert browser.get("/").code == "no_team"
    refused = browser.get(f"/teams/{team['team_id']}")
    unknown = browser.get("/teams/there-is-no-such-team")
    assert (refused.status, refused.code) == (unknown.status, unknown.code) == (403, "not_entitled")
    assert broker.sign_in(user_id=other)[1].opens_studio()


@pytest.mark.parametrize("members", ["jane", ["jane"], 7, True, None, b"x"])
def test_members_of_another_type_close_no_team(broker, aws, members):
    team = aws.new_team(members=members)
    assert broker.sign_in(teams=[team["team_id"]])[1].opens_studio()


def test_of_two_keys_for_one_person_the_earlier_end_counts(broker, aws):
    user, team = as_member(aws, "always")
    assert broker.sign_in(user_id=user)[1].opens_studio()
    for other in [{f"default/{user}": "always", user: moment(hours=-1)},
                  {user: "always", f"default/{user}": moment(hours=-1)}]:
        aws.change_team(team, members=other)
        assert broker.sign_in(user_id=user)[0].get(f"/teams/{team['team_id']}").code == "not_entitled"


def test_a_directory_is_part_of_the_name(world, broker, aws):
    idp = world.new_idp(directory="partners", groups_attribute="groups")
    user, team = as_member(aws, "always")
    assert broker.sign_in(user_id=user, issuer=idp)[1].status == 303
    aws.change_team(team, members={f"partners/{user}": "always"})
    assert broker.sign_in(user_id=user, issuer=idp)[1].opens_studio()
    assert broker.sign_in(user_id=user)[1].status == 303


def test_the_idp_bounds_what_a_team_gives(world, broker, aws):
    user, team = as_member(aws, "always")
    idp = world.new_idp(allowed_teams=["another"])
    browser, answer = broker.sign_in(user_id=user, issuer=idp)
    assert answer.status == 303
    assert browser.get(f"/teams/{team['team_id']}").code == "not_entitled"


def test_access_ends_at_its_moment_in_open_sessions_and_on_waiting_pages(broker, aws):
    end = datetime.now(timezone.utc) + timedelta(seconds=4)
    user, team = as_member(aws, end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    aws.settings(profile_delay_ms=60_000)
    browser, answer = broker.sign_in(user_id=user)
    path = f"/teams/{team['team_id']}"
    waiting = browser.get(path) if answer.status == 303 else answer
    assert waiting.status == 200 and "Preparing" in waiting.text
    assert path in browser.get("/").text
    time.sleep(max(0, (end - datetime.now(timezone.utc)).total_seconds()) + 0.05)
    assert browser.get(path).code == "not_entitled"
    assert browser.get("/").code == "no_team"


def test_a_studio_session_is_no_longer_than_the_access(broker, aws):
    def length(value, **attributes):
        user, team = as_member(aws, value, **attributes)
        aws.forget_calls()
        assert broker.sign_in(user_id=user)[1].opens_studio()
        calls = aws.calls(operation="CreatePresignedDomainUrl")
        return calls[-1]["parameters"]["SessionExpirationDurationInSeconds"]

    assert length("always") == 43_200
    assert length("always", session_duration_seconds=3600) == 3600
    assert 7190 <= length(moment(hours=2)) <= 7200
    assert length(moment(minutes=5)) == 1800
    assert length(moment(hours=2), session_duration_seconds=3600) == 3600


def test_the_chooser_says_until_when(broker, aws):
    user, team = as_member(aws, "2098-03-04T05:06:00Z")
    aws.new_team(members={user: "always"})
    browser, answer = broker.sign_in(user_id=user)
    assert answer.status == 303
    page = browser.get("/").text
    assert '<time datetime="2098-03-04T05:06:00Z">2098-03-04 05:06 UTC</time>' in page
    assert page.count("<time") == 1


def test_access_by_another_rule_has_no_end(broker, aws):
    user, team = as_member(aws, moment(minutes=5))
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.opens_studio()
    calls = aws.calls(operation="CreatePresignedDomainUrl")
    assert calls[-1]["parameters"]["SessionExpirationDurationInSeconds"] == 43_200


@pytest.mark.parametrize("how", ["member", "group", "attribute"])
def test_whoever_would_be_entitled_is_told_of_a_mistake_and_the_rest_nothing(broker, aws, how):
    user, group = unique("user-"), unique("group-")
    team = aws.new_team(members={user: "always"}, groups=[group], account_id="short")
    path = f"/teams/{team['team_id']}"
    said = {"user_id": user} if how == "member" else {}
    said |= {"groups": group} if how == "group" else {}
    said |= {"teams": [team["team_id"]]} if how == "attribute" else {}
    browser, _ = broker.sign_in(**said)
    assert browser.get(path).code == "team_invalid"
    assert team["team_id"] in browser.get("/").text
    stranger, _ = broker.sign_in()
    assert stranger.get(path).code == "not_entitled"


def test_a_member_costs_a_warm_sign_in_no_call(world, aws):
    broker = world.serve(STUDIO_BROKER_TEAM_CACHE_SECONDS=300)
    user, team = as_member(aws, "always")
    assert broker.sign_in(user_id=user)[1].opens_studio()
    aws.forget_calls()
    assert broker.sign_in(user_id=user)[1].opens_studio()
    assert sorted(aws.operations()) == ["CreatePresignedDomainUrl", "PutItem"]


def test_a_new_entry_is_noticed_within_the_team_cache(world, aws):
    broker = world.serve(STUDIO_BROKER_TEAM_CACHE_SECONDS=1)
    user, team = unique("user-"), aws.new_team()
    browser, _ = broker.sign_in(user_id=user)
    assert browser.get("/").code == "no_team"
    aws.change_team(team, members={user: "always"})
    time.sleep(1.5)
    assert f"{PUBLIC_URL}/teams/{team['team_id']}" in browser.get("/").links
    aws.change_team(team, members={})
    time.sleep(1.5)
    assert browser.get(f"/teams/{team['team_id']}").code == "not_entitled"


# the right sign-in


def link_to_sign_in(answer):
    (link,) = [link for link in answer.links if "again=1" in link]
    return link.replace("&#38;", "&").replace("&amp;", "&").removeprefix(PUBLIC_URL)


def test_a_team_asks_for_more_than_the_sign_in_gave(world, aws):
    broker = world.serve()
    team = aws.new_team(authn_contexts=[MFA, "urn:other"])
    user, path = unique("user-"), f"/teams/{team['team_id']}"
    said = {"user_id": user, "teams": [team["team_id"]]}
    browser, answer = broker.sign_in(authn_context=PASSWORD, **said)
    assert answer.status == 303 and answer.location.endswith(path)
    refused = browser.get(path)
    assert (refused.status, refused.code) == (403, "authn_context_refused")
    assert browser.get(path, accept="application/json").json["sign_in"].endswith("again=1")
    started = browser.get(link_to_sign_in(refused))
    assert started.status == 302
    request = authn_request(started.location)
    assert request.get("ForceAuthn") == "true"
    assert not request.findall("{*}RequestedAuthnContext")
    response = broker.response(authn_context=MFA, in_response_to=request.get("ID"), **said)
    assert browser.post_from_idp(response).opens_studio()
    assert browser.get(path).opens_studio()


@pytest.mark.parametrize(
    "said, opens",
    [
        ([MFA], True),
        ([PASSWORD, MFA], True),
        ([PASSWORD], False),
        ([], False),
        ([MFA + " "], False),
        ([MFA.upper()], False),
    ],
)
def test_any_statement_of_the_assertion_may_name_the_context(broker, aws, said, opens):
    team = aws.new_team(authn_contexts=[MFA])
    browser, answer = broker.sign_in(teams=[team["team_id"]], authn_context=said or "")
    code = None if answer.opens_studio() else browser.get(f"/teams/{team['team_id']}").code
    assert code == (None if opens else "authn_context_refused")


def test_a_request_or_an_attribute_is_no_authentication_context(broker, aws):
    team = aws.new_team(authn_contexts=[MFA])
    browser, _ = broker.sign_in(
        teams=[team["team_id"]],
        authn_context=PASSWORD,
        attribute=[f"AuthnContextClassRef={MFA}", f"authn_contexts={MFA}"],
    )
    assert browser.get(f"/teams/{team['team_id']}").code == "authn_context_refused"


def test_an_idp_asks_for_every_sign_in_and_in_open_sessions(world, aws):
    broker = world.serve()
    idp, team = world.new_idp(), aws.new_team()
    browser, answer = broker.sign_in(issuer=idp, teams=[team["team_id"]], authn_context=PASSWORD)
    assert answer.opens_studio()
    aws.change_idp(idp, authn_contexts=[MFA])
    for path in ["/", f"/teams/{team['team_id']}"]:
        assert browser.get(path).code == "authn_context_refused"
    refused = broker.sign_in(issuer=idp, teams=[team["team_id"]], authn_context=PASSWORD)[1]
    assert (refused.status, refused.code) == (403, "authn_context_refused")
    assert not refused.cookies
    assert parse_qs(urlsplit(link_to_sign_in(refused)).query)["idp"] == [idp]
    assert broker.sign_in(issuer=idp, teams=[team["team_id"]], authn_context=MFA)[1].opens_studio()


def test_classes_are_requested_only_where_the_idps_item_says_so(world, aws):
    broker = world.serve()
    idp = world.new_idp(authn_contexts=[MFA, PASSWORD], request_authn_contexts=True)
    team = aws.new_team(authn_contexts=[MFA])
    user = unique("user-")
    browser, _ = broker.sign_in(
        issuer=idp, user_id=user, teams=[team["team_id"]], authn_context=PASSWORD
    )

    def requested(path):
        request = authn_request(browser.get(path).location)
        return request.get("ForceAuthn"), [
            element.text for element in request.findall("{*}RequestedAuthnContext/{*}AuthnContextClassRef")
        ]

    refused = browser.get(f"/teams/{team['team_id']}")
    assert requested(link_to_sign_in(refused)) == ("true", [MFA])
    assert requested(f"/saml/login?idp={idp}") == (None, [MFA, PASSWORD])


def test_whoever_is_not_entitled_is_not_told_what_the_team_asks_for(broker, aws):
    team = aws.new_team(authn_contexts=[MFA])
    browser, _ = broker.sign_in(authn_context=PASSWORD)
    assert browser.get(f"/teams/{team['team_id']}").code == "not_entitled"


# ended at once


def tag(aws, team, profile, *keys, remove=False):
    sagemaker = aws.sagemaker(team["account_id"], team["region"])
    found = sagemaker.describe_user_profile(DomainId=team["domain_id"], UserProfileName=profile)
    if remove:
        sagemaker.delete_tags(ResourceArn=found["UserProfileArn"], TagKeys=list(keys))
    else:
        tags = [{"Key": key, "Value": ""} for key in keys]
        sagemaker.add_tags(ResourceArn=found["UserProfileArn"], Tags=tags)


@pytest.mark.parametrize("key", ["StudioBrokerRevoked", "studiobrokerrevoked"])
def test_a_revoked_profile_opens_for_nobody_also_where_it_is_believed_ready(world, aws, key):
    broker, user, team = world.serve(STUDIO_BROKER_TEAM_CACHE_SECONDS=300), unique("user-"), aws.new_team()
    said = {"user_id": user, "teams": [team["team_id"]]}
    browser, answer = broker.sign_in(**said)
    assert answer.opens_studio()
    profile, path = f"{user}-{team['team_id']}", f"/teams/{team['team_id']}"
    tag(aws, team, profile, key)
    fresh = world.serve()
    for door in [browser, broker.sign_in(**said)[0], fresh.sign_in(**said)[0]]:
        refused = door.get(path)
        assert (refused.status, refused.code) == (403, "access_revoked")
    tag(aws, team, profile, key, remove=True)
    assert browser.get(path).opens_studio()


def test_a_revoked_profile_is_not_updated_and_others_learn_nothing_of_it(world, broker, aws):
    user, team = unique("user-"), aws.new_team()
    said = {"user_id": user, "teams": [team["team_id"]]}
    browser, answer = broker.sign_in(**said)
    assert answer.opens_studio()
    tag(aws, team, f"{user}-{team['team_id']}", "StudioBrokerRevoked")
    aws.change_team(team, user_settings={"SecurityGroups": ["sg-1"]})
    aws.forget_calls()
    assert browser.get(f"/teams/{team['team_id']}").code == "access_revoked"
    assert not aws.calls(operation="UpdateUserProfile")
    assert broker.sign_in(teams=[team["team_id"]])[1].opens_studio()
