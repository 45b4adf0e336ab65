//! The sign-in itself, the file to read first: verify, admit, choose, open.
//!
//! | step | here | rests on |
//! | --- | --- | --- |
//! | verify the response, consume it | [`Broker::sign_in`] | [`strict_saml`], [`crate::aws::state_table`] |
//! | is the session still good? | [`Broker::session`] | [`crate::session`] |
//! | which teams? | [`Broker::teams`] | [`crate::team::entitlement`], [`crate::aws::tables`] |
//! | open one | [`Broker::open`] | [`crate::broker::opening`] |
//! | open a door of one | [`Broker::open_door`] | [`crate::broker::door`] |

pub mod audit;
mod changing;
pub mod door;
pub mod line;
pub mod metrics;
pub mod opening;
pub mod time;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::error::{AwsError, Kind};
use crate::aws::identity_store::IdentityStores;
use crate::aws::line_table::LineTable;
use crate::aws::sagemaker::SageMaker;
use crate::aws::state_table::{Changed, Claim, Consumed, StateKey, StateTable};
use crate::aws::tables::{Entry, Tables};
use crate::aws::target::Targets;
use crate::aws::team_index::Index;
use crate::aws::updates::Updates;
use crate::aws::{REQUEST_IDS, RequestIds, tables_budget, tables_timeouts};
use crate::broker::audit::{Audit, Facts, Outcome, unverified};
use crate::broker::line::Returns;
use crate::broker::opening::{LOOK_AGAIN, Opener, Opening, OpeningError, Reason, Request, Wait};
use crate::broker::time::RequestTime;
use crate::config::{SettingFault, SettingFaults, Settings, SpKey};
use crate::session::{Secret, Session, SessionVoid, assertion_digest};
use crate::team::entitlement::{self, Admission, Case, Check, Grants, Target};
use crate::team::idp::{Idp, UserIdUnusable};
use crate::team::item::ItemFaults;
use crate::team::members::{Name, Until};
use crate::team::owner::profile_name;
use crate::team::portal::Contact;
use crate::team::{Region, Team, TeamId, counts_at};
use strict_saml::{DecryptionKeys, Expected, Rejection, ServiceProvider, UnverifiedResponse};

/// Everything that answers a request; one for the whole process.
#[derive(Debug)]
pub struct Broker {
    /// The settings.
    pub settings: Settings,
    /// Our side of SAML.
    pub service_provider: ServiceProvider,
    /// Teams and `IdPs`.
    pub tables: Tables,
    /// Consumed responses and their sessions.
    pub state: StateTable,
    /// Where decisions are written.
    pub audit: Audit,
    identity_stores: IdentityStores,
    opener: Arc<Opener>,
    /// The broker's own Region, where most teams are.
    home: Option<Region>,
    /// A place for each opening that is under way.
    openings: Arc<Semaphore>,
}

/// Openings at once; far more than connections.
const MAX_OPENINGS: u32 = 65_536;

/// The keys for encrypted assertions cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The secret could not be read.
    #[error("STUDIO_BROKER_SP_KEY: the secret cannot be read: {0}")]
    Unreadable(AwsError),
    /// There is no such secret, or it holds something else.
    #[error(transparent)]
    Unusable(#[from] SettingFaults),
}

/// How long a sign-in that started here may take, in seconds. Its answer's record outlives it.
pub const REQUEST_SECONDS: i64 = 600;
/// How long a person may take to say that it is them who signs in, in seconds.
pub const PENDING_SECONDS: i64 = 600;

/// What a browser brings to the post of a response.
#[derive(Clone, Copy)]
pub struct Browser<'a> {
    /// IDs of the requests that this browser has open at an `IdP`, by its entity ID.
    pub request_ids_at: &'a (dyn Fn(&str) -> Vec<String> + Sync),
    /// How the person of a session stands to this browser's last owner.
    pub last_owner: &'a (dyn Fn(&Session) -> LastOwner + Sync),
}

/// How a person stands to whoever used a browser last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastOwner {
    /// Nobody has used it.
    Nobody,
    /// It is the same person, from the same `IdP` and directory.
    Themselves,
    /// It is the same person, for whom another `IdP` speaks.
    ThemselvesFromElsewhere,
    /// Somebody else, who signed in at the same `IdP`, with the same directory.
    SomebodyFromThere,
    /// Somebody else, from another `IdP` or directory, or whom nobody can verify.
    SomebodyFromElsewhere,
}

/// An accepted and consumed response.
#[derive(Debug)]
pub struct SignedIn {
    /// Key of the record.
    pub key: StateKey,
    /// What the browser is to hold.
    pub secret: Secret,
    /// The session.
    pub session: Session,
    /// The `IdP` that signed.
    pub idp: Arc<Idp>,
    /// ID of the request that was answered.
    pub in_response_to: Option<String>,
    /// The teams of the person, looked up beside the write.
    pub choices: Result<Vec<Choice>, Refusal>,
}

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

/// Why a request is not answered with what it asked for. One variant and one code for each reason.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// The response does not hold.
    #[error("{}", .0.detail())]
    Saml(Rejection),
    /// No enabled `IdP` of this entity ID is known.
    #[error("no enabled identity provider has the response's issuer as its entity ID")]
    IdpUnknown,
    /// The `IdP`'s item cannot be used.
    #[error("{0}")]
    IdpInvalid(Arc<ItemFaults>),
    /// The response was consumed before.
    #[error("the response was consumed before")]
    Replayed,
    /// An unsolicited response for somebody else than this browser's last owner.
    #[error("an unsolicited response for somebody else than this browser's last owner")]
    OtherPerson(Arc<Idp>),
    /// The user id cannot name anybody.
    #[error("{0}")]
    UserIdUnusable(UserIdUnusable),
    /// The user is in `denied_users`.
    #[error("the user id is in denied_users")]
    UserDenied,
    /// The sign-in was of another kind than the `IdP` or the team asks for.
    #[error("the sign-in was of the kinds {said:?}, expected one of {asked:?}")]
    AuthnContextRefused {
        /// The `IdP` to sign in at again.
        idp: Arc<Idp>,
        /// The team that asks; `None` where the `IdP`'s item does.
        team: Option<TeamId>,
        /// What is asked for.
        asked: Vec<String>,
        /// What the assertion said.
        said: Vec<String>,
    },
    /// The session does not count any more.
    #[error("{0}")]
    SessionVoid(SessionVoid),
    /// The person has no right to the team, or there is no such team.
    #[error("the person is not entitled to the team, or there is no such team")]
    NotEntitled,
    /// The team is not enabled.
    #[error("the team is not enabled")]
    TeamPaused(Arc<Team>),
    /// The team lists no door of this id.
    #[error("the team lists no such door, or the door is closed by a fault in the team's item")]
    DoorUnknown,
    /// The client's address is not among the team's.
    #[error("the client's address is not within the team's allowed_cidrs")]
    NetworkRefused,
    /// The team's item cannot be used.
    #[error("{0}")]
    TeamInvalid(Arc<ItemFaults>),
    /// The user's groups cannot be read from the identity store.
    #[error("the user's groups cannot be read: {0}")]
    GroupsUnreadable(AwsError),
    /// A table cannot be read or written.
    #[error("{0}")]
    Table(AwsError),
    /// The team cannot be opened.
    #[error("{0}")]
    Opening(OpeningError),
}

impl Refusal {
    /// Whether AWS has too much to do, and coming back is all that helps.
    pub fn is_throttled(&self) -> bool {
        match self {
            Self::Table(error) | Self::GroupsUnreadable(error) => error.kind == Kind::Throttled,
            Self::Opening(OpeningError::UpdatesUnknown(error)) => error.kind == Kind::Throttled,
            Self::Opening(OpeningError::Busy(_)) => true,
            _ => false,
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Saml(rejection)
    }
}

impl From<AwsError> for Refusal {
    fn from(error: AwsError) -> Self {
        Self::Table(error)
    }
}

/// Where in Studio a person wants to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Landing {
    /// A landing URI instead of the team's own.
    pub landing_uri: Option<String>,
    /// A space.
    pub space: Option<String>,
}

/// What an opening needs to know about a person who may have to wait.
#[derive(Debug, Clone, Copy)]
pub struct Waiting<'a> {
    /// The session's record, which remembers what the next visit need not look at again.
    pub key: &'a StateKey,
    /// How the person comes back.
    pub returns: Returns,
    /// How long the person has waited on pages that say so.
    pub waited: SignedDuration,
}

impl Broker {
    /// A broker over the settings and the SDK's configuration. Makes no call, unless the key for
    /// encrypted assertions is in a secret.
    ///
    /// # Errors
    ///
    /// The key for encrypted assertions cannot be loaded.
    pub async fn new(settings: Settings, sdk: SdkConfig, audit: Audit) -> Result<Self, KeyError> {
        let decryption_keys = match &settings.sp_key {
            SpKey::None => DecryptionKeys::default(),
            SpKey::Keys(keys) => keys.clone(),
            SpKey::Secret(arn) => keys_from_secret(&sdk, arn).await?,
        };
        let service_provider = ServiceProvider {
            entity_id: settings.entity_id.clone(),
            acs_url: settings.public_url.acs(),
            clock_skew: SignedDuration::from_secs(i64::from(settings.clock_skew_seconds)),
            decryption_keys,
        };
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&sdk)
            .retry_partition(tables_budget())
            .timeout_config(tables_timeouts());
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb.build());
        let tables = Tables::new(
            dynamodb.clone(),
            settings.teams_table.clone(),
            settings.idps_table.clone(),
            settings.team_cache_seconds,
        );
        let opener = Opener::new(
            Targets::new(sdk.clone(), settings.target_role_name.clone()),
            SageMaker::new(sdk.clone(), settings.url_hosts.clone()),
            Updates::new(dynamodb.clone(), settings.state_table.clone()),
            LineTable::new(dynamodb.clone(), settings.state_table.clone()),
            settings.profile_cache_seconds,
            settings.url_seconds,
            audit,
        );
        Ok(Self {
            service_provider,
            tables,
            state: StateTable::new(dynamodb, settings.state_table.clone()),
            audit,
            home: sdk.region().and_then(|region| Region::try_from(region.to_string()).ok()),
            identity_stores: IdentityStores::new(sdk, settings.team_cache_seconds),
            opener: Arc::new(opener),
            openings: Arc::new(Semaphore::new(MAX_OPENINGS as usize)),
            settings,
        })
    }

    /// Makes the first sign-in of a process as fast as the others: reads a page of `IdPs`, and opens the
    /// connections that an opening in the broker's own Region needs. Nothing depends on any of it.
    pub async fn warm_up(&self, now: Timestamp) {
        let connections = async {
            if let Some(region) = &self.home {
                self.opener.connect(region, now).await;
            }
        };
        let (idps, ()) = tokio::join!(self.tables.preload_idps(now), Box::pin(connections));
        if let Err(error) = idps {
            warn!(error = %error, "identity providers could not be preloaded");
        }
    }

    /// Verifies a response and consumes it. Nothing is written before it has verified.
    ///
    /// # Errors
    ///
    /// Why the response is refused, or why nobody knows.
    pub async fn sign_in(
        &self,
        form_value: &[u8],
        browser: Browser<'_>,
        facts: &mut Facts,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<SignedIn, Refusal> {
        let response = UnverifiedResponse::from_base64(form_value)?;
        let issuer = response.unverified_issuer()?;
        facts.unverified.issuer = Some(unverified(&issuer));
        let idp = match self.tables.idp(&issuer, now).await? {
            Entry::Found(idp) if idp.enabled => idp,
            Entry::Found(_) | Entry::Missing => return Err(Refusal::IdpUnknown),
            Entry::Faulty(faults) => return Err(Refusal::IdpInvalid(faults)),
        };
        let request_ids = (browser.request_ids_at)(&idp.entity_id);
        let request_ids: Vec<_> = request_ids.iter().map(String::as_str).collect();
        let expected = Expected { request_ids: &request_ids, unsolicited: idp.allow_unsolicited };
        let assertion = self.service_provider.validate(
            response,
            &idp.metadata,
            idp.require_signed,
            expected,
            now,
        )?;
        facts.unverified.issuer = None;
        facts.idp = Some(idp.entity_id.clone());
        facts.key_fingerprint = Some(assertion.key_fingerprint().to_owned());
        facts.assertion_digest = Some(assertion_digest(&assertion));

        let person = idp.person(&assertion).map_err(Refusal::UserIdUnusable)?;
        let minutes = self.settings.session_minutes;
        let mut session = Session::new(&idp, &person, &assertion, now, minutes);
        facts.directory = Some(person.directory.clone());
        facts.owner = Some(person.owner.to_string());
        self.lets_in(&session, &idp)?;
        let in_response_to = assertion.in_response_to().map(str::to_owned);
        let last_owner = (browser.last_owner)(&session);
        let is_somebody_else =
            matches!(last_owner, LastOwner::SomebodyFromThere | LastOwner::SomebodyFromElsewhere);
        if in_response_to.is_none() && is_somebody_else {
            return Err(Refusal::OtherPerson(idp));
        }
        // At the same identity provider the person has just said there who they are. At another one
        // somebody else may have said it for them.
        session.pending = last_owner == LastOwner::SomebodyFromElsewhere;

        let consumed = Consumed::new(&idp.entity_id, assertion.id(), in_response_to.as_deref());
        let request_ends = in_response_to.is_some().then(|| now.as_second() + REQUEST_SECONDS);
        let request_ends = request_ends.and_then(|second| Timestamp::from_second(second).ok());
        let replayable_until = assertion.replayable_until();
        let replayable_until =
            request_ends.map_or(replayable_until, |end| replayable_until.max(end));
        let secret = Secret::fresh();
        let claimed = self.claim(consumed.clone(), &secret, &session, replayable_until, facts, now);
        // Once the response is consumed the browser must get its session, whatever a look-up does.
        let teams = self.teams(&session, &idp, INDEX_PATIENCE, now);
        let teams = tokio::time::timeout_at(deadline, teams);
        let (claim, choices) = tokio::join!(claimed, teams);
        match claim? {
            Claim::Replayed => Err(Refusal::Replayed),
            Claim::Accepted => {
                let choices = choices.unwrap_or_else(|_| Err(teams_not_in_time()));
                let key = consumed.key;
                Ok(SignedIn { key, secret, session, idp, in_response_to, choices })
            }
        }
    }

    /// Consumes a response and writes its line.
    async fn claim(
        &self,
        consumed: Consumed,
        secret: &Secret,
        session: &Session,
        replayable_until: Timestamp,
        facts: &Facts,
        now: Timestamp,
    ) -> Result<Claim, AwsError> {
        let (state, audit) = (self.state.clone(), self.audit);
        let (secret, session, facts) = (secret.clone(), session.clone(), facts.clone());
        let claim = Box::pin(async move {
            let claim = state.claim(&consumed, &secret, &session, replayable_until).await?;
            if claim == Claim::Accepted {
                let outcome = if session.pending { Outcome::Asked } else { Outcome::SignedIn };
                audit.record(now, &facts, outcome, None, None);
            }
            Ok(claim)
        });
        to_the_end("dynamodb:PutItem", claim).await
    }

    /// Makes the session of somebody count who has said that it is them, and writes their line, once, however
    /// often they say it; whether it was still there.
    ///
    /// # Errors
    ///
    /// The record could not be changed.
    pub async fn confirm(
        &self,
        key: &StateKey,
        secret: &Secret,
        facts: &Facts,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let (state, audit) = (self.state.clone(), self.audit);
        let (key, secret, facts) = (key.clone(), secret.clone(), facts.clone());
        let confirm = Box::pin(async move {
            let changed = state.confirm(&key, &secret).await?;
            if changed == Changed::Now {
                audit.record(now, &facts, Outcome::SignedIn, None, None);
            }
            Ok(changed != Changed::Gone)
        });
        to_the_end("dynamodb:UpdateItem", confirm).await
    }

    /// Ends a session, and writes the line of who ended it and why, once, however often it is ended: of a
    /// sign-out, or with a code of a sign-in that its person did not want.
    ///
    /// # Errors
    ///
    /// The record could not be changed.
    pub async fn end(
        &self,
        key: &StateKey,
        secret: &Secret,
        code: Option<&'static str>,
        facts: &Facts,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        let (state, audit) = (self.state.clone(), self.audit);
        let (key, secret, facts) = (key.clone(), secret.clone(), facts.clone());
        let end = Box::pin(async move {
            if state.end(&key, &secret).await? == Changed::Now {
                let outcome = if code.is_some() { Outcome::Refused } else { Outcome::SignedOut };
                audit.record(now, &facts, outcome, code, None);
            }
            Ok(())
        });
        to_the_end("dynamodb:UpdateItem", end).await
    }

    /// The session that a browser's cookie proves, and its `IdP` as it is now; `None` when the browser
    /// has to sign in (again).
    ///
    /// # Errors
    ///
    /// The session does not count any more, or nobody knows.
    pub async fn session(
        &self,
        key: &StateKey,
        secret: &Secret,
        facts: &mut Facts,
        now: Timestamp,
    ) -> Result<Option<(Session, Arc<Idp>)>, Refusal> {
        let found = self.state.session(key, secret).await?;
        let Some(session) = found.filter(|session| !session.pending) else { return Ok(None) };
        self.still_counts(session, facts, now).await
    }

    /// The same of a session whose person has still to say that it is them.
    ///
    /// # Errors
    ///
    /// The session does not count any more, or nobody knows.
    pub async fn pending_session(
        &self,
        key: &StateKey,
        secret: &Secret,
        facts: &mut Facts,
        now: Timestamp,
    ) -> Result<Option<(Session, Arc<Idp>)>, Refusal> {
        let is_fresh = |session: &Session| {
            session.pending && now.as_second() - session.signed_in_at < PENDING_SECONDS
        };
        let found = self.state.session(key, secret).await?;
        let Some(session) = found.filter(is_fresh) else { return Ok(None) };
        self.still_counts(session, facts, now).await
    }

    async fn still_counts(
        &self,
        session: Session,
        facts: &mut Facts,
        now: Timestamp,
    ) -> Result<Option<(Session, Arc<Idp>)>, Refusal> {
        if session.is_over(now) {
            return Ok(None);
        }
        facts.of_session(&session);
        let idp = match self.tables.idp(&session.idp, now).await? {
            Entry::Found(idp) => idp,
            Entry::Missing => return Err(Refusal::SessionVoid(SessionVoid::IdpDisabled)),
            Entry::Faulty(faults) => return Err(Refusal::IdpInvalid(faults)),
        };
        self.lets_in(&session, &idp)?;
        Ok(Some((session, idp)))
    }

    /// Holds what a sign-in said against the `IdP` as it is now.
    fn lets_in(&self, session: &Session, idp: &Arc<Idp>) -> Result<(), Refusal> {
        entitlement::person(idp, &session.said(&[])).map_err(|check| match check {
            Check::IdpEnabled => Refusal::SessionVoid(SessionVoid::IdpDisabled),
            Check::SameDirectory => Refusal::SessionVoid(SessionVoid::DirectoryChanged),
            Check::KeyTrusted => Refusal::SessionVoid(SessionVoid::KeyRemoved),
            Check::IdpContext => {
                let asked = idp.authn_contexts.clone().unwrap_or_default();
                let said = session.authn_contexts.clone();
                Refusal::AuthnContextRefused { idp: Arc::clone(idp), team: None, asked, said }
            }
            _ => Refusal::UserDenied,
        })
    }

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

    /// Opens one team for the person of a session, or says when to come back, at the latest at `deadline`.
    ///
    /// # Errors
    ///
    /// Why the team is not opened.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another party's fact, decided here once"
    )]
    pub async fn open(
        &self,
        session: &Session,
        idp: &Arc<Idp>,
        team_id: &TeamId,
        landing: Landing,
        waiting: Waiting<'_>,
        client: Option<IpAddr>,
        facts: &mut Facts,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<Opening, Refusal> {
        let (team, admission) = self.admitted(session, idp, team_id, client, facts, now).await?;
        let session_seconds = admission.session_seconds(&team, now);
        let owner = session.owner();
        let profile = profile_name(&session.directory, &session.user_id, &team.team_id);
        facts.profile = Some(profile.clone());

        let Landing { landing_uri, space } = landing;
        let facts = facts.clone();
        let (returns, waited, seen) = (waiting.returns, waiting.waited, session.seen.clone());
        let request = Request {
            team,
            owner,
            profile,
            landing_uri,
            space,
            session_seconds,
            facts,
            returns,
            waited,
            seen,
        };
        let (opener, state) = (Arc::clone(&self.opener), self.state.clone());
        let time = RequestTime::new(now, deadline);
        let key = waiting.key.clone();
        let ids = REQUEST_IDS.try_with(RequestIds::clone).unwrap_or_default();
        // A task of its own: what is under way when the person's patience ends is finished all the
        // same, written to the audit, and found by the next request.
        let place = Arc::clone(&self.openings).acquire_owned().await;
        let opening = tokio::spawn(REQUEST_IDS.scope(ids, async move {
            let _until_the_end = place;
            let opening = opener.open(&request, time).await;
            if let Err(error) = &opening
                && time.left().is_zero()
            {
                let Facts { reference, team, account, region, owner, .. } = &request.facts;
                warn!(reference, team, account, region, owner, error = %error, "an opening failed after its person was told to wait");
            }
            if let Ok(Opening::NotYet(Wait { seen: Some(seen), .. })) = &opening
                && request.seen.as_ref().is_none_or(|known| !known.says_the_same(seen))
                && let Err(error) = state.remember(&key, seen).await
            {
                info!(error = %error, "the session could not remember a profile");
            }
            opening
        }));
        // The opener stops at the deadline by itself; this is for calls that are still under way then.
        match tokio::time::timeout_at(deadline + Duration::from_millis(50), opening).await {
            Ok(Ok(outcome)) => outcome.map_err(Refusal::Opening),
            Ok(Err(panicked)) => {
                Err(Refusal::Opening(OpeningError::Unreachable(ended("opening", &panicked))))
            }
            Err(_) => Ok(Opening::NotYet(match waiting.returns.place() {
                Some(place) => Wait::cut_off(place, now, waiting.waited),
                None => Wait::about(Reason::Profile, LOOK_AGAIN),
            })),
        }
    }

    /// Waits until no opening is under way, also of those that nobody waits for any more.
    pub async fn settled(&self) {
        let _ = self.openings.acquire_many(MAX_OPENINGS).await;
    }

    /// The team, where the person may open it now.
    async fn admitted(
        &self,
        session: &Session,
        idp: &Arc<Idp>,
        team_id: &TeamId,
        client: Option<IpAddr>,
        facts: &mut Facts,
        now: Timestamp,
    ) -> Result<(Arc<Team>, Admission), Refusal> {
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
        session: &Session,
        idp: &Arc<Idp>,
        team_id: &TeamId,
        client: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Option<Vec<String>>, Refusal> {
        let mut unseen = Facts::default();
        match self.admitted(session, idp, team_id, client, &mut unseen, now).await {
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

impl Facts {
    /// Takes over what a session says about its person and how they signed in.
    pub fn of_session(&mut self, session: &Session) {
        self.idp = Some(session.idp.clone());
        self.directory = Some(session.directory.clone());
        self.owner = Some(session.owner().to_string());
        self.assertion_digest = Some(session.assertion_digest.clone());
        self.key_fingerprint = Some(session.key_fingerprint.clone());
    }
}

/// How long a sign-in whose teams attribute names a team waits for the index of groups and members, where
/// that has to be read first.
const INDEX_PATIENCE: Duration = Duration::from_millis(1_000);

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

/// Does what has its line in the audit in a task of its own: a browser that goes away meanwhile leaves no
/// change without a line.
async fn to_the_end<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = Result<T, AwsError>> + Send + 'static,
) -> Result<T, AwsError> {
    let ids = REQUEST_IDS.try_with(RequestIds::clone).unwrap_or_default();
    let done = tokio::spawn(REQUEST_IDS.scope(ids, work)).await;
    done.unwrap_or_else(|panicked| Err(ended(operation, &panicked)))
}

/// The task of an operation ended without a result.
fn ended(operation: &'static str, panicked: &tokio::task::JoinError) -> AwsError {
    AwsError {
        kind: Kind::Failed,
        operation,
        code: "Panicked".into(),
        message: panicked.to_string(),
        request_id: None,
    }
}

fn teams_not_in_time() -> Refusal {
    Refusal::Table(late())
}

fn late() -> AwsError {
    AwsError {
        kind: Kind::Unreachable,
        operation: "teams",
        code: "Timeout".into(),
        message: "the teams were not looked up in time".into(),
        request_id: None,
    }
}

async fn keys_from_secret(sdk: &SdkConfig, arn: &str) -> Result<DecryptionKeys, KeyError> {
    let mut config =
        aws_sdk_secretsmanager::config::Builder::from(sdk).retry_partition(tables_budget());
    if let Some(region) = arn.split(':').nth(3).filter(|region| !region.is_empty()) {
        config = config.region(aws_config::Region::new(region.to_owned()));
    }
    let output = aws_sdk_secretsmanager::Client::from_conf(config.build())
        .get_secret_value()
        .secret_id(arn)
        .send()
        .await
        .map_err(|error| AwsError::new("secretsmanager:GetSecretValue", &error));
    let unusable = |found: String| SettingFaults(vec![SettingFault::sp_key(found)]);
    let output = output.map_err(|error| match error.kind {
        Kind::Missing => unusable(format!("a secret that is not there, {arn}")).into(),
        _ => KeyError::Unreadable(error),
    })?;
    let pem = output.secret_string.unwrap_or_default();
    DecryptionKeys::from_pem(&pem)
        .map_err(|_| unusable(format!("a secret that holds no such key, {arn}")).into())
}
