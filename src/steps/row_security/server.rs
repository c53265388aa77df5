//! The server's own flaws in row security: its version against the list in `rls-server-cve`'s file, which is what the evidence digests.

use serde_json::{Value, json};

use crate::checks::ask::Asked;
use crate::checks::find;
use crate::domain::{Evidence, SubjectRow};
use crate::pg::{PgError, Session};

/// From which minor on a major has a fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fixed {
    /// From this minor on.
    From(u32),
    /// Before the first it lacks it; from the second on (if established) it has it; between them nothing is known.
    Between(u32, Option<u32>),
    Unknown,
}

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
struct Flaw<'a> {
    cve: &'a str,
    majors: Vec<(u32, Fixed)>,
    what: &'a str,
}

/// Asks `rls-server-cve`.
pub async fn evidence(session: &Session, asked_of: &str) -> Option<Evidence> {
    let check = find("rls-server-cve")?;
    let asked = Asked::now();
    Some(match version(session).await {
        Ok((number, shown)) => {
            asked.answered(check, asked_of, json!({ "server_version_num": number, "server_version": shown }), judge(&check.text, number))
        }
        Err(error) => asked.unanswered(check, asked_of, Value::Null, error.to_string()),
    })
}

async fn version(session: &Session) -> Result<(u32, String), PgError> {
    let sql = "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4, pg_catalog.current_setting('server_version')";
    let row = session.one(sql, &[]).await?;
    Ok((row.try_get::<_, i32>(0)?.unsigned_abs(), row.try_get(1)?))
}

/// One row per flaw, for a `server_version_num` of PostgreSQL 10 or later (`150018` is 15.18).
fn judge(list: &str, server_version_num: u32) -> Vec<SubjectRow> {
    let (major, minor) = (server_version_num / 10_000, server_version_num % 10_000);
    list.lines()
        .filter_map(flaw)
        .map(|flaw| {
            let fixed = flaw.majors.iter().find(|(of, _)| *of == major).map(|(_, fixed)| *fixed);
            let is = format!("PostgreSQL {major}.{minor}");
            let row = match fixed {
                None => SubjectRow::new(flaw.cve, true, "not affected, or fixed", format!("{is} is not affected")),
                Some(Fixed::From(from)) => {
                    let expected = format!("{major}.{from} or later");
                    let lacks = if minor >= from { "has the fix" } else { "lacks the fix" };
                    SubjectRow::new(flaw.cve, minor >= from, expected, format!("{is} {lacks}: {}", flaw.what))
                }
                Some(Fixed::Between(lacking, _)) if minor < lacking => SubjectRow::new(
                    flaw.cve,
                    false,
                    format!("later than {major}.{}", lacking - 1),
                    format!("{is} lacks the fix: {}", flaw.what),
                ),
                Some(Fixed::Between(_, Some(has))) if minor >= has => {
                    SubjectRow::new(flaw.cve, true, format!("{major}.{has} or later"), format!("{is} has the fix: {}", flaw.what))
                }
                Some(Fixed::Between(..) | Fixed::Unknown) => {
                    let why = format!("which minor of {major} has the fix was not established: {}", flaw.what);
                    SubjectRow::undecided(flaw.cve, "fixed", why)
                }
            };
            row.with_detail(json!({ "flaw": flaw.what }))
        })
        .collect()
}

/// `--   CVE-… | majors | what`; other lines are prose.
fn flaw(line: &str) -> Option<Flaw<'_>> {
    let mut fields = line.strip_prefix("--   CVE-").map(|_| line.trim_start_matches('-').trim())?.split(" | ");
    let (cve, majors, what) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Flaw { cve, majors: majors.split(' ').filter_map(fixed).collect(), what })
}

fn fixed(token: &str) -> Option<(u32, Fixed)> {
    if let Some(major) = token.strip_suffix('?') {
        return Some((major.parse().ok()?, Fixed::Unknown));
    }
    let number = |text: &str| -> Option<(u32, u32)> {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    match token.split_once("..") {
        Some((lacking, "")) => number(lacking).map(|(major, minor)| (major, Fixed::Between(minor, None))),
        Some((lacking, has)) => {
            let ((major, minor), (_, has)) = (number(lacking)?, number(has)?);
            Some((major, Fixed::Between(minor, Some(has))))
        }
        // Before 10 a major was two numbers: those servers are not supported at all.
        None => number(token).map(|(major, minor)| (major, Fixed::From(minor))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: u32) -> Vec<(String, Option<bool>)> {
        judge(&find("rls-server-cve").unwrap().text, version).into_iter().map(|row| (row.subject, row.ok)).collect()
    }

    fn which(version: u32, ok: Option<bool>) -> Vec<String> {
        of(version).into_iter().filter(|(_, found)| *found == ok).map(|(cve, _)| cve).collect()
    }

    #[test]
    fn an_old_minor_is_found_with_its_flaws_and_a_new_one_is_not() {
        let new = ["CVE-2026-14666", "CVE-2026-16237", "CVE-2026-116311", "CVE-2026-120154"];
        assert_eq!(which(150_018, Some(false)), new);
        assert_eq!(which(150_019, Some(false)), new[1..]);
        assert_eq!((which(150_020, Some(false)).len(), which(150_020, None).len(), of(150_020).len()), (0, 0, 11));
        assert_eq!(which(150_002, Some(false)).len(), 8, "all but those fixed before 15");
        assert_eq!(which(170_005, Some(false)), ["CVE-2025-8713", new[0], new[1], new[2], new[3]]);
        assert_eq!(which(110_002, Some(false)), ["CVE-2019-10130", "CVE-2023-2455"]);
    }

    #[test]
    fn what_was_not_established_is_undecided() {
        assert_eq!(which(180_006, Some(false)), ["CVE-2026-16237", "CVE-2026-116311", "CVE-2026-120154"]);
        assert_eq!(which(180_005, None), ["CVE-2026-14666"]);
        assert_eq!(which(180_007, None), ["CVE-2026-16237", "CVE-2026-116311", "CVE-2026-120154"]);
        assert_eq!((which(140_030, None).len(), which(190_001, None).len(), which(170_012, None).len()), (4, 4, 4));
    }

    #[test]
    fn every_line_of_the_list_is_read_whole() {
        let text = &find("rls-server-cve").unwrap().text;
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("--   ")).collect();
        assert_eq!(lines.len(), 11);
        for line in lines {
            let majors = line.split(" | ").nth(1).unwrap_or_default().split(' ').filter(|token| !token.starts_with("9.")).count();
            let read = flaw(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(read.majors.iter().filter(|(major, _)| *major >= 10).count(), majors, "{line}");
        }
    }
}
