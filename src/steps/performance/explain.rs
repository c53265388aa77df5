//! What a query of the workload does on the copies before and after: its plan, its rows, and whether it can be compared at all.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use super::client::{Client, TextParam, borrowed};
use super::measure::{A, B, Measured};
use super::plan_shape::Plan;
use super::stats::{Interval, Verdict};
use super::workload::Query;
use crate::pg::{PgError, Target};

/// Explains a query on A and B and counts its rows; what makes it incomparable settles it.
pub async fn explain_both(targets: &[&Target; 3], client: &Client, measured: &mut Measured, values: &[TextParam], limit: f64) {
    let before = explain(targets[A], client, &measured.query, values).await;
    let before = match before {
        Ok(found) => found,
        Err(error) => return measured.settle(Verdict::Inconclusive, format!("does not run before the migrations: {error}")),
    };
    match explain(targets[B], client, &measured.query, values).await {
        Ok(after) => {
            measured.rows = Some((before.rows, after.rows));
            measured.same_rows = Some(before.digest == after.digest);
            // On each copy one run to warm and one to measure, two of the copies being A.
            measured.block_takes = (2 * before.time + after.time) * 2;
            measured.plans = Some((before.plan, after.plan));
        }
        Err(error) if error.is("57014") && before.time.mul_f64(limit) < client.timeout => {
            let ratio = client.timeout.as_secs_f64() / before.time.as_secs_f64();
            measured.seconds[A].push(before.time.as_secs_f64());
            measured.seconds[B].push(client.timeout.as_secs_f64());
            measured.interval = Some(Interval { ratio, low: ratio, high: ratio, seed: 0 });
            measured.settle(
                Verdict::Regressed,
                format!("cancelled after {:.1} s, {ratio:.0} times the time before", client.timeout.as_secs_f64()),
            );
        }
        Err(error) => measured.settle(Verdict::Inconclusive, format!("does not run after the migrations: {error}")),
    }
}

/// What a query does on one copy.
struct Explained {
    plan: Plan,
    rows: u64,
    /// Of all rows, whatever their order; compared, never recorded.
    digest: u128,
    time: Duration,
}

/// A value as the server sent it.
struct Sent(Option<Vec<u8>>);

impl<'a> FromSql<'a> for Sent {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A sum over the digests of the rows, so that their order does not matter and equal rows count as often as they come.
fn digest(rows: &[Row]) -> Result<u128, PgError> {
    let mut sum = 0u128;
    for row in rows {
        let mut hasher = Sha256::new();
        for column in 0..row.len() {
            match row.try_get::<_, Sent>(column)?.0 {
                None => hasher.update([0]),
                Some(bytes) => {
                    hasher.update([1]);
                    hasher.update((bytes.len() as u64).to_be_bytes());
                    hasher.update(&bytes);
                }
            }
        }
        sum = hasher.finalize().iter().take(16).fold(0u128, |value, byte| (value << 8) | u128::from(*byte)).wrapping_add(sum);
    }
    Ok(sum)
}

/// Runs a query once to warm it, once to time it and see its rows, once to explain it.
async fn explain(target: &Target, client: &Client, query: &Query, values: &[TextParam]) -> Result<Explained, PgError> {
    let session = client.connect(target).await?;
    let statement = session.client().prepare(&query.sql).await?;
    if statement.params().len() != values.len() {
        return Err(PgError::other(format!("takes {} parameters, `-- param:` gives {}", statement.params().len(), values.len())));
    }
    let arguments = borrowed(values);
    session.batch("SAVEPOINT ledger").await?;
    session.client().query(&statement, &arguments).await?;
    session.batch("ROLLBACK TO ledger").await?;
    let clock = Instant::now();
    let rows = session.client().query(&statement, &arguments).await?;
    let time = clock.elapsed();
    let (digest, rows) = (digest(&rows)?, rows.len() as u64);
    session.batch("ROLLBACK TO ledger").await?;
    // EXPLAIN takes no parameters of the protocol's own; EXECUTE takes literals, which the server quotes itself.
    session.batch(&format!("PREPARE ledger_explained AS {}", query.sql)).await?;
    let literals: Vec<Option<String>> = values.iter().map(|value| value.0.clone()).collect();
    let row = session
        .one(
            "SELECT COALESCE('(' || pg_catalog.string_agg(pg_catalog.quote_nullable(v), ', ' ORDER BY n) || ')', '')
               FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY AS t (v, n)",
            &[&literals],
        )
        .await?;
    let arguments: String = row.try_get(0)?;
    let explain = format!("EXPLAIN (ANALYZE, VERBOSE, BUFFERS, TIMING OFF, SUMMARY OFF, FORMAT JSON) EXECUTE ledger_explained{arguments}");
    let row = session.one(&explain, &[]).await?;
    let plan = Plan::read(&row.try_get(0)?).ok_or_else(|| PgError::other("its plan cannot be read"))?;
    session.batch("ROLLBACK").await?;
    Ok(Explained { plan, rows, digest, time })
}
