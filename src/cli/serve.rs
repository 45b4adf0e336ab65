//! `studio-broker serve`: the routes over plain HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::Exit;
use crate::audit::Audit;
use crate::aws::sdk_config;
use crate::broker::Broker;
use crate::config::{SettingFault, SettingFaults, Settings};
use crate::http::serve::serve;
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
}

#[expect(clippy::disallowed_methods, reason = "the edge: environment and time enter here")]
pub(super) async fn run(arguments: Arguments, json: bool) -> Exit {
    let settings = match Settings::read(|name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(faults) => {
            eprintln!("error: {faults}");
            return Exit::Usage;
        }
    };
    telemetry::start(&settings.log, std::io::stderr);
    let sdk = match sdk_config(settings.tls_roots).await {
        Ok(sdk) => sdk,
        Err(error) => {
            eprintln!("error: the trust roots cannot be loaded: {error}");
            return Exit::Failed;
        }
    };
    if sdk.region().is_none() {
        eprintln!("error: {}", SettingFaults(vec![SettingFault::region()]));
        return Exit::Usage;
    }
    let broker = match Broker::new(settings, sdk, Audit::Stderr).await {
        Ok(broker) => Arc::new(broker),
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Failed;
        }
    };
    let listener = match TcpListener::bind(arguments.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!(
                "error: cannot listen on {}: {error}\nhint: choose another address with --listen",
                arguments.listen
            );
            return Exit::Failed;
        }
    };
    let address = listener.local_addr().unwrap_or(arguments.listen);
    if json {
        println!("{}", json!({"listen": address.to_string()}));
    } else {
        eprintln!("listening on http://{address}");
    }
    if let Err(error) = broker.tables.preload_idps(jiff::Timestamp::now()).await {
        tracing::warn!(error = %error, "identity providers could not be preloaded");
    }
    let refresh = tokio::spawn(keep_groups_fresh(Arc::clone(&broker)));
    serve(listener, broker, stopped()).await;
    refresh.abort();
    Exit::Done
}

/// Refreshes the index of groups before it grows too old, so that no sign-in has to.
#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
async fn keep_groups_fresh(broker: Arc<Broker>) {
    let seconds = u64::from(broker.settings.team_cache_seconds.max(10)) / 2;
    loop {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        broker.tables.refresh_groups(jiff::Timestamp::now()).await;
    }
}

/// Ends with SIGTERM or an interrupt.
pub(crate) async fn stopped() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
