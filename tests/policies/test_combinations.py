"""Every combination of the options renders, and what it makes is whole.

Rendering fails on a reference to what is not made; the evaluator refuses a malformed policy.
"""

import itertools

import pytest
from cases import HUB, SPOKE, SPOKE_PARAMETERS, studio
from render import render
from test_administrators_roles import ADMINISTRATORS
from test_execution_roles import BUCKET, DOMAIN_PARAMETERS, FURTHER_USES, INSIDE_PARAMETERS, KEY
from test_target_role import ARNS, COMING_IN, GROUPS, MIXED, PRIVATE, PUBLIC, assume

BOUNDARY = {"PermissionsBoundaryArn": "arn:aws:iam::222222222222:policy/Boundary"}


def limit(parameters):
    """The limits of a set of parameters, without its teams."""
    return {key: value for key, value in parameters.items() if key not in SPOKE_PARAMETERS}


ROWS = [
    {},
    {"Teams4": "team1", "Domain4": "d-one", "Region4": "eu-west-1"},
    {key: SPOKE_PARAMETERS[key] for key in SPOKE_PARAMETERS if key[-1].isdigit()},
]
SPOKE_OPTIONS = [
    ROWS,
    [{}, {"ExternalId": "spoke-2"}],
    [{}, {"BindSessionName": "false"}],
    [{}, {"AdoptProfiles": "true"}],
    [{}, limit(GROUPS), {**limit(GROUPS), **limit(ARNS)}],
    [{}, PRIVATE, PUBLIC, {**MIXED, "DenyAllFromElsewhere": "true"}],
    [{}, ADMINISTRATORS],
    [{}, BOUNDARY, {"PermissionsBoundaryName": "p/Boundary"}],
    [{}, {"Doors9": "team1=arn:aws:sagemaker:eu-west-1:222222222222:mlflow-app/app-1"}],
]
TEAM_OPTIONS = [
    [{}, {"RoleName": "Own"}],
    [{}, {"Bucket": "b-1"}, BUCKET],
    [{}, {"KmsKeyArn": KEY}],
    [{}, {"ReadJobLogs": "true"}],
    [{}, INSIDE_PARAMETERS, {**INSIDE_PARAMETERS, "JobsAnywhere": "true"}],
    [{}, FURTHER_USES],
    [{}, {"FurtherPolicyArns": "arn:aws:iam::aws:policy/A,arn:aws:iam::222222222222:policy/B"}],
    [{}, BOUNDARY],
]
DOMAIN_OPTIONS = [
    [{}, {"DomainName": "studio"}],
    [{}, {"KmsKeyArn": KEY}],
    [{}, {"ProfileInCloudTrail": "false"}],
    [{}, {"DomainIdParameter": "/studio-broker/domain-id"}],
    [{}, {"FurtherSecurityGroupIds": "sg-0bbbbbbb"}],
    [{}, {"NetworkAccess": "PublicInternetOnly"}],
    [{}, BOUNDARY],
]


def combinations(options):
    for choice in itertools.product(*options):
        yield {key: value for part in choice for key, value in part.items()}


def documents(stack):
    """Every policy document of a stack, trust policies too."""
    for properties in stack.of_type("AWS::IAM::Role").values():
        yield properties["AssumeRolePolicyDocument"]
        yield from (policy["PolicyDocument"] for policy in properties.get("Policies", []))
    for properties in stack.of_type("AWS::IAM::ManagedPolicy").values():
        yield properties["PolicyDocument"]


def is_whole(value):
    """Whether no value, list or map in it is empty."""
    if isinstance(value, dict):
        return bool(value) and all(map(is_whole, value.values()))
    if isinstance(value, list):
        return bool(value) and all(map(is_whole, value))
    return value != ""


@pytest.mark.parametrize(
    ("name", "required", "options"),
    [
        ("template.yaml", {"HubRoleArn": HUB, "OrganizationId": "o-exampleorg1"}, SPOKE_OPTIONS),
        ("team.yaml", {"TeamId": "team1"}, TEAM_OPTIONS),
        ("domain.yaml", DOMAIN_PARAMETERS, DOMAIN_OPTIONS),
    ],
)
def test_every_combination_of_options_makes_whole_policies(name, required, options):
    for parameters in combinations(options):
        for document in documents(render(SPOKE / name, {**required, **parameters})):
            assert is_whole(document), parameters
            sids = [statement["Sid"] for statement in document["Statement"]]
            assert len(set(sids)) == len(sids), parameters


def test_iam_takes_the_policies_of_every_combination(iam):
    required = {"HubRoleArn": HUB, "OrganizationId": "o-exampleorg1"}
    rows, external_ids, *rest = SPOKE_OPTIONS
    for parameters in combinations([rows[2:], external_ids[1:], *rest]):
        stack = render(SPOKE / "template.yaml", {**required, **parameters})
        assert assume(iam, stack, HUB, COMING_IN) == "allowed"
        answer = iam.decide(
            "arn:aws:sts::222222222222:assumed-role/StudioBrokerTarget/ann",
            "sagemaker:DescribeDomain",
            studio("domain", "d-one"),
            {"aws:PrincipalTag/Team": "team1", "aws:PrincipalTag/User": "ann", "aws:SourceIp": "203.0.113.9"},
            identity=stack.permissions("TargetRole"),
        )
        assert answer == "allowed"
