//! The simulated AWS, driven by the real SDK clients over its real wire formats.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{error::ProvideErrorMetadata, types::AttributeValue};
use aws_sdk_sagemaker::types::{AppType, Tag, UserProfileStatus, UserSettings};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};
use serde_json::{Value, json};
use studio_broker::local::{
    aws::{self, AwsOptions, RunningAws},
    seed,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const TEAM1_ROLE: &str = "arn:aws:iam::222222222222:role/StudioBrokerTarget";
const TEAM2_ROLE: &str = "arn:aws:iam::333333333333:role/StudioBrokerTarget";
const ODD_ROLE: &str = "arn:aws:iam::444444444444:role/StudioBrokerTarget";
const TEAM1_EXECUTION: &str = "arn:aws:iam::222222222222:role/Team1Execution";
const TEAM1_DOMAIN: &str = "d-localteam001";

/// A seeded endpoint with everything in memory.
struct Stage {
    aws: RunningAws,
}

impl Stage {
    async fn start() -> Self {
        Self::with(AwsOptions::default()).await
    }

    async fn with(options: AwsOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let aws = aws::start(listener, options).await.unwrap();
        seed(&aws, None).unwrap();
        Self { aws }
    }

    fn config(&self, credentials: Credentials, region: &'static str) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .endpoint_url(self.aws.endpoint_url())
            .region(Region::new(region))
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(
                credentials,
            ))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder().operation_timeout(Duration::from_secs(5)).build(),
            )
            .build()
    }

    fn sts(&self) -> aws_sdk_sts::Client {
        aws_sdk_sts::Client::new(&self.config(direct("broker"), "us-east-1"))
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config(direct("broker"), "us-east-1"))
    }

    /// As an administrator of the account.
    fn administrator(&self, account: &str, region: &'static str) -> aws_sdk_sagemaker::Client {
        aws_sdk_sagemaker::Client::new(&self.config(direct(account), region))
    }

    async fn assume(
        &self,
        role: &str,
        team: &str,
        user: &str,
    ) -> Result<Credentials, aws_sdk_sts::Error> {
        let answer = self
            .sts()
            .assume_role()
            .role_arn(role)
            .role_session_name(user)
            .tags(session_tag("Team", team))
            .tags(session_tag("User", user))
            .set_external_id((team == "team2").then(|| "team2-external-id".into()))
            .send()
            .await?;
        let credentials = answer.credentials.unwrap();
        Ok(Credentials::new(
            credentials.access_key_id,
            credentials.secret_access_key,
            Some(credentials.session_token),
            None,
            "assumed",
        ))
    }

    /// As the broker acts for a person in a team.
    async fn session(
        &self,
        role: &str,
        team: &str,
        user: &str,
        region: &'static str,
    ) -> aws_sdk_sagemaker::Client {
        let credentials = self.assume(role, team, user).await.unwrap();
        aws_sdk_sagemaker::Client::new(&self.config(credentials, region))
    }

    async fn team1(&self, user: &str) -> aws_sdk_sagemaker::Client {
        self.session(TEAM1_ROLE, "team1", user, "us-east-1").await
    }

    async fn control(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, body) =
            self.http(&format!("{method} /_control/{path} HTTP/1.1"), &[], &body).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// A request as text, for what no SDK would send.
    async fn http(&self, line: &str, headers: &[&str], body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.aws.address()).await.unwrap();
        let host = format!("Host: {}", self.aws.address());
        let headers: Vec<&str> = headers.to_vec();
        let host = if headers.iter().any(|h| h.starts_with("Host:")) { "" } else { &host };
        let request = format!(
            "{line}\r\n{}{}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            if host.is_empty() { String::new() } else { format!("{host}\r\n") },
            headers.iter().map(|h| format!("{h}\r\n")).collect::<String>(),
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }
}

fn direct(access_key_id: &str) -> Credentials {
    Credentials::new(access_key_id, "any secret", None, None, "direct")
}

fn session_tag(key: &str, value: &str) -> aws_sdk_sts::types::Tag {
    aws_sdk_sts::types::Tag::builder().key(key).value(value).build().unwrap()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

fn owner_tags(team: &str, user: &str) -> Option<Vec<Tag>> {
    Some(vec![tag("Team", team), tag("User", user)])
}

fn role(arn: &str) -> UserSettings {
    UserSettings::builder().execution_role(arn).build()
}

/// The code of whatever went wrong.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata, R>(
    answer: Result<T, aws_sdk_sts::error::SdkError<E, R>>,
) -> String {
    match answer {
        Ok(answer) => format!("ok: {answer:?}"),
        Err(error) => error.code().unwrap_or("no answer").to_owned(),
    }
}

async fn create_team1_profile(client: &aws_sdk_sagemaker::Client, user: &str) -> String {
    let created = client
        .create_user_profile()
        .domain_id(TEAM1_DOMAIN)
        .user_profile_name(format!("{user}-team1"))
        .set_tags(owner_tags("team1", user))
        .user_settings(role(TEAM1_EXECUTION))
        .send()
        .await;
    match created {
        Ok(created) => created.user_profile_arn.unwrap(),
        Err(error) => error.code().unwrap_or("no answer").to_owned(),
    }
}

#[tokio::test]
async fn the_account_of_a_request_is_that_of_its_access_key() {
    let stage = Stage::start().await;
    for (key, account) in [("broker", "111111111111"), ("987654321098", "987654321098")] {
        let client = aws_sdk_sts::Client::new(&stage.config(direct(key), "us-east-1"));
        let identity = client.get_caller_identity().send().await.unwrap();
        assert_eq!(identity.account(), Some(account));
    }
    let credentials = stage.assume(TEAM1_ROLE, "team1", "user-1").await.unwrap();
    let client = aws_sdk_sts::Client::new(&stage.config(credentials, "us-east-1"));
    let identity = client.get_caller_identity().send().await.unwrap();
    assert_eq!(
        identity.arn(),
        Some("arn:aws:sts::222222222222:assumed-role/StudioBrokerTarget/user-1")
    );
}

#[tokio::test]
async fn a_first_opening_creates_the_profile_waits_for_it_and_lands_in_studio() {
    let stage = Stage::start().await;
    let client = stage.team1("user-1").await;
    let describe =
        || client.describe_user_profile().domain_id(TEAM1_DOMAIN).user_profile_name("user-1-team1");
    let missing = describe().send().await.unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found());

    let arn = create_team1_profile(&client, "user-1").await;
    assert_eq!(
        arn,
        "arn:aws:sagemaker:us-east-1:222222222222:user-profile/d-localteam001/user-1-team1"
    );
    assert_eq!(describe().send().await.unwrap().status(), Some(&UserProfileStatus::Pending));
    let presign = || {
        client
            .create_presigned_domain_url()
            .domain_id(TEAM1_DOMAIN)
            .user_profile_name("user-1-team1")
            .expires_in_seconds(30)
            .landing_uri("app:JupyterLab:")
    };
    assert_eq!(code(presign().send().await), "ValidationException");
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(describe().send().await.unwrap().status(), Some(&UserProfileStatus::InService));

    let url = presign().send().await.unwrap().authorized_url.unwrap();
    let path = url.strip_prefix(&stage.aws.endpoint_url()).unwrap();
    assert!(path.starts_with("/studio/auth?token="));
    let (status, page) = stage.http(&format!("GET {path} HTTP/1.1"), &[], "").await;
    assert_eq!(status, 200);
    for shown in [
        "<dd id=\"account\">222222222222</dd>",
        "<dd id=\"region\">us-east-1</dd>",
        "<dd id=\"domain\">d-localteam001</dd>",
        "<dd id=\"profile\">user-1-team1</dd>",
        "<dd id=\"execution-role\">arn:aws:iam::222222222222:role/Team1Execution</dd>",
        "<dd id=\"team-tag\">team1</dd>",
        "<dd id=\"user-tag\">user-1</dd>",
        "<dd id=\"session-name\">user-1</dd>",
        "<dd id=\"landing-uri\">app:JupyterLab:</dd>",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
}

#[tokio::test]
async fn a_presigned_url_opens_until_it_expires_and_as_often_as_it_may() {
    let stage = Stage::start().await;
    stage.control("POST", "settings", &json!({"profile_delay_ms": 0, "studio_url_uses": 1})).await;
    let client = stage.team1("user-1").await;
    create_team1_profile(&client, "user-1").await;
    let url = client
        .create_presigned_domain_url()
        .domain_id(TEAM1_DOMAIN)
        .user_profile_name("user-1-team1")
        .send()
        .await
        .unwrap()
        .authorized_url
        .unwrap();
    let line = format!("GET {} HTTP/1.1", url.strip_prefix(&stage.aws.endpoint_url()).unwrap());
    assert_eq!(stage.http(&line, &[], "").await.0, 200);
    let (status, page) = stage.http(&line, &[], "").await;
    assert_eq!(status, 403);
    assert!(page.contains("id=\"expired\""));
}

#[tokio::test]
async fn the_trust_policy_refuses_whatever_the_broker_would_not_send() {
    let stage = Stage::start().await;
    let sts = stage.sts();
    let call = || sts.assume_role().role_arn(TEAM2_ROLE).role_session_name("user-2");
    let (team, user) = (session_tag("Team", "team2"), session_tag("User", "user-2"));
    let id = "team2-external-id";
    let good = || call().tags(team.clone()).tags(user.clone()).external_id(id);
    assert!(code(good().send().await).starts_with("ok"));
    for (request, why) in [
        (call().external_id(id), "no tags"),
        (call().tags(team.clone()).external_id(id), "no User tag"),
        (call().tags(user.clone()).external_id(id), "no Team tag"),
        (call().tags(team.clone()).tags(user.clone()), "no external id"),
        (call().tags(team.clone()).tags(user.clone()).external_id("other"), "another external id"),
        (
            call().tags(session_tag("Team", "team1")).tags(user.clone()).external_id(id),
            "a foreign team",
        ),
        (good().tags(session_tag("Admin", "yes")), "a third tag"),
        (good().transitive_tag_keys("Team"), "a transitive tag"),
        (good().source_identity("user-2"), "a source identity"),
        (good().role_session_name("somebody"), "another session name"),
        (good().role_arn("arn:aws:iam::333333333333:role/Admin"), "another role"),
        (
            good().role_arn("arn:aws:iam::999999999999:role/StudioBrokerTarget"),
            "an unknown account",
        ),
    ] {
        assert_eq!(code(request.send().await), "AccessDenied", "{why}");
    }
    assert!(stage.assume(ODD_ROLE, "team10", "user-11").await.is_err());
}

#[tokio::test]
async fn parameters_of_assume_role_are_held_against_their_patterns() {
    let stage = Stage::start().await;
    let sts = stage.sts();
    let good = || {
        sts.assume_role()
            .role_arn(TEAM1_ROLE)
            .role_session_name("user-1")
            .tags(session_tag("Team", "team1"))
            .tags(session_tag("User", "user-1"))
    };
    for (request, expected) in [
        (good().role_session_name("x"), "ValidationError"),
        (good().role_session_name("jane doe"), "ValidationError"),
        (good().role_session_name("jäne"), "ValidationError"),
        (good().role_arn("arn:aws:iam::222222222222:user/x"), "ValidationError"),
        (good().external_id("x"), "ValidationError"),
        (good().duration_seconds(899), "ValidationError"),
        (good().duration_seconds(3601), "ValidationError"),
        (good().tags(session_tag("Other", "semi;colon")), "ValidationError"),
        (good().tags(session_tag("team", "team2")), "InvalidParameterValue"),
        (good().policy("{"), "MalformedPolicyDocument"),
        (good().tags(session_tag("Other", &"x".repeat(257))), "ValidationError"),
    ] {
        assert_eq!(code(request.send().await), expected);
    }
    let answer = good().duration_seconds(900).send().await.unwrap();
    assert_eq!(answer.session_token_utilization(), Some(1));
}

#[tokio::test]
async fn a_session_policy_only_takes_away() {
    let stage = Stage::start().await;
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sagemaker:ListUserProfiles", "Resource": "*"}]});
    let answer = stage
        .sts()
        .assume_role()
        .role_arn(TEAM1_ROLE)
        .role_session_name("user-1")
        .tags(session_tag("Team", "team1"))
        .tags(session_tag("User", "user-1"))
        .policy(policy.to_string())
        .send()
        .await
        .unwrap()
        .credentials
        .unwrap();
    let credentials = Credentials::new(
        answer.access_key_id,
        answer.secret_access_key,
        Some(answer.session_token),
        None,
        "assumed",
    );
    let client = aws_sdk_sagemaker::Client::new(&stage.config(credentials, "us-east-1"));
    assert_eq!(code(client.list_user_profiles().send().await), "AccessDeniedException");
    let described = client.describe_domain().domain_id(TEAM1_DOMAIN).send().await;
    assert_eq!(code(described), "AccessDeniedException");
}

#[tokio::test]
async fn a_session_may_do_what_the_target_role_may_and_nothing_else() {
    let stage = Stage::start().await;
    stage.control("POST", "settings", &json!({"profile_delay_ms": 0})).await;
    let ann = stage.team1("ann").await;
    let eve = stage.team1("eve").await;
    let create = |user: &'static str, execution: &'static str| {
        ann.create_user_profile()
            .domain_id(TEAM1_DOMAIN)
            .user_profile_name("ann-team1")
            .set_tags(owner_tags("team1", user))
            .user_settings(role(execution))
    };
    let denied = "AccessDeniedException";
    assert_eq!(code(create("eve", TEAM1_EXECUTION).send().await), denied);
    let admin = "arn:aws:iam::222222222222:role/Admin";
    assert_eq!(code(create("ann", admin).send().await), denied);
    assert_eq!(code(create("ann", TEAM1_EXECUTION).set_tags(None).send().await), denied);
    let third = create("ann", TEAM1_EXECUTION).tags(tag("Unlisted", "x"));
    assert_eq!(code(third.send().await), denied);
    assert!(create("ann", TEAM1_EXECUTION).tags(tag("CostCenter", "1001")).send().await.is_ok());

    let presign = |client: &aws_sdk_sagemaker::Client| {
        client.create_presigned_domain_url().domain_id(TEAM1_DOMAIN).user_profile_name("ann-team1")
    };
    assert!(presign(&ann).send().await.is_ok());
    assert_eq!(code(presign(&eve).send().await), denied);
    let update = |client: &aws_sdk_sagemaker::Client| {
        client
            .update_user_profile()
            .domain_id(TEAM1_DOMAIN)
            .user_profile_name("ann-team1")
            .user_settings(role(TEAM1_EXECUTION))
    };
    assert_eq!(code(update(&eve).send().await), denied);
    assert!(update(&ann).send().await.is_ok());

    // Anybody of the team may look, so that a foreign profile is told from a missing one.
    let arn = "arn:aws:sagemaker:us-east-1:222222222222:user-profile/d-localteam001/ann-team1";
    assert_eq!(eve.list_tags().resource_arn(arn).send().await.unwrap().tags().len(), 3);
    assert_eq!(
        code(ann.add_tags().resource_arn(arn).tags(tag("User", "eve")).send().await),
        denied
    );
    assert_eq!(code(ann.delete_tags().resource_arn(arn).tag_keys("User").send().await), denied);
    assert_eq!(code(ann.list_user_profiles().send().await), denied);
    assert_eq!(code(ann.list_domains().send().await), denied);
    let delete = ann.delete_user_profile().domain_id(TEAM1_DOMAIN).user_profile_name("ann-team1");
    assert_eq!(code(delete.send().await), denied);
    let elsewhere = ann.describe_user_profile().domain_id("d-other").user_profile_name("ann-team1");
    assert_eq!(code(elsewhere.send().await), denied);

    let credentials = stage.assume(TEAM1_ROLE, "team1", "ann").await.unwrap();
    let config = stage.config(credentials, "us-east-1");
    let table = aws_sdk_dynamodb::Client::new(&config).scan().table_name("studio-broker-teams");
    assert_eq!(code(table.send().await), denied);
    let chained = aws_sdk_sts::Client::new(&config)
        .assume_role()
        .role_arn(TEAM1_ROLE)
        .role_session_name("ann")
        .tags(session_tag("Team", "team1"))
        .tags(session_tag("User", "ann"));
    assert_eq!(code(chained.send().await), "AccessDenied");
}

#[tokio::test]
async fn a_new_team_of_the_table_is_granted_what_the_table_says() {
    let stage = Stage::start().await;
    let put = |domain: &'static str| {
        stage
            .dynamodb()
            .put_item()
            .table_name("studio-broker-teams")
            .item("team_id", AttributeValue::S("newteam".into()))
            .item("account_id", AttributeValue::S("777777777777".into()))
            .item("region", AttributeValue::S("ap-south-1".into()))
            .item("domain_id", AttributeValue::S(domain.into()))
            .item(
                "execution_role_arn",
                AttributeValue::S("arn:aws:iam::777777777777:role/Run".into()),
            )
            .item(
                "broker_role_arn",
                AttributeValue::S("arn:aws:iam::777777777777:role/path/Door".into()),
            )
            .send()
    };
    let role = "arn:aws:iam::777777777777:role/path/Door";
    assert!(stage.assume(role, "newteam", "ann").await.is_err());
    put("d-one").await.unwrap();
    let client = stage.session(role, "newteam", "ann", "ap-south-1").await;
    let describe = |domain: &str| {
        client.describe_user_profile().domain_id(domain).user_profile_name("ann-newteam").send()
    };
    assert_eq!(code(describe("d-one").await), "ResourceNotFound");
    assert_eq!(code(describe("d-two").await), "AccessDeniedException");
    put("d-two").await.unwrap();
    assert_eq!(code(describe("d-two").await), "ResourceNotFound");
}

#[tokio::test]
async fn the_brokers_own_credentials_can_be_held_against_the_hub_role() {
    let stage = Stage::start().await;
    stage.control("POST", "settings", &json!({"hub_permissions": "hub_role"})).await;
    let client = stage.dynamodb();
    let (teams, state) = ("studio-broker-teams", "studio-broker-state");
    let put = |table: &str, key: &str| {
        client.put_item().table_name(table).item(key, AttributeValue::S("x".into())).send()
    };
    let denied = "AccessDeniedException";
    assert!(code(client.scan().table_name(teams).send().await).starts_with("ok"));
    assert!(code(put(state, "pk").await).starts_with("ok"));
    assert_eq!(code(put(teams, "team_id").await), denied);
    assert_eq!(code(client.scan().table_name(state).send().await), denied);
    let key = AttributeValue::S("x".into());
    let delete = client.delete_item().table_name(state).key("pk", key);
    assert_eq!(code(delete.send().await), denied);
    assert!(stage.assume(TEAM1_ROLE, "team1", "user-1").await.is_ok());
    let sagemaker = stage.administrator("broker", "us-east-1");
    assert_eq!(code(sagemaker.list_domains().send().await), denied);
}

#[tokio::test]
async fn the_documents_of_a_role_can_be_read() {
    let stage = Stage::start().await;
    let (status, documents) = stage.control("GET", "roles/team2", &Value::Null).await;
    assert_eq!((status, &documents["role_arn"]), (200, &json!(TEAM2_ROLE)));
    let trust = documents["trust_policy"].to_string();
    assert!(trust.contains("sts:TagSession") && trust.contains("team2-external-id"));
    assert!(documents["permission_policy"].to_string().contains("d-localteam002"));
    for team in ["team10", "unknown"] {
        let path = format!("roles/{team}");
        assert_eq!(stage.control("GET", &path, &Value::Null).await.0, 404, "{team}");
    }
}

#[tokio::test]
async fn a_team_of_the_story_keeps_its_grants_when_the_table_points_it_elsewhere() {
    let stage = Stage::start().await;
    stage
        .dynamodb()
        .update_item()
        .table_name("studio-broker-teams")
        .key("team_id", AttributeValue::S("team1".into()))
        .update_expression("SET account_id = :a, domain_id = :d, #r = :r")
        .expression_attribute_names("#r", "region")
        .expression_attribute_values(":a", AttributeValue::S("333333333333".into()))
        .expression_attribute_values(":d", AttributeValue::S("d-localteam002".into()))
        .expression_attribute_values(":r", AttributeValue::S("eu-west-1".into()))
        .send()
        .await
        .unwrap();
    assert!(stage.assume(TEAM2_ROLE, "team1", "user-1").await.is_err());
    assert!(stage.assume(TEAM1_ROLE, "team1", "user-1").await.is_ok());
}

#[tokio::test]
async fn the_odd_teams_of_the_story_fail_each_in_its_own_way() {
    let stage = Stage::start().await;
    let create = |client: &aws_sdk_sagemaker::Client, number: u8, user: &str, account: &str| {
        client
            .create_user_profile()
            .domain_id(format!("d-localteam{number:03}"))
            .user_profile_name(format!("{user}-team{number}"))
            .set_tags(owner_tags(&format!("team{number}"), user))
            .user_settings(role(&format!("arn:aws:iam::{account}:role/Team{number}Execution")))
            .send()
    };
    let odd =
        |team: &'static str, user: &'static str| stage.session(ODD_ROLE, team, user, "us-west-2");

    let quota_role = "arn:aws:iam::555555555555:role/StudioBrokerTarget";
    let client = stage.session(quota_role, "team7", "user-8", "eu-central-1").await;
    let full = create(&client, 7, "user-8", "555555555555").await.unwrap_err();
    assert!(full.into_service_error().is_resource_limit_exceeded());

    let client = odd("team8", "user-9").await;
    let missing = client.describe_domain().domain_id("d-localteam008").send().await.unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found());

    let client = odd("team9", "user-10").await;
    let domain = client.describe_domain().domain_id("d-localteam009").send().await.unwrap();
    assert_eq!(domain.auth_mode().unwrap().as_str(), "SSO");
    assert_eq!(code(create(&client, 9, "user-10", "444444444444").await), "ValidationException");

    let administrator = stage.administrator("444444444444", "us-west-2");
    administrator
        .create_user_profile()
        .domain_id("d-localteam009")
        .user_profile_name("sso-user")
        .single_sign_on_user_identifier("UserName")
        .single_sign_on_user_value("sso-user")
        .send()
        .await
        .unwrap();
    let presign = administrator
        .create_presigned_domain_url()
        .domain_id("d-localteam009")
        .user_profile_name("sso-user");
    assert_eq!(code(presign.send().await), "ValidationException");

    let client = odd("team5", "user-6").await;
    create(&client, 5, "user-6", "444444444444").await.unwrap();
    tokio::time::sleep(Duration::from_millis(800)).await;
    let failed = client
        .describe_user_profile()
        .domain_id("d-localteam005")
        .user_profile_name("user-6-team5")
        .send()
        .await
        .unwrap();
    assert_eq!(failed.status(), Some(&UserProfileStatus::Failed));
    assert!(failed.failure_reason().is_some());

    let client = odd("team11", "user-12").await;
    let foreign = client
        .create_presigned_domain_url()
        .domain_id("d-localteam011")
        .user_profile_name("user-12-team11")
        .send()
        .await;
    assert_eq!(code(foreign), "AccessDeniedException");
}

#[tokio::test]
async fn names_fold_case_and_an_existing_one_is_in_use() {
    let stage = Stage::start().await;
    let client = stage.team1("user-1").await;
    create_team1_profile(&client, "user-1").await;
    let again = client
        .create_user_profile()
        .domain_id(TEAM1_DOMAIN)
        .user_profile_name("USER-1-Team1")
        .set_tags(owner_tags("team1", "user-1"))
        .send()
        .await
        .unwrap_err();
    assert!(again.into_service_error().is_resource_in_use());
    let found = client
        .describe_user_profile()
        .domain_id(TEAM1_DOMAIN)
        .user_profile_name("User-1-TEAM1")
        .send()
        .await
        .unwrap();
    assert_eq!(found.user_profile_name(), Some("user-1-team1"));
}

#[tokio::test]
async fn malformed_names_and_settings_are_refused() {
    let stage = Stage::start().await;
    let client = stage.administrator("222222222222", "us-east-1");
    let create = |domain: &str, name: &str| {
        client.create_user_profile().domain_id(domain).user_profile_name(name)
    };
    let foreign_role = role("arn:aws:iam::333333333333:role/R");
    for request in [
        create(TEAM1_DOMAIN, "jane@example.com"),
        create(TEAM1_DOMAIN, "-jane"),
        create(TEAM1_DOMAIN, &"x".repeat(64)),
        create("domain", "jane"),
        create(TEAM1_DOMAIN, "jane").user_settings(role("no role")),
        create(TEAM1_DOMAIN, "jane").user_settings(foreign_role),
        create(TEAM1_DOMAIN, "jane").tags(tag("k", "semi;colon")),
        create(TEAM1_DOMAIN, "jane").tags(tag("aws:k", "v")),
        create(TEAM1_DOMAIN, "jane").tags(tag("k", "v")).tags(tag("k", "w")),
    ] {
        assert_eq!(code(request.send().await), "ValidationException");
    }
    let presign =
        || client.create_presigned_domain_url().domain_id(TEAM1_DOMAIN).user_profile_name("jane");
    for request in [
        presign().expires_in_seconds(4),
        presign().expires_in_seconds(301),
        presign().session_expiration_duration_in_seconds(1799),
        presign().session_expiration_duration_in_seconds(43_201),
        presign().landing_uri("https://evil.example/"),
    ] {
        assert_eq!(code(request.send().await), "ValidationException");
    }
}

#[tokio::test]
async fn settings_that_nobody_has_heard_of_come_back_as_they_were_given() {
    let stage = Stage::start().await;
    let settings = json!({"FutureSettings": {"Depth": [1, {"Two": null}], "On": true}, "N": 7});
    let call = |operation: &str, body: Value| {
        let target = format!("X-Amz-Target: SageMaker.{operation}");
        let authorization = "Authorization: AWS4-HMAC-SHA256 Credential=222222222222/20261122/\
                             us-east-1/sagemaker/aws4_request, SignedHeaders=host, Signature=0";
        let stage = &stage;
        async move {
            let (status, body) = stage
                .http("POST / HTTP/1.1", &[target.as_str(), authorization], &body.to_string())
                .await;
            assert_eq!(status, 200, "{body}");
            serde_json::from_str::<Value>(&body).unwrap()
        }
    };
    let named = json!({"DomainId": TEAM1_DOMAIN, "UserProfileName": "future"});
    let with = |settings: Value| {
        let mut body = named.clone();
        body["UserSettings"] = settings;
        body
    };
    stage.control("POST", "settings", &json!({"profile_delay_ms": 0})).await;
    call("CreateUserProfile", with(settings.clone())).await;
    let described = call("DescribeUserProfile", named.clone()).await;
    assert_eq!(described["UserSettings"], settings);
    call("UpdateUserProfile", with(json!({"N": 8}))).await;
    let described = call("DescribeUserProfile", named).await;
    assert_eq!(described["UserSettings"]["N"], 8);
    assert_eq!(described["UserSettings"]["FutureSettings"], settings["FutureSettings"]);
}

#[tokio::test]
async fn lists_find_substrings_in_pages_of_ten() {
    let stage = Stage::start().await;
    let client = stage.administrator("222222222222", "us-east-1");
    for number in 0..12 {
        client
            .create_user_profile()
            .domain_id(TEAM1_DOMAIN)
            .user_profile_name(format!("x{number}-Team1"))
            .send()
            .await
            .unwrap();
    }
    let list = || client.list_user_profiles().user_profile_name_contains("-team1");
    let first = list().send().await.unwrap();
    assert_eq!(first.user_profiles().len(), 10);
    let second = list().next_token(first.next_token().unwrap()).send().await.unwrap();
    assert_eq!((second.user_profiles().len(), second.next_token()), (2, None));
    let elsewhere = stage.administrator("222222222222", "eu-west-1");
    assert!(elsewhere.list_user_profiles().send().await.unwrap().user_profiles().is_empty());
}

#[tokio::test]
async fn a_profile_with_spaces_or_apps_cannot_be_deleted() {
    let stage = Stage::start().await;
    let quick = json!({"profile_delay_ms": 0, "delete_delay_ms": 0});
    stage.control("POST", "settings", &quick).await;
    let client = stage.administrator("222222222222", "us-east-1");
    let named = |name: &str| {
        client.create_user_profile().domain_id(TEAM1_DOMAIN).user_profile_name(name).send()
    };
    named("ann").await.unwrap();
    let ownership = aws_sdk_sagemaker::types::OwnershipSettings::builder()
        .owner_user_profile_name("ann")
        .build();
    client
        .create_space()
        .domain_id(TEAM1_DOMAIN)
        .space_name("lab")
        .ownership_settings(ownership)
        .send()
        .await
        .unwrap();
    client
        .create_app()
        .domain_id(TEAM1_DOMAIN)
        .space_name("lab")
        .app_type(AppType::JupyterLab)
        .app_name("default")
        .send()
        .await
        .unwrap();
    let delete_profile =
        || client.delete_user_profile().domain_id(TEAM1_DOMAIN).user_profile_name("ann").send();
    let delete_space = || client.delete_space().domain_id(TEAM1_DOMAIN).space_name("lab").send();
    assert_eq!(code(delete_profile().await), "ResourceInUse");
    assert_eq!(code(delete_space().await), "ResourceInUse");
    let space = client.describe_space().domain_id(TEAM1_DOMAIN).space_name("lab").send().await;
    let owner = space.unwrap().ownership_settings.unwrap().owner_user_profile_name;
    assert_eq!(owner.as_deref(), Some("ann"));
    client
        .delete_app()
        .domain_id(TEAM1_DOMAIN)
        .space_name("lab")
        .app_type(AppType::JupyterLab)
        .app_name("default")
        .send()
        .await
        .unwrap();
    let apps = client.list_apps().space_name_equals("lab").send().await.unwrap();
    assert_eq!(apps.apps()[0].status().unwrap().as_str(), "Deleted");
    delete_space().await.unwrap();
    delete_profile().await.unwrap();
    assert_eq!(code(delete_profile().await), "ResourceNotFound");
}

#[tokio::test]
async fn of_two_first_sign_ins_at_once_one_creates_and_the_other_finds_it_in_use() {
    let stage = Stage::start().await;
    let client = stage.team1("user-1").await;
    let creations = (0..16).map(|_| create_team1_profile(&client, "user-1"));
    let outcomes = futures_util::future::join_all(creations).await;
    let in_use = outcomes.iter().filter(|outcome| *outcome == "ResourceInUse").count();
    assert_eq!(in_use, 15, "{outcomes:?}");
}

#[tokio::test]
async fn of_many_conditional_writes_at_once_one_succeeds() {
    let stage = Stage::start().await;
    let client = stage.dynamodb();
    let writes = (0..32).map(|number: u32| {
        client
            .put_item()
            .table_name("studio-broker-state")
            .item("pk", AttributeValue::S("response".into()))
            .item("writer", AttributeValue::N(number.to_string()))
            .condition_expression("attribute_not_exists(pk)")
            .send()
    });
    let outcomes = futures_util::future::join_all(writes).await;
    let refused = outcomes
        .into_iter()
        .filter_map(Result::err)
        .filter(|e| e.as_service_error().unwrap().is_conditional_check_failed_exception())
        .count();
    assert_eq!(refused, 31);
}

#[tokio::test]
async fn sessions_keep_apart_what_people_do() {
    let stage = Stage::start().await;
    stage.control("POST", "settings", &json!({"profile_delay_ms": 0})).await;
    let people: Vec<String> = (0..20).map(|number| format!("person{number}")).collect();
    let openings = people.iter().map(|person| {
        let stage = &stage;
        async move {
            let client = stage.team1(person).await;
            create_team1_profile(&client, person).await;
            client
                .create_presigned_domain_url()
                .domain_id(TEAM1_DOMAIN)
                .user_profile_name(format!("{person}-team1"))
                .send()
                .await
                .is_ok()
        }
    });
    assert!(futures_util::future::join_all(openings).await.into_iter().all(|opened| opened));
    let (_, calls) = stage.control("GET", "calls", &Value::Null).await;
    let presigned: Vec<&Value> = calls
        .as_array()
        .unwrap()
        .iter()
        .filter(|call| call["operation"] == "CreatePresignedDomainUrl")
        .collect();
    assert_eq!(presigned.len(), 20);
    for call in presigned {
        let profile = call["parameters"]["UserProfileName"].as_str().unwrap();
        assert_eq!(format!("{}-team1", call["session_tags"]["User"].as_str().unwrap()), profile);
    }
}

#[tokio::test]
async fn expired_and_mismatched_credentials_are_refused() {
    let stage = Stage::start().await;
    let good = stage.assume(TEAM1_ROLE, "team1", "user-1").await.unwrap();
    let describe = |credentials: Credentials| {
        let client = aws_sdk_sagemaker::Client::new(&stage.config(credentials, "us-east-1"));
        async move { code(client.describe_domain().domain_id(TEAM1_DOMAIN).send().await) }
    };
    assert!(describe(good.clone()).await.starts_with("ok"));
    let other = Credentials::new(good.access_key_id(), "x", Some("wrong".into()), None, "other");
    assert_eq!(describe(other).await, "UnrecognizedClientException");
    let (_, expired) = stage.control("POST", "expire-credentials", &Value::Null).await;
    assert_eq!(expired, json!({"expired": 1}));
    assert_eq!(describe(good).await, "ExpiredTokenException");
}

#[tokio::test]
async fn faults_hit_the_calls_they_name_as_often_as_they_say() {
    let stage = Stage::start().await;
    let client = stage.administrator("222222222222", "us-east-1");
    let describe = || {
        let client = client.clone();
        async move { code(client.describe_domain().domain_id(TEAM1_DOMAIN).send().await) }
    };
    let order = |fault: Value| {
        let stage = &stage;
        async move { assert_eq!(stage.control("POST", "faults", &fault).await.0, 200) }
    };
    order(json!({"operation": "DescribeDomain", "times": 2, "effect": "throttle"})).await;
    order(json!({"service": "sagemaker", "account": "999999999999", "effect": "deny"})).await;
    assert_eq!(describe().await, "ThrottlingException");
    assert_eq!(describe().await, "ThrottlingException");
    assert!(describe().await.starts_with("ok"));
    for (fault, seen) in [
        (json!({"effect": "deny"}), "AccessDeniedException"),
        (json!({"effect": "error", "code": "InternalFailure"}), "InternalFailure"),
        (json!({"effect": "reset"}), "no answer"),
        (json!({"effect": "malformed"}), "no answer"),
        (json!({"effect": "hang"}), "no answer"),
    ] {
        order(fault.clone()).await;
        assert_eq!(describe().await, seen, "{fault}");
        stage.control("DELETE", "faults", &Value::Null).await;
    }
    for fault in [json!({"effect": "delay", "ms": 50}), json!({"effect": "trickle", "ms": 1})] {
        order(fault.clone()).await;
        let seen = describe().await;
        assert!(seen.starts_with("ok"), "{fault}: {seen}");
        stage.control("DELETE", "faults", &Value::Null).await;
    }
}

#[tokio::test]
async fn a_lost_answer_has_done_the_work() {
    let stage = Stage::start().await;
    let client = stage.team1("user-1").await;
    let fault = json!({"operation": "CreateUserProfile", "profile": "USER-1-team1", "times": 1,
        "effect": "lose_answer"});
    stage.control("POST", "faults", &fault).await;
    assert_eq!(create_team1_profile(&client, "user-1").await, "no answer");
    assert_eq!(create_team1_profile(&client, "user-1").await, "ResourceInUse");
    let put = || {
        stage
            .dynamodb()
            .put_item()
            .table_name("studio-broker-state")
            .item("pk", AttributeValue::S("x".into()))
            .condition_expression("attribute_not_exists(pk)")
            .send()
    };
    stage
        .control(
            "POST",
            "faults",
            &json!({"operation": "PutItem", "times": 1, "effect": "lose_answer"}),
        )
        .await;
    assert_eq!(code(put().await), "no answer");
    assert_eq!(code(put().await), "ConditionalCheckFailedException");
}

#[tokio::test]
async fn an_ordered_end_decides_how_a_change_ends() {
    let stage = Stage::start().await;
    let client = stage.team1("user-1").await;
    let describe = || async {
        client
            .describe_user_profile()
            .domain_id(TEAM1_DOMAIN)
            .user_profile_name("user-1-team1")
            .send()
            .await
            .unwrap()
    };
    let settle = |operation: &str, status: &str| {
        json!({"operation": operation, "times": 1, "effect": "settle", "ms": 0, "status": status,
            "reason": "ordered"})
    };
    stage.control("POST", "faults", &settle("CreateUserProfile", "InService")).await;
    create_team1_profile(&client, "user-1").await;
    assert_eq!(describe().await.status(), Some(&UserProfileStatus::InService));
    stage.control("POST", "faults", &settle("UpdateUserProfile", "Update_Failed")).await;
    client
        .update_user_profile()
        .domain_id(TEAM1_DOMAIN)
        .user_profile_name("user-1-team1")
        .user_settings(role(TEAM1_EXECUTION))
        .send()
        .await
        .unwrap();
    let described = describe().await;
    assert_eq!(described.status(), Some(&UserProfileStatus::UpdateFailed));
    assert_eq!(described.failure_reason(), Some("ordered"));
}

#[tokio::test]
async fn a_rate_throttles_what_goes_beyond_its_burst() {
    let stage = Stage::start().await;
    let rate = json!({"rates": [{"service": "sagemaker", "operation": "DescribeDomain",
        "per_second": 0.01, "burst": 3.0}]});
    assert_eq!(stage.control("POST", "settings", &rate).await.0, 200);
    let describe = |account: &'static str, domain: &'static str, region: &'static str| {
        let client = stage.administrator(account, region);
        async move { code(client.describe_domain().domain_id(domain).send().await) }
    };
    for _ in 0..3 {
        assert!(describe("222222222222", TEAM1_DOMAIN, "us-east-1").await.starts_with("ok"));
    }
    assert_eq!(describe("222222222222", TEAM1_DOMAIN, "us-east-1").await, "ThrottlingException");
    assert!(describe("333333333333", "d-localteam002", "eu-west-1").await.starts_with("ok"));
}

#[tokio::test]
async fn the_log_of_calls_names_who_did_what_and_no_credentials() {
    let stage = Stage::start().await;
    let credentials = stage.assume(TEAM2_ROLE, "team2", "user-2").await.unwrap();
    let client = aws_sdk_sagemaker::Client::new(&stage.config(credentials.clone(), "eu-west-1"));
    client.describe_domain().domain_id("d-localteam002").send().await.unwrap();
    let (_, calls) = stage.control("GET", "calls", &Value::Null).await;
    let last = calls.as_array().unwrap().last().unwrap();
    assert_eq!(last["operation"], "DescribeDomain");
    assert_eq!(last["account"], "333333333333");
    assert_eq!(last["region"], "eu-west-1");
    assert_eq!(last["session_tags"], json!({"Team": "team2", "User": "user-2"}));
    assert_eq!(last["status"], 200);
    let text = calls.to_string();
    assert!(!text.contains(credentials.access_key_id()));
    assert!(!text.contains(credentials.session_token().unwrap()));
    stage.control("DELETE", "calls", &Value::Null).await;
    assert_eq!(stage.control("GET", "calls", &Value::Null).await.1, json!([]));
}

#[tokio::test]
async fn foreign_hosts_and_pages_of_other_sites_are_turned_away() {
    let stage = Stage::start().await;
    let port = stage.aws.address().port();
    let host = format!("Host: evil.example:{port}");
    assert_eq!(stage.http("GET /_control HTTP/1.1", &[&host], "").await.0, 421);
    let origin = "Origin: https://evil.example";
    assert_eq!(stage.http("DELETE /_control/calls HTTP/1.1", &[origin], "").await.0, 403);
    let own = format!("Origin: http://{}", stage.aws.address());
    assert_eq!(stage.http("DELETE /_control/calls HTTP/1.1", &[&own], "").await.0, 200);
}

#[tokio::test]
async fn misspelt_orders_are_refused() {
    let stage = Stage::start().await;
    for (path, body) in [
        ("faults", json!({"effect": "explode"})),
        ("faults", json!({"effect": "deny", "opperation": "DescribeDomain"})),
        ("faults", json!([])),
        ("settings", json!({"profile_delay": 1})),
        ("settings", json!({"existing_profile": "maybe"})),
    ] {
        assert_eq!(stage.control("POST", path, &body).await.0, 400, "{body}");
    }
}

#[tokio::test]
async fn garbage_gets_an_error_of_the_services_own() {
    let stage = Stage::start().await;
    let authorization = "Authorization: AWS4-HMAC-SHA256 Credential=x/1/us-east-1/sagemaker/\
                         aws4_request";
    for (headers, body) in [
        (vec![], "garbage"),
        (vec![authorization, "X-Amz-Target: SageMaker.DescribeDomain"], "{"),
        (vec![authorization, "X-Amz-Target: SageMaker.Nonsense"], "{}"),
        (vec![authorization, "X-Amz-Target: Nonsense"], "{}"),
        (vec!["X-Amz-Target: SageMaker.DescribeDomain"], "{}"),
        (vec!["Authorization: Bearer x"], "Action=GetCallerIdentity"),
    ] {
        let (status, answer) = stage.http("POST / HTTP/1.1", &headers, body).await;
        assert!((400..500).contains(&status), "{headers:?} {body}: {status} {answer}");
    }
}

#[tokio::test]
async fn state_and_edits_survive_a_restart() {
    let data = std::env::temp_dir().join(format!("studio-broker-restart-{}", std::process::id()));
    let options = AwsOptions { data: Some(data.clone()), ..AwsOptions::default() };
    let stage = Stage::with(options.clone()).await;
    create_team1_profile(&stage.team1("user-1").await, "user-1").await;
    let key = || AttributeValue::S("team1".into());
    stage
        .dynamodb()
        .update_item()
        .table_name("studio-broker-teams")
        .key("team_id", key())
        .update_expression("SET display_name = :n")
        .expression_attribute_values(":n", AttributeValue::S("Renamed".into()))
        .send()
        .await
        .unwrap();
    drop(stage);

    let stage = Stage::with(options).await;
    assert_eq!(create_team1_profile(&stage.team1("user-1").await, "user-1").await, "ResourceInUse");
    let item = stage
        .dynamodb()
        .get_item()
        .table_name("studio-broker-teams")
        .key("team_id", key())
        .send()
        .await
        .unwrap()
        .item
        .unwrap();
    assert_eq!(item["display_name"], AttributeValue::S("Renamed".into()));
    drop(stage);
    std::fs::remove_dir_all(data).unwrap();
}

#[tokio::test]
async fn the_identity_store_knows_the_people_and_groups_of_the_story() {
    let stage = Stage::start().await;
    let client = aws_sdk_identitystore::Client::new(&stage.config(direct("broker"), "us-east-1"));
    let member = aws_sdk_identitystore::types::MemberId::UserId("user-14".into());
    let groups = client
        .list_group_memberships_for_member()
        .identity_store_id("d-1234567890")
        .member_id(member)
        .send()
        .await
        .unwrap();
    let group = groups.group_memberships()[0].group_id().unwrap();
    let described =
        client.describe_group().identity_store_id("d-1234567890").group_id(group).send().await;
    assert_eq!(described.unwrap().display_name(), Some("Team 13 data scientists"));
    let missing = client
        .describe_user()
        .identity_store_id("d-1234567890")
        .user_id("nobody")
        .send()
        .await
        .unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found_exception());
}

/// Two processes take tickets at once, and change a line that the other one has changed meanwhile.
#[tokio::test]
async fn a_line_in_the_table_is_changed_as_the_rules_say() {
    use fair_line::{Line, Plan, Write};
    use studio_broker::aws::line_table::LineTable;

    let stage = Stage::start().await;
    let table = LineTable::new(stage.dynamodb(), "studio-broker-state".to_owned());
    let name = "222222222222 eu-west-1 url";
    let before = table.read(name).await.unwrap();
    assert_eq!(before.said, None);
    assert!(before.second.is_some_and(|second| second % 1_000 == 0), "the table tells the time");

    let mut expected = None;
    let first = Plan::first(1_800_000_000_000);
    let faster = Plan { version: 2, rate: 17.5, at: 1_800_000_001_234, ..first };
    let anew = Plan { version: 3, ticket: 4, spare: 2.25, sure: true, ..faster };
    for write in [
        Write::Plan(faster),
        Write::Begin(faster),
        Write::Ticket(first, 0),
        Write::Ticket(faster, 2),
        Write::Plan(anew),
        Write::Plan(faster),
        Write::Plan(faster),
        Write::Ticket(first, 1),
        Write::Begin(Plan { ticket: 5, ..anew }),
        Write::Begin(anew),
    ] {
        let said = table.write(name, write, 1_800_000_000_000).await.unwrap().said;
        let rule = Line::apply(expected, write);
        assert_eq!(said, rule, "{write:?}");
        expected = rule.map_or_else(|as_it_is| as_it_is, Some);
    }
    assert_eq!(table.read(name).await.unwrap().said, expected);
    assert_eq!(expected.map(|line| (line.given, line.outside)), Some((4, 3)));
    assert_eq!(table.read("222222222222 eu-west-1 look").await.unwrap().said, None);

    let spoilt = stage
        .dynamodb()
        .update_item()
        .table_name("studio-broker-state")
        .key("pk", AttributeValue::S(format!("line {name}")))
        .update_expression("SET #plan.rate = :none")
        .expression_attribute_names("#plan", "plan")
        .expression_attribute_values(":none", AttributeValue::N("0".into()));
    spoilt.send().await.unwrap();
    assert!(table.read(name).await.is_err(), "a line that stands still is none");
}
