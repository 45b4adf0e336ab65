"""Export and back: nothing is lost, and other programs read the same."""

import json
import random
import re

import jsonschema
import pytest
import yaml

from conftest import METADATA, ROOT, item, team
from test_tables import FULL, idp

SCHEMA = json.loads((ROOT / "schemas/mappings.json").read_text())


def export(world, code=0):
    done = world.run("teams", "export", code=code)
    return done.stdout, done.stderr


@pytest.mark.parametrize("group", ["teams", "idps"])
def test_an_export_is_no_change_and_the_same_file_back(world, group):
    world.put(world.teams, item({**FULL, "revision": 3}))
    world.put(world.idps, item(idp(denied_users=["x"], enabled=False)))
    text = world.run(group, "export").stdout
    file = world.file(text, "mappings.yaml")
    assert world.json("teams", "plan", file, "--prune")["changes"] == []
    read = yaml.safe_load(text)
    assert read == {"teams": [FULL], "idps": [idp(denied_users=["x"], enabled=False)]}
    assert text.startswith("# yaml-language-server: $schema=")
    jsonschema.validate(read, SCHEMA)
    assert world.json(group, "export") | {"$schema": 0} == {**read, "$schema": 0}


def test_an_export_restores_empty_tables(world):
    world.put(world.teams, item(FULL))
    world.put(world.idps, item(idp()))
    file = world.file(export(world)[0], "mappings.yaml")
    world.run("teams", "remove", "team1")
    world.run("idps", "remove", idp()["entity_id"])
    world.run("teams", "apply", file)
    assert world.get(world.teams, "team1") == item({**FULL, "revision": 1})
    assert world.get(world.idps, idp()["entity_id"]) == item(idp())


def test_texts_of_every_kind_come_back(local_world):
    world, chance = local_world, random.Random(7)
    pieces = ["a", "'", '"', "\\", ":", "#", "- ", " ", "\n", "\r", "\t", "\x00", "\x7f", "\x85"]
    pieces += ["\u2028", "\ufeff", "é", "日", "😀", "{", "}", "[", "&", "*", "!", "|", ">", "%", "@"]
    texts = ["no", "Yes", "null", "~", "0123", "1e3", "0x1f", "2026-01-31", "=", "<<", "- a", "a: b"]
    texts += ["".join(chance.choices(pieces, k=chance.randint(1, 12))) for _ in range(300)]
    for number, text in enumerate(texts):
        settings = {"Text": text, "List": [text, {"Deep": text}]}
        world.put(world.teams, item(team(f"t{number}", description=text, user_settings=settings)))
    exported, _ = export(world)
    by_id = {one["team_id"]: one for one in world.json("teams", "export")["teams"]}
    assert [by_id[f"t{number}"]["description"] for number in range(len(texts))] == texts
    file = world.file(exported, "mappings.yaml")
    assert world.json("teams", "plan", file)["changes"] == []
    # Another program's reader sees the same, where YAML 1.1 allows the characters at all.
    other = {one["team_id"]: one for one in yaml.safe_load(exported)["teams"]}
    assert other == by_id


def test_what_was_written_by_hand_is_kept(world):
    by_hand = item(team()) | {
        "groups": {"SS": ["b", "a"]},
        "session_duration_seconds": {"N": "3600"},
        "user_settings": {"M": {"Sizes": {"L": [{"N": "1.5"}, {"N": "100"}]}, "Ids": {"SS": ["x"]}}},
    }
    world.put(world.teams, by_hand)
    text, _ = export(world)
    (read,) = yaml.safe_load(text)["teams"]
    assert read["groups"] == ["a", "b"]
    assert read["user_settings"] == {"Sizes": [1.5, 100], "Ids": ["x"]}
    world.run("teams", "apply", world.file(text, "mappings.yaml"))
    assert "UpdateItem" not in world.between.seen


def test_an_unknown_attribute_is_exported_and_refused_with_its_line(world):
    world.put(world.teams, item(team()) | {"grups": {"L": [{"S": "a"}]}})
    text, said = export(world)
    assert "expected perhaps groups" in said
    line = 1 + text.splitlines().index("  grups:")
    done = world.run("teams", "plan", world.file(text, "mappings.yaml"), code=2)
    assert f"mappings.yaml:{line}: team \"team1\": found an attribute \"grups\"" in done.stderr


def test_a_malformed_item_is_exported_as_it_is_and_refused_with_its_line(world):
    world.put(world.teams, item(team()) | {"account_id": {"N": "12345678901"}})
    text, said = export(world)
    assert "account_id" in said
    done = world.run("teams", "plan", world.file(text, "mappings.yaml"), code=2)
    assert 'mappings.yaml:4: team "team1": account_id: found "12345678901" without quotes' in done.stderr


@pytest.mark.parametrize(
    "value, said",
    [
        ({"B": b"\x00"}, "a binary value (B)"),
        ({"NS": ["1", "2"]}, "a number set (NS)"),
        ({"BS": [b"a"]}, "a binary set (BS)"),
        ({"NULL": True}, "NULL"),
        ({"N": "12345678901234567890123"}, "12345678901234567890123"),
        ({"M": {"deep": {"L": [{"B": b"\x00"}]}}}, "odd.deep[0]"),
    ],
    ids=["binary", "number-set", "binary-set", "null", "long-number", "deep"],
)
def test_what_no_file_can_hold_is_said_and_kept_in_a_comment(world, value, said):
    world.put(world.teams, item(team("good")))
    world.put(world.teams, item(team("odd")) | {"odd": value})
    text, complaint = export(world, code=1)
    assert said in complaint and 'team "odd"' in complaint
    assert [one["team_id"] for one in yaml.safe_load(text)["teams"]] == ["good"]
    (comment,) = [line for line in text.splitlines() if line.startswith("#   {")]
    assert json.loads(comment[4:])["team_id"] == {"S": "odd"}
    # The file is not silent about it: without --prune it stays, with it, it is named.
    file = world.file(text, "mappings.yaml")
    plan = world.json("teams", "plan", file, "--prune", code=3)
    assert [(c["key"], c["action"]) for c in plan["changes"]] == [("odd", "remove")]
    assert world.json("teams", "plan", file)["unlisted"] == [{"table": "teams", "key": "odd"}]


def test_all_faults_come_at_once_with_their_lines(local_world):
    text = """teams:
- team_id: a
  account_id: 012345678901
  region: mars-1
  domain_id: d-abc
  execution_role_arn: arn:aws:iam::999999999999:role/A
  enabled: yes
- team_id: a
idps:
- entity_id: x
  metadata_file: absent.xml
  allowed_teams: team1
"""
    local_world.file(text, "f.yaml")
    done = local_world.run("teams", "plan", "f.yaml", code=2)
    lines = re.findall(r"f\.yaml:(\d+): ", done.stderr)
    assert lines == ["3", "4", "7", "8", "8", "8", "8", "8", "11", "12"]
    assert local_world.between.seen == []


def test_the_schema_takes_what_plan_takes_and_refuses_what_it_refuses(local_world):
    good = {"teams": [FULL], "idps": [idp(), {**idp(), "entity_id": "y"}]}
    del good["idps"][1]["metadata_xml"]
    good["idps"][1]["metadata_file"] = "idp.xml"
    jsonschema.validate(good, SCHEMA)
    for bad in [
        {"teams": [team(account_id=12345678901)]},
        {"teams": [team(grups=["a"])]},
        {"teams": [{"team_id": "a"}]},
        {"teams": [team(region="mars")]},
        {"idps": [{"entity_id": "x", "allowed_teams": ["*"]}]},
        {"teams": {}},
        {"more": []},
    ]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, SCHEMA)
        local_world.run("teams", "plan", local_world.file(bad), code=2)


def test_the_schema_is_written_beside_an_export(local_world):
    done = local_world.run("teams", "export", "--schema", "mappings.schema.json")
    assert done.stdout.splitlines()[0] == "# yaml-language-server: $schema=mappings.schema.json"
    assert json.loads((local_world.folder / "mappings.schema.json").read_text()) == SCHEMA


def test_a_file_may_come_from_standard_input(local_world):
    done = local_world.run("teams", "plan", "-", text=json.dumps({"teams": [team()]}), code=3)
    assert 'team "team1" appears' in done.stdout


def test_metadata_keeps_its_line_ends(world):
    xml = (METADATA / "idp.xml").read_text().replace("\n", "\r\n")
    world.put(world.idps, item(idp(metadata_xml=xml)))
    text, _ = export(world)
    assert yaml.safe_load(text)["idps"][0]["metadata_xml"] == xml
    assert world.json("teams", "plan", world.file(text, "m.yaml"))["changes"] == []
