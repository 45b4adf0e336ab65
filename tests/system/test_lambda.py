"""The Lambda function under a stand-in for the Runtime API: every shape of event."""

import base64
import functools
import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, quote_plus, urlsplit

import pytest

from lambda_runtime import FRONTS, Function, FunctionError, body_of
from world import HUB_REGION, PUBLIC_URL, RunningBroker, request_id, unique


class RunningFunction(RunningBroker):
    """The function behind one of the fronts."""

    def __init__(self, world, function, front, public_url=PUBLIC_URL):
        super().__init__(world, function.program, None, public_url)
        self.function, self.front = function, front

    def browser(self):
        return self.front.browser(self.function, self.public_url)


@pytest.fixture(scope="module")
def start(world, tmp_path_factory):
    """Starts the function with further settings, once for each set of them."""
    started = []

    @functools.cache
    def start(**settings):
        settings = {
            "STUDIO_BROKER_PUBLIC_URL": PUBLIC_URL,
            "STUDIO_BROKER_TEAM_CACHE_SECONDS": 0,
            **settings,
        }
        folder = tmp_path_factory.mktemp("function")
        started.append(Function(folder, world.aws.environment(**settings)))
        return started[-1]

    yield start
    for function in started:
        function.stop()


@pytest.fixture(scope="module")
def function(start):
    return start()


@pytest.fixture(params=FRONTS, ids=lambda front: front.name)
def broker(request, world, function):
    return RunningFunction(world, function, request.param)


def front_named(name):
    (front,) = [front for front in FRONTS if front.name == name]
    return front


# a whole sign-in


def test_a_whole_sign_in_works_through_every_front(broker, aws):
    browser, answer = broker.sign_in(teams=["team1", "team3"])
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")
    assert set(answer.cookies) == {"session", "owner"}
    chooser = browser.get("/")
    assert f"{PUBLIC_URL}/teams/team3" in chooser.links
    opened = browser.get("/teams/team3?app=JupyterLab")
    assert opened.opens_studio()
    assert opened.header("cache-control") == "no-store"
    presigned = aws.calls(operation="CreatePresignedDomainUrl", error=None)[-1]["parameters"]
    assert presigned["LandingUri"] == "app:JupyterLab:"
    assert browser.post("/sign-out").status == 200
    assert not browser.get("/teams/team3").opens_studio()
    again = broker.browser().get("/teams/team3", accept="application/json")
    assert again.status in (200, 302)


def test_one_team_opens_at_once_through_every_front(broker, aws):
    _, answer = broker.sign_in(teams=["team3"])
    assert answer.opens_studio()


def test_three_cookies_arrive_through_every_front(broker, aws):
    browser = broker.browser()
    idp = quote(broker.world.idp_entity_id, safe="")
    first = browser.get(f"/saml/login?idp={idp}&team=team3")
    assert first.location.startswith(f"{broker.world.idp}/sso?")
    second = browser.get(f"/saml/login?idp={idp}&team=team1")
    _, answer = broker.sign_in(
        browser, teams=["team1", "team3"], in_response_to=request_id(first.location)
    )
    assert answer.opens_studio()
    assert set(answer.cookies) == {"session", "owner", "request"}
    del second
    assert browser.get("/").status == 200, "the three cookies come back"


@pytest.mark.parametrize(
    "encode",
    [
        lambda response: "SAMLResponse=" + quote_plus(response),
        lambda response: "SAMLResponse=" + response,
        lambda response: "RelayState=a%2Bb&SAMLResponse=" + quote_plus(response) + "&x=1",
        lambda response: "SAMLResponse=" + quote_plus("\r\n".join(chunks(response))),
    ],
    ids=["encoded", "raw", "relay-state-first", "line-breaks"],
)
def test_the_form_is_read_whatever_its_encoding_through_every_front(broker, aws, encode):
    response = broker.response(user_id=unique("user-"), teams=["team1", "team2"])
    answer = broker.browser().post("/saml/acs", encode(response))
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")


def chunks(text):
    return [text[i : i + 76] for i in range(0, len(text), 76)]


def test_errors_have_the_same_form_through_every_front(broker):
    page = broker.browser().post("/saml/acs", {"SAMLResponse": "?"})
    assert (page.status, page.code) == (403, "base64_malformed")
    problem = broker.browser().post("/saml/acs", {"SAMLResponse": "?"}, accept="application/json")
    assert (problem.status, problem.code) == (403, "base64_malformed")
    assert broker.browser().get("/nothing").status == 404
    assert broker.browser().request("HEAD", "/teams/team1").status == 405
    assert broker.browser().get("/healthz").text == "ok"


def test_every_answer_through_every_front_has_the_security_headers(broker):
    for path in ["/", "/saml/metadata", "/sign-out", "/nothing"]:
        answer = broker.browser().get(path)
        assert answer.header("cache-control") == "no-store"
        assert answer.header("referrer-policy") == "no-referrer"
        assert "default-src 'none'" in answer.header("content-security-policy")


def test_a_body_over_512_kilobytes_is_413_through_every_front(broker):
    answer = broker.browser().post("/saml/acs", b"SAMLResponse=" + b"A" * (512 * 1024))
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_the_clients_address_comes_from_the_front(broker, aws):
    inside = aws.new_team(allowed_cidrs=["192.0.2.0/24"])
    outside = aws.new_team(allowed_cidrs=["10.0.0.0/8"])
    browser, _ = broker.sign_in(teams=[inside["team_id"], outside["team_id"]])
    assert browser.get(f"/teams/{inside['team_id']}").opens_studio()
    forged = [("X-Forwarded-For", "10.0.0.1")] if "alb" not in broker.front.name else []
    page = browser.get(f"/teams/{outside['team_id']}", headers=forged)
    assert (page.status, page.code) == (403, "network_refused")


# stages and base paths


@pytest.mark.parametrize("name", ["rest-api", "http-api-1.0", "http-api-2.0"])
@pytest.mark.parametrize(
    "public_url, event_prefix",
    [
        ("https://id.execute-api.eu-central-1.amazonaws.com/prod", ""),
        ("https://id.execute-api.eu-central-1.amazonaws.com/prod", "/prod"),
        ("https://studio.example.com", "/prod"),
        ("https://studio.example.com", ""),
        ("https://example.com/studio", "/studio"),
    ],
)
def test_stage_and_base_path_are_taken_from_the_path_wherever_they_stand(
    world, aws, start, name, public_url, event_prefix
):
    function = start(STUDIO_BROKER_PUBLIC_URL=public_url)
    front = front_named(name)
    base = public_url.removeprefix("https://").partition("/")[2]
    staged = type(front)(
        front.name,
        lambda front, method, path, *rest: front_named(name).event(
            front, method, event_prefix + path.removeprefix(f"/{base}" if base else ""), *rest
        ),
        front.answer,
        stage="prod",
    )
    broker = RunningFunction(world, function, staged, public_url)
    browser, answer = broker.sign_in(teams=["team1", "team3"])
    assert (answer.status, answer.location) == (303, f"{public_url}/")
    assert f"{public_url}/teams/team3" in browser.get("/").links
    assert browser.get("/teams/team3").opens_studio()


# hostile events


def rest():
    return front_named("rest-api").event_of(
        "POST", "/saml/acs", [("Accept", "application/json")], b"SAMLResponse=x"
    )


def v2():
    return front_named("http-api-2.0").event_of(
        "POST", "/saml/acs", [("Accept", "application/json")], b"SAMLResponse=x"
    )


def alb():
    return front_named("alb").event_of(
        "POST", "/saml/acs", [("Accept", "application/json")], b"SAMLResponse=x"
    )


@pytest.mark.parametrize("base", [rest, v2, alb], ids=["rest", "v2", "alb"])
@pytest.mark.parametrize(
    "change",
    [
        {"isBase64Encoded": True, "body": "%%%not base64%%%"},
        {"isBase64Encoded": True, "body": base64.b64encode(b"\xff\x00\xfe").decode()},
        {"isBase64Encoded": True, "body": "A"},
        {"body": None},
        {"body": ""},
        {"body": "\x00\ud7ff\uffff"},
        {"body": "SAMLResponse=" + "A" * 700_000},
    ],
    ids=["broken-base64", "binary", "one-letter", "null", "empty", "unicode", "large"],
)
def test_a_hostile_body_gets_a_problem_with_a_code(function, base, change):
    answer = function.invoke({**base(), **change})
    assert answer["statusCode"] in (400, 403, 413)
    problem = json.loads(body_of(answer))
    assert problem["status"] == answer["statusCode"]
    assert problem["code"] in ("form_malformed", "base64_malformed", "body_too_large")
    assert function.program.is_alive


ABSURD_HEADERS = [
    {"Host": "not a url at all!"},
    {"Host": ""},
    {"Host": "[::1"},
    {"Host": "evil.example\\@a"},
    {"X-Forwarded-Proto": "\u00e4"},
    {"X-Forwarded-Port": "-1"},
    {"User-Agent": "Gr\u00fc\u00dfe \U0001f600"},
    {"Cookie": "a=\u00e4; b=\u0001"},
    {"Referer": "\u0000"},
    {"X-Very-Long": "x" * 100_000},
    {"": "empty name"},
    {"bad name": "x"},
    {"X-Line-Break": "a\r\nSet-Cookie: b=c"},
]


@pytest.mark.parametrize("base", [rest, v2, alb], ids=["rest", "v2", "alb"])
@pytest.mark.parametrize("absurd", ABSURD_HEADERS, ids=range(len(ABSURD_HEADERS)))
def test_absurd_headers_get_an_answer_with_a_code(function, base, absurd):
    event = base()
    event["headers"] = {**(event.get("headers") or {}), **absurd}
    if "multiValueHeaders" in event:
        lists = {name: [value] for name, value in absurd.items()}
        event["multiValueHeaders"] = {**event["multiValueHeaders"], **lists}
    answer = function.invoke(event)
    assert answer["statusCode"] in (400, 403), "answered as if it were not there, or refused"
    problem = json.loads(body_of(answer))
    assert problem["code"] and problem["reference"]
    assert problem["status"] == answer["statusCode"]
    assert "evil.example" not in json.dumps(answer)
    assert function.program.is_alive


@pytest.mark.parametrize("planted", ["x=\u0001", "\u0000=x", "\u007f"])
def test_a_control_character_in_a_cookie_takes_away_neither_session_nor_last_owner(
    broker, aws, planted
):
    browser = broker.signed_in(teams=["team1", "team3"])
    cookies = [("Cookie", f"{planted}; {browser.cookie_header()}")]
    assert browser.get("/", headers=cookies).status == 200, "the session is there"
    attackers = broker.response(user_id=unique("attacker-"))
    answer = browser.post_from_idp(attackers, headers=cookies)
    assert answer.location.startswith(f"{broker.world.idp}/sso?"), "and so is the last owner"
    assert "session" not in answer.cookies
    owner = browser.cookie("owner")
    spoilt = [("Cookie", f"{owner.name}={owner.value}\u0001")]
    answer = browser.post_from_idp(attackers, headers=spoilt)
    assert answer.location.startswith(f"{broker.world.idp}/sso?"), "nor does one in its own"


def test_a_control_character_in_what_closes_does_not_open(broker, aws):
    browser = broker.signed_in(teams=["team1", "team3"])
    for header in [("Sec-Fetch-Dest", "iframe\u0001"), ("Sec-Purpose", "prefetch\u0001")]:
        assert browser.get("/teams/team3", headers=[header]).code == "not_navigation"


def without(event, *path):
    event = json.loads(json.dumps(event))
    inner = event
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return event


MISSING = [
    without(rest(), "headers"),
    without(rest(), "multiValueHeaders"),
    without(rest(), "path"),
    without(rest(), "body"),
    without(rest(), "isBase64Encoded"),
    without(rest(), "requestContext", "identity"),
    without(rest(), "requestContext", "stage"),
    without(rest(), "requestContext"),
    without(rest(), "httpMethod"),
    without(v2(), "headers"),
    without(v2(), "rawPath"),
    without(v2(), "body"),
    without(v2(), "requestContext", "http"),
    without(v2(), "requestContext", "stage"),
    without(v2(), "requestContext"),
    without(alb(), "headers"),
    without(alb(), "path"),
    without(alb(), "httpMethod"),
    {},
    [],
    None,
    "text",
    1,
    {"Records": []},
    {"Records": [{"eventSource": "aws:sqs", "body": "x"}]},
    {"source": "aws.events", "detail": {}},
    {"httpMethod": {"not": "text"}},
    {**rest(), "httpMethod": "BAD METHOD"},
    {**rest(), "path": "\u0000\u00e4 \n"},
    {**rest(), "path": "no slash"},
    {**rest(), "headers": [], "multiValueHeaders": "x"},
    {**v2(), "cookies": [1, None]},
    {**v2(), "rawQueryString": "%ff%00&&&==="},
    {**v2(), "cookies": ["a=\n", "\u00e4=b"]},
]


@pytest.mark.parametrize("event", MISSING, ids=range(len(MISSING)))
def test_an_event_that_lacks_something_is_answered_and_the_function_lives(function, event):
    answer = function.invoke(event)
    assert 200 <= answer["statusCode"] < 500
    assert isinstance(answer["body"], str)
    assert function.program.is_alive
    assert (
        function.invoke(front_named("rest-api").event_of("GET", "/healthz", [], None))["body"]
        == "ok"
    )


def test_an_event_that_is_no_json_does_not_end_the_function(function):
    with pytest.raises(FunctionError):
        function.invoke(b"\xff{not json")
    assert function.program.is_alive
    assert function.invoke(front_named("alb").event_of("GET", "/healthz", [], None))["body"] == "ok"


def test_no_event_made_the_function_panic(function):
    assert "panicked" not in function.program.output()


# streams of the tables


def stream_record(table, key, image, name="MODIFY"):
    key_name = "entity_id" if "idps" in table else "team_id"
    record = {
        "eventID": "1",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-central-1",
        "dynamodb": {
            "Keys": {key_name: {"S": key}},
            "SequenceNumber": "111",
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": f"arn:aws:dynamodb:eu-central-1:111111111111:table/{table}/stream/2026-01-01T00:00:00.000",
    }
    if image is not None:
        record["dynamodb"]["NewImage"] = image
    return record


GOOD_TEAM = {
    "team_id": {"S": "t1"},
    "account_id": {"S": "123456789012"},
    "region": {"S": "eu-west-1"},
    "domain_id": {"S": "d-abcdef123456"},
    "execution_role_arn": {"S": "arn:aws:iam::123456789012:role/Team"},
    "user_settings": {
        "M": {
            "SecurityGroups": {"SS": ["sg-0123456789abcdef0"]},
            "CustomFileSystemConfigs": {
                "L": [{"M": {"EFSFileSystemConfig": {"M": {"FileSystemId": {"S": "fs-0123456789abcdef0"}}}}}]
            },
            "SpaceStorageSettings": {
                "M": {
                    "DefaultEbsStorageSettings": {
                        "M": {
                            "DefaultEbsVolumeSizeInGb": {"N": "5"},
                            "MaximumEbsVolumeSizeInGb": {"N": "100"},
                        }
                    }
                }
            },
        }
    },
}


def lines_about(function, key):
    return [line for line in function.program.log() if key in json.dumps(line)]


def test_a_good_item_of_a_stream_is_noted(function):
    key = unique("stream-team-")
    record = stream_record("studio-broker-teams", key, {**GOOD_TEAM, "team_id": {"S": key}})
    function.invoke({"Records": [record]})
    (line,) = lines_about(function, key)
    assert line["level"] == "INFO"


def test_a_bad_item_of_a_stream_is_named_with_attribute_found_and_expected(function):
    bad, good = unique("stream-team-"), unique("stream-team-")
    broken = {**GOOD_TEAM, "team_id": {"S": bad}, "account_id": {"N": "123456789012"}}
    records = [
        stream_record("studio-broker-teams", bad, broken),
        stream_record("studio-broker-teams", good, {**GOOD_TEAM, "team_id": {"S": good}}),
    ]
    function.invoke({"Records": records})
    (line,) = lines_about(function, bad)
    assert line["level"] == "ERROR"
    for part in ["studio-broker-teams", "account_id", "123456789012", "leading zeros"]:
        assert part in json.dumps(line)
    (other,) = lines_about(function, good)
    assert other["level"] == "INFO"


def test_the_line_about_an_item_says_what_changed(function):
    key = unique("stream-team-")
    old = {**GOOD_TEAM, "team_id": {"S": key}, "groups": {"SS": ["a"]}}
    new = {**old, "groups": {"L": [{"S": "a"}, {"S": "b"}]}, "enabled": {"BOOL": False}}
    record = stream_record("studio-broker-teams", key, new)
    record["dynamodb"]["OldImage"] = old
    function.invoke({"Records": [record]})
    (line,) = lines_about(function, key)
    assert line["event"] == "item_changed"
    assert line["changes"] == 'enabled: false; groups: +"b"'


def test_what_plan_would_have_said_stands_in_the_line(function):
    key = unique("stream-team-")
    image = {**GOOD_TEAM, "team_id": {"S": key}, "grups": {"L": []}}
    function.invoke({"Records": [stream_record("studio-broker-teams", key, image, "INSERT")]})
    (line,) = lines_about(function, key)
    said = 'found an attribute "grups" that nobody knows, expected perhaps groups'
    assert (line["level"], line["plan"]) == ("WARN", f'team "{key}": {said}')
    bad = {**image, "account_id": {"N": "123456789012"}}
    function.invoke({"Records": [stream_record("studio-broker-teams", key, bad)]})
    line = lines_about(function, key)[-1]
    assert line["event"] == "item_invalid"
    assert line["plan"].startswith(f'team "{key}": account_id: found the number 123456789012, expected')


def test_a_bad_idp_of_a_stream_is_named(function):
    key = f"https://{unique('stream-idp')}.example.com"
    image = {
        "entity_id": {"S": key},
        "metadata_xml": {"S": "<no metadata/>"},
        "allowed_teams": {"L": []},
    }
    function.invoke({"Records": [stream_record("studio-broker-idps", key, image)]})
    (line,) = lines_about(function, key)
    assert line["level"] == "ERROR"
    assert "metadata_xml" in json.dumps(line)


@pytest.mark.parametrize(
    "record",
    [
        stream_record("studio-broker-teams", "gone", None, "REMOVE"),
        stream_record("some-other-table", "x", {"pk": {"S": "x"}}),
        {"eventSource": "aws:dynamodb"},
        {"eventSource": "aws:dynamodb", "dynamodb": "x", "eventSourceARN": 7},
        {
            "eventSource": "aws:dynamodb",
            "dynamodb": {"NewImage": {"a": {"S": 1}, "b": "x", "c": {}}},
            "eventSourceARN": "table/studio-broker-teams/",
        },
        {
            "eventSource": "aws:dynamodb",
            "dynamodb": {"NewImage": {"a": {"B": "%%%"}}},
            "eventSourceARN": "table/studio-broker-idps/",
        },
    ],
    ids=["removed", "other-table", "nothing", "other-types", "odd-image", "broken-base64"],
)
def test_any_record_of_a_stream_is_read_without_harm(function, record):
    assert isinstance(function.invoke({"Records": [record]}), dict)
    assert function.program.is_alive


# the start


def test_a_table_that_cannot_be_read_does_not_stop_the_start(world, start, aws):
    aws.fault(service="dynamodb", operation="Scan", effect="deny")
    function = start(STUDIO_BROKER_ORGANIZATION="one that cannot preload")
    broker = RunningFunction(world, function, front_named("rest-api"))
    assert broker.sign_in(teams=["team3"])[1].opens_studio()
    assert any(line["level"] == "WARN" for line in function.program.log())


def test_the_start_reads_one_page_of_idps_and_nothing_else(world, start, aws):
    function = start(STUDIO_BROKER_ORGANIZATION="one whose start is watched")
    function.invoke(front_named("rest-api").event_of("GET", "/healthz", [], None))
    assert aws.operations() == ["Scan"]
    assert aws.calls()[0]["parameters"]["TableName"] == "studio-broker-idps"


class Door:
    """A service at an address of its own: counts connections, and what is asked of it without a name."""

    def __init__(self, endpoint):
        target, door = urlsplit(endpoint).netloc, self
        self.connections, self.bare = 0, []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                door.connections += 1
                super().setup()

            def do_GET(self):
                door.bare.append(dict(self.headers.items()))
                self._answer(404, b"not here")

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
                upstream = http.client.HTTPConnection(target)
                upstream.request("POST", self.path, body, headers)
                got = upstream.getresponse()
                self._answer(got.status, got.read(), got.getheader("content-type"))

            def _answer(self, status, body, kind="text/plain"):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


def test_the_start_opens_the_connections_that_the_first_person_needs(world, start, aws):
    team, user = aws.new_team(region=HUB_REGION, **somewhere(aws, HUB_REGION)), unique("user-")
    broker = world.serve()
    assert broker.sign_in(user_id=user, teams=[team["team_id"]])[1].opens_studio()
    sts, sagemaker = Door(aws.endpoint), Door(aws.endpoint)
    function = start(AWS_ENDPOINT_URL_STS=sts.url, AWS_ENDPOINT_URL_SAGEMAKER=sagemaker.url)
    front = front_named("rest-api")
    function.invoke(front.event_of("GET", "/healthz", [], None))
    assert (len(sts.bare), len(sagemaker.bare)) == (1, 3)
    for headers in sts.bare + sagemaker.bare:
        assert {name.lower() for name in headers} <= {"host", "user-agent"}, "nobody's name or signature"
    before = (sts.connections, sagemaker.connections)
    assert before == (1, 3)
    broker = RunningFunction(world, function, front)
    assert broker.sign_in(user_id=user, teams=[team["team_id"]])[1].opens_studio()
    assert (sts.connections, sagemaker.connections) == before, "none of them was opened for the person"


def somewhere(aws, region):
    """A domain of its own in a Region: what a team says of it."""
    account = "666666666601"
    role = {"ExecutionRole": f"arn:aws:iam::{account}:role/Default"}
    made = aws.sagemaker(account, region).create_domain(
        DomainName=unique("domain-"), AuthMode="IAM", DefaultUserSettings=role
    )
    return {
        "account_id": account,
        "domain_id": made["DomainId"],
        "execution_role_arn": f"arn:aws:iam::{account}:role/Execution",
    }


def test_services_that_are_not_there_do_not_stop_the_start(world, start, aws):
    function = start(AWS_ENDPOINT_URL_STS="http://127.0.0.1:9", AWS_ENDPOINT_URL_SAGEMAKER="http://127.0.0.1:9")
    answer = function.invoke(front_named("rest-api").event_of("GET", "/healthz", [], None))
    assert answer["statusCode"] == 200
    warned = [line["message"] for line in function.program.log() if line["level"] == "WARN"]
    assert {"no connection to STS yet", "no connection to SageMaker yet"} <= set(warned)
