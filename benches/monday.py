#!/usr/bin/env python3
"""Monday, nine o'clock: hundreds of people sign in within a minute and a half, and SageMaker lets an
account make a few calls a second.

    cargo build --release --bins
    STUDIO_BROKER_BIN=target/release python3 benches/monday.py                # functions, then `serve`
    python3 benches/monday.py --mode serve --people 600 --accounts 3          # debug binaries
    python3 benches/monday.py --people 240 --functions 24 --urls 4/8 --looks 8/16 --roles 40/80
    cargo run --release --package fair-line --example simulate -- wire 17 > /tmp/17.json
    python3 benches/monday.py --drawn /tmp/17.json                            # against the simulation

The broker runs as many Lambda functions (each a process of its own under a stand-in of the Runtime
API; a request goes to any that is idle) or as `serve`, against the simulated AWS with token buckets.
People click, follow redirects, and stay on waiting pages until these come back by themselves. Some
have no profile yet; some click twice, and have two tabs.

What came of it is held against perfect queueing: the same clicks and the same buckets, if everybody
stood in one line for each, every call were made the moment it is let through, and none in vain.

Needs nothing but Python's standard library.
"""

import argparse
import dataclasses
import heapq
import itertools
import json
import pathlib
import queue
import random
import re
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "system"))

from browser import Browser, over_http  # noqa: E402
from lambda_runtime import FRONTS, Function  # noqa: E402
from programs import Program  # noqa: E402

PUBLIC_URL = "https://studio.example.com"
HUB_REGION, REGION = "eu-central-1", "eu-west-1"
#: (service, operation): calls a second and burst, for each account.
RATES = {
    ("sts", "AssumeRole"): (20, 40),
    ("sagemaker", "DescribeUserProfile"): (4, 8),
    ("sagemaker", "CreateUserProfile"): (1, 2),
    ("sagemaker", "CreatePresignedDomainUrl"): (2, 4),
}
#: Nobody's page is followed for longer than this, in seconds.
PATIENCE = 600


@dataclasses.dataclass
class Scenario:
    """Who comes, and to what."""

    people: int = 300
    seconds: float = 90
    accounts: int = 1
    first: float = 0.1
    double: float = 0.1
    profile_seconds: float = 8
    rates: dict = dataclasses.field(default_factory=lambda: dict(RATES))
    seed: int = 1
    #: The functions' clocks are off by at most this much, seconds, each way.
    clocks: float = 0
    #: As the simulation has drawn them.
    drawn: tuple = ()

    @classmethod
    def of_simulation(cls, text):
        """A scenario that the simulation has drawn."""
        drawn = json.loads(text)
        services = {"AssumeRole": "sts"}
        return cls(
            people=drawn["people"],
            accounts=drawn["accounts"],
            profile_seconds=drawn["profile_seconds"],
            rates={(services.get(call, "sagemaker"), call): rate for call, rate in drawn["rates"].items()},
            seed=drawn["seed"],
            clocks=drawn["clocks"] / 1000,
            drawn=tuple(
                Click(
                    click["at"] / 1000,
                    click["person"],
                    f"monday{click['account'] + 1}",
                    click["new"],
                    click["second_tab"],
                )
                for click in drawn["clicks"]
            ),
        )


@dataclasses.dataclass
class Click:
    """One tab: when it was clicked, whose it is, and what became of it."""

    due: float
    person: int
    team: str
    first: bool
    second_tab: bool
    at: float = 0.0
    seconds: float = 0.0
    requests: int = 0
    failure: str = ""
    profile: str = ""


def clicks_of(scenario):
    """The clicks of a scenario, in their order."""
    if scenario.drawn:
        return [dataclasses.replace(click) for click in scenario.drawn]
    rnd = random.Random(scenario.seed)
    clicks = []
    for person in range(scenario.people):
        due, first = rnd.uniform(0, scenario.seconds), rnd.random() < scenario.first
        team = f"monday{person % scenario.accounts + 1}"
        clicks.append(Click(due, person, team, first, False))
        if rnd.random() < scenario.double:
            clicks.append(Click(due + 0.3, person, team, first, True))
    return sorted(clicks, key=lambda click: click.due)


# the world


class World:
    """The simulated AWS and the test identity provider, with teams and people's profiles."""

    def __init__(self, folder, scenario):
        self.folder, self.scenario = folder, scenario
        arguments = ["local", "--port", 0, "--ephemeral", "--output", "json"]
        self.local = Program(folder / "local", arguments, {})
        places = self.local.first_line()
        self.idp, self.aws = places["idp"], places["aws_endpoint"]
        self._calls, self._known = [], set()
        self.control("settings", profile_delay_ms=0, profile_quota=100_000)
        for number in range(1, scenario.accounts + 1):
            self.add_team(number)

    def environment(self):
        return {
            "AWS_REGION": HUB_REGION,
            "AWS_ACCESS_KEY_ID": "AKIAMONDAY",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_EC2_METADATA_DISABLED": "true",
            "STUDIO_BROKER_PUBLIC_URL": PUBLIC_URL,
        }

    def control(self, what, **body):
        data = json.dumps(body).encode() if body else None
        with urllib.request.urlopen(f"{self.aws}/_control/{what}", data, timeout=60) as answer:
            return json.load(answer)

    def ask(self, service, target, access_key, region, body):
        """One call of AWS as an administrator; no signature is checked here."""
        scope = f"{access_key}/20260101/{region}/{service}/aws4_request"
        headers = {
            "X-Amz-Target": target,
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        }
        request = urllib.request.Request(self.aws, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def sagemaker(self, account, operation, **body):
        return self.ask("sagemaker", f"SageMaker.{operation}", account, REGION, body)

    def add_team(self, number):
        account, team = f"{800000000000 + number}", f"monday{number}"
        role = f"arn:aws:iam::{account}:role/{team}"
        domain = self.sagemaker(
            account,
            "CreateDomain",
            DomainName=team,
            AuthMode="IAM",
            DefaultUserSettings={"ExecutionRole": role},
            VpcId="vpc-12345678",
            SubnetIds=["subnet-12345678"],
        )["DomainArn"].rpartition("/")[2]
        item = {
            "team_id": team,
            "account_id": account,
            "region": REGION,
            "domain_id": domain,
            "execution_role_arn": role,
        }
        self.ask(
            "dynamodb",
            "DynamoDB_20120810.PutItem",
            "AKIAMONDAY",
            HUB_REGION,
            {
                "TableName": "studio-broker-teams",
                "Item": {name: {"S": value} for name, value in item.items()},
            },
        )
        for person in range(number - 1, self.scenario.people, self.scenario.accounts):
            if not self.is_first(person):
                self.plant(account, domain, team, role, f"person{person}")

    def is_first(self, person):
        self._first = getattr(self, "_first", None) or {
            click.person for click in clicks_of(self.scenario) if click.first
        }
        return person in self._first

    def plant(self, account, domain, team, role, user):
        self.sagemaker(
            account,
            "CreateUserProfile",
            DomainId=domain,
            UserProfileName=f"{user}-{team}",
            Tags=[{"Key": "Team", "Value": team}, {"Key": "User", "Value": user}],
            UserSettings={"ExecutionRole": role},
        )

    def throttle(self):
        """From now on the buckets count."""
        self.control(
            "settings",
            profile_delay_ms=int(self.scenario.profile_seconds * 1000),
            rates=[
                {"service": service, "operation": operation, "per_second": rate, "burst": burst}
                for (service, operation), (rate, burst) in self.scenario.rates.items()
            ],
        )

    def unthrottle(self):
        self.control("settings", profile_delay_ms=0, rates=[])

    def collect(self):
        """Adds what the log of calls holds by now: it keeps the last ten thousand."""
        for call in self.control("calls"):
            text = json.dumps(call, sort_keys=True)
            if text not in self._known:
                self._known.add(text)
                self._calls.append(call)

    def calls(self):
        self.collect()
        return self._calls

    def response(self, click):
        fields = {
            "audience": f"{PUBLIC_URL}/saml/metadata",
            "recipient": f"{PUBLIC_URL}/saml/acs",
            "destination": f"{PUBLIC_URL}/saml/acs",
            "user_id": f"person{click.person}",
            "name_id": f"person{click.person}@example.com",
            "teams": click.team,
        }
        url = f"{self.idp}/_control/response?{urllib.parse.urlencode(fields)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read().decode()

    def stop(self):
        self.local.stop()


# the brokers


class Functions:
    """Lambda functions: a request goes to any idle one; where none is idle, one more is started."""

    def __init__(self, world, number):
        self.world, self.all, self.idle = world, [], []
        self.clocks = random.Random(world.scenario.seed)
        self.lock, self.names = threading.Lock(), itertools.count()
        front = next(front for front in FRONTS if front.name == "http-api-2.0-base64")
        self.send = front.browser(self, PUBLIC_URL).send
        self.idle = [self.start() for _ in range(number)]

    def start(self):
        folder = self.world.folder / f"function{next(self.names)}"
        function = Function(folder, {**self.world.environment(), **self.clock()})
        with self.lock:
            self.all.append(function)
        return function

    def clock(self):
        """What sets a function's clock wrong, as far as the scenario wants it: libfaketime."""
        if not self.world.scenario.clocks:
            return {}
        (library,) = pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        off = self.clocks.uniform(-1, 1) * self.world.scenario.clocks
        return {"LD_PRELOAD": str(library), "FAKETIME": f"{off:+.3f}", "DONT_FAKE_MONOTONIC": "1"}

    def invoke(self, event):
        with self.lock:
            random.shuffle(self.idle)
            function = self.idle.pop() if self.idle else None
        function = function or self.start()
        try:
            return function.invoke(event)
        finally:
            with self.lock:
                self.idle.append(function)

    def output(self):
        return "".join(function.program.output() for function in self.all)

    def describe(self):
        return f"{len(self.all)} functions"

    def stop(self):
        for function in self.all:
            function.stop()


class Serve:
    """`studio-broker serve`, one process."""

    def __init__(self, world):
        arguments = ["serve", "--listen", "127.0.0.1:0", "--output", "json"]
        self.program = Program(world.folder / "serve", arguments, world.environment())
        port = int(self.program.first_line()["listen"].rpartition(":")[2])
        self.send = over_http(port)

    def output(self):
        return self.program.output()

    def describe(self):
        return "serve, one process"

    def stop(self):
        self.program.stop()


# the people


def click(world, broker, browser, click):
    """One tab, from the click to Studio or to a page that says no."""
    response = world.response(click)
    click.at = time.monotonic()
    answer = browser.post_from_idp(response)
    click.requests += 1
    while time.monotonic() - click.at < PATIENCE:
        refresh = answer.header("refresh")
        if answer.opens_studio():
            click.seconds = time.monotonic() - click.at
            with urllib.request.urlopen(answer.location, timeout=60) as studio:
                page = studio.read().decode()
            click.profile = re.search(rf"person\d+-{click.team}", page)[0]
            return
        if answer.status == 303:
            path = answer.location
        elif answer.status == 200 and refresh:
            seconds, _, path = refresh.partition("; url=")
            time.sleep(int(seconds))
        else:
            click.failure = f"{answer.status} {answer.code}"
            return
        answer = browser.get(path)
        click.requests += 1
    click.failure = "waited in vain"


def people_click(world, broker, clicks):
    """Everybody, each in time; when the first click was due, in monotonic seconds."""
    browsers = {c.person: Browser(broker.send, PUBLIC_URL) for c in clicks}
    faults = queue.Queue()

    def tab(one):
        time.sleep(max(0, started + one.due - time.monotonic()))
        try:
            click(world, broker, browsers[one.person], one)
        except Exception as error:  # noqa: BLE001 (whatever it is, the person saw no Studio)
            one.failure = repr(error)
            faults.put(error)

    threads = [threading.Thread(target=tab, args=[one], daemon=True) for one in clicks]
    started = time.monotonic() + 1
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(5)
        world.collect()
    return started


# perfect queueing


class Bucket:
    """A token bucket with one line in front of it: whoever comes first is let through first."""

    def __init__(self, rate, burst):
        self.rate, self.tokens, self.filled, self.burst = rate, burst, 0.0, burst

    def admit(self, at):
        """When a call is let through that comes at `at`; calls come in the order of time."""
        now = max(at, self.filled)
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
        if self.tokens < 1:
            now, self.tokens = now + (1 - self.tokens) / self.rate, 1
        self.tokens, self.filled = self.tokens - 1, now
        return now


def perfect(scenario, clicks, started):
    """The seconds that each click would have taken, but for the work itself."""
    buckets = {}

    def bucket(operation, team):
        key = operation, None if operation == "AssumeRole" else team
        if key not in buckets:
            service = "sts" if operation == "AssumeRole" else "sagemaker"
            rate = scenario.rates.get((service, operation))
            buckets[key] = Bucket(*rate) if rate else None
        return buckets[key]

    def steps(one):
        look = [] if one.second_tab else ["AssumeRole", "DescribeUserProfile"]
        made = ["CreateUserProfile", "prepare", "DescribeUserProfile"] if one.first else []
        return [*look, *([] if one.second_tab else made), "CreatePresignedDomainUrl"]

    taken, ready = [None] * len(clicks), {}
    events = [(one.at - started, n, steps(one)) for n, one in enumerate(clicks)]
    heapq.heapify(events)
    while events:
        now, n, todo = heapq.heappop(events)
        one = clicks[n]
        if not todo:
            taken[n] = now - (one.at - started)
            continue
        step, *rest = todo
        if one.second_tab and one.first and now < ready.get(one.person, now + 0.1):
            # The second tab of a first sign-in waits for the profile that the first one makes.
            heapq.heappush(events, (ready.get(one.person, now + 0.1), n, todo))
            continue
        if step == "prepare":
            now += scenario.profile_seconds
            ready[one.person] = now
        elif (line := bucket(step, one.team)) is not None:
            now = line.admit(now)
        heapq.heappush(events, (now, n, rest))
    return taken


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def p99_of(values):
    return quantile(values, 0.99) if values else 0.0


# what came of it


def report(world, broker, clicks, started, alone):
    """The figures of one run as a dictionary."""
    scenario, calls = world.scenario, broker_calls(world)
    ideal = [seconds + alone for seconds in perfect(scenario, clicks, started)]
    seconds = [one.seconds for one in clicks if not one.failure]
    new = [one.first for one in clicks]
    split = lambda values, of: [v for v, is_new in zip(values, new) if is_new == of]  # noqa: E731
    taken = [one.seconds for one in clicks]
    created = Counter(
        call["parameters"]["UserProfileName"]
        for call in calls
        if call["operation"] == "CreateUserProfile" and call["error"] is None
    )
    requests = sum(one.requests for one in clicks)
    return {
        "broker": broker.describe(),
        "clicks": len(clicks),
        "first_sign_ins": len({one.person for one in clicks if one.first}),
        "errors": dict(Counter(one.failure for one in clicks if one.failure)),
        "p50": quantile(seconds, 0.5) if seconds else None,
        "p50_perfect": quantile(ideal, 0.5),
        "p99": quantile(seconds, 0.99) if seconds else None,
        "p99_perfect": quantile(ideal, 0.99),
        "p99_with_a_profile": p99_of(split(taken, False)),
        "p99_with_a_profile_perfect": p99_of(split(ideal, False)),
        "p99_without": p99_of(split(taken, True)),
        "p99_without_perfect": p99_of(split(ideal, True)),
        "requests_of_browsers": requests,
        "aws_calls": len(calls),
        "aws_calls_per_request": len(calls) / requests,
        "aws_calls_per_click": len(calls) / len(clicks),
        "throttled_calls": sum("Throttl" in str(call["error"]) for call in calls),
        "calls": dict(Counter(call["operation"] for call in calls)),
        "duplicate_creations": sum(count - 1 for count in created.values()),
        "foreign_profiles": foreign(clicks, calls),
    }


def broker_calls(world):
    """The calls of the broker: not those that set the scene."""
    return [
        call
        for call in world.calls()
        if call["session_tags"] or call["service"] == "sts" or is_of_the_hub(call)
    ]


def is_of_the_hub(call):
    scenes = call["operation"] == "PutItem" and "teams" in str(call["parameters"]["TableName"] or "")
    return call["service"] == "dynamodb" and not scenes


def foreign(clicks, calls):
    """What must not be: whoever got into, or even asked about, somebody else's profile."""
    found = [
        f"{one.person}: {one.profile}"
        for one in clicks
        if one.profile and one.profile != f"person{one.person}-{one.team}"
    ]
    for call in calls:
        if call["service"] != "sagemaker":
            continue
        named = call["parameters"]
        profile = named.get("UserProfileName") or named["ResourceArn"].rpartition("/")[2]
        tags = call["session_tags"]
        if profile != f"{tags['User']}-{tags['Team']}":
            found.append(f"{tags['User']} called {call['operation']} for {profile}")
    return found


def run(folder, scenario, mode, functions=12):
    """Runs a scenario; the figures."""
    world = World(folder, scenario)
    broker = None
    try:
        broker = Serve(world) if mode == "serve" else Functions(world, functions)
        # What a click takes that nothing throttles and nobody else disturbs: the work itself.
        known = next(one for one in clicks_of(scenario) if not one.first)
        alone = dataclasses.replace(known)
        click(world, broker, Browser(broker.send, PUBLIC_URL), alone)
        assert not alone.failure, alone.failure
        world.control_delete_calls()
        world.throttle()
        clicks = clicks_of(scenario)
        started = people_click(world, broker, clicks)
        return report(world, broker, clicks, started, alone.seconds), broker.output()
    finally:
        if broker:
            broker.stop()
        world.stop()


def delete_calls(world):
    """Forgets what happened before the clicks."""
    request = urllib.request.Request(f"{world.aws}/_control/calls", method="DELETE")
    urllib.request.urlopen(request, timeout=60).read()


World.control_delete_calls = delete_calls


def against(figures, simulated):
    """Prints what came of the simulated scenario beside what came of it here."""
    for who, here in [("with", "p99_with_a_profile"), ("without", "p99_without")]:
        there, perfect = simulated[who]["p99"], simulated[who]["perfect"]
        if figures[here]:
            print(
                f"{who} a profile: p99 {figures[here]:.1f} s, simulated {there:.1f} s "
                f"({figures[here] / there:.2f} times), perfect {perfect:.1f} s"
            )
    throttled = simulated["throttled"]
    print(f"throttled calls: {figures['throttled_calls']}, simulated {throttled}")


def main():
    usual = Scenario()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--mode", choices=["lambda", "serve", "both"], default="both")
    parser.add_argument("--people", type=int, default=usual.people)
    parser.add_argument("--seconds", type=float, default=usual.seconds)
    parser.add_argument("--accounts", type=int, default=usual.accounts)
    parser.add_argument("--first", type=float, default=usual.first, help="share without a profile")
    parser.add_argument("--double", type=float, default=usual.double, help="share of double clicks")
    parser.add_argument("--functions", type=int, default=12, help="that are there from the beginning")
    parser.add_argument("--profile-seconds", type=float, default=usual.profile_seconds)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--clocks", type=float, default=0, help="functions' clocks are off by so much, s")
    for name, (_, call) in zip(["roles", "looks", "new", "urls"], RATES):
        parser.add_argument(f"--{name}", metavar="RATE/BURST", help=f"of {call}, in each account")
    parser.add_argument("--drawn", metavar="FILE", help="a scenario that the simulation has drawn")
    given = parser.parse_args()
    names = ["people", "seconds", "accounts", "first", "double", "profile_seconds", "seed", "clocks"]
    scenario = Scenario(**{name: getattr(given, name) for name in names})
    for name, call in zip(["roles", "looks", "new", "urls"], RATES):
        if rate := getattr(given, name):
            scenario.rates[call] = tuple(float(part) for part in rate.split("/"))
    simulated = None
    if given.drawn:
        text = pathlib.Path(given.drawn).read_text()
        scenario, simulated = Scenario.of_simulation(text), json.loads(text)
        given.functions = simulated["functions"]
    for mode in ["lambda", "serve"] if given.mode == "both" else [given.mode]:
        with tempfile.TemporaryDirectory() as folder:
            figures, _ = run(pathlib.Path(folder), scenario, mode, given.functions)
        print(json.dumps(figures, indent=2))
        if simulated:
            against(figures, simulated["simulated"])
        ratio = figures["p99"] / figures["p99_perfect"]
        print(
            f"{figures['broker']}: p99 {figures['p99']:.1f} s, {ratio:.2f} times perfect queueing; "
            f"{figures['aws_calls_per_request']:.1f} AWS calls for each request of a browser, "
            f"{figures['aws_calls_per_click']:.1f} for each click with its waiting; "
            f"errors {sum(figures['errors'].values())}, duplicates {figures['duplicate_creations']}, "
            f"foreign {len(figures['foreign_profiles'])}",
            flush=True,
        )


if __name__ == "__main__":
    main()
