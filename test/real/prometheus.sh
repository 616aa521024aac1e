#!/usr/bin/env bash
# prometheus.sh {install|start|stop} BUILD_DIR - Prometheus and postgres_exporter, as Debian packs them.
#
# The packages are unpacked, not installed: installed, they would start services on this machine. The test starts and
# ends the programs itself. Ends with 77 where apt-get cannot give them.
set -euo pipefail

action=$1
home=$2/real/prometheus
run=$2/real/run/prometheus
bin=$home/root/usr/bin

case $action in
install)
    if [[ -x $bin/promtool && -x $bin/prometheus && -x $bin/prometheus-postgres-exporter ]]; then exit 0; fi
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || exit 77
    mkdir -p "$home/packages"
    cd "$home/packages"
    apt-get -qq download prometheus prometheus-postgres-exporter 2>/dev/null || exit 77
    for package in *.deb; do dpkg-deb -x "$package" "$home/root"; done
    ;;
start)
    mkdir -p "$run"
    printf 'PROMETHEUS_BIN=%s\n' "$bin" >"$run/env"
    ;;
stop) ;;
*)
    printf 'usage: prometheus.sh {install|start|stop} BUILD_DIR\n' >&2
    exit 1
    ;;
esac
