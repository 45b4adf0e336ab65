"""Operations, two Regions and containers: their guides' own commands, in their order, on the same double."""

import json
import pathlib
import re

import pytest
import yaml
from steps import HUB_ACCOUNT, MANAGEMENT, SPOKE_ACCOUNT, Organization, Refused, blocks
from templates import HUB, INFRA

GUIDE, UNITS, OPERATIONS, REGIONS, CONTAINERS = (
    "README.md", "organization/README.md", "operations/README.md", "regions/README.md", "containers/README.md",
)  # fmt: skip
HUB_STEPS = ("1. Before", "2. The function", "3. The hub")


@pytest.fixture
def organization(tmp_path):
    return Organization(tmp_path)


def deployed(organization, name):
    return organization.stacks[HUB_ACCOUNT, name]


# ---------------------------------------------------------------- operations


def with_operations(organization):
    organization.follow(GUIDE, *HUB_STEPS, "4. Spokes and teams")
    organization.follow(OPERATIONS, "Deploy")
    return deployed(organization, "studio-broker-operations")


def test_operations_by_their_commands(organization):
    made = with_operations(organization)
    # A changed zip has a changed name, and lies where the function looks.
    assert f"example-bucket/{made.parameters['DoctorKey']}" in organization.buckets
    assert re.fullmatch(r"studio-broker/doctor-[0-9a-f]{12}\.zip", made.parameters["DoctorKey"])
    assert made.outputs["DoctorRoleArn"] == f"arn:aws:iam::{HUB_ACCOUNT}:role/studio-broker-operations-doctor"


def test_the_doctor_gets_into_the_spokes_by_the_guides_command(organization):
    role = with_operations(organization).outputs["DoctorRoleArn"]
    organization.follow(OPERATIONS, "The doctor, every day")
    spoke = organization.stacks[SPOKE_ACCOUNT, "studio-broker-spoke"]
    trust = spoke.resources["DoctorRole"]["Properties"]["AssumeRolePolicyDocument"]
    assert role in json.dumps(trust) and "StudioAdmin" in json.dumps(trust)
    assert spoke.parameters["Teams1"] == "team1,team2"


def test_a_doctor_that_nobody_uploaded_is_none(organization):
    organization.follow(GUIDE, *HUB_STEPS)
    (body,) = [body for _, body in blocks(OPERATIONS, "Deploy")]
    with pytest.raises(Refused, match="nothing is at s3"):
        organization.run("\n".join(line for line in body.splitlines() if not line.startswith("aws s3 cp")))


def test_the_audit_goes_to_the_archive_once_that_lets_it_in(organization):
    with_operations(organization)
    archive, ship = [body for _, body in blocks(OPERATIONS, "The audit in the organization's log archive")]
    with pytest.raises(Refused, match="may not send"):
        organization.run(ship)
    organization.run(archive)
    organization.run(ship)
    shipped = [one for one in deployed(organization, "studio-broker-operations").resources.values() if one["Type"] == "AWS::Logs::SubscriptionFilter"]
    assert [one["Properties"]["DestinationArn"] for one in shipped] == list(organization.destinations)


def test_forward_and_back_by_the_alias(organization):
    organization.follow(GUIDE, *HUB_STEPS)
    before = organization.aliases["studio-broker-broker"]
    forward, back = [body for _, body in blocks(OPERATIONS, "Forward and back")]
    organization.run(forward)
    assert organization.aliases["studio-broker-broker"] != before
    organization.run(back)
    assert organization.aliases["studio-broker-broker"] == before
    assert "CodeDeploy" in json.dumps(deployed(organization, "studio-broker").resources)


def test_signed_builds_by_their_commands(organization):
    organization.follow(GUIDE, *HUB_STEPS)
    once, each = [body for _, body in blocks(OPERATIONS, "Signed builds")]
    organization.run(once)
    organization.run(each)
    assert ":code-signing-config:" in deployed(organization, "studio-broker").parameters["CodeSigningConfigArn"]
    # From then on an unsigned build is refused.
    forward, _ = [body for _, body in blocks(OPERATIONS, "Forward and back")]
    with pytest.raises(Refused, match="unsigned"):
        organization.run(forward)
    organization.run(each)


# ---------------------------------------------------------------- two Regions

FIRST = "eu-central-1"
BOTH = ("The first Region", "The second Region")


def two_hubs(organization):
    organization.follow(REGIONS, "Deploy", *BOTH)
    return deployed(organization, f"{FIRST}/studio-broker"), deployed(organization, "studio-broker")


def test_two_hubs_by_their_commands(organization):
    first, second = two_hubs(organization)
    assert (first.region, second.region) == (FIRST, "eu-west-1")
    # One role, which knows both Regions, and one address.
    assert "HubRole" in first.resources and "HubRole" not in second.resources
    assert first.parameters["OtherRegion"] == second.region and second.parameters["OtherRegion"] == first.region
    assert first.outputs["AcsUrl"] == second.outputs["AcsUrl"] == "https://studio.example.com/saml/acs"
    assert first.parameters["TeamsStreamArn"].split(":")[3] == FIRST and "ValidatorFunction" not in second.resources
    fronts = [deployed(organization, f"{FIRST}/studio-broker-front"), deployed(organization, "studio-broker-front")]
    assert [front.parameters["Place"] for front in fronts] == ["PRIMARY", "SECONDARY"]
    for hub, front in zip((first, second), fronts, strict=True):
        assert front.parameters["DomainTarget"] == hub.outputs["DomainTarget"]
    # The spokes trust the role that is there before them.
    organization.follow(GUIDE, "4. Spokes and teams")


def test_the_second_hub_waits_for_the_tables_of_the_first_region(organization):
    with pytest.raises((Refused, IndexError)):
        organization.follow(REGIONS, "The first Region")


def test_what_stands_beside_both_hubs(organization):
    two_hubs(organization)
    organization.follow(REGIONS, "The alarm on a lost one", "Operations of both")
    assert deployed(organization, "us-east-1/studio-broker-lost-region").region == "us-east-1"
    doctor = {"HubStackName": "studio-broker", "PublicUrl": "https://studio.example.com", "DoctorBucket": "example-bucket", "DoctorKey": "doctor.zip"}
    organization.buckets["example-bucket/doctor.zip"] = 1
    operations = INFRA / "operations" / "template.yaml"
    organization.put(HUB_ACCOUNT, "studio-broker-operations", operations, doctor, region=FIRST)
    # The doctor's role is called after its stack, and a role is one in all Regions: hence the second name.
    with pytest.raises(Refused, match="studio-broker-operations-doctor already exists"):
        organization.put(HUB_ACCOUNT, "studio-broker-operations", operations, doctor)
    organization.put(HUB_ACCOUNT, "studio-broker-operations-second", operations, doctor)


def test_two_hubs_are_upgraded_one_after_the_other(organization):
    two_hubs(organization)
    before = {key: dict(stack.parameters) for key, stack in organization.stacks.items()}
    organization.version = 2
    first, second = [body for _, body in blocks("upgrade.md", "Two hubs")]
    organization.run(first)
    versions = {name: stack.version for (_, name), stack in organization.stacks.items()}
    assert versions[f"{FIRST}/studio-broker"] == 2 and versions["studio-broker"] == 1
    organization.run(second)
    assert {stack.version for stack in organization.stacks.values()} == {2}
    assert {key: stack.parameters for key, stack in organization.stacks.items()} == before


# ---------------------------------------------------------------- containers


def image(organization):
    """The image that the tasks run, as its tag."""
    (container,) = deployed(organization, "studio-broker-ecs").resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    (name,) = [name for name, digest in organization.images.items() if container["Image"].endswith(digest)]
    return name


def test_ecs_forward_and_back(organization):
    organization.follow(CONTAINERS, "Tables and image", "ECS")
    stack = deployed(organization, "studio-broker-ecs")
    assert image(organization) == "studio-broker:1" and stack.is_protected
    assert stack.outputs["HubRoleArn"] == f"arn:aws:iam::{HUB_ACCOUNT}:role/StudioBrokerHub"
    before = dict(stack.parameters)
    organization.follow(CONTAINERS, "Forward")
    assert image(organization) == "studio-broker:2"
    organization.follow(CONTAINERS, "Back")
    assert image(organization) == "studio-broker:1" and deployed(organization, "studio-broker-ecs").parameters == before
    # The spokes trust its role as they trust the function's.
    organization.follow(GUIDE, "4. Spokes and teams")
    assert (SPOKE_ACCOUNT, "studio-broker-spoke") in organization.stacks


def test_no_task_runs_an_image_that_nobody_pushed(organization):
    tables, _push = [body for _, body in blocks(CONTAINERS, "Tables and image")]
    organization.run(tables)
    with pytest.raises(Refused, match="no image"):
        organization.follow(CONTAINERS, "ECS")


def test_operations_of_containers_read_their_log(organization):
    organization.follow(CONTAINERS, "Tables and image", "ECS", "Logs and alarms")
    made = deployed(organization, "studio-broker-operations")
    log = deployed(organization, "studio-broker-ecs").outputs["BrokerLogGroup"]
    assert made.parameters["LogGroupName"] == log == "/ecs/studio-broker-ecs-broker"
    assert f"SOURCE '{log}'" in json.dumps(made.resources) and "/aws/lambda/studio-broker-ecs-broker" not in json.dumps(
        [r for r in made.resources.values() if r["Type"] == "AWS::Logs::SubscriptionFilter"]
    )


def test_a_hub_for_its_validator_alone_lets_nobody_in(organization):
    organization.follow(GUIDE, "2. The function")
    organization.follow(CONTAINERS, "Tables and image", "ECS", "Edited items")
    hub = deployed(organization, "studio-broker")
    assert hub.template == HUB and {"ValidatorFunction", "HubRole"} <= set(hub.resources)
    roles = organization.names(HUB_ACCOUNT, "AWS::IAM::Role")
    assert roles["StudioBrokerHub"] == "studio-broker-ecs" and roles["StudioBrokerValidatorOnly"] == "studio-broker"
    # The data of the state table is for the containers' role alone.
    (replica,) = deployed(organization, "studio-broker-tables").resources["StateTable"]["Properties"]["Replicas"]
    assert "StudioBrokerValidatorOnly" not in json.dumps(replica)


def test_eks_by_its_commands(organization):
    organization.account = HUB_ACCOUNT
    organization.variables["DIGEST"] = "sha256:" + "0" * 64
    organization.follow(CONTAINERS, "EKS")
    assert deployed(organization, "studio-broker-eks").outputs["HubRoleArn"].endswith("/StudioBrokerHub")
    documents = list(yaml.safe_load_all((INFRA / "containers/kubernetes/broker.yaml").read_text()))
    (deployment,) = [one for one in documents if one["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    verbs = []
    for words in organization.cluster:
        if words[0] == "-n":
            assert words[1] == deployment["metadata"]["namespace"]
            words = words[2:]
        verbs.append(" ".join(words[:2]))
        if "deployment" in words:
            assert words[words.index("deployment") + 1] == deployment["metadata"]["name"]
        if words[0] == "set":
            name, _, uri = words[-1].partition("=")
            assert name == container["name"] and re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", uri)
    assert verbs == ["apply -f", "rollout status", "set image", "rollout status", "rollout undo"]


def test_what_a_shipper_of_logs_must_be_set_to():
    (settings,) = re.findall(r"```ini\n(.*?)```", re.sub(r"^  ", "", (INFRA / CONTAINERS).read_text(), flags=re.M), re.S)
    # Without the first each line stands inside an object, and CloudWatch finds no metric.
    assert re.search(r"^ +log_key +log$", settings, re.M) and re.search(r"^ +multiline.parser +cri$", settings, re.M)
    assert re.search(r"^ +log_format +json/emf$", settings, re.M)


# ---------------------------------------------------------------- what else has commands


def test_doors_reach_the_spokes_parameters(organization):
    organization.follow(GUIDE, *HUB_STEPS, "4. Spokes and teams", "IAM Identity Center, one application for each team")
    organization.follow(GUIDE, "7. MLflow and Partner AI Apps beside Studio", "Who may change what")
    (written,) = (organization.folder / "spokes").glob("222222222222.json")
    assert "mlflow-app/app-EXAMPLE12345" in written.read_text()


def test_away_with_the_organization(organization):
    organization.follow(GUIDE, *HUB_STEPS)
    organization.follow(UNITS, "Before", "Permission sets")
    (organization.folder / "teams.yaml").write_text(next(body for kind, body in blocks(GUIDE, "4. Spokes and teams") if kind == "yaml"))
    organization.follow(UNITS, "Spokes", "The policies", "Away with it")
    assert [stack for account, stack in organization.stacks if account == SPOKE_ACCOUNT] == []
    assert organization.names(MANAGEMENT, "AWS::Organizations::Policy") == {} and (HUB_ACCOUNT, "studio-broker") in organization.stacks


def test_commands_for_what_stays_and_what_no_ttl_removes(organization):
    organization.follow("spoke/README.md", "The network", "Clean up")
    organization.follow(REGIONS, "Limits")
    assert {"aws efs delete-file-system", "aws dynamodb scan", "aws dynamodb delete-item"} <= set(organization.ran)


def test_every_section_with_commands_is_followed_by_a_test():
    tests = "".join(path.read_text() for path in pathlib.Path(__file__).parent.glob("test_*.py"))
    for guide in sorted(INFRA.rglob("*.md")):
        parts = re.split(r"^(#{2,4} .+)$", guide.read_text(), flags=re.M)
        for title, body in zip(parts[1::2], parts[2::2], strict=True):
            if re.search(r"^ *```sh\n", body, re.M):
                assert f'"{title.lstrip("# ")}"' in tests, (guide.relative_to(INFRA), title)
