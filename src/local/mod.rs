//! `studio-broker local`: everything on one machine, on loopback, without an AWS account.
//!
//! | part | what it is |
//! | --- | --- |
//! | [`aws`] | `DynamoDB`, STS, `SageMaker` and Identity Store on one endpoint |
//! | [`studio`] | the page behind a presigned URL |
//! | [`idp`] | an identity provider that really signs |
//! | [`scenario`] | the people and teams that the story starts with, which [`seed`](fn@seed) writes into it |
//!
//! The broker itself is the one of `serve` and of the Lambda function, with the real SDK clients; it
//! stands at `localhost` and the identity provider at `127.0.0.1`, so that they are different sites as
//! in life.

pub mod aws;
mod html;
pub mod idp;
pub mod scenario;
mod seed;
mod server;
pub mod studio;

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc};

use http_body_util::{BodyExt as _, Full};
use tokio::net::TcpListener;

pub use self::seed::{SeededIdp, seed};

use self::aws::{AwsOptions, RunningAws, StartError};
use self::idp::{IdpError, IdpOptions, RunningIdp};
use self::server::{ListenError, Server};
use crate::aws::{Endpoint, sdk_config_for};
use crate::broker::audit::Audit;
use crate::broker::{Broker, KeyError};
use crate::config::{SettingFaults, Settings, environment};
use crate::http::{Request, handle};
use crate::telemetry;

#[derive(Debug, clap::Args)]
#[command(
    before_help = "Example:\n  studio-broker local",
    after_help = "Then open the portal that it prints. Other DynamoDB, STS and SageMaker clients can use the\nsimulated AWS through AWS_ENDPOINT_URL; GET /_control on it explains how to slow it down,\nthrottle it or make it fail."
)]
/// Arguments of `studio-broker local`.
pub struct Arguments {
    /// Port of the broker; identity provider and Studio take the next one, AWS the one after.
    #[arg(long, default_value_t = 8400)]
    port: u16,
    /// Folder that keeps tables, profiles and the identity provider's key.
    #[arg(long, value_name = "DIR", default_value = ".studio-broker")]
    data: PathBuf,
    /// Keeps nothing.
    #[arg(long, conflicts_with = "data")]
    ephemeral: bool,
    /// Starts the simulated AWS alone.
    #[arg(long)]
    aws_only: bool,
}

/// Why `local` does not start.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A port is taken.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Port {
        /// Which.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
    /// The simulated AWS.
    #[error(transparent)]
    Aws(#[from] StartError),
    /// The test identity provider.
    #[error(transparent)]
    Idp(#[from] IdpError),
    /// The broker's own listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The broker's settings.
    #[error(transparent)]
    Settings(#[from] SettingFaults),
    /// The key for encrypted assertions.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Everything that runs, until this is dropped.
pub struct Running {
    aws: RunningAws,
    sign_in: Option<(Server, RunningIdp)>,
}

impl Running {
    /// Where the simulated AWS answers.
    pub fn aws(&self) -> String {
        self.aws.endpoint_url()
    }

    /// Where the broker answers, unless the simulated AWS runs alone.
    pub fn broker(&self) -> Option<String> {
        let (broker, _) = self.sign_in.as_ref()?;
        Some(format!("http://localhost:{}", broker.address().port()))
    }

    /// Where the test identity provider answers, unless the simulated AWS runs alone.
    pub fn idp(&self) -> Option<String> {
        self.sign_in.as_ref().map(|(_, idp)| idp.base_url().to_owned())
    }
}

impl Arguments {
    /// What of the run is kept, in words.
    pub fn kept(&self) -> String {
        if self.ephemeral {
            "nothing is kept".into()
        } else {
            format!("state is kept in {}", self.data.display())
        }
    }
}

/// Starts everything that `studio-broker local` runs.
///
/// # Errors
///
/// A port is taken, or a part does not start.
pub async fn start(arguments: &Arguments) -> Result<Running, LocalError> {
    let data = (!arguments.ephemeral).then(|| arguments.data.clone());
    // Port 0 takes any three free ports.
    let next = |offset: u16| match arguments.port {
        0 => 0,
        port => port.saturating_add(offset),
    };
    let aws_listener = listen(next(2)).await?;
    if arguments.aws_only {
        let options = AwsOptions { data, ..AwsOptions::default() };
        let aws = aws::start(aws_listener, options).await?;
        seed(&aws, None).map_err(StartError::from)?;
        return Ok(Running { aws, sign_in: None });
    }
    let broker_listener = listen(next(0)).await?;
    let idp_listener = listen(next(1)).await?;
    let (broker_port, idp_port) = (port_of(&broker_listener), port_of(&idp_listener));

    let studio_base = Some(format!("http://127.0.0.1:{idp_port}"));
    let options = AwsOptions { data: data.clone(), studio_base, ..AwsOptions::default() };
    let aws = aws::start(aws_listener, options).await?;

    let public_url = format!("http://localhost:{broker_port}");
    let settings = local_settings(&public_url)?;
    telemetry::start(&settings.log, std::io::stderr);
    let options = IdpOptions {
        data,
        acs_url: settings.public_url.acs(),
        sp_entity_id: settings.entity_id.clone(),
        studio: aws.studio(),
    };
    let idp = idp::start(idp_listener, options)?;
    seed(&aws, Some(&idp.registration())).map_err(StartError::from)?;

    let sdk = sdk_config_for(&Endpoint {
        endpoint_url: aws.endpoint_url(),
        region: HUB_REGION.into(),
        access_key_id: HUB_ACCESS_KEY.into(),
        secret_access_key: "local".into(),
    });
    let broker = Arc::new(Broker::new(settings, sdk, Audit::Stderr).await?);
    let server = Server::start(broker_listener, move |request: http::Request<bytes::Bytes>, _| {
        let broker = Arc::clone(&broker);
        async move {
            let (parts, body) = request.into_parts();
            let request = Request {
                method: parts.method,
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().unwrap_or_default().to_owned(),
                headers: parts.headers,
                body: crate::http::Body::Whole(body),
                source_ip: Some(Ipv4Addr::LOCALHOST.into()),
                stage: None,
            };
            let response = handle(&broker, &request).await;
            Ok(response.map(|body| Full::new(bytes::Bytes::from(body)).boxed_unsync()))
        }
    })?;
    Ok(Running { aws, sign_in: Some((server, idp)) })
}

/// The Region of the hub's tables in the story.
const HUB_REGION: &str = "eu-central-1";
/// The hub's function role in the story: any key that is not an account's.
const HUB_ACCESS_KEY: &str = "AKIALOCALHUB";

/// The broker's own settings may be tried out here; where it stands is decided by the ports.
fn local_settings(public_url: &str) -> Result<Settings, SettingFaults> {
    const FIXED: [&str; 6] = [
        "STUDIO_BROKER_ENTITY_ID",
        "STUDIO_BROKER_TEAMS_TABLE",
        "STUDIO_BROKER_IDPS_TABLE",
        "STUDIO_BROKER_STATE_TABLE",
        "STUDIO_BROKER_TARGET_ROLE_NAME",
        "STUDIO_BROKER_TLS_ROOTS",
    ];
    Settings::read(|name| match name {
        "STUDIO_BROKER_PUBLIC_URL" => Some(public_url.to_owned()),
        fixed if FIXED.contains(&fixed) => None,
        name => environment(name),
    })
}

async fn listen(port: u16) -> Result<TcpListener, LocalError> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    bound.map_err(|source| LocalError::Port { port, source })
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().map_or(0, |address| address.port())
}
