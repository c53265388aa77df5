//! Signatures and allowed_signers against the installed `ssh-keygen`: what we accept it accepts, and what it refuses we refuse.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use migration_ledger::chain::{Checkpoint, Hash, LedgerId};
use migration_ledger::sign::decision::{Policy, Workers};
use migration_ledger::sign::signers::Standing;
use migration_ledger::sign::{
    AllowedSigners, Decision, Namespace, PublicKey, SignError, Signer, SigningKey, Signoff, Statement, evaluate, generate, sshsig,
};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn line(principal: &str, namespaces: &[Namespace], key: &SigningKey) -> String {
    Signer { principal: principal.into(), namespaces: namespaces.into(), valid_after: None, valid_before: None, key: key.public() }.line()
}

/// Whether stock ssh-keygen accepts a signature.
fn stock_accepts(folder: &Path, signers: &str, principal: &str, namespace: &str, sig: &[u8], message: &[u8]) -> bool {
    std::fs::write(folder.join("signers"), signers).unwrap();
    std::fs::write(folder.join("s.sig"), sig).unwrap();
    let mut child = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-f", "signers", "-I", principal, "-n", namespace, "-s", "s.sig"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(message).unwrap();
    child.wait().unwrap().success()
}

#[test]
fn stock_ssh_keygen_accepts_ours() {
    let folder = folder();
    let key = generate(&folder.path().join("cto"), "cto@example.com demo").unwrap();
    let signers = format!("# roles\n{}\n", line("cto@example.com", &[Namespace::Signoff, Namespace::Waiver], &key));
    let sig = sshsig::sign(&key, Namespace::Signoff, b"message");
    assert!(stock_accepts(folder.path(), &signers, "cto@example.com", "signoff@ledger", sig.as_bytes(), b"message"));
    assert!(!stock_accepts(folder.path(), &signers, "cto@example.com", "package@ledger", sig.as_bytes(), b"message"));
    assert!(!stock_accepts(folder.path(), &signers, "cto@example.com", "signoff@ledger", sig.as_bytes(), b"other"));
    let trusted = AllowedSigners::parse(signers.as_bytes()).unwrap();
    let signed_by = sshsig::verify(sig.as_bytes(), Namespace::Signoff, b"message").unwrap();
    assert!(
        matches!(trusted.standing(&signed_by, Namespace::Signoff, "2026-01-08T10:00:00.000000Z"), Standing::Holds(s) if s.principal == "cto@example.com")
    );
    assert!(matches!(trusted.standing(&signed_by, Namespace::Package, "2026-01-08T10:00:00.000000Z"), Standing::WrongRole(_)));
    assert_eq!(sshsig::verify(sig.as_bytes(), Namespace::Signoff, b"other"), Err(SignError::Mismatch));
    assert!(sshsig::verify(sig.as_bytes(), Namespace::Task, b"message").is_err());
}

#[test]
fn we_accept_what_stock_ssh_keygen_signs() {
    let folder = folder();
    let run = |args: &[&str]| {
        assert!(
            Command::new("ssh-keygen")
                .args(args)
                .current_dir(folder.path())
                .stderr(Stdio::null())
                .stdout(Stdio::null())
                .status()
                .unwrap()
                .success(),
            "{args:?}"
        )
    };
    run(&["-q", "-t", "ed25519", "-N", "secret words", "-C", "dba@example.com", "-f", "locked"]);
    run(&["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "open"]);
    run(&["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", "rsa"]);
    std::fs::write(folder.path().join("m"), "text").unwrap();
    run(&["-Y", "sign", "-n", "task@ledger", "-f", "open", "m"]);
    let sig = std::fs::read(folder.path().join("m.sig")).unwrap();
    let key = sshsig::verify(&sig, Namespace::Task, b"text").unwrap();
    let open = SigningKey::load(&folder.path().join("open"), &mut |_| panic!("not encrypted")).unwrap();
    assert_eq!(key, open.public());
    assert_eq!(sshsig::sign(&open, Namespace::Task, b"text").as_bytes(), sig, "Ed25519 is deterministic, and so is our form");
    let locked = folder.path().join("locked");
    assert_eq!(SigningKey::load(&locked, &mut |_| None).unwrap_err(), SignError::NeedsPassphrase(locked.clone()));
    assert!(SigningKey::load(&locked, &mut |_| Some("wrong".into())).unwrap_err().to_string().contains("wrong passphrase"));
    let line = std::fs::read_to_string(folder.path().join("locked.pub")).unwrap();
    let public = PublicKey::from_base64(line.split(' ').nth(1).unwrap()).unwrap();
    assert_eq!(SigningKey::load(&locked, &mut |_| Some("secret words".into())).unwrap().public(), public);
    assert!(SigningKey::load(&folder.path().join("rsa"), &mut |_| None).is_err());
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(SigningKey::load(&locked, &mut |_| None).unwrap_err().to_string().contains("chmod 600"));
    assert!(generate(&folder.path().join("open"), "x").is_err(), "never overwritten");
}

/// Every byte of an armoured signature, changed: whatever we still accept, stock ssh-keygen accepts as well. (Base64 has no spare spellings.)
#[test]
fn never_laxer_than_stock_over_a_mutated_signature() {
    let folder = folder();
    let key = SigningKey::from_seed([5; 32]);
    let signers = line("cto@example.com", &[Namespace::Signoff], &key);
    let sig = sshsig::sign(&key, Namespace::Signoff, b"m").into_bytes();
    for at in 0..sig.len() {
        for change in [b'A', b'\n', sig[at] ^ 1] {
            let mut bad = sig.clone();
            bad[at] = change;
            if bad != sig && sshsig::verify(&bad, Namespace::Signoff, b"m").is_ok() {
                assert!(stock_accepts(folder.path(), &signers, "cto@example.com", "signoff@ledger", &bad, b"m"), "byte {at}");
                panic!("byte {at} may be changed");
            }
        }
    }
    for bad in
        [[&sig[..], b"\n"].concat(), [b"\n", &sig[..]].concat(), String::from_utf8(sig.clone()).unwrap().replace('\n', "\r\n").into_bytes()]
    {
        assert!(sshsig::verify(&bad, Namespace::Signoff, b"m").is_err());
    }
}

#[test]
fn small_order_keys_are_refused() {
    for key in [
        [0u8; 32],
        {
            let mut one = [0u8; 32];
            one[0] = 1;
            one
        },
        {
            let mut p = [0xffu8; 32];
            p[0] = 0xed;
            p[31] = 0x7f;
            p
        },
    ] {
        let mut armored = sshsig::sign(&SigningKey::from_seed([1; 32]), Namespace::Task, b"m");
        let joined: String = armored.lines().filter(|l| !l.starts_with('-')).collect();
        use base64::Engine;
        let engine = base64::engine::general_purpose::STANDARD;
        let mut blob = engine.decode(joined).unwrap();
        blob[33..65].copy_from_slice(&key);
        let end = blob.len();
        blob[end - 64..].fill(0);
        let text = engine.encode(blob);
        armored = "-----BEGIN SSH SIGNATURE-----\n".into();
        for piece in text.as_bytes().chunks(70) {
            armored.push_str(std::str::from_utf8(piece).unwrap());
            armored.push('\n');
        }
        armored.push_str("-----END SSH SIGNATURE-----\n");
        assert!(sshsig::verify(armored.as_bytes(), Namespace::Task, b"m").is_err());
        sshsig::SshSig::parse(armored.as_bytes()).expect("the form is right; the key is what is refused");
    }
}

#[test]
fn allowed_signers_has_one_form() {
    let key = SigningKey::from_seed([3; 32]).public().to_base64();
    let other = SigningKey::from_seed([4; 32]).public().to_base64();
    let good = format!(
        "cto@example.com namespaces=\"signoff@ledger\",valid-after=\"20260101000000Z\",valid-before=\"20270101000000Z\" ssh-ed25519 {key} a comment\n\n# x\n"
    );
    let read = AllowedSigners::parse(good.as_bytes()).unwrap();
    let public = read.signers()[0].key;
    let at = |time: &str| matches!(read.standing(&public, Namespace::Signoff, time), Standing::Holds(_));
    assert!(at("2026-06-01T00:00:00.000000Z") && at("2026-01-01T00:00:00.000000Z"));
    assert!(!at("2025-12-31T23:59:59.999999Z") && !at("2027-01-01T00:00:01.000000Z"));
    for bad in [
        format!("cto@example.com ssh-ed25519 {key}"),
        format!("* namespaces=\"signoff@ledger\" ssh-ed25519 {key}"),
        format!("cto@example.com,x@example.com namespaces=\"signoff@ledger\" ssh-ed25519 {key}"),
        format!("CTO@example.com namespaces=\"signoff@ledger\" ssh-ed25519 {key}"),
        format!("cto@example.com namespaces=\"*\" ssh-ed25519 {key}"),
        format!("cto@example.com namespaces=\"file\" ssh-ed25519 {key}"),
        format!("cto@example.com namespaces=\"signoff@ledger,signoff@ledger\" ssh-ed25519 {key}"),
        format!("cto@example.com cert-authority,namespaces=\"signoff@ledger\" ssh-ed25519 {key}"),
        format!("cto@example.com namespaces=\"signoff@ledger\",cert-authority ssh-ed25519 {key}"),
        format!("cto@example.com namespaces=\"signoff@ledger\",valid-after=\"20260101Z\" ssh-ed25519 {key}"),
        format!("cto@example.com namespaces=\"signoff@ledger\",valid-after=\"20261301000000Z\" ssh-ed25519 {key}"),
        format!("cto@example.com namespaces=\"signoff@ledger\" ssh-rsa {key}"),
        format!("cto@example.com namespaces=\"signoff@ledger\"  ssh-ed25519 {key}"),
        format!(" cto@example.com namespaces=\"signoff@ledger\" ssh-ed25519 {key}"),
        format!("cto@example.com namespaces=\"signoff@ledger\" ssh-ed25519 {}", &key[..key.len() - 4]),
        format!("cto@example.com namespaces=\"signoff@ledger\" ssh-ed25519 {key}\r"),
        format!("a@example.com namespaces=\"task@ledger\" ssh-ed25519 {key}\nb@example.com namespaces=\"task@ledger\" ssh-ed25519 {key}"),
    ] {
        assert!(matches!(AllowedSigners::parse(bad.as_bytes()), Err(SignError::Signers { .. })), "{bad}");
    }
    AllowedSigners::parse(
        format!("a@example.com namespaces=\"task@ledger\" ssh-ed25519 {key}\na@example.com namespaces=\"task@ledger\" ssh-ed25519 {other}")
            .as_bytes(),
    )
    .unwrap();
}

#[test]
fn a_statement_reads_back_and_nothing_hides_in_it() {
    let checkpoint = Checkpoint { ledger_id: LedgerId([1; 16]), size: 7, root: Hash([2; 32]) };
    let mut statement = Statement::over("signoff", &checkpoint, Some("staging_migration_20260108"), "cto@example.com", "all gates passed")
        .with("decision", "go");
    statement.subjects.push(("report/report.json".into(), Hash([3; 32])));
    let bytes = statement.to_bytes().unwrap();
    assert_eq!(Statement::parse(&bytes).unwrap(), statement);
    let text = String::from_utf8(bytes).unwrap();
    for (from, to) in [
        ("\"_type\":", "\"_a\":1,\"_type\":"),
        ("\"name\":\"checkpoint\"", "\"also\":1,\"name\":\"checkpoint\""),
        ("/signoff/", "/other/"),
        ("\"checkpoint\"", "\"checkpoint2\""),
        ("{", "{ "),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert!(Statement::parse(changed.as_bytes()).is_err(), "{changed}");
    }
    assert!(statement.with("size", 9).to_bytes().is_err());
}

#[test]
fn decisions_in_words() {
    let at = "2026-01-08T16:00:00.000000Z";
    let sign = |who: u8, go: bool, size: u64| Signoff {
        seq: 50 + u64::from(who),
        principal: format!("p{who}@example.com"),
        key: PublicKey([who; 32]),
        go,
        size,
        valid_until: None,
    };
    let workers = Workers { principals: ["p9@example.com".to_owned()].into(), keys: [PublicKey([8; 32])].into() };
    let word =
        |signoffs: &[Signoff], needed| evaluate(40, signoffs, &workers, &Policy { sign_offs: needed, missing: None }, at).to_string();
    assert_eq!(word(&[], 0), "MISSING(signoff)", "one is needed whatever the policy says");
    assert_eq!(word(&[sign(1, true, 40)], 1), "APPROVED");
    assert_eq!(word(&[sign(1, true, 40), sign(2, false, 40)], 1), "DENIED");
    assert_eq!(word(&[sign(1, true, 40), sign(2, false, 39)], 1), "APPROVED", "an old no-go is over another state");
    assert_eq!(word(&[sign(1, true, 39)], 1), "STALE");
    assert_eq!(word(&[sign(1, true, 40)], 2), "MISSING(signoff)");
    assert_eq!(word(&[sign(1, true, 40), sign(1, true, 40)], 2), "MISSING(signoff)", "one person twice");
    assert_eq!(word(&[sign(9, true, 40)], 1), "SOD-VIOLATION(p9@example.com took part in the work)");
    assert_eq!(word(&[sign(8, true, 40)], 1), "SOD-VIOLATION(the key of p8@example.com signed for the work)");
    assert_eq!(word(&[sign(9, true, 40), sign(1, true, 40)], 1), "APPROVED", "somebody apart from the work signed as well");
    let mut old = sign(1, true, 40);
    old.valid_until = Some("2026-01-08T15:59:59.999999Z".into());
    assert_eq!(word(&[old.clone()], 1), "EXPIRED");
    // The same moment, and half a second before and after it, however many decimals the verifier gives.
    for (until, at, expected) in [
        ("16:00:00.000000Z", "16:00:00Z", "APPROVED"),
        ("16:00:00.500000Z", "16:00:00Z", "APPROVED"),
        ("16:00:00.000000Z", "16:00:00.5Z", "EXPIRED"),
        ("16:00:00.500000Z", "16:00:00.5Z", "APPROVED"),
        ("16:00:00.500000Z", "16:00:00.500000999Z", "APPROVED"),
    ] {
        old.valid_until = Some(format!("2026-01-08T{until}"));
        let said = evaluate(40, std::slice::from_ref(&old), &workers, &Policy::default(), &format!("2026-01-08T{at}"));
        assert_eq!(said.to_string(), expected, "{until} at {at}");
    }
    assert_eq!(evaluate(40, &[], &workers, &Policy::default(), at), Decision::Missing("signoff".into()));
}
