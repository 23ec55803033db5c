#!/bin/sh
# How fast it is: installs what is missing, then backs up and restores beside other ways to do so.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh tests
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
exec node bench/run.ts "$@"
