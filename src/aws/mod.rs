//! Conversations with AWS: one file each, on the SDK's concrete clients.
//!
//! In comes a question in the words of [`crate::team`], out goes a typed answer or one [`error::AwsError`],
//! sorted by what can be done about it. Whether a person may have the answer is decided elsewhere.
//!
//! | of | files |
//! | --- | --- |
//! | the broker's own tables | [`tables`], [`team_index`], [`places`], [`state_table`], [`updates`], [`line_table`] |
//! | a write that depends on what is there | [`conditional`]; what consumes a response judges by itself |
//! | a team's account | [`target`], [`sagemaker`], [`profile`], [`user_settings`], [`presign`], [`door`], [`studio_url`] |
//! | people and secrets | [`identity_store`], [`secret`] |
//! | administrators' commands | `mapping_tables`, `member_entry`, `spoke`, `sessions`, `left_behind` |
//!
//! What is remembered for a while is in [`cache`]; timeouts, retries and what they may cost are here.

pub mod cache;
pub mod conditional;
mod connections;
pub mod door;
pub mod error;
pub mod identity_store;
#[cfg(feature = "cli")]
pub mod left_behind;
pub mod line_table;
#[cfg(feature = "cli")]
pub mod mapping_tables;
#[cfg(feature = "cli")]
pub mod member_entry;
pub mod places;
pub mod presign;
pub mod profile;
pub mod sagemaker;
pub mod secret;
#[cfg(feature = "cli")]
pub mod sessions;
#[cfg(feature = "cli")]
pub mod spoke;
pub mod state_table;
pub mod studio_url;
pub mod tables;
pub mod target;
pub mod team_index;
pub mod updates;
pub mod user_settings;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::HttpClientError;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::config::TlsRoots;

/// The Amazon trust roots, compiled in: Amazon Root CA 1 to 4 and Starfield Services Root CA G2
/// (<https://www.amazontrust.com/repository/>).
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// The SDK's configuration, loaded once: Region, credentials and endpoints as the SDK finds them,
/// one HTTP client with the chosen trust roots, timeouts that fit a request of two seconds, and
/// retries with jitter. What retries may cost is for each client to say: `tables_budget` or
/// `targets_budget`.
///
/// # Errors
///
/// The trust roots cannot be used; nothing falls back to trusting others.
pub async fn sdk_config(roots: Option<TlsRoots>) -> Result<SdkConfig, HttpClientError> {
    let roots = match roots {
        Some(roots) => roots,
        // The partition decides, so the Region is looked up first, where no client is needed for it.
        None => {
            let named = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
                .or_else(ProfileFileRegionProvider::new());
            default_roots(named.region().await.as_ref())
        }
    };
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts())
        .retry_config(retries())
        .http_client(http_client(roots)?);
    Ok(loader.load().await)
}

/// Where and as whom AWS is reached when nothing of the environment counts.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The endpoint of all services.
    pub endpoint_url: String,
    /// The Region of the tables.
    pub region: String,
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
}

/// The same configuration as [`sdk_config`], but from arguments alone.
pub fn sdk_config_for(endpoint: &Endpoint) -> SdkConfig {
    let Endpoint { endpoint_url, region, access_key_id, secret_access_key } = endpoint;
    let credentials = Credentials::new(access_key_id, secret_access_key, None, None, "arguments");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.clone()))
        .endpoint_url(endpoint_url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .timeout_config(timeouts())
        .retry_config(retries())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// In `aws` partitions Amazon's own authorities sign; in China others do.
fn default_roots(region: Option<&Region>) -> TlsRoots {
    let china = region.is_some_and(|region| crate::team::partition(region.as_ref()) == "aws-cn");
    if china { TlsRoots::System } else { TlsRoots::Amazon }
}

/// Shorter than a person may wait, so that a call which hangs is told apart from a profile that is slow.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(1_000))
        .operation_attempt_timeout(Duration::from_millis(1_400))
        .operation_timeout(Duration::from_millis(1_600))
        .build()
}

/// For calls that take milliseconds: one that hangs is repeated while there is time for the rest.
fn tables_timeouts() -> TimeoutConfig {
    timeouts().to_builder().operation_attempt_timeout(Duration::from_millis(700)).build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(100))
        .with_max_backoff(Duration::from_millis(500))
}

/// Calls that may be repeated at once before the budget is used up.
const RETRIES: u32 = 20;

/// What one repeated call costs.
const RETRY_COST: u32 = 10;

/// A budget for the whole process, whatever the Region: by itself the SDK has one for each service in
/// each Region, so that an outage would be met with a hundred repeated calls in every one of them. A
/// tenth of the calls that succeed may be repeated, and one in ten seconds in any case. The SDK's bucket
/// counts without a lock: under load a few more are let through, at most as many times as there are threads.
fn budget(name: &'static str, throttling_retry_cost: u32) -> RetryPartition {
    let bucket = TokenBucket::builder()
        .capacity((RETRIES * RETRY_COST) as usize)
        .retry_cost(RETRY_COST)
        .timeout_retry_cost(RETRY_COST)
        .throttling_retry_cost(throttling_retry_cost)
        .success_reward(1.0)
        .refill_rate(1.0)
        .build();
    RetryPartition::custom(name).token_bucket(bucket).build()
}

/// The client of the broker's own tables.
pub fn tables_client(sdk: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(sdk)
        .retry_partition(tables_budget())
        .timeout_config(tables_timeouts());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// What repeated calls of `DynamoDB`, the identity store and the secret may cost, all together.
fn tables_budget() -> RetryPartition {
    static BUDGET: LazyLock<RetryPartition> = LazyLock::new(|| budget("tables", RETRY_COST));
    BUDGET.clone()
}

/// What repeated calls of STS and `SageMaker` may cost, all together. A throttled one costs more than
/// there is: it is the person's waiting page that comes again, in turn ([`crate::broker::line`]).
pub fn targets_budget() -> RetryPartition {
    static BUDGET: LazyLock<RetryPartition> =
        LazyLock::new(|| budget("targets", RETRIES * RETRY_COST + 1));
    BUDGET.clone()
}

/// The same configuration for administrators' commands: nobody waits for a page, the line may be long and
/// the answers are megabytes.
pub fn patient(sdk: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_secs(60))
        .build();
    sdk.to_builder()
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(6))
        .build()
}

fn http_client(roots: TlsRoots) -> Result<SharedHttpClient, HttpClientError> {
    let store = match roots {
        TlsRoots::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
        TlsRoots::System => TrustStore::default(),
    };
    let context = TlsContext::builder().with_trust_store(store).build()?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
        .tls_context(context)
        .build_https())
}

tokio::task_local! {
    /// The AWS request ids of the current request, for the audit.
    pub static REQUEST_IDS: RequestIds;
}

/// Request ids of AWS answers, shared by the tasks that work for one request.
#[derive(Debug, Clone, Default)]
pub struct RequestIds(Arc<Answers>);

#[derive(Debug, Default)]
struct Answers {
    ids: Mutex<Vec<String>>,
    throttles: AtomicU32,
}

impl RequestIds {
    /// All ids so far.
    pub fn all(&self) -> Vec<String> {
        self.0.ids.lock().map(|ids| ids.clone()).unwrap_or_default()
    }

    /// How many calls were throttled since this was last asked.
    pub fn take_throttles(&self) -> u32 {
        self.0.throttles.swap(0, Ordering::Relaxed)
    }
}

/// Remembers the id of one AWS answer for the audit of the current request.
pub fn remember_request_id(id: Option<&str>) {
    let Some(id) = id else { return };
    let _ = REQUEST_IDS.try_with(|ids| {
        if let Ok(mut ids) = ids.0.ids.lock() {
            ids.push(id.to_owned());
        }
    });
}

/// Remembers for the metrics of the current request that a call was throttled.
pub fn remember_throttle() {
    let _ = REQUEST_IDS.try_with(|ids| ids.0.throttles.fetch_add(1, Ordering::Relaxed));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn china_trusts_the_machine_everywhere_else_amazon() {
        assert_eq!(default_roots(Some(&Region::new("cn-north-1"))), TlsRoots::System);
        assert_eq!(default_roots(Some(&Region::new("us-gov-west-1"))), TlsRoots::Amazon);
        assert_eq!(default_roots(None), TlsRoots::Amazon);
    }

    #[test]
    fn the_compiled_in_roots_are_five_certificates_that_load() {
        let text = std::str::from_utf8(AMAZON_ROOTS).unwrap();
        assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 5);
        http_client(TlsRoots::Amazon).unwrap();
    }
}
