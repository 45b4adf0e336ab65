//! What is ordered at this moment, and the calls that there were.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    fault::{CallFacts, Effect, OrderedFault},
    knobs::Knobs,
};
use crate::local::aws::{
    caller::Caller, dynamodb::database::Answer, refusal::Refusal, service::Service,
};

/// Calls that are remembered.
const LOG_LENGTH: usize = 10_000;

/// Everything that can be set through the route, and what it has seen.
#[derive(Debug, Default)]
pub(crate) struct Control {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) knobs: Knobs,
    pub(super) faults: Vec<OrderedFault>,
    pub(super) buckets: HashMap<(usize, String), Bucket>,
    pub(super) calls: VecDeque<Value>,
}

#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

impl Control {
    pub(crate) fn knobs(&self) -> Knobs {
        self.lock().knobs.clone()
    }

    /// The faults that hit this call, in the order in which they were ordered.
    pub(crate) fn effects(&self, facts: &CallFacts<'_>, now: Timestamp) -> Vec<Effect> {
        let mut inner = self.lock();
        let mut effects = Vec::new();
        for fault in inner.faults.iter_mut().filter(|fault| fault.calls.include(facts)) {
            effects.push(fault.effect.clone());
            fault.calls.times = fault.calls.times.map(|times| times.saturating_sub(1));
        }
        inner.faults.retain(|fault| fault.calls.times != Some(0));
        if inner.over_rate(facts, now) {
            effects.push(Effect::Throttle {});
        }
        effects
    }

    pub(crate) fn log(
        &self,
        facts: &CallFacts<'_>,
        now: Timestamp,
        outcome: Result<(), (&Refusal, Service)>,
    ) {
        let (status, error) = match outcome {
            Ok(()) => (StatusCode::OK, None),
            Err((refusal, service)) => {
                let dialect = service.dialect();
                (refusal.status(dialect), Some(refusal.code(dialect).to_owned()))
            }
        };
        self.record(facts, now, json!(status.as_u16()), error);
    }

    pub(crate) fn log_database(&self, facts: &CallFacts<'_>, now: Timestamp, answer: &Answer) {
        let error = answer.error.map(str::to_owned);
        self.record(facts, now, json!(answer.status.as_u16()), error);
    }

    pub(crate) fn log_dropped(&self, facts: &CallFacts<'_>, now: Timestamp, how: &str) {
        self.record(facts, now, Value::Null, Some(how.into()));
    }

    /// Adds a call to the log. Credentials are never part of it: headers are not looked at, and no
    /// operation here takes a credential as a parameter. Of `DynamoDB` calls only the table.
    fn record(&self, facts: &CallFacts<'_>, now: Timestamp, status: Value, error: Option<String>) {
        let session = facts.caller.and_then(Caller::session);
        let tags: Option<Map<String, Value>> =
            session.map(|s| s.tags.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect());
        let parameters = if facts.service == Service::DynamoDb.name() {
            json!({"TableName": facts.input.get("TableName")})
        } else {
            Value::Object(facts.input.clone())
        };
        let call = json!({
            "time": now.to_string(),
            "service": facts.service,
            "operation": facts.operation,
            "account": facts.caller.map(|c| &c.account),
            "region": facts.caller.map(|c| &c.region),
            "principal": facts.caller.map(Caller::arn),
            "session_tags": tags,
            "parameters": parameters,
            "status": status,
            "error": error,
        });
        let calls = &mut self.lock().calls;
        if calls.len() == LOG_LENGTH {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn over_rate(&mut self, facts: &CallFacts<'_>, now: Timestamp) -> bool {
        let Some(caller) = facts.caller else { return false };
        let mut over = false;
        for (index, rate) in self.knobs.rates.iter().enumerate() {
            if !rate.service.eq_ignore_ascii_case(facts.service)
                || !rate.operation.eq_ignore_ascii_case(facts.operation)
            {
                continue;
            }
            let bucket = self
                .buckets
                .entry((index, caller.account.clone()))
                .or_insert(Bucket { tokens: rate.burst, filled: now });
            let seconds = now.duration_since(bucket.filled).as_secs_f64().max(0.0);
            bucket.tokens = (bucket.tokens + seconds * rate.per_second).min(rate.burst);
            bucket.filled = now;
            if bucket.tokens >= 1.0 {
                bucket.tokens -= 1.0;
            } else {
                over = true;
            }
        }
        over
    }
}
