"""Identity providers: connecting one, and changing its certificate without a gap."""

import json

from conftest import METADATA, item, team

ENTITY_ID = "https://idp.example.com/metadata"
PUBLIC = {"STUDIO_BROKER_PUBLIC_URL": "https://studio.example.com/prod"}


def test_the_first_needs_its_teams_and_says_what_to_enter_there(world):
    world.put(world.teams, item(team()))
    done = world.run("idps", "add", METADATA / "idp.xml", code=2)
    assert "--teams team1" in done.stderr and "--directory" not in done.stderr
    done = world.run("idps", "add", METADATA / "idp.xml", "--teams", "team1", **PUBLIC)
    for said in [
        ENTITY_ID,
        "https://idp.example.com/sso",
        "RSA, 2048 bits",
        "days left",
        "https://studio.example.com/prod/saml/acs",
        "https://studio.example.com/prod/saml/metadata",
        "ssouserid",
        "teamid",
    ]:
        assert said in done.stdout, said
    assert world.get(world.idps, ENTITY_ID) == item(
        {
            "entity_id": ENTITY_ID,
            "metadata_xml": (METADATA / "idp.xml").read_text(),
            "allowed_teams": ["team1"],
        }
    )


def test_the_second_needs_its_directory(world):
    world.run("idps", "add", METADATA / "idp.xml", "--all-teams")
    done = world.run("idps", "add", METADATA / "other.xml", "--all-teams", code=2)
    assert "--all-teams --directory NAME" in done.stderr
    done = world.run("idps", "add", METADATA / "other.xml", code=2)
    assert "--teams" in done.stderr and "--directory" in done.stderr
    done = world.run(
        "idps", "add", METADATA / "other.xml", "--all-teams", "--directory", "default", "--dry-run"
    )
    assert "can speak for every person of the other" in done.stdout
    world.run("idps", "add", METADATA / "other.xml", "--all-teams", "--directory", "other")
    assert world.get(world.idps, "https://other.example.com/")["directory"] == {"S": "other"}


def test_of_a_known_one_only_the_metadata_is_replaced(world):
    kept = {
        "entity_id": {"S": ENTITY_ID},
        "allowed_teams": {"SS": ["team1", "team2"]},
        "denied_users": {"L": [{"S": "x"}]},
        "directory": {"S": "okta"},
        "note": {"S": "an attribute that nobody knows"},
    }
    world.put(world.idps, kept | {"metadata_xml": {"S": (METADATA / "idp.xml").read_text()}})
    done = world.run("idps", "add", METADATA / "idp-two-keys.xml", "--all-teams")
    assert "only its metadata is replaced" in done.stderr
    assert "RSA key of 1024 bits" in done.stdout
    stored = world.get(world.idps, ENTITY_ID)
    assert stored.pop("metadata_xml")["S"] == (METADATA / "idp-two-keys.xml").read_text()
    stored["allowed_teams"]["SS"].sort()
    assert stored == kept


def test_show_counts_the_days_of_each_certificate(world):
    world.run("idps", "add", METADATA / "idp-two-keys.xml", "--all-teams")
    (shown,) = world.json("idps", "show", ENTITY_ID)["idps"]
    keys = shown["metadata"]["signing_keys"]
    assert [key["algorithm"] for key in keys] == ["RSA, 2048 bits", "P-256"]
    assert all(key["days_left"] > 10_000 for key in keys)
    assert "1024" in shown["metadata"]["warnings"][0]
    assert world.run("idps", "list").stdout.splitlines()[1].startswith(ENTITY_ID)


def test_metadata_without_a_usable_key_is_refused(world):
    done = world.run("idps", "add", METADATA / "weak.xml", "--all-teams", code=2)
    assert "RSA key of 1024 bits, expected 2048 to 8192" in done.stderr
    assert world.json("idps", "list")["idps"] == []


def test_add_answers_programs_with_one_object(world):
    done = world.json("idps", "add", METADATA / "idp.xml", "--all-teams", **PUBLIC)
    assert done["changes"][0]["outcome"] == "written"
    assert done["metadata"]["sso_redirect_url"] == "https://idp.example.com/sso"
    assert {"audience (our entity ID)": "https://studio.example.com/prod/saml/metadata"} in done[
        "enter_at_the_idp"
    ]


def test_remove_ends_it(world):
    world.run("idps", "add", METADATA / "idp.xml", "--all-teams")
    done = world.run("idps", "remove", ENTITY_ID)
    assert "its open sessions end" in done.stdout
    assert world.get(world.idps, ENTITY_ID) is None
    assert "there is no" in world.run("idps", "remove", ENTITY_ID, code=1).stderr
    assert "there is no" in world.run("idps", "remove", ENTITY_ID, "--ignore-missing").stderr


def test_a_metadata_file_is_found_beside_the_mapping_file(world):
    folder = world.folder / "deep"
    folder.mkdir()
    (folder / "idp.xml").write_text((METADATA / "idp.xml").read_text())
    entry = {"entity_id": ENTITY_ID, "metadata_file": "idp.xml", "allowed_teams": ["*"]}
    (folder / "mappings.json").write_text(json.dumps({"idps": [entry]}))
    world.run("idps", "apply", "deep/mappings.json")
    assert "metadata_file" not in world.get(world.idps, ENTITY_ID)
    (folder / "idp.xml").write_text("<none/>")
    done = world.run("idps", "plan", "deep/mappings.json", code=2)
    assert "deep/mappings.json:1: IdP" in done.stderr and "metadata_xml" in done.stderr


def test_metadata_that_shares_no_key_with_what_is_there_needs_a_flag(world):
    world.run("idps", "add", METADATA / "idp.xml", "--all-teams")
    before = world.get(world.idps, ENTITY_ID)
    other = (METADATA / "other.xml").read_text().replace("https://other.example.com/", ENTITY_ID)
    (world.folder / "second.xml").write_text(other)
    done = world.run("idps", "add", world.folder / "second.xml", code=2)
    assert "none of the 1 key" in done.stderr and "nobody whose sign-in is signed by it" in done.stderr
    assert "--replace-keys" in done.stderr and "second application" in " ".join(done.stderr.split())
    assert world.get(world.idps, ENTITY_ID) == before, "nothing is lost"
    world.run("idps", "add", METADATA / "idp-two-keys.xml")
    world.put(world.idps, before)
    world.run("idps", "add", world.folder / "second.xml", "--replace-keys", "--dry-run")
    assert world.get(world.idps, ENTITY_ID) == before


def test_why_metadata_cannot_be_used_is_said(world):
    cases = METADATA.parent / "cases"
    done = world.run("idps", "add", cases / "metadata-reason/idp.xml", "--all-teams", code=2)
    assert "the certificate is not base64" in done.stderr
    (world.folder / "utf16.xml").write_bytes((METADATA / "idp.xml").read_text().encode("utf-16"))
    done = world.run("idps", "add", world.folder / "utf16.xml", "--all-teams", code=2)
    assert "save it as UTF-8" in done.stderr


def test_of_a_chain_one_key_is_listed_and_the_rest_warned_about(world):
    chain = METADATA.parent / "cases/x509data-chain/idp.xml"
    done = world.run("idps", "add", chain, "--all-teams", "--output", "json")
    metadata = json.loads(done.stdout)["metadata"]
    assert len(metadata["signing_keys"]) == 1
    assert len(metadata["warnings"]) == 1 and "signs nobody in" in metadata["warnings"][0]
    done = world.run("idps", "show", "https://idp.example.com/saml")
    assert done.stdout.count("RSA, 2048 bits") == 1 and "signs nobody in" in done.stdout
