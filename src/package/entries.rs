//! The entries of a package or a ledger, read on all cores.
//!
//! The calling thread reads them in batches, as lines or as rows. Other threads look at batches: the grammar of each header, and the hash of
//! each entry with the `prev` that it names. The calling thread then goes along the chain through what they found, in order: that each `prev`
//! is the leaf before it takes no hashing. So the first fault is the one that a walk from entry to entry finds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::held::Held;
use super::manifest::parse_entry_line;
use super::{Problem, cores};
use crate::chain::encode::HEADER_MAX;
use crate::chain::header::RawHeader;
use crate::chain::verify::{Seen, Stored, look};
use crate::chain::{Fault, Hash, LedgerId, Store};

const NAME: &str = "ledger/entries.jsonl";
/// Longest line, bytes without its newline.
const LINE_MAX: usize = HEADER_MAX + 512;
/// Bytes that a thread looks at at a time.
const BATCH: usize = 256 * 1024;
/// Rows of a batch: hostile ones may be empty.
const ROWS: usize = 4096;

/// Looks at every entry, and gives each with what `make` made of its header to `follow`, in order, until that finds a fault.
pub(super) fn each<T: Send>(
    held: &Held<'_>,
    make: &(dyn Fn(u64, &RawHeader<'_>) -> T + Sync),
    follow: &mut dyn FnMut(Seen, T) -> Result<(), Fault>,
) -> Result<(), Problem> {
    std::thread::scope(|scope| {
        let mut id = None;
        let mut flying: VecDeque<Flight<'_, T>> = VecDeque::new();
        let mut land = |flying: &mut VecDeque<Flight<'_, T>>, most: usize| -> Result<(), Fault> {
            while flying.len() > most {
                for looked in flying.pop_front().map(Flight::land).unwrap_or_default() {
                    let (seen, made) = looked?;
                    follow(seen, made)?;
                }
            }
            Ok(())
        };
        let read = batches(held, &mut |batch| {
            id = id.or_else(|| batch.opens());
            flying.push_back(Flight::start(scope, batch, id, make));
            land(&mut flying, cores::threads())
        });
        match read {
            // What was read before the end is judged before the end is.
            Err(problem @ Problem::Fault(_)) => land(&mut flying, 0).map_err(Problem::from).and(Err(problem)),
            Err(other) => Err(other),
            Ok(()) => land(&mut flying, 0).map_err(Problem::from),
        }
    })
}

/// The id of the ledger that the first entry says it opens, believed by nobody.
pub(super) fn first_id(held: &Held<'_>) -> Option<LedgerId> {
    let mut id = None;
    // Ends with the fault that stops it after the first batch, or with another one: then there is nothing to look up.
    let _ = batches(held, &mut |batch| {
        id = batch.opens();
        Err(Fault::new("MALFORMED(0)", "only the first entry is looked at"))
    });
    id
}

/// Some entries, as they lie there.
struct Batch {
    /// The place of the first.
    first: u64,
    bytes: Vec<u8>,
    /// Of a ledger: the rows whose headers the bytes are; otherwise the bytes are lines.
    rows: Option<Vec<Row>>,
}

struct Row {
    seq: u64,
    prev: Hash,
    leaf: Hash,
    /// Where its header ends.
    end: usize,
}

impl Batch {
    /// Gives each entry, unbelieved, with its place, until there is one that is none.
    fn entries<'a>(&'a self, each: &mut dyn FnMut(u64, Result<Stored<'a>, Fault>) -> bool) {
        let mut n = self.first;
        if let Some(rows) = &self.rows {
            let mut start = 0;
            for Row { seq, prev, leaf, end } in rows {
                if !each(n, Ok(Stored { seq: *seq, header: &self.bytes[start..*end], prev: *prev, leaf: *leaf })) {
                    return;
                }
                (n, start) = (n + 1, *end);
            }
            return;
        }
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            let why = if line.len() > LINE_MAX { "is too long" } else { "is not an entry" };
            let stored = if line.len() > LINE_MAX { None } else { parse_entry_line(line) };
            let stored = stored.ok_or_else(|| Fault::new(format!("MALFORMED({n})"), format!("line {} of {NAME} {why}", n + 1)));
            if !each(n, stored) {
                return;
            }
            n += 1;
        }
    }

    /// The ledger that the batch's first entry opens, if it opens one.
    fn opens(&self) -> Option<LedgerId> {
        let mut id = None;
        self.entries(&mut |n, stored| {
            let raw = stored.ok().and_then(|stored| RawHeader::read(n, stored.header).ok());
            id = raw.and_then(|raw| raw.body_text("ledger_id")).and_then(|hex| LedgerId::from_hex(&hex));
            false
        });
        id
    }

    /// What can be said of each entry by itself, up to the first of which nothing good can be said.
    fn look<T>(&self, id: Option<LedgerId>, make: &dyn Fn(u64, &RawHeader<'_>) -> T) -> Looked<T> {
        let mut looked = Vec::new();
        self.entries(&mut |n, stored| {
            let one = stored.and_then(|stored| look(n, &stored, id)).map(|(raw, seen)| (seen, make(n, &raw)));
            let held = one.is_ok();
            looked.push(one);
            held
        });
        looked
    }
}

type Looked<T> = Vec<Result<(Seen, T), Fault>>;

/// A batch that is being looked at.
enum Flight<'scope, T> {
    Elsewhere(ScopedJoinHandle<'scope, Looked<T>>),
    Done(Looked<T>),
}

impl<'scope, T: Send + 'scope> Flight<'scope, T> {
    fn start(
        scope: &'scope Scope<'scope, '_>,
        batch: Batch,
        id: Option<LedgerId>,
        make: &'scope (dyn Fn(u64, &RawHeader<'_>) -> T + Sync),
    ) -> Self {
        let batch = Arc::new(batch);
        let theirs = Arc::clone(&batch);
        match Builder::new().spawn_scoped(scope, move || theirs.look(id, make)) {
            Ok(handle) => Self::Elsewhere(handle),
            // A machine that gives no further thread only takes longer.
            Err(_) => Self::Done(batch.look(id, make)),
        }
    }

    fn land(self) -> Looked<T> {
        match self {
            Self::Elsewhere(handle) => handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Self::Done(looked) => looked,
        }
    }
}

/// Reads the entries in batches. A file that ends inside a line is a fault at its end.
fn batches(held: &Held<'_>, each: &mut dyn FnMut(Batch) -> Result<(), Fault>) -> Result<(), Problem> {
    if let Held::Ledger(store) = held {
        return rows(store, each);
    }
    let mut lines = Lines { first: 0, bytes: Vec::with_capacity(BATCH) };
    let mut read = Ok(());
    let there = held.stream(NAME, &mut |mut piece| {
        while read.is_ok() && !piece.is_empty() {
            let room = BATCH.saturating_sub(lines.bytes.len()).min(piece.len());
            lines.bytes.extend_from_slice(&piece[..room]);
            piece = &piece[room..];
            if lines.bytes.len() == BATCH {
                read = each(lines.whole());
            }
        }
    })?;
    read?;
    if there.is_none() {
        return Err(Fault::new(format!("MISSING({NAME})"), format!("the package has no {NAME}")).into());
    }
    each(lines.whole())?;
    match lines.bytes.is_empty() {
        true => Ok(()),
        false => Err(Fault::new(format!("MALFORMED({})", lines.first), format!("{NAME} ends inside a line")).into()),
    }
}

/// Lines that were read and are in no batch yet.
struct Lines {
    /// The place of the first.
    first: u64,
    bytes: Vec<u8>,
}

impl Lines {
    /// The lines that are whole. A line that fills a batch without an end is too long, and given as it is, so that this is found.
    fn whole(&mut self) -> Batch {
        let end = match memchr::memrchr(b'\n', &self.bytes) {
            Some(last) => last + 1,
            None if self.bytes.len() > LINE_MAX => self.bytes.len(),
            None => 0,
        };
        let mut rest = Vec::with_capacity(BATCH);
        rest.extend_from_slice(&self.bytes[end..]);
        let mut bytes = std::mem::replace(&mut self.bytes, rest);
        bytes.truncate(end);
        let first = self.first;
        self.first += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        Batch { first, bytes, rows: None }
    }
}

fn rows(store: &Store, each: &mut dyn FnMut(Batch) -> Result<(), Fault>) -> Result<(), Problem> {
    let (mut first, mut bytes, mut rows) = (0, Vec::new(), Vec::new());
    let mut found = Ok(());
    let walked = store.walk(|stored| {
        bytes.extend_from_slice(stored.header);
        rows.push(Row { seq: stored.seq, prev: stored.prev, leaf: stored.leaf, end: bytes.len() });
        if bytes.len() >= BATCH || rows.len() >= ROWS {
            let batch = Batch { first, bytes: std::mem::take(&mut bytes), rows: Some(std::mem::take(&mut rows)) };
            first += batch.rows.as_ref().map_or(0, Vec::len) as u64;
            found = each(batch);
            found.clone()?;
        }
        Ok(())
    });
    found?;
    // What was read before a row that cannot be read is judged before that is.
    each(Batch { first, bytes, rows: Some(rows) })?;
    Ok(walked?)
}
