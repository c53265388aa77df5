//! Exit codes: documented constants, mapped in one place.

use crate::domain::verdict::Verdict;

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// GO, GO WITH DEVIATIONS, or verified.
    Good = 0,
    /// A bug in ledger.
    Bug = 1,
    /// The command line was not understood.
    Usage = 2,
    /// Could not set up: config, connection, privilege, wrong target.
    Setup = 3,
    /// NO-GO.
    NoGo = 10,
    /// UNDECIDED.
    Undecided = 11,
    /// Chain, signature or package does not hold.
    Integrity = 20,
    /// The ledger could not be written.
    LedgerWrite = 21,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Go | Verdict::GoWithDeviations => Self::Good,
            Verdict::NoGo => Self::NoGo,
            Verdict::Undecided => Self::Undecided,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The table that `--help`, the man page and the README show.
pub const EXIT_CODES: &str = "\
Exit codes:
    0  GO, GO WITH DEVIATIONS, or verified
    1  a bug in ledger
    2  usage
    3  could not set up: config, connection, privilege, wrong target
   10  NO-GO
   11  UNDECIDED
   20  integrity: chain, signature or package does not hold
   21  the ledger could not be written
  130  interrupted";
