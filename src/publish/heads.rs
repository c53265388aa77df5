//! Signatures beside the chain: results of tasks, and heads. They are rows, not entries, so that signing never moves what is signed.

use super::Result;
use crate::chain::{EntryType, Proof, SignatureRow, Signed, Store};
use crate::sign::signers::Standing;
use crate::sign::{AllowedSigners, Namespace, PublicKey, Signs, sshsig, task_message};

/// For which of the two a key is trusted at a time: results, heads.
pub fn roles(signers: &AllowedSigners, key: &PublicKey, at: &str) -> (bool, bool) {
    let holds = |namespace| matches!(signers.standing(key, namespace, at), Standing::Holds(_));
    (holds(Namespace::Task), holds(Namespace::Checkpoint))
}

/// Signs the result in entry `seq`.
pub fn sign_result(store: &mut Store, seq: u64, key: &dyn Signs) -> Result<()> {
    let entry = store.entry(seq)?;
    if entry.header.kind != EntryType::TaskResult {
        return Err(super::PublishError::refused(format!("entry {seq} is no task's result"), "ledger log shows which entries are"));
    }
    let message = task_message(store.ledger_id(), seq, &entry.leaf);
    add(store, Signed::Task(seq), key, Namespace::Task, message.as_bytes())
}

/// Signs the checkpoint of a size; the same key's earlier signature stays.
pub fn sign_checkpoint(store: &mut Store, size: u64, key: &dyn Signs) -> Result<()> {
    let text = store.checkpoint_text(size)?;
    add(store, Signed::Checkpoint(size), key, Namespace::Checkpoint, text.as_bytes())
}

fn add(store: &mut Store, over: Signed, key: &dyn Signs, namespace: Namespace, message: &[u8]) -> Result<()> {
    let bytes = sshsig::sign_with(key, namespace, message)?.into_bytes();
    Ok(store.add_signature(&SignatureRow { over, key: key.public().id(), bytes })?)
}

/// The proof of entry `seq`. Without a size, the smallest signed head that covers the entry is taken, and without one the ledger's own.
pub fn prove(store: &Store, seq: u64, size: Option<u64>) -> Result<Proof> {
    let len = store.len()?;
    let (least, most) = size.map_or((seq.saturating_add(1), len), |size| (size.max(seq.saturating_add(1)), size.min(len)));
    let signed = store.signed_head(least, most)?;
    let size = size.or(signed.as_ref().map(|(n, _)| *n)).unwrap_or(len);
    let mut proof = store.prove(seq, size)?;
    proof.signature = signed.and_then(|(_, bytes)| String::from_utf8(bytes).ok());
    Ok(proof)
}
