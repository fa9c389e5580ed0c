/* SPDX-License-Identifier: BSD-2-Clause */
#include "plugins/nbd_lib.h"
#include <dlfcn.h>

struct nbd_lib nbd_lib;

int nbd_lib_load(struct err *e)
{
	static void *lib; /* never unloaded: gnutls and libxml2 do not like it */
	if (lib)
		return 0;
	void *found = dlopen("libnbd.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!found)
		return err_set(e, "cannot load libnbd: %s", dlerror());
#define X(name)                                                                                                        \
	if (!(nbd_lib.name = (__typeof__(nbd_lib.name))dlsym(found, "nbd_" #name)))                                    \
		return err_set(e, "this libnbd is too old: it has no nbd_%s()", #name);
	NBD_LIB_FUNCTIONS(X)
#undef X
	lib = found;
	return 0;
}
