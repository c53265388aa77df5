//! Two verifiers, one question: the Rust one of the product and tools/verify.py. Whatever either of them says, both must say.
#![allow(dead_code)]

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use migration_ledger::chain::Store;
use migration_ledger::package::Problem;
use migration_ledger::package::verify::{Options, StageResult, Verification};
use serde_json::{Value, json};

/// tools/verify.py in a process that answers one JSON line for each that it is asked.
struct Python {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Self {
        let program = std::env::var("LEDGER_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
        let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verifiers/driver.py");
        let mut child = Command::new(program)
            .args([Path::new("-I"), &driver])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

thread_local! {
    static PYTHON: RefCell<Python> = RefCell::new(Python::start());
}

/// Asks tools/verify.py; `question` has a member `ask`.
pub fn ask(question: &Value) -> Value {
    PYTHON.with_borrow_mut(|python| {
        writeln!(python.to, "{question}").and_then(|()| python.to.flush()).unwrap();
        let mut answer = String::new();
        python.from.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("verify.py broke on {question}"))
    })
}

fn question(path: &Path, options: &Options) -> Value {
    json!({
        "ask": "package",
        "path": path,
        "signers": options.signers.as_ref().map(|all| all.signers().iter().map(|s| s.line() + "\n").collect::<String>()),
        "revoked": options.revoked.iter().map(|key| format!("ssh-ed25519 {}", key.to_base64())).collect::<Vec<_>>(),
        "anchors": options.anchors.iter().map(|anchor| anchor.text()).collect::<Vec<_>>(),
        "expect": options.expect.as_ref().map(|(id, run)| json!([id.to_hex(), run])),
        "expect_size": options.expect_head.and_then(|(size, _)| size),
        "expect_root": options.expect_head.and_then(|(_, root)| root).map(|root| root.to_hex()),
        "against": options.against.as_ref().map(|(id, leaves)| json!([id.to_hex(), leaves.iter().map(|leaf| leaf.to_hex()).collect::<Vec<_>>()])),
        "times": options.times,
        "policy": options.policy.as_ref().map(hex::encode),
        "tsa_ca": options.tsa_ca,
        "at": options.at,
        "run": options.run,
    })
}

/// What tools/verify.py should have said.
fn told(found: &Verification) -> Value {
    let stages: Vec<Value> = found
        .stages
        .iter()
        .map(|(stage, result)| {
            let result = match result {
                StageResult::Holds(_) => "holds",
                StageResult::Fault(_) => "fault",
                StageResult::NotReached => "not-reached",
            };
            json!({"stage": stage, "result": result})
        })
        .collect();
    let signatures: Vec<Value> = found
        .signatures
        .iter()
        .map(|s| json!({"file": s.file, "namespace": s.namespace, "fingerprint": s.fingerprint, "principal": s.principal}))
        .collect();
    json!({
        "what": found.what,
        "verdict": found.verdict,
        "ledger_id": found.ledger_id.map(|id| id.to_hex()),
        "run": found.run,
        "size": found.size,
        "root": found.root.map(|root| root.to_hex()),
        "cut": found.cut,
        "recorded_verdict": found.recorded_verdict,
        "decision": found.decision,
        "stages": stages,
        "signatures": signatures,
        "stamps": found.stamps.iter().map(|s| json!({"file": s.file, "size": s.size, "time": s.time})).collect::<Vec<_>>(),
        "absent": found.absent.iter().map(|(path, word)| json!({"path": path, "word": word})).collect::<Vec<_>>(),
        "findings": found.findings,
    })
}

fn compare(path: &Path, options: &Options, found: &Verification) {
    let mut python = ask(&question(path, options));
    let why = python.get("fault").cloned().unwrap_or_default();
    if let Some(members) = python.as_object_mut() {
        for name in ["schema", "path", "fault"] {
            members.remove(name);
        }
    }
    if found.verdict == "MALFORMED-LEDGER" {
        // At which page a SQLite stumbles is its version's affair.
        assert_eq!(python["verdict"], "MALFORMED-LEDGER", "{why}");
        return;
    }
    assert_eq!(python, told(found), "left verify.py, which says {why}; right ledger verify, which says {:?}", found.fault());
}

/// What both verifiers say about a package, its folder or a ledger.
pub fn verify(path: &Path, options: &Options) -> Result<Verification, Problem> {
    let found = migration_ledger::package::verify(path, options);
    match &found {
        Ok(found) => compare(path, options, found),
        Err(error) => {
            let python = ask(&question(path, options));
            assert!(python.get("unreadable").is_some(), "ledger verify cannot read it: {error}; verify.py: {python}");
        }
    }
    found
}

/// What both say about an open ledger.
pub fn verify_store(store: &Store, options: &Options) -> Result<Verification, Problem> {
    let found = migration_ledger::package::verify::verify_store(store, options);
    if let Ok(found) = &found {
        compare(store.path(), options, found);
    }
    found
}
