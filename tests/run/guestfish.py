#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# plain-only: a guest is booted, and it is not the guest that is tested
# timeout: 400
"""A Linux guest makes a file system on our disk, writes, and finds it all again after a reboot."""
import hashlib, os, re
from harness import *

os.environ.setdefault('LIBGUESTFS_BACKEND', 'direct')
os.environ.setdefault('LIBGUESTFS_BACKEND_SETTINGS', 'force_tcg')


def guestfish(sock, script, read_only=False):
    add = f"add '' format:raw protocol:nbd server:unix:{sock} " + ('readonly:true' if read_only else 'discard:enable')
    return run('guestfish', stdin=f'{add}\n{script}'.encode(), timeout=180).out


@case
def a_file_system_survives_and_its_requests_are_in_the_log():
    if not os.path.exists('/usr/bin/guestfish'):
        raise Skip('guestfish is not installed')
    with temp_dir() as d:
        content = bytes(i * 7 % 256 for i in range(256)) * 4096 # 1 MiB
        with open(d + '/in', 'wb') as f:
            f.write(content)
        with Server('--filter=log', 'memory', '64M', f'logfile={d}/log') as s:
            guestfish(s.sock, f'run\npart-disk /dev/sda gpt\nmkfs ext4 /dev/sda1\nmount /dev/sda1 /\nupload {d}/in /file\n'
                              'sync\nfstrim /\numount-all\n')
            out = guestfish(s.sock, 'run\nmount-ro /dev/sda1 /\nchecksum sha256 /file\n', read_only=True)
            same(out.split()[-1], hashlib.sha256(content).hexdigest(), 'the file after a reboot')
            map_ = run('nbdinfo', '--map', '--totals', s.uri).out
            assert 'hole,zero' in map_ and re.search(r'\bdata\b', map_), map_
        log = read_file(d + '/log')
        for word in (' Read id=', ' Write id=', ' Flush id=', ' Trim id='):
            assert word in log, f'no{word} in the log'
        assert 'return=-1' not in log, [line for line in log.splitlines() if 'return=-1' in line][:5]
        begins, ends = len(re.findall(r' (?:Read|Write|Flush|Trim|Zero|Extents|Cache) id=', log)), log.count(' return=0\n')
        same(log.count('...Read') + log.count('...Write') + log.count('...Flush') + log.count('...Trim') + log.count('...Zero')
             + log.count('...Extents') + log.count('...Cache'), begins, 'ends and begins')


main()
