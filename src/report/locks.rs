//! What had to wait: the longest lock of each mode on each table, in the scratch copy and on the target, and who waited for whom.

use std::collections::BTreeMap;

use serde::Serialize;

use super::format;
use super::model::product;
use crate::domain::locks::LockMode;
use crate::domain::plan::StepKind;
use crate::domain::product::{FileExecution, Product};
use crate::record::Run;

/// The section.
#[derive(Clone, Debug, Serialize)]
pub struct LocksView {
    /// Set where no lock can be shown, and why.
    pub none: String,
    pub rows: Vec<LockRow>,
    /// Rows left out; all stand in the tasks' results.
    pub more: u64,
    pub waits: Vec<WaitRow>,
    /// Entries of the dry run and of the execution.
    pub rehearsed_seq: Option<u64>,
    pub target_seq: Option<u64>,
}

/// One table and mode.
#[derive(Clone, Debug, Serialize)]
pub struct LockRow {
    pub relation: String,
    pub mode: &'static str,
    /// `SELECT, INSERT, …`
    pub blocks: String,
    /// The longest, with the statement that took it; empty: not taken there, or not run there.
    pub rehearsed: String,
    pub target: String,
}

/// Who waited for whom on the target.
#[derive(Clone, Debug, Serialize)]
pub struct WaitRow {
    pub file: String,
    pub text: String,
}

const SHOWN: usize = 12;

#[derive(Default)]
struct Longest {
    rehearsed: Option<(i64, String)>,
    target: Option<(i64, String)>,
}

/// Builds it.
pub fn locks(run: &Run) -> LocksView {
    let mut view = LocksView { none: String::new(), rows: Vec::new(), more: 0, waits: Vec::new(), rehearsed_seq: None, target_seq: None };
    let mut longest: BTreeMap<(String, LockMode), Longest> = BTreeMap::new();
    let (mut traced, mut files) = (0, 0);
    let mut take = |of: &[FileExecution], side: fn(&mut Longest) -> &mut Option<(i64, String)>| {
        for file in of {
            files += 1;
            traced += usize::from(file.traced);
            for statement in &file.statements {
                let blocking = statement.locks.iter().filter(|lock| lock.mode.blocks_anything() && lock.kind != "index");
                for lock in blocking {
                    let slot = side(longest.entry((lock.relation.clone(), lock.mode)).or_default());
                    if slot.as_ref().is_none_or(|(held, _)| lock.held_us > *held) {
                        *slot = Some((lock.held_us, format!("{}:{}", file.file, statement.line)));
                    }
                }
            }
        }
    };
    if let Some((seq, Product::Scripts(scripts))) = product(run, StepKind::Scripts) {
        view.rehearsed_seq = Some(seq);
        take(&scripts.rehearsed, |longest| &mut longest.rehearsed);
    }
    if let Some((seq, Product::Execute(execution))) = product(run, StepKind::Execute) {
        view.target_seq = Some(seq);
        take(&execution.files, |longest| &mut longest.target);
        for file in &execution.files {
            view.waits.extend(file.waits.iter().map(|wait| {
                let wanted = if wait.wanted.is_empty() { String::new() } else { format!(" for {}", wait.wanted) };
                let samples = format::plural(wait.samples, "sample", "samples");
                let text =
                    format!("{} waited{wanted}, held by {}: {samples}, {}", wait.waiter, wait.blocker, format::duration(wait.seen_us));
                WaitRow { file: file.file.clone(), text }
            }));
        }
    }
    view.none = match (files, traced, longest.is_empty()) {
        (0, ..) => "No migration ran.".into(),
        (_, 0, _) => "Not established: locks were not traced.".into(),
        (.., true) => "No statement took a lock that reads or writes of an existing table wait for.".into(),
        _ => String::new(),
    };
    let mut rows: Vec<((String, LockMode), Longest)> = longest.into_iter().collect();
    let held = |longest: &Longest| [&longest.target, &longest.rehearsed].into_iter().flatten().map(|(held, _)| *held).max();
    rows.sort_by(|(a, left), (b, right)| held(right).cmp(&held(left)).then_with(|| (b.1, &a.0).cmp(&(a.1, &b.0))));
    view.more = rows.len().saturating_sub(SHOWN) as u64;
    let shown = |held: Option<(i64, String)>| held.map(|(us, place)| format!("{} from {place}", format::duration(us))).unwrap_or_default();
    view.rows = rows
        .into_iter()
        .take(SHOWN)
        .map(|((relation, mode), longest)| LockRow {
            relation,
            mode: mode.word(),
            blocks: mode.blocks().join(", "),
            rehearsed: shown(longest.rehearsed),
            target: shown(longest.target),
        })
        .collect();
    view
}
