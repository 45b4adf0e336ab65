"""The hub: what its roles may do, who may touch the state table, and what a team's editors may change."""

import pathlib
import sys

import pytest
from cases import ORGANIZATION, role
from iam import FULL_ACCESS

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "templates"))
from templates import HUB, IDENTITY_STORE, KEY, SECRET, stack

OPTIONS = {
    "SpKeySecretArn": SECRET,
    "IdentityStoreArn": IDENTITY_STORE,
    "FurtherTargetRoleArns": "arn:aws:iam::333333333333:role/studio/Opener",
    "KmsKeyArn": KEY,
    "BreakGlassRoleArn": "arn:aws:iam::111111111111:role/BreakGlass",
    "EndpointType": "PRIVATE",
    "Network": "new",
}
PLAIN, FULL = stack(HUB), stack(HUB, OPTIONS)
BROKER = "arn:aws:iam::111111111111:role/StudioBrokerHub"
BREAK_GLASS = "arn:aws:iam::111111111111:role/BreakGlass"
FUNCTION = "arn:aws:lambda:eu-central-1:111111111111:function:stack-broker"
#: The function, and its versions and aliases, which a release is made of.
OF_THE_FUNCTION = [FUNCTION, f"{FUNCTION}:*"]
TEAMS, IDPS, STATE = (
    f"arn:aws:dynamodb:eu-central-1:111111111111:table/studio-broker-{name}" for name in ("teams", "idps", "state")
)  # fmt: skip
LOG = "arn:aws:logs:eu-central-1:111111111111:log-group:/aws/lambda/stack-broker:log-stream:2026"

# ---------------------------------------------------------------- the broker's role

#: What Lambda puts into every call of the function's code. It belongs to Lambda and is sent to every
#: service, so no reference lists it for single actions: the conditions on it are checked in the text.
#: https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
SOURCE = "lambda:SourceFunctionArn"
INTO_THE_ORGANIZATION = {"aws:PrincipalOrgID": ORGANIZATION, "aws:ResourceOrgID": ORGANIZATION}


def permissions(made, name):
    """The policies of a role, without the conditions on the function's ARN."""
    kept = {}
    for policy_name, document in made.permissions(name).items():
        statements = []
        for statement in document["Statement"]:
            condition = {
                operator: {key: value for key, value in keys.items() if key != SOURCE}
                for operator, keys in statement.get("Condition", {}).items()
            }
            condition = {operator: keys for operator, keys in condition.items() if keys}
            if statement["Effect"] == "Deny" and not condition:
                continue
            rest = {key: value for key, value in statement.items() if key != "Condition"}
            statements.append({**rest, "Condition": condition} if condition else rest)
        kept[policy_name] = {**document, "Statement": statements}
    return kept


#: What the other side says: a target's trust in the broker, a key's policy that leaves it to IAM.
OTHER_SIDE = {
    "sts": {"Effect": "Allow", "Principal": {"AWS": BROKER}, "Action": "sts:*"},
    "kms": {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "kms:*", "Resource": "*"},
}  # fmt: skip


def broker(iam, made, action, resource, **context):
    policies = {"identity": permissions(made, "HubRole")}
    if statement := OTHER_SIDE.get(action.partition(":")[0]):
        policies["resource_policy"] = {"Version": "2012-10-17", "Statement": [statement]}
    return iam.decide(BROKER, action, resource, context, **policies)


MAY = {
    "assume a target": ("sts:AssumeRole", role("StudioBrokerTarget"), INTO_THE_ORGANIZATION),
    "tag its session": ("sts:TagSession", role("StudioBrokerTarget"), INTO_THE_ORGANIZATION),
    "read a team": ("dynamodb:GetItem", TEAMS, {}),
    "read teams at once": ("dynamodb:BatchGetItem", TEAMS, {}),
    "index groups": ("dynamodb:Scan", TEAMS, {}),
    "read an identity provider": ("dynamodb:GetItem", IDPS, {}),
    "load identity providers": ("dynamodb:Scan", IDPS, {}),
    "consume a response": ("dynamodb:PutItem", STATE, {}),
    "read a session": ("dynamodb:GetItem", STATE, {}),
    "end a session": ("dynamodb:UpdateItem", STATE, {}),
    "write its log": ("logs:PutLogEvents", LOG, {}),
}

MAY_NOT = {
    "assume a target outside of the organization": (
        "sts:AssumeRole", role("StudioBrokerTarget"), {**INTO_THE_ORGANIZATION, "aws:ResourceOrgID": "o-somebodyelse"}),
    "assume a target of an account without organization": (
        "sts:AssumeRole", role("StudioBrokerTarget"), {"aws:PrincipalOrgID": ORGANIZATION}),
    "assume another role": ("sts:AssumeRole", role("Admin"), INTO_THE_ORGANIZATION),
    "assume a role whose name begins so": ("sts:AssumeRole", role("StudioBrokerTargetX"), INTO_THE_ORGANIZATION),
    "assume the doctor role": ("sts:AssumeRole", role("StudioBrokerDoctor"), INTO_THE_ORGANIZATION),
    "assume the lifecycle role": ("sts:AssumeRole", role("StudioBrokerLifecycle"), INTO_THE_ORGANIZATION),
    "set a source identity": ("sts:SetSourceIdentity", role("StudioBrokerTarget"), INTO_THE_ORGANIZATION),
    "change a team": ("dynamodb:UpdateItem", TEAMS, {}),
    "add a team": ("dynamodb:PutItem", TEAMS, {}),
    "remove a team": ("dynamodb:DeleteItem", TEAMS, {}),
    "trust another identity provider": ("dynamodb:PutItem", IDPS, {}),
    "forget a consumed response": ("dynamodb:DeleteItem", STATE, {}),
    "read all sessions": ("dynamodb:Scan", STATE, {}),
    "search sessions": ("dynamodb:Query", STATE, {}),
    "read sessions with SQL": ("dynamodb:PartiQLSelect", STATE, {}),
    "write many at once": ("dynamodb:BatchWriteItem", STATE, {}),
    "switch expiry": ("dynamodb:UpdateTimeToLive", STATE, {}),
    "touch another table": ("dynamodb:GetItem", TEAMS.replace("studio-broker-teams", "payroll"), {}),
    "read a secret": ("secretsmanager:GetSecretValue", SECRET, {}),
    "read groups": ("identitystore:GetUserId", IDENTITY_STORE, {}),
    "use a key": ("kms:Decrypt", KEY, {"kms:ViaService": "dynamodb.eu-central-1.amazonaws.com"}),
    "write another log": ("logs:PutLogEvents", LOG.replace("stack-broker", "other"), {}),
    "place network interfaces": ("ec2:CreateNetworkInterface", "arn:aws:ec2:eu-central-1:111111111111:subnet/subnet-1", {}),
    "open Studio with its own hands": (
        "sagemaker:CreatePresignedDomainUrl", "arn:aws:sagemaker:eu-central-1:111111111111:user-profile/d-1/a", {}),
}  # fmt: skip


@pytest.mark.parametrize("case", MAY)
def test_the_broker_may(iam, case):
    action, resource, context = MAY[case]
    assert broker(iam, PLAIN, action, resource, **context) == "allowed"
    assert broker(iam, FULL, action, resource, **context) == "allowed"


@pytest.mark.parametrize("case", MAY_NOT)
def test_the_broker_may_not(iam, case):
    action, resource, context = MAY_NOT[case]
    assert broker(iam, PLAIN, action, resource, **context) == "denied"


VIA = {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}

CONFIGURED = {
    "a further target": ("sts:AssumeRole", "arn:aws:iam::333333333333:role/studio/Opener", INTO_THE_ORGANIZATION, "allowed"),
    "a further target outside": ("sts:AssumeRole", "arn:aws:iam::333333333333:role/studio/Opener", {}, "denied"),
    "that role in another account": ("sts:AssumeRole", "arn:aws:iam::444444444444:role/studio/Opener", INTO_THE_ORGANIZATION, "denied"),
    "the secret": ("secretsmanager:GetSecretValue", SECRET, {}, "allowed"),
    "another secret": ("secretsmanager:GetSecretValue", SECRET.replace("sp-key", "payroll"), {}, "denied"),
    "writing the secret": ("secretsmanager:PutSecretValue", SECRET, {}, "denied"),
    "the id of a user": ("identitystore:GetUserId", IDENTITY_STORE, {}, "allowed"),
    "a user": ("identitystore:GetUserId", "arn:aws:identitystore:::user/u", {}, "allowed"),
    "a user's groups": ("identitystore:ListGroupMembershipsForMember", IDENTITY_STORE, {}, "allowed"),
    "another store": ("identitystore:GetUserId", IDENTITY_STORE.replace("1234567890", "9999999999"), {}, "denied"),
    "all users": ("identitystore:ListUsers", IDENTITY_STORE, {}, "denied"),
    "a new membership": ("identitystore:CreateGroupMembership", IDENTITY_STORE, {}, "denied"),
    "the key through DynamoDB": ("kms:Decrypt", KEY, {"kms:ViaService": "dynamodb.eu-central-1.amazonaws.com"}, "allowed"),
    "the key through Secrets Manager": ("kms:Decrypt", KEY, VIA, "allowed"),
    "the key through DynamoDB in China": ("kms:Decrypt", KEY, {"kms:ViaService": "dynamodb.eu-central-1.amazonaws.com.cn"}, "allowed"),
    "the key through DynamoDB elsewhere": ("kms:Decrypt", KEY, {"kms:ViaService": "dynamodb.eu-west-1.amazonaws.com"}, "denied"),
    "the key by itself": ("kms:Decrypt", KEY, {}, "denied"),
    "the key through S3": ("kms:Decrypt", KEY, {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}, "denied"),
    "another key": ("kms:Decrypt", KEY.replace("0f7a", "1f7a"), VIA, "denied"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGURED)
def test_what_settings_add(iam, case):
    action, resource, context, expected = CONFIGURED[case]
    assert broker(iam, FULL, action, resource, **context) == expected


def test_targets_are_assumed_by_this_function_alone():
    for made in (PLAIN, FULL):
        (document,) = (d for name, d in made.permissions("HubRole").items() if name == "Broker")
        assuming = [s for s in document["Statement"] if "sts:AssumeRole" in s["Action"]]
        assert len(assuming) == (2 if made is FULL else 1)
        for statement in assuming:
            assert statement["Condition"]["ArnEquals"] == {SOURCE: OF_THE_FUNCTION}
    assert FULL.resources["BrokerFunction"]["Properties"]["FunctionName"] == FUNCTION.rpartition(":")[2]


def test_the_code_never_uses_lambdas_rights_on_the_network():
    network = FULL.permissions("HubRole")["Network"]["Statement"]
    deny = next(statement for statement in network if statement["Effect"] == "Deny")
    assert (deny["Action"], deny["Resource"]) == ("ec2:*", "*")
    assert deny["Condition"] == {"ArnEquals": {SOURCE: OF_THE_FUNCTION}}
    assert "Network" not in PLAIN.permissions("HubRole")


def test_only_lambda_wears_the_hub_role(iam):
    (statement,) = PLAIN.trust("HubRole")["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    admin = role("Admin", "111111111111")
    decision = iam.decide(
        admin, "sts:AssumeRole", BROKER, {"aws:PrincipalArn": admin},
        resource_policy=PLAIN.trust("HubRole"), identity={"everything": FULL_ACCESS},
    )  # fmt: skip
    assert decision == "denied"


# ---------------------------------------------------------------- the state table

OTHERS = {
    "an administrator": role("Admin", "111111111111"),
    "AWS Backup": role("service-role/AWSBackupDefaultServiceRole", "111111111111"),
    "the validator": role("stack-ValidatorRole", "111111111111"),
    "a role of that name under a path": role("x/StudioBrokerHub", "111111111111"),
    "a role of that name elsewhere": role("StudioBrokerHub", "222222222222"),
}
DATA = [
    "BatchGetItem", "BatchWriteItem", "ConditionCheckItem", "CreateBackup", "DeleteItem",
    "EnableKinesisStreamingDestination", "ExportTableToPointInTime", "GetItem", "PartiQLDelete",
    "PartiQLInsert", "PartiQLSelect", "PartiQLUpdate", "PutItem", "Query", "RestoreTableFromAwsBackup",
    "RestoreTableFromBackup", "RestoreTableToPointInTime", "Scan", "StartAwsBackupJob", "UpdateItem",
]  # fmt: skip


def on_state(iam, made, principal, action):
    table = made.resources["StateTable"]["Properties"]
    return iam.decide(
        principal, f"dynamodb:{action}", STATE, {"aws:PrincipalArn": principal},
        resource_policy=table["ResourcePolicy"]["PolicyDocument"], identity={"everything": FULL_ACCESS},
    )  # fmt: skip


@pytest.mark.parametrize("action", DATA)
def test_the_state_tables_data_is_closed_to_everybody_else(iam, action):
    for principal in OTHERS.values():
        assert on_state(iam, PLAIN, principal, action) == "forbidden"
    assert on_state(iam, PLAIN, BREAK_GLASS, action) == "forbidden"
    assert on_state(iam, FULL, BREAK_GLASS, action) == "allowed"
    assert on_state(iam, PLAIN, BROKER, action) == "allowed"


@pytest.mark.parametrize("action", ["DescribeTable", "UpdateTable", "DescribeTimeToLive", "UpdateContinuousBackups"])
def test_the_table_itself_stays_in_the_administrators_hands(iam, action):
    assert on_state(iam, PLAIN, OTHERS["an administrator"], action) == "allowed"


# ---------------------------------------------------------------- the validator

STREAM = f"{TEAMS}/stream/2026-11-25T00:00:00.000"
VALIDATOR = {
    "read the teams' changes": ("dynamodb:GetRecords", STREAM, "allowed"),
    "read the identity providers' changes": ("dynamodb:GetShardIterator", STREAM.replace("teams", "idps"), "allowed"),
    "read the state table's changes": ("dynamodb:GetRecords", STREAM.replace("teams", "state"), "denied"),
    "load identity providers": ("dynamodb:Scan", IDPS, "allowed"),
    "load teams": ("dynamodb:Scan", TEAMS, "denied"),
    "change a team": ("dynamodb:UpdateItem", TEAMS, "denied"),
    "read a session": ("dynamodb:GetItem", STATE, "denied"),
    "report what it could not check": (
        "sqs:SendMessage", "arn:aws:sqs:eu-central-1:111111111111:stack-UncheckedChanges", "allowed"),
    "read reports": ("sqs:ReceiveMessage", "arn:aws:sqs:eu-central-1:111111111111:stack-UncheckedChanges", "denied"),
    "assume a target": ("sts:AssumeRole", role("StudioBrokerTarget"), "denied"),
    "write the broker's log": ("logs:PutLogEvents", LOG, "denied"),
}  # fmt: skip


@pytest.mark.parametrize("case", VALIDATOR)
def test_the_validator_may_no_more_than(iam, case):
    action, resource, expected = VALIDATOR[case]
    principal = role("stack-ValidatorRole", "111111111111")
    assert iam.decide(principal, action, resource, {}, identity=PLAIN.permissions("ValidatorRole")) == expected


PLACES = {
    "remembers where teams are": ("dynamodb:UpdateItem", TEAMS, ["-places"], "allowed"),
    "changes a team": ("dynamodb:UpdateItem", TEAMS, ["team1"], "denied"),
    "changes a team beside": ("dynamodb:UpdateItem", TEAMS, ["-places", "team1"], "denied"),
    "changes what names no key": ("dynamodb:UpdateItem", TEAMS, [], "denied"),
    "writes the item of an identity provider": ("dynamodb:UpdateItem", IDPS, ["-places"], "denied"),
    "reads where teams are": ("dynamodb:GetItem", TEAMS, ["-places"], "denied"),
    "forgets where teams are": ("dynamodb:DeleteItem", TEAMS, ["-places"], "denied"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLACES)
def test_the_validator_writes_one_item_that_is_no_team(iam, case):
    action, table, keys, expected = PLACES[case]
    context = {"dynamodb:LeadingKeys": keys} if keys else {}
    principal = role("stack-ValidatorRole", "111111111111")
    assert iam.decide(principal, action, table, context, identity=PLAIN.permissions("ValidatorRole")) == expected


# ---------------------------------------------------------------- editors of one team

EDITOR = role("aws-reserved/sso.amazonaws.com/AWSReservedSSO_TeamEditor_0a1b", "111111111111")
OWN = {"aws:PrincipalTag/StudioBrokerTeam": "team1", "dynamodb:LeadingKeys": ["team1"]}
EDIT = {**OWN, "dynamodb:Attributes": ["team_id", "groups", "revision"], "dynamodb:ReturnValues": "UPDATED_NEW"}
UNTAGGED = {key: value for key, value in EDIT.items() if not key.startswith("aws:PrincipalTag")}

EDITS = {
    "changes who gets in": ("dynamodb:UpdateItem", EDIT, "allowed"),
    "pauses the team": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:Attributes": ["team_id", "enabled", "paused_reason"]}, "allowed"),
    "asks for nothing back": ("dynamodb:UpdateItem", {k: v for k, v in EDIT.items() if k != "dynamodb:ReturnValues"}, "allowed"),
    "sees the team": ("dynamodb:GetItem", OWN, "allowed"),
    "gives somebody access by name": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:Attributes": ["team_id", "members", "revision"]}, "allowed"),
    "changes what the chooser shows": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:Attributes": ["team_id", "contact", "links", "labels"]}, "allowed"),
    "adds a door": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:Attributes": ["team_id", "doors"]}, "denied"),
    "asks for less than a second factor": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:Attributes": ["team_id", "authn_contexts"]}, "denied"),
    "changes another team": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:LeadingKeys": ["team2"]}, "denied"),
    "changes two teams at once": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:LeadingKeys": ["team1", "team2"]}, "denied"),
    "sees another team": ("dynamodb:GetItem", {**OWN, "dynamodb:LeadingKeys": ["team2"]}, "denied"),
    "points the team at another account": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:Attributes": ["team_id", "account_id"]}, "denied"),
    "gives the team another role": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:Attributes": ["team_id", "execution_role_arn"]}, "denied"),
    "gives the team another broker role": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:Attributes": ["team_id", "broker_role_arn"]}, "denied"),
    "changes settings of profiles": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:Attributes": ["team_id", "user_settings"]}, "denied"),
    "opens the team to other networks": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:Attributes": ["team_id", "allowed_cidrs"]}, "denied"),
    "adopts profiles": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:Attributes": ["team_id", "adopt_profiles"]}, "denied"),
    "lets the answer show everything": ("dynamodb:UpdateItem", {**EDIT, "dynamodb:ReturnValues": "ALL_NEW"}, "denied"),
    "names no attribute": ("dynamodb:UpdateItem", {k: v for k, v in EDIT.items() if k != "dynamodb:Attributes"}, "denied"),
    "carries no tag": ("dynamodb:UpdateItem", UNTAGGED, "denied"),
    "replaces the team": ("dynamodb:PutItem", EDIT, "denied"),
    "removes the team": ("dynamodb:DeleteItem", EDIT, "denied"),
    "changes the team with SQL": ("dynamodb:PartiQLUpdate", EDIT, "denied"),
    "reads all teams": ("dynamodb:Scan", {"aws:PrincipalTag/StudioBrokerTeam": "team1"}, "denied"),
}  # fmt: skip


@pytest.mark.parametrize("case", EDITS)
def test_an_editor_of_a_team(iam, case):
    action, context, expected = EDITS[case]
    document = PLAIN.resources["TeamEditorsPolicy"]["Properties"]["PolicyDocument"]
    assert iam.decide(EDITOR, action, TEAMS, context, identity={"TeamEditors": document}) == expected


def test_an_editor_reaches_no_other_table(iam):
    document = PLAIN.resources["TeamEditorsPolicy"]["Properties"]["PolicyDocument"]
    for table in (IDPS, STATE):
        assert iam.decide(EDITOR, "dynamodb:UpdateItem", table, EDIT, identity={"TeamEditors": document}) == "denied"


# ---------------------------------------------------------------- the private way

ENDPOINTS = {
    "the broker reads teams": ("DynamoDbEndpoint", BROKER, "dynamodb:GetItem", TEAMS, "allowed"),
    "the broker reads another table": ("DynamoDbEndpoint", BROKER, "dynamodb:GetItem", TEAMS.replace("teams", "x"), "denied"),
    "somebody else reads teams": ("DynamoDbEndpoint", role("Other", "111111111111"), "dynamodb:GetItem", TEAMS, "denied"),
    "the broker assumes a target": ("StsEndpoint", BROKER, "sts:AssumeRole", role("StudioBrokerTarget"), "allowed"),
    "somebody else assumes a target": ("StsEndpoint", role("Other", "111111111111"), "sts:AssumeRole", role("StudioBrokerTarget"), "denied"),
    "a target role opens Studio": (
        "SageMakerEndpoint", role("StudioBrokerTarget"), "sagemaker:CreatePresignedDomainUrl",
        "arn:aws:sagemaker:eu-central-1:222222222222:user-profile/d-1/a", "allowed"),
    "a further target role opens Studio": (
        "SageMakerEndpoint", "arn:aws:iam::333333333333:role/studio/Opener", "sagemaker:CreatePresignedDomainUrl",
        "arn:aws:sagemaker:eu-central-1:333333333333:user-profile/d-1/a", "allowed"),
    "a target role opens a door": (
        "SageMakerEndpoint", role("StudioBrokerTarget"), "sagemaker:CreatePresignedMlflowAppUrl",
        "arn:aws:sagemaker:eu-central-1:222222222222:mlflow-app/app-1", "allowed"),
    "a target role deletes an app": (
        "SageMakerEndpoint", role("StudioBrokerTarget"), "sagemaker:DeleteMlflowApp",
        "arn:aws:sagemaker:eu-central-1:222222222222:mlflow-app/app-1", "denied"),
    "a target role deletes a profile": (
        "SageMakerEndpoint", role("StudioBrokerTarget"), "sagemaker:DeleteUserProfile",
        "arn:aws:sagemaker:eu-central-1:222222222222:user-profile/d-1/a", "denied"),
    "the broker reads the secret": ("SecretsEndpoint", BROKER, "secretsmanager:GetSecretValue", SECRET, "allowed"),
}  # fmt: skip


TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:*"}]}


@pytest.mark.parametrize("case", ENDPOINTS)
def test_through_the_endpoints_of_the_new_vpc(iam, case):
    endpoint, principal, action, resource, expected = ENDPOINTS[case]
    document = FULL.resources[endpoint]["Properties"]["PolicyDocument"]
    decision = iam.decide(
        principal, action, resource, {"aws:PrincipalArn": principal, "aws:SourceVpce": "vpce-0aaaaaaaaaaaaaaa0"},
        identity={"everything": FULL_ACCESS}, endpoints={"endpoint": document},
        **({"resource_policy": TRUST} if action == "sts:AssumeRole" else {}),
    )  # fmt: skip
    assert decision == expected
