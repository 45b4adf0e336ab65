//! One account in one Region: everything that a sign-in into its teams will need, looked at with the
//! doctor role.

use aws_config::SdkConfig;
use aws_sdk_sagemaker::types::{AuthMode, DomainStatus};
use futures_util::StreamExt as _;
use serde_json::Value;

use super::{doors, permissions, trust};
use crate::aws::error::{AwsError, Kind, sorted};
use crate::aws::sagemaker::RawAnswer;
use crate::aws::spoke::{Administrator, DOCTOR_ROLE, Spoke};
use crate::cli::findings::{Cause, Finding};
use crate::cli::fleet::{Place, not_entered};
use crate::mappings::advice;
use crate::policy::{Decision, Policy, Request};
use crate::team::Team;
use crate::team::owner::profile_name;

/// What every place is checked with.
#[derive(Debug)]
pub(super) struct Checks<'a> {
    pub(super) sdk: &'a SdkConfig,
    pub(super) administrator: &'a Administrator,
    pub(super) target_role_name: &'a str,
    /// The hub role, where it was named; else the one that the trust policy names.
    pub(super) hub_role: Option<&'a str>,
    /// The directories whose people come.
    pub(super) directories: Vec<String>,
}

/// What came of one place.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) findings: Vec<Finding>,
    /// Hub roles that trust policies name, each with the organization it must be in.
    pub(super) hub_roles: Vec<(String, Option<String>)>,
    /// Whether the account could be looked at.
    pub(super) entered: bool,
}

/// Teams of one place that are checked at once.
const TEAMS_AT_ONCE: usize = 4;

impl Checks<'_> {
    /// Checks a place and its teams; whatever fails, the rest goes on.
    pub(super) async fn place(&self, place: &Place) -> Checked {
        let Place { account, region, teams } = place;
        let entered =
            Spoke::enter(self.sdk, account, region, DOCTOR_ROLE, self.administrator).await;
        let mut checked = Checked::default();
        // What the mapping alone tells needs no door.
        for team in teams {
            checked.findings.extend(self.mapping(team));
        }
        let spoke = match entered {
            Ok(spoke) => spoke,
            Err(error) => {
                checked.findings.push(not_entered(place, DOCTOR_ROLE, self.administrator, &error));
                return checked;
            }
        };
        checked.entered = true;
        let quota = async {
            profiles_left(&spoke).await.unwrap_or_else(|error| {
                Some(Finding::of_error(format!("account {account}"), &error))
            })
        };
        let each_team =
            futures_util::stream::iter(teams.iter().map(|team| self.team(&spoke, team)))
                .buffered(TEAMS_AT_ONCE)
                .collect::<Vec<_>>();
        let (quota, of_teams) = tokio::join!(quota, each_team);
        checked.findings.extend(quota);
        for team in of_teams {
            checked.findings.extend(team.findings);
            checked.hub_roles.extend(team.hub_roles);
        }
        checked
    }

    /// What is wrong with a mapping by itself.
    fn mapping(&self, team: &Team) -> Vec<Finding> {
        let subject = format!("team {}", team.team_id);
        let mut findings = Vec::new();
        if team.adopt_profiles {
            let found =
                "adopt_profiles is on: a profile without User tag goes to whoever comes first";
            let fix =
                format!("set adopt_profiles of {} to false once everybody has come", team.team_id);
            findings.push(Finding::new(Cause::AdoptionOn, &subject, found, fix));
        }
        let longest = "0123456789-01234567-0123-0123-0123-0123456789ab";
        let people = ["jane", "Jane.Doe+x@example.com", longest, "日本"];
        let names = self.directories.iter().flat_map(|directory| {
            people.map(|person| profile_name(directory, person, &team.team_id))
        });
        if let Some(illegal) = names.into_iter().find(|name| !is_legal(name)) {
            let fix = "report this: no team id may lead to it";
            findings.push(Finding::new(Cause::NamesIllegal, subject, illegal, fix));
        }
        findings
    }

    async fn team(&self, spoke: &Spoke, team: &Team) -> Checked {
        let subject = format!("team {}", team.team_id);
        let (domain, execution, target, doors) = tokio::join!(
            domain(spoke, team),
            execution_role(spoke, team),
            self.target_role(spoke, team),
            doors::of_team(spoke, team)
        );
        let mut checked = Checked::default();
        let or_unproven = |outcome: Result<Vec<Finding>, AwsError>| {
            outcome.unwrap_or_else(|error| vec![Finding::of_error(&subject, &error)])
        };
        checked.findings.extend(or_unproven(domain));
        checked.findings.extend(or_unproven(execution));
        match target {
            Ok(target) => {
                checked.findings.extend(target.findings);
                checked.hub_roles = target.hub_roles;
            }
            Err(error) => checked.findings.push(Finding::of_error(&subject, &error)),
        }
        checked.findings.extend(doors);
        checked
    }

    /// The role that the broker assumes: whom it lets in, and what it does for them.
    async fn target_role(&self, spoke: &Spoke, team: &Team) -> Result<Checked, AwsError> {
        let subject = format!("team {}", team.team_id);
        let arn = team.broker_role(self.target_role_name);
        let Some(role) = role(spoke, arn.as_str()).await? else {
            let fix = format!("deploy the template of account {}", team.account_id);
            let found = format!("there is no role {arn}");
            let findings = vec![Finding::new(Cause::TargetMissing, subject, found, fix)];
            return Ok(Checked { findings, ..Checked::default() });
        };
        let named = trust::hub_roles(&role);
        let organization = trust::organization(&role);
        let mut checked = Checked::default();
        match self.hub_role.map(str::to_owned).or_else(|| named.first().cloned()) {
            Some(hub_role) => checked.findings.extend(trust::check(&role, team, &hub_role)),
            None => {
                let found =
                    "the trust policy names no role, so anybody whom it lets in is the broker";
                let fix = format!("deploy the template of account {}", team.account_id);
                checked.findings.push(Finding::new(Cause::TrustTooWide, &subject, found, fix));
            }
        }
        checked.hub_roles = named.into_iter().map(|role| (role, organization.clone())).collect();
        checked.findings.extend(permissions::of_target(spoke, team, arn.as_str()).await?);
        Ok(checked)
    }
}

async fn domain(spoke: &Spoke, team: &Team) -> Result<Vec<Finding>, AwsError> {
    let subject = format!("team {}", team.team_id);
    let Team { domain_id, account_id, region, .. } = team;
    let raw = RawAnswer::reading(&["AuthMode", "Status", "FailureReason"]);
    let asked = spoke.sagemaker.describe_domain().domain_id(domain_id.as_str());
    let sent = asked.customize().interceptor(raw.clone()).send().await;
    let domain = match sorted("sagemaker:DescribeDomain", sent) {
        Ok(domain) => domain,
        Err(error) if error.kind == Kind::Missing => {
            let found = format!("there is no {domain_id} in account {account_id}, {region}");
            let fix = format!("studio-broker teams show {}", team.team_id);
            return Ok(vec![Finding::new(Cause::DomainMissing, subject, found, fix)]);
        }
        Err(error) => return Err(error),
    };
    let mut findings = Vec::new();
    if domain.auth_mode == Some(AuthMode::Sso) {
        let found = format!("{domain_id} signs people in by itself: presigned URLs are not for it");
        let fix = "make a domain in IAM mode (the mode of a domain cannot be changed), and map the team to it";
        findings.push(Finding::new(Cause::DomainSso, &subject, found, fix));
    }
    let rstudio = domain
        .domain_settings
        .as_ref()
        .and_then(|s| s.r_studio_server_pro_domain_settings.as_ref());
    if advice::wants_rstudio(team) && rstudio.is_none() {
        let found = format!("{domain_id} has no RStudio: neither its app nor its settings work");
        let fix = "make a domain with RStudio (it needs a licence), or take RStudio out of the team's settings";
        findings.push(Finding::new(Cause::RStudioMissing, &subject, found, fix));
    }
    if domain.status != Some(DomainStatus::InService) {
        let status = domain.status.as_ref().map_or("in no status", DomainStatus::as_str);
        let reason = domain.failure_reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let fix =
            format!("aws sagemaker describe-domain --region {region} --domain-id {domain_id}");
        let found = format!("{domain_id} is {status}{reason}");
        findings.push(Finding::new(Cause::DomainNotInService, &subject, found, fix));
    }
    if let Some(found) = unified_studio(&raw.take().unwrap_or_default()) {
        let fix = format!(
            "open {domain_id} in the console: if people work in Unified Studio now, map the team to another domain"
        );
        findings.push(Finding::new(
            Cause::UnifiedStudio,
            &subject,
            format!("{domain_id} {found}"),
            fix,
        ));
    }
    Ok(findings)
}

/// What a domain says of SageMaker Unified Studio, where it may keep people out of Studio
/// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UnifiedStudioSettings.html>).
fn unified_studio(domain: &Value) -> Option<String> {
    let settings = domain.pointer("/DomainSettings/UnifiedStudioSettings")?.as_object()?;
    let text = |name| settings.get(name).and_then(Value::as_str);
    match (text("StudioWebPortalAccess"), text("DomainId"), text("ProjectId")) {
        (Some("ENABLED"), ..) | (None, None, None) => None,
        (Some(access), ..) => Some(format!("has StudioWebPortalAccess {access}")),
        (None, domain, project) => {
            Some(format!("belongs to {}", domain.or(project).unwrap_or_default()))
        }
    }
}

/// The role that notebooks run with must exist and trust SageMaker.
async fn execution_role(spoke: &Spoke, team: &Team) -> Result<Vec<Finding>, AwsError> {
    let subject = format!("team {}", team.team_id);
    let arn = team.execution_role_arn.as_str();
    let Some(document) = role(spoke, arn).await? else {
        let fix = format!("studio-broker teams show {}", team.team_id);
        let found = format!("there is no role {arn}");
        return Ok(vec![Finding::new(Cause::ExecutionRoleMissing, subject, found, fix)]);
    };
    let fix = format!("let sagemaker.amazonaws.com do sts:AssumeRole in the trust policy of {arn}");
    let policy = match Policy::parse(&document) {
        Ok(policy) => policy,
        Err(error) => {
            return Ok(vec![Finding::new(Cause::TrustUnread, subject, error.to_string(), fix)]);
        }
    };
    let mut request = Request::new("sts:AssumeRole", arn)
        .with("aws:SourceAccount", team.account_id.as_str())
        .with("aws:SourceArn", spoke.arn(&format!("domain/{}", team.domain_id)));
    request.principal = "sagemaker.amazonaws.com".into();
    if policy.decide(&request) == Decision::Allow {
        return Ok(Vec::new());
    }
    let found = format!("the trust policy of {arn} refuses sagemaker.amazonaws.com");
    Ok(vec![Finding::new(Cause::ExecutionRoleNotTrusted, subject, found, fix)])
}

/// The trust policy of a role; `None` where there is none with this very ARN.
async fn role(spoke: &Spoke, arn: &str) -> Result<Option<Value>, AwsError> {
    let name = arn.rsplit('/').next().unwrap_or_default();
    let sent = spoke.iam.get_role().role_name(name).send().await;
    let role = match sorted("iam:GetRole", sent) {
        Ok(output) => output.role,
        Err(error) if error.code.starts_with("NoSuchEntity") => return Ok(None),
        Err(error) => return Err(error),
    };
    // Names are unique in an account whatever the path, so another ARN is another role.
    let Some(role) = role.filter(|role| role.arn == arn) else { return Ok(None) };
    let encoded = role.assume_role_policy_document.unwrap_or_default();
    let document = percent_encoding::percent_decode_str(&encoded).decode_utf8_lossy();
    Ok(serde_json::from_str(&document).ok().or(Some(Value::Null)))
}

/// "Maximum number of Studio user profiles allowed per account".
const PROFILES_QUOTA: &str = "L-AC46C40F";

/// Whether the account has profiles left: a finding when few or none are.
async fn profiles_left(spoke: &Spoke) -> Result<Option<Finding>, AwsError> {
    let (quota, used) = tokio::join!(quota(spoke), profiles(spoke));
    let (quota, used) = (quota?, used?);
    let Spoke { account, region, .. } = spoke;
    let subject = format!("account {account}");
    let found = format!("{used} of {quota} profiles in {region} are used");
    let fix = format!(
        "aws service-quotas request-service-quota-increase --region {region} --service-code sagemaker --quota-code {PROFILES_QUOTA} --desired-value {}, in account {account}",
        (quota * 2).max(100)
    );
    Ok(if used >= quota {
        Some(Finding::new(Cause::QuotaReached, subject, found, fix))
    } else if used * 5 >= quota * 4 {
        Some(Finding::new(Cause::QuotaNear, subject, found, fix))
    } else {
        None
    })
}

/// How many profiles the account may have in the Region.
pub(in crate::cli) async fn quota(spoke: &Spoke) -> Result<u64, AwsError> {
    let asked = spoke.quotas.get_service_quota();
    let sent = asked.service_code("sagemaker").quota_code(PROFILES_QUOTA).send().await;
    let quota = match sorted("servicequotas:GetServiceQuota", sent) {
        Ok(output) => output.quota,
        // An account that never asked for more may have no value of its own.
        Err(error) if error.code == "NoSuchResourceException" => {
            let asked = spoke.quotas.get_aws_default_service_quota();
            let sent = asked.service_code("sagemaker").quota_code(PROFILES_QUOTA).send().await;
            sorted("servicequotas:GetAWSDefaultServiceQuota", sent)?.quota
        }
        Err(error) => return Err(error),
    };
    let value = quota.and_then(|quota| quota.value).unwrap_or(0.0).max(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    Ok(value as u64)
}

/// How many profiles there are in all domains of the Region.
async fn profiles(spoke: &Spoke) -> Result<u64, AwsError> {
    let mut pages = spoke.sagemaker.list_user_profiles().max_results(100).into_paginator().send();
    let mut number = 0;
    while let Some(page) = pages.next().await {
        let page = sorted("sagemaker:ListUserProfiles", page)?;
        number += u64::try_from(page.user_profiles().len()).unwrap_or(u64::MAX);
    }
    Ok(number)
}

/// SageMaker's rule for names of profiles
/// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateUserProfile.html>).
fn is_legal(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}
