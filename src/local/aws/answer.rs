//! Answers: what a service did, or why it did not, in its dialect.

use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::{
    dynamodb::database::Answer,
    query,
    refusal::Refusal,
    service::{Dialect, Service},
};
use crate::local::server::{self, Body};

/// What a service answers when it does what was asked.
pub(crate) enum Done {
    Json(Value),
    /// The XML inside `<…Result>`.
    Xml(String),
    /// As the embedded database wrote it.
    Database(Answer),
}

/// What a service did, as it is sent.
pub(crate) fn render(
    done: Done,
    service: Service,
    operation: &str,
    request_id: &str,
) -> Response<Body> {
    let body = match done {
        Done::Database(answer) => {
            let body = server::answer(answer.status, service.content_type(), answer.body);
            return signed_off(body, request_id);
        }
        Done::Json(value) => value.to_string(),
        Done::Xml(result) => query::envelope(service.namespace(), operation, &result, request_id),
    };
    signed_off(server::answer(StatusCode::OK, service.content_type(), body), request_id)
}

/// Why it was not done, as it is sent.
pub(crate) fn refuse(refusal: &Refusal, service: Service, request_id: &str) -> Response<Body> {
    let dialect = service.dialect();
    let (code, status) = (refusal.code(dialect), refusal.status(dialect));
    let body = match dialect {
        Dialect::Query => {
            let message = refusal.to_string();
            query::error(service.namespace(), code, status.as_u16(), &message, request_id)
        }
        Dialect::SageMaker | Dialect::Json => {
            json!({"__type": code, refusal.message_member(dialect): refusal.to_string()})
                .to_string()
        }
    };
    signed_off(server::answer(status, service.content_type(), body), request_id)
}

fn signed_off(mut response: Response<Body>, request_id: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-amzn-requestid", value);
    }
    response
}
