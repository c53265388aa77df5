//! Parse, dispatch, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    migration_ledger::cli::main()
}
