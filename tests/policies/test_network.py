"""The network of a domain: every way to get one, and nothing open that need not be."""

import itertools

import pytest
from cases import SPOKE
from render import Refused, render

NETWORK = SPOKE / "network.yaml"
NEW_SUBNETS = {"VpcId": "vpc-0aaaaaaa"}
OWN_SUBNETS = {**NEW_SUBNETS, "SubnetIds": "subnet-0aaaaaaa,subnet-0bbbbbbb"}
PLACES = {
    "new VPC": {},
    "new subnets": NEW_SUBNETS,
    "own subnets": OWN_SUBNETS,
    "own subnets and route tables": {**OWN_SUBNETS, "RouteTableIds": "rtb-0aaaaaaa"},
}
OPTIONS = [
    {"Internet": internet, "Zones": zones, "CreateEndpoints": endpoints, **more}
    for internet, zones, endpoints, more in itertools.product(
        ("none", "one-nat", "nat-in-each-zone"),
        ("2", "3"),
        ("true", "false"),
        ({}, {"S3PrefixListId": "pl-0aaaaaaa", "ClientCidr": "10.20.0.0/16", "OrganizationId": "o-exampleorg1", "FlowLogDays": "0"}),
    )
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_every_combination_renders_without_a_dangling_reference(place):
    for options in OPTIONS:
        if place != "new VPC" and options["Internet"] != "none":
            with pytest.raises(Refused, match="InternetOnlyInANewVpc"):
                render(NETWORK, {**PLACES[place], **options})
            continue
        stack = render(NETWORK, {**PLACES[place], **options})
        endpoints = stack.of_type("AWS::EC2::VPCEndpoint")
        assert bool(endpoints) == (options["CreateEndpoints"] == "true")
        nats = {"none": 0, "one-nat": 1, "nat-in-each-zone": int(options["Zones"])}
        assert len(stack.of_type("AWS::EC2::NatGateway")) == nats[options["Internet"]]
        subnets = 0 if "SubnetIds" in PLACES[place] else int(options["Zones"])
        public = nats[options["Internet"]]
        assert len(stack.of_type("AWS::EC2::Subnet")) == subnets + public


def rules(stack):
    for kind, resources in (
        ("in", stack.of_type("AWS::EC2::SecurityGroupIngress")),
        ("out", stack.of_type("AWS::EC2::SecurityGroupEgress")),
    ):
        for rule in resources.values():
            other = next(
                rule[key]
                for key in (
                    "SourceSecurityGroupId",
                    "DestinationSecurityGroupId",
                    "DestinationPrefixListId",
                    "CidrIp",
                )
                if key in rule
            )
            yield rule["GroupId"], kind, other, rule["IpProtocol"], rule["FromPort"], rule["ToPort"]


STUDIO, ENDPOINTS, CLIENTS = (
    f"{name}SecurityGroup-id" for name in ("Studio", "Endpoint", "Client")
)


def test_b36_each_security_group_opens_exactly_these_ports_to_exactly_these():
    stack = render(NETWORK, {"S3PrefixListId": "pl-0aaaaaaa", "ClientCidr": "10.20.0.0/16"})
    assert set(rules(stack)) == {
        (STUDIO, "in", STUDIO, "tcp", 8192, 65535),
        (STUDIO, "out", STUDIO, "tcp", 8192, 65535),
        (STUDIO, "out", ENDPOINTS, "tcp", 443, 443),
        (STUDIO, "out", "pl-0aaaaaaa", "tcp", 443, 443),
        (ENDPOINTS, "in", STUDIO, "tcp", 443, 443),
        (ENDPOINTS, "in", CLIENTS, "tcp", 443, 443),
        (ENDPOINTS, "in", "10.20.0.0/16", "tcp", 443, 443),
        (CLIENTS, "out", ENDPOINTS, "tcp", 443, 443),
    }


def test_b36_no_group_has_the_rule_that_aws_adds_when_none_is_given():
    for group in render(NETWORK).of_type("AWS::EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group
        (nowhere,) = group["SecurityGroupEgress"]
        assert nowhere["CidrIp"] == "127.0.0.1/32"


def test_an_isolated_network_has_no_route_out():
    stack = render(NETWORK, {"Internet": "none"})
    assert stack.of_type("AWS::EC2::Route") == {}
    assert stack.of_type("AWS::EC2::InternetGateway") == {}


def test_a_new_vpc_has_a_flow_log_unless_it_is_kept_for_no_day():
    for days, logs in (("30", 1), ("0", 0)):
        stack = render(NETWORK, {"FlowLogDays": days})
        assert len(stack.of_type("AWS::EC2::FlowLog")) == logs
        assert len(stack.of_type("AWS::IAM::Role")) == logs
    assert render(NETWORK, NEW_SUBNETS).of_type("AWS::EC2::FlowLog") == {}


def test_no_private_subnet_has_a_route_to_the_internet_gateway():
    stack = render(NETWORK, {"Internet": "nat-in-each-zone", "Zones": "3"})
    gateways = [r for r in stack.of_type("AWS::EC2::Route").values() if "GatewayId" in r]
    assert [route["RouteTableId"] for route in gateways] == ["PublicRouteTable-id"]
    private = {
        association["RouteTableId"]
        for name, association in stack.of_type("AWS::EC2::SubnetRouteTableAssociation").items()
        if not name.startswith("Public")
    }
    assert private == {"RouteTable1-id", "RouteTable2-id", "RouteTable3-id"}
    nats = [r["NatGatewayId"] for r in stack.of_type("AWS::EC2::Route").values() if "NatGatewayId" in r]
    assert nats == ["Nat1-id", "Nat2-id", "Nat3-id"]


NEEDED = ["sagemaker.api", "sagemaker.runtime", "sagemaker.metrics", "sagemaker.featurestore-runtime", "sts", "logs", "monitoring", "ecr.api", "ecr.dkr", "kms", "s3"]  # fmt: skip


@pytest.mark.parametrize(
    ("region", "prefixed"),
    [
        ("eu-west-1", set()),
        ("us-gov-west-1", set()),
        # As the VPC console lists them in China: logs, kms and the S3 gateway without the prefix.
        ("cn-north-1", set(NEEDED) - {"logs", "kms", "s3"}),
    ],
)
def test_an_isolated_domain_has_every_endpoint_that_it_needs(region, prefixed):
    stack = render(NETWORK, region=region)
    names = {e["ServiceName"] for e in stack.of_type("AWS::EC2::VPCEndpoint").values()}
    assert names == {f"aws.sagemaker.{region}.studio"} | {
        f"{'cn.' if name in prefixed else ''}com.amazonaws.{region}.{name}" for name in NEEDED
    }


def services(**parameters):
    endpoints = render(NETWORK, {**OWN_SUBNETS, "RouteTableIds": "rtb-0aaaaaaa", **parameters}).of_type("AWS::EC2::VPCEndpoint")
    return {e["ServiceName"].removeprefix("com.amazonaws.eu-west-1.").replace("aws.sagemaker.eu-west-1.", "") for e in endpoints.values()}


@pytest.mark.parametrize("name", [*NEEDED, "studio"])
def test_each_endpoint_can_be_made_alone_and_left_out_alone(name):
    everything = services()
    assert everything == {*NEEDED, "studio"}
    assert services(CreateEndpoints=name) == {name}
    assert services(CreateEndpoints=",".join(sorted(everything - {name}))) == everything - {name}


def test_endpoints_that_no_list_knows_are_refused_and_further_ones_have_a_parameter():
    for value in ("athena", "sts,", "sts,athena", "sagemakerXapi", "TRUE", ""):
        with pytest.raises(Refused, match="CreateEndpoints"):
            render(NETWORK, {"CreateEndpoints": value})
    assert services(CreateEndpoints="false") == set()
    assert services(CreateEndpoints="false", FurtherEndpoints="athena") == {"athena"}
    assert services(CreateEndpoints="sts", FurtherEndpoints="a,b,c,d,e") == {"sts", *"abcde"}
    with pytest.raises(Refused, match="FurtherEndpoints"):
        render(NETWORK, {"FurtherEndpoints": "a,b,c,d,e,f"})


def test_what_the_team_policy_grants_has_its_endpoint():
    """Calls of the team policy that go to hosts of their own."""
    granted = (SPOKE / "team.yaml").read_text()
    for action, endpoint in {
        "sagemaker:BatchPutMetrics": "sagemaker.metrics", "sagemaker:BatchGetMetrics": "sagemaker.metrics",
        "sagemaker:PutRecord": "sagemaker.featurestore-runtime", "sagemaker:GetRecord": "sagemaker.featurestore-runtime",
        "sagemaker:InvokeEndpoint": "sagemaker.runtime", "sagemaker:CreateTrainingJob": "sagemaker.api",
        "logs:PutLogEvents": "logs", "cloudwatch:PutMetricData": "monitoring", "kms:Decrypt": "kms",
        "ecr:GetAuthorizationToken": "ecr.api", "ecr:BatchGetImage": "ecr.dkr", "s3:GetObject": "s3",
    }.items():  # fmt: skip
        assert action in granted
        assert endpoint in services()


def test_interface_endpoints_answer_by_their_public_names_in_every_zone():
    for endpoint in render(NETWORK, {"Zones": "3"}).of_type("AWS::EC2::VPCEndpoint").values():
        if endpoint["VpcEndpointType"] == "Interface":
            assert endpoint["PrivateDnsEnabled"] is True
            assert endpoint["SubnetIds"] == ["Subnet1-id", "Subnet2-id", "Subnet3-id"]
            assert endpoint["SecurityGroupIds"] == [ENDPOINTS]


def test_each_subnet_has_the_route_table_of_its_number():
    stack = render(NETWORK, {"Zones": "3"})
    pairs = {
        (association["SubnetId"], association["RouteTableId"])
        for association in stack.of_type("AWS::EC2::SubnetRouteTableAssociation").values()
    }
    assert pairs == {(f"Subnet{n}-id", f"RouteTable{n}-id") for n in (1, 2, 3)}


def test_zones_are_the_first_ones_or_those_that_are_named():
    def zones(parameters):
        subnets = render(NETWORK, parameters).of_type("AWS::EC2::Subnet").values()
        return [subnet["AvailabilityZone"] for subnet in subnets]

    assert zones({}) == ["eu-west-1a", "eu-west-1b"]
    assert zones({"ZoneNames": "eu-west-1c,eu-west-1a"}) == ["eu-west-1c", "eu-west-1a"]
    # The number of names counts, so that no list is shorter than what is taken out of it.
    assert zones({"ZoneNames": "eu-west-1c,eu-west-1a", "Zones": "3"}) == ["eu-west-1c", "eu-west-1a"]
    assert zones({"ZoneNames": "eu-west-1c,eu-west-1a,eu-west-1b"}) == ["eu-west-1c", "eu-west-1a", "eu-west-1b"]


def test_endpoints_can_be_kept_for_one_organization(iam):
    stack = render(NETWORK, {"OrganizationId": "o-exampleorg1"})
    profile = "arn:aws:sagemaker:eu-west-1:222222222222:user-profile/d-one/ann"
    anything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    for organization, decision in (("o-exampleorg1", "allowed"), ("o-somebodyelse", "denied")):
        answer = iam.decide(
            "arn:aws:sts::222222222222:assumed-role/Any/ann",
            "sagemaker:DescribeUserProfile",
            profile,
            {"aws:PrincipalOrgID": organization},
            identity={"anything": anything},
            endpoints={"endpoint": stack.resources["SageMakerApiEndpoint"]["Properties"]["PolicyDocument"]},
        )
        assert answer == decision


CONTRADICTIONS = {
    "subnets without their VPC": {"SubnetIds": "subnet-0aaaaaaa"},
    "route tables without subnets": {**NEW_SUBNETS, "RouteTableIds": "rtb-0aaaaaaa"},
    "a range of a whole class": {"VpcCidr": "10.0.0.0/8"},
    "one subnet range": {"SubnetCidrs": "10.0.0.0/20"},
    "two subnet ranges for three zones": {"SubnetCidrs": "10.0.0.0/20,10.0.16.0/20", "Zones": "3"},
    "two ranges for three NAT gateways": {"PublicSubnetCidrs": "10.0.240.0/28,10.0.240.16/28", "Zones": "3", "Internet": "nat-in-each-zone"},
    "a range that does not exist": {"VpcCidr": "999.0.0.0/16"},
    "a subnet range that does not exist": {"SubnetCidrs": "10.0.0.0/20,10.0.256.0/20,10.0.32.0/20"},
    "browsers from nowhere": {"ClientCidr": "10.20.0.0/33"},
    "another template's stack": {"Template": "hub"},
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_the_stack_is_refused_with(case):
    with pytest.raises(Refused):
        render(NETWORK, CONTRADICTIONS[case])


def test_the_outputs_are_the_parameters_of_the_domain():
    outputs = render(NETWORK, OWN_SUBNETS).outputs
    assert outputs["VpcId"] == "vpc-0aaaaaaa"
    assert outputs["SubnetIds"] == "subnet-0aaaaaaa,subnet-0bbbbbbb"
    domain = render(
        SPOKE / "domain.yaml",
        {
            "VpcId": outputs["VpcId"],
            "SubnetIds": outputs["SubnetIds"],
            "SecurityGroupId": outputs["StudioSecurityGroupId"],
        },
    )
    assert domain.resources["Domain"]["Properties"]["SubnetIds"] == outputs["SubnetIds"].split(",")
