//! A project with one run of two tasks, keys of five people, and the built program on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use migration_ledger::chain::{Draft, EntryType, PartDraft, Store};
use migration_ledger::domain::verdict::CheckResult;
use migration_ledger::domain::{CheckOutcome, Evidence, Outcome, Severity, SubjectRow};
use migration_ledger::record::{ResultDocument, check_part_name};
use migration_ledger::sign::SigningKey;

pub const RUN: &str = "staging_migration_20260108";

/// Who may sign what; the seed makes the key.
pub const PEOPLE: [(&str, &str, u8); 5] = [
    ("cto@example.com", "signoff@ledger", 1),
    ("ops@example.com", "task@ledger,checkpoint@ledger,package@ledger", 2),
    ("dpo@example.com", "redaction@ledger", 3),
    ("lead@example.com", "attestation@ledger,waiver@ledger", 4),
    ("sec@example.com", "keys@ledger", 5),
];

const PLAN: &str = r#"
[plan]
id = "T"
title = "Two tasks"
[[plan.task]]
id = "T-1"
name = "Look"
uses = "row-security"
estimate-minutes = 5
[[plan.task]]
id = "T-2"
name = "Report"
uses = "readiness"
estimate-minutes = 5
needs = ["T-1"]
[[plan.gate]]
id = "gate-1"
name = "Looked"
[[plan.gate.rule]]
rule = "looked at"
task = "T-1"
"#;

/// What a command did.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The whole of what was said, for messages of assertions.
    pub fn all(&self) -> String {
        format!("exit {}\n{}\n{}", self.code, self.stdout, self.stderr)
    }

    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.all());
        self
    }

    /// The word of `ledger verify --message-format json`.
    #[track_caller]
    pub fn verdict(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.all()));
        json["verdict"].as_str().unwrap_or_default().to_owned()
    }
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}

pub fn allowed_signers() -> String {
    let line =
        |(who, roles, seed): &(&str, &str, u8)| format!("{who} namespaces=\"{roles}\" ssh-ed25519 {}\n", key(*seed).public().to_base64());
    PEOPLE.iter().map(line).collect()
}

/// A project folder.
pub struct World {
    dir: tempfile::TempDir,
    pub plan: String,
}

impl World {
    /// A run that is opened and has finished no task yet.
    pub fn opened() -> Self {
        Self::with_plan(PLAN)
    }

    /// The same with something more in ledger.toml.
    pub fn with_policy(policy: &str) -> Self {
        Self::with_plan(&format!("{PLAN}{policy}"))
    }

    fn with_plan(plan: &str) -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap(), plan: plan.to_owned() };
        world.write("ledger.toml", plan);
        world.write("allowed_signers", allowed_signers());
        std::fs::create_dir(world.path().join("evidence")).unwrap();
        for (who, _, seed) in PEOPLE {
            world.write_key(who, seed);
        }
        Store::create(&world.ledger_file(), "ops@example.com").unwrap().close().unwrap();
        world.open_run(RUN);
        world
    }

    /// Both tasks done.
    pub fn done() -> Self {
        let world = Self::opened();
        world.task("T-1", 1);
        world.task("T-2", 1);
        world
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn ledger_file(&self) -> PathBuf {
        self.path().join("evidence/ledger.db")
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A private key file as ssh-keygen would have made it.
    pub fn write_key(&self, name: &str, seed: u8) {
        use std::os::unix::fs::PermissionsExt;
        let pair = ssh_key::private::Ed25519Keypair::from_seed(&[seed; 32]);
        let private = ssh_key::PrivateKey::new(pair.into(), name).unwrap();
        let path = self.write(name, private.to_openssh(ssh_key::LineEnding::LF).unwrap().as_bytes());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        self.write(&format!("{name}.pub"), format!("ssh-ed25519 {} {name}\n", key(seed).public().to_base64()));
    }

    pub fn store(&self) -> Store {
        Store::open(&self.ledger_file()).unwrap()
    }

    pub fn open_run(&self, run: &str) {
        let mut draft = Draft::new(EntryType::RunOpened, "ops@example.com");
        draft.run = Some(run.to_owned());
        draft.target = serde_json::json!({"system_identifier": "7", "database": "staging"}).as_object().cloned();
        draft.parts = vec![
            PartDraft::bytes("ledger.toml", "application/toml", self.plan.clone()).at("trust/ledger.toml"),
            PartDraft::bytes("allowed_signers.txt", "text/plain", allowed_signers()).at("trust/allowed_signers.UNTRUSTED"),
            PartDraft::bytes("looks-right.sql", "application/sql", "select 1").at("queries/looks-right.sql"),
        ];
        self.store().append(draft).unwrap();
    }

    /// A task that passes: its start, its result, which is the entry that comes back.
    pub fn task(&self, task: &str, attempt: u32) -> u64 {
        let mut store = self.store();
        let mut started = Draft::new(EntryType::TaskStarted, "ops@example.com");
        (started.run, started.task, started.attempt) = (Some(RUN.into()), Some(task.into()), Some(attempt));
        let start = store.append(started.clone()).unwrap().seq;
        let code = "looks-right";
        let evidence = Evidence {
            check: code.into(),
            title: "It looks right".into(),
            severity: Severity::High,
            why: String::new(),
            fix: String::new(),
            sql_sha256: None,
            method: None,
            parameters: serde_json::Value::Null,
            asked_of: "target".into(),
            started: "2026-01-08T10:00:00Z".into(),
            duration_us: 5,
            min_subjects: 1,
            rows: vec![SubjectRow::new("a", true, "right", "seen")],
            outcome: CheckOutcome::Pass,
        };
        let check = CheckResult {
            code: code.into(),
            title: "It looks right".into(),
            severity: Severity::High,
            outcome: CheckOutcome::Pass,
            examined: 1,
            subjects: Vec::new(),
        };
        let document =
            ResultDocument { outcome: Outcome::Pass, headline: "looked".into(), checks: vec![check], stopped: None, product: None };
        let mut result = Draft { kind: EntryType::TaskResult, refs: vec![start], ..started };
        result.body.insert("outcome".into(), "pass".into());
        result.body.insert("duration_us".into(), 1_500_000.into());
        result.parts = vec![
            PartDraft::bytes("result.json", "application/json", serde_json::to_vec(&document).unwrap()),
            PartDraft::bytes(check_part_name(code), "application/json", serde_json::to_vec(&evidence).unwrap()),
        ];
        store.append(result).unwrap().seq
    }

    /// A note with these payloads.
    pub fn note(&self, run: Option<&str>, parts: &[(&str, &[u8])]) -> u64 {
        let mut draft = Draft::new(EntryType::Note, "ops@example.com");
        draft.run = run.map(str::to_owned);
        draft.parts = parts.iter().map(|(name, bytes)| PartDraft::bytes(*name, "text/plain", *bytes)).collect();
        self.store().append(draft).unwrap().seq
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path().join("home"))
            .stdin(Stdio::null());
        command
    }

    pub fn ledger(&self, args: &[&str]) -> Ran {
        ran(self.command(env!("CARGO_BIN_EXE_ledger")).args(args))
    }

    /// `ledger … --as WHO --key WHO`.
    pub fn as_one(&self, who: &str, args: &[&str]) -> Ran {
        self.ledger(&[args, &["--as", who, "--key", who]].concat())
    }

    /// The verdict's word, with the project's own allowed_signers.
    pub fn verify(&self, path: &str, more: &[&str]) -> Ran {
        self.ledger(&[&["verify", path, "--allowed-signers", "allowed_signers", "--message-format", "json"], more].concat())
    }

    /// Signed off by the CTO, packed and signed by operations.
    pub fn packed(&self) -> Ran {
        self.as_one("cto@example.com", &["sign-off", "--decision", "go", "--reason-file", "ledger.toml"]).good();
        self.pack(&[])
    }

    pub fn pack(&self, more: &[&str]) -> Ran {
        self.ledger(&[&["package", "--key", "ops@example.com"], more].concat()).good()
    }
}

pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().expect("it starts");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
