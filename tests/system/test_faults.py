"""What the broker does while AWS is broken: every call that it makes, broken in every way that there is.

`faults.md` says what is expected; here each of its rows is made to happen on the wire. The rows of one
call share a broker and follow each other, the calls run beside each other, and a fault hits only the
calls that are about its own person, team or table.
"""

import os
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from world import ACCOUNT, DOMAIN, PUBLIC_URL, request_id, unique

TABLE = Path(__file__).with_name("faults.md")

#: A person waits two seconds at most; a dozen brokers share the machine meanwhile.
PATIENCE = 3.5

STORE = "d-1234567890"


def error(code, status=400):
    return {"effect": "error", "code": code, "status": status}


FAULTS = {
    "throttled": {"effect": "throttle"},
    "failed": error("InternalFailure", 500),
    "answer lost": {"effect": "lose_answer"},
    "reset": {"effect": "reset"},
    "hung": {"effect": "hang"},
    "trickling": {"effect": "trickle", "ms": 50},
    "expired": error("ExpiredTokenException"),
    "denied": {"effect": "deny"},
    "malformed": {"effect": "malformed"},
    "clock off": {"effect": "skew", "minutes": 10},
}


def rows():
    """The rows of the table: call, fault, what comes of one such call, what of all."""
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[1] in FAULTS:
            yield *cells[:2], *(set(re.findall("`([^`]+)`", cell)) for cell in cells[2:])


def undisturbed(ask, answer_of=lambda asked: asked):
    """What is asked for before the call in question; who waits in vain on a busy machine asks again."""
    for _ in range(10):
        asked = ask()
        if answer_of(asked).status != 503:
            break
    return asked


class Case:
    """A person, and a request in which the call is made. What `request` needs is there before the fault
    is ordered; `about` is what tells the call from everybody else's."""

    fault = {}
    #: What a request comes to that nothing disturbs.
    usual = "opens"

    def __init__(self, broker):
        self.broker, self.aws = broker, broker.world.aws
        self.user = unique("user-")
        self.prepare()

    def prepare(self):
        self.team = self.new_team()
        self.browser = self.session()

    def new_team(self, **attributes):
        return self.aws.new_team(**attributes)["team_id"]

    def session(self, **values):
        """A session of somebody with two teams, which opens neither."""
        values = {"user_id": self.user, "teams": [self.team, "team3"], **values}
        browser, answer = undisturbed(lambda: self.broker.sign_in(**values), lambda signed: signed[1])
        assert answer.location == f"{PUBLIC_URL}/", answer
        return browser

    def plant(self, tags=None, **settings):
        item = self.aws.teams.get_item(Key={"team_id": self.team})["Item"]
        tags = tags or {"Team": self.team, "User": self.user}
        self.aws.plant_profile(item, f"{self.user}-{self.team}", tags, **settings)

    @property
    def about(self):
        return self.user

    @property
    def key(self):
        return self.browser.cookie("session").value.split(".")[0]

    def request(self):
        return self.browser.get(f"/teams/{self.team}")


class SignIn(Case):
    """A post of a response, and the pages to which it leads."""

    def prepare(self):
        self.idp = self.broker.world.new_idp()
        self.team = self.new_team()
        self.values = {"issuer": self.idp, "user_id": self.user, "teams": [self.team]}

    def request(self):
        self.browser, answer = self.broker.sign_in(**self.values)
        for _ in range(2):
            if answer.status == 303:
                answer = self.browser.get(answer.location)
        return answer


class IdpOfASignIn(SignIn):
    fault = {"operation": "GetItem"}

    @property
    def about(self):
        return self.idp


class StateOfASignIn(SignIn):
    fault = {"operation": "PutItem"}


class AnswerOfASignIn(SignIn):
    fault = {"operation": "TransactWriteItems"}

    def prepare(self):
        super().prepare()
        self.browser = self.broker.browser()

    def request(self):
        # Each try is a sign-in that this browser starts anew.
        idp = quote(self.idp, safe="")
        login = undisturbed(lambda: self.browser.get(f"/saml/login?idp={idp}&team={self.team}"))
        values = {**self.values, "in_response_to": request_id(login.location)}
        _, answer = self.broker.sign_in(self.browser, **values)
        for _ in range(2):
            if answer.status == 303:
                answer = self.browser.get(answer.location)
        return answer


class TeamOfASignIn(SignIn):
    fault = {"operation": "GetItem"}

    @property
    def about(self):
        return self.team


class Session(Case):
    fault = {"operation": "GetItem"}

    @property
    def about(self):
        return self.key


class Team(TeamOfASignIn, Case):
    prepare, request = Case.prepare, Case.request


class Chooser(Case):
    fault = {"operation": "BatchGetItem"}
    usual = "chooser"

    @property
    def about(self):
        return self.team

    def request(self):
        return self.browser.get("/")


class GroupIndex(Chooser):
    fault = {"operation": "Scan", "about": "studio-broker-teams"}

    def prepare(self):
        group = unique("group-")
        self.team = self.new_team(groups=[group])
        self.browser = self.session(teams=["team1", "team3"], groups=group)


class Login(Case):
    fault = {"operation": "Scan", "about": "studio-broker-idps"}
    usual = "identity providers"

    def prepare(self):
        self.browser = self.broker.browser()

    def request(self):
        return self.browser.get("/saml/login")


class SignOut(Case):
    fault = {"operation": "UpdateItem"}
    usual = "signed out"

    def prepare(self):
        super().prepare()
        self.pk = self.key

    @property
    def about(self):
        return self.pk

    def request(self):
        return self.browser.post("/sign-out")


class Assume(Case):
    fault = {"operation": "AssumeRole"}


class Create(Case):
    fault = {"operation": "CreateUserProfile"}


class Known(Case):
    def prepare(self):
        super().prepare()
        self.plant()


class Describe(Known):
    fault = {"operation": "DescribeUserProfile"}


class ListTags(Known):
    fault = {"operation": "ListTags"}


class Presign(Known):
    fault = {"operation": "CreatePresignedDomainUrl"}


class PresignForABelieved(Presign):
    def prepare(self):
        super().prepare()
        assert opens_in_the_end(self.browser, {"team_id": self.team})


class Update(Case):
    fault = {"operation": "UpdateUserProfile"}

    def prepare(self):
        super().prepare()
        self.plant(ExecutionRole=f"arn:aws:iam::{ACCOUNT}:role/Former")


class Claim(Update):
    """That settings are about to be sent, which all processes must know."""

    fault = {"operation": "PutItem"}

    @property
    def about(self):
        return f"update {self.user}-{self.team} "


class Outcome(Claim):
    fault = {"operation": "UpdateItem"}


class Adopt(Case):
    fault = {"operation": "AddTags"}

    def new_team(self):
        return super().new_team(adopt_profiles=True)

    def prepare(self):
        super().prepare()
        self.plant(tags={"Team": self.team})


class Space(Known):
    fault = {"operation": "DescribeSpace"}

    def prepare(self):
        super().prepare()
        self.space = unique("space-")
        self.aws.sagemaker().create_space(
            DomainId=DOMAIN,
            SpaceName=self.space,
            OwnershipSettings={"OwnerUserProfileName": f"{self.user}-{self.team}"},
            SpaceSharingSettings={"SharingType": "Private"},
        )

    def request(self):
        return self.browser.get(f"/teams/{self.team}?space={self.space}")


class Domain(Case):
    fault = {"operation": "DescribeDomain"}
    usual = "domain_sso_mode"

    def prepare(self):
        self.team = "team9"
        self.browser = self.session()


class Door(Case):
    """A door of the kind that the class is of, beside Studio."""

    settle = None

    def prepare(self):
        self.door = self.aws.new_door(self.kind, settle=self.settle)
        self.team = self.new_team(doors=[self.door])
        self.browser = self.session()

    def request(self):
        return self.browser.get(f"/teams/{self.team}/doors/{self.door['id']}")


class MlflowAppUrl(Door):
    kind, fault = "mlflow_app", {"operation": "CreatePresignedMlflowAppUrl"}


class MlflowServerUrl(Door):
    kind, fault = "mlflow_server", {"operation": "CreatePresignedMlflowTrackingServerUrl"}


class PartnerAppUrl(Door):
    kind, fault = "partner_app", {"operation": "CreatePartnerAppPresignedUrl"}


class ShutDoor(Door):
    """One for which there is no URL, so that its Describe is asked why."""

    usual = "door_unavailable"


class MlflowApp(ShutDoor):
    kind, settle, fault = "mlflow_app", {"status": "CreateFailed"}, {"operation": "DescribeMlflowApp"}


class MlflowServer(ShutDoor):
    kind, settle = "mlflow_server", {"status": "Stopped"}
    fault = {"operation": "DescribeMlflowTrackingServer"}


class PartnerApp(ShutDoor):
    kind, settle, fault = "partner_app", {"status": "Failed"}, {"operation": "DescribePartnerApp"}


class Memberships(Case):
    fault = {"operation": "ListGroupMembershipsForMember", "about": STORE}

    def prepare(self):
        self.team = "team13"
        idp = self.broker.world.new_idp(identity_store_id=STORE)
        self.browser = self.session(issuer=idp, name_id="user-14@example.com", teams=["team1", "team3"])


class UserId(Memberships):
    fault = {"operation": "GetUserId", "about": STORE}


CASES = {
    "GetItem of the IdP, at a sign-in": IdpOfASignIn,
    "PutItem of the response, at a sign-in": StateOfASignIn,
    "TransactWriteItems of an answer, at a sign-in": AnswerOfASignIn,
    "GetItem of the team, at a sign-in": TeamOfASignIn,
    "GetItem of the session": Session,
    "GetItem of the team": Team,
    "BatchGetItem of the teams, in the chooser": Chooser,
    "Scan of the teams' groups, in the chooser": GroupIndex,
    "Scan of the IdPs, at a sign-in that starts here": Login,
    "UpdateItem of the session, at a sign-out": SignOut,
    "AssumeRole": Assume,
    "DescribeUserProfile": Describe,
    "ListTags": ListTags,
    "CreateUserProfile": Create,
    "UpdateUserProfile": Update,
    "PutItem of an update that is about to be sent": Claim,
    "UpdateItem of what came of an update": Outcome,
    "AddTags, at an adoption": Adopt,
    "CreatePresignedDomainUrl": Presign,
    "CreatePresignedDomainUrl, of a profile that is believed ready": PresignForABelieved,
    "DescribeSpace": Space,
    "DescribeDomain, of a domain that refuses": Domain,
    "CreatePresignedMlflowAppUrl": MlflowAppUrl,
    "CreatePresignedMlflowTrackingServerUrl": MlflowServerUrl,
    "CreatePartnerAppPresignedUrl": PartnerAppUrl,
    "DescribeMlflowApp, of one that does not run": MlflowApp,
    "DescribeMlflowTrackingServer, of one that does not run": MlflowServer,
    "DescribePartnerApp, of one that does not run": PartnerApp,
    "ListGroupMembershipsForMember": Memberships,
    "GetUserId": UserId,
}


def came_to(answer):
    """What an answer is, in the words of the table."""
    if answer.opens_studio():
        return "opens"
    if answer.code:
        return answer.code
    if answer.header("refresh"):
        return "waits"
    for words, name in [
        ("Your teams</h1>", "chooser"),
        ("You are signed out", "signed out"),
        ("/saml/login?idp=", "identity providers"),
    ]:
        if words in answer.text:
            return name
    return f"{answer.status} {answer.location or answer.text}"


def break_and_mend(broker, call, fault):
    """Makes one such call fail, for another person all of them, and then none: what each came to."""
    case_of, found = CASES[call], {}
    for how, times in [("once", {"times": 1}), ("lasting", {})]:
        case = case_of(broker)
        order = {"about": case.about, **case.fault, **FAULTS[fault], **times}
        if call == "AssumeRole" and fault == "expired":
            order["code"] = "ExpiredToken"
        broker.world.aws.fault(**order)
        started = time.monotonic()
        found[how] = came_to(case.request())
        found[f"{how}, seconds"] = time.monotonic() - started
        broker.world.aws.control("faults", "DELETE", {"about": order["about"]})
        found[f"{how}, then"] = mended(case)
        found[f"{how}, case"] = case
    return found


def mended(case):
    """What the same person's next tries come to, with a browser's patience: longer than a process is
    waited for that said it would change the profile, and nothing since."""
    deadline = time.monotonic() + 20
    while (came := came_to(case.request())) != case.usual and time.monotonic() < deadline:
        time.sleep(0.4)
    return came


@pytest.fixture(scope="module")
def happened(world):
    """Everything of the table, done; what came of each row."""
    world.aws.as_usual()
    lanes = {}
    for call, fault, *_ in rows():
        # The identity store knows one person, so its calls follow each other.
        lane = "identity store" if issubclass(CASES[call], Memberships) else call
        lanes.setdefault(lane, []).append((call, fault))

    def follow(lane):
        found, broker = {}, None
        for call, fault in lane:
            if broker is None or call != last:
                broker, last = world.serve(), call
                brokers.append(broker)
            found[call, fault] = break_and_mend(broker, call, fault)
        return found

    found, brokers, again = {}, [], []
    with ThreadPoolExecutor(len(lanes)) as beside_each_other:
        for some in beside_each_other.map(follow, lanes.values()):
            found.update(some)
    # Beside each other on a busy machine a person's two seconds may be over before the answer is there: such a
    # row happens again, alone.
    for call, fault, *expected in rows():
        for _ in range(2):
            if fault_of(call, fault, found[call, fault], *expected) is None:
                break
            again.append(((call, fault), found[call, fault]))
            brokers.append(world.serve())
            found[call, fault] = break_and_mend(brokers[-1], call, fault)
    assert all(broker.program.is_alive for broker in brokers)
    audited = {
        outcome: Counter(
            line["profile"]
            for broker in brokers
            for line in broker.program.decisions(outcome=outcome)
        )
        for outcome in ("created", "updated", "adopted")
    }
    return {"rows": found, "all": [*found.items(), *again], **audited}


def fault_of(call, fault, found, once, lasting):
    """What is not as the table says."""
    # On a busy machine a slow call uses up the person's two seconds, and the answer is the waiting page.
    late = {"waits"} if fault in ("hung", "trickling") else set()
    if found["once"] not in once | late or found["lasting"] not in lasting | late:
        return "the table says otherwise"
    if (found["once, then"], found["lasting, then"]) != (CASES[call].usual,) * 2:
        return "something stays broken"
    patience = PATIENCE * (2 if issubclass(CASES[call], SignIn) else 1)
    if max(found["once, seconds"], found["lasting, seconds"]) >= patience:
        return "somebody waited for too long"
    return None


def test_every_call_is_in_the_table_with_every_fault():
    listed = [(call, fault) for call, fault, *_ in rows()]
    assert listed == [(call, fault) for call in CASES for fault in FAULTS]


# The first of them waits until everything has happened.
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "call, fault, once, lasting",
    list(rows()),
    ids=lambda cell: cell.replace(" ", "-") if isinstance(cell, str) else "",
)
def test_a_broken_call_comes_to_what_the_table_says(happened, call, fault, once, lasting):
    found = happened["rows"][call, fault]
    assert fault_of(call, fault, found, once, lasting) is None, found


@pytest.mark.parametrize("outcome", ["created", "updated", "adopted"])
def test_each_change_was_made_once_and_audited_once(happened, outcome):
    """However often an answer was lost: every case but those of domains that refuse made its change in
    the end."""
    expected, rows_of = Counter(), {}
    for row, found in happened["all"]:
        for how in ("once", "lasting"):
            case = found[f"{how}, case"]
            if outcome in changes_of(case):
                profile = f"{case.user}-{case.team}"
                expected[profile], rows_of[profile] = 1, (*row, how, found[how])
    wrong = {
        rows_of.get(profile, profile): happened[outcome][profile]
        for profile in {*expected, *happened[outcome]}
        if happened[outcome][profile] != expected[profile]
    }
    assert not wrong, wrong


def changes_of(case):
    """What must have happened to the profile of a case that opened in the end."""
    if case.usual != "opens":
        return set()
    if isinstance(case, Update):
        return {"updated"}
    if isinstance(case, Adopt):
        return {"adopted"}
    return set() if isinstance(case, (Known, Door)) else {"created"}


# states


def test_every_test_that_the_table_of_states_names_exists():
    named = re.findall(r"`(test_\w+)` \|$", TABLE.read_text(), re.M)
    files = [file.read_text() for file in TABLE.parent.glob("test_*.py")]
    there = {name for text in files for name in re.findall(r"^def (test_\w+)", text, re.M)}
    assert len(named) == 33
    assert set(named) <= there


def opens_in_the_end(browser, team, seconds=15):
    """Whether the waiting page leads to Studio; anything but waiting is a failure."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        came = came_to(browser.get(f"/teams/{team['team_id']}"))
        if came != "waits":
            return came == "opens"
        time.sleep(0.3)
    return False


@pytest.mark.parametrize("table", ["TEAMS", "IDPS", "STATE"])
def test_a_missing_table_is_told_by_its_code(world, aws, table):
    broker = world.serve(**{f"STUDIO_BROKER_{table}_TABLE": "studio-broker-nothing"})
    browser, answer = broker.sign_in(teams=["team1", "team3"])
    if answer.status == 303:
        answer = browser.get(answer.location)
    assert (answer.status, answer.code) == (503, "table_missing")


@pytest.fixture
def doubted(world, aws):
    """A broker that believes in no profile, and somebody whose profile it has opened."""
    broker = world.serve(STUDIO_BROKER_PROFILE_CACHE_SECONDS=0)
    team, user = aws.new_team(user_settings={"StudioWebPortal": "ENABLED"}), unique("user-")
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.opens_studio() or opens_in_the_end(browser, team)
    aws.forget_calls()
    return browser, team, f"{user}-{team['team_id']}"


def test_a_profile_that_is_being_changed_is_waited_for(doubted, aws):
    browser, team, profile = doubted
    aws.settings(update_delay_ms=3_000)
    aws.sagemaker().update_user_profile(
        DomainId=DOMAIN,
        UserProfileName=profile,
        UserSettings={"ExecutionRole": team["execution_role_arn"], "StudioWebPortal": "ENABLED"},
    )
    assert came_to(browser.get(f"/teams/{team['team_id']}")) == "waits"
    assert opens_in_the_end(browser, team)
    assert aws.calls(operation="UpdateUserProfile") == []


def test_a_mapping_that_moves_between_two_requests_opens_in_the_new_place(world, aws):
    broker, team, user = world.serve(), aws.new_team(), unique("user-")
    browser, answer = broker.sign_in(user_id=user, teams=[team["team_id"]])
    assert answer.opens_studio() or opens_in_the_end(browser, team)
    other = aws.teams.get_item(Key={"team_id": "team1"})["Item"]
    there = {name: other[name] for name in ("account_id", "region", "domain_id")}
    role = f"arn:aws:iam::{other['account_id']}:role/{team['team_id']}Execution"
    aws.change_team(team, execution_role_arn=role, **there)
    aws.forget_calls()
    assert opens_in_the_end(browser, team)
    (created,) = aws.calls(operation="CreateUserProfile", error=None)
    assert (created["account"], created["region"]) == (other["account_id"], other["region"])
    assert {call["account"] for call in aws.calls(service="sagemaker")} == {other["account_id"]}


# no storm


def test_an_outage_of_two_regions_is_met_with_no_more_repeated_calls_than_the_budget(world, aws):
    """By itself the SDK would repeat two hundred times: a hundred in each Region."""
    broker = world.serve()
    elsewhere = aws.teams.get_item(Key={"team_id": "team1"})["Item"]
    there = {name: elsewhere[name] for name in ("account_id", "region", "domain_id")}
    role = f"arn:aws:iam::{elsewhere['account_id']}:role/Execution"
    teams = [aws.new_team(), aws.new_team(execution_role_arn=role, **there)]
    browsers = [broker.signed_in(teams=[team["team_id"] for team in teams]) for _ in range(40)]
    aws.fault(service="sagemaker", **FAULTS["failed"])
    started = time.monotonic()
    with ThreadPoolExecutor(8) as people:
        asked = [(browser, teams[n % 2]) for n, browser in enumerate(browsers)]
        came = list(people.map(lambda one: came_to(one[0].get(f"/teams/{one[1]['team_id']}")), asked))
    seconds = time.monotonic() - started
    assert set(came) == {"aws_unreachable"}
    # Presign, Describe and ListTags for each. The budget of twenty grows by a tenth for each role that was
    # assumed; the SDK's bucket counts without a lock, so threads side by side may each be given that tenth.
    repeated = len(aws.calls(service="sagemaker")) - 3 * len(browsers)
    threads = min(os.cpu_count(), 8)
    assert repeated <= 20 + threads * (len(browsers) / 10 + 1) + seconds / 10


def test_while_aws_throttles_everything_only_the_first_of_the_line_ask(world, aws):
    """Forty people wait for fifteen seconds; in turn they ask a few times a second, all together."""
    broker, team = world.serve(), aws.new_team()
    browsers = [broker.signed_in(teams=[team["team_id"], "team3"]) for _ in range(40)]
    aws.fault(service="sagemaker", effect="throttle")

    def wait(browser):
        path, visits = f"/teams/{team['team_id']}", 0
        while time.monotonic() < until:
            answer = undisturbed(lambda: browser.get(path))
            assert came_to(answer) == "waits"
            seconds, _, path = answer.header("refresh").partition("; url=")
            time.sleep(int(seconds))
            visits += 1
        return visits

    until = time.monotonic() + 15
    with ThreadPoolExecutor(40) as people:
        visits = sum(people.map(wait, browsers))
    calls = len(aws.calls(service="sagemaker"))
    # The first visit of each is at most three; a visit every two seconds that is three calls, each of
    # them repeated twice, would be thousands.
    assert calls < 8 * len(browsers), (visits, calls)
    aws.clear_faults()
    assert opens_in_the_end(browsers[0], team)
