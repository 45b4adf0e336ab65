//! Names and tokens that nobody can guess or meet twice.

use aws_lc_rs::{error::Unspecified, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// `length` characters of `alphabet`, which has at most 256 and loses little by the modulus.
fn text(length: usize, alphabet: &[u8]) -> Result<String, Unspecified> {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes)?;
    Ok(bytes
        .iter()
        .filter_map(|byte| alphabet.get(usize::from(*byte) % alphabet.len().max(1)))
        .map(|character| char::from(*character))
        .collect())
}

/// Lower-case letters and digits, as in domain ids.
pub(crate) fn lower(length: usize) -> Result<String, Unspecified> {
    text(length, b"abcdefghijklmnopqrstuvwxyz0123456789")
}

/// Capital letters and digits, as in access key ids.
pub(crate) fn upper(length: usize) -> Result<String, Unspecified> {
    text(length, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
}

/// Base64url of `length` random bytes.
pub(crate) fn token(length: usize) -> Result<String, Unspecified> {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A version 4 UUID, as AWS uses for request ids.
pub(crate) fn uuid() -> Result<String, Unspecified> {
    let digits = text(32, b"0123456789abcdef")?;
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    Ok(format!(
        "{}-{}-4{}-a{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    ))
}
