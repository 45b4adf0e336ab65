//! Encrypted assertions (<https://www.w3.org/TR/xmlenc-core1/>, narrowed).
//!
//! What can be told from the message alone is refused with its own code. From the moment that a
//! private key is used there is one refusal, and the work goes on to the same end: a content key
//! that does not unwrap is replaced by a random one, with which the content does not decrypt.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{
    KeyPair, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey,
    PrivateDecryptingKey,
};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::decode::base64_text;
use crate::der;
use crate::names::{DS, SAML};
use crate::rejection::Rejection;
use crate::xml::{Document, Element, Limits};

const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
const ELEMENT: &str = "http://www.w3.org/2001/04/xmlenc#Element";
const ENCRYPTED_KEY: &str = "http://www.w3.org/2001/04/xmlenc#EncryptedKey";

/// Private RSA keys for encrypted assertions; by default none. Each decrypts, the first is
/// published, so that a key can be replaced without a gap.
#[derive(Clone, Default)]
pub struct DecryptionKeys {
    keys: Vec<Arc<OaepPrivateDecryptingKey>>,
    certificate: Option<Vec<u8>>,
}

/// Why a PEM text gives no decryption keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecryptionKeyError {
    /// No private key in it.
    #[error("expected PEM private keys (PKCS#8 or PKCS#1), got none")]
    Missing,
    /// A PEM block of another kind, or one that does not end.
    #[error("expected PEM blocks PRIVATE KEY or RSA PRIVATE KEY, got {got}")]
    Block {
        /// Its label.
        got: String,
    },
    /// Not an RSA private key of 2048 to 8192 bits.
    #[error("private key {nth} is not an RSA key of 2048 to 8192 bits")]
    Key {
        /// Which one, from 1.
        nth: usize,
    },
}

impl DecryptionKeys {
    /// Reads one or several PEM private keys, PKCS#8 (`PRIVATE KEY`) or PKCS#1
    /// (`RSA PRIVATE KEY`), one after another. Text between them is ignored.
    ///
    /// # Errors
    /// When there is no key, another kind of block, or a key that is not RSA of 2048–8192 bits.
    pub fn from_pem(pem: &str) -> Result<Self, DecryptionKeyError> {
        let mut keys = Vec::new();
        let mut certificate = None;
        let mut rest = pem;
        while let Some((_, block)) = rest.split_once("-----BEGIN ") {
            let unusable = |got: &str| DecryptionKeyError::Block {
                got: got.chars().filter(char::is_ascii_graphic).take(40).collect(),
            };
            let (label, body) = block.split_once("-----").ok_or_else(|| unusable("no label"))?;
            let (body, after) = body
                .split_once(&format!("-----END {label}-----"))
                .ok_or_else(|| unusable("no end"))?;
            rest = after;

            let nth = keys.len() + 1;
            let refused = || DecryptionKeyError::Key { nth };
            let body: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            let bytes = STANDARD.decode(body).map_err(|_| refused())?;
            let pkcs8 = match label {
                "PRIVATE KEY" => bytes,
                "RSA PRIVATE KEY" => wrap_pkcs1(&bytes),
                other => return Err(unusable(other)),
            };
            let key = PrivateDecryptingKey::from_pkcs8(&pkcs8).map_err(|_| refused())?;
            if !(2048..=8192).contains(&key.key_size_bits()) {
                return Err(refused());
            }
            if certificate.is_none() {
                let pair = KeyPair::from_pkcs8(&pkcs8).map_err(|_| refused())?;
                certificate = Some(self_signed(&pair).ok_or_else(refused)?);
            }
            let key = OaepPrivateDecryptingKey::new(key).map_err(|_| refused())?;
            keys.push(Arc::new(key));
        }
        match keys.is_empty() {
            true => Err(DecryptionKeyError::Missing),
            false => Ok(Self { keys, certificate }),
        }
    }

    /// The first key's certificate in DER, for our metadata.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// The content key. Which of the keys unwrapped it, or that none did, does not show.
    fn unwrap(&self, wrapped: &[u8], oaep: &'static OaepAlgorithm, size: usize) -> Vec<u8> {
        let mut content_key = vec![0; size];
        // On failure zeroes stay, and a content key of zeroes is one that an attacker knows.
        let random = rand::fill(&mut content_key);
        for key in &self.keys {
            let mut buffer = vec![0; key.min_output_size()];
            if let Ok(unwrapped) = key.decrypt(oaep, wrapped, &mut buffer, None)
                && unwrapped.len() == size
            {
                return unwrapped.to_vec();
            }
        }
        match random {
            Ok(()) => content_key,
            Err(_) => Vec::new(),
        }
    }
}

impl fmt::Debug for DecryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptionKeys({})", self.keys.len())
    }
}

/// PKCS#8 around PKCS#1 (RFC 5208, 5; RFC 8017, A.1).
fn wrap_pkcs1(pkcs1: &[u8]) -> Vec<u8> {
    const VERSION_0: &[u8] = &[2, 1, 0];
    let key = der::tagged(4, pkcs1);
    der::sequence(&[VERSION_0, RSA_ENCRYPTION, &key].concat())
}

/// `AlgorithmIdentifier` rsaEncryption, NULL.
const RSA_ENCRYPTION: &[u8] = &[0x30, 13, 6, 9, 42, 0x86, 0x48, 0x86, 0xF7, 13, 1, 1, 1, 5, 0];
/// `AlgorithmIdentifier` sha256WithRSAEncryption, NULL.
const SHA256_WITH_RSA: &[u8] = &[0x30, 13, 6, 9, 42, 0x86, 0x48, 0x86, 0xF7, 13, 1, 1, 11, 5, 0];

/// A certificate in which identity providers expect an encryption key (RFC 5280, version 1, no
/// extensions): same key, same bytes, so that metadata does not change from start to start. Its
/// dates mean nothing; they are wide because some identity providers look at them.
fn self_signed(pair: &KeyPair) -> Option<Vec<u8>> {
    // CN=studio-broker
    let name = der::sequence(&der::tagged(
        0x31,
        &der::sequence(&[&[6, 3, 0x55, 4, 3], &*der::tagged(0x0C, b"studio-broker")].concat()),
    ));
    let validity = der::sequence(
        &[der::tagged(0x17, b"200101000000Z"), der::tagged(0x18, b"20991231235959Z")].concat(),
    );
    let key =
        der::sequence(&[RSA_ENCRYPTION, &der::bit_string(pair.public_key().as_ref())].concat());
    let content = der::sequence(
        &[&der::unsigned(&[1]), SHA256_WITH_RSA, &name, &validity, &name, &key].concat(),
    );
    let mut signature = vec![0; pair.public_modulus_len()];
    let random = rand::SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, &content, &mut signature).ok()?;
    Some(der::sequence(&[&content, SHA256_WITH_RSA, &der::bit_string(&signature)].concat()))
}

/// Decrypts the assertion in `place`, an `EncryptedAssertion`, and reads it as if it stood there.
/// `authentic` says whether the response around it has a signature that verified.
pub(crate) fn decrypt(
    place: Element<'_>,
    keys: &DecryptionKeys,
    authentic: bool,
    limits: Limits,
) -> Result<Document, Rejection> {
    let encrypted = Encrypted::read(place)?;
    if matches!(encrypted.content, Content::Cbc128 | Content::Cbc256) && !authentic {
        return Err(Rejection::EncryptionUnauthenticated);
    }
    if keys.keys.is_empty() {
        return Err(Rejection::DecryptionKeyMissing);
    }
    let content_key =
        keys.unwrap(&encrypted.wrapped_key, encrypted.oaep, encrypted.content.key_size());
    let plaintext = encrypted.content.open(&content_key, encrypted.ciphertext);
    let document = Document::parse_in_place_of(&plaintext.unwrap_or_default(), place, limits)
        .map_err(|_| Rejection::DecryptionFailed)?;
    match document.root().is(SAML, "Assertion") {
        true => Ok(document),
        false => Err(Rejection::DecryptionFailed),
    }
}

struct Encrypted {
    content: Content,
    ciphertext: Vec<u8>,
    oaep: &'static OaepAlgorithm,
    wrapped_key: Vec<u8>,
}

impl Encrypted {
    /// One `EncryptedData` and one `EncryptedKey`, inside or beside it.
    fn read(place: Element<'_>) -> Result<Self, Rejection> {
        let data = place
            .only(XENC, "EncryptedData")
            .map_err(|_| malformed("not exactly one EncryptedData"))?;
        let mut beside = place.elements_named(XENC, "EncryptedKey");
        let (beside, more) = (beside.next(), beside.next().is_some());
        if more || place.elements().count() != 1 + usize::from(beside.is_some()) {
            return Err(malformed("unexpected content of EncryptedAssertion"));
        }
        if data.attribute("Type").is_some_and(|kind| kind != ELEMENT) {
            return Err(malformed("EncryptedData of another type than Element"));
        }
        let (method, ciphertext) = read_parts(data)?;
        let content = Content::read(method)?;
        let key = encrypted_key(data, beside)?;
        let (method, wrapped_key) = read_parts(key)?;
        Ok(Self { content, ciphertext, oaep: read_oaep(method)?, wrapped_key })
    }
}

fn malformed(what: &'static str) -> Rejection {
    Rejection::EncryptionMalformed { what }
}

/// The method and the octets of an `EncryptedData` or `EncryptedKey`.
fn read_parts(encrypted: Element<'_>) -> Result<(Element<'_>, Vec<u8>), Rejection> {
    let known = |element: Element<'_>| match element.namespace() {
        XENC => matches!(
            element.local(),
            "EncryptionMethod" | "CipherData" | "ReferenceList" | "CarriedKeyName"
        ),
        DS => element.local() == "KeyInfo",
        _ => false,
    };
    if !encrypted.elements().all(known) {
        return Err(malformed("unexpected content of EncryptedData or EncryptedKey"));
    }
    let method = encrypted
        .only(XENC, "EncryptionMethod")
        .map_err(|_| malformed("not exactly one EncryptionMethod"))?;
    let data =
        encrypted.only(XENC, "CipherData").map_err(|_| malformed("not exactly one CipherData"))?;
    let value = data
        .only(XENC, "CipherValue")
        .ok()
        .filter(|_| data.elements().count() == 1)
        .ok_or_else(|| malformed("not exactly one CipherValue"))?;
    let octets = base64_text(value).ok_or_else(|| malformed("CipherValue is not base64"))?;
    Ok((method, octets))
}

/// The `EncryptedKey` inside the data's `KeyInfo`, or the one beside to which a `RetrievalMethod`
/// there points. What else is in `KeyInfo` is not looked at.
fn encrypted_key<'d>(
    data: Element<'d>,
    beside: Option<Element<'d>>,
) -> Result<Element<'d>, Rejection> {
    let info = data.only(DS, "KeyInfo").map_err(|_| malformed("not exactly one KeyInfo"))?;
    let inside = info.only(XENC, "EncryptedKey");
    let retrieval = info.only(DS, "RetrievalMethod");
    match (inside, retrieval, beside) {
        (Ok(key), Err(0), None) => Ok(key),
        (Err(0), Ok(retrieval), Some(key)) => {
            let id = key.attribute("Id");
            let uri = retrieval.attribute("URI").and_then(|uri| uri.strip_prefix('#'));
            let kind = retrieval.attribute("Type");
            if id.is_none() || uri != id || kind.is_some_and(|kind| kind != ENCRYPTED_KEY) {
                return Err(malformed("RetrievalMethod does not point at the EncryptedKey"));
            }
            match retrieval.is_blank() {
                true => Ok(key),
                false => Err(malformed("RetrievalMethod with transforms")),
            }
        }
        _ => Err(malformed("not exactly one EncryptedKey, inside or beside by RetrievalMethod")),
    }
}

/// RSA-OAEP with the same hash for label and mask: SHA-1 as `rsa-oaep-mgf1p` has it by default,
/// SHA-256 by `xmlenc11#rsa-oaep`.
fn read_oaep(method: Element<'_>) -> Result<&'static OaepAlgorithm, Rejection> {
    let parameter = |namespace, name, default| match method.only(namespace, name) {
        Ok(element) => element.attribute("Algorithm").filter(|_| element.is_blank()),
        Err(0) => Some(default),
        Err(_) => None,
    };
    let digest = parameter(DS, "DigestMethod", "http://www.w3.org/2000/09/xmldsig#sha1");
    let mask = parameter(XENC11, "MGF", "http://www.w3.org/2009/xmlenc11#mgf1sha1");
    let others = method
        .elements()
        .any(|element| !element.is(DS, "DigestMethod") && !element.is(XENC11, "MGF"));
    if others {
        return Err(malformed("unexpected parameters of key transport"));
    }
    let algorithm = method.attribute("Algorithm");
    match (algorithm, digest, mask) {
        (
            Some("http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"),
            Some("http://www.w3.org/2000/09/xmldsig#sha1"),
            Some("http://www.w3.org/2009/xmlenc11#mgf1sha1"),
        ) => Ok(&OAEP_SHA1_MGF1SHA1),
        (
            Some("http://www.w3.org/2009/xmlenc11#rsa-oaep"),
            Some("http://www.w3.org/2001/04/xmlenc#sha256"),
            Some("http://www.w3.org/2009/xmlenc11#mgf1sha256"),
        ) => Ok(&OAEP_SHA256_MGF1SHA256),
        _ => Err(Rejection::EncryptionUnsupported {
            what: "key transport",
            got: algorithm.map(|algorithm| {
                let [digest, mask] = [digest, mask].map(|name| name.unwrap_or("malformed"));
                format!("{algorithm} with {digest} and {mask}")
            }),
        }),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Gcm128,
    Gcm256,
    Cbc128,
    Cbc256,
}

impl Content {
    fn read(method: Element<'_>) -> Result<Self, Rejection> {
        if !method.is_blank() {
            return Err(malformed("unexpected parameters of content encryption"));
        }
        match method.attribute("Algorithm") {
            Some("http://www.w3.org/2009/xmlenc11#aes128-gcm") => Ok(Self::Gcm128),
            Some("http://www.w3.org/2009/xmlenc11#aes256-gcm") => Ok(Self::Gcm256),
            Some("http://www.w3.org/2001/04/xmlenc#aes128-cbc") => Ok(Self::Cbc128),
            Some("http://www.w3.org/2001/04/xmlenc#aes256-cbc") => Ok(Self::Cbc256),
            got => Err(Rejection::EncryptionUnsupported {
                what: "content",
                got: got.map(str::to_owned),
            }),
        }
    }

    fn key_size(self) -> usize {
        match self {
            Self::Gcm128 | Self::Cbc128 => 16,
            Self::Gcm256 | Self::Cbc256 => 32,
        }
    }

    fn open(self, key: &[u8], ciphertext: Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Self::Gcm128 => open_gcm(UnboundKey::new(&AES_128_GCM, key).ok()?, ciphertext),
            Self::Gcm256 => open_gcm(UnboundKey::new(&AES_256_GCM, key).ok()?, ciphertext),
            Self::Cbc128 => open_cbc(UnboundCipherKey::new(&AES_128, key).ok()?, ciphertext),
            Self::Cbc256 => open_cbc(UnboundCipherKey::new(&AES_256, key).ok()?, ciphertext),
        }
    }
}

/// Nonce of 12 bytes, ciphertext, tag of 16 bytes (XML Encryption 5.2.4).
fn open_gcm(key: UnboundKey, mut ciphertext: Vec<u8>) -> Option<Vec<u8>> {
    let (nonce, sealed) = ciphertext.split_at_mut_checked(12)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = LessSafeKey::new(key).open_in_place(nonce, Aad::empty(), sealed).ok()?;
    Some(opened.to_vec())
}

/// Initialization vector of 16 bytes, then blocks, the last byte of which counts the padding
/// (XML Encryption 5.2.1).
fn open_cbc(key: UnboundCipherKey, mut ciphertext: Vec<u8>) -> Option<Vec<u8>> {
    let (vector, blocks) = ciphertext.split_at_mut_checked(16)?;
    let vector: [u8; 16] = (&*vector).try_into().ok()?;
    let context = DecryptionContext::Iv128(vector.into());
    let key = PaddedBlockDecryptingKey::cbc_iso10126(key).ok()?;
    Some(key.decrypt(blocks, context).ok()?.to_vec())
}
