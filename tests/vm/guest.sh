# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Helpers for test scripts that run in a lab guest. A script begins with:   . "$(dirname "$0")/guest.sh"
# tests/vm/README.md says what a script may rely on.

lab_pci=/sys/bus/pci
lab_plugged=/run/lab/plugged
lab_failures=0

# --- Cases: one line each, counted by ./check. A script with a failed case exits with 1.

# A case's name is one line, and ends where ": " begins the detail.
lab_case_name() {
        local name=${1//$'\n'/ }
        printf '%s' "${name//: / }"
}

# pass NAME
pass() {
        printf 'ok %s\n' "$(lab_case_name "$1")"
}

# fail NAME [DETAIL]
fail() {
        lab_failures=$((lab_failures + 1))
        printf 'not ok %s: %s\n' "$(lab_case_name "$1")" "${2:-failed}"
}

# skip NAME REASON
skip() {
        printf 'skip %s: %s\n' "$(lab_case_name "$1")" "$2"
}

# check NAME COMMAND...: passes when the command succeeds, and shows its output when it does not.
check() {
        check_status "$1" 0 "${@:2}"
}

# check_status NAME STATUS COMMAND...: passes when the command exits with this status.
check_status() {
        local name=$1 expected=$2 output status
        shift 2
        output=$("$@" 2>&1)
        status=$?
        if [ "$status" -eq "$expected" ]; then
                pass "$name"
                return 0
        fi
        fail "$name" "exit status $status instead of $expected from: $*"
        [ -z "$output" ] || sed 's/^/    /' <<<"$output"
        return 1
}

# check_equal NAME EXPECTED FOUND
check_equal() {
        if [ "$2" = "$3" ]; then
                pass "$1"
                return 0
        fi
        fail "$1" "expected \"$2\", found \"$3\""
        return 1
}

lab_exit() {
        local status=$?
        if [ "$status" -eq 0 ] && [ "$lab_failures" -gt 0 ]; then
                status=1
        fi
        exit "$status"
}
trap lab_exit EXIT

# wait_for SECONDS COMMAND...: runs the command until it succeeds; 1 when it did not within the time.
wait_for() {
        local deadline=$((SECONDS + $1))
        shift
        until "$@" >/dev/null 2>&1; do
                [ "$SECONDS" -lt "$deadline" ] || return 1
                sleep 0.1
        done
}

# --- What the kernel says. Addresses are full: 0000:02:00.0.

device_exists() {
        [ -e "$lab_pci/devices/$1" ]
}

device_gone() {
        ! device_exists "$1"
}

# The bound driver, or nothing.
driver_of() {
        local link
        link=$(readlink "$lab_pci/devices/$1/driver") && printf '%s\n' "${link##*/}"
}

# driver_is ADDRESS DRIVER: an empty driver means none.
driver_is() {
        [ "$(driver_of "$1")" = "$2" ]
}

# The driver_override, or nothing.
override_of() {
        local override
        override=$(<"$lab_pci/devices/$1/driver_override") || return 1
        [ "$override" = "(null)" ] || printf '%s\n' "$override"
}

# The number of a device's group, or nothing.
group_of() {
        local link
        link=$(readlink "$lab_pci/devices/$1/iommu_group") && printf '%s\n' "${link##*/}"
}

# All members of a device's group, sorted, on one line.
members_of() {
        local path
        for path in "$lab_pci/devices/$1/iommu_group/devices/"*; do
                printf '%s\n' "${path##*/}"
        done | sort | paste -sd ' '
}

# bind_by_hand ADDRESS DRIVER: override, unbind, bind, as an administrator's script would.
bind_by_hand() {
        echo "$2" >"$lab_pci/devices/$1/driver_override" || return 1
        [ ! -e "$lab_pci/devices/$1/driver" ] || echo "$1" >"$lab_pci/devices/$1/driver/unbind" || return 1
        echo "$1" >"$lab_pci/drivers/$2/bind"
}

# --- Devices plugged and unplugged by QEMU's monitor. What a script leaves plugged is unplugged after it.

# Asks the host; the answer is "ok" or "error" and a sentence. One request at a time.
lab_monitor() {
        local port answer
        for port in /sys/class/virtio-ports/*; do
                [ "$(<"$port/name")" != lab.monitor ] || break
        done
        exec {lab_monitor_lock}>/run/lab/monitor.lock
        flock "$lab_monitor_lock"
        exec {lab_monitor_port}<>"/dev/${port##*/}"
        printf '%s\n' "$*" >&"$lab_monitor_port"
        IFS= read -r -t 60 -u "$lab_monitor_port" answer || answer="error the host does not answer"
        exec {lab_monitor_port}>&- {lab_monitor_lock}>&-
        [ "$answer" = ok ] && return
        printf 'lab: %s: %s\n' "$*" "$answer" >&2
        return 1
}

# plug ID DRIVER[,PROPERTY=VALUE]...: the topology names the buses, for instance: plug nic9 e1000e,bus=empty0
plug() {
        lab_monitor device_add "$2,id=$1" && echo "$1" >>"$lab_plugged"
}

# unplug_begin ID: asks the guest's kernel to let go of the device, and does not wait for it.
unplug_begin() {
        lab_monitor device_del "$1"
}

# unplug_ended ID: whether QEMU has no such device any more.
unplug_ended() {
        lab_monitor gone "$1" 2>/dev/null
}

# unplug ID [SECONDS]
unplug() {
        unplug_ended "$1" || unplug_begin "$1" || return 1
        wait_for "${2:-30}" unplug_ended "$1" || return 1
        [ ! -e "$lab_plugged" ] || sed -i "/^$1\$/d" "$lab_plugged"
}
