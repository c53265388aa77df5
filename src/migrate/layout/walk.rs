//! The files of a folder, and the lines of a file.

use std::ops::Range;
use std::path::Path;

use super::LayoutError;

/// The files right in a folder, sorted by name in bytes, without hidden ones.
pub fn files(dir: &Path) -> Result<Vec<String>, LayoutError> {
    let failed = |source| LayoutError::Read { path: dir.to_path_buf(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && entry.path().is_file() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The folders right in a folder, sorted by name in bytes, without hidden ones.
pub fn folders(dir: &Path) -> Result<Vec<String>, LayoutError> {
    let failed = |source| LayoutError::Read { path: dir.to_path_buf(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && entry.path().is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// How deep a folder is searched; a link that leads back up must come to an end.
const DEEPEST: usize = 12;

/// All files below a folder, `/`-separated and relative to it, sorted; hidden files and folders are left out.
pub fn tree(dir: &Path) -> Result<Vec<String>, LayoutError> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), 0)];
    while let Some((prefix, depth)) = open.pop() {
        let at = if prefix.is_empty() { dir.to_path_buf() } else { dir.join(&prefix) };
        found.extend(files(&at)?.into_iter().map(|name| format!("{prefix}{name}")));
        if depth < DEEPEST {
            open.extend(folders(&at)?.into_iter().map(|name| (format!("{prefix}{name}/"), depth + 1)));
        }
    }
    found.sort();
    Ok(found)
}

/// A file's bytes.
pub fn bytes(dir: &Path, file: &str) -> Result<Vec<u8>, LayoutError> {
    let path = dir.join(file);
    std::fs::read(&path).map_err(|source| LayoutError::Read { path, source })
}

/// The last part of a path.
pub fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// `stem` of `stem.ext`, if the file has this extension (given with its dot, in small letters).
pub fn without<'a>(file: &'a str, extension: &str) -> Option<&'a str> {
    let at = file.len().checked_sub(extension.len()).filter(|at| file.is_char_boundary(*at))?;
    file[at..].eq_ignore_ascii_case(extension).then_some(&file[..at])
}

/// One line of a file.
pub struct Line<'a> {
    /// 1-based.
    pub number: u64,
    /// With its line break.
    pub range: Range<usize>,
    /// Without line break, and without the byte order mark; empty where it is not UTF-8 (such a file is refused elsewhere).
    pub text: &'a str,
}

/// The lines of a file.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut at = 0;
    let mut number = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |newline| at + newline + 1);
        let mut line = &bytes[at..end];
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if at == 0 {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        number += 1;
        let range = at..end;
        at = end;
        Some(Line { number, range, text: std::str::from_utf8(line).unwrap_or_default() })
    })
}
