//! Verifying a chain: every header parsed by its grammar, hashed, compared, and the Merkle root computed. The rate is that of
//! processor time, since it is one core's.

use migration_ledger::chain::{Draft, EntryType, PartDraft, Store};

use nix::sys::resource::UsageWho;

use crate::{Failure, Measurement, processor_seconds};

const ENTRIES: usize = 20_000;
const TURNS: usize = 7;

/// Entries per second.
pub fn run() -> Result<Measurement, Failure> {
    // Where the ledger lies does not matter to reading it; memory saves the time of 20,000 syncs.
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
    let path = folder.path().join("ledger.db");
    let mut store = Store::create(&path, "bench@example.com")?;
    for number in 1..ENTRIES {
        let result = number % 2 == 0;
        let mut draft = Draft::new(if result { EntryType::TaskResult } else { EntryType::TaskStarted }, "bench@example.com");
        draft.run = Some("staging_migration_20260108".into());
        draft.task = Some(format!("CE-{}", 20 + number % 9));
        draft.attempt = Some(1);
        if result {
            draft.refs = vec![number as u64 - 1];
            draft.body.insert("outcome".into(), "pass".into());
            for name in ["result.json", "check-rls-enabled.json", "ce-23_row-security.log"] {
                draft.parts.push(PartDraft::bytes(name, "application/json", "{}"));
            }
        }
        store.append(draft)?;
    }
    store.close()?;
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        let store = Store::open_read_only(&path)?;
        let before = processor_seconds(UsageWho::RUSAGE_SELF)?;
        let walk = store.check_chain()?;
        let seconds = processor_seconds(UsageWho::RUSAGE_SELF)? - before;
        if walk.size() != ENTRIES as u64 || walk.root() != store.root_at(walk.size())? {
            return Err("the chain was not verified to its end".into());
        }
        turns.push(ENTRIES as f64 / seconds);
    }
    let note = format!(
        "{TURNS} walks over {ENTRIES} entries, every second one a result with three parts (520 bytes on average), opened anew for each; processor time"
    );
    Ok(Measurement { turns, note })
}
