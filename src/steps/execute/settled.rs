//! A connection lost in the middle of a file: before anybody says what stays, the server is waited for, and then its process that ran
//! the file, which works on until it next speaks to us (PostgreSQL manual, `client_connection_check_interval`).

use std::time::{Duration, Instant};

use crate::pg::{Access, PgError, Session};
use crate::steps::{Context, StepError};

/// How long a server that restarts, and then a process that is still at work, is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(250);

/// A server process: its number is used again, its beginning is not.
#[derive(Clone, Debug)]
pub struct Process {
    pub number: i32,
    began: String,
}

impl Process {
    /// The process behind a session.
    pub async fn of(session: &Session) -> Result<Self, PgError> {
        let row = session
            .one(
                "SELECT pid, backend_start::text FROM pg_catalog.pg_stat_activity WHERE pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()",
                &[],
            )
            .await?;
        Ok(Self { number: row.get(0), began: row.get::<_, Option<String>>(1).unwrap_or_default() })
    }

    async fn lives(&self, eyes: &Session) -> Result<bool, PgError> {
        let alive = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity
                                    WHERE pid OPERATOR(pg_catalog.=) $1 AND backend_start::text OPERATOR(pg_catalog.=) $2)";
        Ok(eyes.one(alive, &[&self.number, &self.began]).await?.get(0))
    }
}

/// Waits until nothing of the lost session is at work. An error says that it is not known what stays, and what to do.
pub async fn settled(cx: &Context<'_>, lost: Option<&Process>, at: &str) -> Result<(), StepError> {
    let clock = Instant::now();
    cx.log.line(format!("the connection was lost at {at}; waiting for the server"));
    cx.progress.say("the connection was lost: waiting for the server");
    loop {
        let asked = async {
            let eyes = cx.target.session(Access::ReadOnly).await?;
            match lost {
                Some(process) => process.lives(&eyes).await,
                None => Ok(false),
            }
        };
        let unsettled = match asked.await {
            Ok(false) => {
                cx.log.line(format!("the server answers, {:.1} s after the loss", clock.elapsed().as_secs_f64()));
                return Ok(());
            }
            Ok(true) => None,
            Err(error) => Some(error),
        };
        if clock.elapsed() >= PATIENCE {
            return Err(unknown(lost, at, unsettled, clock.elapsed().as_secs()));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn unknown(lost: Option<&Process>, at: &str, error: Option<PgError>, waited: u64) -> StepError {
    let resume = "the history then says what stays, and nothing is applied twice";
    match (error, lost) {
        (Some(error), _) => StepError::Cannot {
            what: format!(
                "the connection was lost at {at}, and for {waited} s the server could not be asked what stays: {error}. State: not known; a file in \
                 a transaction is applied whole or not at all"
            ),
            hint: Some(format!("when the server answers again: ledger run --resume ({resume})")),
        },
        (None, process) => {
            let number = process.map_or(0, |process| process.number);
            StepError::Cannot {
                what: format!(
                    "the connection was lost at {at}, and the server's process {number} is still at work on it after {waited} s. State: not known \
                     until it ends"
                ),
                hint: Some(format!(
                    "wait until it ends, or SELECT pg_catalog.pg_terminate_backend({number}); then: ledger run --resume ({resume})"
                )),
            }
        }
    }
}
