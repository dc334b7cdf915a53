#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What ./demo shows, run in a lab guest: one function of a two-function NIC is named, the whole group is taken off the host, used,
# and given back. Every step is also checked; the exit status is 0 only when all went as promised.

. "$(dirname "$0")/guest.sh"

owner=vm:web1
wanted=0000:02:00.0
companion=0000:02:00.1
consumer=/usr/libexec/assignd-tests/consumer
group=$(group_of "$wanted")
step=0

chapter() {
        step=$((step + 1))
        printf '\n== %s. %s\n' "$step" "$1"
}

give_up() {
        printf '\nThe demo ends here: %s\n' "$1"
        exit 1
}

# Shows a command as it would be typed, and runs it.
show() {
        printf '\n$ %s\n' "$*"
        "$@" 2>&1
}

must() {
        show "$@" || give_up "that failed with exit status $?."
}

# A command line with redirections, as it would be typed.
show_line() {
        printf '\n# %s\n' "$1"
        bash -c "$1" 2>&1 | sed 's/^bash: line 1: //'
        return "${PIPESTATUS[0]}"
}

expect() {
        "${@:2}" || give_up "$1"
}

chapter "The groups of this host: $(uname -n), Linux $(uname -r)"
must assign-ctl list

chapter "Somebody wants $wanted. What would have to happen?"
must assign-ctl why "$wanted"
must assign-ctl plan assign --owner "$owner" "$wanted"

chapter "The assignment: $companion comes along"
must assign-ctl assign --owner "$owner" "$wanted"
assignment=$(assign-ctl --json show "group:$group" | sed -n 's/.*"assignment": *\([0-9]\+\).*/\1/p' | head -n 1)
[ -n "$assignment" ] || give_up "the group tells of no assignment."
must assign-ctl show "group:$group"

chapter "A consumer gets the fds over D-Bus and uses both devices"
must "$consumer" "--assignment=/org/assignd1/assignment/$assignment"

chapter "A host driver tries to take $companion while the owner uses $wanted"
printf '\n$ %s --assignment=/org/assignd1/assignment/%s --device=%s --hold &\n' "$consumer" "$assignment" "$wanted"
coproc HOLDER { exec "$consumer" "--assignment=/org/assignd1/assignment/$assignment" "--device=$wanted" --hold 2>&1; }
while IFS= read -r -t 60 -u "${HOLDER[0]}" line; do
        printf '%s\n' "$line"
        [ "$line" != holding ] || break
done
[ "$line" = holding ] || give_up "the consumer does not hold the device."
show_line "echo $companion >/sys/bus/pci/drivers/vfio-pci/unbind" || give_up "the companion cannot be unbound."
show_line "echo e1000e >/sys/bus/pci/devices/$companion/driver_override"
if show_line "echo $companion >/sys/bus/pci/drivers/e1000e/bind"; then
        give_up "the kernel let a host driver into a group that an owner uses."
fi
expect "a host driver has the companion." driver_is "$companion" ""
printf '\nThe kernel refuses: the group belongs to %s. The companion goes back to its place.\n' "$owner"
show_line "echo vfio-pci >/sys/bus/pci/devices/$companion/driver_override"
show_line "echo $companion >/sys/bus/pci/drivers/vfio-pci/bind" || give_up "the companion does not come back."
holder=$HOLDER_PID
exec {HOLDER[1]}>&-
wait "$holder"

chapter "The release: every device back as it was"
must assign-ctl release "$owner"
must assign-ctl show "group:$group"
must lspci -nnk -s 02:00
for address in "$wanted" "$companion"; do
        expect "$address is not back on e1000e." driver_is "$address" e1000e
        expect "$address still has an override." test -z "$(override_of "$address")"
done

chapter "Who did what"
must assign-ctl audit
