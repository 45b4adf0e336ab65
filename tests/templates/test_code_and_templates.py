"""Code and templates, read together: what one needs the other gives, and nothing else."""

import json
import re
import shlex
import subprocess

import boto3
import pytest
from templates import HUB, HUB_REGION, IDENTITY_STORE, ORGANIZATION, ROOT, SECRET, SPOKE, all_templates, render, stack

SRC = ROOT / "src"
SETTINGS = {row["variable"]: row for row in json.loads((ROOT / "schemas" / "settings.json").read_text())["settings"]}
OPTIONS = {"SpKeySecretArn": SECRET, "IdentityStoreArn": IDENTITY_STORE}
SERVICES = ["dynamodb", "identitystore", "sagemaker", "secretsmanager", "sts"]
CODES = json.loads((ROOT / "schemas" / "codes.json").read_text())["codes"]


def environment(function="BrokerFunction"):
    properties = render.load(HUB)["Resources"][function]["Properties"]
    return properties["Environment"]["Variables"]


def test_every_setting_is_in_the_functions_environment_and_no_other():
    # AWS_USE_FIPS_ENDPOINT is the SDK's own, where the parameter says so.
    assert set(environment()) - {"AWS_USE_FIPS_ENDPOINT"} == set(SETTINGS)
    assert set(environment("ValidatorFunction")) < set(environment())


def test_the_environment_fits_into_4_kb():
    longest = stack(HUB, {
        **OPTIONS, "Organization": "x" * 100, "Contact": f"https://example.com/{'x' * 100}",
        "LogFilter": "x" * 200, "EntityId": "u" * 1024, "PublicUrl": f"https://example.com/{'x' * 200}",
        "ClientAddress": "forwarded:2", "ProxyCidrs": "198.51.100.0/28",
    })  # fmt: skip
    variables = longest.resources["BrokerFunction"]["Properties"]["Environment"]["Variables"]
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    assert sum(len(name) + len(str(value)) for name, value in variables.items()) < 4096


@pytest.mark.parametrize("name", [name for name, row in SETTINGS.items() if "unit" in row])
def test_numbers_have_the_bounds_and_defaults_of_the_code(name):
    declared = render.load(HUB)["Parameters"][environment()[name]["Ref"]]
    row = SETTINGS[name]
    assert [declared[key] for key in ("Default", "MinValue", "MaxValue")] == [row["default"], row["minimum"], row["maximum"]]


def test_the_names_of_tables_and_roles_are_the_codes_defaults():
    variables = stack(HUB).resources["BrokerFunction"]["Properties"]["Environment"]["Variables"]
    for name in ("TEAMS_TABLE", "IDPS_TABLE", "STATE_TABLE", "TARGET_ROLE_NAME"):
        assert variables[f"STUDIO_BROKER_{name}"] == SETTINGS[f"STUDIO_BROKER_{name}"]["default"]
    assert stack(SPOKE, SPOKE_PARAMETERS).resources["TargetRole"]["Properties"]["RoleName"] == "StudioBrokerTarget"


@pytest.mark.parametrize("own", [{}, {"EntityId": "urn:example:studio?a&b"}], ids=["the address", "its own"])
def test_the_next_command_knows_the_hub_as_the_function_does(own):
    hub = stack(HUB, own)
    words = shlex.split(hub.outputs["NextCommand"])
    command = words.index("studio-broker")
    given = dict(word.split("=", 1) for word in words[:command])
    function = hub.resources["BrokerFunction"]["Properties"]["Environment"]["Variables"]
    known = {name: value for name, value in function.items() if name in given}
    assert given == {"AWS_REGION": HUB_REGION, **known}
    assert given.get("STUDIO_BROKER_ENTITY_ID") == own.get("EntityId")
    assert words[command:] == ["studio-broker", "idps", "add", "metadata.xml", "--all-teams"]


def test_the_administrators_roles_have_the_names_that_the_command_line_asks_for():
    code = (SRC / "aws" / "spoke.rs").read_text()
    asked = set(re.findall(r'pub const (?:DOCTOR|LIFECYCLE)_ROLE: &str = "(\w+)"', code))
    administrators = {"AdministratorAccountId": "1" * 12, "AdministratorRoleArns": f"arn:aws:iam::{'1' * 12}:role/Admin"}
    roles = stack(SPOKE, {**SPOKE_PARAMETERS, **administrators}).of_type("AWS::IAM::Role")
    assert asked == {role["RoleName"] for role in roles.values()} - {"StudioBrokerTarget"}
    statements = stack(ORGANIZATION, {
        "HubRoleArn": "arn:aws:iam::111111111111:role/StudioBrokerHub", "OrganizationId": "o-exampleorg1",
        "PolicyTargetIds": "r-abcd",
    }).resources["OnlyTheBroker"]["Properties"]["Content"]["Statement"]  # fmt: skip
    (protected,) = (one["Resource"] for one in statements if one["Sid"] == "RolesOfTheBroker")
    assert {f"arn:aws:iam::*:role/{name}" for name in asked} < set(protected)


def test_the_tables_have_the_keys_that_the_code_reads():
    tables = stack(HUB).of_type("AWS::DynamoDB::Table")
    keys = {name: [k["AttributeName"] for k in table["KeySchema"]] for name, table in tables.items()}
    code = (SRC / "aws" / "tables.rs").read_text()
    state = (SRC / "aws" / "state_table.rs").read_text()
    assert keys == {"TeamsTable": ["team_id"], "IdpsTable": ["entity_id"], "StateTable": ["pk"]}
    assert re.findall(r'self\.get\(&self\.(\w+)_table, "(\w+)"', code) == [("idps", "entity_id"), ("teams", "team_id")]
    assert set(re.findall(r'\.key\("(\w+)"', state)) == {"pk"}
    assert 'item.insert("expires_at".to_owned(), AttributeValue::N(' in state
    assert all(t["AttributeDefinitions"][0]["AttributeType"] == "S" for t in tables.values())


def test_the_streams_bring_every_image_that_the_validator_reads():
    read = set(re.findall(r'image\("(\w+)"\)', (SRC / "mappings" / "stream.rs").read_text()))
    assert read == {"OldImage", "NewImage"}
    tables = stack(HUB).of_type("AWS::DynamoDB::Table")
    views = {name: table.get("StreamSpecification", {}).get("StreamViewType") for name, table in tables.items()}
    assert views == {"TeamsTable": "NEW_AND_OLD_IMAGES", "IdpsTable": "NEW_AND_OLD_IMAGES", "StateTable": None}


# ---------------------------------------------------------------- calls and permissions


def function_sources(path=SRC / "lib.rs", folder=SRC):
    """The files that the function is made of, with what they hold: not what the command line adds."""
    text = path.read_text().split("#[cfg(test)]\nmod tests")[0]
    yield path, text
    for attributes, name in re.findall(r"((?:#\[.+\]\s+)*)(?:pub(?:\(\w+\))? )?mod (\w+);", text):
        if 'feature = "cli"' not in attributes and "cfg(test)" not in attributes:
            file = folder / f"{name}.rs"
            inner = file if file.exists() else folder / name / "mod.rs"
            yield from function_sources(inner, folder / name)


#: A bare request, which only opens a connection: it is signed by nobody, so that nobody needs a right to it.
BARE = re.compile(r"let call = ([^;]+);\s+answered\(call\.interceptor\(Bare\)")


def calls(sources=None):
    """What the code calls, from the calls of the SDK themselves: {file: {"service:Operation"}}."""
    operations = {}
    for service in SERVICES:
        client = boto3.client(service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
        operations[service] = {name: call for name, call in client.meta.method_to_api_mapping.items()}
    found = {}
    for path, text in sources or function_sources():
        for service in re.findall(r"aws_sdk_(\w+)::", text):
            for name in re.findall(r"\.(\w+)\(\)", BARE.sub("", text)):
                if name in operations[service]:
                    found.setdefault(path.relative_to(SRC).as_posix(), set()).add(f"{service}:{operations[service][name]}")
    return found


def rights(sources=None):
    """What IAM asks about for each file: a transaction is no action of its own, it needs those of its parts.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html"""
    found = calls(sources)
    for name in found:
        if "dynamodb:TransactWriteItems" in found[name]:
            parts = re.findall(r"\b(Put|Update|Delete|ConditionCheck)::builder\(\)", (SRC / name).read_text())
            assert parts, name
            found[name] = found[name] - {"dynamodb:TransactWriteItems"} | {f"dynamodb:{part}Item" for part in parts}
    return found


def test_the_calls_of_the_code_are_found():
    found = calls()
    assert found["aws/tables.rs"] == {"dynamodb:GetItem", "dynamodb:BatchGetItem"}
    assert found["aws/team_index.rs"] == {"dynamodb:Scan"}
    assert found["aws/places.rs"] == {"dynamodb:TransactWriteItems", "dynamodb:UpdateItem"}
    assert found["aws/state_table.rs"] == {
        "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:TransactWriteItems", "dynamodb:UpdateItem",
    }  # fmt: skip
    assert found["aws/updates.rs"] == {"dynamodb:PutItem", "dynamodb:UpdateItem"}
    assert found["aws/target.rs"] == {"sts:AssumeRole"}
    assert found["aws/secret.rs"] == {"secretsmanager:GetSecretValue"}
    bare = [call for path, text in function_sources() for call in BARE.findall(text)]
    assert {re.search(r"\.(\w+)\(\)", call)[1] for call in bare} == {"get_caller_identity", "list_domains"}
    # Each call carries its name for the log, so the names are a second witness.
    named = {
        name
        for path, text in function_sources()
        if path.is_relative_to(SRC / "broker") or path.is_relative_to(SRC / "aws")
        for name in re.findall(rf'"((?:{"|".join(SERVICES)}):[A-Z]\w+)"', text)
    }
    assert set().union(*found.values()) == named


def granted(made, role, effect="Allow"):
    """{Sid: actions} of a role."""
    statements = [s for document in made.permissions(role).values() for s in document["Statement"]]
    return {
        s["Sid"]: {s["Action"]} if isinstance(s["Action"], str) else set(s["Action"])
        for s in statements
        if s["Effect"] == effect
    }


def test_the_hub_role_grants_what_the_code_calls_and_nothing_else():
    found = rights()
    grants = granted(stack(HUB, OPTIONS), "HubRole")
    assert grants.pop("AssumeTargets") == found["aws/target.rs"] | {"sts:TagSession"}  # for the session tags
    # By whom the table is read decides about its actions: identity providers are never read in batches.
    read = found["aws/tables.rs"] | found["aws/team_index.rs"]
    assert grants.pop("ReadTeams") == read
    assert grants.pop("ReadIdps") == read - {"dynamodb:BatchGetItem"}
    assert grants.pop("ConsumeResponses") == found["aws/state_table.rs"] | found["aws/updates.rs"]
    assert grants.pop("ReadKeysForEncryptedAssertions") == found["aws/secret.rs"]
    assert grants.pop("ReadGroups") == found["aws/identity_store.rs"]
    assert grants.pop("WriteLog") == {"logs:CreateLogStream", "logs:PutLogEvents"}  # Lambda's own
    assert grants == {}


def test_without_settings_the_hub_role_is_smaller():
    assert set(granted(stack(HUB), "HubRole")) == {
        "AssumeTargets", "ReadTeams", "ReadIdps", "ConsumeResponses", "WriteLog",
    }  # fmt: skip


def test_the_validators_role_grants_what_its_part_of_the_code_calls_and_nothing_else():
    # Of the function's code only the validator remembers places: the broker writes to no mapping.
    remembers = [path.relative_to(SRC).as_posix() for path, text in [
        *function_sources(), (SRC / "bin" / "lambda.rs", (SRC / "bin" / "lambda.rs").read_text()),
    ] if re.search(r"tables\.remember\(", text)]  # fmt: skip
    assert remembers == ["bin/lambda.rs"]
    found = rights()
    grants = granted(stack(HUB), "ValidatorRole")
    assert grants.pop("LoadIdps") == found["aws/team_index.rs"]
    assert grants.pop("RememberPlaces") == found["aws/places.rs"]
    # What Lambda itself does in its name.
    # https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html#events-dynamodb-permissions
    assert grants.pop("ReadChanges") | grants.pop("FindStreams") == {
        "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams",
    }  # fmt: skip
    assert grants.pop("ReportWhatCouldNotBeChecked") == {"sqs:SendMessage"}
    assert grants.pop("WriteLog") == {"logs:CreateLogStream", "logs:PutLogEvents"}
    assert grants == {}


SPOKE_PARAMETERS = {
    "HubRoleArn": "arn:aws:iam::111111111111:role/StudioBrokerHub",
    "OrganizationId": "o-exampleorg1",
    "Teams1": "team1",
    "Domain1": "d-localteam001",
    "Region1": "us-east-1",
}


def test_the_target_role_grants_what_the_code_calls_and_nothing_else():
    found = set().union(*rights().values())
    wanted = {call for call in found if call.startswith("sagemaker:")} | {"iam:PassRole"}
    doors = {"Doors1": "team1=arn:aws:sagemaker:us-east-1:222222222222:mlflow-app/app-ABCDEF123456"}
    for adopts in ("true", "false"):
        made = stack(SPOKE, {**SPOKE_PARAMETERS, **doors, "AdoptProfiles": adopts}, account="222222222222")
        statements = [s for d in made.permissions("TargetRole").values() for s in d["Statement"]]
        allowed = [s["Action"] for s in statements if s["Effect"] == "Allow"]
        assert {a for actions in allowed for a in ([actions] if isinstance(actions, str) else actions)} == wanted


def test_the_endpoints_of_the_new_vpc_let_through_what_the_code_calls():
    found = set().union(*rights().values())
    endpoints = stack(HUB, {"Network": "new"}).of_type("AWS::EC2::VPCEndpoint")

    def through(name):
        return {a for s in endpoints[name]["PolicyDocument"]["Statement"] for a in s["Action"]}

    assert through("DynamoDbEndpoint") == {call for call in found if call.startswith("dynamodb:")}
    assert through("SageMakerEndpoint") == {call for call in found if call.startswith("sagemaker:")}
    assert through("StsEndpoint") == {"sts:AssumeRole", "sts:TagSession"}


# ---------------------------------------------------------------- logs and alarms


def patterns():
    filters = stack(HUB).of_type("AWS::Logs::MetricFilter")
    return {name: one["FilterPattern"] for name, one in filters.items()}


def test_alarms_look_for_lines_that_the_code_writes():
    code = "".join(text for _, text in function_sources())
    access_log = stack(HUB).resources["Stage"]["Properties"]["AccessLogSetting"]["Format"]
    for name, pattern in patterns().items():
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
        assert len(pattern) <= 1024, name
        fields = set(re.findall(r"\$\.(\w+)", pattern))
        if "event" not in fields:
            assert fields <= set(json.loads(access_log)), name
            continue
        (event,) = re.findall(r'\$\.event = "(\w+)"', pattern)
        assert f'event = "{event}"' in code
        for outcome in re.findall(r'\$\.outcome = "(\w+)"', pattern):
            variant = "".join(word.title() for word in outcome.split("_"))
            assert re.search(rf"\b{variant},", (SRC / "broker" / "audit.rs").read_text())


def test_an_administrator_is_called_for_every_code_that_only_they_can_mend():
    called = set(re.findall(r'\$\.code = "(\w+)"', patterns()["AdministratorNeededMetric"]))
    busy = set(re.findall(r'\$\.code = "(\w+)"', patterns()["AwsBusyMetric"]))
    theirs = {c["code"] for c in CODES if c["actor"] == "broker_administrator" and c["status"] >= 500}
    assert called | busy == theirs | {"aws_busy"}
    assert called & busy == set()


def test_every_alarm_has_a_section_in_the_runbooks():
    headings = re.findall(r"^## (.+)$", (ROOT / "infra" / "runbooks.md").read_text(), re.M)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    named = set()
    for path in all_templates():
        for name, resource in render.load(path)["Resources"].items():
            if resource["Type"] == "AWS::CloudWatch::Alarm":
                description = resource["Properties"]["AlarmDescription"]
                (anchor,) = re.findall(r"Runbook: infra/runbooks\.md#([a-z0-9-]+)$", description)
                assert anchor in anchors, f"{path}: {name}"
                named.add(anchor)
    assert named == anchors


def test_alarms_go_to_the_topic():
    alarms = stack(HUB, {"AlarmTopicArn": "arn:aws:sns:eu-central-1:111111111111:alarms"}).of_type("AWS::CloudWatch::Alarm")
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms.values()} == {("arn:aws:sns:eu-central-1:111111111111:alarms",)}


# ---------------------------------------------------------------- the build


def test_sam_and_the_plain_command_build_the_same_binary():
    for name in ("BrokerFunction", "ValidatorFunction"):
        metadata = render.load(HUB)["Resources"][name]["Metadata"]
        assert metadata["BuildMethod"] == "rust-cargolambda"
        assert metadata["BuildProperties"] == {"Binary": "studio-broker-lambda"}
    script = (ROOT / "infra" / "hub" / "build").read_text()
    assert "--bin studio-broker-lambda" in script
    # The line that the plain command gives the zip's name stands there exactly once.
    assert re.findall(r"^    CodeUri: \.\./\.\.$", HUB.read_text(), re.M) == ["    CodeUri: ../.."]
    cargo = (ROOT / "Cargo.toml").read_text()
    options = re.search(r"\[package\.metadata\.lambda\.build\]\n((?:\w+ = .+\n)+)", cargo)[1]
    assert options == "disable_optimizations = true\nlocked = true\nno_default_features = true\n"


def test_the_build_leaves_the_template_with_the_zip_as_its_code():
    script = (ROOT / "infra" / "hub" / "build").read_text()
    (expression,) = re.findall(r"sed -e '([^']+)'", script)
    left = subprocess.run(["sed", "-e", expression, HUB], capture_output=True, text=True, check=True).stdout
    changed = [line for line in left.splitlines() if line not in HUB.read_text().splitlines()]
    assert changed == ["    CodeUri: bootstrap.zip"]


def test_the_build_refuses_a_processor_that_lambda_does_not_have():
    refused = subprocess.run([ROOT / "infra" / "hub" / "build", "sparc"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "error: the architecture is arm64 or x86_64, not sparc\n"


# ---------------------------------------------------------------- administrators


def test_the_guide_lists_the_rights_that_the_command_line_uses_in_the_hub_account_and_no_other():
    used = {"sts:AssumeRole", "iam:SimulatePrincipalPolicy"}
    of_the_function = {path for path, _ in function_sources()}
    only_ours = [path for path in (SRC / "aws").glob("*.rs") if path not in of_the_function]
    shared = [SRC / "aws" / name for name in ("identity_store.rs", "places.rs")]
    text = "".join(path.read_text() for path in (SRC / "cli").rglob("*.rs"))
    assert "aws::identity_store::" in text and ".remember(" in text
    files = [*(SRC / "cli").rglob("*.rs"), *only_ours, *shared]
    for path in files:
        text = path.read_text().split("#[cfg(test)]\nmod tests")[0]
        named = set(re.findall(r'"((?:dynamodb|identitystore|sso):[A-Z]\w+)"', text))
        if "dynamodb:TransactWriteItems" in named:
            parts = set().union(*rights([(path, text)]).values())
            named = named - {"dynamodb:TransactWriteItems"} | {call for call in parts if call.startswith("dynamodb:")}
        # Simulated for the hub's role, not called.
        used.update(set() if path.name == "permissions.rs" else named)
    guide = (ROOT / "infra" / "README.md").read_text()
    section = guide.split("### Rights of administrators\n")[1].split("\n## ")[0]
    assert set(re.findall(r"`(\w+:[A-Z]\w+)`", section)) == used
