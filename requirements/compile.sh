#!/usr/bin/env bash
# Pins and hashes what pyproject.toml and dev.in ask for, for every Python that is supported and every platform: what only
# some need has a marker. What is pinned already stays as it is; UPGRADE=1 looks for newer versions.
set -euo pipefail
cd "$(dirname "$0")/.."

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work"
"$work/bin/pip" --quiet --disable-pip-version-check install 'uv==0.13.9'

compile() {
    "$work/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
        --no-header --no-emit-index-url --no-emit-find-links --no-emit-package pip ${UPGRADE:+--upgrade} --output-file "$@"
}
compile requirements/runtime.txt pyproject.toml
compile requirements/dev.txt requirements/dev.in pyproject.toml
