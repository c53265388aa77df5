//! Heads outside the ledger: a time-stamp authority made by the test, and a git repository.

use super::world::{Ran, World, ran};

const LEDGER: &str = "evidence/ledger.db";
const ZIP: &str = "evidence/staging_migration_20260108.zip";

fn sh(world: &World, script: &str) -> Ran {
    ran(world.command("bash").args(["-euo", "pipefail", "-c", script]))
}

/// An authority with a certificate of its own, in files beginning with `name`.
fn authority(world: &World, name: &str) {
    world.write(
        &format!("{name}.cnf"),
        format!(
            "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\nCN={name}\n[ext]\nextendedKeyUsage=critical,timeStamping\n\
             [tsa]\ndefault_tsa=t\n[t]\nserial={name}.serial\ncrypto_device=builtin\nsigner_cert={name}.pem\nsigner_key={name}.key\n\
             signer_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256\naccuracy=secs:1\nordering=no\ntsa_name=no\ness_cert_id_chain=no\n"
        ),
    );
    let made = sh(
        world,
        &format!(
            "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -config {name}.cnf -keyout {name}.key -out {name}.pem; echo 01 > {name}.serial"
        ),
    );
    assert_eq!(made.code, 0, "{}", made.all());
}

#[test]
fn a_time_stamp_is_asked_for_checked_kept_and_packed() {
    let world = World::done();
    authority(&world, "tsa");
    authority(&world, "other");
    let reply = |name: &str, query: &str, to: &str| {
        let made = sh(&world, &format!("openssl ts -reply -config {name}.cnf -section t -queryfile {query} -out {to}"));
        assert_eq!(made.code, 0, "{}", made.all());
    };
    world.ledger(&["anchor", "query", "--out", "head.tsq"]).good();
    let read = sh(&world, "openssl ts -query -in head.tsq -text").good();
    assert!(read.stdout.contains("Hash Algorithm: sha256") && read.stdout.contains("Certificate required: yes"), "{}", read.all());
    reply("tsa", "head.tsq", "head.tsr");
    let kept = world.ledger(&["anchor", "import", "head.tsr", "--size", "6", "--tsa-ca", "tsa.pem"]).good();
    assert!(kept.stdout.contains("the head of 6 entries existed at 2"), "{}", kept.all());
    world.ledger(&["anchor", "check", "--tsa-ca", "tsa.pem"]).good();
    assert!(world.ledger(&["anchor", "list"]).good().stdout.contains("rfc3161-"));

    // Another authority's word, a reply over another head, and no reply at all are refused.
    let refused = world.ledger(&["anchor", "import", "head.tsr", "--size", "6", "--tsa-ca", "other.pem"]);
    assert!(refused.code == 3 && refused.stderr.contains("does not hold"), "{}", refused.all());
    let refused = world.ledger(&["anchor", "import", "head.tsr", "--size", "5", "--tsa-ca", "tsa.pem"]);
    assert!(refused.code == 3 && refused.stderr.contains("does not hold"), "{}", refused.all());
    world.write("rubbish", "rubbish");
    assert_eq!(world.ledger(&["anchor", "import", "rubbish", "--size", "6", "--tsa-ca", "tsa.pem"]).code, 3);
    assert_eq!(world.ledger(&["anchor", "check", "--tsa-ca", "other.pem"]).code, 20);

    // It is in the package, where stock openssl checks it against the checkpoint beside it.
    world.packed();
    world.verify(ZIP, &[]).good();
    let folder = "evidence/staging_migration_20260108/ledger";
    let checked =
        sh(&world, &format!("openssl ts -verify -data {folder}/checkpoints/6 -in {folder}/anchors/6-rfc3161-*.tsr -CAfile tsa.pem"));
    assert!(checked.code == 0 && checked.stdout.contains("Verification: OK"), "{}", checked.all());

    // A signature's own time, for keys that have ended since.
    world.ledger(&["anchor", "query", "--file", &format!("{ZIP}.sig"), "--out", "sig.tsq"]).good();
    reply("tsa", "sig.tsq", "sig.tsr");
    let told = world.ledger(&["anchor", "check", "--tsa-ca", "tsa.pem", "--file", &format!("{ZIP}.sig"), "sig.tsr"]).good();
    assert!(told.stdout.contains(" existed at 2"), "{}", told.all());
    assert_eq!(world.ledger(&["anchor", "check", "--tsa-ca", "tsa.pem", "--file", "rubbish", "sig.tsr"]).code, 3);
    assert_eq!(world.verify(LEDGER, &[]).good().verdict(), "VERIFIED");
}

#[test]
fn a_git_tag_says_the_head() {
    let world = World::done();
    let none = world.ledger(&["anchor", "git-tag", "head-1"]);
    assert!(none.code == 3 && none.stderr.contains("git tag"), "{}", none.all());
    let made = sh(
        &world,
        "git init -q . && git config user.name Ops && git config user.email ops@example.com && git add ledger.toml && git commit -qm plan",
    );
    assert_eq!(made.code, 0, "{}", made.all());
    world.ledger(&["anchor", "git-tag", "head-1"]).good();
    let text = sh(&world, "git tag -l --format='%(contents)' head-1 > head; cat head").good();
    assert_eq!(text.stdout.trim_end(), world.store().checkpoint_text(6).unwrap().trim_end());
    sh(&world, "git cat-file tag head-1 | tail -n 3 > head").good();
    assert_eq!(world.verify(LEDGER, &["--anchor", "head"]).good().verdict(), "VERIFIED");
    assert_eq!(world.ledger(&["anchor", "git-tag", "head-1"]).code, 3, "a tag is never moved");
    assert_eq!(world.ledger(&["anchor", "git-tag", "-x"]).code, 2);
}
