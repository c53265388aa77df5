//! Running a program of the team's own: without a shell, in the project's folder, its output read line by line through the
//! redactor. It sees the environment as it is; nothing of ours is put on its command line.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;

use crate::redact::{LineRedactor, Redactor};

/// Longer lines are cut: a program that prints no line break must not fill the memory.
const LONGEST_LINE: usize = 16 * 1024;
/// After so many lines the rest is only counted.
const MOST_LINES: usize = 20_000;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// `None`: a signal ended it.
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub duration: Duration,
}

impl Ended {
    /// `exit code 1`, `signal 9`.
    pub fn told(&self) -> String {
        match (self.exit_code, self.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("ended by signal {signal}"),
            (None, None) => "ended without an exit code".into(),
        }
    }
}

/// Runs `command` (program and arguments) in `folder` to its end; every line of its output goes, cleaned, to `line`.
///
/// # Errors
/// The reason, in words, if there is nothing to run or it cannot be started.
pub async fn run(command: &[String], folder: &Path, redactor: &Redactor, line: &mut dyn FnMut(&str)) -> Result<Ended, String> {
    run_with(command, folder, &[], redactor, line).await
}

/// The same with variables of ours in its environment.
pub async fn run_with(
    command: &[String],
    folder: &Path,
    variables: &[(String, String)],
    redactor: &Redactor,
    line: &mut dyn FnMut(&str),
) -> Result<Ended, String> {
    let Some((program, arguments)) = command.split_first() else { return Err("no command is given".into()) };
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{} could not be started: {error}", redactor.clean(program)))?;
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else { return Err("its output could not be read".into()) };
    let mut out = Lines::new(out, redactor);
    let mut err = Lines::new(err, redactor);
    let mut printed = 0_usize;
    let mut say = |text: String| {
        printed += 1;
        if printed <= MOST_LINES {
            line(&text);
        }
    };
    // A program may leave children behind that keep the pipes open; once it has ended only what is already there is read.
    let mut status: Option<ExitStatus> = None;
    while out.open || err.open {
        tokio::select! {
            biased;
            text = out.next(), if out.open => if let Some(text) = text { say(text) },
            text = err.next(), if err.open => if let Some(text) = text { say(text) },
            ended = child.wait(), if status.is_none() => status = Some(ended.map_err(|error| format!("its end is unknown: {error}"))?),
            () = tokio::time::sleep(Duration::from_millis(500)), if status.is_some() => break,
        }
    }
    let status = match status {
        Some(status) => status,
        None => child.wait().await.map_err(|error| format!("its end is unknown: {error}"))?,
    };
    if printed > MOST_LINES {
        line(&format!("… and {} more lines", printed - MOST_LINES));
    }
    use std::os::unix::process::ExitStatusExt;
    Ok(Ended { exit_code: status.code(), signal: status.signal(), duration: started.elapsed() })
}

/// A stream read line by line. Safe to drop between lines: what was read stays in `pending`.
struct Lines<'a, R> {
    reader: BufReader<R>,
    pending: Vec<u8>,
    cut: bool,
    open: bool,
    redactor: LineRedactor<'a>,
}

impl<'a, R: AsyncRead + Unpin> Lines<'a, R> {
    fn new(stream: R, redactor: &'a Redactor) -> Self {
        Self { reader: BufReader::new(stream), pending: Vec::new(), cut: false, open: true, redactor: redactor.lines() }
    }

    /// The next line, cleaned; `None` at the end of the stream.
    async fn next(&mut self) -> Option<String> {
        loop {
            let buffer = match self.reader.fill_buf().await {
                Ok(buffer) if !buffer.is_empty() => buffer,
                _ => {
                    self.open = false;
                    return if self.pending.is_empty() { None } else { Some(self.finish()) };
                }
            };
            let newline = buffer.iter().position(|byte| *byte == b'\n');
            let taken = newline.unwrap_or(buffer.len());
            let room = LONGEST_LINE.saturating_sub(self.pending.len());
            self.cut |= taken > room;
            self.pending.extend_from_slice(&buffer[..taken.min(room)]);
            self.reader.consume(newline.map_or(taken, |at| at + 1));
            if newline.is_some() {
                return Some(self.finish());
            }
        }
    }

    fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.pending).trim_end_matches('\r').to_owned();
        self.pending.clear();
        let cut = std::mem::take(&mut self.cut);
        let clean = self.redactor.line(&text);
        if cut { format!("{clean}…") } else { clean }
    }
}
