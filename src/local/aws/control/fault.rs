//! Faults: which calls one is for, and what it does to them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::table::{Row, members};
use crate::local::aws::caller::Caller;

/// A fault as it is ordered.
#[derive(Debug, Clone, Serialize)]
pub(super) struct OrderedFault {
    #[serde(flatten)]
    pub(super) calls: Calls,
    #[serde(flatten)]
    pub(super) effect: Effect,
}

members! {
    /// Which calls a fault is for.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    Calls {
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<String> = None,
            "dynamodb, sts, sagemaker, iam, servicequotas, identitystore, sso; any if absent";
        #[serde(skip_serializing_if = "Option::is_none")]
        operation: Option<String> = None, "for example DescribeUserProfile; any if absent";
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<String> = None,
            "only calls of this account; an AssumeRole is for its role's account as well";
        #[serde(skip_serializing_if = "Option::is_none")]
        region: Option<String> = None, "only calls in this Region";
        #[serde(skip_serializing_if = "Option::is_none")]
        profile: Option<String> = None, "only calls for this UserProfileName, in any case";
        #[serde(skip_serializing_if = "Option::is_none")]
        about: Option<String> = None,
            "only calls whose principal or parameters hold this text, such as a table's name, a key or a \
             person's id";
        #[serde(skip_serializing_if = "Option::is_none")]
        times: Option<u64> = None, "so many calls, then the fault is gone; until cleared if absent";
    }
}

/// Declares the effects with what each takes and its words. The braces of those that take nothing let serde
/// refuse what does not belong to them.
macro_rules! effects {
    ($($variant:ident $name:literal
        { $($(#[$of_member:meta])* $member:ident: $kind:ty),* }, $words:literal;)*) => {
        /// What a fault does to a call.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "effect", deny_unknown_fields)]
        pub(crate) enum Effect {
            $(#[serde(rename = $name)] $variant { $($(#[$of_member])* $member: $kind),* },)*
        }

        impl Effect {
            /// Every effect, in the order of the help.
            pub(super) const ROWS: &[Row] = &[
                $(Row { name: $name, members: &[$(stringify!($member)),*], words: $words },)*
            ];
        }
    };
}

effects! {
    Throttle "throttle" {}, "ThrottlingException";
    Error "error" {
        code: String,
        #[serde(default = "internal_error")] status: u16,
        #[serde(default)] message: String
    }, "this error; its status is 500 if absent";
    Deny "deny" {}, "AccessDeniedException";
    Delay "delay" { ms: u64 }, "then goes on";
    Hang "hang" {}, "never answers";
    Reset "reset" {}, "drops the connection, does nothing";
    LoseAnswer "lose_answer" {}, "does the work, then drops the connection";
    Trickle "trickle" { ms: u64 }, "one byte of the answer every so many milliseconds";
    Malformed "malformed" {}, "an answer that is neither JSON nor XML";
    Skew "skew" { minutes: i64 },
        "the service's clock is off by so many: a request that was signed at another time is refused, and \
         the answer's Date tells which time it is there";
    Settle "settle" { ms: Option<u64>, status: Option<String>, reason: Option<String> },
        "how the asynchronous change of a create, update or delete ends: after ms, in status (InService, \
         Failed, Update_Failed, Delete_Failed; of MLflow and Partner AI Apps also a word of their own)";
}

/// How and when an asynchronous change ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settle {
    pub(crate) ms: Option<u64>,
    pub(crate) status: Option<String>,
    pub(crate) reason: Option<String>,
}

fn internal_error() -> u16 {
    500
}

/// What is known about a call when faults are looked up and when it is logged.
pub(crate) struct CallFacts<'a> {
    pub(crate) service: &'static str,
    pub(crate) operation: &'a str,
    pub(crate) caller: Option<&'a Caller>,
    pub(crate) input: &'a Map<String, Value>,
}

impl OrderedFault {
    /// Flattened structs cannot refuse unknown members by themselves, and a misspelt one would make a fault
    /// that hits more than was meant. So each half is read from its own members.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let members: Map<String, Value> =
            serde_json::from_slice(body).map_err(|e| e.to_string())?;
        let (calls, effect): (Map<_, _>, Map<_, _>) = members
            .into_iter()
            .partition(|(name, _)| Calls::ROWS.iter().any(|row| row.name == name));
        Ok(Self {
            calls: serde_json::from_value(calls.into()).map_err(|e| e.to_string())?,
            effect: serde_json::from_value(effect.into()).map_err(|e| e.to_string())?,
        })
    }
}

impl Calls {
    /// Whether such a call is one of them.
    pub(super) fn include(&self, facts: &CallFacts<'_>) -> bool {
        let is = |wanted: &Option<String>, got: Option<&str>| {
            wanted.as_deref().is_none_or(|w| got.is_some_and(|g| g.eq_ignore_ascii_case(w)))
        };
        is(&self.service, Some(facts.service))
            && is(&self.operation, Some(facts.operation))
            && (is(&self.account, facts.caller.map(|c| c.account.as_str()))
                || is(&self.account, account_of_role(facts.input)))
            && is(&self.region, facts.caller.map(|c| c.region.as_str()))
            && is(&self.profile, profile_of(facts.input))
            && self.about.as_deref().is_none_or(|text| facts.hold(text))
    }
}

impl CallFacts<'_> {
    /// Whether the principal's or a parameter's text holds `text`.
    fn hold(&self, text: &str) -> bool {
        self.caller.is_some_and(|caller| caller.arn().contains(text))
            || self.input.iter().any(|(name, value)| name.contains(text) || holds(value, text))
    }
}

fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(own) => own.contains(text),
        Value::Array(list) => list.iter().any(|value| holds(value, text)),
        Value::Object(map) => map.iter().any(|(name, v)| name.contains(text) || holds(v, text)),
        _ => false,
    }
}

/// The account of the role that an `AssumeRole` is for.
fn account_of_role(input: &Map<String, Value>) -> Option<&str> {
    input.get("RoleArn")?.as_str()?.split(':').nth(4)
}

/// The profile that a `SageMaker` call is about, by name or by the end of its ARN.
fn profile_of(input: &Map<String, Value>) -> Option<&str> {
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    text("UserProfileName").or_else(|| {
        let arn = text("ResourceArn")?;
        arn.contains(":user-profile/").then(|| arn.rsplit('/').next())?
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fault_is_shown_as_it_was_ordered() {
        for ordered in [
            json!({"service": "sts", "times": 2, "effect": "throttle"}),
            json!({"effect": "error", "code": "E", "status": 400, "message": "m"}),
            json!({"about": "x", "effect": "settle", "ms": 5, "status": "Failed", "reason": "r"}),
        ] {
            let fault = OrderedFault::read(ordered.to_string().as_bytes()).unwrap();
            assert_eq!(json!(fault), ordered);
        }
        let fault = OrderedFault::read(br#"{"effect": "error", "code": "E"}"#).unwrap();
        assert_eq!(
            json!(fault.effect),
            json!({"effect": "error", "code": "E", "status": 500, "message": ""})
        );
    }

    #[test]
    fn what_does_not_belong_to_a_fault_is_refused() {
        for ordered in [
            json!({"effect": "throttle", "operatoin": "DescribeUserProfile"}),
            json!({"effect": "throttle", "ms": 5}),
            json!({"effect": "delay", "ms": 5, "minutes": 5}),
            json!({"effect": "delay"}),
            json!({"effect": "explode"}),
            json!({"times": "once", "effect": "hang"}),
            json!({}),
            json!([]),
        ] {
            assert!(OrderedFault::read(ordered.to_string().as_bytes()).is_err(), "{ordered}");
        }
    }
}
