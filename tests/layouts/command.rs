//! The team's own tool, run as it is: what it did is read from the database.

use migration_ledger::domain::Product;

use crate::day::Day;

/// A tool in ten lines: it applies what its folder has, and keeps a history of its own. `$LIE` makes it say what it did not do.
const TOOL: &str = r#"#!/bin/sh
set -e
psql -X -q -v ON_ERROR_STOP=1 "$URL" -c 'create table if not exists public.tool_history (version text primary key, name text)'
if [ "$1" = down ]; then
    version=$(psql -X -A -t "$URL" -c 'select max(version) from public.tool_history')
    echo "Reverted $version, on the way to $LEDGER_TARGET_VERSION"
    [ -n "$LIE" ] || psql -X -q -v ON_ERROR_STOP=1 "$URL" --single-transaction -f "down/$version.sql" -c "delete from public.tool_history where version = '$version'"
    exit 0
fi
[ "$1" = status ] && exec psql -X -A -t "$URL" -c 'select max(version) from public.tool_history'
for file in migrations/*.sql; do
    version=$(basename "$file" .sql)
    done=$(psql -X -A -t "$URL" -c "select count(*) from public.tool_history where version = '$version'")
    [ "$done" = 1 ] && continue
    if [ -n "$LIE" ]; then echo "Applied $version"; continue; fi
    psql -X -q -v ON_ERROR_STOP=1 "$URL" --single-transaction -f "$file" -c "insert into public.tool_history values ('$version', 'by hand')"
    echo "Applied $version"
done
"#;

fn config(lie: &str) -> String {
    let bin = crate::support::cluster().bin().display();
    format!(
        "[migrations]\nlayout = \"command\"\n[migrations.command]\nup = [\"env\", \"LIE={lie}\", \"PATH={bin}:/usr/bin:/bin\", \"sh\", \"tool.sh\"]\n\
         history = \"select version, name from public.tool_history\"\nurl-variable = \"URL\"\n"
    )
}

/// The same, with a way down and a status.
fn both_ways(lie: &str) -> String {
    let config = config(lie);
    let up = config.lines().find(|line| line.starts_with("up = ")).unwrap();
    let more = |word: &str, argument: &str| up.replacen("up", word, 1).replace("\"tool.sh\"]", &format!("\"tool.sh\", \"{argument}\"]"));
    format!("{config}{}\n{}\n", more("down", "down"), more("status", "status"))
}

async fn day(lie: &str) -> Day {
    let mut day = Day::of("create table public.docs (id int primary key); insert into public.docs values (1)", &config(lie)).await;
    day.file("../tool.sh", TOOL);
    day.file("1_a.sql", "create table public.a (id int);");
    day.file("2_b.sql", "create table public.b (id int);");
    day.back_up().await;
    day
}

#[tokio::test]
async fn a_tool_is_tried_in_the_copy_run_on_the_target_and_judged_by_its_history() {
    let mut day = day("").await;
    let given = day.step("scripts").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    assert!(given.check("dry-run-applies").rows[0].observed.starts_with("its history now has 1_a, 2_b"), "{given:?}", given = given.report);
    assert!(given.file("dry_run_output.log").contains("Applied 2_b"));
    assert_eq!(day.count("select count(*) from pg_tables where schemaname = 'public'").await, 1, "the target is as it was");

    let given = day.step("execute").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    let rows: Vec<&str> = given.check("migrations-applied").rows.iter().map(|row| row.subject.as_str()).collect();
    assert_eq!(rows, ["env", "1_a", "2_b"]);
    let Some(Product::Execute(product)) = &given.report.product else { panic!("no product") };
    assert!(product.completed && product.backup.is_some());
    assert!(product.catalog_changes.iter().any(|line| line.contains("public.b")), "{:?}", product.catalog_changes);
    assert_eq!(day.count("select count(*) from public.tool_history").await, 2);

    // Once more: there is nothing to do, and that is no success.
    let given = day.step("execute").await;
    assert_eq!(given.found("migrations-applied"), ["1_a", "2_b"], "the scratch copy was to bring these, and this run did not");
    day.close().await;
}

#[tokio::test]
async fn its_way_down_is_tried_in_the_copy_and_judged_by_what_is_left() {
    let mut day = day("").await;
    // Without a way down nothing is claimed.
    let given = day.step("scripts").await;
    assert_eq!(given.word("dry-run-round-trip"), "not-applicable");
    let given = day.step("rollback").await;
    assert_eq!((given.word("rollback-documented"), given.word("rollback-runs")), ("fail", "unknown"));

    day.config(&both_ways(""));
    day.file("../down/1_a.sql", "drop table public.a;");
    day.file("../down/2_b.sql", "drop table public.b;");
    let given = day.step("scripts").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    assert_eq!((given.word("dry-run-round-trip"), given.word("down-undoes")), ("pass", "pass"));
    assert!(given.check("dry-run-round-trip").rows[0].observed.starts_with("2 runs"), "{:?}", given.check("dry-run-round-trip").rows);
    assert!(given.check("down-undoes").rows[0].observed.ends_with("nothing is left"), "{:?}", given.check("down-undoes").rows);
    let given = day.step("rollback").await;
    assert_eq!(given.complaints(), Vec::<String>::new(), "{}", given.log);
    for code in ["rollback-runs", "rollback-restores-catalog", "rollback-keeps-data", "rollback-up-again", "rollback-keeps-new-rows"] {
        assert_eq!(given.word(code), "pass", "{code}: {:?}", given.check(code));
    }
    assert!(given.report.headline.contains("nothing lost"), "{}", given.report.headline);

    // A way down that leaves a table is found by what is left; one that only says so, by the history that stands still.
    day.file("../down/1_a.sql", "select 1;");
    let given = day.step("rollback").await;
    assert_eq!((given.word("rollback-runs"), given.word("rollback-restores-catalog")), ("pass", "fail"));
    assert!(given.found("rollback-restores-catalog").iter().any(|subject| subject.contains("public.a")));
    day.file("../down/1_a.sql", "drop table public.a;");
    day.file("../down/2_b.sql", "drop table public.nowhere;");
    let given = day.step("scripts").await;
    assert_eq!(given.word("dry-run-round-trip"), "fail");

    day.file("../down/2_b.sql", "drop table public.b;");
    day.step("scripts").await;
    let given = day.step("execute").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    assert!(given.file("tool_status.txt").contains("2_b"));
    day.close().await;
}

#[tokio::test]
async fn a_tool_that_says_applied_and_did_nothing_is_not_believed() {
    let mut day = day("").await;
    assert_eq!(day.step("scripts").await.complaints(), Vec::<String>::new());
    day.config(&config("yes"));
    let given = day.step("execute").await;
    assert!(given.log.contains("Applied 1_a"), "{}", given.log);
    assert_eq!(given.found("migrations-applied"), ["1_a", "2_b"]);
    assert!(given.observed("migrations-applied").contains("ended well, but the history does not have it"));
    day.close().await;
}

#[tokio::test]
async fn a_tool_that_fails_half_way_leaves_what_its_history_says() {
    let mut day = day("").await;
    day.file("2_b.sql", "create table public.docs (id int);");
    let given = day.step("scripts").await;
    assert_eq!(given.found("dry-run-applies"), ["env"]);
    let observed = given.observed("dry-run-applies");
    assert!(observed.starts_with("exit code 3") && observed.ends_with("its history now has 1_a"), "{observed}");
    day.config("[migrations]\nlayout = \"command\"\n");
    let given = day.step("scripts").await;
    assert!(given.result.unwrap_err().to_string().contains("needs [migrations.command]"));
    day.close().await;
}

#[tokio::test]
async fn alembic_is_run_and_its_own_history_believed() {
    let program = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin/alembic");
    if crate::peers::skipped("alembic", &program) {
        return;
    }
    let config = format!(
        "[migrations]\nlayout = \"command\"\n[migrations.command]\nup = [\"{}\", \"upgrade\", \"head\"]\nhistory = \"alembic\"\nurl-variable = \"DATABASE_URL\"\n",
        program.display()
    );
    let mut day = Day::of("create table public.docs (id int primary key)", &config).await;
    day.file("../alembic.ini", "[alembic]\nscript_location = alembic\n");
    day.file(
        "../alembic/env.py",
        "import os\nfrom alembic import context\nfrom sqlalchemy import create_engine\n\nwith create_engine(os.environ['DATABASE_URL']).connect() as connection:\n    context.configure(connection=connection)\n    with context.begin_transaction():\n        context.run_migrations()\n",
    );
    day.file(
        "../alembic/versions/ae10_widgets.py",
        "from alembic import op\n\nrevision = 'ae10'\ndown_revision = None\n\n\ndef upgrade():\n    op.execute('create table public.widgets (id int primary key)')\n",
    );
    day.back_up().await;
    let given = day.step("scripts").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    let given = day.step("execute").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    assert_eq!(given.check("migrations-applied").rows[1].subject, "ae10");
    assert_eq!(day.count("select count(*) from public.widgets").await, 0);
    day.close().await;
}
