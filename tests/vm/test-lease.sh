#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=1200
#
# Leases under a real systemd: whatever becomes of the daemon, an assignment stays for as long as somebody holds its lease, and no
# longer.

. "$(dirname "$0")/daemon.sh"

host=$(host_record)
device=0000:01:00.0

daemon_pid() {
        systemctl show --property=MainPID --value assignd.service
}

daemon_is_another() {
        local pid
        pid=$(daemon_pid)
        [ "$pid" != "$1" ] && [ "$pid" != 0 ] && systemctl is-active --quiet assignd.service
}

kill_daemon() {
        local pid
        pid=$(daemon_pid)
        kill -KILL "$pid" && wait_for 60 daemon_is_another "$pid"
}

count_leases() {
        find /var/lib/assignd/leases -type p | wc -l
}

owner_is() {
        [ "$(ctl_json 'data["owner"]' show "group:$(group_of "$device")")" = "$1" ]
}

# run_begin NAME: `assign-ctl run` in the background, with a consumer that keeps the device open until run_end. Its output is in
# $scratch/run. Neither of the two below `check`, whose commands run in a shell of their own.
run_begin() {
        rm -f "$scratch/run.in"
        mkfifo "$scratch/run.in"
        assign-ctl run --owner "$1" "$device" -- "$consumer" --hold 8>&- <"$scratch/run.in" >"$scratch/run" 2>&1 &
        run_pid=$!
        exec 8>"$scratch/run.in"
        wait_for 60 grep -q '^holding$' "$scratch/run"
}

run_end() {
        exec 8>&-
        wait "$run_pid"
}

# --- run, while the daemon is restarted, killed, and stopped and started again.

run_begin vm:lease && pass "run holds a device" || fail "run holds a device"
check_equal "its lease lies beside the database" 1 "$(count_leases)"
check_equal "where nobody else gets at it" "700 root" "$(stat -c '%a %U' /var/lib/assignd/leases)"
taken=$(host_record)
assignments=$(sql "SELECT assignment FROM current_assignments")

pid=$(daemon_pid)
check "the daemon is restarted" timeout 60 systemctl restart assignd.service
check "and is another" daemon_is_another "$pid"
check "the owner still has the device" owner_is vm:lease
check_host "nothing changed on the host" "$taken"
check "the daemon is killed, and comes back" kill_daemon
check "the owner still has the device after that" owner_is vm:lease
check "the daemon is stopped, as for an upgrade" timeout 60 systemctl stop assignd.service
check_host "nothing changed on the host by that" "$taken"
check "and started" timeout 60 systemctl start assignd.service
check "the owner still has the device after that as well" owner_is vm:lease
check_equal "by the same assignment" "$assignments" "$(sql "SELECT assignment FROM current_assignments")"
check_equal "and nothing was begun meanwhile" "assign open" "$(sql "SELECT verb FROM audit_log" | paste -sd ' ')"
run_end
check_equal "the command still works with the device, and ends well" 0 $?
check_host "then the device is back" "$host"
check_equal "and the lease gone" 0 "$(count_leases)"

# --- The command ends while no daemon runs.

run_begin vm:orphan && pass "run holds the device again" || fail "run holds the device again"
timeout 60 systemctl stop assignd.service
systemctl mask --runtime assignd.service 2>/dev/null
run_end
status=$?
check_equal "run without a daemon at its end says that it cannot be reached" 8 "$status"
check "and who gives back" grep -q "gives the devices back when it is there again" "$scratch/run"
check "the device stays as it is meanwhile" driver_is "$device" vfio-pci
systemctl unmask --runtime assignd.service 2>/dev/null
check "the daemon starts" timeout 60 systemctl start assignd.service
check "and gives the device back" wait_for 60 driver_is "$device" e1000e
check "and then nobody has it" wait_for 60 owner_is None
check_host "exactly as it was" "$host"
check_equal "without a lease left" 0 "$(count_leases)"
check_equal "and says in the trail who did it" "release|done|assignd" "$(sqlite3 -readonly "$database" "SELECT verb, outcome, caller FROM audit_log
        ORDER BY id DESC LIMIT 1")"

# --- Everybody dies: the daemon first, then the command.

run_begin vm:dead && pass "run holds the device once more" || fail "run holds the device once more"
pid=$(daemon_pid)
kill -STOP "$pid"
kill -KILL "$run_pid"
exec 8>&-
wait "$run_pid" 2>/dev/null
wait_for 60 sh -c '! pgrep -x consumer'
kill -KILL "$pid"
check "a daemon that never heard of the end has one after it" wait_for 60 daemon_is_another "$pid"
check "which gives the device back" wait_for 60 owner_is None
check_host "as it was, too" "$host"

# --- A lease by hand: assign --lease.

mkfifo "$scratch/lease.in"
assign-ctl assign --lease --owner vm:hand "$device" <"$scratch/lease.in" >"$scratch/lease" 2>&1 &
lease_pid=$!
exec 7>"$scratch/lease.in"
check "assign --lease holds the device" wait_for 60 grep -q vm:hand "$scratch/lease"
check "the daemon is killed under it" kill_daemon
check "the device stays" owner_is vm:hand
exec 7>&-
wait "$lease_pid"
check_equal "its end is no failure" 0 $?
check_host "and gives back" "$host"

# --- A foreign hand in the directory of leases.

run_begin vm:lost && pass "run holds the device a last time" || fail "run holds the device a last time"
timeout 60 systemctl stop assignd.service
rm /var/lib/assignd/leases/*
mkfifo /var/lib/assignd/leases/4711
timeout 60 systemctl start assignd.service
check "a lease that was removed ends nothing" owner_is vm:lost
check_equal "a strange one is removed" 0 "$(count_leases)"
run_end
check_equal "run still gives back by itself" 0 $?
check_host "all of it" "$host"
