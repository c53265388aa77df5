//! The terminal: the answer on stdout, everything else on stderr; colour only where a person reads it.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use super::{CliError, Globals, MessageFormat};

/// How this invocation talks.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    pub format: MessageFormat,
    pub quiet: bool,
    pub verbose: u8,
    colour_out: bool,
    colour_err: bool,
}

/// What a word means, so that colour never carries it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Open,
    Muted,
    Strong,
}

impl Ui {
    pub(super) fn new(globals: &Globals) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) || std::env::var("TERM").is_ok_and(|t| t == "dumb");
        Self {
            format: globals.message_format,
            quiet: globals.quiet,
            verbose: globals.verbose,
            colour_out: !plain && std::io::stdout().is_terminal(),
            colour_err: !plain && std::io::stderr().is_terminal(),
        }
    }

    /// Whether stderr is a terminal that can hold a live region.
    pub fn live(&self) -> bool {
        !self.quiet
            && self.format == MessageFormat::Human
            && std::io::stderr().is_terminal()
            && std::env::var("TERM").is_ok_and(|t| t != "dumb")
    }

    /// A line of the answer. A closed pipe ends the program quietly, as `head` expects.
    pub fn answer(&self, text: impl AsRef<str>) {
        let mut out = std::io::stdout().lock();
        let text = text.as_ref();
        let written = match text.ends_with('\n') {
            true => out.write_all(text.as_bytes()),
            false => writeln!(out, "{text}"),
        };
        if written.and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    }

    /// The answer as one line of JSON.
    pub fn json(&self, value: &impl Serialize) -> Result<(), CliError> {
        let line = serde_json::to_string(value)
            .map_err(|error| CliError::new(super::Exit::Bug, "cannot write the answer as JSON").cause(error))?;
        self.answer(line);
        Ok(())
    }

    /// A note on stderr, silent with `--quiet`.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet && self.format == MessageFormat::Human {
            let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
        }
    }

    /// A word in its tone, for stdout.
    pub fn out(&self, text: &str, tone: Tone) -> String {
        paint(text, tone, self.colour_out)
    }

    /// A word in its tone, for stderr.
    pub fn err(&self, text: &str, tone: Tone) -> String {
        paint(text, tone, self.colour_err)
    }
}

fn paint(text: &str, tone: Tone, colour: bool) -> String {
    if !colour {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32;1",
        Tone::Bad => "31;1",
        Tone::Open => "33;1",
        Tone::Muted => "2",
        Tone::Strong => "1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Text from a database or a file, made inert for a terminal: control characters are shown, not obeyed.
pub fn inert(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => ' ',
            c if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Prints an error in the one form all commands use.
pub fn print_error(error: &CliError, format: MessageFormat) {
    let mut err = std::io::stderr().lock();
    let _ = match format {
        MessageFormat::Human => writeln!(err, "{error}"),
        MessageFormat::Json => {
            let value = serde_json::json!({
                "schema": "ledger.error/1", "exit": error.exit as u8, "what": error.what, "cause": error.cause, "hint": error.hint,
            });
            writeln!(err, "{value}")
        }
    };
}

/// Asks for a secret at the terminal without showing it. `None` without a terminal, and when the person would rather not.
pub fn secret(prompt: &str) -> Option<String> {
    use std::io::Read;

    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    if !std::io::stdin().is_terminal() {
        return None;
    }
    let mut tty = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
    let before = tcgetattr(&tty).ok()?;
    let mut quiet = before.clone();
    // Ctrl-C comes as a byte, so that the terminal is never left without its echo.
    quiet.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
    write!(tty, "{prompt}").and_then(|()| tty.flush()).ok()?;
    tcsetattr(&tty, SetArg::TCSAFLUSH, &quiet).ok()?;
    let mut typed = Vec::new();
    let mut byte = [0];
    let entered = loop {
        match tty.read(&mut byte) {
            Ok(1) => match byte[0] {
                b'\n' | b'\r' => break true,
                0x03 | 0x04 => break false,
                0x08 | 0x7f => drop(typed.pop()),
                other => typed.push(other),
            },
            _ => break false,
        }
    };
    let restored = tcsetattr(&tty, SetArg::TCSAFLUSH, &before).is_ok();
    let _ = writeln!(tty);
    (entered && restored).then(|| String::from_utf8(typed).ok()).flatten()
}
