//! Signatures and statements: an accepted signature has one spelling, and checking it never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use migration_ledger::sign::{Namespace, Statement, sshsig};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(sig) = sshsig::SshSig::parse(bytes) {
        assert!(bytes.len() < 400 && bytes.ends_with(b"-----END SSH SIGNATURE-----\n"));
        let _ = sig.check(b"message");
        // No change of letter case, white space or padding is another spelling of it.
        for other in [[bytes, b"\n"].concat(), [b"\n", bytes].concat(), bytes[..bytes.len() - 1].to_vec()] {
            assert!(sshsig::SshSig::parse(&other).is_err());
        }
        assert!(Namespace::ALL.iter().filter(|n| **n != sig.namespace).all(|n| sshsig::verify(bytes, *n, b"message").is_err()));
    }
    if let Ok(statement) = Statement::parse(bytes) {
        assert_eq!(statement.to_bytes().expect("what was read can be written"), bytes);
    }
});
