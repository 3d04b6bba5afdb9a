#!/usr/bin/env bash
# Runs every fuzz target of every crate for so many seconds. What was reached is kept in CRATE/fuzz/corpus, what broke in
# CRATE/fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=$1
cargo +nightly fuzz --version > /dev/null 2>&1 || {
    echo "cargo-fuzz or the nightly compiler is missing: run \`rustup toolchain install nightly\`" \
        "and \`cargo install --locked cargo-fuzz\`, then try again" >&2
    exit 1
}
for manifest in */fuzz/Cargo.toml; do
    folder=$(dirname "$manifest")
    for target in "$folder"/fuzz_targets/*.rs; do
        name=$(basename "$target" .rs)
        echo "fuzzing $folder/$name for $seconds seconds"
        # One folder of builds for all: what the crates have in common is built once.
        cargo +nightly fuzz run --fuzz-dir "$folder" --target-dir target/fuzzing "$name" -- \
            -max_total_time="$seconds" -verbosity=0 -print_funcs=0
    done
done
echo "nothing broke"
