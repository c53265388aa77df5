//! Versions compare as numbers, part by part, whatever their leading zeros: `2` < `010`, `1.9` < `1.10`.

use std::cmp::Ordering;

/// Numeric order; parts are separated by `.` or `_`, a missing part counts as zero. Parts of any length compare exactly.
pub fn compare(a: &str, b: &str) -> Ordering {
    let parts = |version: &str| -> Vec<String> { version.split(['.', '_']).map(|part| part.trim_start_matches('0').to_owned()).collect() };
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
        assert!(same("3", "003"));
        assert!(same("1", "1.0"));
        assert!(!same("30", "3"));
        assert!(!same("99999999999999999999999999", "99999999999999999999999998"));
    }
}
