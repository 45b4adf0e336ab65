"""Fixtures: a world for each file of tests, undisturbed at the beginning of each test."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from aws_models import pytest_terminal_summary  # noqa: F401
from world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """`studio-broker local` with everything around it; one for each file of tests."""
    world = World(tmp_path_factory.mktemp("world"))
    yield world
    world.stop()


@pytest.fixture
def aws(world):
    """The simulated AWS without faults, as it is when nobody disturbs it."""
    world.aws.as_usual()
    world.aws.forget_calls()
    yield world.aws
    world.aws.as_usual()


@pytest.fixture(scope="module")
def broker(world):
    """`studio-broker serve` at an https public URL, with no cache of teams and IdPs."""
    return world.serve()


@pytest.fixture
def fresh_world(tmp_path):
    """A world for one test alone, for those that change what everybody sees."""
    world = World(tmp_path)
    yield world
    world.stop()
