#!/bin/sh
# Compiles the adapter to build/adapter beside this file. CXX and CXXFLAGS may say otherwise.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$here/build"
# -ffp-contract=off: no fused multiply-add, which section 1 of the standard forbids
"${CXX:-g++}" -std=c++17 -O2 -ffp-contract=off -Wall -Wextra -Wpedantic ${CXXFLAGS:-} \
    -o "$here/build/adapter" "$here/adapter.cpp"
