#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The viewer's model, by --dump: against an expectation written by hand, against a second implementation, and
on real recordings of both ages."""
from viewlib import *


def dump(path, *args):
    return run(VIEW, path, '--dump', *args).out.splitlines()


def body(lines):
    return [x for x in lines if x.startswith(('total', 'pixel'))]


@case
def a_log_written_by_hand_gives_exactly_the_dump_written_by_hand():
    for name in ('hand', 'hand2018'):
        got = run(VIEW, f'{SRC}/tests/data/view-{name}.log', '--dump').out
        same(got, read_file(f'{SRC}/tests/data/view-{name}.dump'), name)


@case
def half_way_through_only_what_was_acknowledged_counts():
    got = dump(f'{SRC}/tests/data/view-hand.log', '--at=1.5')
    pixels = [x for x in got if x.startswith('pixel')]
    same(len(pixels), 3)
    assert pixels[2].startswith('pixel 16383 none') and pixels[2].endswith('reading=1'), pixels[2]


@case
def random_logs_agree_with_a_second_implementation():
    with temp_dir() as d:
        for size, longest, n in ((1 << 26, 200000, 3000), (5000001, 20000, 2000), ((1 << 32) + 12345, 1 << 24, 600)):
            for age in ('now', '2018'):
                log = random_log(size, n, f'{size}{age}', age, longest=longest)
                path = log.save(d + '/log')
                for at in (None, log.us // 2, log.us // 7):
                    want, errors, flying = model(log.text, at)
                    got = dump(path, *([] if at is None else [f'--at={at}us']))
                    same(len(body(got)), len(want), f'{size} {age} {at}')
                    for g, w in zip(body(got), want):
                        same(g, w, f'{size} {age} {at}')
                    assert f'errors={errors} in_flight={flying} ' in '\n'.join(got), (errors, flying, got[:14])


@case
def the_size_on_the_command_line_counts():
    with temp_dir() as d:
        log = Log()
        log.request('Write', 0, 8192)
        path = log.save(d + '/log')
        assert 'give it behind the log' in run(VIEW, path, '--dump', status=1).err
        for size in ('64M', str(64 * 1024 * 1024), '131072s'):
            assert 'cols=128 rows=128 blocks_per_pixel=1' in dump(path, size)[1]
        same(dump(path, '4096')[-1], 'pixel 0 write none=0 write=1 trim=0 zero=0 reads=0 writes=1 trims=0 zeroes=0 errors=0 reading=0')
        assert 'clipped=1 clipped_bytes=4096' in '\n'.join(dump(path, '4096'))


@case
def lines_that_cannot_be_understood_are_counted_and_told():
    with temp_dir() as d:
        log = Log(1 << 26)
        log.request('Write', 0, 4096)
        log.text.insert(1, 'some junk\n')
        log.text.insert(2, '2026-01-01 00:00:00.000000 Spoon\n')
        log.text.insert(3, 'x' * 100000 + '\n')
        log.line('Lost lines=42')
        log.text.append('2026-01-01 00:00:09.000000 connection=1 Wri')
        path = log.save(d + '/log')
        with open(path, 'r+b') as f: # and bytes that are no text
            data = f.read()
            f.seek(0)
            f.write(bytes(range(256)) + b'\n' + data)
        r = run(VIEW, path, '--dump')
        assert 'bad=4 overlong=1 lost=42 set_back=0 torn=1' in r.out, r.out # the 256 bytes hold a newline
        assert '4 not understood and 1 too long' in r.err and 'lost 42 lines' in r.err and 'last line has no end' in r.err, r.err
        assert 'pixel 0 write' in r.out


@case
def real_recordings_have_the_requests_their_notes_tell_of():
    if not os.path.exists(SHARED):
        raise Skip('the real recordings are not here')
    for name, want in (('guestfish-64M-40ms.log', {'read': 449, 'write': 52, 'trim': 16, 'zero': 6, 'flush': 37}),
                       ('guestfish-64M-nodiscard.log', {'read': 498, 'trim': 0})):
        path = f'{SHARED}/{name}'
        got = dump(path)
        for op, n in want.items():
            assert any(x.startswith(f'total {op} requests={n} ') for x in got), (name, op, got[:10])
        text = [x for x in read_file(path).splitlines(True) if ' connection=' in x]
        same(body(got), model(text)[0], name)


@case
def a_clock_that_is_set_back_does_not_stop_the_recording():
    with temp_dir() as d:
        log = Log(1 << 26)
        log.request('Write', 0, 4096, us=10_000_000)
        log.us -= 3600_000_000
        log.request('Write', 4096, 4096, us=5_000_000)
        r = run(VIEW, log.save(d + '/log'), '--dump')
        assert 'time now=15.000000000 end=15.000000000' in r.out, r.out
        assert 'set back 1 times' in r.err


@case
def ten_thousand_connections_interleave():
    with temp_dir() as d:
        log = Log(1 << 26)
        for c in range(1, 10001):
            log.begin('Write', c % 16384 * 4096, 4096, c)
        for c in range(10000, 0, -1):
            log.end('Write', 1, None, c)
        assert 'total write requests=10000 bytes=40960000' in dump(log.save(d + '/log'))


main()
