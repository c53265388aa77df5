//! Versions for layouts that go by names: the number a name begins with, where these order the files as the tool does; else the
//! place in that order.

use super::{Migration, compare};

/// Gives every migration its version. They are in the tool's order, and hold their whole names as versions.
pub fn number(migrations: &mut [Migration]) {
    let numbers: Vec<String> = migrations.iter().map(|migration| leading(&migration.version).to_owned()).collect();
    let ascending = numbers.windows(2).all(|pair| compare(&pair[0], &pair[1]).is_lt()) && numbers.iter().all(|n| !n.is_empty());
    for (place, (migration, number)) in migrations.iter_mut().zip(numbers).enumerate() {
        migration.version = if ascending { number } else { (place + 1).to_string() };
    }
}

/// `20260108_01` of `20260108_01_Ab-create`: digits, and more of them after single `_` or `.`.
pub fn leading(name: &str) -> &str {
    let mut end = 0;
    let bytes = name.as_bytes();
    loop {
        let from = if end == 0 { 0 } else { end + 1 };
        let digits = bytes.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return &name[..end];
        }
        end = from + digits;
        if !matches!(bytes.get(end), Some(b'_' | b'.')) {
            return &name[..end];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::layout::{Layout, Script};

    #[test]
    fn the_leading_number_is_the_version_where_it_orders_the_files() {
        assert_eq!(leading("20260108_01_Ab-create"), "20260108_01");
        assert_eq!(leading("0001.name"), "0001");
        assert_eq!(leading("name"), "");
        let versions = |names: &[&str]| {
            let of = |name: &&str| Migration::new(Layout::Yoyo, *name, *name, Script::new("f", Vec::new()));
            let mut all: Vec<Migration> = names.iter().map(of).collect();
            number(&mut all);
            all.into_iter().map(|m| m.version).collect::<Vec<_>>()
        };
        assert_eq!(versions(&["0001.a", "0002.b"]), ["0001", "0002"]);
        assert_eq!(versions(&["2.b", "1.a"]), ["1", "2"]);
        assert_eq!(versions(&["1-a", "1-b"]), ["1", "2"]);
        assert_eq!(versions(&["a", "b"]), ["1", "2"]);
    }
}
