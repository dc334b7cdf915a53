#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=1800
#
# The daemon is killed again and again while four clients assign, open and release; whatever it was in the middle of, nothing is ever
# half given, and everything comes back. 25 rounds on each kernel; the script's arguments
# (after --) are another number of rounds, and a seed.

. "$(dirname "$0")/daemon.sh"

host=$(host_record)
rounds=${1:-25}
seed=${2:-$RANDOM}

# systemd waits a second before it starts the daemon again, which would be most of the test.
dropin=/run/systemd/system/assignd.service.d
mkdir -p "$dropin"
printf '[Service]\nRestartSec=10ms\n' >"$dropin/kill.conf"
systemctl daemon-reload
dropin_remove() {
        rm -r "$dropin"
        systemctl daemon-reload
        lab_exit
}
trap dropin_remove EXIT

if python3 "$(dirname "$0")/kill-rounds.py" "$rounds" "$seed" >"$scratch/rounds" 2>&1; then
        pass "$rounds times the daemon is killed under load and nothing is half given"
else
        fail "$rounds times the daemon is killed under load and nothing is half given" "see below"
fi
sed 's/^/    /' "$scratch/rounds"
check_host "the host has every driver and override as before" "$host"
check_equal "nobody has anything" "" "$(sql "SELECT * FROM current_assignments")"
check_equal "the database is whole" ok "$(sqlite3 -readonly "$database" "PRAGMA integrity_check")"
