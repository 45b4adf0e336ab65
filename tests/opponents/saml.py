"""Answers for the differential tests, one JSON object a line: what libxml2, xmlsec1 and signxml
make of a document. Errors are answers too, so that the process lives on."""

import base64
import json
import pathlib
import sys

import signxml
import xmlsec
from lxml import etree

KEYS = pathlib.Path(__file__).parent.parent / "fixtures" / "keys"
DS = "http://www.w3.org/2000/09/xmldsig#"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, strip_cdata=False)
CERTIFICATE = (KEYS / "rsa2048.crt").read_text()


def parse(text):
    return etree.fromstring(text.encode(), PARSER)


def by_id(root, value):
    return next(element for element in root.iter(etree.Element) if element.get("ID") == value)


def canonicalize(ask):
    """Exclusive canonicalization of the element with this ID, by libxml2."""
    element = by_id(parse(ask["xml"]), ask["id"])
    octets = etree.tostring(
        element,
        method="c14n",
        exclusive=True,
        with_comments=ask["comments"],
        inclusive_ns_prefixes=ask["prefixes"] or None,
    )
    # A tail that is text is not part of the element.
    return {"octets": base64.b64encode(octets).decode()}


def key():
    key = xmlsec.Key.from_file(str(KEYS / "rsa2048.pem"), xmlsec.KeyFormat.PEM)
    key.load_cert_from_file(str(KEYS / "rsa2048.crt"), xmlsec.KeyFormat.CERT_PEM)
    return key


def sign(ask):
    """Signs the element with this ID, by xmlsec1."""
    root = parse(ask["xml"])
    element = by_id(root, ask["id"])
    node = xmlsec.template.create(
        element, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.RSA_SHA256, ns=ask["prefix"]
    )
    element.find(f"{{{SAML}}}Issuer").addnext(node)
    reference = xmlsec.template.add_reference(node, xmlsec.Transform.SHA256, uri=f"#{ask['id']}")
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    transform = xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    for parent in (transform, node.find(f".//{{{DS}}}CanonicalizationMethod")):
        if ask["prefixes"]:
            etree.SubElement(parent, f"{{{EXC}}}InclusiveNamespaces").set(
                "PrefixList", " ".join(ask["prefixes"])
            )
    xmlsec.tree.add_ids(root, ["ID"])
    context = xmlsec.SignatureContext()
    context.key = key()
    context.sign(node)
    return {"xml": etree.tostring(root, encoding="unicode")}


def verify(ask):
    """Whether the signature of the element with this ID verifies, by both, and over what."""
    root = parse(ask["xml"])
    element = by_id(root, ask["id"])
    node = element.find(f"{{{DS}}}Signature")
    if node is None:
        return {"error": "no signature"}
    xmlsec.tree.add_ids(root, ["ID"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_file(str(KEYS / "rsa2048.crt"), xmlsec.KeyFormat.CERT_PEM)
    context.verify(node)
    uri = node.find(f"{{{DS}}}SignedInfo/{{{DS}}}Reference").get("URI")
    if uri != f"#{ask['id']}":
        return {"error": f"another element is signed: {uri}"}
    # signxml reads only the text before a first comment; canonicalization drops comments anyway.
    etree.strip_tags(node, etree.Comment)
    signed = signxml.XMLVerifier().verify(
        etree.tostring(root),
        x509_cert=CERTIFICATE,
        id_attribute="ID",
        expect_config=signxml.SignatureConfiguration(
            location="./" if element is root else f".//{{{SAML}}}Assertion/"
        ),
    ).signed_xml
    name_id = signed.find(f".//{{{SAML}}}Subject/{{{SAML}}}NameID")
    attributes = {}
    assertion = signed if signed.tag == f"{{{SAML}}}Assertion" else signed.find(f"{{{SAML}}}Assertion")
    for attribute in assertion.iterfind(f"{{{SAML}}}AttributeStatement/{{{SAML}}}Attribute"):
        values = attributes.setdefault(attribute.get("Name"), [])
        values.extend("".join(v.itertext()) for v in attribute.iterfind(f"{{{SAML}}}AttributeValue"))
    return {"name_id": "".join(name_id.itertext()), "attributes": attributes}


def read(ask):
    """Whether libxml2 finds the document well-formed, with namespaces, and what text is in it."""
    try:
        root = etree.fromstring(base64.b64decode(ask["bytes"]), PARSER)
    except etree.XMLSyntaxError as error:
        return {"read": False, "why": str(error)}
    return {"read": True, "names": [element.tag for element in root.iter(etree.Element)]}


VERBS = {"read": read, "canonicalize": canonicalize, "sign": sign, "verify": verify}

for line in sys.stdin:
    ask = json.loads(line)
    try:
        answer = VERBS[ask["verb"]](ask)
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
