//! What keeps a task from starting.
//!
//! After a Fail, tasks that only read go on: the CTO wants all the bad news at once. Tasks that write to the target start only
//! when everything they need is established. If execution did not complete, the tasks that examine the migrated target are
//! skipped; rollback needs only the backup and runs; readiness always runs.

use crate::domain::plan::{AttestationList, Plan, StepKind, Task};
use crate::domain::verdict::Judgement;
use crate::domain::{Outcome, Product, TaskId};
use crate::record::Run;

/// Why the task must not start, if it must not.
pub fn blocked(plan: &Plan, task: &Task, judged: &Judgement, products: &[(TaskId, Product)]) -> Option<String> {
    if task.uses.writes_to_target() {
        let open = plan.needs_closure(&task.id).into_iter().find_map(|need| {
            let outcome = judged.tasks.iter().find(|judged| judged.task == need).map(|judged| &judged.outcome);
            match outcome {
                Some(Outcome::Pass) => None,
                Some(Outcome::Fail) => Some(format!("{need} failed")),
                Some(Outcome::Unknown(why)) => Some(format!("{need} is not established: {why}")),
                Some(Outcome::Skipped(_)) | None => Some(format!("{need} did not run")),
            }
        });
        if open.is_some() {
            return open;
        }
    }
    if task.uses.examines_migrated_target() {
        let execution = plan.task_using(StepKind::Execute)?;
        let completed = products.iter().rev().find_map(|(_, product)| match product {
            Product::Execute(product) => Some(product.completed),
            _ => None,
        });
        if completed != Some(true) {
            return Some(format!("{} did not complete", execution.id));
        }
    }
    None
}

/// The required "before execution" items of the plan that a person must vouch for and nobody has, in plan order.
pub fn not_vouched_for(run: &Run) -> Vec<&str> {
    let wanted = run.config.plan.attestations.iter().filter(|item| item.list == AttestationList::BeforeExecution && item.required);
    let personal = wanted.filter(|item| item.measured_by.is_empty() && item.approval.is_none());
    personal.filter(|item| run.attested(&item.id).is_none()).map(|item| item.id.as_str()).collect()
}
