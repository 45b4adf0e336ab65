//! Members of `user_settings` that reach beyond the person's own profile. Doors that lead to another team's
//! are told in the same way (`doors.rs`).
//!
//! IAM has no condition keys for most of them, so whoever may write them counts as an administrator of
//! all profiles of the team: `plan` marks them and `apply` asks for `--allow-privileged`.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

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
    fn one_posix_uid_for_a_team_is_found() {
        let settings = json!({"CustomPosixUserConfig": {"Uid": 10001, "Gid": 1001}});
        assert_eq!(shared_posix_uid(settings.as_object().unwrap()), Some(&json!(10001)));
    }
}
