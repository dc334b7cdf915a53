#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The unit as systemd reads it: usage: test-unit.sh ASSIGND_SERVICE
# Nothing to complain about, and no more exposed than it was (tenths, as `systemd-analyze security` counts).

set -eu
threshold=22

command -v systemd-analyze >/dev/null || {
        echo "systemd-analyze is not installed"
        exit 77 # what meson takes for a skip
}

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

# The program and the manual pages are not installed where a build is tested.
sed 's,^ExecStart=.*,ExecStart=/bin/true,' "$1" >"$directory/assignd.service"
systemd-analyze verify --man=no "$directory/assignd.service" >"$directory/complaints" 2>&1 || true
if [ -s "$directory/complaints" ]; then
        cat "$directory/complaints"
        exit 1
fi

systemd-analyze security --offline=true --threshold="$threshold" "$1" >"$directory/exposure" || {
        cat "$directory/exposure"
        exit 1
}
