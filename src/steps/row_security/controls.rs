//! The positive controls: what the session's own rows answered, by role and table.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::probe::Control;

/// The positive controls so far: by role and table the best of every member context.
#[derive(Default)]
pub(super) struct Controls {
    best: BTreeMap<(String, i64), [Control; 4]>,
    /// Those of a plain member of A alone.
    plain: BTreeMap<(String, i64), [Control; 4]>,
    understood: BTreeSet<i64>,
}

impl Controls {
    pub(super) fn add(&mut self, role: &str, oid: i64, context: Context, control: &[Control; 4]) {
        if context == Context::Member {
            self.plain.insert((role.to_owned(), oid), control.clone());
        }
        if control.contains(&Control::Admitted) {
            self.understood.insert(oid);
        }
        match self.best.entry((role.to_owned(), oid)) {
            Entry::Vacant(vacant) => drop(vacant.insert(control.clone())),
            Entry::Occupied(mut known) => {
                for (best, new) in known.get_mut().iter_mut().zip(control) {
                    if *new == Control::Admitted {
                        *best = Control::Admitted;
                    }
                }
            }
        }
    }

    pub(super) fn best(&self, role: &str, oid: i64) -> [Control; 4] {
        self.best.get(&(role.to_owned(), oid)).cloned().unwrap_or_else(|| [(); 4].map(|()| Control::NotTried("not probed as a member")))
    }

    /// What a plain member of A was answered.
    pub(super) fn plain(&self, role: &str, oid: i64) -> Option<&[Control; 4]> {
        self.plain.get(&(role.to_owned(), oid))
    }

    /// Whether any role or label was admitted to a row of its own.
    pub(super) fn understood(&self, oid: i64) -> bool {
        self.understood.contains(&oid)
    }
}
