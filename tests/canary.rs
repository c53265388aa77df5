//! No secret and no row of tenant data leaves the database: a canary password and canary row values, planted where server, pg_dump
//! and pg_restore put them into their messages, appear in no output, no file of the project and not in the package.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use migration_ledger::chain::Store;
use migration_ledger::demo::{self, Stage};

/// What must appear nowhere. Made of the time of the test, so that no fixture can hold it.
struct Canary {
    password: String,
    row: String,
}

impl Canary {
    fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos();
        Self { password: format!("pw{now}Zq"), row: format!("Kanarienvogel{now}") }
    }

    /// Asserts that neither stands in the bytes, in any of the forms that text takes on its way.
    fn absent(&self, place: &str, bytes: &[u8]) {
        for secret in [&self.password, &self.row] {
            for form in [secret.clone(), secret.to_lowercase(), hex::encode(secret.as_bytes())] {
                let found = bytes.windows(form.len()).any(|window| window == form.as_bytes());
                assert!(!found, "{place} holds a canary ({form})");
            }
        }
    }
}

/// A stage that wants a password from the migrating role, and a project on it.
fn staged(canary: &Canary, plant: &str) -> (tokio::runtime::Runtime, Stage, tempfile::TempDir) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let stage = runtime.block_on(async {
        let stage = Stage::set_on(&support::cluster_options(), 60).await.expect("a stage");
        demo::lay_out(folder.path(), &stage, None, true).expect("a project");
        stage.as_superuser(&format!("ALTER ROLE migrator PASSWORD '{}'", canary.password)).await.expect("a password");
        stage.as_superuser(plant).await.expect("planted");
        std::fs::write(stage.cluster().folder().join("data/pg_hba.conf"), "local all postgres trust\nlocal all all scram-sha-256\n")
            .expect("pg_hba.conf");
        stage.as_superuser("SELECT pg_catalog.pg_reload_conf()").await.expect("reloaded");
        stage
    });
    Store::create(&folder.path().join("evidence/ledger.db"), "dba@example.com").expect("a ledger").close().expect("closed");
    let toml = folder.path().join("ledger.toml");
    let text = std::fs::read_to_string(&toml).expect("ledger.toml");
    assert!(text.contains("url-file"), "the demo's project names its URL file");
    let text: String = text
        .lines()
        .map(|line| match line {
            _ if line.starts_with("url-file") => "url-env = \"CANARY_URL\"\n".to_owned(),
            _ if line.starts_with("budget-seconds") => "budget-seconds = 1\n".to_owned(),
            _ => format!("{line}\n"),
        })
        .collect();
    std::fs::write(&toml, text).expect("written");
    (runtime, stage, folder)
}

fn run(canary: &Canary, stage: &Stage, folder: &Path, args: &[&str]) -> Output {
    let url = stage.url().replacen("migrator@", &format!("migrator:{}@", canary.password), 1);
    assert!(url.contains(&canary.password), "the URL has no place for a password: {}", stage.url());
    let output = Command::new(env!("CARGO_BIN_EXE_ledger"))
        .args(args)
        .args(["--project", &folder.display().to_string()])
        .env("CANARY_URL", url)
        .env("LEDGER_PG_BIN", stage.cluster().bin())
        .output()
        .expect("ledger starts");
    canary.absent(&format!("stdout of {args:?}"), &output.stdout);
    canary.absent(&format!("stderr of {args:?}"), &output.stderr);
    output
}

/// Every file below the folder but the dumps, which hold the data by their nature and are never packed.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "backups") {
                files(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

fn assert_clean(canary: &Canary, folder: &Path) {
    let mut found = Vec::new();
    files(folder, &mut found);
    assert!(found.iter().any(|path| path.ends_with("evidence/ledger.db")), "no ledger in {found:?}");
    assert!(found.iter().any(|path| path.extension().is_some_and(|e| e == "zip")), "no package in {found:?}");
    for path in found {
        canary.absent(&path.display().to_string(), &std::fs::read(&path).expect("readable"));
    }
}

fn whole_way(canary: &Canary, stage: &Stage, folder: &Path) -> (i32, String) {
    let ran = run(canary, stage, folder, &["run", "--confirm", demo::DATABASE]);
    for args in [&["status"][..], &["log"], &["report", "--format", "all"], &["show", "3"], &["show", "5"], &["package"]] {
        run(canary, stage, folder, args);
    }
    assert_clean(canary, folder);
    let log = std::fs::read_to_string(stage.cluster().log_file()).expect("the server's log");
    assert!(log.contains(&canary.row), "the server never put the canary into a message: this test would show nothing");
    (ran.status.code().unwrap_or(-1), String::from_utf8_lossy(&ran.stderr).into_owned())
}

#[test]
fn the_server_quotes_a_value_in_a_data_exception() {
    let canary = Canary::new();
    let plant = format!("UPDATE public.documents SET title = '{}'", canary.row);
    let (_runtime, stage, folder) = staged(&canary, &plant);
    // The cast fails with: invalid input syntax for type integer: "<the value>".
    let file = folder.path().join("migrations/006_title_as_number.sql");
    std::fs::write(&file, "ALTER TABLE public.documents ALTER COLUMN title TYPE integer USING title::integer;\n").expect("written");
    let (code, stderr) = whole_way(&canary, &stage, folder.path());
    assert_eq!(code, 10, "the cast fails in the dry run: {stderr}");
    assert!(stderr.contains("22P02"), "the SQLSTATE is told: {stderr}");
    stage.stop().expect("stopped");
}

#[test]
fn pg_restore_quotes_the_failing_row() {
    let canary = Canary::new();
    // Holds in the source, fails in every copy: DETAIL of pg_restore's error is the whole row.
    let plant = format!(
        "CREATE FUNCTION public.at_home(text) RETURNS boolean LANGUAGE sql STABLE AS $$SELECT pg_catalog.current_database() = '{}'$$;
         CREATE TABLE public.homesick (value text CHECK (public.at_home(value)));
         ALTER TABLE public.homesick OWNER TO migrator; ALTER FUNCTION public.at_home(text) OWNER TO migrator;
         INSERT INTO public.homesick VALUES ('{}')",
        demo::DATABASE,
        canary.row
    );
    let (_runtime, stage, folder) = staged(&canary, &plant);
    let (code, stderr) = whole_way(&canary, &stage, folder.path());
    assert!(code == 10 || code == 11, "a backup that does not restore is no GO ({code}): {stderr}");
    assert!(stderr.contains("backup-restores"), "the check is named: {stderr}");
    stage.stop().expect("stopped");
}
