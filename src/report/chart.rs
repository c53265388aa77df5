//! Charts as plain geometry: whole numbers and words, drawn by the SVG templates. No measurement is made here.

use std::collections::BTreeMap;

use serde::Serialize;

use super::format::{self, Mark};
use super::model::product;
use crate::domain::plan::StepKind;
use crate::domain::product::{PerformanceProduct, Product};
use crate::record::Run;

pub use super::graph::Graph;
pub use super::isolation::Isolation;

/// All charts of a report; `None` where there is nothing to draw.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Charts {
    pub isolation: Option<Isolation>,
    pub latency: Option<Latency>,
    pub timeline: Option<TimelineChart>,
    pub graph: Option<Graph>,
    pub rows: Option<RowsChart>,
    pub history: Option<History>,
}

impl Charts {
    /// Draws what the run has products for.
    pub fn build(run: &Run, earlier: &[Run]) -> Self {
        let mut charts = Self { timeline: timeline(run), history: history(run, earlier), ..Self::default() };
        if let Some((seq, Product::RowSecurity(p))) = product(run, StepKind::RowSecurity) {
            charts.isolation = super::isolation::isolation(p, seq);
        }
        if let Some((seq, Product::Performance(p))) = product(run, StepKind::Performance) {
            charts.latency = latency(p, seq);
        }
        if let Some((seq, Product::ForeignKeys(p))) = product(run, StepKind::ForeignKeys) {
            charts.graph = super::graph::graph(&p.keys, seq);
        }
        if let Some((seq, Product::Integrity(p))) = product(run, StepKind::Integrity) {
            charts.rows = rows(&p.tables, seq);
        }
        charts
    }
}

/// Text at a place.
#[derive(Clone, Debug, Serialize)]
pub struct Label {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub text: String,
}

const NAME_WIDTH: u32 = 200;
const ROW: u32 = 20;
/// Ratio after ÷ before of every query with its interval, against the limit, on a logarithmic axis.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    pub seq: u64,
    pub width: u32,
    pub height: u32,
    pub limit_x: u32,
    pub limit: String,
    pub control_x: u32,
    pub control_width: u32,
    pub ticks: Vec<Label>,
    pub rows: Vec<LatencyRow>,
}

#[derive(Clone, Debug, Serialize)]
pub struct LatencyRow {
    pub y: u32,
    pub name: String,
    pub class: &'static str,
    pub glyph: &'static str,
    pub low_x: u32,
    pub width: u32,
    pub x: u32,
    pub text: String,
    pub title: String,
}

fn latency(product: &PerformanceProduct, seq: u64) -> Option<Latency> {
    const PLOT: f64 = 330.0;
    let limit = 1.0 + product.limit_percent / 100.0;
    let usable = |v: f64| v.is_finite() && v > 0.0;
    let queries: Vec<_> = product.queries.iter().filter(|q| usable(q.ratio) && usable(q.low) && usable(q.high)).collect();
    if queries.is_empty() {
        return None;
    }
    let low = queries.iter().map(|q| q.low).fold(0.8_f64, f64::min);
    let high = queries.iter().map(|q| q.high).fold(limit.max(1.25), f64::max);
    let (from, to) = (low.ln() - 0.06, high.ln() + 0.06);
    let at = |v: f64| NAME_WIDTH + ((v.ln() - from) / (to - from) * PLOT).clamp(0.0, PLOT).round() as u32;
    let top = 30;
    let rows: Vec<LatencyRow> = queries
        .iter()
        .enumerate()
        .map(|(index, q)| {
            let (class, glyph) = match q.verdict.as_str() {
                "regressed" => ("fail", "✗"),
                "inconclusive" => ("unknown", "?"),
                "improved" | "same-work" | "within-limit" => ("pass", "✓"),
                _ => ("unknown", "?"),
            };
            LatencyRow {
                y: top + index as u32 * 22,
                name: fit(&q.name),
                class,
                glyph,
                low_x: at(q.low),
                width: at(q.high).saturating_sub(at(q.low)).max(1),
                x: at(q.ratio),
                text: format!("{:.2} ({:.2}–{:.2})", q.ratio, q.low, q.high),
                title: format!(
                    "{}: {} → {} per execution, ratio {:.3} ({:.3}–{:.3}), {} over {} blocks. {}",
                    q.name,
                    format::duration(q.before_us.round() as i64),
                    format::duration(q.after_us.round() as i64),
                    q.ratio,
                    q.low,
                    q.high,
                    q.verdict,
                    q.blocks,
                    q.why
                ),
            }
        })
        .collect();
    let ticks = [0.01_f64, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
        .iter()
        .filter(|v| v.ln() >= from && v.ln() <= to)
        .map(|v| Label { x: at(*v), y: 12, width: 0, text: format!("{v}×") })
        .collect();
    let (control_x, control_end) = match usable(product.control_low) && usable(product.control_high) {
        true => (at(product.control_low), at(product.control_high)),
        false => (at(1.0), at(1.0)),
    };
    Some(Latency {
        seq,
        width: NAME_WIDTH + PLOT as u32 + 150,
        height: top + queries.len() as u32 * 22 + 8,
        limit_x: at(limit),
        limit: format!("{}", product.limit_percent),
        control_x,
        control_width: control_end.saturating_sub(control_x),
        ticks,
        rows,
    })
}

/// Tasks over time; execution's files below its bar.
#[derive(Clone, Debug, Serialize)]
pub struct TimelineChart {
    pub width: u32,
    pub height: u32,
    pub total: String,
    pub bars: Vec<Bar>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Bar {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub class: &'static str,
    /// A migration, drawn thinner under its task.
    pub minor: bool,
    pub name: String,
    pub text: String,
    pub title: String,
    pub seq: u64,
}

fn timeline(run: &Run) -> Option<TimelineChart> {
    const PLOT: i128 = 420;
    let tasks: Vec<_> = run.config.plan.tasks.iter().filter_map(|t| run.latest(&t.id).map(|(a, r)| (t, a, r))).collect();
    let start = tasks.iter().map(|(_, a, _)| a.started.as_str()).min()?.to_owned();
    let end = tasks.iter().map(|(_, _, r)| r.finished.as_str()).max()?.to_owned();
    let total = format::between(&start, &end).filter(|us| *us > 0)?;
    let place = |at: &str, us: i64| {
        let from = format::between(&start, at).unwrap_or(0).clamp(0, total);
        let x = (i128::from(from) * PLOT / i128::from(total)) as u32;
        let width = (i128::from(us.clamp(0, total)) * PLOT / i128::from(total)).max(2) as u32;
        (NAME_WIDTH + x, width)
    };
    let mut bars = Vec::new();
    let mut y = 6;
    for (task, attempt, result) in tasks {
        let (x, width) = place(&attempt.started, result.duration_us);
        let text = format::duration(result.duration_us);
        let title = format!("{} {}: started {}, took {text}", task.id, task.name, format::time(&attempt.started));
        let class = Mark::outcome(&result.document.outcome).class;
        bars.push(Bar { x, y, width, class, minor: false, name: fit(&format!("{} {}", task.id, task.name)), text, title, seq: result.seq });
        y += 22;
        if let Some(Product::Execute(execution)) = &result.document.product {
            for file in &execution.files {
                let (x, width) = place(&file.started, file.duration_us);
                let text = format::duration(file.duration_us);
                let blocking = file.statements.iter().flat_map(|s| &s.locks).filter(|lock| lock.mode.blocks_anything());
                let locks: Vec<String> = blocking.map(|lock| format!("{} {}", lock.mode, lock.relation)).collect();
                let held = if locks.is_empty() { String::new() } else { format!(", locks taken: {}", locks.join(", ")) };
                let title = format!("{}: took {text} in {}{held}", file.file, format::plural(file.attempts.into(), "attempt", "attempts"));
                let class = if file.applied { "pass" } else { "fail" };
                bars.push(Bar { x, y, width, class, minor: true, name: file.version.clone(), text, title, seq: result.seq });
                y += 16;
            }
        }
    }
    Some(TimelineChart { width: NAME_WIDTH + PLOT as u32 + 90, height: y + 4, total: format::duration(total), bars })
}

/// Rows of every table before and after.
#[derive(Clone, Debug, Serialize)]
pub struct RowsChart {
    pub seq: u64,
    pub width: u32,
    pub height: u32,
    pub rows: Vec<RowBar>,
}

#[derive(Clone, Debug, Serialize)]
pub struct RowBar {
    pub y: u32,
    pub table: String,
    pub before_width: u32,
    pub after_width: u32,
    pub class: &'static str,
    pub text: String,
    pub title: String,
}

fn rows(tables: &[crate::domain::product::RowDelta], seq: u64) -> Option<RowsChart> {
    const PLOT: u128 = 330;
    let most = tables.iter().flat_map(|t| [t.before, t.after]).flatten().max()?.max(1);
    let width = |n: Option<u64>| n.map_or(0, |n| ((u128::from(n) * PLOT / u128::from(most)) as u32).max(1));
    let shown = |n: Option<u64>| n.map_or_else(|| "–".to_owned(), format::count);
    let rows: Vec<RowBar> = tables
        .iter()
        .enumerate()
        .map(|(index, t)| {
            let (class, text) = match (t.before, t.after) {
                (Some(before), Some(after)) if before == after => ("pass", format!("{} = {}", shown(t.before), shown(t.after))),
                (Some(_), Some(_)) => ("changed", format!("{} → {}", shown(t.before), shown(t.after))),
                _ => ("changed", format!("{} → {}", shown(t.before), shown(t.after))),
            };
            let title = format!("{}: {} rows before, {} after", t.table, shown(t.before), shown(t.after));
            RowBar {
                y: 4 + index as u32 * 22,
                table: fit(&t.table),
                before_width: width(t.before),
                after_width: width(t.after),
                class,
                text,
                title,
            }
        })
        .collect();
    Some(RowsChart { seq, width: NAME_WIDTH + PLOT as u32 + 150, height: 8 + rows.len() as u32 * 22, rows })
}

/// Attempts of every task, in this run and in earlier ones.
#[derive(Clone, Debug, Serialize)]
pub struct History {
    pub width: u32,
    pub height: u32,
    pub runs: Vec<Label>,
    pub rows: Vec<HistoryRow>,
}

#[derive(Clone, Debug, Serialize)]
pub struct HistoryRow {
    pub y: u32,
    pub name: String,
    pub dots: Vec<Dot>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Dot {
    pub x: u32,
    pub class: &'static str,
    pub glyph: &'static str,
    pub title: String,
    /// Set for attempts of this run, whose entries the report lists.
    pub seq: Option<u64>,
}

/// Runs shown at most, newest last.
const RUNS_SHOWN: usize = 6;
const DOT: u32 = 24;

fn history(run: &Run, earlier: &[Run]) -> Option<History> {
    let runs: Vec<&Run> = earlier[earlier.len().saturating_sub(RUNS_SHOWN - 1)..].iter().chain([run]).collect();
    let tasks = &run.config.plan.tasks;
    let of = |run: &Run, task: &crate::domain::TaskId| run.attempts.iter().filter(|a| &a.task == task).count();
    if runs.len() == 1 && tasks.iter().all(|t| of(run, &t.id) <= 1) {
        return None;
    }
    let mut x = NAME_WIDTH;
    let mut labels = Vec::new();
    let mut dots: BTreeMap<usize, Vec<Dot>> = BTreeMap::new();
    for one in &runs {
        let most = tasks.iter().map(|t| of(one, &t.id)).max().unwrap_or(0).max(1) as u32;
        for (row, task) in tasks.iter().enumerate() {
            for (index, attempt) in one.attempts.iter().filter(|a| a.task == task.id).enumerate() {
                let (mark, seq) = match &attempt.result {
                    None => (Mark::UNKNOWN, attempt.started_seq),
                    Some(result) => (Mark::outcome(&result.document.outcome), result.seq),
                };
                let word = if attempt.result.is_none() { "interrupted" } else { mark.word };
                dots.entry(row).or_default().push(Dot {
                    x: x + index as u32 * DOT,
                    class: mark.class,
                    glyph: mark.glyph,
                    title: format!("{} {} attempt {}: {word}, entry {seq}", one.id, task.id, attempt.attempt),
                    seq: (one.id == run.id).then_some(seq),
                });
            }
        }
        let wide = (most * DOT).max(120);
        labels.push(Label { x, y: 12, width: wide, text: one.id.to_string() });
        x += wide + 12;
    }
    let rows = tasks
        .iter()
        .enumerate()
        .map(|(row, task)| HistoryRow {
            y: 22 + row as u32 * ROW,
            name: fit(&format!("{} {}", task.id, task.name)),
            dots: dots.remove(&row).unwrap_or_default(),
        })
        .collect();
    Some(History { width: x, height: 26 + tasks.len() as u32 * ROW, runs: labels, rows })
}

/// A name that fits left of a chart; the element's title carries the whole.
pub(super) fn fit(name: &str) -> String {
    if name.chars().count() <= 32 { name.to_owned() } else { format!("{}…", name.chars().take(31).collect::<String>()) }
}
