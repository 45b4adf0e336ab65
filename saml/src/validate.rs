//! The decision about a response, one check after the other.

use jiff::Timestamp;

use crate::assertion::Assertion;
use crate::conditions::{self, Envelope};
use crate::encryption;
use crate::metadata::IdpMetadata;
use crate::rejection::Rejection;
use crate::response::UnverifiedResponse;
use crate::service_provider::{Expected, ServiceProvider};
use crate::signature::{self, RequireSigned};
use crate::xml::{Element, Limits};

impl ServiceProvider {
    /// Decides about a response of this identity provider at this moment.
    ///
    /// # Errors
    /// The first check that fails, in the order of the module's argument.
    pub fn validate(
        &self,
        response: UnverifiedResponse,
        idp: &IdpMetadata,
        require_signed: RequireSigned,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<Assertion, Rejection> {
        conditions::same_issuer("Response", idp.entity_id(), &response.unverified_issuer()?)?;
        let root = response.document.root();
        let envelope = Envelope::read(root)?;
        let keys = idp.signing_keys();

        let response_signature = signature::verify(root, "Response", keys)?;
        let decrypted = envelope
            .encrypted
            .map(|place| {
                let authentic = response_signature.is_some();
                encryption::decrypt(place, &self.decryption_keys, authentic, Limits::RESPONSE)
            })
            .transpose()?;
        let assertion: Element<'_> = match (&decrypted, envelope.plain) {
            (Some(decrypted), _) => {
                conditions::check_places(decrypted.root())?;
                decrypted.root()
            }
            (None, Some(plain)) => plain,
            (None, None) => return Err(Rejection::AssertionMissing),
        };
        let assertion_signature = signature::verify(assertion, "Assertion", keys)?;
        let verified =
            signature::cover(assertion, response_signature, assertion_signature, require_signed)?;

        conditions::check_response(root, self, idp, verified.response_is_signed())?;
        let accepted = conditions::check(&verified, root, self, idp, expected, now)?;
        Assertion::read(&verified, accepted)
    }
}
