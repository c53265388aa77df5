-- code: report-renders
-- title: The readiness report can be made
-- step: readiness
-- severity: high
-- min-subjects: 1
-- kind: probe
-- why: the decision is made on the report; without it there is nothing to sign
-- fix: ledger report --format all names what cannot be rendered

-- The report is rendered from the ledger before this task ends; every file of it must be there and not empty.
