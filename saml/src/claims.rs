//! Parts that a Response and an assertion have alike, and the reading of which proves nothing.

use crate::names::SAML;
use crate::rejection::Rejection;
use crate::xml::Element;

/// The text of an element's issuer, if it has one.
pub(crate) fn issuer(
    element: Element<'_>,
    name: &'static str,
) -> Result<Option<String>, Rejection> {
    let malformed = Rejection::IssuerMalformed { element: name };
    match element.only(SAML, "Issuer") {
        Ok(issuer) => issuer.text().map(|text| Some(text.into_owned())).ok_or(malformed),
        Err(0) => Ok(None),
        Err(_) => Err(malformed),
    }
}

/// The `ID`, which must not be empty or hold white space. It need not be an `NCName`: some identity
/// providers send bare UUIDs, and nothing is ever looked up by it.
pub(crate) fn read_id<'d>(element: Element<'d>, name: &'static str) -> Result<&'d str, Rejection> {
    let id = element.attribute("ID");
    id.filter(|id| !id.is_empty() && !id.contains(char::is_whitespace))
        .ok_or_else(|| Rejection::IdMalformed { element: name, got: id.map(str::to_owned) })
}
