//! Going back: down scripts, newest first, each in its own transaction, each out of the history with it.

use super::apply::{Applied, ApplyOptions, Observer, Then, run_script};
use super::history::NOTHING;
use super::layout::{Migration, MigrationSet, compare};
use super::split;
use crate::pg::Session;

/// One migration on its way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverted {
    pub version: String,
    pub name: String,
    /// `None`: there is no down script, and nothing further back was tried.
    pub applied: Option<Applied>,
}

impl Reverted {
    /// Whether this step of the way back was gone.
    pub fn done(&self) -> bool {
        self.applied.as_ref().is_some_and(|applied| applied.failure.is_none())
    }
}

/// The migrations to undo so that `target` is the last one applied: those of `applied` that are newer, newest first.
pub fn way_back<'a>(set: &'a MigrationSet, target: &str, applied: impl Fn(&str) -> bool) -> Vec<&'a Migration> {
    set.migrations.iter().rev().filter(|m| is_above(&m.version, target) && applied(&m.version)).collect()
}

/// Whether the way back to `target` undoes this version.
pub fn is_above(version: &str, target: &str) -> bool {
    target == NOTHING || compare(version, target).is_gt()
}

/// Runs the down scripts in the given order and stops at the first that fails or is missing.
pub async fn revert(session: &Session, migrations: &[&Migration], options: &ApplyOptions, observer: Observer<'_>) -> Vec<Reverted> {
    let mut done = Vec::new();
    for migration in migrations {
        let reverted = revert_one(session, migration, options, &mut *observer).await;
        let stop = !reverted.done();
        done.push(reverted);
        if stop {
            break;
        }
    }
    done
}

/// Runs one down script.
pub async fn revert_one(session: &Session, migration: &Migration, options: &ApplyOptions, observer: Observer<'_>) -> Reverted {
    let applied = match &migration.down {
        None => None,
        Some(down) => {
            let then = if options.history { Then::Forget(migration) } else { Then::Nothing };
            let transactional = split::runs_in_a_transaction(down);
            let named = (migration.version.as_str(), migration.name.as_str());
            Some(run_script(session, down, named, transactional, options, then, None, observer).await)
        }
    };
    Reverted { version: migration.version.clone(), name: migration.name.clone(), applied }
}
