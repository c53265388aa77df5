//! Both verifiers under attack by whoever owns the ledger's file, on hostile bytes, and on every flipped byte.
//!
//! `tests/package.rs` attacks packages file by file; here are the ledger's tables, headers and statements by mutation, the command lines,
//! VERIFY.md with stock tools alone, and the vectors of docs/format.md. [`THREATS`] says where each threat of the format is tested.

#[path = "verifiers/auditor.rs"]
mod auditor;
#[path = "support/both.rs"]
mod both;
#[path = "verifiers/flips.rs"]
mod flips;
#[path = "verifiers/later_vectors.rs"]
mod later_vectors;
#[path = "verifiers/ledger_file.rs"]
mod ledger_file;
#[path = "verifiers/mutations.rs"]
mod mutations;
#[path = "verifiers/packages.rs"]
mod packages;
#[path = "verifiers/programs.rs"]
mod programs;
#[path = "support/scene.rs"]
mod scene;
#[path = "verifiers/ssh_keygen.rs"]
mod ssh_keygen;
#[path = "verifiers/stamps.rs"]
mod stamps;
#[path = "verifiers/statements.rs"]
mod statements;
#[path = "verifiers/vectors.rs"]
mod vectors;
#[path = "verifiers/zip64.rs"]
mod zip64;

use std::path::Path;

/// Each threat of docs/format.md: its number, the words that it may get, and the tests that plant it, as `file::function`.
const THREATS: &[(u8, &str, &[&str])] = &[
    (
        1,
        "EDITED",
        &["tests/package.rs::a_changed_package_is_named", "tests/verifiers/ledger_file.rs::what_an_owner_of_the_file_does_is_named"],
    ),
    (
        2,
        "GAP",
        &["tests/package.rs::a_changed_package_is_named", "tests/verifiers/ledger_file.rs::what_an_owner_of_the_file_does_is_named"],
    ),
    (3, "TRUNCATED", &["tests/verifiers/ledger_file.rs::a_truncated_ledger_needs_an_anchor", "tests/package.rs::anchors_and_expectations"]),
    (4, "REWRITTEN", &["tests/verifiers/ledger_file.rs::a_rewritten_ledger_needs_an_anchor"]),
    (5, "", &["tests/chain.rs::two_writers_on_one_file_both_land"]),
    (6, "FORKED", &["tests/evidence/heads.rs::a_checkpoint_is_text_that_stock_tools_verify_and_that_catches_a_rewritten_ledger"]),
    (7, "WRONG-LEDGER", &["tests/package.rs::anchors_and_expectations", "tests/package.rs::a_changed_package_is_named"]),
    (8, "STALE", &["tests/package.rs::sign_offs_in_words"]),
    (9, "EDITED", &["tests/package.rs::a_changed_package_is_named"]),
    (10, "EXTRA MISSING", &["tests/package.rs::a_changed_package_is_named"]),
    (
        11,
        "MALFORMED-ARCHIVE",
        &["tests/package.rs::hostile_archives_are_refused_before_they_are_read", "tests/package.rs::one_changed_record_is_enough"],
    ),
    (
        12,
        "UNSIGNED BAD-SIGNATURE MISSING",
        &["tests/package.rs::a_changed_package_is_named", "tests/package.rs::the_files_beside_the_archive_count"],
    ),
    (
        13,
        "UNTRUSTED-KEY INTEGRITY-ONLY",
        &["tests/package.rs::the_files_beside_the_archive_count", "tests/package.rs::a_good_package_verifies_and_says_who_approved"],
    ),
    (14, "WRONG-ROLE SOD-VIOLATION", &["tests/package.rs::sign_offs_in_words"]),
    (15, "ROLLED-BACK", &["tests/evidence/heads.rs::what_was_seen_is_remembered_per_user_and_never_needed"]),
    (16, "CLOCK", &["tests/verifiers/ledger_file.rs::a_clock_set_back_is_a_finding"]),
    (17, "KEY-REVOKED KEY-EXPIRED", &["tests/package.rs::keys_expire_and_are_revoked"]),
    (
        18,
        "MALFORMED",
        &[
            "tests/verifiers/mutations.rs::headers_that_the_profile_refuses",
            "tests/verifiers/mutations.rs::mutated_headers_get_the_same_answer_from_both",
        ],
    ),
    (19, "", &["tests/chain.rs::golden_hashes_never_change"]),
    (20, "WRONG-TYPE", &["tests/package.rs::sign_offs_in_words"]),
    (
        21,
        "",
        &[
            "tests/verifiers/ssh_keygen.rs::every_stricter_case_of_signatures_is_listed",
            "tests/sign.rs::never_laxer_than_stock_over_a_mutated_signature",
        ],
    ),
    (22, "", &["tests/canary.rs::the_server_quotes_a_value_in_a_data_exception"]),
    (23, "", &["tests/verifiers/ledger_file.rs::equal_payloads_have_unequal_commitments"]),
    (24, "", &["tests/evidence/redaction.rs::what_is_redacted_is_in_no_byte_of_the_file_whatever_its_size"]),
    (25, "", &["tests/chain_writers.rs::kill_9_at_any_moment_loses_nothing_that_was_acknowledged"]),
    (26, "STALE", &["tests/package.rs::sign_offs_in_words"]),
    (27, "ATTEMPT-GAP", &["tests/package.rs::attempts_left_out_are_named"]),
    (28, "REPORT-MISMATCH", &["tests/package.rs::a_changed_package_is_named", "tests/package.rs::sign_offs_in_words"]),
    (29, "", &["tests/report.rs::hostile_evidence_is_inert", "tests/verifiers/programs.rs::nothing_of_a_package_moves_the_terminal"]),
    (
        30,
        "MALFORMED",
        &[
            "tests/verifiers/ledger_file.rs::what_an_owner_of_the_file_does_is_named",
            "tests/verifiers/mutations.rs::deep_and_long_documents_are_refused_quickly",
        ],
    ),
];

#[test]
fn every_threat_names_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(THREATS.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), (1..=30).collect::<Vec<_>>(), "all thirty");
    for (number, words, tests) in THREATS {
        assert!(!tests.is_empty(), "threat {number}");
        let mut text = String::new();
        for test in *tests {
            let (file, function) = test.split_once("::").unwrap();
            let code = std::fs::read_to_string(root.join(file)).unwrap();
            assert!(code.contains(&format!("fn {function}(")), "threat {number}: no {test}");
            text += &code;
        }
        for word in words.split_whitespace() {
            assert!(text.contains(word), "threat {number}: none of its tests says {word}");
        }
    }
}
