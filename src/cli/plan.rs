//! `ledger plan`: the plan as it stands in ledger.toml, and the day it makes.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::{CliError, Exit, Globals, MessageFormat};
use crate::domain::plan::{AttestationList, GateRule, Plan, Priority};
use crate::domain::schedule::{self, Day, clock, duration};

/// Show tasks, gates, roles, the day's schedule and its critical path
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Lay the day out from this time on [default: the schedule's own start]
    #[arg(long, value_name = "HH:MM", value_parser = time)]
    start: Option<schedule::Minute>,
}

fn time(text: &str) -> Result<schedule::Minute, String> {
    schedule::minute(text).ok_or_else(|| "a time is HH:MM, such as 10:00".to_owned())
}

/// Prints the plan.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let (_, config, _) = globals.config()?;
    let plan = &config.plan;
    let broken = |error: crate::domain::plan::PlanError| CliError::setup("the plan in ledger.toml cannot be laid out").cause(error);
    let day = plan.schedule.as_ref().map(|schedule| schedule::day(plan, schedule, args.start)).transpose().map_err(broken)?;
    let (minutes, path) = plan.critical_path().map_err(broken)?;
    let ui = globals.ui();
    if ui.format == MessageFormat::Json {
        ui.json(&Answer::of(plan, day.as_ref(), minutes, &path))?;
        return Ok(Exit::Good);
    }

    ui.answer(format!("{}: {}\n\n", plan.id, plan.title));
    ui.answer(tasks(plan).trim_fmt());
    ui.answer("");
    ui.answer(promises(plan).trim_fmt());
    ui.answer("");
    ui.answer(gates(plan).trim_fmt());
    ui.answer("");
    if let (Some(day), Some(schedule)) = (&day, &plan.schedule) {
        let start = args.start.map_or_else(|| schedule.start.clone(), clock);
        let lunch = schedule.lunch.as_ref().map(|l| format!(", lunch {}–{}", l.start, l.end)).unwrap_or_default();
        ui.answer(format!("{}, {start}–{}{lunch}; then: {}\n\n", schedule.weekday, schedule.end, schedule.buffer));
        ui.answer(timetable(plan, day).trim_fmt());
        ui.answer("");
        ui.answer(format!(" One after the other  {}", fits(day, &day.in_turn)));
        ui.answer(format!(" Side by side         {}", fits(day, &day.side_by_side)));
    }
    let total: u32 = plan.tasks.iter().map(|t| t.estimate_minutes).sum();
    let path: Vec<&str> = path.iter().map(|t| t.as_str()).collect();
    ui.answer(format!(" Estimates in all     {}", duration(total)));
    ui.answer(format!(" Critical path        {}: {}\n\n", duration(minutes), path.join(" → ")));
    ui.answer(roles(plan).trim_fmt());
    ui.answer("");
    ui.answer(people(plan).trim_fmt());
    ui.answer("");
    if !plan.risks.is_empty() {
        ui.answer(risks(plan).trim_fmt());
        ui.answer("");
    }
    if let Some(contacts) = &plan.contacts {
        ui.answer(format!(" Contact              {}; emergency: {}", contacts.primary, contacts.emergency));
        ui.answer(format!(" Escalation           {}", contacts.escalation.join(" → ")));
    }
    Ok(Exit::Good)
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(118).set_header(header);
    table
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Medium => "medium",
        Priority::High => "high",
        Priority::Critical => "critical",
    }
}

fn tasks(plan: &Plan) -> Table {
    let mut table = table(&["TASK", "NAME", "USES", "ESTIMATE", "PRIORITY", "NEEDS"]);
    for task in &plan.tasks {
        let needs: Vec<&str> = task.needs.iter().map(|n| n.as_str()).collect();
        let needs = match needs.len() {
            0 => "none".to_owned(),
            n if n + 1 == plan.tasks.len() => "all others".to_owned(),
            _ => needs.join(", "),
        };
        table.add_row([
            task.id.as_str(),
            &task.name,
            task.uses.word(),
            &duration(task.estimate_minutes),
            priority(task.priority),
            &needs,
        ]);
    }
    table
}

/// What each task delivers, and what counts as its success.
fn promises(plan: &Plan) -> Table {
    let mut table = table(&["TASK", "DELIVERS", "SUCCESS"]);
    for task in &plan.tasks {
        let files: Vec<&str> = task.deliverables.iter().map(|d| d.file.as_str()).collect();
        table.add_row([task.id.as_str(), &files.join(", "), &task.success.join(", ")]);
    }
    table
}

fn risks(plan: &Plan) -> Table {
    let mut table = table(&["RISK", "PROBABILITY", "IMPACT", "MITIGATION", "MEASURED BY"]);
    for risk in &plan.risks {
        let tasks: Vec<&str> = risk.tasks.iter().map(|t| t.as_str()).collect();
        let tasks = if tasks.is_empty() { "nothing".to_owned() } else { tasks.join(", ") };
        table.add_row([&risk.risk, &risk.probability, &risk.impact, &risk.mitigation, &tasks]);
    }
    table
}

/// What decides a rule, in words.
fn decided_by(rule: &GateRule) -> String {
    match (&rule.task, &rule.attested, &rule.approval) {
        (Some(task), _, _) if rule.checks.is_empty() => format!("measured by {task}"),
        (Some(task), _, _) => {
            let checks: Vec<&str> = rule.checks.iter().map(|c| c.as_str()).collect();
            format!("measured by {task}: {}", checks.join(", "))
        }
        (_, Some(item), _) => format!("attested: {item}"),
        (_, _, Some(role)) => format!("signed by {role}"),
        _ => "nothing".to_owned(),
    }
}

fn gates(plan: &Plan) -> Table {
    let mut table = table(&["GATE", "RULE", "DECIDED BY"]);
    for gate in &plan.gates {
        for (index, rule) in gate.rules.iter().enumerate() {
            let name = if index == 0 { format!("{} {}", gate.id, gate.name) } else { String::new() };
            table.add_row([&name, &rule.rule, &decided_by(rule)]);
        }
    }
    table
}

fn timetable(plan: &Plan, day: &Day) -> Table {
    let mut table = table(&["TASK", "PHASE", "ONE AFTER THE OTHER", "SIDE BY SIDE"]);
    for (turn, side) in day.in_turn.iter().zip(&day.side_by_side) {
        let phase = plan.task(&turn.task).map(|t| t.phase.as_str()).unwrap_or_default();
        let span = |slot: &schedule::Slot| format!("{}–{}", clock(slot.start), clock(slot.end));
        table.add_row([turn.task.as_str(), phase, &span(turn), &span(side)]);
    }
    table
}

fn fits(day: &Day, slots: &[schedule::Slot]) -> String {
    let end = Day::end(slots);
    match end.checked_sub(day.window_end) {
        Some(0) | None => format!("ends {}, in the window", clock(end)),
        Some(over) => format!("ends {}, {} after the window", clock(end), duration(over)),
    }
}

fn roles(plan: &Plan) -> Table {
    let mut table = table(&["ROLE", "RESPONSIBLE FOR", "TASKS"]);
    for role in &plan.roles {
        let tasks: Vec<&str> = plan.tasks.iter().filter(|t| t.roles.contains(&role.id)).map(|t| t.id.as_str()).collect();
        let tasks = match tasks.len() {
            0 => "none".to_owned(),
            n if n == plan.tasks.len() => "all".to_owned(),
            _ => tasks.join(", "),
        };
        table.add_row([&format!("{} ({})", role.name, role.id), &role.responsibilities, &tasks]);
    }
    table
}

/// The items that a person answers, by list.
fn people(plan: &Plan) -> Table {
    use AttestationList::{AfterExecution, BeforeExecution, MigrationSuccessful, ReadyForProduction, ThisWeek};
    let mut table = table(&["LIST", "TO ATTEST (* NOT REQUIRED)"]);
    for list in [ThisWeek, BeforeExecution, AfterExecution, MigrationSuccessful, ReadyForProduction] {
        let items: Vec<String> = plan
            .attestations
            .iter()
            .filter(|a| a.list == list && a.measured_by.is_empty() && a.approval.is_none())
            .map(|a| format!("{}{}", a.id, if a.required { "" } else { "*" }))
            .collect();
        if !items.is_empty() {
            table.add_row([list.title(), &items.join(", ")]);
        }
    }
    table
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    plan: &'a Plan,
    in_turn: Vec<Row>,
    side_by_side: Vec<Row>,
    window_end: Option<String>,
    critical_minutes: u32,
    critical_path: &'a [crate::domain::TaskId],
}

#[derive(Serialize)]
struct Row {
    task: String,
    start: String,
    end: String,
}

impl<'a> Answer<'a> {
    fn of(plan: &'a Plan, day: Option<&Day>, critical_minutes: u32, critical_path: &'a [crate::domain::TaskId]) -> Self {
        let rows = |slots: &[schedule::Slot]| {
            slots.iter().map(|s| Row { task: s.task.to_string(), start: clock(s.start), end: clock(s.end) }).collect()
        };
        Self {
            schema: "ledger.plan/1",
            plan,
            in_turn: day.map(|d| rows(&d.in_turn)).unwrap_or_default(),
            side_by_side: day.map(|d| rows(&d.side_by_side)).unwrap_or_default(),
            window_end: day.map(|d| clock(d.window_end)),
            critical_minutes,
            critical_path,
        }
    }
}
