#!/bin/sh
# The quickstart: installs what is missing, then runs the daemon on examples/quickstart.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
exec node_modules/.bin/node examples/quickstart/start.ts
