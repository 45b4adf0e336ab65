"""Renders a CloudFormation template with parameters, as the service would.

What comes out is what an account would hold: parameters checked, `Rules` asserted, conditions
decided, every intrinsic function replaced. So the policies that the tests decide with are those of
the templates, not copies of them. What this does not know it refuses.
"""

import functools
import re
from dataclasses import dataclass

import yaml

PARTITIONS = {"cn-": ("aws-cn", "amazonaws.com.cn"), "us-gov-": ("aws-us-gov", "amazonaws.com")}
NO_VALUE = object()


class Refused(Exception):
    """The service would not create this stack."""


@dataclass(frozen=True)
class Stack:
    """Resources and outputs that the template makes with these parameters."""

    resources: dict
    outputs: dict
    parameters: dict

    def of_type(self, kind):
        """Properties of all resources of a type, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def trust(self, role):
        """The trust policy of a role, by logical id."""
        return self.resources[role]["Properties"]["AssumeRolePolicyDocument"]

    def permissions(self, role):
        """Every policy of a role that this stack makes, by name: inline and managed."""
        properties = self.resources[role]["Properties"]
        policies = {p["PolicyName"]: p["PolicyDocument"] for p in properties.get("Policies", [])}
        attached = properties.get("ManagedPolicyArns", [])
        for name, policy in self.of_type("AWS::IAM::ManagedPolicy").items():
            if role_name(role, properties) in policy.get("Roles", []) or policy_arn(name) in attached:
                policies[name] = policy["PolicyDocument"]
        known = {policy_arn(name) for name in self.of_type("AWS::IAM::ManagedPolicy")}
        foreign = [arn for arn in attached if arn not in known]
        assert not foreign, f"{role} carries policies that no template holds: {foreign}"
        return policies


def role_name(logical_id, properties):
    return properties.get("RoleName", f"stack-{logical_id}")


def policy_arn(logical_id):
    return f"arn:made-by-this-stack:policy/{logical_id}"


@functools.cache
def load(path):
    """The template as plain data, short forms of functions written out."""
    return yaml.load(path.read_text(), Loader=_Loader)


def render(path, parameters=None, region="eu-west-1", account="222222222222"):
    """The stack that a template makes.

    Raises Refused where the service would refuse the parameters or a rule.
    """
    template = load(path)
    unknown = set(template) - {
        "AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Mappings",
        "Conditions", "Resources", "Outputs",
    }  # fmt: skip
    assert not unknown, f"{path.name}: {unknown} would need a macro or is not known here"
    return _Rendering(template, parameters or {}, region, account).stack()


class _Rendering:
    def __init__(self, template, given, region, account):
        self.template = template
        self.account, self.region = account, region
        partition, suffix = next(
            (names for prefix, names in PARTITIONS.items() if region.startswith(prefix)),
            ("aws", "amazonaws.com"),
        )
        self.pseudo = {
            "AWS::AccountId": account, "AWS::Region": region, "AWS::Partition": partition,
            "AWS::URLSuffix": suffix, "AWS::StackName": "stack", "AWS::NoValue": NO_VALUE,
            "AWS::StackId": f"arn:{partition}:cloudformation:{region}:{account}:stack/stack/"
            "00000000-0000-0000-0000-000000000000",
        }  # fmt: skip
        self.parameters = self._parameters(given)
        self.conditions = {}

    def stack(self):
        for name, rule in self.template.get("Rules", {}).items():
            self._assert_rule(name, rule)
        # All of them, so that one which is written wrongly cannot hide behind another.
        for name in self.template.get("Conditions", {}):
            self._condition(name)
        resources = {
            name: self._value({k: v for k, v in resource.items() if k != "Condition"})
            for name, resource in self.template["Resources"].items()
            if self._exists(resource)
        }
        outputs = {
            name: self._value(output["Value"])
            for name, output in self.template.get("Outputs", {}).items()
            if self._exists(output)
        }
        return Stack(resources, outputs, self.parameters)

    def _exists(self, item):
        return "Condition" not in item or self._condition(item["Condition"])

    def _parameters(self, given):
        declared = self.template.get("Parameters", {})
        foreign = set(given) - set(declared)
        if foreign:
            raise Refused(f"no such parameters: {sorted(foreign)}")
        values = {}
        for name, parameter in declared.items():
            if name not in given and "Default" not in parameter:
                raise Refused(f"{name} is required")
            text = str(given.get(name, parameter.get("Default")))
            pattern = parameter.get("AllowedPattern")
            listed = parameter["Type"] == "CommaDelimitedList" or parameter["Type"].startswith("List<")
            parts = [part.strip() for part in text.split(",")] if listed else [text]
            for part in parts:
                if pattern and not re.fullmatch(pattern, part):
                    raise Refused(f"{name}: {parameter.get('ConstraintDescription')}")
                if "AllowedValues" in parameter and part not in map(str, parameter["AllowedValues"]):
                    raise Refused(f"{name}: not one of {parameter['AllowedValues']}")
            if len(text) > int(parameter.get("MaxLength", 4096)):
                raise Refused(f"{name}: too long")
            values[name] = parts if listed else text
        return values

    def _assert_rule(self, name, rule):
        if "RuleCondition" in rule and not self._truth(rule["RuleCondition"]):
            return
        for assertion in rule["Assertions"]:
            if not self._truth(assertion["Assert"]):
                raise Refused(f"{name}: {assertion['AssertDescription']}")

    def _condition(self, name):
        if name not in self.conditions:
            self.conditions[name] = self._truth(self.template["Conditions"][name])
        return self.conditions[name]

    def _truth(self, expression):
        (function, argument), = expression.items()
        match function:
            case "Condition":
                return self._condition(argument)
            case "Fn::Equals":
                left, right = map(self._value, argument)
                # Numbers are texts to the service.
                return left == right or str(left) == str(right)
            case "Fn::Not":
                return not self._truth(argument[0])
            case "Fn::And":
                return all([self._truth(one) for one in argument])
            case "Fn::Or":
                return any([self._truth(one) for one in argument])
            case "Fn::Contains":
                return self._value(argument[1]) in self._value(argument[0])
            case "Fn::EachMemberIn":
                return set(self._value(argument[0])) <= set(self._value(argument[1]))
        raise AssertionError(f"{function} is no condition function that is known here")

    def _value(self, node):
        if isinstance(node, list):
            return [value for value in map(self._value, node) if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (function, argument), = node.items()
            if function == "Ref":
                return self._ref(argument)
            if function.startswith("Fn::"):
                return self._function(function, argument)
        values = {key: self._value(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not NO_VALUE}

    def _function(self, function, argument):
        match function:
            case "Fn::If":
                condition, then, otherwise = argument
                return self._value(then if self._condition(condition) else otherwise)
            case "Fn::Sub":
                return self._sub(argument)
            case "Fn::GetAtt":
                resource, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
                return self._attribute(resource, attribute)
            case "Fn::Join":
                separator, parts = argument
                return separator.join(map(str, self._value(parts)))
            case "Fn::Split":
                separator, text = argument
                return self._value(text).split(separator)
            case "Fn::Select":
                index, items = self._value(argument)
                return items[int(index)]
            case "Fn::FindInMap":
                name, first, second = self._value(argument)
                return self.template["Mappings"][name][first][second]
            case "Fn::GetAZs":
                return [f"{self.region}{letter}" for letter in "abc"]
            case "Fn::Cidr":
                return self._cidr(*self._value(argument))
        raise AssertionError(f"{function} is not known here")

    @staticmethod
    def _cidr(block, count, bits):
        import ipaddress

        network = ipaddress.ip_network(block)
        subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits))
        return [str(next(subnets)) for _ in range(int(count))]

    def _ref(self, name):
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        resource = self._existing(name)
        match resource["Type"]:
            case "AWS::IAM::Role":
                return role_name(name, self._value(resource.get("Properties", {})))
            case "AWS::IAM::ManagedPolicy":
                return policy_arn(name)
        return f"{name}-id"

    def _attribute(self, name, attribute):
        resource = self._existing(name)
        if resource["Type"] == "AWS::IAM::Role" and attribute == "Arn":
            properties = self._value(resource["Properties"])
            path = properties.get("Path", "/")
            return (
                f"arn:{self.pseudo['AWS::Partition']}:iam::{self.account}:role"
                f"{path}{role_name(name, properties)}"
            )
        return f"{name}-{attribute}"

    def _existing(self, name):
        resource = self.template["Resources"].get(name)
        assert resource is not None, f"{name} is neither parameter nor resource"
        assert self._exists(resource), f"{name} is referred to but not made with these parameters"
        return resource

    def _sub(self, argument):
        text, own = (argument, {}) if isinstance(argument, str) else argument
        own = {key: self._value(value) for key, value in own.items()}

        def replace(match):
            name = match[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in own:
                return str(own[name])
            value = self._attribute(*name.split(".", 1)) if "." in name else self._ref(name)
            assert isinstance(value, str), f"${{{name}}} is a list"
            return value

        return re.sub(r"\$\{([^}]+)\}", replace, text)


class _Loader(yaml.CSafeLoader):
    pass


def _short_form(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)
# A date stays the text that it is: CloudFormation's version, IAM's policy version.
_Loader.yaml_implicit_resolvers = {
    key: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for key, resolvers in _Loader.yaml_implicit_resolvers.items()
}
