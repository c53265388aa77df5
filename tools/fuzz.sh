#!/usr/bin/env bash
# Runs each fuzz target for a while, from the committed seeds: tools/fuzz.sh [SECONDS [TARGET...]], default 600 and all.
#
# With a nightly toolchain where there is one, else with the one at hand, told to allow what the sanitizer's flags need. What is found lies
# under fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(header zip sshsig signers manifest)
toolchain=+nightly
if ! cargo +nightly --version >/dev/null 2>&1; then
    toolchain=
    export RUSTC_BOOTSTRAP=1
fi
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
for target in "${targets[@]}"; do
    printf '\n== %s, %s s\n' "$target" "$seconds"
    mkdir -p "fuzz/corpus/$target"
    cargo $toolchain fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1
done
