//! The decision about one person and one team in words: each check in its order, with expected and got.
//!
//! `access explain` and `saml verify --explain` say the same about the same; whether a check holds is the
//! sign-in's own code ([`crate::team::entitlement`]).

use jiff::Timestamp;
use serde::Serialize;

use super::output::{ADDED, CHANGED, REMOVED, plain, say, styled, word};
use crate::http::code_of_check;
use crate::mappings::change::cut;
use crate::team::entitlement::{self, Admission, Case, Check, Rule, Target};
use crate::team::item::excerpt;
use crate::team::members::{Name, Until};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Holds,
    Refused,
    NotReached,
}

/// One check, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    /// What is checked.
    pub(super) check: &'static str,
    /// The code that a person is shown who does not pass.
    pub(super) code: &'static str,
    /// How it ended.
    pub(super) outcome: Outcome,
    /// What must be there.
    pub(super) expected: String,
    /// What is there.
    pub(super) got: String,
    /// A command that would change it, for the check that refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<String>,
}

/// The decision of a sign-in: about the person first, then about the team.
///
/// # Errors
///
/// The first check that does not hold.
pub(super) fn decide(case: &Case<'_>) -> Result<Admission, Check> {
    entitlement::person(case.idp, &case.said)?;
    entitlement::team(case)
}

/// All checks in their order, with what came of them.
pub(super) fn steps(case: &Case<'_>) -> Vec<Step> {
    let refused = decide(case).err();
    let mut reached = true;
    let all = Check::OF_PERSON.into_iter().chain(Check::OF_TEAM);
    all.map(|check| {
        let outcome = match refused {
            Some(refusing) if refusing == check => Outcome::Refused,
            _ if reached => Outcome::Holds,
            _ => Outcome::NotReached,
        };
        reached = reached && outcome == Outcome::Holds;
        let change = (outcome == Outcome::Refused).then(|| change(check, case)).flatten();
        let (expected, got) = words(check, case);
        Step { check: name(check), code: code_of_check(check).code, outcome, expected, got, change }
    })
    .collect()
}

fn name(check: Check) -> &'static str {
    match check {
        Check::IdpEnabled => "identity provider",
        Check::SameDirectory => "directory",
        Check::KeyTrusted => "key",
        Check::NotDenied => "denied people",
        Check::IdpContext => "authentication context of the identity provider",
        Check::IdpAllows => "allowed teams",
        Check::Entitled => "a rule",
        Check::Readable => "the team's item",
        Check::Enabled => "enabled",
        Check::Network => "network",
        Check::TeamContext => "authentication context of the team",
    }
}

/// A list of foreign texts, cut.
fn list(texts: &[String]) -> String {
    if texts.is_empty() {
        return "none".into();
    }
    let texts: Vec<_> = texts.iter().map(|text| excerpt(text)).collect();
    cut(&texts, 10).join(", ")
}

/// What is expected, and what is there.
fn words(check: Check, case: &Case<'_>) -> (String, String) {
    let Case { idp, said, target, client, .. } = case;
    let team = match target {
        Target::Usable(team) => Some(team),
        Target::Missing(_) | Target::Unusable(..) => None,
    };
    let contexts = |asked: Option<&[String]>| {
        (
            asked.map_or_else(|| "any".to_owned(), |asked| format!("one of {}", list(asked))),
            list(said.authn_contexts),
        )
    };
    match check {
        Check::IdpEnabled => {
            ("enabled".to_owned(), format!("{}, enabled: {}", excerpt(&idp.entity_id), idp.enabled))
        }
        Check::SameDirectory => (excerpt(said.directory), excerpt(&idp.directory)),
        Check::KeyTrusted => (
            "a key of the metadata".to_owned(),
            said.key.map_or_else(|| "no response is asked about".to_owned(), str::to_owned),
        ),
        Check::NotDenied => {
            let denied = idp.denied_users.iter().any(|denied| denied == said.user_id);
            let got = if denied { "denied_users holds it" } else { "not among them" };
            (format!("a user id that denied_users lack, {}", excerpt(said.user_id)), got.to_owned())
        }
        Check::IdpContext => contexts(idp.authn_contexts.as_deref()),
        Check::IdpAllows => (
            format!("the identity provider may grant {}", target.id()),
            list(idp.allowed_teams.names()),
        ),
        Check::Entitled => (rules_that_would(case), rules_that_do(case)),
        Check::Readable => (
            "an item that can be used".to_owned(),
            if team.is_some() { "it can" } else { "it cannot" }.to_owned(),
        ),
        Check::Enabled => (
            "enabled: true".to_owned(),
            team.map_or_else(|| "unknown".to_owned(), |team| format!("enabled: {}", team.enabled)),
        ),
        Check::Network => {
            let cidrs = team.and_then(|team| team.allowed_cidrs.as_ref());
            let expected = cidrs.map_or_else(
                || "any address".to_owned(),
                |cidrs| list(&cidrs.iter().map(ToString::to_string).collect::<Vec<_>>()),
            );
            let got = client.map_or_else(|| "unknown".to_owned(), |client| client.to_string());
            (expected, got)
        }
        Check::TeamContext => contexts(team.and_then(|team| team.authn_contexts.as_deref())),
    }
}

/// Everything that would give access.
fn rules_that_would(case: &Case<'_>) -> String {
    let Case { idp, said, target, .. } = case;
    let groups = target.groups();
    let mut would = vec![format!("{} names it", idp.teams_attribute)];
    if !groups.is_empty() {
        would.push(format!("a group among {}", list(groups)));
    }
    let name = Name { directory: said.directory.to_owned(), user_id: said.user_id.to_owned() };
    would.push(format!("members hold {}", excerpt(&name.key())));
    would.join(", or ")
}

/// What gives access, or what was said instead.
fn rules_that_do(case: &Case<'_>) -> String {
    let Case { idp, said, target, now, .. } = case;
    let rules = entitlement::rules(case);
    if !rules.is_empty() {
        let rules: Vec<_> = rules.iter().map(|rule| because(rule, &idp.teams_attribute)).collect();
        return rules.join(", and ");
    }
    if matches!(target, Target::Missing(_)) {
        return "there is no such team".to_owned();
    }
    let mut got = vec![
        format!("{}: {}", idp.teams_attribute, list(said.teams)),
        format!("groups: {}", list(said.groups)),
    ];
    let member = target.members().and_then(|m| m.of(said.directory, said.user_id));
    got.push(match member {
        Some(member) if member.until.is_over(*now) => format!("members: ended {}", member.until),
        _ => "members: no entry".to_owned(),
    });
    got.join("; ")
}

/// Why a rule gives access.
pub(super) fn because(rule: &Rule, teams_attribute: &str) -> String {
    match rule {
        Rule::Attribute => format!("attribute {teams_attribute} names it"),
        Rule::Group(group) => format!("its groups hold {}", excerpt(group)),
        Rule::Member { key, until: Until::Always } => format!("its members hold {}", excerpt(key)),
        Rule::Member { key, until } => format!("its members hold {} until {until}", excerpt(key)),
    }
}

/// Why the team does not open, after [`because`].
pub(super) fn but(check: Check) -> &'static str {
    match check {
        Check::IdpEnabled => "the IdP has enabled: false",
        Check::SameDirectory => "the IdP has another directory",
        Check::KeyTrusted => "the IdP's metadata lacks the key that signed",
        Check::NotDenied => "denied_users hold the person",
        Check::IdpContext => "the sign-in is of another kind than the IdP's authn_contexts",
        Check::IdpAllows => "the IdP's allowed_teams lack it",
        Check::Entitled => "no rule gives access",
        Check::Readable => "its item cannot be used",
        Check::Enabled => "it is paused (enabled: false)",
        Check::Network => "the address is not within its allowed_cidrs",
        Check::TeamContext => "the sign-in is of another kind than its authn_contexts",
    }
}

/// The command that would change what refused.
fn change(check: Check, case: &Case<'_>) -> Option<String> {
    let Case { idp, said, target, .. } = case;
    let (idp_word, team) = (word(&idp.entity_id), word(target.id().as_str()));
    Some(match check {
        Check::IdpEnabled | Check::SameDirectory | Check::KeyTrusted | Check::IdpContext => {
            format!("studio-broker idps show {idp_word}")
        }
        Check::NotDenied => format!("studio-broker idps show {idp_word}"),
        Check::IdpAllows => format!("studio-broker idps teams {idp_word} +{team}"),
        Check::Entitled if matches!(target, Target::Missing(_)) => {
            "studio-broker teams list".to_owned()
        }
        Check::Entitled => format!(
            "studio-broker access grant {} {team} --for 8h --reason TEXT --directory {}",
            word(said.user_id),
            word(said.directory)
        ),
        Check::Readable | Check::Network | Check::TeamContext => {
            format!("studio-broker teams show {team}")
        }
        Check::Enabled => format!("studio-broker teams resume {team}"),
    })
}

/// Says the checks, on standard error.
pub(super) fn say_steps(steps: &[Step]) {
    for Step { check, outcome, expected, got, change, .. } in steps {
        let word = match outcome {
            Outcome::Holds => styled(ADDED, "holds      "),
            Outcome::Refused => styled(REMOVED, "refused    "),
            Outcome::NotReached => styled(CHANGED, "not reached"),
        };
        say(format!("{word}  {check}: expected {}", plain(expected)));
        if *outcome != Outcome::NotReached {
            say(format!("             got {}", plain(got)));
        }
        if let Some(change) = change {
            say(format!("             change: {change}"));
        }
    }
}

/// The end of an access, for people: nothing where there is none.
pub(super) fn until_words(until: Until, now: Timestamp) -> String {
    match until {
        Until::Always => String::new(),
        Until::At(end) if now >= end => format!("ended {end}"),
        Until::At(end) => end.to_string(),
    }
}
