//! What is counted of a key.
//!
//! `convalidated` is a claim, not a fact: rows loaded with `session_replication_role = replica` orphan a validated key and
//! VALIDATE says nothing (PostgreSQL manual, `session_replication_role`). So every key is counted, validated or not.

use super::inventory::Key;
use crate::steps::counting::Question;

/// The question for a key's orphans: child rows that reference nothing. `None` for temporal keys, whose parents are unions of ranges.
pub fn orphans(key: &Key) -> Option<Question> {
    if key.temporal {
        return None;
    }
    let columns: Vec<String> = key.columns.iter().map(|column| format!("c.{}", column.child_quoted)).collect();
    let all_set = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
    // Columns that cannot be NULL need no such condition, and without it an index-only scan of the child serves the whole question.
    let needed: Vec<String> =
        key.columns.iter().filter(|c| c.child_nullable).map(|c| format!("c.{} IS NOT NULL AND ", c.child_quoted)).collect();
    let lonely = format!("({}NOT EXISTS (SELECT 1 FROM {} AS p WHERE {}))", needed.concat(), key.parent_rows_of(), key.matches("p", "c"));
    // MATCH FULL allows all or none; a partly filled key is as broken as one that points nowhere.
    let broken = match key.match_type.as_str() {
        "f" if columns.len() > 1 => {
            let any_set = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect::<Vec<_>>().join(" OR ");
            format!("{lonely} OR (({any_set}) AND NOT ({all_set}))")
        }
        _ => lonely,
    };
    Some(Question::rows(&format!("{} AS c", key.child_rows_of()), &broken))
}

/// The question for composite keys under MATCH SIMPLE that are filled in part, and so reference nothing and are never checked.
/// `None` where that cannot be.
pub fn half_filled(key: &Key) -> Option<Question> {
    if key.columns.len() < 2 || key.match_type != "s" || !key.columns.iter().any(|column| column.child_nullable) {
        return None;
    }
    let set =
        |joined: &str| key.columns.iter().map(|column| format!("c.{} IS NOT NULL", column.child_quoted)).collect::<Vec<_>>().join(joined);
    Some(Question::rows(&format!("{} AS c", key.child_rows_of()), &format!("({}) AND NOT ({})", set(" OR "), set(" AND "))))
}
