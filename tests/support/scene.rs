//! A ledger with one run, its package, and what an attacker does to them; every question goes to both verifiers.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use migration_ledger::chain::{Draft, EntryType, PartDraft, SignatureRow, Signed, Store, hash};
use migration_ledger::package::verify::{Options, Verification};
use migration_ledger::package::zip::ZipWriter;
use migration_ledger::package::{self, View, manifest};
use migration_ledger::sign::{AllowedSigners, Namespace, Signer, SigningKey, Statement, sshsig, task_message};
use serde_json::json;

#[allow(unused_imports)]
pub use crate::both::{verify, verify_store};

pub const RUN: &str = "staging_migration_20260108";
pub const REPORT: &[u8] = b"# Report\nGO\n";

pub fn key(who: u8) -> SigningKey {
    SigningKey::from_seed([who; 32])
}
pub const CTO: u8 = 1;
pub const OPS: u8 = 2;
pub const DBA: u8 = 3;
pub const STRANGER: u8 = 9;

pub fn signers() -> AllowedSigners {
    let line = |principal: &str, namespaces: &[Namespace], who: u8| {
        Signer { principal: principal.into(), namespaces: namespaces.into(), valid_after: None, valid_before: None, key: key(who).public() }
            .line()
    };
    use Namespace as N;
    let text = [
        line("cto@example.com", &[N::Signoff, N::Waiver, N::Attestation], CTO),
        line("ops@example.com", &[N::Task, N::Checkpoint, N::Package], OPS),
        line("dba@example.com", &[N::Task, N::Signoff], DBA),
    ];
    AllowedSigners::parse(text.join("\n").as_bytes()).unwrap()
}

pub fn trusting() -> Options {
    Options { signers: Some(signers()), ..Options::default() }
}

/// A ledger with one run: opened, CE-20 and CE-21 done, published, signed off by the CTO. The knobs plant what an attacker or a mistake would.
pub struct Scene {
    pub folder: tempfile::TempDir,
    pub store: Store,
}

impl Scene {
    pub fn new() -> Self {
        let mut scene = Self::opened();
        scene.task("CE-20", 1);
        scene.task("CE-21", 1);
        scene
    }

    pub fn opened() -> Self {
        Self::opened_with("[policy]\nsign-offs = 1\n")
    }

    /// A run that is opened with this ledger.toml.
    pub fn opened_with(plan: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::create(&folder.path().join("ledger.db"), "ops@example.com").unwrap();
        let mut opened = Draft::new(EntryType::RunOpened, "ops@example.com");
        opened.run = Some(RUN.into());
        opened.target = json!({"system_identifier": "7", "database": "staging"}).as_object().cloned();
        opened.body.insert("migrations_digest".into(), "00".into());
        let signers = signers().signers().iter().map(|s| s.line() + "\n").collect::<String>();
        opened.parts = vec![
            PartDraft::bytes("ledger.toml", "application/toml", plan).at("trust/ledger.toml"),
            PartDraft::bytes("allowed_signers.txt", "text/plain", signers).at("trust/allowed_signers.UNTRUSTED"),
            PartDraft::bytes("rls-forced.sql", "application/sql", "select 1").at("queries/rls-forced.sql"),
        ];
        store.append(opened).unwrap();
        Self { folder, store }
    }

    pub fn task(&mut self, task: &str, attempt: u32) {
        let mut started = Draft::new(EntryType::TaskStarted, "ops@example.com");
        (started.run, started.task, started.attempt) = (Some(RUN.into()), Some(task.into()), Some(attempt));
        let start = self.store.append(started.clone()).unwrap().seq;
        let mut result = Draft { kind: EntryType::TaskResult, refs: vec![start], ..started };
        result.body.insert("outcome".into(), "pass".into());
        result.parts = vec![
            PartDraft::bytes("result.json", "application/json", "{}"),
            PartDraft::bytes("log.txt", "text/plain", format!("{task} log")),
        ];
        let entry = self.store.append(result).unwrap();
        let message = task_message(self.store.ledger_id(), entry.seq, &entry.leaf);
        let bytes = sshsig::sign(&key(OPS), Namespace::Task, message.as_bytes()).into_bytes();
        self.store.add_signature(&SignatureRow { over: Signed::Task(entry.seq), key: key(OPS).public().id(), bytes }).unwrap();
    }

    pub fn publish(&mut self) -> u64 {
        let n = self.store.len().unwrap();
        let mut draft = Draft::new(EntryType::Published, "ops@example.com");
        draft.run = Some(RUN.into());
        draft.body.insert("size".into(), n.into());
        draft.body.insert("root".into(), self.store.root_at(n).unwrap().to_hex().into());
        draft.body.insert("verdict".into(), "GO".into());
        draft.parts = vec![PartDraft::bytes("readiness.md", "text/markdown", REPORT).at("report/READINESS.md")];
        self.store.append(draft).unwrap();
        n
    }

    pub fn statement(&self, kind: &str, n: u64, principal: &str) -> Statement {
        Statement::over(kind, &self.store.checkpoint(n).unwrap(), Some(RUN), principal, "seen")
    }

    pub fn signoff(&self, n: u64, principal: &str, go: bool) -> Statement {
        let mut statement = self.statement("signoff", n, principal).with("decision", if go { "go" } else { "no-go" });
        statement.subjects.push(("report/READINESS.md".into(), hash::sha256(REPORT)));
        statement
    }

    pub fn append_signed(&mut self, kind: EntryType, namespace: Namespace, statement: &Statement, who: u8) {
        let bytes = statement.to_bytes().unwrap();
        let sig = sshsig::sign(&key(who), namespace, &bytes);
        let mut draft = Draft::new(kind, statement.principal.clone());
        draft.run = Some(RUN.into());
        if kind == EntryType::PartRedacted {
            draft.body = json!({"seq": 3, "part": "log.txt"}).as_object().cloned().unwrap();
        }
        draft.parts =
            vec![PartDraft::bytes("statement.json", "application/json", bytes), PartDraft::bytes("statement.sig", "text/plain", sig)];
        self.store.append(draft).unwrap();
    }

    pub fn approved() -> Self {
        let mut scene = Self::new();
        let n = scene.publish();
        let statement = scene.signoff(n, "cto@example.com", true);
        scene.append_signed(EntryType::Decision, Namespace::Signoff, &statement, CTO);
        scene
    }

    pub fn pack(&self) -> PathBuf {
        let written = package::write(&self.store, RUN, &View::full(), self.folder.path(), true).unwrap();
        package::sign(&written, &key(OPS)).unwrap();
        written.zip
    }

    pub fn packed(&self) -> (PathBuf, Verification) {
        let zip = self.pack();
        let found = verify(&zip, &trusting()).unwrap();
        (zip, found)
    }
}

/// The files of a package, by an independent reader.
pub fn unpack(zip: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(zip).unwrap()).unwrap();
    let mut files = BTreeMap::new();
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).unwrap();
        let mut bytes = Vec::new();
        let name = file.name().unwrap().into_owned();
        file.read_to_end(&mut bytes).unwrap();
        files.insert(name, bytes);
    }
    files
}

/// Packs files again as somebody who has no key of ours but knows the format would, with fresh sums; the package signature is by `who`.
pub fn repack(zip: &Path, files: &BTreeMap<String, Vec<u8>>, sums_too: bool, who: u8) {
    let mut files = files.clone();
    if sums_too {
        files.remove("SHA256SUMS");
        let sums = manifest::sums(files.iter().map(|(name, bytes)| (name.as_str(), hash::sha256(bytes))));
        files.insert("SHA256SUMS".into(), sums.into_bytes());
    }
    let mut writer = ZipWriter::new(Vec::new());
    for (name, bytes) in &files {
        let mut crc = crc32fast::Hasher::new();
        crc.update(bytes);
        writer.file(name, bytes.len() as u64, crc.finalize(), &mut |to| to.write_all(bytes)).unwrap();
    }
    seal(zip, &writer.finish().unwrap(), who);
}

/// Writes archive bytes with a matching `.sha256` and `.sig`.
pub fn seal(zip: &Path, bytes: &[u8], who: u8) {
    std::fs::write(zip, bytes).unwrap();
    let name = zip.file_name().unwrap().to_str().unwrap();
    let sha256 = format!("{}  {name}\n", hash::sha256(bytes));
    std::fs::write(format!("{}.sha256", zip.display()), &sha256).unwrap();
    std::fs::write(format!("{}.sig", zip.display()), sshsig::sign(&key(who), Namespace::Package, sha256.as_bytes())).unwrap();
}
