"""What the programs write: one line for each decision, and never a secret, however much is logged."""

import base64
import hashlib
import html
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, urlencode

import pytest

from lambda_runtime import FRONTS, Function
from programs import REPOSITORY
from test_lambda import RunningFunction
from world import PUBLIC_URL, request_id, unique

SP_KEY = (REPOSITORY / "tests" / "fixtures" / "keys" / "sp.pem").read_text()
#: A shorter piece of a response is an id or a name, which may be told.
PIECE = 60


class Wiretap:
    """STS, with every credential that it gives out remembered."""

    def __init__(self, endpoint):
        tap = self
        tap.secrets = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                names = ("authorization", "content-type", "x-amz-date", "x-amz-security-token")
                headers = {name: self.headers[name] for name in names if self.headers[name]}
                request = urllib.request.Request(endpoint, body, headers)
                try:
                    with urllib.request.urlopen(request, timeout=10) as answer:
                        status, text = answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    status, text = error.code, error.read()
                except OSError:
                    return self.connection.close()
                found = re.findall(rb"<(?:SecretAccessKey|SessionToken)>([^<]+)<", text)
                tap.secrets += [secret.decode() for secret in found]
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                return self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"


class Watched:
    """A broker whose every secret is remembered while people use it, and every page that they see."""

    def __init__(self, broker, tap):
        self.broker, self.secrets, self.pages = broker, {"credential": tap.secrets}, []
        self.program = broker.program
        self.send_to = broker.browser

    def remember(self, kind, *values):
        self.secrets.setdefault(kind, []).extend(value for value in values if value)

    def browser(self):
        browser = self.send_to()
        send = browser.send

        def remembering(*request):
            answer = send(*request)
            # Where secrets belong: in the one Location, and in the cookies.
            rest = [pair for pair in answer.headers if pair[0].lower() not in ("location", "set-cookie")]
            self.pages.append(f"{rest}\n{answer.text}")
            if "token=" in (answer.location or ""):
                self.remember(
                    "presigned URL", answer.location, answer.location.partition("token=")[2]
                )
            for cookie in answer.cookies.values():
                self.remember("cookie", *re.split(r"[.~]", cookie.value), cookie.value)
            return answer

        browser.send = remembering
        return browser

    def response(self, **values):
        response = self.broker.response(**values)
        self.remember("response", response, base64.b64decode(response).decode())
        return response

    def sign_in(self, browser=None, relay_state=None, **values):
        browser = browser or self.browser()
        values.setdefault("user_id", unique("user-"))
        return browser, browser.post_from_idp(self.response(**values), relay_state)


def everything(watched, aws):
    """Good, refused, failing and waiting: a bit of everything that people do."""
    browser, answer = watched.sign_in(teams=["team1", "team3"])
    assert answer.status == 303
    assert browser.get("/").status == 200
    assert browser.get("/teams/team3?app=JupyterLab").opens_studio()
    assert browser.get("/teams/team2").code == "not_entitled"
    login = browser.get(f"/saml/login?team=team3&idp={watched.broker.world.idp_entity_id}")
    request = request_id(login.location)
    owner = watched.program.decisions(outcome="signed_in")[-1]["owner"]
    _, answer = watched.sign_in(browser, user_id=owner, teams=["team3"], in_response_to=request)
    assert answer.opens_studio()
    assert browser.post("/sign-out").status == 200
    for values in [
        {"sign": "none"},
        {"audience": "https://other.example.com"},
        {"issued_ago": 9999},
        {"issuer": "https://unknown.example.com/"},
        {"user_id": ""},
        {"in_response_to": "_unknown"},
    ]:
        assert watched.sign_in(**values)[1].status == 403
    response = watched.response(user_id=unique("user-"), teams=["team3"])
    assert watched.browser().post_from_idp(response).opens_studio()
    assert watched.browser().post_from_idp(response).code == "replayed"
    changed = base64.b64encode(base64.b64decode(response).replace(b"team3", b"team4")).decode()
    watched.remember("response", changed)
    assert watched.browser().post_from_idp(changed).status == 403
    watched.browser().post("/saml/acs", {"SAMLResponse": response[:400] + "!"})
    for team in ["team5", "team7", "team8", "team9", "team10"]:
        browser, _ = watched.sign_in(teams=[team])
        browser.get(f"/teams/{team}")
    team = aws.new_team()
    aws.fault(operation="AssumeRole", effect="malformed", times=3)
    browser, _ = watched.sign_in(teams=[team["team_id"]])
    aws.clear_faults()
    aws.fault(operation="CreatePresignedDomainUrl", effect="trickle", ms=100)
    browser.get(f"/teams/{team['team_id']}")
    aws.clear_faults()
    aws.fault(service="dynamodb", operation="PutItem", effect="reset")
    watched.sign_in()
    aws.clear_faults()

    def come(team):
        browser, _ = watched.sign_in(teams=[team["team_id"]])
        browser.get(f"/teams/{team['team_id']}?space=a")
        browser.post("/sign-out")

    for effect in EFFECTS:
        teams = [aws.new_team() for _ in range(5)]
        for operation in OPERATIONS:
            aws.fault(operation=operation, times=2, **effect)
        with ThreadPoolExecutor(5) as people:
            list(people.map(come, teams))
        aws.clear_faults()


#: What may go wrong with a call, quickly.
EFFECTS = [
    {"effect": "throttle"},
    {"effect": "deny"},
    {"effect": "error", "code": "InternalFailure", "message": "<b>at arn:aws:iam::1:role/x</b>"},
    {"effect": "malformed"},
    {"effect": "lose_answer"},
]
OPERATIONS = [
    "GetItem",
    "BatchGetItem",
    "PutItem",
    "UpdateItem",
    "AssumeRole",
    "DescribeUserProfile",
    "ListTags",
    "CreateUserProfile",
    "CreatePresignedDomainUrl",
    "DescribeSpace",
]


class Text:
    """A long text in which pieces of many secrets are looked for."""

    def __init__(self, text):
        self.text = text
        # Whatever is twice as long as these holds one of them whole.
        half = PIECE // 2
        self.halves = {text[at : at + half] for at in range(0, len(text), half)}

    def piece_of(self, secret):
        """The piece of a secret that stands here and is long enough to matter, or None."""
        if len(secret) <= PIECE:
            return secret if len(secret) >= 16 and secret in self.text else None
        half = PIECE // 2
        for at in range(len(secret) - half + 1):
            if secret[at : at + half] in self.halves:
                for start in range(max(0, at - half), min(at, len(secret) - PIECE) + 1):
                    if secret[start : start + PIECE] in self.text:
                        return secret[start : start + PIECE]
        return None


def assert_nothing_is_told(watched):
    text = watched.program.output()
    assert len(text) > 10_000, "it does log"
    plain = text.replace("\\n", "\n").replace('\\"', '"').replace("\\/", "/")
    assert_no_secret_in(watched, text, plain)
    for line in SP_KEY.splitlines()[1:-1]:
        assert line not in plain, "the key for encrypted assertions"
    for word in [
        "SecretAccessKey",
        "SessionToken",
        "x-amz-security-token",
        "SignatureValue",
        "AuthorizedUrl",
    ]:
        assert not re.search(rf"{word}\W{{1,8}}[A-Za-z0-9+/=_-]{{16,}}", plain, re.I), word
    for secret in ["SIMSECRETOFTHEHUB"]:
        assert secret not in plain


def assert_no_secret_in(watched, *texts):
    texts = [Text(text) for text in set(texts)]
    for kind, secrets in watched.secrets.items():
        assert secrets, f"no {kind} was ever seen"
        for secret in set(secrets):
            for text in texts:
                told = text.piece_of(secret)
                assert not told, f"{kind}: {told}"


SETTINGS = {
    "STUDIO_BROKER_LOG": "trace",
    "STUDIO_BROKER_SP_KEY": SP_KEY,
    "AWS_SECRET_ACCESS_KEY": "SIMSECRETOFTHEHUB",
}


@pytest.fixture(scope="module")
def tap(world):
    tap = Wiretap(world.aws.endpoint)
    yield tap
    tap.server.shutdown()


@pytest.fixture(scope="module")
def served(world, tap):
    """`serve`, after people did everything."""
    watched = Watched(world.serve(AWS_ENDPOINT_URL_STS=tap.endpoint, **SETTINGS), tap)
    everything(watched, world.aws)
    world.aws.as_usual()
    return watched


@pytest.fixture(scope="module")
def invoked(world, tap, tmp_path_factory):
    """The Lambda function, after people did everything."""
    settings = {
        "STUDIO_BROKER_PUBLIC_URL": PUBLIC_URL,
        "STUDIO_BROKER_TEAM_CACHE_SECONDS": 0,
        "AWS_ENDPOINT_URL_STS": tap.endpoint,
        **SETTINGS,
    }
    function = Function(tmp_path_factory.mktemp("function"), world.aws.environment(**settings))
    watched = Watched(RunningFunction(world, function, FRONTS[0]), tap)
    everything(watched, world.aws)
    world.aws.as_usual()
    yield watched
    function.stop()


@pytest.fixture(params=["served", "invoked"])
def watched(request):
    return request.getfixturevalue(request.param)


def test_nothing_secret_is_written_even_when_everything_is_logged(watched):
    assert_nothing_is_told(watched)


def test_nothing_secret_stands_in_a_page(watched):
    assert len(watched.pages) > 80, "they do see pages"
    text = "\n".join(watched.pages)
    assert_no_secret_in(watched, text, html.unescape(text))
    for internal in ["arn:aws", "AccessDenied", "InternalFailure", "SIMSECRETOFTHEHUB", "ASIA"]:
        assert internal not in text


def test_every_line_is_json_and_one_line_is_one_object(watched):
    lines = [line for line in watched.program.output().splitlines() if line]
    for line in lines:
        if not line.startswith(("listening", "{")):
            raise AssertionError(line)
        if line.startswith("{"):
            assert isinstance(json.loads(line), dict)


def test_every_decision_has_its_time_reference_outcome_and_address(watched):
    decisions = watched.program.decisions()
    assert len(decisions) > 20
    for line in decisions:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", line["time"])
        assert re.fullmatch(r"[2-9A-HJ-NP-Z]{10}", line["reference"])
        assert line["outcome"] in (
            "signed_in",
            "refused",
            "opened",
            "created",
            "updated",
            "adopted",
            "signed_out",
        )
        assert line["client_address"] in ("127.0.0.1", "192.0.2.7")
        assert line["client_address_source"] == "direct"
        assert isinstance(line["aws_request_ids"], list)
        assert ("code" in line) is (line["outcome"] == "refused")


def test_a_trace_filter_does_not_change_the_audit_and_off_does_not_silence_it(world, aws):
    broker = world.serve(STUDIO_BROKER_LOG="off")
    assert broker.sign_in(teams=["team3"])[1].opens_studio()
    assert [line["outcome"] for line in broker.program.decisions()][0] == "signed_in"


# exactly one line each


@pytest.fixture
def lines_of(broker):
    """The decisions that an action adds."""

    def lines_of(action):
        before = len(broker.program.decisions())
        result = action()
        return result, broker.program.decisions()[before:]

    return lines_of


def somebody(broker, aws, team=None):
    """A person who can open a team and has not: browser, the team's path, profile's name."""
    user = unique("user-")
    team = team or aws.new_team()
    browser = broker.signed_in(user_id=user, teams=[team["team_id"], "team1"])
    return browser, f"/teams/{team['team_id']}", f"{user}-{team['team_id']}"


def opened_after(browser, path):
    """Opens a team; on a busy machine by way of the waiting page."""
    deadline = time.monotonic() + 30
    while not (answer := browser.get(path)).opens_studio():
        assert answer.status == 200 and time.monotonic() < deadline, answer.text
        time.sleep(0.2)


def signed_in(broker, aws):
    browser, user = broker.browser(), unique("user-")
    response = broker.response(user_id=user, teams=["team1", "team3"])
    return lambda: [browser.post_from_idp(response) for _ in range(2)], {"signed_in", "refused"}


def asked(broker, aws):
    browser = broker.signed_in(teams=["team1", "team3"])
    partner = broker.world.new_idp(directory="partner")
    login = browser.get(f"/saml/login?idp={quote(partner, safe='')}")
    values = {"issuer": partner, "in_response_to": request_id(login.location)}
    return lambda: broker.sign_in(browser, **values), {"asked"}


def refused(broker, aws):
    browser, _, _ = somebody(broker, aws)
    return lambda: browser.get("/teams/no-such-team"), {"refused"}


def opened(broker, aws):
    browser, path, _ = somebody(broker, aws)
    opened_after(browser, path)
    return lambda: opened_after(browser, path), {"opened"}


def created(broker, aws):
    browser, path, _ = somebody(broker, aws)
    return lambda: opened_after(browser, path), {"created", "opened"}


def updated(broker, aws):
    team = aws.new_team()
    browser, path, _ = somebody(broker, aws, team)
    opened_after(browser, path)
    aws.change_team(team, user_settings={"StudioWebPortal": "DISABLED"})
    return lambda: opened_after(browser, path), {"updated", "opened"}


def update_refused(broker, aws):
    team = aws.new_team()
    browser, path, profile = somebody(broker, aws, team)
    opened_after(browser, path)
    aws.change_team(team, user_settings={"StudioWebPortal": "DISABLED"})
    aws.fault(operation="UpdateUserProfile", profile=profile, effect="deny")
    return lambda: opened_after(browser, path), {"update_refused", "opened"}


def adopted(broker, aws):
    team = aws.new_team(adopt_profiles=True)
    browser, path, profile = somebody(broker, aws, team)
    aws.plant_profile(team, profile, {"Team": team["team_id"]})
    return lambda: opened_after(browser, path), {"adopted", "opened"}


def signed_out(broker, aws):
    browser, _, _ = somebody(broker, aws)
    return lambda: browser.post("/sign-out"), {"signed_out"}


DECISIONS = [
    signed_in, asked, refused, opened, created, updated, update_refused, adopted, signed_out,
]


def test_every_outcome_that_the_program_knows_is_tried_below():
    source = (REPOSITORY / "src" / "broker" / "audit.rs").read_text()
    names = re.search(r"pub enum Outcome \{(.*?)\n\}", source, re.S)[1]
    names = re.findall(r"^    (\w+),$", names, re.M)
    names = {re.sub(r"(?<=.)(?=[A-Z])", "_", name).lower() for name in names}
    assert names == {decision.__name__ for decision in DECISIONS}


@pytest.mark.parametrize("decision", DECISIONS)
def test_whatever_is_decided_is_exactly_one_line(broker, aws, lines_of, decision):
    action, outcomes = decision(broker, aws)
    _, lines = lines_of(action)
    assert sorted(line["outcome"] for line in lines) == sorted(outcomes)


def test_a_sign_in_that_creates_and_opens_is_three_lines_with_all_facts(broker, aws, lines_of):
    team, user = aws.new_team(), unique("user-")
    (_, answer), lines = lines_of(lambda: broker.sign_in(user_id=user, teams=[team["team_id"]]))
    assert answer.opens_studio()
    assert [line["outcome"] for line in lines] == ["signed_in", "created", "opened"]
    assert len({line["reference"] for line in lines}) == 1
    for line in lines:
        assert line["idp"] == broker.world.idp_entity_id
        assert (line["directory"], line["owner"]) == ("default", user)
        assert re.fullmatch(r"[0-9a-f]{64}", line["assertion_digest"])
        assert line["key_fingerprint"]
        assert "unverified" not in line
    for line in lines[1:]:
        assert line["team"] == team["team_id"]
        assert (line["account"], line["region"], line["domain"]) == (
            team["account_id"],
            team["region"],
            team["domain_id"],
        )
        assert line["profile"] == f"{user}-{team['team_id']}"
    assert len(lines[-1]["aws_request_ids"]) >= 4


def test_an_opening_is_one_line(broker, aws, lines_of):
    browser, _ = broker.sign_in(user_id=unique("user-"), teams=["team1", "team3"])
    browser.get("/teams/team3")
    answer, lines = lines_of(lambda: browser.get("/teams/team3"))
    assert answer.opens_studio()
    assert [line["outcome"] for line in lines] == ["opened"]


def test_an_update_is_one_line(broker, aws, lines_of):
    team = aws.new_team()
    browser, _ = broker.sign_in(teams=[team["team_id"]])
    aws.change_team(team, user_settings={"StudioWebPortal": "DISABLED"})
    answer, lines = lines_of(lambda: browser.get(f"/teams/{team['team_id']}"))
    assert answer.opens_studio()
    assert [line["outcome"] for line in lines] == ["updated", "opened"]


def test_a_sign_out_is_one_line_and_one_without_session_is_none(broker, aws, lines_of):
    browser, _ = broker.sign_in()
    _, lines = lines_of(lambda: browser.post("/sign-out"))
    assert [line["outcome"] for line in lines] == ["signed_out"]
    assert lines[0]["owner"] and lines[0]["assertion_digest"] and lines[0]["key_fingerprint"]
    _, lines = lines_of(lambda: browser.post("/sign-out"))
    assert lines == []


def test_a_user_id_that_cannot_be_used_is_one_line_with_the_assertions_digest(broker, aws, lines_of):
    _, lines = lines_of(lambda: broker.sign_in(user_id=" "))
    (line,) = lines
    assert line["code"] == "user_id_unusable"
    assert line["assertion_digest"] and line["key_fingerprint"]


@pytest.mark.parametrize("claim", ["recipient", "destination", "audience"])
def test_no_claim_of_a_refused_response_is_longer_than_256_characters(broker, aws, lines_of, claim):
    _, lines = lines_of(lambda: broker.sign_in(**{claim: "https://x.example/" + "x" * 500}))
    (line,) = lines
    assert 200 < len(line["unverified"]["detail"]) <= 256


def test_a_refused_response_is_one_line_and_its_claims_are_marked_as_unverified(
    broker, aws, lines_of
):
    issuer = 'https://x.example/"\t<b>' + "x" * 500
    (_, answer), lines = lines_of(lambda: broker.sign_in(issuer=issuer, teams=["team3"]))
    (line,) = lines
    assert (line["outcome"], line["code"]) == ("refused", "idp_unknown")
    assert line["reference"] == answer.reference
    assert "idp" not in line and "owner" not in line
    assert len(line["unverified"]["issuer"]) <= 256
    assert "\t" not in line["unverified"]["issuer"], "escaped"


def test_what_a_refused_response_says_is_marked_as_unverified_too(broker, aws, lines_of):
    audience = "https://other.example.com/\n<b>" + "x" * 500
    (_, answer), lines = lines_of(lambda: broker.sign_in(audience=audience))
    (line,) = lines
    assert (line["outcome"], line["code"]) == ("refused", "audience_mismatch")
    assert "detail" not in line
    assert "https://other.example.com/\\n<b>" in line["unverified"]["detail"], "escaped"
    assert "x" * 250 not in line["unverified"]["detail"], "cut"
    assert broker.entity_id in line["unverified"]["detail"]


def test_a_refused_opening_is_one_line(broker, aws, lines_of):
    browser, _ = broker.sign_in(teams=["team1", "team3"])
    answer, lines = lines_of(lambda: browser.get("/teams/team2"))
    (line,) = lines
    assert (line["outcome"], line["code"], line["reference"]) == (
        "refused",
        "not_entitled",
        answer.reference,
    )
    assert line["owner"]
    assert "team2" in json.dumps(line)


@pytest.mark.parametrize(
    "team, code",
    [
        ({"allowed_cidrs": ["10.0.0.0/8"]}, "network_refused"),
        ({"enabled": False}, "team_paused"),
        ({"domain_id": "d-nowhere"}, "domain_missing"),
        ({"account_id": "4444"}, "team_invalid"),
    ],
)
def test_a_refusal_inside_the_acs_is_one_line_although_nobody_follows(
    broker, aws, lines_of, team, code
):
    team = aws.new_team(**team)
    values = {"user_id": unique("user-"), "teams": ["team1", team["team_id"]]}
    (_, answer), lines = lines_of(
        lambda: broker.sign_in(relay_state=f"/teams/{team['team_id']}", **values)
    )
    assert answer.status == 303
    assert [(line["outcome"], line.get("code")) for line in lines] == [
        ("signed_in", None),
        ("refused", code),
    ]
    assert lines[1]["owner"] == values["user_id"]
    assert len({line["reference"] for line in lines}) == 1


def test_a_refusal_inside_the_acs_names_the_team_that_was_wanted(broker, aws, lines_of):
    browser, team = broker.browser(), aws.new_team()
    idp = quote(broker.world.idp_entity_id, safe="")
    login = browser.get(f"/saml/login?idp={idp}&team={team['team_id']}")
    values = {"teams": ["team1", "team3"], "in_response_to": request_id(login.location)}
    _, lines = lines_of(lambda: broker.sign_in(browser, **values))
    assert [line["outcome"] for line in lines] == ["signed_in", "refused"]
    assert lines[1]["unverified"] == {"team": team["team_id"]}, "it is no team of theirs"


def test_a_browser_that_goes_away_leaves_no_record_without_its_line(broker, aws):
    user = unique("user-")
    aws.fault(service="dynamodb", operation="PutItem", times=1, effect="delay", ms=400)
    form = urlencode({"SAMLResponse": broker.response(user_id=user)}).encode()
    head = f"POST /saml/acs HTTP/1.1\r\nHost: x\r\nContent-Length: {len(form)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", broker.port)) as connection:
        connection.sendall(head.encode() + form)
        time.sleep(0.2)
    deadline = time.monotonic() + 10
    while not broker.program.decisions(outcome="signed_in", owner=user):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(broker.program.decisions(owner=user)) == 1


def test_a_replay_is_one_line(broker, aws, lines_of):
    response = broker.response(user_id=unique("user-"))
    broker.browser().post_from_idp(response)
    _, lines = lines_of(lambda: broker.browser().post_from_idp(response))
    (line,) = lines
    assert (line["outcome"], line["code"]) == ("refused", "replayed")
    assert line["owner"] and line["assertion_digest"]


def test_waiting_is_no_decision(broker, aws, lines_of):
    team = aws.new_team()
    aws.settings(profile_delay_ms=60_000)
    browser, _ = broker.sign_in(teams=[team["team_id"]])
    page, lines = lines_of(lambda: browser.get(f"/teams/{team['team_id']}"))
    assert page.status == 200
    assert lines == []


def test_lines_of_health_checks_and_pages_are_not_written(broker, aws, lines_of):
    def look():
        for path in ["/healthz", "/saml/metadata", "/sign-out", "/nothing"]:
            broker.browser().get(path)

    _, lines = lines_of(look)
    assert lines == []


def test_the_digest_of_the_assertion_id_is_its_sha_256(broker, aws, lines_of):
    assertion_id = f"_{unique('assertion-')}"
    _, lines = lines_of(lambda: broker.sign_in(assertion_id=assertion_id))
    assert lines[0]["assertion_digest"] == hashlib.sha256(assertion_id.encode()).hexdigest()


def test_a_creation_that_outlasts_a_persons_patience_is_one_line_all_the_same(broker, aws):
    team, user = aws.new_team(), unique("user-")
    aws.fault(operation="CreateUserProfile", effect="delay", ms=1300, times=1)
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.status == 303
    deadline = time.monotonic() + 20
    while not browser.get(f"/teams/{team['team_id']}").opens_studio():
        assert time.monotonic() < deadline
    assert len(broker.program.decisions(outcome="created", owner=user)) == 1
