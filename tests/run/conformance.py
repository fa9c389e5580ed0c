#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""This server against every rule of the NBD specification (tests/conformance), and docs/conformance.md against both."""
import os, sys
import harness

sys.path.insert(0, harness.SRC + '/tests/conformance')
# what plug-ins of nbdkit leave behind is not ours to mend
os.environ['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'
import page, servers, suite # pylint: disable=wrong-import-position

rows = suite.choose(sys.argv[1:])
results, _, ends = suite.try_all(servers.Blkscope, rows)
told = page.read()[0]['blkscope']
bad = [f'the server at its end: {e}' for e in ends]
skipped = [r.ident for r in rows if results[r.ident][0] == 'skip']
for row in rows:
    kind, words = results[row.ident]
    expected = told.get(row.ident, ('not in the page', ''))[0]
    if kind == 'FAIL':
        print(f'# {row.ident} ({row.level}): {words}')
    if kind == 'FAIL' and row.level == 'MUST':
        print(f'not ok {row.ident}: {row.text}')
        bad.append(row.ident)
    elif kind != expected:
        print(f'not ok {row.ident}: {kind}, but docs/conformance.md says {expected}: tests/conformance/run --server=blkscope --write-docs')
        bad.append(row.ident)
    elif kind in ('pass', 'FAIL', 'n/a'):
        print(f'ok {row.ident}')
if len(rows) == len(suite.rows) and list(told) != [r.ident for r in rows]:
    bad.append('docs/conformance.md does not have the same rows, in the same order')
if skipped:
    print(f'skip {skipped[0]} ... {skipped[-1]}: {results[skipped[0]][1]} ({len(skipped)} rules)')
for line in bad:
    print('#', line)
sys.exit(bool(bad))
