//! How a session says who it is: settings and claims read out of policies and function bodies, and what each is compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use super::arguments;
use super::shape::Shape;

/// A setting, or a claim inside a setting that holds a JSON object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Source {
    pub setting: String,
    /// Path of the claim; empty: the setting's value itself.
    pub claim: Vec<String>,
}

impl Source {
    /// `request.jwt.claims→app_metadata→tenant_id`.
    pub fn shown(&self) -> String {
        std::iter::once(&self.setting).chain(&self.claim).cloned().collect::<Vec<_>>().join("→")
    }

    /// The last word of the name: what the value is called.
    pub fn word(&self) -> &str {
        self.claim.last().map_or_else(|| self.setting.rsplit('.').next().unwrap_or_default(), String::as_str)
    }
}

/// `column = <identity>`, found in the policy of a table (or, without a table, in a function body).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Comparison {
    pub table: Option<i64>,
    pub column: String,
    pub source: Source,
}

/// What the texts say.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub sources: BTreeSet<Source>,
    pub comparisons: BTreeSet<Comparison>,
    /// The role's own name decides (`current_user` or `session_user` in a policy).
    pub by_role: bool,
    /// Literals that a source is compared with, as they are met.
    pub literals: BTreeMap<Source, Vec<String>>,
    /// Sources whose value is a list of keys (`jsonb_array_elements_text(…)`, the operator `?`).
    pub lists: BTreeSet<Source>,
    /// Settings that are read so that a session without them raises (42704): a value of the type they are cast to that says nothing.
    pub demanded: BTreeMap<String, &'static str>,
}

/// The setting that stands for the role's own name.
pub const ROLE_NAME: &str = "current_user";

#[allow(clippy::unwrap_used, reason = "constant patterns; a test compiles each")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

static SETTING: LazyLock<Regex> = LazyLock::new(|| pattern(r"current_setting\(\s*'([^']+)'"));
/// A setting without which the expression raises, and what its value is cast to.
static DEMANDED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"current_setting\(\s*'([^']+)'(?:::text)?\s*(?:,\s*false\s*)?\)\)*(?:\s*::\s*(\w+))?"));
static CALL: LazyLock<Regex> = LazyLock::new(|| pattern(r#"([A-Za-z_][\w$]*(?:\.[A-Za-z_][\w$]*)?)\(\s*\)"#));
static CHAIN: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:[^;'=]|''){0,60}?((?:->>?\s*'[^']+'(?:::text)?[\s)]*)+)"));
static PATH: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:[^;'=]|''){0,60}?#>>?\s*'\{([^}']+)\}'"));
/// A function that looks something up gives what it found, not the identity it looked it up by.
static LOOKS_UP: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?i)\bfrom\s+(?:only\s+)?[a-z_"]"#));
static DISTINCT: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)distinct\s+from"));
/// What may stand between a source and the literal it is compared with.
static LITERALS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)^(?:\s*,\s*true|[\s)]|::[\w ]+|->>?\s*'[^']*'(?:::text)?|#>>?\s*'[^']*'(?:::text\[\])?|,\s*'[^']*'(?:::text)?|as\s+\w+)*?(?:=|\bin\b)\s*(?:any\s*)?\(*(?:array\[)?\(*((?:'(?:[^']|'')*'(?:::[\w. "\[\]]+)?\)*(?:\s*,\s*)?)+)"#,
    )
});
static QUOTED: LazyLock<Regex> = LazyLock::new(|| pattern(r"'((?:[^']|'')*)'"));
/// `variable := expression;` of plpgsql.
static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?is)\b([a-z_]\w*)\s+(?:[a-z_][\w.]*\s*)?(?::=|default)\s*([^;]{1,300});|\b([a-z_]\w*)\s*:=\s*([^;]{1,300});")
});
/// `SELECT expression INTO variable`.
static INTO: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?is)\bselect\s+([^;]{1,200}?)\s+into\s+(?:strict\s+)?([a-z_]\w*)\s*;"));
/// `… = ANY (ARRAY[a, b])` and `… IN (a, b)` of columns.
static AMONG: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)([A-Za-z_][\w$.]*)\(\s*(?:'([^']+)'(?:::text)?)?(?:\s*,\s*true)?\s*\)(?:\s+AS\s+\w+)?[\s)]*(?:::[\w ]+?)?[\s)]*(?:=\s*ANY\s*\(\s*ARRAY\[|\bIN\s*\()\s*([A-Za-z_"][\w$.", ]*)[\])]"#,
    )
});
/// The role's own name beside a column.
static OWN_NAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)([A-Za-z_][\w$]*)"?\)?(?:::[\w ]+?)?\s*=\s*\(*(?:SELECT\s+)?\(?CURRENT_USER\b|\bCURRENT_USER\)?(?:::[\w ]+?)?\)?\s*=\s*\(?(?:[A-Za-z_]\w*\.)?([A-Za-z_][\w$]*)|\bpg_has_role\(\s*(?:(?:CURRENT_USER|SESSION_USER)\s*,\s*)?\(*(?:[A-Za-z_]\w*\.)?([A-Za-z_][\w$]*)"#,
    )
});
static STEP: LazyLock<Regex> = LazyLock::new(|| pattern(r"->>?\s*'([^']+)'"));
static JSON: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[^;=]{0,60}?::\s*jsonb?\b"));
/// `column = …(` up to the first call on the right.
static RIGHT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)("(?:[^"]|"")+"|[A-Za-z_][\w$]*)\)?(?:::[\w. ]+?)?\s*=\s*(?:ANY\s*)?[\s(]*(?:SELECT\s+)?[\s(]*(?:(?:NULLIF|COALESCE|LOWER|UPPER|TRIM|BTRIM|STRING_TO_ARRAY|REPLACE|ARRAY|UNNEST|JSONB_ARRAY_ELEMENTS_TEXT|JSON_ARRAY_ELEMENTS_TEXT|JSONB_ARRAY_ELEMENTS|UUID|TEXT|INT4|INT8)\s*[\s(]+(?:SELECT\s+)?[\s(]*)*([A-Za-z_][\w$.]*)\s*\(\s*(?:'([^']+)')?"#,
    )
});
/// `…() = column` and `(…)::type = column`.
static LEFT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)([A-Za-z_][\w$.]*)\(\s*(?:'([^']+)'(?:::text)?)?(?:\s*,\s*true)?\s*\)(?:\s+AS\s+\w+)?(?:\s*,\s*''(?:::text)?)?[\s)]*(?:::[\w ]+?)?[\s)]*=\s*\(?(?:(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)\.)?("(?:[^"]|"")+"|[A-Za-z_][\w$]*\b)"#,
    )
});

/// `path <@ (…)::ltree`: the column of a tree, and what names the branch that a session stands on.
static BRANCH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?:[a-z_]\w*\.)?("(?:[^"]|"")+"|[a-z_][\w$]*)\)?\s*(?:operator\(\w+\.)?<@\)?\s*[\s(]*(?:select\s+)?[\s(]*(?:nullif\s*\()?[\s(]*([a-z_][\w$.]*)\s*\(\s*(?:'([^']+)'(?:::text)?)?[^()]*\)[^()]{0,30}\)*::(?:\w+\.)?ltree"#,
    )
});

/// Reads every policy and function.
pub fn find(shape: &Shape) -> Found {
    let functions = function_sources(shape);
    let mut found = Found::default();
    let mut read = |text: &str, table: Option<i64>| {
        for (rest, source) in occurrences(text, &functions) {
            if let Some(list) = LITERALS.captures(rest).and_then(|hit| hit.get(1)) {
                let known = found.literals.entry(source.clone()).or_default();
                for literal in QUOTED.captures_iter(list.as_str()).filter_map(|hit| hit.get(1)).map(|m| m.as_str().replace("''", "'")) {
                    if !literal.is_empty() && !known.contains(&literal) {
                        known.push(literal);
                    }
                }
            }
            found.sources.insert(source);
        }
        compare(text, table, &functions, &mut found.comparisons);
        for hit in OWN_NAME.captures_iter(text) {
            let Some(column) = hit.get(1).or(hit.get(2)).or(hit.get(3)) else { continue };
            if ["current_user", "session_user"].contains(&column.as_str().to_lowercase().as_str()) {
                continue; // whether the role is a member of another one, which no column names
            }
            let source = Source { setting: ROLE_NAME.to_owned(), claim: Vec::new() };
            found.sources.insert(source.clone());
            found.comparisons.insert(Comparison { table, column: column.as_str().to_owned(), source });
        }
        lists(text, &functions, &mut found.lists);
    };
    for policy in &shape.policies {
        for text in [&policy.using, &policy.check].into_iter().flatten() {
            read(text, Some(policy.table));
        }
    }
    for function in &shape.functions {
        read(&inlined(&function.body), None);
    }
    // `is_member(org_id, auth.uid())`: what the function compares with its parameter is compared with the session.
    arguments::each(shape, |column, argument| {
        for (_, source) in occurrences(argument, &functions) {
            found.comparisons.insert(Comparison { table: None, column: column.to_owned(), source });
        }
    });
    for hit in shape.texts().flat_map(|text| DEMANDED.captures_iter(text)) {
        let Some(setting) = hit.get(1).map(|m| m.as_str()).filter(|setting| setting.contains('.')) else { continue };
        let says_nothing = match hit.get(2).map(|m| m.as_str()) {
            Some("bool" | "boolean") => "false",
            Some("int" | "int4" | "int8" | "integer" | "bigint" | "smallint" | "numeric") => "0",
            Some("uuid") => "00000000-0000-0000-0000-000000000000",
            Some("json" | "jsonb") => "{}",
            _ => "",
        };
        let known = found.demanded.entry(setting.to_owned()).or_default();
        if known.is_empty() {
            *known = says_nothing;
        }
    }
    found.by_role = shape
        .policies
        .iter()
        .flat_map(|policy| [&policy.using, &policy.check])
        .flatten()
        .any(|text| text.contains("CURRENT_USER") || text.contains("SESSION_USER"));
    // An object whose claims are read is not a value of its own.
    let with_claim: BTreeSet<String> = found.sources.iter().filter(|s| !s.claim.is_empty()).map(|s| s.setting.clone()).collect();
    found.sources.retain(|s| {
        !s.claim.is_empty() || !with_claim.contains(&s.setting) && s.setting != "request.jwt.claims" && s.setting != "request.jwt.claim"
    });
    // PostgREST gives the claims in one object; where both are read, the older form stays unset.
    if with_claim.contains("request.jwt.claims") {
        found.sources.retain(|s| s.setting != "request.jwt.claim");
    }
    found
}

/// A body with its variables replaced by what they were given, so that `v := auth.uid(); … user_id = v` reads like a policy.
fn inlined(body: &str) -> String {
    let mut out = body.to_owned();
    let mut given: Vec<(String, String)> = Vec::new();
    for hit in ASSIGNED.captures_iter(body) {
        let pair = hit.get(1).zip(hit.get(2)).or_else(|| hit.get(3).zip(hit.get(4)));
        given.extend(pair.map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned())));
    }
    given.extend(INTO.captures_iter(body).filter_map(|hit| Some((hit.get(2)?.as_str().to_owned(), hit.get(1)?.as_str().to_owned()))));
    for (name, value) in given.into_iter().take(20) {
        // Only what reads an identity, and nothing that looks a row up.
        if !(value.contains('(') && value.contains(')')) || LOOKS_UP.is_match(&value) || name.len() < 2 {
            continue;
        }
        let Ok(word) = Regex::new(&format!(r"(=\s*\(?){name}\b|\b{name}(\s*=)")) else { continue };
        let value = value.trim().replace('$', "$$");
        out = word.replace_all(&out, format!("${{1}}{value}${{2}}").as_str()).into_owned();
    }
    out
}

/// The sources that an expression asks, itself or through the functions it calls.
pub(super) fn asked_by(shape: &Shape, text: &str) -> Vec<Source> {
    occurrences(text, &function_sources(shape)).into_iter().map(|(_, source)| source).collect()
}

/// Sources that hold a list of keys.
fn lists(text: &str, functions: &Functions, into: &mut BTreeSet<Source>) {
    let lower = text.to_ascii_lowercase();
    for (at, word) in lower.match_indices("array_elements").chain(lower.match_indices(" ? ")).chain(lower.match_indices(" ?| ")) {
        let (from, to) = match word.starts_with('a') {
            true => (at, (at + 260).min(text.len())),
            false => (at.saturating_sub(220), at),
        };
        let (Some(from), Some(to)) = ((from..=at).find(|i| text.is_char_boundary(*i)), (at..=to).rev().find(|i| text.is_char_boundary(*i)))
        else {
            continue;
        };
        into.extend(occurrences(&text[from..to], functions).into_iter().map(|(_, source)| source).filter(|s| !s.claim.is_empty()));
    }
}

/// Names of functions whose answer depends on who asks, themselves or through one they call.
pub fn functions_that_read(shape: &Shape) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for _ in 0..4 {
        let before = names.len();
        for function in &shape.functions {
            if reads_identity(&function.body, &names) {
                names.insert(format!("{}(", function.name.rsplit('.').next().unwrap_or_default()));
            }
        }
        if names.len() == before {
            break;
        }
    }
    names
}

/// Whether an expression or body asks who is asking.
pub fn reads_identity(text: &str, functions: &BTreeSet<String>) -> bool {
    let lower = text.to_ascii_lowercase();
    ["current_setting", "current_user", "session_user", "current_role", "pg_has_role"].iter().any(|word| lower.contains(word))
        || functions.iter().any(|name| text.contains(name.as_str()))
}

/// Sources by function name (with and without schema). A function that returns the whole object has a source without a path
/// whose claim is found where it is called.
type Functions = BTreeMap<String, Vec<(Source, bool)>>;

fn function_sources(shape: &Shape) -> Functions {
    let mut functions = Functions::new();
    // Twice: a function may read its claim through another one.
    for _ in 0..2 {
        for function in shape.functions.iter().filter(|function| !LOOKS_UP.is_match(&DISTINCT.replace_all(&function.body, ""))) {
            let mut sources: Vec<(Source, bool)> = Vec::new();
            for (rest, source) in occurrences(&inlined(&function.body), &functions) {
                let whole =
                    source.claim.is_empty() && (JSON.is_match(rest) || functions.values().flatten().any(|(s, w)| *w && *s == source));
                sources.push((source, whole));
            }
            // A body that reads a claim names the setting as a whole nowhere else.
            let with_claim: BTreeSet<String> =
                sources.iter().filter(|(s, _)| !s.claim.is_empty()).map(|(s, _)| s.setting.clone()).collect();
            sources.retain(|(s, _)| !s.claim.is_empty() || !with_claim.contains(&s.setting));
            sources.dedup();
            if !sources.is_empty() {
                let bare = function.name.rsplit('.').next().unwrap_or_default().to_owned();
                functions.insert(function.name.clone(), sources.clone());
                functions.insert(bare, sources);
            }
        }
    }
    functions
}

/// Every place where a text reads an identity: the rest of the text after it, and the source.
fn occurrences<'t>(text: &'t str, functions: &Functions) -> Vec<(&'t str, Source)> {
    let mut found = Vec::new();
    for hit in SETTING.captures_iter(text) {
        let (Some(whole), Some(name)) = (hit.get(0), hit.get(1)) else { continue };
        if !name.as_str().contains('.') {
            continue; // a built-in setting
        }
        let rest = until_next(&text[whole.end()..]);
        found.push((rest, Source { setting: name.as_str().to_owned(), claim: claim_after(rest) }));
    }
    for hit in CALL.captures_iter(text) {
        let (Some(whole), Some(name)) = (hit.get(0), hit.get(1)) else { continue };
        let Some(sources) = functions.get(name.as_str()) else { continue };
        let rest = until_next(&text[whole.end()..]);
        for (source, object) in sources {
            let claim = if *object && source.claim.is_empty() { claim_after(rest) } else { source.claim.clone() };
            found.push((rest, Source { setting: source.setting.clone(), claim }));
        }
    }
    found
}

fn until_next(rest: &str) -> &str {
    let end = rest.find("current_setting").unwrap_or(rest.len());
    &rest[..end]
}

fn claim_after(rest: &str) -> Vec<String> {
    if let Some(path) = PATH.captures(rest).and_then(|hit| hit.get(1)) {
        return path.as_str().split(',').map(|step| step.trim().to_owned()).collect();
    }
    let Some(chain) = CHAIN.captures(rest).and_then(|hit| hit.get(1)) else { return Vec::new() };
    STEP.captures_iter(chain.as_str()).filter_map(|hit| hit.get(1)).map(|step| step.as_str().to_owned()).collect()
}

/// A name as the catalog has it, from how an expression writes it.
pub(super) fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}

fn compare(text: &str, table: Option<i64>, functions: &Functions, into: &mut BTreeSet<Comparison>) {
    let mut add = |column: &str, callee: &str, argument: Option<&str>, rest: &str| {
        let sources: Vec<Source> = match (callee.trim_start_matches("pg_catalog."), argument) {
            ("current_setting", Some(setting)) if setting.contains('.') => {
                vec![Source { setting: setting.to_owned(), claim: claim_after(until_next(rest)) }]
            }
            _ => functions
                .get(callee)
                .into_iter()
                .flatten()
                .map(|(source, object)| match *object && source.claim.is_empty() {
                    true => Source { setting: source.setting.clone(), claim: claim_after(until_next(rest)) },
                    false => source.clone(),
                })
                .collect(),
        };
        for source in sources {
            into.insert(Comparison { table, column: unquoted(column), source });
        }
    };
    for hit in AMONG.captures_iter(text) {
        let (Some(callee), Some(columns)) = (hit.get(1), hit.get(3)) else { continue };
        for column in columns.as_str().split(',') {
            let bare = column.trim().rsplit('.').next().unwrap_or_default();
            add(bare, callee.as_str(), hit.get(2).map(|m| m.as_str()), "");
        }
    }
    for hit in BRANCH.captures_iter(text) {
        let (Some(column), Some(callee)) = (hit.get(1), hit.get(2)) else { continue };
        add(column.as_str(), callee.as_str(), hit.get(3).map(|m| m.as_str()), "");
    }
    // Matches may overlap (`a = f() AND f() = b`), so each search starts one byte on.
    for (regex, column, callee, argument) in [(&RIGHT, 1, 2, 3), (&LEFT, 3, 1, 2)] {
        for hit in regex.captures_iter(text) {
            let (Some(whole), Some(column), Some(callee)) = (hit.get(0), hit.get(column), hit.get(callee)) else { continue };
            let rest = match regex.as_str() == RIGHT.as_str() {
                true => &text[whole.end()..],
                false => "",
            };
            add(column.as_str(), callee.as_str(), hit.get(argument).map(|m| m.as_str()), rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::row_security::shape::{Function, Policy};

    fn shape(policies: &[&str], functions: &[(&str, &str)]) -> Shape {
        Shape {
            policies: policies
                .iter()
                .map(|text| Policy {
                    table: 1,
                    name: "p".into(),
                    command: "*".into(),
                    permissive: true,
                    everyone: true,
                    roles: Vec::new(),
                    using: Some((*text).to_owned()),
                    check: None,
                })
                .collect(),
            functions: functions
                .iter()
                .map(|(name, body)| Function { name: (*name).into(), arguments: Vec::new(), defaults: String::new(), body: (*body).into() })
                .collect(),
            ..Shape::default()
        }
    }

    fn compared(shape: &Shape) -> Vec<(String, String)> {
        find(shape).comparisons.iter().map(|c| (c.column.clone(), c.source.shown())).collect()
    }

    #[test]
    fn a_setting_behind_nullif_is_compared_with_its_column() {
        let shape = shape(&["(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)"], &[]);
        assert_eq!(compared(&shape), [("tenant_id".into(), "app.tenant_id".into())]);
    }

    #[test]
    fn a_quoted_column_is_compared_on_either_side() {
        let functions = [("app.tenant", "select current_setting('app.tenant')::smallint")];
        let shape = shape(
            &["(\"Tenant No\" = app.tenant())", "(( SELECT app.tenant() AS tenant) = \"Sensor Data\".\"Client \"\"No\"\"\")"],
            &functions,
        );
        assert_eq!(compared(&shape), [("Client \"No\"".into(), "app.tenant".into()), ("Tenant No".into(), "app.tenant".into())]);
    }

    #[test]
    fn a_branch_of_a_tree_is_compared_with_its_column() {
        let policy = "((NULLIF(current_setting('app.branch'::text, true), ''::text) IS NOT NULL) AND (units.path <@ (NULLIF(current_setting('app.branch'::text, true), ''::text))::public.ltree))";
        assert_eq!(compared(&shape(&[policy], &[])), [("path".into(), "app.branch".into())]);
        // Lists are contained in one another as well.
        assert_eq!(compared(&shape(&["(tags <@ (current_setting('app.tags'::text))::text[])"], &[])), []);
    }

    #[test]
    fn what_a_function_compares_with_its_parameter_is_compared_with_what_it_is_handed() {
        let mut shape = shape(
            &["app.sits_in(agency_id, ( SELECT app.me() AS me))"],
            &[("app.me", "select current_setting('app.me', true)"), ("app.sits_in", ""), ("app.leads", "")],
        );
        for (at, column) in [(1, "holder"), (2, "chief")] {
            shape.functions[at].arguments = vec!["agency".into(), "person".into()];
            shape.functions[at].body = format!("select exists (select 1 from seats s where s.agency_id = agency and s.{column} = person)");
        }
        shape.functions[2].defaults = "app.me())".into();
        let compared = compared(&shape);
        assert_eq!(compared, [("chief".into(), "app.me".into()), ("holder".into(), "app.me".into())]);
    }

    #[test]
    fn a_setting_without_which_a_policy_raises_gets_a_value_of_its_type() {
        let shape = shape(
            &[
                "(current_setting('app.a'::text) = a) OR (current_setting('app.b'::text))::boolean OR (c = current_setting('app.c'::text, true))",
            ],
            &[],
        );
        assert_eq!(find(&shape).demanded.into_iter().collect::<Vec<_>>(), [("app.a".into(), ""), ("app.b".into(), "false")]);
    }

    #[test]
    fn a_claim_read_by_a_function_belongs_to_its_callers() {
        let shape = shape(
            &["(( SELECT auth.uid() AS uid) = user_id)"],
            &[(
                "auth.uid",
                "select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
                 (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid",
            )],
        );
        assert_eq!(
            compared(&shape),
            [("user_id".into(), "request.jwt.claim.sub".into()), ("user_id".into(), "request.jwt.claims→sub".into())]
        );
    }

    #[test]
    fn a_claim_of_a_function_that_returns_all_claims_has_its_path() {
        let shape = shape(
            &["(tenant_id = (((auth.jwt() -> 'app_metadata'::text) ->> 'tenant_id'::text))::uuid)"],
            &[("auth.jwt", "select nullif(current_setting('request.jwt.claims', true), '')::jsonb")],
        );
        let found = find(&shape);
        assert!(found.sources.iter().any(|s| s.shown() == "request.jwt.claims→app_metadata→tenant_id"), "{:?}", found.sources);
        assert_eq!(compared(&shape), [("tenant_id".into(), "request.jwt.claims→app_metadata→tenant_id".into())]);
    }
}
