//! Values for rows of a world: keys as functions of what they identify and of the world, everything else by type, by what the
//! policies and CHECKs mention, and by the look of an existing row.

mod alternatives;
mod words;

use std::sync::LazyLock;

use regex::Regex;
use sha2::{Digest, Sha256};

use super::model::KeyClass;
use super::sample::Wanted;
use super::shape::{Column, Shape, Table};
pub use alternatives::alternatives;
use words::{CLOSED, PRIVILEGED, PUBLIC, allowed, is_open, label, own_checks};
pub use words::{asked, is_label, is_leading, is_privileged, is_public, labels, opens_no_more};

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
static BOUND: LazyLock<Regex> = LazyLock::new(|| pattern(r"(>=|<=|>|<)\s*\(?'?(-?\d+(?:\.\d+)?)"));

/// What is known of a key beyond its type: where its values may lie. Gathered from every column that holds it.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// Of what it identifies, stable across databases.
    name: String,
    /// The column whose type decides.
    own: Option<Column>,
    /// The only values allowed (IN lists, enums, list partitions).
    labels: Vec<String>,
    wanted: Wanted,
    /// The narrowest `varchar(n)`.
    limit: Option<usize>,
    low: Option<f64>,
    high: Option<f64>,
    /// Partitions decide its values and other columns tell rows apart: both worlds stand in the same partition.
    beside: bool,
}

impl Form {
    /// From the columns that hold the key, its own first. `identity`: it tells tenants or people apart.
    pub fn of(shape: &Shape, class: &KeyClass, columns: &[(&Table, &Column)], identity: bool) -> Self {
        let mut form = Self { own: columns.first().map(|(_, column)| (*column).clone()), ..Self::default() };
        form.beside = !identity
            && columns.first().is_some_and(|(table, column)| {
                !table.bounds.is_empty()
                    && table.partition_key.as_ref().is_some_and(|key| key.contains(&column.number))
                    && table.key() != [column.number]
            });
        form.name = match class {
            KeyClass::Named(name) => name.clone(),
            KeyClass::Column(oid, number) => match shape.table(*oid) {
                Some(table) => format!("{}.{number}", table.sql),
                None => format!("{oid}.{number}"),
            },
        };
        for (table, column) in columns {
            if ["varchar", "bpchar"].contains(&column.base.as_str())
                && let Ok(limit) = usize::try_from(column.typmod - 4)
            {
                form.limit = Some(form.limit.map_or(limit, |old| old.min(limit)));
            }
            let labels = allowed(table, column);
            if !labels.is_empty() && (form.labels.is_empty() || labels.len() < form.labels.len()) {
                form.labels = labels;
                form.labels.sort_by_key(|label| (PRIVILEGED.is_match(label), PUBLIC.is_match(label) || CLOSED.is_match(label)));
            }
            for check in own_checks(table, column) {
                let wanted = Wanted::of(check);
                if !wanted.is_empty() && form.wanted.is_empty() {
                    form.wanted = wanted;
                }
                if column.category == "N" {
                    for hit in BOUND.captures_iter(check) {
                        let Some(number) = hit.get(2).and_then(|n| n.as_str().parse::<f64>().ok()) else { continue };
                        match hit.get(1).map(|m| m.as_str()) {
                            Some(">=") => form.low = Some(number),
                            Some(">") => form.low = Some(number + 1.0),
                            Some("<=") => form.high = Some(number),
                            Some("<") => form.high = Some(number - 1.0),
                            _ => {}
                        }
                    }
                }
            }
        }
        form
    }

    /// These are its values: A's, B's, nobody's.
    pub fn only(&mut self, values: &[String]) {
        self.labels = values.to_vec();
    }

    /// The key's value in a world. `fresh` counts rows beyond the world's own (0). `column`: where it is put.
    pub fn value(&self, column: Option<&Column>, world: World, fresh: u64) -> String {
        let digest = Sha256::digest(format!("{}/{fresh}", self.name).as_bytes());
        let number = u64::from_be_bytes([digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]]);
        if !self.labels.is_empty() {
            let of_world = if self.beside { 0 } else { world.digit() - 1 };
            let at = (of_world + fresh * 3) % (self.labels.len() as u64);
            return self.labels.get(usize::try_from(at).unwrap_or(0)).cloned().unwrap_or_default();
        }
        // The key's own type decides, unless the column cannot hold it.
        let own = match (&self.own, column) {
            (Some(own), Some(column)) if own.category == "S" && column.category != "S" => Some(column),
            (Some(own), Some(column))
                if own.base == "uuid" && !["uuid", "text", "varchar", "bpchar", "citext"].contains(&column.base.as_str()) =>
            {
                Some(column)
            }
            (Some(own), _) => Some(own),
            (None, column) => column,
        };
        if own.is_some_and(|own| ["S", "U"].contains(&own.category.as_str()) && own.base != "uuid") && !self.wanted.is_empty() {
            let seed = number.wrapping_mul(7).wrapping_add(world.digit());
            if let Some(text) =
                self.wanted.texts(seed).into_iter().rfind(|text| self.limit.is_none_or(|limit| text.chars().count() <= limit))
            {
                return text;
            }
        }
        if self.low.is_some() || self.high.is_some() {
            let (low, high) = (
                self.low.unwrap_or(1.0),
                self.high.unwrap_or_else(|| self.low.unwrap_or(1.0) + if own.is_some_and(|own| own.base == "int2") { 2e4 } else { 1e6 }),
            );
            let span = (high - low).max(0.0) as u64 + 1;
            let step = if span > 40 { (number % (span / 10)) * 10 + world.digit() } else { (world.digit() - 1 + fresh * 3) % span };
            return format!("{}", low as i64 + i64::try_from(step.min(span - 1)).unwrap_or(0));
        }
        let value = distinct(own, number, world);
        match self.limit {
            Some(limit) if own.is_some_and(|own| own.category == "S") => value.chars().take(limit).collect(),
            _ => value,
        }
    }
}

/// A value that a partition's bounds name for a column: a range's lower bound, the first of a list.
pub fn bound(bound: &str, column: &str) -> Option<String> {
    bound.split(" AND ").filter(|part| part.contains(column) && !part.contains("IS NOT NULL") && !part.contains(" < ")).find_map(|part| {
        let quoted = QUOTED.captures(part).and_then(|hit| hit.get(1)).map(|m| m.as_str().replace("''", "'"));
        quoted.or_else(|| NUMBER.find(part.split(column).nth(1)?).map(|m| m.as_str().to_owned()))
    })
}

/// `split_part(path, '/', 2) = current_setting('app.user')` beside `split_part(path, '/', 1) = 'u'`: a path every part of which is what the
/// conditions, of which each is asked, say. `None`: none of them asks a part for the session.
pub fn split_path(conditions: &[&str], column: &str, of_session: impl Fn(&str) -> Option<String>, world: World) -> Option<String> {
    static PART: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r#"^\(*split_part\(\(*((?:"(?:[^"]|"")+"|\w+)(?:\."?\w+"?)?)\)*(?:::\w+)?, '([^']+)'(?:::text)?, (\d+)\)\)*(?:::[\w ]+)? = (.+)$"#,
        )
    });
    let mut parts: Vec<Option<String>> = Vec::new();
    let (mut sign, mut asked) = (None, false);
    for hit in conditions.iter().filter_map(|condition| PART.captures(condition)) {
        let (Some(name), Some(by), Some(place), Some(is)) = (hit.get(1), hit.get(2), hit.get(3), hit.get(4)) else { continue };
        let place = place.as_str().parse::<usize>().ok().filter(|place| (1..=16).contains(place))?;
        if name.as_str() != column && name.as_str().rsplit('.').next() != Some(column) {
            continue;
        }
        let quoted = QUOTED.captures(is.as_str()).filter(|hit| hit.get(0).is_some_and(|all| all.start() == 0));
        let part = match quoted.and_then(|hit| hit.get(1)) {
            Some(word) => word.as_str().replace("''", "'"),
            None => {
                asked = true;
                of_session(is.as_str())?
            }
        };
        parts.resize(parts.len().max(place), None);
        parts[place - 1] = Some(part);
        sign = Some(by.as_str().to_owned());
    }
    let sign = sign.filter(|_| asked)?;
    let parts = parts.into_iter().map(|part| part.unwrap_or_else(|| "x".into())).chain([world.letter().to_string()]);
    Some(parts.collect::<Vec<_>>().join(&sign))
}

/// Where policies read whose a row is out of a path (`(storage.foldername(name))[1] = auth.uid()::text`): the path's column in the
/// row of a world, each part of which is the key that the policy compares it with.
pub fn path(policies: &str, column: &str, person: Option<String>, tenant: Option<String>, world: World) -> Option<String> {
    let read = ["foldername(", "split_part(", "string_to_array("].iter().any(|call| policies.contains(&format!("{call}{column}")))
        || policies.contains(&format!("{column} ~~ ")) && policies.contains("||");
    if !read {
        return None;
    }
    let of_person = policies.contains("uid()") || policies.contains("sub");
    let first = if of_person { person.clone().or(tenant.clone()) } else { tenant.clone().or(person.clone()) }?;
    let second = tenant.or(person)?;
    Some(format!("{first}/{second}/{}.txt", world.letter()))
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
        "date" => format!("{:04}-{:02}-{:02}", 1992 + day % 8 + 8 * world.digit(), 1 + day % 12, 1 + day % 28),
        "timestamp" | "timestamptz" => {
            format!("{:04}-{:02}-{:02} 00:{:02}:00+00", 1992 + day % 8 + 8 * world.digit(), 1 + day % 12, 1 + day % 28, number % 60)
        }
        "daterange" | "tsrange" | "tstzrange" => {
            let year = 1992 + day % 8 + 8 * world.digit();
            format!("[{year:04}-{:02}-{:02},{year:04}-{:02}-{:02})", 1 + day % 12, 1 + day % 27, 1 + day % 12, 2 + day % 27)
        }
        "datemultirange" | "tsmultirange" | "tstzmultirange" => {
            let year = 1992 + day % 8 + 8 * world.digit();
            format!("{{[{year:04}-{:02}-{:02},{year:04}-{:02}-{:02})}}", 1 + day % 12, 1 + day % 27, 1 + day % 12, 2 + day % 27)
        }
        "time" | "timetz" => format!("{:02}:{:02}:{:02}", 8 * (world.digit() - 1) + number % 8, (number / 8) % 60, (number / 480) % 60),
        "interval" => format!("{} seconds", 86_400 * world.digit() + number % 86_400),
        "json" | "jsonb" => format!("{{\"id\": \"{}{number:x}\"}}", world.letter()),
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

/// Whether a date's name says that something holds until then: a share, a seat, an invitation.
fn ends(name: &str) -> bool {
    static ENDS: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)expir|(^|_)(until|ends?|thru|through)($|_)|valid_?to|deadline|ends_?(at|on)$"));
    ENDS.is_match(name)
}

/// A value for a column that identifies nothing. `None`: no value of this type is known.
pub fn plain(shape: &Shape, table: &Table, column: &Column) -> Option<String> {
    if let Some(label) = label(shape, table, column) {
        return Some(label);
    }
    if ["S", "U"].contains(&column.category.as_str()) && !["uuid", "bytea", "jsonb", "json"].contains(&column.base.as_str()) {
        let texts = own_checks(table, column).flat_map(|check| Wanted::of(check).texts(7)).next();
        if let Some(text) = texts {
            return Some(text);
        }
    }
    Some(match (column.base.as_str(), column.category.as_str()) {
        ("bool", _) => match is_open(&column.name) {
            true => "true".into(),
            false => "false".into(),
        },
        ("int2" | "int4" | "int8" | "oid" | "numeric" | "float4" | "float8" | "money", _) => "1".into(),
        ("date", _) if ends(&column.name) => "2999-01-02".into(),
        ("timestamp" | "timestamptz", _) if ends(&column.name) => "2999-01-02 03:04:05+00".into(),
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
        ("int4multirange" | "int8multirange" | "nummultirange" | "datemultirange" | "tsmultirange" | "tstzmultirange", _) => "{}".into(),
        ("uuid", _) => distinct(Some(column), 7, World::A),
        (_, "R") => "empty".into(),
        ("text" | "varchar" | "bpchar" | "citext" | "name" | "char" | "ltree", _) => text(Some(column), 7, World::A),
        (_, "C") => format!("({})", ",".repeat(column.attributes.saturating_sub(1))),
        _ => return None,
    })
}

/// A literal for the simple protocol (`standard_conforming_strings` is on).
pub fn literal(value: Option<&str>) -> String {
    match value {
        None => "NULL".into(),
        Some(text) => format!("'{}'", text.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_has_not_ended() {
        assert!(["expires_at", "valid_until", "valid_to", "endsAt", "end_date", "ends_on", "expiry"].iter().all(|name| ends(name)));
        assert!(!["created_at", "sender", "weekend_rate", "starts_at", "friend_since"].iter().any(|name| ends(name)));
    }

    #[test]
    fn the_parts_of_a_path_are_what_its_policy_says() {
        let of_session = |text: &str| text.contains("app.me").then(|| "me".to_owned());
        let own = [
            "split_part((path)::text, '/'::text, 1) = 'u'::text",
            "split_part((d.path)::text, '/'::text, 3) = current_setting('app.me'::text)",
        ];
        assert_eq!(split_path(&own, "path", of_session, World::B).as_deref(), Some("u/x/me/b"));
        // Nothing of the session, another column, an unknown setting.
        assert_eq!(split_path(&own[..1], "path", of_session, World::A), None);
        assert_eq!(split_path(&own, "name", of_session, World::A), None);
        assert_eq!(split_path(&["split_part(path, '/'::text, 1) = current_setting('app.else'::text)"], "path", of_session, World::A), None);
    }
}
