# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel and the database say, for the test programs that run in a lab guest."""

import os
import sqlite3
import time

DATABASE = "/var/lib/assignd/assignd.db"
DEVICES = "/sys/bus/pci/devices"
PATIENCE = 60


def read_link(*path):
    try:
        return os.path.basename(os.readlink(os.path.join(DEVICES, *path)))
    except OSError:
        return None


def read_override(address):
    try:
        with open(os.path.join(DEVICES, address, "driver_override"), encoding="ascii") as f:
            text = f.read().strip()
    except OSError:
        return None
    return None if text == "(null)" else text


def host_record():
    return {a: (read_link(a, "driver"), read_override(a)) for a in sorted(os.listdir(DEVICES))}


def is_endpoint(address):
    with open(os.path.join(DEVICES, address, "class"), encoding="ascii") as f:
        return not f.read().startswith("0x06")


def group_endpoints(address):
    members = os.listdir(os.path.join(DEVICES, address, "iommu_group", "devices"))
    return {m for m in members if is_endpoint(m)}


def rows(sql):
    with sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True, timeout=10) as database:
        return database.execute(sql).fetchall()


def wait_until(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
