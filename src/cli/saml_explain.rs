//! `saml verify --explain`: every check in words, and which mapping decides about which team.
//!
//! What is said comes from the verifier alone: a check that stands before the one that refused has held,
//! one behind it was not reached. Nothing of the response is printed but what the verifier itself says.

use serde::Serialize;

use super::decision::{Outcome, because, but};
use super::output::{ADDED, CHANGED, REMOVED, count, plain, say, styled};
use crate::mappings::file::MappingFile;
use crate::session::Session;
use crate::team::entitlement::{self, Case, Target};
use crate::team::idp::Idp;
use crate::team::item::excerpt;
use crate::team::owner::profile_name;
use crate::team::{Team, groups_as_written};
use strict_saml::{Assertion, IdpMetadata, Rejection, RequireSigned};

/// One check, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What is checked.
    pub(super) check: &'static str,
    /// How it ended.
    pub(super) outcome: Outcome,
    /// What must be there.
    pub(super) expected: String,
    /// What was there; absent where it was not reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) got: Option<String>,
}

/// The checks in the order in which the verifier makes them, each with the codes by which it refuses.
const CHECKS: [(&str, &[&str]); 9] = [
    (
        "form",
        &[
            "too_large",
            "base64_malformed",
            "not_utf8",
            "xml_declaration_unsupported",
            "doctype_refused",
            "processing_instruction_refused",
            "xml_malformed",
            "namespace_malformed",
            "too_deep",
            "too_many_elements",
            "too_many_attributes",
            "root_unexpected",
            "id_repeated",
        ],
    ),
    ("issuer", &["issuer_missing", "issuer_malformed", "issuer_mismatch"]),
    (
        "status, one assertion",
        &[
            "element_misplaced",
            "status_malformed",
            "status_not_success",
            "assertion_missing",
            "assertion_repeated",
        ],
    ),
    (
        "signature and encryption",
        &[
            "signature_missing",
            "signature_required",
            "signature_repeated",
            "signature_malformed",
            "algorithm_unsupported",
            "transforms_unsupported",
            "reference_repeated",
            "reference_mismatch",
            "signature_invalid",
            "canonical_form_too_large",
            "digest_mismatch",
            "encryption_malformed",
            "encryption_unsupported",
            "encryption_unauthenticated",
            "decryption_key_missing",
            "decryption_failed",
        ],
    ),
    (
        "version and destination",
        &["version_unsupported", "destination_missing", "destination_mismatch"],
    ),
    (
        "confirmation",
        &[
            "subject_malformed",
            "confirmation_missing",
            "confirmation_incomplete",
            "recipient_mismatch",
            "confirmation_not_yet_valid",
            "confirmation_expired",
            "request_unknown",
            "in_response_to_mismatch",
            "unsolicited_refused",
        ],
    ),
    (
        "conditions",
        &[
            "conditions_missing",
            "conditions_repeated",
            "condition_unknown",
            "audience_missing",
            "audience_mismatch",
            "not_yet_valid",
            "expired",
        ],
    ),
    ("session", &["session_expired"]),
    ("claims", &["name_id_malformed", "id_malformed", "time_malformed"]),
];

/// What the checks were made against.
pub(super) struct Against<'a> {
    pub(super) metadata: &'a IdpMetadata,
    pub(super) sp_entity_id: &'a str,
    pub(super) acs_url: &'a str,
    pub(super) in_response_to: Option<&'a str>,
    pub(super) now: jiff::Timestamp,
    pub(super) skew: jiff::SignedDuration,
}

/// All checks of a response, with what came of them.
pub(super) fn checks(against: &Against<'_>, outcome: Result<&Assertion, &Rejection>) -> Vec<Check> {
    let Against { metadata, sp_entity_id, acs_url, in_response_to, now, skew } = against;
    let keys = count(metadata.signing_keys().len(), "key");
    let answered = match in_response_to {
        None => "no request answered".to_owned(),
        Some(id) => format!("the request {} answered", excerpt(id)),
    };
    let expected = [
        "one samlp:Response: XML 1.0 in UTF-8, at most 262144 bytes, no DOCTYPE, no ID twice"
            .to_owned(),
        format!(
            "{}, on the Response, if there, and on the assertion",
            excerpt(metadata.entity_id())
        ),
        "status Success; exactly one assertion, and none in any other place".to_owned(),
        format!(
            "the Response or the assertion signed by the metadata's {keys}; encryption for a key of ours"
        ),
        format!(
            "version 2.0; Destination {}, or none where the Response is not signed",
            excerpt(acs_url)
        ),
        format!(
            "a bearer confirmation for {}, at {now} (skew {skew:#}), {answered}",
            excerpt(acs_url)
        ),
        format!(
            "audience {}, at {now} (skew {skew:#}), no unknown condition",
            excerpt(sp_entity_id)
        ),
        format!("no session that ended before {now} (skew {skew:#})"),
        "one NameID, an ID, times in UTC".to_owned(),
    ];
    let refused = outcome.err().map(|rejection| {
        let holds = |(_, codes): &(&str, &[&str])| codes.contains(&rejection.code());
        // Whatever has no place of its own is said at the end, and nothing is said to hold before it.
        (CHECKS.iter().position(holds), rejection)
    });
    let certain = |code: &str| !UNCERTAIN.contains(&code);
    CHECKS
        .iter()
        .zip(expected)
        .enumerate()
        .map(|(i, ((check, _), expected))| {
            let (outcome, got) = match (&refused, outcome) {
                (None, Ok(assertion)) => (Outcome::Holds, Some(got(i, assertion))),
                (Some((Some(at), rejection)), _) if i == *at => {
                    let detail = rejection.detail();
                    let got = match detail.as_str() {
                        "" => rejection.code().to_owned(),
                        detail => format!("{}: {detail}", rejection.code()),
                    };
                    (Outcome::Refused, Some(got))
                }
                (Some((Some(at), rejection)), _) if i < *at && certain(rejection.code()) => {
                    (Outcome::Holds, None)
                }
                _ => (Outcome::NotReached, None),
            };
            Check { check, outcome, expected, got }
        })
        .collect()
}

/// Codes by which more than one check refuses: what stands before them is not known to have held.
const UNCERTAIN: [&str; 7] = [
    "issuer_missing",
    "issuer_malformed",
    "issuer_mismatch",
    "version_unsupported",
    "subject_malformed",
    "id_malformed",
    "time_malformed",
];

/// What an accepted response had, for the check of this number.
fn got(check: usize, assertion: &Assertion) -> String {
    match check {
        1 => excerpt(assertion.issuer()),
        3 => format!("signed by the key {}", assertion.key_fingerprint()),
        5 => match assertion.in_response_to() {
            None => "no request answered".into(),
            Some(id) => format!("the request {} answered", excerpt(id)),
        },
        6 => format!("valid until {} (without skew)", assertion.not_on_or_after()),
        7 => match assertion.session_not_on_or_after() {
            None => "no end of session".into(),
            Some(end) => format!("session until {end}"),
        },
        8 => {
            let format = assertion.name_id().format.as_deref().unwrap_or("none");
            format!("NameID of format {}", excerpt(format))
        }
        _ => "as expected".into(),
    }
}

/// Says the checks, on standard error.
pub(super) fn say_checks(checks: &[Check]) {
    for Check { check, outcome, expected, got } in checks {
        let word = match outcome {
            Outcome::Holds => styled(ADDED, "holds      "),
            Outcome::Refused => styled(REMOVED, "refused    "),
            Outcome::NotReached => styled(CHANGED, "not reached"),
        };
        say(format!("{word}  {check}: expected {expected}"));
        if let Some(got) = got {
            say(format!("             got {}", plain(got)));
        }
    }
}

/// What is known about an accepted response that names no groups.
pub(super) fn overage(assertion: &Assertion) -> Option<&'static str> {
    let names = || assertion.attributes().keys();
    let linked = names().any(|name| name.ends_with("/claims/groups.link"));
    let named = names().any(|name| name.ends_with("/claims/groups"));
    (linked && !named).then_some(
        "Entra ID sent a link (groups.link) instead of groups: the person is in more than 150. In the application's \
         token configuration, send only groups assigned to the application, or app roles, or name the person \
         among the team's members.",
    )
}

/// What is known about a refused response that verifies without the white space between its elements.
pub(super) fn spaced(
    rejection: &Rejection,
    without: Result<&Assertion, &Rejection>,
) -> Option<&'static str> {
    const OF_SIGNATURES: [&str; 3] =
        ["digest_mismatch", "signature_invalid", "signature_malformed"];
    let of_signatures = |rejection: &Rejection| OF_SIGNATURES.contains(&rejection.code());
    (of_signatures(rejection) && !without.is_err_and(of_signatures)).then_some(
        "without the white space between its elements the signature holds: the file was formatted after it was \
         signed (by an editor, a browser's tools or a pretty-printer). Take the form field SAMLResponse as it was \
         posted.",
    )
}

/// A response as XML without the white space between its tags; `None` where it is not XML, or has none.
pub(super) fn without_added_space(response: &[u8]) -> Option<Vec<u8>> {
    let xml = response.trim_ascii();
    if !xml.starts_with(b"<") {
        return None;
    }
    let mut dense = Vec::with_capacity(xml.len());
    let mut rest = xml;
    while let Some(end) = rest.iter().position(|byte| *byte == b'>') {
        let (tag, after) = rest.split_at(end + 1);
        dense.extend_from_slice(tag);
        let trimmed = after.trim_ascii_start();
        rest = if trimmed.starts_with(b"<") { trimmed } else { after };
    }
    dense.extend_from_slice(rest);
    (dense.len() < xml.len()).then_some(dense)
}

/// What the mappings say about a verified person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Decision {
    /// The `IdP` lets the person in, or why not.
    pub(super) person: String,
    /// The person, as AWS sees them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
    /// Each team that the assertion or a group names, and what decides about it.
    pub(super) teams: Vec<TeamDecision>,
}

/// What the mappings say about one team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct TeamDecision {
    pub(super) team: String,
    /// Whether the person may open it.
    pub(super) opens: bool,
    /// Which mapping decided.
    pub(super) because: String,
    /// The profile that it would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) profile: Option<String>,
}

/// Holds a verified assertion against a file of teams and `IdPs`, as a sign-in does against the tables.
pub(super) fn decide(file: &MappingFile, assertion: &Assertion, now: jiff::Timestamp) -> Decision {
    let refused = |person: String| Decision { person, owner: None, teams: Vec::new() };
    let mut idps = file.idps.iter().flatten();
    let entry = idps.find(|entry| entry.key == assertion.issuer());
    let Some(idp) = entry.and_then(|entry| entry.mapping.idp()) else {
        return refused(format!("the file has no IdP {}", excerpt(assertion.issuer())));
    };
    if !idp.enabled {
        return refused("the IdP has enabled: false".into());
    }
    if !idp.metadata.has_key(assertion.key_fingerprint()) {
        return refused("the metadata in the file lacks the key that signed".into());
    }
    if assertion.in_response_to().is_none() && !idp.allow_unsolicited {
        return refused("the IdP has allow_unsolicited: false, and no request is answered".into());
    }
    let person = match idp.person(assertion) {
        Ok(person) => person,
        Err(error) => return refused(error.to_string()),
    };
    let session = Session::new(idp, &person, assertion, now, 60);
    match entitlement::person(idp, &session.said(&[])) {
        Err(entitlement::Check::NotDenied) => {
            return refused("denied_users holds the person's user id".into());
        }
        Err(check) => return refused(but(check).into()),
        Ok(()) => {}
    }
    let teams = file.teams.as_deref().unwrap_or_default();
    let entity_ids: Vec<_> = file.idps.iter().flatten().map(|entry| entry.key.clone()).collect();
    let groups = groups_as_written(&idp.entity_id, &session.groups, &entity_ids);
    let mut decisions: Vec<_> = session
        .teams
        .iter()
        .filter(|id| !teams.iter().any(|entry| entry.key == **id))
        .map(|id| TeamDecision {
            team: id.clone(),
            opens: false,
            because: format!(
                "attribute {} names it, and the file has no such team",
                idp.teams_attribute
            ),
            profile: None,
        })
        .collect();
    let known = teams.iter().filter_map(|entry| entry.mapping.team());
    decisions.extend(known.filter_map(|team| decide_team(idp, &session, &groups, team, now)));
    Decision {
        person: format!("directory {}, by {}", idp.directory, idp.user_attribute),
        owner: Some(person.owner.to_string()),
        teams: decisions,
    }
}

/// `None` where nothing gives the person access to the team.
fn decide_team(
    idp: &Idp,
    session: &Session,
    groups: &[String],
    team: &Team,
    now: jiff::Timestamp,
) -> Option<TeamDecision> {
    let said = session.said(groups);
    let case = Case { idp, said, target: Target::Usable(team), client: None, now };
    let rules = entitlement::rules(&case);
    let given = because(rules.first()?, &idp.teams_attribute);
    // Whence the response comes is not known here.
    let of_team = entitlement::Check::OF_TEAM.into_iter();
    let mut checks = of_team.filter(|check| *check != entitlement::Check::Network);
    let decided = checks.find(|check| !entitlement::holds(*check, &case));
    let (opens, because) = match decided {
        None if team.allowed_cidrs.is_some() => {
            (true, format!("{given}, from an address within its allowed_cidrs"))
        }
        None => (true, given),
        Some(check) => (false, format!("{given}, and {}", but(check))),
    };
    let profile = profile_name(&session.directory, &session.user_id, &team.team_id);
    Some(TeamDecision {
        team: team.team_id.to_string(),
        opens,
        because,
        profile: opens.then_some(profile),
    })
}

/// Whether the file asks for other signatures than the response was verified with.
pub(super) fn required(file: &MappingFile, assertion: &Assertion) -> RequireSigned {
    let mut idps = file.idps.iter().flatten();
    let entry = idps.find(|entry| entry.key == assertion.issuer());
    entry
        .and_then(|entry| entry.mapping.idp())
        .map_or(RequireSigned::Either, |idp| idp.require_signed)
}

/// Says the decision, on standard error.
pub(super) fn say_decision(decision: &Decision) {
    let Decision { person, owner, teams } = decision;
    match owner {
        Some(owner) => say(format!("person       {owner} ({})", plain(person))),
        None => say(format!("person       {}: {}", styled(REMOVED, "refused"), plain(person))),
    }
    for TeamDecision { team, opens, because, profile } in teams {
        let word = if *opens { styled(ADDED, "opens") } else { styled(REMOVED, "does not open") };
        let profile = profile.as_ref().map_or_else(String::new, |p| format!(", profile {p}"));
        say(format!("team         {} {word}: {}{profile}", plain(team), plain(because)));
    }
    if owner.is_some() && teams.is_empty() {
        say("team         none: neither the assertion nor a group in it names a team of the file");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_of_a_refusal_belongs_to_exactly_one_check() {
        let mut listed: Vec<_> =
            CHECKS.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
        let all: BTreeSet<_> = Rejection::CODES.iter().map(|row| row.code).collect();
        assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), all);
        listed.sort_unstable();
        listed.dedup();
        assert_eq!(listed.len(), all.len());
    }
}
