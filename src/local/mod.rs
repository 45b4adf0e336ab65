//! `studio-broker local`: everything on one machine, on loopback, without an AWS account.
//!
//! | part | what it is |
//! | --- | --- |
//! | [`aws`] | `DynamoDB`, STS, `SageMaker` and Identity Store on one endpoint |
//! | [`studio`] | the page behind a presigned URL |
//! | [`idp`] | an identity provider that really signs |
//! | [`scenario`] | the people and teams that the story starts with |

pub mod aws;
mod html;
pub mod idp;
pub mod scenario;
mod server;
pub mod studio;

use std::{io::Write as _, net::Ipv4Addr, path::PathBuf};

use serde_json::json;
use tokio::net::TcpListener;

use self::aws::{AwsOptions, StartError};

/// Why `local` ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The simulated AWS does not start.
    #[error(transparent)]
    Aws(#[from] StartError),
    /// A port is taken, or stdout is closed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the operating system says.
        source: std::io::Error,
    },
}

impl LocalError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Aws(error) => error.code(),
            Self::Io { .. } => "local_io",
        }
    }
}

/// `local --aws-only`: the seeded AWS endpoint alone, two ports after `port`, until the process is
/// told to stop. Once it answers, prints `{"broker": null, "idp": null, "aws_endpoint": …}`.
///
/// # Errors
///
/// [`LocalError`]: the port is taken, or the data folder cannot be used.
pub async fn run_aws_only(port: u16, data: Option<PathBuf>) -> Result<(), LocalError> {
    let io = |what: &str| {
        let what = what.to_owned();
        move |source| LocalError::Io { what, source }
    };
    let port = if port == 0 { 0 } else { port.saturating_add(2) };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(io(&format!("port {port}")))?;
    let aws = aws::start(listener, AwsOptions { data, ..AwsOptions::default() }).await?;
    scenario::seed(&aws, None).map_err(StartError::from)?;
    let ready = json!({"broker": null, "idp": null, "aws_endpoint": aws.endpoint_url()});
    writeln!(std::io::stdout(), "{ready}").map_err(io("stdout"))?;
    stop_signal().await.map_err(io("signals"))
}

/// Waits for Ctrl-C or SIGTERM.
async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
