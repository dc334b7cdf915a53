# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody else writes to sysfs at every step of an assign and of a release: run by test-interference.sh in a lab guest whose assignd has
the interfering worker. One round a step, moment and write; with an argument N of 0 or 1 only every second of them, from the N-th on. Ends with "rounds N ..." and tells each violation in a line of its own."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from host import group_endpoints, host_record, read_link, rows, wait_until  # noqa: E402

RUNTIME = "/run/assignd"
NIC, MATE = "0000:02:00.0", "0000:02:00.1"
HOST_DRIVER, VFIO = "e1000e", "vfio-pci"

STEPS = {
    "assign": [("set-override", NIC), ("set-override", MATE), ("unbind", NIC), ("unbind", MATE), ("bind", NIC), ("bind", MATE)],
    "release": [("unbind", MATE), ("unbind", NIC), ("set-override", NIC), ("set-override", MATE), ("bind", NIC), ("bind", MATE)],
}
WRITES = {
    "clears the override": (f"bus/pci/devices/{MATE}/driver_override", "-"),
    "sets another override": (f"bus/pci/devices/{MATE}/driver_override", "pci-stub"),
    "makes the kernel probe": ("bus/pci/drivers_probe", MATE),
    "binds the host driver": (f"bus/pci/drivers/{HOST_DRIVER}/bind", MATE),
    "unbinds the host driver": (f"bus/pci/drivers/{HOST_DRIVER}/unbind", MATE),
    "unbinds the VFIO driver": (f"bus/pci/drivers/{VFIO}/unbind", MATE),
}


def ctl(*arguments):
    done = subprocess.run(["assign-ctl", *arguments], capture_output=True, text=True, check=False, timeout=90)
    return done.returncode, done.stdout + done.stderr


def write(path, value):
    try:
        with open(path, "w", encoding="ascii") as f:
            f.write(value)
    except OSError:
        pass


def restore(before):
    """By hand, whatever a round has left: what nobody owns must be as before, for the next round."""
    for address in (NIC, MATE):
        driver, override = before[address]
        write(f"/sys/bus/pci/devices/{address}/driver_override", override or "\n")
        if read_link(address, "driver") not in (driver, None):
            write(f"/sys/bus/pci/devices/{address}/driver/unbind", address)
        if read_link(address, "driver") is None and driver:
            write(f"/sys/bus/pci/drivers/{driver}/bind", address)


def plan(when, call, address, path, value):
    for name in ("interfere", "interfered", "interfering"):
        try:
            os.unlink(f"{RUNTIME}/{name}")
        except FileNotFoundError:
            pass
    with open(f"{RUNTIME}/interfere.new", "w", encoding="ascii") as f:
        f.write(f"{when} {call} {address}\n{path}\n{value}\n")
    os.rename(f"{RUNTIME}/interfere.new", f"{RUNTIME}/interfere")


def state_of_group():
    status, text = ctl("--json", "show", NIC)
    return text if status == 0 else None


def told_of(address, since):
    """Whether the trail or a drift since then names the device."""
    said = rows(f"""SELECT 1 FROM audit WHERE id > {since[0]} AND message LIKE '%{address}%'
                    UNION ALL SELECT 1 FROM drifts WHERE id > {since[1]} AND address = '{address}'""")
    return bool(said)


def last_rows():
    return (rows("SELECT coalesce(max(id), 0) FROM audit")[0][0], rows("SELECT coalesce(max(id), 0) FROM drifts")[0][0])


def violations(before, since):
    if not wait_until(lambda: not rows("SELECT 1 FROM operations WHERE finished_usec IS NULL")):
        yield "an operation does not end"
        return
    held = {address for (address,) in rows("SELECT address FROM current_assignments")}
    closed = bool(rows("SELECT 1 FROM quarantines WHERE ended_usec IS NULL"))
    if held and held != group_endpoints(NIC):
        yield f"half given: {sorted(held)}"
    now = host_record()
    for address in (NIC, MATE):
        expected = (VFIO, VFIO) if address in held else before[address]
        if now[address] != expected and not wait_until(lambda a=address: told_of(a, since), 20):
            yield f"{address} has {now[address]} instead of {expected}, and nobody was told"
    on_host = [a for a in (NIC, MATE) if now[a][0] not in (VFIO, None)]
    if held and on_host and not closed:
        yield f"{on_host} are the host's while the group is assigned, and it is not quarantined"
    if state_of_group() is None:
        yield "assign-ctl show does not answer"


def give_back(before):
    """As an administrator would: what drifted is recovered, what is owned is released, and what nobody keeps is put right by hand."""
    if rows("SELECT 1 FROM quarantines WHERE ended_usec IS NULL"):
        ctl("recover", NIC)
    ctl("release", "vm:round")
    if rows("SELECT 1 FROM quarantines WHERE ended_usec IS NULL"):
        restore(before)
        ctl("recover", NIC)
    restore(before)


def interfered():
    return os.path.exists(f"{RUNTIME}/interfered")


def run_round(verb, when, step, name, before):
    if verb == "release":
        ctl("assign", "--owner", "vm:round", NIC)
    since = last_rows()
    plan(when, *step, *WRITES[name])
    ctl(*(["assign", "--owner", "vm:round", NIC] if verb == "assign" else ["release", "vm:round"]))
    found = [f"{when} {' '.join(step)} of {verb}, somebody {name}: {line}" for line in violations(before, since)]
    happened = interfered()
    give_back(before)
    if rows("SELECT 1 FROM current_assignments"):
        found.append(f"{when} {' '.join(step)} of {verb}, somebody {name}: it cannot be released after that")
    return found, happened


def all_rounds():
    for verb, steps in STEPS.items():
        for step in steps:
            # Each half has every write at every step, the one before it and the other after.
            for i, (when, name) in enumerate((when, name) for when in ("before", "after") for name in WRITES):
                yield (i + i // len(WRITES)) % 2, (verb, when, step, name)


def main(half):
    before = host_record()
    found, done, happened = [], 0, 0
    for which, (verb, when, step, name) in all_rounds():
        if half is not None and which != half:
            continue
        now, took_place = run_round(verb, when, step, name, before)
        done += 1
        happened += took_place
        found += now
        for line in now:
            print(line, flush=True)
    print(f"rounds {done} of which the write took place in {happened} violations {len(found)}")
    return 1 if found or happened < done * 3 // 4 else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else None))
