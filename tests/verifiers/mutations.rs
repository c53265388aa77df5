//! Headers, statements, allowed_signers and ledger.toml that somebody changed: both readers accept the same bytes and refuse the same bytes.

use std::time::{Duration, Instant};

use migration_ledger::chain::header::RawHeader;
use migration_ledger::chain::{Checkpoint, Hash, LedgerId};
use migration_ledger::sign::{AllowedSigners, SignError, Statement};
use serde_json::{Value, json};

use crate::both::ask;
use crate::scene::*;

fn headers() -> Vec<Vec<u8>> {
    let scene = Scene::approved();
    scene.store.entries(0..scene.store.len().unwrap()).map(|entry| entry.unwrap().header_bytes).collect()
}

/// Whether a header of entry `seq` is accepted; both must say the same.
fn accepted(seq: u64, bytes: &[u8]) -> bool {
    let rust = RawHeader::read(seq, bytes);
    let python = ask(&json!({"ask": "header", "seq": seq, "hex": hex::encode(bytes)}));
    let told = || format!("{:?} and {python} on entry {seq}: {}", rust.as_ref().map(|_| "accepted"), String::from_utf8_lossy(bytes));
    assert_eq!(rust.is_ok(), python["good"].as_bool().unwrap(), "{}", told());
    rust.is_ok()
}

const SPLICES: &[&str] = &[
    "\"",
    "\\",
    "\\n",
    "\\u0041",
    "\\/",
    "{",
    "}",
    "[",
    "]",
    "[]",
    "{}",
    ",",
    ":",
    " ",
    "\n",
    "\t",
    "0",
    "-0",
    "-1",
    "00",
    "1.0",
    "1e3",
    "9007199254740991",
    "9007199254740992",
    "null",
    "true",
    "false",
    "\u{7f}",
    "\u{85}",
    "\u{feff}",
    "\u{e9}",
    "e\u{301}",
    "\"a\":1,",
    ",\"zz\":1",
    "\"refs\":[0],",
    "\"run\":\"x\",",
    "NaN",
    "Infinity",
    "1",
    "\"v\":1",
    "\"v\":2",
    "sig/3-signoff.json",
    "evidence/",
    "A",
    "_",
    ".",
    "-",
    "2020-02-30T00:00:00.000000Z",
    "\\ud800",
    "\u{1f600}",
];

/// One to three changes: a bit, a byte taken out, a token put in, a piece doubled, the end cut off.
pub fn mutate(rng: &mut fastrand::Rng, good: &[u8], splices: &[&str]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..rng.usize(1..=3) {
        let at = rng.usize(0..bytes.len().max(1)).min(bytes.len().saturating_sub(1));
        match rng.u8(0..6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << rng.u8(0..8),
            1 if !bytes.is_empty() => drop(bytes.remove(at)),
            2 | 3 => drop(bytes.splice(at..at, splices[rng.usize(0..splices.len())].bytes())),
            4 => {
                let to = (at + rng.usize(1..20)).min(bytes.len());
                let with = splices[rng.usize(0..splices.len())];
                bytes.splice(at..to, with.bytes());
            }
            _ => {
                let to = (at + rng.usize(1..40)).min(bytes.len());
                let piece = bytes[at..to].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

#[test]
fn mutated_headers_get_the_same_answer_from_both() {
    let (headers, mut rng) = (headers(), fastrand::Rng::with_seed(6962));
    let mut held = 0;
    for (seq, good) in headers.iter().enumerate() {
        assert!(accepted(seq as u64, good));
        for other in 0..headers.len() as u64 {
            accepted(other, good);
        }
        for _ in 0..500 {
            held += u32::from(accepted(seq as u64, &mutate(&mut rng, good, SPLICES)));
        }
    }
    assert!(held > 20, "some changes are within the format: {held}");
}

/// The profile, one defect each (threat 18), at the place of a value of a body and of a key.
#[test]
fn headers_that_the_profile_refuses() {
    let good = String::from_utf8(headers()[3].clone()).unwrap();
    let with = |value: &str| good.replacen("\"outcome\":\"pass\"", &format!("\"outcome\":{value}"), 1).into_bytes();
    for held in [
        "\"pass\"",
        "0",
        "-1",
        "9007199254740991",
        "-9007199254740991",
        "true",
        "[]",
        "{}",
        "\"\\n\\t\\\"\\\\\"",
        "\"\u{e9}e\u{301}\u{1f600}\"",
        "{\"a\":{\"b\":[1]}}",
    ] {
        assert!(accepted(3, &with(held)), "{held}");
    }
    for refused in [
        "null",
        "1.0",
        "1e3",
        "-0",
        "01",
        "+1",
        "9007199254740992",
        "-9007199254740992",
        "123456789012345678901234567890",
        "NaN",
        "Infinity",
        "\"\\u0041\"",
        "\"\\/\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "\"\\r\"",
        "\"\\b\"",
        "\"\r\"",
        "\"\n\"",
        "\"\u{0}\"",
        "\"\u{7f}\"",
        "\"\u{80}\"",
        "\"\u{9f}\"",
        "[1,]",
        "[1 ,2]",
        "{\"b\":1,\"a\":2}",
        "{\"a\":1,\"a\":2}",
        "{\"A\":1}",
        "{\"\":1}",
        "{\"a\\n\":1}",
        "\"open",
        "'x'",
        "undefined",
        "",
    ] {
        assert!(!accepted(3, &with(refused)), "{refused}");
    }
    for (from, to) in
        [("{", "\u{feff}{"), ("{", " {"), ("{", "[{"), (":", " :"), (",", ", "), ("\"v\":1", "\"v\":1.0"), ("\"v\":1", "\"v\":true")]
    {
        assert!(!accepted(3, good.replacen(from, to, 1).as_bytes()), "{to}");
    }
    for invalid in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc2"] {
        let mut bytes = good.as_bytes().to_vec();
        let at = good.find("pass").unwrap();
        bytes.splice(at..at, invalid.iter().copied());
        assert!(!accepted(3, &bytes), "{invalid:?}");
    }
    for (at, deep) in [(15, true), (16, false)] {
        // The header and its body are two levels.
        let value = "[".repeat(at - 1) + &"]".repeat(at - 1);
        assert_eq!(accepted(3, &with(&value)), deep, "depth {at}");
    }
    let longest = 61_440 - good.len();
    for (extra, fits) in [(longest, true), (longest + 1, false)] {
        assert_eq!(accepted(3, &with(&format!("\"pass{}\"", "x".repeat(extra)))), fits);
    }
}

#[test]
fn deep_and_long_documents_are_refused_quickly() {
    let started = Instant::now();
    for bytes in [
        "[".repeat(60_000).into_bytes(),
        "{\"a\":".repeat(12_000).into_bytes(),
        vec![b'{'; 100_000_000],
        vec![b'"'; 61_440],
        format!("{{\"a\":{}}}", "9".repeat(61_000)).into_bytes(),
        format!("{{\"a\":\"{}", "\\".repeat(61_000)).into_bytes(),
    ] {
        assert!(RawHeader::read(3, &bytes).is_err());
        assert!(Statement::parse(&bytes).is_err());
        if bytes.len() < 1 << 20 {
            assert!(!accepted(3, &bytes));
            assert_eq!(statement(&bytes), Err("MALFORMED"));
        }
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// What both make of a statement: its kind, or the word.
fn statement(bytes: &[u8]) -> Result<String, &'static str> {
    let rust = match Statement::parse(bytes) {
        Ok(statement) => Ok(statement.kind),
        Err(SignError::Statement(why)) if why.contains("predicateType") => Err("WRONG-TYPE"),
        Err(_) => Err("MALFORMED"),
    };
    let python = ask(&json!({"ask": "statement", "hex": hex::encode(bytes)}));
    let told = python["kind"].as_str().map(str::to_owned).ok_or_else(|| python["word"].as_str().unwrap_or_default().to_owned());
    assert_eq!(told, rust.clone().map_err(str::to_owned), "{python}: {}", String::from_utf8_lossy(bytes));
    rust
}

#[test]
fn mutated_statements_get_the_same_answer_from_both() {
    let checkpoint = Checkpoint { ledger_id: LedgerId([7; 16]), size: 6, root: Hash([9; 32]) };
    let mut good = Statement::over("signoff", &checkpoint, Some(RUN), "cto@example.com", "seen").with("decision", "go");
    good.subjects.push(("report/READINESS.md".into(), Hash([3; 32])));
    let good = good.to_bytes().unwrap();
    assert_eq!(statement(&good), Ok("signoff".into()));
    let text = String::from_utf8(good.clone()).unwrap();
    for (from, to, word) in [
        ("/signoff/", "/waiver/", Ok("waiver".to_owned())),
        ("/signoff/", "/task/", Ok("task".to_owned())),
        ("/signoff/", "/other/", Err("WRONG-TYPE")),
        ("predicateType", "predicatetype", Err("WRONG-TYPE")),
        ("\"run\":\"staging_migration_20260108\",", "", Ok("signoff".to_owned())),
        ("\"run\":\"staging_migration_20260108\"", "\"run\":7", Err("MALFORMED")),
        ("\"size\":6", "\"size\":\"6\"", Err("MALFORMED")),
        ("\"size\":6", "\"size\":-6", Err("MALFORMED")),
        ("{\"_type\"", "{\"_tipe\"", Err("MALFORMED")),
        ("in-toto.io/Statement/v1", "in-toto.io/Statement/v2", Err("MALFORMED")),
        ("\"name\":\"checkpoint\"", "\"name\":\"checkpoints\"", Err("MALFORMED")),
        ("\"sha256\":\"", "\"sha256\":\"00", Err("MALFORMED")),
        ("\"decision\":\"go\"", "\"DECISION\":\"go\"", Ok("signoff".to_owned())),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert_eq!(statement(changed.as_bytes()), word, "{to}");
    }
    let mut rng = fastrand::Rng::with_seed(8032);
    let splices: Vec<&str> =
        SPLICES.iter().copied().chain(["signoff", "waiver", "predicateType", "\"subject\":[]", "\"run\":1,", "checkpoint"]).collect();
    for _ in 0..2_000 {
        let _ = statement(&mutate(&mut rng, &good, &splices));
    }
}

/// The policy of a ledger.toml: the reader in verify.py against the toml crate.
#[test]
fn ledger_toml_reads_the_same_in_both() {
    let small = |text: &str| ask(&json!({"ask": "toml", "text": text}))["small"].clone();
    let template = migration_ledger::config::Preset::Contracts.text();
    let policies = [
        template.as_str(),
        "[policy]\nsign-offs = 2\nevidence-max-age-hours = 48 # two days\n",
        "policy.sign-offs = 0x10\n",
        "policy = { sign-offs = 3, evidence-max-age-hours = 1_000 }\n",
        "policy = {\n  sign-offs = 0b11, # 1.1 allows lines and a last comma\n}\nbell = \"\\e\\x07\"\n",
        "text = \"\"\"\n[policy]\nsign-offs = 9\n\"\"\"\n[policy]\nsign-offs = 1\n",
        "text = '''[policy] \\'''\n\"policy\".'sign-offs' = 4\n",
        "a = [1, [\"x\", 'y'], # [policy]\n {b = 2}]\n[[rows]]\nn = 1\n[[rows]]\nn = 2\n[policy]\nsign-offs = 5",
        "when = 2026-01-08T10:00:00Z\nfloat = 1.5\nyes = true\n[policy]\r\nsign-offs = 6\r\n",
        "quote = \"a \\\"quoted\\\" [policy] \\u00e9\"\n[policy]\nsign-offs = 7\n",
        "",
    ];
    for text in policies {
        let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        let wanted = serde_json::to_value(table.get("policy")).unwrap();
        let found = small(text);
        assert!(found.is_object(), "{text}");
        assert_eq!(found.get("policy").cloned().unwrap_or_default(), wanted, "{text}");
    }
    let tables = |value: Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let whole = serde_json::to_value(template.parse::<toml::Table>().unwrap()).unwrap();
    assert_eq!(small(&template)["plan"]["tasks"].as_array().map(Vec::len), whole["plan"]["tasks"].as_array().map(Vec::len));
    assert_eq!(tables(small(&template)), tables(whole), "the template as a whole");
    for broken in
        ["[policy\nsign-offs = 1", "= 1", "a = ", "a = 1 2", "[policy]\nsign-offs = 1\nsign-offs = 2", "a = \"open", "x", "[a]]\n"]
    {
        assert!(broken.parse::<toml::Table>().is_err() && small(broken).is_null(), "{broken}");
    }
    // What either takes, both take, and what it says of the policy: documents put together at random, and changed ones.
    #[rustfmt::skip]
    let pieces = [
        "[policy]\n", "[policy.required]\n", "[[policy]]\n", "sign-offs = 2\n", "required = {task=1}\n", "required.task = 2\n",
        "apart-from = [\"task\"]\n", "policy.sign-offs=3\n", "[a]\n", "[[a]]\n", "[a.b]\n", "a.b=1\n", "b.c=2\n", "b={c=1}\n", "b=[1]\n",
        "x={a=1,\n}\n", "x={a\n=1}\n", "\u{feff}", "'''", "\"\"\"", "\"", "'", "\\", "\\UFFFFFFFF", "\\ud800", "[", "]", "{", "}", ",", "=",
        ".", "0", "_", "e", "1", "-", "+", ":", "T", "Z", " ", "\t", "\r", "\r\n", "\u{0}", "é", "2026-02-29", "10:00", "# c\n", "\n", "0x1F",
        "1_000", "1__0", "sign-offs = 1\n[policy]\n",
    ];
    let mut rng = fastrand::Rng::with_seed(11);
    let whole = "[policy]\nsign-offs = 2 # two\nrequired = { task = 1 }\n[x.y]\nz = \"\"\"a\nb\"\"\"\nw = 2026-01-01T10:00:00Z\n";
    let mut taken = 0;
    for round in 0..3000 {
        let text = if round % 2 == 0 {
            (0..rng.usize(1..8)).map(|_| pieces[rng.usize(..pieces.len())]).collect::<String>()
        } else {
            let mut text: Vec<char> = whole.chars().collect();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..text.len());
                let end = at + usize::from(rng.bool());
                text.splice(at..end, pieces[rng.usize(..pieces.len())].chars()).count();
            }
            text.into_iter().collect()
        };
        let (table, found) = (text.parse::<toml::Table>(), small(&text));
        assert_eq!(table.is_ok(), found.is_object(), "{text:?}: {found}");
        let Ok(table) = table else { continue };
        taken += 1;
        let wanted = table.get("policy").and_then(|policy| policy.get("sign-offs")).and_then(toml::Value::as_integer);
        assert_eq!(wanted, found["policy"]["sign-offs"].as_i64(), "{text:?}");
    }
    assert!(taken > 300, "{taken} documents were taken");
}

/// What both make of an allowed_signers file: the principals with their keys, or nothing.
pub fn signers_of_both(bytes: &[u8]) -> Option<AllowedSigners> {
    let rust = AllowedSigners::parse(bytes);
    let python = ask(&json!({"ask": "signers", "hex": hex::encode(bytes)}));
    let wanted = rust.as_ref().ok().map(|all| {
        all.signers()
            .iter()
            .map(|s| {
                let namespaces: Vec<&str> = s.namespaces.iter().map(|n| n.as_str()).collect();
                json!([s.principal, namespaces, s.valid_after, s.valid_before, hex::encode(s.key.0)])
            })
            .collect::<Vec<_>>()
    });
    assert_eq!(python["signers"], json!(wanted), "{rust:?} and {python}: {}", String::from_utf8_lossy(bytes));
    rust.ok()
}
