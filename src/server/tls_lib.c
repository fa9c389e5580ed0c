/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/tls_lib.h"
#include <dlfcn.h>

struct tls_lib tls_lib;

int tls_lib_load(struct err *e)
{
	static void *lib; /* never unloaded: it cleans up at exit */
	if (lib)
		return 0;
	void *found = dlopen("libgnutls.so.30", RTLD_NOW | RTLD_LOCAL);
	if (!found)
		return err_set(e, "TLS: cannot load GnuTLS: %s", dlerror());
#define X(name)                                                                                                        \
	if (!(tls_lib.name = (__typeof__(tls_lib.name))dlsym(found, "gnutls_" #name)))                                 \
		return err_set(e, "TLS: this GnuTLS is too old: it has no gnutls_%s()", #name);
	TLS_LIB_FUNCTIONS(X)
#undef X
	/* These two are variables. */
	const gnutls_alloc_function *alloc = dlsym(found, "gnutls_malloc");
	const gnutls_free_function *release = dlsym(found, "gnutls_free");
	if (!alloc || !release)
		return err_set(e, "TLS: this GnuTLS has no gnutls_malloc");
	tls_lib.alloc = *alloc;
	tls_lib.release = *release;
	lib = found;
	return 0;
}
