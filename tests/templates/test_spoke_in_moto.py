"""A CloudFormation that nobody here wrote makes the accounts with domains, as far as moto can.

moto checks policy documents as IAM does, and properties of VPCs, subnets and endpoints; it makes no
SageMaker domain.
"""

import json
import sys

import boto3
import pytest
from cloud import plain
from moto import mock_aws
from templates import INFRA, ROOT, resolved, stack

sys.path.insert(0, str(ROOT / "tests" / "policies"))
from cases import ACCOUNT, SPOKE_PARAMETERS  # noqa: E402
from test_administrators_roles import ADMINISTRATORS  # noqa: E402
from test_target_role import ARNS, GROUPS, MIXED  # noqa: E402

REGION = "eu-west-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"


@pytest.fixture(autouse=True)
def aws(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("MOTO_ACCOUNT_ID", ACCOUNT)
    with mock_aws():
        yield


def deploy(name, parameters):
    """What moto makes of a template: the ids of the resources by their logical ids."""
    template = resolved(INFRA / "spoke" / name, parameters, REGION, ACCOUNT)
    formation = boto3.client("cloudformation", region_name=REGION)
    formation.create_stack(
        StackName="stack",
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    made = formation.describe_stack_resources(StackName="stack")["StackResources"]
    # moto gives rules of security groups no ids.
    return {r["LogicalResourceId"]: r.get("PhysicalResourceId") for r in made if "LogicalResourceId" in r}


def canonical(document):
    return json.dumps(plain(document), sort_keys=True)


def roles():
    """Trust and permissions of every role that moto holds."""
    iam = boto3.client("iam", region_name=REGION)
    found = {}
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        documents = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            arn = policy["PolicyArn"]
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            got = iam.get_policy_version(PolicyArn=arn, VersionId=version)
            documents.append(got["PolicyVersion"]["Document"])
        trust = canonical(role["AssumeRolePolicyDocument"])
        found[name] = (role["Arn"], trust, set(map(canonical, documents)))
    return found


ROLES = {
    "spoke": ("template.yaml", SPOKE_PARAMETERS),
    "spoke with everything": ("template.yaml", {**SPOKE_PARAMETERS, **ADMINISTRATORS, **MIXED, **ARNS, **GROUPS, "AdoptProfiles": "true"}),
    "team": ("team.yaml", {"TeamId": "team1"}),
    "team with everything": ("team.yaml", {"TeamId": "team1", "RoleName": "Own", "KmsKeyArn": KEY, "ReadJobLogs": "true", "Bucket": "b-1", "BucketPrefix": "a/b"}),
}  # fmt: skip


@pytest.mark.parametrize("case", ROLES)
def test_iam_holds_the_roles_that_the_policy_tests_decide_with(case):
    name, parameters = ROLES[case]
    deploy(name, parameters)
    expected = stack(INFRA / "spoke" / name, parameters, REGION, ACCOUNT)
    assert roles() == {
        properties["RoleName"]: (
            f"arn:aws:iam::{ACCOUNT}:role{properties.get('Path', '/')}{properties['RoleName']}",
            canonical(expected.trust(role)),
            set(map(canonical, expected.permissions(role).values())),
        )
        for role, properties in expected.of_type("AWS::IAM::Role").items()
    }


NETWORKS = {
    "isolated": {"FlowLogDays": "0"},
    "one NAT gateway": {"FlowLogDays": "0", "Internet": "one-nat", "Zones": "3"},
    "everything": {"Internet": "nat-in-each-zone", "Zones": "3", "ClientCidr": "10.20.0.0/16", "OrganizationId": "o-exampleorg1"},
}  # fmt: skip


@pytest.mark.parametrize("case", NETWORKS)
def test_a_new_network_has_its_subnets_routes_and_endpoints(case):
    parameters = NETWORKS[case]
    made = deploy("network.yaml", parameters)
    ec2 = boto3.client("ec2", region_name=REGION)
    here = [{"Name": "vpc-id", "Values": [made["Vpc"]]}]
    zones = int(parameters.get("Zones", "2"))
    private = [made[f"Subnet{n}"] for n in range(1, zones + 1)]

    # moto forgets which subnet a table belongs to: test_network.py holds these together.
    tables = [made[f"RouteTable{n}"] for n in range(1, zones + 1)]
    ways_out = [
        route.get("NatGatewayId") or route.get("GatewayId")
        for table in tables
        for route in ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        if route.get("DestinationCidrBlock") == "0.0.0.0/0"
    ]
    expected = {
        "none": [],
        "one-nat": [made.get("Nat1")] * zones,
        "nat-in-each-zone": [made.get(f"Nat{n}") for n in range(1, zones + 1)],
    }
    assert ways_out == expected[parameters.get("Internet", "none")]

    endpoints = ec2.describe_vpc_endpoints(Filters=here)["VpcEndpoints"]
    interfaces = [e for e in endpoints if e["VpcEndpointType"] == "Interface"]
    assert len(interfaces) == 11
    assert all(set(e["SubnetIds"]) == set(private) for e in interfaces)
    (gateway,) = (e for e in endpoints if e["VpcEndpointType"] == "Gateway")
    assert set(gateway["RouteTableIds"]) == set(tables)


def test_new_subnets_in_a_vpc_that_is_there_have_no_way_out():
    ec2 = boto3.client("ec2", region_name=REGION)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = deploy("network.yaml", {"VpcId": vpc})
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    assert {s["SubnetId"] for s in subnets} == {made["Subnet1"], made["Subnet2"]}
    table = ec2.describe_route_tables(RouteTableIds=[made["RouteTable1"]])["RouteTables"][0]
    assert {route.get("DestinationCidrBlock") for route in table["Routes"]} == {"10.0.0.0/16", None}
    (gateway,) = (route["GatewayId"] for route in table["Routes"] if "DestinationPrefixListId" in route)
    assert gateway == made["S3Endpoint"]


def test_subnets_that_are_there_get_groups_and_endpoints_only():
    ec2 = boto3.client("ec2", region_name=REGION)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"] for n in (0, 1)
    ]
    deploy("network.yaml", {"VpcId": vpc, "SubnetIds": ",".join(subnets)})
    there = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    assert {s["SubnetId"] for s in there} == set(subnets)
    for endpoint in ec2.describe_vpc_endpoints()["VpcEndpoints"]:
        assert set(endpoint["SubnetIds"]) == set(subnets)
