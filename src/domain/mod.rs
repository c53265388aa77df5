//! Plain data: what a plan, a question, an answer and a verdict are. No I/O, no imports from the rest of the crate.
//!
//! One direction: row → finding → outcome → evidence → (entry) → verdict. [`verdict::verdict`] is the only judge of a plan;
//! `run`, `status`, `report` and `go-no-go` all call it.

pub mod evidence;
pub mod ids;
pub mod locks;
pub mod outcome;
pub mod plan;
pub mod product;
pub mod schedule;
pub mod verdict;

pub use evidence::{Evidence, Finding, Severity, SubjectRow};
pub use ids::{CheckCode, RunId, TaskId};
pub use outcome::{CheckOutcome, Outcome};
pub use product::Product;
