//! The routes over plain HTTP, on any host or container; TLS ends in front of it.
//!
//! | what a client may do to it | what stops it |
//! | --- | --- |
//! | connect and say nothing, or send headers byte by byte | `FIRST_REQUEST_TIME` |
//! | keep connections without a request, or never read an answer | `IDLE_TIME` |
//! | send a body byte by byte | `BODY_TIME` |
//! | send large headers or bodies over many connections | `MAX_HEAD`, [`MAX_BODY`], `BODIES` |
//! | open more connections than the machine has files | `places` |

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tracing::{debug, info, warn};

use super::{MAX_BODY, Request, handle};
use crate::broker::Broker;

/// Connections at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 10_000;
/// Files that are kept for everything else: connections to AWS, and what the runtime needs.
const OTHER_FILES: usize = 200;
/// A client that has not sent the headers of its first request by then is not served.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(10);
/// A connection without a request is kept this long: longer than load balancers do, which would
/// otherwise send a request into one that is being closed. An AWS load balancer keeps it for 60 s.
const IDLE_TIME: Duration = Duration::from_secs(75);
/// A client that has not sent its body by then is not served.
const BODY_TIME: Duration = Duration::from_secs(15);
/// Of a body that is too large so much is let pass, within the same time.
const FORGOTTEN: usize = 16 * 1024 * 1024;
/// The most that the headers of a request may hold.
const MAX_HEAD: usize = 32 * 1024;
/// The most that all bodies which are being read may hold together, in bytes: once for the beginnings
/// of bodies, once for what goes beyond, so that who sends large bodies slowly keeps nobody from
/// signing in.
const BODIES: usize = 64 * 1024 * 1024;
/// The beginning of a body: an ordinary response is smaller.
const BEGINNING: usize = 32 * 1024;
/// How long a body waits for room.
const ROOM_TIME: Duration = Duration::from_secs(1);
/// How long requests under way may take after the signal to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// Answers requests until `stop`, then finishes what has begun.
///
/// For `drain` after `stop` everything is answered as before, but `/healthz` with 503: whoever sends people
/// here sees it, and sends them elsewhere, before connections are refused.
pub async fn serve(
    listener: TcpListener,
    broker: Arc<Broker>,
    stop: impl Future<Output = ()>,
    drain: Duration,
) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(IDLE_TIME).max_buf_size(MAX_HEAD);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(64 * 1024)
        .max_header_list_size(MAX_HEAD as u32);
    let bodies = Arc::new(Bodies::default());
    let connections = Arc::new(Semaphore::new(places()));
    let graceful = GracefulShutdown::new();
    let leaving = Arc::new(AtomicBool::new(false));
    let mut stop = std::pin::pin!(async {
        stop.await;
        if !drain.is_zero() {
            leaving.store(true, Ordering::Relaxed);
            info!(seconds = drain.as_secs(), "told to stop: /healthz says so, requests go on");
            tokio::time::sleep(drain).await;
        }
    });
    loop {
        let place = tokio::select! {
            place = Arc::clone(&connections).acquire_owned() => place,
            () = &mut stop => break,
        };
        let Ok(place) = place else { break };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(error = %error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let (broker, bodies) = (Arc::clone(&broker), Arc::clone(&bodies));
        let activity = Arc::new(Activity::default());
        let (active, leaving) = (Arc::clone(&activity), Arc::clone(&leaving));
        let service = service_fn(move |request| {
            let (broker, bodies) = (Arc::clone(&broker), Arc::clone(&bodies));
            let request_under_way = active.begin();
            let leaves = leaving.load(Ordering::Relaxed);
            async move {
                let answer = answer(&broker, &bodies, request, peer, leaves).await;
                drop(request_under_way);
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    debug!(error = %error, "a connection ended early");
                },
                () = activity.idle_too_long(FIRST_REQUEST_TIME, IDLE_TIME) => debug!("a connection was idle for too long"),
            }
            drop(place);
        });
    }
    drop(listener);
    // Openings go on when their person's patience has ended, so they are waited for by themselves.
    let finished = async { tokio::join!(graceful.shutdown(), broker.settled()) };
    if tokio::time::timeout(FAREWELL, finished).await.is_err() {
        warn!("some requests were not finished in time");
    }
}

/// How many connections can be served: what the process may open, less what it needs itself.
fn places() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| {
        line.strip_prefix("Max open files")?.split_whitespace().next()?.parse::<usize>().ok()
    });
    let places = places_within(files);
    if places < MAX_CONNECTIONS {
        info!(connections = places, "the limit of open files allows fewer connections");
    }
    places
}

fn places_within(files: Option<usize>) -> usize {
    let files = files.unwrap_or(MAX_CONNECTIONS);
    files.saturating_sub(OTHER_FILES).clamp(files.min(100) / 2, MAX_CONNECTIONS).max(1)
}

/// Whether a connection is of use.
#[derive(Debug, Default)]
struct Activity {
    under_way: AtomicU32,
    has_asked: AtomicBool,
    changed: Notify,
}

/// One request of a connection, until it is dropped.
struct UnderWay(Arc<Activity>);

impl Activity {
    fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.has_asked.store(true, Ordering::Relaxed);
        self.changed.notify_one();
        UnderWay(Arc::clone(self))
    }

    /// Ends when nothing was asked for as long as is allowed: `first` for the first request, `later` for
    /// every other.
    async fn idle_too_long(&self, first: Duration, later: Duration) {
        loop {
            let asked = self.has_asked.load(Ordering::Relaxed);
            let patience = if asked { later } else { first };
            let changed = tokio::time::timeout(patience, self.changed.notified()).await.is_ok();
            if !changed && self.under_way.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

async fn answer(
    broker: &Broker,
    bodies: &Bodies,
    request: http::Request<Incoming>,
    peer: SocketAddr,
    leaves: bool,
) -> http::Response<http_body_util::Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let version = parts.version;
    let body = tokio::time::timeout(BODY_TIME, read(body, bodies)).await;
    // One byte over the limit stands for every body that is not read.
    let body = body.unwrap_or(Err("it did not arrive in time")).unwrap_or_else(|why| {
        warn!(client_address = %peer.ip(), why, "a body was not read");
        Bytes::from_static(&[0; MAX_BODY + 1])
    });
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
    let is_health = request.route_path(&broker.settings.public_url) == "/healthz";
    let mut response = handle(broker, &request).await;
    if leaves && is_health {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        "stopping".clone_into(response.body_mut());
    }
    // The client's next request comes by a new connection, which finds another process.
    if leaves && version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| if head { Bytes::new() } else { Bytes::from(body) }.into())
}

/// Room for the bodies that are being read.
#[derive(Debug)]
struct Bodies {
    beginnings: Arc<Semaphore>,
    rest: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        let room = || Arc::new(Semaphore::new(BODIES));
        Self { beginnings: room(), rest: room() }
    }
}

/// The whole body, while there is room for what has arrived of all bodies; else why not.
async fn read(mut body: Incoming, bodies: &Bodies) -> Result<Bytes, &'static str> {
    let mut whole = BytesMut::new();
    let (mut beginning, mut rest) = (None, None);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| "it is broken")?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > MAX_BODY {
            drop((whole, beginning, rest));
            forget(body).await;
            return Err("it is too large");
        }
        let (room, held) = match whole.len() + data.len() <= BEGINNING {
            true => (&bodies.beginnings, &mut beginning),
            false => (&bodies.rest, &mut rest),
        };
        let needed = u32::try_from(data.len()).map_err(|_| "it is too large")?;
        let more = tokio::time::timeout(ROOM_TIME, Arc::clone(room).acquire_many_owned(needed));
        let Ok(Ok(more)) = more.await else { return Err("others hold all the room for bodies") };
        match held {
            None => *held = Some(more),
            Some(held) => held.merge(more),
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// Lets a body pass by that is too large: most clients look at the answer only when all is sent.
async fn forget(body: Incoming) {
    let mut body = Limited::new(body, FORGOTTEN);
    while let Some(Ok(_)) = body.frame().await {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_fewer_connections_than_files() {
        assert_eq!(places_within(Some(1_048_576)), MAX_CONNECTIONS);
        assert_eq!(places_within(Some(1_024)), 824);
        assert_eq!(places_within(Some(256)), 56);
        assert_eq!(places_within(Some(64)), 32);
        assert_eq!(places_within(None), MAX_CONNECTIONS - OTHER_FILES);
    }

    #[tokio::test]
    async fn a_connection_without_a_request_ends_and_one_with_a_request_does_not() {
        const FIRST: Duration = Duration::from_millis(5);
        const LATER: Duration = Duration::from_millis(10);
        let activity = Arc::new(Activity::default());
        activity.idle_too_long(FIRST, Duration::MAX).await;
        let request = activity.begin();
        let waiting = tokio::time::timeout(LATER * 5, activity.idle_too_long(FIRST, LATER));
        assert!(waiting.await.is_err(), "a request is under way");
        drop(request);
        activity.idle_too_long(Duration::MAX, LATER).await;
    }
}
