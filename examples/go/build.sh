#!/bin/sh
# Builds build/adapter. Needs Go 1.19 or newer and no network.
set -eu
cd "$(dirname "$0")"
export GOFLAGS=-mod=mod GOPROXY=off GOWORK=off GOTOOLCHAIN=local CGO_ENABLED=0
if [ -z "${HOME:-}" ]; then # Go keeps its caches in the home directory
    : "${GOCACHE:=$PWD/build/cache}" "${GOPATH:=$PWD/build/path}"
    export GOCACHE GOPATH
fi
mkdir -p build
go build -trimpath -buildvcs=false -o build/adapter .
