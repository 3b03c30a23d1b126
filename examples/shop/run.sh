#!/usr/bin/env bash
# The whole shop in one go: a server on a folder of its own, its workflows, a CSV of orders sent twice,
# and what the audit and explain say. Without a file, 1,000 invented orders.
#
#   examples/shop/run.sh [orders.csv]
set -euo pipefail
orders=${1:+$(realpath "$1")}
shop=$(cd "$(dirname "$0")" && pwd)
bin=${BIN:-$shop/../../.venv/bin}
folder=$(mktemp -d)
tocsin() { "$bin/python" -m tocsin "$@"; }

: >"$folder/said"
"$bin/python" -m tocsin up --data "$folder/data" --port 0 >"$folder/said" 2>"$folder/log" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$folder"' EXIT

until grep -q 'ready on' "$folder/said"; do
    kill -0 "$server" 2>/dev/null || { cat "$folder/said" "$folder/log" >&2; exit 1; }
    sleep 0.1
done
TOCSIN_URL=$(grep -o 'http://[0-9.:]*' "$folder/said" | head -n 1)
TOCSIN_KEY=$(cat "$folder/data/sandbox.key")
export TOCSIN_URL TOCSIN_KEY

if [ -z "$orders" ]; then
    orders=$folder/orders.csv
    "$bin/python" "$shop/generate.py" --orders 1000 --seed 1 >"$orders"
fi

tocsin workflows push "$shop/workflows"
echo
echo 'First run:'
"$bin/python" "$shop/replay.py" "$orders"
echo
echo 'Second run, with the same ids:'
"$bin/python" "$shop/replay.py" "$orders"
echo
# The first order of the file: what became of its first step, and for whom.
IFS=, read -r order customer _ < <(sed -n 2p "$orders")
tocsin explain --source shop "$order/order.placed" "$customer"
echo
tocsin audit
