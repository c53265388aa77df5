//! The day of the plan: when each task would start and end. Pure arithmetic over estimates; nothing is measured here.

use std::collections::BTreeMap;

use super::TaskId;
use super::plan::{Plan, PlanError, Schedule};

/// A time of day as minutes from midnight; a long day may pass 24:00.
pub type Minute = u32;

/// When one task is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub task: TaskId,
    pub start: Minute,
    pub end: Minute,
}

/// The plan's day, laid out twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// One task after the other, in the plan's order.
    pub in_turn: Vec<Slot>,
    /// Each task as soon as what it needs is done; needs more than one person.
    pub side_by_side: Vec<Slot>,
    /// The end of the window.
    pub window_end: Minute,
}

impl Day {
    /// When the last task of a layout ends.
    pub fn end(slots: &[Slot]) -> Minute {
        slots.iter().map(|slot| slot.end).max().unwrap_or_default()
    }
}

/// Reads `HH:MM`.
pub fn minute(text: &str) -> Option<Minute> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// `HH:MM`; past midnight the hours go on.
pub fn clock(minute: Minute) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// `5 h 50 min`, `45 min`.
pub fn duration(minutes: u32) -> String {
    match (minutes / 60, minutes % 60) {
        (0, m) => format!("{m} min"),
        (h, 0) => format!("{h} h"),
        (h, m) => format!("{h} h {m:02} min"),
    }
}

/// Lays the plan out from its own start, or from `start`. A task does not start in the lunch break, and pauses over it.
pub fn day(plan: &Plan, schedule: &Schedule, start: Option<Minute>) -> Result<Day, PlanError> {
    let read = |text: &str| minute(text).ok_or_else(|| PlanError::Invalid(format!("\"{text}\" in the schedule is not a time HH:MM")));
    let start = start.map_or_else(|| read(&schedule.start), Ok)?;
    let window_end = read(&schedule.end)?;
    let lunch = schedule.lunch.as_ref().map(|lunch| Ok::<_, PlanError>((read(&lunch.start)?, read(&lunch.end)?))).transpose()?;
    let slot = |task: TaskId, from: Minute, minutes: u32| match lunch {
        Some((pause, resume)) if pause < resume => {
            let from = if (pause..resume).contains(&from) { resume } else { from };
            let passes = from < pause && from + minutes > pause;
            Slot { task, start: from, end: from + minutes + if passes { resume - pause } else { 0 } }
        }
        _ => Slot { task, start: from, end: from + minutes },
    };

    let order = plan.order()?;
    let mut in_turn: Vec<Slot> = Vec::with_capacity(order.len());
    let mut ends: BTreeMap<&TaskId, Minute> = BTreeMap::new();
    let mut side_by_side = Vec::with_capacity(order.len());
    for task in order {
        let after = in_turn.last().map_or(start, |last| last.end);
        in_turn.push(slot(task.id.clone(), after, task.estimate_minutes));
        let ready = task.needs.iter().filter_map(|need| ends.get(need)).copied().max().unwrap_or(start);
        let early = slot(task.id.clone(), ready, task.estimate_minutes);
        ends.insert(&task.id, early.end);
        side_by_side.push(early);
    }
    Ok(Day { in_turn, side_by_side, window_end })
}
