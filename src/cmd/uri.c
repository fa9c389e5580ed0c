/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/uri.h"
#include <stdio.h>
#include "base/quote.h"

/* Behind scheme and host: nothing for the export that has no name. */
static bool add_export(struct buf *b, const char *export)
{
	return !*export || (buf_add(b, "/", 1) && quote_uri(b, export, true));
}

bool uri_add(struct buf *b, const struct listeners *ls, const char *export)
{
	if (ls->unix_path)
		return buf_printf(b, "nbd+unix://") && add_export(b, export) && buf_printf(b, "?socket=")
		    && quote_uri(b, ls->unix_path, true);
	if (ls->vsock) /* 1: VMADDR_CID_LOCAL, this machine */
		return buf_printf(b, "nbd+vsock://1:%u", ls->port) && add_export(b, export);
	return buf_printf(b, "nbd://%s:%u", ls->host, ls->port) && add_export(b, export);
}

static bool add_variable(struct buf *b, const char *name, const char *value)
{
	return buf_printf(b, "%s=", name) && quote_shell(b, value) && buf_add(b, "\n", 1);
}

bool uri_add_variables(struct buf *b, const struct listeners *ls, const char *export)
{
	struct buf uri = { .limit = b->limit };
	char port[12] = "";
	if (ls->port)
		snprintf(port, sizeof port, "%u", ls->port);
	bool ok = uri_add(&uri, ls, export)
	       && add_variable(b, "uri", buf_str(&uri)) && buf_printf(b, "nbd=\"$uri\"\n")
	       && add_variable(b, "exportname", export) && add_variable(b, "port", port)
	       && add_variable(b, "unixsocket", ls->unix_path ? ls->unix_path : "") && buf_printf(b, "tls=\n");
	buf_free(&uri);
	return ok;
}
