//! Working papers: Markdown tables and CSV whose cells come from a database and may hold anything.

/// A cell of a Markdown table: no pipe, line break, markup or tag of its own.
pub fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A Markdown table; cells are escaped here.
pub fn table<'a>(head: &[&str], rows: impl IntoIterator<Item = Vec<std::borrow::Cow<'a, str>>>) -> String {
    let mut out = format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(head.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    out
}

/// One line of CSV (RFC 4180, CRLF). A cell that a spreadsheet would take for a formula gets a leading apostrophe.
pub fn csv_line<S: AsRef<str>>(cells: &[S]) -> String {
    let quoted: Vec<String> = cells
        .iter()
        .map(|cell| {
            let cell = cell.as_ref();
            let guarded = match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err() {
                true => format!("'{cell}"),
                false => cell.to_owned(),
            };
            match guarded.contains(['"', ',', '\n', '\r']) {
                true => format!("\"{}\"", guarded.replace('"', "\"\"")),
                false => guarded,
            }
        })
        .collect();
    format!("{}\r\n", quoted.join(","))
}

/// `1 key`, `21 keys`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Every check of a step with what it came to, and its findings: the body of a step's own report.
pub fn checks(evidence: &[crate::domain::Evidence]) -> String {
    let mut out = table(
        &["Check", "Severity", "Examined", "Outcome"],
        evidence.iter().map(|e| {
            vec![
                format!("{}: {}", e.check, e.title).into(),
                e.severity.word().into(),
                e.rows.len().to_string().into(),
                e.outcome.to_string().into(),
            ]
        }),
    );
    let findings: Vec<crate::domain::Finding> = evidence.iter().flat_map(|e| e.findings()).collect();
    out.push_str("\n## Findings\n\n");
    if findings.is_empty() {
        out.push_str("None.\n");
    } else {
        out.push_str(&table(
            &["Check", "Severity", "Subject", "Expected", "Observed"],
            findings.into_iter().map(|f| {
                vec![f.check.to_string().into(), f.severity.word().into(), f.subject.into(), f.expected.into(), f.observed.into()]
            }),
        ));
    }
    let open: Vec<_> = evidence.iter().flat_map(|e| e.rows.iter().filter(|row| row.ok.is_none()).map(move |row| (e, row))).collect();
    if !open.is_empty() {
        out.push_str("\n## Not established\n\n");
        out.push_str(&table(
            &["Check", "Subject", "Why"],
            open.into_iter().map(|(e, row)| vec![e.check.to_string().into(), row.subject.as_str().into(), row.observed.as_str().into()]),
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_break_out_of_nothing() {
        assert_eq!(cell("a|b\n<script>`x`_y_"), "a\\|b &lt;script&gt;\\`x\\`\\_y\\_");
        assert_eq!(csv_line(&["=cmd()", "a,\"b\"", "-1", "plain"]), "'=cmd(),\"a,\"\"b\"\"\",-1,plain\r\n");
        assert_eq!(table(&["A"], [vec!["x|y".into()]]), "| A |\n| --- |\n| x\\|y |\n");
    }
}
