# SPDX-License-Identifier: BSD-2-Clause
"""The table in words: for the terminal, and as docs/conformance.md."""
import os
import harness

PAGE = harness.SRC + '/docs/conformance.md'
NAMES = ('blkscope', 'nbdkit', 'qemu-nbd', 'nbd-server')


def counts(rows, results, level):
    """{result: number} of one server."""
    out = {}
    for r in rows:
        if r.level == level and r.ident in results:
            kind = results[r.ident][0]
            out[kind] = out.get(kind, 0) + 1
    return out


def table(rows, results, versions):
    names = [n for n in NAMES if n in results]
    out = '| {:12} | {:6} | {} | rule\n'.format('id', 'level', ' | '.join(f'{n:10}' for n in names))
    for r in rows:
        out += '| {:12} | {:6} | {} | {}\n'.format(r.ident, r.level, ' | '.join(f'{results[n][r.ident][0]:10}' for n in names), r.text)
    for n in names:
        for r in rows:
            if results[n][r.ident][0] == 'FAIL':
                out += f'{n} {r.ident} ({r.level}): {results[n][r.ident][1][:300]}\n'
    for n in names:
        for level in ('MUST', 'SHOULD'):
            got = counts(rows, results[n], level)
            out += f'{n} {versions[n]}: {level}: ' + ', '.join(f'{v} {k}' for k, v in sorted(got.items())) + '\n'
    return out


# --- docs/conformance.md ---

HEAD = '''# Conformance

What the specification of the NBD protocol asks of a server, rule by rule, and which servers keep to it. This page is written by
`tests/conformance/run --write-docs`; `make conformance` prints the same table, and `make check` holds our column, and the set of
rules, against this page.

The rules are those of `doc/proto.md` of NetworkBlockDevice/nbd: MUST and MUST NOT, and SHOULD where it is cheap to try. Those marked
(ext) are of its branch `extension-ext-header`. Rules for clients, and what a server MAY do, have no row. The texts here are reminders,
not the wording.

A test is a Python function that says to the server, byte by byte, what a client may say, or may not, and takes apart what comes back.
Each server is started in several ways, to offer as much as it can: writable, read-only, with failing requests, with block sizes, in a
directory of files, with TLS ... (`tests/conformance/servers.py`). That the tests can fail is tested, too: by servers that are wrong in
one way each (`tests/conformance/mutants.py`).

| result | means |
|---|---|
| pass | the rule was tried and kept |
| **FAIL** | the rule was tried and broken; how, is told below the table |
| n/a | the rule is about something that this server does not offer, or cannot be made to do |
| skip | this server can have it, but not in the build that was measured |
| untestable | cannot be seen from outside; why, is told below the table |

'''


def read():
    """{server: {ident: (result, words)}}, {server: version} of the page as it is."""
    results, versions = {n: {} for n in NAMES}, {}
    server = None
    for line in harness.read_file(PAGE).splitlines():
        cells = [c.strip(' *') for c in line.split('|')[1:-1]]
        if line.startswith('| `') and len(cells) == 5 + len(NAMES):
            for n, cell in zip(NAMES, cells[5:]):
                results[n][cells[0].strip('`')] = (cell, '')
        elif line.startswith('| ') and len(cells) == 4 and cells[0] in NAMES:
            versions[cells[0]] = cells[1]
        elif line.startswith('### '):
            server = line[4:].split()[0]
        elif line.startswith('* `') and server in NAMES:
            ident, words = line[3:].split('`', 1)
            results[server][ident] = ('FAIL', words.split(': ', 1)[1])
    return results, versions


def cell(text):
    return text.replace('|', '\\|')


def write(rows, results, versions):
    """The whole page.  Servers that were not tried now keep what the page said of them."""
    old, old_versions = read()
    results, versions = {**old, **results}, {**old_versions, **versions}
    out = HEAD + '| server | version | MUST: pass, FAIL, n/a | SHOULD: pass, FAIL, n/a |\n|---|---|---|---|\n'
    for n in NAMES:
        got = [counts(rows, results[n], level) for level in ('MUST', 'SHOULD')]
        out += f'| {n} | {versions.get(n, "?")} | ' + ' | '.join(numbers(g) for g in got) + ' |\n'
    out += '\n## The rules\n\n| id | section | a server ... | level | test | ' + ' | '.join(NAMES) + ' |\n'
    out += '|---' * (5 + len(NAMES)) + '|\n'
    for r in rows:
        test = f'{r.test.__module__}: {r.test.__name__}' if r.test else '-'
        marks = (results[n].get(r.ident, ('?', ''))[0] for n in NAMES)
        out += f'| `{r.ident}` | {cell(r.section)} | {cell(r.text)} | {r.level} | {test} | '
        out += ' | '.join('**FAIL**' if m == 'FAIL' else m for m in marks) + ' |\n'
    out += '\n## What failed\n'
    for n in NAMES:
        out += f'\n### {n} {versions.get(n, "?")}\n\n'
        broken = [(r, results[n][r.ident][1]) for r in rows if results[n].get(r.ident, ('',))[0] == 'FAIL']
        for r, words in broken:
            out += f'* `{r.ident}` ({r.level}): {words[:200]}\n'
        if not broken:
            out += 'No rule.\n'
    out += '\n## Notes\n\n' + NOTES + '\n'
    for r in rows:
        if r.note:
            out += f'* {r.ident}: {r.note}\n'
    with open(PAGE, 'w') as f:
        f.write(out)


def numbers(got):
    more = ''.join(f', {got[k]} {k}' for k in ('skip', 'untestable') if k in got)
    return f'{got.get("pass", 0)}, {got.get("FAIL", 0)}, {got.get("n/a", 0)}{more}'


NOTES = '''Of rules that can be read in two ways, or cannot be tried, and of what we do not do:
'''
