//! Measuring a workload on three copies: A before the migrations, A′ separately made from the same backup, B after them.
//!
//! 1. Parameters and settings are evaluated once, on A, by the connecting role.
//! 2. Every query runs once on A and B under EXPLAIN (ANALYZE, BUFFERS): plan shape, rows, buffers.
//! 3. The unit is a block: fresh connections to A, A′ and B in random order, warming runs, then samples in turns, each round in
//!    random order of the copies. A sample repeats its query for at least 5 ms. A block gives ln(B/A) and ln(A′/A), each time being
//!    that of the least disturbed sample.
//! 4. Queries take turns, a block each, until a query is decided or the budget of wall time is spent. A query is looked at when it
//!    has the fewest blocks its level asks for, and then whenever a quarter more have come.
//!
//! Everything runs in transactions that are rolled back, so that writing statements may be part of a workload.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use super::client::{Client, TextParam, borrowed, parameters};
use super::explain::explain_both;
use super::plan_shape::Plan;
use super::stats::{self, Interval, SplitMix64, Verdict};
use super::workload::Query;
use crate::pg::{Access, PgError, Target};
use crate::steps::{Progress, TaskLog};

/// A sample lasts at least this long.
const SAMPLE: Duration = Duration::from_millis(5);
/// Samples of a block together should not last longer than this.
const BLOCK: Duration = Duration::from_millis(150);
/// Executions of a sample that are sent before the first is answered: one round trip for all, since a busy machine may take
/// longer to wake a process than a small query takes.
const AHEAD: usize = 16;
/// Plans are read for at least this long, however small the budget.
const EXPLAINING: Duration = Duration::from_secs(5);
/// Runs longer than this are not repeated to warm them.
const LONG: Duration = Duration::from_millis(200);
/// More blocks than this settle nothing that these did not.
const MOST_BLOCKS: usize = 120;

/// The copies, by their place in every array of three.
pub(super) const A: usize = 0;
const CONTROL: usize = 1;
pub(super) const B: usize = 2;

/// The three databases.
pub struct Copies<'a> {
    /// A: as the backup has it.
    pub before: &'a Target,
    /// A′: the same, made separately.
    pub control: &'a Target,
    /// B: migrated.
    pub after: &'a Target,
}

/// How to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Slower than this ratio is a regression: 1.10.
    pub limit: f64,
    pub budget: Duration,
    /// The role queries run as; `None`: the connecting role.
    pub role: Option<String>,
    /// Settings of the client's sessions; a value `sql: …` is a query evaluated on A.
    pub settings: BTreeMap<String, String>,
    /// Seeds the order of copies and queries.
    pub seed: u64,
}

/// What one query came to.
#[derive(Clone, Debug)]
pub struct Measured {
    pub query: Query,
    /// ln(B/A) of each block.
    pub logs: Vec<f64>,
    /// ln(A′/A) of each block.
    pub control_logs: Vec<f64>,
    /// Seconds per execution in each block: A, A′, B.
    pub seconds: [Vec<f64>; 3],
    pub plans: Option<(Plan, Plan)>,
    /// Rows returned by A and B.
    pub rows: Option<(u64, u64)>,
    /// Whether A and B returned equal rows, in whatever order.
    pub same_rows: Option<bool>,
    pub interval: Option<Interval>,
    pub control: Option<Interval>,
    pub verdict: Verdict,
    /// Why there is no comparison or no decision; or what else is to be known about it.
    pub why: String,
    /// Nothing more can be found out about it.
    settled: bool,
    /// What a block takes at least, from the first runs.
    pub(super) block_takes: Duration,
    /// The quickest warm run seen so far on each copy: it says how often a sample repeats.
    quickest: [Duration; 3],
}

impl Measured {
    fn new(query: Query) -> Self {
        Self {
            query,
            logs: Vec::new(),
            control_logs: Vec::new(),
            seconds: Default::default(),
            plans: None,
            rows: None,
            same_rows: None,
            interval: None,
            control: None,
            verdict: Verdict::Inconclusive,
            why: "not measured".into(),
            settled: false,
            block_takes: Duration::ZERO,
            quickest: [Duration::MAX; 3],
        }
    }

    /// Median microseconds per execution on A and B.
    pub fn medians_us(&self) -> Option<(f64, f64)> {
        Some((stats::median(&self.seconds[A])? * 1e6, stats::median(&self.seconds[B])? * 1e6))
    }

    fn same_work(&self) -> bool {
        self.plans.as_ref().is_some_and(|(before, after)| before.same_work(after))
    }

    pub(super) fn settle(&mut self, verdict: Verdict, why: impl Into<String>) {
        self.verdict = verdict;
        self.why = why.into();
        self.settled = true;
    }
}

/// Measures the whole workload.
pub async fn measure(
    copies: &Copies<'_>,
    workload: &[Query],
    options: &Options,
    log: &TaskLog,
    progress: &dyn Progress,
) -> Result<Vec<Measured>, PgError> {
    let start = Instant::now();
    let deadline = start + options.budget;
    let targets = [copies.before, copies.control, copies.after];
    let preparing = copies.before.session(Access::ReadWrite).await?;
    let client = Client::of(&preparing, options).await?;
    let mut random = SplitMix64::new(options.seed);
    let mut found: Vec<Measured> = Vec::with_capacity(workload.len());
    let mut params: Vec<Vec<TextParam>> = Vec::with_capacity(workload.len());
    for query in workload {
        progress.say(&format!("explain {}", query.name));
        let mut measured = Measured::new(query.clone());
        let mut values = Vec::new();
        match parameters(&preparing, query).await {
            Ok(found) => values = found,
            Err(error) => measured.settle(Verdict::Inconclusive, format!("a parameter cannot be evaluated: {error}")),
        }
        // A long workload must not spend hours on plans alone.
        if !measured.settled && start.elapsed() > options.budget.max(EXPLAINING) {
            measured.settle(Verdict::Inconclusive, format!("the budget of {} s was spent before its turn came", options.budget.as_secs()));
        }
        if !measured.settled {
            explain_both(&targets, &client, &mut measured, &values, options.limit).await;
        }
        if measured.settled {
            log.line(format!("{}: {}", query.name, measured.why));
        }
        params.push(values);
        found.push(measured);
    }
    drop(preparing);

    let alpha = stats::alpha(workload.len());
    let fewest = stats::fewest_blocks(alpha);
    let mut next_look: Vec<usize> = vec![fewest; found.len()];
    let mut out_of_time = vec![false; found.len()];
    loop {
        let mut turn: Vec<usize> = (0..found.len()).filter(|&index| !found[index].settled && !out_of_time[index]).collect();
        if turn.is_empty() || Instant::now() >= deadline {
            break;
        }
        random.shuffle(&mut turn);
        for index in turn {
            if Instant::now() >= deadline {
                break;
            }
            let measured = &mut found[index];
            let blocks = measured.logs.len();
            if Instant::now() + measured.block_takes > deadline {
                out_of_time[index] = true;
                continue;
            }
            progress.say(&format!("{} · block {} · {} s left", measured.query.name, blocks + 1, left(deadline)));
            match block(&targets, &client, measured, &params[index], &mut random).await {
                Ok(seconds) => {
                    measured.logs.push((seconds[B] / seconds[A]).ln());
                    measured.control_logs.push((seconds[CONTROL] / seconds[A]).ln());
                    for (all, one) in measured.seconds.iter_mut().zip(seconds) {
                        all.push(one);
                    }
                }
                Err(error) => measured.settle(Verdict::Inconclusive, format!("could not be measured: {error}")),
            }
            if !measured.settled && measured.logs.len() >= next_look[index] {
                look(measured, alpha, options.limit);
                next_look[index] = measured.logs.len() + measured.logs.len().div_ceil(4);
                if measured.verdict != Verdict::Inconclusive || measured.logs.len() >= MOST_BLOCKS {
                    measured.settled = true;
                }
            }
        }
    }
    for measured in found.iter_mut().filter(|measured| !measured.settled) {
        look(measured, alpha, options.limit);
        let blocks = measured.logs.len();
        if blocks < fewest {
            // Too few blocks for the interval to mean what it says, whatever it says.
            measured.verdict = Verdict::Inconclusive;
            measured.why = format!("{blocks} of at least {fewest} blocks fitted into the budget of {} s", options.budget.as_secs());
        }
    }
    for measured in &found {
        let interval = measured.interval.map(|interval| interval.to_string()).unwrap_or_default();
        log.line(format!("{}: {} {interval} after {} blocks", measured.query.name, measured.verdict.word(), measured.logs.len()));
    }
    Ok(found)
}

fn left(deadline: Instant) -> u64 {
    deadline.saturating_duration_since(Instant::now()).as_secs()
}

/// Puts intervals and verdict to the blocks so far.
fn look(measured: &mut Measured, alpha: f64, limit: f64) {
    let (Some(interval), Some(control)) = (stats::interval(&measured.logs, alpha), stats::interval(&measured.control_logs, alpha)) else {
        return;
    };
    let same_work = measured.same_work();
    measured.interval = Some(interval);
    measured.control = Some(control);
    measured.verdict = stats::judge(&interval, &control, same_work, limit);
    measured.why = match measured.verdict {
        Verdict::Regressed => {
            format!("at least {:.2} times the time before; equal copies differ by up to {:.2}", interval.low, control.spread())
        }
        Verdict::Improved => format!("at most {:.2} times the time before", interval.high),
        Verdict::SameWork => "equal plan, rows and buffers".into(),
        Verdict::WithinLimit => format!("at most {:.2} times the time before", interval.high),
        Verdict::Inconclusive => format!("the interval {interval} does not exclude {limit:.2} after {} blocks", measured.logs.len()),
    };
    // A regression is bad whatever the rows are. Faster, or as fast, at another question is no comparison.
    let (before, after) = measured.rows.unwrap_or_default();
    if before != after {
        match &measured.query.rows_may_differ {
            Some(reason) => measured.why.push_str(&format!("; {before} rows before, {after} after: {reason}")),
            None if measured.verdict == Verdict::Regressed => measured.why.push_str(&format!("; {before} rows before, {after} after")),
            None => {
                measured.verdict = Verdict::Inconclusive;
                measured.why =
                    format!("{before} rows before, {after} after: not the same question (`-- rows-may-differ: reason` accepts it)");
                measured.settled = true;
            }
        }
    } else if measured.same_rows == Some(false) {
        // Only said: a LIMIT without a full order, or a clock, may give other rows at any time.
        measured.why.push_str("; as many rows as before, but not the same");
    }
}

/// One block: seconds per execution on A, A′ and B, each of the copy's least disturbed sample. Whatever else the machine does can
/// only add time, so that the least is the nearest to the query's own.
async fn block(
    targets: &[&Target; 3],
    client: &Client,
    measured: &mut Measured,
    values: &[TextParam],
    random: &mut SplitMix64,
) -> Result<[f64; 3], PgError> {
    let arguments = borrowed(values);
    let mut order = [A, CONTROL, B];
    random.shuffle(&mut order);
    let mut sides = Vec::with_capacity(3);
    let mut round = Duration::ZERO;
    for copy in order {
        let session = client.connect(targets[copy]).await?;
        let statement = session.client().prepare(&measured.query.sql).await?;
        session.batch("SAVEPOINT ledger").await?;
        for _ in 0..3 {
            let clock = Instant::now();
            session.client().query(&statement, &arguments).await?;
            let once = clock.elapsed();
            measured.quickest[copy] = measured.quickest[copy].min(once);
            if once > LONG {
                break;
            }
        }
        session.batch("ROLLBACK TO ledger").await?;
        let quickest = measured.quickest[copy].max(Duration::from_micros(1));
        let repeats = (SAMPLE.as_secs_f64() / quickest.as_secs_f64()).ceil().clamp(1.0, 2_000.0) as usize;
        round += quickest * repeats as u32;
        sides.push((copy, session, statement, repeats));
    }
    let samples = (BLOCK.as_secs_f64() / round.as_secs_f64()).floor().clamp(1.0, 7.0) as usize;
    let mut seconds = [f64::INFINITY; 3];
    for _ in 0..samples {
        random.shuffle(&mut sides);
        for (copy, session, statement, repeats) in &sides {
            let clock = Instant::now();
            for first in (0..*repeats).step_by(AHEAD) {
                let ahead = (first..(first + AHEAD).min(*repeats)).map(|_| session.client().query(statement, &arguments));
                try_join_all(ahead).await?;
            }
            seconds[*copy] = seconds[*copy].min(clock.elapsed().as_secs_f64() / *repeats as f64);
            session.batch("ROLLBACK TO ledger").await?;
        }
    }
    for (_, session, ..) in &sides {
        session.batch("ROLLBACK").await?;
    }
    Ok(seconds)
}
