#!/usr/bin/env bash
# ./dev bench all [folder]: every benchmark but the long ones (growth, soak), their JSON in one folder, then the tables
# of docs/benchmarks.md on standard output. Under 15 minutes. Exits with the number of benchmarks that found faults.
# LONG=1 adds growth (ten million spans) and ten minutes of soak.
set -uo pipefail
folder=${1:-build/bench}
server=${SERVER:-build/release/vivace}
spans=${SPANS:-1000000}
programs=$(dirname "$server")
here=$(dirname "$0")
failed=0
mkdir -p "$folder"
data=$(mktemp -d "${TMPDIR:-/tmp}/vivace-bench-all-XXXXXX")
trap 'rm -rf "$data"' EXIT

run() { # result name, program, options
    local name=$1 program=$2 began=$SECONDS
    shift 2
    echo "== $name" >&2
    rm -f "$folder/$name.json"
    "$programs/bench_$program" "$@" --result "$folder/$name.json" >&2 || {
        failed=$((failed + 1))
        echo "FAILED: $name" >&2
    }
    echo "   $((SECONDS - began)) s" >&2
}

json() { printf '%s' "$1" | sed 's/["\\]/\\&/g'; }
cat >"$folder/machine.json" <<JSON
{
  "date": "$(date -u +%Y-%m-%d)",
  "cpu": "$(json "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)")",
  "cores": $(nproc),
  "memory_gib": $(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo),
  "kernel": "$(json "$(uname -r)")",
  "load_before": $(cut -d' ' -f1 /proc/loadavg),
  "commit": "$(git rev-parse --short HEAD 2>/dev/null)",
  "spans": $spans
}
JSON

run ingest ingest --server "$server" --spans "$spans" --dir "$data/loaded" --keep
run search search --server "$server" --dir "$data/loaded" --reuse --budget 5
run metrics metrics --server "$server" --dir "$data/loaded" --reuse --budget 5
rm -rf "$data/loaded"
run byid byid --server "$server" --spans "$spans"
run ingest_http_gzip ingest --server "$server" --spans "$spans" --protocol http --compression gzip
run ingest_open_loop ingest --server "$server" --spans "$spans" --open-loop 100000 --stream
run decode decode
run parquet parquet
run overload overload --server "$server" # fewer spans are no overload
run crash crash --server "$server" --rounds 10
if [ "${LONG:-0}" = 1 ]; then
    echo "== growth" >&2
    node "$here/growth.mjs" --server "$server" --spans "$spans" --dir "$data" --result "$folder/growth.json" || failed=$((failed + 1))
    run soak soak --server "$server" --minutes 10
fi
node "$here/tables.mjs" "$folder"
exit $failed
