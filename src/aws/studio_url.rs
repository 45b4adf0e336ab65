//! SageMaker: the presigned URL, a bearer secret with seconds to live, wrapped so that it cannot be
//! printed.

use std::fmt;

use aws_credential_types::Credentials;
use aws_sdk_sagemaker::Client;

use super::error::{AwsError, Kind, sorted};
use super::sagemaker::with_credentials;
use crate::team::address::is_loopback;
use crate::team::{Region, Team};

/// A presigned URL that was checked: https, without user part, in the Region's Studio domain.
#[derive(Clone, PartialEq, Eq)]
pub struct StudioUrl(String);

impl StudioUrl {
    /// The URL, for the one `Location` header that it is made for.
    pub fn into_location(self) -> String {
        self.0
    }

    /// Checks what SageMaker answered: nothing else than the Region's Studio may follow from a sign-in.
    fn check(url: String, region: &Region, endpoint: Option<&EndpointHost>) -> Option<Self> {
        let uri: http::Uri = url.parse().ok()?;
        let authority = uri.authority()?;
        let host = uri.host()?.to_ascii_lowercase();
        let plain = url.bytes().all(|b| b.is_ascii_graphic())
            && !authority.as_str().contains('@')
            && !url.contains('\\');
        let studio = uri.scheme_str() == Some("https")
            && host.ends_with(&format!(".studio.{region}.sagemaker.aws"));
        let double = endpoint.is_some_and(|endpoint| endpoint.serves(&host, uri.scheme_str()));
        (plain && (studio || double)).then_some(Self(url))
    }
}

impl fmt::Debug for StudioUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StudioUrl(…)")
    }
}

/// Host of an endpoint override: a test double's Studio stands there too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointHost {
    host: String,
    plain_http: bool,
}

impl EndpointHost {
    /// The host of an endpoint's URL.
    pub fn parse(url: &str) -> Option<Self> {
        let uri: http::Uri = url.parse().ok()?;
        let host = uri.host()?.to_ascii_lowercase();
        // A double without TLS can only give addresses without TLS; on loopback that is harmless.
        let plain_http = uri.scheme_str() == Some("http") && is_loopback(&host);
        Some(Self { host, plain_http })
    }

    fn serves(&self, host: &str, scheme: Option<&str>) -> bool {
        host == self.host
            && (scheme == Some("https") || (scheme == Some("http") && self.plain_http))
    }
}

/// What is asked to be opened.
#[derive(Debug, Clone)]
pub struct Wish<'a> {
    /// The team.
    pub team: &'a Team,
    /// The profile's exact name.
    pub profile: &'a str,
    /// Where Studio opens, instead of the team's own.
    pub landing_uri: Option<String>,
    /// The space that opens, instead of the team's own.
    pub space: Option<String>,
    /// How long the Studio session may last, in seconds.
    pub session_seconds: u32,
    /// Life of the URL in seconds.
    pub url_seconds: u32,
}

/// Makes a presigned URL.
///
/// # Errors
///
/// SageMaker refused (a missing profile may look like a denied one), or answered with an address that
/// is not its own.
pub async fn presign(
    client: &Client,
    credentials: &Credentials,
    endpoint: Option<&EndpointHost>,
    wish: &Wish<'_>,
) -> Result<StudioUrl, AwsError> {
    const OPERATION: &str = "sagemaker:CreatePresignedDomainUrl";
    let team = wish.team;
    let landing = wish.landing_uri.clone().or_else(|| team.landing_uri.clone());
    let space = wish.space.clone().or_else(|| team.space_name.as_ref().map(ToString::to_string));
    let sent = client
        .create_presigned_domain_url()
        .domain_id(team.domain_id.as_str())
        .user_profile_name(wish.profile)
        .session_expiration_duration_in_seconds(as_i32(wish.session_seconds))
        .expires_in_seconds(as_i32(wish.url_seconds))
        .set_landing_uri(landing)
        .set_space_name(space)
        .customize()
        .config_override(with_credentials(credentials))
        .send()
        .await;
    let output = sorted(OPERATION, sent)?;
    let url = output.authorized_url.unwrap_or_default();
    StudioUrl::check(url, &team.region, endpoint).ok_or_else(|| AwsError {
        kind: Kind::Unreachable,
        operation: OPERATION,
        code: "ForeignUrl".into(),
        message: format!("the answer is no address under .studio.{}.sagemaker.aws", team.region),
        request_id: None,
    })
}

/// Settings are bounded far below `i32::MAX`.
fn as_i32(seconds: u32) -> i32 {
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(url: &str, endpoint: Option<&str>) -> bool {
        let region = Region::try_from("eu-west-1".to_owned()).unwrap();
        let endpoint = endpoint.map(|url| EndpointHost::parse(url).unwrap());
        StudioUrl::check(url.to_owned(), &region, endpoint.as_ref()).is_some()
    }

    #[test]
    fn only_the_regions_studio_over_https_is_followed() {
        assert!(accepted("https://d-abc.studio.eu-west-1.sagemaker.aws/auth?token=x", None));
        for bad in [
            "http://d-abc.studio.eu-west-1.sagemaker.aws/auth",
            "https://d-abc.studio.us-east-1.sagemaker.aws/auth",
            "https://studio.eu-west-1.sagemaker.aws.evil.com/auth",
            "https://evilstudio.eu-west-1.sagemaker.aws/auth",
            "https://u:p@d-abc.studio.eu-west-1.sagemaker.aws/auth",
            "https://evil.com\\.studio.eu-west-1.sagemaker.aws/",
            "https://evil.com/.studio.eu-west-1.sagemaker.aws",
            "javascript:alert(1)",
            "//d-abc.studio.eu-west-1.sagemaker.aws/auth",
            "",
        ] {
            assert!(!accepted(bad, None), "{bad}");
        }
    }

    #[test]
    fn an_endpoint_overrides_host_is_accepted_plain_only_on_loopback() {
        assert!(accepted("http://127.0.0.1:8401/auth?token=x", Some("http://127.0.0.1:8402")));
        assert!(accepted("https://double.test/auth", Some("https://double.test:1")));
        assert!(!accepted("http://double.test/auth", Some("http://double.test")));
        assert!(!accepted("http://127.0.0.1:8401/auth", None));
        assert!(!accepted("http://other.test/auth", Some("http://127.0.0.1:8402")));
    }

    #[test]
    fn a_studio_url_cannot_be_printed() {
        let url = StudioUrl("https://x/auth?token=secret".into());
        assert!(!format!("{url:?}").contains("secret"));
    }
}
