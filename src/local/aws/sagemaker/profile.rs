//! User profiles: create, describe, list, update, delete.

use serde_json::{Map, Value, json};

use super::{
    domain::not_changing,
    input::{DOMAIN_ID, NAME},
    kept,
    life::Life,
    place::arn,
    state::{Profile, Tag, fold},
};
use crate::local::aws::{
    context::Context,
    control::knobs::{ExistingProfile, UpdatesWithApps},
    input::{ANY, Input, constraint},
    policy::Request,
    refusal::{Refusal, invalid},
};

pub(super) fn create(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let Named { domain: id, name, arn } = Named::read(context, input)?;
    let settings = input.settings("UserSettings", &context.caller.account)?.unwrap_or_default();
    let tags = input.tags()?;
    authorize_creation(context, &arn, &settings, &tags)?;

    let knobs = context.simulator.control.knobs();
    let account = &context.caller.account;
    let quota = context.simulator.profile_quota(account);
    context.world_change(|world| {
        let used = u64::try_from(world.profiles(account)).unwrap_or(u64::MAX);
        let place = world.place(account, &context.caller.region, context.now);
        // The model knows no ResourceNotFound here.
        let missing = |_| invalid(format!("Domain [{id}] does not exist"));
        let domain = place.domain(id).map_err(missing)?;
        let in_sso_mode = domain.auth_mode == "SSO";
        if in_sso_mode != input.optional("SingleSignOnUserValue", &ANY)?.is_some() {
            return Err(invalid(format!(
                "SingleSignOnUserIdentifier and SingleSignOnUserValue are {} for a domain in {} mode",
                if in_sso_mode { "required" } else { "not allowed" },
                domain.auth_mode
            )));
        }
        if let Some(existing) = domain.profiles.get(&fold(name)) {
            let why = format!("it exists, in status {}", existing.life.status(context.now));
            return Err(match knobs.existing_profile {
                ExistingProfile::InUse => {
                    Refusal::InUse { what: format!("UserProfile [{id}/{name}]"), why }
                }
                ExistingProfile::Validation => invalid(format!("UserProfile {name}: {why}")),
            });
        }
        if used >= quota {
            return Err(Refusal::LimitExceeded {
                quota: "Maximum number of Studio user profiles allowed per account",
                limit: quota,
            });
        }
        let delay = domain.profile_delay_ms.unwrap_or(knobs.profile_delay_ms);
        let life = Life::begin(context.now, delay, context.settle.as_ref());
        let life = match &domain.profiles_fail {
            Some(reason) => life.failing(reason),
            None => life,
        };
        let settings = kept::changed(&Map::new(), settings, &knobs)?;
        let profile = Profile { name: name.into(), settings, tags, efs_uid: 200_005 + used, life };
        domain.profiles.insert(fold(name), profile);
        Ok(json!({"UserProfileArn": arn}))
    })
}

/// Creating takes three permissions: the creation itself, tagging at creation, and passing the role.
fn authorize_creation(
    context: &Context<'_>,
    arn: &str,
    settings: &Map<String, Value>,
    tags: &[Tag],
) -> Result<(), Refusal> {
    let tagged = |request: Request| {
        tags.iter().fold(request, |request, tag| {
            request
                .with(&format!("aws:RequestTag/{}", tag.key), &tag.value)
                .with("aws:TagKeys", &tag.key)
        })
    };
    context.authorize("sagemaker:CreateUserProfile", arn, |request| {
        settings_keys(tagged(request), settings)
    })?;
    if !tags.is_empty() {
        context.authorize("sagemaker:AddTags", arn, |request| {
            tagged(request).with("sagemaker:TaggingAction", "CreateUserProfile")
        })?;
    }
    pass_role(context, settings)
}

fn pass_role(context: &Context<'_>, settings: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(role) = settings.get("ExecutionRole").and_then(Value::as_str) else { return Ok(()) };
    context.authorize("iam:PassRole", role, |request| {
        request.with("iam:PassedToService", "sagemaker.amazonaws.com")
    })
}

/// The condition keys that speak of `UserSettings`.
fn settings_keys(request: Request, settings: &Map<String, Value>) -> Request {
    let mut request = request;
    for group in settings.get("SecurityGroups").and_then(Value::as_array).into_iter().flatten() {
        request = request.with("sagemaker:VpcSecurityGroupIds", group.as_str().unwrap_or_default());
    }
    // These may stand in the settings of every kind of app.
    let mut found = Vec::new();
    collect(&Value::Object(settings.clone()), &mut found);
    for (member, value) in found {
        request = match member.as_str() {
            "LifecycleConfigArn" | "LifecycleConfigArns" => {
                request.with("sagemaker:StudioLifecycleConfigArns", value)
            }
            "SageMakerImageArn" => request.with("sagemaker:ImageArns", value),
            "SageMakerImageVersionArn" => request.with("sagemaker:ImageVersionArns", value),
            "InstanceType" => request.with("sagemaker:InstanceTypes", value),
            _ => request,
        };
    }
    request
}

/// Every text in `value` with the name of the member that it stands in.
fn collect(value: &Value, found: &mut Vec<(String, String)>) {
    for (member, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => found.push((member.clone(), text.clone())),
            Value::Array(values) => {
                for value in values {
                    match value {
                        Value::String(text) => found.push((member.clone(), text.clone())),
                        other => collect(other, found),
                    }
                }
            }
            other => collect(other, found),
        }
    }
}

pub(super) fn describe(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let Named { domain: id, name, arn } = Named::read(context, input)?;
    context.authorize("sagemaker:DescribeUserProfile", &arn, |request| request)?;
    let knobs = context.simulator.control.knobs();
    context.place_look(|place| {
        let profile = place.profile(id, name)?;
        let mut answer = profile.life.describe(context.now);
        let computed = json!({
            "DomainId": id,
            "UserProfileArn": arn,
            "UserProfileName": profile.name,
            "HomeEfsFileSystemUid": profile.efs_uid.to_string(),
            "UserSettings": kept::shown(&profile.settings, &knobs),
        });
        answer.extend(computed.as_object().cloned().unwrap_or_default());
        Ok(Value::Object(answer))
    })
}

pub(super) fn list(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let id = input.optional("DomainIdEquals", &DOMAIN_ID)?;
    let contains = input.optional("UserProfileNameContains", &ANY)?.unwrap_or_default();
    let by_name = matches!(input.optional("SortBy", &ANY)?, Some("LastModifiedTime"));
    let descending = input.optional("SortOrder", &ANY)? == Some("Descending");
    context.authorize("sagemaker:ListUserProfiles", "*", |request| request)?;
    let profiles = context.place_look(|place| {
        let mut found: Vec<(f64, Value)> = Vec::new();
        for (domain_id, domain) in &place.domains {
            if id.is_some_and(|wanted| wanted != domain_id) {
                continue;
            }
            for (folded, profile) in &domain.profiles {
                if !folded.contains(&fold(contains)) {
                    continue;
                }
                let mut summary = profile.life.describe(context.now);
                summary.remove("FailureReason");
                let sorted_by = if by_name { "LastModifiedTime" } else { "CreationTime" };
                let time = summary.get(sorted_by).and_then(Value::as_f64).unwrap_or_default();
                summary.insert("DomainId".into(), domain_id.as_str().into());
                summary.insert("UserProfileName".into(), profile.name.as_str().into());
                found.push((time, Value::Object(summary)));
            }
        }
        found.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        if descending {
            found.reverse();
        }
        Ok(found.into_iter().map(|(_, summary)| summary).collect())
    })?;
    input.page("UserProfiles", profiles)
}

pub(super) fn update(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let Named { domain: id, name, arn } = Named::read(context, input)?;
    let settings = input.settings("UserSettings", &context.caller.account)?.unwrap_or_default();
    let tags = tags_of(context, id, name);
    context.authorize("sagemaker:UpdateUserProfile", &arn, |request| {
        settings_keys(resource_tags(request, &tags), &settings)
    })?;
    pass_role(context, &settings)?;
    let knobs = context.simulator.control.knobs();
    context.place_change(|place| {
        let what = || format!("UserProfile [{id}/{name}]");
        let running = place.domain(id)?.running_app(name, context.now);
        let profile = place.profile(id, name)?;
        not_changing(&profile.life, context, what)?;
        match (running, knobs.updates_with_apps) {
            (Some(app), UpdatesWithApps::InUse) => {
                return Err(Refusal::InUse {
                    what: what(),
                    why: format!("it has InService App {app}"),
                });
            }
            (Some(app), UpdatesWithApps::Validation) => {
                return Err(invalid(format!(
                    "Unable to update {} with InService App [{app}]. Delete the App and try again.",
                    what()
                )));
            }
            _ => {}
        }
        profile.settings = kept::changed(&profile.settings, settings, &knobs)?;
        profile.life.update(context.now, knobs.update_delay_ms, context.settle.as_ref());
        Ok(json!({"UserProfileArn": arn}))
    })
}

pub(super) fn delete(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let Named { domain: id, name, arn } = Named::read(context, input)?;
    let tags = tags_of(context, id, name);
    context.authorize("sagemaker:DeleteUserProfile", &arn, |r| resource_tags(r, &tags))?;
    let delay = context.simulator.control.knobs().delete_delay_ms;
    context.place_change(|place| {
        let domain = place.domain(id)?;
        let what = || format!("UserProfile [{id}/{name}]");
        let in_use = |why: String| Refusal::InUse { what: what(), why };
        let same = |other: Option<&str>| other.is_some_and(|other| fold(other) == fold(name));
        let space = domain.spaces.values().find(|space| same(space.owner()));
        if let Some(space) = space {
            return Err(in_use(format!("it owns the space {}", space.name)));
        }
        let app =
            domain.apps.iter().find(|app| same(app.profile.as_deref()) && app.blocks(context.now));
        if let Some(app) = app {
            return Err(in_use(format!("it has the app {} ({})", app.name, app.kind)));
        }
        let profile = place.profile(id, name)?;
        not_changing(&profile.life, context, what)?;
        profile.life.delete(context.now, delay, context.settle.as_ref());
        Ok(json!({}))
    })
}

/// The two parameters that name a profile, and its ARN.
pub(super) struct Named<'a> {
    pub(super) domain: &'a str,
    pub(super) name: &'a str,
    pub(super) arn: String,
}

impl<'a> Named<'a> {
    pub(super) fn read(context: &Context<'_>, input: Input<'a>) -> Result<Self, Refusal> {
        let domain = input.required("DomainId", &DOMAIN_ID)?;
        let name = input.required("UserProfileName", &NAME)?;
        if input.optional("SingleSignOnUserIdentifier", &ANY)?.is_some_and(|i| i != "UserName") {
            let rule = "Member must satisfy regular expression pattern: UserName";
            return Err(constraint("…", "singleSignOnUserIdentifier", rule));
        }
        let arn = arn(context, &format!("user-profile/{domain}/{name}"));
        Ok(Self { domain, name, arn })
    }
}

/// The tags of a profile as IAM sees them: a profile that does not exist has none.
pub(super) fn tags_of(context: &Context<'_>, id: &str, name: &str) -> Vec<Tag> {
    let delay = context.simulator.control.knobs().tags_delay_ms;
    let tags = context.place_look(|place| {
        let profile = place.profile(id, name)?;
        Ok(if profile.life.is_younger(delay, context.now) {
            Vec::new()
        } else {
            profile.tags.clone()
        })
    });
    tags.unwrap_or_default()
}

/// The condition keys for the tags of the resource.
pub(super) fn resource_tags(request: Request, tags: &[Tag]) -> Request {
    tags.iter().fold(request, |request, tag| {
        request
            .with(&format!("sagemaker:ResourceTag/{}", tag.key), &tag.value)
            .with(&format!("aws:ResourceTag/{}", tag.key), &tag.value)
    })
}
