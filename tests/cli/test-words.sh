#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What --help offers is in the man page and in the completion, and the completion offers nothing else.
# usage: test-words.sh ASSIGN-CTL MAN-PAGE COMPLETION
set -u

ctl=$1 man=$2 completion=$3
failed=0

complain() {
        echo "$*" >&2
        failed=1
}

completed() { # the words offered for the given command line, which begins with "assign-ctl"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        _assign_ctl
        printf '%s\n' "${COMPREPLY[@]}" | sort
}

PATH=$(dirname "$ctl"):$PATH
# shellcheck source=/dev/null
. "$completion"

verbs=$("$ctl" --help | sed -n '/^Verbs:/,/^$/ s/^  \([a-z]*\).*/\1/p' | sort)
[ "$(wc -l <<<"$verbs")" -ge 9 ] || complain "--help names too few verbs: $verbs"
[ "$(completed assign-ctl '')" = "$verbs" ] || complain "verbs of --help and of the completion differ: $(completed assign-ctl '')"

for verb in $verbs; do
        options=$("$ctl" "$verb" --help | grep -o -- '--[a-z][a-z-]*' | sort -u)
        # "plan" refers to "assign" for the meaning of its options; "run" shows options of other programs in its text.
        [ "$(completed assign-ctl "$verb" --)" = "$options" ] ||
                complain "options of '$verb --help' and of the completion differ:" "$(diff <(echo "$options") <(completed assign-ctl "$verb" --))"
        grep -q "Cm $verb" "$man" || complain "the man page lacks the verb $verb"
        for option in $options; do
                grep -q -- "Fl\( H , Fl\)\?\( h , Fl\)\? -${option#--}\|, -${option#--}" "$man" || complain "the man page lacks $option of $verb"
        done
done

[ "$(completed assign-ctl run --owner x 02:00.0 -- cmd --)" = "" ] || complain "the completion offers our options for the command of run"
[ "$(completed assign-ctl assign --backend '')" = $'auto\ngroup\niommufd' ] || complain "the completion does not know the backends"

if command -v groff >/dev/null; then
        warnings=$(groff -ww -b -z -mdoc -Tutf8 "$man" 2>&1)
        [ -z "$warnings" ] || complain "groff complains about the man page: $warnings"
fi
exit $failed
