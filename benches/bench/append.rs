//! Appending durably, against the least that durability costs: 4 KiB written to the end of a file and `fdatasync`.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Instant;

use migration_ledger::chain::{Draft, EntryType, PartDraft, Store};

use crate::{Failure, Measurement, median, on_disk};

const TURNS: usize = 15;
/// Of each kind in a turn.
const APPENDS: usize = 40;

/// Entries per second over raw appends per second.
pub fn run() -> Result<Measurement, Failure> {
    let folder = on_disk()?;
    let mut store = Store::create(&folder.path().join("ledger.db"), "bench@example.com")?;
    let mut raw = OpenOptions::new().create_new(true).append(true).open(folder.path().join("raw"))?;
    let block = [0x5a; 4096];
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let (mut entries, mut raws) = (0.0, 0.0);
        // In turns one by one, so that both meet the same disk.
        for number in 0..APPENDS {
            let clock = Instant::now();
            raw.write_all(&block)?;
            raw.sync_data()?;
            raws += clock.elapsed().as_secs_f64();
            let draft = note(turn * APPENDS + number);
            let clock = Instant::now();
            store.append(draft)?;
            entries += clock.elapsed().as_secs_f64();
        }
        // The first turn warms caches and makes the files grow to a size.
        if turn > 0 {
            ratios.push(raws / entries);
            ours.push(entries / APPENDS as f64);
            theirs.push(raws / APPENDS as f64);
        }
    }
    let note = format!(
        "{TURNS} turns of {APPENDS}, one by one: entry with one part {:.0} µs, raw {:.0} µs",
        median(&ours) * 1e6,
        median(&theirs) * 1e6
    );
    Ok(Measurement { turns: ratios, note })
}

fn note(number: usize) -> Draft {
    let mut draft = Draft::new(EntryType::Note, "bench@example.com");
    draft.body.insert("number".into(), number.into());
    draft.parts.push(PartDraft::bytes("note.txt", "text/plain", format!("entry {number}\n").into_bytes()));
    draft
}
