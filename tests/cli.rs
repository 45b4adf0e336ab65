//! The manual's commands, run against `studio-broker local --aws-only`: what they print is what the manual
//! quotes. To write it anew: `TRYCMD=overwrite cargo test --test cli`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use aws_sdk_sagemaker::types::{Tag, UserSettings};
use serde_json::Value;
use studio_broker::aws::{Endpoint, sdk_config_for};

const STUDIO_BROKER: &str = env!("CARGO_BIN_EXE_studio-broker");

/// A simulated AWS of its own, ended with the test.
struct Aws {
    process: Child,
    endpoint: String,
}

impl Aws {
    fn start() -> Self {
        let mut process = Command::new(STUDIO_BROKER)
            .args(["local", "--aws-only", "--ephemeral", "--port", "0", "--output", "json"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        Self { process, endpoint: ready["aws_endpoint"].as_str().unwrap().to_owned() }
    }

    /// Removes the teams of local mode's story: a page begins with empty tables.
    fn empty(&self) {
        let done = Command::new(STUDIO_BROKER)
            .args(["teams", "apply", "tests/cli/none.yaml", "--prune", "--confirm-removals", "14"])
            .envs(self.settings())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// A profile as the broker makes it for somebody in a team: what a page ends has to be there first.
    fn profile(&self, user: &str, team: &str) {
        let access = Endpoint {
            endpoint_url: self.endpoint.clone(),
            region: "us-east-1".into(),
            access_key_id: "222222222222".into(),
            secret_access_key: "any".into(),
        };
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let role = "arn:aws:iam::222222222222:role/Team1Execution";
        let create = async {
            aws_sdk_sagemaker::Client::new(&sdk_config_for(&access))
                .create_user_profile()
                .domain_id("d-localteam001")
                .user_profile_name(format!("{user}-{team}"))
                .user_settings(UserSettings::builder().execution_role(role).build())
                .tags(tag("Team", team))
                .tags(tag("User", user))
                .send()
                .await
                .unwrap();
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(create);
    }

    fn settings(&self) -> [(&'static str, &str); 6] {
        [
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "111111111111"),
            ("AWS_SECRET_ACCESS_KEY", "any"),
            ("STUDIO_BROKER_PUBLIC_URL", "https://studio.example.com"),
            ("COLUMNS", "100"),
        ]
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the commands of one page.
fn page(name: &str) {
    page_with(name, |_| {});
}

fn page_with(name: &str, prepare: impl FnOnce(&Aws)) {
    let aws = Aws::start();
    aws.empty();
    prepare(&aws);
    let cases = trycmd::TestCases::new();
    cases.register_bin("studio-broker", std::path::Path::new(STUDIO_BROKER));
    for (name, value) in &aws.settings() {
        cases.env(*name, *value);
    }
    cases.case(format!("tests/cli/{name}.md")).run();
}

#[test]
fn the_page_on_mappings_says_what_happens() {
    page("mappings");
}

#[test]
fn the_page_on_identity_providers_says_what_happens() {
    page("identity-providers");
}

#[test]
fn the_page_on_refused_responses_says_what_happens() {
    page("explain");
}

#[test]
fn the_page_on_the_first_file_says_what_happens() {
    page("first-file");
}

#[test]
fn the_page_on_a_pull_request_says_what_happens() {
    page_with("pull-request", |aws| aws.profile("ann", "analysts"));
}

#[test]
fn the_page_on_departments_says_what_happens() {
    page("departments");
}

#[test]
fn the_page_on_a_rename_says_what_happens() {
    page_with("rename", |aws| {
        for user in ["ann", "bob"] {
            aws.profile(user, "analysts");
        }
    });
}

#[test]
fn the_page_on_a_leaver_says_what_happens() {
    page_with("leaver", |aws| aws.profile("lea", "analysts"));
}

#[test]
fn the_page_on_references_says_what_happens() {
    page("cannot-get-in");
}

#[test]
fn the_page_on_what_people_see_says_what_happens() {
    page("portal");
}

#[test]
fn the_page_on_access_says_what_happens() {
    page_with("access", |aws| aws.profile("jane", "team1"));
}
