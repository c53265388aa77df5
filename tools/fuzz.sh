#!/usr/bin/env bash
# Runs each fuzz target for a while, from the committed seeds: tools/fuzz.sh [SECONDS [TARGET...]], default 600 and all.
#
# Needs a nightly toolchain and cargo-fuzz; a machine that has them not is told so. What is found lies under fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(header zip sshsig signers manifest)
cargo +nightly --version >/dev/null 2>&1 || { echo "NOT FUZZED: no nightly toolchain (rustup toolchain install nightly)" >&2; exit 1; }
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
for target in "${targets[@]}"; do
    printf '\n== %s, %s s\n' "$target" "$seconds"
    mkdir -p "fuzz/corpus/$target"
    cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1
done
