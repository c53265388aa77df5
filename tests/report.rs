//! The report: what it shows, that it shows the same bytes twice, and that hostile evidence in it is inert.

#[path = "report_snapshots/fixture.rs"]
mod fixture;

use migration_ledger::record::Run;
use migration_ledger::report::{self, Report, Source};

fn report(run: &Run) -> Report {
    let root = "0123456789abcdef".repeat(4);
    let head = "fedcba9876543210".repeat(4);
    report::build(&Source { ledger_id: &"a1".repeat(16), size: run.cut, root: &root, head: &head, run, earlier: &[] })
}

fn rendered(run: &Run, file: &'static str) -> String {
    String::from_utf8(report::render_one(&report(run), file).unwrap()).unwrap()
}

/// Writes every file where `REPORT_OUT` says, for looking at them.
#[test]
fn every_file_renders() {
    for (name, run) in [("go", fixture::run(false)), ("no-go", fixture::run(true))] {
        let files = report::render(&report(&run)).unwrap();
        assert_eq!(files.len(), report::FILES.len());
        for (file, bytes) in files {
            assert!(bytes.len() > 500, "{file} is empty");
            if let Some(out) = std::env::var_os("REPORT_OUT") {
                let dir = std::path::Path::new(&out).join(name);
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::write(dir.join(file), bytes).unwrap();
            }
        }
    }
}
