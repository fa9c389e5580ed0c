/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/keys.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The directory base/sub when it holds certificates; the caller's.  NULL: it does not. */
static char *look_in(const char *base, const char *sub)
{
	char *dir;
	if (!base || asprintf(&dir, "%s/%s", base, sub) < 0)
		return NULL;
	if (tls_has_certificates(dir))
		return dir;
	free(dir);
	return NULL;
}

/* Where certificates are when nobody says where. */
static char *built_in_place(void)
{
	char *dir;
	if (geteuid() == 0) {
		dir = look_in(SYSCONFDIR, "pki/nbdkit");
		return dir ? dir : look_in("/etc", "pki/nbdkit"); /* nbdkit's own, if we are elsewhere */
	}
	dir = look_in(getenv("HOME"), ".pki/nbdkit");
	return dir ? dir : look_in(getenv("HOME"), ".config/pki/nbdkit");
}

/* No certificates.  Without TLS, then, unless it must be; silently only when nobody asked for it. */
static int do_without(const struct args *a, struct err *e)
{
	const char *dir = a->tls_certificates;
	if (a->tls == TLS_REQUIRE)
		return err_set(e, "--tls=require: no certificates (ca-cert.pem, server-cert.pem, server-key.pem) can be read in %s",
			       dir ? dir : "the built-in places: try --tls-certificates=DIR or --tls-psk=FILE");
	if (a->tls == TLS_ON || dir || a->tls_verify_peer)
		say_error("going on without TLS: no certificates (ca-cert.pem, server-cert.pem, server-key.pem) can be read in %s",
			  dir ? dir : "the built-in places");
	return 0;
}

int keys_load(struct keys *k, const struct args *a, struct err *e)
{
	struct tls_options o = { .verify_peer = a->tls_verify_peer };

	if (a->tls == TLS_OFF)
		return 0;
	if (a->tls_psk) {
		o.psk = k->psk = realpath(a->tls_psk, NULL);
		if (!k->psk)
			return err_set(e, "--tls-psk: %s: %s", a->tls_psk, strerror(errno));
	} else {
		bool given = a->tls_certificates;
		k->certificates = !given ? built_in_place()
			: tls_has_certificates(a->tls_certificates) ? realpath(a->tls_certificates, NULL) : NULL;
		if (!k->certificates)
			return do_without(a, e);
		o.certificates = k->certificates;
	}
	k->required = a->tls == TLS_REQUIRE;
	k->tls = tls_new(&o, e);
	return k->tls ? 0 : -1;
}

void keys_free(struct keys *k)
{
	tls_free(k->tls);
	free(k->certificates);
	free(k->psk);
	*k = (struct keys){ 0 };
}
