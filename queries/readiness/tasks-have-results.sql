-- code: tasks-have-results
-- title: Every task of the plan has a result
-- step: readiness
-- severity: high
-- min-subjects: 1
-- kind: probe
-- why: a task that was not run is not a task that passed
-- fix: ledger run --only TASK

-- The plan's tasks but this one against the results on the ledger. No result is undecided, never wrong: nothing is known.
