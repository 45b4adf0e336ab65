"""The test identity provider's signatures, verified by lxml and signxml."""

import base64
import textwrap
import urllib.parse
import urllib.request

import pytest
from lxml import etree
from signxml import InvalidSignature, XMLVerifier

SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
RESPONSE = "{urn:oasis:names:tc:SAML:2.0:protocol}Response"


def certificate(idp):
    with urllib.request.urlopen(f"{idp}/metadata") as answer:
        text = etree.fromstring(answer.read()).findtext(".//{*}X509Certificate")
    lines = "\n".join(textwrap.wrap(text, 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


def minted(idp, **parameters):
    query = urllib.parse.urlencode(parameters)
    with urllib.request.urlopen(f"{idp}/_control/response?{query}") as answer:
        return base64.b64decode(answer.read())


def verified(idp, xml):
    return XMLVerifier().verify(xml, x509_cert=certificate(idp), id_attribute="ID").signed_xml


@pytest.mark.parametrize("sign", ["both", "response"])
def test_the_signature_of_the_response_verifies(idp, sign):
    signed = verified(idp, minted(idp, person="user-1", sign=sign))
    assert signed.tag == RESPONSE


@pytest.mark.parametrize("sign", ["both", "assertion"])
def test_the_signature_of_the_assertion_verifies_where_it_stands(idp, sign):
    document = etree.fromstring(minted(idp, person="user-14", sign=sign))
    outer = document.find("{http://www.w3.org/2000/09/xmldsig#}Signature")
    if outer is not None:
        document.remove(outer)
    assert verified(idp, document).tag == f"{SAML}Assertion"


def test_values_that_need_escaping_verify_and_arrive(idp):
    value = "ä & <b> \"q\" 'a' \t\r\n ]]> 漢"
    xml = minted(idp, person="user-2", user_id=value, attribute=f"x&y={value}")
    signed = verified(idp, xml)
    values = [element.text for element in signed.iter(f"{SAML}AttributeValue")]
    assert values.count(value) == 2
    assert [a.get("Name") for a in signed.iter(f"{SAML}Attribute")][-1] == "x&y"


def test_a_changed_response_does_not_verify(idp):
    xml = minted(idp, person="user-2", sign="response").replace(b">team2<", b">team1<")
    with pytest.raises(InvalidSignature):
        verified(idp, xml)
