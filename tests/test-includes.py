#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks that dependencies between folders point one way (docs/ARCHITECTURE.md), as told by #include lines.

usage: test-includes.py SOURCE_ROOT     checks the tree
       test-includes.py --self-test     checks that this program sees violations, on trees made for that
"""

import pathlib
import re
import sys
import tempfile

# What the files of a folder may include of ours: whole folders, or single headers.
MAY_INCLUDE = {
    'base': {'base'},
    'policy': {'base', 'policy'},
    'db': {'base', 'db'},
    'host': {'base', 'host', 'policy/facts.h', 'policy/use.h', 'policy/host-facts.h'},
    'daemon': {'base', 'policy', 'db', 'host', 'daemon'},
    'dbus': {'base', 'policy', 'daemon', 'dbus'},
    'cli': {'base', 'cli', 'dbus/names.h', 'policy/rules-parse.h'},
}

# The one file that puts everything together.
MAY_INCLUDE_ALL = {'daemon/main.c'}

# Which folders may include a library's headers. sd-bus stands before the rest of libsystemd: the daemon knows no bus.
LIBRARIES = [
    (re.compile(r'systemd/sd-bus'), {'dbus', 'cli'}),
    (re.compile(r'systemd/'), {'host', 'daemon', 'dbus', 'cli'}),
    (re.compile(r'sqlite3'), {'db', 'cli'}),
    (re.compile(r'pci/'), {'host'}),
    (re.compile(r'jansson'), {'policy', 'daemon', 'dbus', 'cli'}),
]

# assignd-worker: nothing it is made of includes these, not even through another header.
WORKER = re.compile(r'host/(assignd-worker|worker-main|worker-protocol|children|holders|kernel(-\w+)?)\.[ch]$')
NOT_IN_WORKER = re.compile(r'(policy|db|daemon|dbus|cli|systemd|sqlite3|jansson|pci)\b')

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def includes_of(root, file):
    """(line number, included) of each #include in `file`; headers of ours as folder/name from the root."""
    for number, line in enumerate((root / file).read_text(errors='replace').splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        name = match[1]
        if name.split('/')[0] not in MAY_INCLUDE and (root / pathlib.PurePath(file).parent / name).exists():
            name = str((root / pathlib.PurePath(file).parent / name).resolve().relative_to(root))
        yield number, name


def is_ours(name):
    return name.split('/')[0] in MAY_INCLUDE and '/' in name


def check_file(root, file):
    folder = file.split('/')[0]
    for number, name in includes_of(root, file):
        where = f'{file}:{number}: {name}'
        if is_ours(name):
            if not (root / name).exists():
                yield f'{where} does not exist'
            if file not in MAY_INCLUDE_ALL and not {name, name.split('/')[0]} & MAY_INCLUDE[folder]:
                yield f'{where} must not be included from {folder}/, only {", ".join(sorted(MAY_INCLUDE[folder]))}'
            continue
        for library, folders in LIBRARIES:
            if library.match(name):
                if folder not in folders and file not in MAY_INCLUDE_ALL:
                    yield f'{where} must not be included from {folder}/, only from {", ".join(sorted(folders))}'
                break


def check_worker_file(root, file):
    """Follows the includes of ours from `file`."""
    seen, pending = {file}, [(file, file)]
    while pending:
        current, path = pending.pop()
        for number, name in includes_of(root, current):
            if NOT_IN_WORKER.match(name):
                yield f'{current}:{number}: {name} must not get into assignd-worker (by {path})'
            elif is_ours(name) and name not in seen and (root / name).exists():
                seen.add(name)
                pending.append((name, f'{path} -> {name}'))


def check_tree(root):
    root = pathlib.Path(root).resolve()
    violations, n_files = [], 0
    for folder in MAY_INCLUDE:
        for path in sorted((root / folder).rglob('*.[ch]')):
            file = str(path.relative_to(root))
            n_files += 1
            violations += check_file(root, file)
            if WORKER.match(file):
                violations += check_worker_file(root, file)
    return n_files, violations


# A tree that is as it should be; each case adds or replaces one file that must, or must not, be complained about.
GOOD = {
    'base/macro.h': '',
    'base/io.c': '#include "base/macro.h"\n#include <errno.h>\n',
    'policy/facts.h': '#include "base/macro.h"\n',
    'policy/plan.h': '#include "policy/facts.h"\n',
    'policy/rules-parse.h': '',
    'db/db.h': '#include <sqlite3.h>\n',
    'host/tree.h': '#include "policy/facts.h"\n',
    'host/worker.h': '#include <systemd/sd-event.h>\n',
    'host/worker-protocol.h': '#include "base/macro.h"\n',
    'host/kernel.h': '#include "host/worker-protocol.h"\n',
    'host/worker-main.c': '#include "host/kernel.h"\n',
    'daemon/manager.h': '#include "policy/plan.h"\n#include "db/db.h"\n#include "host/tree.h"\n#include <systemd/sd-event.h>\n',
    'daemon/main.c': '#include "dbus/bus.h"\n#include "db/db.h"\n#include <systemd/sd-bus.h>\n',
    'dbus/names.h': '',
    'dbus/bus.h': '#include "daemon/manager.h"\n#include <systemd/sd-bus.h>\n',
    'cli/main.c': '#include "dbus/names.h"\n#include <jansson.h>\n',
}
ALLOWED = [
    ('host/tree.c', '#include "tree.h"\n'),
    ('cli/verbs.c', '// #include "db/db.h"\n'),
    ('cli/policy-check.c', '#include "policy/rules-parse.h"\n'),
]
VIOLATIONS = [
    ('base/io.c', '#include "policy/facts.h"\n'),
    ('policy/plan.c', '#include "db/db.h"\n'),
    ('policy/plan.c', '#include "host/tree.h"\n'),
    ('policy/plan.c', '#include <systemd/sd-event.h>\n'),
    ('db/db.c', '#include "policy/facts.h"\n'),
    ('host/tree.c', '#include "policy/plan.h"\n'),
    ('host/tree.c', '#include <policy/plan.h>\n'),
    ('host/tree.c', '#include "daemon/manager.h"\n'),
    ('host/tree.c', '  #  include  <sqlite3.h>\n'),
    ('daemon/manager.c', '#include "dbus/names.h"\n'),
    ('daemon/manager.c', '#include <systemd/sd-bus.h>\n'),
    ('daemon/manager.c', '#include <sqlite3.h>\n'),
    ('daemon/manager.c', '#include "../dbus/bus.h"\n'),
    ('dbus/bus.c', '#include "db/db.h"\n'),
    ('dbus/bus.c', '#include "host/tree.h"\n'),
    ('cli/verbs.c', '#include "dbus/bus.h"\n'),
    ('cli/verbs.c', '#include "policy/facts.h"\n'),
    ('cli/verbs.c', '#include "daemon/manager.h"\n'),
    ('base/io.c', '#include "base/missing.h"\n'),
    ('host/worker-main.c', '#include "policy/facts.h"\n'),
    ('host/worker-main.c', '#include "host/tree.h"\n'),
    ('host/kernel-sysfs.c', '#include "host/worker.h"\n'),
    ('host/kernel-vfio.c', '#include <systemd/sd-event.h>\n'),
    ('host/assignd-worker.c', '#include <sqlite3.h>\n'),
    ('host/kernel.h', '#include "host/tree.h"\n'),
]


def check_with(file, text):
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (GOOD | {file: text}).items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        return check_tree(folder)[1]


def self_test():
    n_wrong = 0
    for file, text in [('base/macro.h', '')] + ALLOWED:
        if violations := check_with(file, text):
            print(f'{file} with {text!r} is allowed, but: {violations}')
            n_wrong += 1
    for file, text in VIOLATIONS:
        if not check_with(file, text):
            print(f'{file} with {text!r} was not seen')
            n_wrong += 1
    print(f'{len(VIOLATIONS) + len(ALLOWED) + 1} cases, {n_wrong} wrong')
    return n_wrong


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == '--self-test':
        sys.exit(1 if self_test() else 0)

    n_files, violations = check_tree(sys.argv[1])
    for violation in violations:
        print(violation)
    print(f'{n_files} files, {len(violations)} violations')
    sys.exit(1 if violations or n_files == 0 else 0)


main()
