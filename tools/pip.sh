#!/usr/bin/env bash
# Installs one PyPI package, without its dependencies, into a folder: tools/pip.sh FOLDER PACKAGE. Needs Python 3 with pip, which it
# installs from the system's packages where it may.
set -euo pipefail
folder=$1 package=$2
if ! python3 -m pip --version >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "pip.sh: installing Debian's python3-pip" >&2
        apt-get update -qq >&2 || true
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-pip >&2
    else
        echo "pip.sh: $package comes from PyPI, and python3 has no pip: install python3-pip, then try again" >&2
        exit 1
    fi
fi
mkdir -p "$folder"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --upgrade --target "$folder" "$package" >&2
