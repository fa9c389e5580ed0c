#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# plain-only: a compiler's word; nothing runs
"""The plug-in for Tcl against Tcl 9: each file compiles with a header that has 9's types and only what 9 has
(tests/tcl9/tcl.h says what that is worth), by both compilers, as strictly as possible."""
import glob, shutil
from harness import SRC, Skip, case, main, run, same, temp_dir

FLAGS = ['-std=gnu17', '-D_GNU_SOURCE', '-DVERSION="x"', '-fsyntax-only', '-Wall', '-Wextra', '-Wno-unused-parameter',
         '-Wno-missing-field-initializers', '-Wno-sign-compare', '-Werror', '-Werror=implicit-function-declaration',
         '-I', SRC + '/tests/tcl9', '-I', SRC + '/include', '-I', SRC + '/lang/tcl']
COMPILERS = {'gcc': [], 'clang': ['-Wshorten-64-to-32']} # clang also tells of lengths that are cut


def compile_with(cc, path, status=0):
    return run(cc, *FLAGS, *COMPILERS[cc], path, status=status)


def compilers():
    found = [cc for cc in COMPILERS if shutil.which(cc)]
    if not found:
        raise Skip('neither gcc nor clang')
    return found


@case
def every_file_compiles_with_the_types_of_tcl_9():
    files = sorted(glob.glob(SRC + '/lang/tcl/*.c'))
    same(len(files) > 5, True, 'files')
    for cc in compilers():
        for path in files:
            compile_with(cc, path)


@case
def what_tcl_9_has_no_more_is_refused():
    """The case above can fail: each of these compiles with 8.6."""
    bad = {
        'an int for a length': 'int n; Tcl_GetStringFromObj(o, &n);',
        'an int for a number of elements': 'int n; Tcl_Obj **v; Tcl_ListObjGetElements(t, o, &n, &v);',
        'an int for a number of bytes': 'int n; Tcl_GetBytesFromObj(t, o, &n);',
        'bytes that are not checked': 'Tcl_Size n; Tcl_GetByteArrayFromObj(o, &n);',
        'a narrow integer': 'Tcl_SetObjResult(t, Tcl_NewIntObj(1));',
        'CONST': 'CONST char *s = Tcl_GetString(o); (void)s;',
        'the string of a value': 'const char *s = o->bytes; (void)s;',
        'the result as a string': 'Tcl_SetResult(t, "x", TCL_STATIC);',
        'evaluation of a string': 'Tcl_Eval(t, "x");',
    }
    with temp_dir() as d:
        for cc in compilers():
            for what, code in {'nothing': '', **bad}.items():
                path = d + '/probe.c'
                with open(path, 'w') as f:
                    f.write('#include "compat.h"\nvoid probe(Tcl_Interp *t, Tcl_Obj *o);\n'
                            'void probe(Tcl_Interp *t, Tcl_Obj *o)\n{\n\t(void)t, (void)o;\n\t' + code + '\n}\n')
                r = compile_with(cc, path, status=None)
                same(r.status != 0, code != '', f'{cc} refuses {what}')


main()
