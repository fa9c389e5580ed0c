/* SPDX-License-Identifier: BSD-2-Clause */
/* NBD_OPT_STARTTLS: the connection begins anew, encrypted.  proto.md, "TLS support". */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/say.h"
#include "server/conn.h"
#include "server/tls.h"

static void tls_is_up(struct transport *t)
{
	struct conn *c = container_of(t, struct conn, t);
	struct peer *p = &c->client.peer;

	if (tls_peer(t, p) < 0) {
		conn_hang_up(c, "out of memory");
		return;
	}
	c->client.tls = true;
	if (p->tls_dn || p->tls_psk_user)
		say_debug("connection=%" PRIu64 " the client is %s", c->client.id, p->tls_dn ? p->tls_dn : p->tls_psk_user);
}

/* What was said in plain text may have been said by anyone; only the number of options goes on. */
static bool forget(struct conn *c)
{
	char *no_name = strdup("");
	if (!no_name)
		return false;
	free((char *)c->client.export);
	c->client.export = no_name;
	c->by_default = false;
	free(c->default_export);
	c->default_export = NULL; /* what the plug-in offers may depend on TLS */
	free(c->meta_export);
	c->meta_export = NULL;
	c->meta_allocation = false;
	c->style = REPLY_SIMPLE;
	c->info = (struct info_request){ 0 };
	return true;
}

void option_starttls(struct conn *c, uint32_t len)
{
	if (c->client.tls) {
		option_error(c, NBD_REP_ERR_INVALID, "TLS is already on");
		return;
	}
	if (len) {
		option_error(c, NBD_REP_ERR_INVALID, "NBD_OPT_STARTTLS has no data");
		return;
	}
	if (!c->config->tls) {
		option_error(c, NBD_REP_ERR_POLICY, "this server offers no TLS");
		return;
	}
	/* It came in plain text and would be taken for what came inside TLS. */
	if (c->rx && c->rx->len > c->rx_at) {
		conn_hang_up(c, "plain text behind NBD_OPT_STARTTLS");
		return;
	}
	option_reply(c, NBD_REP_ACK, NULL, 0);
	if (c->eof)
		return;
	if (!forget(c) || tls_start(&c->t, c->config->tls, &c->out, c->out_sent, c->client.id, tls_is_up) < 0) {
		conn_hang_up(c, "out of memory");
		return;
	}
	c->out_sent = 0;
}
