//! Which keys are orphaned, without telling them; and an estimate for keys that could not be counted in time.

use serde_json::json;

use super::inventory::Key;
use super::questions;
use crate::domain::SubjectRow;
use crate::pg::{PgError, Target};
use crate::steps::counting::counting_session;

/// At most so many different keys are recorded of one constraint.
const MOST: usize = 20;

/// Rows that an estimate looks at.
const SAMPLE: f64 = 10_000.0;

/// Adds hashes of the orphaned keys to the row: SHA-256 over a fresh random salt and the key's text, and the query that finds the rows again.
/// No value is read. Salted is not sealed: somebody who can guess a key can test the guess.
pub async fn named(target: &Target, key: &Key, row: SubjectRow, timeout_ms: u64) -> SubjectRow {
    let mut detail = row.detail.clone();
    detail["orphaned_keys"] = match hashes(target, key, timeout_ms).await {
        Ok((salt, found)) => json!({ "salt": salt, "sha256": found, "at_most": MOST, "query": questions::hashed(key, &salt, MOST) }),
        Err(error) => json!({ "not_read": error.message }),
    };
    row.with_detail(detail)
}

async fn hashes(target: &Target, key: &Key, timeout_ms: u64) -> Result<(String, Vec<String>), PgError> {
    let mut salt = [0u8; 16];
    getrandom::fill(&mut salt).map_err(|error| PgError::other(format!("no random numbers: {error}")))?;
    let salt = hex::encode(salt);
    let session = counting_session(target, timeout_ms).await?;
    let found = session.query(&questions::hashed(key, &salt, MOST), &[]).await?;
    let hashes = found.iter().map(|row| row.try_get(0).map_err(PgError::from)).collect::<Result<_, _>>()?;
    Ok((salt, hashes))
}

/// Says of a key that was not counted in time what a sample of its rows shows. Orphans in the sample are orphans; none in it prove nothing.
pub async fn estimated(target: &Target, key: &Key, row: SubjectRow, timeout_ms: u64) -> SubjectRow {
    let Some(question) = questions::sampled(key, SAMPLE) else { return row };
    let sampled = async {
        let session = counting_session(target, timeout_ms).await?;
        let found = session.one(&question, &[]).await?;
        Ok::<(i64, i64), PgError>((found.try_get(0)?, found.try_get(1)?))
    };
    let (said, orphans) = match sampled.await {
        Ok((rows, orphans)) => {
            let all = orphans as f64 / (rows.max(1) as f64) * key.child_rows;
            (format!("{orphans} of {rows} sampled rows are orphans, about {all:.0} in all"), orphans)
        }
        Err(error) => (format!("no estimate: {}", error.message), 0),
    };
    SubjectRow { ok: if orphans > 0 { Some(false) } else { row.ok }, observed: format!("{}; {said}", row.observed), ..row }
}
