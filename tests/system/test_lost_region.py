"""Two hubs in two Regions on one set of tables (multi-Region strong consistency), one host name and one
entity ID, and somebody in front who asks `/healthz`. Then a Region is lost, in the middle of Monday.

The hubs are functions' programs as `serve`, and the simulated AWS cuts the Region off as AWS documents it: its
tables answer eventually consistent reads with what they held, and nothing else.
"""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from browser import Browser, over_http
from world import HUB_REGION, PUBLIC_URL, request_id, unique

FIRST, SECOND = HUB_REGION, "eu-west-1"
#: What the front waits before it sends nobody to a hub any more: here as many tenths as Route 53 takes
#: seconds (infra/regions/front.yaml: three times in vain, ten seconds apart).
INTERVAL, FAILURES = 0.2, 3
#: A busy machine takes as long as it takes; nobody waits in vain.
PATIENCE = 120


class Front:
    """Route 53, or a proxy: everybody goes to the first hub that is healthy."""

    def __init__(self, hubs):
        self.hubs, self.failures, self.switched, self.looks = hubs, Counter(), None, 0
        self.stopped = threading.Event()
        threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self):
        while not self.stopped.wait(INTERVAL):
            for hub in self.hubs:
                try:
                    healthy = Browser(over_http(hub.port), PUBLIC_URL).get("/healthz").status == 200
                except OSError:
                    healthy = False
                self.failures[hub] = 0 if healthy else self.failures[hub] + 1
            self.looks += 1
            if self.switched is None and self.current() is not self.hubs[0]:
                self.switched, self.looks_at_switch = time.monotonic(), self.looks

    def current(self):
        return next((hub for hub in self.hubs if self.failures[hub] < FAILURES), self.hubs[0])

    def send(self, *request):
        return over_http(self.current().port)(*request)

    def browser(self):
        return Browser(self.send, PUBLIC_URL)


@pytest.fixture
def hubs(world, aws):
    """The same settings in both Regions but for the Region itself."""
    aws.settings(strong_tables=True)
    started = [world.serve(AWS_REGION=region) for region in (FIRST, SECOND)]
    yield started
    for hub in started:
        if hub.program.is_alive:
            hub.program.stop()


def cut_off(aws, *regions):
    aws.settings(cut_off_regions=list(regions))


def lose(aws, hub, region):
    """The whole Region: whoever runs there, and the tables there."""
    hub.program.process.kill()
    hub.program.process.wait()
    cut_off(aws, region)


def test_in_the_middle_of_monday_a_region_is_lost(world, aws, hubs):
    people, seconds = 60, 6
    first, second = hubs
    front = Front(hubs)
    teams = [aws.new_team()["team_id"] for _ in range(2)]
    lost, responses, answers, in_vain = {}, [], [], []
    lock, rnd = threading.Lock(), random.Random(1)
    arrivals = sorted(rnd.uniform(0, seconds) for _ in range(people))
    began = time.monotonic() + 0.5

    def come(number):
        time.sleep(max(0, began + arrivals[number] - time.monotonic()))
        person, team = unique("monday-"), teams[number % 2]
        browser, came = front.browser(), time.monotonic()
        while time.monotonic() - came < PATIENCE:
            # A browser whose connection breaks, or whose page says "later", goes back to its portal.
            response = world.broker.response(
                user_id=person, teams=[team], audience=first.entity_id,
                recipient=first.acs_url, destination=first.acs_url,
            )  # fmt: skip
            with lock:
                responses.append((person, team, response))
            asked_at = time.monotonic()
            try:
                answer = browser.post_from_idp(response)
                while answer.status in (200, 303) and time.monotonic() - came < PATIENCE:
                    time.sleep(0.2)
                    answer = browser.get(f"/teams/{team}")
            except Exception:  # noqa: BLE001 (the hub is gone; however the connection ends)
                with lock:
                    in_vain.append((asked_at, front.current()))
                time.sleep(0.1)
                continue
            if answer.opens_studio():
                with lock:
                    answers.append(person)
                return
            # On a busy machine a table may not answer in time.
            assert answer.status == 503, (answer.status, answer.code)
            time.sleep(0.1)

    def disaster():
        time.sleep(max(0, began + seconds / 2 - time.monotonic()))
        lost["at"], lost["looks"] = time.monotonic(), front.looks
        lose(aws, first, FIRST)

    with ThreadPoolExecutor(people + 1) as crowd:
        loss = crowd.submit(disaster)
        list(crowd.map(come, range(people)))
        loss.result()
    front.stopped.set()

    # Everybody got in, each by their own sign-in, and into a profile that was made once.
    assert len(answers) == len(set(answers)) == people
    created = aws.calls(operation="CreateUserProfile", error=None)
    assert len({call["parameters"]["UserProfileName"] for call in created}) == len(created) == people

    # Nobody was locked out for longer than the failover: three looks, and the one that was under way.
    assert front.switched is not None
    assert front.looks_at_switch - lost["looks"] <= FAILURES + 1
    assert all(asked_at < front.switched for asked_at, _ in in_vain)
    assert first.program.decisions(outcome="signed_in") and second.program.decisions(outcome="signed_in")

    # Whatever anybody holds of the morning, wherever it was consumed: it signs in nobody again.
    def digests():
        lines = [line for hub in hubs for line in hub.program.decisions(outcome="signed_in")]
        return Counter(line["assertion_digest"] for line in lines)

    consumed = digests()

    def again(posted):
        browser = second.browser()
        return browser.post_from_idp(posted[2]), bool(browser.cookie("session"))

    with ThreadPoolExecutor(8) as thieves:
        replayed = list(thieves.map(again, responses))
    # Only what reached no table before the Region went is still new.
    fresh = sum(has_session for _, has_session in replayed)
    assert fresh <= len(responses) - len(consumed)
    assert {answer.code for answer, has_session in replayed if not has_session} == {"replayed"}
    assert set(digests().values()) == {1}


def test_one_response_to_both_regions_at_once_signs_in_once(world, aws, hubs):
    for _ in range(10):
        response = hubs[0].response(user_id=unique("user-"), teams=["team1", "team3"])
        together = threading.Barrier(2)

        def post(hub, response=response, together=together):
            together.wait(timeout=20)
            return hub.browser().post_from_idp(response)

        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(post, hubs))
        assert sorted(answer.code or "in" for answer in answers) == ["in", "replayed"]


def answer_to(hub, browser):
    """What the test IdP answers to a sign-in that this browser starts at a hub, and whose it is."""
    login = browser.get(f"/saml/login?idp={hub.world.idp_entity_id}")
    return {"user_id": unique("user-"), "in_response_to": request_id(login.location), "teams": ["team1", "team3"]}


def test_an_answer_to_our_request_signs_in_without_transactions(world, aws, hubs):
    """Such tables know none; the request is used up all the same, and so is the assertion."""
    first, second = hubs
    browser = first.browser()
    values = answer_to(first, browser)
    response, another = first.response(**values), first.response(**values)
    aws.forget_calls()
    # Where the answer arrives need not be where the question was asked.
    browser.send = over_http(second.port)
    assert browser.post_from_idp(response).status == 303
    assert aws.operations().count("TransactWriteItems") <= 1 and aws.operations().count("PutItem") == 2
    browser.send = over_http(first.port)
    for again in (response, another):
        assert browser.post_from_idp(again).status == 403
    # From the second on nobody asks for a transaction any more.
    aws.forget_calls()
    browser = second.browser()
    response = second.response(**answer_to(second, browser))
    assert browser.post_from_idp(response).status == 303
    assert "TransactWriteItems" not in aws.operations()


def test_two_answers_to_one_request_in_two_regions_sign_in_once(world, aws, hubs):
    first, second = hubs
    for _ in range(6):
        browser = first.browser()
        values = answer_to(first, browser)
        responses = [first.response(**values) for _ in hubs]
        together = threading.Barrier(2)

        def post(number, browser=browser, responses=responses, together=together):
            own = Browser(over_http(hubs[number].port), PUBLIC_URL)
            own.jar = dict(browser.jar)
            together.wait(timeout=20)
            return own.post_from_idp(responses[number])

        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(post, range(2)))
        assert sorted(answer.code or "in" for answer in answers) == ["in", "replayed"]


def test_a_write_that_another_region_is_making_is_made_again(world, aws, hubs):
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html: the request may be
    repeated, and the SDK does."""
    conflict = {"effect": "error", "code": "ReplicatedWriteConflictException", "status": 400}
    aws.fault(service="dynamodb", operation="PutItem", times=1, **conflict)
    _, answer = hubs[1].sign_in(teams=["team1", "team3"])
    assert answer.status == 303
    # Where it never ends the person is told to come back, and nothing is consumed.
    aws.fault(service="dynamodb", operation="PutItem", **conflict)
    response = hubs[1].response(user_id=unique("user-"), teams=["team1", "team3"])
    # On a busy machine two seconds may be over before all repetitions are made.
    codes = (hubs[1].browser().post_from_idp(response).code for _ in range(10))
    assert next(code for code in codes if code != "aws_unreachable") == "aws_busy"
    aws.clear_faults()
    assert hubs[0].browser().post_from_idp(response).status == 303


def test_a_session_of_one_region_opens_teams_in_the_other(world, aws, hubs):
    first, second = hubs
    browser = first.signed_in(teams=["team1", "team3"])
    lose(aws, first, FIRST)
    browser.send = over_http(second.port)
    assert browser.get("/teams/team3").opens_studio()


def test_a_region_that_is_cut_off_but_runs_signs_nobody_in(world, aws, hubs):
    """Its function answers, its health check is green, and it has lost the others: it must not decide."""
    first, second = hubs
    response = first.response(user_id=unique("user-"), teams=["team1", "team3"])
    browser = first.signed_in(teams=["team1", "team3"])
    cut_off(aws, FIRST)
    refused = first.browser().post_from_idp(response)
    assert (refused.status, refused.cookies.get("session")) == (503, None)
    assert browser.get("/teams/team3").status == 503
    assert second.browser().post_from_idp(response).status == 303
    cut_off(aws)
    assert first.browser().post_from_idp(response).code == "replayed"


def test_a_region_that_comes_back_with_old_items_lets_nobody_in_by_them(world, aws, hubs):
    """Back, but not caught up: it reads the teams and identity providers of yesterday."""
    # Administrators' own calls go to the first Region.
    first, lost = hubs
    team, entity_id = aws.new_team(), world.new_idp()
    teams = [team["team_id"], "team3"]
    thief, ex_member = unique("user-"), unique("user-")
    stays = lost.signed_in(user_id=unique("user-"), issuer=entity_id, teams=teams)
    denied = lost.signed_in(user_id=ex_member, issuer=entity_id, teams=teams)
    out = lost.signed_in(user_id=thief, issuer=entity_id, teams=teams)
    cookies = out.cookie_header()
    cut_off(aws, SECOND)
    # Meanwhile, in the Region that is left:
    out.send = over_http(first.port)
    assert out.post("/sign-out").status == 200
    aws.change_idp(entity_id, denied_users=[ex_member])
    aws.change_team(team, enabled=False)
    # With old items nobody gets anything, not even those who may: the session cannot be read.
    for browser in (stays, denied):
        assert browser.get(f"/teams/{team['team_id']}").status == 503
    # Once it has caught up, what happened meanwhile counts.
    cut_off(aws)
    path = f"/teams/{team['team_id']}"
    assert stays.get(path).code == "team_paused"
    assert denied.get(path).code == "user_denied"
    assert not lost.browser().get(path, headers=[("Cookie", cookies)]).opens_studio()


def test_what_no_ttl_removes_signs_nobody_in(world, aws, hubs):
    """Such tables have no TTL: items of sessions that have ended stay, and stay ended."""
    browser = hubs[0].signed_in(teams=["team1", "team3"], session_expires_in=2)
    cookies = browser.cookie_header()
    time.sleep(2.5)
    for hub in hubs:
        answer = hub.browser().get("/teams/team3", headers=[("Cookie", cookies)])
        assert not answer.opens_studio()
