//! What policies and functions hand to functions: `has_role(tenant_id, 'admin')` asks for `admin` though no column stands beside it.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::identity::unquoted;
use super::shape::{Function, Shape};

#[allow(clippy::unwrap_used, reason = "constant patterns; a test compiles each")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// `m.role = wanted`, `r.name = ANY (names)`, `lower(role) IN (lower($2))`: a column, and the argument it is compared with.
static COMPARED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)("(?:[^"]|"")+"|[a-z_][\w$]*)\)*(?:::[\w.]+)?\)*\s*(?:=|\bin\b)\s*(?:any\s*)?\(*(?:lower\s*\(|upper\s*\()?\s*(?:[a-z_][\w$]*\.)?([a-z_][\w$]*|\$\d+)"#,
    )
});
static QUOTED: LazyLock<Regex> = LazyLock::new(|| pattern(r"'((?:[^']|'')*)'"));
static NAMED: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^\s*([a-z_][\w$]*)\s*(?::=|=>)"));

/// Column name → literals, as they are met.
pub(super) fn handed(shape: &Shape) -> HashMap<String, Vec<String>> {
    let mut handed: HashMap<String, Vec<String>> = HashMap::new();
    each(shape, |column, argument| {
        let known = handed.entry(column.to_owned()).or_default();
        for literal in literals(argument) {
            if !known.contains(&literal) {
                known.push(literal);
            }
        }
    });
    handed.retain(|_, literals| !literals.is_empty());
    handed
}

/// Every argument of a call, or default of a parameter, that a function compares with a column: the column's name, and the argument.
pub(super) fn each<'a>(shape: &'a Shape, mut met: impl FnMut(&str, &'a str)) {
    for function in &shape.functions {
        let columns = compared(function);
        if columns.is_empty() {
            continue;
        }
        let of = |at: usize| columns.iter().filter(move |(of, _)| *of == at).map(|(_, column)| column.as_str());
        let defaults = arguments(&function.defaults);
        for (number, default) in defaults.iter().enumerate() {
            let at = (function.arguments.len() + number).saturating_sub(defaults.len());
            of(at).for_each(|column| met(column, default));
        }
        let bare = function.name.rsplit('.').next().unwrap_or_default();
        for text in shape.texts() {
            for given in calls(text, bare) {
                for (at, argument) in given.iter().enumerate() {
                    let named = NAMED.captures(argument).and_then(|hit| hit.get(1)).map(|name| name.as_str().to_lowercase());
                    let at = named.and_then(|name| function.arguments.iter().position(|a| a.to_lowercase() == name)).unwrap_or(at);
                    of(at).for_each(|column| met(column, argument));
                }
            }
        }
    }
}

/// The literals of an argument; `{a,b}` taken apart.
fn literals(argument: &str) -> Vec<String> {
    let quoted = QUOTED.captures_iter(argument).filter_map(|hit| hit.get(1)).map(|text| text.as_str().replace("''", "'"));
    let apart = |text: String| match text.strip_prefix('{').and_then(|list| list.strip_suffix('}')) {
        Some(list) => list.split(',').map(|item| item.trim().trim_matches('"').to_owned()).collect(),
        None => vec![text],
    };
    quoted.flat_map(apart).filter(|text| !text.is_empty()).collect()
}

/// Which columns a function compares with what it is given: position of the argument and name of the column.
fn compared(function: &Function) -> Vec<(usize, String)> {
    let of = |name: &str| match name.strip_prefix('$') {
        Some(number) => number.parse::<usize>().ok()?.checked_sub(1),
        None => function.arguments.iter().position(|argument| argument.eq_ignore_ascii_case(name)),
    };
    let hits = COMPARED.captures_iter(&function.body);
    hits.filter_map(|hit| Some((of(hit.get(2)?.as_str())?, unquoted(hit.get(1)?.as_str())))).collect()
}

/// The arguments of every call of a function in a text.
fn calls<'a>(text: &'a str, name: &str) -> Vec<Vec<&'a str>> {
    let starts = text.match_indices(name).filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$')
    });
    starts.filter_map(|(at, _)| text[at + name.len()..].trim_start().strip_prefix('(')).map(arguments).collect()
}

/// What stands between commas up to the parenthesis that closes.
fn arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut from) = (0_i32, false, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' => depth += 1,
            ')' if depth == 0 => {
                parts.push(&text[from..at]);
                return parts;
            }
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(functions: &[(&str, &[&str], &str)]) -> Shape {
        let functions = functions.iter().map(|(name, arguments, body)| Function {
            name: (*name).to_owned(),
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
            body: (*body).to_owned(),
            defaults: String::new(),
        });
        Shape { functions: functions.collect(), ..Shape::default() }
    }

    #[test]
    fn what_is_handed_to_a_function_is_asked_of_the_column_it_compares() {
        let shape = shape(&[
            (
                "public.has_role",
                &["account", "wanted"],
                "SELECT EXISTS (SELECT FROM members m WHERE m.role::text = wanted AND m.account = $1)",
            ),
            ("app.\"Any\"", &["names"], "SELECT r.\"Name\" = ANY (names) FROM roles r"),
            (
                "public.can",
                &[],
                "SELECT has_role(a, 'own''er') OR public.has_role(account => a, wanted => 'admin'::text) OR has_role(f(a, 'no'), x)",
            ),
            ("public.may", &[], "SELECT app.\"Any\"(ARRAY['hr, chief'::text, '{lead,clerk}']) OR xhas_role(a, 'not this')"),
            ("public.unclosed", &[], "SELECT has_role(a, 'never'"),
        ]);
        let handed = handed(&shape);
        assert_eq!(handed.get("role").unwrap(), &["own'er", "admin"]);
        assert_eq!(handed.get("Name").unwrap(), &["hr, chief", "lead", "clerk"]);
        assert_eq!(handed.get("account").unwrap(), &["no"], "an inner call's literal stands in the outer's argument");
    }
}
