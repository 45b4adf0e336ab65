"""Two accounts in moto, with the stacks that CloudFormation makes of the templates there."""

import ast
import functools
import io
import json
import zipfile
from dataclasses import dataclass

import boto3
from moto.server import ThreadedMotoServer
from templates import HUB, HUB_ACCOUNT, HUB_REGION, SPOKE, resolved, stack

SPOKE_ACCOUNT = "222222222222"
SPOKE_PARAMETERS = {
    "HubRoleArn": f"arn:aws:iam::{HUB_ACCOUNT}:role/StudioBrokerHub",
    "OrganizationId": "o-exampleorg1",
    "ExternalId": "spoke-2",
    "Teams1": "team1,team1b",
    "Domain1": "d-localteam001",
    "Region1": "us-east-1",
    # A domain that somebody deleted.
    "Teams2": "team8",
    "Domain2": "d-localteam008",
    "Region2": "us-east-1",
}
#: What moto's CloudFormation does not make; the last would run the function in Docker.
NOT_MADE = {
    "AWS::ApiGateway::Account", "AWS::ApiGateway::Stage", "AWS::CloudWatch::Alarm",
    "AWS::Logs::MetricFilter", "AWS::SSM::Parameter", "AWS::WAFv2::WebACL", "AWS::WAFv2::WebACLAssociation",
    "AWS::WAFv2::LoggingConfiguration", "AWS::Lambda::EventSourceMapping",
    "AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup", "AWS::Lambda::Alias",
    "AWS::Lambda::Version",
}  # fmt: skip


@dataclass(frozen=True)
class Role:
    """A role as the account has it."""

    arn: str
    name: str
    trust: dict
    policies: dict


class Cloud:
    """moto, with a hub account and a spoke account."""

    def __init__(self):
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        host, port = self.server.get_host_and_port()
        self.url = f"http://{host}:{port}"

    def close(self):
        self.server.stop()

    def client(self, service, region=HUB_REGION, account=HUB_ACCOUNT):
        return self._session(account).client(service, region_name=region, endpoint_url=self.url)

    @functools.cache
    def _session(self, account):
        # moto tells accounts by the role that was assumed, whether it exists or not.
        anybody = boto3.session.Session("nobody", "secret")
        sts = anybody.client("sts", region_name=HUB_REGION, endpoint_url=self.url)
        role = f"arn:aws:iam::{account}:role/Rollout"
        issued = sts.assume_role(RoleArn=role, RoleSessionName="rollout")["Credentials"]
        return boto3.session.Session(
            issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"]
        )

    @functools.cached_property
    def hub_credentials(self):
        """The environment of a program in the hub account."""
        credentials = self._session(HUB_ACCOUNT).get_credentials()
        return {
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_SESSION_TOKEN": credentials.token,
        }

    def deploy_hub(self, **parameters):
        """The resources by their logical ids: what moto made, and their types."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            package.writestr("bootstrap", "")
        s3 = self.client("s3")
        place = {"LocationConstraint": HUB_REGION}
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=place)
        s3.put_object(Bucket="bucket", Key="bootstrap.zip", Body=archive.getvalue())
        # moto's tables have no resource policies: this one is read from the same stack.
        state = stack(HUB, parameters).resources["StateTable"]["Properties"]
        self._policies = {state["TableName"]: state["ResourcePolicy"]["PolicyDocument"]}
        return self._deploy(resolved(HUB, parameters), HUB_ACCOUNT)

    def deploy_spoke(self, **parameters):
        parameters = {**SPOKE_PARAMETERS, **parameters}
        template = resolved(SPOKE, parameters, region="us-east-1", account=SPOKE_ACCOUNT)
        return self._deploy(template, SPOKE_ACCOUNT, "us-east-1")

    def _deploy(self, template, account, region=HUB_REGION):
        wanted = {n: r for n, r in template["Resources"].items() if r["Type"] not in NOT_MADE}
        formation = self.client("cloudformation", region, account)
        formation.create_stack(
            StackName="stack", Capabilities=["CAPABILITY_NAMED_IAM"],
            TemplateBody=json.dumps({**template, "Resources": wanted}),
        )  # fmt: skip
        found = formation.describe_stack_resources(StackName="stack")["StackResources"]
        made = {r["LogicalResourceId"]: r for r in found if "LogicalResourceId" in r}
        assert set(made) == set(wanted), {wanted[n]["Type"] for n in set(wanted) - set(made)}
        return made

    def role(self, arn):
        """The role, or None where there is none."""
        account, name = arn.split(":")[4], arn.rpartition("/")[2]
        return self._role(account, name) if account in (HUB_ACCOUNT, SPOKE_ACCOUNT) else None

    @functools.cache
    def _role(self, account, name):
        iam = self.client("iam", account=account)
        try:
            role = iam.get_role(RoleName=name)["Role"]
        except iam.exceptions.NoSuchEntityException:
            return None
        inline = iam.list_role_policies(RoleName=name)["PolicyNames"]
        policies = {
            policy: plain(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
            for policy in inline
        }
        for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            arn = attached["PolicyArn"]
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
            policies[attached["PolicyName"]] = plain(document)
        return Role(role["Arn"], name, plain(role["AssumeRolePolicyDocument"]), policies)

    @functools.cached_property
    def hub_policies(self):
        """Those of the hub role; the condition on the function is left out: here runs no function."""
        kept = {}
        for name, document in self._role(HUB_ACCOUNT, "StudioBrokerHub").policies.items():
            for statement in document["Statement"]:
                source = statement.get("Condition", {}).pop("ArnEquals", None)
                assert source is None or set(source) == {"lambda:SourceFunctionArn"}
            kept[name] = document
        return kept

    def table_arn(self, table):
        return f"arn:aws:dynamodb:{HUB_REGION}:{HUB_ACCOUNT}:table/{table}"

    def table_policy(self, table):
        nobody_else = {"Version": "2012-10-17", "Statement": []}
        return self._policies.get(table, nobody_else)


def plain(document):
    """A policy as data: what its CloudFormation wrote, moto hands out as the text of a dictionary."""
    return ast.literal_eval(document) if isinstance(document, str) else document
