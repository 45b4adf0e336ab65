"""One decision, written twice: the broker's and `decision.py` agree over many drawn worlds.

`STUDIO_BROKER_WORLDS` says how many (100,000), `STUDIO_BROKER_SEED` where the drawing begins.
"""

import collections
import json
import os
import pathlib
import subprocess

import pytest
from decision import PERSON, TEAM, decide, moment
from worlds import worlds

ROOT = pathlib.Path(__file__).resolve().parents[2]
METADATA = ROOT / "tests/fixtures/metadata/idp.xml"
NUMBER = int(os.environ.get("STUDIO_BROKER_WORLDS", "100000"))
SEED = int(os.environ.get("STUDIO_BROKER_SEED", "14"))


@pytest.fixture(scope="module")
def program():
    """The broker's own decision, as `cargo build --examples` makes it."""
    folder = pathlib.Path(os.environ.get("STUDIO_BROKER_BIN", ROOT / "target/debug"))
    path = folder / "examples/decide"
    assert path.exists(), "cargo build --example decide"
    return path


@pytest.fixture(scope="module")
def keys(program):
    return json.loads(subprocess.check_output([program, METADATA]))


def test_both_decide_alike_over_many_worlds(program, keys, tmp_path):
    drawn = tmp_path / "worlds.jsonl"
    with drawn.open("w") as file:
        for world in worlds(SEED, NUMBER, keys):
            file.write(json.dumps(world) + "\n")
    with drawn.open() as file:
        answers = subprocess.run([program], stdin=file, stdout=subprocess.PIPE, check=True, text=True)
    seen = collections.Counter()
    compared = 0
    with drawn.open() as file:
        for line, answer in zip(file, answers.stdout.splitlines(), strict=True):
            world = json.loads(line)
            expected = decide({**world, "keys": keys})
            if expected.get("until") is not None:
                expected["until"] = str(expected["until"])
            assert json.loads(answer) == expected, line
            seen[expected["refused"]] += 1
            compared += 1
            if expected["refused"] is None:
                seen["ends" if expected["until"] is not None else "does not end"] += 1
                seen["shortest session"] += expected["session_seconds"] == 1800
    print(compared, dict(seen))
    assert compared == NUMBER
    # A comparison of worlds that all end alike would show nothing.
    for outcome in [*PERSON, *TEAM, None, "ends", "does not end", "shortest session"]:
        assert seen[outcome] > NUMBER / 1000, (outcome, seen)


def test_moments_of_the_second_writing_are_those_of_rfc_3339():
    assert moment("1970-01-01T00:00:00.000000001Z") == 1
    assert moment("2027-01-15T08:00:00Z") == 1_800_000_000 * 10**9
    assert moment("2027-01-15T08:00:00+00:00") is None
