#!/usr/bin/env bash
# The tests on each Python that is found here, and on the first one also with the oldest SQLAlchemy and Alembic.
set -euo pipefail
cd "$(dirname "$0")/.."

run() {
    local venv="$1"
    echo "== $("$venv/bin/python" --version), SQLAlchemy $("$venv/bin/python" -c 'import sqlalchemy as s; print(s.__version__)')"
    "$venv/bin/python" -m pytest -n "${WORKERS:-2}"
}

found=0
for python in python3.11 python3.12 python3.13; do
    "$python" -c 'import venv' 2>/dev/null || continue
    found=1
    venv=".venv-$python"
    make --no-print-directory VENV="$venv" PYTHON="$python" "$venv/.installed"
    run "$venv"
    if [ ! -e .venv-lowest ]; then
        make --no-print-directory VENV=.venv-lowest PYTHON="$python" .venv-lowest/.installed
        .venv-lowest/bin/pip --quiet --disable-pip-version-check install 'sqlalchemy==2.0.0' 'alembic==1.13.0'
    fi
done
[ "$found" = 1 ] || { echo "no Python >= 3.11 was found" >&2; exit 1; }
run .venv-lowest
