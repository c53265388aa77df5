//! One form for definitions that PostgreSQL writes in two.
//!
//! `CHECK (kind IN ('a', 'b'))` on a varchar column is written `(kind)::text = ANY ((ARRAY['a'::character varying, …])::text[])` at first, and
//! `… ANY (ARRAY[('a'::character varying)::text, …])` once it was dumped and restored: the parser pushes an explicit cast of an array
//! constructor into its elements (PostgreSQL, `transformArrayExpr`). Both mean the same, so both are compared as the second.

/// Rewrites every `(ARRAY[a, b])::type[]` as `ARRAY[(a)::type, (b)::type]`. Text in quotes is left alone.
pub(super) fn normal(definition: &str) -> String {
    if !definition.contains("(ARRAY[") {
        return definition.to_owned();
    }
    let mut out = String::with_capacity(definition.len());
    let mut rest = definition;
    while let Some(at) = next_cast(rest) {
        out.push_str(&rest[..at.start]);
        out.push_str(&pushed_in(at.elements, at.element_type));
        rest = &rest[at.end..];
    }
    out.push_str(rest);
    out
}

struct Cast<'a> {
    start: usize,
    end: usize,
    elements: &'a str,
    element_type: &'a str,
}

/// The first cast of an array constructor.
fn next_cast(text: &str) -> Option<Cast<'_>> {
    const OPENING: &str = "(ARRAY[";
    let mut from = 0;
    while let Some(start) = outside_quotes(&text[from..], OPENING).map(|at| at + from) {
        let inside = start + OPENING.len();
        from = inside;
        let closing = closing_bracket(&text[inside..])? + inside;
        let Some(after) = text[closing..].strip_prefix("])::") else { continue };
        let type_at = text.len() - after.len();
        // A type's name: words, a schema, quotes, a modifier.
        let Some(length) = after.find("[]") else { continue };
        let name = &after[..length];
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || "_ .\"(),".contains(c)) {
            continue;
        }
        return Some(Cast { start, end: type_at + length + 2, elements: &text[inside..closing], element_type: name });
    }
    None
}

fn pushed_in(elements: &str, element_type: &str) -> String {
    let cast = |element: &str| match element.starts_with("ARRAY[") {
        // An array of arrays: the cast goes on inwards.
        true => normal(&format!("({element})::{element_type}[]")),
        false => format!("({})::{element_type}", normal(element)),
    };
    format!("ARRAY[{}]", split(elements).into_iter().map(cast).collect::<Vec<_>>().join(", "))
}

/// Walks over text and calls `at` with each byte that stands in no quotes, until it answers.
fn walk<T>(text: &str, mut at: impl FnMut(usize, u8) -> Option<T>) -> Option<T> {
    let mut quote: Option<u8> = None;
    for (index, byte) in text.bytes().enumerate() {
        match quote {
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if byte == b'\'' || byte == b'"' => quote = Some(byte),
            None => {
                if let Some(found) = at(index, byte) {
                    return Some(found);
                }
            }
        }
    }
    None
}

fn outside_quotes(text: &str, wanted: &str) -> Option<usize> {
    walk(text, |index, byte| (byte == wanted.as_bytes()[0] && text[index..].starts_with(wanted)).then_some(index))
}

/// Where the bracket that is already open is closed.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut depth = 0_i32;
    walk(text, |index, byte| match byte {
        b'[' | b'(' => {
            depth += 1;
            None
        }
        b']' if depth == 0 => Some(index),
        b']' | b')' => {
            depth -= 1;
            None
        }
        _ => None,
    })
}

/// The elements between commas of the outermost level.
fn split(elements: &str) -> Vec<&str> {
    let mut cuts = Vec::new();
    let mut depth = 0_i32;
    walk(elements, |index, byte| {
        match byte {
            b'[' | b'(' => depth += 1,
            b']' | b')' => depth -= 1,
            b',' if depth == 0 => cuts.push(index),
            _ => {}
        }
        None::<()>
    });
    let mut out = Vec::new();
    let mut from = 0;
    for cut in cuts.into_iter().chain([elements.len()]) {
        out.push(elements[from..cut].trim());
        from = cut + 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cast_of_an_array_goes_into_its_elements() {
        for (written, once_restored) in [
            (
                "CHECK (((s)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
                "CHECK (((s)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])))",
            ),
            (
                "(ARRAY['x,]'::text, f(1, 2)])::character varying(10)[]",
                "ARRAY[('x,]'::text)::character varying(10), (f(1, 2))::character varying(10)]",
            ),
            ("(ARRAY[ARRAY['a'::text], ARRAY['b'::text]])::\"S\".t[]", "ARRAY[ARRAY[('a'::text)::\"S\".t], ARRAY[('b'::text)::\"S\".t]]"),
            ("'(ARRAY[''a''])::text[]'::text", "'(ARRAY[''a''])::text[]'::text"),
            ("(ARRAY[1, 2])", "(ARRAY[1, 2])"),
            ("x = ANY (ARRAY[1, 2])", "x = ANY (ARRAY[1, 2])"),
            ("(ARRAY[", "(ARRAY["),
            ("a (ARRAY['é'::name])::text[] é (ARRAY['ü'::name])::text[]", "a ARRAY[('é'::name)::text] é ARRAY[('ü'::name)::text]"),
        ] {
            assert_eq!(normal(written), once_restored);
            assert_eq!(normal(once_restored), once_restored);
        }
    }
}
