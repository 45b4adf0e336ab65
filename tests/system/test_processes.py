"""Many processes, one state: whoever answers, and whoever dies while answering."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from browser import Browser, over_http
from world import PUBLIC_URL, unique

PROCESSES, POSTS = 10, 200


def test_of_two_hundred_posts_at_once_to_ten_processes_exactly_one_signs_in(world, aws):
    ports = [world.serve().port for _ in range(PROCESSES)]
    brokers = world.started[-PROCESSES:]
    team, user = aws.new_team(), unique("user-")
    response = world.broker.response(
        user_id=user,
        teams=[team["team_id"]],
        audience=f"{PUBLIC_URL}/saml/metadata",
        recipient=f"{PUBLIC_URL}/saml/acs",
        destination=f"{PUBLIC_URL}/saml/acs",
    )
    together = threading.Barrier(POSTS)

    def post(number):
        browser = Browser(over_http(ports[number % PROCESSES]), PUBLIC_URL)
        together.wait(timeout=60)
        return browser, browser.post_from_idp(response)

    with ThreadPoolExecutor(POSTS) as posts:
        answers = list(posts.map(post, range(POSTS)))
    signed_in = [browser for browser, answer in answers if "session" in answer.cookies]
    assert len(signed_in) == 1
    refused = [answer for browser, answer in answers if browser is not signed_in[0]]
    # On a busy machine a table may not answer in time; then nobody knows, and nobody is signed in.
    assert {answer.code for answer in refused} <= {"replayed", "aws_unreachable", "aws_busy"}
    assert sum(answer.code == "replayed" for answer in refused) > PROCESSES
    lines = [line for broker in brokers for line in broker.decisions(outcome="signed_in")]
    assert [line["owner"] for line in lines] == [user]
    assert opens_in_the_end(signed_in[0], team)
    assert len(aws.calls(operation="CreateUserProfile", error=None)) == 1
    for broker in brokers:
        broker.stop()


def test_two_hundred_people_at_ten_processes_each_get_their_own(world, aws):
    brokers = [world.serve() for _ in range(PROCESSES)]
    programs = world.started[-PROCESSES:]
    people, in_vain = [unique("user-") for _ in range(POSTS)], []

    def come(number):
        # On a busy machine somebody may wait two seconds in vain, and comes again.
        for _ in range(5):
            browser, answer = brokers[number % PROCESSES].sign_in(
                user_id=people[number], teams=["team1", "team2"]
            )
            if answer.status != 503:
                break
            in_vain.append(people[number])
        # Whoever answers next is another process.
        browser.send = over_http(brokers[(number + 1) % PROCESSES].port)
        choosers = (browser.get("/") for _ in range(5))
        return answer, next((page for page in choosers if page.status != 503), None)

    with ThreadPoolExecutor(20) as arrivals:
        answers = list(arrivals.map(come, range(POSTS)))
    assert [answer.status for answer, _ in answers] == [303] * POSTS
    assert [chooser and chooser.status for _, chooser in answers] == [200] * POSTS
    owners = [line["owner"] for program in programs for line in program.decisions(outcome="signed_in")]
    assert set(owners) == set(people)
    # Who waited in vain may have been signed in all the same.
    assert not Counter(owners) - Counter(people) - Counter(in_vain)
    for program in programs:
        program.stop()


# killed


def kill_during(world, aws, act, **fault):
    """Kills a process of its own while a call of it is under way; what `act` asked of it is lost."""
    broker = world.serve()
    aws.fault(times=1, **fault)
    asked = threading.Thread(target=lost, args=[act, broker], daemon=True)
    asked.start()
    deadline = time.monotonic() + 20
    while aws.control("faults"):
        assert time.monotonic() < deadline, "the call was never made"
        time.sleep(0.02)
    time.sleep(0.1)
    broker.program.process.kill()
    broker.program.process.wait()
    asked.join(timeout=20)
    aws.clear_faults()


def lost(act, broker):
    try:
        act(broker)
    except OSError:
        pass
    except Exception as error:  # an answer cut short
        assert "IncompleteRead" in type(error).__name__ or "BadStatus" in type(error).__name__, error


def at(broker, browser):
    """The same browser, whose requests another process answers."""
    browser.send = over_http(broker.port)
    return browser


def opens_in_the_end(browser, team):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = browser.get(f"/teams/{team['team_id']}")
        if answer.opens_studio():
            return True
        assert answer.status == 200, (answer.code, "neither Studio nor waiting")
        time.sleep(0.3)
    return False


#: Before the work is done, and after it but before the answer is there.
MOMENTS = {"before": {"effect": "hang"}, "after": {"effect": "trickle", "ms": 500}}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_a_response_is_consumed_the_person_signs_in_again(world, broker, aws, moment):
    user = unique("user-")
    response = broker.response(user_id=user, teams=["team1", "team3"])
    kill_during(
        world,
        aws,
        lambda dying: at(dying, broker.browser()).post_from_idp(response),
        service="dynamodb",
        operation="PutItem",
        **MOMENTS[moment],
    )
    answer = broker.browser().post_from_idp(response)
    if moment == "before":
        assert (answer.status, answer.location) == (303, f"{PUBLIC_URL}/")
    else:
        assert (answer.status, answer.code) == (403, "replayed")
        assert f"{PUBLIC_URL}/" in answer.links
    browser, answer = broker.sign_in(user_id=user, teams=["team1", "team3"])
    assert answer.status == 303
    assert browser.get("/").status == 200


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    "operation",
    [
        "AssumeRole",
        "DescribeUserProfile",
        "ListTags",
        "CreateUserProfile",
        "CreatePresignedDomainUrl",
    ],
)
def test_killed_while_a_team_opens_for_the_first_time_the_next_request_carries_on(
    world, broker, aws, operation, moment
):
    team, user = aws.new_team(), unique("user-")
    browser = broker.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    path = f"/teams/{team['team_id']}"
    fault = {"operation": operation, **MOMENTS[moment]}
    kill_during(world, aws, lambda dying: at(dying, browser).get(path), **fault)
    assert opens_in_the_end(at(broker, browser), team)
    tags = aws.profile(team, f"{user}-{team['team_id']}")["Tags"]
    assert (tags["Team"], tags["User"]) == (team["team_id"], user)
    assert len(aws.calls(operation="CreateUserProfile", error=None)) == 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_a_profile_is_updated_the_next_request_carries_on(world, broker, aws, moment):
    team, user = aws.new_team(), unique("user-")
    browser = broker.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    assert opens_in_the_end(browser, team)
    aws.change_team(team, user_settings={"StudioWebPortal": "DISABLED"})
    path = f"/teams/{team['team_id']}"
    fault = {"operation": "UpdateUserProfile", **MOMENTS[moment]}
    kill_during(world, aws, lambda dying: at(dying, browser).get(path), **fault)
    assert opens_in_the_end(at(broker, browser), team)
    settings = aws.profile(team, f"{user}-{team['team_id']}")["UserSettings"]
    assert settings["StudioWebPortal"] == "DISABLED"
    assert settings["ExecutionRole"] == team["execution_role_arn"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_a_profile_is_adopted_the_next_request_carries_on(world, broker, aws, moment):
    team, user = aws.new_team(adopt_profiles=True), unique("user-")
    name = f"{user}-{team['team_id']}"
    aws.plant_profile(team, name, {"Team": team["team_id"]})
    browser = broker.signed_in(user_id=user, teams=[team["team_id"], "team3"])
    path = f"/teams/{team['team_id']}"
    fault = {"operation": "AddTags", **MOMENTS[moment]}
    kill_during(world, aws, lambda dying: at(dying, browser).get(path), **fault)
    assert opens_in_the_end(at(broker, browser), team)
    assert aws.profile(team, name)["Tags"] == {"Team": team["team_id"], "User": user}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_somebody_signs_out_they_sign_out_again(world, broker, aws, moment):
    browser = broker.signed_in(teams=["team1", "team3"])
    cookies = browser.cookie_header()
    kill_during(
        world,
        aws,
        lambda dying: at(dying, browser).post("/sign-out"),
        service="dynamodb",
        operation="UpdateItem",
        **MOMENTS[moment],
    )
    assert at(broker, browser).post("/sign-out").status == 200
    thief = broker.browser().get("/teams/team3", headers=[("Cookie", cookies)])
    assert not thief.opens_studio()


def test_killed_without_warning_a_process_leaves_nothing_that_stops_the_next(world, broker, aws):
    browser = broker.signed_in(teams=["team1", "team3"])
    dying = world.serve()
    dying.program.process.kill()
    dying.program.process.wait()
    again = world.serve()
    assert at(again, browser).get("/teams/team3").opens_studio()
