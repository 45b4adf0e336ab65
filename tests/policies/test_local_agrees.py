"""The simulated AWS of `studio-broker local` and the template decide alike.

The same calls go by boto3 to the simulated AWS, and as the IAM requests that they cause to the
rendered spoke. So whoever works against `local` meets the permissions of a real account.
"""

import importlib.util
import pathlib

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cases import SPOKE, request_tags, resource_tags, role, studio
from iam import FULL_ACCESS
from render import render

path = pathlib.Path(__file__).resolve().parents[1] / "boto3" / "conftest.py"
spec = importlib.util.spec_from_file_location("local_aws", path)
local_aws = importlib.util.module_from_spec(spec)
spec.loader.exec_module(local_aws)

HUB = "arn:aws:iam::111111111111:role/StudioBrokerHub"
ORGANIZATION = "o-localhub01"
# Where the story's teams live, as a spoke would be deployed there.
SPOKES = {
    "222222222222": render(
        SPOKE / "template.yaml",
        {
            "HubRoleArn": HUB,
            "OrganizationId": ORGANIZATION,
            "Teams1": "team1",
            "Domain1": "d-localteam001",
            "Region1": "us-east-1",
            "Role1": "Team1Execution",
            "TagKeys": "Team,User,CostCenter",
        },
        region="us-east-1",
    ),
    "333333333333": render(
        SPOKE / "template.yaml",
        {
            "HubRoleArn": HUB,
            "OrganizationId": ORGANIZATION,
            "ExternalId": "team2-external-id",
            "Teams1": "team2",
            "Domain1": "d-localteam002",
            "Region1": "eu-west-1",
            "Role1": "Team2Execution",
        },
        account="333333333333",
    ),
}


@pytest.fixture(scope="module")
def endpoint():
    process, ready = local_aws.start("--aws-only")
    yield ready["aws_endpoint"]
    process.terminate()
    assert process.wait(10) == 0


@pytest.fixture(scope="module")
def client(endpoint):
    def make(service, credentials=None):
        credentials = credentials or {"AccessKeyId": "broker", "SecretAccessKey": "any"}
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}),
        )

    return make


def is_allowed(call, **parameters):
    """Whether the simulated AWS lets a call through, whatever becomes of it then."""
    try:
        call(**parameters)
    except ClientError as refused:
        code = refused.response["Error"]["Code"]
        return code not in ("AccessDenied", "AccessDeniedException")
    return True


def tags(**values):
    return [{"Key": key, "Value": value} for key, value in values.items()]


# ---------------------------------------------------------------- AssumeRole

OPENINGS = {
    "both tags": ("222222222222", {"Tags": tags(Team="team1", User="ann")}),
    "no Team": ("222222222222", {"Tags": tags(User="ann")}),
    "no User": ("222222222222", {"Tags": tags(Team="team1")}),
    "a third tag": ("222222222222", {"Tags": tags(Team="team1", User="ann", Admin="yes")}),
    "a team of another account": ("222222222222", {"Tags": tags(Team="team2", User="ann")}),
    "transitive tags": ("222222222222", {"Tags": tags(Team="team1", User="ann"), "TransitiveTagKeys": ["Team"]}),
    "another session name": ("222222222222", {"Tags": tags(Team="team1", User="ann"), "RoleSessionName": "bob"}),
    "the external id": ("333333333333", {"Tags": tags(Team="team2", User="ann"), "ExternalId": "team2-external-id"}),
    "no external id": ("333333333333", {"Tags": tags(Team="team2", User="ann")}),
    "another external id": ("333333333333", {"Tags": tags(Team="team2", User="ann"), "ExternalId": "other"}),
}  # fmt: skip


@pytest.mark.parametrize("case", OPENINGS)
def test_assume_role_is_decided_alike_with(iam, client, case):
    account, parameters = OPENINGS[case]
    target = role("StudioBrokerTarget", account)
    sent = {"RoleArn": target, "RoleSessionName": "ann", **parameters}
    asked = {t["Key"]: t["Value"] for t in sent["Tags"]}
    session = {"aws:PrincipalArn": HUB, "aws:PrincipalOrgID": ORGANIZATION, **request_tags(**asked)}
    if "TransitiveTagKeys" in sent:
        session["sts:TransitiveTagKeys"] = sent["TransitiveTagKeys"]
    opening = {**session, "sts:RoleSessionName": sent["RoleSessionName"]}
    if "ExternalId" in sent:
        opening["sts:ExternalId"] = sent["ExternalId"]
    decisions = {
        iam.decide(
            HUB,
            action,
            target,
            context,
            resource_policy=SPOKES[account].trust("TargetRole"),
            identity={"everything": FULL_ACCESS},
        )
        for action, context in (("sts:AssumeRole", opening), ("sts:TagSession", session))
    }
    assert is_allowed(client("sts").assume_role, **sent) == (decisions == {"allowed"})


# ---------------------------------------------------------------- SageMaker


def profile(name):
    return studio("user-profile", f"d-localteam001/{name}", "us-east-1")


def of(name, domain="d-localteam001"):
    return {"DomainId": domain, "UserProfileName": name}


def creation(name, role_name, **values):
    """A CreateUserProfile call and the three requests that it causes."""
    context = request_tags(**values) if values else {}
    parameters = {**of(name), "UserSettings": {"ExecutionRole": role(role_name)}}
    return (
        "create_user_profile",
        {**parameters, "Tags": tags(**values)} if values else parameters,
        [
            ("sagemaker:CreateUserProfile", profile(name), context),
            *(
                [
                    (
                        "sagemaker:AddTags",
                        profile(name),
                        {**context, "sagemaker:TaggingAction": "CreateUserProfile"},
                    )
                ]
                if values
                else []
            ),
            (
                "iam:PassRole",
                role(role_name),
                {"iam:PassedToService": "sagemaker.amazonaws.com"},
            ),
        ],
    )


def adding(name, owner, **values):
    return (
        "add_tags",
        {"ResourceArn": profile(name), "Tags": tags(**values)},
        [("sagemaker:AddTags", profile(name), {**request_tags(**values), **owner})],
    )


def on(operation, action, name, owner):
    return operation, of(name), [(action, profile(name), owner)]


ANNS = resource_tags(Team="team1", User="ann")
BOBS = resource_tags(Team="team1", User="bob")
OTHER_DOMAIN = studio("user-profile", "d-localteam002/ann", "us-east-1")
# In this order: ann's and bob's profiles come first, each made in its owner's session.
CALLS = {
    "make her profile": creation("ann-team1", "Team1Execution", Team="team1", User="ann", CostCenter="1"),
    "make one without tags": creation("x1", "Team1Execution"),
    "make one for bob": creation("x2", "Team1Execution", Team="team1", User="bob"),
    "make one of another team": creation("x3", "Team1Execution", Team="team2", User="ann"),
    "make one with an unknown tag": creation("x4", "Team1Execution", Team="team1", User="ann", Admin="yes"),
    "make one with a foreign role": creation("x5", "Admin", Team="team1", User="ann"),
    "make one in another domain": (
        "create_user_profile",
        {**of("ann", "d-localteam002"), "Tags": tags(Team="team1", User="ann"), "UserSettings": {"ExecutionRole": role("Team1Execution")}},
        [("sagemaker:CreateUserProfile", OTHER_DOMAIN, request_tags(Team="team1", User="ann"))],
    ),
    "read hers": on("describe_user_profile", "sagemaker:DescribeUserProfile", "ann-team1", ANNS),
    "read bob's": on("describe_user_profile", "sagemaker:DescribeUserProfile", "bob-team1", BOBS),
    "read a missing one": on("describe_user_profile", "sagemaker:DescribeUserProfile", "nobody", {}),
    "read her tags": ("list_tags", {"ResourceArn": profile("ann-team1")}, [("sagemaker:ListTags", profile("ann-team1"), ANNS)]),
    "open hers": on("create_presigned_domain_url", "sagemaker:CreatePresignedDomainUrl", "ann-team1", ANNS),
    "open bob's": on("create_presigned_domain_url", "sagemaker:CreatePresignedDomainUrl", "bob-team1", BOBS),
    "open a missing one": on("create_presigned_domain_url", "sagemaker:CreatePresignedDomainUrl", "nobody", {}),
    "update hers": on("update_user_profile", "sagemaker:UpdateUserProfile", "ann-team1", ANNS),
    "update bob's": on("update_user_profile", "sagemaker:UpdateUserProfile", "bob-team1", BOBS),
    "tag hers again": adding("ann-team1", ANNS, Team="team1", User="ann"),
    "take bob's over": adding("bob-team1", BOBS, User="ann"),
    "delete hers": on("delete_user_profile", "sagemaker:DeleteUserProfile", "ann-team1", ANNS),
    "list profiles": ("list_user_profiles", {}, [("sagemaker:ListUserProfiles", "*", {})]),
    "read her domain": (
        "describe_domain",
        {"DomainId": "d-localteam001"},
        [("sagemaker:DescribeDomain", studio("domain", "d-localteam001", "us-east-1"), {})],
    ),
    "read another domain": (
        "describe_domain",
        {"DomainId": "d-localteam002"},
        [("sagemaker:DescribeDomain", studio("domain", "d-localteam002", "us-east-1"), {})],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def sagemaker(client):
    """SageMaker as ann in team1 meets it, with a profile of hers and one of bob's."""
    clients = {}
    for user in ("ann", "bob"):
        credentials = client("sts").assume_role(
            RoleArn=role("StudioBrokerTarget"),
            RoleSessionName=user,
            Tags=tags(Team="team1", User=user),
        )["Credentials"]
        clients[user] = client("sagemaker", credentials)
        _, made, _ = creation(f"{user}-team1", "Team1Execution", Team="team1", User=user)
        clients[user].create_user_profile(**made)
    return clients["ann"]


@pytest.mark.parametrize("case", CALLS)
def test_ann_in_team1_is_let_or_refused_alike_to(iam, sagemaker, case):
    operation, parameters, requests = CALLS[case]
    decisions = {
        iam.decide(
            "arn:aws:sts::222222222222:assumed-role/StudioBrokerTarget/ann",
            action,
            resource,
            {
                "aws:PrincipalTag/Team": "team1",
                "aws:PrincipalTag/User": "ann",
                **context,
            },
            identity=SPOKES["222222222222"].permissions("TargetRole"),
        )
        for action, resource, context in requests
    }
    assert is_allowed(getattr(sagemaker, operation), **parameters) == (decisions == {"allowed"})


def test_a_revoked_profile_is_opened_by_neither_and_read_by_both(iam, client, sagemaker):
    account = client("sagemaker", {"AccessKeyId": "222222222222", "SecretAccessKey": "any"})
    revoked = {**ANNS, **resource_tags(StudioBrokerRevoked="now")}
    calls = {
        "open hers": CALLS["open hers"],
        "update hers": CALLS["update hers"],
        "read hers": CALLS["read hers"],
        "read her tags": CALLS["read her tags"],
    }
    account.add_tags(ResourceArn=profile("ann-team1"), Tags=tags(StudioBrokerRevoked="now"))
    try:
        for case, (operation, parameters, requests) in calls.items():
            decisions = {
                iam.decide(
                    "arn:aws:sts::222222222222:assumed-role/StudioBrokerTarget/ann", action, resource,
                    {"aws:PrincipalTag/Team": "team1", "aws:PrincipalTag/User": "ann", **revoked},
                    identity=SPOKES["222222222222"].permissions("TargetRole"),
                )
                for action, resource, _ in requests
            }  # fmt: skip
            expected = case != "open hers"
            assert (decisions == {"allowed"}) == expected, case
            assert is_allowed(getattr(sagemaker, operation), **parameters) == expected, case
    finally:
        account.delete_tags(ResourceArn=profile("ann-team1"), TagKeys=["StudioBrokerRevoked"])
    assert is_allowed(sagemaker.create_presigned_domain_url, **of("ann-team1"))
