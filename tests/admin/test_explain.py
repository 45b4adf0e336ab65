"""`saml verify --explain`: every check in words, and which mapping decides."""

import json
import subprocess

import pytest

from conftest import BINARY, ROOT, team

FIXTURES = ROOT / "tests/fixtures"
#: What tests/fixtures/generate.py minted the responses for.
ACS, SP, IDP, NOW = (
    "https://sp.example/acs",
    "https://sp.example/metadata",
    "https://idp.example/entity",
    "2026-11-22T12:00:00Z",
)
DS = "http://www.w3.org/2000/09/xmldsig#"


def metadata():
    certificate = "".join((FIXTURES / "keys/rsa2048.crt").read_text().splitlines()[1:-1])
    return (
        f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{IDP}">'
        '<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
        f'<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="{DS}"><ds:X509Data><ds:X509Certificate>'
        f"{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        "</md:IDPSSODescriptor></md:EntityDescriptor>"
    )


@pytest.fixture
def explain(tmp_path):
    def explain(response, *more, code=0, mappings=None, at=NOW, acs=ACS):
        (tmp_path / "idp.xml").write_text(metadata())
        if mappings is not None:
            (tmp_path / "mappings.json").write_text(json.dumps(mappings))
            more = ["--mappings", "mappings.json", *more]
        done = subprocess.run(
            [BINARY, "saml", "verify", "--explain", "--idp-metadata", "idp.xml"]
            + ["--sp-entity-id", SP, "--acs-url", acs, "--at", at, *more]
            + [FIXTURES / "responses" / f"{response}.xml"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        return done

    return explain


def the_checks(done):
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    return lines[0]["checks"], lines[0]["decision"]


def test_every_check_of_an_accepted_response_holds_with_expected_and_got(explain):
    checks, decision = the_checks(explain("attributes", "--output", "json"))
    assert [check["outcome"] for check in checks] == ["holds"] * 9
    assert all(check["expected"] and check["got"] for check in checks)
    assert decision is None
    words = explain("attributes")
    assert json.loads(words.stdout)["issuer"] == IDP
    assert words.stderr.count("holds") == 9 and SP in words.stderr and ACS in words.stderr


@pytest.mark.parametrize(
    "change, at, code",
    [
        ({"acs": "https://other.example/acs"}, 4, "destination_mismatch"),
        ({"at": "2030-01-01T00:00:00Z"}, 5, "confirmation_expired"),
    ],
    ids=["destination", "late"],
)
def test_what_stands_before_the_refusal_held_and_the_rest_was_not_reached(explain, change, at, code):
    done = explain("attributes", "--output", "json", code=3, **change)
    checks, _ = the_checks(done)
    expected = ["holds"] * at + ["refused"] + ["not_reached"] * (8 - at)
    assert [check["outcome"] for check in checks] == expected
    assert checks[at]["got"].startswith(f"{code}: ")
    assert json.loads(done.stderr.splitlines()[-1])["error"]["code"] == code
    assert done.stdout == ""


def test_the_response_itself_is_never_printed(explain):
    for done in [explain("attributes"), explain("attributes", code=3, at="2030-01-01T00:00:00Z")]:
        assert "<" not in done.stderr and "SignatureValue" not in done.stderr


def mappings(response_teams, **idp):
    entry = {"entity_id": IDP, "metadata_xml": metadata(), "allowed_teams": ["*"], **idp}
    return {"teams": response_teams, "idps": [entry]}


def decision_of(explain, response, **file):
    return the_checks(explain(response, "--output", "json", mappings=file["file"]))[1]


def test_the_mappings_say_which_of_them_decided(explain):
    attributes = json.loads(explain("attributes").stdout)["attributes"]
    teams_attribute = next(name for name, values in attributes.items() if values)
    named = attributes[teams_attribute][0]
    file = mappings([team("by-group", groups=[named]), team("other")], user_attribute="NameID")
    by_group = decision_of(explain, "attributes", file={**file, "idps": [{**file["idps"][0], "groups_attribute": teams_attribute}]})
    known = [team for team in by_group["teams"] if "no such team" not in team["because"]]
    assert [(team["team"], team["opens"]) for team in known] == [("by-group", True)]
    assert named in known[0]["because"] and known[0]["profile"]


@pytest.mark.parametrize(
    "idp, said",
    [
        ({"enabled": False}, "enabled: false"),
        ({"user_attribute": "no-such-attribute"}, "no-such-attribute"),
        ({"allow_unsolicited": False}, "allow_unsolicited"),
        ({"require_signed": "both"}, "require_signed"),
        ({"entity_id": "https://other.example/"}, "has no IdP"),
    ],
    ids=["disabled", "user-id", "unsolicited", "signed", "unknown"],
)
def test_an_idp_that_lets_nobody_in_says_why(explain, idp, said):
    file = mappings([], **{"user_attribute": "NameID", **idp})
    if "entity_id" in idp:
        xml = file["idps"][0]["metadata_xml"].replace(IDP, idp["entity_id"])
        file["idps"][0]["metadata_xml"] = xml
    decision = decision_of(explain, "attributes", file=file)
    assert said in decision["person"] and decision["teams"] == []
