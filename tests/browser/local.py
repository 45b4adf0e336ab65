"""One `studio-broker local`: its addresses, its tables, its faults and its log."""

import json
import os
import pathlib
import subprocess
import urllib.request

import boto3

import aws_models

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEAMS, IDPS = "studio-broker-teams", "studio-broker-idps"


def program():
    path = pathlib.Path(os.environ.get("STUDIO_BROKER_BIN", ROOT / "target/debug"))
    path = path / "studio-broker" if path.is_dir() else path
    assert path.is_file(), f"{path} is missing: build it, or set STUDIO_BROKER_BIN"
    return path


class Local:
    def __init__(self, folder, settings):
        # Changes to the tables show at once, unless a test asks for the cache.
        settings = {"STUDIO_BROKER_TEAM_CACHE_SECONDS": "0"} | settings
        self._log = folder / f"local-{len(list(folder.iterdir()))}.log"
        self._process = subprocess.Popen(
            [program(), "local", "--port", "0", "--ephemeral", "--output", "json"],
            stdout=subprocess.PIPE,
            stderr=self._log.open("w"),
            cwd=folder,
            env=os.environ | settings,
            text=True,
        )
        line = self._process.stdout.readline()
        assert line, f"local did not start: {self._log.read_text()}"
        addresses = json.loads(line)
        self.broker = addresses["broker"].rstrip("/")
        self.idp = addresses["idp"].rstrip("/")
        self.aws = addresses["aws_endpoint"].rstrip("/")
        aws_models.record(self.aws)
        # Time that SageMaker takes is what only some tests are about.
        self.set_control(profile_delay_ms=0)

    def stop(self):
        try:
            aws_models.check(self.aws)
        finally:
            self._process.terminate()
            self._process.wait(10)
            self._process.stdout.close()

    def log(self):
        """The lines so far, oldest first."""
        return [json.loads(line) for line in self._log.read_text().splitlines() if line[:1] == "{"]

    def decisions(self):
        """The audit lines so far, oldest first."""
        return [line for line in self.log() if line.get("event") == "decision"]

    def table(self, name):
        return boto3.resource("dynamodb", **self._aws("administrator", "eu-central-1")).Table(name)

    def sagemaker(self, account, region):
        """SageMaker as an administrator of the account sees it."""
        return boto3.client("sagemaker", **self._aws(account, region))

    def _aws(self, key_id, region):
        return {
            "endpoint_url": self.aws,
            "region_name": region,
            "aws_access_key_id": key_id,
            "aws_secret_access_key": "any",
        }

    def change_team(self, team_id, **attributes):
        self._change(TEAMS, {"team_id": team_id}, attributes)

    def change_idp(self, **attributes):
        self._change(IDPS, {"entity_id": f"{self.idp}/idp"}, attributes)

    def add_idp(self, **attributes):
        """A second identity provider, which differs from the first in its entity ID."""
        table = self.table(IDPS)
        item = table.get_item(Key={"entity_id": f"{self.idp}/idp"})["Item"]
        entity_id = "https://idp.example.com/second"
        metadata = item["metadata_xml"].replace(item["entity_id"], entity_id)
        table.put_item(Item=item | {"entity_id": entity_id, "metadata_xml": metadata} | attributes)

    def _change(self, table, key, attributes):
        for name, value in attributes.items():
            self.table(table).update_item(
                Key=key,
                UpdateExpression="SET #name = :value",
                ExpressionAttributeNames={"#name": name},
                ExpressionAttributeValues={":value": value},
            )

    def order_fault(self, **fault):
        """See GET /_control of the simulated AWS."""
        self._post("/_control/faults", fault)

    def set_control(self, **settings):
        self._post("/_control/settings", settings)

    def clear_faults(self):
        request = urllib.request.Request(f"{self.aws}/_control/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=30).close()

    def mint(self, query):
        """A response that the test identity provider signs; see its GET /_control."""
        with urllib.request.urlopen(f"{self.idp}/_control/response?{query}", timeout=30) as answer:
            return answer.read().decode()

    def _post(self, path, body):
        request = urllib.request.Request(
            self.aws + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=30).close()
