/* SPDX-License-Identifier: BSD-2-Clause */
/* host: where a server of HTTP listens, and which names browsers may call it by.
 * A page of somebody else can be made to resolve its own name to our address (DNS rebinding): then Host is that name.  So Host must be
 * an address or name that is ours for certain; its port is not looked at, since a tunnel (ssh -L) may have another. */
#pragma once
#include <stdbool.h>
#include "base/err.h"

struct host {
	char name[300];        /* for an address: "127.0.0.1:8080", "[::1]:8080" */
	char given[256];       /* as the person wrote it, without a port; "" : did not */
	bool loopback;
};

/* A listening socket, or -1 with e set.  where: see http.h. */
int host_listen(struct host *h, const char *where, struct err *e);
bool host_is_ours(const struct host *h, const char *header);
/* Is that the Origin of a page that came from this Host? */
bool host_is_origin(const char *host, const char *origin);
