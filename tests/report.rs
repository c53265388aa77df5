//! The report: what it shows, that it shows the same bytes twice, and that hostile evidence in it is inert.

#[path = "report_snapshots/fixture.rs"]
mod fixture;

use fixture::Builder;
use migration_ledger::domain::{CheckOutcome, Outcome, Severity, SubjectRow, TaskId};
use migration_ledger::record::{AttestationRecord, NoteRecord, Run};
use migration_ledger::report::{self, Report, Source};

fn report(run: &Run) -> Report {
    let root = "0123456789abcdef".repeat(4);
    let head = "fedcba9876543210".repeat(4);
    report::build(&Source { ledger_id: &"a1".repeat(16), size: run.cut, root: &root, head: &head, run, earlier: &[] })
}

fn rendered(run: &Run, file: &'static str) -> String {
    String::from_utf8(report::render_one(&report(run), file).unwrap()).unwrap()
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("report_snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The part of a Markdown report from one heading to the next of the same rank.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let from = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}")) + 1;
    let rest = &text[from..];
    rest[1..].find("\n## ").map_or(rest, |end| &rest[..=end])
}

/// Every file of both fixtures; `REPORT_OUT=DIR` keeps them for looking at.
#[test]
fn every_file_renders_the_same_bytes_twice() {
    for (name, run) in [("go", fixture::run(false)), ("no-go", fixture::run(true)), ("empty", Builder::new().run)] {
        let files = report::render(&report(&run)).unwrap();
        assert_eq!(files, report::render(&report(&run.clone())).unwrap());
        assert_eq!(files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), report::FILES);
        let mut sorted = files.clone();
        sorted.sort();
        assert_eq!(files, sorted, "the files stand in byte order");
        for (file, bytes) in files {
            assert!(bytes.ends_with(b"\n"), "{file} ends without a line feed");
            if let Some(out) = std::env::var_os("REPORT_OUT") {
                let dir = std::path::Path::new(&out).join(name);
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::write(dir.join(file), bytes).unwrap();
            }
        }
    }
}

#[test]
fn the_first_words_are_the_verdict_its_reason_and_what_is_not_established() {
    let text = rendered(&fixture::run(true), report::READINESS_MD);
    snapshot("no-go-head", &text[..text.find("## Summary").unwrap()]);
    let text = rendered(&fixture::run(false), report::READINESS_MD);
    snapshot("go-head", &text[..text.find("## Gates").unwrap()]);
}

#[test]
fn a_run_without_results_is_undecided_and_ticks_nothing() {
    let run = Builder::new().run;
    let text = rendered(&run, report::READINESS_MD);
    assert!(text.contains("## ? UNDECIDED"), "{text}");
    assert!(text.contains("Not established: 9 tasks (CE-20, CE-21, CE-22, CE-23, CE-24, CE-25, CE-26, CE-27, CE-28) and 0 checks."));
    for file in report::FILES.iter().filter(|f| **f != report::JSON) {
        let text = rendered(&run, file);
        assert!(!text.contains('✓'), "{file} ticks something although nothing was done");
    }
    assert!(rendered(&run, report::ROLLBACK_MD).contains("Not tested: this procedure has no measurement behind it."));
}

#[test]
fn everything_per_task() {
    let text = rendered(&fixture::run(true), report::READINESS_MD);
    snapshot("task-row-security", section(&text, "## CE-23 RLS Policy Verification (Smoke Tests)"));
    snapshot("task-foreign-keys", section(&text, "## CE-24 Foreign Key Constraint Verification"));
    snapshot("isolation", section(&text, "## Tenant isolation"));
    snapshot("risks", section(&text, "## Risks of the plan"));
    snapshot("timeline", section(&text, "## Timeline, planned and actual"));
    snapshot("locks", section(&text, "## Locks on existing tables"));
    snapshot("limits", section(&text, "## What this report does not show"));
}

#[test]
fn checklist_and_procedure() {
    let run = fixture::run(true);
    snapshot("go-no-go", &rendered(&run, report::GO_NO_GO_MD));
    snapshot("rollback-procedure", &rendered(&run, report::ROLLBACK_MD));
    snapshot("rollback-checklist", &rendered(&run, report::ROLLBACK_CHECKLIST_MD));
}

#[test]
fn html_head_and_charts() {
    let text = rendered(&fixture::run(true), report::READINESS_HTML);
    let verdict = &text[text.find("<div class=\"verdict").unwrap()..text.find("<h2>Gates").unwrap()];
    snapshot("html-verdict", verdict);
    let chart = &text[text.find("<title>Latency ratio").unwrap()..];
    snapshot("svg-latency", &chart[..chart.find("</figure>").unwrap()]);
    let leak = text.lines().find(|l| l.contains("public.clauses, read: leak")).unwrap();
    assert!(
        leak.contains("SELECT as no context: 3 rows of tenant A read") && leak.contains("class=\"cell fail\"") && leak.contains('✗'),
        "{leak}"
    );
}

#[test]
fn every_entry_that_a_number_links_to_is_in_the_index() {
    let text = rendered(&fixture::run(true), report::READINESS_HTML);
    let mut links = 0;
    for part in text.split("href=\"#").skip(1) {
        let id = &part[..part.find('"').unwrap()];
        assert!(text.contains(&format!("id=\"{id}\"")), "nothing has the id {id}");
        links += 1;
    }
    assert!(links > 50, "only {links} numbers link to an entry");
}

#[test]
fn html_asks_nothing_of_the_network_and_runs_nothing() {
    for file in [report::READINESS_HTML, report::GO_NO_GO_HTML] {
        let text = rendered(&fixture::run(true), file);
        assert!(
            text.contains("default-src &#x27;none&#x27;") || text.contains("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
        );
        for forbidden in ["<script", "javascript:", "http://", "https://", "<link", "@import", "<img", "<iframe", " onload=", " onclick="] {
            assert!(!text.to_lowercase().contains(forbidden), "{file} contains {forbidden}");
        }
    }
}

const HOSTILE: &str = "x</td></svg><script>alert(1)</script><img src=https://evil.example/x onerror=alert(1)>|`a`\n\n# forged ✓ GO\n[k](javascript:x)\u{1b}[2J\u{202e}\u{9b}31m ${{7*7}} {% raw %}";

fn hostile_run() -> Run {
    let mut b = Builder::new();
    let rows = vec![SubjectRow::new(HOSTILE, false, HOSTILE, HOSTILE)];
    let mut bad = fixture::evidence("rls-isolation", HOSTILE, Severity::Critical, rows, CheckOutcome::Fail);
    (bad.fix, bad.asked_of) = (HOSTILE.into(), HOSTILE.into());
    let unknown = fixture::evidence("rls-forced", "t", Severity::High, Vec::new(), CheckOutcome::Unknown(HOSTILE.into()));
    b.task("CE-23", 1, 1, HOSTILE, Outcome::Fail, vec![bad, unknown], None);
    b.task("CE-24", 2, 1, "x", Outcome::Skipped(HOSTILE.into()), Vec::new(), None);
    let mut environment = fixture::environment();
    if let migration_ledger::domain::Product::Environment(p) = &mut environment {
        (p.database, p.role, p.tls) = (HOSTILE.into(), HOSTILE.into(), HOSTILE.into());
        p.backup.as_mut().unwrap().file = HOSTILE.into();
    }
    b.task("CE-20", 3, 1, HOSTILE, Outcome::Pass, Vec::new(), Some(environment));
    let mut run = b.run;
    for attempt in &mut run.attempts {
        attempt.result.as_mut().unwrap().log.as_mut().unwrap().text = format!("line one\n{HOSTILE}\n```\n");
    }
    (run.actor, run.host, run.source_commit) = (HOSTILE.into(), HOSTILE.into(), HOSTILE.into());
    run.attestations.push(AttestationRecord {
        seq: 2,
        ts: HOSTILE.into(),
        item: "review-plan".into(),
        by: HOSTILE.into(),
        statement: HOSTILE.into(),
        doubt: None,
    });
    run.notes.push(NoteRecord { seq: 2, ts: "t".into(), by: HOSTILE.into(), task: None, suite: None, parts: Vec::new() });
    run.waivers.push(migration_ledger::domain::verdict::Waiver {
        check: HOSTILE.into(),
        subject: HOSTILE.into(),
        until: HOSTILE.into(),
        by: HOSTILE.into(),
        reason: HOSTILE.into(),
        seq: 2,
    });
    run.config.plan.contacts.as_mut().unwrap().escalation.push(HOSTILE.into());
    run.config.plan.risks[0].mitigation = HOSTILE.into();
    run
}

/// An item of "before execution" that was vouched for only afterwards says so.
#[test]
fn vouching_after_the_execution_is_called_that() {
    let execution = |run: &Run| run.latest(&TaskId::new("CE-22")).map(|(attempt, _)| attempt.started_seq).expect("an execution");
    let shown = |seq: u64| {
        let mut run = fixture::run(false);
        run.attestations.push(AttestationRecord {
            seq,
            ts: "2026-01-08T10:00:00.000000Z".into(),
            item: "go-no-go-meeting".into(),
            by: "lead@example.com".into(),
            statement: "Held.".into(),
            doubt: None,
        });
        let list = report::checklist::checklist(&run, &run.judgement(), None);
        let item = list.sections.iter().flat_map(|section| &section.items).find(|item| item.id == "go-no-go-meeting").cloned();
        item.expect("an item").text
    };
    let started = execution(&fixture::run(false));
    assert!(!shown(started - 1).contains("after the execution"), "{}", shown(started - 1));
    assert!(shown(started + 1).contains(", after the execution had begun: Held."), "{}", shown(started + 1));
}

/// HTML, Markdown and terminal escapes in evidence and in people's words stay text.
#[test]
fn hostile_evidence_is_inert() {
    let run = hostile_run();
    for file in report::FILES {
        let text = rendered(&run, file);
        assert!(text.contains("alert"), "{file} does not show the evidence at all");
        for (line, c) in text.lines().flat_map(|l| l.chars().map(move |c| (l, c))) {
            assert!(!c.is_control() && c != '\u{202e}', "{file}: {c:?} in {line}");
        }
        assert!(!text.contains("49"), "{file}: a template ran inside evidence");
        if file.ends_with(".html") {
            assert!(!text.contains("<script") && !text.contains("<img"), "{file}");
            assert!(!text.contains("href=\"javascript"), "{file}");
        }
    }
    for file in [report::READINESS_MD, report::GO_NO_GO_MD, report::ROLLBACK_MD, report::ROLLBACK_CHECKLIST_MD] {
        let text = rendered(&run, file);
        let mut fenced = false;
        for line in text.lines() {
            if line.starts_with("```") {
                assert_eq!(line, "```", "{file}: a fence with more than our own text");
                fenced = !fenced;
                continue;
            }
            assert!(!line.starts_with("# forged"), "{file}: {line}");
            if fenced {
                continue;
            }
            // What a backslash stands before is text.
            let live = line.replace("\\]", "").replace("\\[", "");
            assert!(!live.contains("<script") && !live.contains("<img") && !live.contains("](javascript"), "{file}: {line}");
            assert!(!line.contains("://"), "{file} links by itself: {line}");
            if line.starts_with('|') {
                let cells = line.replace("\\|", "").matches('|').count();
                assert!((3..=10).contains(&cells), "{file}: a cell broke its row: {line}");
            }
        }
        assert!(!fenced, "{file}: a fence stays open");
    }
}

#[test]
fn a_deliverable_is_ticked_only_when_an_entry_carries_it() {
    let run = fixture::run(false);
    let report = report(&run);
    let of = |task: &str, file: &str| {
        let task = report.tasks.iter().find(|t| t.id == task).unwrap();
        task.deliverables.iter().find(|d| d.file == file).unwrap().clone()
    };
    assert_eq!(of("CE-24", "fk_inventory.csv").mark.word, "MISSING");
    assert_eq!(of("CE-23", "rls_coverage_report.md").mark.word, "RECORDED");
    let mut redacted = run.clone();
    redacted.parts.iter_mut().filter(|p| p.name == "rls_coverage_report.md").for_each(|p| p.redacted = true);
    let text = rendered(&redacted, report::READINESS_MD);
    assert!(text.lines().any(|l| l.contains("rls_coverage_report.md") && l.contains("REDACTED")));
}

/// The report names only what exists, and does not call missing, or present, what is made from it.
#[test]
fn the_package_is_neither_missing_nor_complete_in_the_report_it_is_made_from() {
    let mut run = fixture::run(false);
    run.parts.retain(|part| part.name != "manifest.json");
    let report = report(&run);
    let task = report.tasks.iter().find(|t| t.id == "CE-28").unwrap();
    let manifest = task.deliverables.iter().find(|d| d.file == "manifest.json").unwrap();
    assert_eq!(manifest.mark.word, "IN THE PACKAGE");
    let complete = |list: &report::checklist::Checklist| {
        let item = list.sections.iter().flat_map(|s| &s.items).find(|i| i.id == "evidence-package-complete").unwrap();
        (item.mark.word, item.seq)
    };
    assert_eq!(complete(&report.checklist).0, "OPEN");
    // Afterwards the publication answers, and only one over the run's present state.
    let state = report::checklist::SignOffState { word: "STALE".into(), approved: false, denied: false, by: Vec::new(), seq: None };
    let after = |published| {
        let mut run = run.clone();
        run.published = published;
        complete(&report::checklist::checklist(&run, &run.judgement(), Some(state.clone())))
    };
    assert_eq!(after(Vec::new()), ("OPEN", None));
    assert_eq!(after(vec![(9, run.cut - 1, String::new())]), ("OPEN", None));
    assert_eq!(after(vec![(40, run.cut, String::new())]), ("PASS", Some(40)));
    for file in report::FILES {
        assert!(!rendered(&run, file).contains("verify.py"), "{file} names a program that is not there");
    }
    let text = rendered(&run, report::READINESS_MD);
    assert!(text.contains("--allowed-signers YOUR\\_ALLOWED\\_SIGNERS") || text.contains("--allowed-signers YOUR_ALLOWED_SIGNERS"));
}

#[test]
fn a_plan_that_does_not_fit_its_window_says_so() {
    let mut run = fixture::run(false);
    let words = "one after the other they end at 16:35, 35 min after the window (CE-27, CE-28)";
    assert!(report(&run).timeline.overrun.contains(words), "{}", report(&run).timeline.overrun);
    assert!(rendered(&run, report::READINESS_MD).contains(words) && rendered(&run, report::READINESS_HTML).contains(words));
    run.config.plan.schedule.as_mut().unwrap().end = "16:35".into();
    assert_eq!(report(&run).timeline.overrun, "");
}

#[test]
fn only_the_ledger_decides_the_bytes() {
    let run = fixture::run(true);
    let before = report::render(&report(&run)).unwrap();
    let exe = std::env::current_exe().unwrap();
    // The same test binary under another time zone, locale and folder writes the same files.
    let out = tempfile::tempdir().unwrap();
    let status = std::process::Command::new(exe)
        .args(["--exact", "every_file_renders_the_same_bytes_twice"])
        .env("REPORT_OUT", out.path())
        .env("TZ", "Pacific/Kiritimati")
        .env("LC_ALL", "de_DE.UTF-8")
        .current_dir(out.path())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    for (name, bytes) in before {
        assert_eq!(std::fs::read(out.path().join("no-go").join(&name)).unwrap(), bytes, "{name}");
    }
}
