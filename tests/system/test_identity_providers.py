"""Sign-ins with identity providers that nobody here wrote, really posted to the running broker."""

import base64
import datetime
import functools
import html
import http.cookiejar
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
import saml2.entity
import saml2.server
import saml2.sigver
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAMEID_FORMAT_EMAILADDRESS, NAMEID_FORMAT_TRANSIENT, NameID
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

from programs import REPOSITORY
from world import PUBLIC_URL, fetch, unique

KEYS = REPOSITORY / "tests" / "fixtures" / "keys"
ACS, AUDIENCE = f"{PUBLIC_URL}/saml/acs", f"{PUBLIC_URL}/saml/metadata"
SIGNATURES = ["response", "assertion", "both"]
GCM = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
CBC = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
HERE = REPOSITORY / "tests" / "system"


@pytest.fixture(scope="module")
def broker(world):
    """A broker that can read encrypted assertions."""
    return world.serve(STUDIO_BROKER_SP_KEY=(KEYS / "sp.pem").read_text())


@pytest.fixture(scope="module")
def our_metadata(broker):
    """Our metadata as administrators give it to their identity provider."""
    return broker.browser().get("/saml/metadata").text


def person():
    return unique("person-")


def request_of(location):
    """The SAMLRequest of a redirect, as the browser brings it to the identity provider."""
    (request,) = parse_qs(urlsplit(location).query)["SAMLRequest"]
    return request


class Pysaml2:
    """pysaml2 as an identity provider."""

    entity_id = "https://pysaml2.example.org/idp"
    sso = "https://pysaml2.example.org/sso"

    def __init__(self, our_metadata, lifetime=datetime.timedelta(minutes=15)):
        settings = {
            "entityid": self.entity_id,
            "key_file": str(KEYS / "rsa4096.pem"),
            "cert_file": str(KEYS / "rsa4096.crt"),
            "xmlsec_binary": shutil.which("xmlsec1"),
            "metadata": {"inline": [our_metadata]},
            "service": {
                "idp": {
                    "endpoints": {"single_sign_on_service": [(self.sso, BINDING_HTTP_REDIRECT)]},
                    "policy": {
                        "default": {
                            "lifetime": {"seconds": int(lifetime.total_seconds())},
                            "attribute_restrictions": None,
                        }
                    },
                }
            },
        }
        self.config = IdPConfig().load(settings)
        self.server = saml2.server.Server(config=self.config)

    def metadata(self):
        return str(entity_descriptor(self.config))

    def respond(
        self,
        user_id,
        teams,
        sign="both",
        request=None,
        audience=AUDIENCE,
        encrypt=None,
        name_id_format=NAMEID_FORMAT_EMAILADDRESS,
    ):
        in_response_to, destination = None, ACS
        if request is not None:
            parsed = self.server.parse_authn_request(request, BINDING_HTTP_REDIRECT)
            arguments = self.server.response_args(parsed.message, [BINDING_HTTP_POST])
            in_response_to, destination = arguments["in_response_to"], arguments["destination"]
        original = saml2.entity.pre_encryption_part, self.server.sec.crypto.encrypt_assertion
        if encrypt:
            # It says 3DES unless its template and xmlsec1's session key are told otherwise.
            saml2.entity.pre_encryption_part = functools.partial(
                saml2.sigver.pre_encryption_part, msg_enc=encrypt
            )
            self.server.sec.crypto.encrypt_assertion = lambda statement, key, template, _, xpath: (
                original[1](statement, key, template, "aes-256", xpath)
            )
        try:
            response = self.server.create_authn_response(
                {"ssouserid": [user_id], "teamid": teams},
                in_response_to,
                destination,
                audience,
                name_id=NameID(format=name_id_format, text=f"{user_id}@example.org"),
                authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"},
                sign_alg=SIG_RSA_SHA256,
                digest_alg=DIGEST_SHA256,
                sign_response=sign in ("response", "both"),
                sign_assertion=sign in ("assertion", "both"),
                encrypt_assertion=encrypt is not None,
                encrypt_cert_assertion=(KEYS / "sp.crt").read_text() if encrypt else None,
            )
        finally:
            saml2.entity.pre_encryption_part, self.server.sec.crypto.encrypt_assertion = original
        return base64.b64encode(str(response).encode()).decode()


class FromNpm:
    """samlp or samlify, behind the line protocol of `idps.cjs`."""

    def __init__(self, name, our_metadata, folder):
        self.name, self.entity_id, self.sso = (
            name,
            f"https://{name}.example.org/idp",
            f"https://{name}.example.org/sso",
        )
        (folder / "sp.xml").write_text(our_metadata)
        arguments = [KEYS / "rsa2048.pem", KEYS / "rsa2048.crt", KEYS / "sp.crt", folder / "sp.xml"]
        self.log = (folder / f"{name}.err").open("w+")
        self.process = subprocess.Popen(
            ["node", HERE / "idps.cjs", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )

    def ask(self, what, **command):
        usual = {"idp": self.name, "do": what, "entityId": self.entity_id, "sso": self.sso}
        self.process.stdin.write(json.dumps({**usual, **command}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, (HERE, self.log.seek(0), self.log.read())
        answer = json.loads(line)
        assert "result" in answer, answer["error"]
        return answer["result"]

    def metadata(self):
        return self.ask("metadata")

    def respond(
        self,
        user_id,
        teams,
        sign="both",
        request=None,
        audience=AUDIENCE,
        encrypt=None,
        lifetime=900,
    ):
        return self.ask(
            "respond",
            acs=ACS,
            audience=audience,
            user={
                "nameId": f"{user_id}@example.org",
                "attributes": {"ssouserid": user_id, "teamid": teams},
            },
            sign=sign,
            request=request,
            encrypt=encrypt,
            lifetime=lifetime,
        )

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.log.close()


def register(world, idp, metadata):
    world.aws.idps.put_item(
        Item={"entity_id": idp.entity_id, "metadata_xml": metadata, "allowed_teams": ["*"]}
    )


@pytest.fixture(scope="module")
def pysaml2(world, our_metadata):
    idp = Pysaml2(our_metadata)
    register(world, idp, idp.metadata())
    return idp


def npm_fixture(name):
    @pytest.fixture(scope="module", name=name)
    def fixture(world, our_metadata, tmp_path_factory):
        idp = FromNpm(name, our_metadata, tmp_path_factory.mktemp(name))
        register(world, idp, idp.metadata())
        yield idp
        idp.stop()

    return fixture


samlp, samlify = npm_fixture("samlp"), npm_fixture("samlify")
LIBRARIES = ["pysaml2", "samlp", "samlify"]


@pytest.fixture(params=LIBRARIES)
def idp(request):
    return request.getfixturevalue(request.param)


def opened_as(aws, user_id):
    """The profile that the last presigned URL opens is the person's."""
    presigned = aws.calls(operation="CreatePresignedDomainUrl", error=None)[-1]
    return presigned["parameters"]["UserProfileName"] == f"{user_id}-team3"


# each of them


@pytest.mark.parametrize("sign", SIGNATURES)
def test_a_response_that_nobody_asked_for_is_accepted(broker, aws, idp, sign):
    user = person()
    answer = broker.browser().post_from_idp(idp.respond(user, ["team3"], sign=sign))
    assert answer.opens_studio(), answer.code
    assert opened_as(aws, user)


@pytest.mark.parametrize("sign", SIGNATURES)
def test_an_answer_to_our_real_request_is_accepted(broker, aws, idp, sign):
    user, browser = person(), broker.browser()
    login = browser.get(f"/saml/login?team=team3&idp={quote(idp.entity_id, safe='')}")
    assert login.location.startswith(f"{idp.sso}?SAMLRequest=")
    response = idp.respond(user, ["team3"], sign=sign, request=request_of(login.location))
    assert broker.browser().post_from_idp(response).code == "request_unknown", "another browser"
    answer = browser.post_from_idp(response)
    assert answer.opens_studio(), answer.code
    assert opened_as(aws, user)


def test_several_teams_lead_to_the_chooser(broker, aws, pysaml2):
    browser = broker.browser()
    answer = browser.post_from_idp(pysaml2.respond(person(), ["team1", "team2", "team3"]))
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")
    for team in ["team1", "team2", "team3"]:
        assert f"{PUBLIC_URL}/teams/{team}" in browser.get("/").links


@pytest.mark.parametrize("sign", SIGNATURES)
def test_an_encrypted_assertion_is_accepted(broker, aws, idp, sign):
    user = person()
    answer = broker.browser().post_from_idp(idp.respond(user, ["team3"], sign=sign, encrypt=GCM))
    assert answer.opens_studio(), answer.code
    assert opened_as(aws, user)


def test_an_answer_with_an_encrypted_assertion_is_accepted(broker, aws, idp):
    user, browser = person(), broker.browser()
    login = browser.get(f"/saml/login?idp={quote(idp.entity_id, safe='')}")
    response = idp.respond(user, ["team3"], request=request_of(login.location), encrypt=GCM)
    assert browser.post_from_idp(response).opens_studio()
    assert opened_as(aws, user)


@pytest.mark.parametrize("name", ["pysaml2", "samlp"])
def test_cbc_is_read_inside_a_signed_response_only(request, broker, aws, name):
    idp = request.getfixturevalue(name)
    answer = broker.browser().post_from_idp(
        idp.respond(person(), ["team3"], sign="both", encrypt=CBC)
    )
    assert answer.opens_studio(), answer.code
    refused = broker.browser().post_from_idp(
        idp.respond(person(), ["team3"], sign="assertion", encrypt=CBC)
    )
    assert (refused.status, refused.code) == (403, "encryption_unauthenticated")


def test_triple_des_is_refused(broker, aws, pysaml2):
    triple_des = "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"
    response = pysaml2.server.create_authn_response(
        {"ssouserid": [person()], "teamid": ["team3"]},
        None,
        ACS,
        AUDIENCE,
        name_id=NameID(format=NAMEID_FORMAT_EMAILADDRESS, text="x@example.org"),
        authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"},
        sign_alg=SIG_RSA_SHA256,
        digest_alg=DIGEST_SHA256,
        sign_response=True,
        sign_assertion=True,
        encrypt_assertion=True,
        encrypt_cert_assertion=(KEYS / "sp.crt").read_text(),
    )
    assert triple_des in str(response)
    answer = broker.browser().post_from_idp(base64.b64encode(str(response).encode()).decode())
    assert (answer.status, answer.code) == (403, "encryption_unsupported")


def test_an_encrypted_assertion_without_a_key_of_ours_is_refused(world, aws, pysaml2):
    keyless = world.serve()
    answer = keyless.browser().post_from_idp(pysaml2.respond(person(), ["team3"], encrypt=GCM))
    assert (answer.status, answer.code) == (403, "decryption_key_missing")


# each with one thing wrong


OTHER_AUDIENCE = "https://other.example.com/saml/metadata"


@pytest.mark.parametrize("name", ["samlp", "samlify"])
def test_a_response_for_another_audience_is_refused(request, broker, aws, name):
    response = request.getfixturevalue(name).respond(person(), ["team3"], audience=OTHER_AUDIENCE)
    answer = broker.browser().post_from_idp(response)
    assert (answer.status, answer.code) == (403, "audience_mismatch")


def test_a_response_of_pysaml2_for_another_audience_is_refused(broker, aws, pysaml2, our_metadata):
    idp = Pysaml2(our_metadata.replace(AUDIENCE, OTHER_AUDIENCE))
    answer = broker.browser().post_from_idp(
        idp.respond(person(), ["team3"], audience=OTHER_AUDIENCE)
    )
    assert (answer.status, answer.code) == (403, "audience_mismatch")


@pytest.mark.parametrize("name", ["samlp", "samlify"])
def test_an_expired_response_is_refused(request, broker, aws, name):
    response = request.getfixturevalue(name).respond(person(), ["team3"], lifetime=-300)
    answer = broker.browser().post_from_idp(response)
    assert answer.status == 403
    assert answer.code in ("expired", "confirmation_expired")


def test_an_expired_response_of_pysaml2_is_refused(broker, aws, pysaml2, our_metadata):
    response = Pysaml2(our_metadata, datetime.timedelta(minutes=-5)).respond(person(), ["team3"])
    answer = broker.browser().post_from_idp(response)
    assert answer.status == 403
    assert answer.code in ("expired", "confirmation_expired")


def test_a_changed_response_is_refused(broker, aws, idp):
    response = base64.b64decode(idp.respond("the-user-id", ["team3"]))
    assert b"the-user-id" in response
    changed = response.replace(b"the-user-id", b"somebody-id")
    answer = broker.browser().post_from_idp(base64.b64encode(changed).decode())
    assert (answer.status, answer.code) == (403, "digest_mismatch")


def test_a_response_without_its_signatures_is_refused(broker, aws, idp):
    response = base64.b64decode(idp.respond(person(), ["team3"])).decode()
    bare = re.sub(
        r"<(ds:|ns\d+:)?Signature[ >].*?</(ds:|ns\d+:)?Signature>", "", response, flags=re.S
    )
    assert "SignatureValue" not in bare
    answer = broker.browser().post_from_idp(base64.b64encode(bare.encode()).decode())
    assert (answer.status, answer.code) == (403, "signature_missing")


def test_a_response_of_one_idp_in_the_name_of_another_is_refused(broker, aws, samlp, pysaml2):
    response = samlp.ask(
        "respond",
        entityId=pysaml2.entity_id,
        acs=ACS,
        audience=AUDIENCE,
        user={
            "nameId": "x@example.org",
            "attributes": {"ssouserid": person(), "teamid": ["team3"]},
        },
        sign="both",
        lifetime=900,
    )
    answer = broker.browser().post_from_idp(response)
    assert (answer.status, answer.code) == (403, "signature_invalid")


def test_a_response_is_used_once(broker, aws, idp):
    response = idp.respond(person(), ["team3"])
    assert broker.browser().post_from_idp(response).opens_studio()
    answer = broker.browser().post_from_idp(response)
    assert (answer.status, answer.code) == (403, "replayed")


def test_a_transient_name_id_names_nobody(broker, aws, pysaml2):
    aws.change_idp(pysaml2.entity_id, user_attribute="NameID")
    try:
        refused = broker.browser().post_from_idp(
            pysaml2.respond("x", ["team3"], name_id_format=NAMEID_FORMAT_TRANSIENT)
        )
        assert (refused.status, refused.code) == (403, "user_id_unusable")
        assert broker.browser().post_from_idp(pysaml2.respond("x", ["team3"])).opens_studio()
    finally:
        aws.change_idp(pysaml2.entity_id, user_attribute=None)


# SimpleSAMLphp, a whole identity provider with pages and sessions of its own


class SimpleSamlPhp:
    """SimpleSAMLphp from Debian, served by PHP's own server."""

    def __init__(self, folder, our_metadata):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{port}"
        self.entity_id = "https://simplesamlphp.example.org/idp"
        for name in ("metadata", "cert", "log", "data", "tmp"):
            (folder / name).mkdir()
        for name in ("pem", "crt"):
            shutil.copy(KEYS / f"rsa2048.{name}", folder / "cert" / f"idp.{name}")
        encryption = "".join((KEYS / "sp.crt").read_text().splitlines()[1:-1])
        (folder / "config.php").write_text(f"""<?php $config = [
            'baseurlpath' => '{self.base}/', 'certdir' => '{folder}/cert/', 'loggingdir' => '{folder}/log/',
            'datadir' => '{folder}/data/', 'tempdir' => '{folder}/tmp', 'secretsalt' => 'a salt for this test',
            'auth.adminpassword' => 'unused', 'logging.handler' => 'errorlog', 'enable.saml20-idp' => true,
            'store.type' => 'phpsession', 'session.cookie.secure' => false, 'session.cookie.samesite' => null,
            'session.phpsession.savepath' => '{folder}/tmp',
            'metadatadir' => '{folder}/metadata/', 'metadata.sources' => [['type' => 'flatfile', 'directory' => '{folder}/metadata']],
            'timezone' => 'UTC', 'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
        ];""")
        (folder / "authsources.php").write_text("""<?php $config = [
            'people' => ['exampleauth:UserPass',
                'ann:password' => ['ssouserid' => ['ann-of-php'], 'teamid' => ['team1', 'team3'], 'email' => ['ann@example.org']],
                'bob:password' => ['ssouserid' => ['bob-of-php'], 'teamid' => ['team3'], 'email' => ['bob@example.org']],
            ],
        ];""")
        (
            folder / "metadata" / "saml20-idp-hosted.php"
        ).write_text(f"""<?php $metadata['{self.entity_id}'] = [
            'host' => '__DEFAULT__', 'privatekey' => 'idp.pem', 'certificate' => 'idp.crt', 'auth' => 'people',
            'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
            'NameIDFormat' => 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress', 'simplesaml.nameidattribute' => 'email',
            'assertion.encryption' => false,
        ];""")
        assert 'entityID="' in our_metadata
        (
            folder / "metadata" / "saml20-sp-remote.php"
        ).write_text(f"""<?php $metadata['{AUDIENCE}'] = [
            'AssertionConsumerService' => '{ACS}', 'SingleLogoutService' => '{PUBLIC_URL}/none',
            'NameIDFormat' => 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress', 'simplesaml.nameidattribute' => 'email',
            'saml20.sign.response' => true, 'saml20.sign.assertion' => true,
            'keys' => [['type' => 'X509Certificate', 'signing' => false, 'encryption' => true, 'X509Certificate' => '{encryption}']],
        ];""")
        self.log = (folder / "php.log").open("w")
        self.process = subprocess.Popen(
            ["php", "-S", f"127.0.0.1:{port}", "-t", "/usr/share/simplesamlphp/www"],
            env={"PATH": "/usr/bin:/bin", "SIMPLESAMLPHP_CONFIG_DIR": str(folder)},
            stdout=self.log,
            stderr=self.log,
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                self.metadata = fetch(f"{self.base}/saml2/idp/metadata.php?output=xml")
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)

    def sign_in(self, user, query):
        """What a person does there; the form that the identity provider makes the browser post."""
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        browser = urllib.request.build_opener(jar)
        with browser.open(f"{self.base}/saml2/idp/SSOService.php?{query}", timeout=20) as page:
            address, text = page.geturl(), page.read().decode()
        form = dict(re.findall(r'<input[^>]*name="([^"]*)"[^>]*value="([^"]*)"', text))
        form = {name: html.unescape(value) for name, value in form.items()}
        form.update(username=user, password="password")
        with browser.open(address, urlencode(form).encode(), timeout=20) as page:
            text = page.read().decode()
        fields = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', text))
        assert "SAMLResponse" in fields, text[:2000]
        assert f'action="{ACS}"' in text
        return {name: html.unescape(value) for name, value in fields.items()}

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        self.log.close()


@pytest.fixture(scope="module")
def simplesamlphp(world, our_metadata, tmp_path_factory):
    idp = SimpleSamlPhp(tmp_path_factory.mktemp("simplesamlphp"), our_metadata)
    # Its addresses are plain http here, as nothing terminates TLS in front of it.
    metadata = idp.metadata.replace(idp.base, "https://simplesamlphp.example.org")
    register(world, idp, metadata)
    yield idp
    idp.stop()


def test_simplesamlphp_answers_our_request(broker, aws, simplesamlphp):
    browser = broker.browser()
    login = browser.get(f"/saml/login?team=team3&idp={quote(simplesamlphp.entity_id, safe='')}")
    assert login.location.startswith("https://simplesamlphp.example.org/")
    fields = simplesamlphp.sign_in("ann", urlsplit(login.location).query)
    answer = browser.post_from_idp(fields["SAMLResponse"], fields.get("RelayState"))
    assert answer.opens_studio(), answer.code
    assert opened_as(aws, "ann-of-php")


def test_simplesamlphp_starts_a_sign_in_itself(broker, aws, simplesamlphp):
    query = urlencode({"spentityid": AUDIENCE, "RelayState": "/teams/team3"})
    fields = simplesamlphp.sign_in("ann", query)
    browser = broker.browser()
    answer = browser.post_from_idp(fields["SAMLResponse"], fields.get("RelayState"))
    assert answer.opens_studio(), answer.code
    assert browser.get("/").status == 200


def test_a_response_of_simplesamlphp_is_used_once(broker, aws, simplesamlphp):
    fields = simplesamlphp.sign_in("bob", urlencode({"spentityid": AUDIENCE}))
    assert broker.browser().post_from_idp(fields["SAMLResponse"]).opens_studio()
    assert broker.browser().post_from_idp(fields["SAMLResponse"]).code == "replayed"
