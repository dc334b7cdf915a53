#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=600
#
# Programs that have a device open which is to be given back: they are named, or waited for, whoever they got it from, and nobody
# else gets the group before the kernel has let go.

. "$(dirname "$0")/daemon.sh"

host=$(host_record)

daemon_pid() {
        systemctl show --property=MainPID --value assignd.service
}

daemon_is_another() {
        local pid
        pid=$(daemon_pid)
        [ "$pid" != "$1" ] && [ "$pid" != 0 ] && systemctl is-active --quiet assignd.service
}

state_is() {
        [ "$(state_of "$1")" = "$2" ]
}

log_says() {
        journalctl --unit=assignd.service --boot --output=cat | grep -qF -- "$1"
}

# Milliseconds that a command takes under emulation, its process included.
took() {
        local begin
        begin=$(date +%s%N)
        "$@" >/dev/null 2>&1
        printf '%s' $((($(date +%s%N) - begin) / 1000000))
}

# --- A release says who has the devices open, and begins nothing.

assign-ctl assign --owner vm:held 02:00.0 >/dev/null || fail "assign to vm:held"
assigned=$(host_record)
hold_begin "--assignment=$(assignment_path vm:held)" || fail "the devices are held"
check_refused "a release names the program that has a device open" 4 "pid $hold_pid (consumer)" assign-ctl release vm:held
check_equal "as a blocker" "in-use-open" "$(assign-ctl --json release vm:held | json '" ".join(sorted({b["code"] for b in data["error"]["blockers"]}))')"
check_host "nothing was begun" "$assigned"
check_equal "the owner still has it" assigned "$(state_of 02:00.0)"
check_equal "the trail tells of the refusals" 2 "$(sql "SELECT count(*) FROM audit_log WHERE owner = 'vm:held' AND verb = 'release' AND outcome = 'failed'")"
hold_end
check_equal "the holder noticed nothing" 0 "$?"
check "then it is given back" assign-ctl release vm:held
check_host "exactly" "$host"

# --- A holder that keeps a device for 30 s, while the daemon is killed.

assign-ctl assign --owner vm:kept 02:00.0 >/dev/null || fail "assign to vm:kept"
hold_begin "--assignment=$(assignment_path vm:kept)" || fail "the devices are held"
begun=$(date +%s)
assign-ctl release --wait 300 vm:kept >"$scratch/release" 2>&1 9>&- &
releasing=$!
check "with --wait the unbind is begun" wait_for 30 driver_is 0000:02:00.0 ""
check_equal "the group is releasing at once" releasing "$(state_of 02:00.0)"
check "the log names whom it waits for" wait_for 10 log_says "pid $hold_pid (consumer) has"

pid=$(daemon_pid)
kill -KILL "$pid"
check "a killed daemon comes back" wait_for 60 daemon_is_another "$pid"
wait "$releasing"
check_equal "whoever waited hears that the daemon has gone" 8 "$?"
check_equal "the group is still releasing" releasing "$(state_of 02:00.0)"

changes=
while [ $(($(date +%s) - begun)) -lt 30 ]; do
        state_is 02:00.0 releasing || changes="$changes $(state_of 02:00.0)"
        assign-ctl assign --owner vm:other 02:00.1 >/dev/null 2>&1
        [ $? -eq 5 ] || changes="$changes given"
        sleep 1
done
check_equal "for 30 s nobody else gets it" "" "$changes"
check "the holder still holds it" kill -0 "$hold_pid"
printf '    list took %s ms meanwhile, show %s ms\n' "$(took assign-ctl list)" "$(took assign-ctl show 06:00.0)"
check "another group is taken, used and given back meanwhile" assign-ctl run --owner vm:other 01:00.0 -- "$consumer"
hold_end
check_equal "the holder could use its devices until its end" 0 "$?"
check "then the release goes to its end by itself" wait_for 60 state_is 02:00.0 host
check_host "and every driver and override is as before" "$host"
check_equal "nobody has anything" "" "$(sql "SELECT * FROM current_assignments")"

# --- Without the capability to look, it is said that not everybody was seen.

mkdir -p /run/systemd/system/assignd.service.d
printf '[Service]\nCapabilityBoundingSet=\nCapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_CHOWN CAP_SYS_RESOURCE\n' >/run/systemd/system/assignd.service.d/blind.conf
systemctl daemon-reload
systemctl restart assignd.service
assign-ctl assign --owner vm:unseen 02:00.0 >/dev/null || fail "assign to vm:unseen"
hold_begin "--assignment=$(assignment_path vm:unseen)" || fail "the devices are held"
check_status "a release that cannot see the holder begins, and waits" 5 assign-ctl release --wait 2 vm:unseen
check "the log says that somebody may hold it who was not seen" log_says "processes could not be looked into"
hold_end
check "it completes by itself when the holder ends" wait_for 60 state_is 02:00.0 host
check_host "with every driver and override as before, unseen" "$host"
rm -r /run/systemd/system/assignd.service.d
systemctl daemon-reload
systemctl restart assignd.service

# --- The owner is gone, and a process that it sent an fd to still has it.

cat >"$scratch/second.py" <<'PYTHON'
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
connection, _ = listener.accept()
_, fds, _, _ = socket.recv_fds(connection, 1, 1)
print("holding", flush=True)
connection.send(b"x")
connection.close()
sys.stdin.read()
PYTHON
cat >"$scratch/first.py" <<'PYTHON'
import json, os, socket, sys
devices = json.loads(os.environ["ASSIGND_FDS"])["devices"]
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
socket.send_fds(connection, [b"x"], [devices["0000:02:00.0"]])
connection.recv(1)
PYTHON

mkfifo "$scratch/second.in"
python3 "$scratch/second.py" "$scratch/second.socket" <"$scratch/second.in" >"$scratch/second" 9>&- &
second=$!
exec 9>"$scratch/second.in"
wait_for 30 test -S "$scratch/second.socket"
assign-ctl run --owner vm:gone --timeout 3 02:00.0 -- python3 "$scratch/first.py" "$scratch/second.socket" >"$scratch/run" 2>&1 9>&-
check_equal "the owner has ended, and giving back takes longer than it waits" 5 "$?"
check "the second process has the fd" grep -q holding "$scratch/second"
check_equal "the group is releasing" releasing "$(state_of 02:00.0)"
check "the log names the second process" wait_for 60 log_says "pid $second (python3) has"
check_status "nobody else gets it" 5 assign-ctl assign --owner vm:other 02:00.1
exec 9>&-
wait "$second"
check "it completes by itself when the second process ends" wait_for 60 state_is 02:00.0 host
check_host "with every driver and override as before" "$host"
check "the group can be assigned again" assign-ctl run --owner vm:again 02:00.0 -- "$consumer"
check_equal "no operation is left open" 0 "$(sql "SELECT count(*) FROM operations WHERE finished_usec IS NULL")"
