//! The commands that make evidence hold against whoever owns the file: redaction, checkpoints and proofs, keys, anchors. Each is run
//! as the built program on a ledger of its own, and checked with other people's programs where there are any.

#[path = "evidence/anchors.rs"]
mod anchors;
#[path = "support/both.rs"]
mod both;
#[path = "evidence/heads.rs"]
mod heads;
#[path = "evidence/keys.rs"]
mod keys;
#[path = "evidence/large.rs"]
mod large;
#[path = "evidence/redaction.rs"]
mod redaction;
#[path = "evidence/tree.rs"]
mod tree;
#[path = "evidence/world.rs"]
mod world;
