#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The command line beside nbdkit's: the same exit status, and words in the same place."""
import os, re, shlex, signal
from harness import *

# Each line runs with both programs, in an empty directory.  `=` before a line: what it prints to stdout must be
# the same text, too (paths of sockets aside).  None of them serves for ever.
SAME = r'''
  --help
  --version
  -V

  --dump-config
  --dump-config memory
  --dump-plugin memory
  memory --dump-plugin
  null --dump-plugin
  memory --help
  memory --version
  --help memory
  --version memory
  --filter=log memory --help
  --filter=log --filter=delay memory --version
  --filter=delay null --dump-plugin
  --exit-with-parent --version

  --filter=
  --filter=nosuch memory 1M
  --filter nosuch --run true memory 1M
  nosuch
  nosuch --version
  /nonexistent/plugin.so
  ./nosuch.so
  -U -
  -U - -t 0 memory 1M --run true
  -U - -t -1 memory 1M --run true
  -U - -t abc memory 1M --run true
  -U - -t 1.5 memory 1M --run true
  -p -1 memory 1M --run true
  -p abc memory 1M --run true
  -p 1 -U - memory 1M --run true
  -i nosuch.invalid -p 0 memory 1M --run true
  -U - --mask-handshake=xyz memory 1M --run true
  -U - --mask-handshake= memory 1M --run true
  -U - --log=nowhere memory 1M --run true
  -U - --tls=maybe memory 1M --run true
  -U - -D memory memory 1M --run true
  -U - -D memory.flag memory 1M --run true
  -U - -D memory.flag=x memory 1M --run true
  -U - -D .flag=1 memory 1M --run true
  -s --run true memory 1M
  -s -U - memory 1M
  -s -p 10 memory 1M
  -s --dump-plugin
  --swap --run true
  -o -e x --run true
  -U /nonexistent/dir/sock memory 1M --run true
  -U /tmp/this-is-a-path-that-is-much-longer-than-the-hundred-and-eight-bytes-that-a-unix-domain-socket-address-can-hold-x memory 1M --run true

= -U - memory 1M --run true
= -U - memory 1M --run false
= -U - memory 1M --run 'exit 42'
= -U - memory 1M --run 'exit 255'
= -U - memory 1M --run 'kill -TERM $$'
= -U - memory 1M --run 'kill -KILL $$'
= -U - memory 1M --run 'kill -INT $$'
= -U - memory 1M --run nosuchcommand
= -U - memory 1M --run 'echo "$uri"'
= -U - memory 1M --run 'echo "$nbd"'
= -U - memory 1M --run 'echo "$unixsocket"'
= -U - memory 1M --run 'echo "<$port>"'
= -U - memory 1M --run 'echo "<$exportname>"'
= -U - memory 1M --run 'echo "<$tls>"'
= -U - memory 1M -e name --run 'echo "$uri $exportname"'
= -U - memory 1M -e 'a b/c?d=%41&"x"' --run 'echo "$uri"; echo "$exportname"'
= -U - memory 1M --export=x --run 'echo "$uri $exportname"'
= -U - memory 1M --export-name=x --run 'echo "$exportname"'
= -U - memory 1M --exportname é --run 'echo "$uri $exportname"'
= -U - memory 1M --run 'test -S "$unixsocket" && echo there'
= -U sock memory 1M --run 'echo "$uri $unixsocket"'
= -U './a b#c' memory 1M --run 'echo "$uri"; echo "$unixsocket"'
= -p 0 memory 1M --run 'echo "<$unixsocket>"'
= -U - memory 1M --run 'echo one; echo two >&2; exit 3'
= -U - memory 1M --run 'nbdinfo --size "$uri"'
= -U - memory 1M --run 'nbdinfo --size $nbd'
= -U - memory size=1M --run 'nbdinfo --size "$uri"'
= -U - memory 1048576 --run 'nbdinfo --size "$uri"'
= -U - memory 0x100000 --run 'nbdinfo --size "$uri"'
= -U - memory 512s --run 'nbdinfo --size "$uri"'
= -U - memory 010 --run 'nbdinfo --size "$uri"'
= -U - memory 0 --run 'nbdinfo --size "$uri"'
= -U - memory 1k --run 'nbdinfo --size "$uri"'
= -U - memory 1G --run 'nbdinfo --size "$uri"'
= -U - memory 4E --run 'nbdinfo --size "$uri"'
= -U - memory 9223372036854775807 --run 'nbdinfo --size "$uri"'
  -U - memory 8E --run true
  -U - memory 9223372036854775808 --run true
  -U - memory 1.5 --run true
  -U - memory 1.5M --run true
  -U - memory size=-1 --run true
  -U - memory '' --run true
  -U - memory size= --run true
  -U - memory 64MB --run true
  -U - memory 64x --run true
  -U - memory abc --run true
  -U - memory --run true
  -U - memory nosuch=1 --run true
  -U - memory 1M nosuch=1 --run true
  -U - memory =1 --run true
  -U - null 1M nosuch=1 --run true
  -U - null junk --run true
= -U - null --run 'nbdinfo --size "$uri"'
= -U - null 1M --run 'nbdinfo --size "$uri"'
= -U - null size=7 --run 'nbdinfo --size "$uri"'
  -U - null size=1.5 --run true

= -U - --filter=log memory 1M --run 'nbdinfo --size "$uri"'
= -U - --filter log --filter delay memory 1M logfile=log rdelay=1ms --run 'nbdinfo --size "$uri"'
= -U - --filter=delay memory size=1M delay-read=1 wdelay=10ms delay-zero=1ms delay-trim=1 delay-extents=1ms delay-cache=1ms --run true
= -U - --filter=delay memory 1M delay-open=1ms delay-close=1ms delay-fast-zero=false --run 'nbdinfo --size "$uri"'
  -U - --filter=delay memory 1M rdelay=abc --run true
  -U - --filter=delay memory 1M rdelay= --run true
  -U - --filter=delay memory 1M rdelay=-1 --run true
  -U - --filter=delay memory 1M delay-fast-zero=maybe --run true
  -U - --filter=delay memory 1M delay-nosuch=1 --run true
  -U - memory 1M rdelay=1ms --run true
  -U - --filter=log memory 1M logappend=maybe logfile=log --run true
  -U - --filter=log memory 1M logfile= --run true
  -U - --filter=log memory 1M logfile=/nonexistent/log --run true

= -U - -- memory 1M --run true
= -U - --run 'nbdinfo --size "$uri"' -- memory 1M
= -U - --run 'nbdinfo --size "$uri"' memory -- 1M
= -U - memory --run 'nbdinfo --size "$uri"' 1M
= --run 'nbdinfo --size "$uri"' -U - memory 1M
= -U - -r memory 1M --run 'nbdinfo --is read-only "$uri"'
= -U - --readonly memory 1M --run 'nbdinfo --is read-only "$uri"'
= -U - --read-only memory 1M --run 'nbdinfo --is read-only "$uri"'
= -U - memory 1M --run 'nbdinfo --is read-only "$uri"'
= -U - -o memory 1M --run 'nbdinfo --json "$uri" | grep protocol'
= -U - --oldstyle memory 1M --run 'nbdinfo --json "$uri" | grep protocol'
= -U - -n memory 1M --run 'nbdinfo --json "$uri" | grep protocol'
= -U - --newstyle --new-style memory 1M --run 'nbdinfo --json "$uri" | grep protocol'
= -U - --mask-handshake=0 memory 1M --run 'nbdinfo --json "$uri" | grep protocol'
= -U - --mask-handshake=0x1 memory 1M --run 'nbdinfo --json "$uri" | grep protocol'
= -U - --no-sr memory 1M --run 'nbdinfo --can df "$uri"'
= -U - memory 1M --run 'nbdinfo --can df "$uri"'
= -U - -t 1 memory 1M --run 'nbdinfo --size "$uri"'
= -U - --threads=64 memory 1M --run 'nbdinfo --size "$uri"'
= -U - --log=null memory 1M --run 'nbdinfo --size "$uri"'
= -U - --log=stderr memory 1M --run 'nbdinfo --size "$uri"'
= -U - --log=syslog memory 1M --run 'nbdinfo --size "$uri"'
= -U - --tls=off memory 1M --run 'nbdinfo --size "$uri"'
= -U - -f memory 1M --run 'nbdinfo --size "$uri"'
= -U - --foreground --no-fork memory 1M --run 'nbdinfo --size "$uri"'
= -U - -D nbdkit.backend.datapath=0 memory 1M --run true
= -U - --exit-with-parent memory 1M --run 'nbdinfo --size "$uri"'
= -U - -4 memory 1M --run true
= -U - -6 memory 1M --run true
= -U - --ipv4-only --ipv6-only memory 1M --run true
= -i 127.0.0.1 -p 0 memory 1M --run true
  -v -U - memory 1M --run true
  -fv -U - memory 1M --run 'nbdinfo --size "$uri"'
'''

# Where we differ on purpose: a wrong word gets one line on stderr instead of the usage on stdout, and what nbdkit
# starts to do before it finds out (so that the outcome is a race with the command of --run) we find out first.
OURS = r'''
1 --long-options-nonsense
1 --run
1 --no-such-option
1 -x
1 --filter
1 -p
1 -t
1 -U - memory -1 --run true
1 -p 99999999 memory 1M --run true
1 -U - -u nosuchuser memory 1M --run true
1 -U - -g nosuchgroup memory 1M --run true
1 -P /nonexistent/dir/pid -U - memory 1M --run true
0 -U - -P pid memory 1M --run 'grep -qx "[0-9]*" pid'
0 -U - --pidfile=pid memory 1M --run 'grep -qx "[0-9]*" pid'
0 -U - --pid-file pid memory 1M --run 'kill -0 `cat pid`'
0 -U - -D memory.x=1 memory 1M --run true
'''


def lines():
    for line in SAME.strip().splitlines():
        if line.strip():
            yield line.startswith('='), line[1:].strip() if line.startswith('=') else line.strip()


def tidy(text):
    """What differs from run to run."""
    return re.sub(r'/tmp/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]*sock[A-Za-z0-9]*', 'SOCKET', text)


def both(args, **kw):
    results = []
    for program in (NBDKIT_REF, NBDKIT):
        with temp_dir() as d:
            results.append(run(program, *shlex.split(args), status=None, timeout=20, cwd=d, **kw))
            results[-1].out = tidy(results[-1].out.replace(d, 'DIR'))
    return results


@case
def the_same_answers_as_nbdkit():
    if not os.path.exists(NBDKIT_REF):
        raise Skip("Debian's nbdkit is not installed")
    n, bad = 0, []
    for exact, args in lines():
        want, got = both(args)
        n += 1
        wrong = []
        if got.status != want.status:
            wrong.append(f'exit status {got.status}, nbdkit {want.status}')
        if exact and got.out != want.out:
            wrong.append(f'stdout {got.out!r}, nbdkit {want.out!r}')
        if bool(got.out) != bool(want.out):
            wrong.append(f'stdout {got.out[:100]!r}, nbdkit {want.out[:100]!r}')
        if bool(got.err) != bool(want.err):
            wrong.append(f'stderr {got.err[:200]!r}, nbdkit {want.err[:200]!r}')
        if wrong:
            bad.append(f'nbdkit {args}\n      ' + '\n      '.join(wrong))
    print(f'{n} command lines compared')
    assert n > 100
    assert not bad, f'{len(bad)} differ:\n' + '\n'.join(bad)


@case
def where_we_differ_from_nbdkit_on_purpose():
    if REAL:
        raise Skip('nbdkit itself')
    for line in OURS.strip().splitlines():
        with temp_dir() as d:
            r = run(NBDKIT, *shlex.split(line[2:]), status=int(line[0]), cwd=d)
        same(len(r.err.splitlines()), int(line[0]), f'lines on stderr of {line[2:]}: {r.err!r}')
        same(r.out, '', 'stdout')


@case
def a_bad_command_line_is_one_line_that_begins_with_the_name():
    for args in ('--no-such-option', '-x', 'nosuch', '--filter=nosuch memory 1M', '-U - memory 1.5 --run true', '-U - memory --run true',
                 '-U - memory size=64x --run true', '-U - memory 1M nosuch=1 --run true', '-p abc memory 1M', '-t x memory 1M',
                 '--log=nowhere memory 1M', '-U - -u nosuchuser memory 1M --run true', '-U - --filter=delay memory 1M rdelay=x --run true',
                 '-s --run true memory 1M', '-U /nonexistent/dir/sock memory 1M --run true'):
        r = run(NBDKIT, *shlex.split(args), status=1)
        same(r.out, '', f'stdout of {args}')
        if not REAL:
            same(len(r.err.splitlines()), 1, f'lines of {r.err!r}')
            assert r.err.startswith('nbdkit: '), r.err


@case
def errors_name_the_parameter_and_the_value():
    for args, words in (('memory 1.5', ['size', '1.5']), ('memory size=64x', ['size', '64x']), ('null size=-1', ['size', '-1']),
                        ('--filter=delay memory 1M rdelay=soon', ['rdelay', 'soon']),
                        ('--filter=delay memory 1M delay-fast-zero=maybe', ['delay-fast-zero', 'maybe']),
                        ('--filter=log memory 1M logfile=x logappend=maybe', ['logappend', 'maybe']),
                        ('memory 1M nosuch=1', ['nosuch']), ('-t many memory 1M', ['many']), ('-p 123456789012 memory 1M', ['123456789012'])):
        with temp_dir() as d:
            r = run(NBDKIT, *(['-U', '-'] if '-p' not in args else []), *shlex.split(args), '--run', 'true', status=1, cwd=d)
        if not REAL:
            for w in words:
                assert w in r.err, f'{args}: {r.err!r} does not say {w!r}'


@case
def version_tells_the_program_and_the_modules():
    def head(*args):
        return run(NBDKIT, *args).out.splitlines()[0]
    assert re.match(r'\S+ \d+\.\d+\.\d+', head('--version')), head('--version')
    out = run(NBDKIT, '--version', 'memory').out
    assert 'memory' in out, out
    out = run(NBDKIT, '--filter=log', '--version', 'memory').out
    assert 'log' in out and 'memory' in out, out


@case
def busy_poll_takes_a_time():
    if REAL:
        raise Skip('nbdkit has no such option')
    for t in ('0', '50us', '1s'):
        same(run(NBDKIT, '-U', '-', '--busy-poll=' + t, 'memory', '1M', '--run', 'nbdinfo --size "$uri"').out, '1048576\n', t)
    for t in ('2s', '-1', 'soon', ''):
        r = run(NBDKIT, '-U', '-', '--busy-poll=' + t, 'memory', '1M', status=1)
        assert len(r.err.splitlines()) == 1 and 'busy-poll' in r.err, r.err


@case
def help_lists_every_parameter():
    out = run(NBDKIT, '--filter=delay', '--filter=log', 'memory', '--help').out
    for word in ('size', 'rdelay', 'wdelay', 'delay-fast-zero', 'logfile', 'logappend', 'logscript'):
        assert word in out, f'{word} is not in the help'
    out = run(NBDKIT, '--help').out
    for option in ('--dump-config', '--dump-plugin', '--exit-with-parent', '--export', '--filter', '--foreground', '--group', '--ipaddr', '--log',
                   '--mask-handshake', '--no-sr', '--oldstyle', '--pidfile', '--port', '--readonly', '--run', '--single', '--swap', '--threads',
                   '--unix', '--user', '--verbose', '--version', '--vsock'):
        assert option in out or REAL, f'{option} is not in the help'


@case
def dump_config_and_dump_plugin_are_key_value_lines():
    for args in (['--dump-config'], ['--dump-plugin', 'memory'], ['null', '--dump-plugin']):
        out = run(NBDKIT, *args).out
        for line in out.splitlines():
            assert re.match(r'[A-Za-z_0-9]+=', line), f'{args}: {line!r}'
    config = dict(line.split('=', 1) for line in run(NBDKIT, '--dump-config').out.splitlines())
    for key in ('bindir', 'filterdir', 'host_cpu', 'host_os', 'libdir', 'mandir', 'name', 'plugindir', 'sbindir', 'sysconfdir', 'version',
                'version_major', 'version_minor', 'exit_with_parent', 'tls'):
        assert key in config, f'no {key}'
    memory = dict(line.split('=', 1) for line in run(NBDKIT, '--dump-plugin', 'memory').out.splitlines())
    for key, want in {'name': 'memory', 'magic_config_key': 'size', 'thread_model': 'parallel', 'max_thread_model': 'parallel'}.items():
        same(memory.get(key), want, key)
    for key in ('version', 'has_pread', 'has_pwrite', 'has_zero', 'has_trim', 'has_extents'):
        assert key in memory, f'no {key}'


@case
def verbose_tells_each_request():
    r = run(NBDKIT, '-U', '-', '-v', 'memory', '1M', '--run',
            'nbdsh -u "$uri" -c "h.pread(512, 4096)" -c "h.pwrite(b\'x\' * 512, 0)" -c "h.flush()" -c "h.shutdown()"')
    for word in ('pread', 'pwrite', 'flush') if REAL else (r'[Rr]ead.*(0x1000|4096)', r'[Ww]rite', r'[Ff]lush'):
        assert re.search(word, r.err), f'{word} is not told:\n{r.err}'
    r = run(NBDKIT, '-U', '-', 'memory', '1M', '--run', 'nbdinfo --size "$uri"')
    same(r.err, '', 'stderr without -v')


@case
def blkscope_runs_its_programs():
    if REAL:
        raise Skip('not nbdkit')
    k = BIN + '/blkscope'
    same(run(k, 'serve', '-U', '-', 'memory', '1M', '--run', 'nbdinfo --size "$uri"').out, '1048576\n', 'blkscope serve')
    same(run(k, 'serve', '-U', '-', 'memory', '1M', '--run', 'exit 7', status=7).out, '', 'its status comes through')
    assert 'serve' in run(k, '--help').out
    run(k, '--version')
    r = run(k, 'nosuch', status=1)
    assert 'nosuch' in r.err and r.out == '', r.err
    r = run(k, status=1)
    assert r.err and not r.out


main()
