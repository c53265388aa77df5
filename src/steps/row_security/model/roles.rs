//! Roles: what the application acts as, which roles stand for a tenant each, and which work for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::{Meaning, Model};
use crate::config::Tenancy;
use crate::steps::row_security::identity::{self, Source};
use crate::steps::row_security::openings;
use crate::steps::row_security::shape::{self, Policy, Shape};
use crate::steps::row_security::value::World;

impl Model {
    /// Where policies compare the role's own name: roles that stand for a tenant each, and the keys that are their names.
    pub(super) fn find_tenant_roles(&mut self, shape: &Shape) {
        let named = self.sources.iter().find_map(|(source, meaning)| match meaning {
            Meaning::Key(class) if source.setting == identity::ROLE_NAME => Some(class.clone()),
            _ => None,
        });
        let mut literals: BTreeMap<&String, BTreeSet<String>> = BTreeMap::new();
        // `TO acme USING (tenant_id = 1)`: a policy per tenant.
        let anchored = self.sources.iter().any(|(_, meaning)| matches!(meaning, Meaning::Key(_)));
        if !anchored && let Some(column) = self.columns.iter().next() {
            for policy in shape.policies.iter().filter(|policy| policy.roles.len() == 1) {
                for text in [&policy.using, &policy.check].into_iter().flatten() {
                    let found = shape::literal_of(text, column);
                    literals.entry(&policy.roles[0]).or_default().extend(found);
                }
            }
            literals.retain(|_, of| of.len() == 1);
        }
        let distinct: BTreeSet<&String> = literals.values().flatten().collect();
        let per_role = distinct.len() >= 2 && distinct.len() == literals.len();
        let (roles, class, values) = match (named, per_role) {
            (Some(class), _) => {
                let members: BTreeSet<&String> = shape.members.iter().filter(|m| self.roles.contains(&m.of)).map(|m| &m.role).collect();
                let alone: Vec<String> = self.roles.iter().filter(|role| !shape.members.iter().any(|m| m.of == **role)).cloned().collect();
                let roles: Vec<String> = if members.len() >= 2 { members.into_iter().cloned().collect() } else { alone };
                (roles.clone(), class, roles)
            }
            (None, true) => match self.tenant_class(shape) {
                Some(class) => {
                    let roles = literals.keys().map(|role| (*role).clone()).collect();
                    (roles, class, literals.values().flatten().cloned().collect())
                }
                None => return,
            },
            _ => return,
        };
        if roles.len() < 2 {
            return;
        }
        if let Some(form) = self.forms.get_mut(&class) {
            form.only(&values);
        }
        if per_role && !self.sources.iter().any(|(_, meaning)| *meaning == Meaning::Key(class.clone())) {
            self.sources.push((Source { setting: identity::ROLE_NAME.to_owned(), claim: Vec::new() }, Meaning::Key(class)));
        }
        self.tenant_roles = roles;
        self.roles = self.tenant_roles.iter().take(1).cloned().collect();
    }

    /// Roles that ledger.toml says stand for a tenant each. Where the rows hold their names, those are the tenants' keys.
    pub(super) fn state_tenant_roles(&mut self, shape: &Shape, roles: &[String]) {
        self.stated.push("tenant-roles");
        let named = self.sources.iter().find_map(|(source, meaning)| match meaning {
            Meaning::Key(class) if source.setting == identity::ROLE_NAME => Some(class.clone()),
            _ => None,
        });
        if let Some(class) = named.or_else(|| self.tenant_class(shape))
            && let Some(form) = self.forms.get_mut(&class)
        {
            form.only(roles);
            if !self.sources.iter().any(|(_, meaning)| *meaning == Meaning::Key(class.clone())) {
                self.sources.push((Source { setting: identity::ROLE_NAME.to_owned(), claim: Vec::new() }, Meaning::Key(class)));
            }
        }
        self.tenant_roles = roles.to_vec();
        self.roles = roles.iter().take(1).cloned().collect();
    }

    /// The role that a session of a world takes on, where each tenant has its own; else the one given.
    pub fn role_in<'a>(&'a self, role: &'a str, world: World) -> &'a str {
        if self.tenant_roles.is_empty() {
            return role;
        }
        let at = match world {
            World::A => 0,
            World::B => 1,
            World::Stranger => 2,
        };
        self.tenant_roles.get(at).map_or(role, String::as_str)
    }
}

/// What the application connects as or switches to, and beside it the roles that are left out because they work for all tenants.
pub(super) fn roles(shape: &Shape, stated: &Tenancy, said: &mut Vec<&'static str>) -> (Vec<String>, Vec<String>) {
    if !stated.roles.is_empty() {
        said.push("roles");
        let unstated = |role: &&String| !stated.roles.contains(role) && !stated.trusted_roles.contains(role);
        let left: BTreeSet<&String> = shape.grantees.iter().filter(unstated).collect();
        return (stated.roles.clone(), left.into_iter().map(|role| format!("role {role} (not stated)")).collect());
    }
    let named = shape.policies.iter().flat_map(|policy| policy.roles.iter().cloned());
    // A role of a policy that owns the tables or administers is no application role; grants say who reaches a table at all.
    let granted: BTreeSet<String> = shape.grantees.iter().cloned().collect();
    let mut roles: BTreeSet<String> = named.filter(|role| granted.contains(role)).collect();
    roles.extend(granted);
    if roles.is_empty() {
        roles.extend(shape.owners.iter().cloned());
    }
    // One that no policy asks anything of, and that is named for it, works for all tenants.
    let mut above: BTreeSet<String> = roles.iter().filter(|role| is_service(shape, role)).cloned().collect();
    match above.len() < roles.len() {
        true => roles.retain(|role| !above.contains(role)),
        false => above.clear(),
    }
    let mut roles: Vec<String> = roles.into_iter().filter(|role| !stated.trusted_roles.contains(role)).collect();
    // Visitors come last: what members reach says more.
    roles.sort_by_key(|role| role == "anon");
    (roles, above.into_iter().map(|role| format!("role {role}")).collect())
}

/// Names of roles that do a platform's work.
#[allow(clippy::unwrap_used, reason = "a constant pattern; a test compiles it")]
static SERVICE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)worker|service|(^|_)(svc|job|jobs|cron|batch|etl|backup|admin|system|sys|maint|maintenance|migrat\w*|superuser|root)(_|$)",
    )
    .unwrap()
});

/// Whether a role is let into every row on purpose: policies of its own alone, each of them `true`, or one that asks for the role and for
/// nothing else, and a name that says so.
fn is_service(shape: &Shape, role: &str) -> bool {
    let mut own = shape.policies.iter().filter(|policy| policy.roles.iter().any(|name| name == role)).peekable();
    let quoted = format!("'{}'", role.replace('\'', "''"));
    let asked = |policy: &Policy| {
        let parts = policy.using.as_deref().map(openings::disjuncts).unwrap_or_default();
        parts.into_iter().any(|part| {
            part.contains(&quoted)
                && (part.starts_with("pg_has_role(") || part.contains("CURRENT_USER"))
                && openings::conjuncts(part).len() == 1
        })
    };
    SERVICE.is_match(role)
        && (own.peek().is_some() || shape.policies.iter().any(asked))
        && own.all(|policy| [&policy.using, &policy.check].into_iter().flatten().all(|text| text == "true"))
}
