//! Texts that a pattern accepts: from the regular expressions, LIKE patterns and lengths of CHECK constraints.

use std::sync::LazyLock;

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Longest text made.
const LONGEST: usize = 240;

#[allow(clippy::unwrap_used, reason = "constant patterns; a test compiles each")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

static MATCH: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:^|[^!~])(~\*?)\s*\(?E?'((?:[^']|'')*)'"));
static SIMILAR: LazyLock<Regex> = LazyLock::new(|| pattern(r"similar_to_escape\('((?:[^']|'')*)'"));
static LIKE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:^|[^!~])~~\*?\s*\(?'((?:[^']|'')*)'"));
static LENGTH: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:length|octet_length|cardinality|array_length)\([^=<>]*?\)+\s*(=|>=|<=|>|<)\s*(\d+)"));

/// What a CHECK wants of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Regular expressions that must match.
    pub patterns: Vec<String>,
    pub shortest: usize,
    pub longest: Option<usize>,
}

impl Wanted {
    /// Reads a CHECK as pg_get_constraintdef writes it.
    pub fn of(check: &str) -> Self {
        let unquote = |text: &str| text.replace("''", "'");
        let mut wanted = Self::default();
        for hit in MATCH.captures_iter(check) {
            let (Some(operator), Some(text)) = (hit.get(1), hit.get(2)) else { continue };
            let text = unquote(text.as_str());
            wanted.patterns.push(if operator.as_str() == "~*" { format!("(?i){text}") } else { text });
        }
        wanted.patterns.extend(SIMILAR.captures_iter(check).filter_map(|hit| hit.get(1)).map(|text| similar(&unquote(text.as_str()))));
        wanted.patterns.extend(LIKE.captures_iter(check).filter_map(|hit| hit.get(1)).map(|text| like(&unquote(text.as_str()))));
        for hit in LENGTH.captures_iter(check) {
            let (Some(operator), Some(number)) = (hit.get(1), hit.get(2).and_then(|n| n.as_str().parse::<usize>().ok())) else { continue };
            match operator.as_str() {
                "=" => (wanted.shortest, wanted.longest) = (number, Some(number)),
                ">=" => wanted.shortest = number,
                ">" => wanted.shortest = number + 1,
                "<=" => wanted.longest = Some(number),
                _ => wanted.longest = Some(number.saturating_sub(1)),
            }
        }
        wanted
    }

    /// Whether there is anything to obey.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Texts to try, the likeliest first; another `seed` gives others.
    pub fn texts(&self, seed: u64) -> Vec<String> {
        let limit = self.longest.unwrap_or(LONGEST).min(LONGEST);
        let mut texts = Vec::new();
        for pattern in &self.patterns {
            // Few repetitions keep it short, more make room for a difference.
            for more in [0, 4, 7, 12] {
                if let Some(text) = matching(pattern, seed, more) {
                    texts.push(text);
                }
            }
        }
        if self.patterns.is_empty() && (self.shortest > 0 || self.longest.is_some()) {
            let digits = format!("{seed:016x}");
            let length = self.shortest.max(limit.min(8)).min(LONGEST);
            texts.push(digits.chars().cycle().take(length).collect());
            texts.push(digits.to_uppercase().chars().cycle().take(length).collect());
            texts.push(format!("{seed:020}").chars().rev().cycle().take(length).collect());
        }
        texts.retain(|text| text.chars().count() >= self.shortest && text.chars().count() <= limit);
        texts.dedup();
        texts
    }
}

/// A text that the regular expression matches. PostgreSQL's and this parser's dialects agree on what CHECKs use; where they do not,
/// the server refuses the text and another is tried.
fn matching(pattern: &str, seed: u64, more: u32) -> Option<String> {
    // `\m`, `\M`, `\y` are boundaries, `\A`, `\Z` ends.
    let text = pattern.replace("\\m", "").replace("\\M", "").replace("\\y", "").replace("\\Z", "\\z");
    let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(&text).ok()?;
    let mut draw = Draw { seed, more, out: String::new() };
    draw.walk(&hir);
    Some(draw.out).filter(|text| !text.contains('\0'))
}

struct Draw {
    seed: u64,
    more: u32,
    out: String,
}

impl Draw {
    fn next(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below.max(1)
    }

    fn walk(&mut self, hir: &Hir) {
        if self.out.len() > LONGEST {
            return;
        }
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.out.push_str(&String::from_utf8_lossy(&literal.0)),
            HirKind::Class(Class::Unicode(class)) => {
                let ranges: Vec<(char, char)> = class.ranges().iter().map(|r| (r.start(), r.end())).collect();
                self.one_of(&ranges);
            }
            HirKind::Class(Class::Bytes(class)) => {
                let ranges: Vec<(char, char)> = class.ranges().iter().map(|r| (char::from(r.start()), char::from(r.end()))).collect();
                self.one_of(&ranges);
            }
            HirKind::Repetition(repeated) => {
                let count = match repeated.max {
                    Some(max) => max.min(repeated.min + self.more),
                    None => repeated.min.max(1) + self.more.min(8),
                };
                for _ in 0..count.min(200) {
                    self.walk(&repeated.sub);
                }
            }
            HirKind::Capture(group) => self.walk(&group.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.walk(part)),
            HirKind::Alternation(parts) => {
                let chosen = self.next(parts.len() as u64) as usize;
                if let Some(part) = parts.get(chosen) {
                    self.walk(part);
                }
            }
        }
    }

    /// A plain character of the class: letters and digits where it has any.
    fn one_of(&mut self, ranges: &[(char, char)]) {
        let has = |c: char| ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
        let mut plain: Vec<char> = ('a'..='z').chain('0'..='9').chain('A'..='Z').filter(|c| has(*c)).collect();
        if plain.is_empty() {
            plain = ('!'..='~').chain([' ']).filter(|c| has(*c)).collect();
        }
        match plain.is_empty() {
            true => self.out.extend(ranges.first().map(|(low, _)| *low)),
            false => {
                let at = self.next(plain.len() as u64) as usize;
                self.out.extend(plain.get(at));
            }
        }
    }
}

/// SIMILAR TO as a regular expression.
fn similar(text: &str) -> String {
    format!("^(?:{})$", text.replace('%', ".*").replace('_', "."))
}

/// LIKE as a regular expression.
fn like(text: &str) -> String {
    let mut out = String::from("^");
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            // The next character stands for itself.
            '\\' => out.extend(chars.next().map(|c| if c.is_alphanumeric() { c.to_string() } else { format!("\\{c}") })),
            '%' => out.push_str("[a-z0-9]*"),
            '_' => out.push_str("[a-z0-9]"),
            c if c.is_alphanumeric() => out.push(c),
            c => {
                out.push('\\');
                out.push(c);
            }
        }
    }
    out.push('$');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_match_the_patterns_they_are_made_from() {
        let patterns = [
            "^[a-z]{3,12}$",
            "^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$",
            r"^\d{13}$",
            "^#[0-9a-f]{6}$",
            r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
            "^(draft|live)-[0-9]+$",
            "^[a-z0-9]+(-[a-z0-9]+)*$",
            r"^\+?[1-9]\d{1,14}$",
            "^[[:alpha:]_]+$",
            "^https?://",
        ];
        for pattern in patterns {
            let check = format!("CHECK ((x ~ '{pattern}'::text))");
            let texts = Wanted::of(&check).texts(42);
            assert!(!texts.is_empty(), "{pattern}");
            for text in texts {
                assert!(Regex::new(pattern).unwrap().is_match(&text), "{pattern}: {text}");
            }
        }
    }

    #[test]
    fn lengths_likes_and_similars_are_understood() {
        assert_eq!(Wanted::of("CHECK ((length(x) = 32))").texts(1)[0].len(), 32);
        assert!(Wanted::of("CHECK (((char_length(x) >= 3) AND (char_length(x) <= 80)))").texts(1)[0].len() >= 3);
        assert!(Wanted::of("CHECK ((x ~~ 'https://%'::text))").texts(1)[0].starts_with("https://"));
        assert!(Wanted::of(r"CHECK ((x ~~ 'org\_%'::text))").texts(1)[0].starts_with("org_"));
        let similar = Wanted::of("CHECK ((x ~ similar_to_escape('[A-Z]{1,3}-[0-9]{4}'::text)))").texts(9);
        assert!(similar.iter().all(|text| Regex::new("^[A-Z]{1,3}-[0-9]{4}$").unwrap().is_match(text)), "{similar:?}");
        assert!(Wanted::of("CHECK ((x !~ 'a'::text))").is_empty());
    }
}
