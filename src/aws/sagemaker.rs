//! SageMaker: one client for each Region, and one call with one person's credentials.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_sagemaker::config::{
    Builder, ConfigBag, IdentityCache, Intercept, Region as SdkRegion, RuntimeComponents,
};
use aws_sdk_sagemaker::error::BoxError;
use aws_smithy_runtime_api::http::Request;
use aws_smithy_types::body::SdkBody;
use aws_types::service_config::ServiceConfigKey;
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::cache::Cache;
use super::connections::{Bare, answered, nobody};
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

    /// Opens a connection to the Region's SageMaker.
    ///
    /// # Errors
    ///
    /// Why there is none; nothing depends on it.
    pub async fn connect(&self, region: &Region, now: Timestamp) -> Result<(), String> {
        let once = with_credentials(&nobody()).retry_config(RetryConfig::disabled());
        let client = self.client(region, now).await;
        let call = client.list_domains().customize().config_override(once);
        answered(call.interceptor(Bare).send().await)
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

/// Keeps the JSON of an answer as it came, with the members that the SDK's types do not know, and gives
/// the SDK only those to read that we ask it for: one odd value somewhere in the settings (a union without
/// its member, null in a list, 60.0 for a number) would make it give up the whole answer.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    kept: Arc<Mutex<Option<Value>>>,
    members: &'static [&'static str],
}

impl RawAnswer {
    /// Lets the SDK read these members alone.
    pub fn reading(members: &'static [&'static str]) -> Self {
        Self { kept: Arc::default(), members }
    }

    /// The answer's JSON; `None` when there was no answer or it was no JSON.
    pub fn take(&self) -> Option<Value> {
        self.kept.lock().ok()?.take()
    }

    /// What the SDK is to read of a body. Of what is no object, and of an error, all.
    fn keep(&self, body: Bytes) -> Bytes {
        let Ok(Value::Object(answer)) = serde_json::from_slice(&body) else { return body };
        let read: Map<_, _> = answer
            .iter()
            .filter(|(name, _)| self.members.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if let Ok(mut kept) = self.kept.lock() {
            *kept = Some(Value::Object(answer));
        }
        Value::Object(read).to_string().into()
    }
}

impl Intercept for RawAnswer {
    fn name(&self) -> &'static str {
        "RawAnswer"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        if !response.status().is_success() {
            return Ok(());
        }
        // The body has not come yet: it is read when the SDK reads it.
        let body = std::mem::replace(response.body_mut(), SdkBody::taken());
        let this = self.clone();
        let read = async move {
            let body = body.collect().await?.to_bytes();
            Ok::<_, BoxError>(Frame::data(this.keep(body)))
        };
        *response.body_mut() = SdkBody::from_body_1_x(StreamBody::new(stream::once(read)));
        Ok(())
    }
}
