//! The dry run: every pending file run for real in a scratch database, then back as far as there are down scripts, then up again.

use super::apply::{Applied, ApplyOptions};
use super::attempt::apply_with_retries;
use super::effects::{self, Loss};
use super::failure::Failure;
use super::history;
use super::layout::{Migration, MigrationSet, Script};
use super::revert::{Reverted, revert_one};
use super::trace::Tracer;
use super::verify::verify;
use crate::pg::{Catalog, PgError, Session};

/// What running a migration and its verify script came to.
#[derive(Clone, Debug)]
pub struct Proved {
    pub applied: Applied,
    /// As [`verify`] says; `None`: the file did not run, so it was not asked.
    pub verified: Option<Result<Option<u64>, Failure>>,
}

impl Proved {
    /// Why the file, or then its verify script, did not run.
    pub fn failure(&self) -> Option<&Failure> {
        self.applied.failure.as_ref().or_else(|| self.verified.as_ref()?.as_ref().err())
    }

    /// Applied, and nothing says that it did not do its work.
    pub fn holds(&self) -> bool {
        self.applied.failure.is_none() && !matches!(self.verified, Some(Err(_)))
    }
}

/// What one script did to the catalog.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    /// The script's file.
    pub file: String,
    pub changes: usize,
    pub losses: Vec<Loss>,
    /// New foreign keys that no index serves.
    pub bare_keys: Vec<String>,
}

/// Reads the catalog between scripts, from a session that no script touches.
struct Eyes<'a> {
    session: &'a Session,
    excluded: &'a [String],
    last: Catalog,
}

impl Eyes<'_> {
    /// What changed since the last look.
    async fn look(&mut self, script: &Script) -> Result<(Effect, Vec<String>), PgError> {
        let now = Catalog::read(self.session, self.excluded).await?;
        let text = String::from_utf8_lossy(&script.bytes);
        let changes: Vec<String> = self.last.diff(&now).iter().map(ToString::to_string).collect();
        let effect = Effect {
            file: script.file.clone(),
            changes: changes.len(),
            losses: effects::losses(&self.last, &now, &text),
            bare_keys: effects::keys_without_index(&self.last, &now),
        };
        self.last = now;
        Ok((effect, changes))
    }
}

/// What a dry run came to.
#[derive(Clone, Debug, Default)]
pub struct Rehearsal {
    /// Of the way up, one for each file that ran.
    pub effects: Vec<Effect>,
    /// Of the way down, one for each script that ran.
    pub undone: Vec<Effect>,
    /// Up to the first file that failed.
    pub up: Vec<Proved>,
    /// Newest first, up to the first that failed or is missing. Empty if not all went up.
    pub down: Vec<Reverted>,
    /// What was reverted, once more.
    pub again: Vec<Proved>,
}

/// Runs one file, tried again where that can help, and then its verify script.
pub async fn prove(
    session: &Session,
    migration: &Migration,
    options: &ApplyOptions,
    (retries, tracer): (u32, Option<&Tracer>),
    log: &mut dyn FnMut(String),
) -> Proved {
    let applied = apply_with_retries(session, migration, options, retries, tracer, log).await;
    let verified = match &applied.failure {
        Some(failure) => {
            log(format!("FAILED {failure}"));
            None
        }
        None => {
            log(format!("{} applied in {} us", migration.up.file, applied.execution.duration_us));
            Some(verify(session, migration).await)
        }
    };
    match &verified {
        Some(Ok(Some(statements))) => log(format!("version {} verified by {statements} statements", migration.version)),
        Some(Ok(None)) => log(format!("version {} has no verify script", migration.version)),
        Some(Err(failure)) => log(format!("NOT VERIFIED {failure}")),
        None => {}
    }
    Proved { applied, verified }
}

/// Up, down, up, in a scratch database that stands where the target stands.
pub async fn rehearse(
    session: &Session,
    set: &MigrationSet,
    pending: &[&Migration],
    baseline: Option<&str>,
    options: &ApplyOptions,
    (tracer, eyes, excluded): (Option<&Tracer>, &Session, &[String]),
    log: &mut dyn FnMut(String),
) -> Result<Rehearsal, PgError> {
    let mut rehearsal = Rehearsal::default();
    history::ensure(session, set, baseline).await?;
    let mut eyes = Eyes { session: eyes, excluded, last: Catalog::read(eyes, excluded).await? };
    log("up".into());
    for migration in pending {
        let mut proved = prove(session, migration, options, (0, tracer), log).await;
        let stop = !proved.holds();
        if proved.applied.failure.is_none() {
            let (effect, changes) = eyes.look(&migration.up).await?;
            changes.iter().for_each(|change| log(format!("{} catalog: {change}", migration.up.file)));
            proved.applied.execution.changes = changes;
            rehearsal.effects.push(effect);
        }
        rehearsal.up.push(proved);
        if stop {
            return Ok(rehearsal);
        }
    }
    log("down".into());
    let mut reverted: Vec<&Migration> = Vec::new();
    for migration in pending.iter().rev() {
        let step = revert_one(session, migration, options, &mut |_| {}).await;
        match &step.applied {
            None => log(format!("version {} has no down script: the way back ends here", migration.version)),
            Some(applied) => match &applied.failure {
                None => log(format!("{} reverted in {} us", applied.execution.file, applied.execution.duration_us)),
                Some(failure) => log(format!("FAILED {failure}")),
            },
        }
        let done = step.done();
        if let (true, Some(down)) = (done, &migration.down) {
            rehearsal.undone.push(eyes.look(down).await?.0);
        }
        rehearsal.down.push(step);
        if !done {
            break;
        }
        reverted.push(migration);
    }
    log("up again".into());
    for migration in reverted.into_iter().rev() {
        let proved = prove(session, migration, options, (0, None), log).await;
        let stop = !proved.holds();
        rehearsal.again.push(proved);
        if stop {
            break;
        }
    }
    Ok(rehearsal)
}
