//! What a migration did to the catalog, and what it took away: read from the catalog before and after, so that whatever went along with
//! something else (CASCADE) is seen too.

use crate::pg::Catalog;
use crate::pg::catalog::CatalogChange;

/// Something that protected data and is gone, while what it protected is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The rule's name, for accepting it with a reason.
    pub rule: &'static str,
    /// `policy public.docs.own`
    pub subject: String,
    pub observed: String,
}

impl Loss {
    /// Whether rows are open that were not.
    pub fn opens_rows(&self) -> bool {
        matches!(self.rule, POLICY_LOST | ROW_SECURITY_LOST)
    }
}

/// Rules of this module, each with what it means.
pub const POLICY_LOST: &str = "policy-lost";
pub const ROW_SECURITY_LOST: &str = "row-security-lost";
pub const CONSTRAINT_LOST: &str = "constraint-lost";
pub const TRIGGER_LOST: &str = "trigger-lost";
pub const GRANT_LOST: &str = "grant-lost";

/// What is gone between two catalogs, and was not made again under another name. `text`: the script, to tell what it names from what went
/// along. Objects of a table that is gone itself are no loss.
pub fn losses(before: &Catalog, after: &Catalog, text: &str) -> Vec<Loss> {
    let changes = before.diff(after);
    let mut losses = Vec::new();
    for change in &changes {
        let loss = match (change.kind.as_str(), &change.before, &change.after) {
            ("policy", Some(_), None) if stays(after, change) && !renamed(&changes, change) => Some((POLICY_LOST, gone(change, text))),
            ("constraint", Some(_), None) if stays(after, change) && !renamed(&changes, change) => {
                Some((CONSTRAINT_LOST, gone(change, text)))
            }
            ("trigger", Some(_), None) if stays(after, change) && !renamed(&changes, change) => Some((TRIGGER_LOST, gone(change, text))),
            ("trigger", Some(was), Some(now)) if now.ends_with(" disabled") && !was.ends_with(" disabled") => {
                Some((TRIGGER_LOST, "disabled".to_owned()))
            }
            ("row security", Some(was), Some(now)) if weaker(was, now) => Some((ROW_SECURITY_LOST, format!("was {was}, now {now}"))),
            ("column", Some(was), Some(now)) if was.contains(" not null") && !now.contains(" not null") => {
                Some((CONSTRAINT_LOST, "may be null now".to_owned()))
            }
            ("grant", Some(was), now) if granted_on_what_stays(after, change) && narrower(was, now.as_deref()) => {
                Some((GRANT_LOST, format!("was {was}, now {}", now.as_deref().unwrap_or("nothing"))))
            }
            _ => None,
        };
        losses.extend(loss.map(|(rule, observed)| Loss { rule, subject: format!("{} {}", change.kind, change.object), observed }));
    }
    losses
}

/// Foreign keys that are new in `after` and whose columns no index of the table begins with, in any order.
pub fn keys_without_index(before: &Catalog, after: &Catalog) -> Vec<String> {
    let kind = |kind: &str| after.objects.get(kind).into_iter().flatten();
    let known = before.objects.get("constraint");
    let mut bare = Vec::new();
    for (name, definition) in kind("constraint") {
        let Some(columns) = definition.strip_prefix("FOREIGN KEY (").and_then(|rest| rest.split(") REFERENCES").next()) else { continue };
        if known.is_some_and(|known| known.contains_key(name)) {
            continue;
        }
        let Some(table) = table_of(after, name) else { continue };
        let mut wanted: Vec<&str> = columns.split(", ").collect();
        wanted.sort_unstable();
        let covered = kind("index").any(|(_, index)| {
            let Some((head, tail)) = index.split_once(" USING ") else { return false };
            let on = head.ends_with(&format!(" ON {table}")) || head.ends_with(&format!(" ON ONLY {table}"));
            let Some(inside) = tail.split_once('(').map(|(_, inside)| inside) else { return false };
            // A partial index finds only some of the rows.
            let mut leading: Vec<&str> = inside.split(')').next().unwrap_or_default().split(", ").take(wanted.len()).collect();
            leading.iter_mut().for_each(|column| *column = column.split(' ').next().unwrap_or_default());
            leading.sort_unstable();
            on && leading == wanted && !index.contains(" WHERE ")
        });
        if !covered {
            bare.push(format!("{name} ({columns})"));
        }
    }
    bare
}

/// The table whose part this object is.
fn table_of<'a>(catalog: &'a Catalog, object: &str) -> Option<&'a str> {
    let tables = ["table", "view", "materialized view"].into_iter().filter_map(|kind| catalog.objects.get(kind)).flatten();
    let mut names = tables.map(|(name, _)| name.as_str());
    names.find(|name| object.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

fn stays(after: &Catalog, change: &CatalogChange) -> bool {
    table_of(after, &change.object).is_some()
}

/// `table public.docs to app_user`: whether what it is about is still there.
fn granted_on_what_stays(after: &Catalog, change: &CatalogChange) -> bool {
    let Some((class, rest)) = change.object.split_once(' ') else { return false };
    let Some((name, _)) = rest.rsplit_once(" to ") else { return false };
    let kinds: &[&str] = match class {
        "table" => &["table", "view", "materialized view"],
        "function" => &["function", "procedure", "aggregate"],
        other => &[other],
    };
    kinds.iter().any(|kind| after.objects.get(*kind).is_some_and(|objects| objects.contains_key(name)))
}

/// The same object made again on the same table under another name.
fn renamed(changes: &[CatalogChange], lost: &CatalogChange) -> bool {
    changes.iter().any(|change| {
        change.kind == lost.kind
            && change.before.is_none()
            && change.after.as_deref().map(unnamed) == lost.before.as_deref().map(unnamed)
            && prefix(&change.object) == prefix(&lost.object)
    })
}

/// A trigger's definition names it.
fn unnamed(definition: &str) -> String {
    match definition.split_once(" TRIGGER ").and_then(|(head, rest)| rest.split_once(' ').map(|(_, tail)| (head, tail))) {
        Some((head, tail)) => format!("{head} TRIGGER {tail}"),
        None => definition.to_owned(),
    }
}

fn prefix(object: &str) -> &str {
    object.rsplit_once('.').map_or(object, |(prefix, _)| prefix)
}

fn weaker(was: &str, now: &str) -> bool {
    let lost = |word: &str| was.split(", ").any(|w| w == word) && !now.split(", ").any(|w| w == word);
    lost("enabled") || (lost("forced") && was.starts_with("enabled"))
}

fn narrower(was: &str, now: Option<&str>) -> bool {
    let Some(now) = now else { return was != "nothing" };
    let list = |text: &str| -> Vec<String> { text.split(", ").map(|p| p.trim_end_matches('*').to_owned()).collect() };
    let (was, now) = (list(was), list(now));
    !now[0].starts_with("ALL")
        && (was[0].starts_with("ALL") || was.iter().any(|privilege| *privilege != "nothing" && !now.contains(privilege)))
}

fn gone(change: &CatalogChange, text: &str) -> String {
    let name = change.object.rsplit('.').next().unwrap_or_default().trim_matches('"').to_ascii_lowercase();
    let named = text.to_ascii_lowercase().contains(&name);
    let how = if named { "removed" } else { "removed, though the file does not name it: it went along with something else (CASCADE)" };
    format!("{how}; was {}", change.before.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(objects: &[(&str, &str, &str)]) -> Catalog {
        let mut catalog = Catalog::default();
        for (kind, object, definition) in objects {
            catalog.objects.entry((*kind).into()).or_default().insert((*object).into(), (*definition).into());
        }
        catalog
    }

    fn rules(before: &[(&str, &str, &str)], after: &[(&str, &str, &str)]) -> Vec<String> {
        losses(&catalog(before), &catalog(after), "alter table t")
            .into_iter()
            .map(|loss| format!("{} {}", loss.rule, loss.subject))
            .collect()
    }

    #[test]
    fn what_is_taken_away_is_a_loss_unless_its_table_went_too_or_it_was_only_renamed() {
        let table = ("table", "a.t", "table");
        let policy = ("policy", "a.t.p", "permissive for all to PUBLIC using (x)");
        assert_eq!(rules(&[table, policy], &[table]), ["policy-lost policy a.t.p"]);
        assert_eq!(rules(&[table, policy], &[]), Vec::<String>::new());
        assert_eq!(rules(&[table, policy], &[table, ("policy", "a.t.q", policy.2)]), Vec::<String>::new());
        let security = |state| ("row security", "a.t", state);
        assert_eq!(rules(&[table, security("enabled, forced")], &[table, security("enabled, not forced")]).len(), 1);
        assert_eq!(rules(&[table, security("enabled, forced")], &[table, security("disabled, forced")]).len(), 1);
        assert_eq!(rules(&[table, security("disabled, not forced")], &[table, security("enabled, forced")]).len(), 0);
        let trigger = |end: &str| format!("CREATE TRIGGER g BEFORE INSERT ON a.t EXECUTE FUNCTION f(){end}");
        let (on, off) = (trigger(""), trigger(" disabled"));
        assert_eq!(rules(&[table, ("trigger", "a.t.g", &on)], &[table, ("trigger", "a.t.g", &off)]), ["trigger-lost trigger a.t.g"]);
        assert_eq!(rules(&[table, ("trigger", "a.t.g", &on)], &[table]), ["trigger-lost trigger a.t.g"]);
        let grant = |privileges| ("grant", "table a.t to u", privileges);
        assert_eq!(rules(&[table, grant("INSERT, SELECT")], &[table, grant("SELECT")]), ["grant-lost grant table a.t to u"]);
        assert_eq!(rules(&[table, grant("SELECT")], &[table]), ["grant-lost grant table a.t to u"]);
        assert_eq!(rules(&[table, grant("SELECT")], &[table, grant("INSERT, SELECT*")]), Vec::<String>::new());
        assert_eq!(rules(&[table, grant("SELECT")], &[table, grant("ALL")]), Vec::<String>::new());
        let column = |text| ("column", "a.t.c", text);
        assert_eq!(rules(&[table, column("text not null")], &[table, column("text")]), ["constraint-lost column a.t.c"]);
    }

    #[test]
    fn a_loss_that_the_file_does_not_name_went_along() {
        let before = catalog(&[("table", "a.t", "table"), ("policy", "a.t.\"by tenant\"", "x")]);
        let after = catalog(&[("table", "a.t", "table")]);
        assert!(losses(&before, &after, "drop function f() cascade")[0].observed.contains("(CASCADE)"));
        assert!(!losses(&before, &after, "drop policy \"By tenant\" on a.t")[0].observed.contains("(CASCADE)"));
    }

    #[test]
    fn a_new_foreign_key_wants_an_index() {
        let before = catalog(&[("table", "a.t", "table")]);
        let key = ("constraint", "a.t.k", "FOREIGN KEY (x, y) REFERENCES a.u(x, y)");
        let with = |index: &str| keys_without_index(&before, &catalog(&[("table", "a.t", "table"), key, ("index", "a.i", index)]));
        assert_eq!(with("CREATE INDEX i ON a.t USING btree (y, x DESC, z)"), Vec::<String>::new());
        assert_eq!(with("CREATE INDEX i ON a.t USING btree (x)"), ["a.t.k (x, y)"]);
        assert_eq!(with("CREATE INDEX i ON a.t2 USING btree (x, y)"), ["a.t.k (x, y)"]);
        assert_eq!(with("CREATE INDEX i ON a.t USING btree (x, y) WHERE (z > 1)"), ["a.t.k (x, y)"]);
    }
}
