//! Writers that are killed, refused or out of room: no acknowledged entry is lost, and each failure says what it is.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use migration_ledger::chain::{Draft, EntryType, PartDraft, Store};

/// The process under test: this binary, run by the tests below. Appends for ever (or `LEDGER_TEST_COUNT` times), says each acknowledged entry.
#[test]
#[ignore = "a child process of the other tests"]
fn child() {
    let path = PathBuf::from(std::env::var_os("LEDGER_TEST_PATH").expect("run by another test"));
    let count: u64 = std::env::var("LEDGER_TEST_COUNT").map_or(u64::MAX, |n| n.parse().unwrap());
    let mut store = match Store::open(&path) {
        Ok(store) => store,
        Err(error) => return println!("\nopen: {:?}: {error}", error.kind()),
    };
    if let Ok(seconds) = std::env::var("LEDGER_TEST_PATIENCE") {
        store.wait_for_others(Duration::from_secs(seconds.parse().unwrap())).unwrap();
    }
    for n in 0..count {
        let mut draft = Draft::new(EntryType::Note, "ops@example.com");
        draft.body.insert("by".into(), format!("{}-{n}", std::process::id()).into());
        draft.parts.push(PartDraft::bytes("p.txt", "text/plain", vec![b'x'; 20_000]));
        match store.append(draft) {
            Ok(entry) => println!("\nacknowledged {} {}", entry.seq, entry.leaf),
            Err(error) => return println!("\nappend: {:?}: {error}", error.kind()),
        }
    }
}

fn command(path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env("LEDGER_TEST_PATH", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

#[test]
fn kill_9_at_any_moment_loses_nothing_that_was_acknowledged() {
    assert!(kill_writers(10) > 10, "the children did append");
}

/// A thousand kills at random points, with four writers at once.
#[test]
#[ignore = "minutes: make test-long"]
fn a_thousand_kills_lose_nothing_that_was_acknowledged() {
    let acknowledged = kill_writers(250);
    eprintln!("1,000 writers killed, {acknowledged} acknowledged entries all there");
    assert!(acknowledged > 1_000, "{acknowledged}");
}

/// Lets four writers append and kills them, round after round; the number of acknowledged entries, each of which was found again.
fn kill_writers(rounds: u64) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.db");
    Store::create(&path, "ops@example.com").unwrap().close().unwrap();
    let mut acknowledged = Vec::new();
    let mut moment = 0x2545_f491_4f6c_dd1du64;
    for _ in 0..rounds {
        let mut children: Vec<_> = (0..4).map(|_| command(&path).spawn().unwrap()).collect();
        // Moments that differ in every round and for every writer, some before the first append.
        for child in &mut children {
            moment ^= moment << 13;
            moment ^= moment >> 7;
            moment ^= moment << 17;
            std::thread::sleep(Duration::from_micros(5_000 + moment % 110_000));
            child.kill().unwrap();
        }
        for mut child in children {
            child.wait().unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            let said = lines.filter_map(|line| line.strip_prefix("acknowledged ").map(str::to_owned));
            acknowledged.extend(said.filter(|line| line.len() > 65));
        }
        let store = Store::open(&path).unwrap();
        let walk = store.check_chain().unwrap();
        assert_eq!(walk.root(), store.root_at(walk.size()).unwrap(), "the derived nodes fit");
    }
    let store = Store::open(&path).unwrap();
    for line in &acknowledged {
        let (seq, leaf) = line.split_once(' ').unwrap();
        let entry = store.entry(seq.parse().unwrap()).unwrap();
        assert_eq!(entry.leaf.to_hex(), leaf);
        assert_eq!(store.part(entry.seq, "p.txt").unwrap().unwrap().len(), 20_000, "with its payload");
    }
    acknowledged.len()
}

#[test]
fn sixty_four_writers_at_once_lose_and_fork_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.db");
    Store::create(&path, "ops@example.com").unwrap().close().unwrap();
    let start = |_| command(&path).env("LEDGER_TEST_COUNT", "3").env("LEDGER_TEST_PATIENCE", "120").spawn().unwrap();
    let children: Vec<_> = (0..64).map(start).collect();
    let mut acknowledged = std::collections::BTreeMap::new();
    for child in children {
        let text = said(child.wait_with_output().unwrap());
        let mine: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("acknowledged ")?.split_once(' ')).collect();
        assert_eq!(mine.len(), 3, "{text}");
        for (seq, leaf) in mine {
            assert_eq!(acknowledged.insert(seq.parse::<u64>().unwrap(), leaf.to_owned()), None, "entry {seq} was given to two writers");
        }
    }
    let store = Store::open(&path).unwrap();
    assert_eq!(store.check_chain().unwrap().size(), 1 + 64 * 3);
    assert_eq!(acknowledged.keys().copied().collect::<Vec<_>>(), (1..=192).collect::<Vec<u64>>());
    assert!(acknowledged.iter().all(|(seq, leaf)| store.entry(*seq).unwrap().leaf.to_hex() == *leaf));
}

fn said(output: std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_disk_without_room_is_a_write_failure_and_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.db");
    Store::create(&path, "ops@example.com").unwrap().close().unwrap();
    // A limit on file size holds for root as well; ignored signals stay ignored over exec, so writes fail instead of killing.
    let exe = std::env::current_exe().unwrap();
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 400; exec \"$0\" --exact child --ignored --nocapture"])
        .arg(exe)
        .env("LEDGER_TEST_PATH", &path)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let text = said(output);
    assert!(text.contains("acknowledged 1 ") && text.contains("append: Write: "), "{text}");
    let store = Store::open(&path).unwrap();
    assert_eq!(store.check_chain().unwrap().size(), 1 + text.matches("acknowledged").count() as u64);
}

#[test]
fn a_ledger_that_cannot_be_written_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.db");
    Store::create(&path, "ops@example.com").unwrap().close().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
    let mut command = command(&path);
    if nix::unistd::geteuid().is_root() {
        // Root writes everything; somebody else does not. A copy of this program lies where that somebody can reach it.
        let exe = folder.path().join("child");
        std::fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
        let mut other = Command::new(&exe);
        other.args(["--exact", "child", "--ignored", "--nocapture"]).env("LEDGER_TEST_PATH", &path);
        other.stdout(Stdio::piped()).stderr(Stdio::null()).uid(65534).gid(65534);
        command = other;
    }
    let text = said(command.env("LEDGER_TEST_COUNT", "1").output().unwrap());
    assert!(text.contains("open: Write: ") && text.contains("read-only"), "{text}");
}

#[test]
fn a_reader_needs_no_writable_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.db");
    let mut store = Store::create(&path, "ops@example.com").unwrap();
    store.append(Draft::new(EntryType::Note, "ops@example.com")).unwrap();
    // A `-wal` lies beside while a writer is open.
    assert!(folder.path().join("l.db-wal").exists());
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    assert_eq!(Store::open_read_only(&path).unwrap().check_chain().unwrap().size(), 2);
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    store.close().unwrap();
    assert!(!folder.path().join("l.db-wal").exists(), "a clean exit folds the -wal in");
}
