# SPDX-License-Identifier: BSD-2-Clause
"""Running the rules against a server."""
import os, shutil, tempfile, traceback
import harness
import rawnbd
import servers
from registry import NotOffered, rows
from trial import Trial
import handshake, options, transmission, commands, chunks, status, sizes, tls # pylint: disable=unused-import; each adds its rows

rawnbd.TIMEOUT = 4 * harness.SLOWER  # seconds that a server has for anything
SERVERS = servers.ALL
HERE = os.path.dirname(os.path.abspath(__file__))
WORDS = {rawnbd.Closed: 'the server closes the connection', TimeoutError: 'no answer', BrokenPipeError: 'the server closed the connection',
         ConnectionResetError: 'the server reset the connection'}


def choose(idents):
    return [r for r in rows.values() if not idents or any(r.ident == i or r.ident.startswith(i + '-') for i in idents)]


def try_one(row, server):
    """(result, words): pass, FAIL, n/a, skip (not built in) or untestable."""
    if not row.test:
        return 'untestable', row.note
    trial = Trial(server)
    try:
        row.test(trial)
        return 'pass', ''
    except servers.NotBuilt as why:
        return 'skip', str(why)
    except NotOffered as why:
        return 'n/a', str(why)
    except Exception as e: # pylint: disable=broad-except; whatever a wrong server makes happen
        where = next(f.line for f in reversed(traceback.extract_tb(e.__traceback__)) if os.path.dirname(f.filename) == HERE)
        words = str(e) if isinstance(e, AssertionError) else f'{WORDS.get(type(e), repr(e))} at "{where}"'
        return 'FAIL', ' '.join(words.split())
    finally:
        trial.close()


def try_all(kind, some):
    """({ident: (result, words)}, version, bad ends) of one server over those rows."""
    tmp = tempfile.mkdtemp(prefix='conf-')
    server = kind(tmp)
    try:
        if not server.installed():
            return {r.ident: ('n/a', 'not installed') for r in some}, 'not installed', []
        results = {r.ident: try_one(r, server) for r in some}
        return results, server.version(), server.stop()
    finally:
        server.stop()
        shutil.rmtree(tmp, ignore_errors=True)
