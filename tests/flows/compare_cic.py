#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hold `sluice flows --semantics cic|cic-fixed` against what CICFlowMeter printed for the same capture.

usage: compare_cic.py SLUICE SEMANTICS [NAME...]           captures of tests/golden/flows-captures.py; all without NAME
       compare_cic.py --folder SLUICE SEMANTICS FOLDER ROWS  the captures in a folder, with ROWS/CAPTURE_Flow.csv
       compare_cic.py --expect SEMANTICS FOLDER      keep the rows in FOLDER/NAME.pcap_Flow.csv as expected ones

The order of rows is that of a hash map in CICFlowMeter, so both sides are compared as sorted rows; every column counts,
and its text must be the same. Status 77: this sluice has no `flows` command.
"""
import csv
import io
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, '..', 'golden')
FROM = {'cic': 'CICFlowMeter 98a5eba', 'cic-fixed': 'the fork of CICFlowMeter, 4dd5319'}


def rows_of(text):
    """Header and sorted rows; lines that begin with # say where a table comes from. A repeated header is dropped."""
    lines = [line for line in text.splitlines() if line and not line.startswith('#')]
    table = list(csv.reader(io.StringIO('\n'.join(lines))))
    if not table:
        return [], []
    return table[0], sorted(row for row in table[1:] if row != table[0])


def expected_path(semantics, name):
    return os.path.join(GOLDEN, 'flows-cic', semantics, name + '.csv')


def run(sluice, semantics, capture):
    command = [sluice, 'flows', capture, '--semantics', semantics, '--names', 'cic', '--format', 'csv', '-o', '-']
    done = subprocess.run(command, capture_output=True, text=True)
    if "there is no command 'flows'" in done.stderr or "'flows' is not there yet" in done.stderr:
        print('skipped: this sluice has no `flows` command')
        sys.exit(77)
    if done.returncode != 0:
        return 'status %d: %s' % (done.returncode, done.stderr)
    return done.stdout


def differences(want, got):
    """What to tell: pairs rows by Flow ID, then names the columns that differ."""
    head_want, rows_want = want
    head_got, rows_got = got
    out = []
    # of a capture without flows CICFlowMeter writes the header, or no file at all
    if head_want and head_want != head_got:
        out.append('header: wanted %s\n        got    %s' % (','.join(head_want), ','.join(head_got)))
    missing, extra = list(rows_want), []
    for row in rows_got:
        if row in missing:
            missing.remove(row)
        else:
            extra.append(row)
    for row in missing:
        # the nearest unexplained row of the same flow
        same = [e for e in extra if e[0] == row[0] and len(e) == len(row)]
        near = min(same, key=lambda e: sum(a != b for a, b in zip(e, row)), default=None)
        if near is None:
            out.append('missing: ' + ','.join(row))
            continue
        extra.remove(near)
        out.append('flow %s at %s:' % (row[0], row[6]))
        out += ['    %s: wanted %s, got %s' % (head_want[i] if i < len(head_want) else i, a, b)
                for i, (a, b) in enumerate(zip(row, near)) if a != b]
    out += ['not wanted: ' + ','.join(row) for row in extra]
    return out


def keep(semantics, folder):
    for name in subprocess.run([sys.executable, os.path.join(GOLDEN, 'flows-captures.py'), '--list'],
                               capture_output=True, text=True, check=True).stdout.split():
        with open(os.path.join(folder, name + '.pcap_Flow.csv')) as f:
            head, rows = rows_of(f.read())
        path = expected_path(semantics, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            f.write('# From %s, run with its offline command and -Duser.timezone=UTC on the capture that '
                    'tests/golden/flows-captures.py makes.\n' % FROM[semantics])
            f.writelines(','.join(row) + '\n' for row in [head] + rows)


def compare(sluice, semantics, name, capture, csv_path):
    with open(csv_path) as f:
        want = rows_of(f.read())
    told = differences(want, rows_of(run(sluice, semantics, capture)))
    print('%s: %s' % (name, 'differs' if told else '%d rows, the same' % len(want[1])))
    for line in told[:40]:
        print('  ' + (line if len(line) < 200 else line[:197] + '...'))
    if len(told) > 40:
        print('  ... and %d lines more' % (len(told) - 40))
    return not told


def main(argv):
    if len(argv) == 4 and argv[1] == '--expect':
        return keep(argv[2], argv[3])
    if len(argv) == 6 and argv[1] == '--folder' and argv[3] in FROM:
        names = sorted(n for n in os.listdir(argv[4]) if os.path.exists(os.path.join(argv[5], n + '_Flow.csv')))
        good = sum(compare(argv[2], argv[3], n, os.path.join(argv[4], n), os.path.join(argv[5], n + '_Flow.csv'))
                   for n in names)
        print('%d of %d captures as %s printed them' % (good, len(names), FROM[argv[3]]))
        return 0 if good == len(names) else 1
    if len(argv) < 3 or argv[2] not in FROM:
        print(__doc__, file=sys.stderr)
        return 2
    sluice, semantics = argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, os.path.join(GOLDEN, 'flows-captures.py'), folder] + argv[3:], check=True)
        names = argv[3:] or sorted(name[:-len('.pcap')] for name in os.listdir(folder))
        differing = [name for name in names if not compare(sluice, semantics, name, os.path.join(folder, name + '.pcap'),
                                                           expected_path(semantics, name))]
    print('%d of %d captures as %s printed them' % (len(names) - len(differing), len(names), FROM[semantics]))
    return 1 if differing else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
