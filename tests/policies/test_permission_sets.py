"""The permission sets: administrators have the rights that the guide lists, and nobody gets into Studio by one."""

import re

import pytest
from cases import ACCOUNT, INFRA, ORGANIZATION, request_tags, role, studio
from iam import FULL_ACCESS
from render import Refused, render

TEMPLATE = INFRA / "organization" / "permission-sets.yaml"
PARAMETERS = {
    "InstanceArn": "arn:aws:sso:::instance/ssoins-0123456789abcdef",
    "HubAccountId": "111111111111",
    "HubRegion": "eu-west-1",
}
ADMIN = "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_StudioAdmin_0123456789abcdef"
USER = role("aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_StudioAccount_0123456789abcdef")


def policy(name, **parameters):
    return render(TEMPLATE, {**PARAMETERS, **parameters}).resources[name]["Properties"]["InlinePolicy"]


def test_administrators_have_the_rights_that_the_guide_lists_and_no_other():
    guide = (INFRA / "README.md").read_text()
    section = guide.split("### Rights of administrators\n")[1].split("\n## ")[0]
    listed = set(re.findall(r"`(\w+:[A-Z]\w+)`", section))
    granted = set()
    for statement in policy("Administrators", ManagesGroups="yes")["Statement"]:
        actions = statement["Action"]
        granted |= {actions} if isinstance(actions, str) else set(actions)
    assert granted == listed


TEAMS, STATE = (f"arn:aws:dynamodb:eu-west-1:111111111111:table/studio-broker-{name}" for name in ("teams", "state"))
HERE = {"aws:PrincipalOrgID": ORGANIZATION, "aws:ResourceOrgID": ORGANIZATION}
ADMINISTRATORS = {
    "edit a team": ("dynamodb:UpdateItem", TEAMS, {}, "allowed"),
    "read all teams": ("dynamodb:Scan", TEAMS, {}, "allowed"),
    "look at the state table": ("dynamodb:DescribeTable", STATE, {}, "allowed"),
    "read sessions": ("dynamodb:Scan", STATE, {}, "denied"),
    "forget a response": ("dynamodb:DeleteItem", STATE, {}, "denied"),
    "edit another table": ("dynamodb:UpdateItem", TEAMS.replace("studio-broker", "payroll"), {}, "denied"),
    "ask what the hub may": ("iam:SimulatePrincipalPolicy", role("StudioBrokerHub", "111111111111"), {}, "allowed"),
    "take the doctor role": ("sts:AssumeRole", role("StudioBrokerDoctor"), HERE, "allowed"),
    "take the lifecycle role": ("sts:AssumeRole", role("StudioBrokerLifecycle"), HERE, "allowed"),
    "take it in another organization": ("sts:AssumeRole", role("StudioBrokerLifecycle"), {**HERE, "aws:ResourceOrgID": "o-else"}, "denied"),
    "take the target role": ("sts:AssumeRole", role("StudioBrokerTarget"), HERE, "denied"),
    "make a group": ("identitystore:CreateGroup", "arn:aws:identitystore::111111111111:identitystore/d-1234567890", {}, "denied"),
}  # fmt: skip
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:*"}]}


@pytest.mark.parametrize("case", ADMINISTRATORS)
def test_an_administrator_may(iam, case):
    action, resource, context, expected = ADMINISTRATORS[case]
    beside = {"resource_policy": TRUST} if action == "sts:AssumeRole" else {}
    assert iam.decide(ADMIN, action, resource, context, identity={"StudioAdmin": policy("Administrators")}, **beside) == expected


PROFILE = studio("user-profile", "d-one/ann-team1")
INTO_STUDIO = {
    "open a profile": ("sagemaker:CreatePresignedDomainUrl", PROFILE, {}),
    "open a door": ("sagemaker:CreatePresignedMlflowAppUrl", studio("mlflow-app", "app-1"), {}),
    "connect to a space": ("sagemaker:StartSession", studio("space", "d-one/s"), {}),
    "make a profile": ("sagemaker:CreateUserProfile", PROFILE, request_tags(Team="team1", User="me")),
    "give a profile another owner": ("sagemaker:AddTags", PROFILE, request_tags(User="me")),
    "start an app": ("sagemaker:CreateApp", studio("app", "d-one/ann-team1/JupyterLab/default"), {}),
    "have a script run in everybody's Studio": ("sagemaker:UpdateDomain", studio("domain", "d-one"), {}),
    "become a team": ("sts:AssumeRole", role("studio-broker/Studio-team1"), {}),
    "give a team's role away": ("iam:PassRole", role("studio-broker/Studio-team1"), {"iam:PassedToService": "lambda.amazonaws.com"}),
}  # fmt: skip


@pytest.mark.parametrize("case", INTO_STUDIO)
def test_who_also_has_the_account_never_may(iam, case):
    """Whatever else somebody attaches to the permission set."""
    action, resource, context = INTO_STUDIO[case]
    policies = {"StudioAccount": policy("AccountUsers"), "Everything": FULL_ACCESS}
    assert iam.decide(USER, action, resource, context, identity=policies) == "forbidden"


def test_who_also_has_the_account_looks_around(iam):
    policies = {"StudioAccount": policy("AccountUsers"), "Everything": FULL_ACCESS}
    assert iam.decide(USER, "sagemaker:ListUserProfiles", "*", {}, identity=policies) == "allowed"
    properties = render(TEMPLATE, PARAMETERS).resources["AccountUsers"]["Properties"]
    assert properties["ManagedPolicies"] == ["arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"]


def test_the_output_is_the_pattern_that_the_spokes_take():
    outputs = render(TEMPLATE, PARAMETERS).outputs
    spoke = render(
        INFRA / "spoke" / "template.yaml",
        {"HubRoleArn": "arn:aws:iam::111111111111:role/StudioBrokerHub", "OrganizationId": ORGANIZATION,
         "AdministratorAccountId": "111111111111", "AdministratorRoleArns": outputs["AdministratorRoleArns"]},
    )  # fmt: skip
    assert "LifecycleRole" in spoke.resources
    assert f":{ACCOUNT}:" not in outputs["AdministratorRoleArns"]


def test_an_instance_that_is_none_is_refused():
    with pytest.raises(Refused, match="InstanceArn"):
        render(TEMPLATE, {**PARAMETERS, "InstanceArn": "d-1234567890"})
