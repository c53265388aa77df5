#!/usr/bin/env bash
# Has Chromium on the path for the tests that look at reports in a browser: an installed one, else Debian's package (as root).
# Says on stderr what it installs before it does. Where it cannot be had, says so; the tests then say that they did nothing.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "chromium.sh: installing Debian's chromium package" >&2
    apt-get update -qq >&2 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >&2 && exit 0
fi
echo "NOT TESTED in a browser: Chromium cannot be had here" >&2
