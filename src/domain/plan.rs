//! The plan as data: tasks, gates, roles, risks, attestations, schedule. `ledger.toml` deserialises into these types.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ids::RoleId;
use super::{CheckCode, Severity, TaskId};

/// The whole plan of a migration rehearsal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plan {
    /// The plan's own identifier, such as `CE-P0-06`.
    pub id: String,
    pub title: String,
    /// Findings at or above this fail their task.
    #[serde(default = "default_fail_at")]
    pub fail_at: Severity,
    #[serde(rename = "task")]
    pub tasks: Vec<Task>,
    #[serde(rename = "gate", default)]
    pub gates: Vec<Gate>,
    #[serde(rename = "role", default)]
    pub roles: Vec<Role>,
    #[serde(rename = "risk", default)]
    pub risks: Vec<Risk>,
    #[serde(rename = "attestation", default)]
    pub attestations: Vec<Attestation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contacts: Option<Contacts>,
}

fn default_fail_at() -> Severity {
    Severity::High
}

/// One item of the plan; it `uses` a step, which is what the code can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Task {
    pub id: TaskId,
    pub name: String,
    pub uses: StepKind,
    #[serde(default)]
    pub phase: String,
    /// Planned duration; none is 0.
    #[serde(default)]
    pub estimate_minutes: u32,
    #[serde(default)]
    pub priority: Priority,
    /// Tasks whose latest results must be earlier than this task's.
    #[serde(default)]
    pub needs: Vec<TaskId>,
    /// Any holder of one of these roles may sign the task's result.
    #[serde(default)]
    pub roles: Vec<RoleId>,
    #[serde(default)]
    pub deliverables: Vec<Deliverable>,
    /// The plan's success criteria, in its own words.
    #[serde(default)]
    pub success: Vec<String>,
    /// For `uses = "command"`: the program and its arguments, run without a shell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The name of the task's log; see [`Task::log_name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Test suites whose counted result belongs to this task.
    #[serde(rename = "suite", default, skip_serializing_if = "Vec::is_empty")]
    pub suites: Vec<Suite>,
}

impl Task {
    /// The part that carries the task's log: `log` of the plan, else `ce23_row_security.log` for task `CE-23` using `row-security`.
    pub fn log_name(&self) -> String {
        self.log.clone().unwrap_or_else(|| {
            let id: String = self.id.as_str().chars().filter(char::is_ascii_alphanumeric).collect();
            format!("{}_{}.log", id.to_ascii_lowercase(), self.uses.word().replace('-', "_"))
        })
    }
}

/// A test suite of the team's own; counted from its JUnit file, never from the exit code alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Suite {
    pub name: String,
    /// The program and its arguments; empty: `ledger exec` or `ledger record` fills it.
    #[serde(default)]
    pub command: Vec<String>,
    /// Where the command writes its JUnit XML, relative to the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub junit: Option<String>,
    /// Fewer tests than this and the suite is Unknown.
    #[serde(default = "one")]
    pub min_tests: u64,
}

fn one() -> u64 {
    1
}

/// What the code can do. A task names one of these in `uses`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    Environment,
    Scripts,
    Execute,
    RowSecurity,
    ForeignKeys,
    Integrity,
    Performance,
    Rollback,
    Readiness,
    Command,
}

impl StepKind {
    /// The word used in `ledger.toml`, in check headers and for the folder under `queries/`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Scripts => "scripts",
            Self::Execute => "execute",
            Self::RowSecurity => "row-security",
            Self::ForeignKeys => "foreign-keys",
            Self::Integrity => "integrity",
            Self::Performance => "performance",
            Self::Rollback => "rollback",
            Self::Readiness => "readiness",
            Self::Command => "command",
        }
    }

    /// Whether the step may commit to the database under test. Only execution may; `command` runs what we cannot see into.
    pub fn writes_to_target(self) -> bool {
        matches!(self, Self::Execute | Self::Command)
    }

    /// Whether the step examines the migrated target, so that it means nothing when execution did not complete.
    pub fn examines_migrated_target(self) -> bool {
        matches!(self, Self::RowSecurity | Self::ForeignKeys | Self::Integrity | Self::Performance)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    Low,
    #[default]
    Medium,
    High,
    Critical,
}

/// A file the plan promises. It is ticked only when an entry carries a part of this name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Deliverable {
    pub name: String,
    /// The part's name, `[a-z0-9][a-z0-9._-]{0,99}`, or a report file's name for the readiness task.
    pub file: String,
}

/// A rule over outcomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Gate {
    /// `gate-1` …
    pub id: String,
    pub name: String,
    #[serde(rename = "rule")]
    pub rules: Vec<GateRule>,
}

/// One line of a gate. Exactly one of `task` (optionally with `checks`), `attested` or `approval` says what decides it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GateRule {
    /// The rule in the plan's words.
    pub rule: String,
    /// Measured: the task whose outcome decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Measured: only these checks of the task decide; empty means the task's whole outcome.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckCode>,
    /// Attested: the attestation item that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<String>,
    /// Approval: the role whose signed decision decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<RoleId>,
}

impl GateRule {
    /// Measured rules count for the verdict; approvals and attestations count for the decision.
    pub fn is_measured(&self) -> bool {
        self.task.is_some()
    }
}

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Role {
    pub id: RoleId,
    pub name: String,
    #[serde(default)]
    pub responsibilities: String,
}

/// A risk of the plan, shown against what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Risk {
    pub risk: String,
    pub probability: String,
    pub impact: String,
    pub mitigation: String,
    /// The tasks whose outcomes speak about this risk.
    #[serde(default)]
    pub tasks: Vec<TaskId>,
}

/// Something a person vouches for because no query can measure it, or (with `measured-by`) a tasks's outcome answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Attestation {
    /// `[a-z0-9-]+`, what `ledger attest` takes.
    pub id: String,
    pub item: String,
    /// When it is due.
    pub list: AttestationList,
    /// Whether the production decision needs it.
    #[serde(default = "yes")]
    pub required: bool,
    /// Answered by these tasks' outcomes, so that nobody can attest it. One id or a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub measured_by: Vec<TaskId>,
    /// Answered by the publication of the run's report besides: no report can hold it, since it is made afterwards.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub published: bool,
    /// Answered by the sign-off of this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<RoleId>,
}

fn yes() -> bool {
    true
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<TaskId>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(TaskId),
        Many(Vec<TaskId>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(task) => vec![task],
        OneOrMany::Many(tasks) => tasks,
    })
}

/// The list of the plan an attestation item stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttestationList {
    ThisWeek,
    BeforeExecution,
    AfterExecution,
    /// "Migration is successful when".
    MigrationSuccessful,
    /// "Ready for production when".
    ReadyForProduction,
}

impl AttestationList {
    /// The heading in reports and checklists.
    pub fn title(self) -> &'static str {
        match self {
            Self::ThisWeek => "This week",
            Self::BeforeExecution => "Before execution",
            Self::AfterExecution => "After execution",
            Self::MigrationSuccessful => "Migration is successful when",
            Self::ReadyForProduction => "Ready for production when",
        }
    }
}

/// The day the plan recommends. Times are `HH:MM`, local to the team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Schedule {
    pub weekday: String,
    pub start: String,
    pub end: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lunch: Option<Break>,
    /// What the plan says comes after the window.
    #[serde(default)]
    pub buffer: String,
}

/// A pause in the schedule, `HH:MM`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Break {
    pub start: String,
    pub end: String,
}

/// Whom to call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Contacts {
    pub primary: String,
    pub emergency: String,
    /// In order; each `who (for what)`.
    #[serde(default)]
    pub escalation: Vec<String>,
}

/// A plan that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("task {0} is defined twice")]
    DuplicateTask(TaskId),
    #[error("{place} names task {task}, which the plan does not have")]
    UnknownTask { place: String, task: TaskId },
    #[error("the tasks {0} wait for each other")]
    Cycle(String),
    #[error("{0}")]
    Invalid(String),
}

impl Plan {
    /// The task of this id.
    pub fn task(&self, id: &TaskId) -> Option<&Task> {
        self.tasks.iter().find(|task| &task.id == id)
    }

    /// The first task that uses the step.
    pub fn task_using(&self, step: StepKind) -> Option<&Task> {
        self.tasks.iter().find(|task| task.uses == step)
    }

    /// The tasks in an order in which each stands after all it needs; ties keep the plan's own order.
    pub fn order(&self) -> Result<Vec<&Task>, PlanError> {
        let mut done: BTreeSet<&TaskId> = BTreeSet::new();
        let mut order = Vec::with_capacity(self.tasks.len());
        while order.len() < self.tasks.len() {
            let next = self.tasks.iter().find(|task| !done.contains(&task.id) && task.needs.iter().all(|need| done.contains(need)));
            let Some(task) = next else {
                let stuck: Vec<&str> = self.tasks.iter().filter(|t| !done.contains(&t.id)).map(|t| t.id.as_str()).collect();
                return Err(PlanError::Cycle(stuck.join(", ")));
            };
            done.insert(&task.id);
            order.push(task);
        }
        Ok(order)
    }

    /// Every task that must be earlier than `id`, directly or through others.
    pub fn needs_closure(&self, id: &TaskId) -> BTreeSet<TaskId> {
        let mut closure = BTreeSet::new();
        let mut open: Vec<TaskId> = self.task(id).map(|t| t.needs.clone()).unwrap_or_default();
        while let Some(need) = open.pop() {
            if closure.insert(need.clone()) {
                open.extend(self.task(&need).map(|t| t.needs.clone()).unwrap_or_default());
            }
        }
        closure
    }

    /// The longest chain of estimates: its length in minutes and its tasks, first to last.
    pub fn critical_path(&self) -> Result<(u32, Vec<TaskId>), PlanError> {
        let mut best: BTreeMap<&TaskId, (u32, Vec<TaskId>)> = BTreeMap::new();
        for task in self.order()? {
            let (before, mut path) =
                task.needs.iter().filter_map(|need| best.get(need)).max_by_key(|(minutes, _)| *minutes).cloned().unwrap_or_default();
            path.push(task.id.clone());
            best.insert(&task.id, (before + task.estimate_minutes, path));
        }
        Ok(best.into_values().max_by_key(|(minutes, _)| *minutes).unwrap_or_default())
    }

    /// Checks that names are unique and that every reference points at something.
    pub fn validate(&self) -> Result<(), PlanError> {
        let mut ids = BTreeSet::new();
        for task in &self.tasks {
            if !ids.insert(&task.id) {
                return Err(PlanError::DuplicateTask(task.id.clone()));
            }
        }
        let known = |place: String, task: &TaskId| match ids.contains(task) {
            true => Ok(()),
            false => Err(PlanError::UnknownTask { place, task: task.clone() }),
        };
        for task in &self.tasks {
            for need in &task.needs {
                known(format!("`needs` of {}", task.id), need)?;
            }
            if task.uses == StepKind::Command && task.command.is_empty() {
                return Err(PlanError::Invalid(format!("task {} uses \"command\" but names no command", task.id)));
            }
        }
        let items: BTreeSet<&str> = self.attestations.iter().map(|a| a.id.as_str()).collect();
        if items.len() != self.attestations.len() {
            return Err(PlanError::Invalid("an attestation id is used twice".into()));
        }
        for gate in &self.gates {
            for rule in &gate.rules {
                let deciders =
                    usize::from(rule.task.is_some()) + usize::from(rule.attested.is_some()) + usize::from(rule.approval.is_some());
                if deciders != 1 {
                    return Err(PlanError::Invalid(format!(
                        "rule \"{}\" of {} needs exactly one of task, attested, approval",
                        rule.rule, gate.id
                    )));
                }
                if let Some(task) = &rule.task {
                    known(format!("rule \"{}\" of {}", rule.rule, gate.id), task)?;
                }
                if let Some(item) = &rule.attested
                    && !items.contains(item.as_str())
                {
                    return Err(PlanError::Invalid(format!(
                        "rule \"{}\" of {} names attestation {item}, which the plan does not have",
                        rule.rule, gate.id
                    )));
                }
            }
        }
        for risk in &self.risks {
            for task in &risk.tasks {
                known(format!("risk \"{}\"", risk.risk), task)?;
            }
        }
        for item in &self.attestations {
            if item.published && item.measured_by.is_empty() {
                return Err(PlanError::Invalid(format!("attestation {}: published goes with measured-by", item.id)));
            }
            for task in &item.measured_by {
                known(format!("attestation {}", item.id), task)?;
            }
        }
        self.order().map(|_| ())
    }
}
