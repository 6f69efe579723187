#!/bin/sh
# Make .venv hold the packages of one hash-pinned lock: envs/create.sh run|test|bench
# Needs a shell and either uv or any Python 3 with pip. Does nothing when the
# environment already holds that lock.
set -eu
cd "$(dirname "$0")/.."

group=${1:-run}
lock=envs/$group.txt
stamp=.venv/installed.txt
fail() {
    echo "summands: $*" >&2
    exit 1
}
[ -f "$lock" ] || fail "there is no $lock; groups are: run, test, bench"

# A line per lock that the environment holds: name and checksum.
entry() { echo "$1 $(cksum <"envs/$1.txt")"; }
if [ -x .venv/bin/python ] && [ -f "$stamp" ] && grep -qxF "$(entry "$group")" "$stamp"; then
    exit 0
fi

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 12) <= sys.version_info[:2] < (3, 15))' \
        >/dev/null 2>&1
}

# The version that the lock was tested with first, then its neighbours. pyenv keeps
# Pythons that its own python3 does not show, so its folder is looked into as well.
find_python() {
    for candidate in python3.13 python3.12 python3.14 python3 python; do
        if supported "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    pyenv_root=$(pyenv root 2>/dev/null) || return 0
    for version in 3.13 3.12 3.14; do
        for candidate in "$pyenv_root/versions/$version".*/bin/python3; do
            if supported "$candidate"; then
                echo "$candidate"
                return
            fi
        done
    done
}

find_uv() {
    if command -v uv; then
        return
    fi
    if [ ! -x .venv/uv/bin/uv ]; then
        python3 -m pip --version >/dev/null 2>&1 ||
            fail "no uv and no python3 with pip found: install one of the two"
        PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps \
            --disable-pip-version-check --require-hashes \
            --upgrade --target .venv/uv -r envs/uv.txt >&2 ||
            fail "pip could not install uv (see above): check the network or install uv"
    fi
    echo "$PWD/.venv/uv/bin/uv"
}

echo "summands: setting up the Python environment in .venv (once, from $lock)"
uv=$(find_uv)
if [ ! -x .venv/bin/python ] || ! supported .venv/bin/python; then
    python=$(find_python)
    if [ -z "$python" ]; then
        python=3.13
        "$uv" python install --quiet "$python" ||
            fail "no Python of 3.12 to 3.14 here, and uv could not fetch one: install Python 3.13 (with your package manager, pyenv or conda) and try again"
    fi
    "$uv" venv --quiet --allow-existing --python "$python" .venv
fi
# Bytecode is compiled here, once: without it every job pays seconds for its imports.
"$uv" pip install --quiet --python .venv/bin/python --require-hashes \
    --compile-bytecode -r "$lock" ||
    fail "the packages of $lock could not be installed (see above)"
# The other locks are the run lock and more, so they serve for both.
if [ "$group" = run ]; then entry run; else entry run; entry "$group"; fi >"$stamp"
