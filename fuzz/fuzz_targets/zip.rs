//! The structure of archives: bounded memory, and whatever is accepted is what our own writer writes.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use migration_ledger::package::scan::structure;
use migration_ledger::package::zip::{self, ZipWriter};

fuzz_target!(|bytes: &[u8]| {
    let Ok(records) = structure(&mut Cursor::new(bytes), bytes.len() as u64) else { return };
    let mut again = ZipWriter::new(Vec::new());
    for record in &records {
        assert!(zip::is_name(&record.name));
        let start = record.offset as usize + record.local().len();
        let content = &bytes[start..start + record.size as usize];
        // A wrong CRC is found when the file is read, not by the structure.
        if again.file(&record.name, record.size, record.crc, &mut |to| to.write_all(content)).is_err() {
            return;
        }
    }
    assert_eq!(again.finish().expect("writing to memory"), bytes, "one set of files has one archive");
});
