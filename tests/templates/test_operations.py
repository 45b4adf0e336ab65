"""Operations: the dashboard and the alarms name metrics that the programs write, the alarms ring when they
should and stop when it is over, and the doctor comes by itself."""

import datetime
import json
import os
import re
import shutil
import time
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lambda_runtime import Function
from programs import binary
from templates import CERTIFICATE, HUB, IDENTITY_STORE, INFRA, KEY, ROOT, render, stack
from watch import Invalid, Metrics, embedded, state
from world import PUBLIC_URL, World, unique

OPERATIONS = INFRA / "operations" / "template.yaml"
TOPIC = "arn:aws:sns:eu-central-1:111111111111:operators"
EVERYTHING = {
    "HubStackName": "stack", "PublicUrl": PUBLIC_URL, "CertificateArn": CERTIFICATE, "AlarmTopicArn": TOPIC,
    "DoctorBucket": "bucket", "KmsKeyArn": KEY, "IdentityStoreArn": IDENTITY_STORE,
    "ArchiveDestinationArn": "arn:aws:logs:eu-central-1:999999999999:destination:audit",
}  # fmt: skip
MADE = stack(OPERATIONS, EVERYTHING)
ALARMS = MADE.of_type("AWS::CloudWatch::Alarm")
HUB_NAME = {"Hub": "studio-broker-state"}
NOW = 1_800_000_000 - 1_800_000_000 % 86_400


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    yield world
    world.stop()


def settings_of_the_hub(world):
    variables = stack(HUB).resources["BrokerFunction"]["Properties"]["Environment"]["Variables"]
    return world.aws.environment(**{
        **variables, "STUDIO_BROKER_PUBLIC_URL": PUBLIC_URL, "STUDIO_BROKER_TEAM_CACHE_SECONDS": "0",
    })  # fmt: skip


# ---------------------------------------------------------------- metrics


@pytest.fixture(scope="module")
def lines(world, tmp_path_factory):
    """What the function writes while all kinds of things happen."""
    from test_function import RunningFunction

    made = stack(HUB)
    function = Function(tmp_path_factory.mktemp("function"), settings_of_the_hub(world) | {
        "STUDIO_BROKER_PUBLIC_URL": made.outputs["PortalUrl"]})  # fmt: skip
    broker = RunningFunction(world, function, made)
    aws = world.aws
    aws.as_usual()
    team = aws.new_team()
    _, answer = broker.sign_in(teams=[team["team_id"]])
    browser, _ = broker.sign_in(teams=["team1", "team3"])
    assert browser.get("/teams/team3").opens_studio()
    _, answer = broker.sign_in(teams=[], audience="https://somebody-else.example.com")
    assert answer.code == "audience_mismatch"
    # Somebody waits for their turn, on a page that comes back, and is let in.
    aws.fault(operation="DescribeUserProfile", effect="throttle")
    browser, _ = broker.sign_in(teams=[team["team_id"], "team3"])
    page = browser.get(f"/teams/{team['team_id']}")
    assert page.status == 200 and page.header("refresh")
    aws.as_usual()
    for _ in range(20):
        time.sleep(1.2)
        page = browser.get(page.header("refresh").partition("; url=")[2])
        if page.opens_studio():
            break
    aws.as_usual()
    aws.fault(service="dynamodb", operation="PutItem", effect="reset")
    _, answer = broker.sign_in(teams=["team1"])
    assert answer.status == 503
    aws.as_usual()
    function.stop()
    return function.program.log()


def test_cloudwatch_can_read_every_line_of_the_function(lines):
    metrics = Metrics()
    metrics.read(lines)
    hub, names = ("Hub",), {name for _, name, _ in metrics.names()}
    assert {namespace for namespace, _, _ in metrics.names()} == {"StudioBroker"}
    assert metrics.names() >= {("StudioBroker", name, hub) for name in (
        "SignIns", "Openings", "OpeningMilliseconds", "Refusals", "Failures", "Waits", "WaitedSeconds",
        "ProfilesCreated", "Throttles", "ColdStarts")}  # fmt: skip
    assert ("StudioBroker", "Refusals", ("Hub", "code")) in metrics.names()
    assert ("StudioBroker", "Throttles", ("Hub", "account")) in metrics.names()
    written = set(re.findall(r'"([A-Z]\w+)"', (ROOT / "src/broker/metrics.rs").read_text().split("#[cfg(test)]")[0]))
    assert names <= written


def test_metrics_count_what_the_decisions_say(lines):
    metrics = Metrics()
    metrics.read(lines)
    decisions = [line for line in lines if line.get("event") == "decision"]

    def total(name, **dimensions):
        return sum(v for _, v in metrics.points[metrics._key("StudioBroker", name, {**HUB_NAME, **dimensions})])

    for name, outcome in (("SignIns", "signed_in"), ("Openings", "opened"), ("Refusals", "refused"), ("ProfilesCreated", "created")):
        assert total(name) == sum(line["outcome"] == outcome for line in decisions), name
    for code in {line["code"] for line in decisions if line["outcome"] == "refused"}:
        assert total("Refusals", code=code) == sum(line.get("code") == code for line in decisions)
    statuses = {row["code"]: row["status"] for row in json.loads((ROOT / "schemas/codes.json").read_text())["codes"]}
    ours = [line for line in decisions if line["outcome"] == "refused" and statuses[line["code"]] >= 500]
    assert total("Failures") == len(ours) > 0


def test_nothing_that_a_browser_sends_makes_a_metric_of_its_own(lines):
    for line in lines:
        for _, _, dimensions, _, _ in embedded(line):
            assert set(dimensions) <= {"Hub", "code", "account"}
            assert "unverified" not in dimensions


def test_a_trace_id_of_the_front_is_in_the_log_and_nothing_else_of_that_header(world):
    broker = world.serve()
    root = "1-67891233-abcdef012345678912345678"
    response = broker.response(user_id=unique("user-"), teams=["team1", "team3"])
    for value in (f"Self=1-a;Root={root};Sampled=1", "Root=1-x\"}"):
        browser = broker.browser()
        browser.send("POST", "/saml/acs", [
            ("Host", "studio.example.com"), ("Content-Type", "application/x-www-form-urlencoded"),
            ("X-Amzn-Trace-Id", value),
        ], urlencode({"SAMLResponse": response}).encode())  # fmt: skip
    first, second = broker.program.decisions()[-2:]
    assert first["trace_id"] == root
    assert second["outcome"] == "refused" and "trace_id" not in second


def test_metrics_can_be_switched_off_and_decisions_cannot(world):
    broker = world.serve(STUDIO_BROKER_LOG="info,studio_broker::metrics=off")
    broker.sign_in(teams=["team1", "team3"])
    assert broker.program.decisions(outcome="signed_in")
    assert not [line for line in broker.program.log() if "_aws" in line or "Hub" in line]
    quiet = world.serve(STUDIO_BROKER_LOG="error")
    quiet.sign_in(teams=["team1", "team3"])
    assert [line for line in quiet.program.log() if "_aws" in line], "few words are no reason for no metrics"


def test_what_cannot_be_a_metric_is_found_by_the_test_itself():
    good = {"Hub": "h", "SignIns": 1, "_aws": {"Timestamp": 1_800_000_000_000, "CloudWatchMetrics": [
        {"Namespace": "N", "Dimensions": [["Hub"]], "Metrics": [{"Name": "SignIns", "Unit": "Count"}]}]}}  # fmt: skip
    assert len(list(embedded(good))) == 1
    for wrong in ({"Hub": 7}, {"SignIns": "1"}, {"_aws": {**good["_aws"], "Timestamp": 1_800_000_000}}):
        with pytest.raises(Invalid):
            list(embedded({**good, **wrong}))


# ---------------------------------------------------------------- dashboard


def of_metrics():
    """(metric, dimension names) of our own that dashboard and alarms ask for."""
    widgets = json.loads(MADE.resources["Dashboard"]["Properties"]["DashboardBody"])["widgets"]
    for widget in widgets:
        previous = []
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], dict):
                for names, name in re.findall(r"\{StudioBroker,([\w,]+)\} MetricName=\"(\w+)\"", metric[0]["expression"]):
                    yield name, tuple(names.split(","))
                continue
            fields = [field for field in metric if not isinstance(field, dict)]
            if fields == ["..."]:
                fields = previous
            fields = [previous[n] if field == "." else field for n, field in enumerate(fields)]
            previous = fields
            if fields[0] == "StudioBroker":
                yield fields[1], tuple(fields[2::2])
    for alarm in ALARMS.values():
        for one in [alarm, *(m["MetricStat"]["Metric"] for m in alarm.get("Metrics", []) if "MetricStat" in m)]:
            if one.get("Namespace") == "StudioBroker":
                yield one["MetricName"], tuple(d["Name"] for d in one["Dimensions"])


def test_dashboard_and_alarms_ask_for_metrics_that_are_written(lines):
    metrics = Metrics()
    metrics.read(lines)
    written = {(name, dimensions) for _, name, dimensions in metrics.names()}
    doctor = (INFRA / "operations" / "doctor" / "bootstrap").read_text()
    written |= {(name, ("Hub",)) for name in re.findall(r'"Name":"(\w+)"', doctor)}
    asked = set(of_metrics())
    assert asked <= written
    shown = {name for name, _ in asked}
    assert shown >= {"SignIns", "Openings", "OpeningMilliseconds", "Refusals", "Waits", "Throttles", "ColdStarts"}


def test_the_dashboard_is_one_that_cloudwatch_draws():
    body = json.loads(MADE.resources["Dashboard"]["Properties"]["DashboardBody"])
    places = set()
    for widget in body["widgets"]:
        assert widget["type"] in ("metric", "log") and widget["x"] + widget["width"] <= 24
        for x in range(widget["x"], widget["x"] + widget["width"]):
            for y in range(widget["y"], widget["y"] + widget["height"]):
                assert (x, y) not in places, widget["properties"]["title"]
                places.add((x, y))
        if widget["type"] == "log":
            assert "SOURCE '/aws/lambda/stack-broker'" in widget["properties"]["query"]
    # The function, log and API that the hub's stack of that name makes.
    hub = stack(HUB).resources
    assert hub["BrokerFunction"]["Properties"]["FunctionName"] == "stack-broker"
    assert hub["BrokerLog"]["Properties"]["LogGroupName"] == "/aws/lambda/stack-broker"
    assert hub["RestApi"]["Properties"]["Name"] == "stack"


def test_the_prices_of_the_dashboard_are_those_of_the_cost_page():
    prices = json.loads((INFRA / "cost" / "prices.json").read_text())
    parameters = render.load(OPERATIONS)["Parameters"]
    for parameter, price in {
        "ApiMillionPrice": "api_gateway_rest_million_requests", "InvocationMillionPrice": "lambda_million_requests",
        "GigabyteSecondPrice": "lambda_gigabyte_second", "WriteMillionPrice": "dynamodb_million_write_units",
    }.items():  # fmt: skip
        assert float(parameters[parameter]["Default"]) == prices[price]["price"]


# ---------------------------------------------------------------- alarms


def test_every_alarm_tells_its_beginning_its_end_and_its_runbook():
    headings = re.findall(r"^## (.+)$", (INFRA / "runbooks.md").read_text(), re.M)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    hub = stack(HUB, {"AlarmTopicArn": TOPIC}).of_type("AWS::CloudWatch::Alarm")
    for name, alarm in {**ALARMS, **hub}.items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC], name
    for name, alarm in ALARMS.items():
        (anchor,) = re.findall(r"Runbook: infra/runbooks\.md#([a-z0-9-]+)$", alarm["AlarmDescription"])
        assert anchor in anchors, name
    silent = stack(OPERATIONS, {"HubStackName": "stack"}).of_type("AWS::CloudWatch::Alarm")
    assert not [a for a in silent.values() if "AlarmActions" in a or "OKActions" in a]


def day(metrics, begin, hours, sign_ins=30, failures=0, calls=100, every=300):
    """People come for some hours: so much in every five minutes."""
    for at in range(begin, begin + hours * 3600, every):
        metrics.put("AWS/Lambda", "Invocations", {"FunctionName": "stack-broker"}, at, calls)
        for name, value in (("SignIns", sign_ins), ("Openings", sign_ins), ("Failures", failures), ("Refusals", failures)):
            if value:
                metrics.put("StudioBroker", name, HUB_NAME, at, value)


def test_an_outage_rings_within_ten_minutes_and_ends_when_it_is_over():
    metrics, alarm = Metrics(), ALARMS["OutageAlarm"]
    day(metrics, NOW, 1)
    assert state(alarm, metrics, NOW + 3600) == "OK"
    day(metrics, NOW + 3600, 1, sign_ins=10, failures=20)
    assert state(alarm, metrics, NOW + 3600 + 300) == "OK"
    assert state(alarm, metrics, NOW + 3600 + 600) == "ALARM"
    day(metrics, NOW + 7200, 1)
    assert state(alarm, metrics, NOW + 7200 + 600) == "OK"


def test_a_service_level_is_missed_before_anybody_would_call_it_an_outage():
    metrics = Metrics()
    # One of sixty-one in five minutes: 1.6 %.
    day(metrics, NOW, 2, failures=1)
    assert state(ALARMS["OutageAlarm"], metrics, NOW + 7200) == "OK"
    assert state(ALARMS["AvailabilityAlarm"], metrics, NOW + 7200) == "ALARM"
    quiet = Metrics()
    # At night one person fails: no trend.
    day(quiet, NOW, 1, sign_ins=0, failures=1, every=3600)
    assert state(ALARMS["AvailabilityAlarm"], quiet, NOW + 3600) == "OK"
    assert state(ALARMS["AvailabilityAlarm"], Metrics(), NOW) == "OK"


def test_slow_openings_ring_after_a_quarter_of_an_hour():
    metrics, alarm = Metrics(), ALARMS["SlowOpeningsAlarm"]
    for at in range(NOW, NOW + 900, 10):
        metrics.put("StudioBroker", "OpeningMilliseconds", HUB_NAME, at, 1900 if at % 50 == 0 else 300)
    assert state(alarm, metrics, NOW + 900) == "ALARM"
    assert state(alarm, Metrics(), NOW) == "OK"


def test_a_dashboard_whose_metrics_stop_rings_while_people_come_and_not_at_night():
    alarm, metrics = ALARMS["MetricsStoppedAlarm"], Metrics()
    day(metrics, NOW, 1)
    assert state(alarm, metrics, NOW + 3600) == "OK"
    # The function is called as before, and nothing of what it writes becomes a metric.
    for at in range(NOW + 3600, NOW + 7200, 300):
        metrics.put("AWS/Lambda", "Invocations", {"FunctionName": "stack-broker"}, at, 100)
    assert state(alarm, metrics, NOW + 7200) == "ALARM"
    day(metrics, NOW + 7200, 1)
    assert state(alarm, metrics, NOW + 10800) == "OK"
    assert state(alarm, metrics, NOW + 50_000) == "OK", "nobody comes at night"
    # Lines that CloudWatch Logs cannot read as metrics.
    for at in range(NOW + 10800, NOW + 14400, 300):
        metrics.put("AWS/Logs", "EMFValidationErrors", {"LogGroupName": "/aws/lambda/stack-broker"}, at, 3)
    day(metrics, NOW + 10800, 1)
    assert state(alarm, metrics, NOW + 14400) == "ALARM"


def test_a_certificate_that_ends_on_saturday_rings_thirty_days_before_and_for_as_long_as_it_is_old():
    metrics, alarm = Metrics(), ALARMS["CertificateEndsAlarm"]
    dimensions = {"CertificateArn": CERTIFICATE}
    for days_left in range(45, -1, -1):
        metrics.put("AWS/CertificateManager", "DaysToExpiry", dimensions, NOW + (45 - days_left) * 86400 + 60, days_left)
    rings = [state(alarm, metrics, NOW + day * 86400) for day in range(1, 50)]
    assert rings[:15] == ["OK"] * 15 and set(rings[15:]) == {"ALARM"}, "after its end no metric comes, and it rings on"
    # Renewed in time: the alarm says so.
    metrics.put("AWS/CertificateManager", "DaysToExpiry", dimensions, NOW + 50 * 86400 + 60, 390)
    assert state(alarm, metrics, NOW + 51 * 86400) == "OK"


def test_an_audit_that_does_not_reach_the_archive_rings():
    metrics, alarm = Metrics(), ALARMS["AuditNotShippedAlarm"]
    assert state(alarm, metrics, NOW) == "OK"
    metrics.put("AWS/Logs", "DeliveryErrors", {"LogGroupName": "/aws/lambda/stack-broker"}, NOW - 100, 4)
    assert state(alarm, metrics, NOW) == "ALARM"


def test_decisions_are_shipped_and_nothing_else():
    copy = MADE.resources["AuditCopy"]["Properties"]
    assert copy["FilterPattern"] == '{ $.event = "decision" }'
    assert copy["LogGroupName"] == stack(HUB).resources["BrokerLog"]["Properties"]["LogGroupName"]
    assert copy["DestinationArn"] == EVERYTHING["ArchiveDestinationArn"] and "RoleArn" not in copy


@pytest.mark.parametrize("group", ["/ecs/stack-broker", "studio-broker.pods_#1"])
def test_a_hub_whose_log_group_is_called_otherwise_is_read_there_and_nowhere_else(group):
    usual = "/aws/lambda/stack-broker"
    other = stack(OPERATIONS, {**EVERYTHING, "LogGroupName": group})
    places = json.dumps(MADE.resources).count(usual)
    # Two widgets, two alarms of which one asks twice, the copy of the audit.
    assert places == 6 == json.dumps(other.resources).count(group)
    assert usual not in json.dumps(other.resources)
    widgets = json.loads(other.resources["Dashboard"]["Properties"]["DashboardBody"])["widgets"]
    assert {re.match(r"SOURCE '([^']+)'", w["properties"]["query"])[1] for w in widgets if w["type"] == "log"} == {group}
    assert other.resources["AuditCopy"]["Properties"]["LogGroupName"] == group
    # Nothing breaks out of the query of a widget.
    for wrong in ("/ecs/a' | x", 'a"b', "a b"):
        with pytest.raises(render.Refused, match="LogGroupName"):
            stack(OPERATIONS, {**EVERYTHING, "LogGroupName": wrong})


def test_the_hub_in_containers_names_the_log_group_that_operations_asks_for():
    from test_containers import ECS, ECS_PARAMETERS

    group = stack(ECS, ECS_PARAMETERS).outputs["BrokerLogGroup"]
    made = stack(OPERATIONS, {**EVERYTHING, "LogGroupName": group})
    assert made.resources["AuditCopy"]["Properties"]["LogGroupName"] == "/ecs/stack-broker"


# ---------------------------------------------------------------- doctor


SIGNING = "arn:aws:lambda:eu-central-1:111111111111:code-signing-config:csc-0123456789abcdef0"


def test_where_only_signed_code_may_run_every_function_says_so():
    signed = {**stack(HUB, {"CodeSigningConfigArn": SIGNING}).of_type("AWS::Lambda::Function"),
              **stack(OPERATIONS, {**EVERYTHING, "CodeSigningConfigArn": SIGNING}).of_type("AWS::Lambda::Function")}  # fmt: skip
    assert set(signed) == {"BrokerFunction", "ValidatorFunction", "DoctorFunction"}
    assert {one["CodeSigningConfigArn"] for one in signed.values()} == {SIGNING}
    assert "CodeSigningConfigArn" not in MADE.resources["DoctorFunction"]["Properties"]


class Doctor(Function):
    """The doctor's function: the script of the zip beside the command line."""

    def __init__(self, folder, settings):
        task = folder / "task"
        task.mkdir(parents=True)
        shutil.copy(INFRA / "operations" / "doctor" / "bootstrap", task / "bootstrap")
        (task / "studio-broker").symlink_to(binary("studio-broker"))
        made = MADE.resources["DoctorFunction"]["Properties"]["Environment"]["Variables"]
        settings = {"LAMBDA_TASK_ROOT": str(task), **made, **settings}
        super().__init__(folder, settings, program=task / "bootstrap")

    def runs(self):
        """What the lines of the log make of one run: exit, the doctor's report, the metrics."""
        self.invoke({"source": "aws.events", "detail-type": "Scheduled Event"})
        lines = self.program.log()
        (run,), (report,) = ([one for one in lines if one.get("event") == event] for event in ("doctor", "doctor_report"))
        metrics = Metrics()
        metrics.read(lines)
        return run["exit"], report["report"], metrics


@pytest.fixture
def doctor(world, tmp_path):
    started = []

    def start(**settings):
        world.aws.as_usual()
        environment = world.aws.environment(
            STUDIO_BROKER_TLS_ROOTS="system", DOCTOR_HUB_ROLE="arn:aws:iam::111111111111:role/StudioBrokerHub", **settings
        )
        started.append(Doctor(tmp_path / unique("doctor"), environment))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def rings(metrics):
    at = max(at for points in metrics.points.values() for at, _ in points)
    end = at - at % 86400 + 86400
    return {name: state(ALARMS[name], metrics, end) for name in ("DoctorFoundAlarm", "DoctorSilentAlarm")}


def test_the_doctor_comes_by_itself_and_says_what_it_found(world, doctor):
    exit, report, metrics = doctor(DOCTOR_FAIL_ON="warning").runs()
    # The story of `local` has teams that cannot be opened.
    assert exit == 3
    assert {finding["level"] for finding in report["findings"]} >= {"problem"}
    assert rings(metrics)["DoctorFoundAlarm"] == "ALARM"


def test_a_doctor_without_rights_is_no_healthy_hub(world, doctor):
    one = doctor()
    world.aws.fault(effect="deny")
    try:
        exit, _, metrics = one.runs()
    finally:
        world.aws.clear_faults()
    assert exit == 4
    assert rings(metrics)["DoctorFoundAlarm"] == "ALARM"


def test_a_doctor_that_does_not_come_is_noticed():
    metrics, alarm = Metrics(), ALARMS["DoctorSilentAlarm"]
    assert state(alarm, metrics, NOW) == "ALARM"
    for day_ in range(3):
        metrics.put("StudioBroker", "DoctorRuns", HUB_NAME, NOW + day_ * 86400 + 60, 1)
    assert state(alarm, metrics, NOW + 3 * 86400) == "OK"
    assert state(alarm, metrics, NOW + 4 * 86400) == "OK", "one day late is no reason to call anybody"
    assert state(alarm, metrics, NOW + 5 * 86400) == "ALARM"


def test_a_certificate_of_an_identity_provider_that_ends_soon_is_a_finding(world, doctor):
    key = rsa.generate_private_key(65537, 2048)
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "idp")])

    def metadata(days):
        certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days)).sign(key, hashes.SHA256())
        der = certificate.public_bytes(serialization.Encoding.PEM).decode().split("-----")[2]
        return re.sub(r"(<(?:\w+:)?X509Certificate>)[^<]+", rf"\g<1>{der}", world.metadata)

    def found(days):
        entity_id = world.new_idp(change=lambda _: metadata(days).replace(world.idp_entity_id, f"https://ends-{days}.example.com"),
                                  entity_id=f"https://ends-{days}.example.com")  # fmt: skip
        _, report, _ = doctor().runs()
        return {f["code"] for f in report["findings"] if entity_id in f["subject"]}

    # A Saturday in four weeks; and one next year.
    assert "certificate_ends" in found(28)
    assert "certificate_ends" not in found(300)


def test_the_doctors_role_has_the_rights_that_the_guide_lists_and_changes_nothing():
    statements = {s["Sid"]: s for d in MADE.permissions("DoctorRole").values() for s in d["Statement"]}
    actions = {
        action for sid, s in statements.items() if sid not in ("WriteLog", "UseKeyThroughDynamoDb")
        for action in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])
    }  # fmt: skip
    of_doctor, taking = set(), False
    for who, what, _ in re.findall(r"^\|([^|]*)\|([^|]*)\|([^|]*)\|$", (INFRA / "README.md").read_text(), re.M):
        taking = "`doctor`" in who or (taking and not who.strip())
        if taking:
            of_doctor |= set(re.findall(r"`(\w+:\w+)`", what))
    assert of_doctor >= {"dynamodb:Scan", "sts:AssumeRole"}
    assert actions == of_doctor - {"dynamodb:UpdateItem"}
    assert not [a for a in actions if re.search(r":(Put|Update|Delete|Create|Add)", a)]


def test_the_doctor_has_the_hubs_tables(world):
    variables = MADE.resources["DoctorFunction"]["Properties"]["Environment"]["Variables"]
    hub = stack(HUB).resources["BrokerFunction"]["Properties"]["Environment"]["Variables"]
    for name in ("TEAMS_TABLE", "IDPS_TABLE", "STATE_TABLE", "TARGET_ROLE_NAME"):
        assert variables[f"STUDIO_BROKER_{name}"] == hub[f"STUDIO_BROKER_{name}"]


def test_the_script_of_the_doctor_needs_what_lambda_has():
    """provided.al2023 has a POSIX shell and curl, and no Python and no jq."""
    script = INFRA / "operations" / "doctor" / "bootstrap"
    assert os.access(script, os.X_OK) and script.read_text().startswith("#!/bin/sh\n")
    words = set(re.findall(r"^\s*(?:if |while )?([a-z]+) ", script.read_text(), re.M)) | set(re.findall(r"\$\(([a-z]+) ", script.read_text()))
    assert words <= {"set", "api", "program", "head", "found", "while", "id", "curl", "printf", "tr", "exit", "failures", "date", "sed"}
