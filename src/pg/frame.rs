//! What a backup that leaves schemas out stands on.
//!
//! A platform's own schemas (Supabase's `auth`, `storage`, `extensions`, …) are left out of the backup: they are not the team's to restore.
//! But the team's tables refer to `auth.users`, their policies call `auth.uid()`, and their extensions live in `extensions`; without those
//! the backup restores nowhere. So beside the backup lies its frame: the structure of the schemas left out, as far as the role may read
//! them, and the rows of those of their tables that kept keys lead to. A scratch copy gets the frame first, without owners and with errors
//! overlooked: what is missing of it shows where the backup itself needs it. The frame is never compared and is no part of the backup.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::dump::Tools;
use super::tool::Tool;
use super::unfinished::Unfinished;
use super::{Access, PgError, Session, Target};

/// Where the frame of a backup lies.
pub fn beside(backup: &Path) -> PathBuf {
    let mut name = backup.as_os_str().to_owned();
    name.push(".frame");
    PathBuf::from(name)
}

/// The roles that a session may not act as: on a hosted platform, the platform's.
pub(super) struct Others {
    superuser: bool,
    roles: Vec<String>,
}

impl Others {
    pub async fn of(target: &Target) -> Result<Self, PgError> {
        let session = target.session(Access::ReadOnly).await?;
        let superuser: bool =
            session.one("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER", &[]).await?.try_get(0)?;
        let query = "SELECT rolname::text FROM pg_catalog.pg_roles WHERE NOT pg_catalog.pg_has_role(oid, 'MEMBER')";
        let roles = session.query(query, &[]).await?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        Ok(Self { superuser, roles })
    }

    /// Whether an entry of an archive's table of contents (`3; 6104 16 PUBLICATION - name owner`) is of a kind that stands by itself and
    /// is theirs to make. What is theirs of any other kind is not overlooked: without it the rest may not be whole.
    pub fn alone_may_make(&self, entry: &str) -> bool {
        let kind = entry.splitn(4, ' ').nth(3).unwrap_or_default();
        let kind = kind.strip_prefix("COMMENT - ").unwrap_or(kind);
        let theirs = || self.roles.iter().any(|role| entry.strip_suffix(role.as_str()).is_some_and(|rest| rest.ends_with(' ')));
        (kind.starts_with("EVENT TRIGGER ") && !self.superuser)
            || ((kind.starts_with("PUBLICATION ") || kind.starts_with("DEFAULT ACL ")) && theirs())
    }
}

/// What of the schemas left out can be had.
struct Outline {
    schemas: Vec<String>,
    /// Tables and sequences that the role may not read.
    closed: Vec<String>,
    /// Tables whose rows no kept key leads to.
    rowless: Vec<String>,
}

impl Outline {
    async fn read(session: &Session, excluded: &[String]) -> Result<Self, PgError> {
        let mut outline = Self { schemas: Vec::new(), closed: Vec::new(), rowless: Vec::new() };
        for row in session.query(include_str!("frame.sql"), &[&excluded]).await? {
            let (kind, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            match kind.as_str() {
                "schema" => outline.schemas.push(name),
                "closed" => outline.closed.push(name),
                _ => outline.rowless.push(name),
            }
        }
        Ok(outline)
    }
}

impl Tools {
    /// Writes the frame of a backup to lie [`beside`] it, in the same snapshot. Nothing is written where nothing is left out.
    pub(super) async fn dump_frame(
        &self,
        target: &Target,
        session: &Session,
        backup: &Path,
        snapshot: &str,
        excluded: &[String],
    ) -> Result<Option<Unfinished>, PgError> {
        if excluded.is_empty() {
            return Ok(None);
        }
        let outline = Outline::read(session, excluded).await?;
        if outline.schemas.is_empty() {
            return Ok(None);
        }
        let unfinished = Unfinished::begin(&beside(backup), false)?;
        let mut into = std::ffi::OsString::from("--file=");
        into.push(unfinished.path());
        let mut tool = Tool::new(&self.pg_dump)
            .connect(target.spec(), target.application_name())
            .arg("--format=custom")
            .arg("--no-owner")
            .arg("--no-password")
            .arg("--lock-wait-timeout=30000")
            .arg(format!("--snapshot={snapshot}"))
            .arg(into);
        for schema in &outline.schemas {
            tool = tool.arg(format!("--schema={schema}"));
        }
        for table in &outline.closed {
            tool = tool.arg(format!("--exclude-table={table}"));
        }
        for table in &outline.rowless {
            tool = tool.arg(format!("--exclude-table-data={table}"));
        }
        tool.run().await?.checked()?;
        Ok(Some(unfinished))
    }

    /// Restores the frame of a backup before the backup: schemas, then the backup's extensions (which live in them), then the rest.
    pub(super) async fn restore_frame(&self, into: &Target, backup: &Path) -> Result<(), PgError> {
        let frame = beside(backup);
        if !frame.exists() {
            return Ok(());
        }
        let of_frame = self.contents(&frame).await?;
        let of_backup = self.contents(backup).await?;
        self.overlook(into, &frame, of_frame.lines().filter(|line| line.contains(" SCHEMA - "))).await?;
        self.overlook(into, backup, of_backup.lines().filter(|line| line.contains(" EXTENSION - "))).await?;
        self.overlook(into, &frame, of_frame.lines().filter(|line| !line.contains(" SCHEMA - "))).await
    }

    /// After the backup: what of the frame leans on it, such as a trigger on `auth.users` that calls a function of the team's.
    pub(super) async fn restore_frame_again(&self, into: &Target, backup: &Path) -> Result<(), PgError> {
        let frame = beside(backup);
        if !frame.exists() {
            return Ok(());
        }
        let leaning = [" TRIGGER ", " POLICY ", " RULE ", " VIEW ", " FK CONSTRAINT ", " ACL "];
        let contents = self.contents(&frame).await?;
        self.overlook(into, &frame, contents.lines().filter(|line| leaning.iter().any(|kind| line.contains(kind)))).await
    }

    /// Restores these entries of an archive and overlooks what fails of them.
    async fn overlook(&self, into: &Target, file: &Path, entries: impl Iterator<Item = &str>) -> Result<(), PgError> {
        let entries: Vec<&str> = entries.filter(|line| !line.starts_with(';')).collect();
        if entries.is_empty() {
            return Ok(());
        }
        let failed = |error: std::io::Error| PgError::other(format!("cannot write a temporary file: {error}"));
        let mut list = tempfile::NamedTempFile::new().map_err(failed)?;
        list.write_all((entries.join("\n") + "\n").as_bytes()).map_err(failed)?;
        let mut chosen = std::ffi::OsString::from("--use-list=");
        chosen.push(list.path());
        let tool = Tool::new(&self.pg_restore)
            .connect(into.spec(), into.application_name())
            .arg("--no-owner")
            .arg("--no-password")
            .arg(super::dump::into_database(into))
            .arg(chosen)
            .arg(file);
        tool.run().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_by_itself_and_is_of_others_is_left_out() {
        let others = Others { superuser: false, roles: vec!["platform".to_owned()] };
        for (entry, left_out) in [
            ("3350; 6104 16384 PUBLICATION - realtime platform", true),
            ("3351; 6106 16385 PUBLICATION TABLE public notes platform", true),
            ("3352; 826 16386 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES platform", true),
            ("3353; 3466 16387 EVENT TRIGGER - watch developer", true),
            ("3354; 0 0 COMMENT - EVENT TRIGGER watch platform", true),
            ("3355; 6104 16388 PUBLICATION - realtime developer", false),
            ("3356; 6104 16389 PUBLICATION - realtime otherplatform", false),
            ("3357; 1259 16390 TABLE public notes platform", false),
            ("3358; 0 0 COMMENT - TABLE \"PUBLICATION x\" platform", false),
        ] {
            assert_eq!(others.alone_may_make(entry), left_out, "{entry}");
        }
        let superuser = Others { superuser: true, roles: Vec::new() };
        assert!(!superuser.alone_may_make("3353; 3466 16387 EVENT TRIGGER - watch developer"));
    }
}
