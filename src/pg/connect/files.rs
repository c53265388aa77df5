//! libpq's files: the password file and the service file (PostgreSQL manual, libpq, "The Password File", "The Connection Service File").

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::text::Keywords;

/// What a password file said.
#[derive(Debug, PartialEq, Eq)]
pub enum Passwords {
    Found(String),
    /// Nothing for this connection.
    None,
    /// Not read: others may read it too. The reason, for the moment when the password is missed.
    Open(String),
}

/// Looks a connection up. As libpq does, a file that group or others may open is not used.
pub fn password(file: &Path, host: &str, port: &str, database: &str, user: &str) -> Passwords {
    let Ok(metadata) = std::fs::metadata(file) else { return Passwords::None };
    if !metadata.is_file() {
        return Passwords::None;
    }
    if metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o777;
        return Passwords::Open(format!("{} was not used: its mode {mode:04o} lets others read it (chmod 600)", file.display()));
    }
    let Ok(text) = std::fs::read_to_string(file) else { return Passwords::None };
    let wanted = [host, port, database, user];
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let fields = fields(line);
            let matches = fields.len() == 5 && fields.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
            matches.then(|| fields[4].clone())
        })
        .map_or(Passwords::None, Passwords::Found)
}

/// `host:port:database:user:password`, `\` before `:` and `\`.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field) = (Vec::new(), String::new());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => field.extend(chars.next()),
            // A colon in the password itself need not be escaped.
            ':' if fields.len() < 4 => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

/// The keywords of a service in a service file; `None`: it is not there.
pub fn service(file: &Path, name: &str) -> Option<Keywords> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.find(|line| line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) == Some(name))?;
    let pairs = lines.take_while(|line| !line.starts_with('['));
    Some(pairs.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn the_first_line_that_fits_is_taken() {
        let passwords = file("# comment\nother:*:*:*:no\nh:5432:d:u:a\\:b\\\\c:d\n*:*:*:*:last\n", 0o600);
        assert_eq!(password(passwords.path(), "h", "5432", "d", "u"), Passwords::Found("a:b\\c:d".into()));
        assert_eq!(password(passwords.path(), "h", "1", "d", "u"), Passwords::Found("last".into()));
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used_and_its_mode_is_named() {
        let Passwords::Open(why) = password(file("*:*:*:*:canary\n", 0o640).path(), "h", "1", "d", "u") else { panic!("it was used") };
        assert!(why.contains("0640") && why.contains("chmod 600") && !why.contains("canary"), "{why}");
    }

    #[test]
    fn services_end_where_the_next_begins() {
        let services = file("[a]\nhost=x\n# c\nport = 7\n[b]\nhost=y\n", 0o644);
        let found = service(services.path(), "a").unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("host".into(), "x".into()), ("port".into(), "7".into())]);
        assert_eq!(service(services.path(), "c"), None);
    }
}
