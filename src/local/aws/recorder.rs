//! What goes over the wire, word for word, for whoever holds it against AWS's own models
//! (`tests/aws_models.py`). Off unless it is switched on.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{Response, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use crate::local::server::Body;

/// Exchanges that are kept; older ones are counted and forgotten.
const LENGTH: usize = 50_000;

/// The exchanges since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    exchanges: VecDeque<Value>,
    forgotten: usize,
}

/// A request that is to be recorded with its answer.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) service: &'static str,
    pub(crate) operation: String,
    pub(crate) user_agent: String,
    pub(crate) body: Bytes,
}

impl Recorder {
    /// Keeps a request and its answer, which goes on as it is. `ordered`: a fault made it what it is.
    pub(crate) async fn keep(
        &self,
        asked: Asked,
        answer: Response<Body>,
        ordered: bool,
    ) -> Response<Body> {
        let (head, body) = answer.into_parts();
        let body = match body.collect().await {
            Ok(whole) => whole.to_bytes(),
            Err(never) => match never {},
        };
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let exchange = json!({
            "service": asked.service,
            "operation": asked.operation,
            "user_agent": asked.user_agent,
            "request": String::from_utf8_lossy(&asked.body),
            "status": head.status.as_u16(),
            "content_type": header(header::CONTENT_TYPE),
            "answer": String::from_utf8_lossy(&body),
            "ordered": ordered,
        });
        let mut kept = self.lock();
        if kept.exchanges.len() == LENGTH {
            kept.exchanges.pop_front();
            kept.forgotten += 1;
        }
        kept.exchanges.push_back(exchange);
        drop(kept);
        Response::from_parts(head, Full::new(body).boxed_unsync())
    }

    /// Takes what was kept.
    pub(crate) fn take(&self) -> Value {
        let Kept { exchanges, forgotten } = std::mem::take(&mut *self.lock());
        json!({"exchanges": exchanges, "forgotten": forgotten})
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
