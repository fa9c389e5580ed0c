/* SPDX-License-Identifier: BSD-2-Clause */
/* The handshake: greeting of both ages, client flags, and the header of each option.
 * proto.md, "Protocol phases". */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/say.h"
#include "server/conn.h"

enum { OPTION_SKIP_MAX = 16 << 20 }; /* bytes of an absurd option that are thrown away to keep the connection */

static void got_option(struct conn *c);

uint16_t transmission_flags(const struct conn *c)
{
	const struct limits *l = stack_limits(c->stack);
	uint16_t f = NBD_FLAG_HAS_FLAGS;

	if (!l->can_write)
		f |= NBD_FLAG_READ_ONLY;
	if (l->can_flush)
		f |= NBD_FLAG_SEND_FLUSH;
	if (l->fua != NONE)
		f |= NBD_FLAG_SEND_FUA;
	if (l->rotational)
		f |= NBD_FLAG_ROTATIONAL;
	if (l->can_trim)
		f |= NBD_FLAG_SEND_TRIM;
	if (l->zero != NONE)
		f |= NBD_FLAG_SEND_WRITE_ZEROES;
	if (l->zero != NONE && l->can_fast_zero)
		f |= NBD_FLAG_SEND_FAST_ZERO;
	if (l->cache != NONE)
		f |= NBD_FLAG_SEND_CACHE;
	if (l->can_multi_conn)
		f |= NBD_FLAG_CAN_MULTI_CONN;
	if (c->style != REPLY_SIMPLE)
		f |= NBD_FLAG_SEND_DF;
	return f;
}

void transmission_start(struct conn *c)
{
	if (c->ending) { /* it was opened all the same: there is no way back from here, but nothing is promised yet */
		conn_hang_up(c, "the server ends");
		return;
	}
	c->transmission_flags = transmission_flags(c);
	c->transmitting = true;
	conn_be_patient(c);
	say_debug("connection=%" PRIu64 " handshake complete: export \"%s\", %" PRIu64 " bytes, flags 0x%x", c->client.id,
		  c->client.export, stack_limits(c->stack)->size, c->transmission_flags);
	request_start(c);
}

/* --- oldstyle: the server talks, the client takes it or leaves --- */

static void oldstyle_opened(struct conn *c, struct req *r)
{
	uint8_t hello[NBD_OLDSTYLE_SIZE];
	int err = r->err;

	req_free(r);
	if (err) {
		conn_hang_up(c, "the export cannot be opened");
		return;
	}
	c->opened = true;
	nbd_put_oldstyle(hello, stack_limits(c->stack)->size, transmission_flags(c));
	conn_say(c, hello, sizeof hello);
	transmission_start(c);
}

/* --- newstyle --- */

static uint16_t handshake_flags(const struct conn *c)
{
	return (NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES) & c->config->handshake_mask;
}

static void got_option_data(struct conn *c)
{
	uint32_t len = c->want;
	const uint8_t *data = len ? conn_bytes(c) : NULL;

	conn_take(c, len);
	expect(c, NBD_OPTION_SIZE, got_option);
	option_run(c, data, len);
}

static void got_option(struct conn *c)
{
	struct nbd_option o = nbd_get_option(conn_bytes(c));

	if (o.magic != NBD_IHAVEOPT) {
		conn_hang_up(c, "option without the magic number");
		return;
	}
	if (++c->options > CONN_MAX_OPTIONS) {
		conn_hang_up(c, "too many options");
		return;
	}
	conn_take(c, NBD_OPTION_SIZE);
	c->option = o.option;
	if (!c->fixed && o.option != NBD_OPT_EXPORT_NAME) {
		conn_hang_up(c, "only NBD_OPT_EXPORT_NAME can follow a handshake that is not fixed newstyle");
		return;
	}
	bool locked = c->config->tls_required && !c->client.tls;
	if (locked && o.option == NBD_OPT_EXPORT_NAME) { /* it has no way to say so */
		conn_hang_up(c, "NBD_OPT_EXPORT_NAME without TLS");
		return;
	}
	locked &= o.option != NBD_OPT_STARTTLS && o.option != NBD_OPT_ABORT;
	bool ending = c->ending && o.option != NBD_OPT_ABORT;
	if (ending && o.option == NBD_OPT_EXPORT_NAME) {
		conn_hang_up(c, "the server ends");
		return;
	}
	if (o.len <= CONN_MAX_OPTION && !locked && !ending) {
		expect(c, o.len, got_option_data);
		return;
	}
	if (o.len > OPTION_SKIP_MAX || o.option == NBD_OPT_EXPORT_NAME) {
		conn_hang_up(c, "an option of absurd length");
		return;
	}
	c->skip = o.len;
	if (locked)
		option_error(c, NBD_REP_ERR_TLS_REQD, "this server requires TLS");
	else if (ending)
		option_error(c, NBD_REP_ERR_SHUTDOWN, "the server is shutting down");
	else
		option_error(c, NBD_REP_ERR_TOO_BIG, "option data too long");
}

static void got_client_flags(struct conn *c)
{
	uint32_t flags = get_be32(conn_bytes(c));

	conn_take(c, 4);
	if (flags & ~(uint32_t)handshake_flags(c)) {
		conn_hang_up(c, "client flags that were not offered");
		return;
	}
	c->fixed = flags & NBD_FLAG_FIXED_NEWSTYLE;
	c->no_zeroes = flags & NBD_FLAG_NO_ZEROES;
	expect(c, NBD_OPTION_SIZE, got_option);
}

void handshake_start(struct conn *c)
{
	uint8_t hello[18];

	conn_be_patient(c);
	if (c->config->oldstyle) {
		export_open(c, oldstyle_opened);
		return;
	}
	put_be16(put_be64(put_be64(hello, NBD_MAGIC), NBD_IHAVEOPT), handshake_flags(c));
	conn_say(c, hello, sizeof hello);
	expect(c, 4, got_client_flags);
}
