//! A small HTTP server for loopback: the part that the simulated AWS, the test identity provider
//! and the simulated Studio have in common.
//!
//! It binds loopback addresses only and answers only requests whose `Host` is this very listener.
//! The second rule stops DNS rebinding: a page of `evil.example` that has its name resolve to
//! 127.0.0.1 still sends `Host: evil.example`.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// The body of every answer: whole, or streamed slowly by a fault.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// As much as DynamoDB itself takes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Why a listener was not taken into service.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The listener's own address cannot be read.
    #[error("the listener has no address: {0}")]
    Address(#[from] std::io::Error),
    /// Only loopback is safe: nothing here asks who is calling.
    #[error("expected a loopback address, got {got}")]
    NotLoopback {
        /// Where the listener is bound.
        got: SocketAddr,
    },
}

impl ListenError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address(_) => "listener_address",
            Self::NotLoopback { .. } => "listener_not_loopback",
        }
    }
}

/// The handler wants the connection cut without (further) answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped on purpose")]
pub(crate) struct DropConnection;

/// A server that stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves `handler` on `listener` until the returned value is dropped. It is told when a request was there
    /// as a whole.
    ///
    /// # Errors
    ///
    /// [`ListenError`] if the listener is not bound to a loopback address.
    pub(crate) fn start<H, F>(listener: TcpListener, handler: H) -> Result<Self, ListenError>
    where
        H: Fn(Request<Bytes>, Timestamp) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response<Body>, DropConnection>> + Send + 'static,
    {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            return Err(ListenError::NotLoopback { got: address });
        }
        let accepting = tokio::spawn(accept(listener, address.port(), handler));
        Ok(Self { address, accepting })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept<H, F>(listener: TcpListener, port: u16, handler: H)
where
    H: Fn(Request<Bytes>, Timestamp) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Body>, DropConnection>> + Send + 'static,
{
    // Held here, so that aborting this task also ends every open connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, port, handler.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection<H, F>(stream: TcpStream, port: u16, handler: H)
where
    H: Fn(Request<Bytes>, Timestamp) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Body>, DropConnection>> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = handler.clone();
        async move {
            if !host_is_ours(&request, port) {
                return Ok(text(
                    StatusCode::MISDIRECTED_REQUEST,
                    "this server answers only to localhost\n",
                ));
            }
            let (head, body) = request.into_parts();
            match Limited::new(body, BODY_LIMIT).collect().await {
                Ok(body) => {
                    #[expect(clippy::disallowed_methods, reason = "here requests meet the clock")]
                    let now = Timestamp::now();
                    handler(Request::from_parts(head, body.to_bytes()), now).await
                }
                Err(_) => Ok(text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n")),
            }
        }
    });
    // An error here is a client that went away, or a fault that cut the connection.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn host_is_ours<B>(request: &Request<B>, port: u16) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    let (name, got) = match host.rsplit_once(':') {
        Some((name, digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            (name, digits.parse().ok())
        }
        _ => (host, Some(80)),
    };
    got == Some(port)
        && (name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]")
}

/// A page of another site can make a browser send requests here, but not without saying so.
pub(crate) fn same_site<B>(request: &Request<B>) -> bool {
    let host = request.headers().get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or("");
    let fetched_from_elsewhere = request
        .headers()
        .get("sec-fetch-site")
        .is_some_and(|site| site != "same-origin" && site != "none");
    let foreign_origin = request.headers().get(header::ORIGIN).is_some_and(|origin| {
        origin.to_str().ok().and_then(|o| o.strip_prefix("http://")) != Some(host)
    });
    !fetched_from_elsewhere && !foreign_origin
}

/// An answer of plain text.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", body)
}

/// An answer of JSON, indented for people.
pub(crate) fn json(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    answer(status, "application/json", format!("{body:#}\n"))
}

/// A page. It may run its own inline script and style, loads nothing, and may not be framed.
pub(crate) fn html(status: StatusCode, body: String) -> Response<Body> {
    let mut response = answer(status, "text/html; charset=utf-8", body);
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                  base-uri 'none'; frame-ancestors 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// An answer of the given content type.
pub(crate) fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: &str) -> Request<()> {
        Request::builder().header(header::HOST, host).body(()).unwrap()
    }

    #[test]
    fn loopback_names_with_our_port_are_ours() {
        for host in ["localhost:8402", "LOCALHOST:8402", "127.0.0.1:8402", "[::1]:8402"] {
            assert!(host_is_ours(&request(host), 8402), "{host}");
        }
    }

    #[test]
    fn any_other_host_is_foreign() {
        for host in ["evil.example:8402", "localhost:8400", "localhost", "127.0.0.1.evil:8402", ""]
        {
            assert!(!host_is_ours(&request(host), 8402), "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_told_by_its_headers() {
        let with = |name: &str, value: &str| {
            let mut request = request("localhost:8402");
            let name: header::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
            same_site(&request)
        };
        assert!(same_site(&request("localhost:8402")));
        assert!(with("origin", "http://localhost:8402"));
        assert!(with("sec-fetch-site", "none"));
        assert!(!with("origin", "https://evil.example"));
        assert!(!with("origin", "http://127.0.0.1:8402"));
        assert!(!with("origin", "null"));
        assert!(!with("sec-fetch-site", "cross-site"));
        assert!(!with("sec-fetch-site", "same-site"));
    }

    #[tokio::test]
    async fn a_listener_on_all_addresses_is_refused() {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let refused =
            Server::start(listener, |_, _| async { Ok(text(StatusCode::OK, "")) }).unwrap_err();
        assert_eq!(refused.code(), "listener_not_loopback");
    }
}
