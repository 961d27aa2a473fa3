#!/usr/bin/env bash
# Pins and hashes what pyproject.toml and dev.in ask for. Run it with the oldest Python that is supported, so that what
# only that one needs is in the files too; the hashes cover every Python and platform that the index has files for.
set -euo pipefail
cd "$(dirname "$0")/.."

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work"
"$work/bin/pip" --quiet --disable-pip-version-check install 'pip-tools==7.6.2'

compile() {
    "$work/bin/pip-compile" --quiet --generate-hashes --no-strip-extras --no-header --no-emit-index-url \
        --no-emit-find-links --no-emit-trusted-host --output-file "$@"
}
compile requirements/runtime.txt pyproject.toml
compile requirements/dev.txt requirements/dev.in pyproject.toml
# After an empty line it is said that pip itself, which pip-audit asks for, is not pinned: every environment has one.
sed -i '/^$/,$d' requirements/dev.txt
