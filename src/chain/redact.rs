//! Erasing a payload. The entry that says so and the erasure are one transaction; afterwards the bytes are taken out of the files.
//!
//! Commitment, leaf and root stay as they are, so that every signature and every head that somebody holds still fits: what is gone is the
//! payload and the salt, without which the commitment tells nothing that could be guessed at.

use rusqlite::{Connection, params};

use super::error::from_sqlite;
use super::kind::EntryType;
use super::payload::seq_column;
use super::store::{Draft, Entry, Store};
use super::{Error, Result};

/// How long the erasure waits for other programs.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// Whether erased bytes are still somewhere in the ledger's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erased {
    /// Neither in the file nor beside it.
    Everywhere,
    /// No reader of the ledger sees them any more, but the files may hold them, and why.
    NotYet(String),
}

impl Store {
    /// Appends `draft`, a signed `part.redacted` whose body names `seq` and `name`, and erases that payload with it; then takes the
    /// bytes out of the files. A statement is never erased, and a payload only once.
    pub fn redact(&mut self, mut draft: Draft, seq: u64, name: &str) -> Result<(Entry, Erased)> {
        let refuse = |why: String| Err(Error::Refused(why));
        if draft.kind != EntryType::PartRedacted {
            return refuse(format!("{} erases nothing", draft.kind.as_str()));
        }
        let target = self.entry(seq)?;
        let Some(part) = target.header.parts.iter().find(|part| part.name == name) else {
            return Err(Error::NoPart { seq, name: name.to_owned() });
        };
        if let Some(path) = part.path.as_deref().filter(|path| path.starts_with("sig/") || path.starts_with("trust/")) {
            return refuse(format!("{path} is what others are judged by; it is never redacted"));
        }
        if self.part_salt(seq, name)?.is_none() {
            return refuse(format!("{name} of entry {seq} is redacted already"));
        }
        draft.body.insert("seq".into(), seq.into());
        draft.body.insert("part".into(), name.into());
        let path = self.path().to_owned();
        let (row, name) = (seq_column(seq), name.to_owned());
        let erase = move |conn: &Connection| {
            let sql = |e| from_sqlite(&path, e);
            // Asked inside the transaction: two who redact the same part make one entry, not two.
            let spool: Option<Vec<u8>> =
                conn.query_row("SELECT spool FROM part WHERE seq = ?1 AND name = ?2", params![row, name], |row| row.get(0)).map_err(sql)?;
            let Some(spool) = spool else { return Err(Error::Refused(format!("{name} of entry {row} is redacted already"))) };
            conn.execute("UPDATE part SET salt = NULL, spool = NULL WHERE seq = ?1 AND name = ?2", params![row, name]).map_err(sql)?;
            conn.execute("DELETE FROM chunk WHERE spool = ?1", [spool]).map_err(sql)?;
            Ok(())
        };
        let entry = self.append_with(draft, &erase)?;
        let erased = self.take_out_erased()?;
        Ok((entry, erased))
    }

    /// Takes what was erased out of the file and the `-wal`. Zeroes stand where the payload stood as soon as it is deleted, but SQLite
    /// copies rows when it splits a page and does not clear the old place, so the file is written anew (VACUUM) as well. Both need that
    /// no other program is reading.
    pub fn take_out_erased(&mut self) -> Result<Erased> {
        // A reader that stays is not waited for: the person is told, and finishes later.
        self.wait_for_others(PATIENCE)?;
        let erased = self.take_out();
        self.wait_for_others(super::open::BUSY)?;
        erased
    }

    fn take_out(&self) -> Result<Erased> {
        for step in [Self::fold_in, Self::write_anew, Self::fold_in] {
            if let Some(why) = step(self)? {
                return Ok(Erased::NotYet(why));
            }
        }
        Ok(Erased::Everywhere)
    }

    /// Folds the `-wal` into the file and cuts it to nothing; the reason when that could not be done now.
    fn fold_in(&self) -> Result<Option<String>> {
        let busy: i64 = self.conn().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).or_else(|e| {
            match from_sqlite(self.path(), e) {
                Error::Locked(_) => Ok(1),
                other => Err(other),
            }
        })?;
        Ok((busy != 0).then(|| "another program is reading the ledger".to_owned()))
    }

    fn write_anew(&self) -> Result<Option<String>> {
        match self.conn().execute_batch("VACUUM").map_err(|e| self.sql(e)) {
            Ok(()) => Ok(None),
            Err(Error::Locked(_)) => Ok(Some("another program is using the ledger".to_owned())),
            Err(Error::Full(_)) => Ok(Some("there is no room to write the file anew".to_owned())),
            Err(other) => Err(other),
        }
    }
}
