//! docs/migrations.md, "Each layout, with what ledger says of it": written from what the program says, and held to it.

use std::path::Path;
use std::process::Command;

use crate::fixtures::{FIXTURES, Fixture};
use crate::support::{TestDb, cluster};

const DOCUMENT: &str = "docs/migrations.md";
const BEGINS: &str = "<!-- each layout: written by `cargo test --test layouts -- --ignored the_document_is_written` -->\n";
const ENDS: &str = "<!-- end of each layout -->\n";

/// The program in a folder, with nothing inherited but PATH and where the server's programs are.
fn ledger(folder: &Path, arguments: &[&str], url: &str) -> String {
    let path = format!("{}:{}", cluster().bin().display(), std::env::var("PATH").unwrap_or_default());
    let out = Command::new(env!("CARGO_BIN_EXE_ledger"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder)
        .env("COLUMNS", "160")
        .env("STAGING_DATABASE_URL", url)
        .output()
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// The lines that begin with one of these words, as they stand.
fn lines<'a>(said: &'a str, words: &[&str]) -> Vec<&'a str> {
    said.lines().filter(|line| words.iter().any(|word| line.trim_start().starts_with(word))).collect()
}

/// What `ledger init` says of the project's migrations.
fn init(fixture: &Fixture, folder: &Path) -> String {
    fixture.write(folder);
    let said = ledger(folder, &["init"], "");
    lines(&said, &["Migrations"]).join("\n")
}

#[test]
fn what_init_says_of_each_layout_stands_in_the_document() {
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT)).unwrap();
    for fixture in FIXTURES {
        let folder = tempfile::tempdir().unwrap();
        let said = init(fixture, folder.path());
        assert!(!said.is_empty(), "{}: nothing is said of the migrations", fixture.layout);
        assert!(document.contains(&said), "{}: {DOCUMENT} does not say\n{said}", fixture.layout);
    }
}

#[test]
fn what_init_says_of_migrations_in_code_stands_in_the_document() {
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT)).unwrap();
    let project = || {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("shop/migrations")).unwrap();
        std::fs::write(folder.path().join("manage.py"), "").unwrap();
        std::fs::write(folder.path().join("shop/migrations/0001_initial.py"), "from django.db import migrations\n").unwrap();
        folder
    };
    // A new ledger.toml says how the tool is run.
    let folder = project();
    let said = ledger(folder.path(), &["init"], "");
    assert!(lines(&said, &["Migrations"])[0].contains("run by `python manage.py migrate --noinput`"), "{said}");
    let written = std::fs::read_to_string(folder.path().join("ledger.toml")).unwrap();
    assert!(written.contains("\n[migrations.command]\nup = [\"python\", \"manage.py\", \"migrate\", \"--noinput\"]\n"), "{written}");
    // One that is there is kept, and the lines are to be pasted.
    let kept = project();
    let text = written.replacen("layout = \"command\"", "layout = \"auto\"", 1);
    let (before, rest) = text.split_once("[migrations.command]").unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    std::fs::write(kept.path().join("ledger.toml"), format!("{before}\n{after}")).unwrap();
    let said = ledger(kept.path(), &["init"], "");
    let from = said.find("  Migrations").unwrap();
    let told = &said[from..from + said[from..].find("        Next").unwrap()];
    assert!(document.contains(told), "{DOCUMENT} does not say\n{told}");
}

/// The folder as a reader sees it: at most this many files.
const FILES: usize = 9;

async fn section(fixture: &Fixture) -> String {
    let folder = tempfile::tempdir().unwrap();
    let said = init(fixture, folder.path());
    let mut text = format!("### {}\n\n```text\n", fixture.layout);
    let mut files: Vec<&str> = fixture.files.iter().map(|(file, _)| *file).collect();
    files.sort_unstable();
    let left = files.len().saturating_sub(FILES);
    text.push_str(&format!("$ ls\n{}{}\n", files[..files.len() - left].join("  "), if left > 0 { "  …" } else { "" }));
    text.push_str(&format!("$ ledger init\n{said}\n"));
    let config = folder.path().join("ledger.toml");
    let mut settings = std::fs::read_to_string(&config).unwrap().replacen("# baseline = \"001\" ", "baseline = \"0\" ", 1);
    if fixture.detected.is_err() {
        settings = settings.replacen("layout = \"auto\"", &format!("layout = \"{}\"", fixture.layout), 1);
        text.push_str(&format!("$ sed -i 's/^layout = .*/layout = \"{}\"/' ledger.toml\n", fixture.layout));
    }
    std::fs::write(&config, settings).unwrap();
    let db = TestDb::empty().await;
    let url = db.url_as("migrator");
    let short = |line: &str| {
        line.replace(&db.name, "staging")
            .replace(" Migration Script Preparation & Validation", "")
            .replace(" Execute Migrations in Staging", "")
    };
    for (arguments, task) in [(&["run", "--dry-run"] as &[&str], "CE-21"), (&["run", "--only", "CE-22", "--confirm", &db.name], "CE-22")] {
        let said = ledger(folder.path(), arguments, &url);
        text.push_str(&format!("$ ledger {}\n", arguments.join(" ").replace(&db.name, "staging")));
        let told: Vec<&str> = said.lines().filter(|line| line.contains(task) && line.contains('[')).collect();
        assert!(!told.is_empty(), "{}: {said}", fixture.layout);
        for line in told {
            text.push_str(&format!("{}\n", short(line).trim_start()));
        }
    }
    text.push_str("```\n\n");
    text
}

#[tokio::test]
#[ignore = "writes docs/migrations.md anew"]
async fn the_document_is_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGINS).expect("the mark where it begins");
    let (_, after) = rest.split_once(ENDS).expect("the mark where it ends");
    let mut made = String::from("\n");
    for fixture in FIXTURES {
        made.push_str(&section(fixture).await);
    }
    std::fs::write(&path, format!("{before}{BEGINS}{made}{ENDS}{after}")).unwrap();
}
