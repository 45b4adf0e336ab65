//! SageMaker: one client for each Region, and one call with one person's credentials.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_sagemaker::config::{
    Builder, ConfigBag, IdentityCache, Intercept, Region as SdkRegion, RuntimeComponents,
};
use aws_sdk_sagemaker::error::BoxError;
use aws_smithy_runtime_api::http::Request;
use aws_smithy_types::body::SdkBody;
use aws_types::service_config::ServiceConfigKey;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::cache::Cache;
use super::studio_url::{EndpointHost, FurtherHosts};
use super::targets_budget;
use crate::team::Region;

/// SageMaker in every Region.
#[derive(Debug)]
pub struct SageMaker {
    config: SdkConfig,
    clients: Cache<Region, Client>,
    /// From where presigned URLs are accepted beside the Region's own hosts.
    pub further_hosts: FurtherHosts,
}

impl SageMaker {
    /// Clients with the HTTP client, retries and endpoints of `config`; never with its credentials.
    /// `url_hosts` are further host suffixes of presigned URLs.
    pub fn new(config: SdkConfig, url_hosts: Vec<String>) -> Self {
        let endpoint = endpoint_override(&config).and_then(|url| EndpointHost::parse(&url));
        let further_hosts = FurtherHosts { endpoint, suffixes: url_hosts };
        Self { config, clients: Cache::new(100), further_hosts }
    }

    /// The Region's client. It holds no credentials: each call brings its own.
    pub async fn client(&self, region: &Region, now: Timestamp) -> Client {
        if let Some(client) = self.clients.get(region, now).await {
            return client;
        }
        // Without an identity cache in the client, credentials of thousands of people do not pile up
        // in it, and one person's are never found for another.
        let config = Builder::from(&self.config)
            .region(SdkRegion::new(region.to_string()))
            .identity_cache(IdentityCache::no_cache())
            .retry_partition(targets_budget())
            .build();
        let client = Client::from_conf(config);
        self.clients.insert(region.clone(), client.clone(), now, SignedDuration::MAX).await;
        client
    }
}

/// What `AWS_ENDPOINT_URL_SAGEMAKER`, `AWS_ENDPOINT_URL` or the profile say
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>).
fn endpoint_override(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("SageMaker")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let service = config.service_config().and_then(|service| service.load_config(key));
    service.or_else(|| config.endpoint_url().map(str::to_owned))
}

/// Settings of one call that carries one person's credentials.
pub fn with_credentials(credentials: &Credentials) -> Builder {
    Builder::new().credentials_provider(credentials.clone())
}

/// Puts `members` into the JSON body of a request, over whatever the SDK wrote there.
///
/// The SDK's types know today's members of `UserSettings` only; a mapping may hold tomorrow's.
pub fn put_into_body(request: &mut Request, members: &Map<String, Value>) {
    let body = request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
    let Some(Value::Object(mut object)) = body else { return };
    object.extend(members.iter().map(|(name, value)| (name.clone(), value.clone())));
    let bytes = Value::Object(object).to_string().into_bytes();
    request.headers_mut().insert("content-length", bytes.len().to_string());
    *request.body_mut() = SdkBody::from(bytes);
}

/// Counts how often a call was made: "exists already" means little after an answer that was lost.
#[derive(Debug, Clone, Default)]
pub struct Attempts(Arc<AtomicU32>);

impl Attempts {
    /// Whether the call was repeated.
    pub fn were_several(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Keeps the JSON of an answer as it came, with the members that the SDK's types do not know.
#[derive(Debug, Clone, Default)]
pub struct RawAnswer(Arc<Mutex<Option<Value>>>);

impl RawAnswer {
    /// The answer's JSON; `None` when there was no answer or it was no JSON.
    pub fn take(&self) -> Option<Value> {
        self.0.lock().ok()?.take()
    }
}

impl Intercept for RawAnswer {
    fn name(&self) -> &'static str {
        "RawAnswer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let bytes = context.response().body().bytes();
        if let (Some(bytes), Ok(mut answer)) = (bytes, self.0.lock()) {
            *answer = serde_json::from_slice(bytes).ok();
        }
        Ok(())
    }
}
