#!/usr/bin/env bash
# Both calls with oha, for those who have it: at a fixed rate, flat out, and over all countries.
#
#   cargo install oha --version 1.9.0 --locked --no-default-features --features rustls     (takes minutes to build)
#   loadtest/oha.sh [http://127.0.0.1:3030] [seconds]
#
# oha sends the same headers with every request, so it is always one client address: start the gateway with a large
# RATE_LIMIT_MAX. Many addresses are for k6 (loadtest/k6) and for loadtest/compare.py.
set -euo pipefail

target="${1:-http://127.0.0.1:3030}"
seconds="${2:-30}"
here="$(cd "$(dirname "$0")" && pwd)"
codes="$(tr -s ' \n' '|' <"$here/countries.txt" | sed 's/|$//')"

command -v oha >/dev/null || { echo "oha.sh: oha is missing; see the head of this file" >&2; exit 1; }

measure() {
    echo "=== $1"
    shift
    oha --no-tui -z "${seconds}s" "$@"
}

# `--latency-correction` counts from the time a request was due, so that a stall is not hidden.
measure "count, 1,000 requests/s" -q 1000 --latency-correction -c 64 -m POST "$target/api/v1/stats?countryCode=GB"
measure "read, 1,000 requests/s" -q 1000 --latency-correction -c 64 "$target/api/v1/stats"
measure "count, flat out" -c 64 -m POST "$target/api/v1/stats?countryCode=GB"
measure "count, flat out, 249 countries" -c 64 -m POST --rand-regex-url "$target/api/v1/stats\\?countryCode=($codes)"
measure "read, flat out" -c 64 "$target/api/v1/stats"
