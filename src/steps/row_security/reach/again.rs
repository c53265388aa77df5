//! What leaked on another way, as a script sends it: asked with B's rows and without them, and whether the answers differ.

use super::super::matrix::Tried;
use super::super::reproduce::remember;
use super::super::seed::identifier;
use super::super::world::{ORIGIN, REPLICA};

const BEFORE: &str = "ledger.before";

/// The digest of all rows of a view or of a call's answer.
pub(super) fn digest(from: &str) -> String {
    format!(
        "SELECT pg_catalog.md5(COALESCE(pg_catalog.string_agg(\"ledger row\"::text, '|' ORDER BY \"ledger row\"::text COLLATE \"C\"), '')) FROM {from} AS \"ledger row\""
    )
}

/// An answer that is another one once B's rows are gone. `first` puts rows where they are looked for, `away` takes B's away.
pub(super) fn differs(from: &str, role: &str, first: &str, away: &str) -> Tried {
    let digest = digest(from);
    let steps = [
        first.to_owned(),
        format!("SET LOCAL ROLE {}", identifier(role)),
        remember(BEFORE, &digest),
        "RESET ROLE".to_owned(),
        REPLICA.to_owned(),
        away.to_owned(),
        ORIGIN.to_owned(),
    ];
    let steps: Vec<&str> = steps.iter().map(|step| step.trim().trim_end_matches(';')).filter(|step| !step.is_empty()).collect();
    Tried {
        preparation: steps.join(";\n"),
        answer: format!("SELECT (({digest}) <> pg_catalog.current_setting('{BEFORE}'))::pg_catalog.int4"),
        seen: true,
        ..Tried::default()
    }
}

/// A call after which B's rows, told by the digest `stand`, are no longer what they were.
pub(super) fn changes(call: &str, stand: &str) -> Tried {
    Tried {
        before: stand.to_owned(),
        statement: format!("SELECT pg_catalog.count(*) FROM {call} AS \"ledger row\""),
        answer: format!("SELECT (({stand}) IS DISTINCT FROM pg_catalog.current_setting('{BEFORE}'))::pg_catalog.int4"),
        ..Tried::default()
    }
}
