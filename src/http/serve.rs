//! The routes over plain HTTP, on any host or container; TLS ends in front of it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::{MAX_BODY, Request, handle};
use crate::broker::Broker;

/// Connections at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 10_000;
/// A client that has not sent its headers by then is not served.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// A client that has not sent its body by then is not served.
const BODY_TIME: Duration = Duration::from_secs(15);
/// How long requests under way may take after the signal to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// Answers requests until `stop`, then finishes those that have begun.
pub async fn serve(listener: TcpListener, broker: Arc<Broker>, stop: impl Future<Output = ()>) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
    server.http2().timer(TokioTimer::new()).max_concurrent_streams(100);
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let Ok(place) = Arc::clone(&connections).acquire_owned().await else { break };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(error = %error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let broker = Arc::clone(&broker);
        let service = service_fn(move |request| {
            let broker = Arc::clone(&broker);
            async move { Ok::<_, Infallible>(answer(&broker, request, peer).await) }
        });
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(error = %error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        warn!("some requests were not finished in time");
    }
}

async fn answer(
    broker: &Broker,
    request: http::Request<Incoming>,
    peer: SocketAddr,
) -> http::Response<http_body_util::Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = tokio::time::timeout(BODY_TIME, Limited::new(body, MAX_BODY).collect()).await;
    let body = match body {
        Ok(Ok(body)) => body.to_bytes(),
        // Too large (or broken, or too slow): one byte over the limit stands for it.
        Ok(Err(_)) | Err(_) => Bytes::from_static(&[0; MAX_BODY + 1]),
    };
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
        source_ip: Some(peer.ip()),
        stage: None,
    };
    let head = request.method == http::Method::HEAD;
    let response = handle(broker, &request).await;
    response.map(|body| if head { Bytes::new() } else { Bytes::from(body) }.into())
}
