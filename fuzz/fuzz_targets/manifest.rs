//! The small files of a package: manifest.json, SHA256SUMS, salts, withheld, checkpoints, lines of entries.jsonl.
#![no_main]

use libfuzzer_sys::fuzz_target;
use migration_ledger::chain::Checkpoint;
use migration_ledger::package::manifest::{Manifest, entry_line, parse_entry_line, parse_salts, parse_sums, parse_withheld, sums};

fuzz_target!(|bytes: &[u8]| {
    if let Some(manifest) = Manifest::parse(bytes) {
        assert_eq!(manifest.to_bytes(), bytes);
    }
    if let Some(stored) = parse_entry_line(bytes) {
        assert_eq!(entry_line(stored.seq, &stored.prev, &stored.leaf, stored.header), bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(listed) = parse_sums(text) {
        assert_eq!(sums(listed), text);
    }
    if let Some(salts) = parse_salts(text) {
        let hex = |salt: [u8; 32]| salt.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(salts.into_iter().map(|(seq, name, salt)| format!("{seq} {name} {}\n", hex(salt))).collect::<String>(), text);
    }
    if let Some(withheld) = parse_withheld(text) {
        assert_eq!(withheld.into_iter().map(|(seq, name)| format!("{seq} {name}\n")).collect::<String>(), text);
    }
    if let Some(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.text(), text);
    }
});
