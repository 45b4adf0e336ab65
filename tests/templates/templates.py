"""The templates under infra/, as the service would read them."""

import copy
import functools
import pathlib
import re

import boto3
import render
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = pathlib.Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
HUB = INFRA / "hub" / "template.yaml"
SPOKE = INFRA / "spoke" / "template.yaml"
ORGANIZATION = INFRA / "organization" / "template.yaml"

HUB_ACCOUNT, HUB_REGION = "111111111111", "eu-central-1"
#: Parameters that go with others: what a person would type who wants the option.
EXISTING_VPC = {
    "Network": "existing",
    "VpcId": "vpc-0123456789abcdef0",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "RouteTableIds": "rtb-0123456789abcdef0",
}
KEY = f"arn:aws:kms:{HUB_REGION}:{HUB_ACCOUNT}:key/0f7a2c34-1111-4222-8333-444455556666"
SECRET = f"arn:aws:secretsmanager:{HUB_REGION}:{HUB_ACCOUNT}:secret:sp-key-AbCdEf"
IDENTITY_STORE = f"arn:aws:identitystore::{HUB_ACCOUNT}:identitystore/d-1234567890"
CERTIFICATE = f"arn:aws:acm:{HUB_REGION}:{HUB_ACCOUNT}:certificate/0f7a2c34-1111-4222-8333-444455556666"


def all_templates():
    """Every template that can be deployed."""
    return sorted(INFRA.glob("*/*.yaml"))


@functools.cache
def _translated(path, region):
    template = copy.deepcopy(render.load(path))
    if "Transform" not in template:
        return template
    # A package as `sam deploy` would have uploaded it.
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/bootstrap.zip"
    values = {
        name: parameter["Default"]
        for name, parameter in template["Parameters"].items()
        if "Default" in parameter
    }
    session = boto3.session.Session(region_name=region)
    translator = Translator(None, Parser(), boto_session=session)
    return translator.translate(template, values, get_managed_policy_map=dict)


def translated(path, region=HUB_REGION):
    """A template in plain CloudFormation: what the SAM transform makes of it, or itself."""
    return copy.deepcopy(_translated(path, region))


class Rendering(render._Rendering):
    """One stack, with the names and ARNs that its resources would have."""

    def _ref(self, name):
        resource = self.template["Resources"].get(name)
        if resource is None or name in self.parameters:
            return super()._ref(name)
        properties = self._value(self._existing(name).get("Properties", {}))
        named = {
            "AWS::DynamoDB::Table": "TableName",
            "AWS::Lambda::Function": "FunctionName",
            "AWS::Logs::LogGroup": "LogGroupName",
            "AWS::ApiGateway::Stage": "StageName",
        }.get(resource["Type"])
        if resource["Type"] == "AWS::ApiGateway::RestApi":
            return "a1b2c3d4e5"
        if resource["Type"] == "AWS::Lambda::Alias":
            place = f"{self.region}:{self.account}"
            arn = f"arn:{self.pseudo['AWS::Partition']}:lambda:{place}:function"
            return f"{arn}:{properties['FunctionName']}:{properties['Name']}"
        if resource["Type"] == "AWS::EC2::VPCEndpoint":
            return "vpce-0aaaaaaaaaaaaaaa0"
        return properties.get(named) or super()._ref(name)

    def _attribute(self, name, attribute):
        resource = self._existing(name)
        place = f"{self.region}:{self.account}"
        partition = self.pseudo["AWS::Partition"]
        match resource["Type"], attribute:
            case "AWS::DynamoDB::Table", "Arn":
                return f"arn:{partition}:dynamodb:{place}:table/{self._ref(name)}"
            case "AWS::ApiGateway::DomainName", "RegionalDomainName":
                return f"d-a1b2c3d4e5.execute-api.{self.region}.amazonaws.com"
            case "AWS::DynamoDB::GlobalTable", "StreamArn":
                table = self._value(resource["Properties"]["TableName"])
                return f"arn:{partition}:dynamodb:{place}:table/{table}/stream/2026-11-25T00:00:00.000"
            case "AWS::DynamoDB::Table", "StreamArn":
                table = self._attribute(name, "Arn")
                return f"{table}/stream/2026-11-25T00:00:00.000"
            case "AWS::Lambda::Function", "Arn":
                return f"arn:{partition}:lambda:{place}:function:{self._ref(name)}"
            case "AWS::Logs::LogGroup", "Arn":
                return f"arn:{partition}:logs:{place}:log-group:{self._ref(name)}:*"
            case "AWS::SQS::Queue", "Arn":
                return f"arn:{partition}:sqs:{place}:stack-{name}"
            case "AWS::SSM::Parameter", "Value":
                return self._value(resource["Properties"]["Value"])
            case "AWS::EC2::VPC", "CidrBlock":
                return self._value(resource["Properties"]["CidrBlock"])
            case "AWS::EC2::VPCEndpoint", "DnsEntries":
                return ["Z7HUB22UULQXV:vpce-0aaaaaaaaaaaaaaa0-abc.execute-api.vpce.amazonaws.com"]
        return super()._attribute(name, attribute)


def rendering(path, parameters=None, region=HUB_REGION, account=HUB_ACCOUNT):
    """Parameters checked, nothing made yet. Raises render.Refused for values that do not fit."""
    return Rendering(translated(path, region), dict(parameters or {}), region, account)


def stack(path, parameters=None, region=HUB_REGION, account=HUB_ACCOUNT):
    """The stack that a template makes. Raises render.Refused where the service would refuse it."""
    return rendering(path, parameters, region, account).stack()


class Resolving(Rendering):
    """Conditions decided and parameters filled in; references between resources stay."""

    def _ref(self, name):
        if name in self.template["Resources"] and name not in self.parameters:
            resource = self._existing(name)
            if resource["Type"] == "AWS::Lambda::Alias":
                # moto makes none: what calls the alias calls the function itself.
                return {"Ref": self._value(resource["Properties"])["FunctionName"]["Ref"]}
            return {"Ref": name}
        return super()._ref(name)

    def _attribute(self, name, attribute):
        kind = self._existing(name)["Type"]
        if (kind, attribute) in (("AWS::SSM::Parameter", "Value"), ("AWS::EC2::VPC", "CidrBlock")):
            return super()._attribute(name, attribute)
        return {"Fn::GetAtt": [name, attribute]}

    def _function(self, function, argument):
        value = argument if function in ("Fn::If", "Fn::Sub", "Fn::GetAtt") else self._value(argument)
        if function in ("Fn::Join", "Fn::Select", "Fn::Split", "Fn::Cidr") and _refers(value):
            return {function: value}
        return super()._function(function, argument)

    def _sub(self, argument):
        text, own = (argument, {}) if isinstance(argument, str) else argument
        own = {key: self._value(value) for key, value in own.items()}

        left = set()

        def fill(match):
            name = match[1]
            if name.startswith("!"):
                return match[0]
            if name in own:
                value = own[name]
            else:
                value = self._attribute(*name.split(".", 1)) if "." in name else self._ref(name)
            if isinstance(value, str):
                return value.replace("${", "${!")
            left.add(name)
            return match[0]

        filled = re.sub(r"\$\{([^}]+)\}", fill, text)
        if not left:
            return filled.replace("${!", "${")
        kept = {name: own[name] for name in left & set(own)}
        return {"Fn::Sub": [filled, kept] if kept else filled}


def _refers(value):
    if isinstance(value, list):
        return any(map(_refers, value))
    return isinstance(value, dict)


def resolved(path, parameters=None, region=HUB_REGION, account=HUB_ACCOUNT):
    """A template without parameters, conditions, rules and outputs, for doubles that evaluate less."""
    made = Resolving(translated(path, region), dict(parameters or {}), region, account)
    made.template = {**made.template, "Outputs": {}}
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": made.stack().resources}
