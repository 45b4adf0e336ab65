//! The audit: exactly one JSON line for each decision, written before the answer leaves.
//!
//! SAML responses, cookies, presigned URLs, tokens, keys and credentials have no field here.

use std::io::Write as _;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::metrics::{Embedded, Event, Measure};
use crate::aws::REQUEST_IDS;
use crate::team::door::DoorKind;
use crate::team::portal::Contact;

/// What is known about the request that a decision is about; grows while the request proceeds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Facts {
    /// The reference that the person sees.
    pub reference: String,
    /// What the load balancer or API Gateway called the request (`X-Amzn-Trace-Id`); a client may have
    /// chosen it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Entity ID of the `IdP`, verified or from the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idp: Option<String>,
    /// Directory of the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The person, as AWS sees them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The team's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The target's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The target's Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The target's domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The profile's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The id of the team's door.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// What is behind the door.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door_kind: Option<DoorKind>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_address: Option<IpAddr>,
    /// How the address was known: `direct` or `forwarded:N`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_address_source: Option<String>,
    /// SHA-256 of the assertion's ID, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assertion_digest: Option<String>,
    /// Fingerprint of the key that verified the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_fingerprint: Option<String>,
    /// Values from before verification: anybody may have written them.
    #[serde(skip_serializing_if = "Unverified::is_empty")]
    pub unverified: Unverified,
    /// Whom the person asks about the team, where they may know of it: for their page, not for the line.
    #[serde(skip)]
    pub contact: Option<Contact>,
    /// What is measured of the request; nothing where metrics are off.
    #[serde(skip)]
    pub measure: Option<Measure>,
}

/// Values from before verification, escaped and cut to 256 characters.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Unverified {
    /// What the response says about its issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The team that the path names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The door that the path names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// Why a response is refused: what was expected, and what it says instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Unverified {
    fn is_empty(&self) -> bool {
        let Self { issuer, team, door, detail } = self;
        [issuer, team, door, detail].into_iter().all(Option::is_none)
    }
}

/// A line of the log about a request: whose it is and where, beside what the line tells.
macro_rules! about {
    ($level:ident, $facts:expr, $($told:tt)+) => {{
        let facts: &$crate::broker::audit::Facts = $facts;
        tracing::$level!(
            reference = facts.reference,
            team = facts.team,
            account = facts.account,
            region = facts.region,
            door = facts.door,
            profile = facts.profile,
            owner = facts.owner,
            $($told)+
        )
    }};
}
pub(crate) use about;

/// Escapes a value from before verification and cuts it to 256 characters.
pub fn unverified(text: &str) -> String {
    text.chars().flat_map(char::escape_debug).take(256).collect()
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A response was accepted and consumed.
    SignedIn,
    /// A response was accepted and consumed; it signs in once its person has said that it is them.
    Asked,
    /// Something was refused or failed; the code tells what.
    Refused,
    /// A presigned URL was given out.
    Opened,
    /// A profile was created.
    Created,
    /// A profile was updated to what its mapping says.
    Updated,
    /// SageMaker refuses to update a profile, which opens as it is.
    UpdateRefused,
    /// A profile without owner was taken over.
    Adopted,
    /// A session was ended by its holder.
    SignedOut,
}

impl Outcome {
    fn measured(self) -> Event {
        match self {
            Self::SignedIn => Event::SignIn,
            Self::Refused => Event::Refusal,
            Self::Opened => Event::Opening,
            Self::Created => Event::Creation,
            Self::Asked | Self::Updated | Self::UpdateRefused | Self::Adopted | Self::SignedOut => {
                Event::Other
            }
        }
    }
}

/// Where the lines go.
#[derive(Debug, Clone, Copy)]
pub enum Audit {
    /// Standard output: Lambda's log.
    Stdout,
    /// Standard error: the command line, whose standard output is data.
    Stderr,
}

#[derive(Serialize)]
struct DecisionLine<'a> {
    event: &'static str,
    time: Timestamp,
    level: &'static str,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(flatten)]
    facts: &'a Facts,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    aws_request_ids: Vec<String>,
    #[serde(flatten)]
    metrics: Option<Embedded<'a>>,
}

/// The line of a page that waits; it is no decision.
#[derive(Serialize)]
struct WaitLine<'a> {
    event: &'static str,
    time: Timestamp,
    level: &'static str,
    #[serde(flatten)]
    facts: &'a Facts,
    #[serde(flatten)]
    metrics: Option<Embedded<'a>>,
}

impl Audit {
    /// Writes the line of one decision. `detail` is for whoever runs the broker: expected and got.
    pub fn record(
        self,
        now: Timestamp,
        facts: &Facts,
        outcome: Outcome,
        code: Option<&str>,
        detail: Option<&str>,
    ) {
        let aws_request_ids = REQUEST_IDS.try_with(|ids| ids.all()).unwrap_or_default();
        let warns = matches!(outcome, Outcome::Refused | Outcome::UpdateRefused);
        let level = if warns { "WARN" } else { "INFO" };
        let event = "decision";
        let has_account = facts.account.is_some();
        let metrics = facts.measure.as_ref().and_then(|measure| {
            Embedded::of(measure, now, outcome.measured(), take_throttles(), has_account)
        });
        self.write(&DecisionLine {
            event,
            time: now,
            level,
            outcome,
            code,
            facts,
            detail,
            aws_request_ids,
            metrics,
        });
    }

    /// Writes the line of a page that waits, where metrics are on: nothing else needs it.
    pub fn wait(self, now: Timestamp, facts: &Facts) {
        let Some(measure) = &facts.measure else { return };
        let has_account = facts.account.is_some();
        let metrics = Embedded::of(measure, now, Event::Wait, take_throttles(), has_account);
        self.write(&WaitLine { event: "waiting", time: now, level: "INFO", facts, metrics });
    }

    fn write(self, line: &impl Serialize) {
        let Ok(mut text) = serde_json::to_string(line) else { return };
        text.push('\n');
        // One write for one line, so that lines of other threads cannot run into it.
        let _ = match self {
            Self::Stdout => std::io::stdout().lock().write_all(text.as_bytes()),
            Self::Stderr => std::io::stderr().lock().write_all(text.as_bytes()),
        };
    }
}

/// Calls of this request that AWS throttled and that no line has told yet.
fn take_throttles() -> u32 {
    REQUEST_IDS.try_with(|ids| ids.take_throttles()).unwrap_or_default()
}
