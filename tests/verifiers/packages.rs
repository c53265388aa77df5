//! Files of a package changed at random, under fresh sums and signatures: whatever one verifier says of it, the other says too.

use std::collections::BTreeMap;

use crate::mutations::mutate;
use crate::scene::*;

/// What hostile files are made of, besides their own bytes.
#[rustfmt::skip]
const SPLICES: &[&str] = &[
    "\n", "\r\n", "\r", " ", "  ", "\t", "\u{0}", "\u{feff}", "\u{2028}", "\u{85}", "é", "e\u{301}", "\"", "\\", "\\u0041", "{", "}", "[", "]", ",",
    ":", "null", "true", "-0", "00", "1e1", "1.0", "9007199254740992", "18446744073709551616", "99999999999999999999", "-1", "\"v\":1,", "go",
    "no-go", "cto@example.com", "ops@example.com", "staging_migration_20260108", "checkpoint", "report/READINESS.md", "namespaces=\"*\"",
    "cert-authority ", "../", "/", "A", "a",
];

/// `count` packages, each with one to three changed files.
fn changed_packages(seed: u64, count: usize) {
    let scene = Scene::approved();
    let zip = scene.pack();
    let good = unpack(&zip);
    let names: Vec<&String> = good.keys().filter(|name| !matches!(name.as_str(), "SHA256SUMS" | "VERIFY.md" | "tools/verify.py")).collect();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut words: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..count {
        let mut files = good.clone();
        for _ in 0..rng.usize(1..4) {
            let name = names[rng.usize(..names.len())];
            let bytes = match rng.usize(..8) {
                0 => good[names[rng.usize(..names.len())]].clone(),
                1 => Vec::new(),
                _ => mutate(&mut rng, &good[name], SPLICES),
            };
            files.insert(name.clone(), bytes);
        }
        repack(&zip, &files, true, OPS);
        let found = verify(&zip, &trusting()).unwrap();
        *words.entry(found.verdict.split('(').next().unwrap().to_owned()).or_default() += 1;
    }
    assert!(words.len() >= 5, "the changes reach few checks: {words:?}");
}

#[test]
fn a_policy_is_read_up_to_a_mebibyte() {
    for (longer, word) in [(0, "VERIFIED"), (1, "MALFORMED(1)")] {
        let mut scene = Scene::opened_with(&format!("#{}\n", "x".repeat((1 << 20) - 2 + longer)));
        scene.task("CE-20", 1);
        scene.publish();
        assert_eq!(scene.packed().1.verdict, word);
    }
}

#[test]
fn changed_packages_get_the_same_answer_from_both() {
    changed_packages(3, 60);
}

#[test]
#[ignore = "minutes: thousands of changed packages, each asked of both verifiers; make test-long"]
fn many_changed_packages_get_the_same_answer_from_both() {
    for seed in 100..120 {
        changed_packages(seed, 250);
    }
}
