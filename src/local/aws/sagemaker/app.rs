//! Apps: create, describe, list, delete. A deleted app stays listed for a day.

use serde_json::{Map, Value, json};

use super::{
    domain::further,
    input::{DOMAIN_ID, NAME},
    life::Life,
    place::arn,
    profile::resource_tags,
    state::{App, Domain, fold},
};
use crate::local::aws::{
    context::Context,
    input::{ANY, Input, constraint},
    refusal::{Refusal, invalid},
};

const KINDS: [&str; 9] = [
    "JupyterServer",
    "KernelGateway",
    "DetailedProfiler",
    "TensorBoard",
    "CodeEditor",
    "JupyterLab",
    "RStudioServerPro",
    "RSessionGateway",
    "Canvas",
];

pub(super) fn create(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let named = Named::read(context, input)?;
    let tags = input.tags()?;
    context.authorize("sagemaker:CreateApp", &named.arn, |request| {
        tags.iter().fold(request, |request, tag| {
            request
                .with(&format!("aws:RequestTag/{}", tag.key), &tag.value)
                .with("aws:TagKeys", &tag.key)
        })
    })?;
    let delay = context.simulator.control.knobs().domain_delay_ms;
    context.place_change(|place| {
        match named.owner {
            Owner::Profile(profile) => place.profile(named.domain, profile).map(|_| ())?,
            Owner::Space(space) => place.space(named.domain, space).map(|_| ())?,
        }
        let domain = place.domain(named.domain)?;
        if domain.apps.iter().any(|app| named.is(app) && !app.life.is_gone(context.now)) {
            let why = "an app of this name exists".into();
            return Err(Refusal::InUse { what: named.what(), why });
        }
        domain.apps.retain(|app| !named.is(app));
        domain.apps.push(App {
            kind: named.kind.into(),
            name: named.name.into(),
            profile: named.owner.profile().map(str::to_owned),
            space: named.owner.space().map(str::to_owned),
            settings: further(
                input.0,
                &["DomainId", "UserProfileName", "SpaceName", "AppType", "AppName", "Tags"],
            ),
            tags,
            life: Life::begin(context.now, delay, context.settle.as_ref()),
        });
        Ok(json!({"AppArn": named.arn}))
    })
}

pub(super) fn describe(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let named = Named::read(context, input)?;
    context.authorize("sagemaker:DescribeApp", &named.arn, |request| request)?;
    context.place_look(|place| {
        let app = named.find(place.domain(named.domain)?)?;
        let mut answer = app.settings.clone();
        answer.extend(members(app, named.domain, context));
        // Of all resources apps alone tell no last change.
        answer.remove("LastModifiedTime");
        answer.insert("AppArn".into(), named.arn.as_str().into());
        Ok(Value::Object(answer))
    })
}

pub(super) fn list(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let id = input.optional("DomainIdEquals", &DOMAIN_ID)?;
    let profile = input.optional("UserProfileNameEquals", &NAME)?;
    let space = input.optional("SpaceNameEquals", &NAME)?;
    if profile.is_some() && space.is_some() {
        return Err(invalid("UserProfileNameEquals and SpaceNameEquals exclude one another"));
    }
    context.authorize("sagemaker:ListApps", "*", |request| request)?;
    let apps = context.place_look(|place| {
        let same = |wanted: Option<&str>, got: &Option<String>| {
            wanted.is_none_or(|w| got.as_deref().is_some_and(|g| fold(g) == fold(w)))
        };
        let mut apps = Vec::new();
        for (domain_id, domain) in &place.domains {
            if id.is_some_and(|id| id != domain_id) {
                continue;
            }
            for app in &domain.apps {
                if same(profile, &app.profile) && same(space, &app.space) {
                    let mut summary = members(app, domain_id, context);
                    summary.remove("FailureReason");
                    summary.remove("LastModifiedTime");
                    apps.push(Value::Object(summary));
                }
            }
        }
        Ok(apps)
    })?;
    input.page("Apps", apps)
}

pub(super) fn delete(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let named = Named::read(context, input)?;
    let tags = context
        .place_look(|place| Ok(named.find(place.domain(named.domain)?)?.tags.clone()))
        .unwrap_or_default();
    context.authorize("sagemaker:DeleteApp", &named.arn, |r| resource_tags(r, &tags))?;
    let delay = context.simulator.control.knobs().delete_delay_ms;
    context.place_change(|place| {
        let app = named.find(place.domain(named.domain)?)?;
        match app.life.status(context.now) {
            "InService" | "Pending" => {}
            "Failed" => return Err(invalid("An app in status Failed cannot be deleted")),
            status => {
                let why = format!("it is in status {status}");
                return Err(Refusal::InUse { what: named.what(), why });
            }
        }
        app.life.delete(context.now, delay, context.settle.as_ref());
        Ok(json!({}))
    })
}

fn members(app: &App, domain: &str, context: &Context<'_>) -> Map<String, Value> {
    let mut members = app.life.describe(context.now);
    for (member, value) in [
        ("DomainId", Some(domain)),
        ("UserProfileName", app.profile.as_deref()),
        ("SpaceName", app.space.as_deref()),
        ("AppType", Some(app.kind.as_str())),
        ("AppName", Some(app.name.as_str())),
    ] {
        if let Some(value) = value {
            members.insert(member.into(), value.into());
        }
    }
    members
}

/// An app belongs to a profile or to a space.
#[derive(Clone, Copy)]
enum Owner<'a> {
    Profile(&'a str),
    Space(&'a str),
}

impl<'a> Owner<'a> {
    fn profile(self) -> Option<&'a str> {
        match self {
            Self::Profile(name) => Some(name),
            Self::Space(_) => None,
        }
    }

    fn space(self) -> Option<&'a str> {
        match self {
            Self::Space(name) => Some(name),
            Self::Profile(_) => None,
        }
    }
}

/// The parameters that name an app, and its ARN.
struct Named<'a> {
    domain: &'a str,
    owner: Owner<'a>,
    kind: &'a str,
    name: &'a str,
    arn: String,
}

impl<'a> Named<'a> {
    fn read(context: &Context<'_>, input: Input<'a>) -> Result<Self, Refusal> {
        let domain = input.required("DomainId", &DOMAIN_ID)?;
        let profile = input.optional("UserProfileName", &NAME)?;
        let space = input.optional("SpaceName", &NAME)?;
        let owner = match (profile, space) {
            (Some(profile), None) => Owner::Profile(profile),
            (None, Some(space)) => Owner::Space(space),
            _ => return Err(invalid("Either UserProfileName or SpaceName must be given")),
        };
        let kind = input.required("AppType", &ANY)?;
        if !KINDS.contains(&kind) {
            let rule = format!("Member must satisfy enum value set: [{}]", KINDS.join(", "));
            return Err(constraint(kind, "appType", &rule));
        }
        let name = input.required("AppName", &NAME)?;
        let (Owner::Profile(of) | Owner::Space(of)) = owner;
        let arn = arn(context, &format!("app/{domain}/{of}/{kind}/{name}"));
        Ok(Self { domain, owner, kind, name, arn })
    }

    fn is(&self, app: &App) -> bool {
        let same = |wanted: Option<&str>, got: &Option<String>| match (wanted, got) {
            (Some(wanted), Some(got)) => fold(wanted) == fold(got),
            (None, None) => true,
            _ => false,
        };
        same(self.owner.profile(), &app.profile)
            && same(self.owner.space(), &app.space)
            && app.kind == self.kind
            && app.name.eq_ignore_ascii_case(self.name)
    }

    fn find<'d>(&self, domain: &'d mut Domain) -> Result<&'d mut App, Refusal> {
        let missing = || Refusal::NotFound { what: self.what() };
        domain.apps.iter_mut().find(|app| self.is(app)).ok_or_else(missing)
    }

    fn what(&self) -> String {
        format!("App [{}]", self.arn)
    }
}
