//! What else to try where a CHECK refused a value.

use super::{NUMBER, QUOTED, World, distinct};
use crate::steps::row_security::sample::Wanted;
use crate::steps::row_security::shape::Column;

/// Other values to try for a column after a CHECK refused the first, in order; `None` is NULL.
pub fn alternatives(column: &Column, check: &str, seed: u64) -> Vec<Option<String>> {
    let mut values: Vec<Option<String>> = Vec::new();
    let whole = ["int2", "int4", "int8"].contains(&column.base.as_str());
    let quoted = || QUOTED.captures_iter(check).filter_map(|hit| hit.get(1)).map(|m| m.as_str().replace("''", "'"));
    let some = |items: &[&str]| items.iter().map(|item| Some((*item).to_owned())).collect::<Vec<_>>();
    match (column.base.as_str(), column.category.as_str()) {
        (_, "N") => {
            for number in NUMBER.find_iter(check).filter_map(|hit| hit.as_str().parse::<f64>().ok()) {
                let around = [number, number + 1.0, number - 1.0, number * 2.0, number / 2.0];
                values.extend(around.map(|n| Some(if whole { (n as i64).to_string() } else { n.to_string() })));
            }
            values.extend(some(&["0", "1", "2", "10", "100", "1000", "-1"]));
            if !whole {
                values.extend(some(&["0.5"]));
            }
        }
        (_, "B") => values.extend(some(&["true", "false"])),
        ("bytea", _) => {
            for length in NUMBER.find_iter(check).filter_map(|hit| hit.as_str().parse::<usize>().ok()).filter(|n| (1..=4096).contains(n)) {
                values.push(Some(format!("\\x{}", "01".repeat(length))));
            }
            values.extend(some(&["\\x01", "\\x"]));
        }
        ("json" | "jsonb", _) => {
            let keys: Vec<String> = quoted().filter(|key| key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')).collect();
            if !keys.is_empty() {
                for value in ["\"a\"", "1", "[]", "{}", "true"] {
                    values
                        .push(Some(format!("{{{}}}", keys.iter().map(|key| format!("\"{key}\": {value}")).collect::<Vec<_>>().join(", "))));
                }
                values.extend(keys.iter().map(|key| Some(format!("[\"{key}\"]"))));
                values.extend(keys.iter().map(|key| Some(format!("\"{key}\""))));
            }
            values.extend(some(&["{}", "[]", "[1]", "[\"a\"]", "1", "\"a\"", "true", "null"]));
        }
        ("uuid", _) => values.extend([1, 2, 3].map(|n| Some(distinct(Some(column), seed.wrapping_add(n), World::A)))),
        ("inet" | "cidr", _) => values.extend(some(&["10.0.0.1", "192.168.0.1", "10.0.0.0/24", "::1", "2001:db8::1"])),
        (_, "S" | "U") => {
            let wanted = Wanted::of(check);
            values.extend([0, 1, 2].iter().flat_map(|n| wanted.texts(seed.wrapping_add(*n))).map(Some));
            // A text that is asked for a sign somewhere inside it (`position('@' in email) > 1`), and differs between the worlds.
            let signs: String = quoted().filter(|sign| !sign.is_empty() && !sign.chars().any(char::is_alphanumeric)).collect();
            if !signs.is_empty() && signs.len() <= 8 {
                values.push(Some(format!("a{seed}{signs}example.com")));
            }
            values.extend(quoted().map(Some));
            let lengths: Vec<usize> =
                NUMBER.find_iter(check).filter_map(|hit| hit.as_str().parse::<usize>().ok()).filter(|n| (1..=200).contains(n)).collect();
            for length in lengths {
                values.extend(["a", "1", "A"].map(|c| Some(c.repeat(length))));
            }
            values.extend(some(&[
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
                "Europe/Berlin",
                "image/png",
                "/a",
                "10.0.0.1",
                "00:00",
                "2026-01-02",
                "aa:bb",
                "A1",
                "AB-123",
                "a b c d e f g h i j k l",
            ]));
        }
        (_, "D") => {
            values.extend(quoted().filter(|text| text.starts_with(|c: char| c.is_ascii_digit())).map(Some));
            values.extend(some(&["2026-01-02", "2026-01-03", "1990-01-01", "2999-01-01", "2026-01-01", "08:00", "17:00"]));
        }
        (_, "T") => values.extend(some(&["1 day", "1 hour", "00:00", "30 days", "1 year"])),
        (_, "R") => {
            values.extend(some(&["[1,2)", "[8,17)", "[2026-01-01,2026-02-01)", "[2026-01-01 08:00,2026-01-01 09:00)", "empty", "(,)"]))
        }
        (_, "A") => {
            values.extend(quoted().filter(|label| !label.starts_with('{')).map(|label| Some(format!("{{\"{label}\"}}"))));
            let item =
                if column.type_name.starts_with("int") || column.type_name.starts_with("num") || column.type_name.starts_with("double") {
                    "1"
                } else {
                    "a"
                };
            for length in NUMBER.find_iter(check).filter_map(|hit| hit.as_str().parse::<usize>().ok()).filter(|n| (1..=64).contains(n)) {
                values.push(Some(format!("{{{}}}", vec![item; length].join(","))));
            }
            values.extend([format!("{{{item}}}"), "{}".to_owned()].map(Some));
        }
        (_, "E") => values.extend(column.labels.iter().cloned().map(Some)),
        _ => {}
    }
    if !column.not_null {
        values.insert(0, None);
    }
    values
}
