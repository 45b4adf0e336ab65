"""`studio-broker local`: everything on loopback, and nothing else needed."""

import html
import json
import re
import socket
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import boto3
import pytest

from browser import Browser, over_http
from programs import Program, run
from world import Aws, fetch, unique


@pytest.fixture
def local(tmp_path):
    """Starts `local` with further arguments: the program and what it prints."""
    started = []

    def local(*arguments, ephemeral=True, settings=None):
        data = ["--ephemeral"] if ephemeral else []
        program = Program(
            tmp_path / unique("local"),
            ["local", *data, "--output", "json", *arguments],
            settings or {},
        )
        started.append(program)
        return program, program.first_line()

    yield local
    for program in started:
        if program.is_alive:
            program.stop()


def ports(printed):
    return {name: urlsplit(address).port for name, address in printed.items()}


def three_free_ports():
    """A port that is free with the two after it, as far as one can know."""
    for _ in range(50):
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                for offset in (1, 2):
                    with socket.socket() as other:
                        other.bind(("127.0.0.1", port + offset))
            except (OSError, OverflowError):
                continue
        return port
    raise AssertionError("no three free ports in a row")


def sign_in_by_hand(printed, person, path="/"):
    """What a person does with a browser, from our page over the portal to Studio's page."""
    broker, idp = printed["broker"], printed["idp"]
    browser = Browser(over_http(urlsplit(broker).port), broker)
    login = browser.get(path)
    assert login.location.startswith(f"{idp}/sso?")
    page = fetch(login.location)
    (card,) = re.findall(rf'<li class="card" id="{person}">.*?</li>', page, re.S)
    fields = dict(re.findall(r'name="([^"]*)" value="([^"]*)"', card))
    request = urllib.request.Request(f"{idp}/sign-in", urlencode(fields).encode())
    with urllib.request.urlopen(request, timeout=20) as answer:
        page = answer.read().decode()
    assert f'action="{broker}/saml/acs"' in page
    fields = dict(re.findall(r'name="([^"]*)" value="([^"]*)"', page))
    return browser, browser.post_from_idp(html.unescape(fields["SAMLResponse"]))


def test_it_prints_where_everything_is_once_it_answers(local):
    _, printed = local("--port", 0)
    assert set(printed) == {"broker", "idp", "aws_endpoint"}
    assert urlsplit(printed["broker"]).hostname == "localhost"
    assert urlsplit(printed["idp"]).hostname == "127.0.0.1", "another site, as in life"
    assert fetch(f"{printed['broker']}/healthz") == "ok"
    assert "EntityDescriptor" in fetch(f"{printed['idp']}/metadata")
    assert "faults" in fetch(f"{printed['aws_endpoint']}/_control")


def test_three_ports_follow_one_another(local):
    port = three_free_ports()
    _, printed = local("--port", port)
    assert ports(printed) == {"broker": port, "idp": port + 1, "aws_endpoint": port + 2}


def test_a_port_that_is_taken_is_told_and_is_exit_1(local):
    _, printed = local("--port", 0)
    taken = ports(printed)["broker"]
    ended = run("local", "--port", taken, "--ephemeral")
    assert ended.returncode == 1
    assert str(taken) in ended.stderr


def opened(browser, team, answer):
    """Where the team opens in the end, by way of the waiting page."""
    deadline = time.monotonic() + 30
    while not answer.opens_studio():
        assert time.monotonic() < deadline, (answer.status, answer.code)
        time.sleep(0.2)
        answer = browser.get(f"/teams/{team}")
    return answer.location


def test_a_person_signs_in_by_hand_and_lands_in_their_own_studio(local):
    _, printed = local("--port", 0)
    browser, answer = sign_in_by_hand(printed, "user-2")
    studio = fetch(opened(browser, "team2", answer))
    assert "user-2-team2" in studio
    assert "Team2Execution" in studio


def test_user_1_has_two_teams_in_two_accounts_with_two_roles(local):
    _, printed = local("--port", 0)
    browser, answer = sign_in_by_hand(printed, "user-1")
    assert (answer.status, answer.location) == (303, f"{printed['broker']}/")
    seen = set()
    for team in ["team1", "team2"]:
        studio = fetch(opened(browser, team, browser.get(f"/teams/{team}")))
        seen.add(
            (
                re.search(r"\b(\d{12})\b", studio).group(1),
                f"{team[:1].upper()}{team[1:]}Execution" in studio,
            )
        )
    assert seen == {("222222222222", True), ("333333333333", True)}


def test_user_15_opens_studio_and_three_doors_and_sees_whose_session_each_is(local):
    _, printed = local("--port", 0)
    browser, answer = sign_in_by_hand(printed, "user-15")
    assert (answer.status, answer.location) == (303, f"{printed['broker']}/")
    assert "user-15-team14" in fetch(opened(browser, "team14", browser.get("/teams/team14")))
    doors = {"experiments": "mlflow_app", "runs-2025": "mlflow_server", "evaluations": "partner_app"}
    for door, kind in doors.items():
        path = f"team14/doors/{door}"
        page = fetch(opened(browser, path, browser.get(f"/teams/{path}")))
        assert f'<dd id="door-kind">{kind}</dd>' in page
        assert '<dd id="session-name">user-15</dd>' in page
        assert '<dd id="session-tags">Team = team14, User = user-15</dd>' in page
    assert '<dd id="person">user-15</dd>' in page


def test_ambient_aws_settings_are_ignored(local):
    settings = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
        "AWS_REGION": "nowhere-1",
        "AWS_PROFILE": "missing",
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    _, printed = local("--port", 0, settings=settings)
    _, answer = sign_in_by_hand(printed, "user-1")
    assert answer.status == 303


def test_only_loopback_addresses_are_bound(local):
    _, printed = local("--port", 0)
    wanted = {f"{port:04X}" for port in ports(printed).values()}
    for table, loopback in [("tcp", "0100007F"), ("tcp6", "00000000000000000000000001000000")]:
        try:
            rows = [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()][
                1:
            ]
        except FileNotFoundError:
            continue
        for row in rows:
            address, _, port = row[1].partition(":")
            if row[3] == "0A" and port in wanted:
                assert address == loopback


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1"]
)
def test_a_foreign_host_is_refused_by_everything(local, host):
    _, printed = local("--port", 0)
    for name, port in ports(printed).items():
        send = over_http(port)
        path = {"broker": "/healthz", "idp": "/metadata", "aws_endpoint": "/_control"}[name]
        assert send("GET", path, [("Host", f"localhost:{port}")], None).status == 200
        assert send("GET", path, [("Host", host.format(port=port))], None).status in (400, 403, 421)


def test_aws_only_starts_just_the_endpoint_with_tables_and_scenario(local):
    _, printed = local("--port", 0, "--aws-only")
    assert (printed["broker"], printed["idp"]) == (None, None)
    aws = Aws(printed["aws_endpoint"])
    assert aws.teams.get_item(Key={"team_id": "team1"})["Item"]["account_id"] == "222222222222"
    assert aws.idps.scan()["Items"] == []
    assert aws.state.scan()["Items"] == []
    domains = aws.sagemaker("222222222222", "us-east-1").list_domains()["Domains"]
    assert [domain["DomainId"] for domain in domains] == ["d-localteam001"]


def test_any_credentials_are_accepted_and_twelve_digits_are_their_account(local):
    _, printed = local("--port", 0, "--aws-only")

    def identity(access_key_id):
        sts = boto3.client(
            "sts",
            endpoint_url=printed["aws_endpoint"],
            region_name="eu-west-1",
            aws_access_key_id=access_key_id,
            aws_secret_access_key="any",
        )
        return sts.get_caller_identity()["Account"]

    assert identity("222222222222") == "222222222222"
    assert identity("987654321098") == "987654321098"
    assert identity("AKIAWHATEVER") == identity("anything")


def test_a_data_folder_keeps_key_tables_and_consumed_responses(local, tmp_path):
    arguments = ("--port", three_free_ports(), "--data", tmp_path / "data")
    program, printed = local(*arguments, ephemeral=False)
    metadata = fetch(f"{printed['idp']}/metadata")
    aws = Aws(printed["aws_endpoint"])
    aws.change_team("team2", display_name="Renamed")
    response = fetch(f"{printed['idp']}/_control/response?person=user-1")
    post = Browser(over_http(ports(printed)["broker"]), printed["broker"]).post_from_idp
    assert post(response).status == 303
    assert program.stop() == 0
    program, again = local(*arguments, ephemeral=False)
    assert again == printed
    assert fetch(f"{again['idp']}/metadata") == metadata
    assert (
        Aws(again["aws_endpoint"]).teams.get_item(Key={"team_id": "team2"})["Item"]["display_name"]
        == "Renamed"
    )
    assert post(response).code == "replayed"


def test_ephemeral_keeps_nothing(local, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program, _ = local("--port", 0)
    program.stop()
    assert not (tmp_path / ".studio-broker").exists()


def test_two_folders_have_two_keys(local):
    first, second = (local("--port", 0)[1] for _ in range(2))
    certificates = [
        re.search(r"X509Certificate>([^<]*)<", fetch(f"{printed['idp']}/metadata")).group(1)
        for printed in (first, second)
    ]
    assert certificates[0] != certificates[1]


def test_a_bad_setting_is_exit_2():
    ended = run("local", "--port", "0", "--ephemeral", settings={"STUDIO_BROKER_URL_SECONDS": "1"})
    assert ended.returncode == 2
    assert "STUDIO_BROKER_URL_SECONDS" in ended.stderr


def test_a_page_of_another_site_cannot_use_the_control_route(world):
    send = over_http(urlsplit(world.aws.endpoint).port)
    host = urlsplit(world.aws.endpoint).netloc
    for header in [("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")]:
        body = json.dumps({"effect": "hang"}).encode()
        answer = send("POST", "/_control/faults", [("Host", host), header], body)
        assert answer.status == 403
    assert world.aws.control("faults") == []
