//! Spaces: create, describe, list, delete.

use serde_json::{Value, json};

use super::{
    domain::{further, not_changing},
    input::{DOMAIN_ID, NAME},
    life::Life,
    place::arn,
    profile::resource_tags,
    state::{Space, fold},
};
use crate::local::aws::{
    context::Context,
    input::{ANY, Input, constraint},
    refusal::Refusal,
};

pub(super) fn create(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let Named { domain: id, name, arn } = Named::read(context, input)?;
    let tags = input.tags()?;
    let ownership = input.object("OwnershipSettings")?;
    let owner = match &ownership {
        Some(ownership) => Some(Input(ownership).required("OwnerUserProfileName", &NAME)?),
        None => None,
    };
    if let Some(sharing) = input.object("SpaceSharingSettings")? {
        let kind = Input(&sharing).required("SharingType", &ANY)?;
        if !matches!(kind, "Private" | "Shared") {
            let rule = "Member must satisfy enum value set: [Private, Shared]";
            return Err(constraint(kind, "sharingType", rule));
        }
    }
    context.authorize("sagemaker:CreateSpace", &arn, |request| {
        tags.iter().fold(request, |request, tag| {
            request
                .with(&format!("aws:RequestTag/{}", tag.key), &tag.value)
                .with("aws:TagKeys", &tag.key)
        })
    })?;
    let delay = context.simulator.control.knobs().domain_delay_ms;
    context.place_change(|place| {
        if let Some(owner) = owner {
            place.profile(id, owner)?;
        }
        let domain = place.domain(id)?;
        if domain.spaces.contains_key(&fold(name)) {
            let why = "a space of this name exists".into();
            return Err(Refusal::InUse { what: format!("Space [{id}/{name}]"), why });
        }
        let space = Space {
            name: name.into(),
            settings: further(input.0, &["DomainId", "SpaceName", "Tags"]),
            tags,
            life: Life::begin(context.now, delay, context.settle.as_ref()),
        };
        domain.spaces.insert(fold(name), space);
        Ok(json!({"SpaceArn": arn}))
    })
}

pub(super) fn describe(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let Named { domain: id, name, arn } = Named::read(context, input)?;
    context.authorize("sagemaker:DescribeSpace", &arn, |request| request)?;
    context.place_look(|place| {
        let space = place.space(id, name)?;
        let mut answer = space.settings.clone();
        answer.extend(space.life.describe(context.now));
        answer.insert("DomainId".into(), id.into());
        answer.insert("SpaceName".into(), space.name.as_str().into());
        answer.insert("SpaceArn".into(), arn.into());
        Ok(Value::Object(answer))
    })
}

pub(super) fn list(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let id = input.optional("DomainIdEquals", &DOMAIN_ID)?;
    let contains = input.optional("SpaceNameContains", &ANY)?.unwrap_or_default();
    context.authorize("sagemaker:ListSpaces", "*", |request| request)?;
    let spaces = context.place_look(|place| {
        let domains = place.domains.iter().filter(|(d, _)| id.is_none_or(|id| id == d.as_str()));
        let spaces = domains.flat_map(|(domain_id, domain)| {
            let found = domain.spaces.iter().filter(|(name, _)| name.contains(&fold(contains)));
            found.map(|(_, space)| {
                let mut summary = space.life.describe(context.now);
                summary.remove("FailureReason");
                summary.insert("DomainId".into(), domain_id.as_str().into());
                summary.insert("SpaceName".into(), space.name.as_str().into());
                for (from, to, member) in [
                    ("OwnershipSettings", "OwnershipSettingsSummary", "OwnerUserProfileName"),
                    ("SpaceSharingSettings", "SpaceSharingSettingsSummary", "SharingType"),
                    ("SpaceSettings", "SpaceSettingsSummary", "AppType"),
                ] {
                    if let Some(value) = space.settings.get(from).and_then(|s| s.get(member)) {
                        summary.insert(to.into(), json!({member: value}));
                    }
                }
                Value::Object(summary)
            })
        });
        Ok(spaces.collect())
    })?;
    input.page("Spaces", spaces)
}

pub(super) fn delete(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let Named { domain: id, name, arn } = Named::read(context, input)?;
    let tags =
        context.place_look(|place| Ok(place.space(id, name)?.tags.clone())).unwrap_or_default();
    context.authorize("sagemaker:DeleteSpace", &arn, |request| resource_tags(request, &tags))?;
    let delay = context.simulator.control.knobs().delete_delay_ms;
    context.place_change(|place| {
        let what = || format!("Space [{id}/{name}]");
        let domain = place.domain(id)?;
        let app = domain.apps.iter().find(|app| {
            app.space.as_deref().is_some_and(|space| fold(space) == fold(name))
                && app.blocks(context.now)
        });
        if let Some(app) = app {
            let why = format!("it has the app {} ({})", app.name, app.kind);
            return Err(Refusal::InUse { what: what(), why });
        }
        let space = place.space(id, name)?;
        not_changing(&space.life, context, what)?;
        space.life.delete(context.now, delay, context.settle.as_ref());
        Ok(json!({}))
    })
}

/// The two parameters that name a space, and its ARN.
struct Named<'a> {
    domain: &'a str,
    name: &'a str,
    arn: String,
}

impl<'a> Named<'a> {
    fn read(context: &Context<'_>, input: Input<'a>) -> Result<Self, Refusal> {
        let domain = input.required("DomainId", &DOMAIN_ID)?;
        let name = input.required("SpaceName", &NAME)?;
        let arn = arn(context, &format!("space/{domain}/{name}"));
        Ok(Self { domain, name, arn })
    }
}
