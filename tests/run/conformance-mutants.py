#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# plain-only: it tests the tests
"""Can the tests of tests/conformance fail?  They are run on servers that are wrong in one way each (mutants.py)."""
import shutil, sys, tempfile
import harness

sys.path.insert(0, harness.SRC + '/tests/conformance')
import mutants, servers, suite # pylint: disable=wrong-import-position
import rawnbd # pylint: disable=wrong-import-position

rawnbd.TIMEOUT = 1 # what waits for a reply that the mutant swallowed
tmp = tempfile.mkdtemp(prefix='mutants-')
server = servers.Blkscope(tmp)
bad, broken = 0, {i for *_, idents in mutants.all_of_them() for i in idents}
wrong = {i: suite.try_one(suite.rows[i], server) for i in sorted(broken)} # unchanged, it keeps the rules
for ident, (kind, words) in wrong.items():
    if kind != 'pass':
        print(f'not ok {ident} of a server that is right: {kind} {words}')
        bad += 1
for what, changed, idents in mutants.all_of_them():
    if len(sys.argv) > 1 and sys.argv[1] not in what:
        continue
    with changed:
        kept = [i for i in idents if suite.try_one(suite.rows[i], server)[0] != 'FAIL']
    print(f'not ok {what}: not noticed by {" ".join(kept)}' if kept else f'ok {what}', flush=True)
    bad += bool(kept)
print('|', len(broken), 'of', sum(bool(r.test) for r in suite.rows.values()), 'rules were seen to fail')
server.stop()
shutil.rmtree(tmp)
sys.exit(bad != 0)
