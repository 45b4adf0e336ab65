//! `studio-broker local`: says where everything stands, and runs until it is told to stop.

use serde_json::json;

use super::exit::Exit;
use super::output::{Failure, Format, data};
use super::serve::stopped;
use crate::local::{Arguments, LocalError, start};

pub(super) async fn run(arguments: Arguments, format: Format) -> Result<Exit, Failure> {
    let running = start(&arguments).await?;
    let (broker, idp, aws) = (running.broker(), running.idp(), running.aws());
    let stopped = stopped();
    if format == Format::Json {
        data(json!({"broker": broker, "idp": idp, "aws_endpoint": aws}));
    } else {
        if let (Some(broker), Some(idp)) = (broker, idp) {
            data(format!("portal        {idp}/        sign in as User 1: two teams, two accounts"));
            data(format!("broker        {broker}/        the chooser; /teams/team1 opens a team"));
        }
        data(format!(
            "simulated AWS {aws}/        AWS_ENDPOINT_URL for any client; /_control explains faults"
        ));
        data(format!("stop with Ctrl-C; {}", arguments.kept()));
    }
    stopped.await;
    Ok(Exit::Done)
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::Settings(faults) => faults.into(),
            LocalError::Key(error) => error.into(),
            LocalError::Port { .. } => {
                Self::new(Exit::Failed, error.to_string()).hint("choose other ports with --port")
            }
            _ => Self::new(Exit::Failed, error.to_string()),
        }
    }
}
