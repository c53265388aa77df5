//! `ledger record`: evidence made elsewhere, put on the ledger as it is.

use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{CliError, Exit, Globals, MessageFormat};
use crate::chain::{Draft, EntryType, PartDraft};
use crate::record;
use crate::redact::Redactor;

/// The media type of what is not text.
const BINARY: &str = "application/octet-stream";

/// Text of more bytes is cleaned line by line on its way, so that memory does not grow with it.
const AT_ONCE: u64 = 4 * 1024 * 1024;

/// Put evidence made elsewhere on the ledger
#[derive(Debug, clap::Args)]
#[command(after_help = "Recorded files are notes: they are kept and shown, and never change a verdict. Text is recorded without the secrets\n\
                        that can be recognised in it; binary files are recorded as they are.")]
pub struct Args {
    /// The task it belongs to
    task: String,
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Who acts
    #[arg(long = "as", value_name = "PRINCIPAL")]
    actor: Option<String>,
}

/// Appends one note with the files as parts.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let (_, config, _) = globals.config()?;
    if config.plan.task(&args.task.as_str().into()).is_none() {
        return Err(CliError::new(Exit::Usage, format!("the plan has no task {}", args.task)).hint("ledger plan lists them"));
    }
    let mut store = globals.open_ledger_for_writing()?;
    let mut draft = Draft::new(EntryType::Note, super::globals::actor(args.actor.as_deref()));
    draft.run = record::read::open(&store)?.map(|run| run.id.to_string());
    draft.task = Some(args.task.clone());
    // Cleaned copies lie beside the ledger until they are on it: where it has room, they have.
    let beside = store.path().parent().unwrap_or(Path::new(".")).to_owned();
    let mut copies = Vec::new();
    for file in &args.files {
        let name = part_name(file)?;
        if draft.parts.iter().any(|part| part.name == name) {
            return Err(CliError::new(Exit::Usage, format!("two files would both be recorded as {name}")).hint("record them one after the other"));
        }
        let (part, copy) = part(name, file, &beside)?;
        draft.parts.push(part);
        copies.extend(copy);
    }
    let entry = store.append(draft)?;
    drop(copies);
    match ui.format {
        MessageFormat::Json => ui.json(&serde_json::json!({"schema": "ledger.recorded/1", "seq": entry.seq, "leaf": entry.leaf.to_string()}))?,
        MessageFormat::Human if entry.header.run.is_none() => {
            ui.answer(format!("recorded as entry {}; no run is open, so it belongs to none", entry.seq));
        }
        MessageFormat::Human => ui.answer(format!("recorded {} file{} as entry {}", args.files.len(), if args.files.len() == 1 { "" } else { "s" }, entry.seq)),
    }
    Ok(Exit::Good)
}

/// Text without secrets; what is not text is streamed as it is, and the caller was told so. A cleaned copy lies `beside` the ledger for as
/// long as what comes with the part lives.
fn part(name: String, file: &Path, beside: &Path) -> Result<(PartDraft, Option<tempfile::TempPath>), CliError> {
    let unread = |error| CliError::setup(format!("cannot read {}", file.display())).cause(error);
    let size = std::fs::metadata(file).map_err(unread)?.len();
    if media(file) == BINARY {
        return Ok((PartDraft::file(name, BINARY, file), None));
    }
    let redactor = Redactor::from_environment();
    if size <= AT_ONCE {
        return Ok(match String::from_utf8(std::fs::read(file).map_err(unread)?) {
            Ok(text) => (PartDraft::bytes(name, media(file), redactor.clean(&text)), None),
            Err(error) => (PartDraft::bytes(name, BINARY, error.into_bytes()), None),
        });
    }
    let unwritten = |error| CliError::new(Exit::LedgerWrite, format!("cannot write a cleaned copy into {}", beside.display())).cause(error);
    let copy = tempfile::Builder::new().prefix(".cleaned-").tempfile_in(beside).map_err(unwritten)?;
    let mut to = BufWriter::new(copy.as_file());
    let cleaned = redactor.copy(&mut BufReader::new(std::fs::File::open(file).map_err(unread)?), &mut to).and_then(|()| to.flush());
    drop(to);
    match cleaned {
        Ok(()) => {
            let copy = copy.into_temp_path();
            Ok((PartDraft::file(name, media(file), copy.to_path_buf()), Some(copy)))
        }
        // Not text after all.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok((PartDraft::file(name, BINARY, file), None)),
        Err(error) => Err(unwritten(error)),
    }
}

/// The file's own name in the form part names have.
fn part_name(file: &Path) -> Result<String, CliError> {
    if !file.is_file() {
        return Err(CliError::new(Exit::Usage, format!("{} is not a file", file.display())));
    }
    let name = file.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let mut name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' }).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        name.insert(0, 'f');
    }
    if file.extension().is_none() {
        name.push_str(".bin");
    }
    match name.len() <= 100 {
        true => Ok(name),
        false => Err(CliError::new(Exit::Usage, format!("{} has too long a name", file.display())).hint("at most 100 characters")),
    }
}

fn media(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("sql") => "application/sql",
        Some("md") => "text/markdown",
        Some("html") => "text/html",
        Some("csv") => "text/csv",
        Some("png" | "pdf" | "zip" | "gz") => BINARY,
        Some("txt" | "log") => "text/plain",
        _ => BINARY,
    }
}
