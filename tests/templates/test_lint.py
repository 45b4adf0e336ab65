"""Every template passes the linters. Exceptions stand in the templates, each with its reason."""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from templates import HUB, INFRA, ROOT, all_templates, render

TOOLS = ROOT / "target" / "tools"
#: One Region of each partition.
REGIONS = ["eu-west-1", "us-east-1", "us-gov-west-1", "cn-north-1"]


def run(tool, *arguments):
    venv, program = tool
    return subprocess.run(
        [TOOLS / venv / "bin" / program, *map(str, arguments)],
        env={**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


def test_there_are_templates_for_hub_spoke_and_organization():
    assert {path.parent.name for path in all_templates()} >= {"hub", "spoke", "organization"}


def test_cfn_lint_finds_nothing_in_any_partition():
    result = run(("sam", "cfn-lint"), "--regions", *REGIONS, "--", *all_templates())
    assert (result.returncode, result.stdout) == (0, "")


def test_sam_validates():
    def validate(path):
        arguments = ["validate", "--lint", "--template-file", path, "--region", "eu-west-1"]
        return run(("sam", "sam"), *arguments)

    with ThreadPoolExecutor(2) as pool:
        for result in pool.map(validate, all_templates()):
            assert result.returncode == 0, result.stdout + result.stderr
            assert "is a valid SAM Template" in result.stdout


def test_checkov_finds_nothing_but_what_the_templates_give_a_reason_for():
    files = [argument for path in all_templates() for argument in ("--file", path)]
    result = run(
        ("checkov", "checkov"), *files, "--framework", "cloudformation", "--skip-download",
        "--output", "json", "--quiet",
    )  # fmt: skip
    report = json.loads(result.stdout)
    failed = [
        f"{check['check_id']} {check['resource']} in {check['file_path']}"
        for check in report["results"]["failed_checks"]
    ]
    assert failed == []
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 0


@pytest.mark.parametrize("path", all_templates(), ids=lambda p: str(p.relative_to(INFRA)))
def test_every_parameter_has_a_group_words_and_a_sentence_for_its_pattern(path):
    template = render.load(path)
    parameters = template["Parameters"]
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(parameters)
    assert set(interface["ParameterLabels"]) <= set(parameters)
    for name, parameter in parameters.items():
        assert parameter.get("Description") or name in interface["ParameterLabels"], name
        assert "AllowedPattern" not in parameter or parameter.get("ConstraintDescription"), name


@pytest.mark.parametrize("path", all_templates(), ids=lambda p: str(p.relative_to(INFRA)))
def test_nothing_is_tied_to_a_partition_a_zone_or_an_export(path):
    text = "\n".join(
        line
        for line in path.read_text().splitlines()
        # Examples for people, and patterns.
        if not re.match(r"\s*(#|Description:|ConstraintDescription:|AllowedPattern:|AssertDescription:)", line)
    )
    assert re.findall(r"arn:aws(?:-cn|-us-gov)?:", text) == []
    assert re.findall(r"\b[a-z]{2}(?:-gov)?-(?:east|west|north|south|central)[a-z]*-\d[a-z]?\b", text) == []
    assert "amazonaws.com.cn" not in text
    template = render.load(path)
    assert [o for o in template.get("Outputs", {}).values() if "Export" in o] == []
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert [kind for kind in kinds if kind.startswith(("Custom::", "AWS::CloudFormation::Custom"))] == []


def test_the_hub_deploys_without_any_parameter():
    assert [n for n, p in render.load(HUB)["Parameters"].items() if "Default" not in p] == []
