"""Starts `studio-broker local` for the tests and gives them clients for it."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import boto3
import pytest
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import aws_models
from aws_models import pytest_terminal_summary  # noqa: F401

BINARIES = pathlib.Path(os.environ.get("STUDIO_BROKER_BIN", ROOT / "target/debug"))
BINARY = str(BINARIES / "studio-broker")


def free_ports():
    """The first of three ports in a row that are free right now."""
    for first in range(18400, 19400, 3):
        sockets = [socket.socket() for _ in range(3)]
        try:
            for offset, listener in enumerate(sockets):
                listener.bind(("127.0.0.1", first + offset))
            return first
        except OSError:
            continue
        finally:
            for listener in sockets:
                listener.close()
    raise RuntimeError("no three free ports in a row")


def start(*arguments):
    """A running `local` and what it printed once everything answered."""
    command = [BINARY, "local", *arguments, "--ephemeral", "--output", "json"]
    process = subprocess.Popen(
        [*command, "--port", str(free_ports())], stdout=subprocess.PIPE, text=True
    )
    printed = ""
    for line in process.stdout:
        printed += line
        try:
            return process, json.loads(printed)
        except json.JSONDecodeError:
            continue
    raise RuntimeError(f"{command} ended before it was ready: {printed}")


@pytest.fixture(scope="session")
def endpoint():
    process, ready = start("--aws-only")
    assert ready["broker"] is None and ready["idp"] is None
    aws_models.record(ready["aws_endpoint"])
    yield ready["aws_endpoint"]
    try:
        aws_models.check(ready["aws_endpoint"])
    finally:
        process.terminate()
    assert process.wait(10) == 0


@pytest.fixture(scope="session")
def idp():
    process, ready = start()
    yield ready["idp"].rstrip("/")
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="session")
def client(endpoint):
    """client(service, key="broker", region="us-east-1", assumed=None): without retries."""

    def make(service, key="broker", region="us-east-1", assumed=None):
        credentials = assumed or {"AccessKeyId": key, "SecretAccessKey": "any"}
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}),
        )

    return make


@pytest.fixture(scope="session")
def assume(client):
    """assume(team, user, account): credentials as the broker gets them."""

    def make(team, user, account, **more):
        answer = client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/StudioBrokerTarget",
            RoleSessionName=user,
            Tags=[{"Key": "Team", "Value": team}, {"Key": "User", "Value": user}],
            **more,
        )
        return answer["Credentials"]

    return make
