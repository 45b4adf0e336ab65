"""`studio-broker saml verify`: exit codes, the one object, the one last line."""

import base64
import json

import pytest

from programs import REPOSITORY, run

FIXTURES = REPOSITORY / "tests" / "fixtures"
#: What tests/fixtures/generate.py minted the responses for.
ACS, SP, IDP, NOW = (
    "https://sp.example/acs",
    "https://sp.example/metadata",
    "https://idp.example/entity",
    "2026-11-22T12:00:00Z",
)
EXPECTED = json.loads((FIXTURES / "responses.json").read_text())
DS = "http://www.w3.org/2000/09/xmldsig#"


def metadata_of(*keys, entity_id=IDP):
    descriptors = ""
    for key in keys:
        certificate = "".join((FIXTURES / "keys" / f"{key}.crt").read_text().splitlines()[1:-1])
        descriptors += (
            f'<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="{DS}"><ds:X509Data>'
            f"<ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        )
    return (
        f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{entity_id}">'
        '<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
        f"{descriptors}</md:IDPSSODescriptor></md:EntityDescriptor>"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Metadata and keys as files."""
    folder = tmp_path_factory.mktemp("verify")
    keys = ["rsa2048", "rsa4096", "rsa8192", "p256", "p384", "expired"]
    (folder / "idp.xml").write_text(metadata_of(*keys))
    sp_keys = [(FIXTURES / "keys" / name).read_text() for name in ("sp.pkcs1.pem", "sp-next.pem")]
    (folder / "sp.pem").write_text("".join(sp_keys))
    return folder


@pytest.fixture
def verify(folder):
    """Runs the command on a response; what it is about can be changed."""

    def verify(response, *more, settings=None, at=NOW, **changes):
        values = {"idp-metadata": folder / "idp.xml", "sp-entity-id": SP, "acs-url": ACS, **changes}
        arguments = [
            part for name, value in values.items() if value for part in (f"--{name}", value)
        ]
        if at:
            arguments += ["--at", at]
        if not hasattr(response, "exists"):
            path = folder / "response"
            path.write_bytes(response if isinstance(response, bytes) else response.encode())
            response = path
        return run("saml", "verify", *arguments, *more, response, settings=settings)

    return verify


def fixture(name):
    return (FIXTURES / "responses" / f"{name}.xml").read_bytes()


def accepted(ended):
    assert ended.returncode == 0, ended.stderr
    (line,) = ended.stdout.splitlines()
    return json.loads(line)


def refused(ended):
    """The code of a refusal, which is the last line of standard error and nothing else anywhere."""
    assert ended.returncode == 3, (ended.returncode, ended.stdout, ended.stderr)
    assert ended.stdout == ""
    error = json.loads(ended.stderr.splitlines()[-1])
    assert set(error) == {"error"} and set(error["error"]) == {"code", "message"}
    assert error["error"]["message"]
    return error["error"]["code"]


PLAIN = "xmlsec-both-signed"


@pytest.mark.parametrize("name", EXPECTED)
def test_what_independent_signers_made_is_accepted_and_read_exactly(verify, folder, name):
    keys = ["--sp-key", folder / "sp.pem"] if EXPECTED[name]["sp_key"] else []
    assert accepted(verify(fixture(name), *keys)) == EXPECTED[name]["output"]


@pytest.mark.parametrize(
    "encode",
    [
        base64.b64encode,
        base64.encodebytes,
        lambda xml: base64.encodebytes(xml).replace(b"\n", b"\r\n"),
        lambda xml: base64.b64encode(xml) + b"\n",
    ],
    ids=["plain", "wrapped", "crlf", "last-line-break"],
)
def test_a_file_may_hold_base64(verify, encode):
    assert accepted(verify(encode(fixture(PLAIN)))) == EXPECTED[PLAIN]["output"]


def test_the_object_has_exactly_these_members(verify):
    output = accepted(verify(fixture(PLAIN)))
    assert set(output) == {
        "issuer",
        "assertion_id",
        "subject",
        "session_index",
        "not_on_or_after",
        "attributes",
    }
    assert set(output["subject"]) == {"name_id", "format"}


@pytest.mark.parametrize(
    "at, code",
    [
        ("2026-11-22T12:05:59Z", None),
        ("2026-11-22T12:06:00Z", "expired"),
        ("2030-01-01T00:00:00Z", "expired"),
        ("2026-11-22T13:00:00+01:00", None),
        ("2020-01-01T00:00:00Z", "not_yet_valid"),
    ],
)
def test_the_given_moment_is_now_and_the_skew_is_a_minute(verify, at, code):
    ended = verify(fixture(PLAIN), at=at)
    if code is None:
        accepted(ended)
    else:
        assert refused(ended).endswith(code)


def test_without_a_moment_the_clock_counts(verify):
    assert refused(verify(fixture(PLAIN), at=None)).endswith("expired")


def test_an_unsolicited_response_answers_no_request(verify):
    assert refused(verify(fixture(PLAIN), **{"in-response-to": "_request"}))


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"sp-entity-id": "https://sp.example/metadata/"}, "audience_mismatch"),
        ({"sp-entity-id": "HTTPS://sp.example/metadata"}, "audience_mismatch"),
        ({"acs-url": "https://sp.example/acs/"}, "destination_mismatch"),
        ({"acs-url": "not even a url"}, "destination_mismatch"),
    ],
)
def test_entity_id_and_acs_are_opaque_and_compared_byte_for_byte(verify, changes, code):
    assert refused(verify(fixture(PLAIN), **changes)) == code


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"\n",
        b"not xml, not base64!",
        b"AAAA",
        b"\xff\xfe<\x00",
        b"<a/>",
        b"<?xml version='1.0'?>",
        b"\x00" * 100,
        base64.b64encode(b"<html/>"),
        b"A" * 1_000_000,
    ],
    ids=range(10),
)
def test_a_file_that_holds_no_response_is_a_refusal(verify, response):
    refused(verify(response))


@pytest.mark.parametrize(
    "change, code",
    [
        (lambda xml: xml.replace(b"ann@example.org", b"bob@example.org"), "digest_mismatch"),
        (lambda xml: b"<!DOCTYPE x []>" + xml, "doctype_refused"),
        (lambda xml: b"<?pi?>" + xml, "processing_instruction_refused"),
        (lambda xml: b"\xef\xbb\xbf" + xml, "not_utf8"),
        (lambda xml: xml[:-10], "xml_malformed"),
        (lambda xml: xml + b" " * 262_144, "too_large"),
    ],
    ids=["changed", "doctype", "pi", "bom", "cut", "large"],
)
def test_a_response_with_one_thing_wrong_is_refused_with_its_code(verify, change, code):
    assert refused(verify(change(fixture(PLAIN)))) == code


@pytest.mark.parametrize(
    "metadata",
    ["", "no xml", "<a/>", metadata_of(), metadata_of("rsa1024")],
    ids=["empty", "text", "other", "no-key", "short-key"],
)
def test_metadata_without_a_usable_key_is_a_refusal(verify, folder, metadata):
    (folder / "bad.xml").write_text(metadata)
    refused(verify(fixture(PLAIN), **{"idp-metadata": folder / "bad.xml"}))


def test_another_idps_metadata_is_a_refusal(verify, folder):
    (folder / "other.xml").write_text(metadata_of("rsa2048", entity_id="https://other.example"))
    assert (
        refused(verify(fixture(PLAIN), **{"idp-metadata": folder / "other.xml"}))
        == "issuer_mismatch"
    )


def test_another_idps_key_is_a_refusal(verify, folder):
    (folder / "foreign.xml").write_text(metadata_of("foreign"))
    ended = verify(fixture(PLAIN), **{"idp-metadata": folder / "foreign.xml"})
    assert refused(ended) == "signature_invalid"


ENCRYPTED = "encrypted-both-signed"


def test_an_encrypted_assertion_without_a_key_is_a_refusal(verify):
    assert refused(verify(fixture(ENCRYPTED))) == "decryption_key_missing"


@pytest.mark.parametrize(
    "key", ["", "no key", (FIXTURES / "keys" / "p256.pem").read_text()], ids=range(3)
)
def test_a_key_that_cannot_be_used_is_a_refusal(verify, folder, key):
    (folder / "bad.pem").write_text(key)
    refused(verify(fixture(ENCRYPTED), "--sp-key", folder / "bad.pem"))


def test_another_key_decrypts_nothing(verify):
    ended = verify(fixture(ENCRYPTED), "--sp-key", FIXTURES / "keys" / "foreign.pem")
    assert refused(ended) == "decryption_failed"


@pytest.mark.parametrize("missing", ["response", "metadata", "key", "folder"])
def test_a_file_that_cannot_be_read_is_exit_2(verify, folder, missing):
    nowhere = folder / "nowhere"
    ended = {
        "response": lambda: verify(nowhere),
        "metadata": lambda: verify(fixture(PLAIN), **{"idp-metadata": nowhere}),
        "key": lambda: verify(fixture(PLAIN), "--sp-key", nowhere),
        "folder": lambda: verify(folder),
    }[missing]()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert str(folder) in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--at", "yesterday"],
        ["--at", "2026-11-22"],
        ["--unknown"],
        ["another-file"],
        ["--sp-key"],
    ],
)
def test_wrong_arguments_are_exit_2(verify, arguments):
    ended = verify(FIXTURES / "responses" / f"{PLAIN}.xml", *arguments, at=None)
    assert (ended.returncode, ended.stdout) == (2, "")


@pytest.mark.parametrize("missing", ["idp-metadata", "sp-entity-id", "acs-url"])
def test_a_missing_argument_is_exit_2(verify, missing):
    ended = verify(fixture(PLAIN), **{missing: None})
    assert (ended.returncode, ended.stdout) == (2, "")


def test_no_other_setting_is_touched_and_no_network(verify):
    settings = {
        "STUDIO_BROKER_PUBLIC_URL": "nonsense",
        "STUDIO_BROKER_CLOCK_SKEW_SECONDS": "0",
        "STUDIO_BROKER_SP_KEY": "nonsense",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    ended = verify(fixture(PLAIN), settings=settings, at="2026-11-22T12:05:59Z")
    assert accepted(ended) == EXPECTED[PLAIN]["output"]
    assert ended.stderr == ""


def test_explain_speaks_on_standard_error_and_changes_nothing_else(verify):
    ended = verify(fixture(PLAIN), "--explain")
    assert accepted(ended) == EXPECTED[PLAIN]["output"]
    assert ended.stderr
    ended = verify(fixture(PLAIN), "--explain", **{"sp-entity-id": "https://other.example"})
    assert refused(ended) == "audience_mismatch"
    assert len(ended.stderr.splitlines()) > 1


def test_output_json_is_understood_as_everywhere(verify):
    assert accepted(verify(fixture(PLAIN), "--output", "json")) == EXPECTED[PLAIN]["output"]


def case(folder, response, *more):
    """The command on one of the small inputs from real life."""
    folder = FIXTURES / "cases" / folder
    return run(
        "saml", "verify", "--idp-metadata", folder / "idp.xml",
        "--sp-entity-id", "https://studio.example.com/saml/metadata",
        "--acs-url", "https://studio.example.com/saml/acs",
        "--at", "2026-06-01T12:00:00Z", *more, folder / f"{response}.xml",
    )


def refusal(done):
    assert done.returncode == 3, done.stderr
    return json.loads(done.stderr.splitlines()[-1])["error"]


def test_of_a_chain_only_the_certificate_that_issued_none_signs():
    assert case("x509data-chain", "leaf").returncode == 0
    assert refusal(case("x509data-chain", "ca"))["code"] == "signature_invalid"


def test_times_at_the_end_of_the_year_9999_are_later_than_now():
    for response in ["conditions", "session"]:
        done = case("far-future", response)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["not_on_or_after"] > "2026-06-01"


def test_why_metadata_is_refused_is_said():
    for more in [[], ["--explain"]]:
        error = refusal(case("metadata-reason", "response", *more))
        assert error["code"] == "metadata_key_missing"
        assert "the certificate is not base64" in error["message"]


def test_metadata_in_another_encoding_is_refused_with_what_to_do(folder, verify, tmp_path):
    text = (folder / "idp.xml").read_text()
    (tmp_path / "idp.xml").write_bytes(text.encode("utf-16"))
    response = FIXTURES / "responses" / "attributes.xml"
    arguments = ["--sp-entity-id", SP, "--acs-url", ACS, "--at", NOW, response]
    done = run("saml", "verify", "--idp-metadata", tmp_path / "idp.xml", *arguments)
    assert "save it as UTF-8" in refusal(done)["message"]
    (tmp_path / "idp.xml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert run("saml", "verify", "--idp-metadata", tmp_path / "idp.xml", *arguments).returncode == 0


def test_a_response_that_was_formatted_after_it_was_signed_is_explained(folder, tmp_path):
    xml = (FIXTURES / "responses" / "signxml-assertion-signed.xml").read_text()
    (tmp_path / "response.xml").write_text(xml.replace("><", ">\n  <"))
    arguments = ["--sp-entity-id", SP, "--acs-url", ACS, "--at", NOW, tmp_path / "response.xml"]
    done = run("saml", "verify", "--explain", "--idp-metadata", folder / "idp.xml", *arguments)
    assert refusal(done)["code"] in ("digest_mismatch", "signature_invalid")
    assert "formatted after it was signed" in " ".join(done.stderr.split())
    (tmp_path / "response.xml").write_text(xml.replace("ann@example.org", "eve@example.org"))
    done = run("saml", "verify", "--explain", "--idp-metadata", folder / "idp.xml", *arguments)
    assert refusal(done)["code"] == "digest_mismatch" and "formatted" not in done.stderr
