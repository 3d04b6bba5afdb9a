#!/usr/bin/env bash
# Runs every test of the workspace and ends with one summary: what failed, how long it took, `N passed, N failed`.
#
# Something that cannot be built counts as one failure, and so does a test that is ignored: nothing is skipped. (Only
# `ignored, the process that ...` is none: a test binary that starts itself again to have something to kill.)
set -uo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
begin=$SECONDS
export EGRET_BIN="${CARGO_TARGET_DIR:-$PWD/target}/debug/egret"

# Whoever starts us in the background may have us ignore Ctrl-C; the stories about signals begin with none ignored.
cargo build --workspace && env --default-signal=INT,QUIT cargo test --workspace --no-fail-fast "$@" 2>&1 | tee "$log"
ended=$?

passed=0 failed=0
while read -r _ _ _ p _ f _; do
    passed=$((passed + p)) failed=$((failed + f))
done < <(grep '^test result: ' "$log")
[ "$failed" -eq 0 ] && [ "$ended" -ne 0 ] && failed=1

# What failed has one more try, by itself: a busy machine can fail a story of real processes. It is told, not hidden.
mapfile -t again < <(sed -n 's/^    `\(-p [^`]*\)`$/\1/p' "$log" | sort -u)
unsteady=0
if [ "$failed" -gt 0 ] && [ ${#again[@]} -gt 0 ]; then
    still=0
    for target in "${again[@]}"; do
        # shellcheck disable=SC2086
        env --default-signal=INT,QUIT cargo test $target --no-fail-fast -- --test-threads=1 || still=1
    done
    [ "$still" -eq 0 ] && unsteady=$failed && passed=$((passed + failed)) && failed=0
fi

echo
[ "$unsteady" -gt 0 ] && echo "$unsteady failed at first and passed by themselves:"
grep -E '^test .* \.\.\. FAILED$' "$log" | sed -e 's/^test /  failed: /' -e 's/ \.\.\. FAILED$//'
# Why, also where the second try went well.
grep -E -A1 "^thread '.*' .*panicked at " "$log" | grep -v '^--$' | sed 's/^/    /'
skipped=$(grep -E '^test .* \.\.\. ignored' "$log" | grep -v 'ignored, the process that ')
ignored=$(grep -c . <<< "$skipped")
[ "$ignored" -gt 0 ] && sed -e 's/^test /  not run: /' <<< "$skipped"
grep -E '^error: could not compile' "$log"
[ "$ignored" -gt 0 ] && echo "$ignored ignored tests count as failed"
failed=$((failed + ignored))
echo "in $(((SECONDS - begin) / 60)) min $(((SECONDS - begin) % 60)) s"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
