#!/usr/bin/env bash
# The whole shop in one go: a sandbox whose clock begins before the first order, its workflows, a CSV of
# orders at their own times, each sent twice, and what the audit and explain say. Without a file, 100
# invented orders.
#
#   examples/shop/run.sh [orders.csv]
set -euo pipefail
orders=${1:+$(realpath "$1")}
shop=$(cd "$(dirname "$0")" && pwd)
bin=${BIN:-$shop/../../.venv/bin}
folder=$(mktemp -d)
tocsin() { "$bin/python" -m tocsin "$@"; }

: >"$folder/said"
if [ -z "$orders" ]; then
    orders=$folder/orders.csv
    "$bin/python" "$shop/generate.py" --orders 100 --seed 1 >"$orders"
fi
# Two days before the first date in the file, whatever the zone.
begin=$(date -u -d "$(cut -d, -f4 "$orders" | tail -n +2 | sort | head -n 1 | cut -c1-10) -2 days" +%F)

"$bin/python" -m tocsin up --data "$folder/data" --port 0 --clock "${CLOCK:-$begin}" \
    --config "$shop/tocsin.toml" >"$folder/said" 2>"$folder/log" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$folder"' EXIT

until grep -q 'ready on' "$folder/said"; do
    kill -0 "$server" 2>/dev/null || { cat "$folder/said" "$folder/log" >&2; exit 1; }
    sleep 0.1
done
TOCSIN_URL=$(grep -o 'http://[0-9.:]*' "$folder/said" | head -n 1)
TOCSIN_KEY=$(cat "$folder/data/sandbox.key")
export TOCSIN_URL TOCSIN_KEY

tocsin workflows push "$shop/workflows"
echo
"$bin/python" "$shop/replay.py" --clock "$orders" | tee "$folder/replayed"
echo
# Who read in time, who did not, and whose order was cancelled: what became of it?
sed -n 's/^.*: tocsin explain //p' "$folder/replayed" | while read -r event customer; do
    tocsin explain "$event" "$customer"
    echo
done
tocsin audit --since "${CLOCK:-$begin}T00:00:00Z"
