//! What a verified assertion says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::claims::{issuer, read_id};
use crate::conditions::Accepted;
use crate::names::SAML;
use crate::rejection::Rejection;
use crate::signature::VerifiedAssertion;
use crate::time::written;
use crate::xml::Element;

/// The claims of an assertion that was signed by a trusted key, is meant for us, and valid now.
///
/// Serialized, it is what `studio-broker saml verify` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    issuer: String,
    id: String,
    name_id: NameId,
    session_index: Option<String>,
    authn_contexts: Vec<String>,
    attributes: BTreeMap<String, Vec<String>>,
    key_fingerprint: String,
    not_on_or_after: Timestamp,
    replayable_until: Timestamp,
    session_not_on_or_after: Option<Timestamp>,
    in_response_to: Option<String>,
}

/// Whom an assertion is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameId {
    /// The whole text, exactly; never blank.
    #[serde(rename = "name_id")]
    pub value: String,
    /// The `Format` URI, if there is one.
    pub format: Option<String>,
}

impl Assertion {
    /// Reads the claims; the checks have been made.
    pub(crate) fn read(
        verified: &VerifiedAssertion<'_>,
        accepted: Accepted,
    ) -> Result<Self, Rejection> {
        let element = verified.element();
        let issuer = issuer(element, "Assertion")?
            .ok_or(Rejection::IssuerMissing { element: "Assertion" })?;
        Ok(Self {
            issuer,
            id: read_id(element, "Assertion")?.to_owned(),
            name_id: read_name_id(element)?,
            session_index: element
                .elements_named(SAML, "AuthnStatement")
                .next()
                .and_then(|statement| statement.attribute("SessionIndex"))
                .map(str::to_owned),
            authn_contexts: read_authn_contexts(element),
            attributes: read_attributes(element),
            key_fingerprint: verified.key_fingerprint().to_owned(),
            not_on_or_after: accepted.not_on_or_after,
            replayable_until: accepted.replayable_until,
            session_not_on_or_after: accepted.session_not_on_or_after,
            in_response_to: accepted.in_response_to,
        })
    }

    /// The identity provider's entity ID.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The assertion's ID, unique per issuer.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whom it is about.
    #[must_use]
    pub fn name_id(&self) -> &NameId {
        &self.name_id
    }

    /// `SessionIndex` of the first `AuthnStatement`.
    #[must_use]
    pub fn session_index(&self) -> Option<&str> {
        self.session_index.as_deref()
    }

    /// The `AuthnContextClassRef` of each `AuthnStatement`, as text, in document order; a statement with
    /// none, or with several, says nothing.
    #[must_use]
    pub fn authn_contexts(&self) -> &[String] {
        &self.authn_contexts
    }

    /// The values of each attribute by its `Name`, in document order, equal ones kept; a value
    /// with elements in it is left out. Attributes that are encrypted or lack a `Name` are not
    /// there.
    #[must_use]
    pub fn attributes(&self) -> &BTreeMap<String, Vec<String>> {
        &self.attributes
    }

    /// Fingerprint ([`crate::SigningKey::fingerprint`]) of the key that verified the assertion's
    /// own signature, else the response's.
    #[must_use]
    pub fn key_fingerprint(&self) -> &str {
        &self.key_fingerprint
    }

    /// The earlier `NotOnOrAfter` of the conditions and of the bearer confirmation that held,
    /// without skew.
    #[must_use]
    pub fn not_on_or_after(&self) -> Timestamp {
        self.not_on_or_after
    }

    /// When no confirmation of this assertion holds any more, without skew: a replay must be
    /// recognised until then and for the skew of any clock. Never before
    /// [`Assertion::not_on_or_after`], and later where there are several confirmations.
    #[must_use]
    pub fn replayable_until(&self) -> Timestamp {
        self.replayable_until
    }

    /// The earliest `SessionNotOnOrAfter` of the `AuthnStatement`s.
    #[must_use]
    pub fn session_not_on_or_after(&self) -> Option<Timestamp> {
        self.session_not_on_or_after
    }

    /// The ID of our request that is answered; `None` for an unsolicited response.
    #[must_use]
    pub fn in_response_to(&self) -> Option<&str> {
        self.in_response_to.as_deref()
    }
}

impl Serialize for Assertion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Assertion", 6)?;
        object.serialize_field("issuer", &self.issuer)?;
        object.serialize_field("assertion_id", &self.id)?;
        object.serialize_field("subject", &self.name_id)?;
        object.serialize_field("session_index", &self.session_index)?;
        object.serialize_field("not_on_or_after", &written(self.not_on_or_after))?;
        object.serialize_field("attributes", &self.attributes)?;
        object.end()
    }
}

fn read_name_id(assertion: Element<'_>) -> Result<NameId, Rejection> {
    let malformed = |what| Rejection::NameIdMalformed { what };
    let subject =
        assertion.only(SAML, "Subject").map_err(|got| Rejection::SubjectMalformed { got })?;
    let mut identifiers = subject.elements().filter(|element| {
        element.namespace() == SAML
            && matches!(element.local(), "NameID" | "BaseID" | "EncryptedID")
    });
    let (Some(name_id), None) = (identifiers.next(), identifiers.next()) else {
        return Err(malformed("not exactly one identifier"));
    };
    if !name_id.is(SAML, "NameID") {
        return Err(malformed("another identifier than NameID"));
    }
    let value = name_id.text().ok_or_else(|| malformed("elements in NameID"))?;
    if value.trim().is_empty() {
        return Err(malformed("a blank NameID"));
    }
    let format = name_id.attribute("Format").map(str::to_owned);
    Ok(NameId { value: value.into_owned(), format })
}

fn read_authn_contexts(assertion: Element<'_>) -> Vec<String> {
    let statements = assertion.elements_named(SAML, "AuthnStatement");
    statements
        .filter_map(|statement| {
            let context = statement.only(SAML, "AuthnContext").ok()?;
            Some(context.only(SAML, "AuthnContextClassRef").ok()?.text()?.into_owned())
        })
        .collect()
}

fn read_attributes(assertion: Element<'_>) -> BTreeMap<String, Vec<String>> {
    let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for attribute in assertion
        .elements_named(SAML, "AttributeStatement")
        .flat_map(|statement| statement.elements_named(SAML, "Attribute"))
    {
        let Some(name) = attribute.attribute("Name") else { continue };
        attributes.entry(name.to_owned()).or_default().extend(
            attribute
                .elements_named(SAML, "AttributeValue")
                .filter_map(Element::text)
                .map(|text| text.into_owned()),
        );
    }
    attributes
}
