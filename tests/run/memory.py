#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The memory disk's promises about memory: the server's resident set, as the kernel counts it.
# plain-only: sanitizers keep freed memory and shadow it
"""
from harness import Server, case, main
import nbd


def resident_mib(pid):
    with open(f'/proc/{pid}/status') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('VmRSS:')) / 1024


def connect(server):
    h = nbd.NBD()
    h.connect_unix(server.sock)
    return h


@case
def trim_and_zero_give_memory_back():
    with Server('memory', '1G') as s:
        h = connect(s)
        before = resident_mib(s.pid)
        data = bytes([7]) * (1 << 20)
        for i in range(200):
            h.pwrite(data, i << 20)
        full = resident_mib(s.pid)
        assert full > before + 190, f'{before} to {full} MiB after writing 200 MiB'
        h.trim(100 << 20, 0)
        half = resident_mib(s.pid)
        assert half < full - 95, f'{full} to {half} MiB after trimming 100 MiB'
        h.zero(100 << 20, 100 << 20)
        empty = resident_mib(s.pid)
        assert empty < before + 10, f'{before} MiB before, {empty} MiB after trimming and zeroing all'
        assert h.pread(1 << 20, 150 << 20) == bytes(1 << 20)


@case
def a_disk_of_2_to_the_62_costs_what_was_written():
    with Server('memory', str(1 << 62)) as s:
        h = connect(s)
        before = resident_mib(s.pid)
        at = [i * ((1 << 62) // 1000) & ~4095 for i in range(1000)]
        for i, off in enumerate(at):
            h.pwrite(bytes([i % 255 + 1]) * 4096, off)
        grown = resident_mib(s.pid) - before
        assert grown < 64, f'{grown} MiB for 4 MiB written in a thousand places'
        for i, off in enumerate(at):
            assert h.pread(4096, off) == bytes([i % 255 + 1]) * 4096
        assert h.pread(512, (1 << 62) - 512) == bytes(512)


main()
