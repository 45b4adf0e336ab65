//! Names, characters and attributes, as XML 1.0 and Namespaces in XML 1.0 write them.

use super::XmlError;

pub(super) enum ScanError {
    Syntax(&'static str),
    Taken(XmlError),
}

/// Gives each `name="value"` of a start tag, exactly as XML 1.0 writes them: white space before
/// each, either quote, nothing else.
pub(super) fn scan_attributes<'s>(
    raw: &'s str,
    mut take: impl FnMut(&'s str, &'s str) -> Result<(), XmlError>,
) -> Result<(), ScanError> {
    let mut rest = raw;
    loop {
        let trimmed = skip_space(rest);
        if trimmed.is_empty() {
            return Ok(());
        }
        if trimmed.len() == rest.len() {
            return Err(ScanError::Syntax("no white space before an attribute"));
        }
        let (name, value) = find_byte(trimmed, |byte| byte == b'=')
            .and_then(|at| Some((trimmed.get(..at)?, trimmed.get(at + 1..)?)))
            .ok_or(ScanError::Syntax("an attribute without value"))?;
        let name = name.trim_end_matches([' ', '\t', '\n', '\r']);
        let value = skip_space(value);
        let quote = match value.bytes().next() {
            Some(quote @ (b'"' | b'\'')) => quote,
            _ => return Err(ScanError::Syntax("an attribute value without quotes")),
        };
        let value = value.get(1..).unwrap_or_default();
        let (value, after) = find_byte(value, |byte| byte == quote)
            .and_then(|at| Some((value.get(..at)?, value.get(at + 1..)?)))
            .ok_or(ScanError::Syntax("an attribute value that is not closed"))?;
        take(name, value).map_err(ScanError::Taken)?;
        rest = after;
    }
}

/// What follows the white space at the beginning.
fn skip_space(text: &str) -> &str {
    let spaces = text.bytes().take_while(|byte| is_space(*byte)).count();
    text.get(spaces..).unwrap_or_default()
}

/// What `&…;` stands for: the five predefined entities and character references, no others.
pub(super) fn character(reference: &str) -> Option<char> {
    let code = match reference {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        _ => reference.strip_prefix('#')?,
    };
    let (digits, radix) = match code.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (code, 10),
    };
    // `from_str_radix` would take a sign.
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let character = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
    let legal = matches!(character, '\t' | '\n' | '\r')
        || (character >= ' ' && !matches!(character, '\u{fffe}' | '\u{ffff}'));
    legal.then_some(character)
}

/// Checks a qualified name; gives where its local part begins: 0 without a prefix.
pub(super) fn check_name(name: &str, position: u64) -> Result<usize, XmlError> {
    let (prefix, local) = match name.bytes().position(|byte| byte == b':') {
        Some(at) => (name.get(..at), name.get(at + 1..).unwrap_or_default()),
        None => (None, name),
    };
    if local.contains(':') || prefix.is_some_and(|prefix| prefix.is_empty() || local.is_empty()) {
        return Err(XmlError::Namespace { position, what: "a colon in a wrong place" });
    }
    if !is_nc_name(local) || !prefix.is_none_or(is_nc_name) {
        return Err(XmlError::Malformed { position, what: "not a name" });
    }
    Ok(prefix.map_or(0, |prefix| prefix.len() + 1))
}

/// A name without colon (Namespaces in XML 1.0, production 4).
fn is_nc_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if starts && name.bytes().all(plain) {
        return true;
    }
    let mut characters = name.chars();
    characters.next().is_some_and(is_name_start) && characters.all(is_name_character)
}

/// Where the first of these bytes stands, which are ASCII: the text can be cut there.
pub(super) fn find_byte(text: &str, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    text.bytes().position(wanted)
}

/// XML 1.0, production 4, without the colon.
fn is_name_start(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
        | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

/// XML 1.0, production 4a, without the colon.
fn is_name_character(character: char) -> bool {
    is_name_start(character)
        || matches!(character,
            '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Whether a processing instruction has a target that XML allows.
pub(super) fn is_instruction(instruction: &str) -> bool {
    let target =
        instruction.split(|character: char| character.is_ascii() && is_space(character as u8));
    target
        .into_iter()
        .next()
        .is_some_and(|target| !target.eq_ignore_ascii_case("xml") && check_name(target, 0) == Ok(0))
}

/// XML's white space (production 3).
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
