//! Whether a person's statement counts: signed, over this ledger and run, by a key that a file of allowed signers gives the role.
//!
//! `record::read` asks it with the run's own copy of allowed_signers, so that the verdict is a function of the entries; the decision
//! asks it again with the reader's own file.

use crate::chain::{EntryType, Result, Store, hash};
use crate::sign::signers::Standing;
use crate::sign::{AllowedSigners, Namespace, PublicKey, Statement, sshsig};

/// A statement as an entry carries it.
#[derive(Clone, Copy, Debug)]
pub struct Carried<'a> {
    /// The entry.
    pub seq: u64,
    /// `attestation`, `waiver` or `signoff`.
    pub kind: &'a str,
    pub run: &'a str,
    pub statement: &'a [u8],
    /// `statement.sig`, armoured.
    pub signature: &'a [u8],
}

/// A statement that counts, and the key that signed it.
pub type Weighed = std::result::Result<(Statement, PublicKey), String>;

/// Weighs a statement; `at` (`YYYY-MM-DDTHH:MM:SS…Z`) is when the key must be valid. The inner error says why it does not count.
pub fn weigh(store: &Store, carried: &Carried<'_>, signers: &AllowedSigners, at: &str) -> Result<Weighed> {
    let (statement, key) = match signed(carried, signers, at) {
        Ok(signed) => signed,
        Err(why) => return Ok(Err(why)),
    };
    if statement.ledger_id != store.ledger_id() || statement.run.as_deref() != Some(carried.run) {
        return Ok(Err("WRONG-LEDGER".into()));
    }
    if let Some(seq) = revoked_before(store, signers, &key, carried.seq)? {
        return Ok(Err(format!("KEY-REVOKED by entry {seq}")));
    }
    // Signed before its entry was appended, so over at most the entries before it.
    if statement.size == 0 || statement.size > carried.seq {
        return Ok(Err("it is over a checkpoint that did not exist".into()));
    }
    if hash::sha256(store.checkpoint_text(statement.size)?.as_bytes()) != statement.checkpoint {
        return Ok(Err("it is over another checkpoint".into()));
    }
    Ok(Ok((statement, key)))
}

/// The first entry before `seq` that took the key away: a `key.revoked` that somebody signed whom the file gives `keys@ledger` at that
/// entry's time. It only takes away, and only from what came after it.
pub fn revoked_before(store: &Store, signers: &AllowedSigners, key: &PublicKey, seq: u64) -> Result<Option<u64>> {
    for entry in store.of_kind(EntryType::KeyRevoked, seq)? {
        let (Some(statement), Some(signature)) = (store.part_of(&entry, "statement.json")?, store.part_of(&entry, "statement.sig")?) else {
            continue;
        };
        let carried = Carried { seq: entry.seq, kind: "keys", run: "", statement: &statement, signature: &signature };
        if let Ok((statement, _)) = signed(&carried, signers, &entry.header.ts)
            && statement.ledger_id == store.ledger_id()
            && statement.text("change") == Some("revoked")
            && statement.text("key").and_then(PublicKey::from_line).as_ref() == Some(key)
        {
            return Ok(Some(entry.seq));
        }
    }
    Ok(None)
}

fn signed(carried: &Carried<'_>, signers: &AllowedSigners, at: &str) -> Weighed {
    let namespace = Namespace::of_statement(carried.kind).ok_or("WRONG-TYPE")?;
    let key = sshsig::verify(carried.signature, namespace, carried.statement).map_err(|error| error.to_string())?;
    let principal = match signers.standing(&key, namespace, at) {
        Standing::Holds(signer) => &signer.principal,
        Standing::WrongRole(signer) => return Err(format!("WRONG-ROLE({})", signer.principal)),
        Standing::Expired(signer) => return Err(format!("KEY-EXPIRED({})", signer.principal)),
        Standing::Unknown => return Err("UNTRUSTED-KEY".into()),
    };
    let statement = Statement::parse(carried.statement).map_err(|error| error.to_string())?;
    if statement.kind != carried.kind {
        return Err("WRONG-TYPE".into());
    }
    if statement.principal != *principal {
        return Err(format!("{principal} signed in the name of {}", statement.principal));
    }
    Ok((statement, key))
}
