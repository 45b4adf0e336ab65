"""The guides' own commands, run in their order on an organization that refuses what AWS refuses."""

import json
import re

import pytest
from steps import (
    ACCOUNTS, HUB_ACCOUNT, MANAGEMENT, OTHER, README, SPOKE_ACCOUNT, Organization, Refused, blocks, every_command, options, teams_of,
)  # fmt: skip
from templates import HUB, INFRA, ORGANIZATION, ROOT, SPOKE, all_templates, render, stack

GUIDE, UNITS = "README.md", "organization/README.md"
HUB_STEPS = ("1. Before", "2. The function", "3. The hub")
BY_HAND = "An account that has a spoke by hand"


@pytest.fixture
def organization(tmp_path):
    return Organization(tmp_path)


def with_hub(organization):
    organization.follow(GUIDE, *HUB_STEPS)
    return organization


def everywhere(organization):
    """The whole guide, for an organization that has nothing."""
    with_hub(organization).follow(UNITS, "Before", "Permission sets")
    # The file of teams is written before the accounts get their teams.
    (organization.folder / "teams.yaml").write_text(teams_file())
    organization.follow(UNITS, "Spokes", "The policies")
    return organization


def teams_file():
    return next(body for kind, body in blocks(GUIDE, "4. Spokes and teams") if kind == "yaml")


def spoke(organization, account):
    found = [s for (where, _), s in organization.stacks.items() if where == account and s.template == SPOKE]
    (only,) = found
    return only


def test_an_empty_organization(organization):
    everywhere(organization)
    teams = [team["team_id"] for team in teams_of(organization.folder)]
    assert spoke(organization, SPOKE_ACCOUNT).parameters["Teams1"] == ",".join(teams)
    # A new account has the roles and lets nobody in.
    assert spoke(organization, OTHER).parameters.get("Teams1", "") == ""
    for account in (SPOKE_ACCOUNT, OTHER):
        roles = organization.names(account, "AWS::IAM::Role")
        assert {"StudioBrokerTarget", "StudioBrokerDoctor", "StudioBrokerLifecycle"} <= set(roles)
    policies = organization.names(MANAGEMENT, "AWS::Organizations::Policy")
    assert set(policies) == {"studio-broker-policies-only-the-broker", "studio-broker-policies-studio-as-deployed"}
    # The hub stands in a member account, and its identity store's owner reads groups for it.
    assert (HUB_ACCOUNT, "studio-broker") in organization.stacks
    assert organization.delegated["sso.amazonaws.com"] == HUB_ACCOUNT != MANAGEMENT


def test_a_few_accounts_by_hand(organization):
    with_hub(organization).follow(GUIDE, "4. Spokes and teams")
    made = spoke(organization, SPOKE_ACCOUNT)
    assert made.parameters["Teams1"] == "team1,team2"
    assert "LifecycleRole" in made.resources
    organization.follow(GUIDE, "IAM Identity Center, one application for all teams")
    assert [team["groups"] for team in teams_of(organization.folder)]


def test_an_account_that_has_nothing_gets_network_domain_and_team_role(organization):
    with_hub(organization)
    (organization.folder / "teams.yaml").write_text(teams_file())
    organization.follow("spoke/README.md", "Deploy")
    domain, team = (organization.stacks[SPOKE_ACCOUNT, f"studio-{name}"] for name in ("domain", "team1"))
    assert domain.resources["Domain"]["Properties"]["AppNetworkAccessType"] == "VpcOnly"
    # The network is ours, so jobs stay in it.
    (deny,) = [r for name, r in team.resources.items() if name == "DenyPolicy"]
    sids = [statement["Sid"] for statement in deny["Properties"]["PolicyDocument"]["Statement"]]
    assert "NoJobsOutsideTheVpc" in sids
    organization.follow(GUIDE, "4. Spokes and teams")
    role = f"arn:aws:iam::{SPOKE_ACCOUNT}:role/studio-broker/Studio-team1"
    assert team.outputs["RoleArn"] == role == teams_of(organization.folder)[0]["execution_role_arn"]
    organization.follow("spoke/README.md", "SageMaker Projects")
    team = organization.stacks[SPOKE_ACCOUNT, "studio-team1"]
    assert "ProjectsAssociation" in team.resources and "NoJobsOutsideTheVpc" in json.dumps(team.resources)


def test_a_spoke_by_hand_first_and_a_stack_set_over_it_later(organization):
    with_hub(organization).follow(GUIDE, "4. Spokes and teams")
    organization.follow(UNITS, "Before")
    # What fails in life fails here: the roles have the same names.
    with pytest.raises(Refused, match="StudioBrokerTarget already exists"):
        organization.follow(UNITS, "Spokes")
    organization = Organization(organization.folder)
    with_hub(organization).follow(GUIDE, "4. Spokes and teams")
    organization.follow(UNITS, "Before", BY_HAND)
    assert (SPOKE_ACCOUNT, "studio-broker-spoke") in organization.stacks
    assert (OTHER, "StackSet-studio-broker-spokes-spoke") in organization.stacks
    assert spoke(organization, SPOKE_ACCOUNT).parameters["Teams1"] == "team1,team2"
    organization.follow(UNITS, "Moving it into the StackSet")
    assert spoke(organization, SPOKE_ACCOUNT).parameters["Teams1"] == "team1,team2"
    assert (SPOKE_ACCOUNT, "StackSet-studio-broker-spokes-spoke") in organization.stacks


def test_no_step_of_the_organization_can_be_left_out(organization):
    with_hub(organization)
    (organization.folder / "teams.yaml").write_text(teams_file())
    for step, word in (("Spokes", "trusted access"), ("The policies", "enable-policy-type")):
        with pytest.raises(Refused, match=word):
            organization.follow(UNITS, step)
    organization.follow(UNITS, "Before", "Spokes", "The policies")


def test_the_spoke_waits_for_the_hub(organization):
    with pytest.raises(Refused, match="no principal"):
        organization.follow(GUIDE, "4. Spokes and teams")


def upgrade(organization):
    organization.follow("upgrade.md", "The command line")
    by_set, instances, _by_hand = [body for _, body in blocks("upgrade.md", "Spokes")]
    organization.run(by_set)
    organization.run(instances)
    organization.follow("upgrade.md", "The hub", "The policies")
    # `--no-execute-changeset` shows; the same command without it deploys.
    organization.account = HUB_ACCOUNT
    shown = next(c for guide, c in every_command() if guide == "upgrade.md" and "--no-execute-changeset" in c)
    organization.command(shown.replace("--no-execute-changeset", ""))


def versions(organization):
    return {key: stack.version for key, stack in organization.stacks.items() if "permissions" not in key[1]}


def assert_kept(organization, before):
    for key, parameters in before.items():
        kept = organization.stacks[key].parameters
        assert {k: v for k, v in parameters.items() if k != "SpokeTemplateUrl"}.items() <= kept.items(), key


def test_an_upgrade_reaches_every_account_and_loses_nothing(organization):
    everywhere(organization)
    before = {key: dict(stack.parameters) for key, stack in organization.stacks.items()}
    organization.version = 2
    upgrade(organization)
    assert set(versions(organization).values()) == {2}
    assert_kept(organization, before)


def test_back_and_forward_again(organization):
    everywhere(organization)
    before = {key: dict(stack.parameters) for key, stack in organization.stacks.items()}
    organization.version = 2
    upgrade(organization)
    hub, *rest = [body for _, body in blocks("upgrade.md", "Back")]
    organization.run(hub)
    now = versions(organization)
    # The hub alone; what it meets is newer, and the checkout is the newer one again.
    assert now[HUB_ACCOUNT, "studio-broker"] == 1 and set(now.values()) == {1, 2} and organization.version == 2
    assert_kept(organization, before)
    for body in rest:
        organization.run(body)
    now = versions(organization)
    assert {now[key] for key in now if key[1].startswith("StackSet-")} == {1}
    assert_kept(organization, before)
    organization.version = 3
    upgrade(organization)
    assert set(versions(organization).values()) == {3}
    assert_kept(organization, before)


def test_from_the_one_stack_of_the_organization(organization):
    with_hub(organization).follow(UNITS, "Before")
    (organization.folder / "teams.yaml").write_text(teams_file())
    organization.buckets["example-bucket/spoke.yaml"] = 1
    one = {
        "HubRoleArn": f"arn:aws:iam::{HUB_ACCOUNT}:role/StudioBrokerHub", "OrganizationId": "o-exampleorg1", "PolicyTargetIds": "r-abcd",
        "OrganizationalUnitIds": "ou-abcd-11111111", "SpokeTemplateUrl": "https://example-bucket.s3.eu-west-1.amazonaws.com/spoke.yaml",
    }  # fmt: skip
    organization.put(MANAGEMENT, "studio-broker", ORGANIZATION, one)
    # Beside it the roles collide.
    with pytest.raises(Refused, match="StudioBrokerTarget already exists"):
        organization.follow(UNITS, "Spokes")
    organization.stacks.pop((HUB_ACCOUNT, "studio-broker-spokes"), None)
    organization.sets.pop("studio-broker-spokes-spoke", None)
    # It may stay one, as the page says,
    organization.put(MANAGEMENT, "studio-broker", ORGANIZATION, {})
    # or become two.
    organization.follow("upgrade.md", "From the one stack")
    organization.follow(UNITS, "Spokes", "The policies")
    assert (MANAGEMENT, "studio-broker") not in organization.stacks
    assert (HUB_ACCOUNT, "studio-broker") in organization.stacks, "the hub has the same name in another account"
    assert spoke(organization, SPOKE_ACCOUNT).parameters["Teams1"] == "team1,team2"
    assert set(organization.names(MANAGEMENT, "AWS::Organizations::Policy")) == {
        "studio-broker-policies-only-the-broker", "studio-broker-policies-studio-as-deployed",
    }  # fmt: skip


@pytest.mark.parametrize("way", ["A log group that an older hub left", "Keeping it"])
def test_a_log_group_of_a_web_acl_that_an_older_hub_left(organization, way):
    with_hub(organization)
    hub = organization.stacks[HUB_ACCOUNT, "studio-broker"]
    # The older template made it with the web ACL alone.
    organization.left[HUB_ACCOUNT, "AWS::Logs::LogGroup"] = ["aws-waf-logs-studio-broker"]
    hub.resources.pop("WebAclLog")
    before = dict(hub.parameters)
    organization.version = 2
    with pytest.raises(Refused, match="aws-waf-logs-studio-broker already exists"):
        organization.command(HUB_COMMAND + "WebAcl=no")
    organization.follow("upgrade.md", way)
    if way != "Keeping it":
        organization.command(HUB_COMMAND.removesuffix("--parameter-overrides "))
    hub = organization.stacks[HUB_ACCOUNT, "studio-broker"]
    assert hub.version == 2 and hub.parameters == before and "WebAclLog" in hub.resources
    assert organization.left[HUB_ACCOUNT, "AWS::Logs::LogGroup"] == []


def test_a_copy_of_the_template_under_the_old_name_would_reach_no_account(organization):
    everywhere(organization)
    organization.version = 2
    organization.account = HUB_ACCOUNT
    old = organization.variables["SPOKE"]
    organization.buckets[f"example-bucket/{old}"] = 2
    organization.command(
        "aws cloudformation deploy --stack-name studio-broker-spokes --template-file infra/organization/template.yaml "
        f"--parameter-overrides SpokeTemplateUrl=https://example-bucket.s3.eu-west-1.amazonaws.com/{old}"
    )
    assert spoke(organization, SPOKE_ACCOUNT).version == 1
    # So the name that the guides give it is made of its content.
    uploads = [command for _, command in every_command() if command.startswith("aws s3 cp infra/spoke/template.yaml")]
    assert uploads and all(command.endswith("/$SPOKE") for command in uploads)


def test_an_upgrade_of_a_spoke_by_hand(organization):
    with_hub(organization).follow(GUIDE, "4. Spokes and teams")
    organization.version = 2
    *_, by_hand = [body for _, body in blocks("upgrade.md", "Spokes")]
    organization.run(by_hand)
    assert spoke(organization, SPOKE_ACCOUNT).version == 2


HUB_COMMAND = (
    "aws cloudformation deploy --stack-name studio-broker --template-file target/hub/packaged.yaml --s3-bucket BUCKET "
    "--capabilities CAPABILITY_NAMED_IAM CAPABILITY_AUTO_EXPAND --parameter-overrides "
)
#: Each is a section of the guide with the command.
PRIVATE = {
    "A private hub": {"ClientCidr": "10.0.0.0/8", "Network": "new"},
    "In a VPC that people reach already": {"ClientCidr": "10.0.0.0/8", "Network": "new-subnets"},
    "Behind a proxy of the company": {"ClientCidr": "10.9.0.0/28", "PublicUrl": "https://studio.example.com"},
}


@pytest.mark.parametrize("is_new", [True, False], ids=["at first", "over a public one"])
@pytest.mark.parametrize("section", PRIVATE)
def test_a_private_hub(organization, section, is_new):
    if is_new:
        organization.follow(GUIDE, "1. Before", "2. The function")
        organization.files.add("target/hub/packaged.yaml")
    else:
        with_hub(organization)
    organization.follow(GUIDE, section)
    hub = organization.stacks[HUB_ACCOUNT, "studio-broker"]
    assert PRIVATE[section].items() <= hub.parameters.items()
    assert hub.resources["RestApi"]["Properties"]["EndpointConfiguration"]["Types"] == ["PRIVATE"]
    assert "BrokerWebAcl" not in hub.resources
    (policy,) = hub.resources["RestApi"]["Properties"]["Policy"]["Statement"][-1:]
    assert "aws:SourceVpce" in json.dumps(policy)
    ingress = hub.resources["ApiSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert [rule["CidrIp"] for rule in ingress] == [PRIVATE[section]["ClientCidr"]]
    variables = hub.resources["BrokerFunction"]["Properties"]["Environment"]["Variables"]
    is_behind_a_proxy = "PublicUrl" in PRIVATE[section]
    assert variables["STUDIO_BROKER_CLIENT_ADDRESS"] == ("forwarded:2" if is_behind_a_proxy else "direct")
    assert {"PortalUrl", "ExecuteApiEndpoint"} <= set(hub.outputs)
    organization.follow(GUIDE, "4. Spokes and teams")


def test_a_hub_behind_a_proxy(organization):
    with_hub(organization).follow(GUIDE, "A proxy in front")
    hub = organization.stacks[HUB_ACCOUNT, "studio-broker"]
    variables = hub.resources["BrokerFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["STUDIO_BROKER_CLIENT_ADDRESS"] == "forwarded:2"
    assert hub.resources["BrokerWebAcl"]["Properties"]["DefaultAction"] == {"Block": {}}
    # Nothing that people hold has changed but the address.
    assert hub.outputs["AcsUrl"] == "https://studio.example.com/saml/acs"
    with pytest.raises(Refused, match="BehindAProxy"):
        organization.command(HUB_COMMAND + "ClientAddress=direct")
    with pytest.raises(Refused, match="BehindAProxy"):
        organization.command(HUB_COMMAND + "ProxyCidrs=")


# ---------------------------------------------------------------- one name, one template


def test_no_stack_name_stands_for_two_templates():
    named = {}
    for guide, command in every_command():
        match = re.search(r"(?:sam|aws cloudformation) deploy (.*)", command)
        # That page has another template tried under the hub's name, to see it refused.
        if match and guide != "only-an-account-can-tell.md":
            given = options(match[1].split())
            (template,) = given["template-file"]
            template = "the hub's" if template.startswith("target/hub/") else str((ROOT / template).relative_to(ROOT))
            named.setdefault(given["stack-name"][0], {}).setdefault(template, []).append(guide)
    assert {name: len(templates) for name, templates in named.items()} == dict.fromkeys(named, 1), named
    assert len(named) >= 8
    assert README in named["studio-broker"]["the hub's"] and "containers/README.md" in named["studio-broker-tables"]["infra/regions/tables.yaml"]
    build = re.search(r"sam deploy --stack-name (\S+)", (INFRA / "hub" / "build").read_text())[1]
    assert set(named[build]) == {"the hub's"}


def test_the_commands_of_the_readme_deploy_the_hub(organization):
    (body,) = [body for kind, body in blocks(README) if "sam deploy" in body]
    organization.account = HUB_ACCOUNT
    organization.run(body)
    assert organization.stacks[HUB_ACCOUNT, "studio-broker"].template == HUB


def test_what_a_sentence_tells_to_run_is_a_command_too():
    sentences = [command for guide, command in every_command() if guide == "containers/README.md"]
    assert any("infra/regions/tables.yaml" in command for command in sentences)


OTHERS = [path for path in all_templates() if path != HUB]


@pytest.mark.parametrize("template", OTHERS, ids=lambda path: path.stem + " of " + path.parent.name)
def test_a_template_does_not_take_over_the_hubs_stack(organization, template):
    """The name that both guides once told: function, API and roles would have been deleted."""
    with_hub(organization)
    required = {
        "HubRoleArn": "arn:aws:iam::111111111111:role/StudioBrokerHub", "OrganizationId": "o-exampleorg1",
        "PolicyTargetIds": "r-abcd", "TeamId": "team1", "InstanceArn": "arn:aws:sso:::instance/ssoins-0123456789abcdef",
        "HubAccountId": HUB_ACCOUNT, "HubRegion": "eu-west-1", "VpcId": "vpc-0aaaaaaa",
        "SubnetIds": "subnet-0aaaaaaa,subnet-0bbbbbbb", "SecurityGroupId": "sg-0aaaaaaa",
    }  # fmt: skip
    declared = render.load(template)["Parameters"]
    given = " ".join(f"{k}={v}" for k, v in required.items() if k in declared)
    given = f"--parameter-overrides {given}" if given else ""
    with pytest.raises(Refused, match="Template: not one of"):
        organization.command(
            f"aws cloudformation deploy --stack-name studio-broker --template-file {template.relative_to(ROOT)} "
            f"--s3-bucket B --capabilities CAPABILITY_NAMED_IAM {given}"
        )


def test_the_stack_policy_keeps_a_hub_that_has_no_such_parameter_yet(organization):
    with_hub(organization)
    hub = organization.stacks[HUB_ACCOUNT, "studio-broker"]
    hub.parameters.clear()
    with pytest.raises(Refused, match="stack policy keeps"):
        organization.put(HUB_ACCOUNT, "studio-broker", INFRA / "spoke" / "network.yaml", {})
    held = set(re.findall(r"LogicalResourceId/(\w+)", (INFRA / "hub" / "stack-policy.json").read_text()))
    assert held <= set(hub.resources)


def test_every_template_says_which_one_it_is():
    kinds = {}
    for path in all_templates():
        parameter = render.load(path)["Parameters"]["Template"]
        assert parameter["AllowedValues"] == [parameter["Default"]]
        kinds[parameter["Default"]] = path
    assert len(kinds) == len(all_templates())


def test_the_longest_name_that_the_guide_allows_makes_names_that_aws_takes(organization):
    (longest,) = re.findall(r"The stack's name may have (\d+) characters", (INFRA / "README.md").read_text())
    organization.put(HUB_ACCOUNT, "s" * int(longest), HUB, {})
    with pytest.raises(Refused, match="more than 64 characters"):
        Organization(organization.folder).put(HUB_ACCOUNT, "s" * (int(longest) + 1), HUB, {})


# ---------------------------------------------------------------- recovery


TABLES = ("teams", "idps", "state")
GONE, AGAIN = "The tables are there, the stack is not", "Into the stack again"


def lose(organization, table):
    """Somebody switches the protection off and deletes a table."""
    organization.account = HUB_ACCOUNT
    organization.command(f"aws dynamodb update-table --table-name studio-broker-{table} --no-deletion-protection-enabled")
    organization.command(f"aws dynamodb delete-table --table-name studio-broker-{table}")


def tables(organization):
    return organization.names(HUB_ACCOUNT, "AWS::DynamoDB::Table")


def test_a_deleted_stack_finds_its_tables_again(organization):
    with_hub(organization)
    organization.command(HUB_COMMAND + "TableReadCap=3000 Contact=help@example.com")
    with pytest.raises(Refused, match="termination protection"):
        organization.command("aws cloudformation delete-stack --stack-name studio-broker")
    organization.command("aws cloudformation update-termination-protection --stack-name studio-broker --no-enable-termination-protection")
    before = dict(organization.stacks[HUB_ACCOUNT, "studio-broker"].parameters)
    organization.command("aws cloudformation delete-stack --stack-name studio-broker")
    with pytest.raises(Refused, match="already exists"):
        organization.command(HUB_COMMAND + "TableReadCap=4000")
    organization.follow("recovery.md", GONE)
    assert tables(organization) == {f"studio-broker-{name}": "studio-broker" for name in TABLES}
    hub = organization.stacks[HUB_ACCOUNT, "studio-broker"]
    # Every parameter that was set, and guarded as before.
    assert hub.parameters == before
    assert hub.is_protected and hub.policy


def test_recovery_leaves_a_secret_to_whoever_has_it(organization):
    with_hub(organization).follow(GUIDE, "A proxy in front")
    organization.command(HUB_COMMAND + "ProxySecret=0123456789abcdef0123456789abcdef")
    organization.command("aws cloudformation update-termination-protection --stack-name studio-broker --no-enable-termination-protection")
    organization.command("aws cloudformation delete-stack --stack-name studio-broker")
    organization.follow("recovery.md", GONE)
    listed = {one["ParameterKey"] for one in json.loads((organization.folder / "parameters.json").read_text())}
    assert "PublicUrl" in listed and "ProxySecret" not in listed
    assert "`ProxySecret` is shown to nobody" in (INFRA / "recovery.md").read_text()


def test_a_lost_table_of_teams_comes_back(organization):
    with_hub(organization)
    lose(organization, "teams")
    assert "studio-broker-teams" not in tables(organization)
    organization.follow("recovery.md", "A table of teams or identity providers is gone")
    assert organization.variables["BACKUP_ARN"].startswith("arn:aws:dynamodb:")
    assert set(tables(organization)) == {f"studio-broker-{name}" for name in TABLES}
    # The stack takes it for the one that it made, until it is imported.
    before = organization.stacks[HUB_ACCOUNT, "studio-broker"]
    organization.follow("recovery.md", AGAIN)
    hub = organization.stacks[HUB_ACCOUNT, "studio-broker"]
    assert (hub.parameters, set(hub.resources)) == (before.parameters, set(before.resources))
    assert tables(organization) == {f"studio-broker-{name}": "studio-broker" for name in TABLES}


def test_what_a_restore_leaves_out_is_what_the_template_sets():
    table = stack(HUB).resources["TeamsTable"]["Properties"]
    text = " ".join(body for _, body in blocks("recovery.md", "A table of teams or identity providers is gone"))
    caps = table["OnDemandThroughput"]
    assert ",".join(f"{name}={value}" for name, value in caps.items()) in text
    assert table["StreamSpecification"]["StreamViewType"] in text
    assert table["DeletionProtectionEnabled"] and "--deletion-protection-enabled" in text
    assert "PointInTimeRecoveryEnabled=true" in text


def test_a_lost_state_table_is_made_anew_in_the_stack(organization):
    with_hub(organization)
    lose(organization, "state")
    before = organization.stacks[HUB_ACCOUNT, "studio-broker"]
    # An update finds no table to make: the stack has one, it thinks.
    organization.command(HUB_COMMAND + "Contact=help@example.com")
    assert "studio-broker-state" not in tables(organization)
    with pytest.raises(Refused, match="stack policy keeps"):
        organization.command(HUB_COMMAND + "Tables=shared")
    organization.follow("recovery.md", AGAIN)
    hub = organization.stacks[HUB_ACCOUNT, "studio-broker"]
    assert tables(organization) == {f"studio-broker-{name}": "studio-broker" for name in TABLES}
    assert set(hub.resources) == set(before.resources) and hub.policy == before.policy
    assert hub.parameters == {**before.parameters, "Contact": "help@example.com"}
    # Function, API and role are those of before: nobody's address or trust changes.
    assert "aws cloudformation delete-stack" not in organization.ran


# ---------------------------------------------------------------- every command


def test_a_large_template_is_sent_by_way_of_a_bucket():
    for guide, command in every_command():
        if match := re.search(r"deploy .*--template-file (infra/\S+)", command):
            large = (ROOT / match[1]).stat().st_size > 51_200
            assert not large or "--s3-bucket" in command, (guide, command)


def test_every_command_on_a_stack_set_says_as_whom():
    commands = [command for _, command in every_command() if re.search(r"stack-set|stack-instance", command)]
    assert commands and all("--call-as DELEGATED_ADMIN" in command for command in commands)


def test_every_block_says_where_it_runs():
    for guide in sorted({guide for guide, _ in every_command()} - {README}):
        for kind, body in blocks(guide):
            first = body.splitlines()[0]
            if kind == "sh" and "aws " in body:
                assert first.removeprefix("# ") in ACCOUNTS, (guide, first)


def test_the_hub_is_never_deployed_in_the_management_account(organization):
    text = (INFRA / "README.md").read_text()
    assert "never the management account" in text
    organization.account = MANAGEMENT
    with pytest.raises(Refused, match="no delegated administrator"):
        organization.command(f"aws organizations register-delegated-administrator --account-id {MANAGEMENT} --service-principal sso.amazonaws.com")


def test_the_stack_set_that_the_guides_name_is_the_one_that_their_stack_makes():
    names = {n for _, c in every_command() for n in re.findall(r"--stack-set-name ([A-Za-z]\S+)", c)}
    made = render.load(ORGANIZATION)["Outputs"]["StackSetName"]["Value"]["Fn::Sub"]
    assert names == {made.replace("${AWS::StackName}", "studio-broker-spokes")}
