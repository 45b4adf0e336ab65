"""`recovery.md`, its second section: the very commands, by the AWS CLI and the command line, on moto's DynamoDB."""

import os
import subprocess

import pytest
import yaml
from aws_cli import PYTHON
from cloud import Cloud
from steps import BINARY, blocks
from templates import HUB_REGION

SECTION = "An older state of teams or identity providers"
TEAM = {
    "account_id": "222222222222", "region": HUB_REGION, "domain_id": "d-abcdefghijkl",
    "execution_role_arn": "arn:aws:iam::222222222222:role/studio-broker/Studio-team1", "external_id": "spoke-2",
}  # fmt: skip


class Keyboard:
    """A shell in which both programs speak to moto."""

    def __init__(self, cloud, folder):
        self.cloud, self.folder = cloud, folder
        self.environment = {
            **cloud.hub_credentials, "AWS_REGION": HUB_REGION, "AWS_DEFAULT_REGION": HUB_REGION,
            "AWS_ENDPOINT_URL": cloud.url, "HOME": str(folder), "STUDIO_BROKER_PUBLIC_URL": "https://studio.example.com",
            "PATH": f"{BINARY.parent}:{PYTHON.parent}:{os.environ['PATH']}",
        }  # fmt: skip

    def run(self, script, codes=(0,)):
        done = subprocess.run(
            ["bash", "-u", "-c", script], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode in codes, (script, done.stdout, done.stderr)
        return done.stdout

    def apply(self, *teams):
        (self.folder / "teams.yaml").write_text(yaml.safe_dump({"teams": [{**TEAM, **team} for team in teams]}))
        self.run("studio-broker teams apply teams.yaml")

    def teams(self):
        return {team["team_id"]: team for team in yaml.safe_load(self.run("studio-broker teams export"))["teams"]}


@pytest.fixture
def keyboard(tmp_path):
    cloud = Cloud()
    cloud.deploy_hub()
    yield Keyboard(cloud, tmp_path)
    cloud.close()


def test_an_older_state_of_the_teams_goes_back_through_the_command_line(keyboard):
    keyboard.apply({"team_id": "team1", "groups": ["analysts"]}, {"team_id": "team2"})
    (block,) = [body for kind, body in blocks("recovery.md", SECTION) if kind == "sh"]
    lines = [line for line in block.replace("\\\n", " ").splitlines() if not line.startswith("#")]
    restore, rest = lines[:2], lines[2:]
    assert "restore-table-to-point-in-time" in restore[0]
    # moto knows no time: what it restores is what stands there now, so the mistake comes after.
    keyboard.run("\n".join(restore))
    keyboard.apply({"team_id": "team1", "groups": ["everybody"]})
    keyboard.run("studio-broker teams remove team2")
    assert set(keyboard.teams()) == {"team1"}
    for line in rest:
        keyboard.run(line, codes=(0, 3) if " plan " in line else (0,))
    back = keyboard.teams()
    assert set(back) == {"team1", "team2"} and back["team1"]["groups"] == ["analysts"]
    tables = keyboard.cloud.client("dynamodb").list_tables()["TableNames"]
    assert "studio-broker-teams-restored" not in tables
