//! The signing key and its self-signed certificate, one pair per data folder.

use std::{
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der},
    error::{KeyRejected, Unspecified},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file holds no RSA key in PKCS#8.
    #[error("{path} holds no key: {source}")]
    Rejected {
        /// The file.
        path: PathBuf,
        /// What the library says.
        source: KeyRejected,
    },
    /// The machine gives no randomness, or the library fails.
    #[error("no key can be made: {0}")]
    Generate(#[from] Unspecified),
    /// The certificate's dates are out of range.
    #[error("no certificate can be made: {0}")]
    Dates(#[from] jiff::Error),
}

impl SigningKeyError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "idp_key_file",
            Self::Rejected { .. } => "idp_key_rejected",
            Self::Generate(_) => "idp_key_generate",
            Self::Dates(_) => "idp_certificate_dates",
        }
    }
}

/// An RSA-2048 key with its certificate.
#[derive(Debug)]
pub(super) struct Key {
    pair: KeyPair,
    certificate: Vec<u8>,
}

impl Key {
    /// Reads key and certificate from `folder`, or makes them; without a folder they last for this
    /// run. The files are readable by their owner alone.
    pub(super) fn open(folder: Option<&Path>, now: Timestamp) -> Result<Self, SigningKeyError> {
        let Some(folder) = folder else { return Self::generate(now) };
        let (key, certificate) = (folder.join("idp-key.der"), folder.join("idp-certificate.der"));
        if key.exists() && certificate.exists() {
            let pair = KeyPair::from_pkcs8(&read(&key)?)
                .map_err(|source| SigningKeyError::Rejected { path: key, source })?;
            return Ok(Self { pair, certificate: read(&certificate)? });
        }
        let made = Self::generate(now)?;
        std::fs::create_dir_all(folder)
            .map_err(|source| SigningKeyError::File { path: folder.into(), source })?;
        let pkcs8: Pkcs8V1Der<'_> = made.pair.as_der()?;
        write(&key, pkcs8.as_ref())?;
        write(&certificate, &made.certificate)?;
        Ok(made)
    }

    fn generate(now: Timestamp) -> Result<Self, SigningKeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048)?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
        let certificate = self_signed(public.as_ref(), now, |tbs| sign(&pair, tbs))?;
        Ok(Self { pair, certificate })
    }

    /// PKCS#1 v1.5 with SHA-256.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        sign(&self.pair, message)
    }

    /// DER.
    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }
}

fn sign(pair: &KeyPair, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
    Ok(signature)
}

fn read(path: &Path) -> Result<Vec<u8>, SigningKeyError> {
    std::fs::read(path).map_err(|source| SigningKeyError::File { path: path.into(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), SigningKeyError> {
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|source| SigningKeyError::File { path: path.into(), source })
}

/// A certificate for `public_key` (a DER `SubjectPublicKeyInfo`), valid for five years as Identity
/// Center's are (RFC 5280, section 4.1).
fn self_signed(
    public_key: &[u8],
    now: Timestamp,
    sign: impl Fn(&[u8]) -> Result<Vec<u8>, Unspecified>,
) -> Result<Vec<u8>, SigningKeyError> {
    // sha256WithRSAEncryption, 1.2.840.113549.1.1.11, with NULL parameters (RFC 8017, A.2.4).
    const SHA256_RSA: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00];
    // id-at-commonName, 2.5.4.3.
    const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial)?;
    // Positive, and without a leading zero byte.
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    let common_name = der(0x0c, b"studio-broker test identity provider");
    let name = der(0x30, &der(0x31, &der(0x30, &[&COMMON_NAME, common_name.as_slice()].concat())));
    let ends = now.to_zoned(TimeZone::UTC).checked_add(5.years())?.timestamp();
    let time = |at: Timestamp| der(0x17, at.strftime("%y%m%d%H%M%SZ").to_string().as_bytes());
    let tbs = der(
        0x30,
        &[
            der(0xa0, &der(0x02, &[2])).as_slice(),
            &der(0x02, &serial),
            &SHA256_RSA,
            &name,
            &der(0x30, &[time(now), time(ends)].concat()),
            &name,
            public_key,
        ]
        .concat(),
    );
    let signature = [vec![0], sign(&tbs)?].concat();
    Ok(der(0x30, &[tbs.as_slice(), &SHA256_RSA, &der(0x03, &signature)].concat()))
}

/// One DER value: tag, definite length, content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    match (u8::try_from(content.len()), u8::try_from(significant.len())) {
        (Ok(short), _) if short < 0x80 => out.push(short),
        (_, Ok(bytes)) => {
            out.push(0x80 | bytes);
            out.extend(significant);
        }
        // A usize has at most eight bytes.
        (_, Err(_)) => {}
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use x509_cert::{
        Certificate,
        der::{Decode as _, Encode as _},
    };

    use super::*;

    #[test]
    fn the_certificate_parses_and_is_signed_by_its_own_key() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let key = Key::generate(now).unwrap();
        let certificate = Certificate::from_der(key.certificate()).unwrap();
        let tbs = certificate.tbs_certificate();
        let not_after = tbs.validity().not_after.to_unix_duration().as_secs();
        assert_eq!(
            not_after,
            "2031-11-22T12:00:00Z".parse::<Timestamp>().unwrap().as_second() as u64
        );
        let public = tbs.subject_public_key_info().subject_public_key.raw_bytes();
        aws_lc_rs::signature::UnparsedPublicKey::new(
            &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256,
            public,
        )
        .verify(&tbs.to_der().unwrap(), certificate.signature().raw_bytes())
        .unwrap();
    }

    #[test]
    fn a_folder_keeps_its_key_for_its_owner_alone() {
        let folder = std::env::temp_dir().join(format!("studio-broker-idp-{}", std::process::id()));
        let first = Key::open(Some(&folder), Timestamp::UNIX_EPOCH).unwrap();
        let second = Key::open(Some(&folder), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(first.certificate(), second.certificate());
        assert_eq!(first.sign(b"x").unwrap(), second.sign(b"x").unwrap());
        let mode = std::fs::metadata(folder.join("idp-key.der")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
