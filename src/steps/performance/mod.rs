//! CE-26: whether the migrations made the application's queries slower. Nothing here touches the target but read-only catalog
//! questions; the queries run on scratch copies.
//!
//! 1. Index checks are asked of the target.
//! 2. Three copies: A and A′, each restored or cloned from the pre-migration backup, B from the backup that CE-22 made after
//!    migrating. B comes out of a dump like A, so that none has an advantage of age; it is the state that execution left, not a
//!    state that a second application of the files would give.
//! 3. Each copy is vacuumed, analysed and read once ([`prepare`]).
//! 4. [`measure`] gives intervals and verdicts; `idx_scan` is read around it.
//! 5. Evidence, `benchmark_results.json`, `benchmark_comparison.md`, `index_usage_analysis.md`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Context, StepError, StepReport};
use crate::checks::ask::{Asked, ask};
use crate::checks::{Check, Kind, find, list};
use crate::domain::plan::StepKind;
use crate::domain::product::{PerformanceProduct, QueryComparison};
use crate::domain::{Product, SubjectRow};
use crate::pg::{Access, PgError, ScratchDb, Target};

mod client;
mod explain;
pub mod indexes;
pub mod measure;
pub mod papers;
pub mod plan_shape;
pub mod stats;
pub mod workload;

use measure::{Copies, Measured, Options};
use stats::{SplitMix64, Verdict};

/// The probe checks of this step.
const PROBES: [&str; 4] = ["benchmark-regression", "benchmark-control", "index-unused", "index-missing"];

/// Measures, and says what came of it.
pub async fn run(cx: &Context<'_>, report: &mut StepReport) -> Result<(), StepError> {
    let asked: Vec<(&'static Check, Asked)> = PROBES.iter().filter_map(|code| find(code)).map(|check| (check, Asked::now())).collect();
    let excluded = &cx.config.backup.exclude_schemas;
    ask_target(cx, report, excluded).await;
    match compare(cx).await {
        Ok(comparison) => conclude(cx, report, asked, &comparison),
        Err(why) => {
            cx.log.line(&why);
            report.headline = why.clone();
            for (check, asked) in asked {
                report.evidence.push(asked.unanswered(check, "scratch", Value::Null, why.clone()));
            }
        }
    }
    Ok(())
}

/// Asks the query checks of this step, read-only.
async fn ask_target(cx: &Context<'_>, report: &mut StepReport, excluded: &[String]) {
    let parameters = json!({ "excluded_schemas": excluded });
    let queries = list::of_step(StepKind::Performance).filter(|check| check.kind == Kind::Query);
    match cx.target.session(Access::ReadOnly).await {
        Ok(session) => {
            for check in queries {
                cx.progress.say(&format!("check {}", check.code));
                report.evidence.push(ask(&session, check, parameters.clone(), "target").await);
            }
        }
        Err(error) => {
            for check in queries {
                report.evidence.push(Asked::unmeasured().unanswered(check, "target", parameters.clone(), error.to_string()));
            }
        }
    }
}

/// Everything that was found.
pub struct Comparison {
    pub measured: Vec<Measured>,
    pub options: Options,
    /// Where B came from, in words.
    pub after_is: String,
    /// Index use on B, after the workload.
    pub usage: indexes::Usage,
    /// Scans during the workload on B.
    pub scans: BTreeMap<String, u64>,
    /// Connections of the target by state, as far as the role may see them.
    pub connections: BTreeMap<String, i64>,
    pub measuring: Duration,
}

/// Makes the copies, measures, drops the copies. The error says why there is nothing to compare.
async fn compare(cx: &Context<'_>) -> Result<Comparison, String> {
    let config = &cx.config.performance;
    let folder = config.workload.as_deref().ok_or_else(|| workload::WorkloadError::NotConfigured.to_string())?;
    let folder = cx.project.path(folder);
    let queries = workload::read(&folder, &cx.project.shown(&folder)).map_err(|error| error.to_string())?;
    let before = cx.environment().and_then(|product| product.backup.as_ref());
    let before = before.ok_or("no pre-migration backup: CE-20 made none, so there is nothing to compare with")?;
    let execution = cx.execution().ok_or("no migrated state: execution has no result")?;
    if !execution.completed {
        return Err("no migrated state: execution did not complete".into());
    }
    let after = execution.backup.as_ref().ok_or("no post-migration backup: there is no copy of the migrated state to measure")?;

    let options = Options {
        limit: 1.0 + config.limit_percent / 100.0,
        budget: Duration::from_secs(config.budget_seconds),
        role: config.role.clone(),
        settings: config.settings.clone(),
        seed: order_seed(cx, &queries),
    };
    let (before, after) = (cx.project.root.join(&before.file), cx.project.root.join(&after.file));
    let mut made: Vec<ScratchDb> = Vec::with_capacity(3);
    let mut result = Ok(());
    for (file, purpose) in [(&before, "bench-before"), (&before, "bench-control"), (&after, "bench-after")] {
        cx.progress.say(&format!("copy {purpose}"));
        let clock = Instant::now();
        match cx.scratch.copy_of(file, purpose).await {
            Ok((db, _)) => {
                let prepared = prepare(db.target()).await;
                made.push(db);
                cx.log.line(format!("copy {purpose} made and read in {:.1} s", clock.elapsed().as_secs_f64()));
                if let Err(error) = prepared {
                    result = Err(format!("the copy {purpose} cannot be prepared: {error}"));
                    break;
                }
            }
            Err(error) => {
                result = Err(format!("the copy {purpose} cannot be made: {error}"));
                break;
            }
        }
    }
    let comparison = match (result, made.as_slice()) {
        (Err(why), _) => Err(why),
        (Ok(()), [a, control, b]) => {
            let copies = Copies { before: a.target(), control: control.target(), after: b.target() };
            measured(cx, &copies, &queries, options).await.map_err(|error| format!("the workload cannot be measured: {error}"))
        }
        (Ok(()), _) => Err("the copies were not made".into()),
    };
    for db in made {
        if let Err(error) = cx.scratch.drop_db(db).await {
            cx.log.line(format!("a scratch copy stays behind: {error}"));
        }
    }
    comparison
}

async fn measured(cx: &Context<'_>, copies: &Copies<'_>, queries: &[workload::Query], options: Options) -> Result<Comparison, PgError> {
    let excluded = &cx.config.backup.exclude_schemas;
    let earlier = indexes::usage(copies.after, excluded).await?;
    let clock = Instant::now();
    let measured = measure::measure(copies, queries, &options, cx.log, cx.progress).await?;
    let measuring = clock.elapsed();
    let usage = indexes::usage(copies.after, excluded).await?;
    let scans = indexes::scans_between(&earlier, &usage);
    Ok(Comparison {
        measured,
        options,
        after_is: "restored from the post-migration backup".into(),
        usage,
        scans,
        connections: connections(cx.target).await?,
        measuring,
    })
}

/// The order of copies and queries follows from the run and the workload.
fn order_seed(cx: &Context<'_>, queries: &[workload::Query]) -> u64 {
    let text: String = queries.iter().map(|query| query.sha256.as_str()).chain([cx.run.as_str()]).collect();
    text.bytes().fold(0, |seed, byte| SplitMix64::new(seed ^ u64::from(byte)).next_u64())
}

/// Gives a copy statistics and a visibility map, and reads its tables once.
pub async fn prepare(copy: &Target) -> Result<(), PgError> {
    let session = copy.session(Access::ReadWrite).await?;
    session.batch("VACUUM (ANALYZE)").await?;
    let tables = session
        .query(
            "SELECT pg_catalog.format('SELECT pg_catalog.count(*) FROM ONLY %I.%I', n.nspname, c.relname)
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
                AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')",
            &[],
        )
        .await?;
    // No filter applies to the reading role where row security is on; where it does, reading less is no harm.
    for table in tables {
        session.query(table.try_get::<_, &str>(0)?, &[]).await?;
    }
    Ok(())
}

async fn connections(target: &Target) -> Result<BTreeMap<String, i64>, PgError> {
    let session = target.session(Access::ReadOnly).await?;
    let rows = session
        .query(
            "SELECT COALESCE(state, 'not shown'), pg_catalog.count(*) FROM pg_catalog.pg_stat_activity
              WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() GROUP BY 1",
            &[],
        )
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

fn conclude(cx: &Context<'_>, report: &mut StepReport, asked: Vec<(&'static Check, Asked)>, comparison: &Comparison) {
    for measured in &comparison.measured {
        super::attach_question(report, "workload", measured.query.file.trim_end_matches(".sql"), &measured.query.text);
    }
    let limit = comparison.options.limit;
    let parameters = json!({
        "limit": limit,
        "budget_seconds": comparison.options.budget.as_secs(),
        "role": comparison.options.role,
        "settings": comparison.options.settings.keys().collect::<Vec<_>>(),
        "order_seed": format!("{:016x}", comparison.options.seed),
        "before": "two copies of the pre-migration backup",
        "after": comparison.after_is,
        "workload": comparison.measured.iter().map(|m| json!({ "file": m.query.file, "sha256": m.query.sha256 })).collect::<Vec<_>>(),
    });
    for (check, asked) in asked {
        let rows = match check.code.as_str() {
            "benchmark-regression" => comparison.measured.iter().map(|one| regression_row(one, limit)).collect(),
            "benchmark-control" => comparison.measured.iter().filter_map(|one| control_row(one, limit)).collect(),
            "index-unused" => indexes::used(&comparison.usage, &comparison.scans),
            _ => indexes::missing(&comparison.measured),
        };
        report.evidence.push(asked.answered(check, "scratch:before,control,after", parameters.clone(), rows));
    }
    report.headline = headline(&comparison.measured, limit);
    cx.log.line(&report.headline);
    report.attach_json("benchmark_results.json", &papers::results(comparison));
    report.attach("benchmark_comparison.md", "text/markdown", papers::comparison(comparison));
    report.attach("index_usage_analysis.md", "text/markdown", papers::index_usage(comparison));
    report.product = Some(Product::Performance(product(cx, comparison)));
}

/// One subject of `benchmark-regression`.
pub fn regression_row(one: &Measured, limit: f64) -> SubjectRow {
    let expected = format!("not shown to take more than {limit:.2} times the time before, and shown to stay within it");
    let figures = one.interval.map(|interval| format!("{interval}, ")).unwrap_or_default();
    let observed = format!("{figures}{}: {}", one.verdict.word(), one.why);
    let row = match one.verdict {
        Verdict::Improved | Verdict::SameWork | Verdict::WithinLimit => SubjectRow::new(&one.query.name, true, expected, observed),
        Verdict::Regressed => SubjectRow::new(&one.query.name, false, expected, observed),
        Verdict::Inconclusive => SubjectRow::undecided(&one.query.name, expected, observed),
    };
    let medians = one.medians_us();
    row.with_detail(json!({
        "verdict": one.verdict.word(),
        "interval": one.interval,
        "control": one.control,
        "before_us": medians.map(|m| m.0),
        "after_us": medians.map(|m| m.1),
        "blocks": one.logs.len(),
        "rows": one.rows.map(|(before, after)| json!({ "before": before, "after": after })),
        "plan_before": one.plans.as_ref().map(|(before, _)| before.line()),
        "plan_after": one.plans.as_ref().map(|(_, after)| after.line()),
    }))
}

/// One subject of `benchmark-control`; `None` where the control was not measured.
pub fn control_row(one: &Measured, limit: f64) -> Option<SubjectRow> {
    let control = one.control?;
    let good = 1.0 / limit < control.low && control.high < limit;
    let expected = format!("equal copies within {:.2} and {limit:.2} of each other", 1.0 / limit);
    Some(SubjectRow::new(&one.query.name, good, expected, control.to_string()))
}

/// The queries whose numbers exist, with the worst first chosen by its ratio.
fn worst(measured: &[Measured]) -> Option<stats::Interval> {
    measured.iter().filter_map(|one| one.interval).max_by(|a, b| a.ratio.total_cmp(&b.ratio))
}

fn headline(measured: &[Measured], limit: f64) -> String {
    let count = |verdict| measured.iter().filter(|one| one.verdict == verdict).count();
    let mut text = format!("{} quer{}", measured.len(), if measured.len() == 1 { "y" } else { "ies" });
    if let Some(worst) = worst(measured) {
        text.push_str(&format!(", worst ratio {worst}"));
    }
    text.push_str(&format!(", limit {limit:.2}"));
    for (verdict, word) in [(Verdict::Regressed, "regressed"), (Verdict::Inconclusive, "undecided")] {
        if count(verdict) > 0 {
            text.push_str(&format!(", {} {word}", count(verdict)));
        }
    }
    text
}

fn product(cx: &Context<'_>, comparison: &Comparison) -> PerformanceProduct {
    let queries: Vec<QueryComparison> = comparison
        .measured
        .iter()
        .filter_map(|one| {
            let (interval, (before_us, after_us)) = (one.interval?, one.medians_us()?);
            Some(QueryComparison {
                name: one.query.name.clone(),
                sha256: one.query.sha256.clone(),
                before_us,
                after_us,
                ratio: interval.ratio,
                low: interval.low,
                high: interval.high,
                verdict: one.verdict.word().into(),
                why: one.why.clone(),
                blocks: one.logs.len() as u64,
            })
        })
        .collect();
    let ratios: Vec<f64> = queries.iter().map(|query| query.ratio).collect();
    let controls = || comparison.measured.iter().filter_map(|one| one.control);
    PerformanceProduct {
        limit_percent: cx.config.performance.limit_percent,
        geometric_mean: stats::geometric_mean(&ratios),
        queries,
        // Where nothing was measured, both are 1: no difference is known.
        control_low: controls().map(|control| control.low).reduce(f64::min).unwrap_or(1.0),
        control_high: controls().map(|control| control.high).reduce(f64::max).unwrap_or(1.0),
        index_scans: comparison.scans.clone(),
    }
}
