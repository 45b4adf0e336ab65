//! Where browsers reach the broker.

use crate::team::address::is_loopback;

/// The public URL, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    url: String,
    path_start: usize,
}

impl PublicUrl {
    /// Parses `https://host[:port][/path]`; `http://` only for loopback hosts.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let url = text.trim_end_matches('/').to_owned();
        let authority = rest.split('/').next()?;
        let plain = !text.contains(['?', '#', '\\', '@', '"', '<', '>', ' '])
            && text.bytes().all(|b| b.is_ascii_graphic());
        let parsed: http::Uri = text.parse().ok()?;
        let host = parsed.host()?;
        let port_holds = match authority.strip_prefix(host)?.strip_prefix(':') {
            Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
            None => true,
        };
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        let host_holds = host.bytes().all(is_name) || host.starts_with('[');
        let no_dots = parsed.path().split('/').all(|segment| segment != "." && segment != "..");
        let allowed = match scheme {
            "https" => true,
            "http" => is_loopback(host),
            _ => false,
        };
        let path_start = scheme.len() + "://".len() + authority.len();
        let holds = plain && allowed && port_holds && host_holds && no_dots && !host.is_empty();
        holds.then_some(Self { url, path_start })
    }

    /// The URL as written, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The path: empty, or `/prod` as a REST API stage has one.
    pub fn path(&self) -> &str {
        self.url.get(self.path_start..).unwrap_or("")
    }

    /// Whether browsers reach us over TLS.
    pub fn is_https(&self) -> bool {
        self.url.starts_with("https://")
    }

    /// The assertion consumer service, where `IdPs` post their responses.
    pub fn acs(&self) -> String {
        format!("{}/saml/acs", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in ["http://localhost:8400", "http://127.0.0.1", "http://[::1]:1/x", "https://a.b"]
        {
            assert!(PublicUrl::parse(good).is_some(), "{good}");
        }
        for bad in [
            "http://example.com",
            "https://a.b?x=1",
            "https://a.b#x",
            "https://u:p@a.b",
            "ftp://a.b",
            "https://",
            "a.b",
            "https://localhost.evil.com@x",
            "https://a.b:99999",
            "https://a.b:0",
            "https://a.b:",
            "https://a.b;x",
            "https://a.b/x/../y",
        ] {
            assert!(PublicUrl::parse(bad).is_none(), "{bad}");
        }
    }
}
