//! Signing by ssh-agent: the private key stays where it is, in the agent or on a token behind it.
//!
//! The part of the protocol that this needs is two questions (draft-ietf-sshm-ssh-agent, 3.5 and 3.6), so it is spoken here rather than
//! through `ssh-keygen`, which an operator's machine may lack. Whatever the agent answers is checked as any signature is before it is used.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::keys::{PublicKey, Signs, put};
use super::sshsig::{string, take};
use super::{SignError, keys};

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// Longest answer that is read, bytes: some hundred keys.
const LONGEST: u32 = 256 * 1024;
/// A person may have to touch a token, or to type, before the agent answers.
const PATIENCE: Duration = Duration::from_secs(120);

/// A key that an agent holds.
#[derive(Debug)]
pub struct AgentKey {
    socket: PathBuf,
    public: PublicKey,
}

impl AgentKey {
    /// The agent of `SSH_AUTH_SOCK`, if it holds the key.
    pub fn find(public: PublicKey) -> Result<Self, SignError> {
        let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty()).map(PathBuf::from);
        let Some(socket) = socket else { return Err(SignError::Agent("SSH_AUTH_SOCK is not set".into())) };
        let found = Self { socket, public };
        match found.held()?.contains(&public.blob()) {
            true => Ok(found),
            false => Err(SignError::Agent(format!("it does not hold {}", public.fingerprint()))),
        }
    }

    /// The wire forms of the keys that the agent holds.
    fn held(&self) -> Result<Vec<Vec<u8>>, SignError> {
        let answer = self.ask(&[REQUEST_IDENTITIES], IDENTITIES_ANSWER)?;
        let mut at = answer.as_slice();
        let cut_short = || SignError::Agent("its list of keys is cut short".into());
        let count = take(&mut at, 4).and_then(|n| n.try_into().ok()).map(u32::from_be_bytes).ok_or_else(cut_short)?;
        let mut keys = Vec::new();
        for _ in 0..count {
            let (blob, _comment) = string(&mut at).and_then(|blob| Some((blob, string(&mut at)?))).ok_or_else(cut_short)?;
            keys.push(blob.to_vec());
        }
        Ok(keys)
    }

    /// One question, one answer of the wanted type, without its type byte.
    fn ask(&self, question: &[u8], wanted: u8) -> Result<Vec<u8>, SignError> {
        let failed = |e: std::io::Error| SignError::Agent(format!("{}: {e}", self.socket.display()));
        let mut stream = UnixStream::connect(&self.socket).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE))).map_err(failed)?;
        let mut message = Vec::new();
        put(&mut message, question);
        stream.write_all(&message).map_err(failed)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length).map_err(failed)?;
        let length = u32::from_be_bytes(length);
        if !(1..=LONGEST).contains(&length) {
            return Err(SignError::Agent("its answer is too long".into()));
        }
        let mut answer = vec![0; length as usize];
        stream.read_exact(&mut answer).map_err(failed)?;
        match answer.split_first() {
            Some((kind, rest)) if *kind == wanted => Ok(rest.to_vec()),
            _ => Err(SignError::Agent("it refused".into())),
        }
    }
}

impl Signs for AgentKey {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign_raw(&self, data: &[u8]) -> Result<[u8; 64], SignError> {
        let mut question = vec![SIGN_REQUEST];
        put(&mut question, &self.public.blob());
        put(&mut question, data);
        question.extend(0u32.to_be_bytes());
        let answer = self.ask(&question, SIGN_RESPONSE)?;
        let mut at = answer.as_slice();
        let signature = string(&mut at).and_then(|mut blob| {
            let algorithm = string(&mut blob)?;
            let raw = string(&mut blob)?;
            (algorithm == keys::ALGORITHM.as_bytes() && blob.is_empty()).then_some(raw)
        });
        signature.and_then(|raw| raw.try_into().ok()).ok_or_else(|| SignError::Agent("its answer is no ssh-ed25519 signature".into()))
    }
}
