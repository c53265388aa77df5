//! The script of a leak, run by a real psql where the leak is, and where it was mended.

use std::collections::BTreeMap;
use std::process::Command;

use migration_ledger::steps::row_security::{isolate, reproduce};

use super::support::{TestDb, cluster};
use super::{application, stated};

const DEFECT: &str = "
    ALTER POLICY alerts_select ON public.alerts USING (true);
    ALTER POLICY users_update ON public.users WITH CHECK (true);
    ALTER POLICY projects_delete ON public.projects USING (true);
    ALTER POLICY ai_usage_logs_insert ON public.ai_usage_logs WITH CHECK (true);
    ALTER POLICY audit_logs_update ON public.audit_logs USING (true) WITH CHECK (true);
    ALTER POLICY clauses_select ON public.clauses USING (NULLIF(pg_catalog.current_setting('app.tenant_id', true), '') IS NULL)";

/// What psql prints for a script on a database; the number after the last `foreign_rows`.
fn psql(database: &str, script: &str) -> (bool, Option<i64>, String) {
    let program = cluster().bin().join("psql");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let ran = Command::new(program)
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &cluster().url(database), "-f"])
        .arg(file.path())
        .output()
        .unwrap();
    let out = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    (ran.status.success(), String::from_utf8_lossy(&ran.stdout).lines().rev().find_map(|line| line.trim().parse().ok()), out)
}

/// Counts and digests of two of the tables.
async fn state(db: &TestDb) -> (i64, String) {
    let rows = "SELECT sum(n)::bigint, md5(string_agg(h, '' ORDER BY h)) FROM (SELECT count(*) n, md5(string_agg(u::text, '' ORDER BY u.id)) h FROM public.users u
                UNION ALL SELECT count(*), md5(string_agg(a::text, '' ORDER BY a.id)) FROM public.audit_logs a) x";
    let row = db.admin().await.one(rows, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test(flavor = "current_thread")]
async fn the_script_of_a_leak_shows_it_in_psql_and_is_quiet_where_it_was_mended() {
    if !cluster().bin().join("psql").exists() {
        crate::support::not_tested("the_script_of_a_leak_shows_it_in_psql: this server's programs bring no psql");
        return;
    }
    let (probed, leaking, mended) = (application().await, application().await, application().await);
    for db in [&probed, &leaking] {
        db.admin().await.batch(DEFECT).await.unwrap();
    }
    let target = probed.target("migrator").await;
    let mut isolation = isolate(&target, &stated(), &|_| ()).await.unwrap();
    let grounds = isolation.grounds.take().unwrap();
    let kept = reproduce::attach(&target, &grounds, &isolation.cells, &mut isolation.evidence).await;

    let before = state(&leaking).await;
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in isolation.evidence.iter().flat_map(|evidence| &evidence.rows) {
        for cell in row.detail["cells"].as_array().into_iter().flatten() {
            let Some(script) = cell["psql"].as_str() else { continue };
            shown.entry(row.subject.clone()).or_default().push(cell["command"].as_str().unwrap().to_owned());
            // No tenant data: no name, no address, no key of the seed.
            assert!(!script.contains("@example.com") && !script.contains("Aldgate") && !script.contains("2685f58f"), "{script}");
            let (ran, reached, out) = psql(&leaking.name, script);
            assert!(ran && reached.is_some_and(|rows| rows > 0), "{script}\n{out}");
            // Mended, it reaches nothing: it counts 0, or the policy refuses the statement.
            let (ran, reached, out) = psql(&mended.name, script);
            assert!(if ran { reached == Some(0) } else { out.contains("row-level security") }, "{script}\n{out}");
        }
    }
    println!("{shown:#?}");
    assert_eq!(shown.values().map(Vec::len).sum::<usize>(), kept);
    for (table, command) in [
        ("public.alerts", "SELECT"),
        ("public.users", "move own to B"),
        ("public.projects", "DELETE foreign"),
        ("public.ai_usage_logs", "INSERT foreign"),
        ("public.audit_logs", "UPDATE foreign"),
        ("public.clauses", "SELECT"),
    ] {
        assert!(shown.get(table).is_some_and(|commands| commands.iter().any(|c| c == command)), "{table} {command}: {shown:?}");
    }
    assert_eq!(state(&leaking).await, before, "everything is rolled back");
}
