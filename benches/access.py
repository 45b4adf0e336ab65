#!/usr/bin/env python3
"""What access by name costs: the report over two hundred accounts beside `profiles list`, and a sign-in
among ten thousand members of a thousand teams beside one among none.

Starts `studio-broker local`, puts a team with a domain, people and profiles into each account, and runs
`profiles list` and `access report` on them; then a `serve` of its own signs people in before and after the
members are there, and their calls are counted.

    cargo build && python3 benches/access.py [--accounts 200] [--people 10000] [--binary target/debug/studio-broker]

Needs boto3 (tests/admin/requirements.txt).
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

import boto3
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[1]
TEAMS = "studio-broker-teams"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--accounts", type=int, default=200)
    arguments.add_argument("--people", type=int, default=10_000)
    arguments.add_argument("--profiles", type=int, default=5, help="for each account")
    arguments.add_argument("--sign-ins", type=int, default=200)
    arguments.add_argument("--binary", default=str(ROOT / "target/debug/studio-broker"))
    arguments = arguments.parse_args()
    command = [arguments.binary, "local", "--ephemeral", "--port", "0", "--output", "json"]
    local = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        places = json.loads(local.stdout.readline())
        sign_ins(places, arguments)
        reports(places["aws_endpoint"], arguments)
    finally:
        local.terminate()
        local.wait(10)


def client(endpoint, service, account, region="eu-west-1"):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )


def environment(endpoint, **more):
    return {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "111111111111",
        "AWS_SECRET_ACCESS_KEY": "any",
        **more,
    }


def put_members(endpoint, people, teams=1000):
    """A thousand teams that nobody of the story is in, with `people` members together."""
    table = client(endpoint, "dynamodb", "111111111111", "eu-central-1")
    each = people // teams
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7 * 86_400))
    for start in range(0, teams, 25):
        requests = []
        for number in range(start, min(start + 25, teams)):
            members = {f"person-{number}-{n}": {"S": until} for n in range(each)}
            item = {
                "team_id": {"S": f"many{number}"},
                "account_id": {"S": f"{600_000_000_000 + number}"},
                "region": {"S": "eu-west-1"},
                "domain_id": {"S": f"d-many{number}"},
                "execution_role_arn": {"S": f"arn:aws:iam::{600_000_000_000 + number}:role/X"},
                "members": {"M": members},
            }
            requests.append({"PutRequest": {"Item": item}})
        table.batch_write_item(RequestItems={TEAMS: requests})
    return teams


def remove(endpoint, prefix):
    table = client(endpoint, "dynamodb", "111111111111", "eu-central-1")
    for page in table.get_paginator("scan").paginate(TableName=TEAMS, ProjectionExpression="team_id"):
        for item in page["Items"]:
            if item["team_id"]["S"].startswith(prefix):
                table.delete_item(TableName=TEAMS, Key=item)


def sign_ins(places, arguments):
    endpoint, idp = places["aws_endpoint"], places["idp"]
    public = "https://studio.example.com"
    settings = environment(
        endpoint, AWS_ACCESS_KEY_ID="AKIALOCALHUB", STUDIO_BROKER_PUBLIC_URL=public,
        STUDIO_BROKER_TEAM_CACHE_SECONDS="300",
    )

    def measure():
        serve = subprocess.Popen(
            [arguments.binary, "serve", "--listen", "127.0.0.1:0", "--output", "json"],
            env=settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        try:
            port = int(json.loads(serve.stdout.readline())["listen"].rpartition(":")[2])
            responses = [response(idp, public) for _ in range(arguments.sign_ins + 1)]
            post(port, responses[0])
            forget(endpoint)
            before = cpu(serve.pid)
            for one in responses[1:]:
                assert post(port, one).startswith("http"), "no sign-in"
            spent = (cpu(serve.pid) - before) / arguments.sign_ins * 1000
            return spent, len(calls(endpoint)) / arguments.sign_ins
        finally:
            serve.terminate()
            serve.wait(10)

    without = [measure() for _ in range(3)]
    teams = put_members(endpoint, arguments.people)
    among = [measure() for _ in range(3)]
    remove(endpoint, "many")
    for words, found in [("among none", without), (f"among {arguments.people} members of {teams} teams", among)]:
        spent = statistics.median(spent for spent, _ in found)
        print(f"warm sign-in {words}: {spent:.2f} ms CPU, {found[0][1]:.1f} AWS calls")


def response(idp, public):
    values = {
        "person": "user-2", "audience": f"{public}/saml/metadata",
        "recipient": f"{public}/saml/acs", "destination": f"{public}/saml/acs",
    }
    with urllib.request.urlopen(f"{idp}/_control/response?{urllib.parse.urlencode(values)}") as answer:
        return answer.read().decode()


def post(port, saml):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = urllib.parse.urlencode({"SAMLResponse": saml})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    connection.request("POST", "/saml/acs", body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.headers["Location"] or ""


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def calls(endpoint):
    with urllib.request.urlopen(f"{endpoint}/_control/calls") as answer:
        return [call for call in json.load(answer) if "administrator" not in str(call["principal"])]


def forget(endpoint):
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/_control/calls", method="DELETE")).close()


def reports(endpoint, arguments):
    remove(endpoint, "")
    dynamodb = client(endpoint, "dynamodb", "111111111111", "eu-central-1")
    accounts = [f"{700_000_000_000 + number}" for number in range(arguments.accounts)]
    each = arguments.people // arguments.accounts
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda a: furnish(endpoint, dynamodb, a, each, arguments.profiles), accounts))
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder) / "access.html"
        listing = run(endpoint, arguments, "profiles", "list")
        report = run(endpoint, arguments, "access", "report", "--html", str(page))
        rows = len(json.loads(report[1])["access"])
        print(f"profiles list   {listing[0]:.1f} s, {len(json.loads(listing[1])['profiles'])} profiles in {arguments.accounts} accounts")
        print(f"access report   {report[0]:.1f} s, {rows} rows, a page of {page.stat().st_size / 1e6:.1f} MB")


def run(endpoint, arguments, *command):
    started = time.monotonic()
    done = subprocess.run(
        [arguments.binary, *command, "--output", "json"],
        env=environment(endpoint), capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stderr
    return time.monotonic() - started, done.stdout


def furnish(endpoint, dynamodb, account, people, profiles):
    sagemaker = client(endpoint, "sagemaker", account)
    role = f"arn:aws:iam::{account}:role/lab"
    domain = sagemaker.create_domain(DomainName="lab", AuthMode="IAM", DefaultUserSettings={"ExecutionRole": role})
    team = f"lab-{account}"
    members = {f"person-{account}-{n}": {"S": "always"} for n in range(people)}
    item = {
        "team_id": {"S": team},
        "account_id": {"S": account},
        "region": {"S": "eu-west-1"},
        "domain_id": {"S": domain["DomainId"]},
        "execution_role_arn": {"S": role},
        "members": {"M": members},
    }
    dynamodb.put_item(TableName=TEAMS, Item=item)
    for n in range(profiles):
        sagemaker.create_user_profile(
            DomainId=domain["DomainId"],
            UserProfileName=f"p-{n}",
            UserSettings={"ExecutionRole": role},
            Tags=[{"Key": "Team", "Value": team}, {"Key": "User", "Value": f"person-{account}-{n}"}],
        )


if __name__ == "__main__":
    main()
