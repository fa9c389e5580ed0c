/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz/options.h"
#include <string.h>
#include "filters/filters.h"
#include "fuzz/disk.h"

enum { OPTIONS_MAX = 1000, DATA_MAX = 64 << 10, SKIP_MAX = 16 << 20 }; /* the server's bounds, of docs/architecture.md */

static struct fuzz_client client;

/* What the server wrote, as far as it was looked at. */
static const uint8_t *got(size_t n)
{
	const uint8_t *p = conn_rig_got(&client.rig, n);
	MUST(p);
	return p;
}

static void silence(void)
{
	MUST(conn_rig_left(&client.rig) == 0);
}

static bool structured(const struct options_server *s, uint32_t option)
{
	return !s->no_structured || (option != NBD_OPT_STRUCTURED_REPLY && option != NBD_OPT_EXTENDED_HEADERS);
}

/* One reply to option; its type. */
static uint32_t take_reply(const struct options_server *s, uint32_t option)
{
	static const char context[] = "base:allocation";
	const uint8_t *head = got(20);
	uint32_t type = get_be32(head + 12), len = get_be32(head + 16);
	MUST(get_be64(head) == NBD_REP_MAGIC && get_be32(head + 8) == option);
	MUST(len <= 2 * NBD_MAX_STRING + 8);
	const uint8_t *p = got(len);

	switch (type) {
	case NBD_REP_ACK:
		MUST(len == 0 && structured(s, option));
		break;
	case NBD_REP_SERVER:
		MUST(option == NBD_OPT_LIST && len >= 4 && get_be32(p) <= len - 4);
		break;
	case NBD_REP_META_CONTEXT:
		MUST(option == NBD_OPT_LIST_META_CONTEXT || option == NBD_OPT_SET_META_CONTEXT);
		MUST(len == 4 + sizeof context - 1 && memcmp(p + 4, context, sizeof context - 1) == 0);
		break;
	case NBD_REP_INFO:
		MUST((option == NBD_OPT_GO || option == NBD_OPT_INFO) && len >= 2);
		if (get_be16(p) == NBD_INFO_EXPORT)
			MUST(len == 12 && get_be64(p + 2) == disk.size && get_be16(p + 10) & NBD_FLAG_HAS_FLAGS &&
			     !(get_be16(p + 10) & NBD_FLAG_READ_ONLY) == !s->readonly);
		else if (get_be16(p) == NBD_INFO_BLOCK_SIZE)
			MUST(len == 14 && get_be32(p + 2) && get_be32(p + 2) <= get_be32(p + 6) && get_be32(p + 6) <= get_be32(p + 10));
		else
			MUST(get_be16(p) == NBD_INFO_NAME || get_be16(p) == NBD_INFO_DESCRIPTION);
		break;
	default:
		MUST(type >= NBD_REP_ERR(1) && type <= NBD_REP_ERR(10));
	}
	return type;
}

/* EXPORT_NAME has no reply with a header. */
static void check_export_name(bool no_zeroes)
{
	if (conn_rig_left(&client.rig) == 0) {
		MUST(!client.rig.conn);
		return;
	}
	MUST(get_be64(got(8)) == disk.size);
	got(2 + (no_zeroes ? 0 : 124));
}

/* The options in [p, p + n), each with its replies. */
static void check_options(const struct options_server *s, const uint8_t *p, size_t n, bool fixed, bool no_zeroes)
{
	for (unsigned count = 1;; count++) {
		struct nbd_option o;
		if (n < NBD_OPTION_SIZE) /* what comes next is not known yet */
			break;
		o = nbd_get_option(p);
		if (o.magic != NBD_IHAVEOPT || count > OPTIONS_MAX || (!fixed && o.option != NBD_OPT_EXPORT_NAME) ||
		    (o.len > DATA_MAX && (o.len > SKIP_MAX || o.option == NBD_OPT_EXPORT_NAME))) {
			MUST(!client.rig.conn);
			break;
		}
		p += NBD_OPTION_SIZE;
		n -= NBD_OPTION_SIZE;
		if (o.len <= DATA_MAX && n < o.len)
			break;
		if (o.option == NBD_OPT_EXPORT_NAME) {
			check_export_name(no_zeroes);
			return; /* what follows are requests */
		}
		uint32_t type;
		do
			type = take_reply(s, o.option);
		while (type != NBD_REP_ACK && type < NBD_REP_ERR(0));
		MUST(o.len <= DATA_MAX || type == NBD_REP_ERR_TOO_BIG);
		if (type == NBD_REP_ACK && o.option == NBD_OPT_GO)
			return;
		if (o.option == NBD_OPT_ABORT && type == NBD_REP_ACK) {
			MUST(!client.rig.conn);
			break;
		}
		n -= MIN(n, (size_t)o.len);
		p += o.len;
	}
	silence();
}

static void check(const struct options_server *s, const uint8_t *p, size_t n)
{
	uint16_t offered = (NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES) & s->mask;

	if (s->oldstyle) {
		const uint8_t *hello = got(NBD_OLDSTYLE_SIZE);
		MUST(get_be64(hello) == NBD_MAGIC && get_be64(hello + 8) == NBD_OLDSTYLE_MAGIC && get_be64(hello + 16) == disk.size);
		return;
	}
	const uint8_t *hello = got(18);
	MUST(get_be64(hello) == NBD_MAGIC && get_be64(hello + 8) == NBD_IHAVEOPT && get_be16(hello + 16) == offered);
	if (n < 4) {
		silence();
		return;
	}
	uint32_t flags = get_be32(p);
	if (flags & ~(uint32_t)offered) {
		MUST(!client.rig.conn);
		silence();
		return;
	}
	check_options(s, p + 4, n - 4, flags & NBD_FLAG_FIXED_NEWSTYLE, flags & NBD_FLAG_NO_ZEROES);
}

void options_run(const struct options_server *s, const uint8_t *bytes, size_t n)
{
	static const struct module *const mods[] = { &mod_passthrough, &mod_fuzz_disk, NULL };

	disk_reset();
	memset(&client, 0, offsetof(struct fuzz_client, model));
	const struct conn_config config = { .readonly = s->readonly, .oldstyle = s->oldstyle, .no_structured = s->no_structured,
					    .handshake_mask = s->mask };
	MUST(conn_rig_start_as(&client.rig, mods, NULL, &config));
	client.rig.piece = s->piece;
	conn_rig_send(&client.rig, bytes, n);
	if (s->ends)
		conn_rig_end(&client.rig);
	conn_rig_turn(&client.rig);
	check(s, bytes, n);
	client_end(&client, 1);
}
