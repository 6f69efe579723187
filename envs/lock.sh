#!/bin/sh
# Renew the locks envs/*.txt from pyproject.toml.
# Requirement files name no registry, unlike uv.lock, and pip can install them too.
set -eu
cd "$(dirname "$0")/.."

uv=$(command -v uv || echo .venv/uv/bin/uv)
compile() {
    "$uv" pip compile --quiet --universal --python-version 3.12 --generate-hashes \
        --upgrade --custom-compile-command "make lock" "$@"
}
echo uv | compile - --output-file envs/uv.txt
compile pyproject.toml --output-file envs/run.txt
# The run lock constrains the others, so that tests see what users run.
for group in test bench; do
    compile pyproject.toml --group $group --constraint envs/run.txt \
        --output-file envs/$group.txt
done

# The conda environment takes its versions from the run lock.
awk 'NR == FNR { if (split($1, pin, "==") == 2) version[pin[1]] = pin[2]; next }
     match($0, /^  - [a-z0-9-]+=/) {
         name = substr($0, 5, RLENGTH - 5)
         if (name in version) $0 = "  - " name "=" version[name]
     }
     { print }' envs/run.txt envs/summands.yaml >envs/summands.yaml.part
mv envs/summands.yaml.part envs/summands.yaml
