//! Metrics, inside the lines that the log has anyway: `CloudWatch` makes metrics of what stands there in its
//! embedded format, so a request pays for some bytes more, and for no call.
//!
//! | metric | on the line of | for each |
//! | --- | --- | --- |
//! | `SignIns` | a sign-in | hub |
//! | `Openings`, `OpeningMilliseconds` (from the request to Studio's address) | an opening | hub |
//! | `WaitedSeconds` | an opening after a waiting page | hub |
//! | `Refusals` | a refusal | hub; hub and code |
//! | `Failures` | a refusal that is ours or AWS's (5xx) | hub |
//! | `ProfilesCreated` | a creation | hub |
//! | `Throttles`: calls that AWS throttled | whatever the request came to | hub; hub and account |
//! | `Waits` | a waiting page, `event: "waiting"` | hub |
//! | `ColdStarts` | a start of the function, `event: "started"` | hub |
//!
//! The hub is told by the name of its state table. Nothing that a browser sends makes a metric of its own:
//! codes are ours, accounts the administrators'.
//!
//! The filter of the log switches them off: `info,studio_broker::metrics=off`.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::sync::OnceLock;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::time::Instant;

const NAMESPACE: &str = "StudioBroker";

/// Whether metrics are written; asked once, at the first request.
pub fn are_on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| tracing::enabled!(target: "studio_broker::metrics", tracing::Level::ERROR))
}

/// What a line is about, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    SignIn,
    Opening,
    Refusal,
    Creation,
    Wait,
    /// Anything else: only the calls that AWS throttled count.
    Other,
}

/// What is measured of one request.
#[derive(Debug, Clone)]
pub struct Measure {
    /// Name of the state table, which no two hubs of an account and Region share.
    pub hub: String,
    /// When the request came.
    pub started: Instant,
    /// How long the person has waited on pages that say so.
    pub waited: SignedDuration,
    /// Whether the refusal is ours or AWS's.
    pub failed: bool,
}

/// The members that make metrics of a line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Embedded<'a> {
    hub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_ins: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    openings: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opening_milliseconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusals: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profiles_created: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    throttles: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cold_starts: Option<u8>,
    #[serde(rename = "_aws")]
    head: Head,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Head {
    timestamp: i64,
    #[serde(rename = "CloudWatchMetrics")]
    directives: Vec<Directive>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: [&'static [&'static str]; 1],
    metrics: Vec<Metric>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

const HUB: &[&str] = &["Hub"];
const BY_CODE: &[&str] = &["Hub", "code"];
const BY_ACCOUNT: &[&str] = &["Hub", "account"];

fn counted(name: &'static str) -> Metric {
    Metric { name, unit: "Count" }
}

impl<'a> Embedded<'a> {
    fn new(hub: &'a str, now: Timestamp) -> Self {
        Self {
            hub,
            sign_ins: None,
            openings: None,
            opening_milliseconds: None,
            waited_seconds: None,
            refusals: None,
            failures: None,
            profiles_created: None,
            throttles: None,
            waits: None,
            cold_starts: None,
            head: Head { timestamp: now.as_millisecond(), directives: Vec::with_capacity(2) },
        }
    }

    fn measures(mut self, dimensions: &'static [&'static str], metrics: Vec<Metric>) -> Self {
        let dimensions = [dimensions];
        let directive = Directive { namespace: NAMESPACE, dimensions, metrics };
        self.head.directives.push(directive);
        self
    }

    /// What a line brings, if anything. `throttles` is how many calls AWS throttled since the request's
    /// last line; `has_account` whether the line names an account.
    pub(super) fn of(
        measure: &'a Measure,
        now: Timestamp,
        event: Event,
        throttles: u32,
        has_account: bool,
    ) -> Option<Self> {
        let mut embedded = Self::new(&measure.hub, now);
        let mut metrics = Vec::with_capacity(3);
        match event {
            Event::SignIn => {
                embedded.sign_ins = Some(1);
                metrics.push(counted("SignIns"));
            }
            Event::Opening => {
                embedded.openings = Some(1);
                embedded.opening_milliseconds = Some(milliseconds(since(measure.started)));
                metrics.push(counted("Openings"));
                metrics.push(Metric { name: "OpeningMilliseconds", unit: "Milliseconds" });
                let waited = measure.waited.as_secs();
                if let Some(seconds) = Some(waited).filter(|seconds| *seconds > 0) {
                    embedded.waited_seconds = Some(seconds);
                    metrics.push(Metric { name: "WaitedSeconds", unit: "Seconds" });
                }
            }
            Event::Refusal => {
                embedded.refusals = Some(1);
                metrics.push(counted("Refusals"));
                embedded = embedded.measures(BY_CODE, vec![counted("Refusals")]);
                if measure.failed {
                    embedded.failures = Some(1);
                    metrics.push(counted("Failures"));
                }
            }
            Event::Creation => {
                embedded.profiles_created = Some(1);
                metrics.push(counted("ProfilesCreated"));
            }
            Event::Wait => {
                embedded.waits = Some(1);
                metrics.push(counted("Waits"));
            }
            Event::Other => {}
        }
        if throttles > 0 {
            embedded.throttles = Some(throttles);
            metrics.push(counted("Throttles"));
            if has_account {
                embedded = embedded.measures(BY_ACCOUNT, vec![counted("Throttles")]);
            }
        }
        (!metrics.is_empty()).then(|| embedded.measures(HUB, metrics))
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge: what is measured ends here")]
fn since(started: Instant) -> Duration {
    started.elapsed()
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

/// The line that a function writes when it has started.
#[derive(Debug, Serialize)]
struct Started<'a> {
    event: &'static str,
    time: Timestamp,
    level: &'static str,
    version: &'static str,
    #[serde(flatten)]
    metrics: Embedded<'a>,
}

/// The line of a function that has started, or nothing where metrics are off.
pub fn started(hub: &str, now: Timestamp) -> Option<String> {
    let mut metrics = Embedded::new(hub, now);
    metrics.cold_starts = Some(1);
    let metrics = metrics.measures(HUB, vec![counted("ColdStarts")]);
    let version = env!("CARGO_PKG_VERSION");
    let line = Started { event: "started", time: now, level: "INFO", version, metrics };
    are_on().then(|| serde_json::to_string(&line).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test's own moment")]
    fn measure() -> Measure {
        let waited = SignedDuration::from_secs(7);
        Measure { hub: "state".into(), started: Instant::now(), waited, failed: true }
    }

    /// What stands beside `_aws`, and by which dimensions each metric is told.
    fn written(embedded: Option<Embedded<'_>>) -> (Value, Value) {
        let mut line = serde_json::to_value(embedded).unwrap();
        let head = line.as_object_mut().unwrap().remove("_aws").unwrap();
        let directives = head["CloudWatchMetrics"].as_array().unwrap().iter();
        let named = directives.map(|directive| {
            assert_eq!(directive["Namespace"], NAMESPACE);
            let names: Vec<_> = directive["Metrics"].as_array().unwrap().iter().collect();
            let names: Vec<_> = names.into_iter().map(|metric| metric["Name"].clone()).collect();
            json!([directive["Dimensions"], names])
        });
        (line, named.collect())
    }

    #[test]
    fn each_event_has_its_metrics() {
        let measure = measure();
        let of = |event, throttles| {
            let now = Timestamp::UNIX_EPOCH;
            written(Embedded::of(&measure, now, event, throttles, true))
        };
        let (line, named) = of(Event::SignIn, 0);
        assert_eq!(line, json!({"Hub": "state", "SignIns": 1}));
        assert_eq!(named, json!([[[["Hub"]], ["SignIns"]]]));
        let (line, named) = of(Event::Refusal, 2);
        assert_eq!(line, json!({"Hub": "state", "Refusals": 1, "Failures": 1, "Throttles": 2}));
        assert_eq!(
            named,
            json!([
                [[["Hub", "code"]], ["Refusals"]],
                [[["Hub", "account"]], ["Throttles"]],
                [[["Hub"]], ["Refusals", "Failures", "Throttles"]],
            ])
        );
        let (mut line, named) = of(Event::Opening, 0);
        let took = line.as_object_mut().unwrap().remove("OpeningMilliseconds").unwrap();
        assert!(took.as_f64().unwrap() < 10_000.0);
        assert_eq!(line, json!({"Hub": "state", "Openings": 1, "WaitedSeconds": 7}));
        assert_eq!(
            named,
            json!([[[["Hub"]], ["Openings", "OpeningMilliseconds", "WaitedSeconds"]]])
        );
        assert_eq!(of(Event::Creation, 0).0, json!({"Hub": "state", "ProfilesCreated": 1}));
    }

    #[test]
    fn a_line_that_measures_nothing_has_no_members_for_it() {
        let (measure, now) = (measure(), Timestamp::UNIX_EPOCH);
        assert!(Embedded::of(&measure, now, Event::Other, 0, false).is_none());
        let (line, named) = written(Embedded::of(&measure, now, Event::Wait, 1, false));
        assert_eq!(line, json!({"Hub": "state", "Waits": 1, "Throttles": 1}));
        assert_eq!(named, json!([[[["Hub"]], ["Waits", "Throttles"]]]));
    }
}
