#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=1200
#
# Somebody else writes to sysfs, before and after every step of an assign and of a release, by way of a worker that does so itself at the
# chosen moment: never is anything half given, and whatever is not as it should be is told. Each kernel does half of the rounds, so that
# every write happens at every step on both, before it on the one and after it on the other; the argument `all` (after --) does all of them.

. "$(dirname "$0")/daemon.sh"

host=$(host_record)
dropin=/run/systemd/system/assignd.service.d
mkdir -p "$dropin"
printf '[Service]\nExecStart=\nExecStart=/usr/libexec/assignd --worker=/usr/libexec/assignd-tests/interfering-worker\n' >"$dropin/interference.conf"
dropin_remove() {
        rm -r "$dropin"
        systemctl daemon-reload
        lab_exit
}
trap dropin_remove EXIT
systemctl daemon-reload
check "assignd starts with the worker that interferes" systemctl restart assignd.service

half=()
if [ "${1:-}" != all ]; then
        case $lab_kernel in
        stock) half=(0) ;;
        *) half=(1) ;;
        esac
fi
if python3 "$(dirname "$0")/interfere-rounds.py" "${half[@]}" >"$scratch/rounds" 2>&1; then
        pass "nothing is half given and nothing kept quiet whatever somebody else writes at any step"
else
        fail "nothing is half given and nothing kept quiet whatever somebody else writes at any step" "see below"
fi
sed 's/^/    /' "$scratch/rounds"
check_host "the host has every driver and override as before" "$host"
check_equal "nobody has anything" "" "$(sql "SELECT * FROM current_assignments")"
