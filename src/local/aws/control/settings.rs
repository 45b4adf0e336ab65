//! The settings of the simulated AWS: delays, quotas, and which it does where AWS may do either.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What `GET /_control` says of each.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) profile_delay_ms: u64,
    pub(crate) update_delay_ms: u64,
    pub(crate) delete_delay_ms: u64,
    pub(crate) domain_delay_ms: u64,
    pub(crate) profile_quota: u64,
    pub(crate) profile_quotas: HashMap<String, u64>,
    pub(crate) target_role_name: String,
    pub(crate) hub_permissions: HubPermissions,
    pub(crate) existing_profile: ExistingProfile,
    pub(crate) pending_presign: PendingPresign,
    pub(crate) missing_presign: MissingPresign,
    pub(crate) missing_list_tags: MissingListTags,
    pub(crate) roles: HashMap<String, Option<Documents>>,
    pub(crate) recording: bool,
    pub(crate) studio_url_uses: u32,
    pub(crate) strong_tables: bool,
    pub(crate) cut_off_regions: Vec<String>,
    pub(crate) studio_host: StudioHost,
    pub(crate) shut_door: ShutDoor,
    pub(crate) leaves_out_empty: bool,
    pub(crate) keeps_settings: Vec<String>,
    pub(crate) fills_in_defaults: bool,
    pub(crate) reorders: bool,
    pub(crate) odd_answers: bool,
    pub(crate) updates_with_apps: UpdatesWithApps,
    pub(crate) tags_delay_ms: u64,
    pub(crate) rates: Vec<Rate>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile_delay_ms: 700,
            update_delay_ms: 200,
            delete_delay_ms: 200,
            domain_delay_ms: 0,
            profile_quota: 1000,
            profile_quotas: HashMap::new(),
            target_role_name: "StudioBrokerTarget".into(),
            hub_permissions: HubPermissions::Administrator,
            existing_profile: ExistingProfile::InUse,
            pending_presign: PendingPresign::Refuse,
            missing_presign: MissingPresign::IamFirst,
            missing_list_tags: MissingListTags::Validation,
            roles: HashMap::new(),
            recording: false,
            studio_url_uses: 0,
            strong_tables: false,
            cut_off_regions: Vec::new(),
            studio_host: StudioHost::Local,
            shut_door: ShutDoor::Validation,
            leaves_out_empty: false,
            keeps_settings: Vec::new(),
            fills_in_defaults: false,
            reorders: false,
            odd_answers: false,
            updates_with_apps: UpdatesWithApps::Allow,
            tags_delay_ms: 0,
            rates: Vec::new(),
        }
    }
}

impl Settings {
    /// These, with those of `body` in their place.
    pub(super) fn changed(&self, body: &[u8]) -> Result<Self, String> {
        let changes: Map<String, Value> =
            serde_json::from_slice(body).map_err(|e| e.to_string())?;
        let mut merged = json!(self);
        if let Some(merged) = merged.as_object_mut() {
            merged.extend(changes);
        }
        serde_json::from_value(merged).map_err(|e| e.to_string())
    }

    /// Whether an operation's answers are ordered to be what AWS's own model does not know.
    pub(crate) fn leaves_the_model(&self, operation: &str) -> bool {
        match operation {
            "DescribeUserProfile" => self.odd_answers,
            "ListTags" => self.missing_list_tags == MissingListTags::NotFound,
            _ => false,
        }
    }
}

/// Whether the broker's own credentials are held against the hub role's permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HubPermissions {
    Administrator,
    HubRole,
}

/// Where presigned URLs lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StudioHost {
    Local,
    Aws,
    Fips,
}

/// AWS does not say what comes of a presigned URL for something that does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ShutDoor {
    Validation,
    NotFound,
    Allow,
}

/// What comes of an update while apps run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpdatesWithApps {
    Allow,
    InUse,
    Validation,
}

/// AWS does not say which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExistingProfile {
    InUse,
    Validation,
}

/// AWS does not say whether a URL can be had while the profile is being prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PendingPresign {
    Refuse,
    Allow,
}

/// AWS does not say whether tag conditions or existence are looked at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MissingPresign {
    IamFirst,
    NotFound,
}

/// The service model lists no error for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MissingListTags {
    Validation,
    NotFound,
    Empty,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    pub(super) service: String,
    pub(super) operation: String,
    pub(super) per_second: f64,
    pub(super) burst: f64,
}

/// What the control route puts in the place of a role's own documents.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Documents {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trust_policy: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) permission_policy: Option<Value>,
}
