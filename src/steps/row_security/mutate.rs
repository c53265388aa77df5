//! How much the examination is worth: every policy is broken in turn, and somebody must notice.
//!
//! 1. The mutants of each tenant table, in turns, so that a short time still reaches every table.
//! 2. The team's check files, each on a connection of its own, with the mutant made in the test's own transaction.
//! 3. The matrix's cells of the table and its catalog checks, in one transaction with the mutant, rolled back. Whatever is found beyond
//!    the findings before is a notice. What is found only for one role or context ends the search for that mutant.
//! 4. A survivor is explained where its policy cannot matter; the others are the finding.

mod account;
mod cells;
mod explain;
mod mutant;
mod oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use self::mutant::{Mutant, mutants};
use self::oracle::Answer;
use super::model::Model;
use super::own_tests;
use super::seed::Rights;
use super::shape::Shape;
use super::world::Worlds;
use crate::checks::user::UserCheck;
use crate::pg::{PgError, Target};

pub use self::cells::Leaks;

/// What the worlds were built on: the copy's own shape, with the rows that stand in it.
#[derive(Debug)]
pub struct Grounds {
    pub shape: Shape,
    pub model: Model,
    pub worlds: Worlds,
    /// What the catalog checks are asked with.
    pub asked_with: Value,
}

/// What became of a mutant.
#[derive(Clone, Debug, Default)]
struct Tried {
    /// As how many roles it was tried to the end.
    roles: usize,
    /// Whether there were rows to try its cells on.
    cells: bool,
    by_probe: bool,
    by_checks: bool,
    tested: bool,
    by_tests: bool,
    /// Its statements were cancelled: only a member's cells were tried.
    slow: bool,
    /// What the policies say of B's row, asked of them alone: the worst that any session heard.
    policies: Option<Answer>,
    /// Why it could not be made.
    refused: Option<String>,
}

impl Tried {
    fn noticed(&self) -> bool {
        self.by_probe || self.by_checks
    }

    /// Keeps the answer that speaks most against the mutant's being harmless.
    fn hear(&mut self, answer: Answer, shown: &str) {
        match (&self.policies, answer) {
            (_, Answer::Yes(what)) => self.policies = Some(Answer::Yes(format!("{what} as {shown}"))),
            (Some(Answer::Unknown), _) => {}
            (_, answer) => self.policies = Some(answer),
        }
    }
}

/// The trial of all mutants of one copy.
pub struct Trial {
    mutants: Vec<Mutant>,
    tried: Vec<Tried>,
    tests: bool,
    /// The roles that mutants are tried as.
    roles: usize,
    /// What each role may do with the mutants' tables.
    granted_to: BTreeMap<(String, i64), Rights>,
    /// Tables whose owner the application cannot become, nor reach through what is the owner's: FORCE binds nobody else.
    owned_apart: BTreeSet<i64>,
    /// What leaked unbroken.
    leaks: Leaks,
    /// Commands whose cells nobody looks at.
    blind_to: Vec<String>,
}

impl Trial {
    /// Nothing was tried yet.
    pub fn of(shape: &Shape, model: &Model) -> Self {
        let mutants = mutants(shape, model);
        let tried = vec![Tried::default(); mutants.len()];
        Self {
            tried,
            mutants,
            tests: false,
            roles: model.roles.len(),
            granted_to: BTreeMap::new(),
            owned_apart: BTreeSet::new(),
            leaks: Leaks::new(),
            blind_to: Vec::new(),
        }
    }

    /// Looks away from the cells of these commands: what the rate falls by is what they are worth.
    #[must_use]
    pub fn blind_to(mut self, commands: &[&str]) -> Self {
        self.blind_to = commands.iter().map(|&command| command.to_owned()).collect();
        self
    }

    /// Whether it was tried by checks and cells to the end, or noticed before.
    fn is_probed(&self, tried: &Tried) -> bool {
        tried.noticed() || tried.refused.is_none() && self.roles > 0 && tried.roles >= self.roles
    }

    /// Runs the team's tests against each mutant until one of them fails. Only tests that pass unbroken can tell anything.
    pub async fn by_tests(&mut self, copy: &Target, tests: &[&UserCheck], budget: Duration, say: &dyn Fn(&str)) {
        let clock = Instant::now();
        let mut order: Vec<&UserCheck> = tests.to_vec();
        self.tests = !order.is_empty();
        for (mutant, tried) in self.mutants.iter().zip(&mut self.tried) {
            if order.is_empty() || clock.elapsed() > budget {
                return;
            }
            say(&format!("own tests · {} {}", mutant.table, mutant.what));
            if let Err(error) = possible(copy, &mutant.sql).await {
                tried.refused = Some(error.to_string());
                continue;
            }
            let mut noticed = None;
            for (place, test) in order.iter().enumerate() {
                let run = own_tests::run_on(copy, test, &mutant.sql).await;
                if run.subject().ok != Some(true) {
                    noticed = Some(place);
                    break;
                }
            }
            (tried.tested, tried.by_tests) = (true, noticed.is_some());
            // The test that noticed one is likely to notice the next.
            if let Some(place) = noticed {
                order[..=place].rotate_right(1);
            }
        }
    }
}

/// Whether the connecting role may break it so.
async fn possible(copy: &Target, sql: &str) -> Result<(), PgError> {
    let session = super::seed::session(copy).await?;
    session.batch(&format!("BEGIN; {sql}; ROLLBACK")).await
}
