#!/bin/sh
# Compiles Adapter.java to build/. Needs a JDK of Java 17 or newer and no network.
set -eu
cd "$(dirname "$0")"
mkdir -p build
javac --release 17 -encoding UTF-8 -Xlint:all -d build Adapter.java
