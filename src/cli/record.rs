//! `ledger record`: evidence made elsewhere, put on the ledger as it is.

use std::path::{Path, PathBuf};

use super::{CliError, Exit, Globals, MessageFormat};
use crate::chain::{Draft, EntryType, PartDraft};
use crate::record;
use crate::redact::Redactor;

/// The media type of what is not text.
const BINARY: &str = "application/octet-stream";

/// Larger files are streamed, and so not cleaned.
const LARGEST_TEXT: u64 = 64 * 1024 * 1024;

/// Put evidence made elsewhere on the ledger
#[derive(Debug, clap::Args)]
#[command(after_help = "Recorded files are notes: they are kept and shown, and never change a verdict. Text is recorded without the secrets\n\
                        that can be recognised in it; binary files and files over 64 MiB are recorded as they are.")]
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
    for file in &args.files {
        let name = part_name(file)?;
        if draft.parts.iter().any(|part| part.name == name) {
            return Err(CliError::new(Exit::Usage, format!("two files would both be recorded as {name}")).hint("record them one after the other"));
        }
        draft.parts.push(part(name, file)?);
    }
    let entry = store.append(draft)?;
    match ui.format {
        MessageFormat::Json => ui.json(&serde_json::json!({"schema": "ledger.recorded/1", "seq": entry.seq, "leaf": entry.leaf.to_string()}))?,
        MessageFormat::Human if entry.header.run.is_none() => {
            ui.answer(format!("recorded as entry {}; no run is open, so it belongs to none", entry.seq));
        }
        MessageFormat::Human => ui.answer(format!("recorded {} file{} as entry {}", args.files.len(), if args.files.len() == 1 { "" } else { "s" }, entry.seq)),
    }
    Ok(Exit::Good)
}

/// Text without secrets; what is not text is streamed as it is, and the caller was told so.
fn part(name: String, file: &Path) -> Result<PartDraft, CliError> {
    let size = std::fs::metadata(file).map_err(|error| CliError::setup(format!("cannot read {}", file.display())).cause(error))?.len();
    if media(file) == BINARY || size > LARGEST_TEXT {
        return Ok(PartDraft::file(name, media(file), file.to_owned()));
    }
    let bytes = std::fs::read(file).map_err(|error| CliError::setup(format!("cannot read {}", file.display())).cause(error))?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => PartDraft::bytes(name, media(file), Redactor::from_environment().clean(&text).into_bytes()),
        Err(error) => PartDraft::bytes(name, BINARY, error.into_bytes()),
    })
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
