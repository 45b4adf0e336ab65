//! Whether what was signed is meant for us, now (SAML core 2.4, 2.5, 3.2; profiles 4.1.4.3).
//!
//! Every comparison is byte for byte. What the unsigned part of a response says can only refuse.

use jiff::{SignedDuration, Timestamp};

use crate::claims::issuer;
use crate::metadata::IdpMetadata;
use crate::names::{SAML, SAMLP};
use crate::rejection::Rejection;
use crate::service_provider::{Expected, ServiceProvider};
use crate::signature::VerifiedAssertion;
use crate::time::instant;
use crate::xml::Element;

const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// What a response holds, before anything is verified.
pub(crate) struct Envelope<'d> {
    pub(crate) plain: Option<Element<'d>>,
    pub(crate) encrypted: Option<Element<'d>>,
}

impl<'d> Envelope<'d> {
    /// Finds the only assertion of a successful response, and refuses wrapped documents.
    pub(crate) fn read(root: Element<'d>) -> Result<Self, Rejection> {
        check_places(root)?;
        check_status(root)?;
        let mut plain = root.elements_named(SAML, "Assertion");
        let mut encrypted = root.elements_named(SAML, "EncryptedAssertion");
        match (plain.next(), encrypted.next(), plain.count() + encrypted.count()) {
            (None, None, _) => Err(Rejection::AssertionMissing),
            (Some(assertion), None, 0) => Ok(Self { plain: Some(assertion), encrypted: None }),
            (None, Some(assertion), 0) => Ok(Self { plain: None, encrypted: Some(assertion) }),
            (one, other, more) => {
                let got = usize::from(one.is_some()) + usize::from(other.is_some()) + more;
                Err(Rejection::AssertionRepeated { got })
            }
        }
    }
}

/// Responses and assertions stand where they are read and nowhere else, except as evidence in
/// the `Advice` of the assertion, which nobody reads. A copy elsewhere is a wrapped document,
/// refused even when the genuine assertion would be read.
pub(crate) fn check_places(root: Element<'_>) -> Result<(), Rejection> {
    let mut advice: Option<Element<'_>> = None;
    // In document order, so what is in an advice follows it.
    for element in root.subtree().skip(1) {
        if advice.is_some_and(|advice| advice.contains(element)) {
            continue;
        }
        let Some(parent) = element.parent() else { continue };
        if element.is(SAML, "Advice") {
            let is_read = |assertion: Element<'_>| {
                assertion.is(SAML, "Assertion")
                    && assertion.parent().is_none_or(|parent| parent.is(SAMLP, "Response"))
            };
            advice = is_read(parent).then_some(element);
            continue;
        }
        let is_response = element.is(SAMLP, "Response");
        let is_assertion = element.is(SAML, "Assertion") || element.is(SAML, "EncryptedAssertion");
        let is_read = is_assertion && parent == root && root.is(SAMLP, "Response");
        if is_response || (is_assertion && !is_read) {
            return Err(Rejection::ElementMisplaced {
                element: element.name().to_owned(),
                parent: parent.name().to_owned(),
            });
        }
    }
    Ok(())
}

fn check_status(root: Element<'_>) -> Result<(), Rejection> {
    let status = root.only(SAMLP, "Status").map_err(|_| Rejection::StatusMalformed)?;
    let code = status.only(SAMLP, "StatusCode").map_err(|_| Rejection::StatusMalformed)?;
    match code.attribute("Value") {
        Some(SUCCESS) => Ok(()),
        got => Err(Rejection::StatusNotSuccess {
            got: got.unwrap_or_default().to_owned(),
            second: code
                .elements_named(SAMLP, "StatusCode")
                .find_map(|second| second.attribute("Value"))
                .map(str::to_owned),
            message: status
                .elements_named(SAMLP, "StatusMessage")
                .find_map(|message| message.text())
                .map(|text| text.into_owned()),
        }),
    }
}

/// Compares an issuer with the identity provider whose keys are used.
pub(crate) fn same_issuer(
    element: &'static str,
    expected: &str,
    got: &str,
) -> Result<(), Rejection> {
    match expected == got {
        true => Ok(()),
        false => Err(Rejection::IssuerMismatch {
            element,
            expected: expected.to_owned(),
            got: got.to_owned(),
        }),
    }
}

fn check_version(element: Element<'_>, name: &'static str) -> Result<(), Rejection> {
    match element.attribute("Version") {
        Some("2.0") => Ok(()),
        got => Err(Rejection::VersionUnsupported {
            element: name,
            expected: "2.0",
            got: got.map(str::to_owned),
        }),
    }
}

/// What the Response itself says: version, issuer, destination.
pub(crate) fn check_response(
    root: Element<'_>,
    provider: &ServiceProvider,
    idp: &IdpMetadata,
    is_signed: bool,
) -> Result<(), Rejection> {
    check_version(root, "Response")?;
    match issuer(root, "Response")? {
        Some(issuer) => same_issuer("Response", idp.entity_id(), &issuer)?,
        None if is_signed => return Err(Rejection::IssuerMissing { element: "Response" }),
        None => {}
    }
    let expected = || provider.acs_url.clone();
    match root.attribute("Destination") {
        Some(destination) if destination == provider.acs_url => Ok(()),
        Some(destination) => Err(Rejection::DestinationMismatch {
            expected: expected(),
            got: destination.to_owned(),
        }),
        None if is_signed => Err(Rejection::DestinationMissing { expected: expected() }),
        None => Ok(()),
    }
}

/// What the checks found out about an assertion that passed them.
pub(crate) struct Accepted {
    /// The earlier of the Conditions' and the bearer confirmation's.
    pub(crate) not_on_or_after: Timestamp,
    /// From then on, no clock within the skew accepts the assertion, by any confirmation.
    pub(crate) replayable_until: Timestamp,
    pub(crate) session_not_on_or_after: Option<Timestamp>,
    pub(crate) in_response_to: Option<String>,
}

/// The assertion's version, issuer, confirmation, conditions and session.
pub(crate) fn check(
    verified: &VerifiedAssertion<'_>,
    root: Element<'_>,
    provider: &ServiceProvider,
    idp: &IdpMetadata,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<Accepted, Rejection> {
    let assertion = verified.element();
    let clock = Clock { now, skew: provider.clock_skew };
    check_version(assertion, "Assertion")?;
    let issuer =
        issuer(assertion, "Assertion")?.ok_or(Rejection::IssuerMissing { element: "Assertion" })?;
    same_issuer("Assertion", idp.entity_id(), &issuer)?;

    let response_to = root.attribute("InResponseTo");
    let bearer = check_confirmations(assertion, provider, response_to, expected, clock)?;
    let conditions_end = check_conditions(assertion, provider, clock)?;
    let session_not_on_or_after = check_sessions(assertion, clock)?;

    let earlier = |end: Timestamp| conditions_end.map_or(end, |other| other.min(end));
    Ok(Accepted {
        not_on_or_after: earlier(bearer.not_on_or_after),
        replayable_until: earlier(bearer.latest),
        session_not_on_or_after,
        in_response_to: bearer.in_response_to,
    })
}

#[derive(Clone, Copy)]
struct Clock {
    now: Timestamp,
    skew: SignedDuration,
}

impl Clock {
    /// Whether `NotBefore` has come, on some clock within the skew.
    fn has_come(self, not_before: Timestamp) -> bool {
        self.now.saturating_add(self.skew).is_ok_and(|latest| latest >= not_before)
    }

    /// Whether `NotOnOrAfter` has passed, on every clock within the skew.
    fn has_passed(self, not_on_or_after: Timestamp) -> bool {
        !self.now.saturating_sub(self.skew).is_ok_and(|earliest| earliest < not_on_or_after)
    }
}

struct Bearer {
    not_on_or_after: Timestamp,
    /// The latest `NotOnOrAfter` of all bearer confirmations.
    latest: Timestamp,
    in_response_to: Option<String>,
}

/// One bearer confirmation must hold on its own. When none does, the first one's refusal is
/// given.
fn check_confirmations(
    assertion: Element<'_>,
    provider: &ServiceProvider,
    response_to: Option<&str>,
    expected: Expected<'_>,
    clock: Clock,
) -> Result<Bearer, Rejection> {
    let subject =
        assertion.only(SAML, "Subject").map_err(|got| Rejection::SubjectMalformed { got })?;
    let mut first_refusal = None;
    let mut held: Option<Bearer> = None;
    let mut latest = Timestamp::MIN;
    let bearers = || {
        subject
            .elements_named(SAML, "SubjectConfirmation")
            .filter(|confirmation| confirmation.attribute("Method") == Some(BEARER))
    };
    // A response that names a request anywhere, to us, is an answer and nothing else: whoever takes the
    // request's ID off the unsigned wrapper, or picks another confirmation, does not make it unsolicited.
    let answers = bearers().find_map(|confirmation| request_named(confirmation, provider));
    for confirmation in bearers() {
        if let Ok(data) = confirmation.only(SAML, "SubjectConfirmationData")
            && let Some(end) = data.attribute("NotOnOrAfter").and_then(instant)
        {
            latest = latest.max(end);
        }
        match check_confirmation(confirmation, provider, response_to, answers, expected, clock) {
            Ok(bearer) => held = held.or(Some(bearer)),
            Err(refusal) => first_refusal = first_refusal.or(Some(refusal)),
        }
    }
    match held {
        Some(bearer) => Ok(Bearer { latest, ..bearer }),
        None => Err(first_refusal.unwrap_or(Rejection::ConfirmationMissing)),
    }
}

/// The request that a bearer confirmation names, if it is addressed to us.
fn request_named<'d>(confirmation: Element<'d>, provider: &ServiceProvider) -> Option<&'d str> {
    confirmation
        .elements_named(SAML, "SubjectConfirmationData")
        .filter(|data| data.attribute("Recipient") == Some(provider.acs_url.as_str()))
        .find_map(|data| data.attribute("InResponseTo"))
}

fn check_confirmation(
    confirmation: Element<'_>,
    provider: &ServiceProvider,
    response_to: Option<&str>,
    answers: Option<&str>,
    expected: Expected<'_>,
    clock: Clock,
) -> Result<Bearer, Rejection> {
    let incomplete = |what| Rejection::ConfirmationIncomplete { what };
    let data = confirmation
        .only(SAML, "SubjectConfirmationData")
        .map_err(|_| incomplete("SubjectConfirmationData"))?;
    let recipient = data.attribute("Recipient").ok_or_else(|| incomplete("Recipient"))?;
    if recipient != provider.acs_url {
        return Err(Rejection::RecipientMismatch {
            expected: provider.acs_url.clone(),
            got: recipient.to_owned(),
        });
    }
    let not_on_or_after = time(data, "NotOnOrAfter")?.ok_or_else(|| incomplete("NotOnOrAfter"))?;
    if clock.has_passed(not_on_or_after) {
        return Err(Rejection::ConfirmationExpired {
            not_on_or_after,
            now: clock.now,
            skew: clock.skew,
        });
    }
    if let Some(not_before) = time(data, "NotBefore")?
        && !clock.has_come(not_before)
    {
        return Err(Rejection::ConfirmationNotYetValid {
            not_before,
            now: clock.now,
            skew: clock.skew,
        });
    }
    let in_response_to =
        check_in_response_to(response_to, data.attribute("InResponseTo"), answers, expected)?;
    Ok(Bearer { not_on_or_after, latest: not_on_or_after, in_response_to })
}

/// Either nothing was asked, and nothing in the response answers; or the confirmation answers a request
/// of ours, and the response, if it says anything, the same. `answers` is what any of the confirmations
/// says.
fn check_in_response_to(
    response: Option<&str>,
    confirmation: Option<&str>,
    answers: Option<&str>,
    expected: Expected<'_>,
) -> Result<Option<String>, Rejection> {
    let mismatch = || Rejection::InResponseToMismatch {
        response: response.map(str::to_owned),
        confirmation: confirmation.map(str::to_owned),
    };
    let unknown = |answered: &str| Rejection::RequestUnknown {
        expected: expected.request_ids.iter().map(|&id| id.to_owned()).collect(),
        got: answered.to_owned(),
    };
    match (response, confirmation) {
        (None, None) => match answers {
            Some(answered) if expected.request_ids.contains(&answered) => Err(mismatch()),
            Some(answered) => Err(unknown(answered)),
            None if expected.unsolicited => Ok(None),
            None => Err(Rejection::UnsolicitedRefused),
        },
        (Some(_), None) => Err(mismatch()),
        (Some(response), Some(answered)) if response != answered => Err(mismatch()),
        (_, Some(answered)) if expected.request_ids.contains(&answered) => {
            Ok(Some(answered.to_owned()))
        }
        (_, Some(answered)) => Err(unknown(answered)),
    }
}

/// Gives the Conditions' `NotOnOrAfter`.
fn check_conditions(
    assertion: Element<'_>,
    provider: &ServiceProvider,
    clock: Clock,
) -> Result<Option<Timestamp>, Rejection> {
    let conditions = assertion.only(SAML, "Conditions").map_err(|got| match got {
        0 => Rejection::ConditionsMissing,
        _ => Rejection::ConditionsRepeated,
    })?;
    if let Some(not_before) = time(conditions, "NotBefore")?
        && !clock.has_come(not_before)
    {
        return Err(Rejection::NotYetValid { not_before, now: clock.now, skew: clock.skew });
    }
    let not_on_or_after = time(conditions, "NotOnOrAfter")?;
    if let Some(not_on_or_after) = not_on_or_after
        && clock.has_passed(not_on_or_after)
    {
        return Err(Rejection::Expired { not_on_or_after, now: clock.now, skew: clock.skew });
    }
    for condition in conditions.elements() {
        let known = condition.namespace() == SAML
            && matches!(
                condition.local(),
                "AudienceRestriction" | "OneTimeUse" | "ProxyRestriction"
            );
        if !known {
            return Err(Rejection::ConditionUnknown { got: condition.name().to_owned() });
        }
    }
    let mut restrictions = conditions.elements_named(SAML, "AudienceRestriction").peekable();
    if restrictions.peek().is_none() {
        return Err(Rejection::AudienceMissing { expected: provider.entity_id.clone() });
    }
    for restriction in restrictions {
        let audiences: Vec<_> =
            restriction.elements_named(SAML, "Audience").filter_map(Element::text).collect();
        if !audiences.iter().any(|audience| *audience == provider.entity_id) {
            return Err(Rejection::AudienceMismatch {
                expected: provider.entity_id.clone(),
                got: audiences.iter().take(8).map(|audience| audience.to_string()).collect(),
            });
        }
    }
    Ok(not_on_or_after)
}

/// Gives the earliest `SessionNotOnOrAfter` of all `AuthnStatement`s.
fn check_sessions(assertion: Element<'_>, clock: Clock) -> Result<Option<Timestamp>, Rejection> {
    let mut earliest: Option<Timestamp> = None;
    for statement in assertion.elements_named(SAML, "AuthnStatement") {
        let Some(end) = time(statement, "SessionNotOnOrAfter")? else { continue };
        if clock.has_passed(end) {
            return Err(Rejection::SessionExpired {
                session_not_on_or_after: end,
                now: clock.now,
                skew: clock.skew,
            });
        }
        earliest = Some(earliest.map_or(end, |other| other.min(end)));
    }
    Ok(earliest)
}

fn time(element: Element<'_>, attribute: &'static str) -> Result<Option<Timestamp>, Rejection> {
    let Some(value) = element.attribute(attribute) else { return Ok(None) };
    match instant(value) {
        Some(instant) => Ok(Some(instant)),
        None => Err(Rejection::TimeMalformed { attribute, got: value.to_owned() }),
    }
}
