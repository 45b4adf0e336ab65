"""What an organization asks of every stack: tags, limits of size and cost, web ACLs of its own, FIPS."""

import re

import boto3
import pytest
import yaml
from botocore.config import Config
from iam import Iam
from templates import CERTIFICATE, EXISTING_VPC, HUB, INFRA, all_templates, render, stack

DOMAIN, TEAM = INFRA / "spoke" / "domain.yaml", INFRA / "spoke" / "team.yaml"
DOMAIN_PARAMETERS = {"VpcId": "vpc-0aaaaaaa", "SubnetIds": "subnet-0aaaaaaa,subnet-0bbbbbbb", "SecurityGroupId": "sg-0aaaaaaa"}
WEB_ACL = "arn:aws:wafv2:eu-central-1:111111111111:regional/webacl/company/0f7a2c34-1111-4222-8333-444455556666"


def domain(**parameters):
    return render.render(DOMAIN, {**DOMAIN_PARAMETERS, **parameters}).resources["Domain"]["Properties"]["DefaultUserSettings"]


def test_idle_apps_stop_when_somebody_says_after_how_long():
    assert "JupyterLabAppSettings" not in domain()
    settings = domain(IdleMinutes=120, LongestIdleMinutes=480)
    for app in ("JupyterLabAppSettings", "CodeEditorAppSettings"):
        idle = settings[app]["AppLifecycleManagement"]["IdleSettings"]
        assert idle == {
            "LifecycleManagement": "ENABLED", "IdleTimeoutInMinutes": "120",
            "MinIdleTimeoutInMinutes": 60, "MaxIdleTimeoutInMinutes": "480",
        }  # fmt: skip


@pytest.mark.parametrize("minutes", [1, 30, 59, 525601, 600000, 1000000, -60, "060", "60.5", ""])
def test_a_time_that_sagemaker_refuses_is_refused_at_once(minutes):
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_IdleSettings.html"""
    model = boto3.client("sagemaker", region_name="eu-west-1").meta.service_model.shape_for("IdleTimeoutInMinutes").metadata
    assert (model["min"], model["max"]) == (60, 525600)
    with pytest.raises(render.Refused, match="IdleMinutes: 0, or minutes from 60"):
        domain(IdleMinutes=minutes)
    for taken in (60, 61, 99, 100, 99999, 100000, 499999, 519999, 525599, 525600):
        assert domain(IdleMinutes=taken)["JupyterLabAppSettings"]
    assert "JupyterLabAppSettings" not in domain(IdleMinutes=0)


def test_volumes_are_bounded():
    storage = domain(LargestSpaceGigabytes=50)["SpaceStorageSettings"]["DefaultEbsStorageSettings"]
    assert storage == {"DefaultEbsVolumeSizeInGb": "5", "MaximumEbsVolumeSizeInGb": "50"}


@pytest.mark.parametrize(
    ("instance", "decision"),
    [("ml.t3.medium", True), ("ml.m5.4xlarge", True), ("system", True), ("ml.p5.48xlarge", False), ("ml.t3.large", False)],
)
def test_a_team_runs_on_the_instance_types_that_are_listed(instance, decision):
    made = render.render(TEAM, {"TeamId": "team1", "InstanceTypes": "ml.t3.medium,ml.m5.*"})
    limits = made.of_type("AWS::IAM::ManagedPolicy")["InstanceTypesPolicy"]["PolicyDocument"]
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*"}]}
    iam = Iam()
    try:
        for action, resource in (
            ("CreateApp", "app/d-one/ann/JupyterLab/default"), ("CreateTrainingJob", "training-job/x"), ("UpdateTrainingJob", "training-job/x"),
            ("CreateMonitoringSchedule", "monitoring-schedule/x"), ("UpdateMonitoringSchedule", "monitoring-schedule/x"), ("UpdateCluster", "cluster/x"),
        ):  # fmt: skip
            answer = iam.decide(
                "arn:aws:iam::222222222222:role/studio-broker/Studio-team1", f"sagemaker:{action}",
                f"arn:aws:sagemaker:eu-west-1:222222222222:{resource}", {"sagemaker:InstanceTypes": [instance]},
                identity={"limits": limits, "everything": everything},
            )  # fmt: skip
            assert (answer == "allowed") is decision, (action, answer)
    finally:
        iam.close()


def test_without_a_list_of_instance_types_there_is_no_limit():
    made = render.render(TEAM, {"TeamId": "team1"})
    assert "InstanceTypesPolicy" not in made.resources


def test_a_web_acl_of_the_organization_takes_the_place_of_ours():
    made = stack(HUB, {"WebAcl": "no", "WebAclArn": WEB_ACL})
    (association,) = made.of_type("AWS::WAFv2::WebACLAssociation").values()
    assert association["WebACLArn"] == WEB_ACL
    assert not made.of_type("AWS::WAFv2::WebACL")
    with pytest.raises(render.Refused, match="set WebAcl to no"):
        stack(HUB, {"WebAcl": "yes", "WebAclArn": WEB_ACL})


def test_managed_rules_are_an_option_and_let_a_saml_response_pass():
    def rules(**parameters):
        (acl,) = stack(HUB, {"WebAcl": "yes", **parameters}).of_type("AWS::WAFv2::WebACL").values()
        return acl["Rules"]

    assert not [rule for rule in rules() if "ManagedRuleGroupStatement" in rule["Statement"]]
    made = rules(ManagedRules="yes", AllowedCidrs="198.51.100.0/24")
    managed = [r["Statement"]["ManagedRuleGroupStatement"]["Name"] for r in made if "ManagedRuleGroupStatement" in r["Statement"]]
    # The core rules block bodies of more than 8 KB: https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html
    assert managed == ["AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet"]
    priorities = [rule["Priority"] for rule in made]
    assert priorities == sorted(set(priorities)), "who is let in by their address has passed the rest"


#: What each template with a program of ours needs beside the switch.
PROGRAMS = {
    HUB: {},
    INFRA / "operations" / "template.yaml": {"HubStackName": "stack", "PublicUrl": "https://studio.example.com", "DoctorBucket": "bucket"},
    INFRA / "containers" / "ecs.yaml": {
        "DomainName": "studio.example.com", "CertificateArn": CERTIFICATE, "VpcId": EXISTING_VPC["VpcId"],
        "LoadBalancerSubnetIds": EXISTING_VPC["SubnetIds"], "SubnetIds": EXISTING_VPC["SubnetIds"],
        "ImageUri": "111111111111.dkr.ecr.eu-central-1.amazonaws.com/studio-broker@sha256:" + "0" * 64,
    },
}  # fmt: skip


def environments(made):
    """{program: its variables} of a stack."""
    found = {name: one["Environment"]["Variables"] for name, one in made.of_type("AWS::Lambda::Function").items()}
    for name, task in made.of_type("AWS::ECS::TaskDefinition").items():
        for container in task["ContainerDefinitions"]:
            found[f"{name} {container['Name']}"] = {one["Name"]: one["Value"] for one in container["Environment"]}
    return found


def test_every_program_of_ours_calls_fips_endpoints_where_one_does():
    kinds = ("AWS::Serverless::Function", "AWS::Lambda::Function", "AWS::ECS::TaskDefinition")
    assert set(PROGRAMS) == {path for path in all_templates() if any(r["Type"] in kinds for r in render.load(path)["Resources"].values())}
    programs = set()
    for path, parameters in PROGRAMS.items():
        plain, fips = (environments(stack(path, {**parameters, "FipsEndpoints": switch}, region="us-gov-west-1")) for switch in ("no", "yes"))
        assert not [name for name, variables in plain.items() if "AWS_USE_FIPS_ENDPOINT" in variables]
        assert {name: variables.get("AWS_USE_FIPS_ENDPOINT") for name, variables in fips.items()} == dict.fromkeys(fips, "true")
        programs |= set(fips)
    assert programs == {"BrokerFunction", "ValidatorFunction", "DoctorFunction", "TaskDefinition broker"}
    (settings,) = [
        one["data"] for one in yaml.safe_load_all((INFRA / "containers/kubernetes/broker.yaml").read_text()) if one["kind"] == "ConfigMap"
    ]  # fmt: skip
    # Kubernetes knows no parameters: the line is there to be edited.
    assert settings["AWS_USE_FIPS_ENDPOINT"] == "false"


def test_fips_endpoints_are_those_of_the_sdk_and_exist_in_govcloud():
    # What broker and doctor call.
    for service in ("dynamodb", "sts", "sagemaker", "secretsmanager", "identitystore", "iam", "service-quotas"):
        client = boto3.client(
            service, region_name="us-gov-west-1", aws_access_key_id="x", aws_secret_access_key="x",
            config=Config(use_fips_endpoint=True),
        )  # fmt: skip
        assert re.search(r"us-gov(-west-1)?\.amazonaws\.com$", client.meta.endpoint_url), client.meta.endpoint_url
    with pytest.raises(render.Refused, match="ordinary names"):
        stack(HUB, {"FipsEndpoints": "yes", "Network": "new"}, region="us-gov-west-1")


def test_the_stacks_tags_reach_the_tasks_of_a_service():
    """CloudFormation tags what it makes; tasks are made by ECS, and are what is paid."""
    services = [
        (path.name, resource["Properties"]) for path in all_templates()
        for resource in render.load(path)["Resources"].values() if resource["Type"] == "AWS::ECS::Service"
    ]  # fmt: skip
    assert services and all(service["PropagateTags"] == "SERVICE" for _, service in services), services


CIDRS = [(path, name) for path in all_templates() for name in render.load(path)["Parameters"] if "Cidr" in name]


@pytest.mark.parametrize(("path", "name"), CIDRS, ids=[f"{path.parent.name}/{path.stem} {name}" for path, name in CIDRS])
def test_an_address_range_that_does_not_exist_is_refused_by_the_parameter(path, name):
    parameter = render.load(path)["Parameters"][name]
    some = parameter["Default"] or "10.1.0.0/26,10.1.0.64/26,10.1.0.128/26"
    takes = [",".join(some.split(",")[:n]) for n in (1, 2, 3) if re.fullmatch(parameter["AllowedPattern"], ",".join(some.split(",")[:n]))]
    if parameter["Type"] == "CommaDelimitedList":
        takes = takes[:1]
    assert takes, "this row proves nothing"
    for wrong in ("999.0.0.0", "256.1.0.0", "10.1.0.256", "10.1.0.0.0"):
        changed = takes[-1].replace(takes[-1].split("/")[0], wrong, 1)
        assert not re.fullmatch(parameter["AllowedPattern"], changed), changed


def test_no_template_sets_tags_that_a_stacks_own_would_meet():
    """Tags of the stack go to every resource; those of the templates are names, teams and nothing else."""
    for path in sorted(INFRA.glob("*/*.yaml")):
        for name, resource in render.load(path)["Resources"].items():
            tags = resource.get("Properties", {}).get("Tags", [])
            keys = set(tags) if isinstance(tags, dict) else {tag["Key"] for tag in tags if "Key" in tag}
            assert keys <= {"Name", "Team", "StudioBrokerTeam"}, (path.name, name, keys)
