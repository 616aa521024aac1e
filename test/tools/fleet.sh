#!/usr/bin/env bash
# fleet.sh {start|stop|status} BUILD_DIR - three servers for `make fleet`: a hub and two nodes, from BUILD_DIR/pg, with
# their data in BUILD_DIR/fleet_hub, fleet_node_1 and fleet_node_2.
#
# start makes them anew: a fleet that was joined before has slots, which a database that is dropped would leave behind.
set -euo pipefail

die() { printf 'fleet: %s\n' "$*" >&2; exit 1; }

(( $# == 2 )) && [[ $1 =~ ^(start|stop|status)$ ]] || die "usage: fleet.sh {start|stop|status} BUILD_DIR"
build=$(cd -P -- "$2" && pwd)
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
servers=(fleet_hub fleet_node_1 fleet_node_2)

# Everything else that a fleet of three needs is PostgreSQL's default. The first wait is for a demo that nobody sits and
# watches: a subscription that could not connect tries again after this.
export TW_SETTINGS="wal_level = logical
wal_retrieve_retry_interval = 500ms"

for server in "${servers[@]}"; do
    case $1 in
        start)
            if [[ -d $build/$server ]]; then
                bash "$here/cluster.sh" stop "$build" "$server" >/dev/null
                rm -rf -- "${build:?}/$server"
            fi
            bash "$here/cluster.sh" start "$build" "$server" >/dev/null
            ;;
        stop)
            [[ ! -d $build/$server ]] || bash "$here/cluster.sh" stop "$build" "$server" >/dev/null
            ;;
        status)
            printf '%s\n' "$server"
            bash "$here/cluster.sh" status "$build" "$server" | sed -n '2,$p'
            ;;
    esac
done
[[ $1 != stop ]] || printf 'fleet: the hub and both nodes are stopped\n'
