//! The workload: a folder of `.sql` files, one statement each, in the order of their names.
//!
//! ```sql
//! -- name: alerts of a project
//! -- param: (SELECT id FROM public.projects ORDER BY created_at, id LIMIT 1)
//! -- rows-may-differ: row security narrows this list to one tenant
//! SELECT … WHERE project_id = $1
//! ```
//! Leading comment lines of these three keys are the header; other comments are comments. `name` defaults to the file's name
//! without `.sql`. One `param` for each of `$1`, `$2`, …, in order: a SQL expression that is evaluated once, on the copy before
//! the migrations, by the connecting role; both sides get the same value. `rows-may-differ` gives the reason why the
//! statement may return another number of rows after the migrations; without it such a query is not comparable.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// One statement of the workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub name: String,
    /// File name within the folder.
    pub file: String,
    /// SHA-256 (hex) of the file's bytes.
    pub sha256: String,
    /// The whole file.
    pub text: String,
    /// The statement, without header and final semicolon.
    pub sql: String,
    /// Expressions for `$1`, `$2`, …
    pub params: Vec<String>,
    pub rows_may_differ: Option<String>,
}

/// Why a workload cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    #[error("no workload: `workload` of [performance] names no folder")]
    NotConfigured,
    #[error("no workload: {0} does not exist or cannot be read")]
    Unreadable(String),
    #[error("no workload: {0} holds no .sql file")]
    Empty(String),
    #[error("workload file {file}: {what}")]
    File { file: String, what: String },
}

/// Reads the folder. `shown` is how the folder is named in messages.
pub fn read(folder: &Path, shown: &str) -> Result<Vec<Query>, WorkloadError> {
    let unreadable = |_| WorkloadError::Unreadable(shown.to_owned());
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "sql") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(WorkloadError::Empty(shown.to_owned()));
    }
    let mut queries: Vec<Query> = Vec::with_capacity(files.len());
    for path in files {
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let bad = |what: &str| WorkloadError::File { file: file.clone(), what: what.to_owned() };
        let bytes = std::fs::read(&path).map_err(|error| bad(&error.to_string()))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| bad("not UTF-8"))?;
        let query = parse(&file, text)?;
        if queries.iter().any(|other| other.name == query.name) {
            return Err(bad(&format!("the name `{}` is taken by another file", query.name)));
        }
        queries.push(query);
    }
    Ok(queries)
}

/// Reads one file.
pub fn parse(file: &str, text: &str) -> Result<Query, WorkloadError> {
    let bad = |what: &str| WorkloadError::File { file: file.to_owned(), what: what.to_owned() };
    let mut query = Query {
        name: file.strip_suffix(".sql").unwrap_or(file).to_owned(),
        file: file.to_owned(),
        sha256: hex::encode(Sha256::digest(text.as_bytes())),
        text: text.to_owned(),
        sql: String::new(),
        params: Vec::new(),
        rows_may_differ: None,
    };
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    loop {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.trim();
        if !(line.is_empty() || line.starts_with("--")) || rest.is_empty() {
            break;
        }
        if let Some((key, value)) = line.trim_start_matches('-').trim().split_once(':') {
            let value = value.trim();
            match key {
                "name" | "param" | "rows-may-differ" if value.is_empty() => return Err(bad(&format!("`{key}:` says nothing"))),
                "name" => query.name = value.to_owned(),
                "param" => query.params.push(value.to_owned()),
                "rows-may-differ" => query.rows_may_differ = Some(value.to_owned()),
                _ => {}
            }
        }
        rest = after;
    }
    query.sql = rest.trim().trim_end_matches(';').trim_end().to_owned();
    match query.sql.is_empty() {
        true => Err(bad("holds no statement")),
        false => Ok(query),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_header_is_read() {
        let text = "-- Why: the page shows it.\n-- name: alerts of a project\n\n-- param: (SELECT 1)\n-- param: 'x: y'\nSELECT 1 -- name: not a header\nWHERE true;\n";
        let query = parse("03_alerts.sql", text).unwrap();
        assert_eq!(query.name, "alerts of a project");
        assert_eq!(query.params, ["(SELECT 1)", "'x: y'"]);
        assert_eq!(query.sql, "SELECT 1 -- name: not a header\nWHERE true");
        assert_eq!(query.rows_may_differ, None);
        assert_eq!(query.sha256, hex::encode(Sha256::digest(text)));
    }

    #[test]
    fn the_name_defaults_to_the_file() {
        assert_eq!(parse("top.sql", "\u{feff}select 1").unwrap().name, "top");
    }

    #[test]
    fn a_file_without_a_statement_is_refused() {
        for text in ["", "-- only words\n", "-- name: a\n\n", ";\n", "-- name:\nselect 1"] {
            assert!(matches!(parse("a.sql", text), Err(WorkloadError::File { .. })), "{text:?}");
        }
    }

    #[test]
    fn folders_missing_empty_or_with_two_of_a_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(&folder.path().join("no"), "no"), Err(WorkloadError::Unreadable(_))));
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        assert!(matches!(read(folder.path(), "w"), Err(WorkloadError::Empty(_))));
        std::fs::write(folder.path().join("b.sql"), "select 2").unwrap();
        std::fs::write(folder.path().join("a.sql"), "select 1").unwrap();
        let names: Vec<String> = read(folder.path(), "w").unwrap().into_iter().map(|q| q.name).collect();
        assert_eq!(names, ["a", "b"]);
        std::fs::write(folder.path().join("c.sql"), "-- name: a\nselect 3").unwrap();
        assert!(matches!(read(folder.path(), "w"), Err(WorkloadError::File { .. })));
    }
}
