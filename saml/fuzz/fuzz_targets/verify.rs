#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strict_saml_fuzz::checks::verify(bytes));
