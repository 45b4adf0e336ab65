//! Connections that are open before anybody needs them: the first person would otherwise wait for name
//! look-up, TCP and TLS of one service after the other.

use aws_credential_types::Credentials;
use aws_sdk_sagemaker::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_sagemaker::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sagemaker::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;

/// Makes a bare `GET /` of a call: the service answers something, and the connection stays open. It names
/// nobody, so nothing is authorized or written to CloudTrail.
#[derive(Debug)]
pub struct Bare;

impl Intercept for Bare {
    fn name(&self) -> &'static str {
        "Bare"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        request.set_method("GET")?;
        let names: Vec<String> =
            request.headers().iter().map(|(name, _)| name.to_owned()).collect();
        for name in names.iter().filter(|name| *name != "user-agent") {
            request.headers_mut().remove(name.as_str());
        }
        *request.body_mut() = SdkBody::empty();
        Ok(())
    }
}

/// Credentials of nobody: the signature is taken away before the request leaves.
pub fn nobody() -> Credentials {
    Credentials::new("nobody", "nobody", None, None, "nobody")
}

/// Whether something answered, whatever it was.
///
/// # Errors
///
/// Why nothing did.
pub fn answered<O, E>(sent: Result<O, SdkError<E, HttpResponse>>) -> Result<(), String>
where
    E: std::error::Error + 'static,
{
    match sent {
        Ok(_) | Err(SdkError::ServiceError(_) | SdkError::ResponseError(_)) => Ok(()),
        Err(error) => Err(super::error::chain(&error)),
    }
}
