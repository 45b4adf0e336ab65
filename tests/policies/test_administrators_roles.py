"""The roles that administrators use in a team's account: who may take them, and how far they reach."""

import pytest
from cases import (
    ACCOUNT,
    HUB,
    ORGANIZATION,
    SPOKE,
    SPOKE_PARAMETERS,
    request_tags,
    resource_tags,
    role,
    studio,
)
from iam import FULL_ACCESS
from render import Refused, render
from test_target_role import idle

ADMIN = "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_StudioAdmin_0123456789abcdef"
PATTERN = "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_StudioAdmin_*"
ADMINISTRATORS = {"AdministratorAccountId": "111111111111", "AdministratorRoleArns": PATTERN}
STACK = render(SPOKE / "template.yaml", {**SPOKE_PARAMETERS, **ADMINISTRATORS})
# Whoever writes too wide a pattern still keeps the broker out.
WIDE = render(
    SPOKE / "template.yaml",
    {**SPOKE_PARAMETERS, **ADMINISTRATORS, "AdministratorRoleArns": "arn:aws:iam::111111111111:role/*"},
)
ROLES = {"DoctorRole": role("StudioBrokerDoctor"), "LifecycleRole": role("StudioBrokerLifecycle")}


def assume(iam, stack, name, principal, organization=ORGANIZATION, action="sts:AssumeRole", **more):
    return iam.decide(
        principal,
        action,
        ROLES[name],
        {"aws:PrincipalArn": principal, "aws:PrincipalOrgID": organization, **more},
        resource_policy=stack.trust(name),
        identity={"everything": FULL_ACCESS},
    )


@pytest.mark.parametrize("name", ROLES)
def test_a_named_administrator_takes_the_role(iam, name):
    assert assume(iam, STACK, name, ADMIN) == "allowed"


STRANGERS = {
    "another role of that account": "arn:aws:iam::111111111111:role/Developer",
    "a role that only has the name": "arn:aws:iam::111111111111:role/AWSReservedSSO_StudioAdmin_x",
    "the same role of another account": ADMIN.replace("1" * 12, "9" * 12),
    "a role of the team's account": role("Admin"),
    "a team's execution role": role("studio-broker/Studio-team1"),
    "the target role": role("StudioBrokerTarget"),
}


@pytest.mark.parametrize("case", STRANGERS)
@pytest.mark.parametrize("name", ROLES)
def test_nobody_else_takes_it(iam, name, case):
    assert assume(iam, STACK, name, STRANGERS[case]) == "denied"


@pytest.mark.parametrize("name", ROLES)
def test_an_administrator_of_another_organization_does_not(iam, name):
    assert assume(iam, STACK, name, ADMIN, organization="o-somebodyelse") == "denied"


@pytest.mark.parametrize("name", ROLES)
def test_the_broker_never_takes_it_however_wide_the_pattern(iam, name):
    assert assume(iam, STACK, name, HUB) == "forbidden"
    assert assume(iam, WIDE, name, HUB) == "forbidden"
    assert assume(iam, WIDE, name, ADMIN) == "allowed"


@pytest.mark.parametrize("name", ROLES)
def test_a_session_carries_no_tags(iam, name):
    tags = request_tags(Team="team1", User="ann")
    assert assume(iam, STACK, name, ADMIN, action="sts:TagSession", **tags) == "denied"


def test_without_administrators_there_are_no_such_roles():
    stack = render(SPOKE / "template.yaml", SPOKE_PARAMETERS)
    assert set(stack.of_type("AWS::IAM::Role")) == {"TargetRole"}
    assert set(stack.outputs) == {"TargetRoleArn", "Template"}


OURS = resource_tags(Team="team1", User="ann")
PROFILE = studio("user-profile", "d-one/ann-team1")
ELSEWHERE = studio("user-profile", "d-three/ann")
TO_SAGEMAKER = {"iam:PassedToService": "sagemaker.amazonaws.com"}
READ = {
    "list domains": ("sagemaker:ListDomains", "*", {}),
    "list profiles": ("sagemaker:ListUserProfiles", "*", {}),
    "list apps": ("sagemaker:ListApps", "*", {}),
    "list spaces": ("sagemaker:ListSpaces", "*", {}),
    "read the domain": ("sagemaker:DescribeDomain", studio("domain", "d-one"), {}),
    "read a profile": ("sagemaker:DescribeUserProfile", PROFILE, OURS),
    "read a profile without tags": ("sagemaker:DescribeUserProfile", PROFILE, {}),
    "read its tags": ("sagemaker:ListTags", PROFILE, OURS),
    "read a space": ("sagemaker:DescribeSpace", studio("space", "d-one/s"), {}),
    "read an app": ("sagemaker:DescribeApp", studio("app", "d-one/s/JupyterLab/default"), {}),
}
READ_ROLES = {
    "read a role": ("iam:GetRole", role("studio-broker/Studio-team1"), {}),
    "ask what a role may": ("iam:SimulatePrincipalPolicy", role("StudioBrokerTarget"), {}),
    "read a quota": (
        "servicequotas:GetServiceQuota",
        f"arn:aws:servicequotas:eu-west-1:{ACCOUNT}:sagemaker/L-AC46C40F",
        {},
    ),
}
REVOKE = {"aws:RequestTag/StudioBrokerRevoked": "2026-11-28T10:00:00Z", "aws:TagKeys": ["StudioBrokerRevoked"]}
END = {
    "end what is open": ("sagemaker:AddTags", PROFILE, {**REVOKE, **OURS}),
    "take that back": ("sagemaker:DeleteTags", PROFILE, {"aws:TagKeys": ["StudioBrokerRevoked"], **OURS, **resource_tags(StudioBrokerRevoked="x")}),
    "stop an app": ("sagemaker:DeleteApp", studio("app", "d-one/s/JupyterLab/default"), {}),
    "delete a space": ("sagemaker:DeleteSpace", studio("space", "d-one/s"), {}),
    "delete a profile of the broker's": ("sagemaker:DeleteUserProfile", PROFILE, OURS),
    "repair a profile of the broker's": ("sagemaker:UpdateUserProfile", PROFILE, OURS),
    "give it the team's role back": ("iam:PassRole", role("studio-broker/Studio-team1"), TO_SAGEMAKER),
    "give it a role that a row names": ("iam:PassRole", role("service-role/Team2Execution"), TO_SAGEMAKER),
    "do so in the other domain": ("sagemaker:DeleteApp", studio("app", "d-two/s/JupyterLab/default", "us-east-1"), {}),
}  # fmt: skip
NEITHER = {
    "open a profile": ("sagemaker:CreatePresignedDomainUrl", PROFILE, OURS),
    "create a profile": ("sagemaker:CreateUserProfile", PROFILE, request_tags(Team="team1", User="ann")),
    "tag a profile": ("sagemaker:AddTags", PROFILE, {**request_tags(User="bob"), **OURS}),
    "take tags away": ("sagemaker:DeleteTags", PROFILE, {"aws:TagKeys": ["User"], **OURS}),
    "put another tag beside it": ("sagemaker:AddTags", PROFILE, {**request_tags(StudioBrokerRevoked="x", User="bob"), **OURS}),
    "take another tag away beside it": ("sagemaker:DeleteTags", PROFILE, {"aws:TagKeys": ["StudioBrokerRevoked", "User"], **OURS}),
    "tag with nothing": ("sagemaker:AddTags", PROFILE, OURS),
    "end what is open in a profile that is not the broker's": ("sagemaker:AddTags", PROFILE, REVOKE),
    "end what is open in one without an owner": ("sagemaker:AddTags", PROFILE, {**REVOKE, **resource_tags(Team="team1")}),
    "end what is open in one without a team": ("sagemaker:AddTags", PROFILE, {**REVOKE, **resource_tags(User="ann")}),
    "end what is open in a domain that is not the broker's": ("sagemaker:AddTags", ELSEWHERE, {**REVOKE, **OURS}),
    "tag a space": ("sagemaker:AddTags", studio("space", "d-one/s"), REVOKE),
    "start an app": ("sagemaker:CreateApp", studio("app", "d-one/s/JupyterLab/default"), {}),
    "delete the domain": ("sagemaker:DeleteDomain", studio("domain", "d-one"), {}),
    "delete a profile that is not the broker's": ("sagemaker:DeleteUserProfile", PROFILE, {}),
    "delete a profile without an owner": ("sagemaker:DeleteUserProfile", PROFILE, resource_tags(Team="team1")),
    "delete a profile without a team": ("sagemaker:DeleteUserProfile", PROFILE, resource_tags(User="ann")),
    "delete a profile of a domain that is not the broker's": ("sagemaker:DeleteUserProfile", ELSEWHERE, OURS),
    "stop an app there": ("sagemaker:DeleteApp", studio("app", "d-three/s/JupyterLab/default"), {}),
    "delete a space there": ("sagemaker:DeleteSpace", studio("space", "d-three/s"), {}),
    "give a profile an administrator's role": ("iam:PassRole", role("Admin"), TO_SAGEMAKER),
    "give the team's role to another service": ("iam:PassRole", role("studio-broker/Studio-team1"), {"iam:PassedToService": "lambda.amazonaws.com"}),
    "change a role": ("iam:PutRolePolicy", role("StudioBrokerTarget"), {}),
    "become the broker's role": ("sts:AssumeRole", role("StudioBrokerTarget"), {}),
    "read data": ("s3:GetObject", "arn:aws:s3:::team1-data/a", {}),
}  # fmt: skip


def ask(iam, name, action, resource, context):
    return iam.decide(
        f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLES[name].split('/')[-1]}/admin",
        action,
        resource,
        {"aws:PrincipalArn": ROLES[name], **context},
        identity=STACK.permissions(name),
    )


@pytest.mark.parametrize("case", {**READ, **READ_ROLES})
def test_doctor_may(iam, case):
    assert ask(iam, "DoctorRole", *{**READ, **READ_ROLES}[case]) == "allowed"


@pytest.mark.parametrize("case", {**END, **NEITHER})
def test_doctor_may_not(iam, case):
    assert ask(iam, "DoctorRole", *{**END, **NEITHER}[case]) == "denied"


@pytest.mark.parametrize("case", {**READ, **END})
def test_lifecycle_may(iam, case):
    assert ask(iam, "LifecycleRole", *{**READ, **END}[case]) == "allowed"


@pytest.mark.parametrize("case", {**READ_ROLES, **NEITHER})
def test_lifecycle_may_not(iam, case):
    assert ask(iam, "LifecycleRole", *{**READ_ROLES, **NEITHER}[case]) == "denied"


@pytest.mark.parametrize("row", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["{team}", "{team}{team}", "{team}/{team}", "{team}/"])
def test_a_name_that_fits_every_role_is_refused(name, row):
    with pytest.raises(Refused, match=f"Role{row}"):
        render(SPOKE / "template.yaml", {**SPOKE_PARAMETERS, **ADMINISTRATORS, f"Role{row}": name})


@pytest.mark.parametrize("name", ["Studio-{team}", "{team}-Studio", "{team}/Studio", "p/{team}", "{team}/{team}-x", "Studio"])
def test_a_name_with_a_part_of_its_own_is_taken(name):
    render(SPOKE / "template.yaml", {**SPOKE_PARAMETERS, **ADMINISTRATORS, "Role1": name})


@pytest.mark.parametrize("name", ROLES)
def test_every_condition_and_resource_of_the_role_refuses_something(iam, name):
    requests = [*READ.values(), *READ_ROLES.values(), *END.values(), *NEITHER.values()]

    def decisions(policies):
        for action, resource, context in [*requests, *ELSEWHERE_READ]:
            yield iam.decide(
                f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLES[name].split('/')[-1]}/admin",
                action,
                resource,
                {"aws:PrincipalArn": ROLES[name], **context},
                identity=policies,
            )

    assert idle(STACK.permissions(name), decisions) == ALL_OF_THE_ACCOUNT[name]


# What a wider resource would let through.
ELSEWHERE_READ = [
    ("sagemaker:DescribeUserProfile", ELSEWHERE, {}),
    ("sagemaker:DescribeDomain", studio("domain", "d-three"), {}),
    ("sagemaker:DescribeSpace", studio("space", "d-three/s"), {}),
]
# All of the account: nothing of another account is reached without its own leave anyway.
ALL_OF_THE_ACCOUNT = {"DoctorRole": ["ReadStudio Resource", "ReadRoles Resource"], "LifecycleRole": []}


def test_every_condition_of_the_trust_policies_refuses_something(iam):
    def decisions(trust):
        for principal in (ADMIN, HUB, *STRANGERS.values()):
            for organization in (ORGANIZATION, "o-somebodyelse"):
                for stack_trust in trust.values():
                    yield iam.decide(
                        principal,
                        "sts:AssumeRole",
                        ROLES["DoctorRole"],
                        {"aws:PrincipalArn": principal, "aws:PrincipalOrgID": organization},
                        resource_policy=stack_trust,
                        identity={"everything": FULL_ACCESS},
                    )

    assert idle({"Trust": WIDE.trust("DoctorRole")}, decisions) == DOUBLED
    assert idle({"Trust": STACK.trust("DoctorRole")}, decisions) == []


# So wide a pattern refuses nobody of that account, and the account is the principal.
DOUBLED = ["Administrators ArnLike aws:PrincipalArn"]
