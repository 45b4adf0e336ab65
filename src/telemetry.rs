//! The log: JSON lines with one filter, and a bound that no filter can lift.

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
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
