"""The organization's service control policy: what it leaves, and what it stops whatever an account allows.

Every request is made by somebody whose own account allows everything.
"""

import itertools
import json

import pytest
from cases import ACCOUNT, INFRA, ORGANIZATION, TARGET, request_tags, role, studio
from iam import FULL_ACCESS
from render import Refused, load, render

TEMPLATE = INFRA / "organization" / "template.yaml"
ROLLOUT = "arn:aws:iam::*:role/Rollout"
PARAMETERS = {
    "HubRoleArn": "arn:aws:iam::111111111111:role/StudioBrokerHub",
    "OrganizationId": ORGANIZATION,
    "PolicyTargetIds": "r-abcd",
    "RolloutRoleArns": f"{ROLLOUT},arn:aws:iam::111111111111:role/cicd/Deploy",
}
NETWORKS = {
    "AllowedVpcEndpointIds": "vpce-0000000000000000a,vpce-0000000000000000b",
    "AllowedVpcSourceCidrs": "10.1.0.0/16",
    "AllowedSourceCidrs": "198.51.100.0/24",
}


def policies(**parameters):
    stack = render(TEMPLATE, {**PARAMETERS, **parameters})
    return {name: p["Content"] for name, p in stack.of_type("AWS::Organizations::Policy").items()}


def policy(**parameters):
    """The first policy, and the one for networks where there are any: one account has both."""
    made = policies(**parameters)
    statements = [s for name in ("OnlyTheBroker", "OnlyTheseNetworks") if name in made for s in made[name]["Statement"]]
    return {"Version": "2012-10-17", "Statement": statements}


OPEN, NARROW = policy(), policy(**NETWORKS)
SECOND_POLICY = policies()["StudioAsDeployed"]

PRESIGN = "sagemaker:CreatePresignedDomainUrl"
ANN, BOB = studio("user-profile", "d-one/ann-team1"), studio("user-profile", "d-one/bob-team1")
EXECUTION, ADMIN = role("studio-broker/Studio-team1"), role("Admin")
LIFECYCLE, ROLLER = role("StudioBrokerLifecycle"), role("Rollout")
IN_ANNS_STUDIO = {"sagemaker:DomainId": "d-one", "sagemaker:UserProfileName": "ann-team1"}


def decide(iam, document, principal, action, resource, **context):
    # An assumed role's key is the role.
    return iam.decide(
        principal, action, resource, {"aws:PrincipalArn": principal, **context},
        identity={"everything": FULL_ACCESS}, scps={"policy": document},
    )  # fmt: skip


LEFT = {
    "the broker opens Studio": (TARGET, PRESIGN, ANN, {}),
    "the broker opens Studio in any account": (
        role("StudioBrokerTarget", "333333333333"), PRESIGN, studio("user-profile", "d-x/a", account="333333333333"), {}),
    "Studio opens an app of its own person": (EXECUTION, PRESIGN, ANN, IN_ANNS_STUDIO),
    "the broker makes a profile": (TARGET, "sagemaker:CreateUserProfile", ANN, request_tags(Team="team1", User="ann")),
    "the broker tags a profile that it makes": (TARGET, "sagemaker:AddTags", ANN, request_tags(Team="team1", User="ann")),
    "the broker repairs a profile": (TARGET, "sagemaker:UpdateUserProfile", ANN, {}),
    "lifecycle removes a profile": (LIFECYCLE, "sagemaker:DeleteUserProfile", ANN, {}),
    "lifecycle repairs a profile": (LIFECYCLE, "sagemaker:UpdateUserProfile", ANN, {}),
    "the rollout makes a profile": (ROLLER, "sagemaker:CreateUserProfile", ANN, {}),
    "the rollout changes the target role": (ROLLER, "iam:PutRolePolicy", TARGET, {}),
    "another rollout role changes the hub role": (
        "arn:aws:iam::111111111111:role/cicd/Deploy", "iam:UpdateAssumeRolePolicy", role("StudioBrokerHub", "111111111111"), {}),
    "StackSets makes the target role": (role("stacksets-exec-0a1b"), "iam:CreateRole", TARGET, {}),
    "an administrator reads a profile": (ADMIN, "sagemaker:DescribeUserProfile", ANN, {}),
    "StackSets rewrites a policy of the target role": (
        role("stacksets-exec-0a1b"), "iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/studio-broker/spoke-Teams1Policy-0A1B", {}),
    "an administrator rewrites another policy": (
        ADMIN, "iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/Other", {}),
    "an administrator changes other roles": (ADMIN, "iam:PutRolePolicy", EXECUTION, {}),
    "Studio tags its space": (EXECUTION, "sagemaker:AddTags", studio("space", "d-one/s"), {}),
    "Studio makes an app": (EXECUTION, "sagemaker:CreateApp", studio("app", "d-one/ann-team1/JupyterLab/default"), IN_ANNS_STUDIO),
    "SageMaker is passed an execution role": (TARGET, "iam:PassRole", EXECUTION, {"iam:PassedToService": "sagemaker.amazonaws.com"}),
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT)
def test_it_leaves_it_when(iam, case):
    principal, action, resource, context = LEFT[case]
    assert decide(iam, OPEN, principal, action, resource, **context) == "allowed"


STOPPED = {
    "an administrator opens a profile from the console": (ADMIN, PRESIGN, ANN, {}),
    "an execution role opens a profile outside Studio": (EXECUTION, PRESIGN, ANN, {}),
    "a notebook opens somebody else's Studio": (EXECUTION, PRESIGN, BOB, IN_ANNS_STUDIO),
    "a notebook opens the profile of that name in another domain": (
        EXECUTION, PRESIGN, studio("user-profile", "d-two/ann-team1"), IN_ANNS_STUDIO),
    "a role called like the target role opens Studio": (role("x/StudioBrokerTarget"), PRESIGN, ANN, {}),
    "a role whose name begins so opens Studio": (role("StudioBrokerTarget2"), PRESIGN, ANN, {}),
    "lifecycle opens Studio": (LIFECYCLE, PRESIGN, ANN, {}),
    "the rollout opens Studio": (ROLLER, PRESIGN, ANN, {}),
    "an administrator makes a profile": (ADMIN, "sagemaker:CreateUserProfile", ANN, {}),
    "an administrator changes a profile's role": (ADMIN, "sagemaker:UpdateUserProfile", ANN, {}),
    "an administrator removes a profile": (ADMIN, "sagemaker:DeleteUserProfile", ANN, {}),
    "an administrator gives a profile another owner": (ADMIN, "sagemaker:AddTags", ANN, request_tags(User="admin")),
    "an administrator takes a profile's owner away": (ADMIN, "sagemaker:DeleteTags", ANN, {"aws:TagKeys": ["User"]}),
    "a notebook gives its profile another team": (EXECUTION, "sagemaker:AddTags", ANN, {**request_tags(Team="team2"), **IN_ANNS_STUDIO}),
    "an administrator lets himself into the target role": (ADMIN, "iam:UpdateAssumeRolePolicy", TARGET, {}),
    "an administrator widens the target role": (ADMIN, "iam:PutRolePolicy", TARGET, {}),
    "an administrator makes a target role in an account without": (
        role("Admin", "444444444444"), "iam:CreateRole", role("StudioBrokerTarget", "444444444444"), {}),
    "an administrator rewrites a policy of the target role": (
        ADMIN, "iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/studio-broker/spoke-Teams1Policy-0A1B", {}),
    "an administrator puts an old version of it back": (
        ADMIN, "iam:SetDefaultPolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/studio-broker/spoke-Teams1Policy-0A1B", {}),
    "an administrator makes a lifecycle role": (ADMIN, "iam:CreateRole", LIFECYCLE, {}),
    "an administrator makes a role called like that of StackSets": (ADMIN, "iam:CreateRole", role("stacksets-exec-me"), {}),
    "an administrator lets himself into the role of StackSets": (ADMIN, "iam:UpdateAssumeRolePolicy", role("stacksets-exec-0a1b"), {}),
    "an administrator widens the hub role": (
        role("Admin", "111111111111"), "iam:AttachRolePolicy", role("StudioBrokerHub", "111111111111"), {}),
    "a developer gives the hub role to a function": (
        role("Dev", "111111111111"), "iam:PassRole", role("StudioBrokerHub", "111111111111"), {"iam:PassedToService": "lambda.amazonaws.com"}),
    "the target role widens itself": (TARGET, "iam:PutRolePolicy", TARGET, {}),
    "an editor on a laptop connects to a space": (ADMIN, "sagemaker:StartSession", studio("space", "d-one/s"), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", STOPPED)
def test_it_stops_it_when(iam, case):
    principal, action, resource, context = STOPPED[case]
    assert decide(iam, OPEN, principal, action, resource, **context) == "forbidden"


SECOND, ITS_FURTHER_ACCOUNT = role("SecondTarget"), role("AreaTarget", "444444444444")
FURTHER = policy(FurtherTargetRoleArns=f"{SECOND},arn:aws:iam::*:role/AreaTarget")
WITH_FURTHER_TARGETS = {
    "a second target role opens Studio": (SECOND, PRESIGN, ANN, {}, "allowed"),
    "one that is named for all accounts does": (
        ITS_FURTHER_ACCOUNT, PRESIGN, studio("user-profile", "d-x/a", account="444444444444"), {}, "allowed"),
    "the second makes a profile": (SECOND, "sagemaker:CreateUserProfile", ANN, request_tags(Team="team1", User="ann"), "allowed"),
    "the first still opens Studio": (TARGET, PRESIGN, ANN, {}, "allowed"),
    "lifecycle still removes a profile": (LIFECYCLE, "sagemaker:DeleteUserProfile", ANN, {}, "allowed"),
    "the rollout changes the second": (ROLLER, "iam:PutRolePolicy", SECOND, {}, "allowed"),
    "a role of its name in another account opens Studio": (role("SecondTarget", "444444444444"), PRESIGN, ANN, {}, "forbidden"),
    "a role whose name begins so opens Studio": (role("SecondTarget2"), PRESIGN, ANN, {}, "forbidden"),
    "an administrator opens Studio": (ADMIN, PRESIGN, ANN, {}, "forbidden"),
    "a notebook opens somebody else's Studio": (EXECUTION, PRESIGN, BOB, IN_ANNS_STUDIO, "forbidden"),
    "an administrator makes a profile": (ADMIN, "sagemaker:CreateUserProfile", ANN, {}, "forbidden"),
    "an administrator lets himself into the second": (ADMIN, "iam:UpdateAssumeRolePolicy", SECOND, {}, "forbidden"),
    "an administrator widens one that is named for all accounts": (ADMIN, "iam:PutRolePolicy", role("AreaTarget"), {}, "forbidden"),
    "an administrator widens the first": (ADMIN, "iam:PutRolePolicy", TARGET, {}, "forbidden"),
    "an administrator rewrites a policy of the second": (
        ADMIN, "iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/studio-broker/second-Teams1Policy-0A1B", {}, "forbidden"),
}  # fmt: skip


@pytest.mark.parametrize("case", WITH_FURTHER_TARGETS)
def test_with_target_roles_of_other_names(iam, case):
    principal, action, resource, context, expected = WITH_FURTHER_TARGETS[case]
    assert decide(iam, FURTHER, principal, action, resource, **context) == expected


@pytest.mark.parametrize("principal", [SECOND, ITS_FURTHER_ACCOUNT])
def test_a_target_role_that_is_not_named_is_stopped(iam, principal):
    assert decide(iam, OPEN, principal, PRESIGN, ANN) == "forbidden"
    assert decide(iam, OPEN, principal, "sagemaker:CreateUserProfile", ANN) == "forbidden"


def test_a_pattern_of_names_is_no_target_role():
    with pytest.raises(Refused):
        policy(FurtherTargetRoleArns="arn:aws:iam::*:role/*")


INSIDE = {"aws:SourceVpce": "vpce-0000000000000000a", "aws:VpcSourceIp": "10.1.2.3"}

APP, SPACE = studio("app", "d-one/bob-space/JupyterLab/default"), studio("space", "d-one/bob-space")
SCRIPT = studio("studio-lifecycle-config", "steal")
STACK_SETS = role("stacksets-exec-0a1b")
#: (who, action, on what, from where, what the second policy says)
SECOND_POLICYS = {
    "an administrator has a script run in everybody's Studio": (ADMIN, "sagemaker:UpdateDomain", studio("domain", "d-one"), {}, "forbidden"),
    "an administrator makes such a script": (ADMIN, "sagemaker:CreateStudioLifecycleConfig", SCRIPT, {}, "forbidden"),
    "an administrator removes one that guards": (ADMIN, "sagemaker:DeleteStudioLifecycleConfig", SCRIPT, {}, "forbidden"),
    "an administrator starts an app with it as bob": (ADMIN, "sagemaker:CreateApp", APP, {}, "forbidden"),
    "an administrator makes a space that is bob's": (ADMIN, "sagemaker:CreateSpace", SPACE, {}, "forbidden"),
    "an administrator changes bob's space": (ADMIN, "sagemaker:UpdateSpace", SPACE, {}, "forbidden"),
    "a training job starts an app": (EXECUTION, "sagemaker:CreateApp", APP, {}, "forbidden"),
    "an administrator lets himself into a team's role": (ADMIN, "iam:UpdateAssumeRolePolicy", EXECUTION, {}, "forbidden"),
    "an administrator widens a team's role": (ADMIN, "iam:PutRolePolicy", EXECUTION, {}, "forbidden"),
    "an administrator takes the Deny off it": (ADMIN, "iam:DetachRolePolicy", EXECUTION, {}, "forbidden"),
    "an administrator gives it another team": (ADMIN, "iam:TagRole", EXECUTION, {}, "forbidden"),
    "an administrator makes a team's role": (ADMIN, "iam:CreateRole", role("studio-broker/Studio-team9"), {}, "forbidden"),
    "the rollout changes the domain": (ROLLER, "sagemaker:UpdateDomain", studio("domain", "d-one"), {}, "allowed"),
    "the rollout makes a script": (ROLLER, "sagemaker:CreateStudioLifecycleConfig", SCRIPT, {}, "allowed"),
    "the rollout makes a team's role": (ROLLER, "iam:CreateRole", EXECUTION, {}, "allowed"),
    "StackSets makes a team's role": (STACK_SETS, "iam:CreateRole", EXECUTION, {}, "allowed"),
    "Studio makes an app": (EXECUTION, "sagemaker:CreateApp", APP, IN_ANNS_STUDIO, "allowed"),
    "Studio makes a space": (EXECUTION, "sagemaker:CreateSpace", SPACE, IN_ANNS_STUDIO, "allowed"),
    "Studio changes a space": (EXECUTION, "sagemaker:UpdateSpace", SPACE, IN_ANNS_STUDIO, "allowed"),
    "lifecycle stops an app": (LIFECYCLE, "sagemaker:DeleteApp", APP, {}, "allowed"),
    "lifecycle deletes a space": (LIFECYCLE, "sagemaker:DeleteSpace", SPACE, {}, "allowed"),
    "the broker gives a profile the team's role": (TARGET, "iam:PassRole", EXECUTION, {"iam:PassedToService": "sagemaker.amazonaws.com"}, "allowed"),
    "an administrator changes another role": (ADMIN, "iam:PutRolePolicy", role("Other"), {}, "allowed"),
    "an administrator stops an app": (ADMIN, "sagemaker:DeleteApp", APP, {}, "allowed"),
}  # fmt: skip


@pytest.mark.parametrize("case", SECOND_POLICYS)
def test_of_the_second_policy(iam, case):
    principal, action, resource, context, expected = SECOND_POLICYS[case]
    assert decide(iam, SECOND_POLICY, principal, action, resource, **context) == expected


def test_the_second_policy_can_be_left_out():
    assert set(policies(ProtectStudio="no")) == {"OnlyTheBroker"}


PLACES = {
    "the broker through its endpoint": (TARGET, INSIDE, "allowed"),
    "a person through theirs": (TARGET, {**INSIDE, "aws:SourceVpce": "vpce-0000000000000000b"}, "allowed"),
    "from the office": (TARGET, {"aws:SourceIp": "198.51.100.7"}, "allowed"),
    "from home": (TARGET, {"aws:SourceIp": "203.0.113.7"}, "forbidden"),
    "through somebody else's endpoint": (TARGET, {**INSIDE, "aws:SourceVpce": "vpce-0000000000000000f"}, "forbidden"),
    "through the endpoint from elsewhere": (TARGET, {**INSIDE, "aws:VpcSourceIp": "10.2.2.3"}, "forbidden"),
    "with no word about the network": (TARGET, {}, "forbidden"),
    "from a job of a team": (EXECUTION, {"aws:SourceIp": "203.0.113.7"}, "forbidden"),
    "by Studio itself, wherever SageMaker calls from": (EXECUTION, {"aws:SourceIp": "203.0.113.7", **IN_ANNS_STUDIO}, "allowed"),
    "by Studio itself, with no word about the network": (EXECUTION, IN_ANNS_STUDIO, "allowed"),
}


@pytest.mark.parametrize("case", PLACES)
def test_with_networks_a_url_is_for(iam, case):
    principal, context, expected = PLACES[case]
    assert decide(iam, NARROW, principal, PRESIGN, ANN, **context) == expected


def test_studios_own_calls_can_be_bound_to_the_networks_too(iam):
    bound = policy(**NETWORKS, NetworksBindStudio="yes")
    home, inside = {"aws:SourceIp": "203.0.113.7"}, INSIDE
    assert decide(iam, bound, EXECUTION, PRESIGN, ANN, **home, **IN_ANNS_STUDIO) == "forbidden"
    assert decide(iam, bound, EXECUTION, PRESIGN, ANN, **inside, **IN_ANNS_STUDIO) == "allowed"
    elsewhere = {**INSIDE, "aws:VpcSourceIp": "10.2.2.3"}
    assert decide(iam, bound, EXECUTION, PRESIGN, ANN, **elsewhere, **IN_ANNS_STUDIO) == "forbidden"
    assert decide(iam, NARROW, EXECUTION, PRESIGN, BOB, **home, **IN_ANNS_STUDIO) == "forbidden"


def test_one_kind_of_network_alone_closes_the_other(iam):
    offices = policy(AllowedSourceCidrs="198.51.100.0/24")
    assert decide(iam, offices, TARGET, PRESIGN, ANN, **{"aws:SourceIp": "198.51.100.7"}) == "allowed"
    assert decide(iam, offices, TARGET, PRESIGN, ANN, **INSIDE) == "forbidden"
    endpoints = policy(AllowedVpcEndpointIds="vpce-0000000000000000a")
    assert decide(iam, endpoints, TARGET, PRESIGN, ANN, **INSIDE) == "allowed"
    assert decide(iam, endpoints, TARGET, PRESIGN, ANN, **{"aws:SourceIp": "198.51.100.7"}) == "forbidden"


def test_remote_sessions_can_be_left_open(iam):
    space = studio("space", "d-one/s")
    assert decide(iam, policy(DenyRemoteSessions="no"), ADMIN, "sagemaker:StartSession", space) == "allowed"


#: The shortest entry that each list takes: as many as its length allows make the policy longest.
SHORTEST = {
    "AllowedVpcEndpointIds": "vpce-{:08x}", "AllowedVpcSourceCidrs": "1.1.1.{}/8", "AllowedSourceCidrs": "2.2.2.{}/8",
    "RolloutRoleArns": "arn:aws:iam::*:role/R{}", "FurtherTargetRoleArns": "arn:aws:iam::*:role/T{}",
}  # fmt: skip


def filled(name, entry):
    """As many entries as the parameter takes, the last of them as long as it then may be."""
    limit = load(TEMPLATE)["Parameters"][name]["MaxLength"]
    entries = [entry.format(0)]
    while len(",".join([*entries, entry.format(len(entries))])) <= limit:
        entries.append(entry.format(len(entries)))
    return ",".join(entries)


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1"])
def test_no_parameters_make_a_policy_that_is_too_long(region):
    """What CloudFormation takes, Organizations takes: a longer list is refused before anything is made."""
    longest = {name: filled(name, entry) for name, entry in SHORTEST.items()}
    names = {"HubRoleName": "H" * 64, "TargetRoleName": "T" * 64}
    for bound in ("yes", "no"):
        stack = render(TEMPLATE, {**PARAMETERS, **longest, **names, "NetworksBindStudio": bound}, region=region)
        for name, made in stack.of_type("AWS::Organizations::Policy").items():
            # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
            assert len(json.dumps(made["Content"], separators=(",", ":"))) <= 5120, name
    for name, value in longest.items():
        with pytest.raises(Refused, match=f"{name}: too long"):
            render(TEMPLATE, {**PARAMETERS, name: value + "," + SHORTEST[name].format(99)})


def test_the_lists_are_long_enough_for_an_organization():
    policy(
        AllowedVpcEndpointIds=",".join(f"vpce-{n:017x}" for n in range(20)),
        AllowedVpcSourceCidrs=",".join(f"10.100.{n}.0/24" for n in range(20)),
        AllowedSourceCidrs=",".join(f"203.113.100.{n}/32" for n in range(18)),
        RolloutRoleArns=",".join(f"arn:aws:iam::*:role/deployment/OrganizationRollout{n}" for n in range(5)),
        FurtherTargetRoleArns=",".join(f"arn:aws:iam::{n:012}:role/StudioBrokerTarget{n}" for n in range(2)),
    )


def test_it_lets_everything_else_pass(iam):
    assert {statement["Effect"] for statement in NARROW["Statement"]} == {"Deny"}
    assert decide(iam, NARROW, ADMIN, "s3:GetObject", "arn:aws:s3:::bucket/key") == "allowed"


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
def test_it_names_the_partition_that_it_is_made_in(region):
    stack = render(TEMPLATE, {**PARAMETERS, "RolloutRoleArns": ""}, region=region)
    text = json.dumps(stack.resources["OnlyTheBroker"])
    assert "arn:aws:" not in text
    assert ("arn:aws-cn:" if region.startswith("cn") else "arn:aws-us-gov:") in text


# ---------------------------------------------------------------- the StackSet

UNITS = {**PARAMETERS, "PolicyTargetIds": "", "OrganizationalUnitIds": "ou-abcd-11111111",
         "SpokeTemplateUrl": "https://bucket.s3.eu-west-1.amazonaws.com/spoke.yaml"}  # fmt: skip


def test_every_account_of_the_units_gets_a_spoke_that_renders():
    named = {"PermissionsBoundaryName": "boundaries/Studio"}
    stack = render(TEMPLATE, {**UNITS, **named})
    (spokes,) = stack.of_type("AWS::CloudFormation::StackSet").values()
    assert spokes["PermissionModel"] == "SERVICE_MANAGED"
    assert spokes["AutoDeployment"] == {"Enabled": True, "RetainStacksOnAccountRemoval": False}
    passed = {p["ParameterKey"]: p["ParameterValue"] for p in spokes["Parameters"]}
    for account in (ACCOUNT, "333333333333"):
        spoke = render(INFRA / "spoke" / "template.yaml", passed, account=account)
        target = spoke.resources["TargetRole"]["Properties"]
        assert target["RoleName"] == "StudioBrokerTarget"
        # The boundary of each account is its own.
        assert target["PermissionsBoundary"] == f"arn:aws:iam::{account}:policy/boundaries/Studio"


def test_a_boundary_of_one_account_is_none_for_all():
    with pytest.raises(Refused, match="PermissionsBoundaryName"):
        render(TEMPLATE, {**UNITS, "PermissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/Boundary"})
    render(TEMPLATE, {**UNITS, "PermissionsBoundaryArn": "arn:aws:iam::aws:policy/PowerUserAccess"})


def test_accounts_that_have_a_spoke_by_hand_keep_it():
    (spokes,) = render(TEMPLATE, {**UNITS, "ExcludedAccountIds": "222222222222,333333333333"}).of_type("AWS::CloudFormation::StackSet").values()
    (group,) = spokes["StackInstancesGroup"]
    assert group["DeploymentTargets"] == {
        "OrganizationalUnitIds": ["ou-abcd-11111111"], "Accounts": ["222222222222", "333333333333"], "AccountFilterType": "DIFFERENCE",
    }  # fmt: skip
    (spokes,) = render(TEMPLATE, UNITS).of_type("AWS::CloudFormation::StackSet").values()
    assert spokes["StackInstancesGroup"][0]["DeploymentTargets"] == {"OrganizationalUnitIds": ["ou-abcd-11111111"]}


def test_the_spoke_is_a_template_that_stack_sets_take():
    text = (INFRA / "spoke" / "template.yaml").read_text()
    assert "\nTransform:" not in text and "AWS::CloudFormation::Stack" not in text and "Fn::Transform" not in text


def test_every_combination_of_the_options_is_whole_or_refused():
    """`render` refuses what refers to something that is not made."""
    made = 0
    for units, targets, call_as, rollout, remote, region, *networks in itertools.product(
        ("", "ou-abcd-11111111"), ("", "r-abcd"), ("SELF", "DELEGATED_ADMIN"), ("", ROLLOUT), ("yes", "no"),
        ("", "us-east-1"), *(("", value) for value in NETWORKS.values()),
    ):  # fmt: skip
        chosen = {
            **UNITS, "OrganizationalUnitIds": units, "PolicyTargetIds": targets, "CallAs": call_as,
            "RolloutRoleArns": rollout, "DenyRemoteSessions": remote, "SpokeRegion": region,
            **dict(zip(NETWORKS, networks, strict=True)),
        }  # fmt: skip
        endpoints, private, _ = networks
        if (not units and not targets) or (targets and call_as != "SELF") or (private and not endpoints):
            with pytest.raises(Refused):
                render(TEMPLATE, chosen)
        else:
            stack = render(TEMPLATE, chosen)
            assert ("SpokeStacks" in stack.resources, "OnlyTheBroker" in stack.resources) == (bool(units), bool(targets))
            made += 1
    assert made > 100


@pytest.mark.parametrize(
    "parameters",
    [
        {"PolicyTargetIds": ""},
        {"OrganizationalUnitIds": "ou-abcd-11111111"},
        {"CallAs": "DELEGATED_ADMIN"},
        {"AllowedVpcSourceCidrs": "10.0.0.0/8"},
        {"AdministratorAccountId": "111111111111"},
        {"AdministratorRoleArns": "arn:aws:iam::111111111111:role/A"},
        {"ExcludedAccountIds": "222222222222"},
        {"PermissionsBoundaryName": "B", "PermissionsBoundaryArn": "arn:aws:iam::aws:policy/B"},
        {"AllowedSourceCidrs": "999.0.0.0/16"},
        {"Template": "hub"},
    ],
    ids=["nothing to do", "no template for the spoke", "policy from a member", "addresses without endpoint",
         "an account without administrators", "administrators without their account", "excluded from nothing",
         "two boundaries", "addresses that do not exist", "another template's stack"],
)
def test_contradictions_are_refused(parameters):
    with pytest.raises(Refused):
        render(TEMPLATE, {**PARAMETERS, **parameters})


