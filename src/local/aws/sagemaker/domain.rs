//! Domains: `CreateDomain`, `DescribeDomain`, `ListDomains`, `UpdateDomain`, `DeleteDomain`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    input::{DOMAIN_ID, NAME},
    life::Life,
    place::arn,
    state::Domain,
};
use crate::local::aws::{
    context::Context,
    input::{ANY, Input, constraint},
    random,
    refusal::Refusal,
};

pub(super) fn create(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let name = input.required("DomainName", &NAME)?;
    let auth_mode = input.required("AuthMode", &ANY)?;
    if !matches!(auth_mode, "IAM" | "SSO") {
        let rule = "Member must satisfy enum value set: [SSO, IAM]";
        return Err(constraint(auth_mode, "authMode", rule));
    }
    if input.settings("DefaultUserSettings", &context.caller.account)?.is_none() {
        return Err(constraint("null", "defaultUserSettings", "Member must not be null"));
    }
    let tags = input.tags()?;
    let id = format!("d-{}", random::lower(12)?);
    let arn = arn(context, &format!("domain/{id}"));
    context.authorize("sagemaker:CreateDomain", &arn, |request| request)?;

    let delay = context.simulator.control.knobs().domain_delay_ms;
    let domain = Domain {
        name: name.into(),
        auth_mode: auth_mode.into(),
        settings: further(input.0, &["DomainName", "AuthMode", "Tags"]),
        tags,
        life: Life::begin(context.now, delay, context.settle.as_ref()),
        profiles: BTreeMap::new(),
        spaces: BTreeMap::new(),
        apps: Vec::new(),
        profile_delay_ms: None,
        profiles_fail: None,
    };
    let answer = json!({"DomainArn": arn, "DomainId": id, "Url": url(context, &id)});
    context.place_change(|place| {
        if place.domains.values().any(|d| d.name.eq_ignore_ascii_case(name)) {
            return Err(Refusal::InUse {
                what: format!("Domain [{name}]"),
                why: "a domain of this name exists".into(),
            });
        }
        place.domains.insert(id, domain);
        Ok(answer)
    })
}

pub(super) fn describe(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let id = input.required("DomainId", &DOMAIN_ID)?;
    let arn = arn(context, &format!("domain/{id}"));
    context.authorize("sagemaker:DescribeDomain", &arn, |request| request)?;
    context.place_look(|place| {
        let domain = place.domain(id)?;
        let mut answer = domain.settings.clone();
        answer.extend(domain.life.describe(context.now));
        let computed = json!({
            "DomainArn": arn,
            "DomainId": id,
            "DomainName": domain.name,
            "AuthMode": domain.auth_mode,
            "HomeEfsFileSystemId": "fs-0a1b2c3d4e5f60718",
            "Url": url(context, id),
        });
        answer.extend(computed.as_object().cloned().unwrap_or_default());
        Ok(Value::Object(answer))
    })
}

pub(super) fn list(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    context.authorize("sagemaker:ListDomains", "*", |request| request)?;
    let domains = context.place_look(|place| {
        let domains = place.domains.iter().map(|(id, domain)| {
            let mut summary = domain.life.describe(context.now);
            summary.remove("FailureReason");
            summary.insert("DomainArn".into(), arn(context, &format!("domain/{id}")).into());
            summary.insert("DomainId".into(), id.as_str().into());
            summary.insert("DomainName".into(), domain.name.as_str().into());
            summary.insert("Url".into(), url(context, id).into());
            Value::Object(summary)
        });
        Ok(domains.collect())
    })?;
    input.page("Domains", domains)
}

pub(super) fn update(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let id = input.required("DomainId", &DOMAIN_ID)?;
    input.settings("DefaultUserSettings", &context.caller.account)?;
    let arn = arn(context, &format!("domain/{id}"));
    context.authorize("sagemaker:UpdateDomain", &arn, |request| request)?;
    let delay = context.simulator.control.knobs().update_delay_ms;
    context.place_change(|place| {
        let domain = place.domain(id)?;
        not_changing(&domain.life, context, || format!("Domain [{id}]"))?;
        domain.settings.extend(further(input.0, &["DomainId"]));
        domain.life.update(context.now, delay, context.settle.as_ref());
        Ok(json!({"DomainArn": arn}))
    })
}

pub(super) fn delete(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let id = input.required("DomainId", &DOMAIN_ID)?;
    let arn = arn(context, &format!("domain/{id}"));
    context.authorize("sagemaker:DeleteDomain", &arn, |request| request)?;
    let delay = context.simulator.control.knobs().delete_delay_ms;
    context.place_change(|place| {
        let domain = place.domain(id)?;
        not_changing(&domain.life, context, || format!("Domain [{id}]"))?;
        if !domain.profiles.is_empty() || !domain.spaces.is_empty() {
            return Err(Refusal::InUse {
                what: format!("Domain [{id}]"),
                why: "it still has user profiles or spaces".into(),
            });
        }
        domain.life.delete(context.now, delay, context.settle.as_ref());
        Ok(json!({}))
    })
}

/// The members that are neither keys nor kept elsewhere, as they were given.
pub(super) fn further(input: &Map<String, Value>, without: &[&str]) -> Map<String, Value> {
    input
        .iter()
        .filter(|(name, _)| !without.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A resource in the middle of a change takes no other.
pub(super) fn not_changing(
    life: &Life,
    context: &Context<'_>,
    what: impl FnOnce() -> String,
) -> Result<(), Refusal> {
    if life.is_changing(context.now) {
        let why = format!("it is in status {}", life.status(context.now));
        return Err(Refusal::InUse { what: what(), why });
    }
    Ok(())
}

fn url(context: &Context<'_>, id: &str) -> String {
    format!("https://{id}.studio.{}.sagemaker.aws", context.caller.region)
}
