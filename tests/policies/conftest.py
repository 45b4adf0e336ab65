"""The evaluator that all policy tests ask."""

import pytest
from iam import Iam


@pytest.fixture(scope="session")
def iam():
    evaluator = Iam()
    yield evaluator
    evaluator.close()
