"""Monday, nine o'clock, in small: what must hold however fast the machine is. `benches/monday.py` has
the figures."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benches"))

import monday  # noqa: E402


@pytest.mark.parametrize("mode", ["lambda", "serve"])
def test_everybody_gets_into_their_own_profile_and_none_is_made_twice(tmp_path, mode):
    scenario = monday.Scenario(
        people=30, seconds=6, accounts=2, first=0.2, double=0.2, profile_seconds=3
    )
    figures, log = monday.run(tmp_path, scenario, mode, functions=6)
    # On a machine that is busy with something else one of a hundred calls may not be answered in time.
    late = figures["errors"].pop("503 aws_unreachable", 0)
    assert figures["errors"] == {} and late <= figures["clicks"] / 10
    assert figures["duplicate_creations"] == 0
    assert figures["foreign_profiles"] == []
    assert figures["calls"]["CreateUserProfile"] >= figures["first_sign_ins"] > 0
    assert figures["throttled_calls"] > 0, "AWS had too much to do"
    assert "/auth?token=" not in log
