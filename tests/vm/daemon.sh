# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Helpers for test scripts that use assignd in a lab guest, on top of those of guest.sh. A script begins with:
#   . "$(dirname "$0")/daemon.sh"

. "$(dirname "${BASH_SOURCE[0]}")/guest.sh"

consumer=/usr/libexec/assignd-tests/consumer
database=/var/lib/assignd/assignd.db
scratch=$(mktemp -d)

# --- What the host is like.

# The driver and the override of every device that has one.
host_record() {
        find "$lab_pci"/devices/*/ -maxdepth 1 -name driver -printf '%h %l\n' | sed "s|^$lab_pci/devices/||; s| .*/| driver |"
        grep -H '' "$lab_pci"/devices/*/driver_override | grep -v ':(null)$' | sed "s|^$lab_pci/devices/||; s|/driver_override:| override |"
}

# check_host NAME RECORD: every driver and override is as in an earlier record.
check_host() {
        local difference
        difference=$(diff <(printf '%s\n' "$2") <(host_record)) && pass "$1" && return
        fail "$1" "drivers and overrides differ"
        sed 's/^/    /' <<<"$difference"
        return 1
}

# --- assign-ctl

# json EXPRESSION: what a Python expression makes of `data`, the JSON on standard input.
json() {
        python3 -c 'import json, sys; data = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

# ctl_json EXPRESSION ARGUMENT...: the same of what assign-ctl says.
ctl_json() {
        assign-ctl --json "${@:2}" | json "$1"
}

# check_refused NAME STATUS TEXT COMMAND...: the command exits with this status and says TEXT on standard error, in one clear sentence.
check_refused() {
        local name=$1 expected=$2 text=$3 status
        shift 3
        "$@" >"$scratch/refused.out" 2>"$scratch/refused.err"
        status=$?
        if [ "$status" -ne "$expected" ]; then
                fail "$name" "exit status $status instead of $expected"
        elif ! grep -qF -- "$text" "$scratch/refused.err"; then
                fail "$name" "it does not say \"$text\""
        else
                pass "$name"
                return 0
        fi
        sed 's/^/    /' "$scratch/refused.err"
        return 1
}

# The state of a device's group.
state_of() {
        ctl_json 'data["state"]' show "$1"
}

# --- The database, while the daemon works.

# sql QUERY: columns separated by blanks.
sql() {
        sqlite3 -readonly -separator ' ' "$database" "$1"
}

# Everything that the daemon wrote down on purpose; when it last looked at the host is not among it.
database_record() {
        sqlite3 -readonly "$database" "SELECT * FROM assignments; SELECT * FROM assignment_devices; SELECT * FROM operations;
                SELECT * FROM operation_groups; SELECT * FROM steps; SELECT * FROM devices; SELECT * FROM groups; SELECT * FROM memberships;
                SELECT * FROM shape_changes;"
}

# --- A program that keeps fds.

# hold_begin ARGUMENT...: a consumer that keeps the devices of an assignment open until hold_end. Its output is in $scratch/hold.
# Not below `check`, whose commands run in a shell of their own; what is started in the background meanwhile gets 9>&-, or it
# keeps the consumer from ending.
hold_begin() {
        rm -f "$scratch/hold.in"
        mkfifo "$scratch/hold.in"
        "$consumer" --hold "$@" 9>&- <"$scratch/hold.in" >"$scratch/hold" 2>&1 &
        hold_pid=$!
        exec 9>"$scratch/hold.in"
        wait_for 60 grep -q '^holding$' "$scratch/hold"
}

# Its exit status: whether all its proofs held.
hold_end() {
        exec 9>&-
        wait "$hold_pid"
}

# The object path of the assignment that an owner has.
assignment_path() {
        printf '/org/assignd1/assignment/%s\n' "$(sql "SELECT max(assignment) FROM current_assignments WHERE owner = '$1'")"
}
