//! CE-22 when the server goes away in the middle of a file: what it says stays, and that the next attempt takes up there.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use std::time::Duration;

use migration_ledger::pg::{Cluster, ConnectSpec, Target};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::broadcast;

use crate::day::{Day, Given};
use crate::support::connect;

/// Sleeps where the database says so; scratch copies do not carry that setting.
const SLOW: &str = "create table public.before_it ();\n\
                    select pg_catalog.pg_sleep(case pg_catalog.current_setting('test.slow', true) when 'on' then 300 else 0 end);\n\
                    create table public.after_it ();\n";

const TABLES: &str = "select count(*) from pg_catalog.pg_tables where tablename in ('before_it', 'after_it')";

/// The whole day at 002, 003 asleep in the middle as soon as it is run on the target.
async fn slow(text: &str) -> Day {
    let mut day = Day::apart().await;
    day.file("003_keys.sql", text);
    day.file("003_keys.down.sql", "drop table public.after_it;\ndrop table public.before_it;\n");
    day.file("003_keys.verify.sql", "select to_regclass('public.after_it') is not null;\n");
    assert_eq!(day.step("scripts").await.complaints(), Vec::<String>::new());
    day.db.admin().await.batch("alter database apart set test.slow = 'on'").await.unwrap();
    day
}

async fn asleep(url: &str) {
    let eyes = connect(url).await;
    for _ in 0..400 {
        let sleeping = "select count(*) from pg_catalog.pg_stat_activity where wait_event = 'PgSleep' and application_name like 'ledger/%'";
        if eyes.one(sleeping, &[]).await.unwrap().get::<_, i64>(0) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("003 does not sleep");
}

/// `pg_ctl`, as whoever owns the server's files.
fn pg_ctl(server: &Cluster, arguments: &[&str]) {
    let data = server.folder().join("data");
    let owner = std::fs::metadata(&data).unwrap();
    let mut command = Command::new(server.bin().join("pg_ctl"));
    command.args(arguments).args(["-s", "-w", "-m", "immediate", "-l"]).arg(server.log_file()).arg("-D").arg(&data);
    command.current_dir(server.folder()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if nix::unistd::Uid::effective().is_root() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    assert!(command.status().unwrap().success(), "pg_ctl {arguments:?}");
}

/// Runs CE-22 and, once 003 sleeps, does this to the server.
async fn executed(day: &mut Day, strike: impl FnOnce(&Cluster) + Send + 'static) -> Given {
    let (url, server) = (day.db.url(), day.db.own_server());
    let struck = async move {
        asleep(&url).await;
        tokio::task::spawn_blocking(move || strike(&server)).await.unwrap();
    };
    tokio::join!(day.step("execute"), struck).0
}

#[tokio::test]
async fn a_server_restarted_in_the_middle_of_a_transaction_leaves_none_of_it_and_the_next_attempt_goes_on() {
    let mut day = slow(SLOW).await;
    // An administrator ends the session first; then the whole server goes.
    let ended = executed(&mut day, |server| {
        let sql = "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where wait_event = 'PgSleep'";
        let url = server.url("apart");
        crate::support::blocking(async move { connect(&url).await.batch(sql).await.unwrap() });
    })
    .await;
    assert_eq!(
        ended.check("migrations-applied").rows[1].observed,
        "003_keys.sql:2:1: statement 2 (SELECT pg_catalog.pg_sleep): terminating connection due to administrator command (SQLSTATE 57P01). State: \
         002 applied; 003 rolled back; 004 not tried"
    );
    let given = executed(&mut day, |server| pg_ctl(server, &["restart"])).await;
    let check = given.check("migrations-applied");
    for code in ["migrations-applied", "schema-version-updated"] {
        assert_eq!(given.word(code), "unknown", "{code}: a lost server is no fault of the file's");
    }
    assert_eq!(given.check("schema-version-updated").rows[0].observed, "002: cut off at 003_keys.sql:2");
    let told: Vec<(&str, &str)> = check.rows.iter().map(|row| (row.subject.as_str(), row.observed.as_str())).collect();
    assert_eq!(told[0].0, "002_pages.sql");
    assert_eq!(told[1].0, "003_keys.sql:2");
    let [first, last] = ["003_keys.sql:2:1: statement 2 (SELECT pg_catalog.pg_sleep): ", ". State: 003 rolled back; 004 not tried"];
    assert!(told[1].1.starts_with(first) && told[1].1.ends_with(last), "{}", told[1].1);
    // A server that is stopped at once says so in a warning, if at all.
    assert!(told[1].1.contains("SQLSTATE"), "{}", told[1].1);
    assert_eq!(told[2], ("004_index.sql", "not tried: a file before it did not hold"));
    assert!(
        given.log.contains("the connection was lost at 003_keys.sql:2:1: ") && given.log.contains("the server answers, "),
        "{}",
        given.log
    );
    assert_eq!(day.count(TABLES).await, 0);
    assert_eq!(day.count("select count(*) from ledger.schema_history where version in ('002', '003')").await, 1);

    day.db.admin().await.batch("alter database apart reset test.slow").await.unwrap();
    let again = day.step("execute").await;
    assert_eq!(again.complaints(), Vec::<String>::new());
    let observed = |file: &str| again.check("migrations-applied").rows.iter().find(|row| row.subject == file).unwrap().observed.clone();
    assert!(observed("002_pages.sql").starts_with("applied earlier in this run, at 20"), "{}", observed("002_pages.sql"));
    assert!(observed("003_keys.sql").starts_with("3 statements in "));
    assert_eq!(day.count(TABLES).await, 2);
    day.close().await;
}

#[tokio::test]
async fn a_server_restarted_in_the_middle_of_a_file_without_a_transaction_is_asked_about() {
    let text = format!("-- no-transaction\n{SLOW}");
    let mut day = slow(&text).await;
    let given = executed(&mut day, |server| pg_ctl(server, &["restart"])).await;
    let observed = given.check("migrations-applied").rows[1].observed.clone();
    let state = "State: 002 applied; 003 not in a transaction: its statement 1 stays, and whether statement 2 did its work is not known, look \
                 before the next run; 004 not tried";
    assert!(
        observed.starts_with("003_keys.sql:3:1: statement 2 (SELECT pg_catalog.pg_sleep): ") && observed.ends_with(state),
        "{observed}"
    );
    assert_eq!(given.word("migrations-applied"), "unknown");

    // Nobody has looked: the file is not taken up.
    let asked = day.step("execute").await;
    let expected = "003_keys.sql:3:1: statement 2 (SELECT pg_catalog.pg_sleep): statement 2 began in an earlier attempt and its end is not \
                    known. Look whether its work is there; then say so: UPDATE ledger.file_progress SET state = 'done' (it is) or 'refused' (it \
                    is not) WHERE version = '003' AND statement = 2. State: 003 not in a transaction: its statement 1 stays, and \
                    whether statement 2 did its work is not known, look before the next run; 004 not tried";
    assert_eq!(asked.observed("migrations-applied"), expected);
    let hands = day.hands().await;
    hands.batch("update ledger.file_progress set state = 'done' where version = '003' and statement = 2").await.unwrap();
    let again = day.step("execute").await;
    assert_eq!(again.complaints(), Vec::<String>::new());
    assert!(again.log.contains("003_keys.sql: statements 1 to 2 were applied in an earlier attempt, taken up after them"), "{}", again.log);
    assert_eq!(day.count(TABLES).await, 2);
    day.close().await;
}

/// A way to a server that can be cut while the server notices nothing; the port, and what cuts it.
async fn cable(server: &Cluster) -> (u16, broadcast::Sender<()>) {
    let socket = server.folder().join(".s.PGSQL.5432");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (cut, _) = broadcast::channel(1);
    let cuts = cut.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (socket, mut cut) = (socket.clone(), cuts.subscribe());
            tokio::spawn(async move {
                let mut server = UnixStream::connect(socket).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                    _ = cut.recv() => {}
                }
            });
        }
    });
    (port, cut)
}

#[tokio::test]
async fn a_process_that_is_still_at_work_is_waited_for() {
    let mut day = Day::new().await;
    day.file("003_keys.sql", SLOW.replace("300", "3"));
    day.file("003_keys.down.sql", "drop table public.after_it;\ndrop table public.before_it;\n");
    day.remove("003_keys.verify.sql");
    assert_eq!(day.step("scripts").await.complaints(), Vec::<String>::new());
    day.db.admin().await.batch(&format!("alter database {} set test.slow = 'on'", day.db.name)).await.unwrap();
    let (port, cut) = cable(day.db.server()).await;
    let url = format!("postgresql://migrator@127.0.0.1:{port}/{}?sslmode=disable", day.db.name);
    day.target = Target::open(ConnectSpec::parse(&url).unwrap(), "ledger/cable").await.unwrap();
    let sleeping = "select count(*) from pg_catalog.pg_stat_activity where wait_event = 'PgSleep' and application_name = 'ledger/cable'";
    let eyes = day.hands().await;
    let cutting = async {
        while eyes.one(sleeping, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        cut.send(()).unwrap();
    };
    let (given, ()) = tokio::join!(day.step("execute"), cutting);
    assert_eq!(eyes.one(sleeping, &[]).await.unwrap().get::<_, i64>(0), 0, "it says what stays while the file still runs");
    assert!(given.check("migrations-applied").rows[1].observed.ends_with(". State: 002 applied; 003 rolled back; 004 not tried"));
    let waited = given.log.lines().find_map(|line| line.split_once("the server answers, ")?.1.split(' ').next()?.parse::<f64>().ok());
    assert!(waited.is_some_and(|seconds| seconds > 1.0), "{}", given.log);
    day.close().await;
}

#[tokio::test]
async fn without_its_lock_no_further_file_is_begun() {
    let mut day = Day::new().await;
    day.file("003_keys.sql", "select pg_catalog.pg_sleep(case pg_catalog.current_setting('test.slow', true) when 'on' then 2 else 0 end);");
    day.file("003_keys.down.sql", "select 1;");
    day.remove("003_keys.verify.sql");
    assert_eq!(day.step("scripts").await.complaints(), Vec::<String>::new());
    day.db.admin().await.batch(&format!("alter database {} set test.slow = 'on'", day.db.name)).await.unwrap();
    let admin = day.db.admin().await;
    let taking = async {
        let sql = "select count(pg_catalog.pg_terminate_backend(l.pid)) from pg_catalog.pg_locks l where l.locktype = 'advisory'
                   and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
                   and exists (select from pg_catalog.pg_stat_activity where wait_event = 'PgSleep' and datname = pg_catalog.current_database())";
        while admin.one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    let (given, ()) = tokio::join!(day.step("execute"), taking);
    let rows = &given.check("migrations-applied").rows;
    assert_eq!(rows.iter().map(|row| row.ok).collect::<Vec<_>>(), [Some(true), Some(true), None]);
    assert_eq!(
        rows[2].observed,
        "not tried: the session that held the migration lock was lost: connection closed. State: \
         002, 003 applied; 004 not tried"
    );
    day.db.admin().await.batch(&format!("alter database {} reset test.slow", day.db.name)).await.unwrap();
    assert_eq!(day.step("execute").await.complaints(), Vec::<String>::new());
    day.close().await;
}
