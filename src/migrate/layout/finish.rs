//! What every layout but the plain one has in common, done once after reading.

use std::cmp::Ordering;

use super::{Migration, MigrationSet, Oddity, OddityKind, compare};
use crate::migrate::split::{Splitter, StatementKind, Survey, decode, may_hold_psql, runs_in_a_transaction};

/// Makes a file's own transaction ours, decides the transaction rule, and finds versions used twice, orders that differ, and
/// statements that the tool would run otherwise than we do.
pub fn finish(set: &mut MigrationSet) {
    for migration in &mut set.migrations {
        let up = std::mem::replace(&mut migration.up, super::Script::new("", Vec::new()));
        migration.up = up.without_own_transaction();
        migration.down = migration.down.take().map(super::Script::without_own_transaction);
        migration.verify = migration.verify.take().map(super::Script::without_own_transaction);
        migration.transactional = runs_in_a_transaction(&migration.up);
        set.oddities.extend(run_otherwise(migration));
    }
    for pair in set.migrations.windows(2) {
        let (kind, message) = match compare(&pair[0].version, &pair[1].version) {
            Ordering::Less => continue,
            Ordering::Equal => {
                (OddityKind::DuplicateVersion, format!("version {} is also claimed by {}", pair[1].version, pair[0].up.file))
            }
            // The tool sorts by name; it is followed.
            Ordering::Greater => {
                let tool = set.layout.name();
                (
                    OddityKind::NameOrder,
                    format!("has a lower number than {}, and {tool}, which sorts by name, runs it later", pair[0].up.file),
                )
            }
        };
        set.oddities.push(Oddity { kind, subject: pair[1].up.file.clone(), message });
    }
}

/// A file of which the tool makes one transaction, with a statement that fails in one.
fn run_otherwise(migration: &Migration) -> Option<Oddity> {
    let layout = migration.layout;
    if !layout.goes_through_psql() {
        let scripts = [Some(&migration.up), migration.down.as_ref()].into_iter().flatten();
        for script in scripts.filter(|script| decode(&script.bytes).is_ok_and(may_hold_psql)) {
            let survey = Survey::of(&script.bytes);
            // What is refused anyway needs no second word.
            if let (Some(place), true) = (survey.psql, survey.refusals.is_empty()) {
                let message =
                    format!("psql's own commands, variables or rows below a COPY stand here, which {} does not read", layout.name());
                return Some(Oddity::not_importable(format!("{}:{}", script.file, place.line), message));
            }
        }
    }
    if layout.runs_alone_what_must() {
        return None;
    }
    let text = decode(&migration.up.bytes).ok()?;
    let mut statements = 0;
    let mut alone = None;
    for statement in Splitter::new(text) {
        statements += 1;
        if alone.is_none() && matches!(statement.kind, StatementKind::Alone | StatementKind::Concurrently) {
            alone = Some(statement);
        }
    }
    let alone = alone?;
    let tool = layout.name();
    let why = match (layout.wraps() && migration.up.wrapped, layout.sends_one_message() && statements > 1) {
        (true, _) => match layout.opt_out() {
            Some(how) => format!("{tool} runs this file in a transaction, in which {} fails: opt out by {how}", alone.what),
            None => format!("{tool} runs every file in a transaction, in which {} fails, and has no way to opt out", alone.what),
        },
        (false, true) => format!(
            "{tool} sends a file as one message, whose statements share a transaction, in which {} fails: give it a file of its own",
            alone.what
        ),
        (false, false) => return None,
    };
    Some(Oddity::not_importable(format!("{}:{}", migration.up.file, alone.place.line), why))
}
