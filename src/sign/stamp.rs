//! Time stamps by an RFC 3161 authority. Replies are judged by `openssl ts`, so that nobody has to trust our reading of them.

use std::path::Path;
use std::process::{Command, Stdio};

use chrono::NaiveDateTime;

/// Why a reply says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    /// openssl could not be asked: nothing is said about the reply.
    #[error("openssl cannot be asked about time stamps: {0}")]
    NotAsked(String),
    #[error("the time stamp does not hold: {0}")]
    DoesNotHold(String),
}

/// Checks a reply over these bytes with `openssl ts -verify` against the authority's certificates (PEM); the time it vouches for, in UTC,
/// without the fraction of a second.
///
/// The authority's certificate is judged at that time: it ends one day, and what it stamped before does not end with it.
pub fn verified(bytes: &[u8], reply: &[u8], authorities: &Path) -> Result<NaiveDateTime, StampError> {
    let io = |error: std::io::Error| StampError::NotAsked(format!("a temporary file: {error}"));
    let folder = tempfile::tempdir().map_err(io)?;
    let (data, tsr) = (folder.path().join("data"), folder.path().join("reply.tsr"));
    std::fs::write(&data, bytes).and_then(|()| std::fs::write(&tsr, reply)).map_err(io)?;
    let (_, text) = openssl(Command::new("openssl").args(["ts", "-reply", "-text", "-in"]).arg(&tsr))?;
    let time = text.lines().find_map(|line| line.strip_prefix("Time stamp: ")).and_then(read_time);
    let time = time.ok_or_else(|| StampError::DoesNotHold("it is no reply that says a time".into()))?;
    let mut verify = Command::new("openssl");
    verify.args(["ts", "-verify", "-attime", &time.and_utc().timestamp().to_string(), "-data"]).arg(&data).arg("-in").arg(&tsr);
    let (held, said) = openssl(verify.arg("-CAfile").arg(authorities))?;
    match held {
        true => Ok(time),
        false => {
            let why = said.lines().find(|line| line.contains("error") || line.contains("FAILED")).unwrap_or("openssl ts refuses it");
            Err(StampError::DoesNotHold(why.to_owned()))
        }
    }
}

/// `Nov  3 07:00:00 2026 GMT`, perhaps with a fraction after the seconds.
fn read_time(text: &str) -> Option<NaiveDateTime> {
    let (before, after) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let whole = after.split_once(' ').map_or(before.to_owned(), |(_, rest)| format!("{before} {rest}"));
    NaiveDateTime::parse_from_str(&whole, "%b %e %H:%M:%S %Y GMT").ok()
}

fn openssl(command: &mut Command) -> Result<(bool, String), StampError> {
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output().map_err(|error| StampError::NotAsked(error.to_string()))?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), text))
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_read_with_and_without_a_fraction() {
        for text in ["Nov  3 07:00:00 2026 GMT", "Nov 3 07:00:00.25 2026 GMT"] {
            assert_eq!(super::read_time(text).unwrap().to_string(), "2026-11-03 07:00:00", "{text}");
        }
        assert_eq!(super::read_time("unspecified"), None);
    }
}
