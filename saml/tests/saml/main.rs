//! The SAML core from outside: what it accepts, what it refuses and with which code, and whether
//! implementations that are not ours agree.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests may fail as tests do"
)]

mod accepts;
mod attacks;
mod cases;
mod differential;
mod encryption;
mod form;
mod house;
mod metadata;
mod mutations;
mod rejects;
mod support;
