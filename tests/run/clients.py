#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
# timeout: 180
"""Real clients on a memory disk: nbdinfo, nbdcopy, qemu-img, qemu-io, fio, nbd-client."""
import hashlib, json, os, random, re, shutil
from harness import *


def need(program):
    if not shutil.which(program):
        raise Skip(f'{program} is not installed')


def noise(path, size, holes=True):
    """A file of random pieces and, between them, nothing."""
    r = random.Random(size)
    with open(path, 'wb') as f:
        f.truncate(size)
        at = 0
        while at < size:
            n = r.choice((512, 4096, 65536, 300 * 512, 1 << 20))
            if not holes or r.random() < 0.5:
                f.seek(at)
                f.write(r.randbytes(min(n, size - at)))
            at += n


def digest(path):
    h = hashlib.sha256()
    with open(path, 'rb') as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


@case
def nbdinfo_reads_size_and_capabilities():
    need('nbdinfo')
    with Server('memory', '64M') as s:
        e = json.loads(run('nbdinfo', '--json', s.uri).out)
        same(e['protocol'], 'newstyle-fixed', 'protocol')
        e = e['exports'][0]
        same(e['export-size'], 64 << 20, 'size')
        for key, want in {'is_read_only': False, 'can_multi_conn': True, 'can_flush': True, 'can_fua': True, 'can_trim': True,
                          'can_zero': True, 'can_fast_zero': True, 'can_cache': True, 'can_df': True, 'is_rotational': False}.items():
            same(e[key], want, key)
        same(e['contexts'], ['base:allocation'], 'contexts')
        same(run('nbdinfo', '--size', s.uri).out, '67108864\n', 'nbdinfo --size')
        run('nbdinfo', '--can', 'multi-conn', s.uri)
        run('nbdinfo', '--is', 'read-only', s.uri, status=2)
    with Server('-r', 'memory', '64M') as s:
        run('nbdinfo', '--is', 'read-only', s.uri)


@case
def nbdinfo_lists_and_maps():
    need('nbdinfo')
    with Server('memory', '64M') as s:
        listed = json.loads(run('nbdinfo', '--list', '--json', s.uri).out)
        same([e['export-name'] for e in listed['exports']], [''], 'exports')
        run('nbdsh', '-u', s.uri, '-c', 'h.pwrite(b"x" * 65536, 1 << 20)')
        rows = json.loads(run('nbdinfo', '--map', '--json', s.uri).out)
        same(sum(r['length'] for r in rows), 64 << 20, 'length of the map')
        same({r['type'] for r in rows}, {0, 3}, 'types')
        same([r['type'] for r in rows if r['offset'] <= 1 << 20 < r['offset'] + r['length']], [0], 'the written block')
        assert 'hole,zero' in run('nbdinfo', '--map', s.uri).out


@case
def nbdcopy_there_and_back():
    need('nbdcopy')
    with temp_dir() as d, Server('memory', '32M') as s:
        noise(d + '/in', 32 << 20)
        run('nbdcopy', '--flush', d + '/in', s.uri)
        run('nbdcopy', s.uri, d + '/out')
        same(digest(d + '/out'), digest(d + '/in'), 'file to disk to file')
        run('nbdcopy', '--connections=4', '--requests=32', '--threads=2', '--allocated', s.uri, d + '/out4')
        same(digest(d + '/out4'), digest(d + '/in'), 'by four connections')
        with Server('memory', '32M') as t:
            run('nbdcopy', s.uri, t.uri)
            run('nbdcopy', '--synchronous', t.uri, d + '/out2')
            same(digest(d + '/out2'), digest(d + '/in'), 'disk to disk')


@case
def qemu_img_info_convert_compare():
    need('qemu-img')
    with temp_dir() as d, Server('memory', '16M') as s:
        info = json.loads(run('qemu-img', 'info', '--output=json', s.uri).out)
        same((info['virtual-size'], info['format']), (16 << 20, 'raw'), 'qemu-img info')
        noise(d + '/in', 16 << 20)
        run('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', '--target-is-zero', d + '/in', s.uri)
        run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', d + '/in', s.uri)
        run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', '-m', '16', '-W', s.uri, d + '/out.qcow2')
        run('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', s.uri, d + '/out.qcow2')
        rows = json.loads(run('qemu-img', 'map', '-f', 'raw', '--output=json', s.uri).out)
        assert any(not r['data'] for r in rows) and any(r['data'] for r in rows), 'qemu-img map sees holes and data'
        run('qemu-io', '-f', 'raw', '-c', 'write -P 7 0 512', s.uri)
        run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', d + '/in', s.uri, status=1)


@case
def qemu_io_writes_and_verifies():
    need('qemu-io')
    with Server('memory', '64M') as s:
        commands = ['write -P 1 0 1M', 'write -f -P 2 1M 64k', 'write -z 2M 1M', 'write -z -u 3M 1M', 'discard 4M 1M', 'flush']
        commands += [f'aio_write -P {i} {i}M 512k' for i in range(10, 42)] + ['aio_flush']
        commands += [f'aio_read -P {i} {i}M 512k' for i in range(10, 42)] + ['aio_flush']
        commands += ['read -P 1 0 1M', 'read -P 2 1M 64k', 'read -P 0 2M 3M', 'writev -P 9 50M 512 1024 4096', 'read -P 9 50M 5632']
        r = run('qemu-io', '-f', 'raw', *[x for c in commands for x in ('-c', c)], s.uri)
        assert 'fail' not in (r.out + r.err).lower(), r.out + r.err
        r = run('qemu-io', '-f', 'raw', '-c', 'read -P 3 0 512', s.uri, status=None)
        assert 'Pattern verification failed' in r.out + r.err, 'the verification can fail'


@case
def qemu_io_through_delay_and_log():
    need('qemu-io')
    with temp_dir() as d, Server('--filter=log', '--filter=delay', 'memory', '64M', f'logfile={d}/log', 'rdelay=20ms', 'wdelay=20ms') as s:
        commands = [f'aio_write -P {i} {i}M 64k' for i in range(1, 60)] + ['aio_flush']
        commands += [f'aio_read -P {i} {i}M 64k' for i in range(1, 60)] + ['aio_flush']
        r = run('qemu-io', '-f', 'raw', *[x for c in commands for x in ('-c', c)], s.uri)
        assert 'fail' not in (r.out + r.err).lower(), r.out + r.err


@case
def fio_verifies_random_writes():
    need('fio')
    if not re.search(r'^\s*nbd\s*$', run('fio', '--enghelp').out, re.M):
        raise Skip('this fio has no nbd engine')
    size = '64M' if MODE == 'plain' else '8M'
    with temp_dir() as d, Server('memory', '64M') as s:
        for extra in (['--iodepth=32'], ['--iodepth=8', '--bssplit=512/20:4k/40:64k/30:256k/10', '--trim_percentage=10']):
            run('fio', '--name=v', '--ioengine=nbd', f'--uri={s.uri}', '--rw=randwrite', '--bs=4k', f'--size={size}',
                '--verify=crc32c', '--verify_fatal=1', '--do_verify=1', '--randrepeat=1', '--output-format=terse', *extra,
                cwd=d, timeout=120)


@case
def fio_with_four_jobs_at_once():
    need('fio')
    if not re.search(r'^\s*nbd\s*$', run('fio', '--enghelp').out, re.M):
        raise Skip('this fio has no nbd engine')
    size = '16M' if MODE == 'plain' else '2M'
    with temp_dir() as d, Server('memory', '64M') as s:
        run('fio', '--name=v', '--ioengine=nbd', f'--uri={s.uri}', '--rw=randwrite', '--bs=4k', f'--size={size}', '--numjobs=4',
            '--offset_increment=16M', '--iodepth=16', '--verify=crc32c', '--verify_fatal=1', '--do_verify=1', '--group_reporting',
            cwd=d, timeout=120)


@case
def nbd_client_lists_the_export():
    need('nbd-client')
    with Server('memory', '1M') as s:
        r = run('nbd-client', '-l', '-u', s.sock, status=None)
        assert r.status == 0 and 'Negotiation' in r.out + r.err, r.out + r.err


@case
def nbdsh_launches_us_by_itself():
    """libnbd starts the server as a child: socket activation, and --exit-with-parent -s."""
    need('nbdsh')
    run('nbdinfo', '--', '[', NBDKIT, '--exit-with-parent', 'memory', '8M', ']')
    with temp_dir() as d:
        run('nbdcopy', '--', '[', NBDKIT, '--exit-with-parent', 'memory', '8M', ']', d + '/out')
        same(os.path.getsize(d + '/out'), 8 << 20, 'size')
    run('nbdsh', '-c', f'h.connect_command(["{NBDKIT}", "-s", "--exit-with-parent", "memory", "8M"])',
        '-c', 'assert h.get_size() == 8 << 20', '-c', 'h.pwrite(b"x" * 512, 512)',
        '-c', 'assert h.pread(512, 512) == b"x" * 512', '-c', 'h.shutdown()')


main()
