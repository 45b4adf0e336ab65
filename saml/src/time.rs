//! SAML's times.

use jiff::Timestamp;

/// Reads `YYYY-MM-DDThh:mm:ss[.f…]Z`: SAML times are `xs:dateTime` in UTC (SAML core 1.3.3). An
/// offset, none at all, a leap second and `24:00:00` are no times here. Digits beyond nanoseconds
/// are dropped.
pub(crate) fn instant(value: &str) -> Option<Timestamp> {
    let (seconds, fraction) = value.strip_suffix('Z')?.split_at_checked(19)?;
    let shape = seconds.bytes().zip(*b"dddd-dd-ddTdd:dd:dd");
    if !shape.into_iter().all(|(byte, expected)| match expected {
        b'd' => byte.is_ascii_digit(),
        _ => byte == expected,
    }) {
        return None;
    }
    let digits = match fraction {
        "" => "0",
        _ => fraction.strip_prefix('.')?,
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if seconds.ends_with("60") {
        return None;
    }
    let digits = digits.get(..9).unwrap_or(digits);
    format!("{seconds}.{digits}Z").parse().ok()
}
