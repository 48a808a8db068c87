#!/usr/bin/env bash
# Style as a test: includes point down, who owns which library, sizes, banned calls, file comments.
# An exception is a line here with its reason.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0
report() {
    echo "$1"
    bad=1
}

# --- ranks: an include points to a lower rank, or to the same room -------------------------------------------
declare -A rank=([base]=0 [model]=1 [config]=1 [codec]=2 [parquet]=2 [runtime]=3 [net]=4 [backend]=5 [wal]=6 [block]=6
    [ingester]=7 [compactor]=7 [generator]=7 [traceql]=8 [querier]=8 [distributor]=9 [receiver]=9 [frontend]=9 [cli]=9 [server]=10)
# model and config share a rank but config knows nothing of spans; querier stands on traceql.
declare -A sideways=([querier:traceql]=1 [receiver:distributor]=1)
while IFS=: read -r file _ include; do
    from=$(sed -E 's#^(src|include/vivace)/([a-z0-9]+)/.*#\2#' <<<"$file")
    to=$(sed -E 's#.*"vivace/([a-z0-9]+)/.*#\1#' <<<"$include")
    [ "$from" = "$to" ] && continue
    [ -n "${rank[$from]:-}" ] && [ -n "${rank[$to]:-}" ] || { report "$file: room $from or $to has no rank"; continue; }
    [ "${rank[$to]}" -lt "${rank[$from]}" ] || [ -n "${sideways[$from:$to]:-}" ] ||
        report "$file: $from (rank ${rank[$from]}) includes $to (rank ${rank[$to]})"
done < <(grep -rnE '#include "vivace/' src include --include='*.[ch]' --include='*.cc')

# --- who may include which library ---------------------------------------------------------------------------
only_in() { # header pattern, allowed path pattern
    while read -r file; do
        [[ $file =~ $2 ]] || report "$file: includes $1, which belongs to $2"
    done < <(grep -rlE "#include <$1" src include || true)
}
only_in 'uv\.h' '^src/runtime/'
only_in 'nghttp2/' '^src/net/'
only_in 'openssl/' '^src/net/'
only_in 'curl/' '^src/net/'
only_in 'yaml\.h' '^src/config/'
only_in 'zstd\.h' '^src/(codec|parquet)/'
only_in 're2/' '^src/traceql/'

# --- sizes: files under 800 lines, functions under 70 --------------------------------------------------------
while read -r file; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 800 ] || report "$file: $lines lines, at most 800"
    awk -v file="$file" '
        /^\{$/ { start = NR; next }
        /^\}/ && start { if (NR - start - 1 > 70) { printf "%s:%d: function of %d lines, at most 70\n", file, start, NR - start - 1; bad = 1 } start = 0 }
        END { exit bad }' "$file" || bad=1
done < <(git ls-files 'src/*.c' 'src/*.h' 'src/*.cc' 'include/*.h' 'bench/*.c' 'bench/*.h')

# --- banned calls --------------------------------------------------------------------------------------------
banned() { # regex, files, reason
    local found
    found=$(grep -nE "$1" $2 /dev/null | grep -vE '^\S+:\s*(/?\*|//)' || true)
    [ -z "$found" ] || report "$found
  ^ $3"
}
sources=$(git ls-files 'src/*.c' 'include/*.h' 'src/*.h')
banned '\b(sprintf|strcpy|strcat|strtok|atoi|atol|rand|srand|gmtime|localtime|alloca)\(' "$sources" "banned: unsafe or not thread-safe"
banned '\bassert\(' "$sources" "use MUST or DMUST"
not_base=$(git ls-files 'src/*.c' | grep -v '^src/base/')
banned '(^|[^_a-z])(malloc|calloc|realloc|free)\(' "$not_base" "memory goes through base/mem.h"
banned '\b(TODO|FIXME|XXX)\b' "$sources" "unfinished work belongs in an issue"

# --- every header says what it is ----------------------------------------------------------------------------
while read -r file; do
    [ "$(head -c 2 "$file")" = '/*' ] || report "$file: no file comment"
    grep -q '^#pragma once' "$file" || report "$file: no #pragma once"
done < <(git ls-files 'src/*.h' 'include/*.h')

# --- every room has a page -----------------------------------------------------------------------------------
for room in src/*/; do
    [ -f "$room/README.md" ] || report "$room: no README.md"
    [ ! -f "$room/README.md" ] || [ "$(wc -l <"$room/README.md")" -le 40 ] || report "$room/README.md: over 40 lines"
done
exit $bad
