#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=1200
#
# An unbind that does not return, and a daemon that is stopped or killed at any moment: one group waits, everything else goes on,
# and no group is ever left half.

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

# The write to `unbind` has not returned: its worker is still inside it.
unbind_hangs() {
        pgrep -x assignd-worker >/dev/null && driver_is 0000:02:00.0 "" && kill -0 "$hold_pid"
}

group_state_is() {
        [ "$(state_of "$1")" = "$2" ]
}

# --- A program holds a device that is being given back.

assign-ctl assign --owner vm:held 02:00.0 >/dev/null || fail "assign to vm:held"
hold_begin "--assignment=$(assignment_path vm:held)" || fail "the devices are held"
check_refused "a release that somebody holds up ends with its time" 5 "/org/assignd1/operation/" assign-ctl release --wait 2 vm:held
check "the unbind hangs in the kernel" unbind_hangs

begin=$(date +%s%N)
assign-ctl list >"$scratch/list"
status=$?
printf '    list took %s ms under emulation, with the process that asks\n' $((($(date +%s%N) - begin) / 1000000))
check_equal "list answers" 0 "$status"
check "while the unbind still hangs" unbind_hangs
check "list shows that somebody works on the group" grep -qE "^ *$(group_of 0000:02:00.1) +(busy|releasing) .*vm:held" "$scratch/list"
check "after a while it says that the kernel does not let go" wait_for 60 group_state_is 0000:02:00.0 releasing
check_refused "a stuck group is given to nobody" 5 "stuck" assign-ctl assign --owner vm:other 02:00.1
check_refused "a second release is refused meanwhile" 5 "stuck" assign-ctl release vm:held
check "another group is taken, used and given back meanwhile" assign-ctl run --owner vm:other 01:00.0 -- "$consumer"
check "which the hanging unbind outlasts" unbind_hangs

# --- Stopping does not wait for the kernel, and the next daemon knows what is going on.

pid=$(daemon_pid)
check "the daemon can be restarted meanwhile" timeout 60 systemctl restart assignd.service
check "it is another daemon" daemon_is_another "$pid"
check "and the unbind still hangs" unbind_hangs
check "list answers again" assign-ctl list
check_status "the group is not free" 1 group_state_is 0000:02:00.0 host
check_status "nobody gets it" 5 assign-ctl assign --owner vm:other 02:00.1
check "another group is taken, used and given back all the same" assign-ctl run --owner vm:other 01:00.0 -- "$consumer"

hold_end
check_equal "the holder could use its devices until its end" 0 "$?"
check "then the release goes to its end" wait_for 60 group_state_is 0000:02:00.0 host
check_host "and every driver and override is as before" "$host"
check_equal "nobody has anything" "" "$(sql "SELECT * FROM current_assignments")"
check_equal "the trail tells of the release's end" 1 "$(sql "SELECT count(*) FROM audit_log WHERE owner = 'vm:held' AND verb = 'release' AND outcome = 'done'
        OR verb = 'recover' AND devices LIKE '%02:00.0%' AND outcome = 'done'")"
check "the group can be assigned again" assign-ctl run --owner vm:again 02:00.0 -- "$consumer"

# The same without a restart: the one release goes to its end.
assign-ctl assign --owner vm:late 01:00.0 >/dev/null
hold_begin "--assignment=$(assignment_path vm:late)" || fail "the device is held"
assign-ctl release --wait 120 vm:late >"$scratch/release" 2>&1 9>&- &
releasing=$!
wait_for 30 driver_is 0000:01:00.0 ""
check_equal "a release waits for a holder" "" "$(cat "$scratch/release")"
hold_end
wait "$releasing"
check_equal "and is done when the holder lets go" 0 "$?"
check_host "with every driver and override as before" "$host"

# --- A daemon that goes away while devices are assigned changes nothing.

assign-ctl assign --owner vm:stays 02:00.0 06:00.0 >/dev/null
assigned=$(host_record)
hold_begin "--assignment=$(assignment_path vm:stays)" || fail "the devices are held"
check "the daemon is stopped" timeout 60 systemctl stop assignd.service
check_host "stopping changes nothing on the host" "$assigned"
check "the daemon is started" timeout 60 systemctl start assignd.service
check_host "nor does starting" "$assigned"
check_equal "the owner still has it all" "vm:stays vm:stays" "$(ctl_json '" ".join(g["owner"] for g in data["groups"] if g["owner"])' list)"
pid=$(daemon_pid)
kill -KILL "$pid"
check "a killed daemon comes back" wait_for 60 daemon_is_another "$pid"
check_host "being killed changes nothing on the host" "$assigned"
check_equal "the owner still has it all after the kill" "vm:stays vm:stays" "$(ctl_json '" ".join(g["owner"] for g in data["groups"] if g["owner"])' list)"
hold_end
check_equal "the holder noticed nothing" 0 "$?"
check "the new daemon opens the devices" "$consumer" "--assignment=$(assignment_path vm:stays)"
check "and gives them back" assign-ctl release vm:stays
check_host "exactly" "$host"

# --- A daemon that is killed in the middle: afterwards the group is wholly the host's or wholly the owner's.

is_whole() {
        case $(state_of 0000:02:00.0) in
        host)
                [ "$(host_record)" = "$host" ]
                ;;
        assigned)
                driver_is 0000:02:00.0 vfio-pci && driver_is 0000:02:00.1 vfio-pci &&
                        [ "$(override_of 0000:02:00.0) $(override_of 0000:02:00.1)" = "vfio-pci vfio-pci" ]
                ;;
        *)
                return 1
                ;;
        esac
}

# kill_during DELAY COMMAND...: kills the daemon so long after the command began.
kill_during() {
        local pid delay=$1
        shift
        pid=$(daemon_pid)
        "$@" >/dev/null 2>&1 &
        sleep "$delay"
        kill -KILL "$pid"
        wait $!
        wait_for 60 daemon_is_another "$pid"
}

seed=${1:-$(date +%s)}
RANDOM=$seed
printf '    the moments are chosen with the seed %s, which can be given as an argument\n' "$seed"
outcomes=
for moment in 1 2 3 4 5 6; do
        delay=$(printf '0.%03d' $((200 + RANDOM % 800)))
        kill_during "$delay" assign-ctl assign --owner vm:killed 02:00.0
        check "killed $delay s into an assign, the group is whole" wait_for 60 is_whole
        outcomes="$outcomes $(state_of 0000:02:00.0)"
        [ "$(state_of 0000:02:00.0)" != assigned ] || kill_during "$delay" assign-ctl release vm:killed
        check "and after being killed $delay s into a release" wait_for 60 is_whole
        [ "$(state_of 0000:02:00.0)" != assigned ] || assign-ctl release vm:killed >/dev/null || fail "release after the kill"
        check_host "the host has everything back, moment $moment" "$host"
done
printf '    after a kill during assign the group was:%s\n' "$outcomes"
check_equal "no operation is left open" 0 "$(sql "SELECT count(*) FROM operations WHERE finished_usec IS NULL")"
check_equal "no device is held" 0 "$(sql "SELECT count(*) FROM assignment_devices WHERE held = 1")"
