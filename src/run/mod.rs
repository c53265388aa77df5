//! The engine: which tasks run, in which order, what stops them, and what goes on the ledger.

pub mod event;
