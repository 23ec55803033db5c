#!/bin/sh
# Format, lint, layer rules and types, in seconds. Biome's binary is depended on by platform, as
# Node's is: its wrapper names packages for platforms that not every registry carries.
set -eu
cd "$(dirname "$0")/.."
case "$(uname -m)" in
  x86_64) biome=node_modules/@biomejs/cli-linux-x64/biome ;;
  aarch64) biome=node_modules/@biomejs/cli-linux-arm64/biome ;;
  *) echo "check: no biome for $(uname -m)" >&2; exit 1 ;;
esac
"$biome" check --error-on-warnings "$@"
node_modules/.bin/tsc
