//! The knobs of the simulated AWS, at `/_control/settings`: delays, quotas, and which it does where AWS may
//! do either.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::table::members;

members! {
    /// How the simulated AWS behaves at this moment.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    Knobs {
        profile_delay_ms: u64 = 700, "a new profile is Pending so long";
        update_delay_ms: u64 = 200, "Updating";
        delete_delay_ms: u64 = 200, "Deleting";
        domain_delay_ms: u64 = 0, "a new domain, space or app is Pending so long";
        profile_quota: u64 = 1000, "profiles per account";
        profile_quotas: HashMap<String, u64> = HashMap::new(),
            "the same for single accounts, {account: number}";
        target_role_name: String = "StudioBrokerTarget".into(), "role of teams that name none";
        hub_permissions: HubPermissions = HubPermissions::Administrator,
            "administrator or hub_role: what credentials may do that are neither twelve digits nor issued \
             here";
        existing_profile: ExistingProfile = ExistingProfile::InUse,
            "in_use or validation: CreateUserProfile on a name that exists";
        pending_presign: PendingPresign = PendingPresign::Refuse,
            "refuse or allow: CreatePresignedDomainUrl on a Pending profile";
        missing_presign: MissingPresign = MissingPresign::IamFirst,
            "iam_first or not_found: the same on a missing profile, assumed role";
        missing_list_tags: MissingListTags = MissingListTags::Validation,
            "validation, not_found or empty: ListTags on a missing resource";
        roles: HashMap<String, Option<Documents>> = HashMap::new(),
            "other documents for roles, {arn: {trust_policy, permission_policy}}, each as it stands if \
             absent; {arn: null} takes the role away";
        recording: bool = false, "true: requests and answers are kept as they go over the wire";
        studio_url_uses: u32 = 0,
            "how often a presigned URL opens; 0 is without limit. That a URL can be used once is documented \
             for MLflow, where it always holds, for Studio and Partner AI Apps nowhere";
        shut_door: ShutDoor = ShutDoor::Validation,
            "validation, not_found or allow: a presigned URL for an MLflow App, a tracking server or a \
             Partner AI App that does not run. The model lists ResourceNotFound alone, and says nothing of \
             this";
        studio_host: StudioHost = StudioHost::Local,
            "local, aws or fips: the host of presigned URLs, this machine's or that of the Region's \
             partition, where nothing answers here";
        strong_tables: bool = false,
            "whether the tables are global ones of multi-Region strong consistency, which know no \
             transactions";
        cut_off_regions: Vec<String> = Vec::new(),
            "Regions whose tables have lost the others: they answer eventually consistent reads with what \
             they held then, and refuse all else";
        rates: Vec<Rate> = Vec::new(),
            "[{service, operation, per_second, burst}]: token buckets for each account; above them \
             ThrottlingException";
        leaves_out_empty: bool = false,
            "true: Describe leaves out of UserSettings what is {} or [] \
             (hashicorp/terraform-provider-aws#27982, #28581)";
        keeps_settings: Vec<String> = Vec::new(),
            "paths of UserSettings that no create and no update changes, such as \
             RStudioServerProAppSettings.UserGroup (hashicorp/terraform-provider-aws#35382, \
             aws-cloudformation/cloudformation-coverage-roadmap#2494)";
        fills_in_defaults: bool = false,
            "true: Describe shows members that nobody sent: AutoMountHomeEFS, \
             SharingSettings.NotebookOutputOption (API reference, UserSettings and SharingSettings)";
        reorders: bool = false,
            "true: Describe shows lists in an order of its own (hashicorp/terraform-provider-aws#38567)";
        odd_answers: bool = false,
            "true: Describe shows 60.0 for 60, null in lists of texts, and {} for a union whose member it \
             does not tell (unions: awslabs/aws-sdk-rust#1095; nothing that is published forbids the rest)";
        updates_with_apps: UpdatesWithApps = UpdatesWithApps::Allow,
            "allow, in_use or validation: UpdateUserProfile while apps of the profile run \
             (hashicorp/terraform-provider-aws#31912, aws/aws-sdk#367)";
        tags_delay_ms: u64 = 0,
            "ListTags and policies see the tags of a new profile so much later than Describe sees the \
             profile (IAM is eventually consistent: IAM user guide, troubleshooting)";
    }
}

impl Knobs {
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
