#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes one table of samples: lines "ROW<TAB>OURS<TAB>THEIRS", THEIRS "-" where there is nothing to compare with.

usage: table.py FILE...

A figure is the median. A ratio is the median of the ratios of the pairs, each pair measured one right after the other.
"""

import statistics
import sys

MSEC, MIB, COUNT, NSEC = (1000, 'ms'), (1024, 'MiB'), (1, ''), (1000, 'us')

# What is measured, the row of its samples, their unit, against what, and how far the ratio or, without a rival, the value may go.
ROWS = [
    ('assign-ctl list', 'list-lspci', MSEC, 'lspci -nnk', 1.0),
    ('assign-ctl list', 'list-driverctl', MSEC, 'driverctl list-devices', 0.05),
    ('assign-ctl list', 'list-dpdk', MSEC, 'dpdk-devbind.py -s', None),
    ('assign + release, two functions', 'assign-release', MSEC, 'bare loop of the writes', 1.10),
    ('the same, a process a verb', 'processes', MSEC, 'driverctl, 4 processes', None),
    ('wakeups in 30 s, idle', 'idle-wakeups', COUNT, None, 0),
    ('first start to READY, 10,000', 'first-start-10000', MSEC, None, 500),
    ('start to READY, 10,000', 'start-10000', MSEC, None, 500),
    ('of the first start, on a processor', 'first-start-cpu-10000', MSEC, None, None),
    ('of the start, on a processor', 'start-cpu-10000', MSEC, None, None),
    ('ListGroups, client, 10,000', 'list-10000', MSEC, None, 100),
    ('of that, the daemon on a processor', 'list-cpu-10000', MSEC, None, None),
    ('resident memory, 10,000', 'memory-10000', MIB, None, 40),
    ('resident memory, peak, 10,000', 'memory-peak-10000', MIB, None, 40),
    ('decision, 1,000 rules of all kinds', 'policy-mixed', NSEC, None, 5),
    ('decision, 1,000 globs of addresses', 'policy-globs', NSEC, None, 5),
    ('decision, the last of 1,000 rules', 'policy-last', NSEC, None, 5),
]

# The cost per device, 10,000 devices against 100 and 1,000: flat when the larger host's is at most this much dearer.
SCALES = [('scan', 'scan-cpu'), ('ListGroups', 'list-cpu')]
FLAT = 1.25


def read_samples(paths):
    samples = {}
    for path in paths:
        with open(path, encoding='ascii') as file:
            for line in file:
                row, ours, theirs = line.rstrip('\n').split('\t')
                samples.setdefault(row, []).append((int(ours), None if theirs == '-' else int(theirs)))
    return samples


def show(value, unit):
    scale, name = unit
    value /= scale
    digits = 0 if scale == 1 or value >= 100 else 1 if value >= 10 else 2
    return f'{value:.{digits}f} {name}'.rstrip()


def verdict(value, limit):
    if limit is None:
        return 'for information'
    return 'met' if value <= limit else 'MISSED'


def limit_text(limit, unit):
    if limit is None:
        return ''
    return f'<= {limit} {unit[1]}' if limit > 0 else '0'


def compared(what, unit, rival, limit, pairs):
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    ours, theirs = (show(statistics.median(side), unit) for side in zip(*pairs))
    return (what, ours, f'{rival}: {theirs}', f'{ratio:.3f}', '' if limit is None else f'<= {limit:g}', verdict(ratio, limit), str(len(pairs)))


def alone(what, unit, limit, values):
    value = statistics.median(values)
    return (what, show(value, unit), '', '', limit_text(limit, unit), verdict(value / unit[0], limit), str(len(values)))


def scaled(what, row, n_devices, samples):
    small, large = ([ours for ours, _ in samples[f'{row}-{n}']] for n in (n_devices, 10000))
    per_small, per_large = statistics.median(small) / n_devices, statistics.median(large) / 10000
    ratio = per_large / per_small
    return (f'{what} per device, 10,000', f'{per_large:.1f} us', f'{n_devices:,} devices: {per_small:.1f} us', f'{ratio:.3f}', f'<= {FLAT}',
            verdict(ratio, FLAT), str(len(large)))


def lines(samples):
    for what, row, unit, rival, limit in ROWS:
        if row not in samples:
            continue
        if rival:
            yield compared(what, unit, rival, limit, samples[row])
        else:
            yield alone(what, unit, limit, [ours for ours, _ in samples[row]])
    for what, row in SCALES:
        for n_devices in (1000, 100):
            if f'{row}-{n_devices}' in samples:
                yield scaled(what, row, n_devices, samples)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    table = [('what', 'ours', 'theirs', 'ratio', 'target', 'verdict', 'n'), *lines(read_samples(sys.argv[1:]))]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    table.insert(1, tuple('-' * width for width in widths))
    for row in table:
        print('| ' + ' | '.join(cell.ljust(width) for cell, width in zip(row, widths)) + ' |')


if __name__ == '__main__':
    main()
