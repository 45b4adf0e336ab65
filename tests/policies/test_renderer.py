"""A renderer that nobody here wrote makes the same of the templates as `render.py`.

Three differences of cloud-radar are set aside: it leaves an empty text where AWS::NoValue takes a value
away, it refers to a resource by its logical id, and a default that is a number stays one, where the service
makes a text of it
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html).
"""

import pytest
from cases import ACCOUNT, SPOKE, SPOKE_PARAMETERS
from cloud_radar.cf.unit import Template
from render import render
from test_administrators_roles import ADMINISTRATORS
from test_execution_roles import BUCKET, DOMAIN_PARAMETERS, KEY
from test_target_role import ARNS, GROUPS, MIXED

HUB_ALONE = {name: SPOKE_PARAMETERS[name] for name in ("HubRoleArn", "OrganizationId")}
STACKS = {
    "spoke without teams": ("template.yaml", HUB_ALONE),
    "spoke": ("template.yaml", SPOKE_PARAMETERS),
    "spoke, session name unbound": ("template.yaml", {**SPOKE_PARAMETERS, "BindSessionName": "false"}),
    "spoke with everything": ("template.yaml", {**SPOKE_PARAMETERS, **ADMINISTRATORS, **MIXED, **ARNS, **GROUPS, "AdoptProfiles": "true"}),
    "team": ("team.yaml", {"TeamId": "team1"}),
    "team with everything": ("team.yaml", {"TeamId": "team1", "RoleName": "Own", "KmsKeyArn": KEY, "ReadJobLogs": "true", **BUCKET}),
    "domain": ("domain.yaml", {**DOMAIN_PARAMETERS, "DomainName": "studio", "KmsKeyArn": KEY}),
}  # fmt: skip


@pytest.mark.parametrize("case", STACKS)
def test_both_renderers_make_the_same(case, monkeypatch):
    name, parameters = STACKS[case]
    monkeypatch.setattr(Template, "AccountId", ACCOUNT)
    theirs = Template.from_yaml(str(SPOKE / name)).create_stack(parameters, region="eu-west-1").data
    ours = render(SPOKE / name, parameters).resources
    assert set(ours) == set(theirs["Resources"])
    for resource, made in ours.items():
        assert comparable(made["Properties"]) == comparable(theirs["Resources"][resource]["Properties"])


def comparable(value):
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items() if v != "" and k not in REFERENCES}
    if isinstance(value, list):
        return [comparable(item) for item in value if item != ""]
    return str(value) if type(value) is int else value


# What stands there is a reference to a resource of the same template.
REFERENCES = {"Roles", "ExecutionRole", "KmsKeyId"}
