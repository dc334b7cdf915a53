#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=900
#
# Who is not root, with the real polkit: what a rule of its decides by a device and an owner, what the policy allows or denies without it, what
# another user holds, overrides, two tenants with a label each, and everything that there is refused to whom nothing is allowed.

. "$(dirname "$0")/daemon.sh"

host=$(host_record)
nic=0000:01:00.0
card=0000:02:00.0
disk=0000:05:00.0
rules=/etc/polkit-1/rules.d/49-lab.rules

# --- Users, polkit's rules and assignd's.

useradd --no-log-init --no-create-home --uid 2001 anna
useradd --no-log-init --no-create-home --uid 2002 bert
useradd --no-log-init --no-create-home --uid 2003 carl

# as USER COMMAND...
as() {
        setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
}

# polkit_rules: JavaScript from standard input; polkit reads it before this returns.
polkit_rules() {
        install -m 0755 -d /etc/polkit-1/rules.d
        cat >"$rules"
        chmod 0644 "$rules"
        timeout 60 systemctl restart polkit.service
}

# policy JSON
policy() {
        install -m 0755 -d /etc/assignd/policy.d
        printf '%s\n' "$1" >/etc/assignd/policy.d/50-lab.json
        timeout 60 systemctl reload assignd.service
}

# rule USERS VERBS VERDICT [MATCH]
rule() {
        printf '{"name":"lab","match":{%s},"caller":{"users":[%s]},"verbs":[%s],"verdict":"%s"}' "${4:-}" "$1" "$2" "$3"
}

# Everything that a refused call must leave as it is.
written() {
        database_record
        sql "SELECT count(*) FROM audit"
}

# check_untouched NAME RECORD
check_untouched() {
        check_host "$1" "$host"
        check_equal "$1, nor in the database" "$2" "$(written)"
}

check "polkit knows the actions" grep -qx org.assignd1.release-others <(pkaction)

# --- Nothing is allowed to somebody: everything is refused, whatever it is.

assign-ctl assign --owner vm:roots 0000:09:00.0 >/dev/null || fail "root assigns"
host=$(host_record)
before=$(written)
assignment=$(assignment_path vm:roots)
operation=/org/assignd1/operation/1
manager="/org/assignd1 org.assignd1.Manager"
device=/org/assignd1/device/0000_01_00_0
calls=0
open_calls=
while read -r call; do
        calls=$((calls + 1))
        # shellcheck disable=SC2086
        if as carl busctl --timeout=60 call org.assignd1 $call >"$scratch/called" 2>&1; then
                open_calls+=" ${call%% *}:$(cut -d ' ' -f 3 <<<"$call")"
        fi
done <<END2
$manager ListDevices a{sv} 0
$manager ListGroups a{sv} 0
$manager ListAssignments a{sv} 0
$manager GetDevice s 01:00.0
$manager GetGroup u 1
$manager Explain sa{sv} 01:00.0 0
$manager Plan sasa{sv} assign 1 01:00.0 1 owner s vm:x
$manager Assign sasa{sv} vm:x 1 01:00.0 0
$manager AssignWithLease sasa{sv} vm:x 1 01:00.0 0
$manager Release sa{sv} vm:roots 0
$manager Reserve asa{sv} 1 01:00.0 0
$manager Unreserve asa{sv} 1 01:00.0 0
$manager Reload
$manager Rescan
$manager ListAudit ta{sv}u 0 0 10
$manager ExportAudit a{sv} 0
$manager CheckHost a{sv} 0
$manager Recover asa{sv} 1 09:00.0 0
$manager SetLabel ssa{sv} 01:00.0 mine 0
$manager ListPolicy a{sv} 0
$manager ExplainPolicy ssa{sv} assign 01:00.0 0
$assignment org.assignd1.Assignment OpenDevices a{sv} 0
$assignment org.assignd1.Assignment Release a{sv} 0
$operation org.assignd1.Operation Cancel
$operation org.assignd1.Operation Wait
$assignment org.freedesktop.DBus.Properties GetAll s org.assignd1.Assignment
$device org.freedesktop.DBus.Properties Get ss org.assignd1.Device Driver
/org/assignd1 org.freedesktop.DBus.Properties GetAll s org.assignd1.Manager
/org/assignd1 org.freedesktop.DBus.ObjectManager GetManagedObjects
/org/assignd1 org.freedesktop.DBus.Introspectable Introspect
/org/assignd1 org.freedesktop.DBus.Peer Ping
END2
check_equal "each of $calls calls is refused to whom nothing is allowed" "" "$open_calls"

check_untouched "none of them changed anything on the host" "$before"
check_refused "and assign-ctl says what is missing" 3 "No rule of the policy lets uid 2003 assign $nic" as carl assign-ctl assign --owner vm:x $nic

# --- The policy leaves it to polkit, whose rule looks at the owner, the device, the verb.

policy "{\"version\":1,\"rules\":[$(rule '"anna","bert"' '"assign","open","release"' ask)]}"
check_refused "without a rule polkit wants a password, and nobody can type one" 3 "polkit wants an administrator's password for org.assignd1.assign" as anna assign-ctl assign --owner vm:anna $nic
polkit_rules <<'END2'
polkit.addRule(function(action, subject) {
    if (action.id == "org.assignd1.assign" && subject.user == "anna" && action.lookup("verb") == "assign" &&
        action.lookup("owner").indexOf("vm:anna") == 0 && action.lookup("address") == "0000:01:00.0" &&
        action.lookup("vendor_id") == "8086" && action.lookup("class") == "020000" && action.lookup("driver") == "e1000e")
        return polkit.Result.YES;
    if (action.id.indexOf("org.assignd1.") == 0)
        return polkit.Result.NO;
});
END2
before=$(written)
check_refused "another device is refused" 3 "User 2001 may not assign or open devices ($card)" as anna assign-ctl assign --owner vm:anna $card
check_refused "as it is beside the right one" 3 "($card)" as anna assign-ctl assign --owner vm:anna $nic $card
check_refused "another owner's name is refused" 3 "polkit says no" as anna assign-ctl assign --owner vm:web $nic
check_refused "another user is refused" 3 "User 2002" as bert assign-ctl assign --owner vm:anna $nic
check_refused "who has no rule has nobody to ask" 3 "No rule of the policy" as carl assign-ctl assign --owner vm:anna $nic
check_untouched "nothing of this changed the host" "$before"
check "what polkit's rule is about is done" as anna assign-ctl assign --owner vm:anna $nic
check_equal "for that user" "2001 vm:anna" "$(sql "SELECT uid, owner FROM current_assignments WHERE address = '$nic'")"
check "who holds it gives it back without being asked" as anna assign-ctl release vm:anna
check_host "and all is as before" "$host"
check "a user runs something with the device and has it opened" as anna assign-ctl run --owner vm:anna-runs $nic -- "$consumer"
check_host "and all is as before again" "$host"

# --- No polkit.

before=$(written)
timeout 60 systemctl mask --runtime --now polkit.service 2>/dev/null
check_refused "without polkit nobody is let in by it" 3 "cannot be asked" as anna assign-ctl assign --owner vm:anna $nic
check_untouched "and nothing changed" "$before"
check "root goes on as before" assign-ctl assign --owner vm:root $nic
check "and gives back" assign-ctl release vm:root
timeout 60 systemctl unmask --runtime polkit.service 2>/dev/null
check "polkit is back" wait_for 60 systemctl restart polkit.service
check "and is asked again" as anna assign-ctl assign --owner vm:anna $nic
check "to the end" assign-ctl release vm:anna

# --- The policy decides by itself.

policy "{\"version\":1,\"rules\":[$(rule '"anna"' '"assign"' deny "\"address\":\"$card\""),$(rule '"anna","bert"' '' allow | sed 's/"verbs":\[\],//')]}"
before=$(written)
check_refused "what the policy denies is denied by its rule" 3 "The rule 50-lab.json:1 (lab) does not let uid 2001 assign $card" \
        as anna assign-ctl assign --owner vm:anna $card
check_untouched "and leaves nothing behind" "$before"
check "what it allows is done, whatever polkit says" as anna assign-ctl assign --owner vm:anna $nic
held=$(host_record)
check_refused "what one user holds another does not give back" 3 "may not do this with what another user holds ($nic)" as bert assign-ctl release vm:anna
check_refused "nor by its address" 3 "another user" as bert assign-ctl release $nic
check_status "nor open" 1 as bert "$consumer" "--assignment=$(assignment_path vm:anna)"
check_refused "nor extend" 3 "another user" as bert assign-ctl assign --owner vm:anna $disk
check_host "and it stays as it is" "$held"
check "its holder opens it" as anna "$consumer" "--assignment=$(assignment_path vm:anna)"
polkit_rules <<'END2'
polkit.addRule(function(action, subject) {
    if (action.id == "org.assignd1.release-others" && subject.user == "bert" && action.lookup("verb") == "release" &&
        action.lookup("owner") == "vm:anna" && action.lookup("uid") == "2001")
        return polkit.Result.YES;
    if (action.id.indexOf("org.assignd1.") == 0)
        return polkit.Result.NO;
});
END2
check "with release-others bert does" as bert assign-ctl release vm:anna
check_host "and the host has it back" "$host"

# --- Overrides.

wait_for 60 test -d "/sys/bus/pci/devices/$nic/net"
udevadm settle
interface=$(find /sys/bus/pci/devices/$nic/net/ -mindepth 1 -maxdepth 1 -printf '%f\n')
ip link set "$interface" up
ip addr add 192.0.2.1/24 dev "$interface"
check_refused "what the host uses stays with it" 6 "in-use-network" as anna assign-ctl assign --owner vm:anna $nic
before=$(written)
check_refused "a rule that allows all is not enough to override that" 3 "may not override what keeps the host safe (in-use-network)" \
        as anna assign-ctl assign --owner vm:anna --override in-use-network $nic
check_untouched "and nothing changed" "$before"
polkit_rules <<'END2'
polkit.addRule(function(action, subject) {
    if (action.id == "org.assignd1.override-safety" && subject.user == "anna" && action.lookup("override") == "in-use-network" &&
        action.lookup("devices") == "0000:01:00.0")
        return polkit.Result.YES;
    if (action.id.indexOf("org.assignd1.") == 0)
        return polkit.Result.NO;
});
END2
check_refused "another code is another question" 3 "(policy-denied)" \
        as anna assign-ctl assign --owner vm:anna --override in-use-network --override policy-denied $nic
check "with override-safety for this code it is done" as anna assign-ctl assign --owner vm:anna --override in-use-network $nic
check_equal "the trail keeps what was overridden" "2001 overridden in-use-network $nic" \
        "$(sql "SELECT uid, substr(blockers, 1, 38) FROM audit_log WHERE outcome = 'done' ORDER BY id DESC LIMIT 1")"
check_equal "and audit shows it" "in-use-network True" \
        "$(ctl_json '" ".join(str(data["entries"][-1]["blockers"][0][k]) for k in ("code", "overridden"))' audit --verb assign)"
check "and in words" grep -q "overridden" <(assign-ctl audit --verb assign)
as anna assign-ctl release vm:anna || fail "anna releases"
ip addr flush dev "$interface"
ip link set "$interface" down

# --- Two tenants.

polkit_rules <<'END2'
polkit.addRule(function(action, subject) {
    if (action.id == "org.assignd1.view")
        return action.lookup("scope") == "host" ? polkit.Result.YES : polkit.Result.NO;
    if (action.id.indexOf("org.assignd1.") == 0)
        return polkit.Result.NO;
});
END2
policy '{"version":1,
"labels":[{"match":{"address":"0000:01:*"},"label":"label-a"},
{"match":{"address":"0000:05:*"},"label":"label-b"},
{"match":{"address":"0000:02:00.0"},"label":"label-a"},
{"match":{"address":"0000:02:00.1"},"label":"label-b"}],
"claims":[{"caller":{"users":["anna"]},"label":"label-a"},{"caller":{"users":["bert"]},"label":"label-b"}],
"rules":[{"name":"tenant a","match":{"label":"label-a"},"caller":{"users":["anna"]},"verdict":"allow"},
{"name":"tenant b","match":{"label":"label-b"},"caller":{"users":["bert"]},"verdict":"allow"},
{"name":"unlabelled","caller":{"users":["carl"]},"verdict":"allow"}]}'
before=$(written)
check_refused "a tenant does not get the other's group" 3 "No rule of the policy lets uid 2001 assign $disk" as anna assign-ctl assign --owner a:1 $disk
check_refused "nor the other way round" 3 "No rule of the policy lets uid 2002 assign $nic" as bert assign-ctl assign --owner b:1 $nic
check_refused "nor by claiming the other's label" 3 "label-b" as anna assign-ctl assign --owner a:1 --label label-b $nic
check_refused "an owner without a label never gets a labelled group" 3 "label-mismatch" as carl assign-ctl assign --owner c:1 $nic
check_refused "nor does root" 3 "label-mismatch" assign-ctl assign --owner root:1 $nic
assign-ctl assign --owner root:2 --label label-a $card >"$scratch/conflict" 2>&1
check_equal "a group whose members differ goes to nobody" 3 "$?"
check "it is told why" grep -q label-conflict "$scratch/conflict"
for member in "$card" 0000:02:00.1; do
        check "with $member and where its label is from" grep -q "$member.*50-lab.json" "$scratch/conflict"
done
check_host "none of this touched the host" "$host"
check "a tenant gets the group of its label" as anna assign-ctl assign --owner a:secret $nic
check "the other its own" as bert assign-ctl assign --owner b:secret $disk
check_equal "each with its label" "a:secret label-a,b:secret label-b" \
        "$(sql "SELECT owner, label FROM current_assignments WHERE owner LIKE '_:secret' ORDER BY owner" | paste -sd ,)"
check_equal "a tenant sees whose its own is" "a:secret label-a" "$(as anna assign-ctl --json show "group:$(group_of $nic)" | json '"{owner} {label}".format(**data)')"
for view in "list" "show group:$(group_of $nic)" "show $nic" "why $nic" "why group:$(group_of $nic)" "plan assign --owner b:2 $nic"; do
        # shellcheck disable=SC2086
        as bert assign-ctl --json $view >"$scratch/view" 2>&1
        viewed=$?
        if [ "${view%% *}" != plan ] && [ "$viewed" -ne 0 ]; then
                fail "'$view' shows the host" "$(cat "$scratch/view")"
        elif grep -qE 'a:secret|label-a' "$scratch/view"; then
                fail "'$view' does not tell the other's owner and label" "$(grep -oE '.{30}(a:secret|label-a).{30}' "$scratch/view" | head -n 1)"
        elif [ -s "$scratch/view" ] && ! grep -q "may not see" "$scratch/view"; then
                pass "'${view%% *}' of ${view##* } does not tell the other's owner and label"
        else
                fail "'$view' tells something" "$(cat "$scratch/view")"
        fi
done
check "while root sees both" test "$(assign-ctl list | grep -cE 'a:secret|b:secret')" -ge 2
check "they give back" as anna assign-ctl release a:secret
check "both of them" as bert assign-ctl release b:secret
check "root gives back as ever" assign-ctl release vm:roots
check_equal "nobody holds anything" "" "$(sql "SELECT * FROM current_assignments")"
rm -f "$rules"
