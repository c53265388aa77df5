//! One run, task by task.

use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use super::event::{Event, Listener};
use super::open::{self, Opened};
use super::select::Selection;
use super::{Interrupts, RunError, anchor, foreseen, rules, write};
use crate::chain::Store;
use crate::config::Config;
use crate::domain::plan::{Plan, Priority, StepKind, Task};
use crate::domain::product::NotedSuite;
use crate::domain::verdict::{Judgement, task_outcome};
use crate::domain::{CheckOutcome, Finding, Outcome, RunId, TaskId};
use crate::pg::unfinished::remove_leftovers;
use crate::pg::{ScratchPool, Target};
use crate::record::{self, Run};
use crate::redact::Redactor;
use crate::steps::rollback::Fresh;
use crate::steps::{self, Context, Progress, Project, StepError, StepReport, TaskLog};

/// A future that borrows what it works on.
pub type Local<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What rendering the report came to: file names and sizes, or why it could not be rendered.
pub type Rendered = Result<Vec<(String, u64)>, String>;

/// What the engine asks of whoever runs it.
pub trait Hooks {
    /// Renders the report of the run as it stands, for the readiness task.
    fn render(&self, store: &Store, run: &RunId) -> Rendered;

    /// Called before the execution starts, while what people vouch for "before execution" can still be put on the ledger.
    fn before_execution(&self, _store: &mut Store, _run: &Run) -> Result<(), RunError> {
        Ok(())
    }

    /// Asked before a task that changes the target starts. `Ok(false)`: it must not. Dropped when the person would rather stop.
    fn confirm<'a>(&'a self, task: &'a Task) -> Local<'a, Result<bool, RunError>>;

    /// Called when a task's result, entry `seq`, is on the ledger: where results and heads are signed.
    fn recorded(&self, _store: &mut Store, _seq: u64) -> Result<(), RunError> {
        Ok(())
    }

    /// Called between two tasks, after the result of `task` is on the ledger.
    fn after_task<'a>(&'a self, task: &'a TaskId) -> Local<'a, Result<(), RunError>>;
}

/// Everything a run needs.
pub struct Engine<'a> {
    pub config: &'a Config,
    pub config_bytes: &'a [u8],
    pub project: &'a Project,
    pub store: &'a mut Store,
    pub target: &'a Target,
    pub scratch: &'a ScratchPool,
    /// The name of the environment in ledger.toml.
    pub environment: &'a str,
    pub actor: &'a str,
    pub redactor: &'a Redactor,
    pub listener: &'a dyn Listener,
    pub hooks: &'a dyn Hooks,
}

/// What a run came to.
#[derive(Debug)]
pub struct Finished {
    pub run: Run,
    pub judgement: Judgement,
    /// The tasks that this invocation ran, in order.
    pub ran: Vec<TaskId>,
}

impl Engine<'_> {
    /// Runs the selection. An interrupt is recorded and returned as [`RunError::Interrupted`].
    pub async fn run(&mut self, selection: &Selection) -> Result<Finished, RunError> {
        let mut interrupts = Interrupts::listen();
        let Opened { run, resumed, interrupted } = open::open(self, selection)?;
        let history = self.read(&run)?;
        let judged = history.judgement();
        let tasks: Vec<Task> = selection.tasks(&self.config.plan, Some(&judged))?.into_iter().cloned().collect();
        self.listener.on(&Event::Opened { run: run.to_string(), resumed, tasks: tasks.len() });
        self.clear_up_after(interrupted).await;
        let mut ran = Vec::new();
        for (position, task) in tasks.iter().enumerate() {
            let place = Place { index: position + 1, total: tasks.len() };
            if task.uses == StepKind::Execute {
                self.before_execution(&run)?;
                self.foresee(&tasks);
            }
            let ended = self.attempt(&run, task, place, Work::Step, &mut interrupts).await?;
            ran.push(task.id.clone());
            if ended.interrupted {
                return Err(RunError::Interrupted);
            }
            self.hooks.after_task(&task.id).await?;
            if interrupts.came().await {
                return Err(RunError::Interrupted);
            }
        }
        if tasks.iter().any(|task| task.uses == StepKind::Scripts) && !tasks.iter().any(|task| task.uses == StepKind::Execute) {
            self.foresee(&self.config.plan.tasks);
        }
        let run = self.read(&run)?;
        let judgement = run.judgement();
        Ok(Finished { run, judgement, ran })
    }

    /// Says which later answers `ledger.toml` makes impossible, while completing it is still cheap.
    fn foresee(&self, tasks: &[Task]) {
        let unsaid = foreseen::unsaid(self.config, tasks);
        if unsaid.is_empty() {
            return;
        }
        let message = "as ledger.toml stands, these stay unknown, and completing it after the execution opens a new run:".to_owned();
        for message in std::iter::once(message).chain(unsaid) {
            self.listener.on(&Event::Notes { message });
        }
    }

    /// The run as its entries tell it.
    pub(super) fn read(&self, run: &RunId) -> Result<Run, RunError> {
        record::read::run(self.store, run)?
            .ok_or_else(|| RunError::Setup { what: format!("the ledger has no run {run}"), hint: "ledger log shows what it has".into() })
    }

    /// Rolls the target back to `version`, recorded as an attempt of task ROLLBACK in the latest run (a new one if there is none).
    /// A run that was signed off is no hindrance: in an emergency the way back counts, and the sign-off becomes stale, as it should.
    pub async fn roll_back(&mut self, version: &str, fresh: Fresh) -> Result<RolledBack, RunError> {
        let run = open::latest_or_new(self)?;
        let task = rollback_task();
        let place = Place { index: 1, total: 1 };
        let ended = self.attempt(&run, &task, place, Work::RollBack(version, fresh), &mut Interrupts::listen()).await?;
        match ended.interrupted {
            true => Err(RunError::Interrupted),
            false => Ok(RolledBack { run, outcome: ended.outcome, seq: ended.seq }),
        }
    }

    /// Says what the plan wants vouched for before execution and nobody has: it stops nothing, and keeps the decision open.
    fn before_execution(&mut self, run: &RunId) -> Result<(), RunError> {
        let history = self.read(run)?;
        self.hooks.before_execution(self.store, &history)?;
        let history = self.read(run)?;
        let open = rules::not_vouched_for(&history);
        if let Some(first) = open.first() {
            let message = format!("before execution, nobody has vouched for: {} (ledger attest {first})", open.join(", "));
            self.listener.on(&Event::Notes { message });
        }
        Ok(())
    }

    /// Says which attempts of the last run were cut off, and drops the scratch databases that they left: CE-20, which does so as well, need
    /// not be among the tasks that run now.
    async fn clear_up_after(&self, interrupted: Vec<(TaskId, u64)>) {
        if interrupted.is_empty() {
            return;
        }
        for (task, seq) in interrupted {
            self.listener.on(&Event::FoundInterrupted { task, seq });
        }
        match self.scratch.sweep().await {
            Ok(dropped) if dropped.is_empty() => {}
            Ok(dropped) => self.note(format!("dropped scratch databases that it left: {}", dropped.join(", "))),
            Err(error) => self.note(format!("scratch databases that it left were not looked for: {error}")),
        }
        match remove_leftovers(&self.project.path(&self.config.backup.dir)) {
            Ok(removed) if removed.is_empty() => {}
            Ok(removed) => self.note(format!("removed unfinished backups that it left: {}", removed.join(", "))),
            Err(error) => self.note(format!("unfinished backups that it left could not be removed: {error}")),
        }
    }

    fn note(&self, message: String) {
        self.listener.on(&Event::Notes { message });
    }

    /// One attempt of one piece of work, from its start to its result.
    async fn attempt(
        &mut self,
        run: &RunId,
        task: &Task,
        place: Place,
        work: Work<'_>,
        interrupts: &mut Interrupts,
    ) -> Result<Ended, RunError> {
        let history = self.read(run)?;
        let products = history.products();
        let facts = history.facts();
        let attempt =
            history.attempts.iter().filter(|earlier| earlier.task == task.id).map(|earlier| earlier.attempt).max().unwrap_or(0) + 1;
        let parts: Vec<String> = history.parts.iter().map(|part| part.name.clone()).collect();

        let noted = noted_suites(&self.config.plan, &history, &task.id);
        let rule = match work {
            Work::Step => rules::blocked(&self.config.plan, task, &history.judgement(), &products),
            Work::RollBack(..) => None,
        };
        let blocked = match rule {
            Some(why) => Some(why),
            None if task.uses.writes_to_target() => {
                let confirmed = tokio::select! {
                    confirmed = self.hooks.confirm(task) => confirmed?,
                    // Nothing was begun, so there is nothing to record.
                    () = interrupts.next() => return Err(RunError::Interrupted),
                };
                (!confirmed).then(|| "not confirmed".to_owned())
            }
            None => None,
        };
        let started = write::started(self.actor, run, task, attempt);
        let start = self.store.append(started)?.seq;
        self.listener.on(&Event::Started { task: task.id.clone(), name: task.name.clone(), index: place.index, total: place.total });

        let log = TaskLog::default();
        let clock = Instant::now();
        let mut report = StepReport::default();
        let mut was_interrupted = false;
        let mut stopped = None;
        let outcome = match blocked {
            Some(why) => {
                log.line(format!("not started: {why}"));
                Outcome::Skipped(why)
            }
            None => {
                let rendered = (task.uses == StepKind::Readiness).then(|| self.hooks.render(self.store, run));
                let name = format!("ledger/{run}/{}", task.id);
                let target = self.target.named(&name);
                self.scratch.set_application_name(&name);
                let saying = Saying(self.listener);
                let cx = Context {
                    config: self.config,
                    task,
                    run,
                    project: self.project,
                    target: &target,
                    scratch: self.scratch,
                    products: &products,
                    noted_suites: &noted,
                    results: &facts.results,
                    parts: &parts,
                    rendered: rendered.as_ref(),
                    log: &log,
                    progress: &saying,
                };
                log.line(format!("{} {} attempt {attempt} of run {run}", task.id, task.name));
                let working = async {
                    match work {
                        Work::Step => steps::run(&cx, &mut report).await,
                        Work::RollBack(version, fresh) => steps::rollback::roll_back(&cx, version, fresh, &mut report).await,
                    }
                };
                let ended = tokio::select! {
                    // First, so that what Ctrl-C did to a program of ours is not taken for its answer.
                    biased;
                    () = interrupts.next() => Err(StepError::Interrupted),
                    ended = working => ended,
                };
                if let Err(StepError::Interrupted) = ended {
                    target.cancel_all().await;
                    self.scratch.server().cancel_all().await;
                    was_interrupted = true;
                }
                stopped = ended.err().map(|error| self.redactor.clean(&reason(&error)));
                self.outcome(&report, stopped.as_deref())
            }
        };
        for evidence in &report.evidence {
            let took = if evidence.duration_us > 0 { format!(", {} µs", evidence.duration_us) } else { String::new() };
            log.line(format!("{}: {} ({} subjects{took})", evidence.check, evidence.outcome, evidence.rows.len()));
        }
        if let Some(why) = &stopped {
            log.line(format!("stopped: {why}"));
            // A failure found before it says what failed, and not why nothing more was asked.
            if report.headline.is_empty() && matches!(outcome, Outcome::Fail) {
                report.headline = format!("stopped: {why}");
            }
        }
        log.line(format!("outcome: {outcome}"));
        let result = write::Result {
            start,
            attempt,
            outcome: &outcome,
            stopped: stopped.as_deref(),
            duration: clock.elapsed(),
            report: &report,
            log: log.text(),
            redactor: self.redactor,
        };
        let log_name = task.log_name();
        self.mirror_log(&log_name, &log.text());
        let seq = self.store.append(write::result(self.actor, run, task, &result))?.seq;
        if task.uses == StepKind::Execute && self.config.migrations.anchor && !matches!(outcome, Outcome::Skipped(_)) {
            self.anchor(&format!("ledger/{run}/{}", task.id)).await;
        }
        self.hooks.recorded(self.store, seq)?;
        self.announce(task, place, &outcome, &report, clock.elapsed().as_secs_f64(), seq);
        Ok(Ended { outcome, seq, interrupted: was_interrupted })
    }

    /// What the step's report and its end come to. An error is never a pass and never hides a failure found before it.
    fn outcome(&self, report: &StepReport, stopped: Option<&str>) -> Outcome {
        let judged = task_outcome(
            report.evidence.iter().map(|evidence| (&evidence.check, evidence.severity, &evidence.outcome)),
            self.config.plan.fail_at,
        );
        match (stopped, judged) {
            (None, judged) => judged,
            (Some(_), Outcome::Fail) => Outcome::Fail,
            (Some(why), _) => Outcome::Unknown(why.to_owned()),
        }
    }

    /// Leaves the head with the target. The run goes on where that fails: the result is on the ledger, and a missing anchor is no finding.
    async fn anchor(&self, name: &str) {
        let message = match anchor::write(self.store, &self.target.named(name)).await {
            Ok(size) => format!("the head of {size} entries is kept in {}.head of the target", anchor::SCHEMA),
            Err(why) => format!("the head could not be kept in the target: {why}"),
        };
        self.listener.on(&Event::Notes { message });
    }

    /// The log where people look for it: `logs/` of the project. The record is the ledger's part; this is a copy for `tail`.
    fn mirror_log(&self, name: &str, text: &str) {
        let folder = self.project.root.join("logs");
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(name), self.redactor.clean(text)));
        if let Err(error) = written {
            self.listener.on(&Event::Says { message: format!("logs/{name} could not be written: {error}") });
        }
    }

    fn announce(&self, task: &Task, place: Place, outcome: &Outcome, report: &StepReport, seconds: f64, seq: u64) {
        let fail_at = self.config.plan.fail_at;
        let mut findings: Vec<Finding> =
            report.evidence.iter().flat_map(|evidence| evidence.findings()).filter(|finding| finding.severity >= fail_at).collect();
        // Only the first few are shown: the worst ones.
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let unknown = report
            .evidence
            .iter()
            .filter(|evidence| evidence.severity >= fail_at)
            .filter_map(|evidence| match &evidence.outcome {
                CheckOutcome::Unknown(why) => Some((evidence.check.to_string(), why.clone())),
                _ => None,
            })
            .collect();
        self.listener.on(&Event::Finished {
            task: task.id.clone(),
            name: task.name.clone(),
            index: place.index,
            total: place.total,
            outcome: outcome.clone(),
            headline: report.headline.clone(),
            seconds,
            seq,
            findings,
            unknown,
            checks: report.evidence.len(),
        });
    }
}

/// What a rollback of the target came to.
#[derive(Debug)]
pub struct RolledBack {
    pub run: RunId,
    pub outcome: Outcome,
    /// The entry of its result.
    pub seq: u64,
}

/// What an attempt does.
#[derive(Clone, Copy)]
enum Work<'a> {
    /// The step that the task uses.
    Step,
    /// The emergency path to this version, on the target.
    RollBack(&'a str, Fresh),
}

/// How an attempt ended.
struct Ended {
    outcome: Outcome,
    seq: u64,
    interrupted: bool,
}

/// The task under which rollbacks of the target are recorded; no plan has it.
fn rollback_task() -> Task {
    Task {
        id: TaskId::new(record::read::ROLLBACK),
        name: "Rollback of the target".into(),
        uses: StepKind::Rollback,
        phase: String::new(),
        estimate_minutes: 0,
        priority: Priority::Critical,
        needs: Vec::new(),
        roles: Vec::new(),
        deliverables: Vec::new(),
        success: Vec::new(),
        command: Vec::new(),
        suites: Vec::new(),
        log: Some("rollback_execution.log".into()),
    }
}

/// `(index/total)` of the terminal's line.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    total: usize,
}

struct Saying<'a>(&'a dyn Listener);

impl Progress for Saying<'_> {
    fn say(&self, message: &str) {
        self.0.on(&Event::Says { message: message.to_owned() });
    }
}

/// Declared suites recorded for the task since the last execution: what was run before it says nothing about the migrated target.
fn noted_suites(plan: &Plan, run: &Run, task: &TaskId) -> Vec<(u64, NotedSuite)> {
    let executed = plan.task_using(StepKind::Execute).and_then(|execution| run.latest(&execution.id)).map_or(0, |(_, result)| result.seq);
    let of_task = run.notes.iter().filter(|note| note.task.as_ref() == Some(task) && note.seq > executed);
    of_task.filter_map(|note| note.suite.clone().map(|suite| (note.seq, suite))).collect()
}

/// An error with its way out, as one reason.
fn reason(error: &StepError) -> String {
    match error {
        StepError::Cannot { what, hint: Some(hint) } => format!("{what} ({hint})"),
        other => other.to_string(),
    }
}
