"""The role that the broker assumes in a team's account: what IAM lets it do, and what not.

Every line of a table is one request, in the words of the person who would be surprised.
"""

import dataclasses
import json

import pytest
from cases import (
    ACCOUNT,
    HUB,
    ORGANIZATION,
    SPOKE,
    SPOKE_PARAMETERS,
    TARGET,
    request_tags,
    resource_tags,
    role,
    studio,
    without,
)
from iam import FULL_ACCESS
from render import Refused, load, render

STACK = render(SPOKE / "template.yaml", SPOKE_PARAMETERS)
ADOPTING = render(SPOKE / "template.yaml", {**SPOKE_PARAMETERS, "AdoptProfiles": "true"})

# ---------------------------------------------------------------- who may come in

COMING_IN = {
    "aws:PrincipalArn": HUB,
    "aws:PrincipalOrgID": ORGANIZATION,
    "sts:ExternalId": "spoke-2",
    "sts:RoleSessionName": "ann",
    **request_tags(Team="team1", User="ann"),
}
TAGGING = without(COMING_IN, "sts:ExternalId", "sts:RoleSessionName")


def changed(**changes):
    keys = {
        "team": "aws:RequestTag/Team",
        "user": "aws:RequestTag/User",
        "keys": "aws:TagKeys",
        "transitive": "sts:TransitiveTagKeys",
        "external_id": "sts:ExternalId",
        "name": "sts:RoleSessionName",
        "organization": "aws:PrincipalOrgID",
        "principal": "aws:PrincipalArn",
    }
    return {keys[name]: value for name, value in changes.items()}


def assume(iam, stack, principal, context, action="sts:AssumeRole"):
    # Its own account lets this principal do anything: so the trust policy alone decides.
    return iam.decide(
        principal,
        action,
        TARGET,
        context,
        resource_policy=stack.trust("TargetRole"),
        identity={"everything": FULL_ACCESS},
    )


@pytest.mark.parametrize(
    "context",
    [
        COMING_IN,
        {**COMING_IN, **changed(team="team1b")},
        {**COMING_IN, **changed(team="team2")},
        {**COMING_IN, **changed(user="ann.b=c,d@e", name="ann.b=c,d@e")},
    ],
)
def test_the_broker_comes_in_as_one_user_in_one_listed_team(iam, context):
    assert assume(iam, STACK, HUB, context) == "allowed"
    tags = without(context, "sts:ExternalId", "sts:RoleSessionName")
    assert assume(iam, STACK, HUB, tags, "sts:TagSession") == "allowed"


OTHER_ROLE = "arn:aws:iam::111111111111:role/Other"
STRANGER = "arn:aws:iam::999999999999:role/StudioBrokerHub"

NOT_IN = {
    "no tags at all": (HUB, without(COMING_IN, "aws:RequestTag/Team", "aws:RequestTag/User", "aws:TagKeys")),
    "no Team tag": (HUB, {**without(COMING_IN, "aws:RequestTag/Team"), **changed(keys=["User"])}),
    "no User tag": (HUB, {**without(COMING_IN, "aws:RequestTag/User"), **changed(keys=["Team"])}),
    "an empty User tag": (HUB, {**COMING_IN, **changed(user="", name="ann")}),
    "a third tag": (HUB, {**COMING_IN, **request_tags(Team="team1", User="ann", Admin="yes")}),
    "a team of another account": (HUB, {**COMING_IN, **changed(team="team9")}),
    "a team that is part of a listed one's name": (HUB, {**COMING_IN, **changed(team="team")}),
    "a listed team in other case": (HUB, {**COMING_IN, **changed(team="Team1")}),
    "the placeholder for no team": (HUB, {**COMING_IN, **changed(team="-")}),
    "the whole list as one team": (HUB, {**COMING_IN, **changed(team="team1,team1b")}),
    "tags that go on to further roles": (HUB, {**COMING_IN, **changed(transitive=["Team"])}),
    "no external id": (HUB, without(COMING_IN, "sts:ExternalId")),
    "another external id": (HUB, {**COMING_IN, **changed(external_id="spoke-3")}),
    "a session named for somebody else": (HUB, {**COMING_IN, **changed(name="bob")}),
    "another organization": (HUB, {**COMING_IN, **changed(organization="o-somebodyelse")}),
    "no organization": (HUB, without(COMING_IN, "aws:PrincipalOrgID")),
    "another role of the broker's account": (OTHER_ROLE, {**COMING_IN, **changed(principal=OTHER_ROLE)}),
    "a role of that name in a foreign account": (STRANGER, {**COMING_IN, **changed(principal=STRANGER)}),
    "a role of this account": (role("Admin"), {**COMING_IN, **changed(principal=role("Admin"))}),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_IN)
def test_nobody_comes_in_with(iam, case):
    principal, context = NOT_IN[case]
    assert assume(iam, STACK, principal, context) == "denied"


NO_TAGS = {
    "a third tag": {**TAGGING, **request_tags(Team="team1", User="ann", Admin="yes")},
    "an unlisted team": {**TAGGING, **changed(team="team9")},
    "no User tag": {**without(TAGGING, "aws:RequestTag/User"), **changed(keys=["Team"])},
    "transitive tags": {**TAGGING, **changed(transitive=["User"])},
    "another organization": {**TAGGING, **changed(organization="o-somebodyelse")},
}


@pytest.mark.parametrize("case", NO_TAGS)
def test_no_session_is_tagged_with(iam, case):
    assert assume(iam, STACK, HUB, NO_TAGS[case], "sts:TagSession") == "denied"


def test_a_source_identity_is_not_accepted(iam):
    context = without(COMING_IN, "sts:ExternalId", "aws:RequestTag/Team", "aws:RequestTag/User", "aws:TagKeys")  # fmt: skip
    context = {**without(context, "sts:RoleSessionName"), "sts:SourceIdentity": "ann"}
    assert assume(iam, STACK, HUB, context, "sts:SetSourceIdentity") == "denied"


def test_without_teams_nobody_comes_in(iam):
    empty = render(SPOKE / "template.yaml", {"HubRoleArn": HUB, "OrganizationId": ORGANIZATION})
    assert empty.permissions("TargetRole") == {}
    for team in ("", "team1"):
        context = {**COMING_IN, **changed(team=team)}
        assert assume(iam, empty, HUB, context) == "denied"


def test_the_session_name_can_be_left_unbound_where_iam_would_not_take_the_variable(iam):
    unbound = render(SPOKE / "template.yaml", {**SPOKE_PARAMETERS, "BindSessionName": "false"})
    assert assume(iam, unbound, HUB, COMING_IN) == "allowed"
    assert assume(iam, unbound, HUB, {**COMING_IN, **changed(name="bob")}) == "allowed"
    assert assume(iam, unbound, HUB, without(COMING_IN, "sts:ExternalId")) == "denied"


# ---------------------------------------------------------------- what a session may do

OWN = studio("user-profile", "d-one/ann-team1")
CREATE = request_tags(Team="team1", User="ann")
TAGGED_AT_CREATION = {**CREATE, "sagemaker:TaggingAction": "CreateUserProfile"}
MINE = resource_tags(Team="team1", User="ann")
BOBS = resource_tags(Team="team1", User="bob")
REVOKED = {**MINE, **resource_tags(StudioBrokerRevoked="2026-11-28T10:00:00Z")}
UNTAGGED = {}
TO_SAGEMAKER = {"iam:PassedToService": "sagemaker.amazonaws.com"}


def session(iam, stack, action, resource, context, team="team1", user="ann"):
    return iam.decide(
        f"arn:aws:sts::{ACCOUNT}:assumed-role/StudioBrokerTarget/{user or 'nobody'}",
        action,
        resource,
        {
            "aws:PrincipalArn": TARGET,
            "aws:PrincipalAccount": ACCOUNT,
            "aws:PrincipalOrgID": ORGANIZATION,
            **({"aws:PrincipalTag/Team": team} if team else {}),
            **({"aws:PrincipalTag/User": user} if user else {}),
            **context,
        },
        identity=stack.permissions("TargetRole"),
    )


ANN_MAY = {
    "create her profile": ("sagemaker:CreateUserProfile", OWN, CREATE),
    "create it with the team's own tag": ("sagemaker:CreateUserProfile", OWN, request_tags(Team="team1", User="ann", CostCenter="7")),
    "have it tagged at creation": ("sagemaker:AddTags", OWN, TAGGED_AT_CREATION),
    "give it her team's role": ("iam:PassRole", role("studio-broker/Studio-team1"), TO_SAGEMAKER),
    "read it": ("sagemaker:DescribeUserProfile", OWN, MINE),
    "read its tags": ("sagemaker:ListTags", OWN, MINE),
    "learn that a profile is missing": ("sagemaker:DescribeUserProfile", OWN, UNTAGGED),
    "learn that it is somebody else's": ("sagemaker:ListTags", studio("user-profile", "d-one/bob-team1"), BOBS),
    "update it": ("sagemaker:UpdateUserProfile", OWN, MINE),
    "see that it is revoked": ("sagemaker:ListTags", OWN, REVOKED),
    "open it": ("sagemaker:CreatePresignedDomainUrl", OWN, MINE),
    "read her team's domain": ("sagemaker:DescribeDomain", studio("domain", "d-one"), {}),
    "ask who owns a space there": ("sagemaker:DescribeSpace", studio("space", "d-one/anns-space"), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", ANN_MAY)
def test_ann_in_team1_may(iam, case):
    assert session(iam, STACK, *ANN_MAY[case]) == "allowed"


OTHER_DOMAIN = studio("user-profile", "d-two/ann-team2", "us-east-1")
ANN_MAY_NOT = {
    # another person
    "create a profile for bob": ("sagemaker:CreateUserProfile", OWN, request_tags(Team="team1", User="bob")),
    "open bob's profile": ("sagemaker:CreatePresignedDomainUrl", studio("user-profile", "d-one/bob-team1"), BOBS),
    "open a profile whose name looks like hers, but is bob's": ("sagemaker:CreatePresignedDomainUrl", OWN, BOBS),
    "update bob's profile": ("sagemaker:UpdateUserProfile", studio("user-profile", "d-one/bob-team1"), BOBS),
    "open a profile whose owner differs in case": ("sagemaker:CreatePresignedDomainUrl", OWN, resource_tags(Team="team1", User="Ann")),
    # another team
    "create a profile of another team": ("sagemaker:CreateUserProfile", OWN, request_tags(Team="team1b", User="ann")),
    "open her own profile of another team": ("sagemaker:CreatePresignedDomainUrl", studio("user-profile", "d-one/ann-team1b"), resource_tags(Team="team1b", User="ann")),
    "update her own profile of another team": ("sagemaker:UpdateUserProfile", studio("user-profile", "d-one/ann-team1b"), resource_tags(Team="team1b", User="ann")),
    "give a profile another team's role in the same domain": ("iam:PassRole", role("studio-broker/Studio-team1b"), TO_SAGEMAKER),
    "give a profile a role of another domain's team": ("iam:PassRole", role("service-role/Team2Execution"), TO_SAGEMAKER),
    # another domain, Region or account
    "create a profile in another team's domain": ("sagemaker:CreateUserProfile", OTHER_DOMAIN, CREATE),
    "open a profile in another team's domain": ("sagemaker:CreatePresignedDomainUrl", OTHER_DOMAIN, MINE),
    "update a profile in another team's domain": ("sagemaker:UpdateUserProfile", OTHER_DOMAIN, MINE),
    "read a profile in another team's domain": ("sagemaker:DescribeUserProfile", OTHER_DOMAIN, MINE),
    "read tags in another team's domain": ("sagemaker:ListTags", OTHER_DOMAIN, MINE),
    "read another team's domain": ("sagemaker:DescribeDomain", studio("domain", "d-two", "us-east-1"), {}),
    "read spaces of another team's domain": ("sagemaker:DescribeSpace", studio("space", "d-two/s", "us-east-1"), {}),
    "create a profile in that domain id in another Region": ("sagemaker:CreateUserProfile", studio("user-profile", "d-one/ann-team1", "us-east-1"), CREATE),
    "read a domain that begins with the id of hers": ("sagemaker:DescribeDomain", studio("domain", "d-one1"), {}),
    "create a profile in a domain that begins with the id of hers": ("sagemaker:CreateUserProfile", studio("user-profile", "d-one1/ann-team1"), CREATE),
    # tags
    "create a profile without tags": ("sagemaker:CreateUserProfile", OWN, {}),
    "create a profile with the Team tag alone": ("sagemaker:CreateUserProfile", OWN, request_tags(Team="team1")),
    "create a profile with the User tag alone": ("sagemaker:CreateUserProfile", OWN, request_tags(User="ann")),
    "create a profile with an unknown tag": ("sagemaker:CreateUserProfile", OWN, request_tags(Team="team1", User="ann", Admin="yes")),
    "have a new profile tagged for another team": ("sagemaker:AddTags", OWN, {**TAGGED_AT_CREATION, **request_tags(Team="team1b", User="ann")}),
    "have a new profile tagged for bob": ("sagemaker:AddTags", OWN, {**TAGGED_AT_CREATION, **request_tags(Team="team1", User="bob")}),
    "have a new profile of another domain tagged": ("sagemaker:AddTags", OTHER_DOMAIN, TAGGED_AT_CREATION),
    "have a further tag put on it at creation": ("sagemaker:AddTags", OWN, {**request_tags(Team="team1", User="ann", Admin="yes"), "sagemaker:TaggingAction": "CreateUserProfile"}),
    "tag her profile again": ("sagemaker:AddTags", OWN, {**CREATE, **MINE}),
    "put her User tag on bob's profile": ("sagemaker:AddTags", studio("user-profile", "d-one/bob-team1"), {**request_tags(User="ann"), **BOBS}),
    "put a tag on a profile without tags": ("sagemaker:AddTags", OWN, CREATE),
    "pretend another creation while tagging": ("sagemaker:AddTags", OWN, {**CREATE, "sagemaker:TaggingAction": "CreateSpace"}),
    "tag a space": ("sagemaker:AddTags", studio("space", "d-one/anns-space"), {**CREATE, "sagemaker:TaggingAction": "CreateSpace"}),
    "take tags away": ("sagemaker:DeleteTags", OWN, {"aws:TagKeys": ["User"], **MINE}),
    "open a profile without tags": ("sagemaker:CreatePresignedDomainUrl", OWN, UNTAGGED),
    "open a profile with the Team tag alone": ("sagemaker:CreatePresignedDomainUrl", OWN, resource_tags(Team="team1")),
    "open a profile with the User tag alone": ("sagemaker:CreatePresignedDomainUrl", OWN, resource_tags(User="ann")),
    "update a profile without tags": ("sagemaker:UpdateUserProfile", OWN, UNTAGGED),
    "adopt a profile while adoption is off": ("sagemaker:AddTags", OWN, {**request_tags(User="ann"), **resource_tags(Team="team1")}),
    # what an administrator ended
    "open her profile while it is revoked": ("sagemaker:CreatePresignedDomainUrl", OWN, REVOKED),
    "open it while the tag has no value": ("sagemaker:CreatePresignedDomainUrl", OWN, {**MINE, **resource_tags(StudioBrokerRevoked="")}),
    "open it while the tag is written otherwise": ("sagemaker:CreatePresignedDomainUrl", OWN, {**MINE, **resource_tags(studiobrokerrevoked="x")}),
    "take the tag away": ("sagemaker:DeleteTags", OWN, {"aws:TagKeys": ["StudioBrokerRevoked"], **REVOKED}),
    # doors, where the team has none
    "open an MLflow App": ("sagemaker:CreatePresignedMlflowAppUrl", studio("mlflow-app", "app-TEAM1"), {}),
    "open an MLflow tracking server": ("sagemaker:CreatePresignedMlflowTrackingServerUrl", studio("mlflow-tracking-server", "team1"), {}),
    "open a Partner AI App": ("sagemaker:CreatePartnerAppPresignedUrl", studio("partner-app", "app-TEAM10000000"), {}),
    # roles
    "give a profile an administrator's role": ("iam:PassRole", role("Admin"), TO_SAGEMAKER),
    "give a profile a role below her team's": ("iam:PassRole", role("studio-broker/Studio-team1/Admin"), TO_SAGEMAKER),
    "give a profile her team's role name without its path": ("iam:PassRole", role("Studio-team1"), TO_SAGEMAKER),
    "give her team's role to another service": ("iam:PassRole", role("studio-broker/Studio-team1"), {"iam:PassedToService": "lambda.amazonaws.com"}),
    "give her team's role to no named service": ("iam:PassRole", role("studio-broker/Studio-team1"), {}),
    "assume her team's role": ("sts:AssumeRole", role("studio-broker/Studio-team1"), {}),
    # everything else
    "list profiles": ("sagemaker:ListUserProfiles", "*", {}),
    "list domains": ("sagemaker:ListDomains", "*", {}),
    "delete her profile": ("sagemaker:DeleteUserProfile", OWN, MINE),
    "delete a space": ("sagemaker:DeleteSpace", studio("space", "d-one/anns-space"), {}),
    "start an app": ("sagemaker:CreateApp", studio("app", "d-one/ann-team1/JupyterLab/default"), {}),
    "update the domain": ("sagemaker:UpdateDomain", studio("domain", "d-one"), {}),
    "change its own role": ("iam:PutRolePolicy", TARGET, {}),
    "read the mappings": ("dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:222222222222:table/studio-broker-teams", {}),
}  # fmt: skip


@pytest.mark.parametrize("case", ANN_MAY_NOT)
def test_ann_in_team1_may_not(iam, case):
    assert session(iam, STACK, *ANN_MAY_NOT[case]) == "denied"


def of_team(request, team):
    """The same request, as somebody of another team would make it for that team."""
    return json.loads(json.dumps(request).replace('"team1"', f'"{team}"').replace("-team1", f"-{team}"))


ANN_OF_TEAM9_MAY_NOT = {case: of_team(request, "team9") for case, request in ANN_MAY.items()}
NOBODYS = {"no Team": {"team": None}, "no User": {"user": None}}


@pytest.mark.parametrize("case", NOBODYS)
@pytest.mark.parametrize("request_of", ANN_MAY)
def test_a_session_has_nothing_with(iam, case, request_of):
    assert session(iam, STACK, *ANN_MAY[request_of], **NOBODYS[case]) == "denied"


@pytest.mark.parametrize("case", ANN_OF_TEAM9_MAY_NOT)
def test_in_a_team_that_is_not_listed_ann_may_not(iam, case):
    assert session(iam, STACK, *ANN_OF_TEAM9_MAY_NOT[case], team="team9") == "denied"


TEAM2_MAY = {
    "create": ("sagemaker:CreateUserProfile", OTHER_DOMAIN, request_tags(Team="team2", User="ann")),
    "open": ("sagemaker:CreatePresignedDomainUrl", OTHER_DOMAIN, resource_tags(Team="team2", User="ann")),
    "give the role that its row names": ("iam:PassRole", role("service-role/Team2Execution"), TO_SAGEMAKER),
    "read its domain": ("sagemaker:DescribeDomain", studio("domain", "d-two", "us-east-1"), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", TEAM2_MAY)
def test_the_same_person_in_team2_has_team2_instead(iam, case):
    assert session(iam, STACK, *TEAM2_MAY[case], team="team2") == "allowed"


def test_team2_with_a_role_of_its_own_name_may_not_give_one_by_the_other_pattern(iam):
    request = ("iam:PassRole", role("studio-broker/Studio-team2"), TO_SAGEMAKER)
    assert session(iam, STACK, *request, team="team2") == "denied"


# ---------------------------------------------------------------- adoption

ADOPT = {**request_tags(User="ann"), **resource_tags(Team="team1")}
ADOPTION = {
    "a profile of the team without User": ("allowed", OWN, ADOPT),
    "a profile that has an owner": ("denied", OWN, {**request_tags(User="ann"), **BOBS}),
    "a profile that is hers already": ("denied", OWN, {**request_tags(User="ann"), **MINE}),
    "a profile without any tag": ("denied", OWN, request_tags(User="ann")),
    "a profile of another team": ("denied", OWN, {**request_tags(User="ann"), **resource_tags(Team="team1b")}),
    "a profile for bob": ("denied", OWN, {**request_tags(User="bob"), **resource_tags(Team="team1")}),
    "with a further tag": ("denied", OWN, {**ADOPT, **request_tags(User="ann", Admin="yes")}),
    "with the Team tag as well": ("denied", OWN, {**ADOPT, **request_tags(User="ann", Team="team1")}),
    "with no tag": ("denied", OWN, resource_tags(Team="team1")),
    "in another domain": ("denied", OTHER_DOMAIN, ADOPT),
}  # fmt: skip


@pytest.mark.parametrize("case", ADOPTION)
def test_while_adoption_is_on_ann_adopts(iam, case):
    decision, resource, context = ADOPTION[case]
    assert session(iam, ADOPTING, "sagemaker:AddTags", resource, context) == decision


# ---------------------------------------------------------------- doors

APP, SERVER, PARTNER = (
    studio(kind, name) for kind, name in
    (("mlflow-app", "app-TEAM1"), ("mlflow-tracking-server", "team1-runs"), ("partner-app", "app-TEAM10000000"))
)  # fmt: skip
SHARED_SERVER, TEAM2S_APP = studio("mlflow-tracking-server", "of-two"), studio("mlflow-app", "app-TEAM2", "us-east-1")
DOORS = {
    **SPOKE_PARAMETERS,
    "Doors1": f"team1={APP},{SERVER},{PARTNER}",
    "Doors2": f"team2={TEAM2S_APP}",
    # In the last policy, the last slot.
    "Doors32": f"team1,team1b={SHARED_SERVER}",
}
WITH_DOORS = render(SPOKE / "template.yaml", DOORS)
OPENS = {
    APP: ("sagemaker:CreatePresignedMlflowAppUrl", "sagemaker:DescribeMlflowApp"),
    TEAM2S_APP: ("sagemaker:CreatePresignedMlflowAppUrl", "sagemaker:DescribeMlflowApp"),
    SERVER: ("sagemaker:CreatePresignedMlflowTrackingServerUrl", "sagemaker:DescribeMlflowTrackingServer"),
    SHARED_SERVER: ("sagemaker:CreatePresignedMlflowTrackingServerUrl", "sagemaker:DescribeMlflowTrackingServer"),
    PARTNER: ("sagemaker:CreatePartnerAppPresignedUrl", "sagemaker:DescribePartnerApp"),
}
THROUGH = {
    "team1": {APP, SERVER, PARTNER, SHARED_SERVER},
    "team1b": {SHARED_SERVER},
    "team2": {TEAM2S_APP},
    "team9": set(),
}


@pytest.mark.parametrize("team", THROUGH)
@pytest.mark.parametrize("door", OPENS)
def test_each_team_opens_its_own_doors_and_no_other(iam, team, door):
    for action in OPENS[door]:
        expected = "allowed" if door in THROUGH[team] else "denied"
        assert session(iam, WITH_DOORS, action, door, {}, team=team) == expected
        assert session(iam, WITH_DOORS, action, door, {}, team=team, user=None) == "denied"
        assert session(iam, WITH_DOORS, action, door + "2", {}, team=team) == "denied"


NO_DOOR = {
    "delete the tracking server": ("sagemaker:DeleteMlflowTrackingServer", SERVER),
    "stop it": ("sagemaker:StopMlflowTrackingServer", SERVER),
    "change the app": ("sagemaker:UpdateMlflowApp", APP),
    "call the app past its door": ("sagemaker:CallMlflowAppApi", APP),
    "change the partner app": ("sagemaker:UpdatePartnerApp", PARTNER),
    "list apps": ("sagemaker:ListMlflowApps", "*"),
}


@pytest.mark.parametrize("case", NO_DOOR)
def test_through_a_door_nobody_may(iam, case):
    assert session(iam, WITH_DOORS, *NO_DOOR[case], {}) == "denied"


def test_a_door_is_opened_from_the_networks_of_studio_alone(iam):
    narrow = render(SPOKE / "template.yaml", {**DOORS, **MIXED})
    for door, (opening, _) in list(OPENS.items())[:1] + list(OPENS.items())[2:3] + list(OPENS.items())[4:]:
        assert session(iam, narrow, opening, door, internet("203.0.113.9")) == "allowed"
        assert session(iam, narrow, opening, door, internet("192.0.2.1")) == "forbidden"
        assert session(iam, narrow, opening, door, through(STUDIO, "10.3.0.1")) == "forbidden"


def test_a_slot_without_doors_makes_no_statement():
    policies = WITH_DOORS.permissions("TargetRole")
    assert {name for name in policies if name.startswith("Doors")} == {"DoorsPolicy1", "DoorsPolicy4"}
    assert [s["Sid"] for s in policies["DoorsPolicy1"]["Statement"]] == ["Doors1", "Doors2"]
    assert not [name for name in STACK.permissions("TargetRole") if name.startswith("Doors")]


@pytest.mark.parametrize(
    "value",
    [
        "team1", f"team1={APP},", f"={APP}", f"team1={APP}=", "team1=*", f"team1={APP}*", f"*={APP}",
        f"team1={studio('user-profile', 'd-one/ann')}", f"team1={TARGET}", "team1=" + APP.replace("TEAM1", "${aws:username}"),
    ],
)  # fmt: skip
def test_what_is_no_door_is_refused(value):
    with pytest.raises(Refused, match="Doors1"):
        render(SPOKE / "template.yaml", {**SPOKE_PARAMETERS, "Doors1": value})


def test_thirty_teams_of_three_doors_fit_in_the_quotas_of_iam():
    teams = [f"research-{number:03}" for number in range(30)]
    rows = {"Teams1": ",".join(teams[:15]), "Teams2": ",".join(teams[15:]), "Domain2": "d-one", "Region2": "eu-west-1"}
    doors = {
        f"Doors{n}": f"{team}=" + ",".join(
            (studio("mlflow-app", "app-0123456789AB"), studio("mlflow-tracking-server", team), studio("partner-app", "app-0123456789AB"))
        )
        for n, team in enumerate(teams, 1)
    }  # fmt: skip
    stack = render(SPOKE / "template.yaml", {**SPOKE_PARAMETERS, **rows, **MIXED, **ARNS_ALONE, **doors, "AdoptProfiles": "true"})
    policies = stack.permissions("TargetRole")
    assert len(policies) == 2 + 4 + 1
    assert max(map(size, policies.values())) <= 6144
    assert size(stack.trust("TargetRole")) <= 2048


# ---------------------------------------------------------------- limits

GROUPS = {**SPOKE_PARAMETERS, "AllowedSecurityGroupIds": "sg-0aaaaaaa,sg-0bbbbbbb"}
IMAGES = "arn:aws:sagemaker:eu-west-1:222222222222:image/"
ARNS = {
    **SPOKE_PARAMETERS,
    "AllowedImageArns": f"{IMAGES}good-*",
    "AllowedImageVersionArns": "arn:aws:sagemaker:eu-west-1:222222222222:image-version/good/*",
    "AllowedLifecycleConfigArns": "arn:aws:sagemaker:eu-west-1:222222222222:studio-lifecycle-config/idle",
}  # fmt: skip
ARNS_ALONE = {key: value for key, value in ARNS.items() if key not in SPOKE_PARAMETERS}
LIMITS = {
    "no security group": (GROUPS, {}, "allowed"),
    "a listed security group": (GROUPS, {"sagemaker:VpcSecurityGroupIds": ["sg-0aaaaaaa"]}, "allowed"),
    "a foreign security group": (GROUPS, {"sagemaker:VpcSecurityGroupIds": ["sg-0ccccccc"]}, "forbidden"),
    "a foreign one beside a listed one": (GROUPS, {"sagemaker:VpcSecurityGroupIds": ["sg-0aaaaaaa", "sg-0ccccccc"]}, "forbidden"),
    "no image": (ARNS, {}, "allowed"),
    "a listed image": (ARNS, {"sagemaker:ImageArns": [f"{IMAGES}good-one"]}, "allowed"),
    "a foreign image": (ARNS, {"sagemaker:ImageArns": [f"{IMAGES}evil"]}, "forbidden"),
    "a foreign image beside a listed one": (ARNS, {"sagemaker:ImageArns": [f"{IMAGES}good-one", f"{IMAGES}evil"]}, "forbidden"),
    "a foreign image version": (ARNS, {"sagemaker:ImageVersionArns": ["arn:aws:sagemaker:eu-west-1:222222222222:image-version/evil/1"]}, "forbidden"),
    "a listed lifecycle configuration": (ARNS, {"sagemaker:StudioLifecycleConfigArns": [ARNS["AllowedLifecycleConfigArns"]]}, "allowed"),
    "a foreign lifecycle configuration": (ARNS, {"sagemaker:StudioLifecycleConfigArns": [ARNS["AllowedLifecycleConfigArns"] + "2"]}, "forbidden"),
}  # fmt: skip


@pytest.mark.parametrize("case", LIMITS)
def test_a_profile_is_created_and_updated_with(iam, case):
    parameters, context, decision = LIMITS[case]
    stack = render(SPOKE / "template.yaml", parameters)
    create = session(iam, stack, "sagemaker:CreateUserProfile", OWN, {**CREATE, **context})
    update = session(iam, stack, "sagemaker:UpdateUserProfile", OWN, {**MINE, **context})
    assert (create, update) == (decision, decision)


# ---------------------------------------------------------------- networks, for both legs

# The broker makes the URL through the SageMaker API endpoint, the browser uses it through the Studio
# endpoint; on the Internet both have public addresses. IAM is asked on both legs.
API, STUDIO, FOREIGN = "vpce-0aaaaaaa", "vpce-0bbbbbbb", "vpce-0ccccccc"
PRIVATE = {"AllowedVpcEndpointIds": f"{API},{STUDIO}"}
PRIVATE_CIDR = {**PRIVATE, "AllowedVpcSourceCidrs": "10.1.0.0/16,10.2.0.0/16"}
PUBLIC = {"AllowedSourceCidrs": "203.0.113.0/24,198.51.100.7/32"}
MIXED = {**PRIVATE_CIDR, **PUBLIC}


def through(endpoint, address):
    return {"aws:SourceVpce": endpoint, "aws:VpcSourceIp": address}


def internet(address):
    return {"aws:SourceIp": address}


NETWORKS = {
    "anywhere, by default": ({}, internet("192.0.2.1"), "allowed"),
    "the broker's endpoint": (PRIVATE, through(API, "10.9.0.1"), "allowed"),
    "the users' endpoint": (PRIVATE, through(STUDIO, "10.9.0.1"), "allowed"),
    "a foreign endpoint": (PRIVATE, through(FOREIGN, "10.1.0.1"), "forbidden"),
    "the Internet, where endpoints are listed": (PRIVATE, internet("203.0.113.9"), "forbidden"),
    "the broker's private address": (PRIVATE_CIDR, through(API, "10.1.0.1"), "allowed"),
    "a user's private address": (PRIVATE_CIDR, through(STUDIO, "10.2.3.4"), "allowed"),
    "another private address behind the endpoint": (PRIVATE_CIDR, through(STUDIO, "10.3.0.1"), "forbidden"),
    "the right private address in a foreign network": (PRIVATE_CIDR, through(FOREIGN, "10.1.0.1"), "forbidden"),
    "the Internet, where private addresses are listed": (PRIVATE_CIDR, internet("203.0.113.9"), "forbidden"),
    "a user's public address": (PUBLIC, internet("203.0.113.9"), "allowed"),
    "the broker's public address": (PUBLIC, internet("198.51.100.7"), "allowed"),
    "another public address": (PUBLIC, internet("198.51.100.8"), "forbidden"),
    "an endpoint, where public addresses are listed": (PUBLIC, through(API, "10.1.0.1"), "forbidden"),
    "no known network at all": (PUBLIC, {}, "forbidden"),
    "mixed: the broker inside": (MIXED, through(API, "10.1.0.1"), "allowed"),
    "mixed: the user outside": (MIXED, internet("203.0.113.9"), "allowed"),
    "mixed: a stranger inside": (MIXED, through(STUDIO, "10.3.0.1"), "forbidden"),
    "mixed: a stranger outside": (MIXED, internet("192.0.2.1"), "forbidden"),
}  # fmt: skip


@pytest.mark.parametrize("case", NETWORKS)
def test_studio_is_opened_and_used_from(iam, case):
    limits, network, decision = NETWORKS[case]
    stack = render(SPOKE / "template.yaml", {**SPOKE_PARAMETERS, **limits})
    context = {**MINE, **network}
    assert session(iam, stack, "sagemaker:CreatePresignedDomainUrl", OWN, context) == decision


ELSEWHERE = {
    "the broker reads a profile inside": ("sagemaker:DescribeUserProfile", through(API, "10.1.0.1"), "allowed"),
    "it reads one from elsewhere": ("sagemaker:DescribeUserProfile", internet("192.0.2.1"), "forbidden"),
    "it reads one through an endpoint from elsewhere": ("sagemaker:DescribeUserProfile", through(API, "10.3.0.1"), "forbidden"),
    "Studio is opened from elsewhere": ("sagemaker:CreatePresignedDomainUrl", internet("192.0.2.1"), "forbidden"),
    "it is opened inside": ("sagemaker:CreatePresignedDomainUrl", through(STUDIO, "10.2.0.1"), "allowed"),
}  # fmt: skip


@pytest.mark.parametrize("case", ELSEWHERE)
def test_where_everything_is_refused_from_elsewhere(iam, case):
    action, network, decision = ELSEWHERE[case]
    stack = render(SPOKE / "template.yaml", {**SPOKE_PARAMETERS, **MIXED, "DenyAllFromElsewhere": "true"})
    assert session(iam, stack, action, OWN, {**MINE, **network}) == decision


def test_a_network_limit_does_not_widen_what_may_be_opened(iam):
    stack = render(SPOKE / "template.yaml", {**SPOKE_PARAMETERS, **MIXED})
    context = {**BOBS, **internet("203.0.113.9")}
    assert session(iam, stack, "sagemaker:CreatePresignedDomainUrl", OWN, context) == "denied"


# ---------------------------------------------------------------- no condition without a reason


def weakened(policies):
    """The policies with one condition key taken away, or one resource opened; each in turn."""
    for name, policy in policies.items():
        for index, statement in enumerate(policy["Statement"]):
            for operator, keys in statement.get("Condition", {}).items():
                for key in keys:
                    copy = json.loads(json.dumps(policies))
                    condition = copy[name]["Statement"][index]["Condition"]
                    del condition[operator][key]
                    if not condition[operator]:
                        del condition[operator]
                    yield f"{statement['Sid']} {operator} {key}", copy
            if statement.get("Resource", "*") != "*":
                copy = json.loads(json.dumps(policies))
                copy[name]["Statement"][index]["Resource"] = "*"
                yield f"{statement['Sid']} Resource", copy


def idle(policies, decisions):
    """What can be taken away without any decision of the tables changing."""
    before = list(decisions(policies))
    return [
        what
        for what, weaker in weakened(policies)
        if all(now == then for now, then in zip(decisions(weaker), before, strict=True))
    ]


# What refuses nothing that another part of its statement does not refuse as well. A session without
# User equals no User tag; a tag that must equal it is among the keys; a principal is named twice, since Principal becomes an id when the role is
# deleted; a session name that equals the User tag is not empty.
DOUBLED = [
    "CreateOwnProfile StringLike aws:PrincipalTag/User",
    "TagOwnProfileAtCreation StringLike aws:PrincipalTag/User",
    "OpenOwnProfile StringLike aws:PrincipalTag/User",
    "UpdateOwnProfile StringLike aws:PrincipalTag/User",
    "AdoptProfileWithoutUser StringLike aws:PrincipalTag/User",
    "AdoptProfileWithoutUser Null aws:TagKeys",
]
DOUBLED_TRUST = [
    "OneUserInOneTeam ArnEquals aws:PrincipalArn",
    "OneUserInOneTeam StringLike aws:RequestTag/User",
    "TagsOfThatSession ArnEquals aws:PrincipalArn",
]


def test_every_condition_and_resource_of_the_permissions_refuses_something(iam):
    def decisions(policies):
        stack = dataclasses.replace(ADOPTING, resources={"TargetRole": _role_with(policies)})
        for request in [*ANN_MAY.values(), *ANN_MAY_NOT.values()]:
            yield session(iam, stack, *request)
        for request in ANN_OF_TEAM9_MAY_NOT.values():
            yield session(iam, stack, *request, team="team9")
        for request in ANN_MAY.values():
            for nobody in NOBODYS.values():
                yield session(iam, stack, *request, **nobody)
        adopt = ADOPTION["a profile of the team without User"][1:]
        yield session(iam, stack, "sagemaker:AddTags", *of_team(adopt, "team9"), team="team9")
        for _, *request in ADOPTION.values():
            yield session(iam, stack, "sagemaker:AddTags", *request)

    policies = {"Teams1Policy": ADOPTING.permissions("TargetRole")["Teams1Policy"]}
    assert idle(policies, decisions) == DOUBLED


def _role_with(policies):
    documents = [{"PolicyName": name, "PolicyDocument": p} for name, p in policies.items()]
    return {"Type": "AWS::IAM::Role", "Properties": {"Policies": documents}}


def test_every_condition_of_the_trust_policy_refuses_something(iam):
    def decisions(trust):
        stack = dataclasses.replace(
            STACK,
            resources={
                "TargetRole": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {"AssumeRolePolicyDocument": trust},
                }
            },
        )
        for principal, context in NOT_IN.values():
            yield assume(iam, stack, principal, context)
            tags = without(context, "sts:ExternalId", "sts:RoleSessionName")
            yield assume(iam, stack, principal, tags, "sts:TagSession")

    trust = {"Trust": STACK.trust("TargetRole")}
    assert idle(trust, lambda weaker: decisions(weaker["Trust"])) == DOUBLED_TRUST


# ---------------------------------------------------------------- the template itself


def test_the_slots_of_doors_are_alike():
    text = (SPOKE / "template.yaml").read_text()
    slots = [text.split(f"            - HasDoors{n}\n")[1].split("            - !Ref AWS::NoValue\n")[0] for n in range(1, 33)]
    assert {slot.replace(f"Doors{n}", "DoorsN") for n, slot in enumerate(slots, 1)} == {slots[0].replace("Doors1", "DoorsN")}
    parameters = load(SPOKE / "template.yaml")["Parameters"]
    assert len({json.dumps(parameters[f"Doors{n}"]) for n in range(1, 33)}) == 1
    assert "Doors33" not in parameters


def test_the_four_blocks_are_alike():
    text = (SPOKE / "template.yaml").read_text()
    blocks = [text.split(f"  Teams{n}Policy:\n")[1].split("\n\n")[0] for n in range(1, 5)]
    first = blocks[0]
    for n, block in enumerate(blocks[1:], 2):
        expected = first
        for word in ("Teams", "Domain", "Region", "Role"):
            for before in ("Ref ", "${", "Has"):
                expected = expected.replace(f"{before}{word}1", f"{before}{word}{n}")
        assert block == expected


def size(document):
    """Characters of a policy as IAM counts them: without white space between its parts."""
    return len(json.dumps(document, separators=(",", ":")))


def test_as_many_teams_of_a_domain_as_the_readme_says_fit_in_the_quotas_of_iam():
    # Managed policy 6,144 characters; managed policies of a role 10; trust policy 2,048 by default.
    teams = ",".join(f"research-{number:03}" for number in range(TEAMS_IN_A_ROW))
    ones = {f"{name}{n}": value for n in (3, 4) for name, value in (("Teams", "t"), ("Domain", "d-x"), ("Region", "eu-west-1"))}  # fmt: skip
    names = {"Teams1": teams, "Domain1": "d-abcdefghijkl", "Region1": "ap-southeast-1"}
    parameters = {**SPOKE_PARAMETERS, **MIXED, **ARNS, **ones, **names, "AdoptProfiles": "true"}
    stack = render(SPOKE / "template.yaml", parameters)
    policies = stack.permissions("TargetRole")
    assert len(policies) == 5
    assert max(map(size, policies.values())) <= 6144
    assert size(stack.trust("TargetRole")) <= 2048
    assert f"| {TEAMS_IN_A_ROW} teams in a row, everything switched on |" in (SPOKE / "README.md").read_text()


TEAMS_IN_A_ROW = 22


@pytest.mark.parametrize("path", sorted(SPOKE.glob("*.yaml")), ids=lambda path: path.name)
def test_a_template_is_as_large_as_its_command_allows(path):
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html: 51,200 bytes
    # as they are, 1 MB by way of a bucket; test_guide.py asks every command of a larger one for its bucket.
    assert len(path.read_bytes()) <= (1_000_000 if path.name == "template.yaml" else 51_200)


CONTRADICTIONS = {
    "teams without a domain": {"Domain2": "", "Region2": ""},
    "a domain without a Region": {"Region2": ""},
    "a domain without teams": {"Teams2": ""},
    "private addresses without endpoints": {"AllowedVpcSourceCidrs": "10.0.0.0/8"},
    "administrators' roles without their account": {"AdministratorRoleArns": "arn:aws:iam::1" + "1" * 11 + ":role/A"},
    "an account without administrators' roles": {"AdministratorAccountId": "111111111111"},
    "spaces between teams": {"Teams1": "team1, team1b"},
    "a wildcard as a team": {"Teams1": "*"},
    "a variable as a team": {"Teams1": "${aws:PrincipalTag/Team}"},
    "a wildcard as a domain": {"Domain1": "d-*"},
    "a wildcard in a role": {"Role1": "studio-broker/*"},
    "a role with a slash in front": {"Role1": "/studio-broker/Studio-{team}"},
    "tag keys without Team and User": {"TagKeys": "CostCenter"},
    "a wildcard as tag key": {"TagKeys": "Team,User,*"},
    "a user instead of the broker's role": {"HubRoleArn": "arn:aws:iam::111111111111:user/ann"},
    "an account instead of the broker's role": {"HubRoleArn": "arn:aws:iam::111111111111:root"},
    "two boundaries": {"PermissionsBoundaryName": "B", "PermissionsBoundaryArn": "arn:aws:iam::aws:policy/B"},
    "a boundary with a slash in front": {"PermissionsBoundaryName": "/B"},
    "everything refused from nowhere": {"DenyAllFromElsewhere": "true"},
    "addresses that do not exist": {"AllowedSourceCidrs": "999.0.0.0/16"},
    "a prefix that does not exist": {"AllowedSourceCidrs": "203.0.113.0/33"},
    "another template's stack": {"Template": "hub"},
    "a wildcard in the broker's role": {"HubRoleArn": "arn:aws:iam::111111111111:role/*"},
}  # fmt: skip


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_the_stack_is_refused_with(case):
    with pytest.raises(Refused):
        render(SPOKE / "template.yaml", {**SPOKE_PARAMETERS, **CONTRADICTIONS[case]})


def test_a_boundary_that_is_named_is_that_of_each_account():
    for account, region, partition in ((ACCOUNT, "eu-west-1", "aws"), ("333333333333", "cn-north-1", "aws-cn")):
        parameters = {**SPOKE_PARAMETERS, "AdministratorAccountId": "111111111111",
                      "AdministratorRoleArns": "arn:aws:iam::111111111111:role/A", "PermissionsBoundaryName": "boundaries/Studio"}  # fmt: skip
        roles = render(SPOKE / "template.yaml", parameters, region, account).of_type("AWS::IAM::Role")
        assert len(roles) == 3
        for made in roles.values():
            assert made["PermissionsBoundary"] == f"arn:{partition}:iam::{account}:policy/boundaries/Studio"


@pytest.mark.parametrize(
    ("region", "partition"),
    [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")],
)
def test_every_arn_is_in_the_partition_of_the_stack(region, partition):
    hub = HUB.replace("arn:aws:", f"arn:{partition}:")
    parameters = {**SPOKE_PARAMETERS, "HubRoleArn": hub}
    stack = render(SPOKE / "template.yaml", parameters, region=region)
    text = str(stack.resources)
    assert text.count("arn:") == text.count(f"arn:{partition}:")
