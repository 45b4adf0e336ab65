//! Queries of our own addresses.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but what may stand anywhere (RFC 3986, 2.3).
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `name=value&…`.
pub(super) fn query<N: AsRef<str>, V: AsRef<str>>(
    parameters: impl IntoIterator<Item = (N, V)>,
) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, &RESERVED).to_string();
    let pair =
        |(name, value): (N, V)| format!("{}={}", encoded(name.as_ref()), encoded(value.as_ref()));
    parameters.into_iter().map(pair).collect::<Vec<_>>().join("&")
}

/// A path with these parameters behind those that it has.
pub(super) fn with_query<N: AsRef<str>, V: AsRef<str>>(
    path: &str,
    parameters: impl IntoIterator<Item = (N, V)>,
) -> String {
    let more = query(parameters);
    let separator = match (more.is_empty(), path.contains('?')) {
        (true, _) => "",
        (false, true) => "&",
        (false, false) => "?",
    };
    format!("{path}{separator}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_value_holds_it_stays_one_value() {
        let hostile = "a&b=c?d#e/f\r\ng ä";
        let text = query([("idp", hostile), ("app", "x-1.2_3~")]);
        assert_eq!(text, "idp=a%26b%3Dc%3Fd%23e%2Ff%0D%0Ag%20%C3%A4&app=x-1.2_3~");
        let read: Vec<_> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        assert_eq!(read, [("idp".into(), hostile.into()), ("app".into(), "x-1.2_3~".into())]);
    }

    #[test]
    fn parameters_come_behind_those_of_the_path() {
        assert_eq!(with_query("/a", [("b", "c")]), "/a?b=c");
        assert_eq!(with_query("/a?b=c", [("d", "e")]), "/a?b=c&d=e");
        assert_eq!(with_query("/a", [("", ""); 0]), "/a");
    }
}
