#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| studio_broker_fuzz::checks::metadata(bytes));
