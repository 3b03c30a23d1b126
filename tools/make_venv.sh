#!/bin/sh
# Makes the virtual environment $1 with a Python of 3.11 or later: $PYTHON if set, else found.
set -eu
venv=$1

if [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

found=
for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}; do
    if fits "$candidate"; then
        found=$candidate
        break
    fi
done

if [ -z "$found" ]; then
    echo "Tocsin needs Python 3.11 or later; tried: ${PYTHON:-python3.11 to python3.14, python3}." >&2
    echo "Install one with your system's packages, or name it: make up PYTHON=path/to/python3" >&2
    exit 1
fi

if ! "$found" -c 'import venv, ensurepip' 2>/dev/null; then
    echo "$found cannot make virtual environments (its venv or ensurepip module is missing)." >&2
    echo "On Debian and Ubuntu: apt install python3-venv" >&2
    exit 1
fi

echo "Making $venv with $("$found" --version) …"
"$found" -m venv --clear "$venv"
