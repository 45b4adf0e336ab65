"""The running broker, held against the decision that is written a second time (`tests/decision`)."""

import random
import sys
import time
from pathlib import Path

import pytest
from world import ACCOUNT, DOMAIN, REGION, unique

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "decision"))
from decision import decide  # noqa: E402
from worlds import ENTITY_ID, SECOND, world as draw_world  # noqa: E402

#: What a person is told for each check that does not hold. Whom the sign-in itself refuses is told so there.
CODES = {
    "idp_enabled": "idp_unknown",
    "not_denied": "user_denied",
    "idp_context": "authn_context_refused",
    "idp_allows": "not_entitled",
    "entitled": "not_entitled",
    "readable": "team_invalid",
    "enabled": "team_paused",
    "network": "network_refused",
    "team_context": "authn_context_refused",
}


@pytest.mark.parametrize("seed", range(6))
def test_the_running_broker_decides_as_both(world, aws, seed):
    broker = world.serve(STUDIO_BROKER_CLIENT_ADDRESS="forwarded:1")
    draw = random.Random(1000 + seed)
    idps = {name: world.new_idp(directory=name, groups_attribute="groups") for name in ["default", "okta", "corp-2"]}
    now = int(time.time()) * SECOND
    seen = set()
    for _ in range(50):
        drawn = draw_world(draw, ["key"])
        said, idp, team = drawn["said"], drawn["idp"], drawn["team"]
        said["key"], idp["directory"] = "key", said["directory"]
        team_id = unique("w")
        renamed = {drawn["team_id"]: team_id}
        idp["allowed_teams"] = [renamed.get(name, name) for name in idp["allowed_teams"]]
        said["teams"] = [renamed.get(name, name) for name in said["teams"]]
        drawn["team_id"] = team_id
        if team is not None:
            place = {"account_id": ACCOUNT, "region": REGION, "domain_id": DOMAIN,
                     "execution_role_arn": f"arn:aws:iam::{ACCOUNT}:role/{team_id}Execution"}
            broken = {k: v for k, v in team.items() if (k, v) in [("account_id", 12345678901), ("domain_id", "x")]}
            team.update({**place, **broken, "team_id": team_id})
            if isinstance(team.get("members"), dict):
                # DynamoDB has no name that is empty.
                team["members"].pop("", None)
            aws.teams.put_item(Item=team)
        # An address in the other family's clothes is the address, and nobody comes without one.
        worn = {None: "203.0.113.9", "::ffff:192.0.2.7": "192.0.2.7"}
        drawn["client"] = worn.get(drawn["client"], drawn["client"])
        entity_id = idps[said["directory"]]
        # Of the world's three IdPs ours is the one that the drawn ones call theirs; who else is ours, too.
        if team is not None and isinstance(team.get("groups"), list):
            team["groups"] = [group.replace(ENTITY_ID, entity_id) for group in team["groups"]]
            aws.teams.put_item(Item=team)
        said["groups"] = [group.replace(ENTITY_ID, entity_id) for group in said["groups"]]
        idp["entity_id"] = entity_id
        drawn["entity_ids"] = [item["entity_id"] for item in aws.idps.scan()["Items"]]
        item = {**idp}
        fixed = aws.idps.get_item(Key={"entity_id": entity_id})["Item"]
        kept = {name: fixed[name] for name in ["metadata_xml", "groups_attribute"]}
        aws.idps.put_item(Item={**kept, **item})
        # Ends are days from the worlds' now or in its last seconds; ours is another one, so is the expectation.
        expected = decide({**drawn, "keys": ["key"], "now": now})
        code = answer_of(broker, entity_id, drawn)
        wanted = None if expected["refused"] is None else CODES[expected["refused"]]
        assert code == wanted, drawn
        seen.add(expected["refused"])
    assert {None, "entitled", "idp_allows"} <= seen


def answer_of(broker, entity_id, drawn):
    """The code with which the team's own address answers, or that of the sign-in; None where it opens."""
    said = drawn["said"]
    forwarded = [("X-Forwarded-For", drawn["client"])]
    browser = broker.browser()
    response = broker.response(
        issuer=entity_id,
        user_id=said["user_id"],
        teams=said["teams"],
        groups=",".join(said["groups"]),
        authn_context=[context for context in said["authn_contexts"] if context] or "",
    )
    answer = browser.post_from_idp(response, headers=forwarded)
    if answer.code:
        return answer.code
    opened = browser.get(f"/teams/{drawn['team_id']}", headers=forwarded)
    return None if opened.opens_studio() or opened.status == 200 else opened.code
