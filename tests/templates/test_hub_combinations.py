"""The hub with every combination of its options.

`render` refuses what refers to something that is not made, so a rendered stack has no dangling
reference.
"""

import hashlib
import ipaddress
import itertools
import json
import re

import graph
import pytest
import render
from templates import (
    CERTIFICATE, EXISTING_VPC, HUB, IDENTITY_STORE, KEY, SECRET, all_templates, rendering, stack, translated,
)  # fmt: skip

NEW_SUBNETS = {"Network": "new-subnets", "VpcId": EXISTING_VPC["VpcId"], "SubnetCidrs": "10.1.0.0/26,10.1.0.64/26"}
#: Options that decide which resources there are, and how they hang together.
ADDRESSES = [
    {},
    {"DomainName": "studio.example.com", "CertificateArn": CERTIFICATE},
    {"DomainName": "studio.example.com", "CertificateArn": CERTIFICATE, "HostedZoneId": "Z0123456789"},
    {"PublicUrl": "https://sso.example.com/studio", "ClientAddress": "forwarded:2"},
]
PROXY = {"ProxyCidrs": "198.51.100.0/28", "ProxySecret": "0123456789abcdefghijklmnopqrstuv"}
KINDS = [
    {"EndpointType": "REGIONAL"},
    {"EndpointType": "PRIVATE"},
    {"EndpointType": "PRIVATE", "ExecuteApiEndpointId": "vpce-0123456789abcdef0"},
    {"EndpointType": "PRIVATE", "ClientCidr": "10.9.0.0/28"},
]
GUARDS = [
    {},
    {"WebAcl": "yes"},
    {"WebAcl": "yes", "AllowedCidrs": "198.51.100.0/24,203.0.113.0/24"},
    {"WebAcl": "no"},
    {"AllowedCidrs": "198.51.100.0/24"},
    {"ProxyCidrs": PROXY["ProxyCidrs"]},
    {"ProxySecret": PROXY["ProxySecret"]},
    PROXY,
]
NETWORKS = [
    {"Network": "none"},
    {"Network": "new", "ZoneNames": "z-a,z-b"},
    *(
        {**network, "CreateEndpoints": endpoints, "LogsEndpoint": logs}
        for network in ({"Network": "new"}, EXISTING_VPC)
        for endpoints in ("yes", "no", "sts,sagemaker.api", "execute-api,logs,dynamodb")
        for logs in ("yes", "no")
    ),
    *({**NEW_SUBNETS, "CreateEndpoints": endpoints} for endpoints in ("yes", "no", "execute-api")),
]
#: Options that add something of their own and touch each other nowhere: see the test below.
FLAGS = [
    {"SpKeySecretArn": SECRET},
    {"IdentityStoreArn": IDENTITY_STORE},
    {"FurtherTargetRoleArns": "arn:aws:iam::222222222222:role/A,arn:aws:iam::333333333333:role/B"},
    {"PermissionsBoundaryName": "boundaries/Studio"},
    {"LambdaInsightsLayerArn": "arn:aws:lambda:eu-central-1:580247275435:layer:LambdaInsightsExtension-Arm64:20", "LogsEndpoint": "yes"},
    {"KmsKeyArn": KEY},
    {"BreakGlassRoleArn": "arn:aws:iam::111111111111:role/BreakGlass"},
    {"ReservedConcurrency": 20},
    {"CodeSigningConfigArn": "arn:aws:lambda:eu-central-1:111111111111:code-signing-config:csc-0123456789abcdef0"},
    {"ApiGatewayAccount": "no"},
    {"AlarmTopicArn": "arn:aws:sns:eu-central-1:111111111111:alarms"},
    {"EntityId": "urn:example:studio"},
]  # fmt: skip
ALL_FLAGS = {name: value for flag in FLAGS for name, value in flag.items() if name != "LambdaInsightsLayerArn" and name != "LogsEndpoint"}


def structures():
    for parts in itertools.product(ADDRESSES, KINDS, GUARDS, NETWORKS):
        yield {name: value for part in parts for name, value in part.items()}


def is_contradiction(options):
    """What `Rules` must refuse, said once more and independently of them."""
    private = options["EndpointType"] == "PRIVATE"
    made = options.get("CreateEndpoints", "yes").split(",")
    network = options["Network"] != "none"
    proxied, guarded = "PublicUrl" in options, "ProxyCidrs" in options or "ProxySecret" in options
    return (
        (private and (options.get("WebAcl") == "yes" or "AllowedCidrs" in options or guarded))
        or (private and "ExecuteApiEndpointId" not in options and not (network and {"yes", "execute-api"} & set(made)))
        or ("HostedZoneId" in options and "ExecuteApiEndpointId" in options)
        or (options.get("LogsEndpoint") == "yes" and not (network and {"yes", "logs"} & set(made)))
        or (proxied != guarded and not private)
        or (proxied and options.get("WebAcl") == "no" and not private)
        or (proxied and "AllowedCidrs" in options)
        or (proxied and private and ("ExecuteApiEndpointId" in options or "ClientCidr" not in options))
    )


@pytest.mark.parametrize("kind", KINDS, ids=["regional", "private", "private, own endpoint", "private, for a proxy"])
@pytest.mark.parametrize("address", ADDRESSES, ids=["api", "domain", "domain and zone", "proxy"])
def test_every_combination_is_whole_or_refused(kind, address):
    made = refused = 0
    for guard, network in itertools.product(GUARDS, NETWORKS):
        options = {**kind, **address, **guard, **network}
        # Flags touch nothing here (the test below): with one half of the networks they are set as well.
        for flags in ({}, ALL_FLAGS) if network.get("LogsEndpoint") != "no" else ({},):
            if is_contradiction(options):
                with pytest.raises(render.Refused):
                    stack(HUB, {**options, **flags})
                refused += 1
            else:
                stack(HUB, {**options, **flags})
                made += 1
    guard = PROXY if "PublicUrl" in address and kind["EndpointType"] == "REGIONAL" else {}
    assert (made > 0) == (not is_contradiction({**kind, **address, **guard, "Network": "new"}))
    assert made + refused > len(GUARDS) * len(NETWORKS)


def test_flags_two_by_two_in_each_partition():
    regions = ["eu-central-1", "us-gov-west-1", "cn-north-1"]
    for (one, other), region in itertools.product(itertools.combinations(FLAGS, 2), regions):
        stack(HUB, {"Network": "new", "EndpointType": "PRIVATE", **one, **other}, region=region)


def test_no_circle_even_with_all_options_at_once():
    resources = translated(HUB)["Resources"]
    order = graph.order(resources)
    assert order.index("RestApi") < order.index("Address") < order.index("BrokerFunction")
    assert order.index("BrokerFunction") < order.index("EveryPathMethod") < order.index("Deployment2Regional")


def test_what_a_reference_names_exists_whatever_the_conditions():
    template = translated(HUB)
    known = set(template["Resources"]) | set(template["Parameters"])
    for section in ("Resources", "Outputs", "Conditions", "Rules"):
        for name in graph.references(template[section]):
            assert name in known or name.startswith("AWS::"), name


def test_the_public_url_is_where_browsers_reach_the_api():
    def url(**options):
        outputs = stack(HUB, options).outputs
        assert outputs["AcsUrl"] == outputs["PortalUrl"] + "/saml/acs"
        assert outputs["Audience"] == outputs["MetadataUrl"] == outputs["PortalUrl"] + "/saml/metadata"
        return outputs["PortalUrl"]

    assert url() == "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/prod"
    assert url(**ADDRESSES[1]) == "https://studio.example.com"
    assert url(**ADDRESSES[3], **PROXY) == "https://sso.example.com/studio"
    assert (
        url(EndpointType="PRIVATE", Network="new")
        == "https://a1b2c3d4e5-vpce-0aaaaaaaaaaaaaaa0.execute-api.eu-central-1.amazonaws.com/prod"
    )
    china = stack(HUB, {}, region="cn-north-1").outputs["PortalUrl"]
    assert china == "https://a1b2c3d4e5.execute-api.cn-north-1.amazonaws.com.cn/prod"


def test_the_default_address_is_off_beside_a_host_name():
    api = stack(HUB, ADDRESSES[1]).resources["RestApi"]["Properties"]
    assert api["DisableExecuteApiEndpoint"] is True
    assert stack(HUB).resources["RestApi"]["Properties"]["DisableExecuteApiEndpoint"] is False


def test_another_kind_of_api_gets_another_deployment():
    made = []
    for kind in ({}, ADDRESSES[1], {"EndpointType": "PRIVATE", "Network": "new"},
                 {"EndpointType": "PRIVATE", "Network": "new", **ADDRESSES[1]}):  # fmt: skip
        deployments = stack(HUB, kind).of_type("AWS::ApiGateway::Deployment")
        assert len(deployments) == 1
        made += deployments
    assert len(set(made)) == 4


def test_a_changed_api_has_deployments_with_a_new_number():
    """Whoever changes these resources renames Deployment2… to Deployment3…, and notes both here."""
    resources = render.load(HUB)["Resources"]
    api = {
        name: resource
        for name, resource in resources.items()
        if resource["Type"] in
        ("AWS::ApiGateway::RestApi", "AWS::ApiGateway::Resource", "AWS::ApiGateway::Method")
    }  # fmt: skip
    api = {name: {k: v for k, v in one.items() if k != "Metadata"} for name, one in api.items()}
    digest = hashlib.sha256(json.dumps(api, sort_keys=True).encode()).hexdigest()[:12]
    numbers = {
        re.match(r"Deployment(\d+)", name)[1]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::ApiGateway::Deployment"
    }
    assert (digest, numbers) == ("238adc589867", {"2"})


def test_a_private_api_is_reached_through_its_endpoint_only():
    resources = stack(HUB, {"EndpointType": "PRIVATE", "Network": "new"}).resources
    api = resources["RestApi"]["Properties"]
    assert api["EndpointConfiguration"] == {"Types": ["PRIVATE"], "VpcEndpointIds": ["vpce-0aaaaaaaaaaaaaaa0"]}
    deny = api["Policy"]["Statement"][1]
    assert deny["Effect"] == "Deny"
    assert deny["Condition"] == {"StringNotEquals": {"aws:SourceVpce": "vpce-0aaaaaaaaaaaaaaa0"}}
    assert resources["ExecuteApiEndpoint"]["Properties"]["PrivateDnsEnabled"] is False


def test_a_regional_api_leaves_no_unused_endpoint():
    resources = stack(HUB, {"Network": "new"}).resources
    assert "ExecuteApiEndpoint" not in resources
    assert "Policy" not in resources["RestApi"]["Properties"]


def endpoint_names(region, **options):
    made = stack(HUB, {"Network": "new", **options}, region=region).of_type("AWS::EC2::VPCEndpoint")
    return sorted(endpoint["ServiceName"] for endpoint in made.values())


def test_a_private_function_has_the_endpoints_that_it_calls():
    assert endpoint_names("eu-central-1") == [
        "com.amazonaws.eu-central-1.dynamodb",
        "com.amazonaws.eu-central-1.sagemaker.api",
        "com.amazonaws.eu-central-1.sts",
    ]
    everything = endpoint_names(
        "eu-central-1", EndpointType="PRIVATE", LogsEndpoint="yes", SpKeySecretArn=SECRET,
        IdentityStoreArn=IDENTITY_STORE,
    )  # fmt: skip
    assert everything == [
        "com.amazonaws.eu-central-1.dynamodb",
        "com.amazonaws.eu-central-1.execute-api",
        "com.amazonaws.eu-central-1.identitystore",
        "com.amazonaws.eu-central-1.logs",
        "com.amazonaws.eu-central-1.sagemaker.api",
        "com.amazonaws.eu-central-1.secretsmanager",
        "com.amazonaws.eu-central-1.sts",
    ]


def test_in_china_the_names_of_endpoints_are_those_that_china_has():
    # As `aws ec2 describe-vpc-endpoint-services` lists them there.
    assert endpoint_names("cn-north-1", EndpointType="PRIVATE", LogsEndpoint="yes") == [
        "cn.com.amazonaws.cn-north-1.execute-api",
        "cn.com.amazonaws.cn-north-1.sagemaker.api",
        "cn.com.amazonaws.cn-north-1.sts",
        "com.amazonaws.cn-north-1.dynamodb",
        "com.amazonaws.cn-north-1.logs",
    ]


def test_the_zones_of_the_new_vpc_can_be_named():
    def zones(**options):
        subnets = stack(HUB, {"Network": "new", **options}).of_type("AWS::EC2::Subnet")
        return [subnet["AvailabilityZone"] for subnet in subnets.values()]

    assert zones() == ["eu-central-1a", "eu-central-1b"]
    assert zones(ZoneNames="z-c,z-d") == ["z-c", "z-d"]
    with pytest.raises(render.Refused, match="ZoneNames is for Network new"):
        stack(HUB, {"ZoneNames": "z-c,z-d"})


def test_nothing_but_tls_passes_the_security_groups():
    groups = stack(HUB, {"EndpointType": "PRIVATE", "Network": "new"}).of_type("AWS::EC2::SecurityGroup")
    assert set(groups) == {"FunctionSecurityGroup", "EndpointSecurityGroup", "ApiSecurityGroup"}
    for name, group in groups.items():
        rules = group.get("SecurityGroupIngress", []) + group["SecurityGroupEgress"]
        assert {(r["IpProtocol"], r["FromPort"], r["ToPort"]) for r in rules} == {("tcp", 443, 443)}, name
    assert "SecurityGroupIngress" not in groups["FunctionSecurityGroup"]


def test_the_tables_outlive_the_stack_and_are_protected():
    made = stack(HUB, {"KmsKeyArn": KEY})
    tables = made.of_type("AWS::DynamoDB::Table")
    assert len(tables) == 3
    for name, table in tables.items():
        assert table["DeletionProtectionEnabled"] is True
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert set(table["OnDemandThroughput"]) == {"MaxReadRequestUnits", "MaxWriteRequestUnits"}
        assert made.resources[name]["DeletionPolicy"] == "Retain"
        assert made.resources[name]["UpdateReplacePolicy"] == "Retain"
    assert tables["StateTable"]["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_access_log_holds_no_body_no_header_and_no_query():
    stage = stack(HUB).resources["Stage"]["Properties"]
    named = set(re.findall(r"\$context\.[A-Za-z.]+", stage["AccessLogSetting"]["Format"]))
    assert named == {
        "$context.requestId", "$context.requestTime", "$context.identity.sourceIp",
        "$context.identity.vpceId", "$context.httpMethod", "$context.path", "$context.status",
        "$context.responseLength", "$context.responseLatency", "$context.integrationLatency",
        "$context.waf.error", "$context.waf.status", "$context.error.responseType",
    }  # fmt: skip
    (settings,) = stage["MethodSettings"]
    assert settings["DataTraceEnabled"] is False
    assert settings["LoggingLevel"] == "OFF"
    assert settings["CachingEnabled"] is False
    assert settings["ThrottlingRateLimit"] == "500" and settings["ThrottlingBurstLimit"] == "1000"


def web_acl(**options):
    return stack(HUB, options).resources["BrokerWebAcl"]["Properties"]


def test_the_web_acl_logs_no_cookie_and_samples_nothing():
    resources = stack(HUB, GUARDS[2]).resources
    logging = resources["WebAclLogging"]["Properties"]
    for name in ("cookie", "referer", "x-studio-broker-proxy"):
        assert {"SingleHeader": {"Name": name}} in logging["RedactedFields"]
    assert {"QueryString": {}} in logging["RedactedFields"]
    acl = resources["BrokerWebAcl"]["Properties"]
    assert acl["DefaultAction"] == {"Block": {}}
    assert [rule["Name"] for rule in acl["Rules"]] == ["RatePerAddress", "AllowedAddresses"]
    for one in (acl, web_acl(**ADDRESSES[3], **PROXY)):
        visible = [one["VisibilityConfig"], *(rule["VisibilityConfig"] for rule in one["Rules"])]
        assert {config["SampledRequestsEnabled"] for config in visible} == {False}
    assert web_acl()["DefaultAction"] == {"Allow": {}}


def test_by_default_no_single_address_can_use_up_what_all_people_share():
    (rule,) = web_acl()["Rules"]
    limit = rule["Statement"]["RateBasedStatement"]
    assert (limit["AggregateKeyType"], rule["Action"]) == ("IP", {"Block": {}})
    (settings,) = stack(HUB).resources["Stage"]["Properties"]["MethodSettings"]
    in_five_minutes = int(settings["ThrottlingRateLimit"]) * limit["EvaluationWindowSec"]
    assert int(limit["Limit"]) * 50 < in_five_minutes
    # Before the limit of an address takes hold (AWS WAF counts within half a minute), its burst fits, too.
    assert int(settings["ThrottlingBurstLimit"]) >= 2 * int(settings["ThrottlingRateLimit"])
    assert "BrokerWebAcl" not in stack(HUB, {"EndpointType": "PRIVATE", "Network": "new"}).resources


def admitted(acl, address, headers, path="/prod", is_bad_input=False, is_flooding=False):
    """Whether AWS WAF would let a request through: the rules by priority, the first that matches decides."""
    made = (*PROXIED.of_type("AWS::WAFv2::IPSet").items(), *stack(HUB, GUARDS[4]).of_type("AWS::WAFv2::IPSet").items())
    sets = {f"{name}-Arn": one["Addresses"] for name, one in made}

    def matches(statement):
        (kind, inner), = statement.items()
        match kind:
            case "AndStatement":
                return all(map(matches, inner["Statements"]))
            case "IPSetReferenceStatement":
                return any(ipaddress.ip_address(address) in ipaddress.ip_network(one) for one in sets[inner["Arn"]])
            case "ManagedRuleGroupStatement":
                return is_bad_input and inner["Name"] == "AWSManagedRulesKnownBadInputsRuleSet"
            case "RateBasedStatement":
                return is_flooding
            case "OrStatement":
                return any(map(matches, inner["Statements"]))
            case "ByteMatchStatement":
                assert inner["PositionalConstraint"] == "EXACTLY"
                assert inner["TextTransformations"] == [{"Priority": 0, "Type": "NONE"}]
                field = inner["FieldToMatch"]
                found = path if field == {"UriPath": {}} else headers.get(field["SingleHeader"]["Name"])
                return found == inner["SearchString"]

    for rule in sorted(acl["Rules"], key=lambda rule: rule["Priority"]):
        if matches(rule["Statement"]):
            # A managed group blocks by its own rules, unless it is overridden.
            return "Allow" in rule.get("Action", {})
    return "Allow" in acl["DefaultAction"]


PROXIED = stack(HUB, {**ADDRESSES[3], **PROXY})
SECRET_HEADER = {"x-studio-broker-proxy": PROXY["ProxySecret"]}
PAST_THE_PROXY = {
    "the proxy": ("198.51.100.7", SECRET_HEADER, (True, True, True)),
    "the proxy without its header": ("198.51.100.7", {}, (True, False, False)),
    "somebody else with its header": ("203.0.113.7", SECRET_HEADER, (False, True, False)),
    "somebody else with another header": ("203.0.113.7", {"x-studio-broker-proxy": "x"}, (False, False, False)),
    "somebody else": ("203.0.113.7", {"x-forwarded-for": "198.51.100.7"}, (False, False, False)),
}  # fmt: skip


@pytest.mark.parametrize("case", PAST_THE_PROXY)
def test_behind_a_proxy_the_api_lets_in(case):
    address, headers, expected = PAST_THE_PROXY[case]
    kinds = ({"ProxyCidrs": PROXY["ProxyCidrs"]}, {"ProxySecret": PROXY["ProxySecret"]}, PROXY)
    got = tuple(admitted(web_acl(**ADDRESSES[3], **kind), address, headers) for kind in kinds)
    assert got == expected


#: A hub of two, as infra/regions/README.md has it, for chosen networks only.
OF_TWO = {**GUARDS[4], "Tables": "shared", "OtherRegion": "eu-west-1"}
CHECKER, EMPLOYEE = "15.177.2.7", "198.51.100.7"
ASKED = {
    "the health check, at a host name": (CHECKER, "/healthz", {}, True),
    "the health check, at API Gateway's own address": (CHECKER, "/prod/healthz", {}, True),
    "somebody who comes for a page": (CHECKER, "/", {}, False),
    "somebody who posts a response": (CHECKER, "/saml/acs", {}, False),
    "somebody whose path begins so": (CHECKER, "/healthz/teams/team1", {}, False),
    "somebody whose path ends so": (CHECKER, "/teams/team1/healthz", {}, False),
    "somebody whose path is written otherwise": (CHECKER, "/%68ealthz", {}, False),
    "whoever asks without end": (CHECKER, "/healthz", {"is_flooding": True}, False),
    "an address that may sign in": (EMPLOYEE, "/saml/acs", {}, True),
    "that address, without end": (EMPLOYEE, "/saml/acs", {"is_flooding": True}, False),
}


@pytest.mark.parametrize("case", ASKED)
def test_a_hub_of_two_for_chosen_networks_answers_the_health_check(case):
    address, path, more, expected = ASKED[case]
    assert admitted(web_acl(**OF_TWO), address, {}, path, **more) is expected


def test_nobody_else_gets_past_the_allowed_addresses_to_the_health_check():
    for alone in (GUARDS[4], {**ADDRESSES[3], **PROXY}, {**ADDRESSES[3], **PROXY, "Tables": "shared", "OtherRegion": "eu-west-1"}):
        assert not admitted(web_acl(**alone), CHECKER, {}, "/healthz")
    assert web_acl(**OF_TWO, StageName="live")["Rules"][1]["Statement"]["OrStatement"]["Statements"][1]["ByteMatchStatement"]["SearchString"] == "/live/healthz"


@pytest.mark.parametrize("kind", [{"ProxyCidrs": PROXY["ProxyCidrs"]}, {"ProxySecret": PROXY["ProxySecret"]}, PROXY], ids=["addresses", "header", "both"])
def test_what_comes_through_the_proxy_meets_the_managed_rules_too(kind):
    acl = web_acl(**ADDRESSES[3], **kind, ManagedRules="yes")
    assert admitted(acl, "198.51.100.7", SECRET_HEADER)
    assert not admitted(acl, "198.51.100.7", SECRET_HEADER, is_bad_input=True)
    assert not admitted(acl, "203.0.113.7", {}, is_bad_input=True)
    # Every request has the proxy's address: a list of addresses would be paid for nothing.
    managed = [r["Name"] for r in acl["Rules"] if "ManagedRuleGroupStatement" in r["Statement"]]
    assert managed == ["AWSManagedRulesKnownBadInputsRuleSet"]


WEB_ACL = "arn:aws:wafv2:eu-central-1:111111111111:regional/webacl/company/0f7a2c34-1111-4222-8333-444455556666"
PRIVATELY_PROXIED = {**ADDRESSES[3], "EndpointType": "PRIVATE", "Network": "new"}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"PublicUrl": "https://sso.example.com", **PROXY}, "BehindAProxy"),
        ({"PublicUrl": "https://sso.example.com", "ClientAddress": "forwarded:1", **PROXY}, "BehindAProxy"),
        ({"PublicUrl": "https://sso.example.com", "ClientAddress": "forwarded:2"}, "BehindAProxy"),
        ({"PublicUrl": "https://sso.example.com", "ClientAddress": "forwarded:2", **PROXY, "WebAcl": "no"}, "BehindAProxy"),
        ({**ADDRESSES[3], **PROXY, "WebAcl": "no", "WebAclArn": WEB_ACL}, "BehindAProxy"),
        ({**ADDRESSES[3], **PROXY, "WebAclArn": WEB_ACL}, "WebAclOfYours"),
        ({"ClientAddress": "forwarded:2"}, "WithoutAProxy"),
        (PROXY, "WithoutAProxy"),
        ({"PublicUrl": "https://sso.example.com", "ClientAddress": "forwarded:2", **PROXY, "EndpointType": "PRIVATE", "Network": "new"}, "BehindAProxy"),
        ({**PRIVATELY_PROXIED, **PROXY, "ClientCidr": "10.9.0.0/28"}, "ProxyOfAPrivateApi"),
        # Whoever is inside would write the address that allowed_cidrs sees.
        (PRIVATELY_PROXIED, "ClientCidr the proxy's addresses"),
        ({**PRIVATELY_PROXIED, "ClientCidr": "0.0.0.0/0"}, "ClientCidr the proxy's addresses"),
        ({**PRIVATELY_PROXIED, "ClientCidr": "10.9.0.0/28", "ExecuteApiEndpointId": "vpce-0123456789abcdef0"}, "leave ExecuteApiEndpointId empty"),
    ],
)  # fmt: skip
def test_who_reaches_the_api_and_whose_address_it_believes_go_together(options, word):
    with pytest.raises(render.Refused, match=word):
        stack(HUB, options)


def test_the_endpoint_of_a_private_api_behind_a_proxy_admits_the_proxy_alone():
    groups = stack(HUB, {**PRIVATELY_PROXIED, "ClientCidr": "10.9.0.0/28"}).of_type("AWS::EC2::SecurityGroup")
    assert [rule["CidrIp"] for rule in groups["ApiSecurityGroup"]["SecurityGroupIngress"]] == ["10.9.0.0/28"]


def test_switching_the_web_acl_on_and_off_meets_no_resource_that_stayed():
    """yes, no, yes: what stays with its name when its switch goes off would be in the way of the next."""
    for path in all_templates():
        for name, resource in translated(path)["Resources"].items():
            # Whose the tables are is decided once, for a hub's whole life.
            is_switched = "Condition" in resource and resource["Condition"] != "OwnsTables"
            stays = resource.get("DeletionPolicy", "Delete") != "Delete" and is_switched
            named = {"LogGroupName", "TableName", "RoleName", "FunctionName", "Name"} & set(resource.get("Properties", {}))
            assert not (stays and named), (path.name, name)
    for value in ("yes", "no"):
        assert "WebAclLog" in stack(HUB, {"WebAcl": value}).resources


def test_rules_use_only_the_functions_that_the_service_knows_there():
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-rules.html"""
    known = {"Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Fn::Contains", "Fn::EachMemberIn", "Ref"}

    def functions(value):
        if isinstance(value, list):
            return set().union(*map(functions, value))
        if isinstance(value, dict):
            return {k for k in value if k == "Ref" or k.startswith("Fn::")} | functions(list(value.values()))
        return set()

    for path in all_templates():
        for name, rule in translated(path).get("Rules", {}).items():
            used = functions([rule.get("RuleCondition", []), [a["Assert"] for a in rule["Assertions"]]])
            assert used <= known, (path.name, name)


def test_a_condition_joins_at_most_ten():
    """Fn::And and Fn::Or take two to ten conditions."""
    for path in all_templates():
        text = json.dumps(translated(path)["Conditions"] if "Conditions" in translated(path) else {})
        for found in re.finditer(r'"Fn::(?:And|Or)": ', text):
            parts, _ = json.JSONDecoder().raw_decode(text, found.end())
            assert 2 <= len(parts) <= 10, path.name


@pytest.mark.parametrize("name", ["dynamodb", "sts", "sagemaker.api"])
def test_each_endpoint_can_be_made_alone(name):
    for network in (EXISTING_VPC, NEW_SUBNETS):
        made = stack(HUB, {**network, "CreateEndpoints": name}).of_type("AWS::EC2::VPCEndpoint")
        assert [one["ServiceName"] for one in made.values()] == [f"com.amazonaws.eu-central-1.{name}"]
    with pytest.raises(render.Refused, match="CreateEndpoints"):
        stack(HUB, {**EXISTING_VPC, "CreateEndpoints": f"{name},s3"})


def test_new_subnets_in_a_vpc_that_is_there():
    made = stack(HUB, NEW_SUBNETS)
    subnets = made.of_type("AWS::EC2::Subnet").values()
    assert [one["CidrBlock"] for one in subnets] == NEW_SUBNETS["SubnetCidrs"].split(",")
    assert {one["VpcId"] for one in subnets} == {EXISTING_VPC["VpcId"]}
    assert made.of_type("AWS::EC2::VPC") == {} and made.of_type("AWS::EC2::Route") == {}
    assert made.resources["DynamoDbEndpoint"]["Properties"]["RouteTableIds"] == ["RouteTable-id"]
    # Others in this VPC use the same endpoints.
    assert "PolicyDocument" not in made.resources["StsEndpoint"]["Properties"]
    assert made.resources["BrokerFunction"]["Properties"]["VpcConfig"]["SubnetIds"] == ["SubnetA-id", "SubnetB-id"]
    for contradiction in (
        {"SubnetCidrs": ""}, {"VpcId": ""}, {"SubnetIds": EXISTING_VPC["SubnetIds"]}, {"RouteTableIds": "rtb-0123456789abcdef0"},
        {"SubnetCidrs": "10.1.0.0/26"}, {"SubnetCidrs": "999.1.0.0/26,10.1.0.64/26"},
    ):  # fmt: skip
        with pytest.raises(render.Refused):
            stack(HUB, {**NEW_SUBNETS, **contradiction})
    with pytest.raises(render.Refused, match="RangesOfNewSubnets"):
        stack(HUB, {"SubnetCidrs": NEW_SUBNETS["SubnetCidrs"]})


def test_lambda_insights_is_a_layer_and_the_right_to_write_its_log():
    flag = next(flag for flag in FLAGS if "LambdaInsightsLayerArn" in flag)
    made = stack(HUB, {"Network": "new", **flag})
    assert made.resources["BrokerFunction"]["Properties"]["Layers"] == [flag["LambdaInsightsLayerArn"]]
    assert "Layers" not in stack(HUB).resources["BrokerFunction"]["Properties"]
    with pytest.raises(render.Refused, match="InsightsThroughTheVpc"):
        stack(HUB, {"Network": "new", **flag, "LogsEndpoint": "no"})


def test_sign_ins_run_beside_each_other():
    function = stack(HUB).resources["BrokerFunction"]["Properties"]
    assert "ReservedConcurrentExecutions" not in function
    assert function["Architectures"] == ["arm64"]
    assert function["Runtime"] == "provided.al2023"


def test_an_unchecked_change_is_not_lost():
    mappings = stack(HUB).of_type("AWS::Lambda::EventSourceMapping")
    assert len(mappings) == 2
    for mapping in mappings.values():
        assert mapping["DestinationConfig"]["OnFailure"]["Destination"].endswith("UncheckedChanges")
        assert mapping["MaximumRetryAttempts"] == 3


def test_a_wrong_value_is_refused_with_a_sentence():
    for name, value in {
        "DomainName": "https://studio.example.com",
        "CertificateArn": "arn:aws:iam::111111111111:server-certificate/x",
        "PublicUrl": "http://studio.example.com",
        "FurtherTargetRoleArns": "arn:aws:iam::222222222222:role/*",
        "StageName": "a/b",
        "ClientAddress": "forwarded:0",
        "Contact": "nobody",
        "SpKeySecretArn": "-----BEGIN PRIVATE KEY-----",
        "VpcCidr": "10.0.0.0/28",
        "EndpointType": "EDGE",
        "AllowedCidrs": "999.0.0.0/16",
        "ClientCidr": "10.0.0.0/33",
        "ProxySecret": "short",
        "Template": "organization",
    }.items():
        with pytest.raises(render.Refused, match=name):
            rendering(HUB, {name: value})


def test_the_template_is_within_cloudformations_limits():
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
    template = translated(HUB)
    assert len(template["Parameters"]) <= 200
    assert len(template["Resources"]) <= 500
    assert len(template["Outputs"]) <= 200
    assert HUB.stat().st_size <= 1_000_000
    for role in ("HubRole", "ValidatorRole"):
        everything = stack(HUB, {**ALL_FLAGS, "Network": "new"}).permissions(role)
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
        assert sum(len(json.dumps(d, separators=(",", ":"))) for d in everything.values()) <= 10_240
