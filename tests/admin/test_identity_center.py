"""`identity-center plan · apply`, with boto3 looking at the store and the assignments."""

import yaml

from fleet import fleet  # noqa: F401

STORE = "d-1234567890"
GROUP = "90678ba2c1-5f0e8a52-3c1d-4b7e-9a60-2d4f8c1b7e13"
APPLICATION = "arn:aws:sso::111111111111:application/ssoins-1234567890abcdef/apl-0123456789abcdef"


def groups(fleet):
    listed = fleet.client("identitystore").list_groups(IdentityStoreId=STORE, MaxResults=100)
    return {group["DisplayName"]: group["GroupId"] for group in listed["Groups"]}


def assigned(fleet):
    listed = fleet.client("sso-admin").list_application_assignments(ApplicationArn=APPLICATION)
    return {assignment["PrincipalId"] for assignment in listed["ApplicationAssignments"]}


def team_groups(fleet, team):
    key = {"team_id": {"S": team}}
    found = fleet.dynamodb.get_item(TableName="studio-broker-teams", Key=key)["Item"]
    return [group["S"] for group in found.get("groups", {"L": []})["L"]]


def test_the_plan_names_every_group_and_assignment_and_what_the_console_must_hold(fleet):
    fleet.put_idp(identity_store_id=STORE)
    fleet.put_team("lab3", groups=[GROUP])
    done = fleet.run("identity-center", "plan", code=3)
    assert done.stdout.splitlines() == [
        f"application SageMaker Studio ({APPLICATION}), identity store {STORE}",
        "  + group studio-broker-lab1 (team lab1)",
        "  + assignment of studio-broker-lab1",
        "  + group studio-broker-lab2 (team lab2)",
        "  + assignment of studio-broker-lab2",
        "  + assignment of Team 13 data scientists (team lab3)",
        "In the console, which alone can do it:",
        "  Application ACS URL: https://studio.example.com/saml/acs",
        "  Application SAML audience: https://studio.example.com/saml/metadata",
        "  Attribute mapping Subject: ${user:email}, format emailAddress",
        "  Attribute mapping ssouserid: ${user:AD_GUID}, format unspecified",
        "  Application start URL, relay state: empty",
        "  Certificate: RSA, 2048 bits, SHA-256",
    ]
    assert groups(fleet) == {"Team 13 data scientists": GROUP} and assigned(fleet) == set()


def test_apply_makes_what_is_missing_and_prints_the_change_of_the_teams(fleet):
    fleet.put_idp(identity_store_id=STORE)
    fleet.put_team("lab3", groups=[GROUP])
    done = fleet.run("identity-center", "apply")
    made = groups(fleet)
    assert set(made) == {"Team 13 data scientists", "studio-broker-lab1", "studio-broker-lab2"}
    assert assigned(fleet) == set(made.values())
    assert yaml.safe_load(done.stdout) == {
        "teams": [
            {"team_id": team, "groups": [made[f"studio-broker-{team}"]]} for team in ("lab1", "lab2")
        ]
    }
    assert team_groups(fleet, "lab1") == []


def test_apply_writes_the_teams_where_that_is_wanted_and_then_nothing_is_left(fleet):
    fleet.put_idp(identity_store_id=STORE)
    fleet.run("identity-center", "apply", "--write-teams")
    made = groups(fleet)
    for team in ("lab1", "lab2", "lab3"):
        assert team_groups(fleet, team) == [made[f"studio-broker-{team}"]]
    answer = fleet.json("identity-center", "plan")
    assert answer["assign"] == [] and not any(team["create"] for team in answer["teams"])
    fleet.run("identity-center", "apply", "--write-teams")
    assert groups(fleet) == made


def test_an_apply_that_stopped_half_way_goes_on(fleet):
    fleet.put_idp(identity_store_id=STORE)
    fault = {"operation": "CreateApplicationAssignment", "effect": "deny"}
    fleet.control("faults", **fault)
    done = fleet.run("identity-center", "apply", code=4)
    assert "CreateApplicationAssignment is not allowed" in done.stderr
    import urllib.request

    clear = urllib.request.Request(f"{fleet.endpoint}/_control/faults", method="DELETE")
    urllib.request.urlopen(clear).close()
    made = groups(fleet)
    fleet.run("identity-center", "apply", "--write-teams")
    assert groups(fleet) == made
    assert assigned(fleet) == {made[f"studio-broker-{team}"] for team in ("lab1", "lab2", "lab3")}
    assert team_groups(fleet, "lab2") == [made["studio-broker-lab2"]]


def test_only_teams_that_the_identity_provider_may_grant_get_groups(fleet):
    fleet.put_idp(identity_store_id=STORE, allowed_teams=["lab2"])
    answer = fleet.json("identity-center", "plan", code=3)
    assert [team["team"] for team in answer["teams"]] == ["lab2"]


def test_who_is_assigned_besides_is_told_and_left(fleet):
    fleet.put_idp(identity_store_id=STORE)
    fleet.run("identity-center", "apply", "--write-teams")
    admin = fleet.client("sso-admin")
    user = "12345678-1234-1234-1234-123456789abc"
    admin.create_application_assignment(
        ApplicationArn=APPLICATION, PrincipalId=user, PrincipalType="USER"
    )
    answer = fleet.json("identity-center", "plan")
    assert answer["other_assignments"] == [user]


def test_the_plan_works_before_there_is_an_identity_provider(fleet):
    answer = fleet.json("identity-center", "plan", code=3)
    assert answer["identity_store"] == STORE
    assert answer["console"]["Application ACS URL"] == "https://studio.example.com/saml/acs"


def test_another_store_than_the_instances_is_refused(fleet):
    fleet.put_idp(identity_store_id="d-0000000000")
    done = fleet.run("identity-center", "plan", code=1)
    assert "has the identity store d-0000000000" in done.stderr


def test_members_of_a_group_that_was_there_get_in_only_where_that_is_wanted(fleet):
    fleet.put_idp(identity_store_id=STORE)
    store = fleet.client("identitystore")
    made = store.create_group(IdentityStoreId=STORE, DisplayName="studio-broker-lab1")["GroupId"]
    user = store.list_users(IdentityStoreId=STORE)["Users"][0]["UserId"]
    member = {"GroupId": made, "MemberId": {"UserId": user}}
    store.create_group_membership(IdentityStoreId=STORE, **member)
    planned = fleet.run("identity-center", "plan", code=3).stdout
    assert f"~ team lab1: groups + {made} (studio-broker-lab1 exists already, 1 member)" in planned
    refused = fleet.run("identity-center", "apply", "--write-teams", code=2)
    assert "studio-broker-lab1 (1 member)" in refused.stderr
    command = "studio-broker identity-center apply --write-teams --use-existing-groups"
    assert f"hint: {command}\n" in refused.stderr
    assert team_groups(fleet, "lab1") == [] and assigned(fleet) == set()
    assert "studio-broker-lab2" not in groups(fleet)
    fleet.run(*command.split()[1:])
    assert team_groups(fleet, "lab1") == [made] and made in assigned(fleet)
