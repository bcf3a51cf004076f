#!/bin/sh
# Makes a virtual environment and installs this project into it, at the versions of constraints.txt: `make install`.
#   sh tools/install.sh FOLDER [PYTHON]
# Needs a Python of 3.11 or newer that can make environments by itself (venv with ensurepip), or has virtualenv or pip, or uv.
set -eu

folder=$1
wanted=${2:-}
extras='.[dev]'

fail() {
    echo "homeward: $1" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    if [ -n "$wanted" ]; then
        new_enough "$wanted" || fail "PYTHON=$wanted is not a Python of 3.11 or newer"
        python=$wanted
        return
    fi
    for python in python3 python3.13 python3.12 python3.11 python3.14 python; do
        if new_enough "$python"; then
            return
        fi
    done
    fail "no Python of 3.11 or newer in PATH; install one, or say where it is: make install PYTHON=/path/to/python3.12"
}

# Each way leaves an environment whose own pip works.
make_environment() {
    rm -rf "$folder"
    if "$python" -c 'import ensurepip, venv' 2>/dev/null && "$python" -m venv "$folder"; then
        return
    fi
    rm -rf "$folder"
    if "$python" -m virtualenv --version >/dev/null 2>&1 && "$python" -m virtualenv -q "$folder"; then
        return
    fi
    rm -rf "$folder"
    if "$python" -m pip --version >/dev/null 2>&1 && "$python" -m venv --without-pip "$folder" &&
        "$python" -m pip --python "$folder/bin/python" install -q pip; then
        return
    fi
    rm -rf "$folder"
    if command -v uv >/dev/null 2>&1 && uv venv -q --seed --python "$python" "$folder"; then
        return
    fi
    rm -rf "$folder"
    fail "$(command -v "$python") cannot make a virtual environment (Debian leaves ensurepip out of its Python).
  Any one of these mends it:  apt install python3-venv  ·  a Python from elsewhere: make install PYTHON=/path/to/python3
  ·  pip, virtualenv or uv on this account"
}

find_python
if [ -x "$folder/bin/python" ] && new_enough "$folder/bin/python" && "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    echo "homeward: updating $folder"
else
    echo "homeward: making $folder with $("$python" --version)"
    make_environment
fi
echo "homeward: installing (a minute or so, once)"
"$folder/bin/python" -m pip install -q --disable-pip-version-check -c constraints.txt -e "$extras"
"$folder/bin/homeward" --version
