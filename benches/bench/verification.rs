//! Verifying a chain: every header parsed by its grammar, hashed, compared, and the Merkle root computed. The rate is that of
//! processor time, since it is one core's.

use migration_ledger::chain::{Draft, EntryType, Store};

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
        let mut draft = Draft::new(EntryType::TaskStarted, "bench@example.com");
        draft.run = Some("staging_migration_20260108".into());
        draft.task = Some(format!("CE-{}", 20 + number % 9));
        draft.attempt = Some(1);
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
    let note =
        format!("{TURNS} walks over {ENTRIES} entries with headers of about 310 bytes, database opened anew for each; processor time");
    Ok(Measurement { turns, note })
}
