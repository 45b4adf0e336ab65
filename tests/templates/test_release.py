"""A release: a new version gets a tenth of the people, and goes when an alarm of the release rings. The alarms,
the alias and the deployment group are the template's; the versions are the function itself."""

import itertools
import json
import re

import pytest
from lambda_runtime import Function, FunctionError, rest_answer, rest_event
from lambda_runtime import Front
from templates import HUB, ROOT, render, stack
from watch import Metrics, state
from world import RunningBroker, World, unique

MADE = stack(HUB)
RESOURCES = MADE.resources
(GROUP,) = MADE.of_type("AWS::CodeDeploy::DeploymentGroup").values()
(ALIAS,) = MADE.of_type("AWS::Lambda::Alias").values()
NAME = RESOURCES["BrokerFunction"]["Properties"]["FunctionName"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    yield world
    world.stop()


def alarms():
    """The alarms that the deployment group names."""
    named = [one["Name"].removesuffix("-id") for one in GROUP["AlarmConfiguration"]["Alarms"]]
    return {name: RESOURCES[name]["Properties"] for name in named}


class Version(RunningBroker):
    """A version of the function behind the API's alias."""

    def __init__(self, world, folder, **settings):
        variables = RESOURCES["BrokerFunction"]["Properties"]["Environment"]["Variables"]
        self.function = Function(folder, world.aws.environment(**{**variables, **settings}))
        super().__init__(world, self.function.program, None, MADE.outputs["PortalUrl"])

    def invoke(self):
        """One person's sign-in; raises FunctionError as Lambda would count it."""
        def event(front, method, path, *rest):
            return rest_event(front, method, path.removeprefix("/prod") or "/", *rest)

        front = Front("rest-api", event, rest_answer, stage="prod")
        return front.browser(self.function, self.public_url).post_from_idp(
            self.response(user_id=unique("user-"), teams=["team1", "team3"])
        )


def release(world, tmp_path, new_settings, minutes=7):
    """Simulates CodeDeploy and CloudWatch, a minute at a time: how often each version answered in each minute,
    and how the deployment ended."""
    old, new = Version(world, tmp_path / "old"), Version(world, tmp_path / "new", **new_settings)
    canary = re.fullmatch(r"CodeDeployDefault\.LambdaCanary(\d+)Percent(\d+)Minutes", GROUP["DeploymentConfigName"])
    share, wait = int(canary[1]), int(canary[2])
    metrics, clock, served, ended, read = Metrics(), 1_800_000_000, [], None, 0
    people = itertools.count()
    try:
        for minute in range(minutes):
            weight = {None: share, "done": 100, "rolled back": 0}[ended]
            counted = {"old": 0, "new": 0, "failed": 0}
            for _ in range(20):
                # Every tenth, so that the simulation is the same each time.
                version = "new" if next(people) % 100 * share % 100 < weight and weight else "old"
                try:
                    answer = (new if version == "new" else old).invoke()
                    assert answer.status == 303, answer.text
                    counted[version] += 1
                except FunctionError:
                    counted["failed"] += 1
                    dimensions = {"FunctionName": NAME, "Resource": f"{NAME}:{ALIAS['Name']}"}
                    if version == "new":
                        dimensions["ExecutedVersion"] = ALIAS["FunctionVersion"]
                    metrics.put("AWS/Lambda", "Errors", dimensions, clock, 1)
            lines = [line for line in old.program.log() + new.program.log() if "_aws" in line]
            for line in lines[read:]:
                line["_aws"]["Timestamp"] = clock * 1000
                metrics.read([line])
            read = len(lines)
            served.append(counted)
            clock += 60
            if ended is None:
                ringing = [name for name, alarm in alarms().items() if state(alarm, metrics, clock) == "ALARM"]
                if ringing:
                    assert "DEPLOYMENT_STOP_ON_ALARM" in GROUP["AutoRollbackConfiguration"]["Events"]
                    ended = "rolled back"
                elif minute + 1 >= wait:
                    ended = "done"
    finally:
        old.function.stop()
        new.function.stop()
    return served, ended


def test_a_canary_that_fails_goes_back_by_itself(world, tmp_path):
    served, ended = release(world, tmp_path, {"STUDIO_BROKER_URL_SECONDS": "9999"})
    assert ended == "rolled back"
    failed = [minute["failed"] for minute in served]
    # A tenth of the people of one minute; after that nobody.
    assert failed[0] == 2 and sum(failed) == 2
    assert [minute["old"] for minute in served[1:]] == [20] * (len(served) - 1)


def test_a_good_release_ends_with_the_new_version_alone(world, tmp_path):
    served, ended = release(world, tmp_path, {"STUDIO_BROKER_URL_SECONDS": "60"})
    assert ended == "done"
    assert [minute["new"] for minute in served] == [2, 2, 2, 2, 2, 20, 20]


def test_a_fault_of_the_new_version_that_it_survives_is_an_alarm_too():
    (alarm,) = (a for a in alarms().values() if a["MetricName"] == "Refusals")
    dimensions = {d["Name"]: d["Value"] for d in alarm["Dimensions"]}
    hub = RESOURCES["BrokerFunction"]["Properties"]["Environment"]["Variables"]["STUDIO_BROKER_STATE_TABLE"]
    assert dimensions == {"Hub": hub, "code": "internal"}
    codes = {row["code"]: row for row in json.loads((ROOT / "schemas/codes.json").read_text())["codes"]}
    assert codes["internal"]["status"] == 500
    metrics, now = Metrics(), 1_800_000_060
    assert state(alarm, metrics, now) == "OK"
    metrics.put("StudioBroker", "Refusals", dimensions, now - 30, 1)
    assert state(alarm, metrics, now) == "ALARM"


def test_the_api_calls_the_alias_and_may_call_nothing_else():
    arn = f"arn:aws:lambda:eu-central-1:111111111111:function:{NAME}:live"
    for method in MADE.of_type("AWS::ApiGateway::Method").values():
        assert arn in method["Integration"]["Uri"]
    assert RESOURCES["InvokePermission"]["Properties"]["FunctionName"] == arn
    updates = [one.get("UpdatePolicy") for one in RESOURCES.values() if one["Type"] == "AWS::Lambda::Alias"]
    assert updates[0]["CodeDeployLambdaAliasUpdate"]["DeploymentGroupName"].startswith("BrokerFunctionDeploymentGroup")


def test_the_hub_role_counts_for_a_version_as_for_the_function():
    (policies,) = [d for name, d in MADE.permissions("HubRole").items() if name == "Broker"]
    (targets,) = [s for s in policies["Statement"] if s["Sid"] == "AssumeTargets"]
    arn = f"arn:aws:lambda:eu-central-1:111111111111:function:{NAME}"
    assert targets["Condition"]["ArnEquals"] == {"lambda:SourceFunctionArn": [arn, f"{arn}:*"]}


def test_codedeploy_may_move_this_alias_and_nothing_else():
    statements = {s["Sid"]: s for d in MADE.permissions("ReleaseRole").values() for s in d["Statement"]}
    assert statements["MoveTheAlias"]["Resource"].endswith(f":function:{NAME}*")
    assert statements["AskTheAlarms"]["Action"] == "cloudwatch:DescribeAlarms"
    assert GROUP["ServiceRoleArn"].endswith("ReleaseRole")


def test_provisioned_concurrency_is_a_number_and_none_by_default():
    assert "ProvisionedConcurrencyConfig" not in ALIAS
    warm = stack(HUB, {"ProvisionedConcurrency": 3}).of_type("AWS::Lambda::Alias")
    assert [a["ProvisionedConcurrencyConfig"] for a in warm.values()] == [{"ProvisionedConcurrentExecutions": "3"}]
    assert render.load(HUB)["Parameters"]["ProvisionedConcurrency"]["Default"] == 0
