"""Everything around the broker: the simulated AWS, the test identity provider, and brokers that run
beside each other on them."""

import base64
import itertools
import json
import time
import urllib.error
import urllib.request
import zlib
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.sax.saxutils import escape

import boto3
from botocore.config import Config
from lxml import etree

import aws_models
from browser import Browser, over_http
from programs import Program

HUB_REGION, HUB_ACCOUNT = "eu-central-1", "111111111111"
HUB = {
    "AWS_REGION": HUB_REGION,
    "AWS_ACCESS_KEY_ID": "AKIALOCALHUB",
    "AWS_SECRET_ACCESS_KEY": "local",
}
#: Ends the principal of the tests' own calls.
ADMINISTRATOR = ":user/administrator"
PUBLIC_URL = "https://studio.example.com"
#: Where teams of the tests live unless they say otherwise.
ACCOUNT, REGION, DOMAIN = "444444444444", "us-west-2", "d-localteam003"

_numbers = itertools.count(1)


def unique(prefix):
    """A name that no other test uses."""
    return f"{prefix}{next(_numbers)}"


def fetch(url, method="GET", body=None):
    """The text behind a URL; anything but success is an error."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {url}: {error.code} {error.read().decode()}") from error


class Aws:
    """The simulated AWS: its tables, its accounts, its control route."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self._sagemakers = {}
        self.usual_settings = self.control("settings")
        tables = self.resource("dynamodb", HUB_ACCOUNT, HUB_REGION)
        self.teams = tables.Table("studio-broker-teams")
        self.idps = tables.Table("studio-broker-idps")
        self.state = tables.Table("studio-broker-state")

    def environment(self, **more):
        """What makes a program use this AWS and nothing else."""
        return {
            **HUB,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            **more,
        }

    def resource(self, service, access_key_id, region):
        return boto3.resource(service, **self._arguments(access_key_id, region))

    def sagemaker(self, account=ACCOUNT, region=REGION):
        """SageMaker as an administrator of the account sees it."""
        # The model is large: a client takes longer to make than most tests run.
        if (account, region) not in self._sagemakers:
            client = boto3.client("sagemaker", **self._arguments(account, region))
            self._sagemakers[account, region] = client
        return self._sagemakers[account, region]

    def _arguments(self, access_key_id, region):
        return {
            "endpoint_url": self.endpoint,
            "region_name": region,
            "aws_access_key_id": access_key_id,
            "aws_secret_access_key": "local",
            "config": Config(retries={"max_attempts": 1}),
        }

    def control(self, what, method="GET", body=None):
        return json.loads(fetch(f"{self.endpoint}/_control/{what}", method, body))

    def settings(self, **changes):
        self.control("settings", "POST", changes)

    def fault(self, **fault):
        """Orders a fault; every test begins without."""
        self.control("faults", "POST", fault)

    def clear_faults(self):
        self.control("faults", "DELETE")

    def calls(self, **wanted):
        """The broker's calls since they were last forgotten, oldest first, that are as wanted."""
        calls = self.control("calls")
        calls = [call for call in calls if not str(call["principal"]).endswith(ADMINISTRATOR)]
        return [
            call for call in calls if all(call[name] == value for name, value in wanted.items())
        ]

    def operations(self):
        return [call["operation"] for call in self.calls()]

    def forget_calls(self):
        self.control("calls", "DELETE")

    def lines(self):
        """The keys of the lines in front of throttled calls."""
        return [item["pk"] for item in self.state.scan()["Items"] if item["pk"].startswith("line ")]

    def forget_lines(self):
        """As if nothing had been throttled for long; a broker that saw it believes otherwise for a minute."""
        for line in self.lines():
            self.state.delete_item(Key={"pk": line})

    def as_usual(self):
        self.clear_faults()
        self.settings(**self.usual_settings)

    def new_team(self, **attributes):
        """Puts a team of its own; the item."""
        team_id = attributes.get("team_id") or unique("t")
        item = {
            "team_id": team_id,
            "account_id": ACCOUNT,
            "region": REGION,
            "domain_id": DOMAIN,
            "execution_role_arn": f"arn:aws:iam::{ACCOUNT}:role/{team_id}Execution",
            **attributes,
        }
        self.teams.put_item(Item=item)
        return item

    def new_door(self, kind, account=ACCOUNT, region=REGION, settle=None, **settings):
        """Makes what a door leads to, and the door; `settle` is what it comes to instead of running."""
        sagemaker, name = self.sagemaker(account, region), unique("door")
        role = f"arn:aws:iam::{account}:role/Behind"
        mlflow = {"ArtifactStoreUri": "s3://bucket/path", "RoleArn": role, **settings}
        partner = {
            "Type": "comet",
            "ExecutionRoleArn": role,
            "Tier": "medium",
            "AuthType": "IAM",
            "EnableIamSessionBasedIdentity": True,
            **settings,
        }
        create = {
            "mlflow_app": lambda: sagemaker.create_mlflow_app(Name=name, **mlflow)["Arn"],
            "mlflow_server": lambda: sagemaker.create_mlflow_tracking_server(
                TrackingServerName=name, **mlflow
            )["TrackingServerArn"],
            "partner_app": lambda: sagemaker.create_partner_app(Name=name, **partner)["Arn"],
        }[kind]
        if settle:
            self.fault(about=name, effect="settle", **settle)
        arn = create()
        self.control("faults", "DELETE", {"about": name})
        return {"id": name, "kind": kind, "arn": arn}

    def change_team(self, team, **attributes):
        """Edits a team's item as an administrator would in the console."""
        team_id = team if isinstance(team, str) else team["team_id"]
        item = self.teams.get_item(Key={"team_id": team_id})["Item"]
        item.update(attributes)
        self.teams.put_item(Item={name: value for name, value in item.items() if value is not None})

    def change_idp(self, entity_id, **attributes):
        item = self.idps.get_item(Key={"entity_id": entity_id})["Item"]
        item.update(attributes)
        self.idps.put_item(Item={name: value for name, value in item.items() if value is not None})

    def profile(self, team, name):
        """What the profile is, with its tags as a dictionary."""
        sagemaker = self.sagemaker(team["account_id"], team["region"])
        found = sagemaker.describe_user_profile(DomainId=team["domain_id"], UserProfileName=name)
        tags = sagemaker.list_tags(ResourceArn=found["UserProfileArn"])["Tags"]
        return {**found, "Tags": {tag["Key"]: tag["Value"] for tag in tags}}

    def plant_profile(self, team, name, tags, **settings):
        """Puts a profile there as an administrator of the account would."""
        settings.setdefault("ExecutionRole", team["execution_role_arn"])
        self.sagemaker(team["account_id"], team["region"]).create_user_profile(
            DomainId=team["domain_id"],
            UserProfileName=name,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            UserSettings=settings,
        )
        # An administrator's work is old by the time when somebody comes.
        time.sleep(self.usual_settings["tags_delay_ms"] / 1000)

    def delete_profile(self, team, name):
        self.sagemaker(team["account_id"], team["region"]).delete_user_profile(
            DomainId=team["domain_id"], UserProfileName=name
        )


class World:
    """`studio-broker local`, and what it lets one do."""

    def __init__(self, folder):
        self.folder = folder
        arguments = ["local", "--port", 0, "--ephemeral", "--output", "json"]
        settings = {"STUDIO_BROKER_TEAM_CACHE_SECONDS": 0}
        self.program = Program(folder / "local", arguments, settings)
        printed = self.program.first_line()
        self.idp = printed["idp"]
        self.idp_entity_id = f"{self.idp}/idp"
        self.aws = Aws(printed["aws_endpoint"])
        self.broker = RunningBroker(
            self, self.program, urlsplit(printed["broker"]).port, printed["broker"]
        )
        self.metadata = fetch(f"{self.idp}/metadata")
        # Nobody's patience is under test here; those tests that are about it say so.
        self.aws.usual_settings["profile_delay_ms"] = 0
        self.aws.usual_settings["update_delay_ms"] = 0
        aws_models.record(self.aws.endpoint)
        self.aws.usual_settings["recording"] = True
        self.aws.as_usual()
        self.started = []

    def serve(self, public_url=PUBLIC_URL, drain=0, **settings):
        """`studio-broker serve` on this AWS; without a cache, so that changes count at once."""
        folder = self.folder / unique("serve")
        settings = {
            "STUDIO_BROKER_PUBLIC_URL": public_url,
            "STUDIO_BROKER_TEAM_CACHE_SECONDS": 0,
            **settings,
        }
        arguments = ["serve", "--listen", "127.0.0.1:0", "--drain", drain, "--output", "json"]
        program = Program(folder, arguments, self.aws.environment(**settings))
        self.started.append(program)
        port = int(program.first_line()["listen"].rpartition(":")[2])
        broker = RunningBroker(self, program, port, public_url.rstrip("/"))
        # What it reads before it answers is read when it has answered.
        assert broker.browser().get("/healthz").text == "ok"
        return broker

    def new_idp(self, change=lambda metadata: metadata, **attributes):
        """Registers a further IdP, with the test IdP's key; its entity ID."""
        entity_id = attributes.pop("entity_id", None) or f"https://{unique('idp')}.example.com/saml"
        metadata = change(self.metadata.replace(self.idp_entity_id, escape(entity_id)))
        item = {
            "entity_id": entity_id,
            "metadata_xml": metadata,
            "allowed_teams": ["*"],
            **attributes,
        }
        self.aws.idps.put_item(
            Item={name: value for name, value in item.items() if value is not None}
        )
        return entity_id

    def stop(self):
        for program in self.started:
            if program.is_alive:
                program.stop()
        try:
            aws_models.check(self.aws.endpoint)
        finally:
            self.program.stop()


class RunningBroker:
    """A broker that answers: where it is, and who it says that it is."""

    def __init__(self, world, program, port, public_url):
        self.world, self.program, self.port, self.public_url = world, program, port, public_url

    @property
    def acs_url(self):
        return f"{self.public_url}/saml/acs"

    @property
    def entity_id(self):
        return f"{self.public_url}/saml/metadata"

    def browser(self):
        return Browser(over_http(self.port), self.public_url)

    def response(self, **values):
        """A response of the test IdP for this broker, base64; see `/_control` of the IdP."""
        values = {
            "audience": self.entity_id,
            "recipient": self.acs_url,
            "destination": self.acs_url,
            "name_id": "somebody@example.com",
            "teams": "",
            **values,
        }
        teams = values["teams"]
        values["teams"] = teams if isinstance(teams, str) else ",".join(teams)
        return fetch(f"{self.world.idp}/_control/response?{urlencode(values, doseq=True)}")

    def sign_in(self, browser=None, relay_state=None, **values):
        """An unsolicited sign-in of a fresh person, unless told otherwise: browser and answer."""
        browser = browser or self.browser()
        values.setdefault("user_id", unique("user-"))
        return browser, browser.post_from_idp(self.response(**values), relay_state)

    def signed_in(self, **values):
        """A browser that holds a session and has opened nothing: of somebody with two teams or none."""
        browser, answer = self.sign_in(**values)
        assert answer.status == 303, (answer.status, answer.text)
        assert browser.cookie("session")
        return browser


def authn_request(location):
    """The AuthnRequest that a redirect to an identity provider carries, parsed."""
    (message,) = parse_qs(urlsplit(location).query)["SAMLRequest"]
    return etree.fromstring(zlib.decompress(base64.b64decode(message), -15))


def request_id(location):
    """The ID of that request."""
    return authn_request(location).get("ID")
