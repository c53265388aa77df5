//! `ledger completions`.

use clap_complete::Shell;

use super::{CliError, Exit, Globals};

/// Write completions for a shell to stdout
#[derive(Debug, clap::Args)]
#[command(after_help = "Bash:  ledger completions bash > ~/.local/share/bash-completion/completions/ledger\n\
                        Zsh:   ledger completions zsh > \"${fpath[1]}/_ledger\"\n\
                        Fish:  ledger completions fish > ~/.config/fish/completions/ledger.fish")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes the completion script.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "ledger", &mut script);
    globals.ui().answer(String::from_utf8_lossy(&script));
    Ok(Exit::Good)
}
