//! The plan's expectations against what was measured: its risks, and its timeline.

use serde::Serialize;

use super::format::{self, Mark};
use crate::domain::Outcome;
use crate::domain::plan::Schedule;
use crate::domain::schedule::{self, Day, clock};
use crate::domain::verdict::Judgement;
use crate::record::Run;

/// A risk with what speaks about it.
#[derive(Clone, Debug, Serialize)]
pub struct RiskView {
    pub risk: String,
    pub probability: String,
    pub impact: String,
    pub mitigation: String,
    pub measured: Vec<Measured>,
}

/// What one task says about a risk.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub task: String,
    pub mark: Mark,
    pub text: String,
    pub seq: Option<u64>,
}

/// The plan's risks, in plan order.
pub fn risks(run: &Run, judgement: &Judgement) -> Vec<RiskView> {
    run.config
        .plan
        .risks
        .iter()
        .map(|risk| RiskView {
            risk: risk.risk.clone(),
            probability: risk.probability.clone(),
            impact: risk.impact.clone(),
            mitigation: risk.mitigation.clone(),
            measured: judgement
                .tasks
                .iter()
                .filter(|t| risk.tasks.contains(&t.task))
                .map(|judged| {
                    let headline = run.latest(&judged.task).map(|(_, r)| r.document.headline.clone()).unwrap_or_default();
                    let text = match &judged.outcome {
                        Outcome::Unknown(why) | Outcome::Skipped(why) => why.clone(),
                        Outcome::Pass | Outcome::Fail => headline,
                    };
                    Measured { task: judged.task.to_string(), mark: Mark::outcome(&judged.outcome), text, seq: judged.seq }
                })
                .collect(),
        })
        .collect()
}

/// Planned against actual.
#[derive(Clone, Debug, Serialize)]
pub struct Timeline {
    /// `Wednesday 10:00–16:00, lunch 12:15–13:00`; empty when the plan has no schedule.
    pub window: String,
    pub buffer: String,
    /// What of the plan does not fit into its own window; empty when all does.
    pub overrun: String,
    pub rows: Vec<TimelineRow>,
    pub planned_total: String,
    pub actual_total: String,
}

/// One task of the timeline.
#[derive(Clone, Debug, Serialize)]
pub struct TimelineRow {
    pub task: String,
    pub name: String,
    /// `10:00–10:30`, team time; empty without a schedule.
    pub slot: String,
    pub planned: String,
    /// Start of the deciding attempt in UTC; empty: not run.
    pub started: String,
    pub actual: String,
    pub attempts: usize,
    pub seq: Option<u64>,
}

/// The timeline of the deciding attempts.
pub fn timeline(run: &Run) -> Timeline {
    let plan = &run.config.plan;
    let day = plan.schedule.as_ref().and_then(|s| schedule::day(plan, s, None).ok());
    let slot = |task| day.iter().flat_map(|d| &d.in_turn).find(|s| &s.task == task).map(|s| format!("{}–{}", clock(s.start), clock(s.end)));
    let mut actual_us = 0_i64;
    let mut planned = 0_u32;
    let rows = plan
        .tasks
        .iter()
        .map(|task| {
            let latest = run.latest(&task.id);
            let us = latest.map(|(_, r)| r.duration_us);
            actual_us += us.unwrap_or(0);
            planned += task.estimate_minutes;
            TimelineRow {
                task: task.id.to_string(),
                name: task.name.clone(),
                slot: slot(&task.id).unwrap_or_default(),
                planned: format::minutes(task.estimate_minutes),
                started: latest.map(|(a, _)| format::time(&a.started).replace(" UTC", "")).unwrap_or_default(),
                actual: us.map_or_else(|| "not run".into(), format::duration),
                attempts: run.attempts.iter().filter(|a| a.task == task.id).count(),
                seq: latest.map(|(_, r)| r.seq),
            }
        })
        .collect();
    let schedule = plan.schedule.as_ref();
    Timeline {
        window: schedule.map(window).unwrap_or_default(),
        buffer: schedule.map(|s| s.buffer.clone()).unwrap_or_default(),
        overrun: day.as_ref().map(overrun).unwrap_or_default(),
        rows,
        planned_total: format::minutes(planned),
        actual_total: format::duration(actual_us),
    }
}

fn window(schedule: &Schedule) -> String {
    let lunch = schedule.lunch.as_ref().map(|l| format!(", lunch {}–{}", l.start, l.end)).unwrap_or_default();
    format!("{} {}–{}{lunch}", schedule.weekday, schedule.start, schedule.end)
}

/// Says which tasks the plan's own estimates put after the plan's own window, and whether doing some side by side mends it.
fn overrun(day: &Day) -> String {
    let end = Day::end(&day.in_turn);
    if end <= day.window_end {
        return String::new();
    }
    let late: Vec<&str> = day.in_turn.iter().filter(|s| s.end > day.window_end).map(|s| s.task.as_str()).collect();
    let beside = Day::end(&day.side_by_side);
    let beside = match beside.checked_sub(day.window_end) {
        Some(over) if over > 0 => format!("side by side, where their needs allow it, they still end at {}", clock(beside)),
        _ => format!("side by side, where their needs allow it, they end at {}, in the window", clock(beside)),
    };
    format!(
        "The estimates do not fit: one after the other they end at {}, {} after the window ({}); {beside}.",
        clock(end),
        schedule::duration(end - day.window_end),
        late.join(", ")
    )
}
