//! A folder of its own, a clean environment, and the built program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A temporary project folder with a HOME of its own.
pub struct Project {
    dir: tempfile::TempDir,
}

/// What a command did.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// Asserts the exit code and the error's three parts, each of which must be there and hold its text (an empty one: not looked at).
    #[track_caller]
    pub fn assert_error(&self, code: i32, what: &str, cause: &str, hint: &str) {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        for (part, text) in [("error: ", what), ("cause: ", cause), (" hint: ", hint)] {
            let line = self.stderr.lines().find(|line| line.starts_with(part));
            assert!(text.is_empty() || line.is_some_and(|line| line.contains(text)), "no `{part}…{text}…` in:\n{}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

impl Project {
    /// A folder without anything in it.
    pub fn empty() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file of the project.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(&path, text).expect("written");
        path
    }

    /// The program in this folder, with nothing inherited but PATH.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("COLUMNS", "100")
            .stdin(Stdio::null());
        command
    }

    /// Runs `ledger` with these arguments.
    pub fn ledger(&self, args: &[&str]) -> Ran {
        self.command(env!("CARGO_BIN_EXE_ledger")).args(args).output().expect("ledger starts").into()
    }

    /// Runs a bash script that finds the program in `$LEDGER`.
    pub fn shell(&self, script: &str) -> Ran {
        self.command("bash").arg("-c").arg(script).env("LEDGER", env!("CARGO_BIN_EXE_ledger")).output().expect("bash starts").into()
    }
}
