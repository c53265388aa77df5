//! Rows before and after: each table's exact count against the one CE-20 took with the backup.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::domain::SubjectRow;
use crate::domain::product::{RowDelta, TableState};
use crate::pg::{PgError, Session};
use crate::steps::counting::{Answer, Question};

/// Where migration tools write down what they applied: such a table gains rows by being migrated.
const HISTORIES: [&str; 12] = [
    "ledger.schema_history",
    "public.schema_migrations",
    "public.schema_version",
    "public.flyway_schema_history",
    "public._sqlx_migrations",
    "public.__diesel_schema_migrations",
    "public.alembic_version",
    "public.django_migrations",
    "public.knex_migrations",
    "public.databasechangelog",
    "public._prisma_migrations",
    "supabase_migrations.schema_migrations",
];

/// Whether a tool keeps its history of migrations in this table.
pub fn is_history(table: &str) -> bool {
    HISTORIES.contains(&table)
}

/// The tables that rows are counted of: ordinary ones and partitions, as the backup counts them.
pub async fn tables(session: &Session, excluded: &[String]) -> Result<Vec<String>, PgError> {
    let rows = session
        .query(
            "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
             FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
             WHERE c.relkind = 'r' AND c.relpersistence <> 't'
               AND n.nspname NOT IN ('information_schema', 'ledger_anchor') AND n.nspname !~ '^pg_' AND n.nspname::text <> ALL ($1)
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                               WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
             ORDER BY 1",
            &[&excluded],
        )
        .await?;
    rows.iter().map(|row| row.try_get(0).map_err(PgError::from)).collect()
}

/// The question for a table's exact number of rows.
pub fn question(table: &str) -> Question {
    Question { any: format!("SELECT 1 FROM ONLY {table} LIMIT 1"), count: format!("SELECT pg_catalog.count(*) FROM ONLY {table}") }
}

/// Compares. Tables that only exist now were made by the migrations; the configuration says which tables may change, and why.
pub fn compare(
    before: &[TableState],
    after: &[(String, Option<Answer>)],
    may_change: &BTreeMap<String, String>,
) -> (Vec<SubjectRow>, Vec<RowDelta>) {
    let then: BTreeMap<&str, u64> = before.iter().map(|state| (state.table.as_str(), state.rows)).collect();
    let now: BTreeMap<&str, Option<&Answer>> = after.iter().map(|(table, answer)| (table.as_str(), answer.as_ref())).collect();
    let tables: BTreeSet<&str> = then.keys().chain(now.keys()).copied().collect();
    let (mut rows, mut deltas) = (Vec::new(), Vec::new());
    for table in tables {
        let was = then.get(table).copied();
        let answer = now.get(table).copied();
        let is = answer.flatten().and_then(Answer::number);
        deltas.push(RowDelta { table: table.to_owned(), before: was, after: is });
        let allowed = may_change.get(table).cloned().or_else(|| HISTORIES.contains(&table).then(|| "history of migrations".to_owned()));
        let row = match (was, answer, is) {
            (None, _, Some(is)) => SubjectRow::new(table, true, "made by the migrations", format!("new, {is} rows")),
            (Some(was), None, _) => {
                decided(table, allowed.as_ref(), format!("{was} rows"), format!("the table is gone, and its {was} rows with it"))
            }
            (Some(was), Some(_), Some(is)) if was == is => SubjectRow::new(table, true, format!("{was} rows"), format!("{is} rows")),
            (Some(was), Some(_), Some(is)) => {
                let change = if is < was { format!("{} rows lost", was - is) } else { format!("{} rows gained", is - was) };
                decided(table, allowed.as_ref(), format!("{was} rows"), format!("{is} rows: {change}"))
            }
            (was, _, None) => {
                let why = match answer.flatten() {
                    Some(answer) => answer.count.as_ref().err().map(|error| answer.why(error)).unwrap_or_default(),
                    None => "not counted: the counting sessions ended early".into(),
                };
                SubjectRow::undecided(table, was.map_or_else(|| "a count".to_owned(), |was| format!("{was} rows")), why)
            }
        };
        rows.push(row.with_detail(json!({ "before": was, "after": is })));
    }
    (rows, deltas)
}

/// A change is wrong unless it was declared.
fn decided(table: &str, allowed: Option<&String>, expected: String, observed: String) -> SubjectRow {
    match allowed {
        Some(reason) => SubjectRow::new(table, true, format!("may change: {reason}"), observed),
        None => SubjectRow::new(table, false, expected, observed),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn state(table: &str, rows: u64) -> TableState {
        TableState { table: table.into(), rows, digest: String::new() }
    }

    fn answer(count: u64) -> Option<Answer> {
        Some(Answer { count: Ok(count), duration: Duration::ZERO, timed_out: false, any: count > 0 })
    }

    #[test]
    fn lost_gained_gone_new_and_declared_are_told_apart() {
        let before = [state("public.a", 5), state("public.b", 5), state("public.c", 5), state("public.gone", 1), state("public.jobs", 9)];
        let after: Vec<(String, Option<Answer>)> =
            [("public.a", 5), ("public.b", 4), ("public.c", 7), ("public.jobs", 0), ("public.made", 3)]
                .into_iter()
                .map(|(table, count)| (table.to_owned(), answer(count)))
                .collect();
        let may_change = BTreeMap::from([("public.jobs".to_owned(), "the worker keeps running".to_owned())]);
        let (rows, deltas) = compare(&before, &after, &may_change);
        let told: Vec<(&str, Option<bool>, &str)> = rows.iter().map(|row| (row.subject.as_str(), row.ok, row.observed.as_str())).collect();
        assert_eq!(
            told,
            [
                ("public.a", Some(true), "5 rows"),
                ("public.b", Some(false), "4 rows: 1 rows lost"),
                ("public.c", Some(false), "7 rows: 2 rows gained"),
                ("public.gone", Some(false), "the table is gone, and its 1 rows with it"),
                ("public.jobs", Some(true), "0 rows: 9 rows lost"),
                ("public.made", Some(true), "new, 3 rows"),
            ]
        );
        assert_eq!(deltas[3], RowDelta { table: "public.gone".into(), before: Some(1), after: None });
    }

    #[test]
    fn a_table_that_was_not_counted_is_undecided() {
        let (rows, _) = compare(&[state("public.a", 5)], &[("public.a".into(), None), ("public.b".into(), None)], &BTreeMap::new());
        assert!(rows.iter().all(|row| row.ok.is_none()), "{rows:?}");
    }
}
