//! A run on the terminal: a live line where there is a terminal, else one line a task and a heartbeat.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::MessageFormat;
use super::ui::{Tone, Ui, inert};
use crate::domain::Outcome;
use crate::run::event::{Event, Listener};

/// Without a terminal, a task that runs longer than this says that it is still running.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Findings shown under a failed task; the rest are in the report.
const FINDINGS_SHOWN: usize = 5;

/// Draws events.
pub struct Terminal {
    ui: Ui,
    bar: RefCell<Option<ProgressBar>>,
    task: RefCell<String>,
    spoke: Cell<Instant>,
    started: Cell<Instant>,
}

impl Terminal {
    /// A terminal for one run.
    pub fn new(ui: Ui) -> Self {
        let now = Instant::now();
        Self { ui, bar: RefCell::default(), task: RefCell::default(), spoke: Cell::new(now), started: Cell::new(now) }
    }

    fn line(&self, text: &str) {
        self.spoke.set(Instant::now());
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(|| self.ui.note(text)),
            None => self.ui.note(text),
        }
    }

    fn word(&self, outcome: &Outcome) -> String {
        let (word, tone) = match outcome {
            Outcome::Pass => ("PASS", Tone::Good),
            Outcome::Fail => ("FAIL", Tone::Bad),
            Outcome::Unknown(_) => ("UNKNOWN", Tone::Open),
            Outcome::Skipped(_) => ("SKIPPED", Tone::Open),
        };
        self.ui.err(&format!("{word:>12}"), tone)
    }

    fn json(&self, event: &Event) {
        let value = match event {
            Event::Opened { run, resumed, tasks } => serde_json::json!({"event": "opened", "run": run, "resumed": resumed, "tasks": tasks}),
            Event::FoundInterrupted { task, seq } => serde_json::json!({"event": "interrupted-attempt", "task": task, "seq": seq}),
            Event::Started { task, index, total, .. } => {
                serde_json::json!({"event": "started", "task": task, "index": index, "total": total})
            }
            Event::Notes { message } => serde_json::json!({"event": "note", "message": message}),
            Event::Says { .. } => return,
            Event::Finished { task, outcome, headline, seconds, seq, findings, .. } => serde_json::json!({
                "event": "finished", "task": task, "outcome": outcome, "headline": headline, "seconds": seconds, "seq": seq, "findings": findings,
            }),
        };
        let mut value = value;
        value["schema"] = "ledger.event/1".into();
        let _ = writeln!(std::io::stderr(), "{value}");
    }
}

impl Listener for Terminal {
    fn on(&self, event: &Event) {
        if self.ui.format == MessageFormat::Json {
            self.json(event);
            return;
        }
        match event {
            Event::Opened { run, resumed, tasks } => {
                let how = if *resumed { "goes on" } else { "opened" };
                self.line(&format!("{:>12} {run} {how}, {tasks} tasks to run\n", "Run"));
            }
            Event::FoundInterrupted { task, seq } => {
                self.line(&format!("{:>12} an earlier attempt of {task} (entry {seq}) was interrupted; it stays visible", "Note"));
            }
            Event::Notes { message } => self.line(&format!("{:>12} {}", "Note", inert(message))),
            Event::Started { task, name, index, total } => {
                self.started.set(Instant::now());
                *self.task.borrow_mut() = format!("({index}/{total}) {task} {name}");
                if self.ui.live() {
                    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                    let style = ProgressStyle::with_template("  {spinner} RUNNING [{elapsed:>5}] {prefix}  {wide_msg}")
                        .unwrap_or_else(|_| ProgressStyle::default_spinner());
                    bar.set_style(style);
                    bar.set_prefix(self.task.borrow().clone());
                    bar.enable_steady_tick(Duration::from_millis(120));
                    *self.bar.borrow_mut() = Some(bar);
                }
            }
            Event::Says { message } => {
                let message = inert(message);
                if let Some(bar) = &*self.bar.borrow() {
                    bar.set_message(message.clone());
                } else if self.spoke.get().elapsed() > HEARTBEAT || self.ui.verbose > 0 {
                    self.line(&format!(
                        "{:>12} [{:6.1}s] {}  {message}",
                        "RUNNING",
                        self.started.get().elapsed().as_secs_f64(),
                        self.task.borrow()
                    ));
                }
            }
            Event::Finished { task, name, index, total, outcome, headline, seconds, seq, findings, unknown, .. } => {
                if let Some(bar) = self.bar.borrow_mut().take() {
                    bar.finish_and_clear();
                }
                let said = match outcome {
                    Outcome::Unknown(why) | Outcome::Skipped(why) if headline.is_empty() => inert(why),
                    _ => inert(headline),
                };
                self.line(&format!("{} [{seconds:6.1}s] ({index}/{total}) {task} {name:<42} {said}", self.word(outcome)));
                for finding in findings.iter().take(FINDINGS_SHOWN) {
                    self.line(&format!(
                        "{:>15} {}  {}: {} (expected {})",
                        "-",
                        self.ui.err(finding.check.as_str(), Tone::Strong),
                        inert(&finding.subject),
                        inert(&finding.observed),
                        inert(&finding.expected)
                    ));
                }
                if findings.len() > FINDINGS_SHOWN {
                    self.line(&format!("{:>15} and {} more: ledger show {seq}", "-", findings.len() - FINDINGS_SHOWN));
                }
                for (code, why) in unknown.iter().take(FINDINGS_SHOWN) {
                    self.line(&format!("{:>15} {}  not established: {}", "?", self.ui.err(code, Tone::Strong), inert(why)));
                }
            }
        }
    }
}
