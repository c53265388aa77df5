use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use migration_ledger::pg::Cluster;

use crate::support::{TestDb, cluster_options};

fn wait_until_gone(folder: &std::path::Path) -> bool {
    let start = Instant::now();
    while folder.exists() && start.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    !folder.exists()
}

/// pg_ctl returns when the pid file is gone, a moment before the process is; a zombie that init has not reaped yet is dead.
fn dies(pid: &str) -> bool {
    let start = Instant::now();
    while is_alive(pid) && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    !is_alive(pid)
}

fn is_alive(pid: &str) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
    let state = String::from_utf8(output.stdout).unwrap();
    !state.trim().is_empty() && !state.starts_with('Z')
}

fn postmaster(folder: &std::path::Path) -> String {
    std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap().lines().next().unwrap().to_owned()
}

#[test]
fn a_stopped_cluster_leaves_neither_folder_nor_process() {
    use std::os::unix::fs::PermissionsExt;
    let cluster = Cluster::start(&cluster_options()).unwrap();
    let folder = cluster.folder().to_owned();
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let pid = postmaster(&folder);
    assert!(is_alive(&pid));
    cluster.stop().unwrap();
    assert!(!folder.exists());
    assert!(dies(&pid));
}

/// The helper of the next test: starts a cluster, names it, and waits to be killed. A test that anyone else runs does nothing.
#[test]
fn cluster_that_waits_to_be_killed() {
    let Some(file) = std::env::var_os("LEDGER_TEST_CLUSTER_FOLDER_FILE") else { return };
    let cluster = Cluster::start(&cluster_options()).unwrap();
    std::fs::write(file, cluster.folder().to_str().unwrap()).unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn kill_9_leaves_neither_folder_nor_process() {
    let note = tempfile::NamedTempFile::new().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cluster::cluster_that_waits_to_be_killed"])
        .env("LEDGER_TEST_CLUSTER_FOLDER_FILE", note.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let folder = loop {
        let said = std::fs::read_to_string(note.path()).unwrap();
        if !said.is_empty() {
            break std::path::PathBuf::from(said);
        }
        assert!(start.elapsed() < Duration::from_secs(60), "the cluster did not start");
        std::thread::sleep(Duration::from_millis(50));
    };
    let pid = postmaster(&folder);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(wait_until_gone(&folder), "{} is still there", folder.display());
    assert!(dies(&pid));
}

#[test]
fn a_folder_without_programs_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let options = migration_ledger::pg::ClusterOptions { bin: Some(empty.path().into()), ..Default::default() };
    let error = Cluster::start(&options).unwrap_err();
    assert!(error.to_string().contains(empty.path().to_str().unwrap()), "{error}");
    assert!(error.hint().contains("LEDGER_PG_BIN"));
}

#[test]
fn a_bad_setting_is_the_reason_given() {
    let mut options = cluster_options();
    options.settings.push(("shared_buffers".into(), "1kB".into()));
    let error = Cluster::start(&options).unwrap_err();
    assert!(error.to_string().contains("shared_buffers") || error.to_string().contains("FATAL"), "{error}");
}

#[tokio::test]
async fn databases_of_tests_are_separate_and_come_from_templates() {
    let a = TestDb::from_template("one", "migrator", "CREATE TABLE t (n int); INSERT INTO t VALUES (1)").await;
    let b = TestDb::from_template("one", "migrator", "SELECT 1/0").await;
    a.session("migrator").await.batch("INSERT INTO t VALUES (2)").await.unwrap();
    let count =
        |session: migration_ledger::pg::Session| async move { session.one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0) };
    assert_eq!(count(a.admin().await).await, 2);
    assert_eq!(count(b.admin().await).await, 1);
}
