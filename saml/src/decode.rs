//! Base64 as it stands in forms and in elements.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::rejection::Rejection;
use crate::xml::{Element, is_space};

/// Decodes RFC 4648 base64, padded, in which line breaks may stand anywhere; at most `limit`
/// bytes come out.
pub(crate) fn base64(field: &[u8], limit: usize) -> Result<Vec<u8>, Rejection> {
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let unwrapped = match field.iter().any(is_break) {
        true => Cow::Owned(field.iter().copied().filter(|byte| !is_break(byte)).collect()),
        false => Cow::Borrowed(field),
    };
    let got = unwrapped.len() / 4 * 3;
    // Padding stands for up to two bytes that are not there.
    if got > limit + 2 {
        return Err(Rejection::TooLarge { limit, got });
    }
    STANDARD.decode(&*unwrapped).map_err(|_| Rejection::Base64Malformed)
}

/// Base64 in an element (`xs:base64Binary`), white space ignored.
pub(crate) fn base64_text(element: Element<'_>) -> Option<Vec<u8>> {
    let text = element.text()?;
    let dense: Cow<'_, [u8]> = match text.bytes().any(is_space) {
        true => text.bytes().filter(|byte| !is_space(*byte)).collect(),
        false => text.as_bytes().into(),
    };
    STANDARD.decode(dense).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_are_ignored_wherever_they_stand() {
        assert_eq!(base64(b"\r\nTWF\nu\r\n", 3), Ok(b"Man".to_vec()));
    }

    #[test]
    fn nothing_else_is_ignored() {
        for field in ["TWF u", "TWF\tu", "TW", "TWE", "TWF=", "TWE=TWE=", "TW-_", "TWF%3D", "="] {
            assert_eq!(base64(field.as_bytes(), 9), Err(Rejection::Base64Malformed), "{field}");
        }
    }

    #[test]
    fn an_empty_field_holds_no_bytes() {
        assert_eq!(base64(b"", 9), Ok(Vec::new()));
    }

    #[test]
    fn more_than_the_limit_is_not_decoded() {
        let field = STANDARD.encode([0; 12]);
        assert_eq!(base64(field.as_bytes(), 9), Err(Rejection::TooLarge { limit: 9, got: 12 }));
    }
}
