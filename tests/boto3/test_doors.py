"""MLflow Apps, MLflow tracking servers and Partner AI Apps, driven by botocore."""

import time
import urllib.error
import urllib.request

import pytest

from test_aws import code

ACCOUNT, REGION = "777777777777", "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Behind"
MLFLOW = {"ArtifactStoreUri": "s3://bucket/path", "RoleArn": ROLE}
TAGS = [{"Key": "Team", "Value": "a"}]
PARTNER = {"Type": "fiddler", "ExecutionRoleArn": ROLE, "Tier": "medium", "AuthType": "IAM"}


@pytest.fixture(scope="module")
def sagemaker(client):
    return client("sagemaker", ACCOUNT, REGION)


def settled(describe, status):
    deadline = time.monotonic() + 30
    while True:
        found = describe()
        if status in found.values() or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def gone(describe):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            describe()
        except Exception as error:
            assert error.response["Error"]["Code"] == "ResourceNotFound"
            return
        time.sleep(0.05)
    raise AssertionError("still there")


def visit(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_an_mlflow_app_is_made_described_listed_opened_once_and_deleted(sagemaker):
    arn = sagemaker.create_mlflow_app(Name="first", Tags=TAGS, **MLFLOW)["Arn"]
    assert arn.startswith(f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-app/app-")
    found = settled(lambda: sagemaker.describe_mlflow_app(Arn=arn), "Created")
    assert (found["Name"], found["ArtifactStoreUri"], found["Status"]) == ("first", "s3://bucket/path", "Created")
    listed = sagemaker.list_mlflow_apps()["Summaries"]
    assert [(one["Arn"], one["Name"]) for one in listed] == [(arn, "first")]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == TAGS
    url = sagemaker.create_presigned_mlflow_app_url(Arn=arn, ExpiresInSeconds=60)["AuthorizedUrl"]
    assert len(url) <= 2048
    assert visit(url)[0] == 200
    assert visit(url)[0] == 403, "it can be used once"
    assert code(sagemaker.create_mlflow_app, Name="first", **MLFLOW) == "ValidationException"
    sagemaker.delete_mlflow_app(Arn=arn)
    gone(lambda: sagemaker.describe_mlflow_app(Arn=arn))
    assert code(sagemaker.create_presigned_mlflow_app_url, Arn=arn) == "ResourceNotFound"


def test_a_tracking_server_stops_and_starts(sagemaker):
    name = {"TrackingServerName": "runs"}
    arn = sagemaker.create_mlflow_tracking_server(**name, **MLFLOW)["TrackingServerArn"]
    assert arn == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-tracking-server/runs"
    describe = lambda: sagemaker.describe_mlflow_tracking_server(**name)  # noqa: E731
    assert settled(describe, "Created")["IsActive"] == "Active"
    assert code(sagemaker.start_mlflow_tracking_server, **name) == "ConflictException"
    sagemaker.stop_mlflow_tracking_server(**name)
    assert settled(describe, "Stopped")["IsActive"] == "Inactive"
    assert code(sagemaker.create_presigned_mlflow_tracking_server_url, **name) == "ValidationException"
    sagemaker.start_mlflow_tracking_server(**name)
    assert settled(describe, "Started")["IsActive"] == "Active"
    url = sagemaker.create_presigned_mlflow_tracking_server_url(**name)["AuthorizedUrl"]
    assert visit(url)[0] == 200
    (summary,) = sagemaker.list_mlflow_tracking_servers()["TrackingServerSummaries"]
    assert (summary["TrackingServerName"], summary["TrackingServerStatus"]) == ("runs", "Started")
    sagemaker.delete_mlflow_tracking_server(**name)
    gone(describe)


def test_a_partner_app_knows_its_people_by_the_session_where_it_is_told_to(sagemaker):
    arn = sagemaker.create_partner_app(Name="checks", **PARTNER)["Arn"]
    found = settled(lambda: sagemaker.describe_partner_app(Arn=arn), "Available")
    assert (found["Type"], found["AuthType"]) == ("fiddler", "IAM")
    url = sagemaker.create_partner_app_presigned_url(Arn=arn)["Url"]
    assert "EnableIamSessionBasedIdentity is off" in visit(url)[1]
    assert code(sagemaker.create_partner_app, Name="checks", **PARTNER) == "ConflictException"
    sagemaker.update_partner_app(Arn=arn, EnableIamSessionBasedIdentity=True)
    settled(lambda: sagemaker.describe_partner_app(Arn=arn), "Available")
    assert sagemaker.describe_partner_app(Arn=arn)["EnableIamSessionBasedIdentity"] is True
    other = sagemaker.create_partner_app(Name="sso", **{**PARTNER, "AuthType": "IDC"})["Arn"]
    assert code(sagemaker.create_partner_app_presigned_url, Arn=other) == "ValidationException"
    assert len(sagemaker.list_partner_apps()["Summaries"]) == 2
    sagemaker.delete_partner_app(Arn=arn)
    gone(lambda: sagemaker.describe_partner_app(Arn=arn))


def test_the_story_has_a_team_with_all_three_and_their_pages_tell_who_came(client, assume):
    credentials = assume("team14", "user-15", "666666666666")
    mine = client("sagemaker", region=REGION, assumed=credentials)
    place = f"arn:aws:sagemaker:{REGION}:666666666666"
    urls = [
        mine.create_presigned_mlflow_app_url(Arn=f"{place}:mlflow-app/app-LOCALTEAM014")["AuthorizedUrl"],
        mine.create_presigned_mlflow_tracking_server_url(TrackingServerName="team14-runs")["AuthorizedUrl"],
        mine.create_partner_app_presigned_url(Arn=f"{place}:partner-app/app-LOCALTEAM14A")["Url"],
    ]
    for url in urls:
        status, page = visit(url)
        assert status == 200
        assert '<dd id="session-name">user-15</dd>' in page
        assert '<dd id="session-tags">Team = team14, User = user-15</dd>' in page
    assert '<dd id="person">user-15</dd>' in page
    assert code(mine.delete_mlflow_app, Arn=f"{place}:mlflow-app/app-LOCALTEAM014") == "AccessDeniedException"
    other = client("sagemaker", region=REGION, assumed=assume("team14", "user-15", "666666666666"))
    foreign = f"{place}:mlflow-app/app-SOMEBODYELSE"
    assert code(other.create_presigned_mlflow_app_url, Arn=foreign) == "AccessDeniedException"
