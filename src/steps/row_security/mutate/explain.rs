//! Why a broken policy that nobody noticed cannot matter, where that can be told from the policies themselves.

use super::{Kind, Mutant, Trial};
use crate::steps::row_security::model::{Model, Scope};
use crate::steps::row_security::shape::{Policy, Shape};
use crate::steps::row_security::{identity, openings};

impl Trial {
    /// Why a survivor cannot matter.
    pub(super) fn explain(&self, shape: &Shape, model: &Model, mutant: &Mutant) -> Option<String> {
        let policy = mutant.policy.as_ref()?;
        let speaks_to = |role: &String| policy.everyone || policy.roles.contains(role);
        if !model.roles.iter().any(speaks_to) && mutant.kind != Kind::Public {
            return Some("the policy speaks to no role that was examined".into());
        }
        // The commands and roles that the mutant changes anything for.
        let commands: &[&str] = match (mutant.kind, policy.command.as_str()) {
            (Kind::AllCommands, "r") => &["a", "w", "d"],
            (Kind::CheckTrue, "*") => &["a", "w"],
            (Kind::AllCommands, _) | (_, "*") => &["r", "a", "w", "d"],
            (_, "r") => &["r"],
            (_, "a") => &["a"],
            (_, "w") => &["w"],
            _ => &["d"],
        };
        let concerned = |role: &&String| speaks_to(role) != (mutant.kind == Kind::Public);
        let may = |role: &String| {
            self.granted_to.get(&(role.clone(), mutant.oid)).is_none_or(|may| {
                commands.iter().any(|command| match *command {
                    "r" => may.select,
                    "a" => may.insert,
                    "w" => may.update,
                    _ => may.delete,
                })
            })
        };
        if !model.roles.iter().filter(concerned).any(may) {
            return Some("no role that it concerns has the privilege".into());
        }
        let beside = |permissive: bool| {
            let same = |other: &&Policy| {
                other.name != policy.name
                    && other.permissive == permissive
                    && (other.command == "*" || other.command == policy.command)
                    && (other.everyone || policy.roles.iter().all(|role| other.roles.contains(role)) && !policy.everyone)
            };
            shape.policies_of(mutant.oid).find(same)
        };
        let identities = identity::functions_that_read(shape);
        let asks = |part: &&str| identity::reads_identity(part, &identities) || part.contains("SELECT");
        // What keeps the tenants apart for one command or role does so for the others too.
        let keeps_apart = |shown: bool| {
            let opened = |part: &&str| shown && model.openings.iter().any(|o| o.table == mutant.oid && o.condition == *part);
            let apart = |text: &String| openings::disjuncts(text).iter().all(|part| asks(part) || opened(part));
            [&policy.using, &policy.check].into_iter().flatten().all(apart)
        };
        // Believed only where each of them asks who the session is: else what the probe did not see is the probe's fault.
        let permissive_keep_apart = || {
            let mut same = shape.policies_of(mutant.oid).filter(|other| {
                other.permissive && (policy.command == "*" || ["*", policy.command.as_str()].contains(&other.command.as_str()))
            });
            same.all(|other| [&other.using, &other.check].into_iter().flatten().all(|text| openings::disjuncts(text).iter().all(asks)))
        };
        let anchor = model.tables.iter().any(|scoped| scoped.oid == mutant.oid && scoped.scope == Scope::Anchor);
        match (mutant.kind, policy.permissive) {
            (Kind::Drop, true) => Some(match beside(true) {
                Some(other) => format!("{} admits the same command", other.name),
                None => "a permissive policy less lets less through and opens nothing".into(),
            }),
            (Kind::UsingTrue | Kind::CheckTrue | Kind::NotNull, true) if beside(false).is_some() => {
                beside(false).map(|other| format!("{} is restrictive and still narrows it", other.name))
            }
            (Kind::NoCheck, _) if keeps_apart(false) => {
                Some("without a WITH CHECK its USING is asked of the new row, and keeps the tenants apart".into())
            }
            (Kind::AllCommands, true) if keeps_apart(false) => {
                Some("the same condition keeps the tenants apart there too: it widens what a member may do with its own".into())
            }
            (Kind::Public, true) if keeps_apart(true) => Some("the same condition keeps the tenants apart for every role".into()),
            (Kind::NotNull, true) => self.explain_weak(policy, mutant, anchor, &asks),
            (Kind::CheckTrue, true) if anchor => Some("a new row of what the tenants are belongs to nobody yet".into()),
            (_, false) if permissive_keep_apart() => Some("restrictive: the permissive policies keep the tenants apart without it".into()),
            _ => None,
        }
    }

    /// A comparison that was given up, where others are left that keep the tenants apart.
    fn explain_weak(&self, policy: &Policy, mutant: &Mutant, anchor: bool, asks: &dyn Fn(&&str) -> bool) -> Option<String> {
        let after = mutant.after.as_ref()?;
        let (was, is) = match after.using == policy.using {
            true => (&policy.check, &after.check),
            false => (&policy.using, &after.using),
        };
        if is.as_deref().is_some_and(|text| openings::conjuncts(text).iter().any(asks)) {
            return Some("the rest of its condition still keeps the tenants apart".into());
        }
        if anchor && after.using == policy.using {
            return Some("a new row of what the tenants are belongs to nobody yet".into());
        }
        let same = |text: &str| policy.check.as_deref().is_some_and(|check| openings::conjuncts(check).contains(&text));
        let first = was.as_deref().map(openings::conjuncts).unwrap_or_default();
        let kept = after.check == policy.check && policy.command == "w" && first.iter().any(|part| same(part));
        kept.then(|| "its WITH CHECK asks the same of the new row".into())
    }
}
