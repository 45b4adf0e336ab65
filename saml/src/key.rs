//! A key whose signatures count.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use x509_cert::certificate::{Certificate, TbsCertificate};
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::name::Name;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// A key of an identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    kind: KeyKind,
    /// RSA: `RSAPublicKey` in DER; elliptic curves: the point.
    public_key: Vec<u8>,
    fingerprint: String,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// What a key can verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Rsa,
    P256,
    P384,
}

impl SigningKey {
    /// Lower-case hexadecimal SHA-256 of the certificate's `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What the key is, in words: `RSA, 2048 bits`, `P-256`.
    #[must_use]
    pub fn algorithm(&self) -> String {
        match self.kind {
            KeyKind::Rsa => {
                format!("RSA, {} bits", rsa_bits(&self.public_key).unwrap_or_default())
            }
            KeyKind::P256 => "P-256".into(),
            KeyKind::P384 => "P-384".into(),
        }
    }

    /// When the certificate begins to be valid. It warns and does not refuse.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// When the certificate ends. It warns and does not refuse.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    pub(crate) fn kind(&self) -> KeyKind {
        self.kind
    }

    pub(crate) fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Nothing but key and dates of a certificate is looked at: it is the metadata that is trusted,
    /// certificates in it are mostly self-signed.
    fn of(certificate: &TbsCertificate) -> Result<Self, KeyProblem> {
        let spki = certificate.subject_public_key_info();
        let bits = spki.subject_public_key.as_bytes().ok_or(KeyProblem::NotACertificate)?;
        let curve = || spki.algorithm.parameters.as_ref()?.decode_as::<ObjectIdentifier>().ok();
        let spki_der = spki.to_der().map_err(|_| KeyProblem::NotACertificate)?;
        let kind = match spki.algorithm.oid {
            RSA => {
                let size = rsa_bits(bits).ok_or(KeyProblem::NotACertificate)?;
                if !(2048..=8192).contains(&size) {
                    return Err(KeyProblem::RsaSize { bits: size });
                }
                KeyKind::Rsa
            }
            EC if curve() == Some(P256) => KeyKind::P256,
            EC if curve() == Some(P384) => KeyKind::P384,
            oid => return Err(KeyProblem::Algorithm { oid: oid.to_string() }),
        };
        let validity = certificate.validity();
        let timestamp = |time: x509_cert::time::Time| {
            let seconds = time.to_unix_duration().as_secs();
            i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok())
        };
        Ok(Self {
            kind,
            public_key: bits.to_vec(),
            fingerprint: fingerprint(&spki_der),
            not_before: timestamp(validity.not_before).unwrap_or(Timestamp::MIN),
            not_after: timestamp(validity.not_after).unwrap_or(Timestamp::MAX),
        })
    }
}

/// A certificate of an `X509Data`, and the key in it.
pub(crate) struct KeyCertificate {
    subject: Vec<u8>,
    issuer: Vec<u8>,
    pub(crate) key: Result<SigningKey, KeyProblem>,
}

impl KeyCertificate {
    /// Reads base64 of an X.509 certificate in DER.
    pub(crate) fn read(base64: &[u8]) -> Result<Self, KeyProblem> {
        let der = STANDARD.decode(base64).map_err(|_| KeyProblem::NotBase64)?;
        let certificate = Certificate::from_der(&der).map_err(|_| KeyProblem::NotACertificate)?;
        let certificate = certificate.tbs_certificate();
        let name = |name: &Name| name.to_der().map_err(|_| KeyProblem::NotACertificate);
        Ok(Self {
            subject: name(certificate.subject())?,
            issuer: name(certificate.issuer())?,
            key: SigningKey::of(certificate),
        })
    }

    /// Whether another certificate names this one's holder as its issuer. Whoever issued their own
    /// was not issued by a namesake.
    pub(crate) fn issued(&self, other: &Self) -> bool {
        other.issuer == self.subject && other.issuer != other.subject
    }
}

/// Why a key of the metadata is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// Not base64.
    #[error("the certificate is not base64")]
    NotBase64,
    /// Not an X.509 certificate in DER.
    #[error("not an X.509 certificate")]
    NotACertificate,
    /// RSA below 2048 or above 8192 bits.
    #[error("RSA key of {bits} bits, expected 2048 to 8192")]
    RsaSize {
        /// Size of the modulus.
        bits: usize,
    },
    /// Neither RSA nor an elliptic curve key on P-256 or P-384.
    #[error("key algorithm {oid}, expected RSA, P-256 or P-384")]
    Algorithm {
        /// Of the algorithm.
        oid: String,
    },
}

/// Bits of the modulus of an `RSAPublicKey` (RFC 8017, A.1.1).
fn rsa_bits(public_key: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(public_key).ok()?;
    let modulus = reader.sequence(|reader| {
        let modulus = UintRef::decode(reader)?;
        UintRef::decode(reader)?;
        Ok::<_, x509_cert::der::Error>(modulus)
    });
    let digits = modulus.ok()?.as_bytes();
    let first = digits.first()?;
    Some(digits.len() * 8 - first.leading_zeros() as usize)
}

/// Lower-case hexadecimal SHA-256.
fn fingerprint(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der;

    #[test]
    fn the_bits_of_a_modulus_are_counted_from_its_first_one() {
        let bits = |modulus: &[u8]| {
            rsa_bits(&der::sequence(&[der::unsigned(modulus), der::unsigned(&[1, 0, 1])].concat()))
        };
        assert_eq!(bits(&[0xff; 256]), Some(2048));
        assert_eq!(bits(&[&[0x7f][..], &[0xff; 255]].concat()), Some(2047));
        assert_eq!(bits(&[&[1][..], &[0; 256]].concat()), Some(2049));
        assert_eq!(bits(&[0, 0, 5]), Some(3));
        assert_eq!(rsa_bits(&[]), None);
        assert_eq!(rsa_bits(&der::sequence(&der::unsigned(&[5]))), None, "no exponent");
    }

    #[test]
    fn a_certificate_issued_another_that_names_it_and_not_itself() {
        let of = |subject: &str, issuer: &str| KeyCertificate {
            subject: subject.into(),
            issuer: issuer.into(),
            key: Err(KeyProblem::NotBase64),
        };
        let (root, leaf) = (of("root", "root"), of("leaf", "root"));
        assert!(root.issued(&leaf) && !leaf.issued(&root));
        assert!(!root.issued(&of("root", "root")), "a namesake that issued its own");
        assert!(!root.issued(&of("leaf", "other")) && !leaf.issued(&leaf));
    }
}
