//! `ledger log`: the entries, one a line.

use serde_json::json;

use super::ui::inert;
use super::{CliError, Exit, Globals, MessageFormat};

/// The ledger's entries
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only entries of this type, such as task.result
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only entries of this task
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Only entries of this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Only the last N of them
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
}

/// Lists entries in order.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let store = globals.open_ledger()?;
    let mut lines = Vec::new();
    for entry in store.entries(0..store.len()?) {
        let entry = entry?;
        let header = &entry.header;
        let kind = header.kind.as_str();
        let wanted = |want: &Option<String>, is: Option<&str>| want.as_deref().is_none_or(|want| is == Some(want));
        if !wanted(&args.kind, Some(kind)) || !wanted(&args.task, header.task.as_deref()) || !wanted(&args.run, header.run.as_deref()) {
            continue;
        }
        lines.push(match ui.format {
            MessageFormat::Json => json!({
                "schema": "ledger.entry/1", "seq": entry.seq, "leaf": entry.leaf.to_string(), "type": kind, "ts": header.ts, "actor": header.actor,
                "run": header.run, "task": header.task, "attempt": header.attempt, "parts": header.parts.len(), "body": header.body,
            })
            .to_string(),
            MessageFormat::Human => {
                let what = header.body.get("outcome").or(header.body.get("verdict")).and_then(|v| v.as_str()).unwrap_or_default();
                let task = match (&header.task, header.attempt) {
                    (Some(task), Some(attempt)) => format!("{task}/{attempt}"),
                    (Some(task), None) => task.clone(),
                    _ => String::new(),
                };
                format!(
                    "{:>5}  {}  {:<13} {:<8} {:<8} {:>2} parts  {}  {}",
                    entry.seq,
                    &header.ts[..19.min(header.ts.len())],
                    kind,
                    inert(&task),
                    what,
                    header.parts.len(),
                    &entry.leaf.to_string()[..12],
                    inert(&header.actor)
                )
            }
        });
    }
    let skip = args.last.map_or(0, |last| lines.len().saturating_sub(last));
    for line in lines.into_iter().skip(skip) {
        ui.answer(line);
    }
    Ok(Exit::Good)
}
