//! `studio-broker`: the door through which an organization enters Amazon SageMaker Studio.
//!
//! ```text
//! http ──► saml ──► team ──► target ──► profile ──► URL
//! ```
//!
//! A browser posts a SAML response ([`http`]). It is verified by pure functions ([`strict_saml`], a crate of its own) and
//! consumed by one conditional write ([`aws::state_table`]). The person's teams come from the response
//! and the administrators' tables ([`team`], [`team::idp`], [`aws::tables`]). The team's role is assumed
//! ([`aws::target`]), the person's profile for that team is found, created or repaired
//! ([`aws::profile`]), and the browser is sent to a presigned URL ([`aws::studio_url`]).
//!
//! [`broker`] holds it together and is the room to read first; [`broker::opening`] is what happens between a
//! team and its URL.

pub mod aws;
pub mod broker;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod http;
#[cfg(feature = "cli")]
pub mod local;
pub mod mappings;
#[cfg(feature = "cli")]
pub mod policy;
pub mod random;
pub mod session;
pub mod team;
pub mod telemetry;

/// What fuzzing checks, replayed over the committed seeds.
#[cfg(test)]
#[path = "../fuzz/checks.rs"]
mod checks;
