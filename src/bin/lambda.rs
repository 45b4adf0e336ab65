//! The broker as a Lambda function (custom runtime): HTTP events are answered by the routes, stream
//! events of the teams and `IdPs` tables go to the validator of mappings.

use std::process::ExitCode;
use std::sync::Arc;

use lambda_http::http::Method;
use lambda_http::lambda_runtime::{self, LambdaEvent};
use lambda_http::service_fn;
use serde_json::Value;
use studio_broker::aws::sdk_config;
use studio_broker::broker::Broker;
use studio_broker::broker::audit::Audit;
use studio_broker::broker::metrics;
use studio_broker::config::{Settings, environment, with_sdk};
use studio_broker::http::event::{self, Front};
use studio_broker::mappings::stream;
use studio_broker::{http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", one_line(&error.to_string()));
            ExitCode::from(2)
        }
    }
}

/// The lines of a message as one: in the function's log each line is an event of its own, and a search
/// that finds the first would show none of the others.
fn one_line(message: &str) -> String {
    let lines: Vec<_> = message.lines().map(str::trim).collect();
    lines.join("; ").replacen(":; ", ": ", 1)
}

type StartError = Box<dyn std::error::Error + Send + Sync>;

#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
async fn start() -> Result<(), StartError> {
    let read = Settings::read(environment);
    let sdk = sdk_config(read.as_ref().ok().and_then(|settings| settings.tls_roots)).await?;
    let settings = with_sdk(read, sdk.region().map(AsRef::as_ref))?;
    telemetry::start(&settings.log, std::io::stdout);
    if let Some(line) = metrics::started(&settings.state_table, jiff::Timestamp::now()) {
        println!("{line}");
    }
    let broker = Arc::new(Broker::new(settings, sdk, Audit::Stdout).await?);
    broker.warm_up(jiff::Timestamp::now()).await;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        // A task, since each waking of the runtime's own future costs a system call.
        let answer = tokio::spawn(answer(Arc::clone(&broker), event.payload));
        async { Ok::<_, StartError>(answer.await?) }
    }))
    .await
}

async fn answer(broker: Arc<Broker>, event: Value) -> Value {
    if stream::is_stream_event(&event) {
        let places = stream::places_of(&broker.settings, &event);
        if let Err(error) = broker.tables.remember(&places).await {
            tracing::warn!(error = %error, "where teams are or were could not be remembered");
        }
        return stream::validate(&broker.settings, &event);
    }
    let (request, front) = event::request(event).unwrap_or_else(|| {
        tracing::warn!("an event of an unknown shape is answered as an unreadable form");
        let path = format!("{}/saml/acs", broker.settings.public_url.path());
        (http::Request { method: Method::POST, path, ..http::Request::default() }, Front::RestApi)
    });
    event::response(http::handle(&broker, &request).await, front)
}
