//! Reading: entries, roots, signature and anchor rows.

use std::collections::VecDeque;
use std::ops::Range;

use rusqlite::params;

use super::checkpoint::Checkpoint;
use super::hash::{self, Hash};
use super::header::{BadHeader, Header};
use super::kind::{EntryType, kind_at_the_end};
use super::merkle;
use super::payload::seq_column;
use super::store::{Entry, Head, Store};
use super::verify::{Stored, Walk};
use super::{Error, Fault, Result};

/// What a signature row is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signed {
    /// The `task.result` at this seq.
    Task(u64),
    /// The checkpoint of this size.
    Checkpoint(u64),
}

impl Signed {
    pub(super) fn columns(self) -> (&'static str, u64) {
        match self {
            Self::Task(seq) => ("task", seq),
            Self::Checkpoint(size) => ("checkpoint", size),
        }
    }

    /// Where the signature lies in a package: `sig/task.<seq>.<key>.sig` or `sig/checkpoint.<size>.<key>.sig`.
    pub fn package_path(self, key: &str) -> String {
        let (kind, n) = self.columns();
        format!("sig/{kind}.{n}.{key}.sig")
    }
}

/// A signature beside the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureRow {
    pub over: Signed,
    /// First 16 hex digits of SHA-256 of the key blob.
    pub key: String,
    /// The armoured SSHSIG.
    pub bytes: Vec<u8>,
}

/// Something others hold about the head of size `size`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorRow {
    pub size: u64,
    /// File name in the package's `ledger/anchors/`.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// One row of `entry` as it lies there.
struct Row {
    seq: u64,
    header: Vec<u8>,
    prev: Hash,
    leaf: Hash,
}

impl Store {
    /// Entry `seq`, its hash checked.
    pub fn entry(&self, seq: u64) -> Result<Entry> {
        let mut rows = self.rows(seq..seq.saturating_add(1), 1)?;
        self.believe(rows.pop_front().ok_or(Error::NoEntry(seq))?)
    }

    /// The entries of a range, oldest first, each with its hash checked; read in batches, so memory stays bounded.
    pub fn entries(&self, range: Range<u64>) -> Entries<'_> {
        Entries { store: self, range, batch: VecDeque::new() }
    }

    /// Last entry and size.
    pub fn head(&self) -> Result<Head> {
        let row: (i64, Vec<u8>) = self
            .conn()
            .query_row("SELECT seq, leaf FROM entry ORDER BY seq DESC LIMIT 1", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|e| self.sql(e))?;
        match (u64::try_from(row.0).ok().and_then(|seq| seq.checked_add(1)), Hash::from_slice(&row.1)) {
            (Some(size), Some(leaf)) => Ok(Head { size, leaf }),
            _ => Err(Error::Damaged { path: self.path().to_owned(), why: "the last entry has no number or no hash".into() }),
        }
    }

    /// Number of entries.
    pub fn len(&self) -> Result<u64> {
        Ok(self.head()?.size)
    }

    /// A ledger has at least entry 0.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Walks the whole chain and checks every entry: what `ledger verify` does first. Gives the walk's end: size, head, root.
    pub fn check_chain(&self) -> Result<Walk> {
        let mut walk = Walk::new();
        self.walk(|stored| walk.next(stored).map(|_| ()).map_err(Error::from))?;
        if walk.size() == 0 {
            return Err(Fault::new("MALFORMED(0)", "no entry").into());
        }
        Ok(walk)
    }

    /// Feeds every stored row to `each`, unbelieved, in stored order. An oversized header arrives empty, which no grammar accepts.
    pub fn walk(&self, mut each: impl FnMut(&Stored<'_>) -> Result<()>) -> Result<()> {
        let sql = |e| self.sql(e);
        let mut statement = self
            .conn()
            .prepare("SELECT seq, CASE WHEN length(header) <= 61440 THEN header ELSE x'' END, prev, leaf FROM entry ORDER BY seq")
            .map_err(sql)?;
        let mut rows = statement.query([]).map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            let blob = |i| row.get_ref(i).and_then(|v| Ok(v.as_blob()?)).map_err(sql);
            let hash = |i| blob(i).map(|b| Hash::from_slice(b).unwrap_or(Hash([0; 32])));
            let seq = u64::try_from(row.get::<_, i64>(0).map_err(sql)?).unwrap_or(u64::MAX);
            each(&Stored { seq, header: blob(1)?, prev: hash(2)?, leaf: hash(3)? })?;
        }
        Ok(())
    }

    /// Feeds every stored row to `each` once its hash is checked, in stored order: its bytes are what was hashed, but nothing of them is
    /// read. [`Store::read`] reads those that matter, so that looking for a run's entries among many costs a hash for each of the others.
    pub fn walk_hashed(&self, mut each: impl FnMut(&Stored<'_>) -> Result<()>) -> Result<()> {
        self.walk(|stored| {
            self.hashed(stored)?;
            each(stored)
        })
    }

    /// Reads a row whose hash is checked.
    pub fn read(&self, stored: &Stored<'_>) -> Result<Entry> {
        let Stored { seq, header: bytes, prev, leaf } = *stored;
        let header = Header::read(seq, bytes).map_err(|e| malformed(seq, &e))?;
        Ok(Entry { seq, header_bytes: bytes.to_owned(), header, prev, leaf })
    }

    fn hashed(&self, stored: &Stored<'_>) -> Result<()> {
        let seq = stored.seq;
        match hash::leaf(self.ledger_id(), seq, &stored.prev, stored.header) == stored.leaf {
            true => Ok(()),
            false => Err(Fault::new(format!("EDITED({seq})"), format!("entry {seq} is not what was hashed")).into()),
        }
    }

    /// The newest entry of a type.
    pub fn newest(&self, kind: EntryType) -> Result<Option<Entry>> {
        let sql = |e| self.sql(e);
        let mut statement = self
            .conn()
            .prepare("SELECT seq, substr(header, -64) FROM entry WHERE length(header) <= 61440 ORDER BY seq DESC")
            .map_err(sql)?;
        let mut rows = statement.query([]).map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            let tail = row.get_ref(1).and_then(|v| Ok(v.as_blob()?)).map_err(sql)?;
            if kind_at_the_end(tail) == Some(kind) {
                let seq = row.get::<_, i64>(0).map_err(sql)?;
                let entry = self.entry(u64::try_from(seq).unwrap_or(u64::MAX))?;
                // What was seen before the hash was checked was a guess.
                if entry.header.kind == kind {
                    return Ok(Some(entry));
                }
            }
        }
        Ok(None)
    }

    /// The entries of a type before entry `end`, oldest first. Looking for the few among many costs little: only the last bytes of the
    /// others are looked at.
    pub fn of_kind(&self, kind: EntryType, end: u64) -> Result<Vec<Entry>> {
        let sql = |e| self.sql(e);
        let mut statement = self
            .conn()
            .prepare("SELECT seq, substr(header, -64) FROM entry WHERE length(header) <= 61440 AND seq < ?1 ORDER BY seq")
            .map_err(sql)?;
        let mut rows = statement.query([seq_column(end)]).map_err(sql)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(sql)? {
            let tail = row.get_ref(1).and_then(|v| Ok(v.as_blob()?)).map_err(sql)?;
            if kind_at_the_end(tail) == Some(kind) {
                let entry = self.entry(u64::try_from(row.get::<_, i64>(0).map_err(sql)?).unwrap_or(u64::MAX))?;
                // What was seen before the hash was checked was a guess.
                found.extend((entry.header.kind == kind).then_some(entry));
            }
        }
        Ok(found)
    }

    /// The root of the first `size` entries (1 ≤ size ≤ len): O(log n) by the derived nodes.
    pub fn root_at(&self, size: u64) -> Result<Hash> {
        if size == 0 || size > self.len()? {
            return Err(Error::NoEntry(size.saturating_sub(1)));
        }
        let peaks: Vec<Hash> = merkle::peaks(size).into_iter().map(|(level, index)| self.tree_node(level, index)).collect::<Result<_>>()?;
        Ok(merkle::fold(&peaks))
    }

    /// The checkpoint of the first `size` entries.
    pub fn checkpoint(&self, size: u64) -> Result<Checkpoint> {
        Ok(Checkpoint { ledger_id: self.ledger_id(), size, root: self.root_at(size)? })
    }

    /// The text of that checkpoint: the bytes that are signed.
    pub fn checkpoint_text(&self, size: u64) -> Result<String> {
        Ok(self.checkpoint(size)?.text())
    }

    /// Inclusion proof of entry `seq` in the tree of `size` entries, hashes from leaf to root.
    pub fn inclusion(&self, seq: u64, size: u64) -> Result<Vec<Hash>> {
        if seq >= size || size > self.len()? {
            return Err(Error::NoEntry(seq.max(size)));
        }
        merkle::inclusion(self, seq, size)
    }

    /// Consistency proof between the trees of `old` and `new` entries.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
        if old == 0 || old > new || new > self.len()? {
            return Err(Error::NoEntry(new));
        }
        merkle::consistency(self, old, new)
    }

    /// Signature rows over heads and results within the first `size` entries, ordered by kind, number and key.
    pub fn signatures(&self, size: u64) -> Result<Vec<SignatureRow>> {
        let sql = |e| self.sql(e);
        let mut statement = self
            .conn()
            .prepare(
                "SELECT kind, n, key, bytes FROM signature WHERE length(bytes) <= 65536 AND ((kind = 'task' AND n < ?1) OR (kind = 'checkpoint' AND n <= ?1))
                 ORDER BY kind, n, key",
            )
            .map_err(sql)?;
        let rows = statement
            .query_map([seq_column(size)], |row| {
                let n = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(u64::MAX);
                let over = if row.get::<_, String>(0)? == "task" { Signed::Task(n) } else { Signed::Checkpoint(n) };
                Ok(SignatureRow { over, key: row.get(2)?, bytes: row.get(3)? })
            })
            .map_err(sql)?;
        rows.collect::<rusqlite::Result<_>>().map_err(sql)
    }

    /// The signature over the smallest head of `least` to `most` entries that has one, found without a look at the others.
    pub fn signed_head(&self, least: u64, most: u64) -> Result<Option<(u64, Vec<u8>)>> {
        let mut statement = self
            .conn()
            .prepare_cached(
                "SELECT n, bytes FROM signature WHERE kind = 'checkpoint' AND n BETWEEN ?1 AND ?2 AND length(bytes) <= 65536 ORDER BY n, key LIMIT 1",
            )
            .map_err(|e| self.sql(e))?;
        let found = statement.query_row([seq_column(least), seq_column(most)], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
        match found {
            Ok((n, bytes)) => Ok(u64::try_from(n).ok().map(|n| (n, bytes))),
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            Err(e) => Err(self.sql(e)),
        }
    }

    /// Anchor rows of heads of at most `size` entries.
    pub fn anchors(&self, size: u64) -> Result<Vec<AnchorRow>> {
        let sql = |e| self.sql(e);
        let mut statement = self
            .conn()
            .prepare("SELECT size, name, bytes FROM anchor WHERE size <= ?1 AND length(bytes) <= 1048576 ORDER BY size, name")
            .map_err(sql)?;
        let rows = statement
            .query_map([seq_column(size)], |row| {
                Ok(AnchorRow { size: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(u64::MAX), name: row.get(1)?, bytes: row.get(2)? })
            })
            .map_err(sql)?;
        rows.collect::<rusqlite::Result<_>>().map_err(sql)
    }

    /// The hash of the perfect subtree `index` of `level`: from the derived table, or from the entries where that lacks it.
    pub(super) fn tree_node(&self, level: u32, index: u64) -> Result<Hash> {
        let query = match level {
            0 => "SELECT leaf FROM entry WHERE seq = ?2 AND 0 = ?1",
            _ => "SELECT hash FROM node WHERE level = ?1 AND idx = ?2",
        };
        let found: rusqlite::Result<Vec<u8>> = self.conn().query_row(query, params![level, seq_column(index)], |row| row.get(0));
        match found {
            Ok(bytes) => Hash::from_slice(&bytes)
                .ok_or_else(|| Error::Damaged { path: self.path().to_owned(), why: "a hash of the tree is not 32 bytes".into() }),
            Err(rusqlite::Error::QueryReturnedNoRows) if level == 0 => Err(Error::NoEntry(index)),
            Err(rusqlite::Error::QueryReturnedNoRows) => {
                Ok(hash::node(&self.tree_node(level - 1, index * 2)?, &self.tree_node(level - 1, index * 2 + 1)?))
            }
            Err(e) => Err(self.sql(e)),
        }
    }

    fn rows(&self, range: Range<u64>, most: u32) -> Result<VecDeque<Row>> {
        let sql = |e| self.sql(e);
        let mut statement = self
            .conn()
            .prepare("SELECT seq, CASE WHEN length(header) <= 61440 THEN header ELSE x'' END, prev, leaf FROM entry WHERE seq >= ?1 AND seq < ?2 ORDER BY seq LIMIT ?3")
            .map_err(sql)?;
        let end = i64::try_from(range.end).unwrap_or(i64::MAX);
        let start = i64::try_from(range.start).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![start, end, most]).map_err(sql)?;
        let mut found = VecDeque::new();
        while let Some(row) = rows.next().map_err(sql)? {
            let hash = |i| row.get::<_, Vec<u8>>(i).map(|b| Hash::from_slice(&b).unwrap_or(Hash([0; 32]))).map_err(sql);
            let seq = u64::try_from(row.get::<_, i64>(0).map_err(sql)?).unwrap_or(u64::MAX);
            found.push_back(Row { seq, header: row.get(1).map_err(sql)?, prev: hash(2)?, leaf: hash(3)? });
        }
        Ok(found)
    }

    /// Checks one row by itself: its shape and its hash. Its place in the chain is [`Store::check_chain`]'s question.
    fn believe(&self, row: Row) -> Result<Entry> {
        let Row { seq, header: header_bytes, prev, leaf } = row;
        let header = Header::read(seq, &header_bytes).map_err(|e| malformed(seq, &e))?;
        self.hashed(&Stored { seq, header: &header_bytes, prev, leaf })?;
        Ok(Entry { seq, header_bytes, header, prev, leaf })
    }
}

fn malformed(seq: u64, why: &BadHeader) -> Fault {
    Fault::new(format!("MALFORMED({seq})"), format!("header of entry {seq}: {why}"))
}

impl merkle::Ranges for Store {
    type Error = Error;

    fn range(&self, start: u64, end: u64) -> Result<Hash> {
        // Ranges of proofs start at a multiple of the largest power of two they hold, so they split into aligned perfect subtrees.
        let peaks: Vec<Hash> = merkle::peaks(end - start)
            .into_iter()
            .map(|(level, index)| self.tree_node(level, (start >> level) + index))
            .collect::<Result<_>>()?;
        Ok(merkle::fold(&peaks))
    }
}

/// Entries of a range, read in batches.
pub struct Entries<'a> {
    store: &'a Store,
    range: Range<u64>,
    batch: VecDeque<Row>,
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.batch.is_empty() && !self.range.is_empty() {
            match self.store.rows(self.range.clone(), 256) {
                Ok(batch) => self.batch = batch,
                Err(error) => {
                    self.range.start = self.range.end;
                    return Some(Err(error));
                }
            }
            self.range.start = self.batch.back().map_or(self.range.end, |row| row.seq.saturating_add(1));
        }
        self.batch.pop_front().map(|row| self.store.believe(row))
    }
}
