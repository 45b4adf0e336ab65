"""`doctor`: every fault that is made is found, by its code, with its fix, and nothing else is."""

import copy

import boto3
import pytest

from conftest import Between
from fleet import ACCOUNTS, HUB, REGIONS, fleet  # noqa: F401

TARGET = "arn:aws:iam::600000000001:role/StudioBrokerTarget"
HUB_ROLE = "arn:aws:iam::111111111111:role/StudioBrokerHub"


def found(fleet, code=3, *arguments, **settings):
    """The codes of all findings with their subjects."""
    report = fleet.json("doctor", *arguments, code=code, **settings)
    return sorted((finding["code"], finding["subject"]) for finding in report["findings"])


def override(fleet, arn, **documents):
    fleet.control("settings", roles={arn: documents or None})


def test_nothing_is_found_where_all_is_well_and_it_says_how_that_is_known(fleet):
    report = fleet.json("doctor")
    assert (report["verdict"], report["findings"]) == ("ok", [])
    assert report["checked"]["teams"] == 3 and report["checked"]["accounts"] == 3
    assert all(target["entered"] for target in report["checked"]["targets"])
    assert any("iam:SimulatePrincipalPolicy" in proof["by"] for proof in report["proof"])
    shown = fleet.run("doctor")
    assert "ok: nothing found; looked at 3 teams, 3 accounts and 1 IdP" in shown.stdout
    # On a busy machine it may say that it waits.
    assert [line for line in shown.stderr.splitlines() if "has not answered yet" not in line] == []


def test_it_never_comes_as_the_broker_and_changes_nothing(fleet):
    fleet.json("doctor")
    assumed = {call["parameters"]["RoleArn"].split("/")[-1] for call in fleet.calls("AssumeRole")}
    assert assumed == {"StudioBrokerDoctor"}
    for change in ("UpdateItem", "PutItem", "CreateUserProfile", "UpdateUserProfile", "AddTags"):
        by_doctor = [c for c in fleet.calls(change) if "StudioBrokerDoctor" in c["principal"]]
        assert by_doctor == []


def test_the_brokers_own_credentials_look_at_nothing(fleet):
    codes = found(fleet, AWS_ACCESS_KEY_ID="AKIALOCALHUB")
    assert [code for code, _ in codes] == ["account_closed"] * 3


def test_one_account_that_fails_does_not_stop_the_others(fleet):
    fault = {"operation": "AssumeRole", "account": ACCOUNTS["lab2"], "effect": "deny"}
    fleet.control("faults", **fault)
    report = fleet.json("doctor", code=3)
    [finding] = report["findings"]
    assert finding["code"] == "account_closed"
    assert finding["subject"] == "account 600000000002 (lab2)"
    assert "StudioBrokerDoctor" in finding["fix"]
    entered = {t["account"]: t["entered"] for t in report["checked"]["targets"]}
    assert entered == {"600000000001": True, "600000000002": False, "600000000003": True}


def test_failures_are_grouped_by_their_cause(fleet):
    fleet.control("faults", operation="DescribeDomain", effect="deny")
    fleet.run("doctor")
    shown = fleet.run("doctor", "--fail-on", "unproven", code=3).stdout
    assert shown.count("(not_allowed") == 1 and "(not_allowed, 3 times)" in shown
    assert shown.count("fix: allow sagemaker:DescribeDomain") == 1
    assert "verdict: 3 unproven; looked at 3 teams" in shown


def test_a_domain_that_is_missing_in_sso_mode_or_not_in_service(fleet):
    fleet.domains["lab1"] = "d-doesnotexist"
    fleet.put_team("lab1")
    fleet.domains["lab2"] = fleet.domain("lab2", "SSO")
    fleet.put_team("lab2")
    account = ACCOUNTS["lab3"]
    settle = {"effect": "settle", "status": "Failed", "reason": "no subnets", "account": account}
    fleet.control("faults", operation="UpdateDomain", **settle)
    fleet.sagemaker("lab3").update_domain(DomainId=fleet.domains["lab3"])
    assert found(fleet) == [
        ("domain_missing", "team lab1"),
        ("domain_not_in_service", "team lab3"),
        ("domain_sso_mode", "team lab2"),
    ]


@pytest.mark.parametrize(
    "settings, warned",
    [
        ({"StudioWebPortalAccess": "DISABLED", "DomainId": "dzd-4ab12cd34ef56"}, True),
        ({"DomainId": "dzd-4ab12cd34ef56", "ProjectId": "abc123"}, True),
        ({"StudioWebPortalAccess": "ENABLED", "DomainId": "dzd-4ab12cd34ef56"}, False),
        ({}, False),
    ],
)
def test_a_domain_that_has_moved_to_unified_studio(fleet, settings, warned):
    made = fleet.sagemaker("lab1").create_domain(
        DomainName="moved",
        AuthMode="IAM",
        DefaultUserSettings={"ExecutionRole": f"arn:aws:iam::{ACCOUNTS['lab1']}:role/Default"},
        DomainSettings={"UnifiedStudioSettings": settings},
    )
    fleet.domains["lab1"] = made["DomainId"]
    fleet.put_team("lab1")
    # A warning alone is no failure.
    assert found(fleet, code=0) == [("domain_in_unified_studio", "team lab1")] * warned


def test_the_quota_of_profiles_and_how_much_is_used(fleet):
    fleet.control("settings", profile_quotas={ACCOUNTS["lab1"]: 1, ACCOUNTS["lab2"]: 5})
    fleet.profile("lab1", "ann")
    for number in range(4):
        fleet.profile("lab2", f"user{number}")
    assert found(fleet) == [
        ("quota_near", "account 600000000002"),
        ("quota_reached", "account 600000000001"),
    ]


def test_the_default_quota_counts_where_the_account_has_none_of_its_own(fleet):
    fault = {"operation": "GetServiceQuota", "effect": "error", "status": 400}
    fleet.control("faults", **fault, code="NoSuchResourceException")
    assert found(fleet, code=0) == []


def test_an_execution_role_that_is_missing_or_that_sagemaker_cannot_assume(fleet):
    role = "arn:aws:iam::600000000001:role/lab1-execution"
    fleet.control("settings", roles={role: None})
    assert found(fleet) == [("execution_role_missing", "team lab1")]
    trust = {
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    }
    fleet.control("settings", roles={role: {"trust_policy": trust}})
    assert found(fleet) == [("execution_role_not_trusted", "team lab1")]


def test_a_target_role_that_is_missing(fleet):
    fleet.control("settings", roles={TARGET: None})
    assert found(fleet) == [("target_role_missing", "team lab1")]


@pytest.mark.parametrize(
    "block, key, words",
    [
        ("StringEquals", "aws:RequestTag/Team", "an unknown team"),
        ("StringEquals", "aws:PrincipalOrgID", "another organization"),
        ("Null", "sts:TransitiveTagKeys", "pass on to the next role"),
        ("ForAllValues:StringEquals", "aws:TagKeys", "a third tag"),
    ],
)
def test_a_target_role_that_lets_in_too_many(fleet, block, key, words):
    trust = copy.deepcopy(fleet.documents("lab1")["trust_policy"])
    for statement in trust["Statement"]:
        del statement["Condition"][block][key]
    override(fleet, TARGET, trust_policy=trust)
    report = fleet.json("doctor", code=3)
    [finding] = report["findings"]
    assert finding["code"] == "target_trust_too_wide"
    assert words in finding["found"]


@pytest.mark.parametrize(
    "principal, condition, codes",
    [
        ({"AWS": "arn:aws:iam::333333333333:root"}, {}, ["target_trust_too_wide"]),
        ({"AWS": "arn:aws:iam::333333333333:user/eve"}, {}, ["target_trust_too_wide"]),
        (
            "*",
            {"StringEquals": {"aws:SourceVpce": "vpce-1"}},
            ["target_trust_too_wide", "target_trust_unproven"],
        ),
    ],
)
def test_whoever_a_target_role_names_beside_the_broker(fleet, principal, condition, codes):
    trust = copy.deepcopy(fleet.documents("lab1")["trust_policy"])
    extra = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    trust["Statement"].append({**extra, "Condition": condition})
    override(fleet, TARGET, trust_policy=trust)
    assert found(fleet) == [(code, "team lab1") for code in codes]


def test_a_target_role_that_does_not_let_the_broker_in(fleet):
    fleet.put_team("lab1", external_id="secret-1")
    trust = fleet.documents("lab1")["trust_policy"]
    fleet.put_team("lab1", external_id="secret-2")
    override(fleet, TARGET, trust_policy=trust)
    assert found(fleet) == [("target_trust_refuses", "team lab1")]


def test_a_target_role_that_allows_what_it_must_refuse(fleet):
    policy = copy.deepcopy(fleet.documents("lab1")["permission_policy"])
    for statement in policy["Statement"]:
        actions = statement["Action"]
        if "sagemaker:CreatePresignedDomainUrl" in actions:
            equals = statement["Condition"]["StringEquals"]
            del equals["sagemaker:ResourceTag/User"]
    override(fleet, TARGET, permission_policy=policy)
    report = fleet.json("doctor", code=3)
    [finding] = report["findings"]
    assert (finding["code"], finding["level"]) == ("target_role_too_wide", "problem")
    assert "somebody else's profile" in finding["found"]
    assert "CreatePresignedDomainUrl" in finding["found"]


def test_a_target_role_that_does_everything(fleet):
    everything = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    override(fleet, TARGET, permission_policy=everything)
    report = fleet.json("doctor", code=3)
    [finding] = report["findings"]
    for words in ("an unknown team's session", "a session without tags", "another role"):
        assert words in finding["found"]


def test_a_target_role_that_refuses_what_a_sign_in_needs(fleet):
    policy = copy.deepcopy(fleet.documents("lab1")["permission_policy"])
    policy["Statement"] = [s for s in policy["Statement"] if s["Action"] != "iam:PassRole"]
    override(fleet, TARGET, permission_policy=policy)
    report = fleet.json("doctor", code=3)
    [finding] = report["findings"]
    assert finding["code"] == "target_role_refuses"
    assert finding["found"] == "refuses iam:PassRole for the team's execution role"


def test_a_condition_on_the_network_is_not_judged(fleet):
    policy = copy.deepcopy(fleet.documents("lab1")["permission_policy"])
    for statement in policy["Statement"]:
        if "sagemaker:CreatePresignedDomainUrl" in statement["Action"]:
            statement["Condition"]["StringEquals"]["aws:SourceVpce"] = "vpce-1"
    override(fleet, TARGET, permission_policy=policy)
    report = fleet.json("doctor")
    [finding] = report["findings"]
    assert (finding["code"], finding["level"]) == ("role_unproven", "unproven")
    assert "aws:SourceVpce" in finding["found"]


def test_a_hub_role_that_may_delete_state_or_reaches_no_target(fleet):
    wide = {"Statement": {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}}
    override(fleet, HUB_ROLE, permission_policy=wide)
    codes = [code for code, _ in found(fleet)]
    assert codes == ["hub_role_refuses", "hub_role_too_wide"]


def test_a_hub_role_whose_own_policy_asks_for_its_function_is_told_as_not_proven(fleet):
    report = fleet.json("doctor")
    [unproven] = [p["claim"] for p in report["proof"] if p["claim"].startswith("not proven")]
    assert report["findings"] == [] and "lambda:SourceFunctionArn" in unproven


def hub_policy(**conditions):
    """All that the hub role needs, with conditions on its way to target roles."""
    assume = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"}
    read = ["dynamodb:GetItem", "dynamodb:Scan"]
    state = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    table = "arn:*:dynamodb:*:*:table/studio-broker-"
    mappings = [f"{table}teams", f"{table}idps"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {**assume, "Condition": conditions},
            {"Effect": "Allow", "Action": read, "Resource": mappings},
            {"Effect": "Allow", "Action": state, "Resource": f"{table}state"},
        ]
    }


def test_a_hub_role_of_another_organization_reaches_no_target(fleet):
    own = hub_policy(StringEquals={"aws:ResourceOrgID": "${aws:PrincipalOrgID}"})
    override(fleet, HUB_ROLE, permission_policy=own)
    assert found(fleet, code=0) == []
    other = hub_policy(StringEquals={"aws:ResourceOrgID": "o-another"})
    # To a document of the version before, a variable is a text like any other.
    for refusing in [other, {**own, "Version": "2008-10-17"}]:
        override(fleet, HUB_ROLE, permission_policy=refusing)
        assert [code for code, _ in found(fleet)] == ["hub_role_refuses"]


def test_a_hub_role_that_is_denied_is_a_finding_whatever_else_it_asks_for(fleet):
    function = "arn:aws:lambda:us-east-1:111111111111:function:x"
    policy = hub_policy(ArnEquals={"lambda:SourceFunctionArn": function})
    override(fleet, HUB_ROLE, permission_policy=policy)
    assert found(fleet, code=0) == []
    deny = {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*"}
    policy["Statement"].append(deny)
    override(fleet, HUB_ROLE, permission_policy=policy)
    assert [code for code, _ in found(fleet)] == ["hub_role_refuses"]


def test_profiles_that_are_taken_over_and_items_that_cannot_be_used(fleet):
    fleet.put_team("lab1", adopt_profiles=True)
    fleet.put_team("lab2", colour="red")
    fleet.put_team("lab3", session_duration_seconds=1)
    assert found(fleet) == [
        ("adopt_profiles_on", "team lab1"),
        ("attribute_unknown", "team lab2"),
        ("team_invalid", "team lab3"),
    ]


def test_two_identity_providers_that_speak_for_the_same_people(fleet):
    import conftest

    other = (conftest.METADATA / "other.xml").read_text()
    other_id = other.split('entityID="')[1].split('"')[0]
    second = {"entity_id": other_id, "metadata_xml": other, "allowed_teams": ["lab1", "lab9"]}
    fleet.dynamodb.put_item(TableName="studio-broker-idps", Item=conftest.item(second))
    codes = [code for code, _ in found(fleet, code=0)]
    assert codes == ["idp_team_unknown", "idps_share_people"]
    second["directory"] = "elsewhere"
    second["allowed_teams"] = ["lab1"]
    fleet.dynamodb.put_item(TableName="studio-broker-idps", Item=conftest.item(second))
    assert found(fleet, code=0) == []


def test_nobody_can_sign_in(fleet):
    fleet.put_idp(enabled=False)
    assert found(fleet) == [("no_idp", "identity providers")]


def test_settings_that_cannot_be_used_are_findings_and_the_rest_goes_on(fleet):
    bad = {"STUDIO_BROKER_PUBLIC_URL": "", "STUDIO_BROKER_URL_SECONDS": "1"}
    assert found(fleet, **bad) == [
        ("setting_unusable", "STUDIO_BROKER_PUBLIC_URL"),
        ("setting_unusable", "STUDIO_BROKER_URL_SECONDS"),
    ]


def test_tables_without_recovery_or_time_to_live(fleet):
    fleet.dynamodb.update_continuous_backups(
        TableName="studio-broker-teams",
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
    )
    fleet.dynamodb.update_time_to_live(
        TableName="studio-broker-state",
        TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"},
    )
    assert found(fleet, code=0) == [
        ("recovery_off", "table studio-broker-teams"),
        ("state_ttl_off", "table studio-broker-state"),
    ]


def test_a_state_table_whose_replicas_do_not_agree_at_once(fleet):
    state = fleet.dynamodb.describe_table(TableName="studio-broker-state")["Table"]
    state["CreationDateTime"] = state["CreationDateTime"].timestamp()
    state["Replicas"] = [{"RegionName": "eu-west-1", "ReplicaStatus": "ACTIVE"}]
    between = Between(fleet.endpoint)

    def describe(request):
        return (200, {"Table": state}) if request["TableName"] == state["TableName"] else None

    between.on["DescribeTable"] = describe
    through = {"AWS_ENDPOINT_URL_DYNAMODB": between.url}
    assert found(fleet, **through) == [("state_not_consistent", "table studio-broker-state")]
    state["MultiRegionConsistency"] = "STRONG"
    # Such a table knows no time to live.
    off = {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
    between.on["DescribeTimeToLive"] = lambda request: (200, off)
    assert found(fleet, code=0, **through) == []
    between.server.shutdown()


def test_an_unknown_team_is_a_wrong_argument(fleet):
    done = fleet.run("doctor", "--team", "nobody", code=2)
    assert "there is no team" in done.stderr and done.stdout == ""


def test_tables_that_somebody_else_simulates(moto, fleet):
    """The tables in moto, which nobody here wrote: wrong key, no recovery, no time to live."""
    dynamodb = boto3.client(
        "dynamodb",
        endpoint_url=moto,
        region_name="eu-central-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    for table, key in (("doctor-teams", "id"), ("doctor-idps", "entity_id"), ("doctor-state", "pk")):
        dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    settings = {
        "AWS_ENDPOINT_URL": moto,
        "STUDIO_BROKER_TEAMS_TABLE": "doctor-teams",
        "STUDIO_BROKER_IDPS_TABLE": "doctor-idps",
        "STUDIO_BROKER_STATE_TABLE": "doctor-state",
    }
    assert found(fleet, **settings) == [
        ("no_idp", "identity providers"),
        ("recovery_off", "table doctor-idps"),
        ("recovery_off", "table doctor-teams"),
        ("state_ttl_off", "table doctor-state"),
        ("table_key_wrong", "table doctor-teams"),
    ]


def test_regions_and_accounts_are_the_teams_own(fleet):
    fleet.json("doctor")
    regions = {call["account"]: call["region"] for call in fleet.calls("DescribeDomain")}
    assert regions == {ACCOUNTS[team]: REGIONS[team] for team in ACCOUNTS}
    assert {call["account"] for call in fleet.calls("GetCallerIdentity")} == {HUB}


def test_a_table_that_cannot_be_read_is_a_finding_and_the_rest_is_checked(fleet):
    fleet.control(
        "faults", service="dynamodb", operation="Scan", about="studio-broker-idps", effect="deny"
    )
    report = fleet.json("doctor", code=4)
    assert ("not_allowed", "table studio-broker-idps") in found_in(report)
    assert fleet.calls("AssumeRole"), "the accounts were looked at all the same"


def test_a_table_that_is_missing_does_not_hide_what_can_be_checked(fleet):
    report = fleet.json("doctor", code=3, STUDIO_BROKER_IDPS_TABLE="nope")
    assert ("table_missing", "table nope") in found_in(report)
    assert fleet.calls("AssumeRole"), "the accounts were looked at all the same"


def found_in(report):
    return [(finding["code"], finding["subject"]) for finding in report["findings"]]
