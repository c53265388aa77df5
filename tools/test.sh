#!/usr/bin/env bash
# Everything that must hold, with all its set-up: formatting, lints, licences, and the tests on real servers.
#
#   tools/test.sh            PostgreSQL 15 (or what is installed) and 18
#   tools/test.sh 15 16 17 18
set -euo pipefail
cd "$(dirname "$0")/.."
majors=("$@")
step() { printf '\n== %s\n' "$*"; }

step "PostgreSQL programs"
first=$(tools/postgres.sh)
echo "default: $first"

step "cargo fmt --check"
cargo fmt --check

step "cargo clippy (with and without the pg feature), warnings denied"
cargo clippy --locked --all-targets --quiet -- -D warnings
cargo clippy --locked --no-default-features --quiet -- -D warnings

step "cargo deny: licences, bans, sources"
tools/deny.sh

step "tests on $("$first/initdb" --version)"
LEDGER_TEST_PG_BIN="$first" cargo test --locked --quiet

[ ${#majors[@]} -gt 0 ] || majors=(18)
done_major=$("$first/initdb" --version | sed -E 's/.* ([0-9]+)[.a-z].*/\1/')
for major in "${majors[@]}"; do
    [ "$major" != "$done_major" ] || continue
    bin=$(tools/postgres.sh "$major")
    step "real-database tests on $("$bin/initdb" --version)"
    LEDGER_TEST_PG_BIN="$bin" cargo test --locked --quiet --tests
done
