#!/bin/sh
# Every check that reads the code and does not run it, with the time each took. All of them run,
# so that one round shows everything. $BIN holds the tools, the arguments are the folders.
set -u
failed=

step() {
    name=$1
    shift
    started=$(date +%s)
    if "$@"; then verdict=ok; else verdict=FAILED; failed="$failed $name"; fi
    echo "--- $name: $verdict ($(($(date +%s) - started)) s)"
}

step format "$BIN/ruff" format --check --quiet "$@"
step lint "$BIN/ruff" check --quiet "$@"
step types "$BIN/mypy" "$@"
step imports "$BIN/lint-imports" --no-logo
step sizes "$BIN/python" tools/check_sizes.py "$@"
step house "$BIN/python" tools/check_house.py
step links "$BIN/python" tools/check_links.py
step reference "$BIN/python" -m tools.reference --check

if [ -n "$failed" ]; then
    echo "Failed:$failed"
    exit 1
fi
echo 'All checks passed.'
