//! Headers: what is accepted is canonical, so that no second reader can see another value in the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use migration_ledger::chain::{Header, PartRef};
use migration_ledger::chain::header::RawHeader;

fuzz_target!(|input: (u8, &[u8])| {
    let (seq, bytes) = (u64::from(input.0), input.1);
    let Ok(raw) = RawHeader::read(seq, bytes) else {
        assert!(Header::read(seq, bytes).is_err());
        return;
    };
    let value: serde_json::Value = serde_json::from_slice(bytes).expect("accepted bytes are JSON");
    assert_eq!(serde_json::to_vec(&value).expect("a value").as_slice(), bytes, "accepted bytes are canonical");
    let header = Header::read(seq, bytes).expect("the typed reader accepts what the raw one accepts");
    assert_eq!(header.parts, raw.parts.iter().map(PartRef::to_owned).collect::<Vec<_>>());
    assert_eq!(header.to_bytes().expect("a header within the profile"), bytes, "nothing is lost");
});
