#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
# timeout: 240
"""The functions of the server that plug-ins call: all are there, and answer what nbdkit's answer.
tests/plugins/probe_do.c calls them; where nbdkit 1.32 does not have a function the expected results are here.
"""
import os, re, socket, subprocess, tempfile
import nbd
from harness import MODE, REAL, Skip, case, main, read_file, run, same, until
from probe import OURS, THEIRS, differences, encoded, opened, probed, ran, settings, so

LATER = ('nbdkit_debug_hexdiff nbdkit_debug_hexdump nbdkit_disconnect nbdkit_name nbdkit_parse_delay nbdkit_parse_probability '
         'nbdkit_peer_security_context nbdkit_peer_tls_dn nbdkit_peer_tls_issuer_dn nbdkit_timestamp').split()


def exported(program):
    out = run('nm', '-D', '--defined-only', os.path.realpath(program)).out
    return {line.split()[-1]: line.split()[-2] for line in out.splitlines()}


@case
def every_function_is_there_and_nothing_else_is_to_be_seen():
    if REAL:
        raise Skip('nbdkit itself is under test')
    if os.environ.get('UNDER'):
        raise Skip('the program is a script, which starts it under ' + os.environ['UNDER'])
    ours = exported(OURS)
    theirs = {name for name, kind in exported(THEIRS).items() if name.startswith('nbdkit_') and kind == 'T'}
    same(len(theirs), 50, 'functions of nbdkit 1.32')
    same(sorted(theirs - set(ours)), [], 'missing')
    same(sorted(set(LATER) - set(ours)), [], 'missing, of those that came later')
    if MODE == 'plain': # a sanitizer's own are in a program that it made
        same([n for n in ours if not n.startswith('nbdkit_') and '@' not in n], [], 'a plug-in could take these for its own')


NUMBERS = ['', '0', '1', '-1', '+1', '+0', '-0', ' 1', '1 ', '\t1', '\n1', '0x', '0x1', '0X1F', '-0x1', '+0x1', '010', '08', '0b1', '1e3',
           '1.0', '127', '128', '-128', '-129', '255', '256', '32767', '32768', '-32768', '-32769', '65535', '65536', '2147483647',
           '2147483648', '-2147483648', '-2147483649', '4294967295', '4294967296', '9223372036854775807', '9223372036854775808',
           '-9223372036854775808', '-9223372036854775809', '18446744073709551615', '18446744073709551616',
           '-18446744073709551615', '9' * 23, '0xffffffffffffffff', '0x10000000000000000', '01777777777777777777777', 'abc', '1a', '0xg',
           '- 1', '+ 1', '--1', '++1', '-+1', '１', '1\u00a0', ' ', '-', '+', ' -1', ' +1', '0 x1', '00', '-00', '1,000', '1_000']
SIZES = NUMBERS + ['1k', '1K', '1M', '1m', '1G', '1T', '1P', '1E', '7E', '8E', '9E', '1Z', '1b', '1B', '1s', '1S', '1kb', '1KiB', '1KB', '1MiB',
                   '512 k', '1 M', '0k', '-1k', '-0k', '+1k', ' 1k', '1k ', '1.5k', '0x10k', '010k', '9007199254740991k',
                   '9007199254740992k', '18014398509481983s', '18014398509481984s', '9223372036854775807b', 'k', 'M', '1ks', '1%']
BOOLS = ['', '0', '1', '2', '-1', 'true', 'TRUE', 'True', 't', 'T', 'yes', 'YES', 'y', 'Y', 'on', 'ON', 'false', 'f', 'no', 'n', 'off', 'TrUe', 'tr',
         'ye', 'o', 'of', ' 1', '1 ', 'truee', 'nil', 'o n', '10', '00']


def done(program, words, **kw):
    """The lines that the words leave behind when config() calls them, and how many errors were told."""
    r = ran(program, '-U', '-', so(), 'do=' + words, '--run', 'true', **kw)
    same(r.status, 0, r.err)
    return [line for line in r.log.lines if line.startswith('  ')], r.err


def results(words, **kw):
    return done(OURS, words, **kw)[0]


@case
def numbers_are_parsed_as_nbdkit_does():
    if REAL:
        raise Skip('nbdkit itself is under test')
    for kind in 'int unsigned int8_t uint8_t int16_t uint16_t int32_t uint32_t int64_t uint64_t size bool'.split():
        table = {'size': SIZES, 'bool': BOOLS}.get(kind, NUMBERS)
        words = '+'.join(f'parse_{kind}:{encoded(text)}' for text in table)
        ours, theirs = done(OURS, words), done(THEIRS, words)
        differences(ours[0], theirs[0], kind)
        same(ours[1].count('error:'), theirs[1].count('error:'), kind + ': messages')
    same(results('parse_bool:enable+parse_bool:disabled'), ['  parse_bool(enable) = 1 ', '  parse_bool(disabled) = 0 '], 'more words')


@case
def probabilities_and_delays():
    for text, want in {'0.1': .1, '1e-1': .1, '10%': .1, '1:10': .1, '1/10': .1, '0': 0, '1': 1, '200%': 2, '3:2': 1.5, '2.5': 2.5, '0/5': 0,
                       '100%': 1, '': None, 'x': None, '-1': None, '-0.5%': None, '1:0': None, '0:0': None, 'nan': None, 'inf': None, '1:': None,
                       '1/2/3': None, '1%%': None, '1:2%': None, '-1:-2': None, '-1:2': None, '1:inf': 0, '1 ': None, 'inf/inf': None}.items():
        if text == '-1:-2':
            want = .5 # a ratio all the same
        line = f'  parse_probability({text}) = ' + ('-1 99, without a place -1' if want is None else f'0 {want:g}, without a place 0')
        same(results('parse_probability:' + encoded(text)), [line], text)
    for text, want in {'1': (1, 0), '1.5': (1, 500000000), '1.5s': (1, 500000000), '40ms': (0, 40000000), '1.2ms': (0, 1200000), '100us': (0, 100000),
                       '100µs': (0, 100000), '100μs': (0, 100000), '1ns': (0, 1), '4294967295': (4294967295, 0), '4294967296': None, '': None,
                       '-1': None, 'x': None, '1x': None, '1e3': None, '0': (0, 0), '1500ms': (1, 500000000)}.items():
        line = f'  parse_delay({text}) = ' + ('-1 99 99' if want is None else f'0 {want[0]} {want[1]}')
        same(results('parse_delay:' + encoded(text)), [line], text)


@case
def passwords_come_from_where_they_should():
    if REAL:
        raise Skip('nbdkit itself is under test')
    d = tempfile.mkdtemp(prefix='pw-')
    for name, text in dict(pw='secret\n', empty='', nl='\n', two='one\ntwo\n', long='x' * 5000 + '\n', bare='y' * 4096, crlf='a\r\n', nul='a\0b\n').items():
        with open(f'{d}/{name}', 'w', encoding='ascii') as f:
            f.write(text)
    for password in ['plain', '', '-', '-0', '-1', '-2', '-99', '-x', '-3x', '+', '+' + d, f'+{d}/none'] \
            + [f'+{d}/{name}' for name in 'pw empty nl two long bare crlf nul'.split()]:
        word = 'read_password:' + encoded(password)
        ours, theirs = done(OURS, word), done(THEIRS, word)
        differences(ours[0], theirs[0], password)
        same('error:' in ours[1], 'error:' in theirs[1], password)
    for name in 'pw empty nl two long'.split():
        got = []
        for program in OURS, THEIRS:
            log = tempfile.mkdtemp(prefix='fd-') + '/log'
            subprocess.run(['sh', '-c', f'exec "$0" -U - "$1" do=read_password:-7 --run true 7<{d}/{name}', program, so()],
                           env=dict(os.environ, PROBE_LOG=log), check=True)
            got.append([line for line in read_file(log).splitlines() if ' read_password' in line][0].split(' ', 1)[1])
        same(got[0], got[1], '-FD ' + name)


@case
def paths_are_made_absolute():
    if REAL:
        raise Skip('nbdkit itself is under test')
    words = 'absolute_path:x+realpath:.+realpath:none+absolute_path:+realpath:+absolute_path:/a//b/..+realpath:/usr/./bin/../bin'
    for where in 'config_complete', 'get_ready':
        got = []
        for program in OURS, THEIRS:
            r = ran(program, '-U', '-', so(), '--run', 'true', with_=f'do.{where}={words}')
            got.append([line.replace(r.dir, 'HERE') for line in r.log.lines])
        differences(*got, where)


# --- who is served ---

EVERYWHERE = ('load config config_complete thread_model get_ready after_fork preconnect list_exports default_export open get_size can_write '
              'block_size export_description pread pwrite flush close cleanup unload').split()


def use(h):
    h.pread(512, 0)
    h.pwrite(b'x' * 512, 0)
    h.flush()
    h.shutdown()


def told(s, start):
    """What a word said in each callback: {callback: text}."""
    out, callback = {}, None
    for line in s.log.lines:
        if not line.startswith('  '):
            callback = line.split()[0]
        elif line.startswith('  ' + start):
            out.setdefault(callback, line.strip())
    return out


@case
def the_client_is_known_in_each_of_its_callbacks():
    words = 'export_name+is_tls+peer_name+peer_ids+label'
    with probed(OURS, with_=';'.join(f'do.{c}={words}' for c in EVERYWHERE)) as s:
        h = nbd.NBD()
        h.set_opt_mode(True)
        h.set_full_info(True)
        h.connect_unix(s.sock)
        h.opt_list(lambda name, text: 0)
        h.set_export_name('')
        h.opt_go()
        use(h)
        until('it is closed', lambda: s.log.count('close'))
    none = set('load config config_complete thread_model get_ready after_fork cleanup unload'.split())
    early = {'preconnect', 'list_exports', 'default_export'}
    for callback, text in told(s, 'export_name').items():
        same(text, 'export_name =' if callback not in none | early else 'export_name = NULL', callback)
    for callback, text in told(s, 'is_tls').items():
        same(text, 'is_tls = -1' if callback in none else 'is_tls = 0', callback)
    for callback, text in told(s, 'peer_name').items():
        same(text, 'peer_name = -1' if callback in none else 'peer_name = 0 family=1', callback)
    for callback, text in told(s, 'peer pid').items():
        same(text, 'peer pid -1 uid -1 gid -1' if callback in none else 'peer pid known uid ours gid ours', callback)
    for callback, text in told(s, 'label').items():
        same(re.sub('label .* dn', 'label ? dn', text),
             'label ? dn <NULL> issuer <NULL>' if callback in none else 'label ? dn <> issuer <>', callback)
    same(len(told(s, 'is_tls')), len(EVERYWHERE) - 1, 'callbacks') # all but config: there was none


@case
def a_client_by_TCP_has_an_address_and_no_ids():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    with probed(OURS, '-i', '127.0.0.1', '-p', port, unix=False, with_='do.pread=peer_name+peer_ids+label') as s:
        h = nbd.NBD()
        h.connect_tcp('127.0.0.1', str(port))
        h.pread(512, 0)
        h.shutdown()
    same(told(s, 'peer_name'), {'pread': 'peer_name = 0 family=2 127.0.0.1'}, 'name')
    same(told(s, 'and into'), {'pread': 'and into one byte = 0, length the same'}, 'a short buffer')
    same(told(s, 'peer pid'), {'pread': 'peer pid -1 uid -1 gid -1'}, 'ids')


@case
def a_label_of_the_socket_is_passed_on():
    """This kernel may have no security module that labels sockets, so one is played."""
    if MODE != 'plain' or REAL:
        raise Skip('a sanitizer must be the first library')
    d = tempfile.mkdtemp(prefix='label-')
    with open(d + '/label.c', 'w', encoding='ascii') as f:
        f.write('#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <errno.h>\n#include <string.h>\n#include <sys/socket.h>\n'
                'int getsockopt(int fd, int level, int opt, void *p, socklen_t *n) {\n'
                'static const char label[] = "system_u:object_r:a_very_long_type_t:s0-s0:c0.c1023";\nsocklen_t len = sizeof label - 1;\n'
                'if (level != SOL_SOCKET || opt != SO_PEERSEC)\n'
                'return ((int (*)(int, int, int, void *, socklen_t *))dlsym(RTLD_NEXT, "getsockopt"))(fd, level, opt, p, n);\n'
                'int ok = *n >= len;\n*n = len;\nif (!ok) { errno = ERANGE; return -1; }\nmemcpy(p, label, len);\nreturn 0; }\n')
    run('cc', '-shared', '-fPIC', '-o', d + '/label.so', d + '/label.c')
    with probed(OURS, env={'LD_PRELOAD': d + '/label.so'}, with_='do.pread=label') as s:
        opened(s).pread(512, 0)
    same(told(s, 'label'), {'pread': 'label system_u:object_r:a_very_long_type_t:s0-s0:c0.c1023 dn <> issuer <>'}, 'label')
    with probed(OURS, with_='do.pread=names') as s:
        opened(s).pread(512, 0)
    same(told(s, 'name'), {'pread': 'name NULL timestamp 26'}, 'names')


@case
def stdin_is_safe_until_the_server_is_ready():
    if REAL:
        raise Skip('nbdkit itself is under test')
    got = []
    for program in OURS, THEIRS:
        r = ran(program, '-U', '-', so(), 'a=1', '--run', 'nbdinfo --size "$uri"', with_=';'.join(f'do.{c}=stdio_safe' for c in EVERYWHERE))
        got.append(told(r, 'stdio_safe'))
        got[-1].pop('close', None)
        got[-1].pop('export_description', None)
    same(got[0], got[1], 'stdio_safe')


@case
def interned_strings_live_long_enough():
    with probed(OURS, with_='do.load=keep:one;do.get_ready=recall;do.cleanup=recall;do.unload=recall') as s:
        opened(s).pread(512, 0)
    same([line for line in s.log.lines if 'recall' in line], ['  recall one'] * 3, 'of the server')
    with probed(OURS, with_='do.preconnect=keep:two;do.get_size=recall+keep:three;do.pread=recall+keep:four;do.pwrite=recall;do.close=recall') as s:
        use(opened(s))
        until('it is closed', lambda: s.log.count('close'))
    same([line for line in s.log.lines if 'recall' in line], ['  recall two', '  recall three', '  recall four', '  recall four'], 'of a connection')


# --- messages ---

@case
def messages_look_as_nbdkits():
    if REAL:
        raise Skip('nbdkit itself is under test')
    say = ';'.join(f'do.{c}=error:{c}+debug:{c}+errno:5' for c in EVERYWHERE if c not in ('pread', 'pwrite', 'flush', 'close', 'export_description'))
    for options in [], ['-v']:
        got = []
        for program in OURS, THEIRS:
            r = ran(program, *options, '-U', '-', so(), 'a=1', '--run', 'nbdinfo --size "$uri"', with_=say)
            words = EVERYWHERE + ['errno says Input/output error']
            got.append(([line for line in r.err.splitlines() if line.split(': ')[-1] in words and not re.search(r'debug: probe: \w+$', line)],
                        [line for line in r.log.lines if 'leaves errno' in line]))
        ours = [line for line in got[0][0] if 'connection=' not in line]
        for kind in ': error: ', ': debug: ': # before clients come, the last error of a callback waits for it to end
            differences([line for line in ours if kind in line], [line for line in got[1][0] if kind in line], f'messages {options}')
        same(got[0][1], got[1][1], 'errno')
        same(len(ours) > 20, True, 'messages')


@case
def hexdumps():
    def shown(word):
        r = ran(OURS, '-v', '-U', '-', so(), 'do=' + word, '--run', 'true')
        return [line.split('debug: ', 1)[1] for line in r.err.splitlines() if re.search(r'[0-9a-f]{8}: ', line)]
    same(shown('hexdump:0'), ['00000000: 30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|',
                              '00000010: 01 80 7e 20 58 59 5a 20  61 6e 64 20 6d 6f 72 65  |..~ XYZ and more|',
                              '00000020: 20 6f 66 20 69 74                                 | of it          |'], 'from 0')
    same(shown('hexdump:0x100000003')[0], 'data: 100000000:          30 31 32 33 34  35 36 37 38 39 61 62 63  |   0123456789abc|', 'from elsewhere')
    same(shown('hexdiff:0'), ['data:  00000000: 30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|',
                              'data: -00000010: 01 80 7e 20 58 59 5a 20  61 6e 64 20 6d 6f 72 65  |..~ XYZ and more|',
                              'data: +00000010:             78    7a                              |    x z         |',
                              'data:  00000020: 20 6f 66 20 69 74                                 | of it          |'], 'differences')


# --- lists ---

def seen(s):
    """What a client learns: the list, the default export, its description."""
    names, out = [], {}
    h = nbd.NBD()
    h.set_opt_mode(True)
    h.set_full_info(True)
    h.connect_unix(s.sock)
    try:
        h.opt_list(lambda name, text: names.append((name, text)) or 0)
    except nbd.Error as e:
        names = e.errno
    out['list'] = names
    h.set_export_name('')
    try:
        h.opt_info()
        out['name'] = h.get_canonical_export_name()
        try:
            out['description'] = h.get_export_description()
        except nbd.Error:
            out['description'] = None
    except nbd.Error:
        out['refused'] = True
    h.opt_abort()
    return out


@case
def names_and_descriptions_of_exports():
    if REAL:
        raise Skip('nbdkit itself is under test')
    table = ['', 'list_exports=-1', 'list_exports=a:text/b/c', 'list_exports=use_default', 'list_exports=use_default/a', 'list_exports=a/use_default',
             'list_exports=use_default;default_export=q', 'list_exports=a/a', 'list_exports=many10000', 'list_exports=many10001',
             'list_exports=many9999/use_default', 'list_exports=many10000/use_default', 'default_export=null', 'default_export=abc',
             'default_export=null;list_exports=use_default', 'export_description=text', 'export_description=null']
    table += [f'{c}=x;long={n}' for c in ('list_exports', 'default_export', 'export_description') for n in (0, 1, 4095, 4096, 4097, 8000)]
    for with_ in table:
        for have in None, 'pread default_export export_description', 'pread list_exports export_description':
            got = []
            for program in OURS, THEIRS:
                with probed(program, with_=with_, have=have) as s:
                    saw = seen(s)
                got.append((saw, [line for line in s.log.lines if line.startswith('add_export') and '= 0' not in line]))
            same(got[0][0], got[1][0], f'{with_[:60]}, callbacks {have}')
            same(got[0][1], got[1][1], f'{with_[:60]}, callbacks {have}: what add_export said')


main()
