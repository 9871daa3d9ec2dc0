#!/usr/bin/env bash
# The C sources by themselves: warnings of two compilers, and some thousands of inputs from a fuzzer. Their tests, under
# sanitizers and on an emulated ARM processor too, are tests/test_c_sources.py.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

in_parallel() { xargs -P "$(nproc)" -I{} sh -ec "$1"; }

echo "warnings"
for compiler in gcc clang-14; do
    printf '%s\n' src_c/*.c | in_parallel \
        "$compiler -std=c11 -O2 -Wall -Wextra -Werror -Isrc_c/include -c {} -o $work/$compiler-\$(basename {}).o"
done

echo "fuzzing"
mkdir "$work/fuzz"
printf '%s\n' tests/fuzz/fuzz_plan.c tests/c/{check,oracle,problem}.c src_c/*.c | in_parallel \
    "clang-14 -std=c11 -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
     -Isrc_c/include -Itests/c -c {} -o $work/fuzz/\$(basename {}).o"
clang-14 -fsanitize=fuzzer,address,undefined "$work"/fuzz/*.o -lm -o "$work/fuzz_plan"
"$work/fuzz_plan" -runs=5000 -seed=1 -max_len=48 -len_control=0 -artifact_prefix="$work/" \
    -print_final_stats=1 >"$work/fuzz.log" 2>&1 || {
    tail -40 "$work/fuzz.log"
    for input in "$work"/crash-* "$work"/oom-* "$work"/timeout-*; do
        [ ! -f "$input" ] || printf 'input: %s\n' "$(base64 -w0 "$input")"
    done
    exit 1
}
grep -E '^Done|number_of_executed_units' "$work/fuzz.log"
