//! What a ledger's length costs: an append, and the proof of one entry, at a thousand entries and at a million.

use std::time::Instant;

use migration_ledger::chain::{Draft, EntryType, PartDraft, Store};
use migration_ledger::publish::heads;
use migration_ledger::sign::SigningKey;

use crate::{Failure, Measurement, median};

const SHORT: u64 = 1_000;
const LONG: u64 = 1_000_000;
/// Of each in a turn.
const TIMES: u64 = 500;
const TURNS: usize = 7;

struct Grown {
    /// Kept for as long as the ledger is read.
    _folder: tempfile::TempDir,
    store: Store,
}

/// A ledger of so many entries, every thousandth head signed. In memory: the sync is the disk's affair, and the same at every length.
fn grown(entries: u64) -> Result<Grown, Failure> {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
    let mut store = Store::create(&folder.path().join("ledger.db"), "bench@example.com")?;
    let key = SigningKey::from_seed([2; 32]);
    for seq in 1..entries {
        store.append(Draft::new(EntryType::Note, "bench@example.com"))?;
        if (seq + 1) % 1_000 == 0 {
            heads::sign_checkpoint(&mut store, seq + 1, &key)?;
        }
    }
    Ok(Grown { _folder: folder, store })
}

fn both(what: &str, time: &dyn Fn(&mut Store, u64) -> Result<(), Failure>) -> Result<Measurement, Failure> {
    let (mut short, mut long) = (grown(SHORT)?, grown(LONG)?);
    let (mut ratios, mut few, mut many) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let mut took = [0.0, 0.0];
        for (grown, took) in [&mut short, &mut long].into_iter().zip(&mut took) {
            let clock = Instant::now();
            for n in 0..TIMES {
                time(&mut grown.store, turn as u64 * TIMES + n)?;
            }
            *took = clock.elapsed().as_secs_f64() / TIMES as f64 * 1e6;
        }
        if turn > 0 {
            ratios.push(took[1] / took[0]);
            few.push(took[0]);
            many.push(took[1]);
        }
    }
    let note = format!("{TURNS} turns of {TIMES} {what}: {:.0} µs at {SHORT} entries, {:.0} µs at {LONG}", median(&few), median(&many));
    Ok(Measurement { turns: ratios, note })
}

/// The cost of an append at a million entries over that at a thousand.
pub fn append() -> Result<Measurement, Failure> {
    both("appends with one part", &|store, n| {
        let mut draft = Draft::new(EntryType::Note, "bench@example.com");
        draft.parts.push(PartDraft::bytes("note.txt", "text/plain", format!("entry {n}\n")));
        store.append(draft)?;
        Ok(())
    })
}

/// The cost of a proof at a million entries over that at a thousand: the path is twice as long.
pub fn prove() -> Result<Measurement, Failure> {
    both("proofs of one entry by the next signed head", &|store, n| {
        let size = store.len()?;
        let proof = heads::prove(store, n * 7919 % (size - 1), None)?;
        if proof.signature.is_none() { Err("no signed head".into()) } else { Ok(()) }
    })
}
