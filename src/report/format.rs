//! How values are written for people: durations, sizes, times, marks. Pure and independent of locale, time zone and clock.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::verdict::Verdict;
use crate::domain::{CheckOutcome, Outcome};

/// An outcome as a word, a glyph and a CSS class: never colour alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    pub word: &'static str,
    pub glyph: &'static str,
    pub class: &'static str,
}

impl Mark {
    pub const PASS: Self = Self { word: "PASS", glyph: "✓", class: "pass" };
    pub const FAIL: Self = Self { word: "FAIL", glyph: "✗", class: "fail" };
    pub const UNKNOWN: Self = Self { word: "UNKNOWN", glyph: "?", class: "unknown" };
    pub const SKIPPED: Self = Self { word: "SKIPPED", glyph: "–", class: "unknown" };
    pub const ADVISORY: Self = Self { word: "ADVISORY", glyph: "!", class: "advisory" };
    pub const NOT_APPLICABLE: Self = Self { word: "N/A", glyph: "○", class: "none" };
    pub const OPEN: Self = Self { word: "OPEN", glyph: "☐", class: "unknown" };
    pub const OPTIONAL: Self = Self { word: "OPEN", glyph: "☐", class: "none" };
    pub const ATTESTED: Self = Self { word: "ATTESTED", glyph: "✎", class: "attested" };
    pub const APPROVED: Self = Self { word: "APPROVED", glyph: "✎", class: "attested" };
    pub const DENIED: Self = Self { word: "DENIED", glyph: "✗", class: "fail" };
    pub const PRESENT: Self = Self { word: "RECORDED", glyph: "✓", class: "pass" };
    pub const MISSING: Self = Self { word: "MISSING", glyph: "☐", class: "unknown" };
    pub const REDACTED: Self = Self { word: "REDACTED", glyph: "▒", class: "unknown" };
    pub const IN_PACKAGE: Self = Self { word: "IN THE PACKAGE", glyph: "▸", class: "none" };
    pub const THIS_REPORT: Self = Self { word: "THIS REPORT", glyph: "▸", class: "none" };

    /// The mark of a task's or a gate's outcome.
    pub fn outcome(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::PASS,
            Outcome::Fail => Self::FAIL,
            Outcome::Unknown(_) => Self::UNKNOWN,
            Outcome::Skipped(_) => Self::SKIPPED,
        }
    }

    /// The mark of a check's outcome; a failure below the plan's `fail-at` is an advisory.
    pub fn check(outcome: &CheckOutcome, advisory: bool) -> Self {
        match outcome {
            CheckOutcome::Pass => Self::PASS,
            CheckOutcome::Fail if advisory => Self::ADVISORY,
            CheckOutcome::Fail => Self::FAIL,
            CheckOutcome::Unknown(_) => Self::UNKNOWN,
            CheckOutcome::NotApplicable(_) => Self::NOT_APPLICABLE,
        }
    }

    /// The mark of a verdict.
    pub fn verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Go => Self { word: "GO", glyph: "✓", class: "pass" },
            Verdict::GoWithDeviations => Self { word: "GO WITH DEVIATIONS", glyph: "!", class: "advisory" },
            Verdict::NoGo => Self { word: "NO-GO", glyph: "✗", class: "fail" },
            Verdict::Undecided => Self { word: "UNDECIDED", glyph: "?", class: "unknown" },
        }
    }
}

/// Microseconds as a person reads them: `870 µs`, `4.9 ms`, `2.1 s`, `14 m 08 s`, `1 h 02 m`.
pub fn duration(us: i64) -> String {
    let us = us.max(0);
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..100_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        100_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..60_000_000 => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
        60_000_000..3_600_000_000 => format!("{} m {:02} s", us / 60_000_000, us % 60_000_000 / 1_000_000),
        _ => format!("{} h {:02} m", us / 3_600_000_000, us % 3_600_000_000 / 60_000_000),
    }
}

/// Whole minutes as `45 min`, `1 h`, `1 h 15 min`.
pub fn minutes(minutes: u32) -> String {
    match (minutes / 60, minutes % 60) {
        (0, m) => format!("{m} min"),
        (h, 0) => format!("{h} h"),
        (h, m) => format!("{h} h {m:02} min"),
    }
}

/// Bytes in decimal units: `512 B`, `48.2 MB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if n < 1_000 {
        return format!("{n} B");
    }
    let mut value = n / 100; // tenths of a kB
    let mut unit = 0;
    while value >= 10_000 && unit + 1 < UNITS.len() {
        value /= 1_000;
        unit += 1;
    }
    format!("{}.{} {}", value / 10, value % 10, UNITS[unit])
}

/// An integer with thin groups of three: `1 204 300`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `1 table`, `3 tables`.
pub fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// An RFC 3339 time as `2026-01-08 10:03:12 UTC`; text that is no time stays as it is.
pub fn time(ts: &str) -> String {
    moment(ts).map_or_else(|| ts.to_owned(), |t| t.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// The clock part of [`time`]: `10:03:12`.
pub fn clock(ts: &str) -> String {
    moment(ts).map_or_else(|| ts.to_owned(), |t| t.format("%H:%M:%S").to_string())
}

/// An RFC 3339 time in UTC.
pub fn moment(ts: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(ts).ok().map(|t| t.with_timezone(&Utc))
}

/// Microseconds from one RFC 3339 time to another, when both are times.
pub fn between(from: &str, to: &str) -> Option<i64> {
    (moment(to)? - moment(from)?).num_microseconds()
}

/// The first twelve characters of a digest. For display only; the whole one stands elsewhere.
pub fn short(hex: &str) -> String {
    hex.chars().take(12).collect()
}

/// Controls, direction overrides and isolates, zero-width characters, line separators.
pub fn is_deceptive(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The text with every character made visible that a terminal, a browser or a reader could be fooled by: controls (C0, C1, DEL),
/// direction overrides and isolates, zero-width characters and line separators become `\u{..}`. Line feeds stay when `lines`.
pub fn visible(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if lines => out.push(c),
            '\t' => out.push(' '),
            c if is_deceptive(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// Text for a Markdown cell or paragraph: nothing of it is Markdown, HTML, a link or a line of its own.
pub fn markdown(text: &str) -> String {
    let text = visible(text, false);
    let mut out = String::with_capacity(text.len() + 8);
    let chars: Vec<char> = text.chars().collect();
    let word = |index: Option<usize>| index.and_then(|i| chars.get(i)).is_some_and(|c| c.is_alphanumeric());
    for (index, c) in chars.iter().enumerate() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '[' | ']' | '|' | '~' => {
                out.push('\\');
                out.push(*c);
            }
            // Inside a word an underscore is no emphasis; elsewhere it might be.
            '_' if !(word(index.checked_sub(1)) && word(Some(index + 1))) => out.push_str("\\_"),
            '#' | '!' | '=' if index == 0 => {
                out.push('\\');
                out.push(*c);
            }
            '+' | '-' if index == 0 && chars.get(1).is_none_or(|next| !next.is_alphanumeric()) => {
                out.push('\\');
                out.push(*c);
            }
            // `1.` and `1)` at the start would be a list.
            '.' | ')' if index > 0 && chars[..index].iter().all(char::is_ascii_digit) && chars.get(index + 1) == Some(&' ') => {
                out.push('\\');
                out.push(*c);
            }
            // Bare addresses become links on their own in most renderers.
            ':' if chars.get(index + 1) == Some(&'/') && chars.get(index + 2) == Some(&'/') => out.push_str("&#58;"),
            '@' if word(Some(index + 1)) => out.push_str("&#64;"),
            '.' if index >= 3 && chars[index - 3..index].iter().all(|c| c.eq_ignore_ascii_case(&'w')) => out.push_str("&#46;"),
            c => out.push(*c),
        }
    }
    out
}

/// One word of a POSIX shell command line.
pub fn shell(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// An SQL string literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// An SQL identifier, always quoted.
pub fn identifier(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_well() {
        let written: Vec<String> = [0, 870, 4_950, 340_000, 2_190_000, 848_000_000, 3_720_000_000].iter().map(|us| duration(*us)).collect();
        assert_eq!(written, ["0 µs", "870 µs", "4.9 ms", "340 ms", "2.1 s", "14 m 08 s", "1 h 02 m"]);
        let written: Vec<String> = [512, 1_500, 48_200_000, 3_100_000_000].iter().map(|n| bytes(*n)).collect();
        assert_eq!(written, ["512 B", "1.5 kB", "48.2 MB", "3.1 GB"]);
    }

    #[test]
    fn markdown_is_inert() {
        assert_eq!(markdown("a|b `c` <img> [x](http://e)"), r"a\|b \`c\` &lt;img&gt; \[x\](http&#58;//e)");
        assert_eq!(markdown("bom_items_id"), "bom_items_id");
        assert_eq!(markdown("_x_"), r"\_x\_");
        assert_eq!(markdown("# no heading"), r"\# no heading");
        assert_eq!(markdown("a\n\n# b"), "a\\\\u{a}\\\\u{a}# b");
    }

    #[test]
    fn controls_and_overrides_are_visible() {
        assert_eq!(visible("a\u{1b}[31mb\u{202e}c\u{9b}\r", false), "a\\u{1b}[31mb\\u{202e}c\\u{9b}\\u{d}");
    }

    #[test]
    fn shell_words_are_quoted_where_needed() {
        assert_eq!(shell("migrations/003_x.down.sql"), "migrations/003_x.down.sql");
        assert_eq!(shell("it's; rm -rf /"), r"'it'\''s; rm -rf /'");
    }
}
