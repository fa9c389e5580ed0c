#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The examples of disks in Tcl, with real clients.
# timeout: 240
"""
import nbd
from harness import SRC, case, main, read_file, run, same
from tcllib import EXAMPLES, HOSTS, client, flags_of, script, server, tmp

# --- the examples ---

@case
def the_first_script_of_the_guide_runs():
    text = read_file(SRC + '/docs/tcl.md').split('```tcl\n')[1].split('```')[0]
    for host in HOSTS:
        with server(host, script(text, '')) as s:
            h = client(s)
            same(h.pread(512, 0).rstrip(b'\0'), b'Hello from a disk that is a Tcl script.\n', 'the disk')
            h.shutdown()


@case
def the_ram_disk_does_everything():
    for host, *more in [(h, *m) for h in HOSTS for m in ([], ['interpreters=3'])]:
        with server(host, EXAMPLES + 'ram.tcl', 'size=5G', *more) as s:
            h = client(s)
            same(h.get_size(), 5 << 30, 'size')
            same({k for k, v in flags_of(h).items() if v}, {'can_flush', 'can_fua', 'can_trim', 'can_zero', 'can_fast_zero', 'can_cache',
                                                           'can_multi_conn'}, 'abilities')
            data = bytes(range(256)) * 1024
            h.pwrite(data, (4 << 30) + 100, nbd.CMD_FLAG_FUA)
            same(h.pread(len(data) + 2, (4 << 30) + 99), b'\0' + data + b'\0', 'bytes')
            h.zero(100000, (4 << 30) + 1000)
            same(h.pread(len(data), (4 << 30) + 100), data[:900] + bytes(100000) + data[100900:], 'zeroed')
            h.trim(4 << 20, 4 << 30)
            same(h.pread(len(data), (4 << 30) + 100), bytes(len(data)), 'trimmed')
            h.cache(4096, 0)
            h.flush()
            h.shutdown()
            out = run('qemu-io', '-f', 'raw', '-c', 'write -P 9 1M 3M', '-c', 'read -P 9 1M 3M', '-c', 'discard 1M 1M', '-c', 'read -P 0 1M 1M',
                      '-c', 'flush', s.uri).out
            same('failed' in out, False, out)


@case
def the_living_disk_moves_on():
    def world(path):
        with open(path, 'rb') as f:
            head, bits = f.read().split(b'\n', 1)
        same((head, len(bits)), (b'P4 64 64', 512), 'a picture')
        return {(x, y) for y in range(64) for x in range(64) if bits[y * 8 + x // 8] >> (7 - x % 8) & 1}
    for host in HOSTS:
        with server(host, EXAMPLES + 'life.tcl') as s:
            for i in range(5):
                h = client(s)
                with open(f'{tmp}/life{i}', 'wb') as f:
                    f.write(h.pread(h.get_size(), 0))
                h.shutdown()
            glider = {(1, 0), (2, 1), (0, 2), (1, 2), (2, 2)}
            same(world(tmp + '/life0'), glider, 'the first generation')
            same(world(tmp + '/life1') != glider, True, 'the next differs')
            same(world(tmp + '/life4'), {(x + 1, y + 1) for x, y in glider}, 'four later it has moved')


main()
