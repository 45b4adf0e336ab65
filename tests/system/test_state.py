"""The state table: one response, one session, whoever asks and however often."""

import base64
import hashlib
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from browser import Browser, over_http
from world import PUBLIC_URL, request_id, unique

#: Operations of DynamoDB that change something.
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
#: The largest clock skew that can be set, in seconds.
LARGEST_SKEW = 180


def writes(aws):
    return [
        call["operation"] for call in aws.calls(service="dynamodb") if call["operation"] in WRITES
    ]


def items(aws):
    return aws.state.scan(ConsistentRead=True)["Items"]


def item_of(aws, browser):
    key = browser.cookie("session").value.split(".")[0]
    return aws.state.get_item(Key={"pk": key}, ConsistentRead=True)["Item"]


def test_a_sign_in_is_one_conditional_write(broker, aws):
    broker.signed_in(teams=["team1", "team2"])
    assert writes(aws) == ["PutItem"]
    (put,) = aws.calls(operation="PutItem")
    assert put["parameters"]["TableName"] == "studio-broker-state"


def test_the_same_response_twice_is_refused_by_any_process(world, broker, aws):
    response = broker.response(user_id=unique("user-"), teams=["team1", "team2"])
    other = Browser(over_http(world.serve().port), PUBLIC_URL)
    assert broker.browser().post_from_idp(response).status == 303
    for browser in [broker.browser(), other]:
        answer = browser.post_from_idp(response)
        assert (answer.status, answer.code) == (403, "replayed")
        assert browser.jar == {}


def test_another_response_with_the_same_assertion_id_is_a_replay(broker, aws):
    values = {"user_id": unique("user-"), "assertion_id": f"_{unique('fixed')}"}
    assert broker.sign_in(**values)[1].status == 303
    assert broker.sign_in(**values)[1].code == "replayed"


def started(broker, browser=None):
    """A sign-in that the browser started at the test IdP: browser and the request's ID."""
    browser = browser or broker.browser()
    answer = browser.get(f"/saml/login?idp={quote(broker.world.idp_entity_id, safe='')}")
    return browser, request_id(answer.location)


def without_request_on_the_wrapper(response):
    """The response as somebody posts it who takes `InResponseTo` off the part that nobody signed."""
    xml = base64.b64decode(response).decode()
    head, _, rest = xml.partition(">")[2].partition(">")
    declaration = xml[: xml.index(">") + 1]
    head = re.sub(r' InResponseTo="[^"]*"', "", head)
    return base64.b64encode(f"{declaration}{head}>{rest}".encode()).decode()


def test_an_answer_writes_its_request_and_its_assertion_in_one_transaction(broker, aws):
    browser, request = started(broker)
    aws.forget_calls()
    _, answer = broker.sign_in(browser, in_response_to=request, teams=["team1", "team3"])
    assert answer.status == 303
    assert writes(aws) == ["TransactWriteItems"]
    assert browser.get("/teams/team3").opens_studio()


def test_one_assertion_never_signs_in_twice_by_its_second_confirmation(world, broker, aws):
    browser, request = started(broker)
    values = {"in_response_to": request, "also_unsolicited": 1, "sign": "assertion"}
    response = broker.response(user_id=unique("victim-"), teams=["team1", "team3"], **values)
    stripped = without_request_on_the_wrapper(response)
    assert stripped != response
    thief = broker.browser().post_from_idp(stripped)
    assert (thief.status, thief.code) == (403, "request_unknown"), "it answers, and is not unsolicited"
    assert browser.post_from_idp(response).status == 303
    for process in [broker, world.serve()]:
        for posted in [stripped, response]:
            thief = Browser(over_http(process.port), PUBLIC_URL).post_from_idp(posted)
            assert (thief.status, thief.code) == (403, "request_unknown")
            assert not thief.cookies


def test_whatever_it_answered_an_assertion_is_consumed(broker, aws):
    """An identity provider that gives the same ID to an answer and to an unsolicited response."""
    user, fixed = unique("user-"), f"_{unique('fixed')}"
    for first_answers in [True, False]:
        values = {"user_id": user, "assertion_id": f"{fixed}{first_answers}"}
        browser, request = started(broker)
        answer = lambda: broker.sign_in(browser, in_response_to=request, **values)[1]
        unsolicited = lambda: broker.sign_in(**values)[1]
        first, second = (answer, unsolicited) if first_answers else (unsolicited, answer)
        assert first().status == 303
        refused = second()
        assert (refused.status, refused.code) == (403, "replayed")


def test_two_answers_to_one_request_are_one_sign_in_wherever_they_come(world, broker, aws):
    browser, request = started(broker)
    other = Browser(over_http(world.serve().port), PUBLIC_URL, dict(browser.jar))
    user = unique("user-")
    together = threading.Barrier(2)

    def post(at):
        response = broker.response(user_id=user, in_response_to=request)
        together.wait(timeout=30)
        return at.post_from_idp(response)

    with ThreadPoolExecutor(2) as posts:
        answers = list(posts.map(post, [browser, other]))
    assert sorted(answer.status for answer in answers) == [303, 403]
    assert {answer.code for answer in answers if answer.status == 403} == {"replayed"}


def test_of_answers_at_once_to_two_processes_exactly_one_signs_in(world, broker, aws):
    browser, request = started(broker)
    response = broker.response(
        user_id=unique("user-"), in_response_to=request, teams=["team1", "team2"]
    )
    ports = [broker.port, world.serve().port]
    together = threading.Barrier(20)

    def post(number):
        one = Browser(over_http(ports[number % 2]), PUBLIC_URL, dict(browser.jar))
        together.wait(timeout=30)
        return one.post_from_idp(response)

    with ThreadPoolExecutor(20) as posts:
        answers = list(posts.map(post, range(20)))
    assert sorted(answer.status for answer in answers) == [303] + [403] * 19
    assert {answer.code for answer in answers if answer.status == 403} == {"replayed"}


def test_a_transaction_whose_answer_was_lost_is_our_own_and_nobody_elses(broker, aws):
    lost = {"service": "dynamodb", "operation": "TransactWriteItems", "effect": "lose_answer"}
    browser, request = started(broker)
    jar = dict(browser.jar)
    response = broker.response(user_id=unique("user-"), in_response_to=request)
    aws.fault(times=1, **lost)
    assert browser.post_from_idp(response).status == 303
    assert browser.get("/").status in (200, 403), "the session is there"
    aws.fault(times=1, **lost)
    again = Browser(over_http(broker.port), PUBLIC_URL, jar).post_from_idp(response)
    assert (again.status, again.code) == (403, "replayed")


@pytest.mark.parametrize("operation", ["PutItem", "TransactWriteItems"])
def test_a_write_that_meets_another_one_is_made_again(broker, aws, operation):
    """What DynamoDB says while a transaction on the same keys is under way."""
    browser, request = started(broker)
    code = "TransactionConflictException" if operation == "PutItem" else "TransactionInProgressException"
    aws.fault(
        service="dynamodb", operation=operation, times=2, effect="error", code=code, status=400
    )
    values = {"in_response_to": request} if operation == "TransactWriteItems" else {}
    _, answer = broker.sign_in(browser, **values)
    assert answer.status == 303


def test_an_answers_record_outlives_the_request_that_it_answers(broker, aws):
    browser, request = started(broker)
    before = int(time.time())
    broker.sign_in(browser, in_response_to=request, expires_in=60, session_expires_in=70)
    item = item_of(aws, browser)
    assert int(item["expires_at"]) >= before + 600 + LARGEST_SKEW
    guards = [other for other in items(aws) if other.get("claimed_by") == item["secret_hash"]]
    assert [guard["expires_at"] for guard in guards] == [item["expires_at"]]
    assert set(guards[0]) == {"pk", "claimed_by", "expires_at"}, "and it is no session"
    name, secret = browser.cookie("session").name, browser.cookie("session").value.split(".")[1]
    cookie = [("Cookie", f"{name}={guards[0]['pk']}.{secret}")]
    assert "Your teams" not in broker.browser().get("/", headers=cookie).text


def test_the_same_assertion_id_of_another_idp_is_no_replay(broker, aws):
    idp = broker.world.new_idp()
    values = {"user_id": unique("user-"), "assertion_id": f"_{unique('fixed')}"}
    assert broker.sign_in(**values)[1].status == 303
    assert broker.sign_in(issuer=idp, **values)[1].status == 303


def test_of_fifty_posts_at_once_to_two_processes_exactly_one_signs_in(world, broker, aws):
    response = broker.response(user_id=unique("user-"), teams=["team1", "team2"])
    ports = [broker.port, world.serve().port]
    together = threading.Barrier(50)

    def post(number):
        browser = Browser(over_http(ports[number % 2]), PUBLIC_URL)
        together.wait(timeout=30)
        return browser.post_from_idp(response)

    with ThreadPoolExecutor(50) as posts:
        answers = list(posts.map(post, range(50)))
    # On a busy machine somebody may wait two seconds in vain. Such a post signs nobody in; whether it used the
    # response up, nobody knows, so that it may be the one.
    in_vain = sum(answer.code == "aws_unreachable" for answer in answers)
    signed_in = sum(answer.status == 303 for answer in answers)
    assert signed_in == 1 or (signed_in == 0 and in_vain)
    refused = [answer for answer in answers if answer.status == 403]
    assert {answer.code for answer in refused} == {"replayed"}
    assert signed_in + in_vain + len(refused) == 50 and in_vain < 25
    assert sum("session" in answer.cookies for answer in answers) == signed_in


def test_an_answer_that_was_lost_does_not_make_our_own_write_a_replay(broker, aws):
    aws.fault(service="dynamodb", operation="PutItem", times=1, effect="lose_answer")
    browser, answer = broker.sign_in(teams=["team1", "team3"])
    assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")
    assert writes(aws) == ["PutItem", "PutItem"]
    assert browser.get("/teams/team3").opens_studio()


def test_an_answer_that_was_lost_makes_nobody_elses_post_ours(broker, aws):
    response = broker.response(user_id=unique("user-"))
    assert broker.browser().post_from_idp(response).status == 303
    aws.fault(service="dynamodb", operation="PutItem", times=1, effect="lose_answer")
    answer = broker.browser().post_from_idp(response)
    assert (answer.status, answer.code) == (403, "replayed")


def test_a_sign_out_whose_answer_was_lost_is_a_sign_out(broker, aws):
    browser = broker.signed_in(teams=["team1", "team3"])
    cookies = browser.cookie_header()
    aws.fault(service="dynamodb", operation="UpdateItem", times=1, effect="lose_answer")
    assert browser.post("/sign-out").status == 200
    assert not broker.browser().get("/teams/team3", headers=[("Cookie", cookies)]).opens_studio()


@pytest.mark.parametrize("fault", [{}, {"effect": "lose_answer"}])
def test_of_many_sign_outs_at_once_one_is_told(world, broker, aws, fault):
    browser = broker.signed_in(teams=["team1", "team3"])
    brokers = [broker, world.serve()]
    before = [len(one.program.decisions()) for one in brokers]
    cookies, together = browser.cookie_header(), threading.Barrier(10)
    if fault:
        aws.fault(service="dynamodb", operation="UpdateItem", times=1, **fault)

    def post(number):
        other = brokers[number % 2].browser()
        together.wait(timeout=30)
        return other.post("/sign-out", headers=[("Cookie", cookies)])

    with ThreadPoolExecutor(10) as posts:
        assert {answer.status for answer in posts.map(post, range(10))} == {200}
    lines = [
        line
        for one, known in zip(brokers, before, strict=True)
        for line in one.program.decisions()[known:]
    ]
    assert [line["outcome"] for line in lines] == ["signed_out"]


def test_whoever_reads_the_table_has_no_session(broker, aws):
    browser = broker.signed_in(teams=["team1", "team3"])
    name, (key, secret) = browser.cookie("session").name, browser.cookie("session").value.split(".")
    item = item_of(aws, browser)
    texts = set(re.findall(r"[A-Za-z0-9_+/=-]{8,}", repr(item)))
    raw = [bytes.fromhex(text) for text in texts if re.fullmatch(r"[0-9a-f]{64}", text)]
    texts |= {base64.urlsafe_b64encode(value).decode().rstrip("=") for value in raw}
    texts |= {base64.b64encode(value).decode() for value in raw}
    assert secret not in texts
    assert hashlib.sha256(secret.encode()).hexdigest() in texts or any(
        hashlib.sha256(base64.urlsafe_b64decode(secret + "==")).digest() == value for value in raw
    ), "only its SHA-256 is there"
    for text in texts:
        for cookie in (f"{key}.{text}", f"{text}.{key}", text):
            answer = broker.browser().get("/teams/team3", headers=[("Cookie", f"{name}={cookie}")])
            assert not answer.opens_studio(), cookie


def test_keys_and_secrets_are_256_bits_and_fresh_each_time(broker, aws):
    values = [broker.signed_in().cookie("session").value for _ in range(3)]
    parts = [part for value in values for part in value.split(".")]
    assert len(set(parts)) == 6
    assert all(len(base64.urlsafe_b64decode(part + "==")) == 32 for part in parts)


def test_signing_out_ends_the_session_inside_the_item_and_keeps_the_guard(broker, aws):
    browser = broker.signed_in()
    before = item_of(aws, browser)
    key = before["pk"]
    browser.post("/sign-out")
    after = aws.state.get_item(Key={"pk": key}, ConsistentRead=True)["Item"]
    assert after["expires_at"] == before["expires_at"]
    assert "DeleteItem" not in aws.operations()


@pytest.mark.parametrize(
    "values",
    [
        {"expires_in": 300},
        {"expires_in": 3600},
        {"expires_in": 14 * 3600},
        {"expires_in": 300, "session_expires_in": 600},
        {"issued_ago": 340, "expires_in": 300, "session_expires_in": 600},
    ],
)
def test_an_item_outlives_every_clock_that_could_accept_the_response_and_the_session(
    broker, aws, values
):
    before = int(time.time())
    browser = broker.signed_in(**values)
    expires_at = int(item_of(aws, browser)["expires_at"])
    issued = before - values.get("issued_ago", 0)
    assert expires_at >= issued + values["expires_in"] + LARGEST_SKEW
    session_ends = min(before + 3600, issued + values.get("session_expires_in", 12 * 3600))
    assert expires_at >= session_ends
    latest = max(issued + values["expires_in"], session_ends)
    assert expires_at <= latest + 15 * 60, "nor is it kept for ever"


def test_a_response_that_is_swept_too_early_cannot_exist(broker, aws):
    response = broker.response(user_id=unique("user-"), expires_in=60)
    assert broker.browser().post_from_idp(response).status == 303
    aws.control("sweep-expired", "POST")
    assert broker.browser().post_from_idp(response).code == "replayed"


def test_nothing_is_written_before_a_response_has_verified(broker, aws):
    for values in [
        {"sign": "none"},
        {"audience": "x"},
        {"issued_ago": 9999},
        {"in_response_to": "_x"},
    ]:
        broker.sign_in(**values)
    broker.browser().post("/saml/acs", {"SAMLResponse": "AAAA"})
    assert writes(aws) == []


def test_a_thousand_anonymous_requests_write_nothing(broker, aws):
    before = len(items(aws))
    paths = [
        "/",
        "/saml/login",
        "/saml/metadata",
        "/teams/team1",
        "/sign-out",
        "/healthz",
        "/nothing",
    ]
    unsigned = broker.response(user_id=unique("user-"), sign="none")

    def ask(number):
        browser = broker.browser()
        if number % 10 == 8:
            return browser.post_from_idp(unsigned).status
        if number % 10 == 9:
            return browser.post("/sign-out").status
        return browser.get(paths[number % len(paths)]).status

    with ThreadPoolExecutor(8) as requests:
        statuses = set(requests.map(ask, range(1000)))
    assert statuses <= {200, 302, 403, 404, 405}
    assert writes(aws) == []
    assert len(items(aws)) == before


def test_a_person_without_a_team_is_signed_in_and_writes_one_item(broker, aws):
    broker.signed_in()
    assert writes(aws) == ["PutItem"]


def test_opening_a_team_writes_nothing(broker, aws):
    browser = broker.signed_in(teams=["team1", "team3"])
    aws.forget_calls()
    assert browser.get("/teams/team3").opens_studio()
    assert browser.get("/").status == 200
    assert writes(aws) == []


def test_an_item_whose_session_nobody_can_read_is_no_session(broker, aws):
    browser = broker.signed_in(teams=["team1", "team3"])
    item = item_of(aws, browser)
    aws.state.put_item(Item={name: item[name] for name in ("pk", "expires_at")})
    answer = browser.get("/teams/team3")
    assert not answer.opens_studio()
    assert answer.code is None
