#!/usr/bin/env bash
# Everything that must hold, with all its set-up: formatting, lints, licences, and the tests on real servers.
#
#   tools/test.sh            PostgreSQL 15 and 18
#   tools/test.sh 15 16 17 18
#
# A major that cannot be had here (15 without root and without an installed server) is said loudly and left out; at least one
# must be there.
set -euo pipefail
cd "$(dirname "$0")/.."
majors=("$@")
[ ${#majors[@]} -gt 0 ] || majors=(15 18)
step() { printf '\n== %s\n' "$*"; }
copies=$(mktemp -d)
trap 'rm -rf "$copies"' EXIT

# As root the server runs as another user, who must be able to reach its programs: a build below a closed folder is copied
# (with its .libs beside it) to where that user can.
reachable() { # bin folder
    if [ "$(id -u)" != 0 ] || runuser -u nobody -- test -x "$1/initdb" 2>/dev/null; then
        echo "$1"
        return
    fi
    local package=${1%%/target/pg/*}/target/pg rest=${1#*/target/pg/}
    local major=${rest%%/*}
    chmod 0755 "$copies"
    cp -a "$package/$major" "$copies/$major"
    chmod -R go+rX "$copies/$major"
    echo "$copies/$rest"
}

step "PostgreSQL programs"
bins=()
for major in "${majors[@]}"; do
    if bin=$(tools/postgres.sh "$major"); then
        bin=$(reachable "$bin")
        echo "$major: $bin"
        bins+=("$bin")
    else
        echo "NOT TESTED on PostgreSQL $major: its programs cannot be had here" >&2
    fi
done
[ ${#bins[@]} -gt 0 ] || exit 1

step "cargo fmt --check"
cargo fmt --check

step "cargo clippy (with and without the pg feature), warnings denied"
cargo clippy --locked --all-targets --quiet -- -D warnings
cargo clippy --locked --no-default-features --quiet -- -D warnings

step "cargo deny: licences, bans, sources"
tools/deny.sh

step "a browser, to look at reports in"
tools/chromium.sh

step "other migration tools, to share histories with"
tools/peers.sh

for number in "${!bins[@]}"; do
    step "tests on $("${bins[$number]}/initdb" --version)"
    if [ "$number" = 0 ]; then
        # Where a newer server is there as well, what the oldest dumps is restored on it.
        newer=()
        [ ${#bins[@]} -lt 2 ] || newer=("LEDGER_TEST_NEWER_BIN=${bins[-1]}")
        env "${newer[@]}" LEDGER_TEST_PG_BIN="${bins[$number]}" cargo test --locked --quiet
        continue
    fi
    # What does not depend on the server's major was run in the first round, and so was the whole table of planted faults: of the
    # demo only the whole plan is played again.
    LEDGER_TEST_PEERS=off LEDGER_TEST_PG_BIN="${bins[$number]}" cargo test --locked --quiet --test canary --test checks --test contracts --test layouts --test migrate \
        --test no_change --test performance --test pg --test row_security --test steps_fk_integrity
    LEDGER_TEST_PG_BIN="${bins[$number]}" cargo test --locked --quiet --test demo the_whole_plan
done
