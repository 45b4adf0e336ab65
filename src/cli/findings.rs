//! What is not as it should be: each finding with its cause, what was found, and the fix; grouped by cause.

use std::collections::BTreeMap;

use serde::Serialize;

use super::output::{CHANGED, HELP, REMOVED, STRONG, count, plain, styled};
use crate::aws::error::{AwsError, Kind};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// Somebody cannot get in, or somebody could who must not.
    Problem,
    /// It works, and something about it should change.
    Warning,
    /// It could not be found out.
    Unproven,
}

/// One cause, with everything that has it in common.
macro_rules! causes {
    ($($name:ident $code:literal $level:ident $title:literal,)*) => {
        /// Why something is a finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Cause { $($name,)* }

        impl Cause {
            /// Stable, snake case.
            pub(super) fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The cause of a code.
            pub(super) fn of_code(code: &str) -> Option<Self> {
                [$(Self::$name),*].into_iter().find(|cause| cause.code() == code)
            }

            pub(super) fn level(self) -> Level {
                match self { $(Self::$name => Level::$level,)* }
            }

            /// The cause as a heading.
            pub(super) fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

causes! {
    Setting "setting_unusable" Problem "a setting cannot be used",
    Clock "clock_wrong" Problem "the clock of this machine is wrong",
    TableMissing "table_missing" Problem "a table is not there",
    TableKey "table_key_wrong" Problem "a table has another key",
    TableNotActive "table_not_active" Problem "a table is not active",
    StateNotConsistent "state_not_consistent" Problem "the state table is not strongly consistent: a response could be used twice",
    StateWithoutTtl "state_ttl_off" Warning "the state table never forgets",
    NoRecovery "recovery_off" Warning "a table cannot be restored to an earlier moment",
    IdpInvalid "idp_invalid" Problem "an identity provider's item cannot be used",
    NoIdp "no_idp" Problem "nobody can sign in: no identity provider is enabled",
    CertificateExpired "certificate_expired" Warning "a signing certificate has expired",
    CertificateEnds "certificate_ends" Warning "a signing certificate ends soon",
    Metadata "metadata_warning" Warning "something about an identity provider's metadata",
    UnknownTeam "idp_team_unknown" Warning "an identity provider may grant a team that is not there",
    SharedGroups "groups_of_several_directories" Warning "a group of a team can be said by identity providers of several directories",
    Doubtful "team_doubtful" Warning "something in a team's item is probably a mistake",
    RStudioMissing "rstudio_not_in_domain" Warning "a team is for RStudio, and its domain has none",
    SharedPeople "idps_share_people" Warning "two identity providers can speak for the same person",
    StoreUnreadable "identity_store_unreadable" Problem "an identity store cannot be read",
    TeamInvalid "team_invalid" Problem "a team's item cannot be used",
    PartInvalid "team_part_invalid" Problem "a door or a member of a team cannot be used, and counts for nothing",
    TeamsAlike "team_ids_alike" Problem "two team ids differ in case only",
    UnknownAttribute "attribute_unknown" Warning "an item has attributes that nobody knows",
    AdoptionOn "adopt_profiles_on" Warning "profiles without an owner are still taken over",
    NamesIllegal "profile_name_illegal" Problem "SageMaker would refuse the names of a team's profiles",
    RoleDenied "account_closed" Problem "an account does not let administrators in: nothing in it was looked at",
    DomainMissing "domain_missing" Problem "the domain does not exist",
    DomainSso "domain_sso_mode" Problem "the domain is in SSO mode",
    DomainNotInService "domain_not_in_service" Problem "the domain is not in service",
    UnifiedStudio "domain_in_unified_studio" Warning "the domain has moved to SageMaker Unified Studio, and may no longer open in Studio",
    QuotaReached "quota_reached" Problem "the account has no profile left",
    QuotaNear "quota_near" Warning "the account has few profiles left",
    ExecutionRoleMissing "execution_role_missing" Problem "the execution role does not exist",
    ExecutionRoleNotTrusted "execution_role_not_trusted" Problem "SageMaker cannot assume the execution role",
    TargetMissing "target_role_missing" Problem "the target role does not exist",
    TrustRefuses "target_trust_refuses" Problem "the target role does not let the broker in",
    TrustTooWide "target_trust_too_wide" Problem "the target role lets in whom it must refuse",
    TrustUnread "target_trust_unproven" Unproven "a trust policy could not be judged",
    RoleRefuses "target_role_refuses" Problem "the target role refuses what a sign-in needs",
    RoleUnproven "role_unproven" Unproven "what a role allows depends on what only a sign-in knows",
    RoleTooWide "target_role_too_wide" Problem "the target role allows what it must refuse",
    DoorMissing "door_missing" Problem "what a door leads to does not exist",
    DoorShut "door_not_running" Problem "what a door leads to does not run",
    DoorChanges "door_updating" Warning "what a door leads to is being prepared or updated",
    PartnerAppNotIam "partner_app_not_iam" Problem "a Partner AI App knows its people by Identity Center, and not by IAM",
    PartnerAppIdentityOff "partner_app_identity_off" Warning "a Partner AI App does not tell its people apart",
    HubsDiffer "hub_roles_differ" Warning "target roles name different hub roles",
    HubRefuses "hub_role_refuses" Problem "the hub role refuses what a sign-in needs",
    HubTooWide "hub_role_too_wide" Problem "the hub role allows what it must refuse",
    Denied "not_allowed" Unproven "a look was not allowed",
    Busy "aws_busy" Unproven "AWS was too busy",
    Unreachable "aws_unreachable" Unproven "AWS did not answer",
    Failed "aws_failed" Unproven "AWS failed",
}

impl Serialize for Cause {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    #[serde(rename = "code")]
    pub(super) cause: Cause,
    /// What it is about: `team team1`, `account 222222222222`, `table studio-broker-state`.
    pub(super) subject: String,
    pub(super) found: String,
    /// What to do, where it can be a command.
    pub(super) fix: String,
}

impl Finding {
    pub(super) fn new(
        cause: Cause,
        subject: impl Into<String>,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let (subject, found, fix) = (subject.into(), found.into(), fix.into());
        Self { level: cause.level(), cause, subject, found, fix }
    }

    /// A check that could not be made, sorted by what can be done about it.
    pub(super) fn of_error(subject: impl Into<String>, error: &AwsError) -> Self {
        let (cause, fix) = match error.kind {
            Kind::Denied | Kind::Credentials => {
                (Cause::Denied, format!("allow {} to whoever runs this", error.operation))
            }
            Kind::Throttled => (Cause::Busy, "run it again, with a smaller --parallel".into()),
            Kind::Unreachable => {
                (Cause::Unreachable, "run it again, or from where AWS can be reached".into())
            }
            _ => (Cause::Failed, "run it again".to_owned()),
        };
        Self::new(cause, subject, error.to_string(), fix)
    }
}

/// More fixes of one cause differ in names only: the first ones show what to do.
const MOST_FIXES: usize = 3;

/// Findings of one cause under its heading, the worst first; a fix that all share stands once.
pub(super) fn lines(findings: &[Finding]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut groups: BTreeMap<(Level, Cause), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        groups.entry((finding.level, finding.cause)).or_default().push(finding);
    }
    for ((level, cause), findings) in groups {
        let (style, word) = match level {
            Level::Problem => (REMOVED, "problem"),
            Level::Warning => (CHANGED, "warning"),
            Level::Unproven => (STRONG, "unproven"),
        };
        let how_often = match findings.len() {
            1 => String::new(),
            number => format!(", {number} times"),
        };
        let title = cause.title();
        lines.push(format!("{}: {title} ({}{how_often})", styled(style, word), cause.code()));
        let mut fixes: Vec<&str> = Vec::new();
        for finding in findings {
            lines.push(format!("  {}: {}", plain(&finding.subject), plain(&finding.found)));
            if !fixes.contains(&finding.fix.as_str()) {
                fixes.push(&finding.fix);
            }
        }
        let further = fixes.len().saturating_sub(MOST_FIXES);
        for fix in fixes.into_iter().take(MOST_FIXES) {
            lines.push(format!("  {} {}", styled(HELP, "fix:"), plain(fix)));
        }
        if further > 0 {
            let each = if further == 1 {
                "1 more of its kind".into()
            } else {
                format!("{further} more of their kind")
            };
            lines.push(format!("  {} {each}, in --output json", styled(HELP, "fix:")));
        }
    }
    lines
}

/// `1 problem, 2 warnings`; empty where there is no finding.
pub(super) fn tally(findings: &[Finding]) -> String {
    let of = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (problems, warnings, unproven) =
        (of(Level::Problem), of(Level::Warning), of(Level::Unproven));
    let mut parts = Vec::new();
    if problems > 0 {
        parts.push(count(problems, "problem"));
    }
    if warnings > 0 {
        parts.push(count(warnings, "warning"));
    }
    if unproven > 0 {
        parts.push(format!("{unproven} unproven"));
    }
    parts.join(", ")
}
