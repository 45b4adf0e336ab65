//! The routes over plain HTTP, on any host or container; TLS ends in front of it.
//!
//! | what a client may do to it | what stops it |
//! | --- | --- |
//! | connect and say nothing, or send headers byte by byte | `FIRST_REQUEST_TIME` |
//! | keep connections without a request, or never read an answer | `IDLE_TIME` |
//! | open more connections than the machine has files | `Connections`: the least useful one goes |
//! | send a body byte by byte | `BODY_TIME`, and `Bodies`: where there is no room, the slowest one goes |
//! | send large headers or bodies over many connections or streams | `MAX_HEAD`, [`MAX_BODY`], `Bodies` |
//! | open and reset streams of HTTP/2 | what begins costs little; h2 ends the connection |
//! | smuggle a request behind a body whose end is read in two ways | a body in chunks is a connection's last |

mod bodies;
mod connections;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{StatusCode, Version};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket};
use tracing::{debug, info, warn};

use self::bodies::{Bodies, Peer};
use self::connections::{Answering, Connections};
use super::request::client_address;
use super::{Body, MAX_BODY, Request, handle};
use crate::broker::Broker;

/// Connections at once; beyond, a new one takes the place of the least useful one.
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
/// Requests at once on one connection of HTTP/2: a browser asks for one page, and a load balancer opens more
/// connections. What streams hold that do not end is bounded by it.
const MAX_STREAMS: u32 = 8;
/// The most that one connection of HTTP/2 may send before it is read.
const WINDOW: u32 = 64 * 1024;
/// What one connection may leave unread before nothing more is answered there.
const UNREAD: u32 = 64 * 1024;
/// Connections that wait to be accepted; Linux allows 4,096 of them unless it is told otherwise.
const BACKLOG: u32 = 4_096;
/// How long requests under way may take after the signal to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// Listens where [`serve`] answers.
///
/// # Errors
///
/// The address is taken, or is none of this machine's.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Connections inherit it. Nobody makes thousands of answers wait for them in the system's memory.
    socket.set_send_buffer_size(UNREAD)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

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
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(WINDOW as usize)
        .max_header_list_size(MAX_HEAD as u32);
    let bodies = Arc::new(Bodies::default());
    let connections = Arc::new(Connections::new(places()));
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
        let place = tokio::select! {
            place = connections.enter(peer.ip()) => place,
            () = &mut stop => break,
        };
        let connection = Arc::clone(&place.connection);
        let leaving = Arc::clone(&leaving);
        let (broker, bodies, active) =
            (Arc::clone(&broker), Arc::clone(&bodies), Arc::clone(&connection));
        let service = service_fn(move |request| {
            let (broker, bodies, active) =
                (Arc::clone(&broker), Arc::clone(&bodies), Arc::clone(&active));
            let request_under_way = active.begin();
            let leaves = leaving.load(Ordering::Relaxed);
            async move {
                let answer = answer(&broker, &bodies, &active, request, peer, leaves).await;
                drop(request_under_way);
                Ok::<_, Infallible>(answer)
            }
        });
        let served = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let served = graceful.watch(served.into_owned());
        tokio::spawn(async move {
            tokio::select! {
                ended = served => if let Err(error) = ended {
                    debug!(error = %error, "a connection ended early");
                },
                () = connection.idle_too_long(FIRST_REQUEST_TIME, IDLE_TIME) => debug!("a connection was idle for too long"),
                () = connection.lost_its_place() => debug!("a connection lost its place to a newer one"),
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

/// An answer on its way.
struct Leaving {
    text: Full<Bytes>,
    until_taken: Answering,
}

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = Pin::new(&mut self.text).poll_frame(context);
        if frame.is_ready() {
            self.until_taken.is_taken();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.text.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.text.size_hint()
    }
}

async fn answer(
    broker: &Broker,
    bodies: &Bodies,
    connection: &Arc<connections::Connection>,
    request: http::Request<Incoming>,
    peer: SocketAddr,
    leaves: bool,
) -> http::Response<Leaving> {
    let (parts, body) = request.into_parts();
    let body = match body.is_end_stream() {
        true => Body::default(),
        false => {
            let source = broker.settings.client_address;
            let client = client_address(&parts.headers, Some(peer.ip()), source);
            let whose = Peer::of(client.unwrap_or(peer.ip()));
            let read = read(body, bodies, whose, size_of_head(&parts.headers));
            let read = tokio::time::timeout(BODY_TIME, read).await;
            read.unwrap_or(Body::NoRoom("it did not arrive in time"))
        }
    };
    let version = parts.version;
    // Where the body ends may also be read in another way in front: then what follows it is nobody's request
    // (RFC 9112, 6.1 and 11.2).
    let is_doubtful = parts.headers.contains_key(header::TRANSFER_ENCODING);
    let is_unread = is_doubtful || matches!(body, Body::NoRoom(_));
    let is_last = version < Version::HTTP_2 && is_unread;
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
    let until_taken = connection.answer();
    let mut response = handle(broker, &request).await;
    until_taken.is_made();
    if leaves && is_health {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        "stopping".clone_into(response.body_mut());
    }
    // What is left of the body is not read; or the client's next request finds another process, by a new
    // connection.
    if is_last || (leaves && version < Version::HTTP_2) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| {
        let text = if head { Bytes::new() } else { Bytes::from(body) };
        if text.is_empty() {
            until_taken.is_taken();
        }
        Leaving { text: text.into(), until_taken }
    })
}

/// What the headers of a request hold in memory, about.
fn size_of_head(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum()
}

/// The whole body, while there is room for what has arrived of all bodies; else why not.
async fn read(mut body: Incoming, bodies: &Bodies, whose: Peer, head: usize) -> Body {
    let mut place = match bodies.enter(whose, head).await {
        Ok(place) => place,
        Err(why) => return Body::NoRoom(why),
    };
    let mut whole = Vec::new();
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = place.lost() => return Body::NoRoom("it lost its place to a faster one"),
        };
        let Some(frame) = frame else { return Body::Whole(whole.into()) };
        // What is broken says nothing, and whatever needs a body says so.
        let Ok(frame) = frame else { return Body::default() };
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > MAX_BODY {
            drop((whole, place));
            forget(body).await;
            return Body::TooLarge;
        }
        if let Err(why) = place.grow(data.len()).await {
            return Body::NoRoom(why);
        }
        whole.extend_from_slice(&data);
    }
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
}
