#!/usr/bin/env python3
"""Honest people at `serve` while somebody floods it: how long their sign-ins take.

    cargo build --release --bins && target/test-venv/bin/python benches/flood.py [--connections 2048 10000]

For each kind of flood (`tests/system/flood.py`: slow writers and slow readers, over HTTP/1.1 and HTTP/2),
all of its connections come from one address, and then from 250; meanwhile a person signs in every 50 ms,
each with a response of their own and a connection of their own. Figures are of the whole request, in
milliseconds; a refused sign-in counts as failed. The flood, the simulated AWS, the broker and the people
share the machine. Ends with 1 where the 99th percentile of a flood is 2 s or more, or a sign-in fails.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("STUDIO_BROKER_BIN", str(ROOT / "target" / "release"))
sys.path[:0] = [str(ROOT / "tests" / "system"), str(ROOT / "tests")]

import flood  # noqa: E402
from world import World, unique  # noqa: E402

GOAL_MS = 2_000


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def sign_ins(broker, number):
    """So many sign-ins, one every 50 ms: their milliseconds, and how many failed."""
    # With two teams: what is measured is the broker, and not how fast profiles are simulated.
    teams = ["team1", "team3"]
    responses = [broker.response(user_id=unique("user-"), teams=teams) for _ in range(number)]

    def sign_in(response):
        started = time.monotonic()
        try:
            answer = broker.browser().post_from_idp(response)
            good = answer.status in (302, 303)
        except OSError:
            good = False
        return (time.monotonic() - started) * 1000, good

    return responses, sign_in


def measured(broker, kind, connections, addresses, number):
    responses, sign_in = sign_ins(broker, number)
    process = None
    if kind:
        command = [sys.executable, flood.__file__, kind, broker.port, connections, addresses]
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline(), "the flood did not begin"
    try:
        with ThreadPoolExecutor(64) as people:
            coming = []
            for response in responses:
                coming.append(people.submit(sign_in, response))
                time.sleep(0.05)
            results = [one.result() for one in coming]
    finally:
        if process:
            process.kill()
            process.wait()
    times = [taken for taken, _ in results]
    return percentile(times, 0.5), percentile(times, 0.99), sum(not good for _, good in results)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--connections", type=int, nargs="+", default=[2_048, 10_000])
    parser.add_argument("--kinds", nargs="+", default=list(flood.KINDS), choices=list(flood.KINDS))
    parser.add_argument("--sign-ins", type=int, default=100)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        world = World(pathlib.Path(folder))
        try:
            broker = world.serve()
            print(f"{'flood':16} {'connections':>11} {'addresses':>9} {'p50 ms':>7} {'p99 ms':>7} {'failed':>6}")
            for kind, connections in [(None, 0)] + [(k, c) for c in arguments.connections for k in arguments.kinds]:
                for addresses in [0, 250] if kind else [0]:
                    half, most, lost = measured(broker, kind, connections, addresses, arguments.sign_ins)
                    line = f"{kind or 'nothing':16} {connections:11} {addresses or 1:9} {half:7.0f} {most:7.0f} {lost:6}"
                    print(line, flush=True)
                    failed |= most >= GOAL_MS or lost > 0
        finally:
            world.stop()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
