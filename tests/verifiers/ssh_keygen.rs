//! Signatures and allowed_signers against the installed ssh-keygen, over changed files: what we accept it accepts, and where it accepts what we
//! refuse, docs/format.md says so.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use migration_ledger::sign::signers::Standing;
use migration_ledger::sign::{AllowedSigners, Namespace, SignError, sshsig};
use serde_json::json;
use sha2::{Digest, Sha256, Sha512};

use crate::both::ask;
use crate::mutations::{mutate, signers_of_both};
use crate::scene::{CTO, key};

const MESSAGE: &[u8] = b"message";
const WHEN: &str = "20260601000000Z";
const AT: &str = "2026-06-01T00:00:00.000000Z";

/// Whether stock ssh-keygen takes a signature of cto@example.com under a namespace.
fn stock(folder: &Path, signers: &[u8], namespace: &str, sig: &[u8]) -> bool {
    std::fs::write(folder.join("signers"), signers).unwrap();
    std::fs::write(folder.join("s.sig"), sig).unwrap();
    let time = format!("-Overify-time={WHEN}");
    let mut child = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-f", "signers", "-I", "cto@example.com", "-n", namespace, &time, "-s", "s.sig"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It may refuse the signature before it reads the message.
    let _ = child.stdin.take().unwrap().write_all(MESSAGE);
    child.wait().unwrap().success()
}

/// What both of ours say: `Ok`, or the reason why not.
fn ours(sig: &[u8], namespace: &str) -> Result<(), String> {
    let rust = match Namespace::from_name(namespace) {
        Some(namespace) => sshsig::verify(sig, namespace, MESSAGE).map(|_| ()).map_err(|error| error.to_string()),
        None => sshsig::SshSig::parse(sig).map(|_| ()).map_err(|error| error.to_string()),
    };
    let python = ask(&json!({"ask": "signature", "hex": hex::encode(sig), "namespace": namespace, "message": hex::encode(MESSAGE)}));
    assert_eq!(rust.is_ok(), python["key"].is_string(), "{rust:?} and {python}: {}", String::from_utf8_lossy(sig));
    rust
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// The parts of a signature, each as somebody might want it.
struct Made<'a> {
    version: u32,
    namespace: &'a str,
    reserved: &'a [u8],
    hash: &'a str,
    tail: &'a [u8],
    columns: usize,
}

impl Made<'_> {
    /// A signature that is good but for the form asked for.
    fn armored(&self) -> String {
        let digest = if self.hash == "sha256" { Sha256::digest(MESSAGE).to_vec() } else { Sha512::digest(MESSAGE).to_vec() };
        let fields = [self.namespace.as_bytes(), b"", self.hash.as_bytes(), &digest].map(string).concat();
        let secret = ed25519_dalek::SigningKey::from_bytes(&[CTO; 32]);
        let raw = secret.sign(&[b"SSHSIG", &fields[..]].concat()).to_bytes();
        let signature = [string(b"ssh-ed25519"), string(&raw)].concat();
        let rest = [&key(CTO).public().blob()[..], self.namespace.as_bytes(), self.reserved, self.hash.as_bytes(), &signature]
            .map(string)
            .concat();
        let text = STANDARD.encode([b"SSHSIG", &self.version.to_be_bytes()[..], &rest, self.tail].concat());
        armor(&text, self.columns)
    }
}

fn armor(text: &str, columns: usize) -> String {
    let lines: String = text.as_bytes().chunks(columns).map(|line| String::from_utf8_lossy(line).into_owned() + "\n").collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{lines}-----END SSH SIGNATURE-----\n")
}

const PLAIN: Made<'static> = Made { version: 1, namespace: "signoff@ledger", reserved: b"", hash: "sha512", tail: b"", columns: 70 };

fn line() -> String {
    format!("cto@example.com namespaces=\"signoff@ledger,file\" ssh-ed25519 {}\n", key(CTO).public().to_base64())
}

/// The list in docs/format.md of what we refuse and stock ssh-keygen accepts.
fn listed() -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/format.md")).unwrap();
    text.split("**Stricter than ssh-keygen").nth(1).unwrap().split("\n## ").next().unwrap().to_owned()
}

#[test]
fn every_stricter_case_of_signatures_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let good = PLAIN.armored();
    assert!(ours(good.as_bytes(), "signoff@ledger").is_ok() && stock(folder.path(), line().as_bytes(), "signoff@ledger", good.as_bytes()));
    let text: String = good.lines().filter(|l| !l.starts_with('-')).collect();
    let padded = Made { namespace: "keys@ledger", ..PLAIN }.armored();
    assert!(padded.contains('='), "a blob that needs padding");
    let cases = [
        ("sha256", "signoff@ledger", Made { hash: "sha256", ..PLAIN }.armored()),
        ("non-empty `reserved`", "signoff@ledger", Made { reserved: b"x", ..PLAIN }.armored()),
        ("version 0", "signoff@ledger", Made { version: 0, ..PLAIN }.armored()),
        ("version 2", "signoff@ledger", Made { version: 2, ..PLAIN }.armored()),
        ("bytes after the blob", "signoff@ledger", Made { tail: b"x", ..PLAIN }.armored()),
        ("other namespaces", "file", Made { namespace: "file", ..PLAIN }.armored()),
        ("other line lengths", "signoff@ledger", Made { columns: 76, ..PLAIN }.armored()),
        ("one line", "signoff@ledger", Made { columns: 1000, ..PLAIN }.armored()),
        ("CR", "signoff@ledger", good.replace('\n', "\r\n")),
        ("empty lines", "signoff@ledger", good.replacen('\n', "\n\n", 2)),
        ("spaces", "signoff@ledger", good.replacen("U1NI", "U1 NI", 1)),
        ("text before the armour", "signoff@ledger", format!("x\n{good}")),
        ("text after the armour", "signoff@ledger", format!("{good}x\n")),
        ("no newline at the end", "signoff@ledger", good.trim_end().to_owned()),
        ("unpadded base64", "keys@ledger", padded.replace('=', "")),
        ("tail bits of base64", "keys@ledger", padded.replace("A==", "B==").replace("I=", "J=")),
        ("base64url", "signoff@ledger", armor(&text.replace('+', "-").replace('/', "_"), 70)),
    ];
    let (mut stricter, listed) = (Vec::new(), listed());
    let allowed = line().replace("file", "file,keys@ledger");
    for (name, namespace, sig) in &cases {
        if *sig == good || *sig == padded {
            continue;
        }
        assert!(ours(sig.as_bytes(), namespace).is_err(), "{name}");
        if stock(folder.path(), allowed.as_bytes(), namespace, sig.as_bytes()) {
            assert!(listed.contains(name), "docs/format.md does not list {name}");
            stricter.push(*name);
        }
    }
    assert!(stricter.len() >= 5, "{stricter:?}");
}

#[test]
fn changed_signatures_are_never_taken_where_stock_refuses_them() {
    let folder = tempfile::tempdir().unwrap();
    let good = PLAIN.armored();
    let text: String = good.lines().filter(|l| !l.starts_with('-')).collect();
    let blob = STANDARD.decode(&text).unwrap();
    let mut rng = fastrand::Rng::with_seed(4253);
    let splices = ["=", "\n", "\r\n", " ", "A", "-----END SSH SIGNATURE-----\n", "sha256", "sha512", "\0", "file", "ssh-ed25519"];
    let (mut taken, mut stricter) = (0, BTreeSet::new());
    for round in 0..240 {
        let sig = match round % 2 {
            0 => mutate(&mut rng, good.as_bytes(), &splices),
            _ => armor(&STANDARD.encode(mutate(&mut rng, &blob, &splices)), if round % 4 == 1 { 70 } else { 76 }).into_bytes(),
        };
        let answer = ours(&sig, "signoff@ledger");
        match (answer, stock(folder.path(), line().as_bytes(), "signoff@ledger", &sig)) {
            (Ok(()), true) => taken += 1,
            (Ok(()), false) => panic!("laxer than ssh-keygen: {}", String::from_utf8_lossy(&sig)),
            (Err(why), true) => drop(stricter.insert(why)),
            (Err(_), false) => {}
        }
    }
    for why in &stricter {
        let known = ["not the canonical form", "not canonical base64", "reserved is not empty", "no SSH SIGNATURE armour"];
        assert!(known.iter().any(|reason| why.contains(reason)), "a stricter case that docs/format.md does not list: {why}");
    }
    assert!(taken < 240);
}

#[test]
fn allowed_signers_are_never_read_as_allowing_what_stock_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let sig = PLAIN.armored();
    let (cto, other) = (key(CTO).public(), key(7).public().to_base64());
    let k = cto.to_base64();
    let ours = |file: &[u8]| match AllowedSigners::parse(file) {
        Ok(_) => {
            let read = signers_of_both(file).unwrap();
            match read.standing(&cto, Namespace::Signoff, AT) {
                Standing::Holds(signer) if signer.principal == "cto@example.com" => Ok(true),
                _ => Ok(false),
            }
        }
        Err(SignError::Signers { why, .. }) => {
            assert!(signers_of_both(file).is_none());
            Err(why)
        }
        Err(other) => panic!("{other}"),
    };
    let (mut allowed, mut stricter) = (0, BTreeSet::new());
    let mut ask = |file: &[u8]| {
        let told = String::from_utf8_lossy(file).into_owned();
        match (ours(file), stock(folder.path(), file, "signoff@ledger", sig.as_bytes())) {
            (Ok(true), true) => allowed += 1,
            (Ok(true), false) => panic!("laxer than ssh-keygen: {told}"),
            (Ok(false), true) => panic!("read as another meaning than ssh-keygen's: {told}"),
            (Err(why), true) => drop(stricter.insert(why)),
            (_, false) => {}
        }
    };
    let base = format!(
        "cto@example.com namespaces=\"signoff@ledger\",valid-after=\"20260101000000Z\",valid-before=\"20270101000000Z\" ssh-ed25519 {k} note\n"
    );
    let cases: Vec<(String, String)> = [
        ("", ""),
        ("20270101", "20260601"),
        ("20270101000000Z", "20260531235959Z"),
        ("20260101", "20260602"),
        ("20260101000000Z", "20260601000000Z"),
        ("20260101000000Z", "20260101"),
        ("20260101000000Z", "202601010000"),
        ("20260101000000Z", "20260101000000"),
        ("000000Z", "000060Z"),
        ("20260101", "20261301"),
        ("20260101", "00000101"),
        ("namespaces", "NAMESPACES"),
        ("namespaces", "Namespaces"),
        ("signoff@ledger\"", "signoff@ledger,task@ledger\""),
        ("signoff@ledger\"", "*\""),
        ("signoff@ledger\"", "signoff@*\""),
        ("signoff@ledger\"", "task@ledger\""),
        ("signoff@ledger\"", "\""),
        ("signoff@ledger\"", "signoff@ledger,\""),
        ("signoff@ledger\"", "!signoff@ledger,*\""),
        ("namespaces=\"signoff@ledger\",", ""),
        ("namespaces=\"signoff@ledger\"", "namespaces=signoff@ledger"),
        ("cto@example.com ", "*@example.com "),
        ("cto@example.com ", "cto@example.com,a@example.com "),
        ("cto@example.com ", "!cto@example.com,* "),
        ("cto@example.com ", "\"cto@example.com\" "),
        ("cto@example.com ", "CTO@EXAMPLE.COM "),
        ("cto@example.com ", "?to@example.com "),
        ("cto@example.com ", "cto@example.com\t"),
        ("cto@example.com ", "cto@example.com  "),
        ("cto@example.com ", " cto@example.com "),
        (" note", ""),
        (" note", " "),
        (" note\n", " note\r\n"),
        (" note\n", " note"),
        ("ssh-ed25519 ", "ssh-ed25519  "),
        ("ssh-ed25519 ", "ssh-rsa "),
        ("ssh-ed25519 ", ""),
        ("AAAAC3", "AAAAC4"),
        ("ssh-ed25519 ", "cert-authority ssh-ed25519 "),
        ("namespaces", "cert-authority,namespaces"),
        ("namespaces", "no-such-option,namespaces"),
        ("valid-after", "valid-before"),
        (" note", "= note"),
        ("cto@example.com ", "#cto@example.com "),
        ("cto@example.com ", "\u{feff}cto@example.com "),
    ]
    .iter()
    .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
    .collect();
    for (from, to) in &cases {
        ask(base.replacen(from.as_str(), to, 1).as_bytes());
    }
    for file in [
        format!("{base}{base}"),
        format!("# c\n\n{base}\n"),
        format!("other@example.com namespaces=\"signoff@ledger\" ssh-ed25519 {k}\n{base}"),
        format!("cto@example.com namespaces=\"task@ledger\" ssh-ed25519 {k}\n{base}"),
        format!("cto@example.com namespaces=\"signoff@ledger\" ssh-ed25519 {other}\n{base}"),
        format!("cto@example.com namespaces=\"signoff@ledger\" ssh-ed25519 {other}\n"),
        format!("{base}junk\n"),
        format!("junk\n{base}"),
        base.replace(' ', "\t"),
    ] {
        ask(file.as_bytes());
    }
    let mut rng = fastrand::Rng::with_seed(5656);
    let splices = [
        " ",
        "\t",
        "\"",
        ",",
        "*",
        "!",
        "#",
        "\n",
        "\r",
        "Z",
        "=",
        "signoff@ledger",
        "task@ledger",
        "valid-after=\"20300101Z\"",
        "cert-authority",
        "cto@example.com",
    ];
    for _ in 0..160 {
        ask(&mutate(&mut rng, base.as_bytes(), &splices));
    }
    assert!(allowed > 10, "{allowed}");
    let listed = listed();
    for why in &stricter {
        assert!(listed.contains(why), "docs/format.md does not list what ssh-keygen accepts and we refuse: {why}");
    }
    assert!(stricter.len() >= 5, "{stricter:?}");
}
