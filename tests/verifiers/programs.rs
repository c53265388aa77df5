//! The two programs as people run them: exit codes, first words, what is printed.

use std::path::Path;
use std::process::{Command, Output};

use migration_ledger::package::write::VERIFIER;
use serde_json::Value;

use crate::scene::*;

fn ledger(args: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ledger")).arg("verify").args(args).env("NO_COLOR", "1").output().unwrap()
}

/// `-S` leaves out site-packages: the standard library is all there is.
fn python(args: &[&Path]) -> Output {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/verify.py");
    Command::new("python3").args(["-I", "-S"]).arg(tool).args(args).output().unwrap()
}

fn first_word(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

#[test]
fn exit_codes_and_first_words() {
    let scene = Scene::approved();
    let zip = scene.pack();
    let folder = scene.folder.path();
    let own = folder.join("own_signers");
    std::fs::write(&own, signers().signers().iter().map(|s| s.line() + "\n").collect::<String>()).unwrap();
    let flag = Path::new("--allowed-signers");
    let both = |zip: &Path, own: &Path| (ledger(&[zip, flag, own]), python(&[zip, own]));
    let (rust, py) = both(&zip, &own);
    assert_eq!((rust.status.code(), py.status.code()), (Some(0), Some(0)));
    assert_eq!((first_word(&rust).as_str(), first_word(&py).as_str()), ("VERIFIED", "VERIFIED"));
    assert!(String::from_utf8_lossy(&py.stdout).contains("decision  APPROVED"));
    assert_eq!(first_word(&python(&[&zip])), "INTEGRITY-ONLY");
    assert_eq!(python(&[&zip]).status.code(), Some(0));
    // Compared with the ledger that it was made from, and with another one.
    let against = |other: &Path| python(&[&zip, &own, Path::new("--against"), other]);
    assert_eq!(first_word(&against(scene.store.path())), "VERIFIED");
    let stranger = Scene::approved();
    assert_eq!(first_word(&against(stranger.store.path())), "WRONG-LEDGER");
    assert_eq!(against(&own).status.code(), Some(2));
    // A package that does not hold.
    let mut files = unpack(&zip);
    files.insert("evidence/3-log.txt".into(), b"forged".to_vec());
    repack(&zip, &files, true, OPS);
    let (rust, py) = both(&zip, &own);
    assert_eq!((rust.status.code(), py.status.code()), (Some(20), Some(20)));
    assert_eq!((first_word(&rust).as_str(), first_word(&py).as_str()), ("EDITED(evidence/3-log.txt)", "EDITED(evidence/3-log.txt)"));
    // An allowed_signers of another form: nothing may be trusted.
    let wild = folder.join("wild_signers");
    std::fs::write(&wild, std::fs::read_to_string(&own).unwrap().replace("cto@example.com", "*")).unwrap();
    let (rust, py) = both(&zip, &wild);
    assert_eq!((rust.status.code(), py.status.code()), (Some(20), Some(20)));
    for output in [&rust, &py] {
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("MALFORMED-SIGNERS"), "{said}");
    }
    // Not looked at.
    let none = folder.join("none.zip");
    assert_eq!(python(&[&none, &own]).status.code(), Some(2));
    assert_eq!(python(&[&zip, &none]).status.code(), Some(2));
    assert_eq!(python(&[&zip, &own, Path::new("--anchor"), &own]).status.code(), Some(2));
    assert_eq!(python(&[&zip, &own, Path::new("--no-such")]).status.code(), Some(2));
    assert!(ledger(&[&none, flag, &own]).status.code().is_some_and(|code| code != 0 && code != 20));
    assert!(!python(&[&none]).stderr.is_empty());
}

#[test]
fn json_of_both_has_the_same_members() {
    let scene = Scene::approved();
    let zip = scene.pack();
    let json = |output: Output| serde_json::from_slice::<Value>(&output.stdout).unwrap();
    let mut rust = json(ledger(&[&zip, Path::new("--message-format"), Path::new("json")]));
    let py = json(python(&[&zip, Path::new("--json")]));
    for stage in rust["stages"].as_array_mut().unwrap() {
        stage.as_object_mut().unwrap().remove("note");
    }
    assert_eq!(rust, py);
}

/// What is verified is a stranger's: nothing in it may reach a terminal as more than text.
#[test]
fn nothing_of_a_package_moves_the_terminal() {
    let scene = Scene::approved();
    let zip = scene.pack();
    let mut files = unpack(&zip);
    let manifest = String::from_utf8(files["manifest.json"].clone()).unwrap().replace(RUN, "\u{202e}\\n\u{200b}VERIFIED");
    files.insert("manifest.json".into(), manifest.into_bytes());
    repack(&zip, &files, true, OPS);
    let said = String::from_utf8(python(&[&zip]).stdout).unwrap();
    assert!(said.starts_with("WRONG-LEDGER"), "{said}");
    assert!(!said.contains(['\u{202e}', '\u{200b}', '\u{1b}']), "{said:?}");
    assert!(said.lines().all(|line| !line.trim_start().starts_with("VERIFIED")), "{said}");
}

#[test]
fn the_packages_copy_is_the_released_one_and_needs_nothing_else() {
    let scene = Scene::approved();
    let zip = scene.pack();
    assert_eq!(unpack(&zip)["tools/verify.py"], VERIFIER.as_bytes());
    let imports: Vec<&str> = VERIFIER.lines().filter_map(|line| line.trim_start().strip_prefix("import ")).collect();
    let standard = Command::new("python3")
        .args(["-c", "import sys; print(all(n.split('.')[0] in sys.stdlib_module_names for n in sys.argv[1:]))"])
        .args(&imports)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&standard.stdout).trim(), "True", "{imports:?}");
    assert!(VERIFIER.lines().all(|line| line.len() <= 150), "readable on a screen");
}

/// Nothing is written beside a ledger that is verified, and a folder that nobody may write to is no obstacle.
#[test]
fn verifying_leaves_no_trace() {
    let scene = Scene::approved();
    let Scene { folder, store } = scene;
    let path = folder.path().join("ledger.db");
    store.close().unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(first_word(&python(&[&path])), "INTEGRITY-ONLY");
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(
        names.iter().all(|n| *n == "ledger.db" || n.to_string_lossy().ends_with("-wal") || n.to_string_lossy().ends_with("-shm")),
        "{names:?}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
