//! The faults that `ledger demo --fault` plants: a table of data. Each names what must find it; a test runs them all.

use std::fs;
use std::path::Path;

use super::DemoError;
use super::project::put;

/// One defect, planted from outside.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// What `--fault` takes.
    pub name: &'static str,
    /// What is wrong, one line.
    pub what: &'static str,
    pub plant: Plant,
    /// What must find it.
    pub found: Found,
    /// Other tasks that fail because of it.
    pub follows: &'static [&'static str],
    /// Clauses of each tenant in the fault's run, when nothing else is said.
    pub rows: u32,
}

/// Where a fault goes in.
#[derive(Clone, Copy, Debug)]
pub enum Plant {
    /// Text of the project's files is replaced before the run.
    Files(&'static [Edit]),
    /// A script runs on staging, as superuser, after this task.
    Data { after: &'static str, sql: &'static str },
    /// ledger.toml names a `pg_dump` that cuts off the end of what it wrote.
    TruncatedDump,
}

/// One replacement in a file; an empty `from` stands for the whole file.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    pub file: &'static str,
    pub from: &'static str,
    pub to: &'static str,
}

/// What the run must say about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub task: &'static str,
    pub gate: &'static str,
    pub check: &'static str,
    /// A part of the finding's subject.
    pub subject: &'static str,
}

/// Enough rows for every table, and few enough for a quick run.
const FEW: u32 = 1_000;
/// Enough rows for a missing index to be beyond doubt.
const MANY: u32 = 10_000;

const SCHEMA: &str = "migrations/001_initial_schema.sql";
const RLS: &str = "migrations/002_row_level_security.sql";
const RLS_VERIFY: &str = "migrations/002_row_level_security.verify.sql";
const KEYS: &str = "migrations/003_foreign_keys.sql";
const KEYS_DOWN: &str = "migrations/003_foreign_keys.down.sql";
const KEYS_VERIFY: &str = "migrations/003_foreign_keys.verify.sql";
const INDEXES: &str = "migrations/004_performance_indexes.sql";
const INDEXES_DOWN: &str = "migrations/004_performance_indexes.down.sql";
const INDEXES_VERIFY: &str = "migrations/004_performance_indexes.verify.sql";
const AUDIT: &str = "migrations/005_audit_logging.sql";
const AUDIT_DOWN: &str = "migrations/005_audit_logging.down.sql";

/// A verify script whose author asked for less than was promised: policies are there, whatever they are worth.
const LAX_VERIFY: Edit = Edit {
    file: RLS_VERIFY,
    from: "",
    to: "DO $$\nBEGIN\n  IF NOT EXISTS (SELECT FROM pg_catalog.pg_policy) THEN\n    RAISE EXCEPTION 'there are no policies';\n  END IF;\nEND\n$$;\n",
};

const fn found(task: &'static str, gate: &'static str, check: &'static str, subject: &'static str) -> Found {
    Found { task, gate, check, subject }
}

/// Every fault there is.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "rls-fails-open",
        what: "the policies of alerts fall back to the row's own tenant when the session names none",
        plant: Plant::Files(&[Edit {
            file: RLS,
            from: "CREATE POLICY alerts_select ON public.alerts FOR SELECT TO app_user\n  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));",
            to: "CREATE POLICY alerts_select ON public.alerts FOR SELECT TO app_user\n  USING (tenant_id = COALESCE((SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid), tenant_id));",
        }]),
        found: found("CE-23", "gate-3", "rls-isolation-no-context", "public.alerts"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "rls-using-true",
        what: "the SELECT policy of projects is USING (true)",
        plant: Plant::Files(&[Edit {
            file: RLS,
            from: "CREATE POLICY projects_select ON public.projects FOR SELECT TO app_user\n  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));",
            to: "CREATE POLICY projects_select ON public.projects FOR SELECT TO app_user\n  USING (true);",
        }]),
        found: found("CE-23", "gate-3", "rls-isolation", "public.projects"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "rls-off",
        what: "row level security is not enabled on extractions; its policies are there",
        plant: Plant::Files(&[Edit { file: RLS, from: "ALTER TABLE public.extractions ENABLE ROW LEVEL SECURITY;\n", to: "" }, LAX_VERIFY]),
        found: found("CE-23", "gate-3", "rls-enabled", "public.extractions"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "rls-not-forced",
        what: "row level security is not forced on documents: their owner passes",
        plant: Plant::Files(&[Edit { file: RLS, from: "ALTER TABLE public.documents FORCE ROW LEVEL SECURITY;\n", to: "" }, LAX_VERIFY]),
        found: found("CE-23", "gate-3", "rls-forced", "public.documents"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "rls-moves-rows",
        what: "the UPDATE policy of users checks the old row only: a row can be given to another tenant",
        plant: Plant::Files(&[Edit {
            file: RLS,
            from: "CREATE POLICY users_update ON public.users FOR UPDATE TO app_user\n  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))\n  WITH CHECK (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));",
            to: "CREATE POLICY users_update ON public.users FOR UPDATE TO app_user\n  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))\n  WITH CHECK (true);",
        }]),
        found: found("CE-23", "gate-3", "rls-write-check", "public.users"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "fk-missing",
        what: "migration 003 forgets the key from alerts to analyses",
        plant: Plant::Files(&[
            Edit {
                file: KEYS,
                from: "ALTER TABLE public.alerts ADD CONSTRAINT alerts_analysis_id_fkey\n  FOREIGN KEY (analysis_id) REFERENCES public.analyses (id)\n  ON DELETE CASCADE;\n",
                to: "",
            },
            Edit { file: KEYS_DOWN, from: "ALTER TABLE public.alerts DROP CONSTRAINT alerts_analysis_id_fkey;\n", to: "" },
            Edit { file: KEYS_VERIFY, from: "    'alerts_analysis_id_fkey',\n", to: "" },
        ]),
        found: found("CE-24", "gate-3", "fk-expected", "alerts(analysis_id)"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "index-dropped",
        what: "migration 004 drops an index and forgets the one that replaces it",
        plant: Plant::Files(&[
            Edit {
                file: INDEXES,
                from: "CREATE INDEX ai_usage_logs_user_recent_idx ON public.ai_usage_logs (user_id, created_at DESC);\n",
                to: "",
            },
            Edit { file: INDEXES_DOWN, from: "DROP INDEX public.ai_usage_logs_user_recent_idx;\n", to: "" },
            Edit { file: INDEXES_VERIFY, from: "'ai_usage_logs_user_recent_idx',\n", to: "" },
        ]),
        found: found("CE-26", "gate-4", "benchmark-regression", "latest usage by user"),
        follows: &[],
        rows: MANY,
    },
    Fault {
        name: "syntax-error",
        what: "migration 004 says CREATE INDX",
        plant: Plant::Files(&[Edit { file: INDEXES, from: "CREATE INDEX projects_tenant_idx", to: "CREATE INDX projects_tenant_idx" }]),
        found: found("CE-21", "gate-1", "migration-syntax", "004_performance_indexes.sql"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "fails-half-way",
        what: "migration 005 fails in the middle: it puts a trigger on a table that does not exist",
        plant: Plant::Files(&[Edit { file: AUDIT, from: "ON public.documents\n", to: "ON public.contracts\n" }]),
        found: found("CE-21", "gate-1", "dry-run-applies", "005_audit_logging.sql"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "changed-after-applied",
        what: "the file of migration 001 was changed after it was applied",
        plant: Plant::Files(&[Edit {
            file: SCHEMA,
            from: "  name text NOT NULL UNIQUE CHECK (name <> ''),",
            to: "  name text NOT NULL UNIQUE,",
        }]),
        found: found("CE-21", "gate-1", "applied-file-unchanged", "001"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "down-does-nothing",
        what: "the way down of 005 undoes nothing, and its way up does not mind what is there already",
        plant: Plant::Files(&[
            Edit { file: AUDIT_DOWN, from: "", to: "-- Nothing to undo.\nSELECT 1;\n" },
            Edit { file: AUDIT, from: "CREATE FUNCTION", to: "CREATE OR REPLACE FUNCTION" },
            Edit { file: AUDIT, from: "CREATE TRIGGER users_audit", to: "CREATE OR REPLACE TRIGGER users_audit" },
            Edit { file: AUDIT, from: "CREATE TRIGGER projects_audit", to: "CREATE OR REPLACE TRIGGER projects_audit" },
            Edit { file: AUDIT, from: "CREATE TRIGGER documents_audit", to: "CREATE OR REPLACE TRIGGER documents_audit" },
            Edit { file: AUDIT, from: "CREATE TRIGGER alerts_audit", to: "CREATE OR REPLACE TRIGGER alerts_audit" },
        ]),
        found: found("CE-27", "gate-5", "rollback-restores-catalog", "record_change"),
        follows: &["CE-21"],
        rows: FEW,
    },
    Fault {
        name: "down-loses-data",
        what: "the way down of 005 empties audit_logs",
        plant: Plant::Files(&[Edit {
            file: AUDIT_DOWN,
            from: "DROP FUNCTION public.record_change();",
            to: "DROP FUNCTION public.record_change();\nDELETE FROM public.audit_logs;",
        }]),
        found: found("CE-27", "gate-5", "rollback-keeps-data", "public.audit_logs"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "target-only-rows",
        what: "after the dry run, staging gets a row that a new foreign key refuses",
        plant: Plant::Data {
            after: "CE-21",
            sql: "INSERT INTO public.extractions (document_id, field, value) VALUES (pg_catalog.gen_random_uuid(), 'party', '1');",
        },
        found: found("CE-22", "gate-2", "migrations-applied", "003"),
        follows: &["CE-28"],
        rows: FEW,
    },
    Fault {
        name: "orphan",
        what: "after the migration, an extraction loses its document under a validated foreign key",
        plant: Plant::Data {
            after: "CE-22",
            sql: "SET session_replication_role = replica;\n\
                  UPDATE public.extractions SET document_id = pg_catalog.gen_random_uuid()\n\
                  WHERE id = (SELECT id FROM public.extractions ORDER BY id LIMIT 1);",
        },
        found: found("CE-24", "gate-3", "fk-orphans", "extractions(document_id)"),
        follows: &["CE-25"],
        rows: FEW,
    },
    Fault {
        name: "null-tenant",
        what: "after the migration, a row of ai_usage_logs belongs to nobody",
        plant: Plant::Data {
            after: "CE-22",
            sql: "SET session_replication_role = replica;\n\
                  ALTER TABLE public.ai_usage_logs ALTER COLUMN tenant_id DROP NOT NULL;\n\
                  UPDATE public.ai_usage_logs SET tenant_id = NULL WHERE id = (SELECT id FROM public.ai_usage_logs ORDER BY id LIMIT 1);",
        },
        found: found("CE-25", "gate-3", "no-null-tenant", "public.ai_usage_logs"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "broken-link",
        what: "after the migration, an alert names the analysis of another document",
        plant: Plant::Data {
            after: "CE-22",
            sql: "SET session_replication_role = replica;\n\
                  UPDATE public.alerts a SET analysis_id = (\n\
                    SELECT n.id FROM public.analyses n\n\
                    JOIN public.projects p ON p.id = n.project_id AND p.tenant_id = a.tenant_id\n\
                    WHERE n.id <> a.analysis_id ORDER BY n.id LIMIT 1)\n\
                  WHERE a.id = (SELECT id FROM public.alerts ORDER BY id LIMIT 1);",
        },
        found: found("CE-25", "gate-3", "linkage", "analysis"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "trigger-disabled",
        what: "after the migration, somebody switches the audit of projects off",
        plant: Plant::Data { after: "CE-22", sql: "ALTER TABLE public.projects DISABLE TRIGGER projects_audit;" },
        found: found("CE-25", "gate-3", "disabled-triggers", "projects_audit"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "future-timestamp",
        what: "after the migration, a clause was made tomorrow",
        plant: Plant::Data {
            after: "CE-22",
            sql: "UPDATE public.clauses SET created_at = pg_catalog.now() + interval '1 day'\n\
                  WHERE id = (SELECT id FROM public.clauses ORDER BY id LIMIT 1);",
        },
        found: found("CE-25", "gate-3", "no-future-timestamps", "public.clauses"),
        follows: &[],
        rows: FEW,
    },
    Fault {
        name: "truncated-backup",
        what: "the backup's end is missing, and its table of contents is whole",
        plant: Plant::TruncatedDump,
        found: found("CE-20", "gate-1", "backup-restores", ""),
        follows: &[],
        rows: FEW,
    },
];

impl Fault {
    /// The fault of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FAULTS.iter().find(|fault| fault.name == name)
    }

    /// Changes the project's files, if that is where the fault lies. `bin`: the folder of the server's programs.
    pub(super) fn plant_files(&self, folder: &Path, bin: &Path) -> Result<(), DemoError> {
        match self.plant {
            Plant::Files(edits) => edits.iter().try_for_each(|edit| self.edit(folder, edit)),
            Plant::Data { .. } => Ok(()),
            Plant::TruncatedDump => self.wrap_pg_dump(folder, bin),
        }
    }

    /// The script to run on staging after this task, if there is one.
    pub fn script_after(&self, task: &str) -> Option<&'static str> {
        match self.plant {
            Plant::Data { after, sql } if after == task => Some(sql),
            _ => None,
        }
    }

    fn edit(&self, folder: &Path, edit: &Edit) -> Result<(), DemoError> {
        let path = folder.join(edit.file);
        let text = fs::read_to_string(&path).map_err(|source| DemoError::Io { what: format!("cannot read {}", path.display()), source })?;
        let changed = match edit.from {
            "" => edit.to.to_owned(),
            from if text.matches(from).count() == 1 => text.replacen(from, edit.to, 1),
            _ => return Err(DemoError::Unplantable { fault: self.name, file: edit.file.to_owned() }),
        };
        put(folder, edit.file, changed.as_bytes(), 0o644)
    }

    /// The wrapper stands in for a disk that lost the end of a file: it runs the real program and cuts.
    fn wrap_pg_dump(&self, folder: &Path, bin: &Path) -> Result<(), DemoError> {
        let unplantable = || DemoError::Unplantable { fault: self.name, file: "ledger.toml".to_owned() };
        let real = bin.join("pg_dump").display().to_string().replace('\'', r"'\''");
        put(folder, "tools/pg_dump", WRAPPER.replacen("REAL", &real, 1).as_bytes(), 0o755)?;
        let io = |source| DemoError::Io { what: "cannot find the fault's tools".to_owned(), source };
        let wrapper = folder.join("tools/pg_dump").canonicalize().map_err(io)?;
        let config = folder.join("ledger.toml");
        let text = fs::read_to_string(&config).map_err(io)?;
        let line = "# pg-dump = ";
        let start = text.find(line).ok_or_else(unplantable)?;
        let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        let named = format!("pg-dump = {}", toml::Value::String(wrapper.display().to_string()));
        put(folder, "ledger.toml", [&text[..start], &named, &text[end..]].concat().as_bytes(), 0o644)
    }
}

/// Runs the real program, then cuts off the last two fifths of the file it wrote.
const WRAPPER: &str = r#"#!/bin/sh
# Stands in for a disk that lost the end of a file. Made by `ledger demo --fault truncated-backup`.
'REAL' "$@" || exit $?
for argument; do
    case $argument in
    --file=*)
        file=${argument#--file=}
        kept=$(($(wc -c <"$file") * 3 / 5))
        head -c "$kept" "$file" >"$file.kept" && cat "$file.kept" >"$file" && rm "$file.kept"
        ;;
    esac
done
"#;
