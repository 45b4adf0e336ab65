//! The control route: slow, throttle, fail and watch the simulated AWS.
//!
//! `GET /_control` prints its [`help`](fn@help::help), which is the documentation.

pub(crate) mod fault;
mod help;
pub(crate) mod knobs;
pub(crate) mod state;
mod table;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use self::{fault::OrderedFault, help::help};
use super::simulator::Simulator;
use crate::local::server::{self, Body};

/// Which faults are cleared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    about: String,
}

/// Answers a request of the control route.
pub(crate) fn answer(simulator: &Simulator, request: &Request<Bytes>) -> Response<Body> {
    if !server::same_site(request) {
        return server::text(StatusCode::FORBIDDEN, "not for pages of other sites\n");
    }
    let control = &simulator.control;
    let path = request.uri().path().trim_end_matches('/');
    let what = path.strip_prefix("/_control").unwrap_or(path).trim_start_matches('/');
    let ok = |value: Value| server::json(StatusCode::OK, &value);
    match (request.method(), what) {
        (&Method::GET, "") => server::text(StatusCode::OK, help()),
        (&Method::GET, "calls") => ok(control.lock().calls.iter().cloned().collect()),
        (&Method::DELETE, "calls") => {
            control.lock().calls.clear();
            ok(json!({}))
        }
        (&Method::GET, "faults") => ok(json!(control.lock().faults)),
        (&Method::POST, "faults") => match OrderedFault::read(request.body()) {
            Ok(fault) => {
                let answer = ok(json!(fault));
                control.lock().faults.push(fault);
                answer
            }
            Err(message) => malformed(&message),
        },
        (&Method::DELETE, "faults") if request.body().is_empty() => {
            control.lock().faults.clear();
            ok(json!({}))
        }
        (&Method::DELETE, "faults") => match serde_json::from_slice::<About>(request.body()) {
            Ok(About { about }) => {
                control.lock().faults.retain(|fault| fault.calls.about.as_ref() != Some(&about));
                ok(json!({}))
            }
            Err(error) => malformed(&error.to_string()),
        },
        (&Method::GET, "recording") => ok(simulator.recorder.take()),
        (&Method::GET, "settings") => ok(json!(control.knobs())),
        (&Method::POST, "settings") => match control.knobs().changed(request.body()) {
            Ok(knobs) => {
                simulator.dynamodb.strong(knobs.strong_tables);
                if let Err(error) = simulator.dynamodb.cut_off(&knobs.cut_off_regions) {
                    return malformed(&error.to_string());
                }
                let answer = ok(json!(knobs));
                let mut inner = control.lock();
                inner.knobs = knobs;
                inner.buckets.clear();
                answer
            }
            Err(message) => malformed(&message),
        },
        (&Method::POST, "expire-credentials") => {
            ok(json!({"expired": simulator.sessions.expire_all()}))
        }
        (&Method::POST, "sweep-expired") => match simulator.dynamodb.sweep_expired() {
            Ok(deleted) => ok(json!({"deleted": deleted})),
            Err(error) => server::json(
                StatusCode::INTERNAL_SERVER_ERROR,
                &json!({"error": error.to_string()}),
            ),
        },
        (&Method::GET, what) => match what.strip_prefix("roles/").and_then(|t| roles(simulator, t))
        {
            Some(documents) => ok(documents),
            None => server::text(StatusCode::NOT_FOUND, help()),
        },
        _ => server::text(StatusCode::NOT_FOUND, help()),
    }
}

/// The documents of the role that serves a team.
fn roles(simulator: &Simulator, team: &str) -> Option<Value> {
    let role = simulator.role(&simulator.grant_of(team)?.target_role_arn)?;
    Some(json!({
        "role_arn": role.arn,
        "trust_policy": role.trust_policy,
        "permission_policy": role.permission_policy,
    }))
}

fn malformed(message: &str) -> Response<Body> {
    server::json(StatusCode::BAD_REQUEST, &json!({"error": message}))
}
