"""The simulated AWS, driven by botocore: a client that no one here wrote, with its own models."""

import datetime
import json
import re
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

DOMAIN = "d-localteam001"
ROLE = "arn:aws:iam::222222222222:role/Team1Execution"


def code(call, **parameters):
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    return refused.value.response["Error"]["Code"]


def owner(team, user):
    return [{"Key": "Team", "Value": team}, {"Key": "User", "Value": user}]


def control(endpoint, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{endpoint}/_control/{path}", data, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_the_tables_are_there_with_the_teams_of_the_story(client):
    dynamodb = client("dynamodb")
    assert dynamodb.list_tables()["TableNames"] == [
        "studio-broker-idps",
        "studio-broker-state",
        "studio-broker-teams",
    ]
    teams = dynamodb.scan(TableName="studio-broker-teams")["Items"]
    assert {"team1", "team2"} <= {team["team_id"]["S"] for team in teams}
    ttl = dynamodb.describe_time_to_live(TableName="studio-broker-state")
    assert ttl["TimeToLiveDescription"]["AttributeName"] == "expires_at"


def test_a_conditional_put_succeeds_once(client):
    dynamodb = client("dynamodb")
    put = dict(
        TableName="studio-broker-state",
        Item={"pk": {"S": "boto3"}},
        ConditionExpression="attribute_not_exists(pk)",
    )
    dynamodb.put_item(**put)
    assert code(dynamodb.put_item, **put) == "ConditionalCheckFailedException"


def test_twelve_digits_are_that_account(client):
    identity = client("sts", key="123456789012").get_caller_identity()
    assert identity["Account"] == "123456789012"
    assert client("sts").get_caller_identity()["Account"] == "111111111111"


def test_assume_role_answers_with_credentials_that_expire_within_the_hour(client, assume):
    credentials = assume("team1", "user-1", "222222222222")
    left = credentials["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(minutes=59) < left <= datetime.timedelta(hours=1)
    identity = client("sts", assumed=credentials).get_caller_identity()
    assert identity["Arn"] == "arn:aws:sts::222222222222:assumed-role/StudioBrokerTarget/user-1"


def test_a_role_without_both_tags_is_refused(client):
    assert (
        code(
            client("sts").assume_role,
            RoleArn="arn:aws:iam::222222222222:role/StudioBrokerTarget",
            RoleSessionName="user-1",
            Tags=[{"Key": "Team", "Value": "team1"}],
        )
        == "AccessDenied"
    )


def test_a_whole_opening(client, assume):
    sagemaker = client("sagemaker", assumed=assume("team1", "user-1", "222222222222"))
    named = {"DomainId": DOMAIN, "UserProfileName": "user-1-team1"}
    assert code(sagemaker.describe_user_profile, **named) == "ResourceNotFound"
    assert code(sagemaker.create_presigned_domain_url, **named) == "AccessDeniedException"
    settings = {"ExecutionRole": ROLE, "DefaultLandingUri": "studio::"}
    arn = sagemaker.create_user_profile(
        **named, UserSettings=settings, Tags=owner("team1", "user-1")
    )["UserProfileArn"]
    assert sagemaker.describe_user_profile(**named)["Status"] == "Pending"
    deadline = time.monotonic() + 10
    while sagemaker.describe_user_profile(**named)["Status"] != "InService":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    described = sagemaker.describe_user_profile(**named)
    assert described["UserSettings"] == settings
    assert described["CreationTime"] <= described["LastModifiedTime"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == owner("team1", "user-1")
    url = sagemaker.create_presigned_domain_url(**named, ExpiresInSeconds=5)["AuthorizedUrl"]
    with urllib.request.urlopen(url) as page:
        shown = dict(re.findall(r'<dd id="([^"]+)">([^<]*)</dd>', page.read().decode()))
    assert shown["account"] == "222222222222"
    assert shown["profile"] == "user-1-team1"
    assert shown["execution-role"] == ROLE
    time.sleep(5)
    with pytest.raises(urllib.error.HTTPError) as expired:
        urllib.request.urlopen(url)
    assert expired.value.code == 403


def test_an_administrator_makes_a_domain_and_everything_in_it(client, endpoint):
    control(endpoint, "POST", "settings", {"profile_delay_ms": 0, "delete_delay_ms": 0})
    sagemaker = client("sagemaker", key="666666666666", region="ap-southeast-2")
    role = "arn:aws:iam::666666666666:role/Run"
    domain = sagemaker.create_domain(
        DomainName="lab", AuthMode="IAM", DefaultUserSettings={"ExecutionRole": role}
    )["DomainId"]
    assert re.fullmatch(r"d-[a-z0-9]{12}", domain)
    assert sagemaker.describe_domain(DomainId=domain)["Status"] == "InService"
    for number in range(12):
        sagemaker.create_user_profile(DomainId=domain, UserProfileName=f"p{number}")
    pages = sagemaker.get_paginator("list_user_profiles").paginate(DomainIdEquals=domain)
    assert [len(page["UserProfiles"]) for page in pages] == [10, 2]
    assert (
        code(sagemaker.create_user_profile, DomainId=domain, UserProfileName="P1")
        == "ResourceInUse"
    )
    space = {"DomainId": domain, "SpaceName": "s"}
    sagemaker.create_space(
        **space,
        OwnershipSettings={"OwnerUserProfileName": "p1"},
        SpaceSharingSettings={"SharingType": "Private"},
    )
    sagemaker.create_app(**space, AppType="JupyterLab", AppName="default")
    profile = {"DomainId": domain, "UserProfileName": "p1"}
    assert code(sagemaker.delete_user_profile, **profile) == "ResourceInUse"
    assert code(sagemaker.delete_space, **space) == "ResourceInUse"
    listed = sagemaker.list_spaces()["Spaces"][0]
    assert listed["OwnershipSettingsSummary"] == {"OwnerUserProfileName": "p1"}
    sagemaker.delete_app(**space, AppType="JupyterLab", AppName="default")
    assert sagemaker.list_apps(SpaceNameEquals="s")["Apps"][0]["Status"] == "Deleted"
    sagemaker.delete_space(**space)
    sagemaker.delete_user_profile(**profile)
    assert code(sagemaker.delete_domain, DomainId=domain) == "ResourceInUse"
    assert not client("sagemaker", key="666666666666").list_domains()["Domains"]


def test_tags_are_added_replaced_and_deleted(client):
    sagemaker = client("sagemaker", key="222222222222")
    arn = f"arn:aws:sagemaker:us-east-1:222222222222:domain/{DOMAIN}"
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}])
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"}])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "2"}]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_botocore_tells_the_simulated_errors_apart(client, endpoint):
    sagemaker = client("sagemaker", key="222222222222")
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_domain(DomainId="d-missing")
    control(
        endpoint,
        "POST",
        "faults",
        {"operation": "DescribeDomain", "times": 1, "effect": "throttle"},
    )
    assert code(sagemaker.describe_domain, DomainId=DOMAIN) == "ThrottlingException"
    sagemaker.describe_domain(DomainId=DOMAIN)


def test_the_log_of_calls_holds_no_credentials(client, endpoint, assume):
    credentials = assume("team1", "user-1", "222222222222")
    client("sagemaker", assumed=credentials).describe_domain(DomainId=DOMAIN)
    calls = control(endpoint, "GET", "calls")
    last = calls[-1]
    assert (last["operation"], last["account"]) == ("DescribeDomain", "222222222222")
    assert last["session_tags"] == {"Team": "team1", "User": "user-1"}
    for secret in ("AccessKeyId", "SecretAccessKey", "SessionToken"):
        assert credentials[secret] not in json.dumps(calls)
