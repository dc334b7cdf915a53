#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=1200
#
# What is asked wrongly, on a real daemon: each gets a clear sentence with its exit code or error name, and nothing on the host or
# in the database changes.

. "$(dirname "$0")/daemon.sh"

host=$(host_record)
written=$(database_record)

# check_wrong NAME STATUS TEXT ARGUMENT...: of assign-ctl; what it says fits on a few lines and holds no control characters.
check_wrong() {
        check_refused "$1" "$2" "$3" assign-ctl "${@:4}" || return
        [ "$(wc -c <"$scratch/refused.err")" -lt 1000 ] || fail "$1" "it says too much"
        ! LC_ALL=C grep -q '[^[:print:][:space:]]' <(LC_ALL=C tr -d '\200-\377' <"$scratch/refused.err") || fail "$1" "control characters reach the terminal"
}

long=$(printf 'x%.0s' {1..4096})

# --- Targets.

check_wrong "no target at all" 2 "TARGET" assign --owner vm:bad
check_wrong "an empty target" 2 "" assign --owner vm:bad ""
for target in banana 02:00 02:00.8 2:0.0 0000:02:20.0 10000000000:02:00.0 ../../etc/passwd /sys/bus/pci/devices/0000:02:00.0 \
        "02:00.0 " "02:00.0;reboot" group: group:-1 group:banana group:99999999999 'group:1 5'; do
        check_wrong "the malformed target \"$target\"" 2 "" assign --owner vm:bad "$target"
done
check_wrong "a target with a newline" 2 "" assign --owner vm:bad $'02:00.0\n02:00.1'
check_wrong "a target with an escape" 2 "" assign --owner vm:bad $'\e[2J02:00.0'
check_wrong "a target that is not UTF-8" 2 "" assign --owner vm:bad $'02:00.\xff'
check_wrong "a target of 4 KiB" 2 "" assign --owner vm:bad "$long"
check_wrong "a device that does not exist" 7 "0000:ff:00.0" assign --owner vm:bad ff:00.0
check_wrong "a group that does not exist" 7 "4242" assign --owner vm:bad group:4242
check_wrong "one that exists and one that does not" 7 "0000:ff:00.0" assign --owner vm:bad 02:00.0 ff:00.0
# shellcheck disable=SC2046
check_wrong "1,000 targets" 1 "1000" assign --owner vm:bad $(for ((i = 0; i < 1000; i++)); do printf '%04x:00:00.0 ' "$i"; done)
check_wrong "a bridge" 6 "not-endpoint" assign --owner vm:bad 00:04.0
check_wrong "show of nothing" 2 "" show
check_wrong "show of two things" 2 "02:00.1" show 02:00.0 02:00.1
check_wrong "show of a device that does not exist" 7 "ff:00.0" show ff:00.0
check_wrong "show of a group that does not exist" 7 "4242" show group:4242
check_wrong "why of a device that does not exist" 7 "ff:00.0" why ff:00.0

# --- Owners and other words.

check_wrong "no owner" 2 "--owner" assign 02:00.0
check_wrong "an empty owner" 2 "owner" assign --owner "" 02:00.0
check_wrong "an owner of 4 KiB" 2 "longer" assign --owner "$long" 02:00.0
check_wrong "an owner with a newline" 2 "control" assign --owner $'vm:\nbad' 02:00.0
check_wrong "an owner with an escape" 2 "control" assign --owner $'vm:\e[31mred' 02:00.0
check_wrong "an owner that looks like a target" 2 "target" assign --owner 02:00.0 01:00.0
check_wrong "an unknown backend" 2 "banana" assign --owner vm:bad --backend banana 02:00.0
check_wrong "an unknown override" 2 "banana" assign --owner vm:bad --override banana 02:00.0
check_wrong "an unknown option" 2 "--banana" assign --banana 02:00.0
check_wrong "an option without its value" 2 "owner" assign 02:00.0 --owner
check_wrong "an option with a value it does not take" 2 "json" list --json=yes
check_wrong "a time that is none" 2 "banana" release --wait banana vm:bad
check_wrong "a time below zero" 2 "-1" release --wait=-1 vm:bad
check_wrong "an unknown verb" 2 "banana" banana
check_wrong "a verb with a typo" 2 "assign" asign --owner vm:bad 02:00.0
check_wrong "list with an argument" 2 "02:00.0" list 02:00.0
check_wrong "release of nothing" 2 "" release
check_wrong "release of an owner who has nothing" 7 "vm:nobody" release vm:nobody
check_wrong "release of a group that is nobody's" 7 "" release "group:$(group_of 0000:02:00.0)"
check_wrong "plan of no verb" 2 "assign" plan
check_wrong "plan of another verb" 2 "list" plan list
check_wrong "run without a command" 2 "COMMAND" run --owner vm:bad 02:00.0
check_wrong "run with an empty command" 2 "COMMAND" run --owner vm:bad 02:00.0 --
check_wrong "run with a placeholder for nothing" 2 "banana" run --owner vm:bad 02:00.0 -- echo '{banana}'
check_wrong "run with a placeholder for another device" 2 "01:00.0" run --owner vm:bad 02:00.0 -- echo '{fd:01:00.0}'
check_wrong "a since that is no time" 2 "banana" audit --since banana
check_wrong "sql that writes" 2 "cannot be changed" audit sql "DELETE FROM audit"
check_wrong "sql that is none" 2 "syntax error" audit sql "SELECT FROM WHERE"
check_equal "with --json the error is an object on standard output" "org.assignd1.Error.NoSuchDevice" \
        "$(assign-ctl --json show ff:00.0 2>/dev/null | json 'data["error"]["name"]')"

# --- The bus, by hand.

# check_bus NAME TEXT OBJECT INTERFACE METHOD ARGUMENT...: the call fails with a message that holds the text. (The names of errors are
# checked by tests/bus: busctl does not print them.)
check_bus() {
        local name=$1 text=$2 output
        shift 2
        if output=$(busctl call org.assignd1 "$@" 2>&1); then
                fail "$name" "it was accepted: $output"
        elif ! grep -qi -- "$text" <<<"$output"; then
                fail "$name" "it does not say \"$text\": ${output:0:300}"
        else
                pass "$name"
        fi
}
manager=(/org/assignd1 org.assignd1.Manager)

check_bus "an unknown option" "banana" "${manager[@]}" Assign 'sasa{sv}' vm:bad 1 02:00.0 1 banana b true
check_bus "an option of the wrong type" "timeout_usec" "${manager[@]}" Assign 'sasa{sv}' vm:bad 1 02:00.0 1 timeout_usec s soon
check_bus "an option given twice" "exact" "${manager[@]}" Assign 'sasa{sv}' vm:bad 1 02:00.0 2 exact b true exact b false
check_bus "a wrong signature" "sas" "${manager[@]}" Assign 's' vm:bad
check_bus "an unknown method" "Banana" "${manager[@]}" Banana
check_bus "an unknown object" "" /org/assignd1/group/4242 org.assignd1.Group Banana
check_bus "an assignment that is not there" "" /org/assignd1/assignment/4242 org.assignd1.Assignment Release 'a{sv}' 0
check_bus "an operation that is not there" "" /org/assignd1/operation/4242 org.assignd1.Operation Cancel 'a{sv}' 0
check_bus "no target" "target" "${manager[@]}" Assign 'sasa{sv}' vm:bad 0 0
check_bus "an empty target over the bus" "target" "${manager[@]}" Assign 'sasa{sv}' vm:bad 1 "" 0
check_bus "an empty owner over the bus" "owner" "${manager[@]}" Assign 'sasa{sv}' "" 1 02:00.0 0
check_bus "a plan of an unknown verb" "none of" "${manager[@]}" Plan 'sasa{sv}' banana 1 02:00.0 0
check_bus "a device that does not exist, over the bus" "ff:00.0" "${manager[@]}" GetDevice s ff:00.0
check_bus "an unknown filter" "banana" "${manager[@]}" ListAudit 'ta{sv}u' 0 1 banana s x 10
check_status "a string that is not UTF-8 does not even reach the daemon" 1 busctl call org.assignd1 "${manager[@]}" GetDevice s $'\xff'

# --- Nothing has changed by any of it.

check "the daemon is the one that was started" systemctl is-active assignd.service
check_equal "it was never started again" 0 "$(systemctl show --property=NRestarts --value assignd.service)"
check_host "nothing on the host has changed" "$host"
check_equal "nothing in the database has changed but the trail" "$written" "$(database_record)"
check_equal "which has nothing but refusals" "" "$(sql "SELECT DISTINCT outcome FROM audit_log WHERE outcome <> 'refused'")"
check_equal "and no text that could do harm on a terminal" 0 "$(sql "SELECT count(*) FROM audit_log WHERE targets || coalesce(owner, '') || coalesce(message, '') GLOB '*[' || char(1) || '-' || char(31) || ']*'")"

# --- The same device twice is one device.

check "a target that is named twice is one" assign-ctl run --owner vm:twice 02:00.0 0000:02:00.0 "group:$(group_of 0000:02:00.0)" -- "$consumer"
check_host "and comes back once" "$host"
