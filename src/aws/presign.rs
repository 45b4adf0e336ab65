//! SageMaker: `CreatePresignedDomainUrl`.

use aws_credential_types::Credentials;
use aws_sdk_sagemaker::Client;
use tracing::warn;

use super::error::{AwsError, Kind, sorted};
use super::sagemaker::with_credentials;
use super::studio_url::{FurtherHosts, Place, StudioUrl};
use crate::team::item::excerpt;
use crate::team::{Region, Team};

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
    further: &FurtherHosts,
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
    StudioUrl::check(url, &team.region, Place::Studio, further)
        .map_err(|host| foreign(OPERATION, &host, &team.region))
}

/// The refusal of a presigned URL for its host, with a line of its own: nothing is wrong with AWS, and
/// trying again does not help.
pub fn foreign(operation: &'static str, host: &str, region: &Region) -> AwsError {
    let host = excerpt(host);
    warn!(
        operation,
        host,
        region = region.as_str(),
        "a presigned URL is not followed: its host is none of the Region's own; where it is one, name its suffix in STUDIO_BROKER_URL_HOSTS"
    );
    let message = format!("the answer's host is {host}, which is none of the hosts in {region}");
    AwsError::here(Kind::ForeignUrl, operation, "ForeignUrl", message)
}

/// Settings are bounded far below `i32::MAX`.
fn as_i32(seconds: u32) -> i32 {
    i32::try_from(seconds).unwrap_or(i32::MAX)
}
