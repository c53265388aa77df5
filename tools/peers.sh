#!/usr/bin/env bash
# Installs other migration tools, so that tests can share histories with the real ones: target/peers/bin/NAME starts each.
#
#   tools/peers.sh              those that install within a minute together: what `make test` uses
#   tools/peers.sh all          those, and the ones that are large or are compiled: what `make test-peers` uses
#   tools/peers.sh NAME…        just these
#
# Idempotent. What cannot be had is said, and the tests against it are then skipped by name; that is no failure of this script.
# Nothing that is installed already is upgraded.
set -uo pipefail
cd "$(dirname "$0")/.."
here=$PWD/target/peers
bin=$here/bin
mkdir -p "$bin"
quick="sqitch sql-migrate dbmate graphile-migrate node-pg-migrate yoyo alembic"
slow="supabase liquibase sqlx diesel refinery"

start() { # name, command line
    printf '#!/bin/sh\nexec %s "$@"\n' "$2" >"$bin/$1"
    chmod 0755 "$bin/$1"
}

from_apt() { # program, packages…
    local program=$1
    shift
    if ! command -v "$program" >/dev/null; then
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
        echo "peers.sh: installing Debian's $*" >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-upgrade "$@" >/dev/null 2>&1 || {
            apt-get update -qq >&2 || true
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-upgrade "$@" >/dev/null || return 1
        }
    fi
    start "$program" "$(command -v "$program")"
}

from_npm() { # name, script below node_modules, packages…
    local name=$1 script=$2
    shift 2
    command -v npm >/dev/null || return 1
    local folder=$here/npm-$name
    if [ ! -e "$folder/node_modules/$script" ]; then
        echo "peers.sh: installing npm's $*" >&2
        mkdir -p "$folder"
        (cd "$folder" && [ -e package.json ] || echo '{"private": true}' >"$folder/package.json")
        (cd "$folder" && npm install --silent --no-audit --no-fund --no-save "$@" >/dev/null) || return 1
    fi
    [ -e "$folder/node_modules/$script" ] || return 1
    start "$name" "node '$folder/node_modules/$script'"
}

from_pypi() { # name, module, packages…
    local name=$1 module=$2
    shift 2
    local folder=$here/pypi
    if [ ! -e "$folder/.$name" ]; then
        python3 -m pip --version >/dev/null 2>&1 || return 1
        echo "peers.sh: installing PyPI's $*" >&2
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --upgrade --target "$folder" "$@" >/dev/null 2>&1 || return 1
        touch "$folder/.$name"
    fi
    start "$name" "env PYTHONPATH='$folder' python3 -m $module"
}

from_cargo() { # name, crate, feature
    if [ ! -x "$here/cargo/bin/$1" ]; then
        echo "peers.sh: compiling the crate $2, which takes minutes" >&2
        CARGO_TARGET_DIR="$here/cargo-target" CARGO_PROFILE_DEV_DEBUG=0 nice -n 10 cargo install --quiet --debug --locked --root "$here/cargo" "$2" \
            --no-default-features --features "$3" || return 1
    fi
    start "$1" "$here/cargo/bin/$1"
}

one() {
    case "$1" in
        sqitch) from_apt sqitch sqitch libdbd-pg-perl ;;
        sql-migrate) from_apt sql-migrate sql-migrate ;;
        dbmate) from_npm dbmate dbmate/dist/cli.js dbmate ;;
        graphile-migrate) from_npm graphile-migrate graphile-migrate/dist/cli.js graphile-migrate ;;
        node-pg-migrate) from_npm node-pg-migrate node-pg-migrate/bin/node-pg-migrate.js node-pg-migrate pg ;;
        yoyo) from_pypi yoyo yoyo yoyo-migrations psycopg2-binary ;;
        alembic) from_pypi alembic alembic alembic "psycopg[binary]" ;;
        supabase) from_npm supabase supabase/dist/supabase.js supabase ;;
        liquibase)
            command -v java >/dev/null || return 1
            from_npm liquibase liquibase/dist/liquibase/liquibase.jar liquibase@4.4.0 || return 1
            local jars=$here/npm-liquibase/node_modules/liquibase/dist
            start liquibase "java -cp '$jars/liquibase/liquibase.jar:$jars/liquibase/lib/*:$jars/drivers/postgresql-42.2.8.jar' liquibase.integration.commandline.Main"
            ;;
        sqlx) from_cargo sqlx sqlx-cli postgres ;;
        diesel) from_cargo diesel diesel_cli postgres ;;
        refinery) from_cargo refinery refinery_cli postgresql ;;
        *)
            echo "peers.sh: no such tool: $1" >&2
            exit 2
            ;;
    esac
}

case "${1:-quick}" in
    quick) names=$quick ;;
    all) names="$quick $slow" ;;
    *) names=$* ;;
esac
for name in $names; do
    if one "$name"; then
        echo "$name: $bin/$name"
    else
        rm -f "$bin/$name"
        echo "NOT TESTED against $name: it cannot be had here" >&2
    fi
done
