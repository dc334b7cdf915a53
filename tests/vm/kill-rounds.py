# SPDX-License-Identifier: GPL-2.0-or-later
"""Kills the daemon at random moments while clients assign, open and release, and looks whether what the kernel has, what
the database says and what was before agree. Run by test-kill.sh in a lab guest: kill-rounds.py ROUNDS SEED. Ends with "rounds N ..." on
standard output and one line per violation before it."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from host import PATIENCE, group_endpoints, host_record, rows, wait_until  # noqa: E402

UNIT = "assignd.service"

# Kills between two looks: the clients have to come to an end for a look, which takes longer than a kill.
LOOK_EACH = 3

# What each client has for itself, and what all of them want.
OWN = {"a": ["02:00.0"], "b": ["04:01.0"], "c": ["06:00.0"], "d": ["05:00.0"]}
PRIZE = "01:00.0"

# done, failed (by the kill, or in the undo), owned by another, too late, gone, daemon away
EXPECTED = {0, 1, 4, 5, 7, 8}


class Client(threading.Thread):
    """Assigns, uses and releases for as long as the gate is open."""

    def __init__(self, name, seed, gate):
        super().__init__(daemon=True)
        self.name_, self.random, self.gate = name, random.Random(seed), gate
        self.commands, self.unexpected = 0, []

    def command(self):
        owner, targets = f"vm:{self.name_}", list(OWN[self.name_])
        if self.random.random() < 0.5:
            targets.append(PRIZE)
        choice = self.random.randrange(4)
        if choice == 0:
            return ["assign", "--owner", owner, *targets]
        if choice == 1:
            return ["run", "--owner", f"{owner}-run", *targets, "--", "true"]
        if choice == 2:
            return ["assign", "--owner", owner, *OWN[self.name_]]
        return ["release", owner]

    def run(self):
        while self.gate.enter():
            command = self.command()
            done = subprocess.run(["assign-ctl", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
            self.commands += 1
            if done.returncode not in EXPECTED:
                self.unexpected.append(f"{' '.join(command)}: status {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
            self.gate.leave()


class Gate:
    """Open: clients come and go. Closed: nobody is inside."""

    def __init__(self):
        self.condition = threading.Condition()
        self.inside, self.is_open, self.over = 0, True, False

    def enter(self):
        with self.condition:
            self.condition.wait_for(lambda: self.is_open or self.over)
            self.inside += not self.over
            return not self.over

    def leave(self):
        with self.condition:
            self.inside -= 1
            self.condition.notify_all()

    def close(self):
        with self.condition:
            self.is_open = False
            return self.condition.wait_for(lambda: self.inside == 0, PATIENCE)

    def open(self):
        with self.condition:
            self.is_open = True
            self.condition.notify_all()

    def end(self):
        with self.condition:
            self.over = True
            self.condition.notify_all()


def main_pid():
    text = subprocess.run(["systemctl", "show", "--property=MainPID", "--value", UNIT], capture_output=True, text=True, check=True).stdout
    return int(text)


def daemon_answers():
    return subprocess.run(["assign-ctl", "list"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def violations(before):
    """With nobody at work: what does not agree."""
    if not wait_until(lambda: not rows("SELECT 1 FROM operations WHERE finished_usec IS NULL")):
        yield f"operations do not end: {rows('SELECT id, verb, state FROM operations WHERE finished_usec IS NULL')}"
        return
    held = {address: (owner, vfio) for address, owner, vfio in rows("SELECT address, owner, vfio_driver FROM current_assignments")}
    now = host_record()
    for address, (owner, vfio) in held.items():
        if now.get(address) != (vfio, vfio):
            yield f"{address} is assigned to {owner} and has driver and override {now.get(address)}"
        for mate in group_endpoints(address):
            if held.get(mate, (None, None))[0] != owner:
                yield f"{mate} shares the group of {address}, which {owner} has, and is not its"
    for address, state in now.items():
        if address not in held and state != before[address]:
            yield f"{address} is nobody's and has driver and override {state}, not {before[address]}"
    for row in rows("SELECT id, verb, state FROM operations o WHERE NOT EXISTS (SELECT 1 FROM audit a WHERE a.operation = o.id)"):
        yield f"the trail says nothing of operation {row}"
    for row in rows("SELECT id, state FROM assignments WHERE state NOT IN ('active', 'ended', 'undone')"):
        yield f"assignment {row} is neither held nor over"


def kill(chance):
    time.sleep(chance.uniform(0.0, 0.6))
    pid = main_pid()
    os.kill(pid, signal.SIGKILL)
    return wait_until(lambda: main_pid() not in (0, pid))


def look(gate, before):
    """At everything, with nobody at work."""
    if not gate.close():
        return ["a client does not come back"]
    found = ["the daemon does not answer"] if not wait_until(daemon_answers) else list(violations(before))
    gate.open()
    return found


def give_all_back(gate, before):
    gate.close()
    for owner in {row[0] for row in rows("SELECT owner FROM current_assignments")}:
        subprocess.run(["assign-ctl", "release", owner], stdout=subprocess.DEVNULL, check=False)
    return [] if host_record() == before else ["in the end the host is not as it was"]


def main():
    rounds, seed = int(sys.argv[1]), int(sys.argv[2])
    print(f"seed {seed}", flush=True)
    chance, gate, before = random.Random(seed), Gate(), host_record()
    clients = [Client(name, seed + i, gate) for i, name in enumerate(OWN)]
    for client in clients:
        client.start()
    found, done = [], 0
    while done < rounds and len(found) < 10:
        now = [] if kill(chance) else ["the daemon does not come back"]
        done += 1
        if not now and (done % LOOK_EACH == 0 or done == rounds):
            now = look(gate, before)
        found += now
        for line in now:
            print(f"round {done}: {line}", flush=True)
    found += give_all_back(gate, before)
    gate.end()
    for client in clients:
        for line in client.unexpected[:5]:
            print(f"client {client.name_}: {line}")
            found.append(line)
    operations = dict(rows("SELECT state, count(*) FROM operations GROUP BY state"))
    recovered = rows("SELECT count(*) FROM operations WHERE verb = 'recover'")[0][0]
    twice = rows("""SELECT count(*) FROM assignment_history a JOIN assignment_history b ON a.address = b.address AND a.assignment < b.assignment
                    AND (a.until_usec IS NULL OR b.since_usec < a.until_usec)""")[0][0]
    print(f"rounds {done} commands {sum(c.commands for c in clients)} operations {operations} recoveries {recovered} "
          f"overlaps {twice} violations {len(found)}")
    return 1 if found or twice else 0


if __name__ == "__main__":
    sys.exit(main())
