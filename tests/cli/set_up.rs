//! What keeps a run from starting: it says what, where, why and what to do, ends with 3, and records nothing.

use std::net::TcpListener;

use migration_ledger::demo;
use migration_ledger::pg::{Cluster, ClusterOptions};

use crate::staged::{Staged, shared};
use crate::support;

const RUN: &[&str] = &["run", "--confirm", demo::DATABASE];

/// A port of this machine on which nothing listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

#[test]
fn no_database_reachable() {
    let staged = Staged::on(shared());
    let port = free_port();
    staged.connects_to(&format!("postgresql://migrator:canary@127.0.0.1:{port}/contracts_staging"));
    staged.refused(
        RUN,
        &format!("cannot connect to contracts_staging @ 127.0.0.1:{port} as migrator"),
        "refused",
        "check that the server runs",
    );
    staged.connects_to("postgresql://migrator@/contracts_staging?host=/nowhere/at/all");
    staged.refused(RUN, "cannot connect to contracts_staging @ /nowhere/at/all:5432", "No such file", "/nowhere/at/all");
    staged.connects_to("postgresql://migrator@no-such-host.invalid/contracts_staging");
    staged.refused(RUN, "no-such-host.invalid", "", "check that the server runs");
    // The URL's password is in none of it, and something was said before the server was looked for.
    staged.connects_to(&format!("postgresql://migrator:canary@127.0.0.1:{port}/contracts_staging"));
    let ran = staged.ledger(RUN);
    assert!(!ran.stderr.contains("canary") && ran.stdout.is_empty(), "{}", ran.stderr);
    assert!(ran.stderr.lines().next().is_some_and(|line| line.trim_start().starts_with("Ledger connecting")), "{}", ran.stderr);
    let json = staged.ledger(&["run", "--message-format", "json"]);
    let error: serde_json::Value = serde_json::from_str(json.stderr.trim()).expect("one JSON object");
    assert_eq!((error["schema"].as_str(), error["exit"].as_u64()), (Some("ledger.error/1"), Some(3)));
    assert!(["what", "cause", "hint"].iter().all(|part| error[part].is_string()), "{error}");
}

#[test]
fn the_server_refuses_password_database_and_tls() {
    let port = free_port();
    let options = ClusterOptions {
        settings: vec![("listen_addresses".into(), "127.0.0.1".into()), ("port".into(), port.to_string())],
        hba: Some("local all all trust\nhost all postgres 127.0.0.1/32 scram-sha-256\nhostssl all migrator 127.0.0.1/32 trust\n".into()),
        ..support::cluster_options()
    };
    let cluster = Cluster::start(&options).expect("a cluster");
    let url = cluster.url("postgres");
    support::blocking(async move {
        support::connect(&url).await.batch("ALTER ROLE postgres PASSWORD 'right'; CREATE ROLE migrator LOGIN").await.expect("roles");
    });
    let staged = Staged::on(shared());
    let at = |user: &str, rest: &str| format!("postgresql://{user}@127.0.0.1:{port}/{rest}");

    staged.connects_to(&at("postgres:canary-wrong", "postgres"));
    staged.refused(RUN, "cannot connect to postgres @ 127.0.0.1", "password authentication failed", "~/.pgpass");
    assert!(!staged.ledger(RUN).stderr.contains("canary-wrong"));
    staged.connects_to(&at("postgres", "postgres"));
    staged.refused(RUN, "cannot connect to postgres", "password", "~/.pgpass");
    staged.connects_to(&at("postgres:right", "contracts"));
    staged.refused(RUN, "cannot connect to contracts", "does not exist", "psql -l");
    // TLS wanted here and not spoken there, and the other way round.
    staged.connects_to(&at("postgres:right", "postgres?sslmode=require"));
    staged.refused(RUN, "cannot connect to postgres", "TLS", "sslmode is require");
    staged.connects_to(&at("migrator", "postgres?sslmode=disable"));
    staged.refused(RUN, "cannot connect to postgres", "no encryption", "sslmode is disable");
    cluster.stop().expect("stopped");
}

#[test]
fn no_connection_is_described() {
    let staged = Staged::on(shared());
    staged.edit("url-file = \"staging.url\"", "url-env = \"NO_SUCH_URL\"");
    staged.refused(
        RUN,
        "environment `staging` has no usable connection",
        "no connection is described",
        "export NO_SUCH_URL='postgresql://",
    );
    staged.refused(&["run", "--env", "qa"], "ledger.toml has no environment `qa`", "", "staging");
    staged.edit("url-env = \"NO_SUCH_URL\"", "url-file = \"no-such.url\"");
    staged.refused(RUN, "no usable connection", "no-such.url", "--database-url-file");
    staged.connects_to("postgresql://migrator@staging.pooler.supabase.com:6543/postgres");
    staged.edit("no-such.url", "staging.url");
    staged.refused(RUN, "no usable connection", "transaction pooler", "sessions");
}

#[test]
fn what_looks_like_production_is_not_even_connected_to() {
    let staged = Staged::on(shared());
    staged.connects_to("postgresql://migrator@nowhere.invalid/contracts-prod");
    staged.refused(
        RUN,
        "nowhere.invalid/contracts-prod looks like production",
        "production-patterns",
        "if this is staging, change the pattern",
    );
}

#[test]
fn a_key_that_is_unknown_is_named_with_its_place_and_the_known_ones() {
    let staged = Staged::on(shared());
    staged.edit("lock-timeout-ms = 5000", "lock-timeout = 5000");
    let text = std::fs::read_to_string(staged.project.path().join("ledger.toml")).expect("ledger.toml");
    let line = text.lines().position(|line| line.starts_with("lock-timeout = ")).expect("the line") + 1;
    for command in [RUN, &["plan"], &["run", "--dry-run"]] {
        let ran = staged.ledger(command);
        ran.assert_error(3, &format!("ledger.toml:{line}:1: "), "", "ledger plan");
        assert!(ran.stderr.contains("unknown field `lock-timeout`") && ran.stderr.contains("`lock-timeout-ms`"), "{}", ran.stderr);
    }
    assert_eq!(staged.entries(), 1);
}

#[test]
fn nobody_is_there_to_confirm_or_the_name_is_another() {
    let staged = Staged::on(shared());
    let add = format!("add --confirm {}", demo::DATABASE);
    staged.refused(&["run"], "nobody is there to confirm it", "", &add);
    staged.refused(&["run", "--from", "CE-22"], "nobody is there to confirm it", "", &add);
    staged.refused(
        &["run", "--confirm", "postgres"],
        "--confirm postgres is not the connected database",
        "",
        "which database you are about to change",
    );
    staged.refused(&["rollback", "--target-version", "001"], "nobody is there to confirm it", "", &add);
    staged.refused(&["rollback", "--target-version", "001", "--confirm", "x"], "--confirm x is not the connected database", "", "");
    staged.refused(&["run", "--only", "CE-99"], "the plan has no task CE-99", "", "CE-20");
    staged.refused(&["run", "--resume", "--confirm", demo::DATABASE], "there is no open run to resume", "", "ledger run");
}

#[test]
fn a_ledger_of_another_target_is_refused() {
    let staged = Staged::on(shared());
    // The run's first entry pins the target, whatever comes of its task.
    staged.edit("# pg-dump = ", "pg-dump = \"tools/none\" # ");
    assert_eq!(staged.ledger(&["run", "--only", "CE-24"]).code, 11);
    staged.connects_to(&shared().cluster().url_as("migrator", "postgres"));
    for command in [&["run", "--only", "CE-24"][..], &["run", "--dry-run"], &["run", "--resume", "--confirm", "postgres"]] {
        staged.refused(
            command,
            "this ledger belongs to another target: database contracts_staging of system",
            "",
            "ledger init in a new folder",
        );
    }
    staged.refused(&["rollback", "--target-version", "001", "--confirm", "postgres"], "belongs to another target", "", "");
    staged.connects_to(&shared().url());
    assert_eq!(staged.ledger(&["run", "--only", "CE-24"]).code, 11, "its own target is still welcome");
}

#[test]
fn a_scratch_server_that_is_not_there_is_no_silent_fallback() {
    let staged = Staged::on(shared());
    staged.edit("# [scratch]", "[scratch] #");
    staged.edit("# url-env = \"SCRATCH_DATABASE_URL\"", "url-env = \"SCRATCH_DATABASE_URL\"");
    staged.refused(
        &["run", "--only", "CE-20"],
        "[scratch] url-env names $SCRATCH_DATABASE_URL, which is not set",
        "",
        "export SCRATCH_DATABASE_URL=",
    );
}

#[test]
fn a_demo_never_writes_into_what_is_there() {
    let staged = Staged::on(shared());
    let folder = staged.project.path().display().to_string();
    let ran = staged.ledger(&["demo", "--out", &folder]);
    ran.assert_error(3, &folder, "", "--force");
    assert_eq!(staged.entries(), 1);
}
