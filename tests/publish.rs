//! From entries to a decision, on a real ledger: read back, render, publish once, waive, sign, decide.

use std::path::PathBuf;

use migration_ledger::chain::{Draft, EntryType, PartDraft, Store};
use migration_ledger::domain::verdict::{CheckResult, Verdict};
use migration_ledger::domain::{CheckOutcome, Evidence, Outcome, RunId, Severity, SubjectRow};
use migration_ledger::package::verify::{Options, verify};
use migration_ledger::publish::package::package;
use migration_ledger::publish::statements::{Accepted, By, attest, sign_off, waive};
use migration_ledger::publish::{self, PublishError, decision};
use migration_ledger::record::{self, ResultDocument, Run, check_part_name};
use migration_ledger::report::checklist;
use migration_ledger::sign::{AllowedSigners, Namespace, SigningKey, Statement, sshsig};

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
[[plan.attestation]]
id = "window"
item = "Maintenance window scheduled"
list = "ready-for-production"
[[plan.attestation]]
id = "looked"
item = "Everything looked at"
list = "ready-for-production"
measured-by = "T-1"
[[plan.attestation]]
id = "approval"
item = "CTO approval obtained"
list = "ready-for-production"
approval = "cto"
"#;

const NOW: &str = "2030-01-01T00:00:00Z";

fn line(who: &str, roles: &str, seed: u8) -> String {
    format!("{who} namespaces=\"{roles}\" ssh-ed25519 {}\n", SigningKey::from_seed([seed; 32]).public().to_base64())
}

/// Who may sign what, by the run's own copy and by the reader's.
fn trusted() -> String {
    line("cto@example.com", "signoff@ledger", 1)
        + &line("dba@example.com", "task@ledger,waiver@ledger", 2)
        + &line("lead@example.com", "attestation@ledger", 4)
}

struct World {
    dir: tempfile::TempDir,
    path: PathBuf,
    store: Store,
    id: RunId,
    cto: SigningKey,
    dba: SigningKey,
}

impl World {
    fn new() -> Self {
        Self::trusting(&trusted())
    }

    /// A run opened with this copy of allowed_signers.
    fn trusting(signers: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("evidence/ledger.db");
        std::fs::create_dir(dir.path().join("evidence")).unwrap();
        std::fs::write(dir.path().join("ledger.toml"), PLAN).unwrap();
        let mut store = Store::create(&path, "dba@example.com").unwrap();
        let id = RunId::new("staging_migration_20260108");
        let mut draft = Draft::new(EntryType::RunOpened, "dba@example.com");
        draft.run = Some(id.to_string());
        draft.target = serde_json::json!({"system_identifier": "7", "database": "contracts_staging"}).as_object().cloned();
        draft.parts = vec![
            PartDraft::bytes("ledger.toml", "application/toml", PLAN).at("trust/ledger.toml"),
            PartDraft::bytes("allowed_signers.txt", "text/plain", signers).at("trust/allowed_signers.UNTRUSTED"),
        ];
        store.append(draft).unwrap();
        Self { dir, path, store, id, cto: SigningKey::from_seed([1; 32]), dba: SigningKey::from_seed([2; 32]) }
    }

    fn task(&mut self, task: &str, bad: &[&str]) -> u64 {
        let attempt = self.run().attempts.iter().filter(|a| a.task.as_str() == task).count() as u32 + 1;
        let mut draft = Draft::new(EntryType::TaskStarted, "dba@example.com");
        (draft.run, draft.task, draft.attempt) = (Some(self.id.to_string()), Some(task.into()), Some(attempt));
        let start = self.store.append(draft).unwrap().seq;
        let rows: Vec<SubjectRow> = ["a", "b"].iter().map(|s| SubjectRow::new(*s, !bad.contains(s), "right", "seen")).collect();
        let fails = !bad.is_empty();
        let outcome = if fails { CheckOutcome::Fail } else { CheckOutcome::Pass };
        let evidence = Evidence {
            check: "looks-right".into(),
            title: "It looks right".into(),
            severity: Severity::High,
            why: String::new(),
            fix: String::new(),
            sql_sha256: None,
            method: None,
            parameters: serde_json::Value::Null,
            asked_of: "target".into(),
            started: NOW.into(),
            duration_us: 5,
            min_subjects: 1,
            rows,
            outcome: outcome.clone(),
        };
        let document = ResultDocument {
            outcome: if fails { Outcome::Fail } else { Outcome::Pass },
            headline: "looked".into(),
            checks: vec![CheckResult {
                code: "looks-right".into(),
                title: "It looks right".into(),
                severity: Severity::High,
                outcome,
                examined: 2,
                subjects: bad.iter().map(|s| (*s).to_owned()).collect(),
            }],
            stopped: None,
            product: None,
        };
        let mut draft = Draft::new(EntryType::TaskResult, "dba@example.com");
        (draft.run, draft.task, draft.attempt, draft.refs) = (Some(self.id.to_string()), Some(task.into()), Some(attempt), vec![start]);
        draft.body.insert("outcome".into(), document.outcome.word().into());
        draft.body.insert("duration_us".into(), 1_500_000.into());
        draft.parts = vec![
            PartDraft::bytes("result.json", "application/json", serde_json::to_vec(&document).unwrap()),
            PartDraft::bytes(check_part_name("looks-right"), "application/json", serde_json::to_vec(&evidence).unwrap()),
        ];
        self.store.append(draft).unwrap().seq
    }

    fn run(&self) -> Run {
        record::read::run(&self.store, &self.id).unwrap().unwrap()
    }

    fn attest(&mut self) {
        let run = self.run();
        attest(
            &mut self.store,
            &run,
            "window",
            &By { principal: "lead@example.com", key: &SigningKey::from_seed([4; 32]) },
            "Sunday 02:00",
        )
        .unwrap();
    }

    fn sign(&mut self, go: bool) -> Result<u64, PublishError> {
        let by = By { principal: "cto@example.com", key: &self.cto };
        sign_off(&mut self.store, &self.id, go, &by, "as agreed").map(|(entry, _)| entry.seq)
    }

    fn signers(&self) -> AllowedSigners {
        AllowedSigners::parse(trusted().as_bytes()).unwrap()
    }

    /// The sign-off's word and the decision.
    fn decided(&self) -> (String, Verdict) {
        let run = self.run();
        let state = decision::state(&self.store, &run, &self.signers(), NOW).unwrap();
        let judgement = run.judgement();
        let run = decision::trusted(&self.store, &run, &self.signers()).unwrap();
        let list = checklist::checklist(&run, &judgement, Some(state.clone()));
        (state.word, checklist::decision(&judgement, &list))
    }
}

fn good() -> World {
    let mut world = World::new();
    world.task("T-1", &[]);
    world.task("T-2", &[]);
    world
}

#[test]
fn a_run_reads_back_as_it_was_written() {
    let mut world = good();
    world.attest();
    let run = world.run();
    assert_eq!(run.config_bytes, PLAN.as_bytes());
    assert_eq!(run.attempts.len(), 2);
    assert_eq!(run.attempts[0].result.as_ref().unwrap().evidence[0].rows.len(), 2);
    assert_eq!(run.attempts[0].result.as_ref().unwrap().duration_us, 1_500_000);
    assert_eq!(run.attestations[0].by, "lead@example.com");
    assert_eq!((run.cut, run.end), (7, 7));
    assert_eq!(run.judgement().verdict, Verdict::Go);
    assert_eq!(record::read::run(&world.store, &RunId::new("another")).unwrap().map(|r| r.id), None);
    let history = record::load(&Store::open_read_only(&world.path).unwrap()).unwrap();
    assert_eq!((history.size, history.runs.len()), (7, 1));
}

/// One run's entries are picked out of many; the rest is hashed and passed over.
#[test]
fn a_run_among_others_reads_as_it_does_when_all_are_read() {
    let mut world = good();
    let first = world.id.clone();
    // Its name begins with the other's, its entries lie between them, and one of them has the other's name in its body.
    let second = RunId::new(format!("{first}-2"));
    let mut draft = Draft::new(EntryType::RunOpened, "dba@example.com");
    draft.run = Some(second.to_string());
    draft.target = serde_json::json!({"system_identifier": "7", "database": "contracts_staging"}).as_object().cloned();
    draft.parts = vec![PartDraft::bytes("ledger.toml", "application/toml", PLAN).at("trust/ledger.toml")];
    world.store.append(draft).unwrap();
    world.id = second.clone();
    world.task("T-1", &["b"]);
    let mut draft = Draft::new(EntryType::Note, "dba@example.com");
    draft.run = Some(second.to_string());
    draft.body.insert("run".into(), first.to_string().into());
    world.store.append(draft).unwrap();
    world.id = first.clone();
    world.task("T-2", &[]);
    world.attest();
    // Erased by an entry of the other run.
    let mut draft = Draft::new(EntryType::PartRedacted, "dpo@example.com");
    draft.run = Some(second.to_string());
    draft.body.insert("seq".into(), 3.into());
    draft.body.insert("part".into(), check_part_name("looks-right").into());
    draft.parts = ["statement.json", "statement.sig"].map(|name| PartDraft::bytes(name, "application/json", "{}")).into();
    world.store.append(draft).unwrap();

    let all = record::load(&world.store).unwrap().runs;
    let shown = |run: &Run| format!("{run:?}");
    assert_eq!(all.iter().map(|run| run.entries.len()).collect::<Vec<_>>(), [8, 5]);
    assert_eq!(shown(&world.run()), shown(&all[0]));
    assert_eq!(shown(&record::read::run(&world.store, &second).unwrap().unwrap()), shown(&all[1]));
    assert_eq!(shown(&record::read::latest(&world.store).unwrap().unwrap()), shown(&all[1]));
    assert_eq!(record::read::opened(&world.store).unwrap(), [(first.clone(), 1), (second.clone(), 6)]);
    let at_cut = record::read::at_cut(&world.store, &second, 5).unwrap().unwrap();
    assert_eq!((at_cut.size, at_cut.runs.len()), (10, 2), "the redaction does not move the cut");
    assert_eq!(at_cut.head, world.store.entry(9).unwrap().leaf.to_hex());
    assert_eq!(at_cut.runs[0].entries.len(), 5, "what came after the cut is not there");
    assert_eq!(at_cut.runs[0].attempts[0].result.as_ref().unwrap().evidence.len(), 0, "what was erased later is erased");

    // An entry that only the other run has is passed over, not left unchecked.
    let conn = rusqlite::Connection::open(&world.path).unwrap();
    conn.execute_batch("DROP TRIGGER entry_never_changes; UPDATE entry SET header = CAST(replace(CAST(header AS TEXT), '\"run\":\"staging_migration_20260108-2\"', '\"run\":\"staging_migration_20260108-3\"') AS BLOB) WHERE seq = 9").unwrap();
    let error = record::read::run(&Store::open_read_only(&world.path).unwrap(), &first).unwrap_err();
    assert!(error.to_string().starts_with("EDITED(9)"), "{error}");
}

#[test]
fn a_start_without_a_result_stays_visible_as_interrupted() {
    let mut world = good();
    let mut draft = Draft::new(EntryType::TaskStarted, "dba@example.com");
    (draft.run, draft.task, draft.attempt) = (Some(world.id.to_string()), Some("T-2".into()), Some(2));
    world.store.append(draft).unwrap();
    let run = world.run();
    assert_eq!(run.facts().interrupted, vec![("T-2".into(), 6)]);
    let html = publish::render(&world.store, &world.id).unwrap().files;
    assert!(html.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains("interrupted: it started and has no result")));
}

#[test]
fn a_rollback_makes_earlier_results_stale() {
    let mut world = good();
    assert_eq!(world.run().judgement().verdict, Verdict::Go);
    world.task("ROLLBACK", &[]);
    assert_eq!(world.run().rollbacks.len(), 1);
    assert_eq!(world.run().judgement().verdict, Verdict::Undecided);
}

#[test]
fn rendering_appends_nothing_and_publishing_happens_once() {
    let mut world = good();
    let size = world.store.len().unwrap();
    let first = publish::render(&world.store, &world.id).unwrap();
    assert_eq!(first.files, publish::render(&world.store, &world.id).unwrap().files);
    assert_eq!(world.store.len().unwrap(), size);
    let (seq, published) = publish::publish(&mut world.store, &world.id, "dba@example.com").unwrap();
    assert_eq!((published.size, published.files.clone()), (size, first.files));
    let (again, files) = publish::publish(&mut world.store, &world.id, "dba@example.com").unwrap();
    assert_eq!((seq, published.files), (again, files.files));
    assert_eq!(world.store.len().unwrap(), size + 1);
}

#[test]
fn a_go_over_evidence_that_says_no_is_refused_and_appends_nothing() {
    let mut world = World::new();
    world.task("T-1", &["b"]);
    world.task("T-2", &[]);
    let size = world.store.len().unwrap();
    let error = world.sign(true).unwrap_err();
    assert!(matches!(&error, PublishError::NotGo { verdict: Verdict::NoGo, hint, .. } if hint.contains("ledger waive")), "{error:?}");
    assert_eq!(world.store.len().unwrap(), size);
    world.sign(false).unwrap();
    assert_eq!(world.decided(), ("DENIED".into(), Verdict::NoGo));
}

#[test]
fn a_waived_finding_is_a_deviation_and_only_a_real_finding_can_be_waived() {
    let mut world = World::new();
    world.task("T-1", &["b"]);
    world.task("T-2", &[]);
    let run = world.run();
    let key = SigningKey::from_seed([2; 32]);
    let by = By { principal: "dba@example.com", key: &key };
    let mut refused = |subject, until| {
        let finding = Accepted { check: "looks-right", subject, until };
        waive(&mut world.store, &run, &finding, &by, "known").unwrap_err().to_string()
    };
    assert!(refused("a", "2099-01-01").contains("there is no finding looks-right on a"));
    assert!(refused("b", "2001-01-01").contains("has passed"));
    assert!(refused("b", "soon").contains("is not a day"));
    let finding = Accepted { check: "looks-right", subject: "b", until: "2099-01-01" };
    assert!(waive(&mut world.store, &run, &finding, &by, "  ").unwrap_err().to_string().contains("reason is empty"));
    waive(&mut world.store, &run, &finding, &by, "known and harmless").unwrap();
    assert_eq!(world.run().judgement().verdict, Verdict::GoWithDeviations);
    world.attest();
    world.sign(true).unwrap();
    assert_eq!(world.decided(), ("APPROVED".into(), Verdict::GoWithDeviations));
    let report = publish::render(&world.store, &world.id).unwrap();
    assert_eq!(report.report.deviations[0].by, "dba@example.com");
}

#[test]
fn what_a_task_measures_or_a_signature_answers_cannot_be_attested() {
    let mut world = good();
    let run = world.run();
    let key = SigningKey::from_seed([2; 32]);
    let by = By { principal: "dba@example.com", key: &key };
    for (item, why) in [("looked", "is measured by T-1"), ("approval", "signed decision"), ("nothing", "no item nothing")] {
        let error = attest(&mut world.store, &run, item, &by, "yes").unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

/// A statement's entry as anybody who can write to the ledger could append it: signed with any key, in anybody's name.
fn forged(world: &mut World, kind: EntryType, role: Namespace, by: &str, key: &SigningKey, fields: &[(&str, &str)]) {
    let checkpoint = world.store.checkpoint(world.store.len().unwrap()).unwrap();
    let word = role.as_str().trim_end_matches("@ledger");
    let mut statement = Statement::over(word, &checkpoint, Some(world.id.as_str()), by, "trust me");
    for (field, value) in fields {
        statement = statement.with(field, *value);
    }
    let bytes = statement.to_bytes().unwrap();
    let signature = sshsig::sign(key, role, &bytes);
    let mut draft = Draft::new(kind, by);
    draft.run = Some(world.id.to_string());
    draft.parts = vec![
        PartDraft::bytes("statement.json", "application/json", bytes),
        PartDraft::bytes("statement.sig", "text/plain", signature.into_bytes()),
    ];
    world.store.append(draft).unwrap();
}

#[test]
fn a_waiver_counts_only_when_one_who_may_has_signed_it() {
    let finding = [("check", "looks-right"), ("subject", "b"), ("until", "2099-01-01")];
    for (by, seed, why) in [
        ("mallory@example.com", 66, "UNTRUSTED-KEY"),
        ("dba@example.com", 66, "UNTRUSTED-KEY"),
        ("cto@example.com", 1, "WRONG-ROLE(cto@example.com)"),
        ("cto@example.com", 2, "dba@example.com signed in the name of cto@example.com"),
    ] {
        let mut world = World::new();
        world.task("T-1", &["b"]);
        world.task("T-2", &[]);
        forged(&mut world, EntryType::Waiver, Namespace::Waiver, by, &SigningKey::from_seed([seed; 32]), &finding);
        let run = world.run();
        assert_eq!((run.judgement().verdict, run.waivers.len()), (Verdict::NoGo, 0), "{by} with key {seed}");
        assert_eq!(run.refused[0].why, why);
        let report = publish::render(&world.store, &world.id).unwrap().report;
        assert_eq!(report.deviations[0].used, format!("no: {why}"));
        assert!(report.why_not.iter().any(|row| row.subject == "b"), "the finding is hidden by a waiver that does not count");
        assert!(matches!(world.sign(true).unwrap_err(), PublishError::NotGo { .. }));
    }
    // The same statement by one who may.
    let mut world = World::new();
    world.task("T-1", &["b"]);
    world.task("T-2", &[]);
    forged(&mut world, EntryType::Waiver, Namespace::Waiver, "dba@example.com", &SigningKey::from_seed([2; 32]), &finding);
    let run = world.run();
    assert_eq!(run.judgement().verdict, Verdict::GoWithDeviations);
    // A reader who does not trust that key decides otherwise, over the same verdict.
    let cto = AllowedSigners::parse(line("cto@example.com", "signoff@ledger", 1).as_bytes()).unwrap();
    assert_eq!(decision::doubted_waivers(&world.store, &run, &world.signers()).unwrap(), Vec::<String>::new());
    let doubted = decision::doubted_waivers(&world.store, &run, &cto).unwrap();
    assert!(doubted.len() == 1 && doubted[0].contains("not counted, UNTRUSTED-KEY"), "{doubted:?}");
}

#[test]
fn a_waiver_that_the_run_would_never_count_is_not_appended() {
    let mut world = World::new();
    world.task("T-1", &["b"]);
    let (run, size) = (world.run(), world.store.len().unwrap());
    let finding = Accepted { check: "looks-right", subject: "b", until: "2099-01-01" };
    let by = By { principal: "new@example.com", key: &SigningKey::from_seed([9; 32]) };
    let error = waive(&mut world.store, &run, &finding, &by, "known").unwrap_err();
    assert!(
        matches!(&error, PublishError::Refused { what, hint } if what.contains("was opened with") && hint.contains("ledger run")),
        "{error:?}"
    );
    assert_eq!(world.store.len().unwrap(), size);
}

#[test]
fn an_attestation_counts_only_when_one_who_may_has_signed_it() {
    let mut world = good();
    let mallory = SigningKey::from_seed([66; 32]);
    for by in ["mallory@example.com", "lead@example.com"] {
        forged(&mut world, EntryType::Attestation, Namespace::Attestation, by, &mallory, &[("item", "window")]);
    }
    world.sign(true).unwrap();
    assert_eq!(world.decided(), ("APPROVED".into(), Verdict::Undecided));
    let shown = |world: &World| {
        let list = publish::render(&world.store, &world.id).unwrap().report.checklist;
        list.sections.iter().flat_map(|s| &s.items).find(|i| i.id == "window").map(|i| (i.mark.word, i.text.clone())).unwrap()
    };
    let (word, text) = shown(&world);
    assert!(word == "OPEN" && text.contains("not counted, UNTRUSTED-KEY"), "{word} {text}");
    world.attest();
    assert_eq!(world.decided(), ("APPROVED".into(), Verdict::Go));
    // By the reader's file alone: one that knows no attestors leaves the item open, whatever the run's own copy says.
    let cto = AllowedSigners::parse(line("cto@example.com", "signoff@ledger", 1).as_bytes()).unwrap();
    let run = decision::trusted(&world.store, &world.run(), &cto).unwrap();
    assert_eq!(run.doubted("window").map(|(_, why)| why), Some("UNTRUSTED-KEY"));
    assert!(run.attested("window").is_none() && world.run().attested("window").is_some());
}

/// Every state of the decision, from one world each.
#[test]
fn the_decision_names_what_is_open() {
    let world = good();
    assert_eq!(world.decided(), ("MISSING(signoff)".into(), Verdict::Undecided));

    let mut world = good();
    world.attest();
    world.sign(true).unwrap();
    assert_eq!(world.decided(), ("APPROVED".into(), Verdict::Go));

    // Approved, but a required item is open: the decision stays open until it is attested, which leaves the signature good.
    let mut world = good();
    world.sign(true).unwrap();
    assert_eq!(world.decided(), ("APPROVED".into(), Verdict::Undecided));
    world.attest();
    assert_eq!(world.decided(), ("APPROVED".into(), Verdict::Go));

    // Evidence after the signature.
    world.task("T-2", &[]);
    assert_eq!(world.decided(), ("STALE".into(), Verdict::Undecided));

    // A no-go outweighs a go over the same state.
    let mut world = good();
    world.attest();
    world.sign(true).unwrap();
    world.sign(false).unwrap();
    assert_eq!(world.decided(), ("DENIED".into(), Verdict::NoGo));

    // The operator approves the own work: allowed_signers gives the key the role, separation of duties does not.
    let mut world = good();
    world.attest();
    let by = By { principal: "dba@example.com", key: &world.cto };
    sign_off(&mut world.store, &world.id, true, &by, "").unwrap();
    let line = format!("dba@example.com namespaces=\"signoff@ledger\" ssh-ed25519 {}\n", world.cto.public().to_base64());
    let signers = AllowedSigners::parse(line.as_bytes()).unwrap();
    let state = decision::state(&world.store, &world.run(), &signers, NOW).unwrap();
    assert_eq!(state.word, "SOD-VIOLATION(dba@example.com took part in the work)");

    // A key that nobody trusts, and one without the role.
    let state = decision::state(&world.store, &world.run(), &AllowedSigners::default(), NOW).unwrap();
    assert_eq!((state.word.as_str(), state.approved), ("MISSING(signoff)", false));
    assert!(state.by[0].contains("UNTRUSTED-KEY"), "{:?}", state.by);
}

#[test]
fn a_key_without_the_role_is_refused_before_anything_is_appended() {
    let world = good();
    let by = By { principal: "dba@example.com", key: &world.dba };
    let refused = |namespace| by.holds(&world.signers(), namespace, NOW).map_err(|e| e.to_string());
    assert_eq!(refused(Namespace::Waiver), Ok(()));
    assert!(refused(Namespace::Signoff).unwrap_err().contains("other roles than signoff@ledger"));
    let by = By { principal: "ops@example.com", key: &world.dba };
    assert!(by.holds(&world.signers(), Namespace::Waiver, NOW).unwrap_err().to_string().contains("belongs to dba@example.com"));
}

/// Signed off, packed, verified by the reader that believes nothing; packed again without a byte's difference.
#[test]
fn a_package_is_verified_and_packing_again_changes_nothing() {
    let mut world = good();
    world.attest();
    world.sign(true).unwrap();
    let out = tempfile::tempdir().unwrap();
    let ops = SigningKey::from_seed([3; 32]);
    let packed = package(&mut world.store, &world.id, "ops@example.com", Some(&ops), out.path(), false).unwrap();
    assert!(!packed.written.unchanged);
    let size = world.store.len().unwrap();

    let line =
        |who: &str, roles: &str, key: &SigningKey| format!("{who} namespaces=\"{roles}\" ssh-ed25519 {}\n", key.public().to_base64());
    let signers = line("cto@example.com", "signoff@ledger", &world.cto)
        + &line("lead@example.com", "attestation@ledger", &SigningKey::from_seed([4; 32]))
        + &line("ops@example.com", "checkpoint@ledger,package@ledger", &ops);
    let options = Options { signers: Some(AllowedSigners::parse(signers.as_bytes()).unwrap()), ..Options::default() };
    let verified = verify(&packed.written.zip, &options).unwrap();
    assert_eq!((verified.verdict.as_str(), verified.decision.as_deref()), ("VERIFIED", Some("APPROVED")), "{:?}", verified.stages);
    assert_eq!(verified.recorded_verdict.as_deref(), Some("GO"));

    // Without the key, too: signatures that are there stay.
    let again = package(&mut world.store, &world.id, "somebody else", None, out.path(), false).unwrap();
    assert!(again.written.unchanged);
    assert!(again.signature.is_some() && again.signature == packed.signature);
    assert_eq!((again.written.sha256, again.published), (packed.written.sha256, packed.published));
    assert_eq!(world.store.len().unwrap(), size);

    let sums = std::process::Command::new("sha256sum")
        .args(["--strict", "--quiet", "-c", "SHA256SUMS"])
        .current_dir(&packed.folder)
        .status()
        .unwrap();
    assert!(sums.success(), "the unpacked folder is not the package");
    let report = std::fs::read_to_string(packed.folder.join("report/STAGING_MIGRATION_READINESS_REPORT.md")).unwrap();
    assert!(report.contains("GO"));

    // Other bytes, packed without a key: what was signed is gone, and its signature with it.
    world.task("T-2", &[]);
    let stale = package(&mut world.store, &world.id, "ops@example.com", None, out.path(), true).unwrap();
    assert!(!stale.written.unchanged && stale.signature.is_none());
    let word = verify(&stale.written.zip, &options).unwrap().verdict;
    assert!(word.starts_with("UNSIGNED("), "{word}");

    // Somebody's own file in the folder is not swept away unasked.
    std::fs::write(packed.folder.join("notes.txt"), "mine").unwrap();
    let refused = package(&mut world.store, &world.id, "ops@example.com", None, out.path(), false).unwrap_err().to_string();
    assert!(refused.contains("notes.txt"), "{refused}");
    package(&mut world.store, &world.id, "ops@example.com", None, out.path(), true).unwrap();
    assert!(!packed.folder.join("notes.txt").exists());

    // New evidence is another package: replaced only when told.
    world.task("T-2", &[]);
    assert!(package(&mut world.store, &world.id, "ops@example.com", None, out.path(), false).is_err());
    assert!(!package(&mut world.store, &world.id, "ops@example.com", None, out.path(), true).unwrap().written.unchanged);
}

/// A no-go verdict is packed and verified like any other: the package holds, the decision says no.
#[test]
fn a_no_go_package_holds() {
    let mut world = World::new();
    world.task("T-1", &["a"]);
    world.task("T-2", &[]);
    let out = tempfile::tempdir().unwrap();
    let key = SigningKey::from_seed([3; 32]);
    let packed = package(&mut world.store, &world.id, "ops@example.com", Some(&key), out.path(), false).unwrap();
    let verified = verify(&packed.written.zip, &Options::default()).unwrap();
    assert_eq!(verified.verdict, "INTEGRITY-ONLY", "{:?}", verified.stages);
    assert_eq!(verified.recorded_verdict.as_deref(), Some("NO-GO"));
}

/// What was erased is unknown, in the verdict and in the report; nothing of it counts as passed.
#[test]
fn redacted_evidence_is_unknown() {
    let mut world = good();
    assert_eq!(world.run().judgement().verdict, Verdict::Go);
    let conn = rusqlite::Connection::open(&world.path).unwrap();
    let mut draft = Draft::new(EntryType::PartRedacted, "dpo@example.com");
    draft.run = Some(world.id.to_string());
    draft.body.insert("seq".into(), 3.into());
    draft.body.insert("part".into(), check_part_name("looks-right").into());
    draft.parts = ["statement.json", "statement.sig"].map(|name| PartDraft::bytes(name, "application/json", "{}")).into();
    world.store.append(draft).unwrap();
    conn.execute("UPDATE part SET salt = NULL, spool = NULL WHERE seq = 3 AND name = ?1", [check_part_name("looks-right")]).unwrap();
    let run = world.run();
    assert_eq!(run.judgement().verdict, Verdict::Undecided);
    let text = publish::render(&world.store, &world.id).unwrap().files;
    let text = text.iter().find(|(name, _)| name.ends_with("REPORT.md")).map(|(_, b)| String::from_utf8_lossy(b).into_owned()).unwrap();
    assert!(text.contains("erased by signed redactions"), "{text}");
    assert!(text.contains("redacted"));
}

/// The commands themselves, on one project: what they answer and how they end.
#[test]
fn the_commands_end_with_what_the_decision_is() {
    let (keys, mut signers) = (tempfile::tempdir().unwrap(), String::new());
    for (who, roles) in [("cto@example.com", "signoff@ledger"), ("lead@example.com", "attestation@ledger,waiver@ledger")] {
        let key = migration_ledger::sign::generate(&keys.path().join(who), who).unwrap();
        signers += &format!("{who} namespaces=\"{roles}\" ssh-ed25519 {}\n", key.public().to_base64());
    }
    let mut world = World::trusting(&signers);
    world.task("T-1", &["b"]);
    world.task("T-2", &[]);
    let (root, store) = (world.dir.path().to_owned(), world.store);
    store.close().unwrap();
    for who in ["cto@example.com", "lead@example.com"] {
        std::fs::copy(keys.path().join(who), root.join(who)).unwrap();
    }
    std::fs::write(root.join("allowed_signers"), signers).unwrap();
    std::fs::write(root.join("why.txt"), "agreed in the meeting\n").unwrap();
    let ledger = |line: &str| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_ledger"))
            .args(line.split(' '))
            .current_dir(&root)
            .env_clear()
            .env("HOME", &root)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        (out.status.code().unwrap(), text)
    };
    let as_cto = "--as cto@example.com --key cto@example.com";
    let as_lead = "--as lead@example.com --key lead@example.com --reason-file why.txt";
    let expect = |line: String, code: i32, words: &[&str]| {
        let (got, text) = ledger(&line);
        assert_eq!(got, code, "{line}: {text}");
        words.iter().for_each(|word| assert!(text.contains(word), "{line} does not say {word}: {text}"));
    };
    expect("report --format md".into(), 10, &["## ✗ NO-GO"]);
    expect("go-no-go".into(), 10, &["Decision  NO-GO", "the verdict is NO-GO", "MISSING(signoff)", "ledger attest window"]);
    expect(format!("sign-off --decision go {as_cto}"), 10, &["a go cannot be signed over NO-GO", "ledger waive"]);
    expect(
        format!("waive looks-right --subject x --until 2099-01-01 {as_lead}"),
        3,
        &["there is no finding looks-right on x", "--subject 'b'"],
    );
    expect(
        format!("waive looks-right --subject b --until 2099-01-01 {as_lead}"),
        0,
        &["accepted by lead@example.com", "GO WITH DEVIATIONS"],
    );
    expect(format!("attest looked {as_lead}"), 3, &["looked is measured by T-1"]);
    expect(format!("attest nothing {as_lead}"), 2, &["the plan has no item nothing", "window"]);
    expect(format!("sign-off --decision go {as_lead}"), 3, &["other roles than signoff@ledger"]);
    expect(format!("sign-off --decision go {as_cto}"), 0, &["go signed by cto@example.com"]);
    expect("go-no-go".into(), 11, &["Sign-off  APPROVED", "Decision  UNDECIDED", "open: Maintenance window scheduled (window)"]);
    expect(
        format!("attest window {as_lead}"),
        0,
        &["window attested by lead@example.com", "leaves the signature good", "ledger package does not pack it"],
    );
    expect("go-no-go".into(), 0, &["Sign-off  APPROVED", "Decision  GO WITH DEVIATIONS"]);
    expect("go-no-go --message-format json".into(), 0, &["\"schema\":\"ledger.go-no-go/1\"", "\"decision\":\"go-with-deviations\""]);
    expect("report".into(), 0, &["report/STAGING_MIGRATION_READINESS_REPORT.html"]);
    expect("report".into(), 0, &["(unchanged)"]);
    expect("package --key cto@example.com".into(), 0, &["staging_migration_20260108.zip", "signed"]);
    expect("package --key cto@example.com".into(), 0, &["(unchanged)"]);
    expect("package".into(), 0, &["(unchanged)", "signed before, over these bytes"]);
    expect("report --run another".into(), 3, &["the ledger has no run another"]);
}

/// The files below a folder: relative path and bytes.
fn bytes_below(root: &std::path::Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut open) = (std::collections::BTreeMap::new(), vec![root.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => _ = found.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap()),
            }
        }
    }
    found
}

/// One ledger, two machines: time zone, locale, umask, home, columns and folder are different, and no byte is.
#[test]
fn report_and_package_depend_on_the_ledger_alone() {
    let keys = tempfile::tempdir().unwrap();
    migration_ledger::sign::generate(&keys.path().join("ops"), "ops@example.com").unwrap();
    let mut world = good();
    world.attest();
    world.sign(true).unwrap();
    let (from, store, _kept) = (world.path.clone(), world.store, world.dir);
    store.close().unwrap();

    let made = |zone: &str, locale: &str, umask: &str, columns: &str, folder: &str| {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(folder);
        std::fs::create_dir_all(root.join("evidence")).unwrap();
        std::fs::write(root.join("ledger.toml"), PLAN).unwrap();
        std::fs::copy(&from, root.join("evidence/ledger.db")).unwrap();
        let script = "umask $UMASK && \"$LEDGER\" report --out out/report && \"$LEDGER\" package --key \"$KEY\" --out out/package";
        let out = std::process::Command::new("bash")
            .args(["-c", script])
            .current_dir(&root)
            .env_clear()
            .envs([("TZ", zone), ("LC_ALL", locale), ("LANG", locale), ("UMASK", umask), ("COLUMNS", columns)])
            .env("LEDGER", env!("CARGO_BIN_EXE_ledger"))
            .env("KEY", keys.path().join("ops"))
            .env("HOME", &root)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        bytes_below(&root.join("out"))
    };
    let here = made("UTC", "C", "022", "80", "a");
    let there = made("Pacific/Kiritimati", "tr_TR.UTF-8", "077", "200", "another folder/b");
    assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
    for (name, bytes) in &here {
        assert!(bytes == &there[name], "{} differs", name.display());
    }
    for wanted in ["package/staging_migration_20260108.zip", "package/staging_migration_20260108.zip.sig"] {
        assert!(here.contains_key(std::path::Path::new(wanted)), "{wanted} was not made: {:?}", here.keys());
    }
    assert!(here.keys().filter(|name| name.starts_with("report")).count() >= 7, "{:?}", here.keys());
}
