#!/usr/bin/env python3
"""Writes variables.tf and outputs.tf of the modules, from the templates that they wrap. Needs PyYAML.

    python3 infra/terraform/generate.py            # a test runs it again and compares
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "policies"))

import render  # noqa: E402 (the renderer of the tests)

#: Variables that are the module's own: (name, type, default or None where it must be given, words).
OWN = {
    "hub": [
        ("stack_name", "string", None, "Name of the stack. Another name is another hub: prevent_destroy refuses it."),
        ("bucket", "string", None, "S3 bucket for function and template, in the provider's Region."),
        ("function_zip", "string", None, "The function, as infra/hub/build leaves it: target/hub/arm64/bootstrap.zip."),
        ("tags", "map(string)", "{}", "For everything in the stack that can be tagged."),
    ],
    "spoke": [
        ("stack_name", "string", '"studio-broker-spoke"', "Name of the stack."),
        ("bucket", "string", None, "S3 bucket for the template, in the provider's Region."),
        ("parameters_file", "string", "null", "What `studio-broker teams spoke` wrote for this account."),
        ("tags", "map(string)", "{}", "For everything in the stack that can be tagged."),
    ],
}
HEAD = "# Written by ../generate.py from infra/{}/template.yaml.\n"


def snake(name):
    """`MaxEbsGigabytes` as Terraform writes it."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def quoted(text):
    text = re.sub(r"\s+", " ", str(text)).strip()
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{") + '"'


def variables(module, template):
    out = [HEAD.format(module)]
    for name, kind, default, words in OWN[module]:
        out.append(f'variable "{name}" {{\n  type        = {kind}\n  description = {quoted(words)}\n')
        out.append("}\n\n" if default is None else f"  default     = {default}\n}}\n\n")
    labels = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterLabels"]
    for name, parameter in template["Parameters"].items():
        kind = "number" if parameter["Type"] == "Number" else "string"
        words = parameter.get("Description") or labels[name]["default"]
        # Without a value the template's own default counts, and what the file of parameters says.
        needed = module == "hub" and "Default" not in parameter
        out.append(f'variable "{snake(name)}" {{\n  type        = {kind}\n  description = {quoted(words)}\n')
        out.append("}\n\n" if needed else "  default     = null\n}\n\n")
    width = max(map(len, template["Parameters"]))
    out.append("locals {\n  parameters = {\n")
    out += [f"    {name:<{width}} = var.{snake(name)}\n" for name in template["Parameters"]]
    out.append("  }\n}\n")
    return "".join(out)


def outputs(module, template):
    out = [HEAD.format(module)]
    for name, output in template["Outputs"].items():
        stack = f"aws_cloudformation_stack.{module}.outputs"
        value = f'try({stack}["{name}"], null)' if "Condition" in output else f'{stack}["{name}"]'
        out.append(
            f'\noutput "{snake(name)}" {{\n'
            f"  description = {quoted(output['Description'])}\n  value       = {value}\n}}\n"
        )
    return "".join(out)


def files():
    """{path: text} of everything that is written."""
    written = {}
    for module in OWN:
        template = render.load(HERE.parent / module / "template.yaml")
        written[HERE / module / "variables.tf"] = variables(module, template)
        written[HERE / module / "outputs.tf"] = outputs(module, template)
    return written


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
