//! The only code that knows clap or a terminal: one file per command.
//!
//! A command returns the [`Exit`] its answer means, or a [`CliError`] that is printed here, once, in one form.

pub mod error;
pub mod exit;
pub mod globals;
#[cfg(feature = "pg")]
pub mod progress;
pub mod seen;
#[cfg(feature = "pg")]
pub mod session;
pub mod signing;
pub mod ui;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use error::CliError;
pub use exit::{EXIT_CODES, Exit};
pub use globals::{Globals, MessageFormat};
pub use ui::Ui;

macro_rules! commands {
    ($($(#[$attribute:meta])* $variant:ident($module:ident);)*) => {
        $($(#[$attribute])* pub mod $module;)*

        #[derive(Debug, Subcommand)]
        enum Command {
            $($(#[$attribute])* $variant($module::Args),)*
        }

        fn dispatch(command: &Command, globals: &Globals) -> Result<Exit, CliError> {
            match command {
                $($(#[$attribute])* Command::$variant(args) => $module::run(args, globals),)*
            }
        }
    };
}

commands! {
    #[cfg(feature = "pg")]
    Demo(demo);
    Init(init);
    Plan(plan);
    #[cfg(feature = "pg")]
    Run(run);
    Status(status);
    Log(log);
    Show(show);
    Record(record);
    #[cfg(feature = "pg")]
    Exec(exec);
    Attest(attest);
    Waive(waive);
    Report(report);
    GoNoGo(go_no_go);
    SignOff(sign_off);
    Keys(keys);
    Package(package);
    Verify(verify);
    Redact(redact);
    Checkpoint(checkpoint);
    Prove(prove);
    Anchor(anchor);
    #[cfg(feature = "pg")]
    Rollback(rollback);
    Checks(checks);
    #[cfg(feature = "pg")]
    Lint(lint);
    Completions(completions);
    Man(man);
}

/// Evidence for database migrations: run the plan against the real PostgreSQL, keep every answer in a hash-chained ledger,
/// render report, checklist and signed package from that ledger and nothing else.
#[derive(Debug, Parser)]
#[command(
    name = "ledger",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 120
)]
#[command(after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// The whole command line, for completions and the man page.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses, dispatches, prints an error if there is one, and says how the process ends.
pub fn main() -> ExitCode {
    let cli = match Cli::command().try_get_matches().and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is usage.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Good };
            let _ = error.print();
            return exit.into();
        }
    };
    match dispatch(&cli.command, &cli.globals) {
        Ok(exit) => exit.into(),
        Err(error) => {
            ui::print_error(&error, cli.globals.message_format);
            error.exit.into()
        }
    }
}
