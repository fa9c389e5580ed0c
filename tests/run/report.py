#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 60
"""blkscope report and diff: every number against a second computation in Python, over random logs; a recording made by the record
filter against what was asked of it, and against the log of the same session; damaged files; one page that stands alone."""
import json, math, random, re
from html.parser import HTMLParser
from harness import *

BLKSCOPE = BIN + '/blkscope'
NAMES = {'Read': 'read', 'Write': 'write', 'Trim': 'trim', 'Zero': 'zero', 'Flush': 'flush'}


def report(path, *more):
    r = run(BLKSCOPE, 'report', '--json', path, *more)
    return json.loads(r.out), r.err


def near(got, want, what, part=0.008):
    assert abs(got - want) <= abs(want) * part + 1e-9, f'{what}: got {got}, expected {want}'


def stamp(us):
    return f'2026-11-26 {us // 3600000000:02}:{us // 60000000 % 60:02}:{us // 1000000 % 60:02}.{us % 1000000:06}'


class Session:
    """A random session with overlapping requests on two connections, as events and as a log."""

    def __init__(self, seed, n):
        r = random.Random(seed)
        self.events, self.us, self.next_id = [], 5_000_000, 0
        flying, at = [], {1: 0, 2: 1 << 20}
        for _ in range(n):
            self.us += r.choice((0, 1, 3, 40, 700, 20000))
            if flying and r.random() < 0.5:
                one = flying.pop(r.randrange(len(flying)))
                self.events.append((self.us, 'end', one['conn'], one['id'], r.random() < 0.03))
                continue
            conn = r.choice((1, 2))
            op = r.choices(list(NAMES), (5, 8, 1, 1, 1))[0]
            size = r.choice((512, 4096, 4096, 8192, 3000, 65536))
            off = at[conn] if r.random() < 0.6 else r.randrange(1 << 24) // 512 * 512
            at[conn] = off + size
            self.next_id += 1
            one = dict(conn=conn, id=self.next_id, op=op, off=0 if op == 'Flush' else off, size=0 if op == 'Flush' else size)
            flying.append(one)
            self.events.append((self.us, 'begin', conn, one['id'], one))
        self.unanswered = len(flying)

    def save(self, path):
        out = [f'{stamp(5_000_000)} connection={c} Connect export="" tls=0 size=0x2000000 write=1' for c in (1, 2)]
        for us, kind, conn, ident, what in self.events:
            if kind == 'end':
                name = next(e[4]['op'] for e in self.events if e[1] == 'begin' and e[3] == ident)
                out.append(f'{stamp(us)} connection={conn} ...{name} id={ident} return=' + ('-1 error=EIO' if what else '0'))
            elif what['op'] == 'Flush':
                out.append(f'{stamp(us)} connection={conn} Flush id={ident} ...')
            else:
                out.append(f'{stamp(us)} connection={conn} {what["op"]} id={ident} offset={what["off"]:#x} count={what["size"]:#x} fua=0 ...')
        with open(path, 'w') as f:
            f.write('\n'.join(out) + '\n')
        return path


def percentile(values, part):
    values = sorted(values)
    return values[max(0, math.ceil(part * len(values) - 1e-9) - 1)]


def expect(s):
    """What the report should say, in the plainest way."""
    ops = {n: dict(ops=0, bytes=0, errors=0, lat=[], sizes={}, align={}, seq_ops=0, seq_bytes=0) for n in NAMES.values()}
    flying, streams, dirty, distinct = {}, {}, set(), set()
    touched = rewritten = since = 0
    gaps, between, last_flush = [], [], None
    last = s.events[0][0]
    depth_ns = {0: last - 5_000_000}
    conns = {1: dict(write=0, read=0), 2: dict(write=0, read=0)}
    for us, kind, conn, ident, what in s.events:
        depth_ns[len(flying)] = depth_ns.get(len(flying), 0) + us - last
        last = us
        if kind == 'begin':
            name, seq = NAMES[what['op']], False
            if name in ('read', 'write'):
                one = streams.setdefault((conn, name), {'ends': [0] * 8, 'next': 0})
                seq = what['off'] > 0 and what['off'] in one['ends']
                at = one['ends'].index(what['off']) if seq else one['next'] % 8
                one['ends'][at] = what['off'] + what['size']
                one['next'] += not seq
            if name == 'flush':
                if last_flush is not None:
                    gaps.append((us - last_flush) * 1000)
                    between.append(since)
                last_flush, since, dirty = us, 0, set()
            flying[ident] = (us, name, what, seq)
            continue
        began, name, req, seq = flying.pop(ident)
        o = ops[name]
        o['lat'].append((us - began) * 1000)
        if what:
            o['errors'] += 1
            continue
        o['ops'] += 1
        o['bytes'] += req['size']
        if name != 'flush':
            k = 1 << (req['size'].bit_length() - 1)
            o['sizes'][k] = o['sizes'].get(k, 0) + 1
            both = req['off'] | req['size']
            a = min(both & -both, 1 << 19)
            a = a if a >= 512 else 1
            o['align'][a] = o['align'].get(a, 0) + 1
        o['seq_ops'] += seq
        o['seq_bytes'] += req['size'] * seq
        if name in ('read', 'write'):
            conns[conn][name] += 1
        if name == 'write':
            blocks = set(range(req['off'] // 4096, (req['off'] + req['size'] - 1) // 4096 + 1))
            touched += len(blocks)
            rewritten += len(blocks & dirty)
            dirty |= blocks
            distinct |= blocks
            since += req['size']
    return dict(ops=ops, distinct=len(distinct), touched=touched, rewritten=rewritten, gaps=gaps, between=between, depth=depth_ns,
                conns=conns, unanswered=s.unanswered, end=last - 5_000_000)


def check_hist(got, values, what):
    same(got['count'], len(values), what)
    if values:
        same((got['min'], got['max']), (min(values), max(values)), what)
        near(got['mean'], sum(values) / len(values), what, 1e-3)
        for name, part in (('p50', .5), ('p90', .9), ('p99', .99), ('p99.9', .999)):
            near(got[name], percentile(values, part), f'{what} {name}')


@case
def random_logs_give_the_numbers_of_a_second_computation():
    with temp_dir() as d:
        for seed in range(6):
            s = Session(seed, 4000)
            j, err = report(s.save(d + '/log'))
            want, w = expect(s), j['whole']
            same((err, j['trouble'], j['kind']), ('', [], 'log'), 'trouble')
            for name, o in want['ops'].items():
                got = w['operations'][name]
                same([got[k] for k in ('ops', 'bytes', 'errors')], [o[k] for k in ('ops', 'bytes', 'errors')], name)
                check_hist(got['latency_ns'], o['lat'], name + ' latency')
                if name != 'flush':
                    same({k: v for k, v in got['sizes']}, o['sizes'], name + ' sizes')
                    same({k: v for k, v in got['alignment']}, o['align'], name + ' alignment')
                    same(sum(w['series'][name + '_ops']), o['ops'], name + ' series')
                    same(sum(w['series'][name + '_bytes']), o['bytes'], name + ' series')
                if name in ('read', 'write'):
                    same((got['sequential_ops'], got['sequential_bytes']), (o['seq_ops'], o['seq_bytes']), name + ' order')
            same((w['distinct_blocks'], w['touched_blocks'], w['rewritten_before_flush_blocks'], w['estimate'], w['unanswered']),
                 (want['distinct'], want['touched'], want['rewritten'], False, want['unanswered']), 'blocks')
            near(w['write_amplification'], want['ops']['write']['bytes'] / (want['distinct'] * 4096), 'amplification', 1e-5)
            check_hist(w['flush_interval_ns'], want['gaps'], 'flush gaps')
            check_hist(w['flush_bytes'], want['between'], 'flush bytes')
            same(j['duration_ns'], want['end'] * 1000, 'duration')
            total = sum(want['depth'].values())
            near(w['depth']['mean'], sum(k * v for k, v in want['depth'].items()) / total, 'depth', 0.06)
            same(w['depth']['max'], max(k for k, v in want['depth'].items() if v), 'depth')
            same(w['depth']['count'], total * 1000, 'time')
            same({c['connection']: (c.get('read_ops', 0), c.get('write_ops', 0)) for c in j['connections']},
                 {k: (v['read'], v['write']) for k, v in want['conns'].items()}, 'connections')
            hot = w['hottest_regions']
            assert hot and all(h['read_bytes'] + h['write_bytes'] >= g['read_bytes'] + g['write_bytes'] for h, g in zip(hot, hot[1:]))


def session(d, name, last=b'\4'):
    """A recording and a log of the same known session."""
    import nbd
    rec, log = f'{d}/{name}.rec', f'{d}/{name}.log'
    with Server('--filter=record', '--filter=log', 'memory', '1G', 'recordfile=' + rec, 'logfile=' + log) as s:
        h = nbd.NBD()
        h.connect_uri(s.uri)
        mark = lambda text: run(BLKSCOPE, 'mark', '--recording=' + rec, text)
        h.pwrite(b'\1' * 65536, 0)
        mark('one')
        for i in range(10):
            h.pwrite(bytes([i]) * 4096, (i % 5) * 4096)
        h.flush()
        h.pwrite(b'\2' * 4096, 0)
        mark('two <b>&"')
        for i in range(16):
            h.pread(8192, i * 8192)
        h.trim(1 << 20, 0)
        h.pwrite(last * 8192, 2 << 20, nbd.CMD_FLAG_FUA)
        h.shutdown()
    return rec, log


@case
def a_recording_gives_the_numbers_that_were_asked_for_and_those_of_its_log():
    with temp_dir() as d:
        rec, log = session(d, 'a')
        (j, err), (l, _) = report(rec), report(log)
        same(err, '', 'stderr')
        same((j['kind'], j['marks'], [s['mark'] for s in j['steps']]), ('recording', 2, [None, 'one', 'two <b>&"']), 'steps')
        before, one, two = [s['operations'] for s in j['steps']]
        same((before['write']['ops'], before['write']['bytes']), (1, 65536), 'before')
        same((one['write']['ops'], one['write']['bytes'], one['flush']['ops']), (11, 45056, 1), 'one')
        same((j['steps'][1]['distinct_blocks'], j['steps'][1]['touched_blocks']), (5, 11), 'one')
        # 16 blocks are dirty from before: all ten overwrite one, the one after the flush none
        same(j['steps'][1]['rewritten_before_flush_blocks'], 10, 'one')
        same((two['read']['ops'], two['read']['bytes'], two['read']['sequential_ops']), (16, 131072, 15), 'two')
        same((two['trim']['ops'], two['trim']['bytes'], two['write']['bytes'], j['steps'][2]['fua']), (1, 1 << 20, 8192, 1), 'two')
        same((j['whole']['distinct_blocks'], j['whole']['touched_blocks']), (18, 29), 'whole')
        same((len(j['connections']), j['connections'][0]['size'], j['connections'][0]['errors']), (1, 1 << 30, 0), 'connections')
        assert re.match(r'uid \d+ pid \d+', j['connections'][0]['client']), j['connections']
        for name in ('read', 'write', 'trim', 'flush'):
            a, b = j['whole']['operations'][name], l['whole']['operations'][name]
            same([a[k] for k in ('ops', 'bytes', 'errors')], [b[k] for k in ('ops', 'bytes', 'errors')], name + ' in the log')
            assert a['latency_ns']['max'] > 0
        text = run(BLKSCOPE, 'report', rec).out
        assert re.search(r'\n2\. one ', text) and re.search(r'^  write +13 +116 KiB +0 ', text, re.M), text


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text, self.wrong = [], [], '', []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ('meta', 'br'):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.text += data


@case
def the_page_stands_alone_and_says_what_the_numbers_say():
    with temp_dir() as d:
        rec, _ = session(d, 'a')
        out = run(BLKSCOPE, 'report', rec, f'--html={d}/a.html').out
        same(out, '', 'stdout')
        text = read_file(d + '/a.html')
        page = Page(text)
        same((page.open, page.wrong), ([], []), 'tags in each other')
        assert not any(t == 'script' for t, _ in page.tags)
        assert not re.search(r'(https?:)?//|url\(|@import', text.split('<body>')[1]), 'an address'
        assert 'prefers-color-scheme:dark' in text and 'viewport' in text
        assert 'two <b>&"' in page.text and sum(t == 'svg' for t, _ in page.tags) >= 20
        numbers = re.findall(r'nan|inf\b', ' '.join(a.get('d', '') + a.get('x', '') + a.get('y', '') for _, a in page.tags))
        same(numbers, [], 'coordinates')
        assert '116 KiB' in page.text


@case
def two_sessions_are_compared_step_by_step_and_block_by_block():
    with temp_dir() as d:
        a, _ = session(d, 'a')
        b, log = session(d, 'b', last=b'\5')
        j = json.loads(run(BLKSCOPE, 'diff', '--json', a, b, f'--png={d}/x.png').out)
        same([(s['mark'], s['in']) for s in j['steps']], [(None, 'both'), ('one', 'both'), ('two <b>&"', 'both')], 'steps')
        w = j['steps'][1]['values']['write_ops']
        same((w['a'], w['b'], w['change'], w['ratio']), (11, 11, 0, 1), 'write ops')
        same(j['contents']['different_blocks'], 2, 'blocks')
        same(j['contents']['first_ranges'], [{'offset': 2 << 20, 'length': 8192}], 'ranges')
        with open(d + '/x.png', 'rb') as f:
            same(f.read(8), b'\x89PNG\r\n\x1a\n', 'the picture')
        same(json.loads(run(BLKSCOPE, 'diff', '--json', a, a).out)['contents']['different_blocks'], 0, 'with itself')
        j = json.loads(run(BLKSCOPE, 'diff', '--json', a, log).out)
        same((j['contents'], [s['in'] for s in j['steps']]), (None, ['a'] * 3), 'with a log')
        assert 'not compared' in run(BLKSCOPE, 'diff', a, log).out


@case
def damaged_files_are_told_with_their_place_and_the_rest_counts():
    with temp_dir() as d:
        rec, log = session(d, 'a')
        whole = open(rec, 'rb').read()
        r = random.Random(7)
        for i in range(40 if MODE == 'plain' else 12):
            data = bytearray(whole[:r.randrange(len(whole))] if i % 2 else whole)
            for _ in range(r.randrange(4) if i % 2 else 1 + r.randrange(8)):
                if data:
                    data[r.randrange(len(data))] ^= 1 << r.randrange(8)
            with open(d + '/bad.rec', 'wb') as f:
                f.write(data)
            for args in (['report', d + '/bad.rec', f'--html={d}/x.html'], ['diff', rec, d + '/bad.rec', '--json']):
                got = run(BLKSCOPE, *args, status=None)
                assert got.status in (0, 1), f'{args}: {got.status}\n{got.err}'
                assert got.status == 0 or got.err.count('\n') >= 1, got.err
                assert args[0] == 'report' or got.status == 1 or json.loads(got.out)['whole'], got.err
        with open(d + '/bad.rec', 'wb') as f:
            f.write(whole[:-20])
        j, err = report(d + '/bad.rec')
        assert re.search(r'at byte \d+', err) and j['trouble'], err
        with open(log, 'a') as f:
            f.write('rubbish\n2026-11-26 0')
        size = len(read_file(log)) - len('rubbish\n2026-11-26 0')
        j, err = report(log)
        assert f'1 not understood and 0 too long, the first at byte {size}' in err and f'at byte {size + 8}, has no end' in err, err
        same(j['whole']['operations']['write']['ops'], 13, 'what is understood')
        with open(d + '/absurd.log', 'w') as f:
            for i in range(200):
                f.write(f'{stamp(i)} connection={i << 40} Write id={i} offset={(1 << 64) - 1 - i:#x} count={(1 << 64) - 1:#x} ...\n')
                f.write(f'{stamp(i)} connection={i << 40} ...Write id={i} return=0\n')
        j, _ = report(d + '/absurd.log')
        same(j['whole']['operations']['write']['ops'], 200, 'absurd')
        run(BLKSCOPE, 'report', d + '/absurd.log', f'--html={d}/x.html')


@case
def a_bad_command_line_is_one_line():
    with temp_dir() as d:
        for args in (['report'], ['report', d + '/none'], ['report', d], ['report', '--text', '--json', '/dev/null'], ['report', '--none'],
                     ['diff', '/dev/null'], ['diff', '/dev/null', d + '/none'], ['report', '/dev/null', f'--html={d}/no/where']):
            r = run(BLKSCOPE, *args, status=1)
            same((r.out, r.err.count('\n')), ('', 1), args)
        same(report('/dev/null')[0]['events'], 0, 'empty')
        run(BLKSCOPE, 'report', '/dev/null', f'--html={d}/empty.html')
        run(BLKSCOPE, 'diff', '/dev/null', '/dev/null', f'--png={d}/empty.png')


main()
