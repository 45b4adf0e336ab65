#!/usr/bin/env python3
"""How long `doctor` takes over two hundred accounts of which twenty fail, each in another way.

Starts `studio-broker local --aws-only`, puts a team with a domain into each account, orders the faults
through /_control, and runs `studio-broker doctor --output json`. Prints what was found, the time of the
whole, of the slowest twentieth of the accounts, and of a run before anything fails: the floor.

    cargo build && python3 benches/fanout.py [--accounts 200] [--binary target/debug/studio-broker]

Needs boto3 (tests/admin/requirements.txt).
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import time
import urllib.request

import boto3
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[1]

# One in ten fails; these are the ways, in turn.
FAULTS = [
    {"operation": "AssumeRole", "effect": "deny"},
    {"operation": "DescribeDomain", "effect": "deny"},
    {"operation": "DescribeDomain", "effect": "error", "code": "ResourceNotFound", "status": 400},
    {"operation": "ListUserProfiles", "effect": "throttle"},
    {"operation": "GetServiceQuota", "effect": "error", "code": "ServiceException"},
    {"operation": "GetRole", "effect": "error", "code": "NoSuchEntity", "status": 404},
    {"operation": "SimulatePrincipalPolicy", "effect": "deny"},
    {"operation": "DescribeDomain", "effect": "malformed"},
    {"operation": "AssumeRole", "effect": "reset"},
    {"service": "sagemaker", "effect": "delay", "ms": 3000},
]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--accounts", type=int, default=200)
    arguments.add_argument("--parallel", type=int, default=64)
    arguments.add_argument("--binary", default=str(ROOT / "target/debug/studio-broker"))
    arguments = arguments.parse_args()
    command = [arguments.binary, "local", "--aws-only", "--ephemeral", "--port", "0"]
    process = subprocess.Popen([*command, "--output", "json"], stdout=subprocess.PIPE, text=True)
    try:
        endpoint = json.loads(process.stdout.readline())["aws_endpoint"]
        measure(endpoint, arguments)
    finally:
        process.terminate()
        process.wait(10)


def client(endpoint, service, account):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id=account,
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )


def measure(endpoint, arguments):
    dynamodb = client(endpoint, "dynamodb", "111111111111")
    for team in dynamodb.scan(TableName="studio-broker-teams")["Items"]:
        dynamodb.delete_item(TableName="studio-broker-teams", Key={"team_id": team["team_id"]})
    accounts = [f"{700_000_000_000 + number}" for number in range(arguments.accounts)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda account: furnish(endpoint, dynamodb, account), accounts))
    broken = accounts[5::10]
    healthy_run, _ = doctor(endpoint, arguments)
    for number, account in enumerate(broken):
        fault = FAULTS[number % len(FAULTS)] | {"account": account}
        data = json.dumps(fault).encode()
        request = urllib.request.Request(f"{endpoint}/_control/faults", data, method="POST")
        urllib.request.urlopen(request).close()
    took, done = doctor(endpoint, arguments)
    report = json.loads(done.stdout)
    targets = report["checked"]["targets"]
    seconds = sorted(target["seconds"] for target in targets)
    slowest = seconds[-max(1, len(seconds) // 20) :]
    with_findings = {t["account"] for t in targets if t["findings"]}
    # A slow account is late, not wrong.
    expected = {account for number, account in enumerate(broken) if number % len(FAULTS) != 9}
    calls = json.load(urllib.request.urlopen(f"{endpoint}/_control/calls"))
    print(f"accounts           {len(targets)}, {len(broken)} of them broken, {arguments.parallel} at once")
    print(f"exit code          {done.returncode}")
    print(f"named              {len(with_findings & expected)} of {len(expected)} that must be")
    print(f"wrongly named      {len(with_findings - expected)}")
    codes = collections.Counter(finding["code"] for finding in report["findings"])
    print(f"findings           {dict(codes)}")
    print(f"calls              {len(calls)}, of both runs")
    print(f"whole              {took:.1f} s")
    print(f"slowest twentieth  {slowest[0]:.1f} to {slowest[-1]:.1f} s")
    print(f"all healthy        {healthy_run:.1f} s: what this machine needs for the calls alone")
    assert with_findings == expected, with_findings ^ expected


def doctor(endpoint, arguments):
    """Runs it once: how long it took, and what it said."""
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "111111111111",
        "AWS_SECRET_ACCESS_KEY": "any",
        "STUDIO_BROKER_PUBLIC_URL": "https://studio.example.com",
    }
    command = [arguments.binary, "doctor", "--output", "json", "--parallel", str(arguments.parallel)]
    started = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return time.monotonic() - started, done


def furnish(endpoint, dynamodb, account):
    sagemaker = client(endpoint, "sagemaker", account)
    role = {"ExecutionRole": f"arn:aws:iam::{account}:role/Default"}
    domain = sagemaker.create_domain(DomainName="lab", AuthMode="IAM", DefaultUserSettings=role)
    item = {
        "team_id": f"lab-{account}",
        "account_id": account,
        "region": "eu-west-1",
        "domain_id": domain["DomainId"],
        "execution_role_arn": f"arn:aws:iam::{account}:role/lab",
    }
    dynamodb.put_item(
        TableName="studio-broker-teams", Item={name: {"S": value} for name, value in item.items()}
    )


if __name__ == "__main__":
    main()
