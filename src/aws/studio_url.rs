//! SageMaker: the presigned URL, a bearer secret with seconds to live, wrapped so that it cannot be
//! printed.

use std::fmt;

use crate::team::Region;
use crate::team::address::is_loopback;

/// A presigned URL that was checked: https, without user part, under the Region's own domain for what it
/// opens.
#[derive(Clone, PartialEq, Eq)]
pub struct StudioUrl(String);

/// What a presigned URL opens, which decides under which hosts it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Studio: `d-….studio.eu-west-1.sagemaker.aws`, in `GovCloud` also `studio-fips`, in China
    /// `….studio.cn-north-1.sagemaker.com.cn` (Public Suffix List, section of SageMaker Studio).
    Studio,
    /// An `MLflow` tracking server: `….eu-west-1.experiments.sagemaker.aws`.
    MlflowServer,
    /// An `MLflow` App: `….mlflow.sagemaker.eu-west-1.app.aws`.
    MlflowApp,
    /// A Partner AI App, whose host nobody has published: under `sagemaker.aws` or `app.aws`, with the
    /// Region among its labels.
    PartnerApp,
}

impl Place {
    /// Whether a host (in lower case) is the Region's own for this.
    fn is_at(self, host: &str, region: &Region) -> bool {
        let under = |suffix: &str| is_under(host, suffix);
        match self {
            Self::Studio if region.partition() == "aws-cn" => {
                under(&format!("studio.{region}.sagemaker.com.cn"))
            }
            Self::Studio => ["studio", "studio-fips"]
                .iter()
                .any(|name| under(&format!("{name}.{region}.sagemaker.aws"))),
            Self::MlflowServer => under(&format!("{region}.experiments.sagemaker.aws")),
            Self::MlflowApp => under(&format!("mlflow.sagemaker.{region}.app.aws")),
            Self::PartnerApp => {
                (under("sagemaker.aws") || under("app.aws"))
                    && host.split('.').any(|label| label == region.as_str())
            }
        }
    }
}

/// Whether a host is within a domain: one label more at least.
fn is_under(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .and_then(|rest| rest.strip_suffix('.'))
        .is_some_and(|rest| !rest.is_empty())
}

/// Hosts beside a Region's own under which presigned URLs are accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FurtherHosts {
    /// The host of an endpoint override: a test double's Studio stands there too.
    pub endpoint: Option<EndpointHost>,
    /// The suffixes of `STUDIO_BROKER_URL_HOSTS`: for partitions whose hosts nobody has published.
    pub suffixes: Vec<String>,
}

impl StudioUrl {
    /// The URL, for the one `Location` header that it is made for.
    pub fn into_location(self) -> String {
        self.0
    }

    /// Checks what SageMaker answered: nothing else than the Region's own may follow from a sign-in.
    ///
    /// # Errors
    ///
    /// The host of an address that is not followed; empty where there is none.
    pub fn check(
        url: String,
        region: &Region,
        place: Place,
        further: &FurtherHosts,
    ) -> Result<Self, String> {
        let Ok(uri) = url.parse::<http::Uri>() else { return Err(String::new()) };
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let plain = url.bytes().all(|b| b.is_ascii_graphic())
            && !uri.authority().is_none_or(|authority| authority.as_str().contains('@'))
            && !url.contains('\\');
        let is_named = |suffix: &String| host == *suffix || is_under(&host, suffix);
        let ours = uri.scheme_str() == Some("https")
            && (place.is_at(&host, region) || further.suffixes.iter().any(is_named));
        let is_double = |endpoint: &EndpointHost| endpoint.serves(&host, uri.scheme_str());
        let double = further.endpoint.as_ref().is_some_and(is_double);
        if plain && (ours || double) { Ok(Self(url)) } else { Err(host) }
    }
}

impl fmt::Debug for StudioUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StudioUrl(…)")
    }
}

/// Host of an endpoint override.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(region: &str, place: Place, url: &str, further: &FurtherHosts) -> bool {
        let region = Region::try_from(region.to_owned()).unwrap();
        StudioUrl::check(url.to_owned(), &region, place, further).is_ok()
    }

    fn accepted(url: &str, endpoint: Option<&str>) -> bool {
        let endpoint = endpoint.map(|url| EndpointHost::parse(url).unwrap());
        at("eu-west-1", Place::Studio, url, &FurtherHosts { endpoint, ..FurtherHosts::default() })
    }

    #[test]
    fn only_the_regions_studio_over_https_is_followed() {
        assert!(accepted("https://d-abc.studio.eu-west-1.sagemaker.aws/auth?token=x", None));
        for bad in [
            "http://d-abc.studio.eu-west-1.sagemaker.aws/auth",
            "https://d-abc.studio.us-east-1.sagemaker.aws/auth",
            "https://studio.eu-west-1.sagemaker.aws/auth",
            "https://.studio.eu-west-1.sagemaker.aws/auth",
            "https://d-abc.studio.eu-west-1.sagemaker.com.cn/auth",
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
    fn each_partition_and_each_kind_of_door_has_hosts_of_its_own() {
        use Place::{MlflowApp, MlflowServer, PartnerApp, Studio};
        let own = [
            ("eu-west-1", Studio, "d-a.studio.eu-west-1.sagemaker.aws"),
            ("us-gov-west-1", Studio, "d-a.studio.us-gov-west-1.sagemaker.aws"),
            ("us-gov-west-1", Studio, "d-a.studio-fips.us-gov-west-1.sagemaker.aws"),
            ("cn-north-1", Studio, "d-a.studio.cn-north-1.sagemaker.com.cn"),
            ("eu-west-1", MlflowServer, "t-a.eu-west-1.experiments.sagemaker.aws"),
            ("eu-west-1", MlflowApp, "app-a.mlflow.sagemaker.eu-west-1.app.aws"),
            ("eu-west-1", PartnerApp, "app-a.partner-app.eu-west-1.sagemaker.aws"),
            ("eu-west-1", PartnerApp, "a.partner.eu-west-1.app.aws"),
        ];
        let none = FurtherHosts::default();
        for (region, place, host) in own {
            let url = format!("https://{host}/auth?token=x");
            assert!(at(region, place, &url, &none), "{host}");
            for other in ["ap-south-1", "cn-northwest-1"] {
                assert!(!at(other, place, &url, &none), "{host} in {other}");
            }
            let elsewhere = format!("https://{host}.evil.com/auth");
            assert!(!at(region, place, &elsewhere, &none), "{elsewhere}");
        }
        assert!(!at("cn-north-1", Studio, "https://d-a.studio.cn-north-1.sagemaker.aws/", &none));
        assert!(!at("eu-west-1", Studio, "https://t.eu-west-1.experiments.sagemaker.aws/", &none));
        assert!(!at("eu-west-1", PartnerApp, "https://a.xeu-west-1.sagemaker.aws/", &none));
    }

    #[test]
    fn further_hosts_are_whole_suffixes_over_https() {
        let further =
            FurtherHosts { suffixes: vec!["studio.example.eu".into()], ..FurtherHosts::default() };
        let followed = |url: &str| at("eu-west-1", Place::Studio, url, &further);
        assert!(followed("https://d-a.Studio.example.eu/auth"));
        assert!(followed("https://studio.example.eu/auth"));
        assert!(followed("https://d-a.studio.eu-west-1.sagemaker.aws/auth"));
        for bad in [
            "http://d-a.studio.example.eu/auth",
            "https://evilstudio.example.eu/auth",
            "https://studio.example.eu.evil.com/auth",
            "https://u@d-a.studio.example.eu/auth",
        ] {
            assert!(!followed(bad), "{bad}");
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
    fn an_address_is_followed_as_it_was_given_and_a_refused_ones_host_is_told() {
        let region = Region::try_from("eu-west-1".to_owned()).unwrap();
        let checked = |url: &str| {
            StudioUrl::check(url.to_owned(), &region, Place::Studio, &FurtherHosts::default())
        };
        let url = "https://D-abc.studio.eu-west-1.sagemaker.aws/auth?token=x";
        assert_eq!(checked(url).unwrap().into_location(), url);
        assert_eq!(checked("https://Evil.example/auth?token=x"), Err("evil.example".into()));
        for none in ["", "no address", "/auth?token=x"] {
            assert_eq!(checked(none), Err(String::new()), "{none}");
        }
        // What a browser reads otherwise than we do is not followed, wherever it leads.
        for odd in [
            "https://d-abc.studio.eu-west-1.sagemaker.aws/auth?token=x\\y",
            "https://d-abc.studio.eu-west-1.sagemaker.aws/auth?token=ä",
        ] {
            assert!(checked(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_partner_apps_host_needs_both_the_domain_and_the_region() {
        let followed = |host: &str| {
            let url = format!("https://{host}/auth");
            at("eu-west-1", Place::PartnerApp, &url, &FurtherHosts::default())
        };
        assert!(followed("a.eu-west-1.app.aws") && followed("a.eu-west-1.sagemaker.aws"));
        assert!(!followed("a.eu-west-1.evil.example") && !followed("a.us-east-1.app.aws"));
        assert!(!followed("app.aws") && !followed("a.app.aws") && !followed("eu-west-1"));
    }

    #[test]
    fn a_double_serves_its_own_host_by_its_own_scheme() {
        let serves = |endpoint: &str, host: &str, scheme| {
            EndpointHost::parse(endpoint).unwrap().serves(host, scheme)
        };
        for endpoint in ["https://double.test", "http://double.test", "https://127.0.0.1:1"] {
            let host = EndpointHost::parse(endpoint).unwrap().host;
            assert!(serves(endpoint, &host, Some("https")), "{endpoint}");
            assert!(!serves(endpoint, &host, Some("http")), "{endpoint}");
            assert!(!serves(endpoint, &host, Some("ftp")), "{endpoint}");
            assert!(!serves(endpoint, &host, None), "{endpoint}");
            assert!(!serves(endpoint, "other.test", Some("https")), "{endpoint}");
        }
        assert!(serves("http://LocalHost:8400", "localhost", Some("http")));
        assert!(serves("http://127.0.0.1:8400", "127.0.0.1", Some("https")));
        assert!(!serves("http://127.0.0.1:8400", "127.0.0.1", None));
        assert!(EndpointHost::parse("/no/host").is_none());
    }

    #[test]
    fn a_studio_url_cannot_be_printed() {
        let url = StudioUrl("https://x/auth?token=secret".into());
        assert_eq!(format!("{url:?}"), "StudioUrl(…)");
    }
}
