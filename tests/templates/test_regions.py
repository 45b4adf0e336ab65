"""Two Regions: tables of strong consistency, two hubs that wear one role, and the front."""

import json
import re

import pytest
from steps import every_command, options
from templates import HUB, INFRA, KEY, ROOT, render, stack
from watch import Metrics, state

TABLES, FRONT, ALARM = (INFRA / "regions" / f"{name}.yaml" for name in ("tables", "front", "alarm"))
FIRST, SECOND, THIRD = "eu-central-1", "eu-west-1", "eu-west-3"
TWO = {"SecondRegion": SECOND, "ThirdRegion": THIRD}
#: As infra/regions/README.md has it.
STREAMS = {
    f"{name}StreamArn": f"arn:aws:dynamodb:{FIRST}:111111111111:table/studio-broker-{name.lower()}/stream/2026-11-28T00:00:00.000"
    for name in ("Teams", "Idps")
}
HUBS = {
    FIRST: {"Tables": "shared", "OtherRegion": SECOND, **STREAMS},
    SECOND: {"Tables": "shared", "OtherRegion": FIRST, "MakesHubRole": "no"},
}


def tables(parameters):
    made = stack(TABLES, parameters, region=FIRST)
    return {name: one["Properties"] for name, one in made.resources.items()}


def test_the_tables_are_those_of_the_hub():
    own = stack(HUB).of_type("AWS::DynamoDB::Table")
    shared = tables({})
    assert set(shared) == set(own)
    for name, table in shared.items():
        for same in ("TableName", "AttributeDefinitions", "KeySchema", "BillingMode"):
            assert table[same] == own[name][same]
        (replica,) = table["Replicas"]
        assert replica["DeletionProtectionEnabled"] is True
        assert replica["PointInTimeRecoverySpecification"] == own[name]["PointInTimeRecoverySpecification"]
        assert replica["ReadOnDemandThroughputSettings"]["MaxReadRequestUnits"] == own[name]["OnDemandThroughput"]["MaxReadRequestUnits"]
        assert table.get("StreamSpecification") == own[name].get("StreamSpecification")
        assert "MultiRegionConsistency" not in table
    assert shared["StateTable"]["TimeToLiveSpecification"] == own["StateTable"]["TimeToLiveSpecification"]
    assert shared["StateTable"]["Replicas"][0]["ResourcePolicy"] == own["StateTable"]["ResourcePolicy"]


@pytest.mark.parametrize("third", ["witness", "replica"])
def test_two_regions_agree_by_a_third(third):
    for name, table in tables({**TWO, "ThirdHolds": third}).items():
        assert table["MultiRegionConsistency"] == "STRONG"
        regions = [replica["Region"] for replica in table["Replicas"]]
        witnesses = [one["Region"] for one in table.get("GlobalTableWitnesses", [])]
        assert sorted(regions + witnesses) == sorted([FIRST, SECOND, THIRD])
        assert witnesses == ([THIRD] if third == "witness" else [])
        # Such tables know no time to live.
        assert "TimeToLiveSpecification" not in table
        for replica in table["Replicas"]:
            if name == "StateTable":
                (deny,) = replica["ResourcePolicy"]["PolicyDocument"]["Statement"]
                assert f":{replica['Region']}:" in deny["Resource"]
                assert deny["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": ["arn:aws:iam::111111111111:role/StudioBrokerHub"]}}


def test_the_tables_outlive_the_stack():
    for resource in stack(TABLES, TWO, region=FIRST).resources.values():
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"SecondRegion": SECOND}, "exactly three Regions"),
        ({"SecondRegion": SECOND, "ThirdRegion": SECOND}, "must differ"),
        ({"SecondRegion": FIRST, "ThirdRegion": THIRD}, "another than the stack's own"),
        ({**TWO, "KmsKeyArn": KEY}, "needed in both Regions"),
        ({**TWO, "KmsKeyArn": KEY, "SecondKmsKeyArn": KEY.replace(FIRST, SECOND), "ThirdHolds": "replica"}, "third key"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(parameters, why):
    with pytest.raises(render.Refused, match=why):
        stack(TABLES, parameters, region=FIRST)


def test_both_hubs_wear_one_role_that_knows_both_regions():
    first, second = (stack(HUB, parameters, region=region) for region, parameters in HUBS.items())
    assert "HubRole" in first.resources and "HubRole" not in second.resources
    arn = "arn:aws:iam::111111111111:role/StudioBrokerHub"
    assert first.outputs["HubRoleArn"] == second.outputs["HubRoleArn"] == arn
    assert second.resources["BrokerFunction"]["Properties"]["Role"] == arn
    (policy,) = [d for name, d in first.permissions("HubRole").items() if name == "Broker"]
    for made, region in ((first, FIRST), (second, SECOND)):
        name = made.resources["BrokerFunction"]["Properties"]["FunctionName"]
        variables = made.resources["BrokerFunction"]["Properties"]["Environment"]["Variables"]
        statements = {s["Sid"]: s for s in policy["Statement"]}
        assert f"arn:aws:lambda:{region}:111111111111:function:{name}" in statements["AssumeTargets"]["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]
        for sid, table in (("ReadTeams", "TEAMS"), ("ReadIdps", "IDPS"), ("ConsumeResponses", "STATE")):
            arn = f"arn:aws:dynamodb:{region}:111111111111:table/{variables[f'STUDIO_BROKER_{table}_TABLE']}"
            assert arn in statements[sid]["Resource"]
        log = made.resources["BrokerLog"]["Properties"]["LogGroupName"]
        assert f"arn:aws:logs:{region}:111111111111:log-group:{log}:*" in statements["WriteLog"]["Resource"]


def test_edited_items_are_checked_once_and_tables_are_made_nowhere():
    first, second = (stack(HUB, parameters, region=region) for region, parameters in HUBS.items())
    assert not first.of_type("AWS::DynamoDB::Table") and not second.of_type("AWS::DynamoDB::Table")
    sources = [m["EventSourceArn"] for m in first.of_type("AWS::Lambda::EventSourceMapping").values()]
    assert sorted(sources) == sorted(STREAMS.values())
    assert not second.of_type("AWS::Lambda::EventSourceMapping") and "ValidatorFunction" not in second.resources


def test_parameters_of_two_regions_are_refused_for_a_hub_with_tables_of_its_own():
    with pytest.raises(render.Refused, match="are for Tables shared"):
        stack(HUB, {"OtherRegion": SECOND})
    with pytest.raises(render.Refused, match="reads both streams"):
        stack(HUB, {"Tables": "shared", "TeamsStreamArn": STREAMS["TeamsStreamArn"]})


def test_the_front_asks_each_region_by_a_name_of_its_own_and_evacuates_by_hand():
    parameters = {
        "DomainName": "studio.example.com", "HostedZoneId": "Z0123456789ABCDEFGHIJ", "Place": "PRIMARY",
        "DomainTarget": "d-abc.execute-api.eu-central-1.amazonaws.com", "RestApiId": "a1b2c3d4e5",
        "HealthName": "eu-central-1.studio.example.com",
        "HealthCertificateArn": "arn:aws:acm:eu-central-1:111111111111:certificate/0f7a2c34-1111-4222-8333-444455556666",
    }  # fmt: skip
    made = stack(FRONT, parameters, region=FIRST).resources
    check = made["HealthCheck"]["Properties"]["HealthCheckConfig"]
    assert (check["FullyQualifiedDomainName"], check["ResourcePath"]) == (parameters["HealthName"], "/healthz")
    # The one page that a hub for chosen networks shows to everybody.
    (health,) = [r for r in stack(HUB, {**HUBS[FIRST], "AllowedCidrs": "198.51.100.0/24"}).resources["BrokerWebAcl"]["Properties"]["Rules"] if r["Name"] == "HealthOfThisRegion"]
    admitted = [one["ByteMatchStatement"]["SearchString"] for one in health["Statement"]["OrStatement"]["Statements"]]
    assert check["ResourcePath"] in admitted
    # Half a minute of looks and half a minute of DNS: what infra/regions/README.md says.
    assert check["RequestInterval"] * check["FailureThreshold"] == 30
    record = made["Record"]["Properties"]
    assert (record["Failover"], record["TTL"], record["Name"]) == ("PRIMARY", "30", "studio.example.com")
    assert "Record" not in stack(FRONT, {**parameters, "Serves": "no"}, region=FIRST).resources


CHECKS = {name: f"0f7a2c34-1111-4222-8333-44445555{number}" for name, number in (("Primary", 6666), ("Secondary", 7777))}
OPERATORS = "arn:aws:sns:us-east-1:111111111111:operators"
TOLD = {"AlarmTopicArn": OPERATORS, **{f"{name}HealthCheckId": check for name, check in CHECKS.items()}}
NOON = 1_800_000_000 - 1_800_000_000 % 60


@pytest.mark.parametrize("lost", CHECKS)
def test_somebody_is_told_that_a_region_is_lost_and_that_it_is_back(lost):
    alarms = stack(ALARM, TOLD, region="us-east-1").of_type("AWS::CloudWatch::Alarm")
    assert set(alarms) == {f"{name}LostAlarm" for name in CHECKS}
    metrics = Metrics()
    # Route 53's word, once a minute: half an hour of which ten minutes are lost.
    for minute in range(30):
        for name, check in CHECKS.items():
            is_lost = name == lost and 10 <= minute < 20
            metrics.put("AWS/Route53", "HealthCheckStatus", {"HealthCheckId": check}, NOON + minute * 60 + 5, 0 if is_lost else 1)
    for name in CHECKS:
        rings = [state(alarms[f"{name}LostAlarm"], metrics, NOON + minute * 60) for minute in range(2, 31)]
        # Two looks: one minute alone is no loss.
        assert [minute for minute, one in enumerate(rings, 2) if one == "ALARM"] == (list(range(12, 21)) if name == lost else [])
    # A health check that is gone or switched off brings no metric.
    assert state(alarms[f"{lost}LostAlarm"], metrics, NOON + 3600) == "ALARM"


def test_the_alarm_on_a_lost_region_leads_to_its_runbook():
    headings = {h.lower().replace(" ", "-") for h in re.findall(r"^## (.+)$", (INFRA / "runbooks.md").read_text(), re.M)}
    for alarm in stack(ALARM, TOLD, region="us-east-1").of_type("AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [OPERATORS]
        (anchor,) = re.findall(r"Runbook: infra/runbooks\.md#([a-z0-9-]+)$", alarm["AlarmDescription"])
        assert anchor == "lost-region" in headings
    # Both alarms on one health check would leave one Region unwatched.
    with pytest.raises(render.Refused, match="must differ"):
        stack(ALARM, {**TOLD, "SecondaryHealthCheckId": CHECKS["Primary"]}, region="us-east-1")


def test_the_guide_makes_it_where_route_53_keeps_its_metrics():
    """https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/monitoring-health-checks.html"""
    commands = [options(c.split()) for _, c in every_command() if "infra/regions/alarm.yaml" in c]
    assert [given["region"] for given in commands] == [["us-east-1"]]
    (given,) = commands
    assert {word.partition("=")[0] for word in given["parameter-overrides"]} == set(TOLD)
    assert f"AlarmTopicArn={OPERATORS}" in given["parameter-overrides"], "alarms tell topics of their own Region"
    assert "HealthCheckId" in render.load(FRONT)["Outputs"]


def test_the_guide_tells_of_the_rehearsal_what_the_rehearsal_does():
    text, test = (INFRA / "regions" / "README.md").read_text(), (ROOT / "tests/system/test_lost_region.py").read_text()
    people, seconds = re.search(r"people, seconds = (\d+), (\d+)", test).groups()
    interval, failures = re.search(r"INTERVAL, FAILURES = ([\d.]+), (\d+)", test).groups()
    assert f"{people} people in {seconds} seconds" in text
    assert f"every {interval} seconds" in text and {"3": "three"}[failures] + " looks in vain" in text


def test_insights_log_is_the_first_regions_alone_as_the_guide_says():
    layer = f"arn:aws:lambda:{FIRST}:580247275435:layer:LambdaInsightsExtension-Arm64:20"
    role = stack(HUB, {**HUBS[FIRST], "LambdaInsightsLayerArn": layer}, region=FIRST).permissions("HubRole")["Broker"]
    (insights,) = [one for one in role["Statement"] if one["Sid"] == "WriteInsights"]
    assert f":{FIRST}:" in insights["Resource"] and SECOND not in json.dumps(insights)
