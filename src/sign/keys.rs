//! Keys: Ed25519 in OpenSSH's own files. Certificates, RSA and hardware (`sk-`) keys are refused with a reason.

use std::fmt;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use ssh_key::private::Ed25519Keypair;
use ssh_key::{LineEnding, PrivateKey};

use super::SignError;

const NOT_A_KEY: &str = "not an OpenSSH private key of a kind that is accepted; make one with ssh-keygen -t ed25519";
pub(super) const ALGORITHM: &str = "ssh-ed25519";

/// An Ed25519 public key, the 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// The SSH wire form: string "ssh-ed25519", string key.
    pub fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity(51);
        put(&mut blob, ALGORITHM.as_bytes());
        put(&mut blob, &self.0);
        blob
    }

    /// Reads exactly the wire form.
    pub fn from_blob(blob: &[u8]) -> Option<Self> {
        let key = Self(blob.get(blob.len().checked_sub(32)?..)?.try_into().ok()?);
        (key.blob() == blob).then_some(key)
    }

    /// Reads one canonical base64 spelling of the wire form.
    pub fn from_base64(text: &str) -> Option<Self> {
        let blob = STANDARD.decode(text).ok()?;
        (STANDARD.encode(&blob) == text).then(|| Self::from_blob(&blob)).flatten()
    }

    /// Reads `ssh-ed25519 BASE64[ comment]`, the line of a `.pub` file.
    pub fn from_line(line: &str) -> Option<Self> {
        Self::from_base64(line.strip_prefix(ALGORITHM)?.strip_prefix(' ')?.split(' ').next()?)
    }

    /// The wire form in base64, as in a `.pub` file.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.blob())
    }

    /// First 16 hex digits of SHA-256 of the wire form: the `<key>` of signature rows and file names.
    pub fn id(&self) -> String {
        hex::encode(&Sha256::digest(self.blob())[..8])
    }

    /// `SHA256:…` as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", base64::engine::general_purpose::STANDARD_NO_PAD.encode(Sha256::digest(self.blob())))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

/// Appends an SSH string: length, then bytes.
pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // All strings of this module are far below 4 GiB.
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// What can sign: a key in memory, or one that an agent holds.
pub trait Signs {
    /// The public half.
    fn public(&self) -> PublicKey;

    /// The Ed25519 signature over these bytes.
    fn sign_raw(&self, data: &[u8]) -> Result<[u8; 64], SignError>;
}

/// A private key in memory, ready to sign.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public())
    }
}

impl SigningKey {
    /// Reads an OpenSSH private key file. `passphrase` is asked once, and only when the file is encrypted.
    /// As `ssh` does, a file that others can read is refused.
    pub fn load(path: &Path, passphrase: &mut dyn FnMut(&Path) -> Option<String>) -> Result<Self, SignError> {
        let refuse = |why: String| SignError::Key { path: path.to_owned(), why };
        let meta = std::fs::metadata(path).map_err(|e| refuse(e.to_string()))?;
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(refuse("others can read this private key; run chmod 600 on it".into()));
        }
        if meta.len() > 64 * 1024 {
            return Err(refuse("too long for a key".into()));
        }
        let text = std::fs::read(path).map_err(|e| refuse(e.to_string()))?;
        let mut key = PrivateKey::from_openssh(&text).map_err(|_| refuse(NOT_A_KEY.into()))?;
        if key.is_encrypted() {
            let secret = passphrase(path).ok_or_else(|| SignError::NeedsPassphrase(path.to_owned()))?;
            key = key.decrypt(secret).map_err(|_| refuse("wrong passphrase".into()))?;
        }
        match key.key_data().ed25519() {
            Some(pair) => Ok(Self::from_seed(pair.private.to_bytes())),
            None => Err(refuse(format!("a key of algorithm {}; only ssh-ed25519 is accepted", key.algorithm()))),
        }
    }

    /// The public half of an OpenSSH private key file, which says it without its passphrase, and whether the key is encrypted.
    pub fn peek(path: &Path) -> Result<(Option<PublicKey>, bool), SignError> {
        let refuse = |why: String| SignError::Key { path: path.to_owned(), why };
        let text = std::fs::read(path).map_err(|e| refuse(e.to_string()))?;
        let key = PrivateKey::from_openssh(&text).map_err(|_| refuse(NOT_A_KEY.into()))?;
        Ok((key.public_key().key_data().ed25519().map(|public| PublicKey(public.0)), key.is_encrypted()))
    }

    /// A key from its 32-byte seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { key: ed25519_dalek::SigningKey::from_bytes(&seed) }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }

    pub(super) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        use ed25519_dalek::Signer;
        self.key.sign(message).to_bytes()
    }
}

impl Signs for SigningKey {
    fn public(&self) -> PublicKey {
        Self::public(self)
    }

    fn sign_raw(&self, data: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.sign_bytes(data))
    }
}

/// Makes a new key: the OpenSSH private key at `path` (mode 0600, not encrypted) and `<path>.pub`. Existing files are never overwritten.
pub fn generate(path: &Path, comment: &str) -> Result<SigningKey, SignError> {
    let refuse = |why: String| SignError::Key { path: path.to_owned(), why };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| refuse(format!("no randomness: {e}")))?;
    let private = PrivateKey::new(Ed25519Keypair::from_seed(&seed).into(), comment).map_err(|e| refuse(e.to_string()))?;
    let text = private.to_openssh(LineEnding::LF).map_err(|e| refuse(e.to_string()))?;
    let key = SigningKey::from_seed(seed);
    write_new(path, 0o600, text.as_bytes()).map_err(|e| refuse(e.to_string()))?;
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    let public = PathBuf::from(public);
    let line = format!("{ALGORITHM} {} {comment}\n", key.public().to_base64());
    write_new(&public, 0o644, line.as_bytes()).map_err(|e| SignError::Key { path: public.clone(), why: e.to_string() })?;
    Ok(key)
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
