//! Answers: what a service did, or why it did not, in its dialect; and what faults make of them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
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

/// An answer that promises JSON or XML and holds neither.
pub(crate) fn scramble(response: Response<Body>) -> Response<Body> {
    let (mut head, _) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove("x-amz-crc32");
    let body = http_body_util::Full::new(Bytes::from_static(b"{\"<cut off")).boxed_unsync();
    Response::from_parts(head, body)
}

/// The same answer, one byte at a time.
pub(crate) async fn slowly(response: Response<Body>, pause: Duration) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    let bytes = match body.collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(never) => match never {},
    };
    let drops = futures_util::stream::iter(bytes).then(move |byte| async move {
        tokio::time::sleep(pause).await;
        Ok(Frame::data(Bytes::copy_from_slice(&[byte])))
    });
    Response::from_parts(head, StreamBody::new(drops).boxed_unsync())
}
