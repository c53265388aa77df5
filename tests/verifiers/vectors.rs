//! The vectors of docs/format.md: files with the answer that each must get, for these two verifiers and for anybody's third.
//!
//! `tests/chain_vectors` are bytes of the ledger (hashes, headers, statements), `tests/package_vectors` signatures, allowed_signers and packages.
//! They are made once, by [`write_the_vectors`], and never change: a vector that gets another answer is a break of the format.

use std::path::{Path, PathBuf};

use base64::Engine;
use migration_ledger::chain::header::RawHeader;
use migration_ledger::chain::{Checkpoint, EntryType, Hash, LedgerId, hash, merkle};
use migration_ledger::package::manifest;
use migration_ledger::package::verify::Options;
use migration_ledger::package::zip::ZipWriter;
use migration_ledger::sign::{AllowedSigners, Namespace, SignError, Statement, sshsig};
use serde_json::{Value, json};

use crate::both::{ask, verify};
use crate::scene::*;

pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

pub fn read(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder(name)).unwrap();
    serde_json::from_str::<Value>(&text).unwrap().as_array().unwrap().clone()
}

fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
    vector[member].as_str().unwrap_or_else(|| panic!("{member} of {vector}"))
}

fn bytes(vector: &Value, member: &str) -> Vec<u8> {
    hex::decode(text(vector, member)).unwrap()
}

fn hash_of(vector: &Value, member: &str) -> Hash {
    Hash::from_hex(text(vector, member)).unwrap()
}

fn leaves(vector: &Value) -> Vec<Hash> {
    vector["leaves"].as_array().unwrap().iter().map(|leaf| Hash::from_hex(leaf.as_str().unwrap()).unwrap()).collect()
}

fn hashes(vector: &Value, member: &str) -> Vec<Hash> {
    vector[member].as_array().unwrap().iter().map(|h| Hash::from_hex(h.as_str().unwrap()).unwrap()).collect()
}

#[test]
fn hashes_and_proofs() {
    for vector in read("chain_vectors/hashes.json") {
        let n = |member: &str| vector[member].as_u64().unwrap();
        match text(&vector, "what") {
            "commitment" => {
                let mut commitment = hash::Commitment::new(&bytes(&vector, "salt").try_into().unwrap());
                commitment.update(&bytes(&vector, "payload"));
                assert_eq!(commitment.finish(), hash_of(&vector, "commit"));
            }
            "genesis" => assert_eq!(hash::genesis(LedgerId::from_hex(text(&vector, "ledger_id")).unwrap()), hash_of(&vector, "prev")),
            "leaf" => {
                let id = LedgerId::from_hex(text(&vector, "ledger_id")).unwrap();
                assert_eq!(
                    hash::leaf(id, n("seq"), &hash_of(&vector, "prev"), text(&vector, "header").as_bytes()),
                    hash_of(&vector, "leaf")
                );
            }
            "root" => assert_eq!(merkle::root(&leaves(&vector)), hash_of(&vector, "root"), "{vector}"),
            "inclusion" => {
                let (all, path) = (leaves(&vector), hashes(&vector, "path"));
                assert_eq!(merkle::inclusion(&all[..], n("seq"), all.len() as u64).unwrap(), path);
                assert!(merkle::included(&all[n("seq") as usize], n("seq"), all.len() as u64, &path, &hash_of(&vector, "root")));
            }
            "checkpoint" => {
                let checkpoint = Checkpoint::parse(text(&vector, "text")).unwrap();
                assert_eq!((checkpoint.size, checkpoint.root), (n("size"), hash_of(&vector, "root")));
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn headers_and_statements() {
    for vector in read("chain_vectors/headers.json") {
        let (seq, raw) = (vector["seq"].as_u64().unwrap(), bytes(&vector, "hex"));
        let wanted = text(&vector, "expect") == "accepted";
        assert_eq!(RawHeader::read(seq, &raw).is_ok(), wanted, "{}", text(&vector, "name"));
        let python = ask(&json!({"ask": "header", "seq": seq, "hex": text(&vector, "hex")}));
        assert_eq!(python["good"], json!(wanted), "{}: {python}", text(&vector, "name"));
    }
    for vector in read("chain_vectors/statements.json") {
        let word = match Statement::parse(&bytes(&vector, "hex")) {
            Ok(_) => "accepted",
            Err(SignError::Statement(why)) if why.contains("predicateType") => "WRONG-TYPE",
            Err(_) => "MALFORMED",
        };
        let python = ask(&json!({"ask": "statement", "hex": text(&vector, "hex")}));
        let told = if python["kind"].is_string() { "accepted" } else { text(&python, "word") };
        assert_eq!((word, told), (text(&vector, "expect"), text(&vector, "expect")), "{}", text(&vector, "name"));
    }
}

#[test]
fn signatures_and_allowed_signers() {
    for vector in read("package_vectors/signatures.json") {
        let (name, wanted) = (text(&vector, "name"), text(&vector, "expect") == "accepted");
        let namespace = Namespace::from_name(text(&vector, "namespace")).unwrap();
        let (sig, message) = (text(&vector, "signature").as_bytes(), text(&vector, "message").as_bytes());
        assert_eq!(sshsig::verify(sig, namespace, message).is_ok(), wanted, "{name}");
        let question =
            json!({"ask": "signature", "hex": hex::encode(sig), "namespace": namespace.as_str(), "message": hex::encode(message)});
        assert_eq!(ask(&question)["key"].is_string(), wanted, "{name}");
    }
    for vector in read("package_vectors/allowed_signers.json") {
        let read = crate::mutations::signers_of_both(text(&vector, "text").as_bytes());
        assert_eq!(read.is_some(), text(&vector, "expect") == "accepted", "{}", text(&vector, "name"));
    }
}

#[test]
fn proofs() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = read("chain_vectors/proofs.json");
    assert!(vectors.len() >= 6, "{}", vectors.len());
    for vector in vectors {
        let path = folder.path().join("proof.json");
        std::fs::write(&path, text(&vector, "proof")).unwrap();
        let options = Options { at: Some("2026-11-23T12:00:00.000000Z".into()), ..trusting() };
        assert_eq!(verify(&path, &options).unwrap().verdict, text(&vector, "verdict"), "{}", text(&vector, "name"));
    }
}

/// Packages with the options to ask with: all under `package_vectors/packages`, with `allowed_signers`, or the file of them that the vector
/// names, beside them.
#[test]
fn packages() {
    let at = folder("package_vectors/packages");
    let vectors = read("package_vectors/packages.json");
    assert!(vectors.len() >= 20, "{}", vectors.len());
    for vector in vectors {
        let options = Options {
            signers: Some(signers_named(vector["signers"].as_str().unwrap_or("allowed_signers"))),
            at: Some(text(&vector, "at").to_owned()),
            anchors: vector["anchor"].as_str().map(|text| Checkpoint::parse(text).unwrap()).into_iter().collect(),
            ..Options::default()
        };
        let found = verify(&at.join(text(&vector, "folder")).join("P.zip"), &options).unwrap();
        assert_eq!(found.verdict, text(&vector, "verdict"), "{}", text(&vector, "name"));
        assert_eq!(found.decision.as_deref(), vector["decision"].as_str(), "{}", text(&vector, "name"));
        if let Some(absent) = vector.get("absent") {
            assert_eq!(json!(found.absent), *absent, "{}", text(&vector, "name"));
        }
    }
}

/// A file of allowed signers beside the packages.
pub fn signers_named(name: &str) -> AllowedSigners {
    AllowedSigners::parse(&std::fs::read(folder("package_vectors/packages").join(name)).unwrap()).unwrap()
}

pub fn write(name: &str, vectors: &[Value]) {
    let path = folder(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let lines: Vec<String> = vectors.iter().map(|vector| format!("  {vector}")).collect();
    std::fs::write(path, format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
}

#[test]
#[ignore = "makes tests/chain_vectors, tests/package_vectors and fuzz/seeds anew; only for a new format; then add_the_later_vectors"]
fn write_the_vectors() {
    let scene = Scene::approved();
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let seed = |target: &str, name: &str, bytes: &[u8]| {
        std::fs::create_dir_all(seeds.join(target)).unwrap();
        std::fs::write(seeds.join(target).join(name), bytes).unwrap();
    };
    write_hashes(&scene);
    write_proofs(&scene);
    // Headers: those of a real run, and one defect each.
    let mut headers = Vec::new();
    let entries: Vec<_> = scene.store.entries(0..8).map(Result::unwrap).collect();
    let mut put = |name: &str, seq: u64, raw: &[u8]| {
        let expect = if RawHeader::read(seq, raw).is_ok() { "accepted" } else { "MALFORMED" };
        headers.push(json!({"name": name, "seq": seq, "hex": hex::encode(raw), "expect": expect}));
    };
    for entry in &entries {
        put(entry.header.kind.as_str(), entry.seq, &entry.header_bytes);
        let first = u8::try_from(entry.seq).unwrap();
        seed("header", &format!("{}-{}", entry.seq, entry.header.kind.as_str()), &[&[first], &entry.header_bytes[..]].concat());
    }
    let result = String::from_utf8(entries[3].header_bytes.clone()).unwrap();
    for (name, from, to) in [
        ("a float", "\"pass\"", "1.0"),
        ("54 bits", "\"pass\"", "9007199254740992"),
        ("53 bits", "\"pass\"", "9007199254740991"),
        ("minus zero", "\"pass\"", "-0"),
        ("null", "\"pass\"", "null"),
        ("an escape that canonical form does not use", "\"pass\"", "\"\\u0041\""),
        ("an escaped slash", "\"pass\"", "\"\\/\""),
        ("a surrogate pair spelled out", "\"pass\"", "\"\\ud83d\\ude00\""),
        ("a lone surrogate", "\"pass\"", "\"\\ud800\""),
        ("CR", "\"pass\"", "\"\\r\""),
        ("DEL", "\"pass\"", "\"\u{7f}\""),
        ("a C1 control", "\"pass\"", "\"\u{85}\""),
        ("newline and tab", "\"pass\"", "\"\\n\\t\""),
        ("letters outside ASCII, not normalised", "\"pass\"", "\"e\u{301}\u{e9}\u{1f600}\""),
        ("a duplicate key", "\"type\":", "\"type\":\"note\",\"type\":"),
        ("keys out of order", "\"v\":1", "\"v\":1,\"a\":1"),
        ("an unknown key", "\"v\":1", "\"v\":1,\"w\":1"),
        ("an upper-case key in the body", "\"outcome\"", "\"Outcome\""),
        ("another version", "\"v\":1", "\"v\":2"),
        ("an unknown type", "task.result", "task.results"),
        ("a BOM", "{\"actor\"", "\u{feff}{\"actor\""),
        ("white space", "\"v\":1", "\"v\": 1"),
        ("no outcome", "\"outcome\":\"pass\"", ""),
        ("a ref to itself", "\"refs\":[2]", "\"refs\":[3]"),
        ("a part's path in a folder of another type", "\"name\":\"log.txt\"", "\"name\":\"log.txt\",\"path\":\"report/log.txt\""),
        ("two parts of one name", "log.txt", "result.json"),
    ] {
        let changed = result.replacen(from, to, 1);
        assert_ne!(changed, result, "{name}");
        put(name, 3, changed.as_bytes());
    }
    for (name, depth) in [("16 deep", 14), ("17 deep", 15)] {
        put(name, 3, result.replacen("\"pass\"", &format!("{}{}", "[".repeat(depth), "]".repeat(depth)), 1).as_bytes());
    }
    for year in ["2024-02-29", "2023-02-29", "2026-13-01", "0000-01-01"] {
        let at = result.find("\"ts\":\"").unwrap() + 6;
        put(&format!("dated {year}"), 3, format!("{}{year}{}", &result[..at], &result[at + 10..]).as_bytes());
    }
    put("ledger.opened as entry 1", 1, &entries[0].header_bytes);
    write("chain_vectors/headers.json", &headers);
    write_statements(&scene, &seed);
    write_signatures(&seed);
    write_packages(&scene, &seed);
}

fn write_hashes(scene: &Scene) {
    let entry = scene.store.entry(3).unwrap();
    let id = scene.store.ledger_id();
    let mut vectors = vec![
        json!({"what": "commitment", "salt": "11".repeat(32), "payload": "", "commit": commit(b"")}),
        json!({"what": "commitment", "salt": "11".repeat(32), "payload": hex::encode("payload"), "commit": commit(b"payload")}),
        json!({"what": "genesis", "ledger_id": id.to_hex(), "prev": hash::genesis(id).to_hex()}),
        json!({"what": "leaf", "ledger_id": id.to_hex(), "seq": 3, "prev": entry.prev.to_hex(), "header": String::from_utf8(entry.header_bytes.clone()).unwrap(), "leaf": entry.leaf.to_hex()}),
    ];
    let all: Vec<Hash> = (0..8u8).map(|n| hash::sha256(&[n])).collect();
    let hexes = |list: &[Hash]| list.iter().map(Hash::to_hex).collect::<Vec<_>>();
    for n in 1..=8 {
        vectors.push(json!({"what": "root", "leaves": hexes(&all[..n]), "root": merkle::root(&all[..n]).to_hex()}));
        let path = merkle::inclusion(&all[..n], (n / 2) as u64, n as u64).unwrap();
        vectors.push(json!({"what": "inclusion", "seq": n / 2, "leaves": hexes(&all[..n]), "root": merkle::root(&all[..n]).to_hex(), "path": hexes(&path)}));
    }
    let checkpoint = scene.store.checkpoint(6).unwrap();
    vectors.push(json!({"what": "checkpoint", "text": checkpoint.text(), "size": 6, "root": checkpoint.root.to_hex()}));
    write("chain_vectors/hashes.json", &vectors);
}

fn write_proofs(scene: &Scene) {
    let good = |signer: Option<u8>| {
        let mut proof = scene.store.prove(3, 8).unwrap();
        proof.signature = signer.map(|who| sshsig::sign(&key(who), Namespace::Checkpoint, proof.checkpoint.text().as_bytes()));
        String::from_utf8(proof.to_bytes().unwrap()).unwrap()
    };
    let signed = good(Some(OPS));
    let folder = tempfile::tempdir().unwrap();
    let vectors: Vec<Value> = [
        ("signed", signed.clone()),
        ("unsigned", good(None)),
        ("signed by a stranger", good(Some(STRANGER))),
        ("signed in another role", good(Some(CTO))),
        ("another place", signed.replacen("\"seq\":3", "\"seq\":4", 1)),
        ("another header", signed.replacen("pass", "fail", 1)),
        ("a step of 33 bytes", signed.replacen("\"path\":[\"", "\"path\":[\"00", 1)),
        ("white space", signed.replacen("\"v\":1", "\"v\": 1", 1)),
        ("a member more", signed.replacen("\"v\":1", "\"v\":1,\"w\":1", 1)),
    ]
    .into_iter()
    .map(|(name, proof)| {
        let path = folder.path().join("proof.json");
        std::fs::write(&path, &proof).unwrap();
        json!({"name": name, "proof": proof, "verdict": verify(&path, &trusting()).unwrap().verdict})
    })
    .collect();
    write("chain_vectors/proofs.json", &vectors);
}

fn commit(payload: &[u8]) -> String {
    let mut commitment = hash::Commitment::new(&[0x11; 32]);
    commitment.update(payload);
    commitment.finish().to_hex()
}

type Seed<'a> = dyn Fn(&str, &str, &[u8]) + 'a;

fn write_statements(scene: &Scene, seed: &Seed<'_>) {
    let good = scene.signoff(6, "cto@example.com", true).to_bytes().unwrap();
    seed("sshsig", "statement", &good);
    let good = String::from_utf8(good).unwrap();
    let mut vectors = Vec::new();
    for (name, from, to) in [
        ("a sign-off", "", ""),
        ("another type of the format", "/signoff/", "/waiver/"),
        ("a type that the format does not know", "/signoff/", "/other/"),
        ("a member more", "\"name\":\"checkpoint\"", "\"name\":\"checkpoint\",\"uri\":\"x\""),
        ("no checkpoint", "\"checkpoint\"", "\"point\""),
        ("a size that is a text", "\"size\":6", "\"size\":\"6\""),
        ("white space", "\"size\":6", "\"size\": 6"),
        ("an upper-case key", "\"decision\"", "\"Decision\""),
        ("another _type", "Statement/v1", "Statement/v0.1"),
    ] {
        let raw = good.replacen(from, to, 1);
        let expect = match Statement::parse(raw.as_bytes()) {
            Ok(_) => "accepted",
            Err(SignError::Statement(why)) if why.contains("predicateType") => "WRONG-TYPE",
            Err(_) => "MALFORMED",
        };
        vectors.push(json!({"name": name, "hex": hex::encode(raw), "expect": expect}));
    }
    write("chain_vectors/statements.json", &vectors);
}

fn write_signatures(seed: &Seed<'_>) {
    let good = sshsig::sign(&key(CTO), Namespace::Signoff, b"message");
    seed("sshsig", "signature", good.as_bytes());
    let body: String = good.lines().filter(|line| !line.starts_with('-')).collect();
    let engine = base64::engine::general_purpose::STANDARD;
    let blob = engine.decode(&body).unwrap();
    let armor = |blob: &[u8], columns: usize| {
        let text = engine.encode(blob);
        let lines: String = text.as_bytes().chunks(columns).map(|line| String::from_utf8_lossy(line).into_owned() + "\n").collect();
        format!("-----BEGIN SSH SIGNATURE-----\n{lines}-----END SSH SIGNATURE-----\n")
    };
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut other = blob.clone();
        change(&mut other);
        armor(&other, 70)
    };
    let end = blob.len();
    let order: [u8; 32] = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap().try_into().unwrap();
    let cases = [
        ("good", good.clone()),
        ("76 columns", armor(&blob, 76)),
        ("CR LF", good.replace('\n', "\r\n")),
        ("an empty line", good.replacen('\n', "\n\n", 1)),
        ("text after the armour", format!("{good}x\n")),
        ("version 0", changed(&|b| b[9] = 0)),
        ("bytes after the blob", changed(&|b| b.push(0))),
        (
            "S + L",
            changed(&|b| {
                let mut carry = 0u16;
                for (at, l) in order.iter().enumerate() {
                    let sum = u16::from(b[end - 32 + at]) + u16::from(*l) + carry;
                    b[end - 32 + at] = sum.to_le_bytes()[0];
                    carry = sum >> 8;
                }
            }),
        ),
        (
            "a key of small order, R and S zero",
            changed(&|b| {
                b[33..65].fill(0);
                b[end - 64..].fill(0);
            }),
        ),
        (
            "R of small order",
            changed(&|b| {
                b[end - 64..end - 32].fill(0);
                b[end - 64] = 1;
            }),
        ),
        ("another key", changed(&|b| b[33] ^= 1)),
        ("one bit of S", changed(&|b| b[end - 30] ^= 1)),
    ];
    let mut vectors: Vec<Value> = cases
        .iter()
        .map(|(name, sig)| {
            let held = sshsig::verify(sig.as_bytes(), Namespace::Signoff, b"message").is_ok();
            json!({"name": name, "namespace": "signoff@ledger", "message": "message", "signature": sig, "expect": if held { "accepted" } else { "BAD-SIGNATURE" }})
        })
        .collect();
    vectors.push(json!({"name": "another namespace", "namespace": "package@ledger", "message": "message", "signature": good, "expect": "BAD-SIGNATURE"}));
    vectors.push(json!({"name": "another message", "namespace": "signoff@ledger", "message": "massage", "signature": good, "expect": "BAD-SIGNATURE"}));
    write("package_vectors/signatures.json", &vectors);

    let k = key(CTO).public().to_base64();
    let line =
        format!("cto@example.com namespaces=\"signoff@ledger,waiver@ledger\",valid-after=\"20260101000000Z\" ssh-ed25519 {k} a comment\n");
    seed("signers", "one", line.as_bytes());
    let vectors: Vec<Value> = [
        ("good", line.clone()),
        ("comments and empty lines", format!("# roles\n\n{line}")),
        ("no newline at the end", line.trim_end().to_owned()),
        ("CR LF", line.replace('\n', "\r\n")),
        ("without namespaces", format!("cto@example.com ssh-ed25519 {k}\n")),
        ("a pattern", line.replace("cto@", "*@")),
        ("two principals", line.replace("cto@example.com ", "cto@example.com,a@example.com ")),
        ("upper case", line.replace("cto@", "CTO@")),
        ("an unknown namespace", line.replace("waiver@ledger", "file")),
        ("a namespace twice", line.replace("waiver@ledger", "signoff@ledger")),
        ("a date without a time", line.replace("20260101000000Z", "20260101Z")),
        ("a leap second", line.replace("000000Z", "000060Z")),
        ("cert-authority", line.replace("namespaces", "cert-authority,namespaces")),
        ("a key twice", format!("{line}{}", line.replace("cto@", "dba@"))),
        ("another algorithm", line.replace("ssh-ed25519", "ssh-rsa")),
        ("two spaces", line.replace(" ssh-ed25519", "  ssh-ed25519")),
    ]
    .into_iter()
    .map(|(name, text)| {
        let expect = if AllowedSigners::parse(text.as_bytes()).is_ok() { "accepted" } else { "MALFORMED-SIGNERS" };
        json!({"name": name, "text": text, "expect": expect})
    })
    .collect();
    write("package_vectors/allowed_signers.json", &vectors);
}

/// The files of a package, without the second verifier and with short instructions.
pub fn small_files(zip: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut files = unpack(zip);
    files.remove("tools/verify.py");
    files.insert("VERIFY.md".into(), b"see docs/format.md\n".to_vec());
    files.remove("SHA256SUMS");
    let sums = manifest::sums(files.iter().map(|(name, bytes)| (name.as_str(), hash::sha256(bytes))));
    files.insert("SHA256SUMS".into(), sums.into_bytes());
    files
}

/// A vector of its own folder, named P.zip, without instructions and second verifier, which a package may leave out or change.
fn write_packages(approved: &Scene, seed: &Seed<'_>) {
    let at = folder("package_vectors/packages");
    std::fs::create_dir_all(&at).unwrap();
    std::fs::write(at.join("allowed_signers"), signers().signers().iter().map(|s| s.line() + "\n").collect::<String>()).unwrap();
    let mut vectors = Vec::new();
    let now = "2026-11-23T12:00:00.000000Z";
    let mut put = |name: &str, at_time: &str, anchor: Option<String>, make: &dyn Fn(&Path)| {
        let folder_name = name.replace(' ', "-");
        let zip = at.join(&folder_name).join("P.zip");
        std::fs::create_dir_all(zip.parent().unwrap()).unwrap();
        make(&zip);
        let anchors = anchor.iter().map(|text| Checkpoint::parse(text).unwrap()).collect();
        let options = Options { signers: Some(signers()), at: Some(at_time.into()), anchors, ..Options::default() };
        let found = verify(&zip, &options).unwrap();
        let mut vector = json!({"name": name, "folder": folder_name, "at": at_time, "verdict": found.verdict, "decision": found.decision});
        if let Some(anchor) = anchor {
            vector["anchor"] = anchor.into();
        }
        vectors.push(vector);
    };
    let small = |scene: &Scene| small_files(&scene.pack());
    let good = small(approved);
    for (name, bytes) in &good {
        if matches!(name.as_str(), "manifest.json" | "SHA256SUMS" | "ledger/salts" | "ledger/checkpoints/6") {
            seed("manifest", &name.replace('/', "-"), bytes);
        }
    }
    seed("manifest", "entry", good["ledger/entries.jsonl"].split(|b| *b == b'\n').next().unwrap());
    seed("manifest", "withheld", b"3 log.txt\n5 log.txt\n");
    put("approved", now, None, &|zip| repack(zip, &good, true, OPS));
    put("approved with an anchor", now, Some(approved.store.checkpoint(8).unwrap().text()), &|zip| repack(zip, &good, true, OPS));
    put("truncated against an anchor", now, Some(Checkpoint { size: 9, ..approved.store.checkpoint(8).unwrap() }.text()), &|zip| {
        repack(zip, &good, true, OPS)
    });
    put("rewritten against an anchor", now, Some(Checkpoint { size: 7, ..approved.store.checkpoint(8).unwrap() }.text()), &|zip| {
        repack(zip, &good, true, OPS)
    });
    put("signed by a stranger", now, None, &|zip| repack(zip, &good, true, STRANGER));
    put("signed in another role", now, None, &|zip| repack(zip, &good, true, CTO));
    type Change<'a> = &'a dyn Fn(&mut std::collections::BTreeMap<String, Vec<u8>>);
    let replaced = |name: &'static str, from: &'static str, to: &'static str| {
        move |files: &mut std::collections::BTreeMap<String, Vec<u8>>| {
            let text = String::from_utf8(files[name].clone()).unwrap();
            assert!(text.contains(from));
            files.insert(name.into(), text.replacen(from, to, 1).into_bytes());
        }
    };
    let cases: [(&str, bool, Change<'_>); 12] = [
        ("entry edited", true, &replaced("ledger/entries.jsonl", "\"outcome\":\"pass\"", "\"outcome\":\"fail\"")),
        ("entry not canonical", true, &replaced("ledger/entries.jsonl", "\"v\":1", "\"v\": 1")),
        ("last entry cut off", true, &|files| {
            let text = files["ledger/entries.jsonl"].clone();
            let last = text[..text.len() - 1].iter().rposition(|b| *b == b'\n').unwrap();
            files.insert("ledger/entries.jsonl".into(), text[..=last].to_vec());
        }),
        ("evidence forged", true, &replaced("evidence/3-log.txt", "CE-20", "CE-99")),
        ("report forged", true, &replaced("report/READINESS.md", "GO", "NO")),
        ("file swapped under old sums", false, &replaced("report/READINESS.md", "GO", "NO")),
        ("file added", true, &|files| drop(files.insert("evidence/more.txt".into(), b"x".to_vec()))),
        ("file removed", true, &|files| drop(files.remove("evidence/3-log.txt"))),
        ("salt changed", true, &replaced("ledger/salts", "0", "1")),
        ("signature of the sign-off removed", true, &|files| drop(files.remove("sig/7-signoff.sig"))),
        ("manifest with another size", true, &replaced("manifest.json", "\"size\":8", "\"size\":7")),
        ("checkpoint of another root", true, &|files| {
            drop(files.insert("ledger/checkpoints/6".into(), files["ledger/checkpoints/8"].clone()))
        }),
    ];
    for (name, sums, change) in cases {
        put(name, now, None, &|zip| {
            let mut files = good.clone();
            change(&mut files);
            repack(zip, &files, sums, OPS);
        });
    }
    put("digest of another archive", now, None, &|zip| {
        repack(zip, &good, true, OPS);
        std::fs::write(zip.with_file_name("P.zip.sha256"), format!("{}  P.zip\n", hash::sha256(b""))).unwrap();
    });
    put("archive with trailing bytes", now, None, &|zip| {
        repack(zip, &good, true, OPS);
        let bytes = [std::fs::read(zip).unwrap(), b"tail".to_vec()].concat();
        seal(zip, &bytes, OPS);
    });
    let decided = |change: &dyn Fn(&mut Scene, u64)| {
        let mut scene = Scene::opened();
        scene.task("CE-20", 1);
        let n = scene.publish();
        change(&mut scene, n);
        small(&scene)
    };
    let signed = |principal: &'static str, go: bool, who: u8| {
        decided(&move |scene, n| {
            let statement = scene.signoff(n, principal, go);
            scene.append_signed(EntryType::Decision, Namespace::Signoff, &statement, who);
        })
    };
    for (name, files) in [
        ("nobody signed", decided(&|_, _| ())),
        ("no-go", signed("cto@example.com", false, CTO)),
        ("operator signs as approver", signed("ops@example.com", true, OPS)),
        ("key of another principal", signed("cto@example.com", true, DBA)),
        ("sign-off by a stranger", signed("cto@example.com", true, STRANGER)),
    ] {
        put(name, now, None, &|zip| repack(zip, &files, true, OPS));
    }
    let mut stale = Scene::approved();
    stale.task("CE-22", 1);
    stale.publish();
    let files = small(&stale);
    put("evidence after the sign-off", now, None, &|zip| repack(zip, &files, true, OPS));
    write("package_vectors/packages.json", &vectors);

    let mut crc = crc32fast::Hasher::new();
    crc.update(b"abc");
    let crc = crc.finalize();
    let mut archive = ZipWriter::new(Vec::new());
    for name in ["a/b.txt", "c.txt"] {
        archive.file(name, 3, crc, &mut |to| to.write_all(b"abc")).unwrap();
    }
    seed("zip", "two", &archive.finish().unwrap());
    seed("zip", "empty", &ZipWriter::new(Vec::new()).finish().unwrap());
}
