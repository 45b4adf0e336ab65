"""The administrators' commands with 10,000 teams, beside a bare boto3 scan of the same table.

    cargo build && target/test-venv/bin/python benches/mappings.py

Everything runs against `studio-broker local --aws-only`; both sides wait for the same simulated tables, so
the ratio to the scan counts, not the seconds. CPU is the command's own. STUDIO_BROKER_BIN names another folder
of binaries than target/debug.
"""

import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import boto3

ROOT = pathlib.Path(__file__).resolve().parents[1]
BINARY = str(pathlib.Path(os.environ.get("STUDIO_BROKER_BIN", ROOT / "target/debug")) / "studio-broker")
METADATA = ROOT / "tests/fixtures/metadata"
TEAMS, ROUNDS = int(os.environ.get("TEAMS", "10000")), 3


def team(number):
    """About 1 KB, as teams with settings are."""
    account = f"{number % 200:012}"
    return {
        "team_id": f"team-{number:05}",
        "display_name": f"Team {number}",
        "description": "One of many teams, " * 6,
        "account_id": account,
        "region": "eu-west-1",
        "domain_id": f"d-{number % 200:012}",
        "execution_role_arn": f"arn:aws:iam::{account}:role/Team{number}",
        "groups": [f"group-{number}-{i}" for i in range(4)],
        "user_settings": {
            "JupyterLabAppSettings": {
                "DefaultResourceSpec": {"InstanceType": "ml.t3.medium"},
                "AppLifecycleManagement": {"IdleSettings": {"IdleTimeoutInMinutes": 120}},
            },
            "StudioWebPortal": "ENABLED",
        },
        "tags": {"CostCenter": f"{number:06}"},
    }


def timed(act):
    """Median wall time, and CPU time of child processes, over the rounds."""
    walls, cpus = [], []
    for _ in range(ROUNDS):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        act()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - started)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(walls), statistics.median(cpus)


def main():
    command = [BINARY, "local", "--aws-only", "--ephemeral", "--port", "0", "--output", "json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    endpoint = json.loads(server.stdout.readline())["aws_endpoint"]
    access = {"region_name": "eu-central-1", "aws_access_key_id": "AKIAX", "aws_secret_access_key": "x"}
    table = boto3.resource("dynamodb", endpoint_url=endpoint, **access).Table("studio-broker-teams")
    settings = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "AKIAX",
        "AWS_SECRET_ACCESS_KEY": "x",
        "PATH": os.environ["PATH"],
    }
    folder = pathlib.Path(tempfile.mkdtemp())

    def run(*arguments, code=0, output=subprocess.DEVNULL, **more):
        done = subprocess.run(
            [BINARY, *map(str, arguments)],
            env={**settings, **more},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert done.returncode == code, (arguments, done.returncode, done.stderr[-2000:])

    def scan():
        start = {}
        while True:
            page = table.scan(ConsistentRead=True, **start)
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    try:
        for old in table.scan()["Items"]:
            table.delete_item(Key={"team_id": old["team_id"]})
        teams = [team(number) for number in range(TEAMS)]
        (folder / "teams.json").write_text(json.dumps({"teams": teams}))
        with (folder / "new.yaml").open("w") as file:
            file.write("teams: []\n")
        run("idps", "add", METADATA / "idp.xml", "--all-teams")
        began = time.perf_counter()
        run("teams", "apply", folder / "teams.json")
        print(f"teams apply of {TEAMS} new teams: {time.perf_counter() - began:.1f} s, once")
        with (folder / "teams.yaml").open("w") as file:
            run("teams", "export", output=file)
        teams[0]["groups"].append("one more")
        (folder / "one.json").write_text(json.dumps({"teams": teams}))

        floor, _ = timed(scan)
        print(f"{'what':<40}{'wall':>8}{'scans':>8}{'CPU':>8}")
        print(f"{'boto3: scan of the table':<40}{floor:>7.2f}s{1:>8.2f}{'':>8}")
        for what, act in {
            "teams list": lambda: run("teams", "list"),
            "teams show (one of them)": lambda: run("teams", "show", "team-00042"),
            "teams export": lambda: run("teams", "export"),
            "teams plan, no change, JSON": lambda: run("teams", "plan", folder / "teams.json"),
            "teams plan, no change, YAML": lambda: run("teams", "plan", folder / "teams.yaml"),
            "teams plan, one change": lambda: run("teams", "plan", folder / "one.json", code=3),
            "teams plan --prune, all go": lambda: run(
                "teams", "plan", folder / "new.yaml", "--prune", code=3
            ),
            "completion of a team id": lambda: run(
                "--",
                "studio-broker",
                "teams",
                "show",
                "team-0004",
                STUDIO_BROKER_COMPLETE="bash",
                _CLAP_COMPLETE_INDEX="3",
                _CLAP_IFS="\n",
            ),
        }.items():
            wall, cpu = timed(act)
            print(f"{what:<40}{wall:>7.2f}s{wall / floor:>8.2f}{cpu:>7.2f}s")
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    sys.exit(main())
