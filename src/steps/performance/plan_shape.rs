//! An execution plan reduced to what may be recorded and compared: node types, relations, indexes, conditions with their
//! literals replaced, rows and buffers. Row values and parameters never leave this module
//! (PostgreSQL manual, "Using EXPLAIN"; the keys are those of `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)`).

use serde::Serialize;
use serde_json::Value;

/// One node, reduced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    /// `Index Scan`, `Hash Join`, …, with the variants that change the work (`Left`, `Sorted`, `Partial`, `Backward`).
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Conditions, keys and outputs of functions, each as `Filter: (tenant_id = ?)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// Rows, all loops together.
    pub rows: f64,
    /// Rows a filter threw away, all loops together.
    #[serde(skip_serializing_if = "is_zero")]
    pub removed: f64,
    /// Beside the tree: an InitPlan or SubPlan.
    #[serde(skip_serializing_if = "is_false")]
    pub beside: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// A whole plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    pub root: Node,
    /// Blocks touched: shared and local, hit and read, and temporary ones.
    pub buffers: u64,
}

/// Keys that vary the node's kind of work.
const VARIANTS: [&str; 6] = ["Join Type", "Strategy", "Partial Mode", "Scan Direction", "Operation", "Command"];

/// Keys whose expressions decide what a node does.
const CONDITIONS: [&str; 14] = [
    "Index Cond",
    "Recheck Cond",
    "Filter",
    "Join Filter",
    "Hash Cond",
    "Merge Cond",
    "One-Time Filter",
    "TID Cond",
    "Sort Key",
    "Presorted Key",
    "Group Key",
    "Cache Key",
    "Function Name",
    "Order By",
];

const BUFFERS: [&str; 6] =
    ["Shared Hit Blocks", "Shared Read Blocks", "Local Hit Blocks", "Local Read Blocks", "Temp Read Blocks", "Temp Written Blocks"];

impl Plan {
    /// Reads the output of EXPLAIN. `None`: it does not have the documented form.
    pub fn read(explained: &Value) -> Option<Self> {
        let root = explained.get(0)?.get("Plan")?;
        Some(Self { root: node(root)?, buffers: BUFFERS.iter().filter_map(|key| root.get(*key)?.as_u64()).sum() })
    }

    /// Whether both plans do the same: equal nodes, relations, indexes and conditions; rows of every node and buffers within 1 %.
    pub fn same_work(&self, other: &Self) -> bool {
        within_one_percent(self.buffers as f64, other.buffers as f64) && same(&self.root, &other.root)
    }

    /// Whether both plans have equal nodes, relations, indexes and conditions, whatever the rows.
    pub fn same_shape(&self, other: &Self) -> bool {
        shape(&self.root) == shape(&other.root)
    }

    /// The nodes from the root down on one line: `Limit ← Index Scan clauses_document_idx`. Plans beside the tree (of row security,
    /// say) stand in brackets; nodes that only compute are left out.
    pub fn line(&self) -> String {
        let mut words = Vec::new();
        words_of(&self.root, &mut words);
        words.join(" ← ")
    }

    /// Whether the statement writes.
    pub fn writes(&self) -> bool {
        let mut writes = false;
        self.root.visit(&mut |node| writes |= node.what.starts_with("ModifyTable"));
        writes
    }
}

impl Node {
    /// Shows every node to `see`, root first.
    pub fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Self)) {
        see(self);
        for child in &self.children {
            child.visit(see);
        }
    }
}

fn words_of(node: &Node, words: &mut Vec<String>) {
    let object = node.index.as_ref().or(node.relation.as_ref());
    match object {
        Some(object) => words.push(format!("{} {object}", node.what)),
        None if node.what == "Result" => {}
        None => words.push(node.what.clone()),
    }
    for child in node.children.iter().filter(|child| !child.beside) {
        words_of(child, words);
    }
    for child in node.children.iter().filter(|child| child.beside) {
        let mut inner = Vec::new();
        words_of(child, &mut inner);
        if !inner.is_empty() {
            words.push(format!("[{}]", inner.join(" ← ")));
        }
    }
}

fn node(value: &Value) -> Option<Node> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let number = |key: &str| value.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let mut what = text("Node Type")?.to_owned();
    for word in VARIANTS.iter().filter_map(|key| text(key)).filter(|word| !matches!(*word, "Forward" | "Simple" | "Plain" | "Inner")) {
        what.push(' ');
        what.push_str(word);
    }
    if value.get("Parallel Aware").and_then(Value::as_bool) == Some(true) {
        what.insert_str(0, "Parallel ");
    }
    let mut conditions = Vec::new();
    for key in CONDITIONS {
        match value.get(key) {
            Some(Value::String(condition)) => conditions.push(format!("{key}: {}", without_literals(condition))),
            Some(Value::Array(list)) => {
                let list: Vec<String> = list.iter().filter_map(Value::as_str).map(without_literals).collect();
                conditions.push(format!("{key}: {}", list.join(", ")));
            }
            _ => {}
        }
    }
    // Of the outputs, what calls something: a list of columns is no work, and grows when a migration adds one.
    let outputs = value.get("Output").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    conditions.extend(outputs.filter(|output| output.contains('(')).map(|output| format!("Output: {}", without_literals(output))));
    let relation = text("Relation Name").map(|name| match text("Schema") {
        Some(schema) => format!("{schema}.{name}"),
        None => name.to_owned(),
    });
    let loops = number("Actual Loops");
    let children = match value.get("Plans") {
        Some(Value::Array(plans)) => plans.iter().map(node).collect::<Option<Vec<_>>>()?,
        _ => Vec::new(),
    };
    let removed = ["Rows Removed by Filter", "Rows Removed by Index Recheck", "Rows Removed by Join Filter"];
    Some(Node {
        what,
        relation,
        index: text("Index Name").map(str::to_owned),
        conditions,
        rows: number("Actual Rows") * loops,
        removed: removed.iter().map(|key| number(key)).sum::<f64>() * loops,
        beside: matches!(text("Parent Relationship"), Some("InitPlan" | "SubPlan")),
        children,
    })
}

fn shape(node: &Node) -> String {
    let mut text = format!("({} {} {:?} {:?} {:?}", node.what, node.beside, node.relation, node.index, node.conditions);
    for child in &node.children {
        text.push_str(&shape(child));
    }
    text.push(')');
    text
}

fn same(a: &Node, b: &Node) -> bool {
    a.what == b.what
        && a.beside == b.beside
        && a.relation == b.relation
        && a.index == b.index
        && a.conditions == b.conditions
        && within_one_percent(a.rows, b.rows)
        && within_one_percent(a.removed, b.removed)
        && a.children.len() == b.children.len()
        && a.children.iter().zip(&b.children).all(|(a, b)| same(a, b))
}

fn within_one_percent(a: f64, b: f64) -> bool {
    (a - b).abs() <= 0.01 * a.max(b)
}

/// The expression with every string and number replaced by `?`; identifiers, quoted or not, and parameters stay.
pub fn without_literals(expression: &str) -> String {
    let chars: Vec<char> = expression.chars().collect();
    let mut text = String::with_capacity(expression.len());
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || matches!(chars[at - 1], '_' | '$'));
        match c {
            '\'' => {
                at = past_quoted(&chars, at, '\'');
                // E'…', B'…', X'…' and N'…' are literals with their letter.
                if matches!(text.chars().last(), Some('E' | 'B' | 'X' | 'N')) && !ends_in_longer_word(&text) {
                    text.pop();
                }
                text.push('?');
            }
            '"' => {
                let end = past_quoted(&chars, at, '"');
                text.extend(&chars[at..end]);
                at = end;
            }
            '0'..='9' if !in_word => {
                while at < chars.len() && (chars[at].is_ascii_alphanumeric() || chars[at] == '.') {
                    let exponent = matches!(chars[at], 'e' | 'E') && matches!(chars.get(at + 1), Some('+' | '-'));
                    at += if exponent { 2 } else { 1 };
                }
                text.push('?');
            }
            _ => {
                text.push(c);
                at += 1;
            }
        }
    }
    text
}

fn ends_in_longer_word(text: &str) -> bool {
    text.chars().rev().nth(1).is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// The position after the quoted text that starts at `at`; a doubled quote belongs to it. Deparsed text always writes
/// backslashes doubled, so they end nothing.
fn past_quoted(chars: &[char], at: usize, quote: char) -> usize {
    let mut next = at + 1;
    while next < chars.len() {
        if chars[next] == quote {
            if chars.get(next + 1) != Some(&quote) {
                return next + 1;
            }
            next += 1;
        }
        next += 1;
    }
    next
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_go_and_names_stay() {
        for (from, to) in [
            ("(tenant_id = '8a7b'::uuid)", "(tenant_id = ?::uuid)"),
            ("(t1.col2 > 12.5e-3) AND (x = $1)", "(t1.col2 > ?) AND (x = $1)"),
            ("(\"we'ird 9\" = 'it''s'::text)", "(\"we'ird 9\" = ?::text)"),
            ("(a ~~ E'a\\\\b%'::text)", "(a ~~ ?::text)"),
            ("(b = B'01'::bit) OR (TYPE = '1'::x)", "(b = ?::bit) OR (TYPE = ?::x)"),
            ("(a = ANY ('{1,2}'::integer[]))", "(a = ANY (?::integer[]))"),
            ("(-5)", "(-?)"),
        ] {
            assert_eq!(without_literals(from), to, "{from}");
        }
    }

    proptest! {
        #[test]
        fn no_string_survives(secret in "[a-z ']{1,20}") {
            let quoted = secret.replace('\'', "''");
            let text = without_literals(&format!("((name)::text = '{quoted}'::text)"));
            prop_assert_eq!(text, "((name)::text = ?::text)");
        }

        #[test]
        fn any_text_is_read_to_its_end(text in "\\PC{0,60}") {
            without_literals(&text);
        }
    }

    fn explained(index: &str, rows: u64, buffers: u64, filter: &str) -> Value {
        json!([{"Plan": {
            "Node Type": "Limit", "Actual Rows": 10, "Actual Loops": 1, "Shared Hit Blocks": buffers, "Shared Read Blocks": 0,
            "Output": ["'secret'", "(a || 'secret'::text)"],
            "Plans": [{"Node Type": "Index Scan", "Scan Direction": "Forward", "Relation Name": "clauses", "Schema": "public",
                       "Index Name": index, "Filter": filter, "Actual Rows": rows, "Actual Loops": 2, "Rows Removed by Filter": 3}]
        }, "Planning Time": 1.0}])
    }

    #[test]
    fn same_work_is_shape_rows_and_buffers() {
        let plan = |index, rows, buffers, filter| Plan::read(&explained(index, rows, buffers, filter)).unwrap();
        let one = plan("a_idx", 1000, 200, "(x = 'A')");
        assert!(one.same_work(&plan("a_idx", 1009, 201, "(x = 'B')")));
        assert!(!one.same_work(&plan("b_idx", 1000, 200, "(x = 'A')")), "another index");
        assert!(!one.same_work(&plan("a_idx", 1100, 200, "(x = 'A')")), "more rows");
        assert!(!one.same_work(&plan("a_idx", 1000, 210, "(x = 'A')")), "more buffers");
        assert!(!one.same_work(&plan("a_idx", 1000, 200, "(leaky(x) = 'A')")), "a function in the filter");
        assert!(one.same_shape(&plan("a_idx", 1, 1, "(x = 'B')")));
        assert!(!one.same_shape(&plan("b_idx", 1000, 200, "(x = 'A')")));
        assert_eq!(one.line(), "Limit ← Index Scan a_idx");
        assert_eq!(one.root.children[0].rows, 2000.0);
        assert_eq!(one.root.children[0].removed, 6.0);
        assert!(!one.writes());
    }

    #[test]
    fn plans_beside_the_tree_stand_in_brackets() {
        let explained = json!([{"Plan": {"Node Type": "Result", "Actual Loops": 1, "Plans": [
            {"Node Type": "Result", "Parent Relationship": "InitPlan"},
            {"Node Type": "Seq Scan", "Relation Name": "projects", "Parent Relationship": "SubPlan"},
            {"Node Type": "Index Scan", "Index Name": "alerts_idx", "Parent Relationship": "Outer"}]}}]);
        assert_eq!(Plan::read(&explained).unwrap().line(), "Index Scan alerts_idx ← [Seq Scan projects]");
    }

    #[test]
    fn no_value_is_kept() {
        let plan = Plan::read(&explained("a_idx", 1, 1, "(x = 'secret'::text)")).unwrap();
        let text = serde_json::to_string(&plan).unwrap();
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn something_else_is_no_plan() {
        assert_eq!(Plan::read(&json!({"Plan": {}})), None);
        assert_eq!(Plan::read(&json!([{"Plan": {"Plans": []}}])), None);
    }
}
