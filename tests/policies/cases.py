"""The words of the tables: accounts, people, resources, and the condition keys that AWS sends."""

import pathlib

INFRA = pathlib.Path(__file__).resolve().parents[2] / "infra"
SPOKE = INFRA / "spoke"

HUB = "arn:aws:iam::111111111111:role/StudioBrokerHub"
ORGANIZATION = "o-exampleorg1"
ACCOUNT = "222222222222"
TARGET = f"arn:aws:iam::{ACCOUNT}:role/StudioBrokerTarget"

# team1 and team1b share a domain and each has a role of its own; team2 has a domain in another
# Region and a role with a name of its own.
SPOKE_PARAMETERS = {
    "HubRoleArn": HUB,
    "OrganizationId": ORGANIZATION,
    "ExternalId": "spoke-2",
    "Teams1": "team1,team1b",
    "Domain1": "d-one",
    "Region1": "eu-west-1",
    "Teams2": "team2",
    "Domain2": "d-two",
    "Region2": "us-east-1",
    "Role2": "service-role/Team2Execution",
    "TagKeys": "Team,User,CostCenter",
}


def studio(kind, path, region="eu-west-1", account=ACCOUNT):
    """ARN of a SageMaker resource, for example studio("user-profile", "d-one/ann-team1")."""
    return f"arn:aws:sagemaker:{region}:{account}:{kind}/{path}"


def role(name, account=ACCOUNT):
    return f"arn:aws:iam::{account}:role/{name}"


def without(context, *keys):
    return {key: value for key, value in context.items() if key not in keys}


def request_tags(**tags):
    """What a call carries that sets these tags."""
    return {
        **{f"aws:RequestTag/{key}": value for key, value in tags.items()},
        "aws:TagKeys": list(tags),
    }


def resource_tags(**tags):
    """What a call carries whose resource has these tags."""
    return {f"sagemaker:ResourceTag/{key}": value for key, value in tags.items()}
