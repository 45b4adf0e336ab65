//! A request, wherever it came from.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::config::{ClientAddress, PublicUrl};

/// A request as `serve` or an event of Lambda brought it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as sent, not decoded.
    pub path: String,
    /// The query as sent, without `?`.
    pub query: String,
    /// The headers, repeated ones kept apart.
    pub headers: HeaderMap,
    /// The body, decoded from the event's base64.
    pub body: Body,
    /// The peer of the socket, or the event's `sourceIp`.
    pub source_ip: Option<IpAddr>,
    /// The event's stage, which REST APIs put in front of the path.
    pub stage: Option<String>,
}

/// The body of a request, or why there is none.
#[derive(Debug, Clone)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// It is larger than [`super::MAX_BODY`], and was not kept.
    TooLarge,
    /// It did not arrive in time, or there was no room for it; why, for the log.
    NoRoom(&'static str),
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl Body {
    /// The bytes; none where there is no body.
    pub fn whole(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::TooLarge | Self::NoRoom(_) => &[],
        }
    }
}

impl Request {
    /// The path that is matched: without the public URL's path, else without the event's stage.
    pub fn route_path(&self, public_url: &PublicUrl) -> &str {
        let stage = self.stage.as_ref().map(|stage| format!("/{stage}"));
        [Some(public_url.path()), stage.as_deref()]
            .into_iter()
            .flatten()
            .filter(|prefix| prefix.len() > 1)
            .find_map(|prefix| match self.path.strip_prefix(prefix)? {
                "" => Some("/"),
                rest => rest.starts_with('/').then_some(rest),
            })
            .unwrap_or(if self.path.is_empty() { "/" } else { &self.path })
    }

    /// The client's address as far as it is known; `None` never passes an address check.
    pub fn client_address(&self, source: ClientAddress) -> Option<IpAddr> {
        client_address(&self.headers, self.source_ip, source)
    }

    /// The root of `X-Amzn-Trace-Id`, by which load balancers, API Gateway and X-Ray know a request; nothing
    /// that has another form
    /// (<https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>).
    pub fn trace_id(&self) -> Option<String> {
        let mut fields = self.headers.get("x-amzn-trace-id")?.to_str().ok()?.split(';');
        let root = fields.find_map(|field| field.trim().strip_prefix("Root="))?;
        let is_hex = |text: &str, length| {
            text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let (time, rest) = root.strip_prefix("1-")?.split_once('-')?;
        (is_hex(time, 8) && is_hex(rest, 24)).then(|| root.to_owned())
    }

    /// The value of a query parameter; `None` when it is absent or stands there twice.
    pub fn query_value(&self, name: &str) -> Option<String> {
        single(form_urlencoded::parse(self.query.as_bytes()), name)
    }
}

/// The client's address as far as headers and the peer of the socket tell it.
pub fn client_address(
    headers: &HeaderMap,
    peer: Option<IpAddr>,
    source: ClientAddress,
) -> Option<IpAddr> {
    let address = match source {
        ClientAddress::Direct => peer?,
        ClientAddress::Forwarded(n) => {
            let values = headers.get_all("x-forwarded-for").iter();
            let texts: Option<Vec<_>> = values.map(|value| value.to_str().ok()).collect();
            let joined = texts?.join(",");
            parse_address(joined.rsplit(',').nth(n.checked_sub(1)?)?)?
        }
    };
    // An IPv4 client of an IPv6 socket is still an IPv4 client.
    Some(address.to_canonical())
}

/// The one value of a name; `None` when there is none or more than one.
pub fn single<'a>(
    pairs: impl Iterator<Item = (std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)>,
    name: &str,
) -> Option<String> {
    let mut values = pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    values.next().filter(|_| values.next().is_none())
}

/// An address of a header or event, where some fronts add a port or brackets.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

/// How an address was known, for the audit.
pub fn source_name(source: ClientAddress) -> String {
    match source {
        ClientAddress::Direct => "direct".into(),
        ClientAddress::Forwarded(n) => format!("forwarded:{n}"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn routed(public: &str, stage: Option<&str>, path: &str) -> String {
        let stage = stage.map(str::to_owned);
        let request = Request { path: path.into(), stage, ..Request::default() };
        request.route_path(&PublicUrl::parse(public).unwrap()).to_owned()
    }

    #[test]
    fn the_public_urls_path_goes_first_else_the_stage() {
        assert_eq!(routed("https://a.b/prod", None, "/prod/saml/acs"), "/saml/acs");
        assert_eq!(routed("https://a.b/prod", Some("prod"), "/saml/acs"), "/saml/acs");
        assert_eq!(routed("https://a.b", Some("prod"), "/prod/saml/acs"), "/saml/acs");
        assert_eq!(routed("https://a.b/x", Some("prod"), "/prod/healthz"), "/healthz");
        assert_eq!(routed("https://a.b/prod", None, "/prod"), "/");
        assert_eq!(routed("https://a.b", None, ""), "/");
        assert_eq!(routed("https://a.b/prod", None, "/production"), "/production");
        assert_eq!(routed("https://a.b", Some("$default"), "/healthz"), "/healthz");
        let twice = routed("https://a.b/prod", Some("prod"), "/prod/prod/saml/acs");
        assert_eq!(twice, "/prod/saml/acs", "never twice");
    }

    #[test]
    fn forwarded_counts_from_the_right_over_all_headers() {
        let mut request = Request { source_ip: Some([10, 0, 0, 1].into()), ..Request::default() };
        for value in ["6.6.6.6, 198.51.100.7", "203.0.113.9"] {
            request.headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        let address = |source| request.client_address(source).map(|a| a.to_string());
        assert_eq!(address(ClientAddress::Direct).unwrap(), "10.0.0.1");
        assert_eq!(address(ClientAddress::Forwarded(1)).unwrap(), "203.0.113.9");
        assert_eq!(address(ClientAddress::Forwarded(2)).unwrap(), "198.51.100.7");
        assert_eq!(address(ClientAddress::Forwarded(4)), None);
    }

    #[test]
    fn a_query_parameter_that_stands_twice_counts_as_absent() {
        let request = Request { query: "space=a&app=b&space=c".into(), ..Request::default() };
        assert_eq!(request.query_value("space"), None);
        assert_eq!(request.query_value("app").as_deref(), Some("b"));
    }

    #[test]
    fn a_trace_id_has_its_form_or_there_is_none() {
        let of = |value: &str| {
            let headers = http::HeaderMap::from_iter([(
                http::HeaderName::from_static("x-amzn-trace-id"),
                HeaderValue::from_str(value).unwrap(),
            )]);
            Request { headers, ..Request::default() }.trace_id()
        };
        let root = "1-67891233-abcdef012345678912345678";
        assert_eq!(of(&format!("Root={root}")).as_deref(), Some(root));
        assert_eq!(of(&format!("Self=1-6; Root={root};Sampled=0")).as_deref(), Some(root));
        for other in [
            "",
            root,
            "Root=1-67891233-ABCDEF012345678912345678",
            "Root=1-67891233-abcdef0123456789123456789",
            "Root=2-67891233-abcdef012345678912345678",
            "Root=1-67891233-\"}{\"event\":\"decision",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(Request::default().trace_id(), None);
    }
}
