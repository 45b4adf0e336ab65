//! `access explain`: what a person may open and by which rule, or why not.

use std::collections::BTreeSet;
use std::net::IpAddr;

use clap_complete::engine::ArgValueCompleter;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::aws::error::AwsError;
use crate::aws::identity_store::IdentityStores;
use crate::cli::decision::{because, but, decide, say_steps, steps, until_words};
use crate::cli::findings::{Finding, lines};
use crate::cli::fleet::Mappings;
use crate::cli::hub::Hub;
use crate::cli::output::{
    Failure, Format, REMOVED, STRONG, count, data, hint, json, plain, say, styled, table,
};
use crate::cli::{Exit, completions};
use crate::mappings::{Mapping, Stored};
use crate::team::entitlement::{self, Case, Grants, Said, Target};
use crate::team::idp::{Idp, must_be_user_id};
use crate::team::item::excerpt;
use crate::team::owner::{Owner, profile_name};
use crate::team::{TeamId, groups_as_written};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The user id, exactly as the identity provider sends it.
    #[arg(value_name = "USER")]
    user: String,
    /// Only this team: each check in its order, with expected and got.
    #[arg(long, value_name = "TEAM", add = ArgValueCompleter::new(completions::team_ids))]
    team: Option<String>,
    /// Team ids that the teams attribute would hold.
    #[arg(long, value_name = "TEAM,…", value_delimiter = ',')]
    teams: Vec<String>,
    /// Groups that the groups attribute would hold.
    #[arg(long, value_name = "GROUP,…", value_delimiter = ',')]
    groups: Vec<String>,
    /// Only this identity provider, by its entity ID.
    #[arg(long, value_name = "ENTITY-ID")]
    idp: Option<String>,
    /// Only identity providers of this directory.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<String>,
    /// The client's address.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
    /// An `AuthnContextClassRef` that the assertion would hold; may be repeated.
    #[arg(long, value_name = "CLASS")]
    authn_context: Vec<String>,
    /// The `NameID`, by which an identity store finds the person; the user id when absent.
    #[arg(long, value_name = "TEXT")]
    name_id: Option<String>,
    /// The moment that is asked about, in UTC; now when absent.
    #[arg(long, value_name = "MOMENT")]
    at: Option<Timestamp>,
}

/// What one IdP says about the person.
struct Voice<'a> {
    idp: &'a Idp,
    groups: Vec<String>,
    /// The groups of its identity store could not be read.
    unread: bool,
}

#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
pub(super) async fn run(arguments: Arguments, format: Format) -> Result<Exit, Failure> {
    must_be_user_id(&arguments.user)
        .map_err(|why| Failure::usage(format!("nobody can have this user id: {why}")))?;
    let hub = Hub::connect().await?;
    let mappings = Mappings::read(&hub).await?;
    let now = arguments.at.unwrap_or_else(Timestamp::now);
    let mut findings = mappings.unusable_idps();
    let idps = idps(&mappings, &arguments)?;
    let entity_ids: Vec<_> = mappings.idps.keys().cloned().collect();
    let mut voices = Vec::new();
    for idp in &idps {
        let (mut voice, error) = voice(&hub, idp, &arguments, now).await;
        voice.groups = groups_as_written(&idp.entity_id, &voice.groups, &entity_ids);
        voices.push(voice);
        let id = idp.identity_store_id.clone().unwrap_or_default();
        findings.extend(error.map(|e| Finding::of_error(format!("identity store {id}"), &e)));
    }
    let ask = Ask { arguments: &arguments, mappings: &mappings, now };
    match &arguments.team {
        Some(team) => {
            findings.extend(mappings.unusable_teams(std::slice::from_ref(team)));
            ask.about_one(team, &voices, &findings, format)
        }
        None => {
            ask.about_all(&voices, &findings, format);
            Ok(Exit::Done)
        }
    }
}

/// The IdPs that could vouch for the person.
fn idps<'a>(mappings: &'a Mappings, arguments: &Arguments) -> Result<Vec<&'a Idp>, Failure> {
    let usable = mappings.idps.values().filter_map(|stored| stored.mapping()?.idp());
    let idps: Vec<_> = usable
        .filter(|idp| arguments.idp.as_ref().is_none_or(|id| *id == idp.entity_id))
        .filter(|idp| arguments.directory.as_ref().is_none_or(|d| *d == idp.directory))
        .collect();
    if idps.is_empty() {
        let message = match &arguments.idp {
            Some(id) => format!("there is no usable identity provider {}", excerpt(id)),
            None => "no usable identity provider could vouch for this person".to_owned(),
        };
        return Err(Failure::new(Exit::Failed, message).hint("studio-broker idps list"));
    }
    Ok(idps)
}

async fn voice<'a>(
    hub: &Hub,
    idp: &'a Idp,
    arguments: &Arguments,
    now: Timestamp,
) -> (Voice<'a>, Option<AwsError>) {
    let mut groups = arguments.groups.clone();
    let name_id = arguments.name_id.as_ref().unwrap_or(&arguments.user);
    let stores = IdentityStores::new(hub.sdk.clone(), 0);
    let (unread, error) = match stores.groups(idp, &arguments.user, name_id, now).await {
        Ok(stored) => {
            groups.extend(stored.iter().cloned());
            (false, None)
        }
        Err(error) => (true, Some(error)),
    };
    (Voice { idp, groups, unread }, error)
}

struct Ask<'a> {
    arguments: &'a Arguments,
    mappings: &'a Mappings,
    now: Timestamp,
}

impl Ask<'_> {
    fn said<'a>(&'a self, voice: &'a Voice<'_>) -> Said<'a> {
        let Arguments { user, teams, authn_context, .. } = self.arguments;
        Said {
            directory: &voice.idp.directory,
            user_id: user,
            teams,
            groups: &voice.groups,
            authn_contexts: authn_context,
            key: None,
        }
    }

    fn case<'a>(&'a self, voice: &'a Voice<'_>, target: Target<'a>) -> Case<'a> {
        let client = self.arguments.address;
        Case { idp: voice.idp, said: self.said(voice), target, client, now: self.now }
    }

    fn about_one(
        &self,
        team: &str,
        voices: &[Voice<'_>],
        findings: &[Finding],
        format: Format,
    ) -> Result<Exit, Failure> {
        let id = TeamId::try_from(team.to_owned())
            .map_err(|rule| Failure::usage(format!("--team {}: {rule}", excerpt(team))))?;
        let stored = self.mappings.teams.get(team);
        let grants = stored.map(|stored| Grants::of(&stored.item)).unwrap_or_default();
        let target = match stored {
            None => Target::Missing(&id),
            Some(stored) => target(stored, &id, &grants),
        };
        if format == Format::Json {
            let decisions: Vec<_> =
                voices.iter().map(|voice| self.one_as_json(voice, target)).collect();
            json(&json!({
                "user_id": self.arguments.user,
                "team": team,
                "at": self.now,
                "opens": decisions.iter().any(|decision| decision.get("opens") == Some(&Value::Bool(true))),
                "decisions": decisions,
                "failed": findings,
            }));
            return Ok(Exit::Done);
        }
        for voice in voices {
            let case = self.case(voice, target);
            let decided = decide(&case);
            let who = format!(
                "{} of directory {} at {}",
                plain(&self.arguments.user),
                voice.idp.directory,
                plain(&voice.idp.entity_id)
            );
            data(match &decided {
                Ok(admission) => {
                    let rule = admission.rules.first();
                    let rule = rule.map(|rule| because(rule, &voice.idp.teams_attribute));
                    format!("{who} opens {team}: {}", rule.unwrap_or_default())
                }
                Err(check) => format!("{who} does not open {team}: {}", but(*check)),
            });
            say_steps(&steps(&case));
            self.say_unread(voice);
        }
        lines(findings).iter().for_each(say);
        if stored.is_none() {
            hint("studio-broker teams list");
        }
        Ok(Exit::Done)
    }

    fn one_as_json(&self, voice: &Voice<'_>, target: Target<'_>) -> Value {
        let case = self.case(voice, target);
        let decided = decide(&case);
        let admission = decided.as_ref().ok();
        let rules = entitlement::rules(&case);
        let rules: Vec<_> =
            rules.iter().map(|rule| because(rule, &voice.idp.teams_attribute)).collect();
        let (directory, user) = (&voice.idp.directory, &self.arguments.user);
        json!({
            "idp": voice.idp.entity_id,
            "directory": directory,
            "owner": Owner::new(directory, user).as_str(),
            "profile": profile_name(directory, user, target.id()),
            "opens": admission.is_some(),
            "because": admission.and_then(|a| Some(because(a.rules.first()?, &voice.idp.teams_attribute))),
            "until": admission.map(entitlement::Admission::until),
            "rules": rules,
            "refused_by": decided.err().map(but),
            "checks": steps(&case),
            "groups_known": !voice.unread,
        })
    }

    fn about_all(&self, voices: &[Voice<'_>], findings: &[Finding], format: Format) {
        let (mut rows, mut shown, mut not_entitled) = (Vec::new(), Vec::new(), BTreeSet::new());
        for voice in voices {
            if let Err(check) = entitlement::person(voice.idp, &self.said(voice))
                && format == Format::Table
            {
                let line = format!("{}: {}", plain(&voice.idp.entity_id), but(check));
                say(styled(REMOVED, line));
            }
            for (key, stored) in &self.mappings.teams {
                let Ok(id) = TeamId::try_from(key.clone()) else { continue };
                let grants = Grants::of(&stored.item);
                let target = target(stored, &id, &grants);
                let case = self.case(voice, target);
                let Ok(admission) = entitlement::shown(&case) else {
                    not_entitled.insert(key.clone());
                    continue;
                };
                let rule = admission.rules.first();
                let rule = rule.map(|rule| because(rule, &voice.idp.teams_attribute));
                let refused = decide(&case).err();
                rows.push([
                    key.clone(),
                    if refused.is_some() { "no".to_owned() } else { "yes".to_owned() },
                    rule.clone().unwrap_or_default(),
                    until_words(admission.until(), self.now),
                    refused.map(|check| but(check).to_owned()).unwrap_or_default(),
                    voice.idp.entity_id.clone(),
                ]);
                shown.push(json!({
                    "team": key,
                    "idp": voice.idp.entity_id,
                    "directory": voice.idp.directory,
                    "opens": refused.is_none(),
                    "because": rule,
                    "until": admission.until(),
                    "refused_by": refused.map(but),
                    "profile": profile_name(&voice.idp.directory, &self.arguments.user, &id),
                }));
            }
        }
        if format == Format::Json {
            json(&json!({
                "user_id": self.arguments.user,
                "at": self.now,
                "teams": shown,
                "failed": findings,
            }));
            return;
        }
        if !rows.is_empty() {
            data(table(["TEAM", "OPENS", "BECAUSE", "UNTIL", "BUT", "IDENTITY PROVIDER"], &rows));
        }
        let named: BTreeSet<_> = rows.iter().map(|[team, ..]| team.clone()).collect();
        let others = not_entitled.difference(&named).count();
        say(format!(
            "{} of {}",
            styled(STRONG, count(named.len(), "team")),
            count(named.len() + others, "team")
        ));
        voices.iter().for_each(|voice| self.say_unread(voice));
        let Arguments { teams, groups, .. } = self.arguments;
        if teams.is_empty() && groups.is_empty() {
            say(
                "What the teams attribute and the groups attribute would hold is not known here: --teams, --groups.",
            );
        }
        lines(findings).iter().for_each(say);
    }

    fn say_unread(&self, voice: &Voice<'_>) {
        if voice.unread {
            let idp = plain(&voice.idp.entity_id);
            say(format!(
                "the groups that the identity store of {idp} has are not known: a sign-in is answered with groups_unreadable where they would matter"
            ));
        }
    }
}

fn target<'a>(stored: &'a Stored, id: &'a TeamId, grants: &'a Grants) -> Target<'a> {
    match stored.mapping().and_then(Mapping::team) {
        Some(team) => Target::Usable(team),
        None => Target::Unusable(id, grants),
    }
}
