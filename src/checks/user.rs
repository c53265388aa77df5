//! The team's own checks: files of the same form in the folders that `[checks] folders` names.

use std::path::{Path, PathBuf};

use super::header::{Check, Kind};

/// One file of the folders: the check, or why it cannot be used.
#[derive(Clone, Debug)]
pub struct UserCheck {
    /// Path relative to the project, `/`-separated.
    pub file: String,
    pub check: Result<Check, String>,
}

/// Reads every `.sql` file of the folders (not of folders within), in order of folder and name. A folder that cannot be read is
/// itself an entry that cannot be used: nothing that was promised is dropped in silence.
pub fn user_checks(root: &Path, folders: &[PathBuf]) -> Vec<UserCheck> {
    let mut found: Vec<UserCheck> = Vec::new();
    for folder in folders {
        let shown = folder.display().to_string();
        let mut files: Vec<PathBuf> = match std::fs::read_dir(root.join(folder)) {
            Ok(entries) => {
                let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
                files.filter(|path| path.extension().is_some_and(|extension| extension == "sql")).collect()
            }
            Err(error) => {
                found.push(UserCheck { file: shown, check: Err(format!("the folder cannot be read: {error}")) });
                continue;
            }
        };
        files.sort();
        if files.is_empty() {
            found.push(UserCheck { file: shown, check: Err("the folder holds no .sql file".into()) });
            continue;
        }
        for path in files {
            let file = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            let check = read(&path).and_then(|check| match found.iter().flat_map(|f| &f.check).any(|c| c.code == check.code) {
                true => Err(format!("the code {} is used twice", check.code)),
                false => Ok(check),
            });
            found.push(UserCheck { file, check });
        }
    }
    found
}

fn read(path: &Path) -> Result<Check, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let check = Check::parse(&text).map_err(|error| error.to_string())?;
    if check.kind == Kind::Probe {
        return Err("`kind: probe` is for built-in checks; a check of your own is a query".into());
    }
    if super::find(check.code.as_str()).is_some() {
        return Err(format!("the code {} is a built-in check's", check.code));
    }
    Ok(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "-- code: mine\n-- title: Mine\n-- step: integrity\nSELECT 1";

    #[test]
    fn what_cannot_be_used_is_told_and_not_dropped() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("checks");
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in [
            ("a.sql", GOOD.to_owned()),
            ("b.sql", GOOD.to_owned()),
            ("c.sql", GOOD.replace("mine", "report-renders")),
            ("d.sql", GOOD.replace("integrity", "nonsense")),
            ("e.sql", GOOD.replace("-- title", "-- kind: probe\n-- title").replace("mine", "other")),
            ("notes.txt", "not a check".to_owned()),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let found = user_checks(root.path(), &["checks".into(), "gone".into()]);
        let told: Vec<String> = found
            .iter()
            .map(|f| format!("{}: {}", f.file, f.check.as_ref().map(|c| c.code.to_string()).unwrap_or_else(|why| format!("no: {why}"))))
            .collect();
        assert_eq!(told[0], "checks/a.sql: mine");
        for (line, says) in told[1..].iter().zip(["used twice", "built-in", "unknown step nonsense", "kind: probe", "cannot be read"]) {
            assert!(line.contains(says), "{line}");
        }
        assert_eq!(told.len(), 6);
    }
}
