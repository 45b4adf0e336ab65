//! Addresses that administrators write and people see: of pages, of mail.

use std::net::IpAddr;

/// Whether a host names this machine.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a text may stand in a page as the address of a link: https, or http on loopback.
pub fn is_page_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let safe = text.bytes().all(|b| b.is_ascii_graphic()) && !text.contains(['"', '<', '>', '@']);
    match uri.scheme_str() {
        Some("https") => safe,
        Some("http") => safe && is_loopback(host),
        _ => false,
    }
}

/// Whether a text may stand in a page as the address of a link that an administrator of one team wrote: https
/// alone, and nobody's name in front of the host.
pub fn is_link_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let is_host = uri.host().is_some_and(|host| !host.is_empty());
    let is_bare = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    let safe = text.bytes().all(|b| b.is_ascii_graphic()) && !text.contains(['"', '<', '>', '\\']);
    uri.scheme_str() == Some("https") && is_host && is_bare && safe
}

/// Whether a text is an e-mail address that can stand in a link.
pub fn is_mail_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let safe = |part: &str, others: &[u8]| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
    };
    safe(local, b".!#$%&'*+/=?^_`{|}~-") && safe(domain, b".-")
}
