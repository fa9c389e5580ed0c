/* SPDX-License-Identifier: BSD-2-Clause */
/* keys: whether the server speaks TLS, and with which keys: the rules of nbdkit-tls(1).
 * Main thread, with the rights of whoever started the server. */
#pragma once
#include "cmd/args.h"
#include "server/tls.h"

struct keys {
	struct tls *tls;     /* ours; NULL: no TLS */
	bool required;
	char *certificates;  /* the directory they are from, absolute; ours; or NULL */
	char *psk;           /* the same of the file */
};

/* 0, or -1 with e set; keys_free() in both cases. */
int keys_load(struct keys *k, const struct args *a, struct err *e);
void keys_free(struct keys *k);
