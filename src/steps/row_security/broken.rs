//! Breaking policies as a part of the step: when, within what time, and what is recorded of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::model::Model;
use super::mutate::Trial;
use super::own_tests::TestRun;
use super::shape::Shape;
use super::{COPY, Context, Isolation};
use crate::checks::ask::Asked;
use crate::checks::user::UserCheck;
use crate::checks::{Check, find};
use crate::domain::Evidence;
use crate::domain::product::{CellVerdict, Mutation};
use crate::pg::{Access, Target};

/// The team's tests against every broken policy, before the worlds are built: they count the rows they know.
pub(super) async fn by_tests(cx: &Context<'_>, copy: &Target, tests: &[UserCheck], runs: &[TestRun], budget: Duration) -> Option<Trial> {
    let session = copy.session(Access::ReadOnly).await.ok()?;
    let shape = Shape::read(&session).await.ok()?;
    drop(session);
    let mut trial = Trial::of(&shape, &Model::find(&shape, &cx.config.tenancy));
    // A test that does not pass unbroken tells nothing.
    let passing: Vec<&UserCheck> = tests.iter().zip(runs).filter(|(_, run)| run.subject().ok == Some(true)).map(|(test, _)| test).collect();
    trial.by_tests(copy, &passing, budget, &|text| cx.progress.say(text)).await;
    Some(trial)
}

/// The probe and the checks against every broken policy.
pub(super) async fn by_probe(
    cx: &Context<'_>,
    copy: &Target,
    mut trial: Trial,
    isolation: &Isolation,
    budget: Duration,
) -> Option<(Mutation, Evidence)> {
    let (check, grounds) = (find("rls-mutation")?, isolation.grounds.as_deref()?);
    let asked = Asked::now();
    let leaks = isolation.cells.iter().filter(|cell| cell.cell.verdict == CellVerdict::Leak);
    let leaks = leaks.map(|cell| (cell.cell.table.clone(), cell.cell.command.clone(), cell.cell.context.clone())).collect();
    if let Err(error) = trial.by_probe(copy, grounds, &leaks, budget, &|text| cx.progress.say(text)).await {
        cx.log.line(format!("breaking policies ended early: {error}"));
    }
    let (mutation, rows) = trial.result(grounds);
    cx.log.line(format!(
        "policies broken: {} of {} tried, {} noticed ({} by the probe, {} by checks), {} cannot matter; own tests noticed {} of {}",
        mutation.tried,
        mutation.total,
        mutation.noticed,
        mutation.by_probe,
        mutation.by_checks,
        mutation.explained,
        mutation.by_tests,
        mutation.tested
    ));
    for survivor in &mutation.survivors {
        cx.log.line(format!("not noticed: {} {}: {}", survivor.table, survivor.mutant, survivor.why));
    }
    let parameters = json!({ "seconds": budget.as_secs(), "roles": grounds.model.roles });
    Some((mutation, asked.answered(check, COPY, parameters, rows)))
}

/// No policy was broken, and why.
pub(super) fn not_tried(check: &Check, budget: Duration) -> Evidence {
    match budget.is_zero() {
        true => Asked::unmeasured().not_applicable(check, COPY, Value::Null, "ledger.toml, [checks] mutation-seconds = 0"),
        false => {
            Asked::unmeasured().unanswered(check, COPY, Value::Null, "isolation could not be probed, so that nothing could be compared")
        }
    }
}
