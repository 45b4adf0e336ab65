//! The few DER structures (X.690) that are put together here.

/// One value with its tag and definite length.
pub(crate) fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1);
    let length = length.get(significant..).unwrap_or_default();
    let mut der = vec![tag];
    match length {
        [short] if *short < 0x80 => der.push(*short),
        long => {
            der.push(0x80 | long.len() as u8);
            der.extend(long);
        }
    }
    der.extend(content);
    der
}

/// `SEQUENCE` of what is already encoded.
pub(crate) fn sequence(content: &[u8]) -> Vec<u8> {
    tagged(0x30, content)
}

/// `INTEGER` of big-endian bytes, never negative.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let significant = bytes.iter().position(|byte| *byte != 0);
    let digits = significant.and_then(|at| bytes.get(at..)).unwrap_or(&[0]);
    let mut content = Vec::with_capacity(digits.len() + 1);
    if digits.first().is_some_and(|byte| *byte >= 0x80) {
        content.push(0);
    }
    content.extend(digits);
    tagged(2, &content)
}

/// `BIT STRING` of whole bytes.
pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tagged(3, &[&[0], bytes].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_many_bytes_as_they_need() {
        assert_eq!(tagged(4, &[0; 0]), [4, 0]);
        assert_eq!(tagged(4, &[7; 127]).get(..2), Some(&[4, 127][..]));
        assert_eq!(tagged(4, &[7; 128]).get(..3), Some(&[4, 0x81, 128][..]));
        assert_eq!(tagged(4, &[7; 256]).get(..4), Some(&[4, 0x82, 1, 0][..]));
    }

    #[test]
    fn integers_are_minimal_and_never_negative() {
        assert_eq!(unsigned(&[0, 0]), [2, 1, 0]);
        assert_eq!(unsigned(&[0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(unsigned(&[0x80]), [2, 2, 0, 0x80]);
    }
}
