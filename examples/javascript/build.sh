#!/bin/sh
# Installs the pinned sharp into node_modules.
set -eu
cd "$(dirname "$0")"
npm ci --ignore-scripts --no-audit --no-fund
