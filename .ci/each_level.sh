#!/usr/bin/env bash
# The tests of the installed package that need no compiler, no MPI and no data, at every level of this processor.
#
#   .ci/each_level.sh SOURCE_TREE    # with the environment's `python` first on the PATH
set -euo pipefail
source=$1
work=$(python -c 'import tempfile; print(tempfile.mkdtemp())')
trap 'python -c "import shutil, sys; shutil.rmtree(sys.argv[1])" "$work"' EXIT

# In a folder of their own: tests that look for files of the source tree skip there.
python - "$source" "$work" <<'PYTHON'
import shutil, sys
from pathlib import Path

source, work = map(Path, sys.argv[1:])
shutil.copytree(source / "tests", work / "tests", ignore=shutil.ignore_patterns("__pycache__"))
shutil.copy(source / "pyproject.toml", work)
PYTHON
cd "$work"

run() { python -P -m pytest -q -p no:cacheprovider "$@"; }

run tests/test_kernels.py tests/test_plans.py tests/test_threads.py tests/test_cpu.py tests/test_status.py \
    tests/test_solve.py tests/test_codes.py # these go through the levels themselves, or meet none
for level in $(python -c 'import gc_core; print(*gc_core.cpu.available_levels())'); do
    echo "level $level"
    GRADCODE_LEVEL=$level run tests/test_schemes.py
done
