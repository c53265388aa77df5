//! Versions compare as numbers, part by part, whatever their leading zeros: `2` < `010`, `1.9` < `1.10`.

use std::cmp::Ordering;

/// Numeric order; parts are separated by `.`, `_` or `-`, a missing part counts as zero. Parts of any length compare exactly. What is no
/// number (a repeatable migration, a change that only the history knows) comes after all numbers, in the order of its letters.
pub fn compare(a: &str, b: &str) -> Ordering {
    match (is_numbered(a), is_numbered(b)) {
        (true, true) => {}
        (false, false) => return a.cmp(b),
        (numbered, _) => return if numbered { Ordering::Less } else { Ordering::Greater },
    }
    let parts =
        |version: &str| -> Vec<String> { version.split(['.', '_', '-']).map(|part| part.trim_start_matches('0').to_owned()).collect() };
    let (a, b) = (parts(a), parts(b));
    let part = |of: &[String], index: usize| of.get(index).cloned().unwrap_or_default();
    (0..a.len().max(b.len()))
        .map(|index| {
            let (a, b) = (part(&a, index), part(&b, index));
            // Without leading zeros the longer number is the greater one.
            a.len().cmp(&b.len()).then_with(|| a.cmp(&b))
        })
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Whether this begins with a digit.
pub fn is_numbered(version: &str) -> bool {
    version.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether two spellings mean one version.
pub fn same(a: &str, b: &str) -> bool {
    compare(a, b).is_eq()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(compare("2", "010"), Ordering::Less);
        assert_eq!(compare("1.9", "1.10"), Ordering::Less);
        assert_eq!(compare("20260108120000", "9"), Ordering::Greater);
        assert_eq!(compare("R__views", "9"), Ordering::Greater);
        assert_eq!(compare("alpha", "beta"), Ordering::Less);
        assert_eq!(compare("2026-1-8", "2026-01-15"), Ordering::Less);
        assert!(same("3", "003"));
        assert!(same("1", "1.0"));
        assert!(!same("30", "3"));
        assert!(!same("99999999999999999999999999", "99999999999999999999999998"));
    }
}
