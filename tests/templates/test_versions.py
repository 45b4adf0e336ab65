"""What an upgrade relies on: a stack keeps its parameters, so each version takes those of the one before.

`last-version.json` holds the parameters of the last version with the values that its templates named:
defaults, allowed values, bounds. With a release it is written anew from the released templates:

    target/test-venv/bin/python tests/templates/test_versions.py
"""

import json
import pathlib
import re
import sys

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "policies"))
import render
from templates import HUB, INFRA, stack

FILE = pathlib.Path(__file__).parent / "last-version.json"
LAST = json.loads(FILE.read_text())


def named_values(parameter):
    values = [*parameter.get("AllowedValues", []), *(parameter[key] for key in ("Default", "MinValue", "MaxValue") if key in parameter)]
    return sorted({str(value) for value in values})


def takes(parameter, value):
    """Whether the service takes this value, each member of a list for itself."""
    is_list = parameter["Type"] == "CommaDelimitedList" or parameter["Type"].startswith("List<")
    for part in value.split(",") if is_list else [value]:
        if "AllowedValues" in parameter and part not in map(str, parameter["AllowedValues"]):
            return False
        if "AllowedPattern" in parameter and not re.fullmatch(parameter["AllowedPattern"], part):
            return False
        if parameter["Type"] == "Number" and not float(parameter.get("MinValue", "-inf")) <= float(part) <= float(parameter.get("MaxValue", "inf")):
            return False
    return True


@pytest.mark.parametrize("template", LAST)
def test_every_parameter_of_the_last_version_is_taken_with_its_values(template):
    now = render.load(INFRA / template)["Parameters"]
    missing = set(LAST[template]) - set(now)
    assert missing == set(), "a stack of the last version has these, and keeps them"
    refused = [(name, value) for name, values in LAST[template].items() for value in values if not takes(now[name], value)]
    assert refused == []


@pytest.mark.parametrize("template", LAST)
def test_what_is_new_asks_nothing_of_a_stack_that_is_there(template):
    now = render.load(INFRA / template)["Parameters"]
    required = {name for name, parameter in now.items() if "Default" not in parameter}
    assert required <= set(LAST[template])


def test_a_stack_that_was_made_with_the_defaults_of_the_last_version_is_updated_as_it_is():
    kept = {name: values[0] for name, values in LAST["hub/template.yaml"].items() if len(values) == 1}
    stack(HUB, {**kept, "WebAcl": "no", "EndpointType": "REGIONAL", "Network": "none"})


if __name__ == "__main__":
    templates = {str(path.relative_to(INFRA)): render.load(path)["Parameters"] for path in sorted(INFRA.glob("*/*.yaml"))}
    listed = {name: {key: named_values(one) for key, one in parameters.items()} for name, parameters in templates.items()}
    FILE.write_text(json.dumps(listed, indent=2, sort_keys=True) + "\n")
