//! What must hold of any bytes that reach the SAML core.
#![allow(dead_code)]

#[path = "../checks.rs"]
pub mod checks;
