//! What doors lead to: `MLflow` Apps, `MLflow` tracking servers and Partner AI Apps, a row of [`ROWS`] each.
//!
//! Members, patterns, statuses and modelled errors are those of the service model (botocore,
//! `sagemaker/2017-07-24`), and so are these sentences: a presigned URL of `MLflow` "can be used only once"
//! (`CreatePresignedMlflowAppUrl`, `ExpiresInSeconds`); an `MLflow` App's name "is not part of the tracking
//! server ARN" (`CreateMlflowApp`), a tracking server's is; with `EnableIamSessionBasedIdentity` a Partner AI
//! App "sets the Amazon Web Services IAM session name … as the identity" of its user.
//!
//! Not written down anywhere: what comes of a presigned URL for something that does not run (the control
//! route's `shut_door` says), and for a Partner AI App whose `AuthType` is not `IAM` (here it is refused).

use jiff::ToSpan as _;
use serde_json::{Map, Value, json};

use super::{domain::further, life::Life, place::arn, profile::resource_tags, state::Behind};
use crate::local::{
    aws::{
        caller::Session,
        context::Context,
        control::{
            fault::Settle,
            knobs::{ShutDoor, StudioHost},
        },
        input::{ANY, Input, Rule},
        random,
        refusal::{Refusal, invalid},
    },
    studio::{Opening, Room},
};
use crate::team::door::{self, DoorKind};

/// How one kind speaks.
struct Row {
    kind: DoorKind,
    /// What its operations are called after: `Create…`, `Describe…`, `List…s`, `Update…`, `Delete…`.
    noun: &'static str,
    name: &'static str,
    name_rule: Rule,
    arn: &'static str,
    status: &'static str,
    summaries: &'static str,
    url: &'static str,
    /// Members that a Create must have beside the name.
    needs: &'static [&'static str],
    /// Members of a Create that no Describe shows.
    hidden: &'static [&'static str],
    /// Members of a summary.
    summary: &'static [&'static str],
    runs: &'static str,
    failed: &'static str,
    /// How often its URL opens; `None` where nobody says.
    uses: Option<u32>,
}

const ROWS: [Row; 3] = [
    Row {
        kind: DoorKind::MlflowApp,
        noun: "MlflowApp",
        name: "Name",
        name_rule: LONG_NAME,
        arn: "Arn",
        status: "Status",
        summaries: "Summaries",
        url: "AuthorizedUrl",
        needs: &["ArtifactStoreUri", "RoleArn"],
        hidden: &["Name", "Tags"],
        summary: &["Arn", "Name", "Status", "CreationTime", "LastModifiedTime", "MlflowVersion"],
        runs: "Created",
        failed: "CreateFailed",
        uses: Some(1),
    },
    Row {
        kind: DoorKind::MlflowServer,
        noun: "MlflowTrackingServer",
        name: "TrackingServerName",
        name_rule: LONG_NAME,
        arn: "TrackingServerArn",
        status: "TrackingServerStatus",
        summaries: "TrackingServerSummaries",
        url: "AuthorizedUrl",
        needs: &["ArtifactStoreUri", "RoleArn"],
        hidden: &["TrackingServerName", "Tags"],
        summary: &[
            "TrackingServerArn",
            "TrackingServerName",
            "TrackingServerStatus",
            "IsActive",
            "CreationTime",
            "LastModifiedTime",
            "MlflowVersion",
        ],
        runs: "Created",
        failed: "CreateFailed",
        uses: Some(1),
    },
    Row {
        kind: DoorKind::PartnerApp,
        noun: "PartnerApp",
        name: "Name",
        name_rule: Rule {
            pattern: "[a-zA-Z0-9]+",
            holds: |text| {
                (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
            },
        },
        arn: "Arn",
        status: "Status",
        summaries: "Summaries",
        url: "Url",
        needs: &["Type", "ExecutionRoleArn", "Tier", "AuthType"],
        hidden: &["Name", "Tags", "ClientToken", "IdcConfig"],
        summary: &["Arn", "Name", "Type", "Status", "CreationTime"],
        runs: "Available",
        failed: "Failed",
        uses: None,
    },
];

const LONG_NAME: Rule = Rule {
    pattern: "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}",
    holds: |text| {
        text.len() <= 256
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    },
};

const ARN: Rule = Rule {
    pattern: r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:…",
    holds: |text| text.len() <= 128 && text.starts_with("arn:aws") && text.contains(":sagemaker:"),
};

/// The longest URL of the model: `AuthorizedUrl` and `Url` have at most 2048 characters.
const URL_LENGTH: usize = 1200;

/// The kind whose ARNs have this in front of the name.
pub(super) fn kind_of(resource_type: &str) -> Option<DoorKind> {
    door::ROWS.iter().find(|row| row.resource_type == resource_type).map(|row| row.kind)
}

/// Answers an operation about one of the kinds.
pub(super) fn answer(
    context: &Context<'_>,
    operation: &str,
    input: Input<'_>,
) -> Result<Value, Refusal> {
    for row in &ROWS {
        let is_server = row.kind == DoorKind::MlflowServer;
        if row.opens(operation) {
            return row.open(context, input);
        }
        let Some((verb, rest)) = operation.split_once(row.noun) else { continue };
        match (verb, rest) {
            ("Create", "") => return row.create(context, input),
            ("Describe", "") => return row.describe(context, input),
            ("List", "s") => return row.list(context, input),
            ("Update", "") => return row.change(context, input, verb, "Updating", None),
            ("Stop", "") if is_server => {
                return row.change(context, input, verb, "Stopping", Some("Stopped"));
            }
            ("Start", "") if is_server => {
                return row.change(context, input, verb, "Starting", Some("Started"));
            }
            ("Delete", "") => return row.delete(context, input),
            _ => {}
        }
    }
    Err(Refusal::UnknownOperation { operation: operation.into() })
}

impl Row {
    fn opens(&self, operation: &str) -> bool {
        let action = self.kind.row().open_action;
        action.strip_prefix("sagemaker:") == Some(operation)
    }

    fn action(&self, verb: &str) -> String {
        format!("sagemaker:{verb}{}", self.noun)
    }

    fn create(&self, context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
        let name = input.required(self.name, &self.name_rule)?;
        for member in self.needs {
            input.required(member, &ANY)?;
        }
        let tags = input.tags()?;
        let own = match self.kind {
            DoorKind::MlflowServer => name.to_owned(),
            DoorKind::MlflowApp | DoorKind::PartnerApp => format!("app-{}", random::upper(12)?),
        };
        let arn = arn(context, &format!("{}/{own}", self.kind.row().resource_type));
        context.authorize(&self.action("Create"), &arn, |request| {
            tags.iter().fold(request, |request, tag| {
                request
                    .with(&format!("aws:RequestTag/{}", tag.key), &tag.value)
                    .with("aws:TagKeys", &tag.key)
            })
        })?;
        let delay = context.simulator.control.knobs().domain_delay_ms;
        let behind = Behind {
            kind: self.kind,
            name: name.into(),
            doing: "Creating".into(),
            settings: further(input.0, self.hidden),
            tags,
            life: Life::begin(context.now, delay, context.settle.as_ref()),
        };
        context.place_change(|place| {
            let same = |other: &&Behind| other.kind == self.kind && other.name == name;
            if place.doors.values().find(same).is_some() {
                return Err(self.conflict(format!("{} {name} exists already", self.noun)));
            }
            place.doors.insert(arn.clone(), behind);
            Ok(json!({self.arn: arn}))
        })
    }

    fn describe(&self, context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
        let arn = self.authorized(context, input, &self.action("Describe"))?;
        context.place_look(|place| {
            let behind = place.behind(self.kind, &arn)?;
            Ok(Value::Object(self.members(context, &arn, behind)))
        })
    }

    fn list(&self, context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
        let action = format!("{}s", self.action("List"));
        context.authorize(&action, "*", |request| request)?;
        let all = context.place_look(|place| {
            let own = place.doors.iter().filter(|(_, behind)| behind.kind == self.kind);
            let summary = own.map(|(arn, behind)| {
                let mut members = self.members(context, arn, behind);
                members.retain(|name, _| self.summary.contains(&name.as_str()));
                Value::Object(members)
            });
            Ok(summary.collect())
        })?;
        input.page(self.summaries, all)
    }

    /// Starts a change that ends in `end`, or where it began.
    fn change(
        &self,
        context: &Context<'_>,
        input: Input<'_>,
        verb: &str,
        doing: &str,
        end: Option<&str>,
    ) -> Result<Value, Refusal> {
        let arn = self.authorized(context, input, &self.action(verb))?;
        let delay = context.simulator.control.knobs().update_delay_ms;
        let end = end.map(|status| Settle { ms: None, status: Some(status.into()), reason: None });
        let settle = context.settle.as_ref().or(end.as_ref());
        context.place_change(|place| {
            let behind = place.behind(self.kind, &arn)?;
            let status = self.status(behind, context);
            let fits = match verb {
                "Stop" => self.is_running(&status),
                "Start" => status == "Stopped",
                _ => !behind.life.is_changing(context.now),
            };
            if !fits {
                return Err(conflict(format!("{arn} is in status {status}")));
            }
            if verb == "Update" {
                behind.settings.extend(further(input.0, &[self.hidden, &["Arn"]].concat()));
            }
            behind.doing = doing.into();
            behind.life.update(context.now, delay, settle);
            Ok(json!({self.arn: arn}))
        })
    }

    fn delete(&self, context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
        let arn = self.authorized(context, input, &self.action("Delete"))?;
        let delay = context.simulator.control.knobs().delete_delay_ms;
        context.place_change(|place| {
            let behind = place.behind(self.kind, &arn)?;
            if behind.life.is_changing(context.now) {
                let status = self.status(behind, context);
                return Err(self.conflict(format!("{arn} is in status {status}")));
            }
            behind.life.delete(context.now, delay, context.settle.as_ref());
            Ok(json!({self.arn: arn}))
        })
    }

    fn open(&self, context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
        let url_seconds = input.number("ExpiresInSeconds", 5..=300)?.unwrap_or(300);
        let session_seconds =
            input.number("SessionExpirationDurationInSeconds", 1800..=43_200)?.unwrap_or(43_200);
        let arn = self.authorized(context, input, self.kind.row().open_action)?;
        let knobs = context.simulator.control.knobs();
        let session = context.caller.session();
        let opening = context.place_look(|place| {
            let behind = place.behind(self.kind, &arn)?;
            let status = self.status(behind, context);
            if !self.is_running(&status) {
                match knobs.shut_door {
                    ShutDoor::Validation => {
                        return Err(invalid(format!("{arn} is in status {status}")));
                    }
                    ShutDoor::NotFound => return Err(Refusal::NotFound { what: arn.clone() }),
                    ShutDoor::Allow => {}
                }
            }
            let tags = behind.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone()));
            Ok(Opening {
                caller: context.caller.clone(),
                arn: arn.clone(),
                account: context.caller.account.clone(),
                region: context.caller.region.clone(),
                tags: tags.collect(),
                session_name: session.map_or_else(|| "–".into(), |s| s.session_name.clone()),
                session_tags: session.map(|s| s.tags.clone()).unwrap_or_default(),
                session_seconds,
                expires: context.now + url_seconds.seconds(),
                uses_left: self
                    .uses
                    .or((knobs.studio_url_uses > 0).then_some(knobs.studio_url_uses)),
                room: Room::Door {
                    kind: self.kind,
                    name: behind.name.clone(),
                    person: person(behind, session)?,
                },
            })
        })?;
        let label = arn.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let token = context.simulator.studio.add(opening, URL_LENGTH, context.now)?;
        let base = match (knobs.studio_host, &context.simulator.options.studio_base) {
            (StudioHost::Local, Some(base)) => base.clone(),
            (StudioHost::Local, None) => format!("http://{}/studio", context.host),
            _ => format!("https://{label}.{}", host_of(self.kind, &context.caller.region)),
        };
        Ok(json!({self.url: format!("{base}/auth?token={token}")}))
    }

    /// The ARN of what a request names, where the caller may do this with it.
    fn authorized(
        &self,
        context: &Context<'_>,
        input: Input<'_>,
        action: &str,
    ) -> Result<String, Refusal> {
        let arn = match self.kind {
            DoorKind::MlflowServer => {
                let name = input.required(self.name, &self.name_rule)?;
                arn(context, &format!("{}/{name}", self.kind.row().resource_type))
            }
            DoorKind::MlflowApp | DoorKind::PartnerApp => input.required("Arn", &ARN)?.to_owned(),
        };
        let tags = context.place_look(|place| Ok(place.behind(self.kind, &arn)?.tags.clone()));
        let tags = tags.unwrap_or_default();
        context.authorize(action, &arn, |request| resource_tags(request, &tags))?;
        Ok(arn)
    }

    fn members(&self, context: &Context<'_>, arn: &str, behind: &Behind) -> Map<String, Value> {
        let (now, status) = (context.now, self.status(behind, context));
        let mut members = behind.settings.clone();
        let life = behind.life.describe(now);
        for time in ["CreationTime", "LastModifiedTime"] {
            members.extend(life.get(time).map(|value| (time.to_owned(), value.clone())));
        }
        if self.kind == DoorKind::MlflowServer {
            let active = if self.is_running(&status) { "Active" } else { "Inactive" };
            members.insert("IsActive".into(), active.into());
        }
        if let Some(reason) = behind.life.failure_reason(now)
            && self.kind == DoorKind::PartnerApp
        {
            members.insert("Error".into(), json!({"Code": "Failed", "Reason": reason}));
        }
        members.insert(self.arn.into(), arn.into());
        members.insert(self.name.into(), behind.name.as_str().into());
        members.insert(self.status.into(), status.into());
        members
    }

    /// The kind's own word for where it stands; other words than those of a life were ordered.
    fn status(&self, behind: &Behind, context: &Context<'_>) -> String {
        match behind.life.status(context.now) {
            "Pending" | "Updating" => behind.doing.clone(),
            "InService" => self.runs.to_owned(),
            "Failed" => self.failed.to_owned(),
            other => other.to_owned(),
        }
    }

    fn is_running(&self, status: &str) -> bool {
        status == self.runs || matches!(status, "Started" | "Updated" | "MaintenanceComplete")
    }

    /// Names that are taken and changes under way: the model has an error for Partner AI Apps alone.
    fn conflict(&self, message: String) -> Refusal {
        match self.kind {
            DoorKind::PartnerApp => conflict(message),
            DoorKind::MlflowApp | DoorKind::MlflowServer => invalid(message),
        }
    }
}

fn conflict(message: String) -> Refusal {
    Refusal::Ordered { code: "ConflictException".into(), status: 400, message }
}

/// Who somebody is behind the door, where it is told.
fn person(behind: &Behind, session: Option<&Session>) -> Result<Option<String>, Refusal> {
    if behind.kind != DoorKind::PartnerApp {
        return Ok(None);
    }
    let setting = |name: &str| behind.settings.get(name);
    let auth_type = setting("AuthType").and_then(Value::as_str).unwrap_or_default();
    if auth_type != "IAM" {
        return Err(invalid(format!("the app's AuthType is {auth_type}")));
    }
    let by_session = setting("EnableIamSessionBasedIdentity").and_then(Value::as_bool);
    let name = session.map(|session| session.session_name.clone());
    Ok(Some(match name {
        Some(name) if by_session == Some(true) => name,
        _ => "nobody in particular: EnableIamSessionBasedIdentity is off".into(),
    }))
}

/// Where the kinds are in a Region: public code and configuration for `MLflow`; nobody has published the host
/// of Partner AI Apps.
fn host_of(kind: DoorKind, region: &str) -> String {
    match kind {
        DoorKind::MlflowApp => format!("mlflow.sagemaker.{region}.app.aws"),
        DoorKind::MlflowServer => format!("{region}.experiments.sagemaker.aws"),
        DoorKind::PartnerApp => format!("partner-app.{region}.sagemaker.aws"),
    }
}
