//! `studio-broker serve`: the routes over plain HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::Exit;
use super::hub::load_sdk;
use super::output::{Failure, data, say};
use crate::broker::Broker;
use crate::broker::audit::Audit;
use crate::config::{Settings, environment, with_sdk};
use crate::http::serve::{listen, serve};
use crate::telemetry;

#[derive(Debug, clap::Args)]
#[command(
    before_help = "Example:\n  STUDIO_BROKER_PUBLIC_URL=https://studio.example.com studio-broker serve --listen 0.0.0.0:8080",
    after_help = "Settings come from the environment (STUDIO_BROKER_…, AWS_…). SIGTERM finishes what has begun."
)]
pub(super) struct Arguments {
    /// Address and port to listen on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How long to go on after SIGTERM while /healthz answers 503, so that load balancers look elsewhere
    /// first.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=600))]
    drain: u16,
}

#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
pub(super) async fn run(arguments: Arguments, json: bool) -> Result<Exit, Failure> {
    let read = Settings::read(environment);
    let sdk = load_sdk(read.as_ref().ok().and_then(|settings| settings.tls_roots)).await?;
    let settings = with_sdk(read, sdk.region().map(AsRef::as_ref))?;
    telemetry::start(&settings.log, std::io::stderr);
    let broker = Arc::new(Broker::new(settings, sdk, Audit::Stderr).await?);
    let listener = listen(arguments.listen).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot listen on {}: {error}", arguments.listen))
            .hint("choose another address with --listen")
    })?;
    let address = listener.local_addr().unwrap_or(arguments.listen);
    let stopped = stopped();
    if json {
        data(json!({"listen": address.to_string()}));
    } else {
        say(format!("listening on http://{address}"));
    }
    if let Err(error) = broker.tables.preload_idps(jiff::Timestamp::now()).await {
        tracing::warn!(error = %error, "identity providers could not be preloaded");
    }
    let refresh = tokio::spawn(keep_index_fresh(Arc::clone(&broker)));
    serve(listener, broker, stopped, Duration::from_secs(u64::from(arguments.drain))).await;
    refresh.abort();
    Ok(Exit::Done)
}

/// Refreshes the index of groups and members before it grows too old, so that no sign-in has to.
#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
async fn keep_index_fresh(broker: Arc<Broker>) {
    let seconds = u64::from(broker.settings.team_cache_seconds.max(10)) / 2;
    loop {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        broker.tables.refresh_index(jiff::Timestamp::now()).await;
    }
}

/// Ends with the first SIGTERM or interrupt from now on, whenever it is waited for.
pub(crate) fn stopped() -> impl Future<Output = ()> {
    let (terminated, interrupted) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async {
        let (Ok(mut terminated), Ok(mut interrupted)) = (terminated, interrupted) else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    }
}
