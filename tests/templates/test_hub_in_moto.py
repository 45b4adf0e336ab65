"""CloudFormation makes the stacks (moto's), and the broker works on what it made: those very tables and
roles, with every call decided by IAM before it is made."""

import time

import pytest
from cloud import HUB_ACCOUNT, SPOKE_ACCOUNT, Cloud
from gate import Gate
from templates import HUB, HUB_REGION, stack
from world import World, unique

PUBLIC_URL = "https://studio.example.com"


@pytest.fixture(scope="module")
def cloud():
    cloud = Cloud()
    cloud.deploy_hub(Network="new")
    cloud.deploy_spoke()
    yield cloud
    cloud.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """For its SageMaker and its identity provider."""
    world = World(tmp_path_factory.mktemp("world"))
    yield world
    world.stop()


@pytest.fixture(scope="module")
def gate(cloud, world):
    gate = Gate(cloud, world.aws.endpoint, world.aws.sagemaker, f"arn:aws:iam::{HUB_ACCOUNT}:role/StudioBrokerHub")
    yield gate
    gate.close()


@pytest.fixture(scope="module")
def broker(cloud, world, gate):
    """`studio-broker serve` with the settings of the stack's function."""
    tables = {name: cloud.client("dynamodb") for name in ("teams", "idps")}
    tables["idps"].put_item(
        TableName="studio-broker-idps",
        Item={
            "entity_id": {"S": world.idp_entity_id},
            "metadata_xml": {"S": world.metadata},
            "allowed_teams": {"L": [{"S": "*"}]},
            "groups_attribute": {"S": "groups"},
        },
    )
    put_team(cloud, "team1")
    put_team(cloud, "team1b")
    parameters = {
        "Network": "new", "PublicUrl": PUBLIC_URL, "ClientAddress": "forwarded:2", "ProxyCidrs": "192.0.2.0/28",
        "TeamCacheSeconds": 0, "ProfileCacheSeconds": 0,
    }  # fmt: skip
    function = stack(HUB, parameters).resources["BrokerFunction"]["Properties"]
    settings = function["Environment"]["Variables"]
    settings.pop("STUDIO_BROKER_PUBLIC_URL")
    return world.serve(
        PUBLIC_URL, AWS_ENDPOINT_URL=gate.url, **cloud.hub_credentials, **settings
    )


@pytest.fixture(autouse=True)
def fresh(gate):
    gate.decided.clear()


def put_team(cloud, team_id, **changes):
    """Writes a team as an administrator would by hand."""
    item = {
        "team_id": {"S": team_id},
        "account_id": {"S": SPOKE_ACCOUNT},
        "region": {"S": "us-east-1"},
        "domain_id": {"S": "d-localteam001"},
        "execution_role_arn": {"S": f"arn:aws:iam::{SPOKE_ACCOUNT}:role/studio-broker/Studio-{team_id}"},
        "external_id": {"S": "spoke-2"},
        **changes,
    }
    cloud.client("dynamodb").put_item(TableName="studio-broker-teams", Item=item)


def opened(broker, team, browser=None, **values):
    """The answer that ends the opening of a team, after as many waiting pages as a busy machine needs."""
    if browser is None:
        browser, answer = broker.sign_in(teams=team, **values)
    else:
        answer = browser.get(f"/teams/{team}")
    for _ in range(10):
        if answer.status in (302, 403, 502):
            break
        time.sleep(0.2)
        answer = browser.get(f"/teams/{team}")
    return answer


def profile(world, name):
    sagemaker = world.aws.sagemaker(SPOKE_ACCOUNT, "us-east-1")
    found = sagemaker.describe_user_profile(DomainId="d-localteam001", UserProfileName=name)
    tags = sagemaker.list_tags(ResourceArn=found["UserProfileArn"])["Tags"]
    return found, {tag["Key"]: tag["Value"] for tag in tags}


def test_cloudformation_makes_the_tables_as_the_template_has_them(cloud):
    dynamodb = cloud.client("dynamodb")
    for name, key in (("teams", "team_id"), ("idps", "entity_id"), ("state", "pk")):
        table = dynamodb.describe_table(TableName=f"studio-broker-{name}")["Table"]
        assert table["KeySchema"] == [{"AttributeName": key, "KeyType": "HASH"}]
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["DeletionProtectionEnabled"] is True
        streams = table.get("StreamSpecification", {"StreamEnabled": False})
        assert streams["StreamEnabled"] == (name != "state")
    role = cloud.role(f"arn:aws:iam::{SPOKE_ACCOUNT}:role/StudioBrokerTarget")
    assert role.arn == f"arn:aws:iam::{SPOKE_ACCOUNT}:role/StudioBrokerTarget"


def test_cloudformation_makes_the_network(cloud):
    ec2 = cloud.client("ec2")
    vpcs = {vpc["CidrBlock"]: vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]}
    here = [{"Name": "vpc-id", "Values": [vpcs["10.97.0.0/24"]]}]
    subnets = ec2.describe_subnets(Filters=here)["Subnets"]
    assert sorted(s["CidrBlock"] for s in subnets) == ["10.97.0.0/27", "10.97.0.32/27"]
    assert len({s["AvailabilityZone"] for s in subnets}) == 2
    endpoints = ec2.describe_vpc_endpoints(Filters=here)["VpcEndpoints"]
    assert sorted(e["ServiceName"].rpartition(f"{HUB_REGION}.")[2] for e in endpoints) == ["dynamodb", "sagemaker.api", "sts"]
    (gateway,) = (e for e in endpoints if e["VpcEndpointType"] == "Gateway")
    (table,) = ec2.describe_route_tables(RouteTableIds=gateway["RouteTableIds"])["RouteTables"]
    assert table["VpcId"] == vpcs["10.97.0.0/24"]


def test_a_person_signs_in_and_studio_opens_with_a_profile_of_their_own(broker, world, gate):
    person = unique("person")
    answer = opened(broker, "team1", user_id=person)
    assert answer.status == 302, answer.text
    assert "/auth?" in answer.location
    assert gate.refused() == []
    made, tags = profile(world, f"{person}-team1")
    assert made["UserSettings"]["ExecutionRole"].endswith(":role/studio-broker/Studio-team1")
    assert tags == {"Team": "team1", "User": person}

    gate.decided.clear()
    assert opened(broker, "team1", user_id=person).status == 302
    assert gate.refused() == []
    assert "sagemaker:CreateUserProfile" not in gate.actions()


def test_a_response_is_accepted_once(broker, gate):
    response = broker.response(user_id=unique("person"), teams="team1")
    assert broker.browser().post_from_idp(response).status in (302, 303)
    answer = broker.browser().post_from_idp(response)
    assert (answer.status, answer.code) == (403, "replayed")
    assert gate.refused() == []


def test_iam_stops_a_mapping_with_a_foreign_role(cloud, broker, gate):
    admin = {"S": f"arn:aws:iam::{SPOKE_ACCOUNT}:role/Admin"}
    put_team(cloud, "team1", execution_role_arn=admin)
    try:
        answer = opened(broker, "team1", user_id=unique("person"))
    finally:
        put_team(cloud, "team1")
    assert (answer.status, answer.code) == (502, "target_denied")
    assert set(gate.refused()) == {("iam:PassRole", admin["S"])}


def test_iam_stops_a_mapping_with_a_foreign_domain(cloud, broker, gate):
    put_team(cloud, "team1", domain_id={"S": "d-localteam002"})
    try:
        answer = opened(broker, "team1", user_id=unique("person"))
    finally:
        put_team(cloud, "team1")
    assert (answer.status, answer.code) == (502, "target_denied")
    assert gate.refused() != []
    assert all(action.startswith("sagemaker:") for action, _ in gate.refused())


@pytest.mark.parametrize(
    ("team_id", "changes"),
    [
        ("team9", {}),
        ("team1", {"external_id": {"S": "another"}}),
        ("team1", {"broker_role_arn": {"S": f"arn:aws:iam::{SPOKE_ACCOUNT}:role/Admin"}}),
    ],
    ids=["a team that the spoke does not list", "another external id", "another role"],
)
def test_iam_stops_a_session_for(cloud, broker, gate, team_id, changes):
    put_team(cloud, team_id, **changes)
    try:
        answer = opened(broker, team_id, user_id=unique("person"))
    finally:
        put_team(cloud, "team1")
    assert (answer.status, answer.code) == (502, "target_denied")
    assert "sagemaker:CreateUserProfile" not in gate.actions()


def test_every_permission_is_used_and_no_other_is_asked_for(cloud, broker, world, gate):
    """A life: two teams, a first profile, a changed mapping, a space, a missing domain, sign-out."""
    person = unique("person")
    browser, answer = broker.sign_in(user_id=person, teams=["team1", "team1b"])
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")
    assert "team1b" in browser.get("/").text
    assert opened(broker, "team1", browser).status == 302

    settings = {"M": {"SharingSettings": {"M": {"NotebookOutputOption": {"S": "Disabled"}}}}}
    put_team(cloud, "team1", user_settings=settings)
    assert opened(broker, "team1", browser).status == 302

    sagemaker = world.aws.sagemaker(SPOKE_ACCOUNT, "us-east-1")
    space = unique("space")
    sagemaker.create_space(
        DomainId="d-localteam001", SpaceName=space,
        OwnershipSettings={"OwnerUserProfileName": f"{person}-team1"},
        SpaceSharingSettings={"SharingType": "Private"},
    )  # fmt: skip
    assert opened(broker, f"team1?space={space}", browser).status == 302
    put_team(cloud, "team1")

    put_team(cloud, "team8", domain_id={"S": "d-localteam008"})
    assert opened(broker, "team8", user_id=person).code == "domain_missing"

    browser.post("/sign-out", {})
    assert browser.get("/").status in (302, 303)
    used = gate.actions()
    assert gate.refused() == []

    granted = {
        action
        for role in ("StudioBrokerHub", "StudioBrokerTarget")
        for account in [HUB_ACCOUNT if role == "StudioBrokerHub" else SPOKE_ACCOUNT]
        for document in cloud.role(f"arn:aws:iam::{account}:role/{role}").policies.values()
        for statement in document["Statement"]
        if statement["Effect"] == "Allow"
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        if not action.startswith(("logs:", "ec2:"))  # of Lambda itself
    }
    assert used == granted
