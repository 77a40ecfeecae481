#!/bin/sh
# Builds the adapter to target/release/adapter beside this file: from Debian's packaged crates where they are
# installed (no network is needed), from crates.io otherwise. CARGO may name another cargo; arguments go to it.
set -eu
cd "$(dirname "$0")"
if ls -d /usr/share/cargo/registry/image-0.24.* >/dev/null 2>&1; then
    set -- --offline --config debian.toml "$@"
fi
exec "${CARGO:-cargo}" build --release "$@"
