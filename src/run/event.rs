//! What happens during a run, as one stream that the terminal (and anything else that watches) sees.

use crate::domain::{Finding, Outcome, TaskId};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The run exists: its first entry is written, or an open run goes on.
    Opened { run: String, resumed: bool, tasks: usize },
    /// An earlier attempt started and never finished.
    FoundInterrupted { task: TaskId, seq: u64 },
    /// Something about the run that a person should know; not recorded.
    Notes { message: String },
    /// The task's start is on the ledger.
    Started { task: TaskId, name: String, index: usize, total: usize },
    /// What the step is doing right now; not recorded.
    Says { message: String },
    /// The task's result is on the ledger.
    Finished {
        task: TaskId,
        name: String,
        index: usize,
        total: usize,
        outcome: Outcome,
        headline: String,
        seconds: f64,
        seq: u64,
        /// Findings that failed the task.
        findings: Vec<Finding>,
        /// Checks that are Unknown, with the reason.
        unknown: Vec<(String, String)>,
        checks: usize,
    },
}

/// Somebody who watches a run.
pub trait Listener {
    /// Called for every event, in order.
    fn on(&self, event: &Event);
}
