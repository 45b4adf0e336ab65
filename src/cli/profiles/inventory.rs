//! The profiles of one account in one Region, as AWS shows them now.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::aws::error::{AwsError, Kind, sorted};
use crate::aws::profile::{Described, describe, tags};
use crate::aws::spoke::Spoke;
use crate::cli::findings::Finding;
use crate::team::DomainId;
use crate::team::whose::{TEAM_TAG, USER_TAG, is_revoked};

/// A profile as it stands.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Standing {
    pub(in crate::cli) account: String,
    pub(in crate::cli) region: String,
    pub(in crate::cli) domain: DomainId,
    pub(in crate::cli) described: Described,
    pub(in crate::cli) tags: BTreeMap<String, String>,
}

impl Standing {
    /// The team that its tag names.
    pub(in crate::cli) fn team(&self) -> Option<&str> {
        self.tags.get(TEAM_TAG).map(String::as_str).filter(|team| !team.is_empty())
    }

    /// The owner whom its tag names.
    pub(in crate::cli) fn owner(&self) -> Option<&str> {
        self.tags.get(USER_TAG).map(String::as_str).filter(|user| !user.is_empty())
    }

    /// Whether it is one of the broker's: both tags are there.
    pub(in crate::cli) fn is_ours(&self) -> bool {
        self.team().is_some() && self.owner().is_some()
    }

    /// When it was changed last.
    pub(in crate::cli) fn changed(&self) -> String {
        Timestamp::from_second(self.described.changed_at)
            .map_or_else(|_| String::new(), |t| t.to_string())
    }

    /// Account, Region and name.
    pub(in crate::cli) fn place(&self) -> String {
        format!("{} in {} {}", self.described.name, self.account, self.region)
    }

    pub(in crate::cli) fn as_json(&self) -> Value {
        json!({
            "owner": self.owner(),
            "team": self.team(),
            "account": self.account,
            "region": self.region,
            "domain": self.domain,
            "profile": self.described.name,
            "status": self.described.status,
            "failure_reason": self.described.failure_reason,
            "changed": self.changed(),
            "home_uid": self.described.home_uid,
            "revoked": is_revoked(&self.tags),
        })
    }
}

/// Which profiles are looked at.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Wanted {
    /// Only those of these domains; all of the Region when empty.
    pub(in crate::cli) domains: Vec<DomainId>,
    /// Only those whose name begins with one of these; any when empty.
    pub(in crate::cli) starts: Vec<String>,
}

/// Profiles that are described at once in one account: `SageMaker` throttles at a handful.
const AT_ONCE: usize = 6;

/// The wanted profiles of a place; a finding for each that could not be looked at, or one for the account
/// where they could not be listed.
pub(in crate::cli) async fn standing(
    spoke: &Spoke,
    wanted: &Wanted,
) -> (Vec<Standing>, Vec<Finding>) {
    let named = match names(spoke, wanted).await {
        Ok(named) => named,
        Err(error) => {
            let subject = format!("account {}", spoke.account);
            return (Vec::new(), vec![Finding::of_error(subject, &error)]);
        }
    };
    let looked = futures_util::stream::iter(named.into_iter().map(|(domain, name)| async move {
        let outcome = look(spoke, &domain, &name).await;
        (name, outcome)
    }));
    let looked: Vec<_> = looked.buffered(AT_ONCE).collect().await;
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for (name, outcome) in looked {
        match outcome {
            Ok(standing) => found.extend(standing),
            Err(error) => {
                let subject = format!("profile {name} in account {}", spoke.account);
                failed.push(Finding::of_error(subject, &error));
            }
        }
    }
    (found, failed)
}

/// One profile, `None` when it is gone meanwhile.
///
/// # Errors
///
/// It could not be looked at.
pub(in crate::cli) async fn look(
    spoke: &Spoke,
    domain: &DomainId,
    name: &str,
) -> Result<Option<Standing>, AwsError> {
    let Spoke { sagemaker, credentials, .. } = spoke;
    let Some(described) = describe(sagemaker, credentials, domain, name).await? else {
        return Ok(None);
    };
    let arn = described
        .arn
        .clone()
        .unwrap_or_else(|| spoke.arn(&format!("user-profile/{domain}/{}", described.name)));
    let tags = match tags(sagemaker, credentials, &arn).await {
        Ok(tags) => tags,
        // It went between the two calls, or its tags have not come yet.
        Err(error) if matches!(error.kind, Kind::Missing | Kind::Invalid) => BTreeMap::new(),
        Err(error) => return Err(error),
    };
    Ok(Some(Standing {
        account: spoke.account.to_string(),
        region: spoke.region.to_string(),
        domain: domain.clone(),
        described,
        tags,
    }))
}

/// Names by domain. AWS's filter finds a part of a name in any case; the beginning is compared here.
///
/// # Errors
///
/// They could not be listed.
pub(super) async fn names(
    spoke: &Spoke,
    wanted: &Wanted,
) -> Result<Vec<(DomainId, String)>, AwsError> {
    let mut searches: Vec<Option<&str>> =
        wanted.starts.iter().map(|start| Some(start.as_str())).collect();
    if searches.is_empty() {
        searches.push(None);
    }
    let mut domains: Vec<Option<&str>> =
        wanted.domains.iter().map(|domain| Some(domain.as_str())).collect();
    if domains.is_empty() {
        domains.push(None);
    }
    let mut named = BTreeMap::new();
    for domain in domains {
        for search in &searches {
            let listed = spoke.sagemaker.list_user_profiles().max_results(100);
            let mut pages = listed
                .set_domain_id_equals(domain.map(str::to_owned))
                .set_user_profile_name_contains(search.map(str::to_owned))
                .into_paginator()
                .send();
            while let Some(page) = pages.next().await {
                let page = sorted("sagemaker:ListUserProfiles", page)?;
                for profile in page.user_profiles.unwrap_or_default() {
                    let domain = profile.domain_id.and_then(|id| DomainId::try_from(id).ok());
                    let (Some(domain), Some(name)) = (domain, profile.user_profile_name) else {
                        continue;
                    };
                    let folded = name.to_lowercase();
                    if search.is_none_or(|start| folded.starts_with(&start.to_lowercase())) {
                        named.insert((domain, folded), name);
                    }
                }
            }
        }
    }
    Ok(named.into_iter().map(|((domain, _), name)| (domain, name)).collect())
}
