#!/bin/sh
# Build the wheel, install it in a clean environment away from the sources, make a project with it.
# usage: wheel.sh PYTHON (one that has `build`)
set -eu
python=$1
here=$(pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$python" -m build --quiet --wheel --outdir "$place/dist" .
"$python" -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet -c "$here/constraints.txt" torch==2.13.0
"$place/venv/bin/python" -m pip install --quiet -c "$here/constraints.txt" "$place"/dist/*.whl
cd "$place"
export AUTORESEARCH_HOME="$place/home" GIT_AUTHOR_NAME=w GIT_AUTHOR_EMAIL=w@localhost
export GIT_COMMITTER_NAME=w GIT_COMMITTER_EMAIL=w@localhost
PATH="$place/venv/bin:$PATH"
autoresearch --version
for template in curriculum mlx blank; do
    autoresearch init "$template" --template "$template" --profile cpu
done
autoresearch init project --profile cpu
cd project
autoresearch prepare
autoresearch run --proposer optuna --budget 2s --experiments 2
autoresearch status
autoresearch report --no-open
