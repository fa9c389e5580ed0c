#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
# timeout: 120
"""The server of the page (nbdview --web) by plain HTTP: what it answers against --dump and the log, and whom it refuses."""
import base64, contextlib, gzip, http.client, json, re, signal, socket, struct, subprocess
from viewlib import *

HAND = f'{SRC}/tests/data/view-hand.log'


class Web:
    def __init__(self, *args):
        self.p = subprocess.Popen([VIEW, '--web', *args], stdout=subprocess.PIPE, text=True)
        self.address = self.p.stdout.readline().strip()
        m = re.fullmatch(r'http://127\.0\.0\.1:(\d+)(/[0-9a-f]{32}/)', self.address)
        assert m, self.address
        self.port, self.token = int(m[1]), m[2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.send_signal(signal.SIGTERM)
        same(self.p.wait(60), 0, 'exit status')
        self.p.stdout.close()

    def ask(self, what, body=None, method=None, path=None, **headers):
        c = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        c.request(method or ('POST' if body is not None else 'GET'), path or self.token + what, body, headers)
        r = c.getresponse()
        data = r.read()
        c.close()
        self.headers = r.headers
        return r.status, data

    def get(self, what, body=None):
        status, data = self.ask(what, body)
        same(status, 200, f'{what}: {data[:300]}')
        return data

    def json(self, what, body=None):
        return json.loads(self.get(what, body))

    def frame(self, words):
        while True:
            data = self.get('frame?' + words)
            if not struct.unpack_from('<I', data, 4)[0] & 1:
                return Frame(data)


def runs(data, at, cells):
    """Runs of equal entries, and stretches of others as they are."""
    out = []
    while at < len(data):
        count, what = struct.unpack_from('<HH', data, at)
        assert count & 0x7fff, 'nothing'
        if count & 0x8000:
            out += struct.unpack_from(f'<{count & 0x7fff}H', data, at + 2)
            at += 2 + 2 * (count & 0x7fff)
        else:
            out += [what] * count
            at += 4
    same(len(out), cells)
    return out


class Frame:
    def __init__(self, data):
        same(data[:4], b'BSF2')
        self.flags, self.t, self.events, self.newest, self.w, self.h, self.flying, self.cols, self.errors = struct.unpack_from('<IQQQIIIIQ', data, 4)
        self.totals = [struct.unpack_from('<QQII', data, 72 + 24 * i) for i in range(5)]
        self.cells = runs(data, 192, self.w * self.h)


def states_of_dump(lines):
    states = {'none': 0, 'write': 1, 'trim': 2, 'zero': 3}
    return {int(x.split()[1]): states[x.split()[2]] for x in lines if x.startswith('pixel')}


def same_as_dump(frame, path, *at):
    lines = run(VIEW, path, '--dump', *at).out.splitlines()
    want = states_of_dump(lines)
    inside = [i for i, c in enumerate(frame.cells) if c & 7 != 7]
    assert inside, 'a picture of nothing'
    for i in inside:
        same(frame.cells[i] & 7, want.get(i, 0), f'cell {i} {at}')
    for name, (ops, size, *_) in zip(('read', 'write', 'trim', 'zero', 'flush'), frame.totals):
        assert f'total {name} requests={ops} bytes={size}' in lines, (name, ops, size, lines[:9])
    assert f'events={frame.events}' in lines[2], (frame.events, lines[2])


@case
def frames_say_what_dump_says_at_any_moment():
    with temp_dir() as d:
        log = random_log(1 << 26, 2000, 'web')
        path = log.save(d + '/log')
        with Web(path) as w:
            for us in (log.us // 2, log.us // 7, log.us, log.us // 3, 0):
                same_as_dump(w.frame(f'disk=0&t={us * 1000}'), path, f'--at={us}us')
            same_as_dump(w.frame('disk=0&live=1'), path)
            f = w.frame('disk=0&event=17')
            same(f.events, 17)
            h = w.frame('disk=0&live=1&order=hilbert&w=128&h=128')
            same(sorted(c & 7 for c in h.cells), sorted(c & 7 for c in w.frame('disk=0&live=1').cells))


def wait_for(w, what, is_there=lambda a: a['ready']):
    return until(what, lambda: (lambda a: is_there(a) and a)(w.json(what)))


@case
def session_series_heat_and_steps_are_the_log_s():
    with Web(HAND) as w:
        s = w.json('session')
        same((s['disks'][0]['size'], s['disks'][0]['cells'], s['disks'][0]['events'], s['length']), (1 << 26, 16384, 24, 3 * 10**9))
        f = w.frame('disk=0&live=1')
        series = w.json('series?disk=0')
        for i, op in enumerate(('read', 'write', 'trim', 'zero', 'flush')):
            same(sum(series['ops'][op]), f.totals[i][0], op)
        same(sum(series['errors']), f.errors)
        heat = w.get('heat?disk=0&what=latency')
        bins, rows, classes = struct.unpack_from('<III', heat, 24)
        counts = struct.unpack_from(f'<{bins * rows * classes}I', heat, 48)
        same(sum(counts), sum(t[0] for t in f.totals))
        # the same in five stretches, each in bins of its own
        parts = [wait_for(w, f'series?disk=0&from={n * 7 * 10**8}&to={(n + 1) * 7 * 10**8}') for n in range(5)]
        for op in series['ops']:
            same(sum(sum(p['ops'][op]) for p in parts), sum(series['ops'][op]), op)
        same({p['bin'] for p in parts}, {-(-7 * 10**8 // 1024)})
        same(struct.unpack_from('<QQ', w.get(f'heat?disk=0&what=offset&from={7 * 10**8}&to={7 * 10**8 + 1000}'), 8), (7 * 10**8, 1))
        k = w.json('filter', b'{"ops":["write"]}')['filter']
        p = wait_for(w, f'series?disk=0&from=0&to={2**63 - 1}&filter={k}')
        same((sum(p['ops']['write']), sum(p['ops']['read'])), (f.totals[1][0], 0))
        for words in ('from=5&to=5', 'from=6&to=5', 'from=5', 'to=0', f'from={2**63}&to=5', 'from=x&to=5'):
            same(w.ask('series?disk=0&' + words)[0], 400, words)
        same(w.json('step?disk=0&event=3&by=event&way=next')['event'], 4)
        same(w.json('step?disk=0&event=0&by=event&way=last')['event'], 0)
        same(w.json('step?disk=0&event=24&by=event&way=next')['event'], 24)
        at = w.json('step?disk=0&event=0&by=flush&way=next')['event']
        same(w.frame(f'disk=0&event={at}').totals[4][0], 1)


@case
def a_block_knows_who_wrote_it():
    with temp_dir() as d:
        log = Log(1 << 26)
        log.request('Write', 8192, 4096, us=5000)
        log.request('Read', 0, 65536, us=5000)
        log.request('Write', 8192, 4096, err='EIO', us=5000)
        with Web(log.save(d + '/log')) as w:
            b = w.json('block?disk=0&live=1&px=2&py=0&order=row')
            same((b['at'], b['len'], b['state'], b['ready']), (8192, 4096, 'written', True))
            same([(h['op'], h['error'], h['at'], h['t']) for h in b['history']],
                 [('write', 'EIO', 8192, 15000000), ('read', '', 0, 10000000), ('write', '', 8192, 5000000)])
            same((b['writer']['t'], b['hex'], b['words']), (5000000, '', ''))
            assert 'log' in b['why'], b
            same(w.json('block?disk=0&t=1000&at=8192')['writer'], None)
            same(w.ask('block?disk=0&at=67108864')[0], 404)


@case
def a_recording_shows_its_bytes_and_takes_marks():
    with temp_dir() as d:
        server = subprocess.Popen([NBDKIT, '-f', '-U', d + '/s', '--filter=record', 'memory', '1M', f'recordfile={d}/rec'])
        until('it is there', lambda: os.path.exists(d + '/s') and os.path.exists(d + '/rec'))
        with Web(d + '/s') as w:
            run('qemu-io', '-f', 'raw', '-c', 'write -P 7 4096 4096', f'nbd+unix:///?socket={d}/s')
            until('it is there', lambda: w.ask('frame?disk=0&live=1')[0] == 200 and w.frame('disk=0&live=1').totals[1][0] == 1)
            same(w.json('block?disk=0&live=1&at=4096')['hex'], '07' * 4096)
            same(w.json('block?disk=0&event=1&at=4096')['hex'], '00' * 4096)
            for n, text in ((1, b'here'), (2, b'and here')):
                marks = w.json('mark?disk=0&live=1', text)
                same(([m['text'] for m in marks][-1], len(marks), marks[-1]['own']), (text.decode(), n, False), 'the list has it already')
        server.terminate()
        server.wait()


@case
def marks_of_a_log_are_kept_in_the_list_of_steps():
    with temp_dir() as d:
        with Web(HAND, f'--steps={d}/steps') as w:
            same(w.json('marks?disk=0'), [])
            w.get('mark?disk=0&t=2000000000', b'two\nlines')
            w.get('mark?disk=0&t=1000000000', 'früh "<'.encode())
            same([(m['t'], m['text']) for m in w.json('marks?disk=0')], [(10**9, 'früh "<'), (2 * 10**9, 'two lines')])
            same(w.json('step?disk=0&t=0&by=mark&way=next')['t'], 10**9)
            same(w.ask('mark?disk=0&t=1', b'')[0], 400)
            same(w.ask('mark?disk=0&t=1', b'x' * 5000)[0], 400)
        same(len(read_file(d + '/steps').splitlines()), 2)


@case
def filters_show_what_passes():
    with temp_dir() as d:
        log = Log(1 << 26)
        log.connect(1 << 26, 2)
        log.request('Write', 0, 4096)
        log.request('Write', 1 << 20, 4096, conn=2)
        log.request('Read', 0, 4096, conn=2)
        with Web(log.save(d + '/log')) as w:
            for wish, want in (({'ops': ['write']}, (0, 2)), ({'connections': [{'disk': 0, 'id': 2}]}, (1, 1)),
                               ({'region': {'disk': 0, 'from': 0, 'to': 4096}}, (1, 1)),
                               ({'region': {'disk': 0, 'box': [0, 0, 1, 1], 'order': 'row'}, 'ops': ['read']}, (1, 0))):
                k = w.json('filter', json.dumps(wish).encode())['filter']
                f = w.frame(f'disk=0&event=8&filter={k}')
                same((f.totals[0][0], f.totals[1][0]), want, wish)
            same(w.ask('frame?disk=0&filter=77')[0], 410)
            for bad in (b'', b'{', b'[]', b'{"ops":["x"]}', b'{"x":1}', b'{"path":"\\ud800"}', b'{"region":{"from":2,"to":1}}', b'\xff' * 99):
                same(w.ask('filter', bad)[0], 400, bad)


@case
def several_disks_are_on_one_clock_and_a_log_may_grow():
    with temp_dir() as d:
        log = Log(1 << 26)
        log.request('Write', 0, 4096)
        one = log.save(d + '/one')
        later = Log(1 << 20)
        later.us = 5000000
        later.request('Write', 0, 8192)
        with Web(one, later.save(d + '/two'), f'{d}/three', '4M') as w:
            s = w.json('session')
            same([x['name'] for x in s['disks']], ['one', 'two', 'three'])
            same((s['length'], w.frame('disk=1&t=4000000000').totals[1][0], w.frame('disk=1&t=6000000000').totals[1][0]), (5001000000, 0, 1))
            same(w.ask('frame?disk=2&live=1')[0], 503)
            for n in range(3):
                log.request('Write', 4096 * n, 4096)
                log.save(one)
                until('it is there', lambda n=n: w.frame('disk=0&live=1').totals[1][0] == n + 2)
            Log(1 << 26).save(one) # another session: the file is shorter
            until('it is there', lambda: w.frame('disk=0&live=1').flags & 8)


@case
def whoever_has_no_token_or_another_host_is_refused():
    with Web(HAND) as w:
        same(w.ask('')[0], 200)
        assert "default-src 'none'" in w.headers['Content-Security-Policy'] and w.headers['Cache-Control'] == 'no-store'
        for path in ('/', '/session', '/' + '0' * 32 + '/session', w.token[:-1], w.token[:-2] + '/session', w.token.upper() + 'x'):
            same(w.ask('', path=path)[0], 404, path)
        for host, status in (('evil.example', 403), (f'evil.example:{w.port}', 403), ('10.0.0.1', 403), ('', 403), ('127.0.0.1', 200),
                             ('localhost:99', 200), ('[::1]:1', 200)):
            same(w.ask('session', Host=host)[0], status, host)
        for origin, status in (('http://evil.example', 403), ('null', 403), (f'http://127.0.0.1:{w.port}', 200)):
            same(w.ask('mark?disk=0&t=1', b'm', Origin=origin)[0], status, origin)
        same(w.ask('session', method='DELETE')[0], 405)
        same(w.ask('mark?disk=0&t=1', b'x' * 100000)[0], 413)


@case
def what_is_asked_badly_is_told_so():
    with Web(HAND) as w:
        for what in ('frame?disk=0&t=-1', 'frame?disk=0&t=99999999999999999999999', 'frame?disk=0&t=1&t=1', 'frame?disk=0&w=4097', 'frame?x',
                     'frame?disk=0&w=4096&h=4096', 'frame?disk=%00', 'frame?disk=0&order=%ff%fe', 'frame?disk=0&like=x', 'step?by=x'):
            status, text = w.ask(what)
            assert status == 400 and text.count(b'\n') == 1, (what, status, text)
        same(w.ask('frame?disk=1')[0], 404)
        same(w.ask('nothing')[0], 404)
        far = w.frame('disk=0&t=1&x=4294967295&y=4294967295&w=8&h=8&zoom=16')
        same(far.cells, [7] * 64)


@case
def names_of_strangers_are_text_and_nothing_else():
    evil = '</script><script>alert(1)</script><!-- \\u003c & \'x\''
    with temp_dir() as d:
        with open(d + '/<b>.log', 'w') as f: # pylint: disable=unspecified-encoding
            f.write(read_file(HAND).replace('a \\"name\\" size=0x1', evil.replace('\\', '\\\\')))
        with Web(d + '/<b>.log') as w:
            s = w.json('session')
            same((s['title'], s['connections'][0]['name']), ('<b>.log', evil))
            w.get('mark?disk=0&t=1', evil.encode())
            same(w.json('marks?disk=0')[0]['text'], evil)
            page = w.get('export').decode()
        same((page.count('<script'), page.count('</script'), page.count('<!--'), page.count('<b>')), (2, 2, 1, 0)) # one says the license


@case
def a_list_of_steps_that_is_full_stays_as_it_is():
    with temp_dir() as d:
        with open(d + '/steps', 'w') as f: # pylint: disable=unspecified-encoding
            f.write('1s x\n' * 10000)
        with Web(HAND, f'--steps={d}/steps') as w:
            status, text = w.ask('mark?disk=0&t=1', b'm')
            assert status == 503 and b'no room' in text, text
            same(len(w.json('marks?disk=0')), 10000)
        same(len(read_file(d + '/steps').splitlines()), 10000)


@case
def a_client_that_says_nothing_holds_up_nobody():
    with Web(HAND) as w:
        idle = [socket.create_connection(('127.0.0.1', w.port)) for _ in range(20)]
        idle[0].sendall(b'GET ' + w.token.encode())
        greedy = socket.create_connection(('127.0.0.1', w.port))
        greedy.sendall(f'GET {w.token}heat?disk=0 HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode() * 20) # and never reads
        for _ in range(20):
            same(w.frame('disk=0&live=1').w, 128)
        for s in idle + [greedy]:
            s.close()


@case
def a_disk_that_does_not_answer_does_not_keep_it_from_ending():
    """Neither while it is read, at the end of the page, nor before there is one."""
    with temp_dir() as d:
        random_log(1 << 20, 50, 'hang').save(d + '/log')
        with open(d + '/disk', 'wb') as f:
            f.write(b'x' * (1 << 20))
        with Server('--filter=delay', 'file', d + '/disk', 'rdelay=1000') as s, Web(d + '/log', '--disk=' + s.uri) as w:
            same(w.json('structure?disk=0&live=1')['ready'], False)
            c = socket.create_connection(('127.0.0.1', w.port))
            c.sendall(f'GET {w.token}block?disk=0&live=1&at=0 HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode())
            time.sleep(0.1)
            w.p.send_signal(signal.SIGINT)
            same(w.p.wait(60), 0, 'exit status')
            c.close()
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(d + '/mute')
            mute.listen()
            with subprocess.Popen([VIEW, '--web', d + '/log', f'--disk=nbd+unix:///?socket={d}/mute']) as p:
                _talk = mute.accept()
                p.send_signal(signal.SIGINT)
                same(p.wait(60), -signal.SIGINT, 'exit status')


def blocks_of(d, path):
    """As debugfs has them."""
    return [int(b) for b in run('debugfs', '-R', f'blocks {path}', d + '/fs').out.split()]




CLASSES = ['nothing', 'table', 'super', 'bitmap', 'inodes', 'journal', 'directory', 'tree', 'data', 'database']


def same_structure(w):
    """structure and overlay, each against the other."""
    s = wait_for(w, 'structure?disk=0&live=1')
    assert 'ext4' in s['volumes'][0]['words'] and s['volumes'][0]['len'] == 1 << 24, s['volumes']
    assert {'journal', 'inodes'} <= {r['class'] for r in s['regions']}, s['regions']
    data = w.get('overlay?disk=0&live=1')
    magic, flags, width, height = struct.unpack_from('<4sIII', data)
    same((magic, flags), (b'BSO2', 0))
    cells = runs(data, 16, width * height)
    for r in s['regions']:
        x, y = r['box'][:2]
        same(CLASSES[cells[y * width + x]], r['class'], r)
    part = w.get('overlay?disk=0&live=1&x=8&y=2&w=16&h=3')
    same(runs(part, 16, 48), [cells[y * width + x] for y in range(2, 5) for x in range(8, 24)])
    return cells


@case
def what_blocks_are_for_and_the_files_of_a_recording():
    with temp_dir() as d:
        rec = record_file_system(d)
        with Web(rec) as w:
            cells = same_structure(w)
            one, two = blocks_of(d, '/one'), blocks_of(d, '/two')
            same({CLASSES[cells[b]] for b in one + two}, {'data'})
            b = w.json(f'block?disk=0&live=1&at={two[3] * 4096}')
            same((b['path'], b['hex'], len(b['history'])), ('/two', '32' * 4096, 2))
            same(wait_for(w, 'structure?disk=0&event=0&x=0&y=0&w=9&h=9')['regions'], [], 'nothing was there at the beginning')
            same(w.json('files?disk=0&live=1&like=tw')['files'], ['/two'])
            k = w.json('filter', json.dumps({'path': '/two', 'ops': ['write']}).encode())
            f = w.frame(f"disk=0&live=1&filter={k['filter']}")
            same({f.cells[b] & 7 for b in two}, {1})
            same({f.cells[b] & 7 for b in one}, {0}, k['words'])
            inode = int(re.search(r'block (\d+)', run('debugfs', '-R', 'imap /two', d + '/fs').out)[1])
            its = set(two) | {inode} | set(blocks_of(d, '/')) # its data, its inode, and the directory that names it
            same({b for b, c in enumerate(f.cells) if c & 7}, its)
            same(f.totals[1][0], 2 * len(two) - 1 + len(its) - len(two)) # twice, but for the last block, which is not full
            same(w.ask('filter', b'{"path":"/three"}')[0], 404)


@case
def the_story_is_that_of_the_command():
    with temp_dir() as d:
        rec = record_file_system(d)
        want = json.loads(run(BIN + '/blkscope', 'story', '--json', rec).out)
        with Web(HAND, rec) as w:
            got = wait_for(w, 'story?disk=1', lambda a: a['current'])
            same((got['story']['steps'], got['why']), (want['steps'], ''))
            session = int(w.json('session')['wall'])
            same(got['offset'] + session, want['start_ns'], 'on the clock of the page')
            same(wait_for(w, 'story?disk=0', lambda a: a['current'])['offset'], 0)
            same(w.ask('story?disk=2')[0], 404)
            same(w.ask('story?disk=0&t=1')[0], 400)
        run(VIEW, f'--export={d}/page.html', rec)
        answers = json.loads(re.search(r'(?s)id="answers">(.*?)</script>', read_file(d + '/page.html'))[1])
        same(answers['get']['story?disk=0']['story']['steps'], want['steps'])
        with open(d + '/pipe.log', 'w') as f:
            f.write('no log\n')
        with Web(d + '/pipe.log', '1M') as w:
            same((w.json('story?disk=0')['ready'], w.json('story?disk=0')['story']), (False, None), 'nothing has happened')


@case
def a_disk_that_is_named_tells_what_it_is():
    with temp_dir() as d:
        record_file_system(d)
        two = blocks_of(d, '/two')[0]
        log = Log(1 << 24)
        log.request('Write', 0, 4096)
        path = log.save(d + '/log')
        with Server('file', d + '/fs') as s:
            for disk in (d + '/fs', s.uri):
                with Web(path, f'--disk={disk}') as w:
                    same_structure(w)
                    b = wait_for(w, f'block?disk=0&live=1&at={two * 4096}')
                    same((b['path'], b['hex']), ('/two', '32' * 4096))
                    assert wait_for(w, 'story?disk=0', lambda a: a['current'])['story']['steps']


@case
def bytes_are_in_an_exported_page_only_when_asked_for():
    with temp_dir() as d:
        rec = record_file_system(d)
        block = blocks_of(d, '/two')[0]
        for more, want in (([], ''), (['--contents'], '32' * 4096)):
            run(VIEW, f'--export={d}/page.html', *more, rec)
            a = json.loads(re.search(r'(?s)id="answers">(.*?)</script>', read_file(d + '/page.html'))[1])
            blocks = json.loads(gzip.decompress(base64.b64decode(a['blocks'][0]['z'])))
            same([b['hex'] for b in blocks if b['at'] == block * 4096], [want])


def memory_of(pid):
    return int(re.search(r'VmHWM:\s*(\d+)', read_file(f'/proc/{pid}/status'))[1]) << 10


@case
def a_long_recording_takes_little_memory():
    with temp_dir() as d:
        log = Log(1 << 28)
        for n in range(100000):
            log.request('Write' if n % 3 else 'Read', n * 7919 % 65536 * 4096, 4096, us=7)
        path = log.save(d + '/log')
        run(BIN + '/blkscope', 'convert', '--to=recording', path, d + '/rec')
        with Web(d + '/rec') as w:
            f = w.frame('disk=0&live=1')
            same((f.totals[1][0], f.totals[0][0]), (66666, 33334))
            for n in (7, 3, 1, 6):
                w.frame(f'disk=0&event={n * 25000}')
            wait_for(w, 'block?disk=0&live=1&at=0')
            wait_for(w, 'story?disk=0', lambda a: a['current'])
            used = memory_of(w.p.pid)
            assert MODE != 'plain' or used < 100 << 20, f'{used >> 20} MiB'


# ---- hostile clients ----

def said(s):
    """All that comes until the server hangs up; what was sent in vain may cost the end of it."""
    data = b''
    try:
        while more := s.recv(65536):
            data += more
    except ConnectionError:
        pass
    return data


def send_all(s, data):
    try:
        s.sendall(data)
    except OSError:
        pass


@case
def clients_that_send_byte_by_byte_get_their_answers():
    with Web(HAND) as w:
        text = f'GET {w.token}marks?disk=0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'.encode()
        slow = [socket.create_connection(('127.0.0.1', w.port), timeout=60) for _ in range(30)]
        for i in range(len(text)):
            for s in slow:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                s.sendall(text[i:i + 1])
            if i % 20 == 0:
                same(w.frame('disk=0&live=1').w, 128)
        for s in slow:
            data = said(s)
            assert data.startswith(b'HTTP/1.1 200') and data.endswith(b'[]\n'), data
            s.close()


@case
def what_is_too_long_is_refused_and_kept_by_nobody():
    with Web(HAND) as w:
        start = f'POST {w.token}filter HTTP/1.1\r\nHost: localhost\r\n'.encode()
        get = f'GET {w.token}session HTTP/1.1\r\nHost: localhost\r\n'.encode()
        for name, data in (('a header', get + b'X: ' + b'x' * 100000 + b'\r\n\r\n'), ('headers', get + b'X: y\r\n' * 20000 + b'\r\n'),
                           ('an address', b'GET /' + b'a' * 100000 + b' HTTP/1.1\r\n\r\n'),
                           ('a body', start + b'Content-Length: 9999999999\r\n\r\n' + b'{' * 3000000),
                           ('chunks', start + b'Transfer-Encoding: chunked\r\n\r\n' + b'fff\r\n' + b'[' * 4095 + b'\r\n' + b'0' * 99999)):
            with socket.create_connection(('127.0.0.1', w.port), timeout=60) as s:
                send_all(s, data)
                with contextlib.suppress(OSError): # it may have hung up already
                    s.shutdown(socket.SHUT_WR)
                answer = said(s)
                assert not answer.startswith(b'HTTP/1.1 2'), (name, answer[:200])
            same(w.frame('disk=0&live=1').w, 128, name)
        used = memory_of(w.p.pid)
        assert MODE != 'plain' or used < 100 << 20, f'{used >> 20} MiB'


@case
def more_clients_than_are_served_hold_up_nobody_for_good():
    with Web(HAND) as w:
        crowd = [socket.create_connection(('127.0.0.1', w.port), timeout=60) for _ in range(100)]
        for s in crowd: # each asks for much and reads nothing of it
            send_all(s, f'GET {w.token}frame?disk=0&zoom=9&w=2048&h=1024 HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode() * 3)
        for s in crowd:
            s.close()
        until('there is room again', lambda: answers(w))


def answers(w):
    try:
        return w.ask('marks?disk=0')[0] == 200
    except OSError:
        return False


@case
def an_exported_page_has_the_answers():
    with temp_dir() as d:
        run(VIEW, f'--export={d}/page.html', HAND)
        page = read_file(d + '/page.html')
        assert page.count('<script') == 2 and 'src=' not in re.sub(r'(?s)<script.*?</script>', '', page), 'a page that needs other files'
        a = json.loads(re.search(r'(?s)id="answers">(.*?)</script>', page)[1])
        same((a['session']['export'], a['session']['live']), (True, False))
        frames = gzip.decompress(base64.b64decode(a['frames'][0]['z']))
        at, last, n = 0, None, 0
        while at < len(frames):
            size = struct.unpack_from('<I', frames, at)[0]
            last, at, n = frames[at + 4:at + 4 + size], at + 4 + size, n + 1
        same(n, len(a['frames'][0]['t']))
        same_as_dump(Frame(last), HAND)
        blocks = json.loads(gzip.decompress(base64.b64decode(a['blocks'][0]['z'])))
        assert blocks[0]['history'] and not any(b['hex'] for b in blocks), blocks[0]


@case
def a_bad_command_line_is_one_line():
    with Web(HAND) as w:
        for args in (['--web'], ['--web=nowhere.invalid:1', HAND], [f'--web=127.0.0.1:{w.port}', HAND], ['--web=127.0.0.1:99999', HAND],
                     ['--web', '/nonexistent/x/y', '--disk=/nonexistent'], ['--web', '--palette=x', HAND]):
            r = run(VIEW, *args, status=1)
            same(r.err.count('\n'), 1, f'{args}: {r.err}')


main()
