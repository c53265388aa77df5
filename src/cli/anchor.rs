//! `ledger anchor`: heads put where the ledger's owner cannot change them.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Exit, Globals, MessageFormat};
use crate::chain::Store;
use crate::publish::{files, stamp};

/// Put the ledger's head where its owner cannot change it: a time stamp (RFC 3161), a git tag
#[derive(Debug, clap::Args)]
#[command(after_help = "A time stamp in three steps; the second is yours, since this program opens no connection but to the database:\n  \
                        ledger anchor query --out head.tsq\n  \
                        curl -sS -H 'Content-Type: application/timestamp-query' --data-binary @head.tsq https://tsa.example.com > head.tsr\n  \
                        ledger anchor import head.tsr --size N --tsa-ca tsa-ca.pem")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write the query for a time stamp of the head, or of a file such as a .sig
    Query {
        /// Of the first N entries [default: all]
        #[arg(long, value_name = "N")]
        size: Option<u64>,
        /// Of this file instead of the head
        #[arg(long, value_name = "FILE", conflicts_with = "size")]
        file: Option<PathBuf>,
        /// Where the query goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Replace a file that holds something else
        #[arg(long)]
        force: bool,
    },
    /// Check the authority's reply with `openssl ts` and keep it; packages carry it
    Import {
        /// The reply
        reply: PathBuf,
        /// The head that was stamped: of the first N entries
        #[arg(long, value_name = "N")]
        size: u64,
        /// The authority's certificates, PEM
        #[arg(long, value_name = "FILE")]
        tsa_ca: PathBuf,
    },
    /// Check every time stamp that is kept, or one over a file, and say when it was made
    Check {
        /// The authority's certificates, PEM
        #[arg(long, value_name = "FILE")]
        tsa_ca: PathBuf,
        /// A file and the reply over it, such as a .sig: gives the time for `ledger verify --time`
        #[arg(long, value_name = "FILE", num_args = 2, value_names = ["FILE", "REPLY"])]
        file: Vec<PathBuf>,
    },
    /// Make an annotated git tag whose message is the head
    GitTag {
        /// The tag's name
        name: String,
        /// Of the first N entries [default: all]
        #[arg(long, value_name = "N")]
        size: Option<u64>,
    },
    /// Print the newest head of this ledger that the database holds, for `ledger verify --anchor` (`[migrations] anchor = true`)
    #[cfg(feature = "pg")]
    FromDatabase {
        /// The environment of ledger.toml
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
        /// A file that holds the connection URL
        #[arg(long, value_name = "FILE")]
        database_url_file: Option<PathBuf>,
    },
    /// What is kept
    List,
}

/// Does what was asked.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let json = ui.format == MessageFormat::Json;
    let read = |file: &PathBuf| {
        std::fs::read(file).map_err(|error| CliError::setup(format!("cannot read {}", file.display())).cause(error))
    };
    match &args.what {
        What::Query { size, file, out, force } => {
            let (what, bytes) = match file {
                Some(file) => (file.display().to_string(), read(file)?),
                None => {
                    let store = globals.open_ledger()?;
                    let size = size.unwrap_or(store.len()?);
                    (format!("the head of {size} entries"), store.checkpoint_text(size)?.into_bytes())
                }
            };
            files::write(out, &stamp::query(&bytes)?, *force)?;
            ui.answer(match json {
                true => json!({"schema": "ledger.anchor-query/1", "file": out.display().to_string(), "over": what}).to_string(),
                false => format!("{}: a query for a time stamp of {what}", out.display()),
            });
        }
        What::Import { reply, size, tsa_ca } => {
            let reply = read(reply)?;
            let mut store = globals.open_ledger_for_writing()?;
            let (name, time) = stamp::import(&mut store, *size, &reply, tsa_ca)?;
            let time = shown(time);
            ui.answer(match json {
                true => json!({"schema": "ledger.anchor/1", "size": size, "name": name, "time": time}).to_string(),
                false => format!("the head of {size} entries existed at {time}; kept as {name}"),
            });
        }
        What::Check { tsa_ca, file } => {
            if let [file, reply] = file.as_slice() {
                let time = shown(stamp::verified(&read(file)?, &read(reply)?, tsa_ca)?);
                ui.answer(match json {
                    true => json!({"schema": "ledger.anchor/1", "file": file.display().to_string(), "time": time}).to_string(),
                    false => format!("{} existed at {time}: ledger verify … --time 'sig/FILE={time}'", file.display()),
                });
                return Ok(Exit::Good);
            }
            let store = globals.open_ledger()?;
            let stamps: Vec<_> = kept(&store)?.into_iter().filter(|row| row.name.ends_with(".tsr")).collect();
            if stamps.is_empty() {
                return Err(CliError::setup("the ledger keeps no time stamp").hint("ledger anchor query, then ledger anchor import"));
            }
            for row in stamps {
                let text = store.checkpoint_text(row.size)?;
                let time = stamp::verified(text.as_bytes(), &row.bytes, tsa_ca).map_err(|error| {
                    CliError::new(Exit::Integrity, format!("the time stamp over {} entries does not hold", row.size)).cause(error)
                })?;
                let time = shown(time);
                ui.answer(match json {
                    true => json!({"schema": "ledger.anchor/1", "size": row.size, "name": row.name, "time": time}).to_string(),
                    false => format!("the head of {} entries existed at {time}", row.size),
                });
            }
        }
        What::GitTag { name, size } => {
            let mut store = globals.open_ledger_for_writing()?;
            let size = size.unwrap_or(store.len()?);
            let row = stamp::tag(&mut store, size, &globals.project_root()?, name)?;
            ui.answer(match json {
                true => json!({"schema": "ledger.anchor/1", "size": size, "name": row, "tag": name}).to_string(),
                false => format!("tag {name} says the head of {size} entries; it counts once it is pushed: git push origin {name}"),
            });
        }
        #[cfg(feature = "pg")]
        What::FromDatabase { env, database_url_file } => {
            let id = globals.open_ledger()?.ledger_id().to_hex();
            let found = super::session::runtime()?.block_on(async {
                let connected = super::session::connect(globals, env.as_deref(), database_url_file.as_deref()).await?;
                let read = crate::run::anchor::read(&id, &connected.target).await;
                read.map_err(|error| CliError::setup("the target's anchors cannot be read").cause(error))
            })?;
            let Some(text) = found else {
                return Err(CliError::setup("the target holds no head of this ledger")
                    .hint("set anchor = true under [migrations] in ledger.toml: the next execution leaves one"));
            };
            ui.answer(match json {
                true => json!({"schema": "ledger.anchor/1", "checkpoint": text}).to_string(),
                false => text.trim_end().to_owned(),
            });
        }
        What::List => {
            let store = globals.open_ledger()?;
            for row in kept(&store)? {
                ui.answer(match json {
                    true => json!({"schema": "ledger.anchor/1", "size": row.size, "name": row.name}).to_string(),
                    false => format!("{:>8} entries  {}", row.size, row.name),
                });
            }
        }
    }
    Ok(Exit::Good)
}

fn kept(store: &Store) -> Result<Vec<crate::chain::AnchorRow>, CliError> {
    Ok(store.anchors(store.len()?)?)
}

fn shown(time: chrono::NaiveDateTime) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
