"""Paths, methods, headers and the form of errors: what is true of every route."""

import html
import re
import socket
import time
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from lxml import etree

from browser import Browser, over_http
from world import PUBLIC_URL, authn_request, request_id, unique

NS = {
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
}
ROUTES = [
    "/",
    "/saml/login",
    "/saml/metadata",
    "/saml/acs",
    "/sign-out",
    "/healthz",
    "/teams/team1",
    "/teams/team1/doors/runs",
]


def no_redirect_address(metadata):
    """Metadata of an IdP that takes requests by POST only."""
    return re.sub(r"<md:SingleSignOnService[^>]*HTTP-Redirect[^>]*/>", "", metadata)


# healthz


def test_healthz_says_ok_and_calls_nothing(broker, aws):
    answer = broker.browser().get("/healthz")
    assert (answer.status, answer.text) == (200, "ok")
    assert aws.calls() == []


# metadata


def test_the_metadata_names_our_entity_id_and_acs(broker):
    answer = broker.browser().get("/saml/metadata")
    assert answer.status == 200
    assert answer.header("content-type").startswith("application/samlmetadata+xml")
    root = etree.fromstring(answer.body)
    assert root.tag == f"{{{NS['md']}}}EntityDescriptor"
    assert root.get("entityID") == f"{PUBLIC_URL}/saml/metadata"
    (acs,) = root.findall(".//md:AssertionConsumerService", NS)
    assert acs.get("Location") == f"{PUBLIC_URL}/saml/acs"
    assert acs.get("Binding") == "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"


def test_an_entity_id_of_its_own_stands_in_the_metadata_and_is_the_audience(world, aws):
    broker = world.serve(STUDIO_BROKER_ENTITY_ID="urn:example:studio")
    root = etree.fromstring(broker.browser().get("/saml/metadata").body)
    assert root.get("entityID") == "urn:example:studio"
    _, refused = broker.sign_in(audience=f"{PUBLIC_URL}/saml/metadata")
    assert (refused.status, refused.code) == (403, "audience_mismatch")
    _, accepted = broker.sign_in(audience="urn:example:studio")
    assert accepted.status == 303


# login


def test_login_with_one_idp_goes_there_with_an_authn_request_of_ours(fresh_world):
    broker = fresh_world.serve()
    answer = broker.browser().get("/saml/login")
    assert answer.status == 302
    location = urlsplit(answer.location)
    assert f"{location.scheme}://{location.netloc}{location.path}" == f"{fresh_world.idp}/sso"
    query = parse_qs(location.query)
    assert set(query) <= {"SAMLRequest", "RelayState"}, "unsigned"
    request = authn_request(answer.location)
    assert request.tag == f"{{{NS['samlp']}}}AuthnRequest"
    assert request.get("Version") == "2.0"
    assert request.get("AssertionConsumerServiceURL") == broker.acs_url
    assert request.get("Destination") == f"{fresh_world.idp}/sso"
    assert request.findtext("saml:Issuer", namespaces=NS) == broker.entity_id
    assert request.find("samlp:NameIDPolicy", NS) is None


def test_the_chooser_without_a_session_starts_a_sign_in(fresh_world):
    broker = fresh_world.serve()
    answer = broker.browser().get("/")
    assert answer.status == 302
    assert answer.location.startswith(f"{fresh_world.idp}/sso?")


def test_login_with_several_idps_shows_their_names_and_each_link_starts_there(fresh_world):
    broker = fresh_world.serve()
    fresh_world.new_idp(
        display_name="Second & <b>bold</b>", entity_id="https://b.example.com/?a=1&b=2"
    )
    fresh_world.new_idp(display_name="Switched off", enabled=False)
    browser = broker.browser()
    page = browser.get("/saml/login?team=team1")
    assert page.status == 200
    assert "Test identity provider" in page.text
    assert "Second &#38; &#60;b&#62;bold" in page.text or "Second &amp; &lt;b&gt;bold" in page.text
    assert "Switched off" not in page.text
    started = [
        link.replace("&#38;", "&").replace("&amp;", "&") for link in page.links if "idp=" in link
    ]
    assert len(started) == 2
    for link in started:
        assert link.startswith(f"{PUBLIC_URL}/saml/login?")
        assert browser.get(link).location.startswith(f"{fresh_world.idp}/sso?")


def test_with_several_idps_a_bookmark_keeps_its_space_and_its_app(fresh_world):
    broker, team = fresh_world.serve(), fresh_world.aws.new_team(space_name="my-space")
    fresh_world.new_idp(display_name="Second")
    browser, bookmark = broker.browser(), f"/teams/{team['team_id']}?space=my-space&app=JupyterLab"
    links = [html.unescape(link) for link in browser.get(bookmark).links]
    (link,) = [link for link in links if fresh_world.idp_entity_id in unquote(link)]
    asked = request_id(browser.get(link).location)
    broker.sign_in(browser, teams=[team["team_id"]], in_response_to=asked)
    presigned = fresh_world.aws.calls(operation="CreatePresignedDomainUrl")[-1]["parameters"]
    assert (presigned["SpaceName"], presigned["LandingUri"]) == ("my-space", "app:JupyterLab:")


def test_login_at_an_idp_without_redirect_address_links_its_portal(fresh_world):
    fresh_world.aws.idps.delete_item(Key={"entity_id": fresh_world.idp_entity_id})
    fresh_world.new_idp(no_redirect_address, portal_url="https://portal.example.com/start")
    answer = fresh_world.serve().browser().get("/saml/login")
    assert answer.status == 200
    assert "https://portal.example.com/start" in answer.links


@pytest.mark.parametrize("idp", ["https://nobody.example.com/", "", "x" * 3000])
def test_login_at_an_unknown_idp_goes_nowhere(broker, idp):
    answer = broker.browser().get(f"/saml/login?idp={idp}")
    assert answer.location is None or answer.location.startswith(broker.world.idp)
    assert answer.status < 500


def test_login_at_a_switched_off_idp_goes_nowhere(broker, aws):
    idp = broker.world.new_idp(enabled=False)
    answer = broker.browser().get(f"/saml/login?idp={idp}")
    assert (answer.status, answer.location) == (404, None)


# methods and paths


@pytest.mark.parametrize(
    "path, allowed",
    [
        ("/", "GET"),
        ("/saml/login", "GET"),
        ("/saml/acs", "POST"),
        ("/teams/team1", "GET"),
        ("/sign-out", "GET, POST"),
        ("/saml/metadata", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
    ],
)
def test_other_methods_are_405_and_the_answer_names_those_that_are_allowed(broker, path, allowed):
    for method in {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"} - set(
        allowed.split(", ")
    ):
        answer = broker.browser().request(method, path)
        assert (answer.status, answer.header("allow")) == (405, allowed), method


def test_head_on_a_team_is_405_and_opens_nothing(broker, aws):
    browser = broker.signed_in(teams=["team1", "team2"])
    aws.forget_calls()
    for path in ["/teams/team1", "/"]:
        answer = browser.request("HEAD", path)
        assert (answer.status, answer.body) == (405, b"")
    assert aws.calls() == []


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/teams",
        "/teams/",
        "/teams/a/b",
        "/teams/-a",
        "/teams/%74eam1",
        "/saml",
        "/saml/acs/",
        "//saml/acs",
        "/.git/config",
        "/healthz/..",
        "/index.html",
        "/teams/" + "x" * 64,
    ],
)
def test_any_other_path_is_404(broker, path):
    answer = broker.browser().get(path)
    assert (answer.status, answer.code) == (404, "not_found")


# the body


def test_a_body_over_512_kilobytes_is_413(broker):
    body = b"SAMLResponse=" + b"A" * (512 * 1024)
    answer = broker.browser().post("/saml/acs", body)
    assert answer.status == 413
    assert answer.code == "body_too_large"


def test_a_body_of_512_kilobytes_is_read(broker):
    body = b"SAMLResponse=" + b"A" * (512 * 1024 - 13)
    answer = broker.browser().post("/saml/acs", body)
    assert (answer.status, answer.code) == (403, "too_large")


@pytest.mark.parametrize(
    "form",
    [
        "",
        "RelayState=x",
        "SAMLResponse=a&SAMLResponse=b",
        "samlresponse=a",
        b"\xff\xfe\x00SAMLRespons",
        "{}",
    ],
)
def test_a_form_without_exactly_one_response_is_400(broker, form):
    answer = broker.browser().post("/saml/acs", form)
    assert (answer.status, answer.code) == (400, "form_malformed")


# headers


@pytest.mark.parametrize("path", ROUTES + ["/nothing"])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_every_answer_forbids_caching_referring_sniffing_and_framing(broker, path, accept):
    answer = broker.browser().get(path, accept=accept)
    assert answer.header("cache-control") == "no-store"
    assert answer.header("referrer-policy") == "no-referrer"
    assert answer.header("x-content-type-options") == "nosniff"
    policy = answer.header("content-security-policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert answer.header("strict-transport-security").startswith("max-age=")


def test_on_loopback_http_nobody_is_told_to_use_https(world):
    answer = world.broker.browser().get("/sign-out")
    assert answer.header("strict-transport-security") is None


def test_pages_hold_no_script_and_nothing_from_elsewhere(broker):
    browser = broker.signed_in(teams=["team1", "team2"])
    for path in ["/", "/sign-out", "/saml/login", "/nothing"]:
        page = browser.get(path).text.lower()
        assert "<script" not in page and " onload=" not in page and "javascript:" not in page
        for address in re.findall(r'(?:src|action)="([^"]*)"', page):
            assert address.startswith(PUBLIC_URL)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:443", "studio.example.com@evil.example", ""]
)
def test_the_host_of_a_request_is_never_believed(broker, host):
    headers = [
        ("Host", host),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "gopher"),
    ]
    browser, answer = broker.sign_in(teams=["team1", "team2"])
    assert answer.location == f"{PUBLIC_URL}/"
    for path in ["/", "/sign-out", "/nothing", "/saml/metadata", "/saml/login"]:
        answer = browser.get(path, headers=headers)
        assert answer.status in (200, 302, 404), path
        assert "evil.example" not in answer.text
        assert "evil.example" not in (answer.location or "")


# base path


def test_below_a_base_path_routes_answer_with_and_without_it_and_links_carry_it(world, aws):
    public_url = "https://gateway.example.com/prod"
    broker = world.serve(public_url=public_url)
    bare = Browser(over_http(broker.port), "")
    for browser in [broker.browser(), bare]:
        assert browser.get("/healthz").text == "ok"
    assert f'Location="{public_url}/saml/acs"' in bare.get("/saml/metadata").text
    browser, answer = broker.sign_in(teams=["team1", "team2"])
    assert (answer.status, answer.location) == (303, f"{public_url}/")
    chooser = browser.get(answer.location)
    assert f"{public_url}/teams/team1" in chooser.links
    assert browser.get(f"{public_url}/teams/team1").opens_studio()
    assert bare.get("/production").status == 404


# only navigation opens


@pytest.mark.parametrize(
    "header",
    [
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
        ("Sec-Fetch-Dest", "iframe"),
        ("Sec-Fetch-Dest", "empty"),
        ("Sec-Fetch-Dest", "image"),
        ("Sec-Fetch-Dest", "embed"),
        ("Sec-Fetch-Dest", ""),
        ("Sec-Fetch-Dest", "document, iframe"),
        ("Purpose", "prefetch"),
        ("X-Purpose", "preview"),
        ("X-Moz", "prefetch"),
        ("Sec-Purpose", "PREFETCH"),
    ],
)
def test_what_is_no_navigation_opens_nothing(broker, aws, header):
    browser = broker.signed_in(teams=["team1", "team2"])
    aws.forget_calls()
    answer = browser.get("/teams/team1", headers=[header])
    assert answer.status == 403
    assert answer.location is None
    assert "CreatePresignedDomainUrl" not in aws.operations()
    assert "AssumeRole" not in aws.operations()


@pytest.mark.parametrize(
    "header",
    [
        [("Sec-Fetch-Dest", "document"), ("Sec-Fetch-Dest", "iframe")],
        [("Sec-Fetch-Dest", "iframe"), ("Sec-Fetch-Dest", "document")],
        [("Sec-Purpose", "something"), ("Sec-Purpose", "prefetch")],
    ],
)
def test_of_a_header_that_comes_twice_each_value_counts(broker, aws, header):
    browser = broker.signed_in(teams=["team1", "team2"])
    for path in ["/teams/team1", "/", "/saml/login"]:
        answer = browser.get(path, headers=header)
        assert (answer.status, answer.code, answer.location) == (403, "not_navigation", None)


@pytest.mark.parametrize("dest", ["empty", "iframe", "frame", "object", "embed", ""])
def test_a_hidden_frame_or_script_consumes_nothing_and_leaves_no_cookie(broker, aws, dest):
    planted = broker.response(user_id=unique("attacker-"), teams=["team3"])
    victim = broker.browser()
    aws.forget_calls()
    answer = victim.post_from_idp(planted, headers=[("Sec-Fetch-Dest", dest)])
    assert (answer.status, answer.code, answer.cookies) == (403, "not_navigation", {})
    assert aws.calls() == []
    assert broker.browser().post_from_idp(planted).opens_studio(), "it was not consumed"
    old = [("Sec-Fetch-Dest", None)]
    assert broker.browser().post_from_idp(broker.response(teams=["team3"], user_id=unique("u-")), headers=old).opens_studio()


def test_a_hidden_frame_signs_nobody_out(broker, aws):
    browser = broker.signed_in(teams=["team1", "team3"])
    answer = browser.post("/sign-out", headers=[("Sec-Fetch-Dest", "iframe")])
    assert answer.status == 403
    assert browser.get("/").status == 200


def test_a_client_that_says_nothing_about_its_purpose_is_served(broker, aws):
    browser = broker.signed_in(teams=["team1", "team2"])
    assert browser.get("/teams/team1", headers=[("Sec-Fetch-Dest", None)]).opens_studio()


# errors


def test_a_browser_gets_a_page_with_code_reference_time_and_what_to_do(broker):
    answer = broker.browser().post("/saml/acs", {"SAMLResponse": "?"})
    assert answer.status == 403
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert answer.of_page("code") == "base64_malformed"
    assert re.fullmatch(r"[2-9A-HJ-NP-Z]{10}", answer.of_page("reference"))
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", answer.text)
    assert f"{PUBLIC_URL}/" in answer.links


@pytest.mark.parametrize(
    "accept",
    ["text/html", "TEXT/HTML;q=0.8", "application/json, text/html ; q=0.1", "a/b,text/html;level=1"],
)
def test_a_client_that_takes_pages_gets_one(broker, accept):
    answer = broker.browser().post("/saml/acs", {"SAMLResponse": "?"}, accept=accept)
    assert answer.is_page


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        "application/json",
        "application/problem+json",
        "text/html;q=0, application/json",
        "text/htmlx",
    ],
)
def test_any_other_client_gets_a_problem_with_the_same_facts(broker, accept):
    answer = broker.browser().post("/saml/acs", {"SAMLResponse": "?"}, accept=accept)
    assert answer.status == 403
    assert answer.header("content-type") == "application/problem+json"
    problem = answer.json
    assert (problem["code"], problem["status"]) == ("base64_malformed", 403)
    assert re.fullmatch(r"[2-9A-HJ-NP-Z]{10}", problem["reference"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", problem["time"])
    assert problem["title"] and problem["detail"]


def test_references_differ_and_lead_to_the_line_in_the_log(broker):
    answers = [broker.browser().post("/saml/acs", {"SAMLResponse": "?"}) for _ in range(2)]
    first, second = (answer.reference for answer in answers)
    assert first != second
    (line,) = broker.program.decisions(reference=first)
    assert (line["outcome"], line["code"]) == ("refused", "base64_malformed")


def test_a_page_about_aws_tells_no_internals(broker, aws):
    browser, answer = broker.sign_in(teams=["team10"])
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/teams/team10")
    page = browser.get(answer.location)
    assert (page.status, page.code) == (502, "target_denied")
    for internal in [
        "arn:aws",
        "444444444444",
        "StudioBrokerTarget",
        "AccessDenied",
        "assume",
        "d-local",
    ]:
        assert internal.lower() not in page.text.lower()
    (line,) = broker.program.decisions(reference=page.reference)
    assert "AccessDenied" in line["detail"]


def test_organization_and_contact_stand_on_pages(world):
    settings = {
        "STUDIO_BROKER_ORGANIZATION": "Ex & Co",
        "STUDIO_BROKER_CONTACT": "help@example.com",
    }
    page = world.serve(**settings).browser().get("/nothing")
    assert re.search("Ex &(amp|#38); Co", page.text)
    assert "mailto:help@example.com" in page.links


# garbage


GARBAGE = [
    b"\x00" * 1000,
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /%00%ff%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /teams/\xff\xfe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /teams/../../etc/passwd HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"POST /saml/acs HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\n\xff\xff\xff\xff\xff",
    b"POST /saml/acs HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST /saml/acs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
    b"POST /saml/acs HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    b"GET / HTTP/1.1\r\nHost: \xf0\x9f\x98\x80\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nCookie: \xff=\x01; ;;=;==\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 100_000 + b"\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"GET http://evil.example/teams/team1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
    b"GET /saml/login?idp=%ff%fe&team=%00&idp= HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /?%s%n%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_answered_or_cut_quickly_and_harms_nobody(broker, garbage):
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", broker.port), timeout=20) as connection:
        try:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        except OSError:  # cut before all was sent
            answer = b""
    assert time.monotonic() - started < 10
    assert not re.match(rb"HTTP/1.1 5", answer), answer[:200]
    assert broker.program.is_alive
    assert broker.browser().get("/healthz").text == "ok"
    assert "panicked" not in broker.program.output()


@pytest.mark.parametrize(
    "cookie",
    ["a" * 43 + "." + "b" * 43, ".", "x", "ä.ö", "A" * 5000, "a.b.c", "%00", '"quoted"'],
)
def test_a_made_up_session_cookie_is_no_session(broker, aws, cookie):
    name = broker.signed_in().cookie("session").name
    answer = broker.browser().get("/", headers=[("Cookie", f"{name}={cookie}".encode())])
    assert answer.status in (200, 302), "a sign-in is offered"
    assert answer.code is None


# stopping


def test_sigterm_finishes_what_has_begun_and_ends_with_0(world, aws):
    broker = world.serve()
    browser = broker.signed_in(teams=["team1", "team2"])
    aws.fault(service="sts", operation="AssumeRole", effect="delay", ms=700)
    with socket.create_connection(("127.0.0.1", broker.port), timeout=20) as connection:
        head = f"GET /teams/team1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: {browser.cookie_header()}\r\n\r\n"
        connection.sendall(head.encode())
        time.sleep(0.2)
        broker.program.process.terminate()
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 302 "), answer[:300]
    assert broker.program.stop() == 0
