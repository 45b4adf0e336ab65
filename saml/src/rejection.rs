//! Why a response was refused: one variant and one stable code for each reason.

use std::fmt::{self, Debug, Write as _};

use jiff::{SignedDuration, Timestamp};

use crate::xml::XmlError;

/// Who can make the next sign-in work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The person who signs in: starting again is enough.
    Person,
    /// Whoever runs the identity provider.
    IdpAdministrator,
    /// Whoever runs this broker.
    BrokerAdministrator,
}

/// One row of the list of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Code {
    /// Stable, snake case.
    pub code: &'static str,
    /// Who must act.
    pub actor: Actor,
    /// One safe sentence: it holds nothing of the message.
    pub sentence: &'static str,
}

/// One table gives the enum, its codes and its words, so that none can be without the other.
macro_rules! rejections {
    ($( $(#[$doc:meta])* $name:ident $({ $($(#[$field_doc:meta])* $field:ident: $kind:ty),* $(,)? })?
        = $code:literal, $actor:ident, $sentence:literal; )*) => {
        /// A refusal of a SAML response.
        ///
        /// A code is its variant's name in snake case; the tests call a refusal by its code.
        ///
        /// `Display` is a short sentence that is safe to show to anybody;
        /// [`Rejection::detail`] holds what was expected and what came, for the log only.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum Rejection {
            $( $(#[$doc])* #[error($sentence)]
               $name $({ $($(#[$field_doc])* #[doc = "As the variant says; for the log."] $field: $kind),* })?, )*
        }

        impl Rejection {
            /// Every code there is, in the order of the checks.
            pub const CODES: &'static [Code] = &[
                $( Code { code: $code, actor: Actor::$actor, sentence: $sentence }, )*
            ];

            #[cfg(test)]
            const VARIANTS: &'static [&'static str] = &[ $( stringify!($name), )* ];

            /// Its row in the list of codes.
            #[must_use]
            pub fn row(&self) -> Code {
                match self {
                    $( Self::$name { .. } => {
                        Code { code: $code, actor: Actor::$actor, sentence: $sentence }
                    } )*
                }
            }

            /// The stable code of this refusal.
            #[must_use]
            pub fn code(&self) -> &'static str {
                self.row().code
            }

            /// Who must act.
            #[must_use]
            pub fn actor(&self) -> Actor {
                self.row().actor
            }

            /// What was expected and what came, as `field=value` pairs; each value is escaped and
            /// cut to 256 characters. Part of it comes from the message before it was verified:
            /// it belongs into the log, marked so, and nowhere else.
            #[must_use]
            pub fn detail(&self) -> String {
                match self {
                    $( Self::$name $({ $($field),* })? => {
                        let fields: &[(&str, &dyn Debug)] =
                            &[ $($( (stringify!($field), $field) ),*)? ];
                        fields
                            .iter()
                            .map(|(name, value)| format!("{name}={}", excerpt(*value)))
                            .collect::<Vec<_>>()
                            .join(" ")
                    } )*
                }
            }
        }
    };
}

rejections! {
    /// More bytes than are read.
    TooLarge { limit: usize, got: usize }
        = "too_large", IdpAdministrator, "The SAML response is larger than accepted.";
    /// Not base64 (RFC 4648 section 4, padded; line breaks between are allowed).
    Base64Malformed
        = "base64_malformed", IdpAdministrator, "The SAML response is not valid base64.";
    /// Not UTF-8, or it begins with a byte order mark.
    NotUtf8
        = "not_utf8", IdpAdministrator, "The SAML response is not UTF-8 without byte order mark.";
    /// An XML declaration that asks for another version or encoding, or stands elsewhere.
    XmlDeclarationUnsupported { got: String }
        = "xml_declaration_unsupported", IdpAdministrator,
        "The SAML response is not XML 1.0 in UTF-8.";
    /// A DOCTYPE: entities and external subsets have no place in a SAML message.
    DoctypeRefused
        = "doctype_refused", IdpAdministrator, "The SAML response carries a DOCTYPE.";
    /// A processing instruction.
    ProcessingInstructionRefused
        = "processing_instruction_refused", IdpAdministrator,
        "The SAML response carries a processing instruction.";
    /// Not well-formed (XML 1.0, fifth edition) at this byte.
    XmlMalformed { position: u64, what: &'static str }
        = "xml_malformed", IdpAdministrator, "The SAML response is not well-formed XML.";
    /// Not namespace-well-formed (Namespaces in XML 1.0) at this byte.
    NamespaceMalformed { position: u64, what: &'static str }
        = "namespace_malformed", IdpAdministrator,
        "The SAML response does not use XML namespaces correctly.";
    /// Nested deeper than is read.
    TooDeep { limit: usize }
        = "too_deep", IdpAdministrator, "The SAML response is nested too deeply.";
    /// More elements than are read.
    TooManyElements { limit: usize }
        = "too_many_elements", IdpAdministrator, "The SAML response has too many elements.";
    /// More attributes and namespace declarations on one element than are read.
    TooManyAttributes { limit: usize }
        = "too_many_attributes", IdpAdministrator,
        "An element of the SAML response has too many attributes.";

    /// The root is not `samlp:Response`.
    RootUnexpected { namespace: String, local: String }
        = "root_unexpected", IdpAdministrator, "The message is not a SAML response.";
    /// Two elements share an ID.
    IdRepeated { id: String }
        = "id_repeated", IdpAdministrator, "Two elements of the SAML response share an ID.";
    /// A response or an assertion stands where none may be read: a wrapped document.
    ElementMisplaced { element: String, parent: String }
        = "element_misplaced", IdpAdministrator,
        "The SAML response holds an assertion or a response in a wrong place.";
    /// No issuer where one is required.
    IssuerMissing { element: &'static str }
        = "issuer_missing", IdpAdministrator, "The SAML response does not name its issuer.";
    /// Several issuers on one element, or one that holds elements.
    IssuerMalformed { element: &'static str }
        = "issuer_malformed", IdpAdministrator, "The issuer of the SAML response is malformed.";
    /// Issued by somebody else than the identity provider whose keys are used.
    IssuerMismatch { element: &'static str, expected: String, got: String }
        = "issuer_mismatch", IdpAdministrator,
        "The SAML response was issued by another identity provider.";
    /// Another version than 2.0.
    VersionUnsupported { element: &'static str, expected: &'static str, got: Option<String> }
        = "version_unsupported", IdpAdministrator, "The SAML response is not of version 2.0.";
    /// Not exactly one `Status` with one `StatusCode`.
    StatusMalformed
        = "status_malformed", IdpAdministrator, "The status of the SAML response is malformed.";
    /// The identity provider reports a failure.
    StatusNotSuccess { got: String, second: Option<String>, message: Option<String> }
        = "status_not_success", IdpAdministrator,
        "The identity provider reports that the sign-in did not succeed.";
    /// No assertion, neither plain nor encrypted.
    AssertionMissing
        = "assertion_missing", IdpAdministrator, "The SAML response holds no assertion.";
    /// More than one assertion, plain and encrypted together.
    AssertionRepeated { got: usize }
        = "assertion_repeated", IdpAdministrator,
        "The SAML response holds more than one assertion.";
    /// An ID is missing, empty, or holds white space.
    IdMalformed { element: &'static str, got: Option<String> }
        = "id_malformed", IdpAdministrator, "An ID in the SAML response is missing or malformed.";

    /// Neither the response nor the assertion is signed.
    SignatureMissing
        = "signature_missing", IdpAdministrator, "The SAML response is not signed.";
    /// Signed, but not where this identity provider must sign.
    SignatureRequired { expected: &'static str, got: &'static str }
        = "signature_required", IdpAdministrator,
        "The SAML response is not signed where it must be.";
    /// Two signatures on one element.
    SignatureRepeated { element: &'static str }
        = "signature_repeated", IdpAdministrator,
        "An element of the SAML response carries more than one signature.";
    /// A signature of another shape than SAML core 5.4 and XML Signature allow.
    SignatureMalformed { what: &'static str }
        = "signature_malformed", IdpAdministrator, "A signature in the SAML response is malformed.";
    /// A signature, digest or canonicalization algorithm that is not accepted.
    AlgorithmUnsupported { what: &'static str, got: Option<String> }
        = "algorithm_unsupported", IdpAdministrator,
        "A signature in the SAML response uses an algorithm that is not accepted.";
    /// Transforms other than enveloped-signature and exclusive canonicalization, in this order.
    TransformsUnsupported { got: Vec<String> }
        = "transforms_unsupported", IdpAdministrator,
        "A signature in the SAML response uses transforms that are not accepted.";
    /// Not exactly one reference.
    ReferenceRepeated { got: usize }
        = "reference_repeated", IdpAdministrator,
        "A signature in the SAML response does not have exactly one reference.";
    /// The reference does not point at the element that carries the signature.
    ReferenceMismatch { expected: String, got: Option<String> }
        = "reference_mismatch", IdpAdministrator,
        "A signature in the SAML response does not cover the element that carries it.";
    /// What a signature covers becomes too large when it is written out canonically.
    CanonicalFormTooLarge { element: &'static str, limit: usize }
        = "canonical_form_too_large", IdpAdministrator,
        "Signed content of the SAML response grows too large when its namespaces are written out.";
    /// No signing key of the identity provider's metadata verifies the signature.
    SignatureInvalid { element: &'static str, keys: usize }
        = "signature_invalid", IdpAdministrator,
        "No trusted key of the identity provider verifies the signature.";
    /// The signature verifies, but what it covers was changed.
    DigestMismatch { element: &'static str }
        = "digest_mismatch", IdpAdministrator, "Signed content of the SAML response was changed.";

    /// An encrypted assertion of another shape than is accepted.
    EncryptionMalformed { what: &'static str }
        = "encryption_malformed", IdpAdministrator,
        "The encrypted assertion has a shape that is not accepted.";
    /// An encryption algorithm that is not accepted.
    EncryptionUnsupported { what: &'static str, got: Option<String> }
        = "encryption_unsupported", IdpAdministrator,
        "The assertion is encrypted with an algorithm that is not accepted.";
    /// AES-CBC without a verified signature on the response.
    EncryptionUnauthenticated
        = "encryption_unauthenticated", IdpAdministrator,
        "An assertion encrypted with AES-CBC needs a signed response.";
    /// An encrypted assertion, and no key to decrypt it.
    DecryptionKeyMissing
        = "decryption_key_missing", BrokerAdministrator,
        "The assertion is encrypted and no decryption key is configured.";
    /// Decryption failed. It is never said where.
    DecryptionFailed
        = "decryption_failed", IdpAdministrator, "The assertion could not be decrypted.";

    /// A signed response must name its destination.
    DestinationMissing { expected: String }
        = "destination_missing", IdpAdministrator,
        "The signed SAML response does not name its destination.";
    /// Sent to another address.
    DestinationMismatch { expected: String, got: String }
        = "destination_mismatch", IdpAdministrator,
        "The SAML response was made for another address.";
    /// Not exactly one `Subject`.
    SubjectMalformed { got: usize }
        = "subject_malformed", IdpAdministrator,
        "The assertion does not have exactly one subject.";
    /// Not exactly one `NameID` with text only that is not blank.
    NameIdMalformed { what: &'static str }
        = "name_id_malformed", IdpAdministrator, "The assertion's name identifier is unusable.";
    /// No bearer confirmation.
    ConfirmationMissing
        = "confirmation_missing", IdpAdministrator,
        "The assertion has no bearer subject confirmation.";
    /// The bearer confirmation lacks something that it must have.
    ConfirmationIncomplete { what: &'static str }
        = "confirmation_incomplete", IdpAdministrator,
        "The assertion's bearer confirmation is incomplete.";
    /// Confirmed for another address.
    RecipientMismatch { expected: String, got: String }
        = "recipient_mismatch", IdpAdministrator, "The assertion was made for another address.";
    /// The bearer confirmation is not valid yet.
    ConfirmationNotYetValid { not_before: Timestamp, now: Timestamp, skew: SignedDuration }
        = "confirmation_not_yet_valid", IdpAdministrator,
        "The assertion's confirmation is not valid yet; clocks may differ.";
    /// The bearer confirmation has expired.
    ConfirmationExpired { not_on_or_after: Timestamp, now: Timestamp, skew: SignedDuration }
        = "confirmation_expired", Person, "The assertion's confirmation has expired.";
    /// An answer to a request that is not ours, or not of this browser, or too old.
    RequestUnknown { expected: Vec<String>, got: String }
        = "request_unknown", Person,
        "The SAML response answers a sign-in that was not started here.";
    /// Response and confirmation disagree about the request that they answer.
    InResponseToMismatch { response: Option<String>, confirmation: Option<String> }
        = "in_response_to_mismatch", IdpAdministrator,
        "The SAML response and its assertion answer different requests.";
    /// Not an answer to a request of ours, where only answers are accepted.
    UnsolicitedRefused
        = "unsolicited_refused", Person,
        "This sign-in must be started here, not at the identity provider.";
    /// No `Conditions`.
    ConditionsMissing
        = "conditions_missing", IdpAdministrator, "The assertion has no conditions.";
    /// More than one `Conditions`.
    ConditionsRepeated
        = "conditions_repeated", IdpAdministrator, "The assertion's conditions are malformed.";
    /// A condition that is not understood.
    ConditionUnknown { got: String }
        = "condition_unknown", IdpAdministrator,
        "The assertion has a condition that is not understood.";
    /// No `AudienceRestriction`.
    AudienceMissing { expected: String }
        = "audience_missing", IdpAdministrator, "The assertion does not say for whom it is.";
    /// Made for another service.
    AudienceMismatch { expected: String, got: Vec<String> }
        = "audience_mismatch", IdpAdministrator, "The assertion was made for another service.";
    /// A time that is not `xs:dateTime` in UTC with `Z`.
    TimeMalformed { attribute: &'static str, got: String }
        = "time_malformed", IdpAdministrator, "A time in the assertion is malformed.";
    /// The conditions do not hold yet.
    NotYetValid { not_before: Timestamp, now: Timestamp, skew: SignedDuration }
        = "not_yet_valid", IdpAdministrator,
        "The assertion is not valid yet; clocks may differ.";
    /// The conditions hold no longer.
    Expired { not_on_or_after: Timestamp, now: Timestamp, skew: SignedDuration }
        = "expired", Person, "The assertion has expired.";
    /// The session at the identity provider is over.
    SessionExpired { session_not_on_or_after: Timestamp, now: Timestamp, skew: SignedDuration }
        = "session_expired", Person, "The session at the identity provider has ended.";
}

impl From<XmlError> for Rejection {
    fn from(error: XmlError) -> Self {
        match error {
            XmlError::TooLarge { limit, got } => Self::TooLarge { limit, got },
            XmlError::NotUtf8 => Self::NotUtf8,
            XmlError::Declaration { got } => Self::XmlDeclarationUnsupported { got },
            XmlError::Doctype => Self::DoctypeRefused,
            XmlError::ProcessingInstruction => Self::ProcessingInstructionRefused,
            XmlError::Malformed { position, what } => Self::XmlMalformed { position, what },
            XmlError::Namespace { position, what } => Self::NamespaceMalformed { position, what },
            XmlError::TooDeep { limit } => Self::TooDeep { limit },
            XmlError::TooManyElements { limit } => Self::TooManyElements { limit },
            XmlError::TooManyAttributes { limit } => Self::TooManyAttributes { limit },
            XmlError::IdRepeated { id } => Self::IdRepeated { id },
        }
    }
}

/// A value as `Debug` escapes it, cut to 256 characters; what lies beyond is not even escaped.
fn excerpt(value: &dyn Debug) -> String {
    const LONGEST: usize = 256;
    struct Bounded {
        text: String,
        characters: usize,
    }
    impl fmt::Write for Bounded {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            let room = (LONGEST + 1).saturating_sub(self.characters);
            let before = self.text.len();
            self.text.extend(part.chars().take(room));
            self.characters += self.text.get(before..).unwrap_or_default().chars().count();
            if self.characters > LONGEST { Err(fmt::Error) } else { Ok(()) }
        }
    }
    let mut bounded = Bounded { text: String::new(), characters: 0 };
    match write!(bounded, "{value:?}") {
        Ok(()) => bounded.text,
        Err(_) => bounded.text.chars().take(LONGEST - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_snake_case() {
        let codes: HashSet<_> = Rejection::CODES.iter().map(|row| row.code).collect();
        assert_eq!(codes.len(), Rejection::CODES.len());
        assert!(codes.iter().all(|code| {
            code.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
        }));
    }

    #[test]
    fn a_code_is_its_variant_in_snake_case() {
        let snake = |variant: &str| {
            let lowered = variant.chars().map(|c| match c.is_ascii_uppercase() {
                true => format!("_{}", c.to_ascii_lowercase()),
                false => c.to_string(),
            });
            lowered.collect::<String>().trim_start_matches('_').to_owned()
        };
        let names: Vec<_> = Rejection::VARIANTS.iter().map(|variant| snake(variant)).collect();
        let codes: Vec<_> = Rejection::CODES.iter().map(|row| row.code).collect();
        assert_eq!(names, codes);
    }

    #[test]
    fn the_sentence_says_nothing_of_the_message_and_the_detail_all() {
        let rejection = Rejection::RecipientMismatch {
            expected: "https://sp.example/acs".into(),
            got: "https://evil\n.example".into(),
        };
        assert_eq!(rejection.code(), "recipient_mismatch");
        assert_eq!(rejection.to_string(), "The assertion was made for another address.");
        assert_eq!(
            rejection.detail(),
            r#"expected="https://sp.example/acs" got="https://evil\n.example""#
        );
    }

    #[test]
    fn the_detail_of_a_time_says_which_moment_was_taken_as_now() {
        let rejection = Rejection::Expired {
            not_on_or_after: Timestamp::UNIX_EPOCH,
            now: Timestamp::from_second(60).unwrap(),
            skew: SignedDuration::from_secs(60),
        };
        assert_eq!(
            rejection.detail(),
            "not_on_or_after=1970-01-01T00:00:00Z now=1970-01-01T00:01:00Z skew=1m"
        );
    }

    #[test]
    fn a_long_value_is_cut_in_the_detail() {
        let detail = |length| Rejection::IdRepeated { id: "ä".repeat(length) }.detail();
        // Two of them are the quotes.
        assert_eq!(detail(254), format!("id=\"{}\"", "ä".repeat(254)));
        for length in [255, 256, 10_000] {
            assert_eq!(detail(length), format!("id=\"{}…", "ä".repeat(254)), "{length}");
        }
        // Written in parts.
        let got = vec!["ä".repeat(100); 3];
        let rejection = Rejection::TransformsUnsupported { got };
        assert_eq!(rejection.detail().chars().count(), "got=".len() + 256);
    }
}
