//! SSHSIG (OpenSSH PROTOCOL.sshsig): written in one form, and read in that form only.
//!
//! A signature is taken apart and put together again; if the text differs from what we would have written, it is refused. So no second
//! parser can read another key, namespace or hash from it. Accepted: version 1, `ssh-ed25519`, sha512, empty `reserved`, canonical base64
//! in 70 columns, LF, S < L, no small-order A or R.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};

use super::keys::{PublicKey, SigningKey, Signs, put};
use super::{Namespace, SignError};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";
const MAGIC: &[u8] = b"SSHSIG";
const COLUMNS: usize = 70;
/// An accepted signature has about 300 bytes.
const LONGEST: usize = 4096;

/// A signature of the accepted form; not yet checked against a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSig {
    pub key: PublicKey,
    pub namespace: Namespace,
    signature: [u8; 64],
}

/// Signs a message under a namespace; the armoured text.
pub fn sign(key: &SigningKey, namespace: Namespace, message: &[u8]) -> String {
    let signature = key.sign_bytes(&signed_data(namespace, message));
    SshSig { key: key.public(), namespace, signature }.armored()
}

/// The same by whatever can sign. What comes back is checked before it is given on: an agent's answer is somebody else's.
pub fn sign_with(key: &dyn Signs, namespace: Namespace, message: &[u8]) -> Result<String, SignError> {
    let signature = key.sign_raw(&signed_data(namespace, message))?;
    let signed = SshSig { key: key.public(), namespace, signature };
    signed.check(message)?;
    Ok(signed.armored())
}

/// Reads an armoured signature and checks it over a message under a namespace. Gives the key; whether it may sign is allowed_signers' answer.
pub fn verify(armored: &[u8], namespace: Namespace, message: &[u8]) -> Result<PublicKey, SignError> {
    let sig = SshSig::parse(armored)?;
    if sig.namespace != namespace {
        return Err(SignError::Form("a signature for another purpose"));
    }
    sig.check(message)?;
    Ok(sig.key)
}

impl SshSig {
    /// Reads the one accepted form.
    pub fn parse(armored: &[u8]) -> Result<Self, SignError> {
        let form = SignError::Form;
        if armored.len() > LONGEST {
            return Err(form("too long"));
        }
        let text = std::str::from_utf8(armored).map_err(|_| form("not a text"))?;
        let inner = text.strip_prefix(BEGIN).and_then(|t| t.strip_suffix(END)).ok_or(form("no SSH SIGNATURE armour"))?;
        let joined: String = inner.split('\n').collect();
        let blob = STANDARD.decode(&joined).map_err(|_| form("not canonical base64"))?;
        let mut at = blob.as_slice();
        if take(&mut at, MAGIC.len()) != Some(MAGIC) || take(&mut at, 4) != Some(&[0, 0, 0, 1]) {
            return Err(form("not SSHSIG version 1"));
        }
        let fields: Option<Vec<&[u8]>> = (0..5).map(|_| string(&mut at)).collect();
        let Some([key, namespace, reserved, hash, signature]) = fields.as_deref().and_then(|f| <[&[u8]; 5]>::try_from(f).ok()) else {
            return Err(form("cut short"));
        };
        let key = PublicKey::from_blob(key).ok_or(form("not an ssh-ed25519 key (certificates, RSA and sk- keys are refused)"))?;
        let namespace = std::str::from_utf8(namespace).ok().and_then(Namespace::from_name).ok_or(form("an unknown namespace"))?;
        if !reserved.is_empty() {
            return Err(form("reserved is not empty"));
        }
        if hash != b"sha512" {
            return Err(form("a hash other than sha512"));
        }
        let mut rest = signature;
        let algorithm = string(&mut rest);
        let raw = string(&mut rest);
        let (Some(b"ssh-ed25519"), Some(raw)) = (algorithm, raw) else { return Err(form("not an ssh-ed25519 signature")) };
        let signature = raw.try_into().map_err(|_| form("an Ed25519 signature has 64 bytes"))?;
        let sig = Self { key, namespace, signature };
        if sig.armored() != text {
            return Err(form("not the canonical form"));
        }
        Ok(sig)
    }

    /// Checks the signature over a message: strict Ed25519.
    pub fn check(&self, message: &[u8]) -> Result<(), SignError> {
        let r: [u8; 32] = std::array::from_fn(|i| self.signature[i]);
        if !is_reduced(&self.key.0) || !is_reduced(&r) {
            return Err(SignError::Form("a public key or a point R that is not reduced"));
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.key.0).map_err(|_| SignError::Form("not a point of the curve"))?;
        let signature = ed25519_dalek::Signature::from_bytes(&self.signature);
        key.verify_strict(&signed_data(self.namespace, message), &signature).map_err(|_| SignError::Mismatch)
    }

    fn armored(&self) -> String {
        let mut signature = Vec::new();
        put(&mut signature, b"ssh-ed25519");
        put(&mut signature, &self.signature);
        let mut blob = MAGIC.to_vec();
        blob.extend_from_slice(&1u32.to_be_bytes());
        for field in [self.key.blob().as_slice(), self.namespace.as_str().as_bytes(), b"", b"sha512", &signature] {
            put(&mut blob, field);
        }
        let text = STANDARD.encode(blob);
        let mut out = String::from(BEGIN);
        for line in text.as_bytes().chunks(COLUMNS) {
            out.extend(line.iter().map(|b| char::from(*b)));
            out.push('\n');
        }
        out + END
    }
}

/// What Ed25519 signs: the magic, the namespace and the message's hash.
fn signed_data(namespace: Namespace, message: &[u8]) -> Vec<u8> {
    let mut data = MAGIC.to_vec();
    for field in [namespace.as_str().as_bytes(), b"", b"sha512", Sha512::digest(message).as_slice()] {
        put(&mut data, field);
    }
    data
}

/// Whether the y coordinate is below p = 2^255 − 19, so that the point has one spelling.
fn is_reduced(point: &[u8; 32]) -> bool {
    let high = point[31] & 0x7f == 0x7f && point[1..31].iter().all(|b| *b == 0xff);
    !(high && point[0] >= 0xed)
}

pub(super) fn take<'a>(at: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (head, rest) = at.split_at_checked(n)?;
    *at = rest;
    Some(head)
}

pub(super) fn string<'a>(at: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take(at, 4)?;
    take(at, u32::from_be_bytes(length.try_into().ok()?) as usize)
}
