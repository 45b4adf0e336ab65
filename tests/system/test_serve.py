"""`serve` among clients that are slow, silent, many or rude, and when it is told to stop."""

import http.client
import re
import resource
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from programs import binary, clean_environment
from world import unique

ASK = b"GET /healthz HTTP/1.1\r\nHost: studio.example.com\r\n\r\n"


@contextmanager
def files_at_most(number):
    """Programs that are started meanwhile, and this one, may open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(broker, first=b""):
    connection = socket.create_connection(("127.0.0.1", broker.port), timeout=30)
    connection.sendall(first)
    return connection


def is_closed_after(connection, send=b"", every=0.5):
    """Seconds until the other side closes, while `send` is repeated; None when it stays open."""
    started = time.monotonic()
    connection.settimeout(every)
    while time.monotonic() - started < 14:
        try:
            if send:
                connection.sendall(send)
            if connection.recv(4096) == b"":
                return time.monotonic() - started
        except TimeoutError:
            continue
        except OSError:
            return time.monotonic() - started
    return None


def resident(broker):
    """MiB in memory."""
    status = Path(f"/proc/{broker.program.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


@pytest.mark.parametrize("size", [600_000, 5_000_000])
def test_a_client_that_sends_everything_first_hears_that_it_was_too_much(broker, size):
    connection = http.client.HTTPConnection("127.0.0.1", broker.port, timeout=30)
    connection.request("POST", "/saml/acs", b"x" * size)
    assert connection.getresponse().status == 413


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 6\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 6",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: xchunked",
        b"Content-Length: 5\r\nContent-Length: 0",
    ],
    ids=["length-first", "chunks-first", "chunks", "other-coding", "unknown-coding", "two-lengths"],
)
def test_behind_a_body_whose_end_is_read_in_two_ways_nothing_is_answered(broker, head):
    host = b"Host: studio.example.com\r\n"
    first = b"POST /saml/acs HTTP/1.1\r\n" + host + head + b"\r\n\r\n0\r\n\r\n"
    with connect(broker, first + ASK) as connection:
        answers = b""
        while piece := connection.recv(65536):
            answers += piece
    assert answers.count(b"HTTP/1.1 ") == 1
    assert answers.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "command",
    [["serve", "--listen", "127.0.0.1:0"], ["local", "--ephemeral", "--port", "0"]],
    ids=["serve", "local"],
)
def test_told_to_stop_at_its_first_word_a_program_ends_well(world, command):
    for _ in range(5):
        settings = world.aws.environment(STUDIO_BROKER_PUBLIC_URL="https://studio.example.com")
        arguments = [binary("studio-broker"), "--output", "json", *command]
        process = subprocess.Popen(
            arguments, env=clean_environment(settings), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        process.stdout.readline()
        process.terminate()
        assert process.wait(20) == 0


# the slow and the silent, all beside each other


@pytest.fixture(scope="module")
def ends(broker):
    """When connections end on which little happens, in seconds by what happens; None: they do not."""
    asked = connect(broker, ASK)
    assert b"200 OK" in asked.recv(4096)
    head = b"POST /saml/acs HTTP/1.1\r\nHost: studio.example.com\r\nContent-Length: 1000\r\n\r\n"
    happens = {
        "nothing": (connect(broker), b""),
        "half a greeting of HTTP/2": (connect(broker, b"PRI * HT"), b""),
        "a header byte by byte": (connect(broker, b"GET / HTTP/1.1\r\nX: "), b"x"),
        "a request, then nothing": (asked, b""),
    }
    slow_body = connect(broker, head)
    with ThreadPoolExecutor(len(happens) + 1) as watching:
        found = {name: watching.submit(is_closed_after, *of) for name, of in happens.items()}
        answered = watching.submit(answer_to_a_slow_body, slow_body)
        found = {name: ended.result() for name, ended in found.items()}
        return {**found, "a body byte by byte": answered.result()}


def answer_to_a_slow_body(connection):
    """The status line that a body gets which never ends, and when."""
    started = time.monotonic()
    connection.settimeout(0.5)
    while time.monotonic() - started < 20:
        try:
            connection.sendall(b"x")
            return connection.recv(4096).split(b"\r\n")[0], time.monotonic() - started
        except TimeoutError:
            continue
    return None, None


@pytest.mark.parametrize(
    "happens", ["nothing", "half a greeting of HTTP/2", "a header byte by byte"]
)
def test_who_asks_nothing_keeps_a_place_for_ten_seconds(ends, happens):
    assert ends[happens] is not None
    assert 8 < ends[happens] < 13


def test_a_connection_that_asked_is_kept_for_longer_than_a_load_balancer_does(ends):
    assert ends["a request, then nothing"] is None


def test_a_body_that_never_ends_is_refused_after_fifteen_seconds(ends):
    status, seconds = ends["a body byte by byte"]
    assert status == b"HTTP/1.1 503 Service Unavailable"
    assert 13 < seconds < 18


# the many


def test_thousands_of_connections_stand_there_and_everybody_else_is_served(world, aws):
    with files_at_most(8_192):
        broker = world.serve()
        before = resident(broker)
        standing = [connect(broker, ASK) for _ in range(2_000)]
        for connection in standing:
            assert b"200 OK" in connection.recv(4096)
        _, answer = broker.sign_in(user_id=unique("user-"), teams=["team3"])
        assert answer.status in (302, 303)
        assert resident(broker) - before < 100, "MiB for two thousand connections"
        for connection in standing:
            connection.close()


def test_who_takes_all_places_and_says_nothing_keeps_nobody_out_for_long(world, aws):
    with files_at_most(256):
        broker = world.serve()
    silent = [connect(broker) for _ in range(100)]
    started = time.monotonic()
    _, answer = broker.sign_in(user_id=unique("user-"), teams=["team3"])
    assert answer.status in (302, 303), "and there are files left to ask AWS with"
    assert time.monotonic() - started < 13
    for connection in silent:
        connection.close()


def test_large_headers_are_refused_and_large_bodies_of_many_stay_within_bounds(world, aws):
    broker = world.serve()
    connection = connect(broker, b"GET / HTTP/1.1\r\nCookie: " + b"x" * 64_000 + b"\r\n\r\n")
    assert b" 431 " in connection.recv(4096).split(b"\r\n")[0]
    before = resident(broker)
    head = b"POST /saml/acs HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n"
    bodies = []
    for _ in range(300):
        connection = connect(broker)
        connection.setblocking(False)
        try:
            connection.send(head + b"x" * 499_000)
        except BlockingIOError:
            pass
        bodies.append(connection)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        for connection in bodies:
            try:
                connection.send(b"x" * 100_000)
            except OSError:
                continue
        time.sleep(0.05)
    assert resident(broker) - before < 150, "MiB, of 150 MB that were sent"
    _, answer = broker.sign_in(user_id=unique("user-"), teams=["team3"])
    assert answer.status in (302, 303), "who sends an ordinary response is not kept out"
    for connection in bodies:
        connection.close()
    assert broker.browser().get("/healthz").text == "ok"


# the end


def test_an_opening_that_nobody_waits_for_any_more_is_finished_before_the_end(world, aws):
    broker, user = world.serve(), unique("user-")
    team = aws.new_team()
    aws.fault(operation="AssumeRole", effect="delay", ms=1_000)
    aws.fault(operation="CreateUserProfile", effect="delay", ms=1_300)
    _, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.status == 303, "the person is told to wait"
    assert broker.program.decisions(outcome="created") == []
    assert broker.program.stop() == 0
    assert [line["owner"] for line in broker.program.decisions(outcome="created")] == [user]


def test_after_the_signal_what_has_begun_is_answered_and_nothing_new_begins(world, aws):
    broker = world.serve()
    aws.fault(service="dynamodb", operation="GetItem", effect="delay", ms=600)
    response = broker.response(user_id=unique("user-"), teams=["team1", "team3"])
    with ThreadPoolExecutor(1) as posting:
        answer = posting.submit(broker.browser().post_from_idp, response)
        time.sleep(0.3)
        broker.program.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            broker.browser().get("/healthz")
        assert answer.result().status == 303
    assert broker.program.process.wait(timeout=10) == 0


def test_a_container_that_is_stopped_amid_sign_ins_is_red_first_and_finishes_what_it_began(world, aws):
    """As ECS and Kubernetes stop it: people still come until the load balancer has seen that it is red."""
    broker = world.serve(drain=3)
    aws.fault(service="dynamodb", operation="PutItem", effect="delay", ms=500)
    health, answers, stopped = [], [], []

    def sign_in(number):
        time.sleep(number * 0.2)
        _, answer = broker.sign_in(teams=["team1", "team3"])
        answers.append((time.monotonic(), answer))

    def look():
        while broker.program.is_alive:
            try:
                answer = broker.browser().get("/healthz")
                health.append((time.monotonic(), answer.status, answer.header("connection")))
            except (OSError, http.client.HTTPException):
                health.append((time.monotonic(), "refused", None))
            time.sleep(0.1)

    with ThreadPoolExecutor(12) as people:
        looking = people.submit(look)
        coming = [people.submit(sign_in, number) for number in range(10)]
        time.sleep(0.7)
        stopped.append(time.monotonic())
        broker.program.process.send_signal(signal.SIGTERM)
        for one in coming:
            one.result()
        looking.result()
    assert broker.program.process.returncode == 0

    # Everybody was signed in, also those who came after the signal.
    assert [answer.status for _, answer in answers] == [303] * 10
    assert sum(at > stopped[0] for at, _ in answers) >= 5
    # Green, red while everything goes on, and only then refused.
    seen = [status for at, status, _ in health if at > stopped[0] + 0.3]
    assert seen[0] == 503 and set(seen) <= {503, "refused"}
    assert seen == sorted(seen, key=lambda status: status == "refused")
    red = [at for at, status, _ in health if status == 503]
    assert red[-1] - stopped[0] > 2
    assert {connection for _, status, connection in health if status == 503} == {"close"}
