"""What the administrators' commands ask of the simulated AWS, driven by botocore."""

import pytest
from botocore.exceptions import ClientError

from test_aws import code, control, owner

HUB_ACCOUNT = "111111111111"
TARGET = "arn:aws:iam::222222222222:role/StudioBrokerTarget"
STORE = "d-1234567890"
APPLICATION = "arn:aws:sso::111111111111:application/ssoins-1234567890abcdef/apl-0123456789abcdef"


@pytest.fixture(scope="session")
def assumed(client):
    """assumed(service, role, account): a client with an administrators' role of an account."""

    def make(service, role, account, region="us-east-1"):
        answer = client("sts", key=HUB_ACCOUNT).assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/{role}", RoleSessionName="ann"
        )
        return client(service, assumed=answer["Credentials"], region=region)

    return make


def decisions(iam, source, actions, resources, **context):
    entries = [
        {
            "ContextKeyName": key,
            "ContextKeyValues": value if isinstance(value, list) else [value],
            "ContextKeyType": "stringList" if isinstance(value, list) else "string",
        }
        for key, value in context.items()
    ]
    answer = iam.simulate_principal_policy(
        PolicySourceArn=source,
        ActionNames=actions,
        ResourceArns=resources,
        ContextEntries=entries,
    )
    return [result["EvalDecision"] for result in answer["EvaluationResults"]]


def test_the_broker_may_not_assume_the_roles_of_administrators(client):
    for role in ("StudioBrokerDoctor", "StudioBrokerLifecycle"):
        arn = f"arn:aws:iam::222222222222:role/{role}"
        for key in ("broker", "222222222222"):
            refused = client("sts", key=key).assume_role
            assert code(refused, RoleArn=arn, RoleSessionName="ann") == "AccessDenied"


def test_the_doctor_reads_and_changes_nothing(assumed):
    sagemaker = assumed("sagemaker", "StudioBrokerDoctor", "222222222222")
    assert sagemaker.describe_domain(DomainId="d-localteam001")["AuthMode"] == "IAM"
    named = {"DomainId": "d-localteam001", "UserProfileName": "x"}
    for call in (sagemaker.create_user_profile, sagemaker.delete_user_profile):
        assert code(call, **named) == "AccessDeniedException"


def test_the_lifecycle_role_removes_only_profiles_with_both_tags(client, assumed):
    administrator = client("sagemaker", key="222222222222")
    sagemaker = assumed("sagemaker", "StudioBrokerLifecycle", "222222222222")
    for name, tags, removed in (
        ("untagged", [], False),
        ("half", owner("team1", "x")[:1], False),
        ("whole", owner("team1", "x"), True),
    ):
        named = {"DomainId": "d-localteam001", "UserProfileName": name}
        administrator.create_user_profile(**named, Tags=tags)
        if not removed:
            assert code(sagemaker.delete_user_profile, **named) == "AccessDeniedException"
    with pytest.raises(ClientError) as pending:
        sagemaker.delete_user_profile(**named)
    assert pending.value.response["Error"]["Code"] == "ResourceInUse"


def test_iam_shows_the_trust_policy_of_a_role(assumed):
    iam = assumed("iam", "StudioBrokerDoctor", "222222222222")
    trust = iam.get_role(RoleName="StudioBrokerTarget")["Role"]["AssumeRolePolicyDocument"]
    assert {s["Action"] for s in trust["Statement"]} == {"sts:AssumeRole", "sts:TagSession"}
    execution = iam.get_role(RoleName="Team1Execution")["Role"]
    assert execution["Arn"] == "arn:aws:iam::222222222222:role/Team1Execution"
    principal = execution["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
    assert principal == {"Service": "sagemaker.amazonaws.com"}
    assert code(iam.get_role, RoleName="Nobody") == "NoSuchEntity"


def test_policies_of_a_role_are_simulated_with_the_context_that_is_given(assumed):
    iam = assumed("iam", "StudioBrokerDoctor", "222222222222")
    profile = "arn:aws:sagemaker:us-east-1:222222222222:user-profile/d-localteam001/x"
    opening = "sagemaker:CreatePresignedDomainUrl"
    own = {"aws:PrincipalTag/Team": "team1", "aws:PrincipalTag/User": "ann"}
    for resource_user, decision in (("ann", "allowed"), ("eve", "implicitDeny")):
        context = own | {
            "sagemaker:ResourceTag/Team": "team1",
            "sagemaker:ResourceTag/User": resource_user,
        }
        assert decisions(iam, TARGET, [opening], [profile], **context) == [decision]
    tagged = own | {
        "aws:RequestTag/Team": "team1",
        "aws:RequestTag/User": "ann",
        "aws:TagKeys": ["Team", "User"],
    }
    create = ["sagemaker:CreateUserProfile", "sagemaker:DeleteUserProfile"]
    assert decisions(iam, TARGET, create, [profile], **tagged) == ["allowed", "implicitDeny"]


def test_other_documents_for_a_role_decide_its_calls(client, assumed, endpoint, assume):
    control(endpoint, "POST", "settings", {"roles": {TARGET: {"trust_policy": {"Statement": []}}}})
    try:
        with pytest.raises(ClientError):
            assume("team1", "user-1", "222222222222")
        control(endpoint, "POST", "settings", {"roles": {TARGET: None}})
        iam = assumed("iam", "StudioBrokerDoctor", "222222222222")
        assert code(iam.get_role, RoleName="StudioBrokerTarget") == "NoSuchEntity"
    finally:
        control(endpoint, "POST", "settings", {"roles": {}})
    assume("team1", "user-1", "222222222222")


def test_a_fault_for_an_account_hits_the_assumption_of_its_roles(assumed, endpoint):
    fault = {"operation": "AssumeRole", "account": "222222222222", "effect": "deny", "times": 1}
    control(endpoint, "POST", "faults", fault)
    assumed("sagemaker", "StudioBrokerDoctor", "333333333333")
    with pytest.raises(ClientError):
        assumed("sagemaker", "StudioBrokerDoctor", "222222222222")


def test_the_quota_of_profiles_is_told(assumed):
    quota = {"ServiceCode": "sagemaker", "QuotaCode": "L-AC46C40F"}
    quotas = assumed("service-quotas", "StudioBrokerDoctor", "555555555555")
    assert quotas.get_service_quota(**quota)["Quota"]["Value"] == 0
    assert quotas.get_aws_default_service_quota(**quota)["Quota"]["Value"] == 1000
    unknown = quota | {"QuotaCode": "L-UNKNOWN"}
    assert code(quotas.get_service_quota, **unknown) == "NoSuchResourceException"


def test_groups_are_made_filled_and_removed(client):
    store = client("identitystore")
    name = {"IdentityStoreId": STORE, "DisplayName": "studio-broker-lab"}
    group = store.create_group(**name)["GroupId"]
    assert code(store.create_group, **name) == "ConflictException"
    found = store.get_group_id(
        IdentityStoreId=STORE,
        AlternateIdentifier={
            "UniqueAttribute": {
                "AttributePath": "displayName",
                "AttributeValue": "studio-broker-lab",
            }
        },
    )
    assert found["GroupId"] == group
    member = {"IdentityStoreId": STORE, "GroupId": group, "MemberId": {"UserId": "user-1"}}
    membership = store.create_group_membership(**member)["MembershipId"]
    assert code(store.create_group_membership, **member) == "ConflictException"
    listed = store.list_group_memberships(IdentityStoreId=STORE, GroupId=group)
    assert [m["MemberId"]["UserId"] for m in listed["GroupMemberships"]] == ["user-1"]
    store.delete_group_membership(IdentityStoreId=STORE, MembershipId=membership)
    listed = store.list_group_memberships_for_member(
        IdentityStoreId=STORE, MemberId={"UserId": "user-1"}
    )
    assert listed["GroupMemberships"] == []
    store.delete_group(IdentityStoreId=STORE, GroupId=group)
    missing = code(store.describe_group, IdentityStoreId=STORE, GroupId=group)
    assert missing == "ResourceNotFoundException"


def test_groups_are_assigned_to_an_application(client):
    admin = client("sso-admin")
    instance = admin.list_instances()["Instances"][0]
    assert instance["IdentityStoreId"] == STORE
    provider = "arn:aws:sso::aws:applicationProvider/custom-saml"
    applications = admin.list_applications(
        InstanceArn=instance["InstanceArn"], Filter={"ApplicationProvider": provider}
    )["Applications"]
    assert [a["ApplicationArn"] for a in applications] == [APPLICATION]
    group = client("identitystore").list_groups(IdentityStoreId=STORE)["Groups"][0]["GroupId"]
    assignment = {"ApplicationArn": APPLICATION, "PrincipalId": group, "PrincipalType": "GROUP"}
    admin.create_application_assignment(**assignment)
    assert code(admin.create_application_assignment, **assignment) == "ConflictException"
    listed = admin.list_application_assignments(ApplicationArn=APPLICATION)
    assert listed["ApplicationAssignments"] == [assignment]
    admin.delete_application_assignment(**assignment)
    listed = admin.list_application_assignments(ApplicationArn=APPLICATION)
    assert listed["ApplicationAssignments"] == []


def test_point_in_time_recovery_is_switched(client):
    dynamodb = client("dynamodb")

    def status(table):
        backups = dynamodb.describe_continuous_backups(TableName=table)
        description = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        return description["PointInTimeRecoveryStatus"]

    table = "studio-broker-teams"
    assert status(table) == "ENABLED"
    for switched, told in ((False, "DISABLED"), (True, "ENABLED")):
        dynamodb.update_continuous_backups(
            TableName=table,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": switched},
        )
        assert status(table) == told
    assert code(dynamodb.describe_continuous_backups, TableName="no-such-table") in (
        "TableNotFoundException",
        "ResourceNotFoundException",
    )


@pytest.fixture
def at_once(endpoint):
    before = control(endpoint, "GET", "settings")
    control(endpoint, "POST", "settings", {"profile_delay_ms": 0, "delete_delay_ms": 0})
    yield
    control(endpoint, "POST", "settings", before)


def test_a_space_and_a_profile_wait_for_their_apps_but_not_for_failed_ones(
    client, endpoint, at_once
):
    sagemaker = client("sagemaker", key="777777777777")
    role = "arn:aws:iam::777777777777:role/Run"
    domain = sagemaker.create_domain(
        DomainName="apps", AuthMode="IAM", DefaultUserSettings={"ExecutionRole": role}
    )["DomainId"]
    profile = {"DomainId": domain, "UserProfileName": "p"}
    sagemaker.create_user_profile(**profile)
    fault = {"operation": "CreateApp", "account": "777777777777", "times": 1}
    control(endpoint, "POST", "faults", fault | {"effect": "settle", "status": "Failed"})
    app = profile | {"AppType": "JupyterServer", "AppName": "default"}
    sagemaker.create_app(**app)
    assert sagemaker.describe_app(**app)["Status"] == "Failed"
    assert code(sagemaker.delete_app, **app) == "ValidationException"
    space = {"DomainId": domain, "SpaceName": "s"}
    sagemaker.create_space(
        **space,
        OwnershipSettings={"OwnerUserProfileName": "p"},
        SpaceSharingSettings={"SharingType": "Private"},
    )
    sagemaker.create_app(**space, AppType="JupyterLab", AppName="default")
    both = {"UserProfileNameEquals": "p", "SpaceNameEquals": "s"}
    assert code(sagemaker.list_apps, **both) == "ValidationException"
    of_space = sagemaker.list_apps(SpaceNameEquals="s")["Apps"][0]
    assert "UserProfileName" not in of_space
    assert code(sagemaker.delete_user_profile, **profile) == "ResourceInUse"
    sagemaker.delete_app(**space, AppType="JupyterLab", AppName="default")
    sagemaker.delete_space(**space)
    sagemaker.delete_user_profile(**profile)
    assert code(sagemaker.describe_user_profile, **profile) == "ResourceNotFound"
