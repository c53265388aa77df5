//! The three deliverables of CE-26, from what was measured. No parameter and no row value is in them.

use serde_json::{Value, json};

use super::measure::Measured;
use super::stats::{self, Verdict};
use super::{Comparison, indexes};

/// `benchmark_results.json`: every block of every query, its plans, and how it was measured.
pub fn results(comparison: &Comparison) -> Value {
    let queries: Vec<Value> = comparison.measured.iter().map(query).collect();
    let ratios: Vec<f64> = comparison.measured.iter().filter_map(|one| one.interval.map(|interval| interval.ratio)).collect();
    json!({
        "limit": comparison.options.limit,
        "budget_seconds": comparison.options.budget.as_secs(),
        "measuring_seconds": comparison.measuring.as_secs_f64(),
        "role": comparison.options.role,
        "settings": comparison.options.settings.keys().collect::<Vec<_>>(),
        "order_seed": format!("{:016x}", comparison.options.seed),
        "before": "two copies of the pre-migration backup",
        "after": comparison.after_is,
        "interval_level": 1.0 - stats::alpha(comparison.measured.len()),
        "resamples": stats::RESAMPLES,
        "geometric_mean": stats::geometric_mean(&ratios),
        "connections_by_state": comparison.connections,
        "index_scans": comparison.scans,
        "queries": queries,
    })
}

fn query(one: &Measured) -> Value {
    let interval = |interval: Option<stats::Interval>| {
        interval.map(|i| json!({ "ratio": i.ratio, "low": i.low, "high": i.high, "bootstrap_seed": format!("{:016x}", i.seed) }))
    };
    json!({
        "name": one.query.name,
        "file": one.query.file,
        "sha256": one.query.sha256,
        "parameters": one.query.params.len(),
        "verdict": one.verdict,
        "why": one.why,
        "after_over_before": interval(one.interval),
        "control": interval(one.control),
        "rows_before": one.rows.map(|rows| rows.0),
        "rows_after": one.rows.map(|rows| rows.1),
        "same_rows": one.same_rows,
        "writes": one.plans.as_ref().map(|plans| plans.0.writes()),
        "same_plan_shape": one.plans.as_ref().map(|(before, after)| before.same_shape(after)),
        "same_work": one.plans.as_ref().map(|(before, after)| before.same_work(after)),
        "seconds_before": one.seconds[0],
        "seconds_control": one.seconds[1],
        "seconds_after": one.seconds[2],
        "plan_before": one.plans.as_ref().map(|plans| &plans.0),
        "plan_after": one.plans.as_ref().map(|plans| &plans.1),
    })
}

/// `benchmark_comparison.md`.
pub fn comparison(comparison: &Comparison) -> String {
    let limit = comparison.options.limit;
    let level = 100.0 * (1.0 - stats::alpha(comparison.measured.len()));
    let mut text = format!(
        "# Benchmark comparison\n\n\
         A ratio is the time after the migrations over the time before. Limit: {limit:.2}. \
         Before: two copies of the pre-migration backup. After: one copy, {}. \
         Intervals: bootstrap over blocks on fresh connections, at {level:.2} % each, 95 % for all together. \
         Control: the ratio of the two copies before, which are equal.\n\n\
         | query | before | after | ratio | control | blocks | verdict |\n|---|---:|---:|---|---|---:|---|\n",
        comparison.after_is
    );
    for one in &comparison.measured {
        let (before, after) = one.medians_us().map_or(("–".into(), "–".into()), |(before, after)| (shown_us(before), shown_us(after)));
        let shown = |interval: Option<stats::Interval>| interval.map_or_else(|| "–".into(), |interval| interval.to_string());
        text.push_str(&format!(
            "| {} | {before} | {after} | {} | {} | {} | {} |\n",
            cell(&one.query.name),
            shown(one.interval),
            shown(one.control),
            one.logs.len(),
            one.verdict.word()
        ));
    }
    let ratios: Vec<f64> = comparison.measured.iter().filter_map(|one| one.interval.map(|interval| interval.ratio)).collect();
    if let Some(mean) = stats::geometric_mean(&ratios) {
        text.push_str(&format!("\nGeometric mean of {} ratios: {mean:.2}.\n", ratios.len()));
    }
    text.push_str("\n## What each verdict rests on\n\n");
    for one in &comparison.measured {
        text.push_str(&format!("- **{}** – {}: {}\n", cell(&one.query.name), one.verdict.word(), cell(&one.why)));
        if let Some((before, after)) = &one.plans {
            text.push_str(&format!("  - before: `{}`, {} blocks of buffers\n", code(&before.line()), before.buffers));
            text.push_str(&format!("  - after: `{}`, {} blocks of buffers\n", code(&after.line()), after.buffers));
        }
    }
    if comparison.measured.iter().any(|one| one.verdict == Verdict::Inconclusive) {
        text.push_str("\nInconclusive is not a pass: the question is open.\n");
    }
    text
}

/// `index_usage_analysis.md`.
pub fn index_usage(comparison: &Comparison) -> String {
    let mut text = String::from(
        "# Index usage\n\nScans of each index on the migrated copy while the workload ran (differences of `idx_scan`). \
         The workload need not know every reader: look at production statistics before dropping an index.\n\n\
         | index | table | scans | size | remark |\n|---|---|---:|---:|---|\n",
    );
    for (name, index) in &comparison.usage {
        let scans = comparison.scans.get(name).copied().unwrap_or(0);
        let remark = match (scans, index.guards) {
            (0, false) => "not used by the workload",
            (0, true) => "guards a constraint",
            _ => "",
        };
        text.push_str(&format!("| {} | {} | {scans} | {} | {remark} |\n", cell(name), cell(&index.table), index.bytes));
    }
    if comparison.usage.is_empty() {
        text.push_str("\nThere is no index.\n");
    }
    text.push_str("\n## Large scans that keep little\n\n");
    let missing: Vec<_> = indexes::missing(&comparison.measured).into_iter().filter(|row| row.ok == Some(false)).collect();
    for row in &missing {
        text.push_str(&format!("- {}: {}\n", cell(&row.subject), cell(&row.observed)));
    }
    if missing.is_empty() {
        text.push_str("None in the workload.\n");
    }
    text
}

/// A time as a person reads it.
fn shown_us(us: f64) -> String {
    match us {
        us if us >= 1e6 => format!("{:.2} s", us / 1e6),
        us if us >= 1e3 => format!("{:.2} ms", us / 1e3),
        us => format!("{us:.0} µs"),
    }
}

/// Text from a database or a file inside Markdown: nothing in it may end the cell or begin a tag.
fn cell(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|").replace('`', "\\`").replace(['\n', '\r'], " ")
}

/// Text inside a code span.
fn code(text: &str) -> String {
    text.replace('`', "'").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_cells_are_readable() {
        assert_eq!(shown_us(12.4), "12 µs");
        assert_eq!(shown_us(12_400.0), "12.40 ms");
        assert_eq!(shown_us(2_500_000.0), "2.50 s");
        assert_eq!(cell("a|b<c>\n`d`"), "a\\|b&lt;c> \\`d\\`");
    }
}
