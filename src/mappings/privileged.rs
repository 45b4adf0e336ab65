//! What of a team reaches beyond the person's own profile, or beyond the team.
//!
//! Members of `user_settings`: IAM has no condition keys for most of them, so whoever may write them counts as
//! an administrator of all profiles of the team. Links that name what is another team's: people follow them
//! from this team's card. Doors that are another team's, too, are told in the same way (`doors.rs`). `plan` marks
//! all of them and `apply` asks for `--allow-privileged`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::team::Team;

/// A member that reaches beyond the person's own profile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Privileged {
    /// The path of the member, such as `user_settings.CustomPosixUserConfig`.
    pub path: String,
    /// What it reaches.
    pub reach: Cow<'static, str>,
    /// Its value.
    pub value: Value,
}

/// Every such member of a team's `user_settings`, in the order of their paths. What a member is called
/// decides, at any depth, so members that SageMaker adds later under such a name count too
/// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UserSettings.html>).
pub fn privileged(user_settings: &Map<String, Value>) -> Vec<Privileged> {
    let mut found = Vec::new();
    look("user_settings", user_settings, &mut found);
    found
}

fn look(path: &str, members: &Map<String, Value>, found: &mut Vec<Privileged>) {
    for (name, value) in members {
        let path = format!("{path}.{name}");
        if let Some(reach) = reach(name, value) {
            found.push(Privileged { path, reach: reach.into(), value: value.clone() });
            continue;
        }
        match value {
            Value::Object(members) => look(&path, members, found),
            Value::Array(elements) => {
                for (i, element) in elements.iter().enumerate() {
                    if let Value::Object(members) = element {
                        look(&format!("{path}[{i}]"), members, found);
                    }
                }
            }
            _ => {}
        }
    }
}

fn reach(name: &str, value: &Value) -> Option<&'static str> {
    let is_empty = match value {
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    if is_empty {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    if lower.contains("posixuser") {
        Some("POSIX ids: whose files these are on shared file systems")
    } else if lower.contains("filesystem") {
        Some("file systems outside the profile")
    } else if lower.contains("lifecycleconfig") {
        Some("scripts that run in people's apps")
    } else if lower.starts_with("s3") && !lower.starts_with("s3kms") {
        Some("S3 paths that people's apps write to")
    } else if lower == "usergroup" && value.as_str() == Some("R_STUDIO_ADMIN") {
        Some("RStudio administrator")
    } else if lower.contains("rolearn") {
        Some("a further role, beside the execution role")
    } else {
        None
    }
}

/// The links of a team that name, percent-encoded or not, a resource of another account than the team's, or
/// one that is another team's of `others`: its domain, its roles, its doors.
pub fn links_beyond(team: &Team, others: &[&Team]) -> Vec<Privileged> {
    let own = resources(team);
    let foreign: Vec<&str> = others
        .iter()
        .filter(|other| other.team_id != team.team_id)
        .flat_map(|other| resources(other))
        .filter(|resource| !own.contains(resource))
        .collect();
    let reach = |url: &str| {
        let url = percent_decode_str(url).decode_utf8_lossy();
        if accounts(&url).any(|account| account != team.account_id.as_str()) {
            Some("a page about what is in another account than the team's")
        } else if foreign.iter().any(|resource| names(&url, resource)) {
            Some("a page about what is another team's")
        } else {
            None
        }
    };
    let links = team.links.iter().enumerate();
    links
        .filter_map(|(i, link)| {
            let value = json!({"title": link.title, "url": link.url});
            Some(Privileged { path: format!("links[{i}]"), reach: reach(&link.url)?.into(), value })
        })
        .collect()
}

/// What is a team's own, by name.
fn resources(team: &Team) -> Vec<&str> {
    let roles = [Some(&team.execution_role_arn), team.broker_role_arn.as_ref()];
    let roles = roles.into_iter().flatten().map(|role| role.as_str());
    let doors = team.doors.iter().map(|door| door.arn.as_str());
    std::iter::once(team.domain_id.as_str()).chain(roles).chain(doors).collect()
}

/// Whether a text holds a name that ends where it ends: `d-abc` is not in `d-abcdef`.
fn names(text: &str, name: &str) -> bool {
    let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (text.get(..at), text.get(at + name.len()..));
        !before.is_some_and(|before| before.ends_with(goes_on))
            && !after.is_some_and(|after| after.starts_with(goes_on))
    })
}

/// The accounts of the ARNs in a text.
fn accounts(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("arn:aws").filter_map(|(at, _)| {
        let account = text.get(at..)?.split(':').nth(4)?;
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        is_account.then_some(account)
    })
}

/// The one POSIX user id that all profiles of the team would share.
pub fn shared_posix_uid(user_settings: &Map<String, Value>) -> Option<&Value> {
    user_settings.get("CustomPosixUserConfig")?.get("Uid")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(settings: Value) -> Vec<String> {
        privileged(settings.as_object().unwrap()).into_iter().map(|found| found.path).collect()
    }

    #[test]
    fn members_that_reach_further_are_found_at_any_depth() {
        let settings = json!({
            "CustomPosixUserConfig": {"Uid": 10001, "Gid": 1001},
            "CustomFileSystemConfigs": [{"EFSFileSystemConfig": {"FileSystemId": "fs-1"}}],
            "JupyterLabAppSettings": {
                "LifecycleConfigArns": ["arn:aws:sagemaker:eu-west-1:1:studio-lifecycle-config/x"],
                "DefaultResourceSpec": {"InstanceType": "ml.t3.medium", "LifecycleConfigArn": "arn:x"},
                "EmrSettings": {"AssumableRoleArns": ["arn:a"], "ExecutionRoleArns": ["arn:b"]},
            },
            "SharingSettings": {"NotebookOutputOption": "Allowed", "S3OutputPath": "s3://b/p", "S3KmsKeyId": "k"},
            "RStudioServerProAppSettings": {"AccessStatus": "ENABLED", "UserGroup": "R_STUDIO_ADMIN"},
            "CanvasAppSettings": {"GenerativeAiSettings": {"AmazonBedrockRoleArn": "arn:c"}},
        });
        assert_eq!(
            paths(settings),
            [
                "user_settings.CanvasAppSettings.GenerativeAiSettings.AmazonBedrockRoleArn",
                "user_settings.CustomFileSystemConfigs",
                "user_settings.CustomPosixUserConfig",
                "user_settings.JupyterLabAppSettings.DefaultResourceSpec.LifecycleConfigArn",
                "user_settings.JupyterLabAppSettings.EmrSettings.AssumableRoleArns",
                "user_settings.JupyterLabAppSettings.EmrSettings.ExecutionRoleArns",
                "user_settings.JupyterLabAppSettings.LifecycleConfigArns",
                "user_settings.RStudioServerProAppSettings.UserGroup",
                "user_settings.SharingSettings.S3OutputPath",
            ]
        );
    }

    #[test]
    fn what_stays_in_the_profile_is_not_privileged() {
        let settings = json!({
            "JupyterLabAppSettings": {
                "DefaultResourceSpec": {"InstanceType": "ml.t3.medium"},
                "AppLifecycleManagement": {"IdleSettings": {"IdleTimeoutInMinutes": 60}},
                "LifecycleConfigArns": [],
            },
            "SecurityGroups": ["sg-1"],
            "RStudioServerProAppSettings": {"UserGroup": "R_STUDIO_USER"},
            "SpaceStorageSettings": {"DefaultEbsStorageSettings": {"DefaultEbsVolumeSizeInGb": 5}},
        });
        assert_eq!(paths(settings), Vec::<String>::new());
    }

    #[test]
    fn links_to_what_is_another_teams_are_found() {
        let team = |id: &str, account: &str, domain: &str, links: Value| {
            let item = json!({
                "team_id": id, "account_id": account, "region": "eu-west-1", "domain_id": domain,
                "execution_role_arn": format!("arn:aws:iam::{account}:role/{id}"), "links": links,
                "doors": [{"id": "runs", "kind": "mlflow_server",
                    "arn": format!("arn:aws:sagemaker:eu-west-1:{account}:mlflow-tracking-server/{id}")}],
            });
            Team::read(item.as_object().unwrap()).unwrap().value
        };
        let other = team("b", "111111111111", "d-bbb", json!([]));
        let url = |rest: &str| json!({"title": rest, "url": format!("https://example.com/{rest}")});
        let mine = team(
            "a",
            "111111111111",
            "d-aaa",
            json!([
                url("domains/d-aaa"),
                url("domains/d-bbbb"),
                url("arn:aws:sagemaker:eu-west-1:111111111111:mlflow-tracking-server/a"),
                url("#arn:aws:sagemaker:eu-west-1:111111111111:mlflow-tracking-server/b"),
                url("x?domain=d-bbb"),
                url("roles/arn%3Aaws%3Aiam%3A%3A222222222222%3Arole%2Fx"),
                url("arn:aws-cn:s3:::bucket"),
            ]),
        );
        let found: Vec<_> =
            links_beyond(&mine, &[&mine, &other]).into_iter().map(|p| p.path).collect();
        assert_eq!(found, ["links[3]", "links[4]", "links[5]"]);
    }

    #[test]
    fn one_posix_uid_for_a_team_is_found() {
        let settings = json!({"CustomPosixUserConfig": {"Uid": 10001, "Gid": 1001}});
        assert_eq!(shared_posix_uid(settings.as_object().unwrap()), Some(&json!(10001)));
    }
}
