#!/bin/sh
# Holdfast against the script that an expert would write, and restic where it is installed; then the
# pure plan at scale. Installs what is missing first. Options: npm run bench -- --help
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh tests
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
exec node bench/run.ts "$@"
