#!/bin/sh
# The main job from nothing: init, prepare, run, status, diff, report. Ends with an error if anything does.
# usage: demo.sh DIRECTORY BUDGET EXPERIMENTS
set -eu
directory=$1 budget=$2 experiments=$3

if ! git config user.email >/dev/null; then
    # A demo must not stop at a fresh machine's missing git identity; real projects ask for one.
    export GIT_AUTHOR_NAME=demo GIT_AUTHOR_EMAIL=demo@localhost
    export GIT_COMMITTER_NAME=demo GIT_COMMITTER_EMAIL=demo@localhost
fi

say() { printf '\n$ %s\n' "$*"; "$@"; }

say autoresearch init "$directory" --profile cpu
cd "$directory"
say autoresearch prepare --corpus stdlib
say autoresearch run --proposer optuna --budget "$budget" --experiments "$experiments" --tag demo
say autoresearch status
say autoresearch diff "$(autoresearch status --tsv | wc -l | awk '{print $1 - 1}')"
say git log --oneline --all --graph
say autoresearch report --no-open
