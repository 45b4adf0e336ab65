"""An organization on which the guides' commands are run, in the order in which they stand there.

It knows what CloudFormation, StackSets and AWS Organizations refuse, as far as their documentation says:
a name that exists, a template that is too large without a bucket, a missing capability, parameters that a
template refuses (values of an existing stack are kept, as `aws cloudformation deploy` does), a stack
policy, termination protection, a StackSet without trusted access. A command that it does not know is an
error: so no command of the guides goes untested by being overlooked.
"""

import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
from dataclasses import dataclass, field

import yaml
from templates import HUB, INFRA, ROOT, SPOKE, Rendering, render, translated

MANAGEMENT, HUB_ACCOUNT, SPOKE_ACCOUNT, OTHER = "999999999999", "111111111111", "222222222222", "333333333333"
#: How the first line of a block names the account in which it runs.
ACCOUNTS = {
    "management account": MANAGEMENT,
    "management account, or its delegated administrator": MANAGEMENT,
    "hub's account": HUB_ACCOUNT,
    "delegated administrator of StackSets": HUB_ACCOUNT,
    f"account {SPOKE_ACCOUNT}": SPOKE_ACCOUNT,
}
UNITS = {"ou-abcd-11111111": [SPOKE_ACCOUNT, OTHER], "ou-abcd-22222222": [OTHER]}
REGION = "eu-west-1"
BINARY = pathlib.Path(os.environ.get("STUDIO_BROKER_BIN", ROOT / "target/debug")) / "studio-broker"
#: What stands for an output of another stack.
OUTPUTS = {
    "VpcId": "vpc-0aaaaaaa", "SubnetIds": "subnet-0aaaaaaa,subnet-0bbbbbbb", "SecurityGroupId": "sg-0aaaaaaa",
    "JobSubnetIds": "subnet-0aaaaaaa,subnet-0bbbbbbb", "JobSecurityGroupIds": "sg-0aaaaaaa",
    "KmsKeyArn": f"arn:aws:kms:{REGION}:{SPOKE_ACCOUNT}:key/11111111-2222-3333-4444-555555555555",
}  # fmt: skip
#: Names of these are one in an account (or a Region of it).
NAMED = {
    "AWS::IAM::Role": "RoleName", "AWS::DynamoDB::Table": "TableName", "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Lambda::Function": "FunctionName", "AWS::CloudFormation::StackSet": "StackSetName",
    "AWS::Organizations::Policy": "Name", "AWS::SSO::PermissionSet": "Name",
}  # fmt: skip
STACK_SETS_SERVICE = "member.org.stacksets.cloudformation.amazonaws.com"


class Refused(Exception):
    """What the service or the tool would say no to."""


@dataclass
class Stack:
    template: pathlib.Path
    version: int
    parameters: dict
    resources: dict
    policy: dict | None = None
    is_protected: bool = False
    outputs: dict = field(default_factory=dict)


class Organization:
    """Accounts, what stands in them, and what the person at the keyboard has on disk."""

    def __init__(self, folder):
        self.folder, self.version, self.account = folder, 1, None
        self.stacks, self.left, self.buckets, self.files = {}, {}, {}, set()
        self.enabled, self.delegated, self.ran, self.variables = set(), {}, [], {}
        self.sets, self.change_sets = {}, {}

    # ------------------------------------------------------------ guides

    def follow(self, guide, *headings):
        """Runs the blocks below these headings, in their order."""
        for heading in headings:
            for kind, block in blocks(guide, heading):
                if kind == "yaml":
                    name = block.splitlines()[0].removeprefix("# ")
                    (self.folder / name).write_text(block)
                else:
                    self.run(block)

    def run(self, block):
        first = block.splitlines()[0]
        if first.startswith("# "):
            self.account = ACCOUNTS[first[2:]]
        text = "\n".join(block.splitlines()[first.startswith("# ") :]).replace("\\\n", " ")
        for line in text.splitlines():
            if line.strip():
                self.command(line)

    def command(self, line):
        if assigned := re.fullmatch(r"([A-Z_]+)=spoke-\$\(sha256sum (\S+) \| cut -c1-12\)\.yaml", line.strip()):
            content = (ROOT / assigned[2]).read_bytes() + bytes([self.version])
            self.variables[assigned[1]] = f"spoke-{hashlib.sha256(content).hexdigest()[:12]}.yaml"
            return
        line = line.replace("BUCKET", "example-bucket")
        line = re.sub(r"\$(\w+)", lambda match: self.variables.get(match[1], match[0]), line)
        words = shlex.split(line.split(" > ")[0], comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if not words or words[0] in ("export", "cargo", "rustup", "python3", "curl"):
            return
        self.ran.append(" ".join(words[:3]))
        program, *rest = words
        match program:
            case "infra/hub/build":
                self.files.add("target/hub/arm64/template.yaml")
            case "sam":
                self.sam(rest)
            case "studio-broker":
                self.studio_broker(rest)
            case "aws":
                handler = getattr(self, f"{rest[0]}_{rest[1]}".replace("-", "_"), None)
                if handler is None:
                    if not re.match(r"(describe|list|get|validate|wait|export)", rest[1]):
                        raise AssertionError(f"nothing here knows: {line}")
                    return
                handler(options(rest[2:]))
            case _:
                raise AssertionError(f"nothing here knows: {line}")

    # ------------------------------------------------------------ programs

    def sam(self, words):
        if words[0] == "deploy":
            given = options(words[1:])
            self.cloudformation_deploy({"s3-bucket": ["made by --resolve-s3"], **given})

    def studio_broker(self, words):
        if words[:2] == ["teams", "spoke"]:
            subprocess.run([BINARY, *words], cwd=self.folder, check=True, capture_output=True)
        elif not (words[0] in ("doctor", "profiles", "idps") or words[:2] in (["teams", "plan"], ["teams", "apply"], ["teams", "export"])):
            raise AssertionError(f"nothing here knows: studio-broker {' '.join(words)}")

    # ------------------------------------------------------------ organization

    def organizations_enable_policy_type(self, given):
        self._only(MANAGEMENT)
        self.enabled.update(given["policy-type"])

    def organizations_enable_aws_service_access(self, given):
        self._only(MANAGEMENT)
        self.enabled.update(given["service-principal"])

    def cloudformation_activate_organizations_access(self, _given):
        self._only(MANAGEMENT)
        self.enabled.add("trusted access")

    def organizations_register_delegated_administrator(self, given):
        self._only(MANAGEMENT)
        (service,), (account,) = given["service-principal"], given["account-id"]
        if account == MANAGEMENT:
            raise Refused("the management account is no delegated administrator")
        self.delegated[service] = account

    def _only(self, account):
        if self.account != account:
            raise Refused(f"this runs in {account}, not in {self.account}")

    # ------------------------------------------------------------ S3

    def s3_cp(self, given):
        source, target = given[""]
        assert (ROOT / source).exists() or source in self.files, source
        self.buckets[target.removeprefix("s3://")] = self.version

    # ------------------------------------------------------------ CloudFormation

    def cloudformation_package(self, given):
        (template,), (output,) = given["template-file"], given["output-template-file"]
        if template not in self.files:
            raise Refused(f"{template} is not built yet")
        self.files.add(output)

    def template(self, name):
        if name.startswith("target/"):
            if name not in self.files:
                raise Refused(f"{name} is not built yet")
            return HUB
        assert (ROOT / name).exists(), name
        return ROOT / name

    def cloudformation_deploy(self, given):
        (name,), (template_name,) = given["stack-name"], given["template-file"]
        template = self.template(template_name)
        if template.stat().st_size > 51_200 and "s3-bucket" not in given:
            raise Refused(f"{template_name} is larger than 51,200 bytes: --s3-bucket")
        overrides = {}
        for word in given.get("parameter-overrides", []):
            if word.startswith("file://"):
                listed = json.loads((self.folder / word.removeprefix("file://")).read_text())
                overrides |= {one["ParameterKey"]: one["ParameterValue"] for one in listed}
                continue
            key, _, value = word.partition("=")
            overrides[key] = OUTPUTS[key] if value == "…" else value
        if "no-execute-changeset" in given:
            return
        self.put(self.account, name, template, overrides, given.get("capabilities", []))

    def put(self, account, name, template, overrides, capabilities=("CAPABILITY_NAMED_IAM",), adopt=False):
        before = self.stacks.get((account, name))
        declared = render.load(template)["Parameters"]
        kept = {k: v for k, v in before.parameters.items() if k in declared} if before else {}
        parameters = {**kept, **overrides}
        try:
            rendering = Rendering(translated(template, REGION), parameters, REGION, account)
            rendering.pseudo["AWS::StackName"] = name
            made = rendering.stack()
        except render.Refused as refused:
            raise Refused(f"{name}: {refused}") from None
        roles = made.of_type("AWS::IAM::Role")
        is_named = any("RoleName" in one for one in roles.values())
        enough = {"CAPABILITY_NAMED_IAM"} if is_named else {"CAPABILITY_NAMED_IAM", "CAPABILITY_IAM"}
        if roles and not enough & set(capabilities):
            raise Refused(f"{name}: needs one of {sorted(enough)}")
        self._check_names(account, name, made, adopt)
        if before and before.policy:
            gone = set(before.resources) - set(made.resources)
            for statement in before.policy["Statement"]:
                held = {one.removeprefix("LogicalResourceId/") for one in statement["Resource"]} if isinstance(statement["Resource"], list) else set()
                if statement["Effect"] == "Deny" and "Update:Delete" in statement["Action"] and gone & held:
                    raise Refused(f"{name}: the stack policy keeps {sorted(gone & held)}")
        if "HubRoleArn" in parameters and template == SPOKE:
            arn = parameters["HubRoleArn"]
            if arn.rpartition("/")[2] not in self.names(arn.split(":")[4], "AWS::IAM::Role"):
                raise Refused(f"{name}: IAM resolves no principal {arn}")
        self._check_organization(account, made)
        # A stack keeps the value of every parameter, defaults among them.
        values = {k: ",".join(v) if isinstance(v, list) else v for k, v in made.parameters.items()}
        self.stacks[account, name] = Stack(
            template, self.version, values, made.resources,
            before.policy if before else None, before.is_protected if before else False, made.outputs,
        )  # fmt: skip
        for stack_set in made.of_type("AWS::CloudFormation::StackSet").values():
            self._roll_out(stack_set)

    def names(self, account, kind):
        """Names of resources of a kind in an account, with the stack that has each."""
        found = dict.fromkeys(self.left.get((account, kind), []))
        for (where, stack), made in self.stacks.items():
            if where == account:
                for resource in made.resources.values():
                    if resource["Type"] == kind and (named := resource.get("Properties", {}).get(NAMED[kind])):
                        found[named] = stack
        return found

    def _check_names(self, account, name, made, adopt):
        for logical, resource in made.resources.items():
            kind = resource["Type"]
            named = resource.get("Properties", {}).get(NAMED.get(kind))
            limit = 64 if kind in ("AWS::IAM::Role", "AWS::Lambda::Function") else 128
            if named and len(named) > limit and kind != "AWS::Logs::LogGroup":
                raise Refused(f"{name}: {logical} has a name of more than {limit} characters")
            owner = self.names(account, kind).get(named, name) if named else name
            if owner is None and adopt and resource.get("DeletionPolicy", "").startswith("Retain"):
                self.left[account, kind].remove(named)
            elif owner != name:
                raise Refused(f"{name}: {logical} {named} already exists ({owner or 'left by a stack'})")

    def _check_organization(self, account, made):
        if made.of_type("AWS::Organizations::Policy"):
            if account != MANAGEMENT:
                raise Refused("a service control policy is made in the management account")
            if "SERVICE_CONTROL_POLICY" not in self.enabled:
                raise Refused("the root has no service control policies: enable-policy-type")
        for stack_set in made.of_type("AWS::CloudFormation::StackSet").values():
            self._may_use_stack_sets(account, stack_set["CallAs"])
            key = stack_set["TemplateURL"].removeprefix("https://").replace(".s3.eu-west-1.amazonaws.com", "")
            if key not in self.buckets:
                raise Refused(f"nothing is at {stack_set['TemplateURL']}")

    def _may_use_stack_sets(self, account, call_as):
        if "trusted access" not in self.enabled:
            raise Refused("StackSets have no trusted access: activate-organizations-access")
        allowed = {"SELF": MANAGEMENT, "DELEGATED_ADMIN": self.delegated.get(STACK_SETS_SERVICE)}[call_as]
        if account != allowed:
            raise Refused(f"{account} may not use StackSets as {call_as}")

    def _roll_out(self, stack_set):
        name, url = stack_set["StackSetName"], stack_set["TemplateURL"]
        key = url.removeprefix("https://").replace(".s3.eu-west-1.amazonaws.com", "")
        (group,) = stack_set["StackInstancesGroup"]
        targets = group["DeploymentTargets"]
        accounts = {account for unit in targets["OrganizationalUnitIds"] for account in UNITS[unit]}
        if targets.get("AccountFilterType") == "DIFFERENCE":
            accounts -= set(targets["Accounts"])
        known = self.sets.get(name, {"url": None, "own": {}})
        # An unchanged address is no change: the accounts keep the template that they have.
        version = self.buckets[key] if url != known["url"] else known["version"]
        common = {p["ParameterKey"]: p["ParameterValue"] for p in stack_set["Parameters"]}
        self.sets[name] = {"url": url, "version": version, "common": common, "own": known["own"], "accounts": accounts}
        for account in sorted(accounts):
            self._instance(name, account)

    def _instance(self, name, account):
        stack_set, now = self.sets[name], self.version
        self.version = stack_set["version"]
        try:
            self.put(account, f"StackSet-{name}", SPOKE, {**stack_set["common"], **stack_set["own"].get(account, {})})
        finally:
            self.version = now

    def cloudformation_update_stack_instances(self, given):
        (name,) = given["stack-set-name"]
        if name not in self.sets:
            raise Refused(f"there is no StackSet {name}")
        self._may_use_stack_sets(self.account, given.get("call-as", ["SELF"])[0])
        targets = dict(part.split("=") for part in given["deployment-targets"][0].split(","))
        assert targets["AccountFilterType"] == "INTERSECTION"
        account = targets["Accounts"]
        if account not in self.sets[name]["accounts"]:
            raise Refused(f"{name} has no instance in {account}")
        (file,) = given["parameter-overrides"]
        listed = json.loads((self.folder / file.removeprefix("file://")).read_text())
        self.sets[name]["own"][account] = {one["ParameterKey"]: one["ParameterValue"] for one in listed}
        self._instance(name, account)

    def cloudformation_set_stack_policy(self, given):
        policy = json.loads((ROOT / given["stack-policy-body"][0].removeprefix("file://")).read_text())
        self._stack(given).policy = policy

    def cloudformation_update_termination_protection(self, given):
        self._stack(given).is_protected = "enable-termination-protection" in given

    def _stack(self, given):
        return self.stacks[self.account, given["stack-name"][0]]

    def cloudformation_delete_stack(self, given):
        stack = self._stack(given)
        if stack.is_protected:
            raise Refused("termination protection is on")
        for resource in stack.resources.values():
            named = resource.get("Properties", {}).get(NAMED.get(resource["Type"]))
            if named and resource.get("DeletionPolicy", "").startswith("Retain"):
                self.left.setdefault((self.account, resource["Type"]), []).append(named)
        for stack_set in (r for r in stack.resources.values() if r["Type"] == "AWS::CloudFormation::StackSet"):
            name = stack_set["Properties"]["StackSetName"]
            for account in self.sets.pop(name)["accounts"]:
                del self.stacks[account, f"StackSet-{name}"]
        del self.stacks[self.account, given["stack-name"][0]]

    def cloudformation_create_change_set(self, given):
        key = given["template-url"][0].removeprefix("https://").replace(".s3.eu-west-1.amazonaws.com", "")
        if key not in self.buckets:
            raise Refused(f"nothing is at {key}")
        assert given["change-set-type"] == ["CREATE"] and "import-existing-resources" in given
        self.change_sets[given["stack-name"][0]] = HUB

    def cloudformation_execute_change_set(self, given):
        (name,) = given["stack-name"]
        self.put(self.account, name, self.change_sets.pop(name), {}, adopt=True)

    def sagemaker_enable_sagemaker_servicecatalog_portfolio(self, _given):
        self.enabled.add("projects")


def options(words):
    """{option: its values}, those without an option under ""."""
    found, name = {}, ""
    for word in words:
        if word.startswith("--"):
            name = word[2:]
            found.setdefault(name, [])
        else:
            found.setdefault(name, []).append(word)
    return found


def blocks(guide, heading=None):
    """The blocks of a guide below a heading, up to the next one: ("sh" or "yaml", text)."""
    text = (INFRA / guide).read_text()
    if heading is not None:
        parts = re.split(r"^(#{2,4} .+)$", text, flags=re.M)
        found = [body for title, body in zip(parts[1::2], parts[2::2], strict=True) if title.lstrip("# ") == heading]
        assert len(found) == 1, f"{guide} has {len(found)} headings {heading}"
        (text,) = found
    # Blocks of lists are indented.
    found = re.findall(r"^( *)```(sh|yaml)\n(.*?)^ *```", text, re.M | re.S)
    return [(kind, re.sub(rf"^{indent}", "", body, flags=re.M)) for indent, kind, body in found]


#: Named as from infra/.
README = "../README.md"


def every_command():
    """(guide, command) of every guide and the README: shell blocks, lines joined, and what stands in a sentence."""
    for guide in (README, *(str(path.relative_to(INFRA)) for path in sorted(INFRA.rglob("*.md")))):
        for kind, body in blocks(guide):
            if kind == "sh":
                for line in body.replace("\\\n", " ").splitlines():
                    if line.strip() and not line.startswith("#"):
                        yield guide, re.sub(r" +", " ", line)
        text = re.sub(r"^ *```.*?^ *```", "", (INFRA / guide).read_text(), flags=re.M | re.S)
        # Without an option it is a command's name, not one to copy.
        for command in re.findall(r"`((?:aws|sam) [^`\n]* --[^`\n]*)`", text):
            yield guide, command


def teams_of(folder):
    return yaml.safe_load((folder / "teams.yaml").read_text())["teams"]

