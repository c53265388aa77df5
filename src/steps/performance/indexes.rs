//! Which indexes the workload used, as differences of `pg_stat_user_indexes.idx_scan` around it, and which tables it read in
//! full to keep little (PostgreSQL manual, "The Cumulative Statistics System").

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::measure::Measured;
use super::plan_shape::Node;
use crate::domain::SubjectRow;
use crate::pg::{Access, PgError, Target};

/// A sequential scan that keeps less than this share of what it reads …
const KEPT_SHARE: f64 = 0.1;
/// … and reads at least so many rows, would be served by an index.
const WORTH_AN_INDEX: f64 = 5_000.0;

/// An index and its scans so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IndexUse {
    /// `schema.table`.
    pub table: String,
    pub scans: i64,
    /// Whether it backs a primary key, a unique or an exclusion constraint: such an index serves even if no query scans it.
    pub guards: bool,
    pub bytes: i64,
}

/// Index name (`schema.index`) → use.
pub type Usage = BTreeMap<String, IndexUse>;

/// Reads the use of every index, once the statistics of closed sessions have arrived.
pub async fn usage(target: &Target, excluded: &[String]) -> Result<Usage, PgError> {
    let mut last = read(target, excluded).await?;
    // Sessions hand their counts over when they end, which is soon but not at once.
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = read(target, excluded).await?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
    Ok(last)
}

async fn read(target: &Target, excluded: &[String]) -> Result<Usage, PgError> {
    let session = target.session(Access::ReadOnly).await?;
    let rows = session
        .query(
            "SELECT pg_catalog.format('%I.%I', s.schemaname, s.indexrelname), pg_catalog.format('%I.%I', s.schemaname, s.relname),
                    s.idx_scan, i.indisunique OR i.indisexclusion, pg_catalog.pg_relation_size(s.indexrelid)
               FROM pg_catalog.pg_stat_user_indexes s JOIN pg_catalog.pg_index i ON i.indexrelid = s.indexrelid
              WHERE s.schemaname <> ALL ($1)",
            &[&excluded],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let usage = IndexUse { table: row.try_get(1)?, scans: row.try_get(2)?, guards: row.try_get(3)?, bytes: row.try_get(4)? };
            Ok((row.try_get(0)?, usage))
        })
        .collect()
}

/// Scans between two readings, by index.
pub fn scans_between(before: &Usage, after: &Usage) -> BTreeMap<String, u64> {
    after
        .iter()
        .map(|(name, usage)| {
            let earlier = before.get(name).map_or(0, |usage| usage.scans);
            (name.clone(), u64::try_from(usage.scans - earlier).unwrap_or(0))
        })
        .collect()
}

/// One subject per index of the migrated copy: whether the workload scanned it.
pub fn used(usage: &Usage, scans: &BTreeMap<String, u64>) -> Vec<SubjectRow> {
    usage
        .iter()
        .map(|(name, index)| {
            let scans = scans.get(name).copied().unwrap_or(0);
            let observed = match (scans, index.guards) {
                (0, true) => "no scans; guards a constraint".to_owned(),
                (0, false) => format!("no scans; {} bytes, on {}", index.bytes, index.table),
                (scans, _) => format!("{scans} scans"),
            };
            SubjectRow::new(name, scans > 0 || index.guards, "scanned by the workload, or guarding a constraint", observed)
        })
        .collect()
}

/// One subject per query and table that it scans on the migrated copy: whether a sequential scan throws most rows away.
pub fn missing(measured: &[Measured]) -> Vec<SubjectRow> {
    let mut rows = Vec::new();
    for one in measured {
        let Some((_, plan)) = &one.plans else { continue };
        let mut worst: BTreeMap<&str, (bool, String)> = BTreeMap::new();
        plan.root.visit(&mut |node| {
            let Some(relation) = &node.relation else { return };
            let (good, observed) = scan(node);
            let entry = worst.entry(relation).or_insert_with(|| (good, observed.clone()));
            if entry.0 && !good {
                *entry = (good, observed);
            }
        });
        for (relation, (good, observed)) in worst {
            let subject = format!("{relation} in {}", one.query.name);
            rows.push(SubjectRow::new(subject, good, "no large scan whose filter throws nearly all rows away", observed));
        }
    }
    rows
}

fn scan(node: &Node) -> (bool, String) {
    let read = node.rows + node.removed;
    let wasteful = node.what.contains("Seq Scan") && read >= WORTH_AN_INDEX && node.rows < KEPT_SHARE * read;
    let filter = node.conditions.iter().find(|condition| condition.starts_with("Filter")).cloned().unwrap_or_default();
    match wasteful {
        true => (false, format!("{} reads {read:.0} rows and keeps {:.0}; {filter}", node.what, node.rows)),
        false => (true, format!("{} of {:.0} rows", node.what, node.rows)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(scans: i64, guards: bool) -> IndexUse {
        IndexUse { table: "public.t".into(), scans, guards, bytes: 8192 }
    }

    #[test]
    fn scans_are_differences_and_only_idle_unguarding_indexes_are_findings() {
        let before: Usage = [("public.a".into(), index(10, false)), ("public.b".into(), index(5, false))].into();
        let after: Usage = [
            ("public.a".into(), index(13, false)),
            ("public.b".into(), index(5, false)),
            ("public.c".into(), index(2, false)),
            ("public.t_pkey".into(), index(0, true)),
        ]
        .into();
        let scans = scans_between(&before, &after);
        assert_eq!(scans, [("public.a".into(), 3), ("public.b".into(), 0), ("public.c".into(), 2), ("public.t_pkey".into(), 0)].into());
        let bad: Vec<String> = used(&after, &scans).into_iter().filter(|row| row.ok == Some(false)).map(|row| row.subject).collect();
        assert_eq!(bad, ["public.b"]);
    }

    #[test]
    fn a_scan_that_throws_nearly_all_away_wants_an_index() {
        let node = |what: &str, rows: f64, removed: f64| Node {
            what: what.into(),
            relation: Some("public.t".into()),
            index: None,
            conditions: vec!["Filter: (a = ?)".into()],
            rows,
            removed,
            beside: false,
            children: Vec::new(),
        };
        assert!(!scan(&node("Seq Scan", 10.0, 9_990.0)).0);
        assert!(!scan(&node("Parallel Seq Scan", 10.0, 9_990.0)).0);
        assert!(scan(&node("Seq Scan", 5_000.0, 5_000.0)).0, "keeps half");
        assert!(scan(&node("Seq Scan", 1.0, 99.0)).0, "a small table");
        assert!(scan(&node("Index Scan", 1.0, 99_999.0)).0, "not sequential");
    }
}
