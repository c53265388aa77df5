//! Why a broken policy that nobody noticed cannot matter: told from the policies' text, and believed only where the policies, asked for
//! B's row in every session that was tried, agree ([`super::oracle`]).

use super::mutant::{Kind, Mutant};
use super::oracle::Answer;
use super::{Trial, Tried};
use crate::domain::product::CellVerdict;
use crate::steps::row_security::model::{Model, Scope};
use crate::steps::row_security::seed::without_tenant;
use crate::steps::row_security::shape::{Policy, Shape};
use crate::steps::row_security::{identity, openings};

impl Trial {
    /// Why a survivor cannot matter.
    pub(super) fn explain(&self, shape: &Shape, model: &Model, mutant: &Mutant, tried: &Tried) -> Option<String> {
        if mutant.kind == Kind::NoForce {
            let apart = self.owned_apart.contains(&mutant.oid);
            return apart.then(|| {
                "FORCE binds the owner alone, who goes round row security anyway, or whom the application can neither become nor reach"
                    .into()
            });
        }
        let policy = mutant.policy.as_ref()?;
        let speaks_to = |role: &String| policy.everyone || policy.roles.contains(role);
        if !model.roles.iter().any(speaks_to) && mutant.kind != Kind::Public {
            return Some("the policy speaks to no role that was examined".into());
        }
        let commands = mutant.commands();
        let concerned = |role: &&String| speaks_to(role) != (mutant.kind == Kind::Public);
        let may = |role: &String, letter: &str| {
            self.granted_to.get(&(role.clone(), mutant.oid)).is_none_or(|may| match letter {
                "r" => may.select,
                "a" => may.insert,
                "w" => may.update,
                _ => may.delete,
            })
        };
        let used: Vec<&str> =
            commands.iter().copied().filter(|letter| model.roles.iter().filter(concerned).any(|role| may(role, letter))).collect();
        if used.is_empty() {
            return Some("no role that it concerns has the privilege".into());
        }
        if used.iter().all(|letter| self.leaks_already(&mutant.table, letter)) {
            return Some("the table leaks unbroken in the same way".into());
        }
        let scoped = model.tables.iter().find(|scoped| scoped.oid == mutant.oid);
        let identities = identity::functions_that_read(shape);
        let nobodys = || match (scoped.map(|scoped| &scoped.scope), shape.table(mutant.oid)) {
            (Some(Scope::None), Some(table)) => {
                matches!(without_tenant(shape, model, table, &identities), Some((CellVerdict::Shared, _)))
            }
            _ => false,
        };
        if commands == ["r"] && nobodys() {
            return Some("the rows belong to no tenant: who reads them crosses no border".into());
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
        let asks = |part: &&str| identity::reads_identity(part, &identities) || part.contains("SELECT");
        // What keeps the tenants apart for one command or role does so for the others too.
        let keeps_apart = |shown: bool| {
            let opened = |part: &&str| shown && model.openings.iter().any(|o| o.table == mutant.oid && o.condition == *part);
            let apart = |text: &String| openings::disjuncts(text).iter().all(|part| asks(part) || opened(part));
            let after = mutant.after.as_ref().unwrap_or(policy);
            [&after.using, &after.check].into_iter().flatten().all(apart)
        };
        // Believed only where each of them asks who the session is: else what the probe did not see is the probe's fault.
        let permissive_keep_apart = || {
            let mut same = shape.policies_of(mutant.oid).filter(|other| {
                other.permissive && (policy.command == "*" || ["*", policy.command.as_str()].contains(&other.command.as_str()))
            });
            same.all(|other| [&other.using, &other.check].into_iter().flatten().all(|text| openings::disjuncts(text).iter().all(asks)))
        };
        let anchor = scoped.is_some_and(|scoped| scoped.scope == Scope::Anchor);
        if mutant.kind == Kind::Drop && policy.permissive {
            return Some(match beside(true) {
                Some(other) => format!("{} admits the same command", other.name),
                None => "a permissive policy less lets less through and opens nothing".into(),
            });
        }
        let told = match (mutant.kind, policy.permissive) {
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
            (Kind::NotNull | Kind::CheckTrue, true) if !self.stamps(model, mutant, &used) => {
                Some("no role that it concerns may give the column that says whose a row is".into())
            }
            (Kind::NotNull, true) => self.explain_weak(policy, mutant, anchor, &asks),
            (Kind::CheckTrue, true) if anchor => Some("a new row of what the tenants are belongs to nobody yet".into()),
            (_, false) if permissive_keep_apart() => Some("restrictive: the permissive policies keep the tenants apart without it".into()),
            _ => None,
        };
        told.filter(|_| tried.policies == Some(Answer::No))
    }

    /// Whether any role may write what says whose a row is, by a command that the mutant concerns.
    fn stamps(&self, model: &Model, mutant: &Mutant, letters: &[&str]) -> bool {
        let Some(Scope::Path { columns, .. }) = model.tables.iter().find(|of| of.oid == mutant.oid).map(|of| &of.scope) else {
            return true;
        };
        let rights = model.roles.iter().filter_map(|role| self.granted_to.get(&(role.clone(), mutant.oid)));
        rights.into_iter().any(|may| {
            letters.iter().any(|letter| match *letter {
                "a" => columns.iter().all(|n| may.insertable.contains(n)),
                "w" => columns.iter().all(|n| may.updatable.contains(n)),
                _ => true,
            })
        })
    }

    /// Whether a cell of the command leaked before anything was broken.
    fn leaks_already(&self, table: &str, letter: &str) -> bool {
        let of: &[&str] = match letter {
            "r" => &["SELECT"],
            "a" => &["INSERT foreign", "INSERT own into B", "INSERT own under B"],
            "w" => &["UPDATE foreign", "move own to B", "move own to NULL"],
            _ => &["DELETE foreign"],
        };
        self.leaks.iter().any(|(leaking, command, _)| leaking == table && of.contains(&command.as_str()))
    }

    /// A comparison that was given up, where others are left that keep the tenants apart.
    fn explain_weak(&self, policy: &Policy, mutant: &Mutant, anchor: bool, asks: &dyn Fn(&&str) -> bool) -> Option<String> {
        let after = mutant.after.as_ref()?;
        let is = match after.using == policy.using {
            true => &after.check,
            false => &after.using,
        };
        if is.as_deref().is_some_and(|text| openings::conjuncts(text).iter().any(asks)) {
            return Some("the rest of its condition still keeps the tenants apart".into());
        }
        if anchor && after.using == policy.using {
            return Some("a new row of what the tenants are belongs to nobody yet".into());
        }
        None
    }
}
