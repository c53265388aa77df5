//! The keys the plan expects: `child(column, …) -> parent(column, …)`, names as SQL writes them.

use serde::Serialize;

/// An expected key, read. Without a schema the table may stand in any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExpectedKey {
    /// As the configuration has it: the subject of its row.
    pub text: String,
    pub child_schema: Option<String>,
    pub child: String,
    pub columns: Vec<String>,
    pub parent_schema: Option<String>,
    pub parent: String,
    pub parent_columns: Vec<String>,
}

/// Reads one line. Strict: what cannot be read cannot be looked for.
pub fn parse(text: &str) -> Result<ExpectedKey, String> {
    let mut reader = Reader { rest: text };
    let (child_schema, child) = reader.table()?;
    let columns = reader.columns()?;
    reader.expect("->")?;
    let (parent_schema, parent) = reader.table()?;
    let parent_columns = reader.columns()?;
    reader.end()?;
    if columns.len() != parent_columns.len() {
        return Err(format!("{} columns reference {}", columns.len(), parent_columns.len()));
    }
    Ok(ExpectedKey { text: text.trim().to_owned(), child_schema, child, columns, parent_schema, parent, parent_columns })
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        self.skip();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(format!("`{token}` expected at `{}`", self.rest)),
        }
    }

    fn end(&mut self) -> Result<(), String> {
        self.skip();
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(format!("nothing expected after the key, found `{}`", self.rest)),
        }
    }

    /// An identifier: folded to lower case unless quoted (PostgreSQL manual, "Identifiers and Key Words").
    fn name(&mut self) -> Result<String, String> {
        self.skip();
        if let Some(mut rest) = self.rest.strip_prefix('"') {
            let mut name = String::new();
            loop {
                let Some(end) = rest.find('"') else { return Err(format!("a quote is not closed at `{}`", self.rest)) };
                name.push_str(&rest[..end]);
                rest = &rest[end + 1..];
                match rest.strip_prefix('"') {
                    Some(more) => {
                        name.push('"');
                        rest = more;
                    }
                    None => break,
                }
            }
            self.rest = rest;
            return if name.is_empty() { Err("a name is empty".into()) } else { Ok(name) };
        }
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit() || c == '$') {
            return Err(format!("a name expected at `{}`", self.rest));
        }
        self.rest = rest;
        Ok(name.to_lowercase())
    }

    fn table(&mut self) -> Result<(Option<String>, String), String> {
        let first = self.name()?;
        match self.rest.strip_prefix('.') {
            Some(rest) => {
                self.rest = rest;
                Ok((Some(first), self.name()?))
            }
            None => Ok((None, first)),
        }
    }

    fn columns(&mut self) -> Result<Vec<String>, String> {
        self.expect("(")?;
        let mut columns = vec![self.name()?];
        while self.expect(",").is_ok() {
            columns.push(self.name()?);
        }
        self.expect(")")?;
        Ok(columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_sql_reads_names() {
        let key = parse(r#" Alerts( clause_id ,"Tenant ""X""") -> app.clauses(id, tenant_id) "#).unwrap();
        assert_eq!((key.child_schema.as_deref(), key.child.as_str()), (None, "alerts"));
        assert_eq!(key.columns, ["clause_id", "Tenant \"X\""]);
        assert_eq!((key.parent_schema.as_deref(), key.parent.as_str()), (Some("app"), "clauses"));
        assert_eq!(key.parent_columns, ["id", "tenant_id"]);
    }

    #[test]
    fn what_is_not_a_key_is_refused_with_its_place() {
        for (text, says) in [
            ("alerts.clause_id -> clauses(id)", "`(` expected at `-> clauses(id)`"),
            ("alerts(clause_id) clauses(id)", "`->` expected"),
            ("alerts(clause_id) -> clauses", "`(` expected at ``"),
            ("alerts() -> clauses(id)", "a name expected"),
            ("alerts(a, b) -> clauses(id)", "2 columns reference 1"),
            ("alerts(a) -> clauses(id) on delete cascade", "nothing expected after"),
            ("\"alerts(a) -> clauses(id)", "not closed"),
            ("", "a name expected"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
