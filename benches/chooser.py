#!/usr/bin/env python3
"""The chooser with few teams and many: the bytes of its page, and what it costs to serve.

    cargo build --release --bin studio-broker
    target/test-venv/bin/python benches/chooser.py

One person is a member of 3, 30 and 300 teams, each with everything that a team can show. `serve` answers
with the teams in its cache; CPU milliseconds are those of its process alone, beside `GET /healthz` in the
same run; so other load on the machine changes little. The page is also asked for with a search, and once by a
process that has read no team yet, whose calls are counted.
"""

import argparse
import gzip
import http.client
import os
import pathlib
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("STUDIO_BROKER_BIN", str(ROOT / "target" / "release"))
sys.path[:0] = [str(ROOT / "tests" / "system"), str(ROOT / "tests"), str(ROOT / "benches")]

from programs import Program  # noqa: E402
from serve import cpu, get  # noqa: E402
from world import Aws  # noqa: E402

PUBLIC_URL = "https://studio.example.com"


def team(number, members):
    account = f"{700000000000 + number // 3}"
    return {
        "team_id": f"team-{number:03}",
        "display_name": f"Department {number % 30}, group {number:03}",
        "description": "Models and experiments of this group, from first data to what runs in the plants",
        "account_id": account,
        "region": ["eu-central-1", "us-east-1", "ap-southeast-2"][number % 3],
        "domain_id": f"d-many{number:03}",
        "execution_role_arn": f"arn:aws:iam::{account}:role/Many{number:03}",
        "members": dict.fromkeys(members, "always"),
        "apps": ["JupyterLab", "CodeEditor"],
        "contact": f"group-{number:03}@example.com",
        "links": [
            {"title": "Handbook", "url": f"https://wiki.example.com/groups/{number:03}"},
            {"title": "Cost of this month", "url": f"https://cost.example.com/?group={number:03}"},
        ],
        "labels": {"Data class": ["public", "internal", "restricted"][number % 3], "Cost centre": str(4000 + number)},
    }


class Person:
    """A session, and a connection that is kept open."""

    def __init__(self, port, idp, user_id):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        acs = f"{PUBLIC_URL}/saml/acs"
        fields = {"audience": f"{PUBLIC_URL}/saml/metadata", "recipient": acs, "destination": acs,
                  "user_id": user_id, "name_id": f"{user_id}@example.com", "sign": "assertion"}
        response = get(f"{idp}/_control/response?{urllib.parse.urlencode(fields)}")
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
        self.connection.request("POST", "/saml/acs", urllib.parse.urlencode({"SAMLResponse": response}), headers)
        answer = self.connection.getresponse()
        answer.read()
        cookies = [line.partition(";")[0] for line in answer.headers.get_all("set-cookie")]
        self.headers = {"Accept": "text/html", "Cookie": "; ".join(cookies)}

    def page(self, path):
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"GET {path}: {answer.status}")
        return body


def cost(person, pid, path, count):
    """CPU and wall milliseconds of one page, warm."""
    for _ in range(20):
        person.page(path)
    before, began = cpu(pid), time.perf_counter()
    for _ in range(count):
        person.page(path)
    return (cpu(pid) - before) * 1000 / count, (time.perf_counter() - began) * 1000 / count


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--count", type=int, default=300, help="pages of each")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        local = Program(folder / "local", ["local", "--port", 0, "--ephemeral", "--output", "json"], {})
        places = local.first_line()
        aws = Aws(places["aws_endpoint"])
        with aws.teams.batch_writer() as batch:
            for number in range(300):
                members = [f"has-{size}" for size in (3, 30, 300) if number < size]
                batch.put_item(Item=team(number, members))
        settings = aws.environment(STUDIO_BROKER_PUBLIC_URL=PUBLIC_URL, STUDIO_BROKER_TEAM_CACHE_SECONDS=300)
        programs = []

        def serve(name):
            program = Program(folder / name, ["serve", "--listen", "127.0.0.1:0", "--output", "json"], settings)
            programs.append(program)
            return program.process.pid, int(program.first_line()["listen"].rpartition(":")[2])

        try:
            pid, port = serve("warm")
            for size in (3, 30, 300):
                person = Person(port, places["idp"], f"has-{size}")
                html = person.page("/")
                spent, waited = cost(person, pid, "/", given.count)
                print(f"{size:4} teams   {len(html):8,} bytes, {len(gzip.compress(html)):7,} compressed; "
                      f"{spent:6.2f} ms CPU, {waited:6.2f} ms to the last byte", flush=True)
            for name, query in (("found", "group restricted 4002"), ("10 KB", "x " * 5_000)):
                spent, waited = cost(person, pid, "/?q=" + urllib.parse.quote(query), given.count)
                print(f" 300, search {name:8} {spent:6.2f} ms CPU, {waited:6.2f} ms to the last byte", flush=True)
            spent, _ = cost(person, pid, "/healthz", given.count)
            print(f" floor: GET /healthz   {spent:6.2f} ms CPU", flush=True)
            _, port = serve("fresh")
            person = Person(port, places["idp"], "has-300")
            aws.forget_calls()
            began = time.perf_counter()
            person.page("/")
            waited = (time.perf_counter() - began) * 1000
            _, port = serve("cold")
            fresh = Person.__new__(Person)
            fresh.connection, fresh.headers = http.client.HTTPConnection("127.0.0.1", port, timeout=60), person.headers
            aws.forget_calls()
            began = time.perf_counter()
            fresh.page("/")
            cold = (time.perf_counter() - began) * 1000
            print(f" 300, first page after the sign-in {waited:6.1f} ms; of a process that has read no team {cold:6.1f} ms, "
                  f"calls: {', '.join(aws.operations())}", flush=True)
        finally:
            for program in programs:
                program.stop()
            local.stop()


if __name__ == "__main__":
    main()
