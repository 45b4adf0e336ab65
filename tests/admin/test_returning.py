"""A team id that comes back opens the profiles that still carry it: `plan` looks, and says so."""

import boto3
import pytest

from conftest import NOT_ALLOWED, team


def local_team(team_id):
    return team(
        team_id,
        account_id="222222222222",
        region="us-east-1",
        domain_id="d-localteam001",
        execution_role_arn="arn:aws:iam::222222222222:role/Team1Execution",
    )


@pytest.fixture
def profiles(local):
    """profiles(team, n): n profiles with the team's tag, made by the account itself."""
    client = boto3.client(
        "sagemaker",
        endpoint_url=local,
        region_name="us-east-1",
        aws_access_key_id="222222222222",
        aws_secret_access_key="x",
    )

    def make(team_id, number):
        for i in range(number):
            client.create_user_profile(
                DomainId="d-localteam001",
                UserProfileName=f"user-{i}-{team_id}",
                Tags=[{"Key": "Team", "Value": team_id}, {"Key": "User", "Value": f"user-{i}"}],
            )

    return make


#: An administrator of the hub's account; the hub's own role may not look.
ADMINISTRATOR = {"AWS_ACCESS_KEY_ID": "111111111111"}


def test_an_id_that_comes_back_to_its_profiles_is_called_out(local_world, profiles):
    profiles("comeback", 3)
    file = local_world.file({"teams": [local_team("comeback"), local_team("fresh")]})
    plan = local_world.json("teams", "plan", file, code=3, **ADMINISTRATOR)
    warnings = {change["key"]: " ".join(change["warnings"]) for change in plan["changes"]}
    assert "the id comes back: 3 profiles in its domain still carry it" in warnings["comeback"]
    assert "comes back" not in warnings["fresh"]
    assert "not known" not in local_world.run("teams", "plan", file, code=3, **ADMINISTRATOR).stderr


def test_where_nobody_may_look_it_is_said(local_world):
    local_world.between.on["AssumeRole"] = lambda _: (403, NOT_ALLOWED)
    file = local_world.file({"teams": [local_team("fresh")]})
    done = local_world.run("teams", "plan", file, code=3)
    assert "is not known for 1 domain (sts:AssumeRole: AccessDenied)" in done.stderr


def test_nobody_looks_where_no_team_appears(local_world):
    local_world.run("teams", "apply", local_world.file({"teams": [local_team("fresh")]}))
    asked = []
    local_world.between.on["GetCallerIdentity"] = asked.append
    local_world.run("teams", "plan", local_world.file({"teams": [local_team("fresh")]}))
    assert asked == []
