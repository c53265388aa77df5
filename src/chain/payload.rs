//! Payloads: streamed into chunks before the entry that commits to them, and read back against the commitment.

use std::io::{Read, Write};
use std::path::Path;

use rusqlite::{Connection, params};

use super::error::from_sqlite;
use super::hash::{Commitment, Hash};
use super::store::{Entry, PartDraft, PartSource, Store};
use super::{Error, Fault, Result};

/// Largest chunk, bytes.
pub(super) const CHUNK: usize = 1024 * 1024;
/// Largest payload that [`Store::part`] hands over in memory, bytes; larger ones are copied with [`Store::copy_part`].
pub const IN_MEMORY_MAX: u64 = 256 * 1024 * 1024;

/// A payload that lies in chunks, waiting for its entry.
pub(super) struct Spooled {
    pub salt: [u8; 32],
    pub spool: [u8; 16],
    pub size: u64,
    pub commit: Hash,
}

/// Writes a payload into chunks, one short transaction each, without a sync of its own: the append's sync covers them.
pub(super) fn spool(conn: &Connection, path: &Path, draft: &PartDraft) -> Result<Spooled> {
    let sql = |e| from_sqlite(path, e);
    let (mut salt, mut spool) = ([0; 32], [0; 16]);
    for bytes in [&mut salt[..], &mut spool[..]] {
        getrandom::fill(bytes).map_err(|e| Error::Io { path: path.to_owned(), why: format!("no randomness: {e}") })?;
    }
    let mut commitment = Commitment::new(&salt);
    let mut n = 0i64;
    let mut insert = conn.prepare_cached("INSERT INTO chunk (spool, n, bytes) VALUES (?1, ?2, ?3)").map_err(sql)?;
    let mut write = |bytes: &[u8]| -> Result<()> {
        commitment.update(bytes);
        insert.execute(params![&spool[..], n, bytes]).map_err(sql)?;
        n += 1;
        Ok(())
    };
    let written = match &draft.source {
        PartSource::Bytes(bytes) => bytes.chunks(CHUNK).try_for_each(&mut write),
        PartSource::File(file) => each_chunk_of(file, &mut write),
    };
    if let Err(error) = written {
        forget(conn, &spool);
        return Err(error);
    }
    Ok(Spooled { salt, spool, size: commitment.len(), commit: commitment.finish() })
}

fn each_chunk_of(file: &Path, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let why = |e: std::io::Error| Error::Source { path: file.to_owned(), why: e.to_string() };
    let mut reader = std::fs::File::open(file).map_err(why)?;
    let mut chunk = Vec::with_capacity(CHUNK);
    loop {
        chunk.clear();
        Read::by_ref(&mut reader).take(CHUNK as u64).read_to_end(&mut chunk).map_err(why)?;
        if chunk.is_empty() {
            return Ok(());
        }
        write(&chunk)?;
    }
}

/// Deletes chunks that no part names. Best effort: orphans are harmless, and the failure that led here is the one to report.
pub(super) fn forget(conn: &Connection, spool: &[u8; 16]) {
    // Whoever could not write for want of the lock has waited long enough.
    let _ = conn.busy_timeout(std::time::Duration::ZERO);
    let _ = conn.execute("DELETE FROM chunk WHERE spool = ?1", [&spool[..]]);
    let _ = conn.busy_timeout(super::open::BUSY);
}

/// The two columns of a part; both are NULL once it is erased.
type SaltAndSpool = (Option<Vec<u8>>, Option<Vec<u8>>);

impl Store {
    /// A payload in memory, checked against its commitment. `None`: erased. At most [`IN_MEMORY_MAX`] bytes.
    pub fn part(&self, seq: u64, name: &str) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        Ok(self.copy_part_up_to(seq, name, IN_MEMORY_MAX, &mut bytes)?.map(|_| bytes))
    }

    /// A payload in memory, as [`Store::part`], of an entry that was read before.
    pub fn part_of(&self, entry: &Entry, name: &str) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        Ok(self.copy_part_of(entry, name, IN_MEMORY_MAX, &mut bytes)?.map(|_| bytes))
    }

    /// Copies a payload out chunk by chunk and checks its commitment; the size in bytes, or `None` when it was erased.
    /// On an error what was copied so far must not be used.
    pub fn copy_part(&self, seq: u64, name: &str, to: &mut dyn Write) -> Result<Option<u64>> {
        self.copy_part_up_to(seq, name, u64::MAX, to)
    }

    /// The salt of a payload that is still there: the package carries it, so that the commitment can be checked.
    pub fn part_salt(&self, seq: u64, name: &str) -> Result<Option<[u8; 32]>> {
        Ok(self.part_row(seq, name)?.map(|(salt, _)| salt))
    }

    fn part_row(&self, seq: u64, name: &str) -> Result<Option<([u8; 32], Vec<u8>)>> {
        let row: Option<SaltAndSpool> = self
            .conn()
            .prepare_cached("SELECT salt, spool FROM part WHERE seq = ?1 AND name = ?2")
            .and_then(|mut statement| statement.query_row(params![seq_column(seq), name], |row| Ok((row.get(0)?, row.get(1)?))))
            .map(Some)
            .or_else(|e| if e == rusqlite::Error::QueryReturnedNoRows { Ok(None) } else { Err(self.sql(e)) })?;
        match row {
            None => Err(Fault::new(format!("MISSING({seq}-{name})"), format!("the payload {name} of entry {seq} is gone")).into()),
            Some((None, None)) => Ok(None),
            Some((Some(salt), Some(spool))) => match <[u8; 32]>::try_from(salt) {
                Ok(salt) => Ok(Some((salt, spool))),
                Err(_) => Err(edited(seq, name).into()),
            },
            Some(_) => Err(edited(seq, name).into()),
        }
    }

    fn copy_part_up_to(&self, seq: u64, name: &str, most: u64, to: &mut dyn Write) -> Result<Option<u64>> {
        self.copy_part_of(&self.entry(seq)?, name, most, to)
    }

    fn copy_part_of(&self, entry: &Entry, name: &str, most: u64, to: &mut dyn Write) -> Result<Option<u64>> {
        let seq = entry.seq;
        let Some(part) = entry.header.parts.iter().find(|part| part.name == name) else {
            return Err(Error::NoPart { seq, name: name.to_owned() });
        };
        if part.size > most {
            return Err(Error::Refused(format!("{name} of entry {seq} has {} bytes; copy it to a file", part.size)));
        }
        let Some((salt, spool)) = self.part_row(seq, name)? else { return Ok(None) };
        let sql = |e| self.sql(e);
        let mut commitment = Commitment::new(&salt);
        let mut statement =
            self.conn().prepare_cached("SELECT n, bytes FROM chunk WHERE spool = ?1 AND length(bytes) <= ?2 ORDER BY n").map_err(sql)?;
        let mut rows = statement.query(params![spool, CHUNK as i64]).map_err(sql)?;
        let mut wanted = 0i64;
        while let Some(row) = rows.next().map_err(sql)? {
            let n: i64 = row.get(0).map_err(sql)?;
            let bytes = row.get_ref(1).and_then(|v| Ok(v.as_blob()?)).map_err(sql)?;
            if n != wanted || commitment.len() + bytes.len() as u64 > part.size {
                return Err(edited(seq, name).into());
            }
            wanted += 1;
            commitment.update(bytes);
            to.write_all(bytes).map_err(|e| Error::Io { path: self.path().to_owned(), why: format!("copying {name}: {e}") })?;
        }
        if commitment.len() != part.size || commitment.finish() != part.commit {
            return Err(edited(seq, name).into());
        }
        Ok(Some(part.size))
    }
}

/// Sequence numbers are far below 2^63; a larger one simply matches no row.
pub(super) fn seq_column(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(-1)
}

fn edited(seq: u64, name: &str) -> Fault {
    Fault::new(format!("EDITED({seq}-{name})"), format!("the payload {name} of entry {seq} is not what the entry commits to"))
}
