//! `AddTags`, `ListTags`, `DeleteTags` on domains, profiles, spaces, apps and what doors lead to.

use serde_json::{Value, json};

use super::{
    behind,
    profile::resource_tags,
    state::{Place, Tag, fold},
};
use crate::local::aws::{
    context::Context,
    control::knobs::MissingListTags,
    input::{ANY, Input, constraint},
    refusal::{Refusal, invalid},
};

pub(super) fn add(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let arn = resource_arn(context, input)?;
    let added = input.tags()?;
    let present = context.place_look(|place| Ok(tags_at(place, arn)?.clone())).unwrap_or_default();
    context.authorize("sagemaker:AddTags", arn, |request| {
        added.iter().fold(resource_tags(request, &present), |request, tag| {
            request
                .with(&format!("aws:RequestTag/{}", tag.key), &tag.value)
                .with("aws:TagKeys", &tag.key)
        })
    })?;
    context.place_change(|place| {
        let tags = tags_at(place, arn)?;
        let mut changed = tags.clone();
        for tag in added {
            changed.retain(|present| present.key != tag.key);
            changed.push(tag);
        }
        if changed.len() > 50 {
            return Err(invalid("The number of tags exceeds 50"));
        }
        *tags = changed;
        Ok(json!({"Tags": tags}))
    })
}

pub(super) fn list(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let arn = resource_arn(context, input)?;
    input.number("MaxResults", 50..=i64::from(i32::MAX))?;
    context.authorize("sagemaker:ListTags", arn, |request| request)?;
    let knobs = context.simulator.control.knobs();
    let found = context.place_look(|place| {
        let young = arn.rsplit_once("user-profile/").and_then(|(_, path)| path.split_once('/'));
        let young = young.is_some_and(|(id, name)| {
            let profile = place.profile(id, name);
            profile.is_ok_and(|profile| profile.life.is_younger(knobs.tags_delay_ms, context.now))
        });
        let tags = tags_at(place, arn)?;
        Ok(if young { json!({"Tags": []}) } else { json!({"Tags": tags}) })
    });
    match (found, knobs.missing_list_tags) {
        (Err(Refusal::NotFound { .. }), MissingListTags::Validation) => {
            Err(invalid(format!("Could not find the resource {arn}")))
        }
        (Err(Refusal::NotFound { .. }), MissingListTags::Empty) => Ok(json!({"Tags": []})),
        (found, _) => found,
    }
}

pub(super) fn delete(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let arn = resource_arn(context, input)?;
    let keys: Vec<&str> = match input.0.get("TagKeys") {
        Some(Value::Array(keys)) if (1..=50).contains(&keys.len()) => {
            keys.iter().filter_map(Value::as_str).collect()
        }
        _ => {
            let rule = "Member must have length between 1 and 50";
            return Err(constraint("…", "tagKeys", rule));
        }
    };
    let present = context.place_look(|place| Ok(tags_at(place, arn)?.clone())).unwrap_or_default();
    context.authorize("sagemaker:DeleteTags", arn, |request| {
        let request = resource_tags(request, &present);
        keys.iter().fold(request, |request, key| request.with("aws:TagKeys", *key))
    })?;
    context.place_change(|place| {
        tags_at(place, arn)?.retain(|tag| !keys.contains(&tag.key.as_str()));
        Ok(json!({}))
    })
}

/// An ARN in the caller's own account and Region.
fn resource_arn<'a>(context: &Context<'_>, input: Input<'a>) -> Result<&'a str, Refusal> {
    let arn = input.required("ResourceArn", &ANY)?;
    let here = super::place::arn(context, "");
    if arn.len() > 256 || !arn.starts_with(&here) {
        return Err(invalid(format!(
            "{arn} is not the ARN of a resource in this account and Region"
        )));
    }
    Ok(arn)
}

fn tags_at<'a>(place: &'a mut Place, arn: &str) -> Result<&'a mut Vec<Tag>, Refusal> {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let parts: Vec<&str> = resource.split('/').collect();
    match parts.as_slice() {
        ["domain", id] => Ok(&mut place.domain(id)?.tags),
        ["user-profile", id, name] => Ok(&mut place.profile(id, name)?.tags),
        ["space", id, name] => Ok(&mut place.space(id, name)?.tags),
        ["app", id, owner, kind, name] => {
            let same = |other: &Option<String>| {
                other.as_deref().is_some_and(|other| fold(other) == fold(owner))
            };
            place
                .domain(id)?
                .apps
                .iter_mut()
                .find(|app| {
                    (same(&app.profile) || same(&app.space))
                        && app.kind.eq_ignore_ascii_case(kind)
                        && app.name.eq_ignore_ascii_case(name)
                })
                .map(|app| &mut app.tags)
                .ok_or_else(|| Refusal::NotFound { what: format!("App [{arn}]") })
        }
        [resource_type, _] => match behind::kind_of(resource_type) {
            Some(kind) => Ok(&mut place.behind(kind, arn)?.tags),
            None => Err(invalid(format!("{arn} is not the ARN of a taggable resource"))),
        },
        _ => Err(invalid(format!("{arn} is not the ARN of a taggable resource"))),
    }
}
