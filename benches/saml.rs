//! Speed of the SAML core.

fn main() {}
