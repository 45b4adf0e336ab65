"""The Terraform modules make what the templates make: the same policies, the same outputs. Terraform itself
plans and applies, where it is installed; its AWS provider is a double (terraform_double.py)."""

import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys

import hcl2
import pytest
from templates import HUB, INFRA, SPOKE, render, stack

MODULES = INFRA / "terraform"
DOUBLE = pathlib.Path(__file__).with_name("terraform_double.py")
TABLES = {"TeamsTable", "IdpsTable", "StateTable"}

spec = importlib.util.spec_from_file_location("generate", MODULES / "generate.py")
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)

with_terraform = pytest.mark.skipif(
    shutil.which("terraform") is None, reason="terraform is in no registry that the tests install from"
)


def blocks(path):
    """A file of Terraform as data: quotes around names and texts removed."""
    def bare(value):
        if isinstance(value, dict):
            return {bare(k): bare(v) for k, v in value.items() if k not in ("__is_block__", "__comments__")}
        if isinstance(value, list):
            return [bare(one) for one in value]
        return value[1:-1] if isinstance(value, str) and value[:1] == value[-1:] == '"' else value

    return bare(hcl2.loads(path.read_text()))


def test_variables_and_outputs_are_written_by_the_script():
    for path, text in generate.files().items():
        assert path.read_text() == text, f"python3 infra/terraform/generate.py ({path})"


@pytest.mark.parametrize(("module", "template"), [("hub", HUB), ("spoke", SPOKE)])
def test_every_parameter_is_a_variable_and_every_output_an_output(module, template):
    template = render.load(template)
    variables = {name for block in blocks(MODULES / module / "variables.tf")["variable"] for name in block}
    own = {name for name, *_ in generate.OWN[module]}
    assert variables == own | {generate.snake(name) for name in template["Parameters"]}
    assert len(variables) == len(own) + len(template["Parameters"])
    outputs = {name for block in blocks(MODULES / module / "outputs.tf")["output"] for name in block}
    assert outputs == {generate.snake(name) for name in template["Outputs"]}


def test_a_plan_that_would_delete_the_hub_is_refused_by_the_module():
    resources = blocks(MODULES / "hub" / "main.tf")["resource"]
    (hub,) = (one["aws_cloudformation_stack"]["hub"] for one in resources if "aws_cloudformation_stack" in one)
    assert hub["lifecycle"] == [{"prevent_destroy": True}]
    assert "stack-policy.json" in hub["policy_body"]


def decides(policy, action, logical_id):
    """What CloudFormation does with one change of one resource: a Deny wins, and silence is one.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html"""
    def applies(statement):
        actions, resources = (
            [one] if isinstance(one, str) else one for one in (statement["Action"], statement["Resource"])
        )
        matches = any(one in ("Update:*", action) for one in actions)
        return matches and any(one in ("*", f"LogicalResourceId/{logical_id}") for one in resources)

    effects = {statement["Effect"] for statement in policy["Statement"] if applies(statement)}
    return "Deny" not in effects and "Allow" in effects


def test_an_update_that_would_replace_a_table_is_refused_by_the_stack_and_by_the_table():
    policy = json.loads((INFRA / "hub" / "stack-policy.json").read_text())
    resources = stack(HUB).resources
    tables = {name for name, one in resources.items() if one["Type"] == "AWS::DynamoDB::Table"}
    assert tables == TABLES
    for table in tables:
        assert decides(policy, "Update:Modify", table)
        assert not decides(policy, "Update:Replace", table) and not decides(policy, "Update:Delete", table)
        assert resources[table]["Properties"]["DeletionProtectionEnabled"] is True
        assert resources[table]["DeletionPolicy"] == resources[table]["UpdateReplacePolicy"] == "Retain"
    # Nor anything else that an update must not make anew; the rest may go its ways.
    held = {one.removeprefix("LogicalResourceId/") for one in policy["Statement"][1]["Resource"]}
    assert tables <= held <= set(resources)
    for other in set(resources) - held:
        assert decides(policy, "Update:Replace", other)


# ---------------------------------------------------------------- with Terraform itself


class Terraform:
    """One module, with a state of its own and the provider's double."""

    def __init__(self, folder, module):
        self.folder, self.module = folder, module
        provider = folder / "provider" / "terraform-provider-aws"
        provider.parent.mkdir()
        provider.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{DOUBLE}" "$@"\n')
        provider.chmod(0o755)
        (folder / "rc").write_text(
            f'provider_installation {{\n  dev_overrides {{ "hashicorp/aws" = "{provider.parent}" }}\n  direct {{}}\n}}\n'
        )
        self.zip = folder / "bootstrap.zip"
        self.zip.write_bytes(b"a function")

    def run(self, command, *arguments, **variables):
        given = {"bucket": "bucket", **variables}
        if self.module == "hub":
            given = {"stack_name": "stack", "function_zip": self.zip, **given}
        return subprocess.run(
            ["terraform", f"-chdir={MODULES / self.module}", command, "-no-color", "-input=false",
             f"-state={self.folder / 'state'}", *arguments,
             *(f"-var={name}={value}" for name, value in given.items())],
            env={
                "PATH": os.environ["PATH"], "HOME": str(self.folder), "CHECKPOINT_DISABLE": "1",
                "TF_CLI_CONFIG_FILE": str(self.folder / "rc"), "TF_DATA_DIR": str(self.folder / "data"),
                "FAKE_CLOUD": str(self.folder / "cloud.json"),
            },
            capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip

    def apply(self, **variables):
        done = self.run("apply", "-auto-approve", **variables)
        assert done.returncode == 0, done.stdout + done.stderr

    def stacks(self):
        return json.loads((self.folder / "cloud.json").read_text())["stacks"]

    def outputs(self):
        done = subprocess.run(
            ["terraform", "output", "-json", f"-state={self.folder / 'state'}"],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return {name: output["value"] for name, output in json.loads(done.stdout).items()}


def same(made, expected):
    """Stack and template, but for the place of the code."""
    def data(resources):
        text = json.dumps(resources, sort_keys=True)
        return json.loads(text)

    made, expected = data(made), data(expected)
    assert set(made) == set(expected)
    for name, resource in expected.items():
        for one in (made[name], resource):
            one.get("Properties", {}).pop("Code", None)
        # A version of a function is called by what it is made of.
        if not resource["Type"].startswith("AWS::Lambda::"):
            assert made[name] == resource, name


@with_terraform
@pytest.mark.parametrize(
    "parameters",
    [{}, {"DomainName": "studio.example.com", "SessionMinutes": 30,
          "CertificateArn": "arn:aws:acm:eu-central-1:111111111111:certificate/0f7a2c34-1111-4222-8333-444455556666"}],
)  # fmt: skip
def test_the_hub_by_terraform_is_the_hub_of_the_template(tmp_path, parameters):
    terraform = Terraform(tmp_path, "hub")
    terraform.apply(**{generate.snake(name): value for name, value in parameters.items()})
    expected, made = stack(HUB, parameters), terraform.stacks()["stack"]
    same(made["resources"], expected.resources)
    assert made["capabilities"] == ["CAPABILITY_AUTO_EXPAND", "CAPABILITY_NAMED_IAM"]
    assert json.loads(made["policy_body"]) == json.loads((INFRA / "hub" / "stack-policy.json").read_text())
    outputs = {name: value for name, value in terraform.outputs().items() if value is not None}
    assert outputs == {generate.snake(name): str(value) for name, value in expected.outputs.items()}


@with_terraform
def test_a_spoke_by_terraform_is_the_spoke_of_the_template(tmp_path):
    parameters = {
        "HubRoleArn": "arn:aws:iam::111111111111:role/StudioBrokerHub", "OrganizationId": "o-exampleorg1",
        "Teams1": "team1,team2", "Domain1": "d-abcdefghijkl", "Region1": "eu-central-1", "ExternalId": "spoke-2",
    }  # fmt: skip
    of_file = [{"ParameterKey": n, "ParameterValue": v} for n, v in parameters.items() if n != "ExternalId"]
    (tmp_path / "spoke.json").write_text(json.dumps(of_file))
    terraform = Terraform(tmp_path, "spoke")
    # What the file says, and what is said beside it.
    terraform.apply(parameters_file=tmp_path / "spoke.json", external_id="spoke-2")
    made, expected = terraform.stacks()["studio-broker-spoke"], stack(SPOKE, parameters)
    same(made["resources"], expected.resources)
    assert made["resources"]["TargetRole"] == json.loads(json.dumps(expected.resources["TargetRole"]))
    outputs = {name: value for name, value in terraform.outputs().items() if value is not None}
    assert outputs == {generate.snake(name): str(value) for name, value in expected.outputs.items()}


@with_terraform
def test_terraform_refuses_plans_that_would_delete_the_hub(tmp_path):
    terraform = Terraform(tmp_path, "hub")
    terraform.apply()
    again = terraform.run("plan", "-detailed-exitcode")
    assert again.returncode == 0, "nothing has changed: " + again.stdout + again.stderr
    for refused in (terraform.run("plan", stack_name="another"), terraform.run("destroy", "-auto-approve")):
        assert refused.returncode == 1
        assert "Instance cannot be destroyed" in refused.stderr
    assert set(terraform.stacks()) == {"stack"}


@with_terraform
def test_the_modules_are_formatted():
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", str(MODULES)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
