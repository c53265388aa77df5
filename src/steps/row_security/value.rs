//! Values for rows of a world: keys as functions of what they identify and of the world, everything else by type, by what the
//! policies and CHECKs mention, and by the look of an existing row.

use std::sync::LazyLock;

use regex_lite::Regex;
use sha2::{Digest, Sha256};

use super::model::KeyClass;
use super::shape::{Column, Shape, Table};

/// Whose a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum World {
    A,
    B,
    /// Nobody's: the identity of a session that belongs to no tenant.
    Stranger,
}

impl World {
    fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
            Self::Stranger => 'c',
        }
    }

    fn digit(self) -> u64 {
        match self {
            Self::A => 1,
            Self::B => 2,
            Self::Stranger => 3,
        }
    }
}

#[allow(clippy::unwrap_used, reason = "constant patterns; a test compiles each")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

static QUOTED: LazyLock<Regex> = LazyLock::new(|| pattern(r"'((?:[^']|'')*)'"));
static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"-?\d+(?:\.\d+)?"));
/// Labels that open more than their own tenant: never chosen where another will do.
static PRIVILEGED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)admin|super|root|staff|system|service|internal|operator|support|moderator"));
static PUBLIC: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)public|publish|shared|everyone|global|anyone|all|open_to|template|listed|featured"));
static CLOSED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)delete|remov|archiv|revok|inactive|disabled|suspend|banned|reject|expired|cancel"));

/// The name of what a key identifies, stable across databases.
fn class_name(shape: &Shape, class: &KeyClass) -> String {
    match class {
        KeyClass::Named(name) => name.clone(),
        KeyClass::Column(oid, number) => match shape.table(*oid) {
            Some(table) => format!("{}.{number}", table.sql),
            None => format!("{oid}.{number}"),
        },
    }
}

/// A key's value in a world. `fresh` counts rows beyond the world's own (0). The base type is that of the column it is put in.
pub fn key(shape: &Shape, class: &KeyClass, column: Option<&Column>, world: World, fresh: u64) -> String {
    let digest = Sha256::digest(format!("{}/{fresh}", class_name(shape, class)).as_bytes());
    let number = u64::from_be_bytes([digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]]);
    // A source without a column is given what the class's own column has.
    let own = match (column, class) {
        (Some(column), _) => Some(column),
        (None, KeyClass::Column(oid, n)) => shape.table(*oid).and_then(|table| table.column(*n)),
        (None, KeyClass::Named(name)) => shape.tables.iter().find_map(|table| table.column_named(name)),
    };
    distinct(own, number, world)
}

/// A value of the column's type that no other (number, world) has.
pub fn distinct(column: Option<&Column>, number: u64, world: World) -> String {
    let base = column.map_or("uuid", |column| column.base.as_str());
    let day = number % 20_000;
    match base {
        "int2" => format!("{}", 30_000 + (number % 270) * 10 + world.digit()),
        "int4" | "int8" | "oid" | "numeric" | "float4" | "float8" | "money" => {
            // Numerics may be narrow: as many digits as fit before the point.
            let digits = column.filter(|c| c.base == "numeric" && c.typmod > 4).map(|c| {
                let (precision, scale) = (((c.typmod - 4) >> 16) & 0xffff, (c.typmod - 4) & 0x7ff);
                u32::try_from((precision - scale).clamp(1, 9)).unwrap_or(9)
            });
            match digits {
                Some(digits) if digits < 9 => format!("{}", (number % 10_u64.pow(digits - 1).max(1)) * 10 + world.digit()),
                _ => format!("{}", 1_900_000_000 + (number % 20_000_000) * 10 + world.digit()),
            }
        }
        "date" => format!("{:04}-{:02}-{:02}", 2100 + day % 300 + 300 * world.digit(), 1 + day % 12, 1 + day % 28),
        "timestamp" | "timestamptz" => {
            format!("{:04}-{:02}-{:02} 00:00:00+00", 2100 + day % 300 + 300 * world.digit(), 1 + day % 12, 1 + day % 28)
        }
        "daterange" | "tsrange" | "tstzrange" => {
            let year = 2100 + day % 300 + 300 * world.digit();
            format!("[{year:04}-{:02}-01,{year:04}-{:02}-02)", 1 + day % 12, 1 + day % 12)
        }
        "int4range" | "int8range" | "numrange" => {
            let low = 1_900_000_000 + (number % 20_000_000) * 10 + world.digit();
            format!("[{low},{})", low + 1)
        }
        "uuid" => {
            let hex = format!("{number:016x}");
            format!(
                "{}0000000-{}-4{}-8{}-{}{}",
                world.letter(),
                &hex[0..4],
                &hex[4..7],
                &hex[7..10],
                &hex[10..16],
                format_args!("{:06x}", number % 0xff_ffff)
            )
        }
        "inet" | "cidr" => format!("10.{}.{}.{}", world.digit(), number % 250, (number / 250) % 250),
        "macaddr" => format!("02:00:0{}:{:02x}:{:02x}:{:02x}", world.digit(), number & 0xff, (number >> 8) & 0xff, (number >> 16) & 0xff),
        "bytea" => format!("\\x{:02x}{number:016x}", world.digit()),
        "ltree" => format!("w{}{number:x}", world.letter()),
        _ if column.is_some_and(|column| column.category == "A") => "{}".into(),
        _ => text(column, number, world),
    }
}

fn text(column: Option<&Column>, number: u64, world: World) -> String {
    let name = column.map(|column| column.name.to_lowercase()).unwrap_or_default();
    let short = format!("{}{:07x}", world.letter(), number & 0xfff_ffff);
    let value = if name.contains("mail") {
        format!("{short}@example.com")
    } else if name.contains("url") || name.contains("website") || name.contains("link") {
        format!("https://example.com/{short}")
    } else if name.contains("domain") || name.contains("host") {
        format!("{short}.example.com")
    } else if name.contains("phone") {
        format!("+1555{}{:06}", world.digit(), number % 1_000_000)
    } else {
        short
    };
    match column.map(|column| column.typmod - 4) {
        Some(limit) if limit > 0 => value.chars().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect(),
        _ => value,
    }
}

/// A value for a column that identifies nothing. `None`: no value of this type is known.
pub fn plain(shape: &Shape, table: &Table, column: &Column) -> Option<String> {
    if let Some(label) = label(shape, table, column) {
        return Some(label);
    }
    Some(match (column.base.as_str(), column.category.as_str()) {
        ("bool", _) => match is_open(&column.name) {
            true => "true".into(),
            false => "false".into(),
        },
        ("int2" | "int4" | "int8" | "oid" | "numeric" | "float4" | "float8" | "money", _) => "1".into(),
        ("date", _) => "2026-01-02".into(),
        ("timestamp" | "timestamptz", _) => "2026-01-02 03:04:05+00".into(),
        ("time" | "timetz", _) => "03:04:05".into(),
        ("interval", _) => "1 day".into(),
        ("json" | "jsonb", _) | (_, "A") => "{}".into(),
        ("bytea", _) => "\\x00".into(),
        ("inet" | "cidr", _) => "10.0.0.1".into(),
        ("macaddr", _) => "02:00:00:00:00:01".into(),
        ("macaddr8", _) => "02:00:00:00:00:00:00:01".into(),
        ("point", _) => "(0,0)".into(),
        ("box" | "lseg", _) => "((0,0),(1,1))".into(),
        ("path", _) => "[(0,0),(1,1)]".into(),
        ("polygon", _) => "((0,0),(0,1),(1,1))".into(),
        ("circle", _) => "<(0,0),1>".into(),
        ("line", _) => "{1,-1,0}".into(),
        ("xml", _) => "<a/>".into(),
        ("tsvector", _) => "'a'".into(),
        ("tsquery", _) => "'a'".into(),
        ("pg_lsn", _) => "0/1".into(),
        ("bit", _) => "0".repeat(usize::try_from(column.typmod.max(1)).unwrap_or(1)),
        ("varbit", _) => "0".into(),
        ("hstore", _) => "\"a\"=>\"1\"".into(),
        ("vector" | "halfvec", _) => format!("[{}]", vec!["0.5"; usize::try_from(column.typmod.max(1)).unwrap_or(1)].join(",")),
        ("geometry" | "geography", _) => "SRID=4326;POINT(0 0)".into(),
        ("uuid", _) => distinct(Some(column), 7, World::A),
        (_, "R") => "empty".into(),
        ("text" | "varchar" | "bpchar" | "citext" | "name" | "char" | "ltree", _) => text(Some(column), 7, World::A),
        (_, "C") => format!("({})", ""),
        _ => return None,
    })
}

fn is_open(name: &str) -> bool {
    let lower = name.to_lowercase();
    !PUBLIC.is_match(&lower)
        && !PRIVILEGED.is_match(&lower)
        && !CLOSED.is_match(&lower)
        && ["active", "enabled", "approved", "accepted", "verified", "confirmed"].iter().any(|word| lower.contains(word))
}

/// For columns that take labels: one that policies ask for and that opens no more than its own tenant; else one of those allowed.
fn label(shape: &Shape, table: &Table, column: &Column) -> Option<String> {
    let mut allowed: Vec<String> = column.labels.clone();
    if allowed.is_empty() && ["S", "U"].contains(&column.category.as_str()) {
        let texts = table.checks.iter().filter(|check| check.columns.as_deref() == Some(&[column.number])).map(|check| &check.text);
        for text in texts.chain(&column.checks) {
            if text.contains('~') || text.contains("LIKE") || text.contains("length") || text.contains("<>") || text.contains("pos(") {
                continue;
            }
            allowed.extend(QUOTED.captures_iter(text).filter_map(|hit| hit.get(1)).map(|label| label.as_str().replace("''", "'")));
        }
    }
    let wanted = asked_for(shape, &column.name);
    let good = |label: &&String| !PRIVILEGED.is_match(label) && !PUBLIC.is_match(label) && !CLOSED.is_match(label);
    match allowed.is_empty() {
        true if ["S", "E"].contains(&column.category.as_str()) => wanted.iter().find(good).cloned(),
        true => None,
        false => {
            let asked = wanted.iter().filter(|label| allowed.contains(label)).find(good);
            asked.or_else(|| allowed.iter().find(good)).or_else(|| allowed.first()).cloned()
        }
    }
}

/// Literals that policies and functions compare a column of this name with.
fn asked_for(shape: &Shape, column: &str) -> Vec<String> {
    let mut found = Vec::new();
    for text in shape.texts() {
        for (at, _) in text.match_indices(column) {
            let before = text[..at].chars().next_back();
            let after = &text[at + column.len()..];
            let whole =
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_') && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
            let head: String = after.chars().take(200).collect();
            let trimmed = head.trim_start_matches(|c: char| c == ')' || c.is_whitespace());
            let trimmed = match trimmed.strip_prefix("::") {
                Some(cast) => cast.trim_start_matches(|c: char| c.is_alphanumeric() || "_.\") ".contains(c)),
                None => trimmed,
            };
            let compared = trimmed.starts_with('=') || trimmed.to_ascii_uppercase().starts_with("IN");
            if whole && compared {
                let until = trimmed.find([')', ';']).unwrap_or(trimmed.len());
                let until = trimmed[..until].find(" AND ").unwrap_or(until);
                found.extend(QUOTED.captures_iter(&trimmed[..until]).filter_map(|hit| hit.get(1)).map(|m| m.as_str().to_owned()));
            }
        }
    }
    found.retain(|label| !label.is_empty());
    found
}

/// Other values to try for a column after a CHECK refused the first, in order; `None` is NULL.
pub fn alternatives(column: &Column, check: &str) -> Vec<Option<String>> {
    let mut values: Vec<Option<String>> = Vec::new();
    match column.category.as_str() {
        "N" => {
            for number in NUMBER.find_iter(check).filter_map(|hit| hit.as_str().parse::<f64>().ok()) {
                values.extend([number, number + 1.0, number - 1.0].map(|n| Some(n.to_string())));
            }
            values.extend(["0", "1", "10", "100", "-1", "0.5"].map(|n| Some(n.to_owned())));
        }
        "B" => values.extend(["true", "false"].map(|b| Some(b.to_owned()))),
        "S" | "U" => {
            values.extend(QUOTED.captures_iter(check).filter_map(|hit| hit.get(1)).map(|m| Some(m.as_str().replace("''", "'"))));
            let lengths = NUMBER.find_iter(check).filter_map(|hit| hit.as_str().parse::<usize>().ok()).filter(|n| (1..=200).contains(n));
            for length in lengths {
                values.extend([Some("a".repeat(length)), Some("1".repeat(length)), Some("A".repeat(length))]);
            }
            let samples = [
                "a",
                "A",
                "ab",
                "AB",
                "abc",
                "ABC",
                "a1b2c3d4",
                "a-b",
                "a_b",
                "1",
                "12",
                "123",
                "12345",
                "123456",
                "2026",
                "1.0.0",
                "#aabbcc",
                "a@example.com",
                "https://example.com/a",
                "example.com",
                "+15551234567",
                "5551234567",
                "en",
                "en-US",
                "US",
                "USD",
                "UTC",
                "image/png",
                "/a",
                "10.0.0.1",
                "00:00",
                "2026-01-02",
                "aa:bb",
                "A1",
                "AB-123",
            ];
            values.extend(samples.map(|s| Some(s.to_owned())));
        }
        "D" => values.extend(["1990-01-01", "2026-01-02", "2999-01-01"].map(|d| Some(d.to_owned()))),
        "A" if column.type_name.starts_with("text") || column.type_name.starts_with("char") => {
            values.extend(QUOTED.captures_iter(check).filter_map(|hit| hit.get(1)).map(|m| Some(format!("{{\"{}\"}}", m.as_str()))));
            values.push(Some("{a}".into()));
        }
        "A" => values.extend(["{1}", "{0}"].map(|a| Some(a.to_owned()))),
        "E" => values.extend(column.labels.iter().cloned().map(Some)),
        _ => {}
    }
    if !column.not_null {
        values.insert(0, None);
    }
    values
}

/// A literal for the simple protocol (`standard_conforming_strings` is on).
pub fn literal(value: Option<&str>) -> String {
    match value {
        None => "NULL".into(),
        Some(text) => format!("'{}'", text.replace('\'', "''")),
    }
}
