"""An organization on which the guides' commands are run, in the order in which they stand there.

It knows what CloudFormation, StackSets and AWS Organizations refuse, as far as their documentation says:
a name that exists, a template that is too large without a bucket, a missing capability, parameters that a
template refuses (values of an existing stack are kept, as `aws cloudformation deploy` does), a stack
policy, termination protection, a StackSet without trusted access. A command that it does not know is an
error: so no command of the guides goes untested by being overlooked. Each is first read by its own program's
parser, also one that only reads.
"""

import atexit
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
from dataclasses import dataclass, field

import jmespath
import yaml
from aws_cli import AwsCli, words_of
from templates import HUB, INFRA, ROOT, SPOKE, Rendering, render, translated

MANAGEMENT, HUB_ACCOUNT, SPOKE_ACCOUNT, OTHER = "999999999999", "111111111111", "222222222222", "333333333333"
ARCHIVE = "444444444444"
#: How the first line of a block names the account in which it runs.
ACCOUNTS = {
    "management account": MANAGEMENT,
    "management account, or its delegated administrator": MANAGEMENT,
    "hub's account": HUB_ACCOUNT,
    "delegated administrator of StackSets": HUB_ACCOUNT,
    f"account {SPOKE_ACCOUNT}": SPOKE_ACCOUNT,
    "log archive's account": ARCHIVE,
}
UNITS = {"ou-abcd-11111111": [SPOKE_ACCOUNT, OTHER], "ou-abcd-22222222": [OTHER]}
REGION = "eu-west-1"
BINARY = pathlib.Path(os.environ.get("STUDIO_BROKER_BIN", ROOT / "target/debug")) / "studio-broker"
#: What stands for an output of another stack.
OUTPUTS = {
    "VpcId": "vpc-0aaaaaaa", "SubnetIds": "subnet-0aaaaaaa,subnet-0bbbbbbb", "SecurityGroupId": "sg-0aaaaaaa",
    "JobSubnetIds": "subnet-0aaaaaaa,subnet-0bbbbbbb", "JobSecurityGroupIds": "sg-0aaaaaaa",
    "PrimaryHealthCheckId": "11111111-2222-3333-4444-555555555555", "SecondaryHealthCheckId": "66666666-7777-8888-9999-000000000000",
    "KmsKeyArn": f"arn:aws:kms:{REGION}:{SPOKE_ACCOUNT}:key/11111111-2222-3333-4444-555555555555",
}  # fmt: skip
#: Names of these are one in an account, those of roles in all its Regions.
NAMED = {
    "AWS::IAM::Role": "RoleName", "AWS::DynamoDB::Table": "TableName", "AWS::DynamoDB::GlobalTable": "TableName", "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Lambda::Function": "FunctionName", "AWS::CloudFormation::StackSet": "StackSetName",
    "AWS::Organizations::Policy": "Name", "AWS::SSO::PermissionSet": "Name",
}  # fmt: skip
#: Programs that a block runs and that change nothing in AWS.
LOCAL = {"export", "cargo", "rustup", "python3", "curl", "cat", "sed", "jq", "read", "done", "xargs", "date", "target/build-tools/bin/pip"}
#: Commands that change something which nothing here depends on.
UNHEEDED = {
    "apigateway create-deployment", "dynamodb delete-item", "dynamodb scan", "dynamodb update-continuous-backups",
    "dynamodb update-item", "dynamodb update-table", "ecr create-repository", "efs delete-file-system",
    "ecs update-service", "eks create-addon", "lambda invoke", "sagemaker create-mlflow-app",
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
    region: str = REGION


@functools.cache
def aws_cli():
    cli = AwsCli()
    atexit.register(cli.close)
    return cli


class Organization:
    """Accounts, what stands in them, and what the person at the keyboard has on disk."""

    def __init__(self, folder, broker=None):
        self.folder, self.version, self.account = folder, 1, None
        self.stacks, self.left, self.buckets, self.files = {}, {}, {}, set()
        self.enabled, self.delegated, self.ran, self.variables = set(), {}, [], {}
        self.sets, self.change_sets, self.deleted, self.lost, self.backups = {}, {}, [], set(), {}
        self.images, self.cluster = {}, []
        #: Versions of the functions, where each alias points, whose code is signed, who may send to which destination.
        self.functions, self.aliases, self.is_signed, self.packaged_signed, self.destinations = {}, {}, False, False, {}
        #: Runs the command line on tables, where a test has any.
        self.broker, self.codes = broker, {}
        for name in ("infra", "target"):
            if not (folder / name).exists():
                (folder / name).symlink_to(ROOT / name)

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
        """Runs one line of shell and returns what it prints, as far as anybody here reads it."""
        line = line.strip().replace("BUCKET", "example-bucket")
        if assigned := re.fullmatch(r"([A-Z_]+)=(\S*)\$\(sha256sum (\S+) \| cut -c1-12\)(\S*)", line):
            name, before, file, after = assigned.groups()
            content = (self._file(file).read_bytes() if (ROOT / file).exists() else file.encode()) + bytes([self.version])
            self.variables[name] = before + hashlib.sha256(content).hexdigest()[:12] + after
            return None
        if assigned := re.fullmatch(r"([A-Z_]+)=\$\((.+)\)", line):
            self.variables[assigned[1]] = self.command(assigned[2])
            return None
        if assigned := re.fullmatch(r"([A-Z_]+)=(\S+)", line):
            self.variables[assigned[1]] = assigned[2]
            return None
        line = re.sub(r"\$(\w+)", lambda match: self.variables.get(match[1], match[0]), line)
        line, target = re.fullmatch(r"(.*?)(?: > (\S+))?", line).groups()
        printed = None
        for words in words_of(line):
            printed = self.program(*words)
        if target:
            (self.folder / target).write_text(printed or "")
        return printed

    def _file(self, name):
        if not (ROOT / name).exists() and name not in self.files:
            raise Refused(f"{name} is not built yet")
        return ROOT / name

    def program(self, program, *words):
        words = list(words)
        if program == "git":
            # VERSION is the one before this one.
            assert words[0] == "checkout"
            self.version += 1 if words[1] == "-" else -1
            return None
        if program in LOCAL:
            return None
        self.ran.append(" ".join([program, *words[:2]]))
        match program:
            case "infra/hub/build":
                self.files |= {"target/hub/arm64/template.yaml", "target/hub/arm64/bootstrap.zip"}
                self.is_signed = False
            case "infra/operations/build":
                self.files.add("target/operations/arm64/doctor.zip")
            case "sam":
                self.sam(words)
            case "studio-broker":
                return self.studio_broker(words)
            case "podman":
                self.podman(words)
            case "kubectl":
                self.cluster.append(words)
            case "aws":
                return self.aws(words)
            case _:
                raise AssertionError(f"nothing here knows: {program} {' '.join(words)}")

    # ------------------------------------------------------------ programs

    def aws(self, words):
        if wrong := aws_cli().fault(words, self.folder, are_files_there=True):
            raise AssertionError(f"aws {' '.join(words)}: {wrong}")
        handler = getattr(self, f"{words[0]}_{words[1]}".replace("-", "_"), None)
        given = options(words[2:])
        if handler is None:
            is_known = " ".join(words[:2]) in UNHEEDED or re.match(r"(describe|list|get|validate|wait|export|tail|filter)", words[1])
            assert is_known, f"nothing here knows: aws {' '.join(words)}"
            return None
        answer = handler(given)
        if answer is None:
            return None
        if "query" in given:
            answer = jmespath.search(given["query"][0], answer)
        if given.get("output") == ["text"]:
            return " ".join(map(str, answer)) if isinstance(answer, list) else str(answer)
        return json.dumps(answer)

    def sam(self, words):
        if words[0] == "deploy":
            given = options(words[1:])
            self.cloudformation_deploy({"s3-bucket": ["made by --resolve-s3"], **given})

    def studio_broker(self, words):
        if words[:2] == ["teams", "spoke"] or self.broker:
            environment = {**os.environ, **(self.broker or {})}
            done = subprocess.run([BINARY, *words], cwd=self.folder, env=environment, capture_output=True, text=True)
            self.codes[" ".join(words[:2])] = done.returncode
            # 3: something would change, or was found.
            assert done.returncode in (0, 3), (words, done.stdout, done.stderr)
            return done.stdout
        done = subprocess.run([BINARY, *words, "--help"], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "Usage:" in done.stdout, (words, done.stderr)
        return None

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
        if source.startswith("s3://"):
            if source.removeprefix("s3://") not in self.buckets:
                raise Refused(f"nothing is at {source}")
            self.is_signed = self.is_signed or (target.endswith("bootstrap.zip") and "/signed/" in source)
            self.files.add(target)
            return
        self._file(source)
        self.buckets[target.removeprefix("s3://")] = self.version

    def s3api_list_objects_v2(self, given):
        (bucket,), (prefix,) = given["bucket"], given["prefix"]
        keys = [name.removeprefix(f"{bucket}/") for name in self.buckets if name.startswith(f"{bucket}/{prefix}")]
        return {"Contents": [{"Key": key, "LastModified": number} for number, key in enumerate(keys)]}

    # ------------------------------------------------------------ CloudFormation

    def cloudformation_package(self, given):
        (template,), (output,) = given["template-file"], given["output-template-file"]
        if template not in self.files:
            raise Refused(f"{template} is not built yet")
        self.files.add(output)
        self.packaged_signed = self.is_signed

    def template(self, name):
        if name.startswith("target/"):
            if name not in self.files:
                raise Refused(f"{name} is not built yet")
            return HUB
        assert (ROOT / name).exists(), name
        return ROOT / name

    def cloudformation_deploy(self, given):
        (name,), (template_name,) = given["stack-name"], given["template-file"]
        (region,) = given.get("region", [REGION])
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
            overrides[key] = self.output(key, region) if value == "…" else value
        if "no-execute-changeset" in given:
            return
        self.put(self.account, name, template, overrides, given.get("capabilities", []), region=region)

    def output(self, key, region):
        """What stands for `…`: the output of that name of a stack there."""
        if key in OUTPUTS:
            return OUTPUTS[key]
        here = [made for (account, _), made in self.stacks.items() if account == self.account and made.region == region]
        return [made.outputs[key] for made in here if key in made.outputs][-1]

    def put(self, account, name, template, overrides, capabilities=("CAPABILITY_NAMED_IAM",), adopt=False, region=REGION, keeps=True):
        before = self.stacks.get((account, key_of(name, region)))
        declared = render.load(template)["Parameters"]
        kept = {k: v for k, v in before.parameters.items() if k in declared} if before and keeps else {}
        parameters = {**kept, **overrides}
        try:
            rendering = Rendering(translated(template, region), parameters, region, account)
            rendering.pseudo["AWS::StackName"] = name
            made = rendering.stack()
        except render.Refused as refused:
            raise Refused(f"{name}: {refused}") from None
        roles = made.of_type("AWS::IAM::Role")
        is_named = any("RoleName" in one for one in roles.values())
        enough = {"CAPABILITY_NAMED_IAM"} if is_named else {"CAPABILITY_NAMED_IAM", "CAPABILITY_IAM"}
        if roles and not enough & set(capabilities):
            raise Refused(f"{name}: needs one of {sorted(enough)}")
        gone = set(before.resources) - set(made.resources) if before else set()
        if before and before.policy:
            for statement in before.policy["Statement"]:
                held = {one.removeprefix("LogicalResourceId/") for one in statement["Resource"]} if isinstance(statement["Resource"], list) else set()
                if statement["Effect"] == "Deny" and "Update:Delete" in statement["Action"] and gone & held:
                    raise Refused(f"{name}: the stack policy keeps {sorted(gone & held)}")
        self._check_names(account, name, made, adopt, region)
        if "HubRoleArn" in parameters and template == SPOKE:
            arn = parameters["HubRoleArn"]
            if arn.rpartition("/")[2] not in self.names(arn.split(":")[4], "AWS::IAM::Role"):
                raise Refused(f"{name}: IAM resolves no principal {arn}")
        self._check_organization(account, made)
        if template == HUB and parameters.get("CodeSigningConfigArn") and not self.packaged_signed:
            raise Refused(f"{name}: the code signing config takes no unsigned code")
        for sent in made.of_type("AWS::Logs::SubscriptionFilter").values():
            if ":destination:" in sent["DestinationArn"] and account not in self.destinations.get(sent["DestinationArn"], ()):
                raise Refused(f"{name}: may not send to {sent['DestinationArn']}")
        for task in made.of_type("AWS::ECS::TaskDefinition").values():
            for container in task["ContainerDefinitions"]:
                if container["Image"].partition("@")[2] not in self.images.values():
                    raise Refused(f"{name}: there is no image {container['Image']}")
        for code in (function.get("Code", {}) for function in made.of_type("AWS::Lambda::Function").values()):
            if template != HUB and "S3Key" in code and f"{code['S3Bucket']}/{code['S3Key']}" not in self.buckets:
                raise Refused(f"{name}: nothing is at s3://{code['S3Bucket']}/{code['S3Key']}")
        for logical in gone:
            self._leave(account, before.resources[logical])
        # A stack keeps the value of every parameter, defaults among them.
        values = {k: ",".join(v) if isinstance(v, list) else v for k, v in made.parameters.items()}
        self.stacks[account, key_of(name, region)] = Stack(
            template, self.version, values, made.resources,
            before.policy if before else None, before.is_protected if before else False, made.outputs, region,
        )  # fmt: skip
        for function in made.of_type("AWS::Lambda::Function").values() if template == HUB else ():
            here = self.functions.setdefault(function["FunctionName"], [])
            here.append(str(len(here) + 1))
            self.aliases[function["FunctionName"]] = here[-1]
        for stack_set in made.of_type("AWS::CloudFormation::StackSet").values():
            self._roll_out(stack_set)

    def names(self, account, kind, region=REGION):
        """Names of resources of a kind in an account, with the stack that has each."""
        found = dict.fromkeys(self.left.get((account, kind), []))
        for (where, stack), made in self.stacks.items():
            if where == account and (made.region == region or kind == "AWS::IAM::Role"):
                for resource in made.resources.values():
                    if resource["Type"] == kind and (named := resource.get("Properties", {}).get(NAMED[kind])):
                        found[named] = stack
        return {named: stack for named, stack in found.items() if (account, named) not in self.lost}

    def _check_names(self, account, name, made, adopt, region):
        for logical, resource in made.resources.items():
            kind = resource["Type"]
            named = resource.get("Properties", {}).get(NAMED.get(kind))
            limit = 64 if kind in ("AWS::IAM::Role", "AWS::Lambda::Function") else 128
            if named and len(named) > limit and kind != "AWS::Logs::LogGroup":
                raise Refused(f"{name}: {logical} has a name of more than {limit} characters")
            key = key_of(name, region)
            owner = self.names(account, kind, region).get(named, key) if named else key
            if owner is None and adopt and resource.get("DeletionPolicy", "").startswith("Retain"):
                self.left[account, kind].remove(named)
            elif owner != key:
                raise Refused(f"{name}: {logical} {named} already exists ({owner or 'left by a stack'})")

    def _leave(self, account, resource):
        """A resource that no stack has any more: gone, or there without one."""
        kind = resource["Type"]
        named = resource.get("Properties", {}).get(NAMED.get(kind))
        if named and resource.get("DeletionPolicy", "").startswith("Retain"):
            if (account, named) in self.lost:
                self.lost.remove((account, named))
            else:
                self.left.setdefault((account, kind), []).append(named)

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
        (body,) = given["stack-policy-body"]
        text = (ROOT / body.removeprefix("file://")).read_text() if body.startswith("file://") else body
        self._stack(given).policy = json.loads(text)

    def cloudformation_update_termination_protection(self, given):
        self._stack(given).is_protected = "enable-termination-protection" in given

    def _stack(self, given):
        return self.stacks[self.account, given["stack-name"][0]]

    def cloudformation_delete_stack(self, given):
        stack = self._stack(given)
        if stack.is_protected:
            raise Refused("termination protection is on")
        for resource in stack.resources.values():
            self._leave(self.account, resource)
        for stack_set in (r for r in stack.resources.values() if r["Type"] == "AWS::CloudFormation::StackSet"):
            name = stack_set["Properties"]["StackSetName"]
            for account in self.sets.pop(name)["accounts"]:
                del self.stacks[account, f"StackSet-{name}"]
        (name,) = given["stack-name"]
        self.deleted.append((self.account, name, f"arn:aws:cloudformation:{REGION}:{self.account}:stack/{name}/{len(self.deleted)}", stack))
        del self.stacks[self.account, name]

    def cloudformation_list_stacks(self, given):
        assert given["stack-status-filter"] == ["DELETE_COMPLETE"]
        here = [(name, arn) for account, name, arn, _ in reversed(self.deleted) if account == self.account]
        return {"StackSummaries": [{"StackName": name, "StackId": arn} for name, arn in here]}

    def cloudformation_describe_stacks(self, given):
        (name,) = given["stack-name"]
        found = {arn: stack for account, _, arn, stack in self.deleted if account == self.account}
        stack = found.get(name) or self.stacks.get((self.account, key_of(name, given.get("region", [REGION])[0])))
        if stack is None:
            raise Refused(f"Stack with id {name} does not exist")
        declared = render.load(stack.template)["Parameters"]
        values = {key: "****" if declared[key].get("NoEcho") else str(value) for key, value in stack.parameters.items()}
        return {"Stacks": [{
            "StackName": name, "StackStatus": "CREATE_COMPLETE",
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in stack.outputs.items()],
        }]}  # fmt: skip

    def cloudformation_create_change_set(self, given):
        (name,), (kind,) = given["stack-name"], given["change-set-type"]
        assert "import-existing-resources" in given
        before = self.stacks.get((self.account, name))
        if (kind == "UPDATE") != (before is not None):
            raise Refused(f"{kind} of a stack that is {'' if before else 'not '}there")
        if "use-previous-template" not in given:
            key = given["template-url"][0].removeprefix("https://").replace(".s3.eu-west-1.amazonaws.com", "")
            if key not in self.buckets:
                raise Refused(f"nothing is at {key}")
        parameters = {}
        for word in given.get("parameters", []):
            for one in json.loads((self.folder / word.removeprefix("file://")).read_text()):
                is_kept = one.get("UsePreviousValue", False)
                parameters[one["ParameterKey"]] = before.parameters[one["ParameterKey"]] if is_kept else one["ParameterValue"]
        if "****" in parameters.values():
            raise Refused("a secret as it is shown is not the secret")
        self.change_sets[name] = (before.template if before else HUB, parameters, given["capabilities"])

    def cloudformation_describe_change_set(self, given):
        (name,) = given["stack-name"]
        template, parameters, _ = self.change_sets[name]
        made = Rendering(translated(template, REGION), parameters, REGION, self.account)
        made.pseudo["AWS::StackName"] = name
        before = self.stacks.get((self.account, name))
        changes = []
        for logical, resource in made.stack().resources.items():
            if not (before and logical in before.resources):
                named = resource.get("Properties", {}).get(NAMED.get(resource["Type"]))
                is_there = named in self.left.get((self.account, resource["Type"]), [])
                changes.append({"ResourceChange": {"Action": "Import" if is_there else "Add", "LogicalResourceId": logical}})
        return {"Changes": changes}

    def cloudformation_execute_change_set(self, given):
        (name,) = given["stack-name"]
        template, parameters, capabilities = self.change_sets.pop(name)
        self.put(self.account, name, template, parameters, capabilities, adopt=True, keeps=False)

    # ------------------------------------------------------------ functions, signing, archive

    def lambda_list_versions_by_function(self, given):
        (name,) = given["function-name"]
        return {"Versions": [{"Version": version, "LastModified": "…"} for version in ["$LATEST", *self.functions[name]]]}

    def lambda_update_alias(self, given):
        (name,), (version,) = given["function-name"], given["function-version"]
        if version not in self.functions[name]:
            raise Refused(f"{name} has no version {version}")
        assert given["name"] == ["live"]
        self.aliases[name] = version

    def signer_put_signing_profile(self, _given):
        return {"profileVersionArn": f"arn:aws:signer:{REGION}:{self.account}:/signing-profiles/studio_broker/a1b2c3d4e5"}

    def lambda_create_code_signing_config(self, given):
        assert given["allowed-publishers"][0].startswith("SigningProfileVersionArns=arn:aws:signer:")
        return {"CodeSigningConfig": {"CodeSigningConfigArn": f"arn:aws:lambda:{REGION}:{self.account}:code-signing-config:csc-0a1b2c3d4e5f6a7b8"}}

    def s3api_head_object(self, given):
        key = f"{given['bucket'][0]}/{given['key'][0]}"
        if key not in self.buckets:
            raise Refused(f"nothing is at {key}")
        return {"VersionId": f"v{self.buckets[key]}"}

    def signer_start_signing_job(self, given):
        bucket, key, version = re.fullmatch(r"s3=\{bucketName=(\S+),key=(\S+),version=(\S+)\}", given["source"][0]).groups()
        to, prefix = re.fullmatch(r"s3=\{bucketName=(\S+),prefix=(\S+)\}", given["destination"][0]).groups()
        if f"v{self.buckets.get(f'{bucket}/{key}')}" != version:
            raise Refused(f"{key} has no version {version}")
        self.buckets[f"{to}/{prefix}5f0e8a52-job.zip"] = self.version
        return {"jobId": "5f0e8a52-job"}

    def logs_put_destination(self, given):
        (name,) = given["destination-name"]
        self.destinations[f"arn:aws:logs:{REGION}:{self.account}:destination:{name}"] = set()

    def logs_put_destination_policy(self, given):
        (statement,) = json.loads(given["access-policy"][0])["Statement"]
        self.destinations[statement["Resource"]].add(statement["Principal"]["AWS"])

    # ------------------------------------------------------------ images

    def podman(self, words):
        if words[0] == "build":
            self.files.add(words[words.index("-t") + 1])
        elif words[0] == "push":
            if words[1] not in self.files:
                raise Refused(f"{words[1]} is not built yet")
            name = words[1].rpartition("/")[2]
            if name in self.images:
                raise Refused(f"{name} is there, and its tag cannot be moved")
            self.images[name] = "sha256:" + hashlib.sha256(name.encode()).hexdigest()

    def ecr_describe_images(self, given):
        (repository,) = given["repository-name"]
        tags = [word.removeprefix("imageTag=") for word in given.get("image-ids", [])]
        here = {name.partition(":")[2]: digest for name, digest in self.images.items() if name.startswith(f"{repository}:")}
        found = {tag: digest for tag, digest in here.items() if not tags or tag in tags}
        if not found:
            raise Refused(f"{repository} has no image {tags}")
        return {"imageDetails": [{"imageTags": [tag], "imagePushedAt": 0, "imageDigest": digest} for tag, digest in found.items()]}

    # ------------------------------------------------------------ DynamoDB, logs

    def dynamodb_delete_table(self, given):
        (table,) = given["table-name"]
        self.lost.add((self.account, table))
        self.backups[table] = f"arn:aws:dynamodb:{REGION}:{self.account}:table/{table}/backup/01764400000000-0a1b2c3d"

    def dynamodb_list_backups(self, given):
        assert given["backup-type"] == ["SYSTEM"]
        arn = self.backups.get(given["table-name"][0])
        return {"BackupSummaries": [{"BackupArn": arn}] if arn else []}

    def dynamodb_restore_table_from_backup(self, given):
        (table,), (arn,) = given["target-table-name"], given["backup-arn"]
        if arn not in self.backups.values():
            raise Refused(f"no such backup: {arn}")
        if (self.account, table) not in self.lost:
            raise Refused(f"Table already exists: {table}")
        self.lost.remove((self.account, table))

    def logs_delete_log_group(self, given):
        self.left[self.account, "AWS::Logs::LogGroup"].remove(given["log-group-name"][0])

    def sagemaker_enable_sagemaker_servicecatalog_portfolio(self, _given):
        self.enabled.add("projects")


def key_of(name, region):
    """A stack's name, with its Region where that is another than most stacks'."""
    return name if region == REGION else f"{region}/{name}"


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

