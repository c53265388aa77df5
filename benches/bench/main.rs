//! `make bench`: speed as ratios, both sides measured in turns in one run, medians of the turns.
//!
//! A time alone says something about the machine; a ratio in one run says something about this program. Each line: what, target,
//! measured, spread of the turns, whether the target is met. The exit code is 1 when one is missed or could not be measured.
//!
//! `cargo bench --bench bench -- apply status` measures only what is named.

mod append;
mod apply;
mod growth;
mod lint;
mod matrix;
mod memory;
mod package;
mod peers;
mod safety;
mod status;
mod trace;
mod verification;

use std::path::PathBuf;
use std::process::ExitCode;

use nix::sys::resource::{UsageWho, getrusage};

/// Anything that stops a measurement.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whether less or more is better, and the limit.
#[derive(Clone, Copy)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn met(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

/// One measurement: a number for each turn.
pub struct Measurement {
    pub turns: Vec<f64>,
    /// Further figures, such as the times behind a ratio.
    pub note: String,
}

struct Bench {
    name: &'static str,
    what: &'static str,
    goal: Goal,
    unit: &'static str,
    decimals: usize,
    run: fn() -> Result<Measurement, Failure>,
}

const BENCHES: [Bench; 17] = [
    Bench {
        name: "apply",
        what: "300 migration files, against one psql process",
        goal: Goal::AtMost(1.05),
        unit: "×",
        decimals: 2,
        run: apply::run,
    },
    Bench {
        name: "trace",
        what: "a migration of a second with its locks traced, against without",
        goal: Goal::AtMost(1.10),
        unit: "×",
        decimals: 2,
        run: trace::run,
    },
    Bench { name: "lint", what: "lint of 1,000 migration files", goal: Goal::AtMost(1.0), unit: " s", decimals: 2, run: lint::run },
    Bench {
        name: "memory",
        what: "peak memory over a data migration of 50 MB",
        goal: Goal::AtMost(128.0),
        unit: " MiB",
        decimals: 0,
        run: memory::run,
    },
    Bench {
        name: "status",
        what: "ledger status, ledger of 10,000 entries",
        goal: Goal::AtMost(50.0),
        unit: " ms",
        decimals: 1,
        run: status::run,
    },
    Bench {
        name: "append",
        what: "durable append, against raw 4 KiB append + fdatasync",
        goal: Goal::AtLeast(0.6),
        unit: "×",
        decimals: 2,
        run: append::run,
    },
    Bench {
        name: "verify",
        what: "verification of the chain, one core",
        goal: Goal::AtLeast(400_000.0),
        unit: "/s",
        decimals: 0,
        run: verification::run,
    },
    Bench {
        name: "hashing",
        what: "verification of large evidence, against sha256sum -c",
        goal: Goal::AtLeast(3.0),
        unit: "×",
        decimals: 2,
        run: package::hashing,
    },
    Bench {
        name: "entries",
        what: "verification of a package of 60,000 entries",
        goal: Goal::AtLeast(500_000.0),
        unit: "/s",
        decimals: 0,
        run: package::entries,
    },
    Bench {
        name: "verify-py",
        what: "the same, against tools/verify.py",
        goal: Goal::AtLeast(8.0),
        unit: "×",
        decimals: 1,
        run: package::python,
    },
    Bench {
        name: "growth",
        what: "an append at 1,000,000 entries, against at 1,000",
        goal: Goal::AtMost(1.25),
        unit: "×",
        decimals: 2,
        run: growth::append,
    },
    Bench {
        name: "prove",
        what: "a proof at 1,000,000 entries, against at 1,000",
        goal: Goal::AtMost(3.0),
        unit: "×",
        decimals: 2,
        run: growth::prove,
    },
    Bench {
        name: "orphans",
        what: "orphans of 4 keys, against LEFT JOIN … IS NULL in psql",
        goal: Goal::AtMost(0.6),
        unit: "×",
        decimals: 2,
        run: safety::orphans,
    },
    Bench {
        name: "digest",
        what: "digest of tables, against count(*) and reading them",
        goal: Goal::AtMost(1.5),
        unit: "×",
        decimals: 2,
        run: safety::digest,
    },
    Bench {
        name: "drill",
        what: "backup drill, against pg_dump and pg_restore",
        goal: Goal::AtMost(1.15),
        unit: "×",
        decimals: 2,
        run: safety::drill,
    },
    Bench {
        name: "matrix",
        what: "row security of 14 tables in every context",
        goal: Goal::AtMost(3.0),
        unit: " s",
        decimals: 2,
        run: matrix::fourteen,
    },
    Bench {
        name: "tables",
        what: "row security of 1,000 tables",
        goal: Goal::AtMost(120.0),
        unit: " s",
        decimals: 0,
        run: matrix::thousand,
    },
];

/// The middle value; 0 of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Processor time of this process so far, or of those of its children that have ended, in seconds. What others do on the machine
/// does not count into it, so it says what one core does.
pub fn processor_seconds(of: UsageWho) -> Result<f64, Failure> {
    let usage = getrusage(of)?;
    Ok([usage.user_time(), usage.system_time()].into_iter().map(|t| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6).sum())
}

/// A folder on the disk of the build, for what must be durable: the temporary directory may be memory.
pub fn on_disk() -> Result<tempfile::TempDir, std::io::Error> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&folder)?;
    tempfile::tempdir_in(folder)
}

fn main() -> ExitCode {
    if let Some(measured) = memory::child().or_else(peers::child) {
        return match measured {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    // cargo adds `--bench`; whatever else begins with a hyphen is not ours either.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if wanted == ["peers"] {
        return match peers::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    if let Some(unknown) = wanted.iter().find(|name| BENCHES.iter().all(|bench| bench.name != name.as_str())) {
        let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
        eprintln!("error: no benchmark `{unknown}`; there are: {}", names.join(", "));
        return ExitCode::from(2);
    }
    println!("{:<54} {:>12} {:>12} {:>23}  met", "what", "target", "measured", "turns");
    let mut missed = 0;
    for bench in BENCHES.iter().filter(|bench| wanted.is_empty() || wanted.iter().any(|name| name == bench.name)) {
        let shown = |value: f64| format!("{value:.*}{}", bench.decimals, bench.unit);
        let target = match bench.goal {
            Goal::AtMost(limit) => format!("≤ {}", shown(limit)),
            Goal::AtLeast(limit) => format!("≥ {}", shown(limit)),
        };
        match (bench.run)() {
            Ok(measurement) if !measurement.turns.is_empty() => {
                let middle = median(&measurement.turns);
                let least = measurement.turns.iter().copied().fold(f64::INFINITY, f64::min);
                let most = measurement.turns.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let met = bench.goal.met(middle);
                missed += usize::from(!met);
                let spread = format!("{} … {}", shown(least), shown(most));
                println!("{:<54} {target:>12} {:>12} {spread:>23}  {}", bench.what, shown(middle), if met { "yes" } else { "NO" });
                println!("    {}", measurement.note);
            }
            Ok(_) => {
                missed += 1;
                println!("{:<54} {target:>12} {:>12} {:>23}  NO", bench.what, "nothing", "");
            }
            Err(error) => {
                missed += 1;
                println!("{:<54} {target:>12} {:>12} {:>23}  NO", bench.what, "not measured", "");
                println!("    {error}");
            }
        }
    }
    ExitCode::from(u8::from(missed > 0))
}
