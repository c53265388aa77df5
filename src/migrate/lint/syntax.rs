//! What the parser says of a script.

use squawk_syntax::SourceFile;

use super::{LONG, Remark};
use crate::migrate::split::{Place, Splitter, may_hold_psql, place_of};

/// Equal data statements in a row that are parsed before the rest is left to PostgreSQL.
const PARSED_IN_A_ROW: usize = 200;

/// How many errors of a file are told: after a few they follow from each other.
const TOLD: usize = 5;

/// The parser's errors, and how many repeated data statements were not parsed.
pub fn syntax(text: &str) -> (Vec<Remark>, u64) {
    let (errors, unparsed) = errors(text);
    (told(text, errors), unparsed)
}

fn errors(text: &str) -> (Vec<Remark>, u64) {
    let long = text.len() > LONG;
    if !long && !is_psqls(text) {
        return (syntax_from(text, 0, text), 0);
    }
    // A tree of the whole would be many times its size, and what is psql's is no SQL.
    let (mut remarks, mut unparsed) = (Vec::new(), 0);
    let (mut last, mut row) = (String::new(), 0);
    for statement in Splitter::new(text) {
        row = if statement.what == last { row + 1 } else { 0 };
        last.clone_from(&statement.what);
        match row < PARSED_IN_A_ROW || !long {
            true => remarks.extend(syntax_from(text, statement.start, &statement.sql())),
            false => unparsed += 1,
        }
    }
    (remarks, unparsed)
}

/// Whether something in a text is psql's.
fn is_psqls(text: &str) -> bool {
    if !may_hold_psql(text) {
        return false;
    }
    let mut splitter = Splitter::new(text);
    splitter.by_ref().for_each(drop);
    splitter.psql.is_some()
}

fn syntax_from(text: &str, start: usize, part: &str) -> Vec<Remark> {
    SourceFile::parse(part)
        .errors()
        .into_iter()
        .map(|error| Remark::new("syntax", place_of(text, start + usize::from(error.range().start())), error.message().to_owned()))
        .collect()
}

/// The errors worth telling. Where a tool is to fill something in, that is the error, and the parser's own follow from it.
fn told(text: &str, mut errors: Vec<Remark>) -> Vec<Remark> {
    if errors.is_empty() {
        return errors;
    }
    let lines: Vec<&str> = text.split('\n').collect();
    let on_line = |remark: &Remark| {
        let line = lines.get(usize::try_from(remark.place.line).unwrap_or_default().saturating_sub(1)).copied().unwrap_or_default();
        placeholder(line).map(|found| (remark.place.line, line[..found.start].chars().count() as u64 + 1, line[found].to_owned()))
    };
    if let Some((line, column, name)) = errors.iter().find_map(on_line) {
        let message = format!(
            "`{name}` is to be filled in by a tool before the server sees it, and as it stands this is no SQL: write the value (for psql's own: `\\set` it \
             above), or let that tool run its files: layout = \"command\""
        );
        return vec![Remark::new("syntax", Place { line, column }, message)];
    }
    if errors.len() > TOLD + 1 {
        let more = errors.len() - TOLD;
        errors.truncate(TOLD + 1);
        if let Some(last) = errors.last_mut() {
            last.message = format!("{more} more errors of the parser from here on, which may follow from those before");
        }
    }
    errors
}

/// The first thing on a line that tools fill in: `${name}`, `{{name}}`, `<%= name %>`, `%(name)s`, `$[name]`, `:NAME`, `:'name'`.
fn placeholder(line: &str) -> Option<std::ops::Range<usize>> {
    let paired = [("${", "}"), ("{{", "}}"), ("<%", "%>"), ("%(", ")s"), ("$[", "]")];
    let first = paired.iter().filter_map(|(open, close)| {
        let start = line.find(open)?;
        let end = start + line[start..].find(close)? + close.len();
        Some(start..end)
    });
    let colons = line.match_indices(':').filter_map(|(at, _)| {
        // `a::text` and `x[1:n]` are PostgreSQL's own.
        let cast = line[..at].ends_with(':') || line[at + 1..].starts_with(':');
        let slice = line[..at].matches('[').count() > line[..at].matches(']').count();
        let reference = crate::migrate::split::variable(&line[at..]).filter(|_| !cast && !slice)?;
        Some(at..at + reference)
    });
    first.chain(colons).min_by_key(|range| range.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tool_fills_in_is_one_error_with_its_place() {
        for (text, place, name) in [
            ("select 1;\ncreate table :SCHEMA_NAME.t (id int);\ncreate table :SCHEMA_NAME.u (id int);\n", (2, 14), "`:SCHEMA_NAME`"),
            ("create table {{ schema }}.t (id int);\n", (1, 14), "`{{ schema }}`"),
            ("create table ${schema}.t (id int);", (1, 14), "`${schema}`"),
            ("insert into t values (1);\ngrant select on t to <%= role %>;", (2, 22), "`<%= role %>`"),
        ] {
            let (remarks, _) = syntax(text);
            assert_eq!(remarks.len(), 1, "{text}: {remarks:?}");
            assert_eq!((remarks[0].place.line, remarks[0].place.column), place, "{text}");
            assert!(remarks[0].message.starts_with(&format!("{name} is to be filled in by a tool")), "{}", remarks[0].message);
        }
        for text in ["select a::text, b[1:n] from t;", "select '${x}', ':y', '{{z}}';", "select $1::int, x -> 'a:b';"] {
            assert_eq!(syntax(text).0, [], "{text}");
        }
        assert!(!syntax("create tabel t (id int); select a[1:n];").0[0].message.contains("filled in"));
    }

    #[test]
    fn a_flood_of_errors_is_cut_and_counted() {
        let (remarks, _) = syntax(&"create tabel t (id int);\n".repeat(100));
        assert_eq!(remarks.len(), TOLD + 1);
        assert!(remarks[TOLD].message.contains(" more errors of the parser from here on"), "{}", remarks[TOLD].message);
    }
}
