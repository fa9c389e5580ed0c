/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/uri.h"
#include <stdio.h>
#include "base/quote.h"

static bool add_scheme(struct buf *b, const struct listeners *ls, const struct keys *k)
{
	const char *user = k->required && k->tls ? tls_first_user(k->tls) : NULL;
	return buf_printf(b, "nbd%s%s://", k->required ? "s" : "", ls->unix_path ? "+unix" : ls->vsock ? "+vsock" : "")
	    && (!user || (quote_uri(b, user, false) && buf_add(b, "@", 1)));
}

/* Behind scheme and host: nothing for the export that has no name. */
static bool add_export(struct buf *b, const char *export)
{
	return !*export || (buf_add(b, "/", 1) && quote_uri(b, export, true));
}

static bool add_query(struct buf *b, char *mark, const char *name, const char *value)
{
	bool ok = !value || (buf_add(b, mark, 1) && buf_printf(b, "%s=", name) && quote_uri(b, value, true));
	if (value)
		*mark = '&';
	return ok;
}

bool uri_add(struct buf *b, const struct listeners *ls, const struct keys *k, const char *export)
{
	char mark = '?';
	bool ok = add_scheme(b, ls, k);
	if (ok && ls->vsock && !ls->unix_path) /* 1: VMADDR_CID_LOCAL, this machine */
		ok = buf_printf(b, "1:%u", ls->port);
	else if (ok && !ls->unix_path)
		ok = buf_printf(b, "%s:%u", ls->host, ls->port);
	return ok && add_export(b, export) && add_query(b, &mark, "socket", ls->unix_path)
	    && add_query(b, &mark, "tls-certificates", k->required ? k->certificates : NULL)
	    && add_query(b, &mark, "tls-psk-file", k->required ? k->psk : NULL);
}

static bool add_variable(struct buf *b, const char *name, const char *value)
{
	return buf_printf(b, "%s=", name) && quote_shell(b, value) && buf_add(b, "\n", 1);
}

bool uri_add_variables(struct buf *b, const struct listeners *ls, const struct keys *k, const char *export)
{
	struct buf uri = { .limit = b->limit };
	char port[12] = "";
	if (ls->port)
		snprintf(port, sizeof port, "%u", ls->port);
	bool ok = uri_add(&uri, ls, k, export)
	       && add_variable(b, "uri", buf_str(&uri)) && buf_printf(b, "nbd=\"$uri\"\n")
	       && add_variable(b, "exportname", export) && add_variable(b, "port", port)
	       && add_variable(b, "unixsocket", ls->unix_path ? ls->unix_path : "")
	       && buf_printf(b, "tls=%s\n", !k->tls ? "" : k->required ? "2" : "1");
	buf_free(&uri);
	return ok;
}
