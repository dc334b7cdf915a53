#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks that the manual pages tell what the code has, all of it and nothing else.

usage: test-man.py SOURCE_ROOT ASSIGND   checks docs/man/org.assignd1.5 and docs/man/assignd.8
       test-man.py SOURCE_ROOT ASSIGND --self-test
                                         checks that this program sees a page that lacks a line, and one that has too much
"""

import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

# Errors that the bus and sd-bus give, or that have a standard name.
STANDARD_ERRORS = {'InvalidArgs', 'NotSupported', 'Failed', 'AccessDenied', 'InteractiveAuthorizationRequired', 'UnknownObject'}
ERROR_PREFIX = 'org.assignd1.Error.'
STANDARD_PREFIX = 'org.freedesktop.DBus.Error.'
ANNOUNCEMENTS = {None: 'announced', 'const': 'const', 'false': 'silent'}


class Facts:
    """What is so: read from the sources and the program."""

    def __init__(self, root, assignd):
        self.members, self.names = read_interfaces(root)
        self.errors = set(re.findall(r'ASSIGND_ERROR_PREFIX "(\w+)"', (root / 'dbus/names.h').read_text()))
        self.options = read_method_options(root)
        usage = subprocess.run([assignd, '--help'], capture_output=True, text=True, check=True).stdout
        self.arguments = set(re.findall(r'^ +(?:-\w )?--([a-z-]+)', usage, re.MULTILINE))
        self.statuses = {'0', '1'} | set(re.findall(r'EXIT_\w+ = EX_\w+, +/\* (\d+) \*/', (root / 'daemon/main.c').read_text()))
        self.database = make_database(assignd)
        self.views = {
            name: {column[1] for column in self.database.execute(f'PRAGMA table_info({name})')}
            for (name,) in self.database.execute("SELECT name FROM sqlite_schema WHERE type = 'view'")}


def signature(method, direction):
    return ', '.join(f'{a.get("type")} {a.get("name")}' for a in method.findall('arg') if a.get('direction') == direction)


def read_interfaces(root):
    """The definitions as the page has to have them, by interface; and the names of all members, by kind."""
    members, names = {}, {'Ic': set(), 'Va': set()}
    for path in sorted((root / 'dbus').glob('*.xml')):
        for interface in xml.etree.ElementTree.parse(path).getroot().findall('interface'):
            found = members.setdefault(interface.get('name'), set())
            for method in interface.findall('method'):
                result = signature(method, 'out')
                found.add(f'Ic {method.get("name")}({signature(method, "in")})' + (f' -> ({result})' if result else ''))
                names['Ic'].add(method.get('name'))
            for signal in interface.findall('signal'):
                found.add(f'Ic {signal.get("name")}({signature(signal, None)})')
                names['Ic'].add(signal.get('name'))
            for prop in interface.findall('property'):
                annotation = prop.find('annotation')
                announcement = ANNOUNCEMENTS[annotation.get('value') if annotation is not None else None]
                found.add(f'Va {prop.get("name")} {prop.get("type")} {announcement}')
                names['Va'].add(prop.get('name'))
    return members, names


def read_method_options(root):
    """Every option that a method reads, as "name type"."""
    types, options = {'BOOL': 'b', 'U64': 't', 'U32': 'u', 'U32_ARRAY': 'au', 'STRING': 's', 'STRING_ARRAY': 'as'}, set()
    for path in (root / 'dbus').glob('bus-*.[ch]'):
        for name, kind in re.findall(r'\{ "(\w+)", OPTION_(\w+),', path.read_text()):
            options.add(f'{name} {types[kind]}')
    return options


def make_database(assignd):
    """A database as assignd makes it, which it does before it looks for a bus that is not there."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([assignd, f'--sysfs={directory}', f'--dev={directory}', f'--state-directory={directory}', '--uevents=none'],
                       env={'DBUS_SYSTEM_BUS_ADDRESS': f'unix:path={directory}/no-bus'}, capture_output=True, check=False, timeout=60)
        database = sqlite3.connect(':memory:')
        with sqlite3.connect(f'{directory}/assignd.db') as made:
            made.backup(database)
    return database


def sections(page):
    """The lines of each .Sh section."""
    found, lines = {}, None
    for line in page.splitlines():
        if line.startswith('.Sh '):
            lines = found.setdefault(line[4:].strip('"'), [])
        elif lines is not None:
            lines.append(line)
    return found


def definitions(lines):
    """The members that a section defines, in the form of read_interfaces()."""
    found = []
    for line in lines:
        if match := re.fullmatch(r'\.It Ic (\w+) Ns Li "(.*)"', line):
            found.append(f'Ic {match[1]}{match[2]}'.replace(r'\(->', '->'))
        elif match := re.fullmatch(r'\.It Va (\w+) Li (\S+) Pq (\w+)', line):
            found.append(f'Va {match[1]} {match[2]} {match[3]}')
        elif re.match(r'\.It (Ic|Va)\b', line):
            found.append(f'(unreadable) {line}')
    return found


def mentioned(page, macro):
    """The words in running text that the macro marks."""
    words = []
    for line in page.splitlines():
        if match := re.match(rf'\.(?:It )?{macro} (.*)', line):
            words += re.findall(r'[\w.]*\w', re.split(r' (?:Ns|Li|Pq) ', match[1])[0])
    return words


def compare(what, expected, found):
    found = list(found)
    return ([f'{what} lacks: {x}' for x in sorted(expected - set(found))] +
            [f'{what} has what there is not: {x}' for x in sorted(set(found) - expected)] +
            [f'{what} has twice: {x}' for x in sorted({x for x in found if found.count(x) > 1})])


def check_api(facts, page):
    parts, complaints = sections(page), []
    for interface, expected in facts.members.items():
        complaints += compare(interface, expected, definitions(parts.get(interface, [])))
    for name in parts:
        if name.startswith('org.') and name not in facts.members:
            complaints.append(f'there is no interface {name}')

    listed = [line[len('.It Er '):] for line in parts.get('ERRORS', []) if line.startswith('.It Er ')]
    complaints += compare('ERRORS', {ERROR_PREFIX + x for x in facts.errors} | {STANDARD_PREFIX + x for x in STANDARD_ERRORS}, listed)
    for word in mentioned(page, 'Er'):
        if word.removeprefix(ERROR_PREFIX).removeprefix(STANDARD_PREFIX) not in facts.errors | STANDARD_ERRORS:
            complaints.append(f'there is no error {word}')
    for macro, names in facts.names.items():
        complaints += [f'there is no member {word}' for word in mentioned(page, macro) if word not in names]

    listed = [' '.join(match) for match in re.findall(r'^\.It Cm (\w+) Li (\w+)$', page, re.MULTILINE)]
    complaints += compare('OPTIONS', facts.options, listed)
    known = {option.split()[0] for option in facts.options}
    complaints += [f'there is no option {word}' for word in mentioned(page, 'Cm') if word not in known]
    return complaints


def check_views(facts, lines):
    """Each view's item names its columns."""
    complaints, words, view = [], {}, None
    for line in lines:
        if line.startswith('.Ss '):
            break
        if match := re.fullmatch(r'\.It Va (\w+)', line):
            view = words.setdefault(match[1], set())
        elif view is not None and line.startswith('.Li '):
            view |= set(re.findall(r'\w+', line[4:]))
    complaints += compare('DATABASE', set(facts.views), words)
    for name in facts.views.keys() & words.keys():
        complaints += [f'{name} has a column that is not told: {x}' for x in sorted(facts.views[name] - words[name])]
    return complaints


def check_queries(facts, page):
    queries = re.findall(r'^\.Bd -literal.*\n(SELECT[^;]*;)\n\.Ed$', page, re.MULTILINE)
    complaints = [] if len(queries) >= 5 else [f'only {len(queries)} example queries']
    for query in queries:
        try:
            facts.database.execute(query).fetchall()
        except sqlite3.Error as e:
            complaints.append(f'{e}: {query}')
    return complaints


def check_daemon(facts, page):
    parts = sections(page)
    listed = [x for line in parts.get('OPTIONS', []) if line.startswith('.It Fl ') for x in re.findall(r' -([a-z][a-z-]+)', line)]
    complaints = compare('OPTIONS', facts.arguments, listed)
    complaints += [f'there is no option --{x}' for x in re.findall(r'^\.Fl -([a-z-]+)', page, re.MULTILINE) if x not in facts.arguments]
    listed = [line[len('.It '):] for line in parts.get('EXIT STATUS', []) if line.startswith('.It ')]
    complaints += compare('EXIT STATUS', facts.statuses, listed)
    return complaints + check_views(facts, parts.get('DATABASE', [])) + check_queries(facts, page)


def check_form(path):
    if not shutil.which('groff'):
        return []
    run = subprocess.run(['groff', '-ww', '-b', '-z', '-mdoc', '-Tutf8', path], capture_output=True, text=True, check=False)
    return run.stderr.splitlines()


PAGES = {'org.assignd1.5': check_api, 'assignd.8': check_daemon}

# What a page may not do without, one line of it: a pattern, and what comes in its place.
DAMAGES = {
    'org.assignd1.5': [
        (r'^\.It Ic Explain .*\n', ''), (r'^\.It Va Health .*\n', ''), (r'^\.It Ic Drift .*\n', ''),
        (r'^\.It Er org.assignd1.Error.Stuck\n', ''), (r'^\.It Cm exact .*\n', ''),
        (r'^(\.It Va Uid Li) u', r'\1 t'), (r'^(\.It Va State Li s Pq) announced', r'\1 const'),
        (r'^(\.It Ic GetGroup .*)u number', r'\1s number'), (r'^(\.It Ic Rescan )', r'.It Ic Defrost Ns Li "()"\n\1'),
        (r'^\.Ic Wait$', '.Ic Await'), (r'^\.Er Timeout$', '.Er Timeouts'), (r'^\.Sh org.assignd1.Device$', '.Sh org.assignd1.Devices'),
    ],
    'assignd.8': [
        (r'^\.It Fl -worker .*\n', ''), (r'^\.It Fl h , -help\n', ''), (r'^(\.It Fl -)dev', r'\1devices'), (r'^\.It 69\n', ''),
        (r'^\.It Va known_devices\n', ''), (r'^\.Li end_reason ;\n', ''), (r'FROM current_assignments', 'FROM assignments_now'),
    ],
}


def self_test(facts, pages):
    complaints = []
    for name, damages in DAMAGES.items():
        for pattern, replacement in damages:
            damaged, n = re.subn(pattern, replacement, pages[name], count=1, flags=re.MULTILINE)
            if n == 0:
                complaints.append(f'{name} has nothing like {pattern}')
            elif not PAGES[name](facts, damaged):
                complaints.append(f'nobody misses {pattern} in {name}')
    return complaints


def main():
    root = pathlib.Path(sys.argv[1])
    facts = Facts(root, sys.argv[2])
    pages = {name: (root / 'docs/man' / name).read_text() for name in PAGES}
    if sys.argv[3:] == ['--self-test']:
        complaints = self_test(facts, pages)
    else:
        complaints = [f'{name}: {x}' for name, check in PAGES.items()
                      for x in check(facts, pages[name]) + check_form(root / 'docs/man' / name)]
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == '__main__':
    sys.exit(main())
