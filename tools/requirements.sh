#!/bin/sh
# Resolves the dependencies for every supported Python and platform at once, and writes them
# with the hash of each file that may be installed. $BIN holds uv. With UPGRADE= (empty) what is
# pinned stays as it is, and only what is missing is added.
set -eu

resolve() {
    output=$1
    shift
    "$BIN/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --custom-compile-command 'make requirements' ${UPGRADE---upgrade} "$@" --output-file "requirements/$output"
}

resolve run.txt pyproject.toml
# Versions that both need are those of run.txt, so the two can be installed over one another.
resolve build.txt --group build --constraint requirements/run.txt
resolve dev.txt --group dev --constraint requirements/run.txt --constraint requirements/build.txt
