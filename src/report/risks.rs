//! The plan's expectations against what was measured: its risks, and its timeline.

use serde::Serialize;

use super::format::{self, Mark};
use crate::domain::Outcome;
use crate::domain::plan::Schedule;
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
    let mut day = plan.schedule.as_ref().and_then(Day::of);
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
                slot: day.as_mut().map(|d| d.slot(task.estimate_minutes)).unwrap_or_default(),
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
        rows,
        planned_total: format::minutes(planned),
        actual_total: format::duration(actual_us),
    }
}

fn window(schedule: &Schedule) -> String {
    let lunch = schedule.lunch.as_ref().map(|l| format!(", lunch {}–{}", l.start, l.end)).unwrap_or_default();
    format!("{} {}–{}{lunch}", schedule.weekday, schedule.start, schedule.end)
}

/// The plan's day in minutes since midnight.
struct Day {
    now: u32,
    lunch: Option<(u32, u32)>,
}

impl Day {
    fn of(schedule: &Schedule) -> Option<Self> {
        let lunch = match &schedule.lunch {
            None => None,
            Some(lunch) => Some((of_day(&lunch.start)?, of_day(&lunch.end)?)),
        };
        Some(Self { now: of_day(&schedule.start)?, lunch })
    }

    /// The next task's slot. A task that would run into lunch starts after it.
    fn slot(&mut self, minutes: u32) -> String {
        if let Some((start, end)) = self.lunch
            && self.now + minutes > start
            && self.now < end
        {
            self.now = end;
        }
        let from = self.now;
        self.now += minutes;
        format!("{:02}:{:02}–{:02}:{:02}", from / 60, from % 60, self.now / 60, self.now % 60)
    }
}

fn of_day(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    Some(hours.parse::<u32>().ok()? * 60 + minutes.parse::<u32>().ok()?)
}
