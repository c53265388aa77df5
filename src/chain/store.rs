//! Appending. One entry is one transaction and one sync; the time is read while the write lock is held.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rusqlite::{Connection, TransactionBehavior, params};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::error::from_sqlite;
use super::hash::{self, Hash, LedgerId};
use super::header::{Header, RawHeader, Tool};
use super::kind::{self, EntryType};
use super::part::{self, Part};
use super::payload::{Spooled, forget, seq_column, spool};
use super::read::{AnchorRow, SignatureRow};
use super::{Error, Result};

/// An open ledger.
pub struct Store {
    conn: Connection,
    path: PathBuf,
    id: LedgerId,
    /// A private copy lives as long as the store that reads it.
    copy: Option<tempfile::TempDir>,
}

/// Where a part's payload comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartSource {
    Bytes(Vec<u8>),
    /// Streamed in chunks; never held in memory as a whole.
    File(PathBuf),
}

/// A part to be written with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartDraft {
    /// `[a-z0-9][a-z0-9._-]{0,99}` with an extension, unique in its entry.
    pub name: String,
    pub media: String,
    /// Package path where it is not `evidence/<seq>-<name>`: under `queries/` or `trust/` (of run.opened) or `report/` (of published).
    /// Statements and their signatures get their `sig/` path by themselves.
    pub path: Option<String>,
    pub source: PartSource,
}

impl PartDraft {
    /// A part from memory, at its default path.
    pub fn bytes(name: impl Into<String>, media: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), media: media.into(), path: None, source: PartSource::Bytes(bytes.into()) }
    }

    /// A part streamed from a file, at its default path.
    pub fn file(name: impl Into<String>, media: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), media: media.into(), path: None, source: PartSource::File(file.into()) }
    }

    /// The same part at a path of its own.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }
}

/// What a caller wants recorded. Time, host, tool, place and hashes are the store's. Null members of maps are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub kind: EntryType,
    pub actor: String,
    pub run: Option<String>,
    pub task: Option<String>,
    pub attempt: Option<u32>,
    pub target: Option<Map<String, Value>>,
    pub body: Map<String, Value>,
    pub refs: Vec<u64>,
    pub parts: Vec<PartDraft>,
}

impl Draft {
    /// An entry of a type by an actor, everything else absent.
    pub fn new(kind: EntryType, actor: impl Into<String>) -> Self {
        Self {
            kind,
            actor: actor.into(),
            run: None,
            task: None,
            attempt: None,
            target: None,
            body: Map::new(),
            refs: Vec::new(),
            parts: Vec::new(),
        }
    }
}

/// An entry as read back: the stored bytes and what they say.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub seq: u64,
    pub header_bytes: Vec<u8>,
    pub header: Header,
    pub prev: Hash,
    pub leaf: Hash,
}

/// The end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub size: u64,
    /// Leaf of the last entry.
    pub leaf: Hash,
}

impl Store {
    pub(super) fn over(conn: Connection, path: PathBuf, id: LedgerId) -> Self {
        Self { conn, path, id, copy: None }
    }

    pub(super) fn keep(&mut self, copy: Option<tempfile::TempDir>) {
        self.copy = copy;
    }

    pub(super) fn conn(&self) -> &Connection {
        &self.conn
    }

    pub(super) fn sql(&self, error: rusqlite::Error) -> Error {
        from_sqlite(&self.path, error)
    }

    /// The ledger's identity, from entry 0.
    pub fn ledger_id(&self) -> LedgerId {
        self.id
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long an append waits for another writer before [`Error::Locked`]; 30 seconds unless told.
    pub fn wait_for_others(&self, most: std::time::Duration) -> Result<()> {
        self.conn.busy_timeout(most).map_err(|e| self.sql(e))
    }

    /// Closes the file and says so when that fails; dropping closes it too. The last writer's close folds the `-wal` into the file.
    pub fn close(self) -> Result<()> {
        let path = self.path;
        self.conn.close().map_err(|(_, e)| from_sqlite(&path, e))
    }

    /// Appends one entry. When this returns, the entry and its payloads are on disk.
    pub fn append(&mut self, draft: Draft) -> Result<Entry> {
        self.append_with(draft, &|_| Ok(()))
    }

    /// Appends one entry and does `also` in the same transaction: both happen, or neither.
    pub(super) fn append_with(&mut self, draft: Draft, also: &dyn Fn(&Connection) -> Result<()>) -> Result<Entry> {
        check_draft(&draft)?;
        let tool = tool(&self.path)?;
        let mut spooled = Vec::with_capacity(draft.parts.len());
        let appended = self.spool_all(&draft, &mut spooled).and_then(|()| self.append_spooled(draft, tool, &spooled, also));
        if appended.is_err() {
            for part in &spooled {
                forget(&self.conn, &part.spool);
            }
        }
        appended
    }

    fn spool_all(&self, draft: &Draft, spooled: &mut Vec<Spooled>) -> Result<()> {
        if draft.parts.is_empty() {
            return Ok(());
        }
        // Chunks need no sync of their own: the append's sync of the same -wal covers all frames before it.
        let synchronous = |level| self.conn.pragma_update(None, "synchronous", level).map_err(|e| self.sql(e));
        synchronous("NORMAL")?;
        let written = draft.parts.iter().try_for_each(|part| {
            spooled.push(spool(&self.conn, &self.path, part)?);
            Ok(())
        });
        synchronous("FULL")?;
        written
    }

    fn append_spooled(&mut self, draft: Draft, tool: Tool, spooled: &[Spooled], also: &dyn Fn(&Connection) -> Result<()>) -> Result<Entry> {
        let (path, id) = (self.path.clone(), self.id);
        let sql = |e| from_sqlite(&path, e);
        let transaction = self.conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        let last: Option<(i64, Vec<u8>)> = transaction
            .prepare_cached("SELECT seq, leaf FROM entry ORDER BY seq DESC LIMIT 1")
            .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))))
            .map(Some)
            .or_else(|e| if e == rusqlite::Error::QueryReturnedNoRows { Ok(None) } else { Err(e) })
            .map_err(sql)?;
        let damaged = || Error::Damaged { path: path.clone(), why: "the last entry has no number or no hash".into() };
        let (seq, prev) = match last {
            None => (0, hash::genesis(id)),
            Some((seq, leaf)) => (u64::try_from(seq).map_err(|_| damaged())? + 1, Hash::from_slice(&leaf).ok_or_else(damaged)?),
        };
        let parts = draft
            .parts
            .iter()
            .zip(spooled)
            .map(|(part, spooled)| Part {
                path: kind::statement_path(seq, draft.kind, &part.name).or_else(|| part.path.clone()),
                name: part.name.clone(),
                media: part.media.clone(),
                size: spooled.size,
                commit: spooled.commit,
            })
            .collect();
        let header = Header {
            kind: draft.kind,
            ts: now(),
            actor: draft.actor,
            host: host(),
            tool,
            run: draft.run,
            task: draft.task,
            attempt: draft.attempt,
            target: draft.target,
            parts,
            refs: draft.refs,
            body: draft.body,
        };
        let header_bytes = header.to_bytes().map_err(|e| Error::Refused(e.to_string()))?;
        // The reader's own rules are the writer's: what it would refuse is never written.
        RawHeader::read(seq, &header_bytes).map_err(|e| Error::Refused(e.to_string()))?;
        let header = Header::read(seq, &header_bytes).map_err(|e| Error::Refused(e.to_string()))?;
        let leaf = hash::leaf(id, seq, &prev, &header_bytes);
        let row = seq_column(seq);
        // Compiling these with their triggers takes longer than running them: they are kept for the next append.
        transaction
            .prepare_cached("INSERT INTO entry (seq, header, prev, leaf) VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut insert| insert.execute(params![row, header_bytes, &prev.0[..], &leaf.0[..]]))
            .map_err(sql)?;
        for (part, spooled) in header.parts.iter().zip(spooled) {
            transaction
                .prepare_cached("INSERT INTO part (seq, name, salt, spool) VALUES (?1, ?2, ?3, ?4)")
                .and_then(|mut insert| insert.execute(params![row, part.name, &spooled.salt[..], &spooled.spool[..]]))
                .map_err(sql)?;
        }
        add_nodes(&transaction, seq, leaf).map_err(sql)?;
        also(&transaction)?;
        transaction.commit().map_err(sql)?;
        Ok(Entry { seq, header_bytes, header, prev, leaf })
    }

    /// Adds a signature beside the chain. The same key's earlier signature over the same thing stays: the first one counts.
    pub fn add_signature(&mut self, row: &SignatureRow) -> Result<()> {
        let (kind, n) = row.over.columns();
        self.conn
            .execute(
                "INSERT INTO signature (kind, n, key, bytes) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                params![kind, seq_column(n), row.key, row.bytes],
            )
            .map_err(|e| self.sql(e))?;
        Ok(())
    }

    /// Adds what others hold about a head. An anchor of that size and name stays as it is.
    pub fn add_anchor(&mut self, row: &AnchorRow) -> Result<()> {
        self.conn
            .execute(
                "INSERT INTO anchor (size, name, bytes) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                params![seq_column(row.size), row.name, row.bytes],
            )
            .map_err(|e| self.sql(e))?;
        Ok(())
    }
}

/// Stores the inner nodes that the leaf at `seq` completes. Missing ones below are made from their children by the reader.
fn add_nodes(conn: &Connection, seq: u64, leaf: Hash) -> rusqlite::Result<()> {
    let (mut hash, mut index, mut level) = (leaf, seq, 0u32);
    while index & 1 == 1 {
        let query = match level {
            0 => "SELECT leaf FROM entry WHERE seq = ?2 AND 0 = ?1",
            _ => "SELECT hash FROM node WHERE level = ?1 AND idx = ?2",
        };
        let left: rusqlite::Result<Vec<u8>> =
            conn.prepare_cached(query)?.query_row(params![level, seq_column(index - 1)], |row| row.get(0));
        // Derived data that is not there is not made here: the reader falls back on the leaves.
        let Some(left) = left.ok().as_deref().and_then(Hash::from_slice) else { return Ok(()) };
        hash = hash::node(&left, &hash);
        index >>= 1;
        level += 1;
        conn.prepare_cached("INSERT OR REPLACE INTO node (level, idx, hash) VALUES (?1, ?2, ?3)")?.execute(params![
            level,
            seq_column(index),
            &hash.0[..]
        ])?;
    }
    Ok(())
}

fn check_draft(draft: &Draft) -> Result<()> {
    let refuse = |why: String| Err(Error::Refused(why));
    for part in &draft.parts {
        if !part::is_part_name(&part.name) {
            return refuse(format!("{:?} cannot name a part: lower case letters, digits, . _ - and an extension", part.name));
        }
        if let Some(path) = part.path.as_deref().filter(|path| !part::is_part_path(path)) {
            return refuse(format!("{path:?} is not a path of the package's folders"));
        }
    }
    if let Some(kind) = draft.kind.statement_kind() {
        for needed in ["statement.json", "statement.sig"] {
            if !draft.parts.iter().any(|part| part.name == needed) {
                return refuse(format!("{kind} without {needed}"));
            }
        }
    }
    Ok(())
}

/// The current time in the format's form.
fn now() -> String {
    chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn host() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .filter(|name| !name.is_empty() && !name.chars().any(char::is_control))
        .unwrap_or_else(|| "unknown".into())
}

/// This program: name, version, digest of its executable, read once.
fn tool(path: &Path) -> Result<Tool> {
    static DIGEST: OnceLock<std::result::Result<String, String>> = OnceLock::new();
    let digest = DIGEST.get_or_init(|| {
        let digest = || -> std::io::Result<String> {
            let mut file = std::fs::File::open(std::env::current_exe()?)?;
            let mut hasher = Sha256::new();
            std::io::copy(&mut file, &mut hasher)?;
            Ok(hex::encode(hasher.finalize()))
        };
        digest().map_err(|e| e.to_string())
    });
    match digest {
        Ok(sha256) => Ok(Tool { name: "ledger".into(), version: env!("CARGO_PKG_VERSION").into(), sha256: sha256.clone() }),
        Err(why) => Err(Error::Io { path: path.to_owned(), why: format!("the running program cannot be read: {why}") }),
    }
}
