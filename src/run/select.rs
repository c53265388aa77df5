//! Which tasks a command means.

use std::collections::BTreeSet;

use super::RunError;
use crate::domain::plan::{Plan, StepKind, Task};
use crate::domain::verdict::Judgement;
use crate::domain::{Outcome, TaskId};

/// What `ledger run` was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// A new run of the whole plan.
    All,
    /// A new run of what changes nothing: environment and scripts.
    DryRun,
    /// These tasks, in the open run if there is one.
    Only(Vec<TaskId>),
    /// This task and all that come after it, in the open run if there is one.
    From(TaskId),
    /// Whatever the open run has not established yet.
    Resume,
}

impl Selection {
    /// Whether the selection may go on with a run that is open.
    pub fn continues(&self) -> bool {
        matches!(self, Self::Only(_) | Self::From(_) | Self::Resume)
    }

    /// The tasks meant, in an order in which each stands after what it needs.
    pub fn tasks<'p>(&self, plan: &'p Plan, judged: Option<&Judgement>) -> Result<Vec<&'p Task>, RunError> {
        let order =
            plan.order().map_err(|error| RunError::Setup { what: error.to_string(), hint: "mend the plan in ledger.toml".into() })?;
        let known = |id: &TaskId| match plan.task(id) {
            Some(_) => Ok(()),
            None => Err(RunError::Setup {
                what: format!("the plan has no task {id}"),
                hint: format!("its tasks are {}", order.iter().map(|task| task.id.as_str()).collect::<Vec<_>>().join(", ")),
            }),
        };
        Ok(match self {
            Self::All => order,
            Self::DryRun => order.into_iter().filter(|task| matches!(task.uses, StepKind::Environment | StepKind::Scripts)).collect(),
            Self::Only(ids) => {
                ids.iter().try_for_each(known)?;
                let wanted: BTreeSet<&TaskId> = ids.iter().collect();
                order.into_iter().filter(|task| wanted.contains(&task.id)).collect()
            }
            Self::From(id) => {
                known(id)?;
                order.into_iter().skip_while(|task| &task.id != id).collect()
            }
            Self::Resume => {
                let passed = |task: &Task| {
                    judged.is_some_and(|judged| judged.tasks.iter().any(|judged| judged.task == task.id && judged.outcome == Outcome::Pass))
                };
                // Everything after the first open task runs again: its results would be stale.
                order.into_iter().skip_while(|task| passed(task)).collect()
            }
        })
    }
}
