//! The reference staging application through the three steps that change it.

use crate::day::Day;
use crate::run::contracts;

#[tokio::test]
async fn the_reference_application_passes_scripts_execution_and_rollback() {
    let read = |file: &str| std::fs::read_to_string(contracts().join(file)).unwrap();
    let base = format!("{}\n;SET search_path = public; SET ledger_demo.rows = 200;\n{}", read("001_initial_schema.sql"), read("seed.sql"));
    let mut day = Day::of(&base, "[migrations]\nbaseline = \"001\"\n[rollback]\ntarget-version = \"003\"\n").await;
    for entry in std::fs::read_dir(contracts()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with("00") {
            day.file(&name, read(&name));
        }
    }
    day.back_up().await;
    for step in ["scripts", "rollback", "execute"] {
        let clock = std::time::Instant::now();
        let given = day.step(step).await;
        assert_eq!(given.complaints(), Vec::<String>::new(), "{step}");
        for evidence in given.report.evidence.iter().filter(|e| e.outcome.word() != "pass") {
            println!("{step} {}: {} {:#?}", evidence.check, evidence.outcome, evidence.findings().collect::<Vec<_>>());
        }
        println!("{step}: {} in {:?}", given.report.headline, clock.elapsed());
    }
    day.close().await;
}
