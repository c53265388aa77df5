//! allowed_signers: what is accepted reads back from its own lines, with the same meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use migration_ledger::sign::AllowedSigners;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = AllowedSigners::parse(bytes) else { return };
    let lines: String = read.signers().iter().map(|signer| signer.line() + "\n").collect();
    assert_eq!(AllowedSigners::parse(lines.as_bytes()).expect("our own lines are of our form"), read);
    for (i, signer) in read.signers().iter().enumerate() {
        assert!(!signer.principal.contains(['*', '?', ',', '"']) && !signer.namespaces.is_empty());
        assert!(read.signers()[..i].iter().all(|other| other.key != signer.key));
    }
});
