//! Which teams a person may see and open: what the tables and the identity store say, put before the one
//! decision of [`crate::team::entitlement`].

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::info;

use super::Broker;
use super::audit::Facts;
use super::refusal::Refusal;
use super::visitor::Visitor;
use crate::aws::error::{AwsError, Kind};
use crate::aws::tables::Entry;
use crate::aws::team_index::Index;
use crate::session::Session;
use crate::team::entitlement::{self, Admission, Case, Check, Grants, Target};
use crate::team::idp::Idp;
use crate::team::members::{Name, Until};
use crate::team::portal::Contact;
use crate::team::{Team, TeamId, counts_at};

/// A team that a person may see.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The team's id.
    pub id: TeamId,
    /// The team, or `None` when its item cannot be used.
    pub team: Option<Arc<Team>>,
    /// When the access ends.
    pub until: Until,
    /// Whom to ask about the team, as far as its item can be read.
    pub contact: Option<Contact>,
    /// The team asks for another kind of sign-in than the person's.
    pub asks_again: bool,
}

/// How long a sign-in whose teams attribute names a team waits for the index of groups and members, where
/// that has to be read first.
pub(super) const INDEX_PATIENCE: Duration = Duration::from_millis(1_000);

impl Broker {
    /// All teams that the person is entitled to, by name: those that can be opened and those that are
    /// paused, or whose item cannot be used. Teams by groups and members come from the index; where that
    /// is not there within `patience`, those that the teams attribute names are all that is known.
    ///
    /// # Errors
    ///
    /// What the entitlement depends on cannot be read.
    pub async fn teams(
        &self,
        session: &Session,
        idp: &Idp,
        patience: Duration,
        now: Timestamp,
    ) -> Result<Vec<Choice>, Refusal> {
        let named = session.teams.iter().filter_map(|id| TeamId::try_from(id.clone()).ok());
        let named: Vec<_> = named.filter(|id| idp.allowed_teams.allow(id)).collect();
        let index = tokio::time::timeout(patience, self.tables.index(now));
        let (groups, index, entries) =
            tokio::join!(self.groups(session, idp, now), index, self.tables.teams(&named, now));
        let (groups, mut entries) = (groups?, entries?);
        // Where it is late the last one serves: it only finds candidates.
        let index = match index.unwrap_or_else(|_| self.tables.last_index().ok_or_else(late)) {
            Ok(index) => Some(index),
            Err(error) if named.is_empty() => return Err(error.into()),
            Err(error) => {
                info!(error = %error, "teams by groups and members are not known");
                None
            }
        };
        let groups = self.as_written(idp, groups, index.as_deref(), now).await?;
        let (directory, user_id) = (session.directory.clone(), session.user_id.clone());
        let mut found = index
            .map_or_else(Vec::new, |index| index.teams_of(&groups, &Name { directory, user_id }));
        found.retain(|id| idp.allowed_teams.allow(id) && !named.contains(id));
        entries.extend(self.tables.teams(&found, now).await?);
        let said = session.said(&groups);
        let mut choices: Vec<_> = entries
            .into_iter()
            .filter_map(|(id, entry)| {
                let grants = grants(&entry);
                let target = target(&id, &entry, &grants);
                let case = Case { idp, said, target, client: None, now };
                let until = entitlement::shown(&case).ok()?.until();
                let asks_again = !entitlement::holds(Check::TeamContext, &case);
                let contact = contact(&entry);
                let team = if let Entry::Found(team) = entry { Some(team) } else { None };
                Some(Choice { id, team, until, contact, asks_again })
            })
            .collect();
        choices.sort_by_cached_key(|choice| {
            let name = choice.team.as_ref().map_or(choice.id.as_str(), |team| team.name());
            (name.to_lowercase(), choice.id.clone())
        });
        Ok(choices)
    }

    /// The team, where the person may open it now.
    pub(super) async fn admitted(
        &self,
        visitor: Visitor<'_>,
        team_id: &TeamId,
        facts: &mut Facts,
        now: Timestamp,
    ) -> Result<(Arc<Team>, Admission), Refusal> {
        let Visitor { session, idp, client, .. } = visitor;
        // Unknown, not granted, and paused for those without a right to it, all look alike.
        if !idp.allowed_teams.allow(team_id) {
            return Err(Refusal::NotEntitled);
        }
        let named = session.teams.iter().any(|id| id == team_id.as_str());
        // Read whether or not there is such a team: a store that does not answer must not tell either.
        let groups = match named {
            true => Ok(Vec::new()),
            false => self.written_groups(session, idp, now).await,
        };
        let (groups, unread) = match groups {
            Ok(groups) => (groups, None),
            Err(refusal) => (Vec::new(), Some(refusal)),
        };
        // A team that is none of the person's own is not looked up: how long that takes would tell
        // whether there is such a team.
        if !named && !self.is_found_by_index(session, &groups, team_id, now).await? {
            return Err(unread.unwrap_or(Refusal::NotEntitled));
        }
        let entry = self.tables.team(team_id, now).await?;
        let grants = grants(&entry);
        let (said, target) = (session.said(&groups), target(team_id, &entry, &grants));
        let case = Case { idp, said, target, client, now };
        if entitlement::shown(&case).is_err() {
            return Err(unread.unwrap_or(Refusal::NotEntitled));
        }
        facts.contact = contact(&entry);
        let team = match &entry {
            Entry::Found(team) => Arc::clone(team),
            Entry::Faulty(faults) => return Err(Refusal::TeamInvalid(Arc::clone(faults))),
            Entry::Missing => return Err(Refusal::NotEntitled),
        };
        facts.team = Some(team.team_id.to_string());
        facts.unverified.team = None;
        facts.account = Some(team.account_id.to_string());
        facts.region = Some(team.region.to_string());
        facts.domain = Some(team.domain_id.to_string());
        match entitlement::team(&case) {
            Ok(admission) => Ok((team, admission)),
            Err(Check::Enabled) => Err(Refusal::TeamPaused(team)),
            Err(Check::Network) => Err(Refusal::NetworkRefused),
            Err(Check::TeamContext) => Err(Refusal::AuthnContextRefused {
                idp: Arc::clone(idp),
                team: Some(team.team_id.clone()),
                asked: team.authn_contexts.clone().unwrap_or_default(),
                said: session.authn_contexts.clone(),
            }),
            Err(_) => Err(Refusal::NotEntitled),
        }
    }

    /// The kinds of sign-in that the team asks for, where the person may know of it.
    ///
    /// # Errors
    ///
    /// What the entitlement depends on cannot be read.
    pub async fn asks_for(
        &self,
        visitor: Visitor<'_>,
        team_id: &TeamId,
        now: Timestamp,
    ) -> Result<Option<Vec<String>>, Refusal> {
        let mut unseen = Facts::default();
        match self.admitted(visitor, team_id, &mut unseen, now).await {
            Err(Refusal::AuthnContextRefused { asked, .. }) => Ok(Some(asked)),
            Err(Refusal::Table(error)) => Err(Refusal::Table(error)),
            _ => Ok(None),
        }
    }

    /// Whether the index of groups and members names the team for the person.
    async fn is_found_by_index(
        &self,
        session: &Session,
        groups: &[String],
        team_id: &TeamId,
        now: Timestamp,
    ) -> Result<bool, Refusal> {
        let (directory, user_id) = (session.directory.clone(), session.user_id.clone());
        let index = self.tables.index(now).await?;
        Ok(index.teams_of(groups, &Name { directory, user_id }).contains(team_id))
    }

    /// The person's groups as teams write them.
    async fn written_groups(
        &self,
        session: &Session,
        idp: &Idp,
        now: Timestamp,
    ) -> Result<Vec<String>, Refusal> {
        let groups = self.groups(session, idp, now).await?;
        if groups.is_empty() {
            return Ok(groups);
        }
        let index = self.tables.index(now).await?;
        self.as_written(idp, groups, Some(&index), now).await
    }

    /// Groups as teams write them: `entity-id#group` counts at one IdP alone. Which IdPs there are is read
    /// only where some team writes such a group; what cannot be read refuses.
    async fn as_written(
        &self,
        idp: &Idp,
        groups: Vec<String>,
        index: Option<&Index>,
        now: Timestamp,
    ) -> Result<Vec<String>, Refusal> {
        let here = groups.iter().map(|group| format!("{}#{group}", idp.entity_id));
        let all: Vec<String> = groups.iter().cloned().chain(here).collect();
        let (bound, mut written): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|written| written.contains('#'));
        let is_written = |group: &String| index.is_some_and(|index| index.names(group));
        let bound: Vec<_> = bound.into_iter().filter(is_written).collect();
        if !bound.is_empty() {
            let ids: Vec<String> = self.tables.idp_ids(now).await?.iter().cloned().collect();
            let counts = |one: &String| counts_at(&idp.entity_id, one, &groups, &ids);
            written.extend(bound.into_iter().filter(counts));
        }
        Ok(written)
    }

    /// The person's groups: from the assertion and from the identity store.
    async fn groups(
        &self,
        session: &Session,
        idp: &Idp,
        now: Timestamp,
    ) -> Result<Vec<String>, Refusal> {
        let Session { user_id, name_id, .. } = session;
        let stored = self.identity_stores.groups(idp, user_id, name_id, now).await;
        let stored = stored.map_err(Refusal::GroupsUnreadable)?;
        Ok(session.groups.iter().chain(stored.iter()).cloned().collect())
    }
}

/// What the table says about a team, as the decision wants it.
fn target<'a>(id: &'a TeamId, entry: &'a Entry<Team>, grants: &'a Grants) -> Target<'a> {
    match entry {
        Entry::Found(team) => Target::Usable(team),
        Entry::Faulty(_) => Target::Unusable(id, grants),
        Entry::Missing => Target::Missing(id),
    }
}

/// What of an item that cannot be used gives access: whoever would have it is told that the item is bad.
fn grants(entry: &Entry<Team>) -> Grants {
    match entry {
        Entry::Faulty(faults) => Grants::of(&faults.readable),
        Entry::Found(_) | Entry::Missing => Grants::default(),
    }
}

/// Whom the entitled ask about a team, also where nothing else of its item can be used.
fn contact(entry: &Entry<Team>) -> Option<Contact> {
    match entry {
        Entry::Found(team) => team.contact.clone(),
        Entry::Faulty(faults) => Contact::of(&faults.readable),
        Entry::Missing => None,
    }
}

/// The teams of a sign-in were not known in time.
pub(super) fn teams_not_in_time() -> Refusal {
    Refusal::Table(late())
}

fn late() -> AwsError {
    let message = "the teams were not looked up in time";
    AwsError::here(Kind::Unreachable, "teams", "Timeout", message)
}
