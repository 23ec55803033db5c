#!/bin/sh
# Everything that must hold before a change lands: installs what is missing, checks, tests.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh tests
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
npm run -s check
exec node node_modules/vitest/vitest.mjs run "$@"
