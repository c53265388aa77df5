//! Not built yet: the task is Unknown until it is.

use super::{Context, StepError, StepReport};

/// Examines nothing, and says so.
pub async fn run(_cx: &Context<'_>, _report: &mut StepReport) -> Result<(), StepError> {
    Err(StepError::cannot("not built yet: nothing examined"))
}
