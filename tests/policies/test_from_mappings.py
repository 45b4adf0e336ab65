"""From the file of teams to what IAM decides: the command's parameters go into the template as they are."""

import json
import os
import pathlib
import subprocess

import pytest
from cases import ACCOUNT, HUB, ORGANIZATION, SPOKE, request_tags, resource_tags, role
from render import render
from test_administrators_roles import ADMINISTRATORS
from test_target_role import COMING_IN, TO_SAGEMAKER, assume, changed, session

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("STUDIO_BROKER_BIN", ROOT / "target/debug")) / "studio-broker"


def team(team_id, region, domain, role, **more):
    return {
        "team_id": team_id,
        "account_id": "222222222222",
        "region": region,
        "domain_id": domain,
        "execution_role_arn": f"arn:aws:iam::222222222222:role/{role}",
        "external_id": "spoke-2",
        **more,
    }


TEAMS = [
    team("team1", "eu-west-1", "d-one", "studio-broker/Studio-team1", tags={"CostCenter": "7"}),
    team("team1b", "eu-west-1", "d-one", "studio-broker/Studio-team1b"),
    team("red", "eu-west-1", "d-one", "Notebook-red-Role"),
    team("blue", "eu-west-1", "d-one", "Notebook-blue-Role"),
    team("team2", "us-east-1", "d-two", "service-role/Team2Execution"),
]


def spoke_of(teams, folder, **more):
    (folder / "mappings.json").write_text(json.dumps({"teams": teams}))
    subprocess.run(
        [BINARY, "teams", "spoke", "mappings.json", "--directory", "spokes"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    (written,) = (folder / "spokes").iterdir()
    assert written.name == "222222222222.json"
    overrides = {p["ParameterKey"]: p["ParameterValue"] for p in json.loads(written.read_text())}
    return render(
        SPOKE / "template.yaml", {"HubRoleArn": HUB, "OrganizationId": ORGANIZATION, **overrides, **more}
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    return spoke_of(TEAMS, tmp_path_factory.mktemp("mappings"))


def test_each_team_of_the_file_comes_in_and_no_other(iam, stack):
    for one in TEAMS:
        context = {**COMING_IN, **changed(team=one["team_id"])}
        assert assume(iam, stack, HUB, context) == "allowed"
    assert assume(iam, stack, HUB, {**COMING_IN, **changed(team="team3")}) == "denied"


def profiles(one):
    return f"arn:aws:sagemaker:{one['region']}:222222222222:user-profile/{one['domain_id']}/ann"


@pytest.mark.parametrize("mine", TEAMS, ids=lambda one: one["team_id"])
def test_each_team_gives_its_own_role_in_its_own_domain_and_no_other(iam, stack, mine):
    team_id = mine["team_id"]
    for other in TEAMS:
        request = ("iam:PassRole", other["execution_role_arn"], TO_SAGEMAKER)
        own_role = other is mine
        assert session(iam, stack, *request, team=team_id) == ("allowed" if own_role else "denied")
        tags = request_tags(Team=team_id, User="ann")
        request = ("sagemaker:CreateUserProfile", profiles(other), tags)
        own_domain = other["domain_id"] == mine["domain_id"]
        assert session(iam, stack, *request, team=team_id) == (
            "allowed" if own_domain else "denied"
        )
        request = (
            "sagemaker:CreatePresignedDomainUrl",
            profiles(other),
            resource_tags(Team=other["team_id"], User="ann"),
        )
        assert session(iam, stack, *request, team=team_id) == (
            "allowed" if own_role else "denied"
        )


def test_the_teams_own_tags_are_taken(iam, stack):
    tags = request_tags(Team="team1", User="ann", CostCenter="7")
    request = ("sagemaker:CreateUserProfile", profiles(TEAMS[0]), tags)
    assert session(iam, stack, *request) == "allowed"


def test_where_roles_are_called_like_their_teams_lifecycle_still_gives_those_alone(iam, tmp_path):
    teams = [team(name, "eu-west-1", "d-one", name) for name in ("red", "blue")]
    stack = spoke_of(teams, tmp_path, **ADMINISTRATORS)
    for name, expected in [("red", "allowed"), ("blue", "allowed"), ("Admin", "denied"), ("redder", "denied")]:
        decision = iam.decide(
            f"arn:aws:sts::{ACCOUNT}:assumed-role/StudioBrokerLifecycle/admin", "iam:PassRole", role(name),
            {"aws:PrincipalArn": role("StudioBrokerLifecycle"), **TO_SAGEMAKER},
            identity=stack.permissions("LifecycleRole"),
        )  # fmt: skip
        assert decision == expected, name


SECOND = {"broker_role_arn": "arn:aws:iam::222222222222:role/SecondTarget"}


def files_of(teams, folder):
    (folder / "mappings.json").write_text(json.dumps({"teams": teams}))
    further = {"HubRoleArn": HUB, "OrganizationId": ORGANIZATION, **ADMINISTRATORS}
    arguments = [word for name, value in further.items() for word in ("--parameter", f"{name}={value}")]
    subprocess.run(
        [BINARY, "teams", "spoke", "mappings.json", "--directory", "spokes", *arguments],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return {
        path.name: {p["ParameterKey"]: p["ParameterValue"] for p in json.loads(path.read_text())}
        for path in (folder / "spokes").iterdir()
    }


def roles_made(parameters):
    roles = render(SPOKE / "template.yaml", parameters).of_type("AWS::IAM::Role").values()
    return {one["RoleName"] for one in roles}


def test_of_two_stacks_in_an_account_one_makes_the_administrators_roles(tmp_path):
    teams = [TEAMS[0], team("research", "eu-west-1", "d-three", "Research", **SECOND)]
    files = files_of(teams, tmp_path)
    assert {name: roles_made(parameters) for name, parameters in files.items()} == {
        "222222222222.json": {"StudioBrokerTarget", "StudioBrokerDoctor", "StudioBrokerLifecycle"},
        "222222222222-SecondTarget.json": {"SecondTarget"},
    }


def test_the_only_stack_of_an_account_makes_them_whatever_its_target_role(tmp_path):
    files = files_of([team("research", "eu-west-1", "d-three", "Research", **SECOND)], tmp_path)
    assert {name: roles_made(parameters) for name, parameters in files.items()} == {
        "222222222222-SecondTarget.json": {"SecondTarget", "StudioBrokerDoctor", "StudioBrokerLifecycle"}
    }
