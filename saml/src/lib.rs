//! SAML in: what a response proves about a person, or why it is refused.
//!
//! The argument, in the order of the checks:
//!
//! 1. Bytes become one strict, bounded tree (`xml.rs`). There is no second parser, no DTD, no
//!    entity, no processing instruction, and no ID twice.
//! 2. The issuer selects an identity provider; only the keys of its metadata are trusted
//!    (`metadata.rs`). `KeyInfo` in a message is never read.
//! 3. A signature counts only as direct child of the Response or of its only assertion, and only
//!    over that very element (`signature.rs`). No ID is ever looked up, so nothing can be wrapped.
//! 4. Verification gives a handle on the element that it covered; claims can be read from such a
//!    handle alone (`assertion.rs`). Reading what was not signed does not compile.
//! 5. What was signed must be meant for us, now (`conditions.rs`).
//!
//! Nothing here does I/O or asks for the time; `now` is an argument. [`attacks`] lists the known
//! attacks, what stops each, and the test that shows it.
//!
//! Files import downwards only: bytes and names (`decode`, `der`, `names`, `time`, `xml`), then what is
//! read (`key`, `metadata`, `claims`, `canonical`, `signature`, `encryption`), then what is decided
//! (`conditions`, `assertion`), and `validate` over all of them. `tests/saml/house.rs` keeps it so.

mod assertion;
pub mod attacks;
mod canonical;
mod claims;
mod conditions;
mod decode;
mod der;
mod encryption;
mod key;
mod metadata;
mod names;
mod rejection;
mod request;
mod response;
mod service_provider;
mod signature;
mod time;
mod validate;
mod xml;

/// The crate whose moments and durations stand in this crate's functions.
pub use jiff;

pub use assertion::{Assertion, NameId};
#[cfg(any(test, fuzzing))]
pub use canonical::canonical_form_twice;
pub use encryption::{DecryptionKeyError, DecryptionKeys};
pub use key::{KeyProblem, SigningKey};
pub use metadata::{IdpMetadata, MetadataError, MetadataWarning};
pub use rejection::{Actor, Code, Rejection};
pub use request::Ask;
pub use response::UnverifiedResponse;
pub use service_provider::{Expected, ServiceProvider};
pub use signature::RequireSigned;
pub use xml::XmlError;

#[cfg(test)]
extern crate self as strict_saml;
/// What fuzzing checks, replayed over the committed seeds.
#[cfg(test)]
#[path = "../fuzz/checks.rs"]
mod checks;

/// The examples of the README are run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
