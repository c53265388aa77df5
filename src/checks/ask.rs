//! Asking a check: a query against a session, or a probe whose rows the step brings.

use std::time::Instant;

use chrono::{SecondsFormat, Utc};
use serde_json::Value;
use tokio_postgres::types::Json;

use super::header::{Check, Kind};
use super::judge::judge;
use crate::domain::{CheckOutcome, Evidence, SubjectRow};
use crate::pg::Session;

/// Measures one check: when it was asked and how long it took.
///
/// The clock starts before the work that answers the question. Where one piece of work answers several, they share a copy that was
/// [`stopped`](Asked::stopped); where no work of its own was done, none is claimed: [`unmeasured`](Asked::unmeasured).
#[derive(Clone, Debug)]
pub struct Asked {
    started: String,
    clock: Clock,
}

#[derive(Clone, Debug)]
enum Clock {
    Running(Instant),
    /// Microseconds; 0: not measured.
    Stopped(i64),
}

impl Asked {
    /// The question is put now.
    pub fn now() -> Self {
        Self { started: Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true), clock: Clock::Running(Instant::now()) }
    }

    /// Nothing was done for this question alone: its evidence has no duration.
    pub fn unmeasured() -> Self {
        Self { clock: Clock::Stopped(0), ..Self::now() }
    }

    /// Measured elsewhere: when the work began (RFC 3339 in UTC) and the microseconds it took. Without a beginning, unmeasured.
    pub fn measured(started: Option<&str>, duration_us: i64) -> Self {
        match started {
            Some(started) => Self { started: started.to_owned(), clock: Clock::Stopped(duration_us) },
            None => Self::unmeasured(),
        }
    }

    /// The work is done; what still comes until the answer is not part of it.
    #[must_use]
    pub fn stopped(self) -> Self {
        Self { clock: Clock::Stopped(self.elapsed_us()), ..self }
    }

    fn elapsed_us(&self) -> i64 {
        match self.clock {
            Clock::Running(since) => i64::try_from(since.elapsed().as_micros()).unwrap_or(i64::MAX),
            Clock::Stopped(us) => us,
        }
    }

    /// The answer is here: rows become evidence, judged.
    pub fn answered(self, check: &Check, asked_of: &str, parameters: Value, rows: Vec<SubjectRow>) -> Evidence {
        let outcome = judge(&rows, check.min_subjects, check.none_is_not_applicable);
        self.evidence(check, asked_of, parameters, rows, outcome)
    }

    /// There is no answer, and why: Unknown.
    pub fn unanswered(self, check: &Check, asked_of: &str, parameters: Value, why: impl Into<String>) -> Evidence {
        self.evidence(check, asked_of, parameters, Vec::new(), CheckOutcome::Unknown(why.into()))
    }

    /// The question does not arise, and why: counted apart, never a tick.
    pub fn not_applicable(self, check: &Check, asked_of: &str, parameters: Value, why: impl Into<String>) -> Evidence {
        self.evidence(check, asked_of, parameters, Vec::new(), CheckOutcome::NotApplicable(why.into()))
    }

    fn evidence(self, check: &Check, asked_of: &str, parameters: Value, rows: Vec<SubjectRow>, outcome: CheckOutcome) -> Evidence {
        Evidence {
            check: check.code.clone(),
            title: check.title.clone(),
            severity: check.severity,
            why: check.why.clone(),
            fix: check.fix.clone(),
            sql_sha256: Some(check.sha256()),
            method: (check.kind == Kind::Probe).then(|| "probe, described in the check's file".to_owned()),
            parameters,
            asked_of: asked_of.to_owned(),
            duration_us: self.elapsed_us(),
            started: self.started,
            min_subjects: check.min_subjects,
            rows,
            outcome,
        }
    }
}

/// Runs a query check. The query yields `subject text, ok boolean, expected text, observed text, detail jsonb`; it may take one
/// parameter, `$1::jsonb`, which is `parameters`. Any error is Unknown with its reduced message: an error is not an answer.
pub async fn ask(session: &Session, check: &Check, parameters: Value, asked_of: &str) -> Evidence {
    let asked = Asked::now();
    match rows(session, check, &parameters).await {
        Ok(rows) => asked.answered(check, asked_of, parameters, rows),
        Err(why) => asked.unanswered(check, asked_of, parameters, why),
    }
}

async fn rows(session: &Session, check: &Check, parameters: &Value) -> Result<Vec<SubjectRow>, String> {
    let reduced = |error: tokio_postgres::Error| crate::pg::PgError::from(error).to_string();
    let statement = session.client().prepare(&check.text).await.map_err(reduced)?;
    let found = match statement.params().len() {
        0 => session.client().query(&statement, &[]).await.map_err(reduced)?,
        _ => session.client().query(&statement, &[&Json(parameters)]).await.map_err(reduced)?,
    };
    let column = |name: &str| {
        statement
            .columns()
            .iter()
            .position(|c| c.name() == name)
            .ok_or_else(|| format!("the query of {} yields no column `{name}`", check.code))
    };
    let (subject, ok, expected, observed) = (column("subject")?, column("ok")?, column("expected")?, column("observed")?);
    let detail = column("detail").ok();
    found
        .iter()
        .map(|row| {
            let text = |index: usize| row.try_get::<_, Option<String>>(index).map(Option::unwrap_or_default).map_err(|e| e.to_string());
            Ok(SubjectRow {
                subject: text(subject)?,
                ok: row.try_get(ok).map_err(|e| e.to_string())?,
                expected: text(expected)?,
                observed: text(observed)?,
                detail: match detail {
                    Some(index) => {
                        row.try_get::<_, Option<Json<Value>>>(index).map_err(|e| e.to_string())?.map(|j| j.0).unwrap_or_default()
                    }
                    None => Value::Null,
                },
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::checks::find;

    fn took(asked: Asked) -> i64 {
        asked.answered(find("linkage").unwrap(), "target", Value::Null, Vec::new()).duration_us
    }

    #[test]
    fn a_time_is_of_the_work_or_is_not_claimed() {
        let asked = Asked::now();
        std::thread::sleep(Duration::from_millis(20));
        let stopped = asked.clone().stopped();
        std::thread::sleep(Duration::from_millis(20));
        let (whole, work) = (took(asked), took(stopped));
        assert!(work >= 20_000 && whole >= work + 20_000, "{work} {whole}");
        assert_eq!(took(Asked::unmeasured()), 0);
        assert_eq!(took(Asked::measured(Some("2026-01-08T10:00:00.000000Z"), 7)), 7);
        assert_eq!(took(Asked::measured(None, 7)), 0);
    }
}
