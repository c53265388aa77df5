//! Each byte of a small package, one at a time: nothing may go unnoticed, by either verifier.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use migration_ledger::sign::{Namespace, sshsig};
use serde_json::json;

use crate::both::{ask, verify};
use crate::scene::*;

fn files_of(zip: &Path) -> [PathBuf; 3] {
    ["", ".sha256", ".sig"].map(|suffix| PathBuf::from(format!("{}{suffix}", zip.display())))
}

/// Flips each byte in place, asks, and puts it back; what went unnoticed.
fn flip_all(zip: &Path) -> (usize, Vec<String>) {
    let (mut tried, mut missed) = (0, Vec::new());
    let options = trusting();
    for path in files_of(zip) {
        let good = std::fs::read(&path).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for (at, byte) in good.iter().enumerate() {
            file.write_all_at(&[byte ^ 1 << (at % 8)], at as u64).unwrap();
            let found = migration_ledger::package::verify(zip, &options).unwrap();
            if found.fault().is_none() {
                missed.push(format!("{} byte {at}", path.display()));
            }
            file.write_all_at(&[*byte], at as u64).unwrap();
            tried += 1;
        }
    }
    (tried, missed)
}

fn flipped_by_both(zip: &Path) {
    let copy = tempfile::tempdir().unwrap();
    for file in files_of(zip) {
        std::fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
    }
    let other = copy.path().join(zip.file_name().unwrap());
    let python = std::thread::spawn(move || {
        let signers: String = signers().signers().iter().map(|s| s.line() + "\n").collect();
        ask(&json!({"ask": "flips", "path": other, "signers": signers}))
    });
    let (tried, missed) = flip_all(zip);
    assert_eq!(missed, Vec::<String>::new());
    assert_eq!(python.join().unwrap(), json!({"tried": tried, "missed": []}));
    let size: u64 = files_of(zip).iter().map(|file| file.metadata().unwrap().len()).sum();
    assert_eq!(tried as u64, size);
    assert_eq!(verify(zip, &trusting()).unwrap().verdict, "VERIFIED", "every byte was put back");
}

/// `tools/verify.py` may lie in a package or not: without it the package is small enough to flip all of it in every test run.
#[test]
fn every_flipped_byte_of_a_small_package_is_detected_by_both() {
    let scene = Scene::approved();
    let zip = scene.pack();
    let mut files = unpack(&zip);
    files.remove("tools/verify.py").unwrap();
    repack(&zip, &files, true, OPS);
    flipped_by_both(&zip);
}

#[test]
#[ignore = "minutes: every byte of a package with tools/verify.py in it; make test-long"]
fn every_flipped_byte_of_a_whole_package_is_detected_by_both() {
    let scene = Scene::approved();
    flipped_by_both(&scene.pack());
}

/// An attacker who may sign packages, but nothing else, changes one byte and makes sums, digest and package signature again. Only two files
/// are outside what the entries vouch for: the instructions and the second verifier, which nobody should believe from the package.
#[test]
fn a_byte_flipped_under_fresh_sums_is_detected_by_both() {
    let scene = Scene::approved();
    let zip = scene.pack();
    let good = unpack(&zip);
    let mut tried = 0;
    for (name, bytes) in good.iter().filter(|(name, _)| !matches!(name.as_str(), "SHA256SUMS" | "VERIFY.md" | "tools/verify.py")) {
        for at in (0..bytes.len()).step_by(67) {
            let mut files = good.clone();
            files.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
            repack(&zip, &files, true, OPS);
            assert!(verify(&zip, &trusting()).unwrap().fault().is_some(), "{name} byte {at}");
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
    // The harness itself makes packages that hold.
    repack(&zip, &good, true, OPS);
    assert_eq!(verify(&zip, &trusting()).unwrap().verdict, "VERIFIED");
    let sha256 = std::fs::read(format!("{}.sha256", zip.display())).unwrap();
    assert!(sshsig::verify(&std::fs::read(format!("{}.sig", zip.display())).unwrap(), Namespace::Package, &sha256).is_ok());
}
