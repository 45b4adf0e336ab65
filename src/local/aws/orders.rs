//! What the faults that were ordered make of a call: before it, in its place, and of its answer.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use jiff::{SignedDuration, Timestamp};

use super::{
    call::{Call, signed_about},
    caller::Caller,
    control::fault::{Effect, Settle},
    refusal::Refusal,
    simulator::Simulator,
};
use crate::local::server::{Body, DropConnection};

/// What is ordered for a call that is not dropped before it is looked at.
#[derive(Default)]
pub(super) struct Orders {
    /// Why the service does nothing.
    pub(super) refused: Option<Refusal>,
    /// How the change that it begins ends.
    pub(super) settle: Option<Settle>,
    /// Whether the connection is dropped after the work.
    pub(super) lose_answer: bool,
    malformed: bool,
    trickle: Option<Duration>,
    /// What time it is where the service is.
    clock: Option<Timestamp>,
}

impl Orders {
    /// What the effects add up to. Delays are waited for here, and a hanging call does not come back.
    pub(super) async fn given(
        simulator: &Simulator,
        request: &Request<Bytes>,
        call: &Call,
        caller: &Caller,
        started: Timestamp,
    ) -> Result<Self, DropConnection> {
        let mut orders = Self::default();
        let facts = call.facts(Some(caller));
        for effect in simulator.control.effects(&facts, started) {
            match effect {
                Effect::Delay { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
                Effect::Hang {} => {
                    simulator.control.log_dropped(&facts, started, "hang");
                    std::future::pending().await
                }
                Effect::Reset {} => {
                    simulator.control.log_dropped(&facts, started, "reset");
                    return Err(DropConnection);
                }
                Effect::Throttle {} => orders.refused = Some(Refusal::Throttled),
                Effect::Error { code, status, message } => {
                    orders.refused = Some(Refusal::Ordered { code, status, message });
                }
                Effect::Deny {} => {
                    orders.refused = Some(Refusal::Denied {
                        principal: caller.arn(),
                        action: format!("{}:{}", call.service.name(), call.operation),
                        resource: "*".into(),
                    });
                }
                Effect::LoseAnswer {} => orders.lose_answer = true,
                Effect::Malformed {} => orders.malformed = true,
                Effect::Trickle { ms } => orders.trickle = Some(Duration::from_millis(ms)),
                Effect::Skew { minutes } => {
                    let there = started + SignedDuration::from_mins(minutes);
                    orders.clock = Some(there);
                    if !signed_about(request.headers(), there) {
                        orders.refused = Some(Refusal::SignedAtAnotherTime);
                    }
                }
                Effect::Settle { ms, status, reason } => {
                    orders.settle = Some(Settle { ms, status, reason });
                }
            }
        }
        Ok(orders)
    }

    /// The answer as it leaves.
    pub(super) async fn sent(self, response: Response<Body>) -> Response<Body> {
        let mut response = if self.malformed { scramble(response) } else { response };
        if let Some(there) = self.clock
            && let Ok(date) = there.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string().parse()
        {
            response.headers_mut().insert(header::DATE, date);
        }
        match self.trickle {
            Some(pause) => slowly(response, pause).await,
            None => response,
        }
    }
}

/// An answer that promises JSON or XML and holds neither.
fn scramble(response: Response<Body>) -> Response<Body> {
    let (mut head, _) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove("x-amz-crc32");
    let body = Full::new(Bytes::from_static(b"{\"<cut off")).boxed_unsync();
    Response::from_parts(head, body)
}

/// The same answer, one byte at a time.
async fn slowly(response: Response<Body>, pause: Duration) -> Response<Body> {
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
