#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# plain-only: headers are the same in every build
"""The headers that ship for authors of plug-ins against those of nbdkit (Debian's nbdkit-plugin-dev): the same layout,
constants and prototypes, and what is written for one compiles with the other, in C and C++, for both ages of the API.
"""
import itertools, os, re, tempfile
from harness import NBDKIT, NBDKIT_REF, SRC, case, main, run, same

OURS, THEIRS = SRC + '/include', '/usr/include'
d = tempfile.mkdtemp(prefix='headers-')
FIELDS = ('_struct_size _api_version _thread_model name longname version description load unload config config_complete config_help open close '
          'get_size can_write can_flush is_rotational can_trim pread pwrite flush trim zero errno_is_preserved dump_plugin can_zero can_fua '
          'magic_config_key can_multi_conn can_extents extents can_cache cache thread_model can_fast_zero preconnect get_ready '
          'after_fork list_exports default_export export_description cleanup block_size').split()


def put(name, text):
    with open(f'{d}/{name}', 'w', encoding='ascii') as f:
        f.write(text)
    return f'{d}/{name}'


def only_theirs(text):
    """Theirs are in the system's folder: a copy of their own, so that ours cannot be found beside them."""
    os.makedirs(d + '/theirs', exist_ok=True)
    for h in 'nbdkit-plugin.h', 'nbdkit-common.h', 'nbdkit-version.h':
        if not os.path.exists(f'{d}/theirs/{h}'):
            os.symlink(f'{THEIRS}/{h}', f'{d}/theirs/{h}')
    return d + '/theirs' if text == THEIRS else text


@case
def the_structs_have_the_same_layout():
    for api in 1, 2:
        src = put(f'layout{api}.c', f'#define NBDKIT_API_VERSION {api}\n#include <nbdkit-plugin.h>\n#include <stddef.h>\n#include <stdio.h>\n'
                  'int main(void) {\nstruct nbdkit_plugin p;\nprintf("all %zu %zu\\n", sizeof p, _Alignof(struct nbdkit_plugin));\n'
                  + ''.join(f'printf("{f} %zu %zu\\n", offsetof(struct nbdkit_plugin, {f}), sizeof p.{f});\n' for f in FIELDS) + 'return 0; }\n')
        out = []
        for headers in OURS, THEIRS:
            run('cc', '-I', only_theirs(headers), src, '-o', d + '/layout')
            out.append(run(d + '/layout').out.splitlines())
        same(out[0], out[1], f'API {api}')
        same(len(out[0]), len(FIELDS) + 1, 'fields')


@case
def the_constants_are_the_same():
    names = re.findall(r'^#define (NBDKIT_(?:THREAD_MODEL|FLAG|FUA|CACHE|EXTENT)_\w+)', open(THEIRS + '/nbdkit-common.h', encoding='utf8').read(), re.M)
    same(len(names), 16, 'constants')
    src = put('constants.c', '#include <nbdkit-plugin.h>\n#include <stdio.h>\nint main(void) {\n'
              + ''.join(f'printf("{n} %d\\n", {n});\n' for n in names)
              + 'printf("%d %d\\n", NBDKIT_API_VERSION, NBDKIT_HANDLE_NOT_NEEDED == &errno);\n'
              '#if !defined NBDKIT_VERSION_MAJOR || NBDKIT_VERSION_MAJOR != 1 || NBDKIT_VERSION_MINOR < 32 || !defined NBDKIT_VERSION_MICRO\n'
              '#error the version\n#endif\nreturn !NBDKIT_VERSION_STRING[0]; }\n')
    out = []
    for headers in OURS, THEIRS:
        run('cc', '-I', only_theirs(headers), src, '-o', d + '/constants')
        out.append(run(d + '/constants').out)
    same(out[0], out[1], 'constants')


@case
def the_prototypes_agree():
    """Both in one translation unit: a compiler refuses a function that is declared in two ways."""
    both = ('#include "theirs/nbdkit-plugin.h"\n#undef NBDKIT_PLUGIN_H\n#undef NBDKIT_COMMON_H\n#undef NBDKIT_VERSION_H\n'
            f'#define nbdkit_plugin our_plugin\n#include "{OURS}/nbdkit-plugin.h"\n')
    only_theirs(THEIRS)
    for api in 1, 2:
        run('cc', '-w', '-fsyntax-only', put('both.c', f'#define NBDKIT_API_VERSION {api}\n' + both))
    # and it would notice
    r = run('cc', '-w', '-fsyntax-only', put('bad.c', both + 'extern long nbdkit_parse_int(const char *, const char *, int *);\n'), status=None)
    same(r.status != 0, True, 'a wrong prototype is refused')
    # all of theirs are declared in ours
    declared = [set(re.findall(r'\b(nbdkit_\w+)\s*[,(]', open(f'{h}/nbdkit-{part}.h', encoding='utf8').read()))
                for h in (OURS, THEIRS) for part in ('common', 'plugin')]
    same(sorted((declared[2] | declared[3]) - (declared[0] | declared[1])), [], 'functions that are not declared')


BODY = '''
#include <string.h>
static const char *const words[] = { "one", "two" };
static int my_config(const char *key, const char *value)
{
	int n;
	if (strcmp(key, "number") == 0)
		return nbdkit_parse_int(key, value, &n);
	nbdkit_error("unknown parameter '%s': %s", key, words[0]);
	return -1;
}
static void *my_open(int readonly)
{
	nbdkit_debug("open %d %s", readonly, nbdkit_export_name());
	return NBDKIT_HANDLE_NOT_NEEDED;
}
static int64_t my_get_size(void *handle) { (void)handle; return 65536; }
#if NBDKIT_API_VERSION == 1
static int my_pread(void *handle, void *buf, uint32_t count, uint64_t offset)
{
#else
static int my_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	(void)flags;
#endif
	(void)handle;
	memset(buf, offset < 512 ? 'a' : 'b', count);
	return 0;
}
static int my_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags, struct nbdkit_extents *x)
{
	(void)handle, (void)count, (void)offset, (void)flags;
	return nbdkit_add_extent(x, 0, 65536, 0) | nbdkit_add_extent(x, 65536, 512, NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO);
}
'''
IN_C = BODY + '''
static struct nbdkit_plugin plugin = { .name = "mine", .version = NBDKIT_VERSION_STRING, .config = my_config, .open = my_open,
	.get_size = my_get_size, .pread = my_pread, .extents = my_extents };
NBDKIT_REGISTER_PLUGIN(plugin)
'''
IN_CXX = BODY + '''
namespace {
nbdkit_plugin create()
{
	nbdkit_plugin p = nbdkit_plugin();
	p.name = "mine";
	p.version = NBDKIT_VERSION_STRING;
	p.config = my_config;
	p.open = my_open;
	p.get_size = my_get_size;
	p.pread = my_pread;
	p.extents = my_extents;
	return p;
}
}
static struct nbdkit_plugin plugin = create();
NBDKIT_REGISTER_PLUGIN(plugin)
'''


@case
def plugins_compile_with_either_and_run_under_both():
    for (language, compilers, stds), api, headers in itertools.product(
            (('c', ('gcc', 'clang'), ('gnu99', 'c11', 'gnu17')), ('cc', ('g++', 'clang++'), ('c++11', 'c++17', 'gnu++20'))), (1, 2), (OURS, THEIRS)):
        # ours without a warning; nbdkit's own has some
        warnings = ['-Wall', '-Wextra', '-Wpedantic', '-Werror', '-Wmissing-prototypes' if language == 'c' else '-Wall'] if headers == OURS else ['-w']
        src = put(f'mine.{language}', f'#define NBDKIT_API_VERSION {api}\n#include <nbdkit-plugin.h>\n'
                  '#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL\n' + (IN_C if language == 'c' else IN_CXX))
        for compiler, std in itertools.product(compilers, stds):
            run(compiler, '-std=' + std, *warnings, '-O2', '-fvisibility=hidden', '-fPIC', '-shared', '-I', only_theirs(headers), src,
                '-o', d + '/mine.so')
        for server in NBDKIT, NBDKIT_REF:
            r = run(server, '-U', '-', d + '/mine.so', 'number=7', '--run',
                    'nbdinfo --size "$uri" && nbdinfo --map "$uri" && nbdcopy "$uri" - | head -c 1')
            same(r.out.split(), '65536 0 65536 0 data a'.split(), f'{language}, API {api}, {headers} under {server}')
            r = run(server, '-U', '-', d + '/mine.so', 'colour=red', '--run', 'true', status=1)
            same("unknown parameter 'colour': one" in r.err, True, r.err)


@case
def an_unknown_API_is_refused_by_the_compiler():
    for api, ok in ('0', False), ('1', True), ('2', True), ('3', False):
        r = run('cc', '-fsyntax-only', '-I', OURS, put('api.c', f'#define NBDKIT_API_VERSION {api}\n#include <nbdkit-plugin.h>\n'), status=None)
        same(r.status == 0, ok, api)


main()
