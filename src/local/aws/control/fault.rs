//! Faults: which calls one is for, and what it does to them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::local::aws::caller::Caller;

/// A fault as it is ordered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Fault {
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) about: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) times: Option<u64>,
    #[serde(flatten)]
    pub(super) effect: Effect,
}

/// What a fault does to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub(crate) enum Effect {
    Throttle,
    Error {
        code: String,
        #[serde(default = "internal_error")]
        status: u16,
        #[serde(default)]
        message: String,
    },
    Deny,
    Delay {
        ms: u64,
    },
    Hang,
    Reset,
    LoseAnswer,
    Trickle {
        ms: u64,
    },
    Malformed,
    Skew {
        minutes: i64,
    },
    Settle(Settle),
}

/// How and when an asynchronous change ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settle {
    #[serde(default)]
    pub(crate) ms: Option<u64>,
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

fn internal_error() -> u16 {
    500
}

/// What is known about a call when faults are looked up and when it is logged.
pub(crate) struct Facts<'a> {
    pub(crate) service: &'static str,
    pub(crate) operation: &'a str,
    pub(crate) caller: Option<&'a Caller>,
    pub(crate) input: &'a Map<String, Value>,
}

impl Fault {
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        const MEMBERS: [&str; 14] = [
            "service",
            "operation",
            "account",
            "region",
            "profile",
            "about",
            "times",
            "effect",
            "minutes",
            "code",
            "status",
            "message",
            "ms",
            "reason",
        ];
        let value: Value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        // Flattened structs cannot refuse unknown members by themselves, and a misspelt one would make
        // a fault that hits more than was meant.
        if let Some(unknown) =
            value.as_object().and_then(|o| o.keys().find(|key| !MEMBERS.contains(&key.as_str())))
        {
            return Err(format!(
                "unknown member {unknown}, expected one of {}",
                MEMBERS.join(", ")
            ));
        }
        serde_json::from_value(value).map_err(|e| e.to_string())
    }

    /// Whether it is for such a call.
    pub(super) fn hits(&self, facts: &Facts<'_>) -> bool {
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

impl Facts<'_> {
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
