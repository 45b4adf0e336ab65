//! Bytes that nobody can guess, and how bytes are written.

/// Random bytes from aws-lc's generator.
///
/// It is a CTR_DRBG (NIST SP 800-90A), one for each thread, seeded by the kernel's generator
/// (`getrandom`), and by the processor's own instruction (RDRAND, RNDR) as a second source where there is
/// one. CPU jitter as a further source is left out of every build (`.cargo/config.toml`): gathering it takes
/// a process 40 to 60 ms before its first secret. So secrets rest on the kernel, as those of every other
/// program on the machine do, and on the processor where it helps; a kernel that has not been seeded yet
/// blocks. What jitter would add, fresh randomness after a running machine was copied, matters to nobody
/// who runs a function without `SnapStart` (which custom runtimes do not have) or does not resume the same
/// snapshot of a machine with `serve` twice: start the process after the copy is made.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // aws-lc aborts rather than return without entropy, so the result is always `Ok`; a broken
    // promise must not become a guessable secret.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_build_gathers_no_jitter_entropy() {
        let found = option_env!("AWS_LC_SYS_NO_JITTER_ENTROPY");
        assert_eq!(
            found,
            Some("1"),
            "Cargo reads .cargo/config.toml from the folder that it runs in"
        );
    }
}
