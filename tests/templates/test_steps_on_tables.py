"""The guide's commands of ours are run, not only read: on the tables, accounts and domains of the simulated AWS."""

import json
import os
import re
import subprocess

import boto3
import pytest
import yaml
from steps import BINARY, HUB_ACCOUNT, REGION, SPOKE_ACCOUNT, Organization, blocks
from templates import ROOT

GUIDE = "README.md"
METADATA = ROOT / "tests/fixtures/metadata/idp.xml"
TABLES = {"teams": "team_id", "idps": "entity_id"}


@pytest.fixture
def endpoint():
    command = [BINARY, "local", "--aws-only", "--ephemeral", "--port", "0", "--output", "json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield json.loads(process.stdout.readline())["aws_endpoint"]
    process.terminate()
    process.wait(10)


def client(endpoint, service, account):
    return boto3.client(
        service, endpoint_url=endpoint, region_name=REGION, aws_access_key_id=account, aws_secret_access_key="any"
    )  # fmt: skip


@pytest.fixture
def organization(endpoint, tmp_path):
    dynamodb = client(endpoint, "dynamodb", HUB_ACCOUNT)
    for name, key in TABLES.items():
        dynamodb.create_table(
            TableName=f"guide-{name}", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        )  # fmt: skip
    settings = {
        "AWS_ACCESS_KEY_ID": HUB_ACCOUNT, "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": REGION, "AWS_ENDPOINT_URL": endpoint,
        "STUDIO_BROKER_TEAMS_TABLE": "guide-teams", "STUDIO_BROKER_IDPS_TABLE": "guide-idps",
        "STUDIO_BROKER_PUBLIC_URL": "https://studio.example.com", "HOME": str(tmp_path), "PATH": os.environ["PATH"],
    }  # fmt: skip
    made = Organization(tmp_path, broker=settings)
    made.follow(GUIDE, "1. Before", "2. The function", "3. The hub")
    return made


def items(endpoint, table):
    found = client(endpoint, "dynamodb", HUB_ACCOUNT).scan(TableName=f"guide-{table}")["Items"]
    return {item[TABLES[table]]["S"]: item for item in found if TABLES[table] in item and not item[TABLES[table]]["S"].startswith("-")}


def test_the_guides_teams_and_identity_provider_come_into_the_tables(organization, endpoint):
    organization.follow(GUIDE, "4. Spokes and teams")
    teams = items(endpoint, "teams")
    assert set(teams) == {"team1", "team2"} and "groups" not in teams["team1"]
    # The metadata that step 5 downloads, of the entity ID that the file has.
    whole = next(body for kind, body in blocks(GUIDE, "IAM Identity Center, one application for all teams") if kind == "yaml")
    (idp,) = yaml.safe_load(whole)["idps"]
    metadata = re.sub(r'entityID="[^"]*"', f'entityID="{idp["entity_id"]}"', METADATA.read_text(), count=1)
    (organization.folder / idp["metadata_file"]).write_text(metadata)
    organization.follow(GUIDE, "IAM Identity Center, one application for all teams")
    assert set(items(endpoint, "idps")) == {idp["entity_id"]}
    teams = items(endpoint, "teams")
    assert teams["team1"]["groups"]["L"] != teams["team2"]["groups"]["L"]
    # The same file again changes nothing.
    organization.command("studio-broker teams plan teams.yaml")
    assert organization.codes["teams plan"] == 0


def test_a_command_that_ours_refuses_is_refused(organization):
    (organization.folder / "teams.yaml").write_text("teams:\n  - team_id: team1\n    acount_id: '1'\n")
    with pytest.raises(AssertionError, match="account_id"):
        organization.command("studio-broker teams apply teams.yaml")
