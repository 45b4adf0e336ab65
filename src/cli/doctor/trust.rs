//! Whom the target role lets in: its trust policy, read with `iam:GetRole` and evaluated here.
//!
//! AWS simulates no trust policies, and `doctor` never has the hub's credentials to try. So every way in
//! is held against the document itself: the broker's request must be allowed, and each request that
//! differs from it in one thing must not be.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cli::findings::{Cause, Finding};
use crate::policy::{Decision, Policy, Request};
use crate::team::Team;

/// Ids that no team, person or organization has.
const NOBODY: &str = "studio-broker-doctor";
const ELSEWHERE: &str = "o-studiobrokerdoctor";

/// Condition keys that a request of the broker has a known value, or none, for.
const KNOWN: [&str; 10] = [
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalaccount",
    "aws:requesttag/team",
    "aws:requesttag/user",
    "aws:tagkeys",
    "sts:transitivetagkeys",
    "sts:externalid",
    "sts:rolesessionname",
    "sts:sourceidentity",
];

/// The roles that a trust policy names as those who may assume the role.
pub(super) fn hub_roles(document: &Value) -> BTreeSet<String> {
    let mut roles = BTreeSet::new();
    for statement in statements(document) {
        let named = statement.get("Principal").and_then(|principal| principal.get("AWS"));
        let named = texts(named).into_iter();
        roles.extend(named.filter(|arn| arn.contains(":role/")).map(str::to_owned));
    }
    roles
}

/// The organization that a trust policy asks for.
pub(super) fn organization(document: &Value) -> Option<String> {
    values(document, "aws:PrincipalOrgID").into_iter().next()
}

/// Holds a target role's trust policy against what the team needs and against what must be refused.
pub(super) fn check(document: &Value, team: &Team, hub_role: &str) -> Vec<Finding> {
    let subject = format!("team {}", team.team_id);
    let policy = match Policy::parse(document) {
        Ok(policy) => policy,
        Err(error) => {
            let fix = "write the trust policy as the template has it";
            return vec![Finding::new(Cause::TrustUnread, subject, error.to_string(), fix)];
        }
    };
    let asked_for = Ask {
        principal: hub_role.into(),
        organization: organization(document).unwrap_or_else(|| ELSEWHERE.into()),
        external_id: team.external_id.clone(),
        team: Some(team.team_id.to_string()),
        user: Some(NOBODY.into()),
        session_name: NOBODY.into(),
        further_tag: false,
        transitive: false,
    };
    let mut findings = Vec::new();
    let is_granted = asked_for.is_granted(&policy);
    let unknown = |statements: &[&Value]| {
        let unknown = keys(statements).into_iter().filter(|key| !is_known(key));
        unknown.collect::<Vec<_>>().join(", ")
    };
    let allowing = allowing(document);
    let (of_all, of_allowing) = (unknown(&statements(document)), unknown(&allowing));
    let refused = match (is_granted, of_all.is_empty(), of_allowing.is_empty()) {
        (false, true, _) => {
            let found = format!("the trust policy refuses {}", asked_for.describe());
            Some((Cause::TrustRefuses, found))
        }
        (false, false, _) => {
            let found = format!("whether the broker may come in depends on {of_all}");
            Some((Cause::TrustUnread, found))
        }
        // A stranger may meet such a condition, whatever it says of the broker.
        (true, _, false) => {
            Some((Cause::TrustUnread, format!("who may come in depends on {of_allowing}")))
        }
        (true, _, true) => None,
    };
    findings.extend(refused.map(|(cause, found)| Finding::new(cause, &subject, found, fix(team))));
    let mut wide: Vec<String> = strangers(&asked_for)
        .into_iter()
        .filter(|(_, ask)| ask.is_granted(&policy))
        .map(|(who, _)| who.to_owned())
        .collect();
    // No list of strangers holds everybody: who is named and is not the broker is one too many.
    wide.extend(principals(&allowing).into_iter().filter(|named| named != hub_role));
    if !wide.is_empty() {
        let found = format!("the trust policy lets in {}", wide.join("; "));
        findings.push(Finding::new(Cause::TrustTooWide, subject, found, fix(team)));
    }
    findings
}

fn fix(team: &Team) -> String {
    format!(
        "deploy the template of account {} with team {} in it{}",
        team.account_id,
        team.team_id,
        if team.external_id.is_some() { " and its external id" } else { "" }
    )
}

/// Each differs from the broker's request in one thing, and must be refused.
fn strangers(asked_for: &Ask) -> Vec<(&'static str, Ask)> {
    let account = asked_for.principal.split(':').nth(4).unwrap_or_default();
    let sibling = format!("arn:aws:iam::{account}:role/{NOBODY}");
    let change = |change: fn(&mut Ask)| {
        let mut ask = asked_for.clone();
        change(&mut ask);
        ask
    };
    let mut strangers = vec![
        ("another role of the hub account", Ask { principal: sibling, ..asked_for.clone() }),
        (
            "a role of another account",
            change(|ask| ask.principal = format!("arn:aws:iam::000000000000:role/{NOBODY}")),
        ),
        (
            "the hub role's name in another organization",
            change(|ask| ask.organization = ELSEWHERE.into()),
        ),
        ("an unknown team", change(|ask| ask.team = Some(NOBODY.into()))),
        ("a session without a team", change(|ask| ask.team = None)),
        ("a session without a user", change(|ask| ask.user = None)),
        (
            "a session without tags",
            change(|ask| {
                ask.team = None;
                ask.user = None;
            }),
        ),
        ("a session with a third tag", change(|ask| ask.further_tag = true)),
        ("a session whose tags pass on to the next role", change(|ask| ask.transitive = true)),
    ];
    if asked_for.external_id.is_some() {
        strangers.push(("a request without the external id", change(|ask| ask.external_id = None)));
    }
    strangers
}

/// A request for the role.
#[derive(Debug, Clone)]
struct Ask {
    principal: String,
    organization: String,
    external_id: Option<String>,
    team: Option<String>,
    user: Option<String>,
    session_name: String,
    further_tag: bool,
    transitive: bool,
}

impl Ask {
    /// Assuming and, with tags, tagging: each is an action of its own.
    fn is_granted(&self, policy: &Policy) -> bool {
        let tagged = self.team.is_some() || self.user.is_some() || self.further_tag;
        let granted = |action| policy.decide(&self.request(action)) == Decision::Allow;
        granted("sts:AssumeRole") && (!tagged || granted("sts:TagSession"))
    }

    fn request(&self, action: &str) -> Request {
        let account = self.principal.split(':').nth(4).unwrap_or_default();
        let mut request = Request::new(action, "*")
            .with("aws:PrincipalArn", &self.principal)
            .with("aws:PrincipalAccount", account)
            .with("aws:PrincipalOrgID", &self.organization);
        request.principal.clone_from(&self.principal);
        let tags = [("Team", &self.team), ("User", &self.user)];
        let further = self.further_tag.then(|| NOBODY.to_owned());
        let tags = tags.into_iter().chain([("StudioBrokerDoctor", &further)]);
        for (key, value) in tags {
            let Some(value) = value else { continue };
            request =
                request.with(&format!("aws:RequestTag/{key}"), value).with("aws:TagKeys", key);
        }
        if self.transitive {
            request = request.with("sts:TransitiveTagKeys", "Team");
        }
        if action == "sts:AssumeRole" {
            request = request.with("sts:RoleSessionName", &self.session_name);
            if let Some(external_id) = &self.external_id {
                request = request.with("sts:ExternalId", external_id);
            }
        }
        request
    }

    fn describe(&self) -> String {
        let Self { principal, team, .. } = self;
        let external_id = match self.external_id {
            Some(_) => "with the mapping's external id",
            None => "without an external id",
        };
        format!("{principal} for team {}, {external_id}", team.as_deref().unwrap_or_default())
    }
}

fn is_known(key: &str) -> bool {
    KNOWN.contains(&key.to_ascii_lowercase().as_str())
}

fn statements(document: &Value) -> Vec<&Value> {
    match document.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(statement) => vec![statement],
        None => Vec::new(),
    }
}

/// The statements that let somebody in.
fn allowing(document: &Value) -> Vec<&Value> {
    let statements = statements(document).into_iter();
    statements.filter(|s| s.get("Effect").and_then(Value::as_str) == Some("Allow")).collect()
}

/// Everybody whom statements name, of whatever kind.
fn principals(statements: &[&Value]) -> BTreeSet<String> {
    let named = statements.iter().filter_map(|statement| statement.get("Principal"));
    let texts = named.flat_map(|principal| match principal {
        Value::Object(kinds) => kinds.values().flat_map(|kind| texts(Some(kind))).collect(),
        other => texts(Some(other)),
    });
    texts.map(str::to_owned).collect()
}

/// Every condition key of statements.
fn keys(statements: &[&Value]) -> BTreeSet<String> {
    let operators = statements.iter().filter_map(|s| s.get("Condition")?.as_object());
    let blocks = operators.flat_map(|operators| operators.values().filter_map(Value::as_object));
    blocks.flat_map(|block| block.keys().cloned()).collect()
}

/// What a document compares a condition key with.
fn values(document: &Value, key: &str) -> Vec<String> {
    let operators =
        statements(document).into_iter().filter_map(|s| s.get("Condition")?.as_object());
    let blocks = operators.flat_map(|operators| operators.values().filter_map(Value::as_object));
    let found = blocks.flat_map(|block| block.iter());
    let found = found.filter(|(name, _)| name.eq_ignore_ascii_case(key));
    found.flat_map(|(_, value)| texts(Some(value))).map(str::to_owned).collect()
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::local::aws::roles::{grant::Grant, hub::Hub, target::trust_policy};

    const HUB: &str = "arn:aws:iam::111111111111:role/Hub";

    fn team() -> Team {
        let item = json!({
            "team_id": "team1", "account_id": "222222222222", "region": "us-east-1",
            "domain_id": "d-team1", "external_id": "secret-1",
            "execution_role_arn": "arn:aws:iam::222222222222:role/Team1Execution",
        });
        Team::read(item.as_object().unwrap()).unwrap().value
    }

    fn document() -> Value {
        let hub = Hub { role_arn: HUB.into(), organization_id: "o-example".into() };
        let grant = Grant {
            team_id: "team1".into(),
            account_id: "222222222222".into(),
            region: "us-east-1".into(),
            domain_id: "d-team1".into(),
            execution_role_arn: "arn:aws:iam::222222222222:role/Team1Execution".into(),
            target_role_arn: "arn:aws:iam::222222222222:role/StudioBrokerTarget".into(),
            external_id: Some("secret-1".into()),
            tag_keys: Vec::new(),
            adopt_profiles: false,
            doors: vec![],
        };
        trust_policy(&hub, &[grant])
    }

    fn found(change: impl Fn(&mut Value)) -> Vec<(Cause, String)> {
        let mut document = document();
        for statement in document["Statement"].as_array_mut().unwrap() {
            change(statement);
        }
        let findings = check(&document, &team(), HUB);
        findings.into_iter().map(|finding| (finding.cause, finding.found)).collect()
    }

    #[test]
    fn the_reference_document_lets_in_the_broker_and_nobody_else() {
        assert_eq!(found(|_| {}), []);
        assert_eq!(hub_roles(&document()), BTreeSet::from([HUB.to_owned()]));
    }

    #[test]
    fn every_condition_that_is_taken_away_is_noticed_by_what_it_held_back() {
        for (pointer, lets_in) in [
            ("/Condition/StringEquals/aws:PrincipalOrgID", "another organization"),
            ("/Condition/StringEquals/aws:RequestTag~1Team", "an unknown team"),
            ("/Condition/StringLike/aws:RequestTag~1User", "a session without a user"),
            ("/Condition/ForAllValues:StringEquals/aws:TagKeys", "a third tag"),
            ("/Condition/Null/sts:TransitiveTagKeys", "pass on to the next role"),
            ("/Condition/StringEquals/sts:ExternalId", "without the external id"),
        ] {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let key = key.replace("~1", "/");
            let found = found(|statement| {
                let block = statement.pointer_mut(parent).and_then(Value::as_object_mut);
                block.and_then(|block| block.remove(&key));
                // A user that is not asked for is not held against the session's name either.
                if key == "aws:RequestTag/User" {
                    let equals = statement.pointer_mut("/Condition/StringEquals");
                    equals
                        .and_then(Value::as_object_mut)
                        .and_then(|e| e.remove("sts:RoleSessionName"));
                }
            });
            let [(cause, text)] = found.as_slice() else { panic!("{pointer}: {found:?}") };
            assert_eq!(*cause, Cause::TrustTooWide);
            assert!(text.contains(lets_in), "{pointer}: {text}");
        }
    }

    #[test]
    fn a_whole_account_is_too_wide() {
        let found = found(|statement| {
            statement["Principal"] = json!({"AWS": "arn:aws:iam::111111111111:root"});
            statement["Condition"].as_object_mut().unwrap().remove("ArnEquals");
        });
        assert_eq!(found[0].0, Cause::TrustTooWide);
        assert!(found[0].1.contains("another role of the hub account"), "{}", found[0].1);
    }

    fn found_beside(statement: &Value) -> Vec<(Cause, String)> {
        let mut document = document();
        document["Statement"].as_array_mut().unwrap().push(statement.clone());
        let findings = check(&document, &team(), HUB);
        findings.into_iter().map(|finding| (finding.cause, finding.found)).collect()
    }

    #[test]
    fn whoever_is_named_beside_the_broker_is_one_too_many() {
        let condition = json!({"StringEquals": {"sts:ExternalId": "another-secret"}});
        for (principal, named) in [
            (json!({"AWS": "arn:aws:iam::333333333333:root"}), "arn:aws:iam::333333333333:root"),
            (json!({"AWS": "333333333333"}), "333333333333"),
            (
                json!({"AWS": [HUB, "arn:aws:iam::333333333333:user/eve"]}),
                "arn:aws:iam::333333333333:user/eve",
            ),
            (json!({"Service": "ec2.amazonaws.com"}), "ec2.amazonaws.com"),
            (json!("*"), "*"),
        ] {
            let statement = json!({"Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": principal, "Condition": condition});
            let wide = format!("the trust policy lets in {named}");
            assert_eq!(found_beside(&statement), [(Cause::TrustTooWide, wide)]);
        }
        let deny = json!({"Effect": "Deny", "Action": "sts:AssumeRole",
            "Principal": {"AWS": "arn:aws:iam::333333333333:root"}});
        assert_eq!(found_beside(&deny), []);
    }

    #[test]
    fn a_condition_that_cannot_be_judged_is_told_though_the_broker_comes_in() {
        let anybody = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*",
            "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}});
        assert_eq!(
            found_beside(&anybody),
            [
                (Cause::TrustUnread, "who may come in depends on aws:SourceVpce".to_owned()),
                (Cause::TrustTooWide, "the trust policy lets in *".to_owned()),
            ]
        );
    }

    #[test]
    fn a_document_that_refuses_the_broker_says_so_or_that_it_cannot_know() {
        let other = |statement: &mut Value| {
            statement["Condition"]["StringEquals"]["aws:RequestTag/Team"] = json!("team2");
        };
        let found_other = found(other);
        assert_eq!(found_other[0].0, Cause::TrustRefuses);
        let network = |statement: &mut Value| {
            statement["Condition"]["StringEquals"]["aws:SourceVpce"] = json!("vpce-1");
        };
        let found_network = found(network);
        assert_eq!(found_network[0].0, Cause::TrustUnread);
        assert!(found_network[0].1.contains("aws:SourceVpce"));
        let unreadable = found(|statement| statement["Condition"]["IpAddress"] = json!({}));
        assert_eq!(unreadable[0].0, Cause::TrustUnread);
    }
}
