//! Who asks what: which tables' policies depend on a word or on another table's rows, however far away.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::shape::Shape;

/// A text that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Text<'s> {
    /// A policy of this table.
    Policy(i64),
    /// The body of a function of this name, without its schema.
    Function(&'s str),
}

/// Every policy and function by the words in it.
#[derive(Debug, Default)]
pub(super) struct Asking<'s> {
    by_word: HashMap<&'s str, HashSet<Text<'s>>>,
    texts: Vec<(Text<'s>, &'s str)>,
}

/// Names, keywords and literals of a text; a quoted name that is no word falls into its parts.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).filter(|word| !word.is_empty())
}

/// The part of a name that is looked for.
fn longest(name: &str) -> Option<&str> {
    words(name).max_by_key(|word| word.len())
}

impl<'s> Asking<'s> {
    pub(super) fn of(shape: &'s Shape) -> Self {
        let mut asking = Self::default();
        for policy in &shape.policies {
            asking
                .texts
                .extend([&policy.using, &policy.check].into_iter().flatten().map(|text| (Text::Policy(policy.table), text.as_str())));
        }
        let bare = |name: &'s str| longest(name.rsplit('.').next().unwrap_or_default());
        asking.texts.extend(shape.functions.iter().filter_map(|f| Some((Text::Function(bare(&f.name)?), f.body.as_str()))));
        for (of, text) in &asking.texts {
            for word in words(text) {
                asking.by_word.entry(word).or_default().insert(*of);
            }
        }
        asking
    }

    /// The tables whose policies hold one of these pieces of text, or read one of the tables: in their own text, in a function they call,
    /// or through the policies of a table they read. The tables themselves are among them.
    pub(super) fn tables(&self, shape: &'s Shape, pieces: &[String], tables: BTreeSet<i64>) -> BTreeSet<i64> {
        let mut found = tables;
        let mut functions: HashSet<&str> = HashSet::new();
        let mut open: VecDeque<&str> = VecDeque::new();
        let name_of = |oid: i64| shape.table(oid).and_then(|table| longest(&table.name));
        open.extend(found.iter().filter_map(|oid| name_of(*oid)));
        let mut meet = |text: &Text<'s>, open: &mut VecDeque<&'s str>, found: &mut BTreeSet<i64>| match text {
            Text::Policy(oid) => {
                if found.insert(*oid) {
                    open.extend(name_of(*oid));
                }
            }
            Text::Function(name) => {
                if functions.insert(name) {
                    open.push_back(name);
                }
            }
        };
        if !pieces.is_empty() {
            let holds = |text: &str| pieces.iter().any(|piece| text.contains(piece.as_str()));
            self.texts.iter().filter(|(_, text)| holds(text)).for_each(|(of, _)| meet(of, &mut open, &mut found));
        }
        while let Some(word) = open.pop_front() {
            for text in self.by_word.get(word).into_iter().flatten() {
                meet(text, &mut open, &mut found);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::row_security::shape::{Function, Policy, Table};

    fn shape() -> Shape {
        let table = |oid: i64, name: &str| Table {
            oid,
            schema: "public".into(),
            name: name.into(),
            sql: format!("public.\"{name}\""),
            rls: true,
            force: false,
            owner: "o".into(),
            partition: false,
            partitioned: false,
            rows: 0.0,
            columns: Vec::new(),
            uniques: Vec::new(),
            checks: Vec::new(),
            partition_key: None,
            triggers: false,
            bounds: Vec::new(),
        };
        let policy = |oid: i64, using: &str| Policy {
            table: oid,
            name: "p".into(),
            command: "*".into(),
            permissive: true,
            everyone: true,
            roles: Vec::new(),
            using: Some(using.into()),
            check: None,
        };
        let mut shape = Shape {
            tables: vec![table(1, "Team Members"), table(2, "projects"), table(3, "tasks"), table(4, "rates")],
            policies: vec![
                policy(2, "(team_id IN ( SELECT app.my_teams() AS my_teams))"),
                policy(3, "(EXISTS ( SELECT 1 FROM public.projects p WHERE (p.id = tasks.project_id)))"),
                policy(4, "(currency = 'EUR'::text)"),
            ],
            functions: vec![Function {
                name: "app.my_teams".into(),
                arguments: Vec::new(),
                defaults: String::new(),
                body: "select team_id from public.\"Team Members\" where role = 'admin'".into(),
            }],
            ..Shape::default()
        };
        shape.by_oid = shape.tables.iter().enumerate().map(|(at, table)| (table.oid, at)).collect();
        shape
    }

    #[test]
    fn a_table_is_asked_through_functions_and_through_other_tables() {
        let shape = shape();
        let asking = Asking::of(&shape);
        assert_eq!(asking.tables(&shape, &[], BTreeSet::from([1])), BTreeSet::from([1, 2, 3]));
        assert_eq!(asking.tables(&shape, &[], BTreeSet::from([2])), BTreeSet::from([2, 3]));
        assert_eq!(asking.tables(&shape, &["'admin'".into()], BTreeSet::new()), BTreeSet::from([2, 3]));
        assert_eq!(asking.tables(&shape, &["'EUR'".into()], BTreeSet::new()), BTreeSet::from([4]));
        assert_eq!(asking.tables(&shape, &["'USD'".into()], BTreeSet::new()), BTreeSet::new());
    }
}
