#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 60
"""blkscope convert: a known session out of a recording and a log into each format, read back by the tools it is for;
and files that are damaged."""
import csv, io, json, random, re, sqlite3, struct
from harness import *

BLKSCOPE = BIN + '/blkscope'
SIZE = 4 << 20


def convert(to, path, *more, status=0):
    return run(BLKSCOPE, 'convert', '--to=' + to, path, *more, status=status)


def session(d):
    """A recording and a log of one session, and the disk at its end."""
    import nbd
    rec, log, disk = d + '/rec', d + '/log', bytearray(SIZE)
    with Server('--filter=record', '--filter=log', 'memory', SIZE, 'recordfile=' + rec, 'logfile=' + log) as s:
        h = nbd.NBD()
        h.connect_uri(s.uri)
        r = random.Random(1)
        run(BLKSCOPE, 'mark', '--recording=' + rec, 'one "two"\n')
        for i in range(40):
            off, n = r.randrange(SIZE // 4096 - 16) * 4096, r.choice((512, 4096, 65536))
            data = r.randbytes(n) if i % 3 else bytes(n)
            h.pwrite(data, off, nbd.CMD_FLAG_FUA if i % 10 == 0 else 0)
            disk[off:off + n] = data
        h.flush()
        h.zero(8192, 4096)
        disk[4096:12288] = bytes(8192)
        h.trim(65536, 1 << 20)
        disk[1 << 20:(1 << 20) + 65536] = bytes(65536)
        h.pread(4096, 0)
        same(h.pread(SIZE, 0) == disk, True, 'the disk itself')
        h.shutdown()
    return rec, log, bytes(disk)


COUNTS = {'write': 40, 'flush': 1, 'zero': 1, 'trim': 1, 'read': 2}


def counted(words):
    return {w: words.count(w) for w in set(words)}


class DmLog:
    """A log of dm-log-writes, read in the plainest way."""

    def __init__(self, path):
        with open(path, 'rb') as f:
            raw = f.read()
        magic, version, count, sector = struct.unpack_from('<QQQI', raw)
        same((magic, version), (0x6a736677736872, 1), 'super block')
        self.entries, at = [], sector
        for _ in range(count):
            where, n, flags, text = struct.unpack_from('<QQQQ', raw, at)
            mark = raw[at + 32:at + 32 + text]
            at += sector
            data = b'' if flags & 4 else raw[at:at + n * sector]
            at += len(data)
            self.entries.append((where * sector, n * sector, flags, data, mark))
        same(at, len(raw), 'bytes of the log')

    def replay(self):
        disk = bytearray(SIZE)
        for off, n, _, data, _ in self.entries:
            if n:
                disk[off:off + n] = data or bytes(n)
        return bytes(disk)


@case
def a_recording_becomes_lines():
    with temp_dir() as d:
        rec, log, _ = session(d)
        lines = [json.loads(x) for x in convert('json', rec).out.splitlines()]
        same((lines[0]['blkscope'], lines[0]['from'], lines[0]['timed']), (1, 'recording', True), 'the first line')
        assert abs(lines[0]['start_ns'] / 1e9 - time.time()) < 600, lines[0]
        same([x['mark'] for x in lines if 'mark' in x], ['one "two"\n'], 'marks')
        connects = [x for x in lines if 'connect' in x]
        same([(x['size'], x['export']) for x in connects], [(SIZE, '')], 'connections')
        requests = [x for x in lines if 'op' in x]
        same(counted([x['op'] for x in requests]), COUNTS, 'requests')
        same(sum(x.get('fua', False) for x in requests), 4, 'FUA')
        assert all(0 <= x['begin_ns'] <= x['end_ns'] and x['error'] == 0 for x in requests)
        rows = list(csv.DictReader(io.StringIO(convert('csv', rec).out)))
        same([(x['operation'], int(x['offset']), int(x['begin_ns']), int(x['fua'])) for x in rows],
             [(x['op'], x.get('offset', 0), x['begin_ns'], int(x.get('fua', False))) for x in requests], 'CSV')
        from_log = [x for x in map(json.loads, convert('json', log).out.splitlines()) if 'op' in x]
        key = lambda x: (x['op'], x.get('offset'), x.get('length'), x['error'], x.get('fua'), x.get('no_hole'))
        same([key(x) for x in from_log], [key(x) for x in requests], 'the log of the same session')


@case
def a_recording_becomes_a_dm_log_writes_log_that_makes_the_same_disk():
    with temp_dir() as d:
        rec, log, disk = session(d)
        convert('dmlog', rec, d + '/dm')
        dm = DmLog(d + '/dm')
        same(dm.replay() == disk, True, 'the disk')
        flags = [e[2] for e in dm.entries]
        same({f: flags.count(f) for f in set(flags)}, {0: 37, 1: 1, 2: 4, 4: 1, 8: 1}, 'flags: FUA is no flush')
        same([e[4] for e in dm.entries if e[2] & 8], [b'one "two"\n'], 'marks')
        assert 'has no data' in convert('dmlog', log, d + '/dm2', status=1).err
        same([os.path.exists(d + x) for x in ('/dm2', '/dm2.part')], [False, False], 'nothing half done is left')
        assert 'needs a file' in convert('dmlog', rec, status=1).err


@case
def fio_plays_an_iolog():
    with temp_dir() as d:
        rec, _, _ = session(d)
        r = convert('iolog', rec, d + '/iolog')
        assert re.search(r'4 requests with FUA: iolog has no FUA', r.err), r.err
        with Server('--filter=record', 'memory', SIZE, f'recordfile={d}/again') as s:
            run('fio', '--name=x', f'--read_iolog={d}/iolog', '--ioengine=nbd', '--uri=' + s.uri, '--replay_no_stall=1', '--thread=1', cwd=d)
        key = lambda path: [(x['operation'], x['offset'], x['length']) for x in csv.DictReader(io.StringIO(convert('csv', path).out))
                            if x['operation'] in ('read', 'write')] # fio 3.33 counts the trims of an iolog and leaves them out
        same(key(d + '/again'), key(rec), 'what fio did')


def requests(path):
    return [x for x in map(json.loads, convert('json', path).out.splitlines()) if 'op' in x]


@case
def blkparse_reads_a_blktrace_and_so_do_we():
    with temp_dir() as d:
        rec, _, _ = session(d)
        convert('blktrace', rec, d + '/trace')
        os.rename(d + '/trace', d + '/trace.blktrace.0')
        text = run('blkparse', '-i', 'trace', '-a', 'queue', '-a', 'complete', '-f', 'X %a %d %S %N %e %p\n', cwd=d).out
        parsed = [x.split()[1:] for x in text.splitlines() if x.startswith('X ') and x.split()[1] in 'QC']
        mine = requests(rec)
        want = []
        for x in mine:
            kind = {'read': 'R', 'write': 'W', 'zero': 'W', 'trim': 'D', 'flush': 'F'}[x['op']] + ('F' if x.get('fua') else '')
            want.append((kind, x.get('offset', 0) // 512, x.get('length', 0)))
        for action in 'QC':
            got = [(p[1].replace('FN', 'F'), int(p[2]), int(p[3])) for p in parsed if p[0] == action]
            same(got, want, f'blkparse: {action}')
        run('blkparse', '-i', 'trace', '-d', 'merged', '-O', cwd=d)
        back = requests(d + '/merged')
        key = lambda x: (x['op'].replace('zero', 'write'), x.get('offset'), x.get('length'), x.get('fua'), x['end_ns'] - x['begin_ns'])
        same([key(x) for x in back], [key(x) for x in mine], 'and back')


@case
def logs_of_dm_log_writes_come_back():
    with temp_dir() as d:
        rec, _, disk = session(d)
        convert('dmlog', rec, d + '/dm')
        convert('dmlog', d + '/dm', d + '/dm2')
        same(open(d + '/dm', 'rb').read() == open(d + '/dm2', 'rb').read(), True, 'dm-log-writes to itself')
        back = [(x['op'], x.get('offset'), x.get('length'), x.get('fua')) for x in requests(d + '/dm')]
        same(back, [(x['op'].replace('zero', 'write'), x.get('offset'), x.get('length'), x.get('fua'))
                    for x in requests(rec) if x['op'] != 'read'], 'requests')


@case
def qemu_logs_writes_and_we_read_them():
    with temp_dir() as d:
        run('truncate', '-s', SIZE, d + '/disk')
        open(d + '/log', 'w').close()
        drive = f'driver=blklogwrites,file.driver=file,file.filename={d}/disk,log.driver=file,log.filename={d}/log'
        run('qemu-io', '--image-opts', drive, '-c', 'write -P 7 4096 8192', '-c', 'write -f -P 9 65536 512', '-c', 'flush',
            '-c', 'discard 4096 4096', '-c', 'write -z 65536 512')
        ops = [(x['op'], x.get('offset'), x.get('length')) for x in requests(d + '/log')]
        same(ops[0], ('write', 4096, 8192), 'the first')
        assert ('write', 65536, 512) in ops and ('flush', None, None) in ops and ('trim', 4096, 4096) in ops, ops
        convert('dmlog', d + '/log', d + '/dm')
        log = DmLog(d + '/dm')
        same(log.replay()[8192:12288], b'\7' * 4096, 'the data')
        same(log.replay() == open(d + '/disk', 'rb').read(), True, 'the disk')


@case
def iologs_come_back_and_old_ones_are_read():
    with temp_dir() as d:
        rec, _, _ = session(d)
        convert('iolog', rec, d + '/io')
        convert('iolog', d + '/io', d + '/io2')
        same(read_file(d + '/io2'), read_file(d + '/io'), 'iolog to itself')
        run('fio', '--name=x', '--ioengine=psync', '--filename=' + d + '/f', '--size=64k', '--rw=randrw', '--bs=4k', '--write_iolog=' + d + '/v', cwd=d)
        got = requests(d + '/v') # version 3 with this fio
        same((len(got), sum(x['length'] for x in got)), (16, 65536), "fio's own")
        with open(d + '/v2', 'w') as f:
            f.write('fio version 2 iolog\n/dev/x add\n/dev/x open\n/dev/x write 0 4096\n/dev/x wait 1500\nrubbish\n/dev/x read 512 512\n'
                    '/dev/x sync 0 0\n/dev/x close\n')
        r = convert('csv', d + '/v2')
        assert 'the first at byte' in r.err, r.err
        rows = [(x['operation'], x['offset'], x['length'], x['begin_ns']) for x in csv.DictReader(io.StringIO(r.out))]
        same(rows, [('write', '0', '4096', '0'), ('read', '512', '512', '1500000'), ('flush', '0', '0', '1500000')], 'version 2')


@case
def transaction_logs_of_nbd_server_are_read():
    import nbd
    with temp_dir() as d:
        run('truncate', '-s', SIZE, d + '/disk')
        with open(d + '/conf', 'w') as f:
            f.write(f'[generic]\nunixsock = {d}/sock\n[a]\nexportname = {d}/disk\ntransactionlog = {d}/log\ndatalog = true\n'
                    'flush = true\nfua = true\ntrim = true\n')
        p = subprocess.Popen(['nbd-server', '-C', d + '/conf', '-d'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until('nbd-server listens', lambda: os.path.exists(d + '/sock'))
            h = nbd.NBD()
            h.connect_uri(f'nbd+unix:///a?socket={d}/sock')
            h.pwrite(b'abcd' * 1024, 8192)
            h.pwrite(b'x' * 512, 512, nbd.CMD_FLAG_FUA)
            h.pread(512, 0)
            h.flush()
            h.trim(4096, 1 << 20)
            h.shutdown()
        finally:
            p.terminate()
            p.wait(10)
        got = [(x['op'], x.get('offset'), x.get('length'), x.get('fua'), x['error']) for x in requests(d + '/log')]
        same(got, [('write', 8192, 4096, None, 0), ('write', 512, 512, True, 0), ('read', 0, 512, None, 0), ('flush', None, None, None, 0),
                   ('trim', 1 << 20, 4096, None, 0)], 'requests')
        convert('dmlog', d + '/log', d + '/dm')
        same(DmLog(d + '/dm').replay() == open(d + '/disk', 'rb').read(), True, 'the disk')


@case
def recordings_are_made_of_other_formats():
    with temp_dir() as d:
        rec, log, disk = session(d)
        convert('recording', rec, d + '/again')
        same(convert('json', d + '/again').out, convert('json', rec).out, 'a recording to itself')
        convert('dmlog', rec, d + '/dm')
        convert('recording', d + '/dm', d + '/of-dm')
        for made in ('again', 'of-dm'):
            with Server('recording', f'{d}/{made}') as s:
                import nbd
                h = nbd.NBD()
                h.connect_uri(s.uri)
                size = h.get_size()
                got = b''.join(h.pread(min(1 << 20, size - i), i) for i in range(0, size, 1 << 20))
                h.shutdown()
            assert got == disk[:size] and size > SIZE // 2 and (made == 'of-dm' or size == SIZE), f'{made}: {size}'
        convert('recording', log, d + '/of-log')
        assert 'made without data' in run(NBDKIT, '-U', '-', 'recording', d + '/of-log', '--run', 'true', status=1).err
        ops = json.loads(run(BLKSCOPE, 'report', '--json', d + '/of-log').out)['whole']['operations']
        same({o: ops[o]['ops'] for o in COUNTS}, COUNTS, 'the report')


@case
def a_database_says_the_same():
    with temp_dir() as d:
        rec, _, _ = session(d)
        convert('sqlite', rec, d + '/db')
        with contextlib.closing(sqlite3.connect(d + '/db')) as db:
            rows = db.execute('SELECT operation, begin_ns, end_ns, offset, length, fua, error FROM requests').fetchall()
            same(rows, [(x['op'], x['begin_ns'], x['end_ns'], x.get('offset', 0), x.get('length', 0), int(x.get('fua', False)), x['error'])
                        for x in requests(rec)], 'requests')
            same(db.execute('SELECT text FROM marks').fetchall(), [('one "two"\n',)], 'marks')
            same(db.execute('SELECT size, export FROM connections').fetchall(), [(SIZE, '')], 'connections')
            same(db.execute('SELECT source, timed FROM session').fetchall(), [('recording', 1)], 'session')


@case
def damaged_files_are_told_with_their_place_and_the_rest_is_there():
    with temp_dir() as d:
        rec, log, _ = session(d)
        files = [rec, log]
        for to in ('dmlog', 'blktrace', 'iolog'):
            convert(to, rec, d + '/' + to)
            files.append(d + '/' + to)
        whole = {x: open(x, 'rb').read() for x in files}
        r = random.Random(3)
        for i in range(80 if MODE == 'plain' else 20):
            data = bytearray(whole[files[i % len(files)]])
            for _ in range(r.randrange(1, 6)):
                data[r.randrange(len(data))] ^= 1 << r.randrange(8)
            with open(d + '/bad', 'wb') as f:
                f.write(data[:r.randrange(len(data))] if i % 4 > 1 else data)
            got = convert(r.choice(('json', 'csv', 'iolog', 'blktrace')), d + '/bad', status=None)
            assert got.status in (0, 1) and (got.status == 0 or 'at byte' in got.err), f'{got.status} {got.err}'
        with open(d + '/bad', 'wb') as f:
            f.write(whole[rec][:-40])
        assert re.search(r'at byte \d+', convert('json', d + '/bad').err)


@case
def bad_command_lines_are_told_in_a_line():
    with temp_dir() as d:
        for args in ([], ['x'], ['--to=json'], ['--to=csv', d + '/none'], ['--to=thing', '/dev/null'], ['--to=json', '/etc/passwd'], ['--to=json', d],
                     ['--from=thing', '--to=json', '/etc/passwd'], ['--to=json', 'a', 'b', 'c']):
            r = run(BLKSCOPE, 'convert', *args, status=1)
            same((r.out, r.err.count('\n')), ('', 1), str(args) + r.err)
        assert 'Formats that are read' in run(BLKSCOPE, 'convert', '--help').out


if __name__ == '__main__':
    main()
