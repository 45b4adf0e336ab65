"""A simulated AWS of its own for each test: three accounts with a team each, and an identity provider."""

import json
import os
import subprocess
import time
import urllib.request

import boto3
import pytest
from botocore.config import Config

import aws_models
from conftest import BINARY, METADATA, item, must_fit

HUB = "111111111111"
ACCOUNTS = {"lab1": "600000000001", "lab2": "600000000002", "lab3": "600000000003"}
REGIONS = {"lab1": "eu-west-1", "lab2": "us-east-1", "lab3": "eu-west-1"}


class Fleet:
    """`local --aws-only`, the command line on one side and boto3 on the other."""

    def __init__(self, folder):
        self.folder = folder
        command = [BINARY, "local", "--aws-only", "--ephemeral", "--port", "0", "--output", "json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.endpoint = json.loads(self.process.stdout.readline())["aws_endpoint"]
        aws_models.record(self.endpoint)
        self.settings = {
            "AWS_ACCESS_KEY_ID": HUB,
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": self.endpoint,
            "STUDIO_BROKER_PUBLIC_URL": "https://studio.example.com",
            "STUDIO_BROKER_TEAM_CACHE_SECONDS": "0",
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
        }
        self.control("settings", profile_delay_ms=0, update_delay_ms=0, delete_delay_ms=100)
        self.dynamodb = self.client("dynamodb", HUB, "eu-central-1")
        # The story of `local` is full of what doctor would find.
        for team in self.dynamodb.scan(TableName="studio-broker-teams")["Items"]:
            self.dynamodb.delete_item(
                TableName="studio-broker-teams", Key={"team_id": team["team_id"]}
            )
        self.domains = {team: self.domain(team) for team in ACCOUNTS}
        for team in ACCOUNTS:
            self.put_team(team)
        self.put_idp()

    def client(self, service, account=HUB, region="eu-west-1"):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def sagemaker(self, team):
        return self.client("sagemaker", ACCOUNTS[team], REGIONS[team])

    def domain(self, team, mode="IAM"):
        role = {"ExecutionRole": f"arn:aws:iam::{ACCOUNTS[team]}:role/Default"}
        name = f"{team}-{mode}"
        made = self.sagemaker(team).create_domain(
            DomainName=name, AuthMode=mode, DefaultUserSettings=role
        )
        return made["DomainId"]

    def put_team(self, team, **more):
        account = ACCOUNTS[team]
        self.dynamodb.put_item(
            TableName="studio-broker-teams",
            Item=item(
                {
                    "team_id": team,
                    "account_id": account,
                    "region": REGIONS[team],
                    "domain_id": self.domains[team],
                    "execution_role_arn": f"arn:aws:iam::{account}:role/{team}-execution",
                    **more,
                }
            ),
        )

    def put_idp(self, **more):
        metadata = (METADATA / "idp.xml").read_text()
        entity_id = metadata.split('entityID="')[1].split('"')[0]
        self.entity_id = entity_id
        self.dynamodb.put_item(
            TableName="studio-broker-idps",
            Item=item(
                {
                    "entity_id": entity_id,
                    "metadata_xml": metadata,
                    "allowed_teams": ["*"],
                    **more,
                }
            ),
        )

    def idp(self):
        key = {"entity_id": {"S": self.entity_id}}
        return self.dynamodb.get_item(TableName="studio-broker-idps", Key=key)["Item"]

    def profile(self, team, user, name=None, tags=None, **settings):
        """A profile as the broker makes it."""
        sagemaker = self.sagemaker(team)
        name = name or f"{user}-{team}"
        role = f"arn:aws:iam::{ACCOUNTS[team]}:role/{team}-execution"
        tags = {"Team": team, "User": user} if tags is None else tags
        sagemaker.create_user_profile(
            DomainId=self.domains[team],
            UserProfileName=name,
            UserSettings={"ExecutionRole": role, **settings},
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        return name

    def profiles(self, team):
        listed = self.sagemaker(team).list_user_profiles(DomainIdEquals=self.domains[team])
        return sorted(profile["UserProfileName"] for profile in listed["UserProfiles"])

    def control(self, path, **body):
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/_control/{path}", data, method="POST")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def documents(self, team):
        """The documents of the team's target role."""
        with urllib.request.urlopen(f"{self.endpoint}/_control/roles/{team}") as answer:
            return json.load(answer)

    def calls(self, operation=None):
        with urllib.request.urlopen(f"{self.endpoint}/_control/calls") as answer:
            calls = json.load(answer)
        return [call for call in calls if operation in (None, call["operation"])]

    def run(self, *arguments, code=0, **settings):
        """Runs a command; the completed process, whose exit code is the one that is expected."""
        done = subprocess.run(
            [BINARY, *map(str, arguments)],
            cwd=self.folder,
            env={**self.settings, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        must_fit(arguments, done.stderr, self.settings)
        return done

    def json(self, *arguments, code=0, **settings):
        return json.loads(self.run(*arguments, "--output", "json", code=code, **settings).stdout)

    def wait(self, condition):
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def fleet(tmp_path):
    fleet = Fleet(tmp_path)
    yield fleet
    try:
        aws_models.check(fleet.endpoint)
    finally:
        fleet.process.terminate()
    assert fleet.process.wait(10) == 0
