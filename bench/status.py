# SPDX-License-Identifier: BSD-2-Clause
"""Block status of a disk in many pieces: how many sends of the kernel's one reply takes.  Counted by strace."""
import re, shutil, signal, socket, struct, subprocess
from servers import Failed, US

EXTENTS = 4096
PIECE = 64 << 10 # bytes; no server's memory disk has larger pages
WRITE, STATUS = 1, 7
SENDS = 'sendmsg,sendmmsg,sendto,write,writev'


class Client:
    """The few commands that this needs; all else ends the measurement."""
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.get(18)
        self.s.sendall(struct.pack('>I', 3))
        self.option(8, b'')
        context = b'base:allocation'
        self.option(10, struct.pack('>III', 0, 1, len(context)) + context)
        self.option(7, struct.pack('>IH', 0, 0))

    def get(self, n):
        data = b''
        while len(data) < n:
            more = self.s.recv(n - len(data))
            if not more:
                raise Failed('block status: the server closed the connection')
            data += more
        return data

    def option(self, number, data):
        self.s.sendall(struct.pack('>8sII', b'IHAVEOPT', number, len(data)) + data)
        kind = 0
        while kind != 1:
            kind, length = struct.unpack('>12xII', self.get(20))
            if kind >> 31:
                raise Failed(f'block status: option {number} was refused')
            self.get(length)

    def ask(self, command, offset, length, data=b''):
        """The payload of the whole reply."""
        self.s.sendall(struct.pack('>IHHQQI', 0x25609513, 0, command, 1, offset, length) + data)
        payload, last = b'', False
        while not last:
            magic, = struct.unpack('>I', self.get(4))
            if magic == 0x67446698: # simple
                bad, last = struct.unpack('>IQ', self.get(12))[0], True
            else:
                flags, kind, _, size = struct.unpack('>HHQI', self.get(16))
                bad, last = kind >> 15, flags & 1
                payload += self.get(size)
            if bad:
                raise Failed(f'block status: command {command} failed')
        return payload


def sends(pid, calls, do):
    """What do() returned, and the calls that sent something on a socket meanwhile; they are written to the file calls."""
    p = subprocess.Popen(['strace', '-f', '-y', '-e', 'trace=' + SENDS, '-e', 'signal=none', '-o', calls, '-p', str(pid)],
                         stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if 'attached' not in p.stderr.readline():
        p.wait()
        return None, 0
    try:
        result = do()
    finally:
        p.send_signal(signal.SIGINT)
        p.communicate()
    with open(calls) as f:
        return result, len(re.findall(r'\b\w+\(\d+<(?:socket|UNIX)', f.read()))


def measure_status(bench, wanted):
    name = f'block status of {EXTENTS:,} extents'
    if not wanted(name):
        return
    if not shutil.which('strace'):
        print(f'{name}: strace is not installed: no calls are counted')
        return
    size = EXTENTS * PIECE
    counts, extents = {}, {}
    for n in (US, 'nbdkit'):
        server = bench.start(n, disk=lambda bench, name: ['memory', str(size)])
        client = Client(server.where)
        for i in range(0, EXTENTS, 2):
            client.ask(WRITE, i * PIECE, PIECE, b'x' * PIECE)
        reply, counts[n] = sends(server.process.pid, bench.tmp + '/calls', lambda: client.ask(STATUS, 0, size)) # pylint: disable=cell-var-from-loop
        client.s.close()
        server.stop()
        if reply is None:
            print(f'{name}: strace may not attach to a server here: no calls are counted')
            return
        extents[n] = (len(reply) - 4) // 8
    bench.line(name, 'sends', 'less', counts)
    bench.line(name, 'extents told', 'more', extents)
