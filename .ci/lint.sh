#!/usr/bin/env bash
# Check style, types, spelling and the schemas of configuration files. Nothing is changed.
#
#   .ci/lint.sh    # with the programs of .ci/lint.txt on the PATH: pip install -r .ci/lint.txt
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()

check() { "$@" || failed+=("$*"); }
tracked() { git ls-files -z -- "$@"; }
each() { # COMMAND... -- PATTERN...: the command on the tracked files of these patterns
    local command=()
    while [ "$1" != -- ]; do command+=("$1"); shift; done
    tracked "${@:2}" | xargs -0 "${command[@]}" || failed+=("${command[*]}")
}

check ruff check .
check ruff format --check .
check mypy
each codespell -- ':!*.png' ':!*.svg' ':!*.json' ':!*.html'
each cython-lint -- '*.pyx' '*.pxd'
each clang-format --dry-run -Werror -- '*.c' '*.h'
each check-jsonschema --builtin-schema vendor.github-workflows -- '.github/workflows/*.yml'
check check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

if [ ${#failed[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}"
    exit 1
fi
