//! A small, honest evaluator of IAM policy documents: `doctor` reads trust policies with it, which AWS
//! evaluates for nobody, and the simulated IAM decides by it.
//!
//! It knows Allow and Deny statements with `Principal`, `Action`, `NotAction`, `Resource`,
//! `NotResource` and `Condition`, and the condition operators listed in [`Operator`]. What it does
//! not know it refuses to parse, so that no statement is ever half understood. The rules are those
//! of "IAM JSON policy elements" and "Policy evaluation logic" in the IAM user guide:
//!
//! - a Deny that applies wins over every Allow; without an Allow the answer is no;
//! - condition keys, the tag key inside `aws:RequestTag/…` included, fold case, values do not;
//! - a key that is absent fails a positive operator and satisfies a negated one, `…IfExists` and
//!   `ForAllValues:`; it fails `ForAnyValue:`;
//! - a policy variable whose key is absent makes its value match nothing;
//! - variables exist in documents of version 2012-10-17 alone. In one of 2008-10-17, or of no version,
//!   which is the same, they are text.
//!
//! As of 2026-11 no crate was found that decides as IAM does. What the tests below ask was asked of two more:
//!
//! - `iam-rs` 0.8.0 (2026-10, MIT) fills no variable in a condition: `${aws:RequestTag/User}` as the name of
//!   the session, which the broker's own trust asks for, is never met, and a `StringNotEquals` with a variable
//!   always. It denies every trust policy, as those have no `Resource`; an account or its root stands for
//!   nobody in it; `arn:*:role/Hub` runs across colons; in a resource it fills variables whatever the
//!   document's version. What it does not know it skips: with `Conditions` for `Condition`, everything is
//!   allowed.
//! - `aws-iam` 0.2.2 (2022-06, MIT) compares texts alone, without wildcards, and a key has one value. Of
//!   trust policies it reads none, and a statement for `*` makes it panic where a request names an ARN.
//!
//! Not run: `fakecloud-iam` 0.51.0 (2026-10) is under AGPL-3.0, which `deny.toml` does not allow;
//! `rustfs-policy` 1.0.1 (2026-10) knows actions by a list, of S3 and its own; `cedar-policy` 4.14.1
//! (2026-11) is another language.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a request asks for, and everything that conditions may look at.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// For example `sagemaker:CreatePresignedDomainUrl`.
    pub action: String,
    /// The ARN, or `*` for an operation without a resource.
    pub resource: String,
    /// ARN of the caller, compared with `Principal` of trust policies.
    pub principal: String,
    keys: BTreeMap<String, Vec<String>>,
}

impl Request {
    /// A request for `action` on `resource`, without any condition key.
    #[must_use]
    pub fn new(action: &str, resource: &str) -> Self {
        Self { action: action.into(), resource: resource.into(), ..Self::default() }
    }

    /// Adds one value of a condition key; several calls make the key multi-valued.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.keys.entry(key.to_ascii_lowercase()).or_default().push(value.into());
        self
    }

    fn values(&self, key: &str) -> &[String] {
        self.keys.get(&key.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }
}

/// Whether the request may go on, and if not, why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows it and none denies it.
    Allow,
    /// A statement denies it, whatever others say.
    ExplicitDeny,
    /// No statement allows it.
    ImplicitDeny,
}

/// A document, or a part of one, that this evaluator does not understand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// An element is missing or of the wrong shape.
    #[error("policy element {element}: expected {expected}")]
    Malformed {
        /// The element's name, for example `Statement`.
        element: String,
        /// What stands there in a good document.
        expected: &'static str,
    },
    /// A condition operator outside [`Operator`].
    #[error("condition operator {got} is not known")]
    UnknownOperator {
        /// As written.
        got: String,
    },
    /// An element that statements may have in IAM, but not here.
    #[error("policy element {got} is not known")]
    UnknownElement {
        /// As written.
        got: String,
    },
}

impl PolicyError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "policy_malformed",
            Self::UnknownOperator { .. } => "policy_unknown_operator",
            Self::UnknownElement { .. } => "policy_unknown_element",
        }
    }
}

/// A parsed policy document.
#[derive(Debug, Clone)]
pub struct Policy {
    variables: Variables,
    statements: Vec<Statement>,
}

/// Whether `${…}` stands for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variables {
    Filled,
    Text,
}

#[derive(Debug, Clone)]
struct Statement {
    allow: bool,
    principal: Option<Vec<String>>,
    actions: Patterns,
    /// Trust policies have none: there the resource is the role itself.
    resources: Option<Patterns>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone)]
struct Patterns {
    negated: bool,
    patterns: Vec<String>,
}

#[derive(Debug, Clone)]
struct Condition {
    quantifier: Quantifier,
    operator: Operator,
    negated: bool,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    Single,
    ForAllValues,
    ForAnyValue,
}

/// The comparisons that are known; each but `Null` also with `…IfExists`, the first four also
/// negated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `StringEquals`, `StringNotEquals`: exact.
    StringEquals,
    /// `StringEqualsIgnoreCase`, `StringNotEqualsIgnoreCase`.
    StringEqualsIgnoreCase,
    /// `StringLike`, `StringNotLike`: `*` and `?`.
    StringLike,
    /// `ArnLike`, `ArnEquals` (the same in IAM) and their negations: `*` and `?` within each of the
    /// six parts between colons.
    ArnLike,
    /// `Bool`.
    Bool,
    /// `Null`: `true` asks for the key to be absent.
    Null,
}

impl Policy {
    /// Reads a policy document.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] for anything that this evaluator would not evaluate as IAM does.
    pub fn parse(document: &Value) -> Result<Self, PolicyError> {
        let variables = match document.get("Version").map(Value::as_str) {
            Some(Some("2012-10-17")) => Variables::Filled,
            Some(Some("2008-10-17")) | None => Variables::Text,
            Some(_) => return Err(malformed("Version", "2012-10-17 or 2008-10-17")),
        };
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().map(Statement::parse).collect(),
            Some(statement @ Value::Object(_)) => Statement::parse(statement).map(|s| vec![s]),
            _ => Err(malformed("Statement", "an object or a list of objects")),
        }?;
        Ok(Self { variables, statements })
    }

    /// Condition keys that statements for this action look at and the request has no value for.
    #[must_use]
    pub fn missing_keys(&self, request: &Request) -> Vec<String> {
        let action = request.action.to_ascii_lowercase();
        let asked = self.statements.iter().filter(|statement| {
            statement.actions.hold(|pattern| matches(&pattern.to_ascii_lowercase(), &action))
        });
        let keys = asked.flat_map(|statement| &statement.conditions).map(|c| c.key.clone());
        let mut missing: Vec<_> = keys.filter(|key| request.values(key).is_empty()).collect();
        missing.sort();
        missing.dedup();
        missing
    }

    /// The answer of this document alone.
    #[must_use]
    pub fn decide(&self, request: &Request) -> Decision {
        let mut decision = Decision::ImplicitDeny;
        for statement in self.statements.iter().filter(|s| s.applies(request, self.variables)) {
            if !statement.allow {
                return Decision::ExplicitDeny;
            }
            decision = Decision::Allow;
        }
        decision
    }
}

impl Statement {
    fn parse(value: &Value) -> Result<Self, PolicyError> {
        let object = value.as_object().ok_or_else(|| malformed("Statement", "an object"))?;
        let (mut effect, mut principal, mut actions, mut resources) = (None, None, None, None);
        let mut conditions = Vec::new();
        for (element, value) in object {
            match element.as_str() {
                "Sid" => {}
                "Effect" => effect = Some(value.as_str() == Some("Allow")),
                "Principal" => principal = Some(principals(element, value)?),
                "Action" | "NotAction" => actions = Some(Patterns::parse(element, value)?),
                "Resource" | "NotResource" => resources = Some(Patterns::parse(element, value)?),
                "Condition" => conditions = parse_conditions(value)?,
                other => return Err(PolicyError::UnknownElement { got: other.into() }),
            }
        }
        Ok(Self {
            allow: effect.ok_or_else(|| malformed("Effect", "Allow or Deny"))?,
            principal,
            actions: actions.ok_or_else(|| malformed("Action", "one action or a list"))?,
            resources,
            conditions,
        })
    }

    fn applies(&self, request: &Request, variables: Variables) -> bool {
        let principal = self.principal.as_ref();
        principal.is_none_or(|named| named.iter().any(|p| names(p, &request.principal)))
            && self.actions.hold(|pattern| {
                matches(&pattern.to_ascii_lowercase(), &request.action.to_ascii_lowercase())
            })
            && self.resources.as_ref().is_none_or(|resources| {
                resources.hold(|pattern| {
                    expand(pattern, request, variables)
                        .is_some_and(|p| matches(&p, &request.resource))
                })
            })
            && self.conditions.iter().all(|condition| condition.holds(request, variables))
    }
}

impl Patterns {
    fn parse(element: &str, value: &Value) -> Result<Self, PolicyError> {
        Ok(Self { negated: element.starts_with("Not"), patterns: strings(element, value)? })
    }

    fn hold(&self, matches: impl Fn(&String) -> bool) -> bool {
        self.patterns.iter().any(matches) != self.negated
    }
}

fn parse_conditions(value: &Value) -> Result<Vec<Condition>, PolicyError> {
    let blocks = value.as_object().ok_or_else(|| malformed("Condition", "an object"))?;
    let mut conditions = Vec::new();
    for (name, keys) in blocks {
        let (quantifier, rest) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Quantifier::ForAllValues, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::ForAnyValue, rest),
            Some(_) => return Err(PolicyError::UnknownOperator { got: name.clone() }),
            None => (Quantifier::Single, name.as_str()),
        };
        let (operator, if_exists) = match rest.strip_suffix("IfExists") {
            Some(operator) => (operator, true),
            None => (rest, false),
        };
        let (operator, negated) = match operator {
            "StringEquals" => (Operator::StringEquals, false),
            "StringNotEquals" => (Operator::StringEquals, true),
            "StringEqualsIgnoreCase" => (Operator::StringEqualsIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => (Operator::StringEqualsIgnoreCase, true),
            "StringLike" => (Operator::StringLike, false),
            "StringNotLike" => (Operator::StringLike, true),
            "ArnEquals" | "ArnLike" => (Operator::ArnLike, false),
            "ArnNotEquals" | "ArnNotLike" => (Operator::ArnLike, true),
            "Bool" => (Operator::Bool, false),
            "Null" if !if_exists => (Operator::Null, false),
            _ => return Err(PolicyError::UnknownOperator { got: name.clone() }),
        };
        for (key, values) in keys.as_object().ok_or_else(|| malformed(name, "an object"))? {
            conditions.push(Condition {
                quantifier,
                operator,
                negated,
                if_exists,
                key: key.clone(),
                values: strings(key, values)?,
            });
        }
    }
    Ok(conditions)
}

impl Condition {
    fn holds(&self, request: &Request, variables: Variables) -> bool {
        let present = request.values(&self.key);
        if self.operator == Operator::Null {
            return self.values.iter().any(|v| v == "true") == present.is_empty();
        }
        if present.is_empty() {
            return match self.quantifier {
                Quantifier::ForAllValues => true,
                Quantifier::ForAnyValue => false,
                Quantifier::Single => self.negated || self.if_exists,
            };
        }
        let wanted: Vec<String> =
            self.values.iter().filter_map(|v| expand(v, request, variables)).collect();
        let one = |got: &String| {
            wanted.iter().any(|wanted| self.operator.compare(wanted, got)) != self.negated
        };
        match self.quantifier {
            Quantifier::ForAnyValue => present.iter().any(one),
            Quantifier::Single | Quantifier::ForAllValues => present.iter().all(one),
        }
    }
}

impl Operator {
    fn compare(self, wanted: &str, got: &str) -> bool {
        match self {
            Self::StringEquals => unescape(wanted) == got,
            Self::StringEqualsIgnoreCase => unescape(wanted).eq_ignore_ascii_case(got),
            Self::StringLike => matches(wanted, got),
            Self::ArnLike => {
                let mut wanted = wanted.splitn(6, ':');
                let mut got = got.splitn(6, ':');
                loop {
                    match (wanted.next(), got.next()) {
                        (None, None) => return true,
                        (Some(wanted), Some(got)) if matches(wanted, got) => {}
                        _ => return false,
                    }
                }
            }
            Self::Bool => wanted.eq_ignore_ascii_case(got),
            Self::Null => false,
        }
    }
}

/// Marks a character that a policy variable put there, so that a `*` in somebody's tag is no
/// wildcard. Private use: it stands in no ARN and no tag.
const LITERAL: char = '\u{e000}';

/// Replaces policy variables; `None` if one of them has no single value in this request.
fn expand(pattern: &str, request: &Request, variables: Variables) -> Option<String> {
    if variables == Variables::Text {
        return Some(pattern.to_owned());
    }
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}')?;
        out.push_str(before);
        let value = match name {
            "*" | "?" | "$" => name.to_owned(),
            _ => {
                let (key, default) = match name.split_once(',') {
                    Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\''))),
                    None => (name, None),
                };
                match request.values(key) {
                    [value] => value.clone(),
                    [] => default?.to_owned(),
                    _ => return None,
                }
            }
        };
        for character in value.chars() {
            if matches!(character, '*' | '?') {
                out.push(LITERAL);
            }
            out.push(character);
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

fn unescape(pattern: &str) -> String {
    pattern.chars().filter(|c| *c != LITERAL).collect()
}

/// The principals of a statement, of any kind: services have names that no role's ARN has.
fn principals(element: &str, value: &Value) -> Result<Vec<String>, PolicyError> {
    let Some(kinds) = value.as_object() else { return strings(element, value) };
    let mut named = Vec::new();
    for value in kinds.values() {
        named.extend(strings(element, value)?);
    }
    Ok(named)
}

/// Whether a statement's principal is, or stands for, the caller: an account, by its number or its
/// root, stands for everybody in it.
fn names(principal: &str, caller: &str) -> bool {
    let account = match principal.strip_suffix(":root") {
        Some(root) => root.rsplit(':').next().unwrap_or_default(),
        None => principal,
    };
    principal == "*"
        || principal == caller
        || (account.len() == 12 && caller.split(':').nth(4) == Some(account))
}

/// Wildcard match: `*` is any run, `?` any one character. Iterative with one point of return, so
/// that no pattern takes more than pattern × text steps.
fn matches(pattern: &str, text: &str) -> bool {
    let mut tokens = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '*' => Token::Run,
            '?' => Token::One,
            LITERAL => match characters.next() {
                Some(literal) => Token::Literal(literal),
                None => break,
            },
            other => Token::Literal(other),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut at_token, mut at_text) = (0, 0);
    let mut retry = None;
    while let Some(&character) = text.get(at_text) {
        match tokens.get(at_token) {
            Some(Token::Run) => {
                retry = Some((at_token, at_text));
                at_token += 1;
            }
            Some(Token::One) => {
                at_token += 1;
                at_text += 1;
            }
            Some(Token::Literal(literal)) if *literal == character => {
                at_token += 1;
                at_text += 1;
            }
            _ => match retry {
                Some((token, start)) => {
                    retry = Some((token, start + 1));
                    at_token = token + 1;
                    at_text = start + 1;
                }
                None => return false,
            },
        }
    }
    tokens.iter().skip(at_token).all(|token| *token == Token::Run)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Run,
}

fn strings(element: &str, value: &Value) -> Result<Vec<String>, PolicyError> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(malformed(element, "a string or a list of strings")),
    };
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        value => one(value).map(|text| vec![text]),
    }
}

fn malformed(element: &str, expected: &'static str) -> PolicyError {
    PolicyError::Malformed { element: element.into(), expected }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn allows(condition: &Value, request: &Request) -> bool {
        let document = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "s:Act", "Resource": "*", "Condition": condition}});
        Policy::parse(&document).unwrap().decide(request) == Decision::Allow
    }

    fn request() -> Request {
        Request::new("s:Act", "arn:aws:s:::thing")
            .with("aws:PrincipalTag/Team", "team1")
            .with("aws:RequestTag/Team", "team1")
            .with("aws:TagKeys", "Team")
            .with("aws:TagKeys", "User")
            .with("aws:PrincipalArn", "arn:aws:iam::111111111111:role/Hub")
            .with("aws:SecureTransport", "true")
    }

    #[test]
    fn conditions_hold_exactly_as_iam_documents_them() {
        for (condition, holds) in [
            (json!({"StringEquals": {"aws:RequestTag/Team": "team1"}}), true),
            (json!({"StringEquals": {"aws:RequestTag/Team": ["team2", "team1"]}}), true),
            (json!({"StringEquals": {"aws:RequestTag/Team": "Team1"}}), false),
            (json!({"StringEqualsIgnoreCase": {"aws:RequestTag/Team": "Team1"}}), true),
            (json!({"StringEquals": {"AWS:requesttag/TEAM": "team1"}}), true),
            (json!({"StringEquals": {"aws:RequestTag/User": "u"}}), false),
            (json!({"StringEqualsIfExists": {"aws:RequestTag/User": "u"}}), true),
            (json!({"StringNotEquals": {"aws:RequestTag/User": "u"}}), true),
            (json!({"StringNotEquals": {"aws:RequestTag/Team": "team1"}}), false),
            (json!({"StringLike": {"aws:RequestTag/Team": "?*"}}), true),
            (json!({"StringLike": {"aws:RequestTag/User": "?*"}}), false),
            (json!({"StringLike": {"aws:RequestTag/Team": "t*m?"}}), true),
            (json!({"StringNotLike": {"aws:RequestTag/Team": "x*"}}), true),
            (json!({"StringEquals": {"aws:RequestTag/Team": "${aws:PrincipalTag/Team}"}}), true),
            (json!({"StringEquals": {"aws:RequestTag/Team": "${aws:PrincipalTag/User}"}}), false),
            (
                json!({"StringEquals": {"aws:RequestTag/Team": "${aws:PrincipalTag/No, 'team1'}"}}),
                true,
            ),
            (json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["Team", "User", "X"]}}), true),
            (json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["Team"]}}), false),
            (json!({"ForAllValues:StringEquals": {"sts:TransitiveTagKeys": ["Team"]}}), true),
            (json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["Team"]}}), true),
            (json!({"ForAnyValue:StringEquals": {"sts:TransitiveTagKeys": ["Team"]}}), false),
            (json!({"Null": {"sts:TransitiveTagKeys": "true"}}), true),
            (json!({"Null": {"aws:TagKeys": "true"}}), false),
            (json!({"Null": {"aws:TagKeys": false}}), true),
            (json!({"Bool": {"aws:SecureTransport": "true"}}), true),
            (json!({"Bool": {"aws:Missing": "true"}}), false),
            (
                json!({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/Hub"}}),
                true,
            ),
            (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/H?b"}}), true),
            (json!({"ArnLike": {"aws:PrincipalArn": "arn:*:role/Hub"}}), false),
            (json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::2:role/*"}}), true),
        ] {
            assert_eq!(allows(&condition, &request()), holds, "{condition}");
        }
    }

    #[test]
    fn a_wildcard_in_a_tag_is_no_wildcard_in_the_policy() {
        let request = Request::new("s:Act", "r")
            .with("aws:PrincipalTag/User", "*")
            .with("sagemaker:ResourceTag/User", "somebody");
        let like =
            json!({"StringLike": {"sagemaker:ResourceTag/User": "${aws:PrincipalTag/User}"}});
        assert!(!allows(&like, &request));
    }

    #[test]
    fn in_a_document_of_an_older_version_a_variable_is_text() {
        let like = json!({"StringLike": {"aws:RequestTag/Team": "t*"}});
        let equals = json!({"StringEquals": {"aws:RequestTag/Team": "${aws:PrincipalTag/Team}"}});
        let not = json!({"StringNotEquals": {"aws:RequestTag/Team": "${aws:PrincipalTag/Team}"}});
        for (version, filled) in
            [(Some("2012-10-17"), true), (Some("2008-10-17"), false), (None, false)]
        {
            let decide = |condition: &Value, resource: &str, request: &Request| {
                let mut document = json!({"Statement": {"Effect": "Allow", "Action": "s:Act",
                    "Resource": resource, "Condition": condition}});
                if let Some(version) = version {
                    document["Version"] = version.into();
                }
                Policy::parse(&document).unwrap().decide(request) == Decision::Allow
            };
            let of_text =
                Request::new("s:Act", "x").with("aws:RequestTag/Team", "${aws:PrincipalTag/Team}");
            let own = "arn:aws:s:::${aws:RequestTag/Thing}";
            assert_eq!(decide(&equals, "*", &request()), filled, "{version:?}");
            assert_eq!(decide(&not, "*", &request()), !filled, "{version:?}");
            assert_eq!(decide(&equals, "*", &of_text), !filled, "{version:?}");
            let named = request().with("aws:RequestTag/Thing", "thing");
            assert_eq!(decide(&like, own, &named), filled, "{version:?}");
            assert!(decide(&like, "arn:aws:s:::th*", &request()), "{version:?}");
        }
    }

    #[test]
    fn a_deny_that_applies_wins() {
        let document = json!({"Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "s:A*", "Resource": "arn:aws:s:::th*"}]});
        let policy = Policy::parse(&document).unwrap();
        assert_eq!(policy.decide(&request()), Decision::ExplicitDeny);
        assert_eq!(policy.decide(&Request::new("s:Bct", "arn:aws:s:::thing")), Decision::Allow);
    }

    #[test]
    fn actions_fold_case_and_resources_do_not() {
        let document = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "S:act", "Resource": "arn:x/${aws:PrincipalTag/Team}/*"}});
        let policy = Policy::parse(&document).unwrap();
        let ask = |resource: &str| {
            policy.decide(&Request::new("s:Act", resource).with("aws:PrincipalTag/Team", "t"))
        };
        assert_eq!(ask("arn:x/t/y"), Decision::Allow);
        assert_eq!(ask("arn:x/T/y"), Decision::ImplicitDeny);
        assert_eq!(ask("arn:x/other/y"), Decision::ImplicitDeny);
    }

    #[test]
    fn not_action_and_not_resource_invert() {
        let document = json!({"Statement":
            {"Effect": "Allow", "NotAction": "s:Act", "NotResource": "arn:secret/*"}});
        let policy = Policy::parse(&document).unwrap();
        assert_eq!(policy.decide(&Request::new("s:Act", "arn:x")), Decision::ImplicitDeny);
        assert_eq!(policy.decide(&Request::new("s:Other", "arn:x")), Decision::Allow);
        assert_eq!(policy.decide(&Request::new("s:Other", "arn:secret/1")), Decision::ImplicitDeny);
    }

    #[test]
    fn a_principal_that_is_not_named_gets_nothing() {
        let document = json!({"Statement":
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:role/Hub"}, "Action": "sts:*"}});
        let policy = Policy::parse(&document).unwrap();
        let mut request = Request::new("sts:AssumeRole", "*");
        request.principal = "arn:aws:iam::1:role/Hub".into();
        assert_eq!(policy.decide(&request), Decision::Allow);
        request.principal = "arn:aws:iam::1:role/Other".into();
        assert_eq!(policy.decide(&request), Decision::ImplicitDeny);
    }

    #[test]
    fn an_account_stands_for_everybody_in_it_and_a_service_for_itself() {
        let decide = |principal: Value, caller: &str| {
            let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:*"});
            let mut request = Request::new("sts:AssumeRole", "*");
            request.principal = caller.into();
            Policy::parse(&json!({"Statement": statement})).unwrap().decide(&request)
        };
        let ann = "arn:aws:iam::111111111111:user/ann";
        for whole in ["arn:aws:iam::111111111111:root", "111111111111", "*"] {
            assert_eq!(decide(json!({"AWS": whole}), ann), Decision::Allow, "{whole}");
        }
        assert_eq!(decide(json!({"AWS": "222222222222"}), ann), Decision::ImplicitDeny);
        let service = json!({"Service": ["sagemaker.amazonaws.com"]});
        assert_eq!(decide(service.clone(), "sagemaker.amazonaws.com"), Decision::Allow);
        assert_eq!(decide(service, "lambda.amazonaws.com"), Decision::ImplicitDeny);
    }

    #[test]
    fn what_is_not_understood_is_not_parsed() {
        for (statement, code) in [
            (
                json!({"Effect": "Allow", "Action": "*", "Resource": "*",
                "Condition": {"IpAddress": {"aws:SourceIp": "1.2.3.4"}}}),
                "policy_unknown_operator",
            ),
            (
                json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Elsewhere": "x"}),
                "policy_unknown_element",
            ),
            (json!({"Action": "*", "Resource": "*"}), "policy_malformed"),
        ] {
            let error = Policy::parse(&json!({"Statement": statement})).unwrap_err();
            assert_eq!(error.code(), code);
        }
        for version in [json!("2020-01-01"), json!(2012), json!(null)] {
            let error = Policy::parse(&json!({"Version": version, "Statement": []})).unwrap_err();
            assert_eq!(error.code(), "policy_malformed", "{version}");
        }
    }
}
