#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=1200
#
# The daemon as a service of a real systemd and a real system bus: start, stop, reload, activation, modules, who may use it, and a
# database that cannot be used.

. "$(dirname "$0")/daemon.sh"

host=$(host_record)

has_name() {
        busctl --no-pager call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus NameHasOwner s org.assignd1 | grep -q 'b true'
}

daemon_pid() {
        systemctl show --property=MainPID --value assignd.service
}

# --- Starting, stopping, reloading.

check "the lab started the service" systemctl is-active assignd.service
check "systemd finds nothing to complain about in the unit" systemd-analyze verify --man=no assignd.service
check_equal "not even a remark" "" "$(systemd-analyze verify --man=no assignd.service 2>&1 | grep -i assignd)"
printf '    %s\n' "$(systemd-analyze security --no-pager assignd.service | tail -n 1)"

check "the service stops" timeout 60 systemctl stop assignd.service
check_status "without the daemon nobody has the bus name" 1 has_name
check "it starts" timeout 60 systemctl start assignd.service
# No waiting: being active means that the name is there.
check "and has the bus name when it counts as started" has_name
check_equal "nothing but root gets at the state directory" "700 root" "$(stat -c '%a %U' "${database%/*}")"
check_equal "nor at the database" "600 root" "$(stat -c '%a %U' "$database")"

assign-ctl assign --owner vm:service 02:00.0 >/dev/null || fail "assign to vm:service"
assigned=$(host_record)
pid=$(daemon_pid)
check "it reloads" timeout 60 systemctl reload assignd.service
check_equal "and is the same process" "$pid" "$(daemon_pid)"
check "and is active" systemctl is-active assignd.service
check "it restarts" timeout 60 systemctl restart assignd.service
check_host "none of this changes anything on the host" "$assigned"
check_equal "the owner is still known" vm:service "$(ctl_json 'data["owner"]' show "group:$(group_of 0000:02:00.0)")"
check_status "a second daemon on the same database ends by itself" 78 timeout 60 /usr/libexec/assignd
check_status "a second daemon with a database of its own does not get the name" 69 \
        timeout 60 /usr/libexec/assignd --state-directory="$(mktemp -d)"
check "and the first one still answers" assign-ctl list
check_host "and nothing changed" "$assigned"

# --- Reading the database while the daemon works.

cat >"$scratch/read" <<'END'
while [ ! -e "$1/enough" ]; do
        for view in audit_log assignment_history current_assignments device_history group_history known_devices group_members; do
                sqlite3 -readonly /var/lib/assignd/assignd.db "SELECT count(*) FROM $view" || echo "$view cannot be read"
        done
        echo round
done
END
bash "$scratch/read" "$scratch" >"$scratch/rounds" 2>&1 &
reader=$!
check "release while sqlite3 reads" assign-ctl release vm:service
for round in 1 2; do
        check "assign, open and release while sqlite3 reads, $round" assign-ctl run --owner vm:service 02:00.0 -- "$consumer"
done
wait_for 60 grep -q round "$scratch/rounds"
touch "$scratch/enough"
wait "$reader"
check_equal "every view could be read each time" "" "$(grep -v '^[0-9]*$' "$scratch/rounds" | grep -v '^round$')"
printf '    sqlite3 read all views %s times meanwhile\n' "$(grep -c round "$scratch/rounds")"
check_host "the host is as before" "$host"
check_equal "every device is known" "$(ls "$lab_pci/devices" | wc -l)" "$(sql "SELECT count(*) FROM known_devices WHERE present = 'yes'")"

# --- Somebody else than root.

useradd --no-log-init --no-create-home --shell /bin/sh visitor
visitor() {
        setpriv --reuid visitor --regid visitor --clear-groups "$@"
}
written=$(database_record; sql "SELECT count(*) FROM audit")
check_refused "list is denied" 3 "may not see devices" visitor assign-ctl list
check_equal "in one sentence" 1 "$(wc -l <"$scratch/refused.err")"
check_refused "show is denied" 3 "may not see devices" visitor assign-ctl show 02:00.0
check_refused "plan is denied" 3 "may not see devices" visitor assign-ctl plan assign --owner vm:mine 02:00.0
check_refused "assign is denied" 3 "No rule of the policy lets uid" visitor assign-ctl assign --owner vm:mine 02:00.0
check_refused "run is denied" 3 "No rule of the policy lets uid" visitor assign-ctl run --owner vm:mine 02:00.0 -- touch "$scratch/ran"
check_status "and runs nothing" 1 test -e "$scratch/ran"
check_refused "release is denied" 3 "may not give devices back" visitor assign-ctl release vm:mine
check_refused "audit is denied" 3 "may not read the audit trail" visitor assign-ctl audit
check_refused "monitor is denied" 3 "Only root hears events" visitor assign-ctl monitor
visitor busctl call org.assignd1 /org/assignd1 org.assignd1.Manager Rescan >"$scratch/denied" 2>&1
check "a call by hand is denied" grep -q "may not" "$scratch/denied"
check_status "the database cannot be read" 1 visitor sqlite3 -readonly "$database" "SELECT 1"
check_status "nor its directory" 2 visitor ls "${database%/*}"
check_host "nothing changed on the host" "$host"
check_equal "nor in the database" "$written" "$(database_record; sql "SELECT count(*) FROM audit")"

# --- Activation, and no daemon to activate.

timeout 60 systemctl stop assignd.service
check "list starts the service when it is not there" assign-ctl list
check "it is active then" systemctl is-active assignd.service
systemctl mask --runtime --now assignd.service 2>/dev/null
check_refused "a service that must not run is not reachable" 8 "masked" assign-ctl list
check_refused "neither for run, which runs nothing" 8 "masked" assign-ctl run --owner vm:x 01:00.0 -- touch "$scratch/ran"
check_status "really nothing" 1 test -e "$scratch/ran"
systemctl unmask --runtime assignd.service 2>/dev/null

# --- Modules come by themselves.

timeout 60 systemctl start assignd.service
rmmod vfio_pci
check_status "vfio-pci is not loaded" 1 test -d "$lab_pci/drivers/vfio-pci"
check "an assignment brings it" assign-ctl run --owner vm:modules 01:00.0 -- "$consumer"
check "by systemd's unit for it" grep -q "modprobe@vfio_pci" <(journalctl --quiet --no-pager --boot | tail -n 100)
check_host "and the device came back" "$host"

# --- A database that cannot be used.

timeout 60 systemctl stop assignd.service
cp -a "$database" "$scratch/good"
rm -f "$database-wal" "$database-shm"

# check_database NAME SENTENCE: the service fails and says why, and the file stays as it is.
check_database() {
        local before cursor
        before=$(sha256sum <"$database")
        cursor=$(journalctl --quiet --no-pager --lines=0 --show-cursor | sed -n 's/^-- cursor: //p')
        check_status "$1: the service does not start" 1 timeout 60 systemctl start assignd.service
        check_equal "$1: and is not tried again and again" "failed 78" \
                "$(systemctl show --property=ActiveState --value assignd.service) $(systemctl show --property=ExecMainStatus --value assignd.service)"
        journalctl --sync
        journalctl --quiet --no-pager --output=cat --unit=assignd.service --after-cursor="$cursor" | grep "$database" >"$scratch/sentence"
        check "$1: the journal says so" grep -qE "$2" "$scratch/sentence"
        sed 's/^/    /' "$scratch/sentence"
        check_equal "$1: the file is as it was" "$before" "$(sha256sum <"$database")"
        check_host "$1: so is the host" "$host"
        systemctl reset-failed assignd.service
}

sqlite3 "$database" "PRAGMA user_version = 9999" >/dev/null
check_database "a newer database" "newer"
# The bus waits for a service that it had started, so this takes its 25 seconds.
check_refused "assign-ctl says that there is no daemon" 8 "cannot be reached" assign-ctl list
systemctl reset-failed assignd.service
printf 'this is a letter to my grandmother, and long enough to hold whatever header a file of another kind might be taken for.\n' >"$database"
check_database "not a database" "not a database"
head -c 5000 "$scratch/good" >"$database"
check_database "a truncated database" "damaged"
rm "$database"
sqlite3 "$database" "CREATE TABLE recipes(name TEXT)"
chmod 600 "$database"
check_database "somebody else's database" "another program"
cp -a "$scratch/good" "$database"
mount --bind "$database" "$database" && mount -o remount,bind,ro "$database"
check_database "a database that cannot be written" "read-only"
umount "$database"

check "with the good database it starts again" timeout 60 systemctl start assignd.service
check "and remembers" test -n "$(sql "SELECT * FROM audit_log WHERE owner = 'vm:service'")"
timeout 60 systemctl stop assignd.service
rm -rf "${database%/*}"
check "without any database it starts with a new one" timeout 60 systemctl start assignd.service
check "and works" assign-ctl run --owner vm:fresh 01:00.0 -- "$consumer"
check_equal "and has a trail from the beginning" 1 "$(sql "SELECT min(id) FROM audit_log")"
check_host "and the host is as it was" "$host"
