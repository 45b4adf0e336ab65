//! The log: JSON lines with one filter, and a bound that no filter can lift.

use tracing::Level;
#[cfg(feature = "cli")]
use tracing::Subscriber;
#[cfg(feature = "cli")]
use tracing::span::{Attributes, Id};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
#[cfg(feature = "cli")]
use tracing_subscriber::layer::Context;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts the log with a filter such as `info` or `studio_broker=debug`.
///
/// What other crates write below `info` is never logged, whatever the filter says: at `trace` the AWS
/// SDK prints whole requests and answers, credentials among them. Our own lines hold no secrets at any
/// level.
pub fn start<W>(filter: &str, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let own_or_coarse = filter_fn(|metadata| {
        metadata.target().starts_with("studio_broker") || *metadata.level() <= Level::INFO
    });
    let filter = EnvFilter::builder().parse_lossy(filter).and(own_or_coarse);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(writer)
        .with_filter(filter);
    // A second start (in tests) keeps the first.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

/// Tells each call of the AWS SDK by its name (`DynamoDB.Scan`) when it begins, and nothing that it holds.
#[cfg(feature = "cli")]
pub fn tell_calls(tell: impl Fn(&str) + Send + Sync + 'static) {
    let is_call = filter_fn(|metadata| metadata.is_span() && metadata.name().contains('.'));
    let calls = Calls(tell).with_filter(is_call);
    let _ = tracing_subscriber::registry().with(calls).try_init();
}

#[cfg(feature = "cli")]
struct Calls<T>(T);

#[cfg(feature = "cli")]
impl<S: Subscriber, T: Fn(&str) + Send + Sync + 'static> Layer<S> for Calls<T> {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.0(attributes.metadata().name());
    }
}
