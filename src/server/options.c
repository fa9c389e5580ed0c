/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of the fixed newstyle handshake, one function each.  proto.md, "Option types".
 * data points into the receive buffer: what must outlive an answer from below is copied. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/say.h"
#include "server/conn.h"

static const char allocation[] = "base:allocation";

void option_reply(struct conn *c, uint32_t type, const void *data, uint32_t len)
{
	uint8_t head[20];
	nbd_put_option_reply(head, c->option, type, len);
	conn_say(c, head, sizeof head);
	if (len)
		conn_say(c, data, len);
}

void option_error(struct conn *c, uint32_t type, const char *text)
{
	say_debug("connection=%" PRIu64 " %s refused: %s", c->client.id, nbd_option_name(c->option), text);
	option_reply(c, type, text, (uint32_t)strlen(text));
}

static void ack(struct conn *c)
{
	option_reply(c, NBD_REP_ACK, NULL, 0);
}

/* --- reading the data: a cursor that can run out but not over --- */

struct cursor {
	const uint8_t *p;
	uint32_t left;
};

static bool take_u16(struct cursor *d, uint16_t *v)
{
	if (d->left < 2)
		return false;
	*v = get_be16(d->p);
	d->p += 2;
	d->left -= 2;
	return true;
}

static bool take_u32(struct cursor *d, uint32_t *v)
{
	if (d->left < 4)
		return false;
	*v = get_be32(d->p);
	d->p += 4;
	d->left -= 4;
	return true;
}

/* len bytes that must be a string as proto.md has it; a copy for the caller to free.
 * NULL: it is none, *why says so (or out of memory). */
static char *take_string(struct cursor *d, uint32_t len, const char **why)
{
	*why = NULL;
	if (len > d->left)
		*why = "a string longer than the option";
	else if (len > NBD_MAX_STRING)
		*why = "a string longer than 4096 bytes";
	else if (len && memchr(d->p, '\0', len))
		*why = "a NUL byte in a string";
	if (*why)
		return NULL;
	char *s = strndup(len ? (const char *)d->p : "", len);
	if (!s)
		*why = "out of memory";
	if (len) {
		d->p += len;
		d->left -= len;
	}
	return s;
}

/* u32 length, then the name. */
static char *take_name(struct cursor *d, const char **why)
{
	uint32_t len;
	*why = "too short";
	return take_u32(d, &len) ? take_string(d, len, why) : NULL;
}

/* --- choosing an export --- */

static void set_export(struct conn *c, char *name)
{
	free((char *)c->client.export);
	c->client.export = name;
}

/* Contexts chosen for one export are not valid for another. */
static void settle_contexts(struct conn *c)
{
	if (c->meta_export && strcmp(c->meta_export, c->by_default ? "" : c->client.export) != 0)
		c->meta_allocation = false;
}

static void open_default(struct conn *c)
{
	char *name = strdup(c->default_export);
	if (!name) {
		conn_hang_up(c, "out of memory");
		return;
	}
	set_export(c, name);
	conn_ask(c, OP_OPEN, NULL, c->came_open);
}

static void default_told(struct conn *c, struct req *r)
{
	struct exports *x = &c->exports;
	char *name = x->count ? x->list[0].name : NULL;

	if (!r->err && !name)
		r->err = ENOENT; /* there is no default export */
	if (r->err) {
		exports_free(x);
		c->came_open(c, r);
		return;
	}
	x->list[0].name = NULL; /* ours now */
	c->default_export = name;
	exports_free(x);
	req_free(r);
	open_default(c);
}

void export_open(struct conn *c, void (*then)(struct conn *, struct req *))
{
	c->by_default = !*c->client.export;
	c->came_open = then;
	if (c->by_default && c->default_export)
		open_default(c);
	else if (c->by_default)
		conn_ask(c, OP_DEFAULT, &c->exports, default_told);
	else
		conn_ask(c, OP_OPEN, NULL, then);
}

static void export_name_opened(struct conn *c, struct req *r)
{
	uint8_t answer[8 + 2 + 124] = { 0 };
	int err = r->err;

	req_free(r);
	if (err) { /* this option has no way to say so */
		conn_hang_up(c, "the export cannot be opened");
		return;
	}
	c->opened = true;
	settle_contexts(c);
	put_be16(put_be64(answer, stack_limits(c->stack)->size), transmission_flags(c));
	conn_say(c, answer, c->no_zeroes ? 10 : sizeof answer);
	transmission_start(c);
}

static void opt_export_name(struct conn *c, struct cursor d)
{
	const char *why;
	char *name = take_string(&d, d.left, &why);
	if (!name) {
		conn_hang_up(c, why);
		return;
	}
	set_export(c, name);
	export_open(c, export_name_opened);
}

static void info_text(struct conn *c, uint16_t type, const char *text)
{
	uint8_t info[2 + NBD_MAX_STRING];
	size_t len = strlen(text);
	if (!nbd_is_string(text, len))
		return; /* nothing is better than what may not be sent */
	put_be16(info, type);
	memcpy(info + 2, text, len);
	option_reply(c, NBD_REP_INFO, info, (uint32_t)len + 2);
}

static void send_info(struct conn *c)
{
	const struct limits *l = stack_limits(c->stack);
	uint8_t info[16];
	uint8_t *p = put_be16(info, NBD_INFO_EXPORT);
	p = put_be64(p, l->size);
	p = put_be16(p, transmission_flags(c));
	option_reply(c, NBD_REP_INFO, info, (uint32_t)(p - info));
	if (c->info.name)
		info_text(c, NBD_INFO_NAME, c->client.export);
	if (c->info.description && l->description)
		info_text(c, NBD_INFO_DESCRIPTION, l->description);
	if (c->info.block_size) {
		p = put_be16(info, NBD_INFO_BLOCK_SIZE);
		p = put_be32(p, l->min_block ? l->min_block : 1);
		p = put_be32(p, l->pref_block ? l->pref_block : 4096);
		p = put_be32(p, MIN(l->max_block ? l->max_block : UINT32_MAX, (uint32_t)NBD_MAX_PAYLOAD));
		option_reply(c, NBD_REP_INFO, info, (uint32_t)(p - info));
	}
}

/* After INFO the export is closed again, as the next option may choose another. */
static void info_closed(struct conn *c, struct req *r)
{
	req_free(r);
	c->opened = false;
	stack_reset(c->stack);
}

static uint32_t open_error(int err)
{
	return err == ESHUTDOWN ? NBD_REP_ERR_SHUTDOWN : err == EPERM ? NBD_REP_ERR_POLICY : NBD_REP_ERR_UNKNOWN;
}

static void info_opened(struct conn *c, struct req *r)
{
	int err = r->err;

	req_free(r);
	if (err) {
		stack_reset(c->stack);
		option_error(c, open_error(err), strerror(err));
		return;
	}
	c->opened = true;
	send_info(c);
	ack(c);
	if (c->option == NBD_OPT_GO) {
		settle_contexts(c);
		transmission_start(c);
	} else {
		conn_ask(c, OP_CLOSE, NULL, info_closed);
	}
}

static void opt_info_or_go(struct conn *c, struct cursor d)
{
	const char *why;
	uint16_t count, type;
	char *name = take_name(&d, &why);

	if (!name) {
		option_error(c, NBD_REP_ERR_INVALID, why);
		return;
	}
	if (!take_u16(&d, &count) || d.left != 2u * count) {
		free(name);
		option_error(c, NBD_REP_ERR_INVALID, "the length does not match the number of information requests");
		return;
	}
	c->info = (struct info_request){ 0 };
	while (take_u16(&d, &type)) {
		c->info.name |= type == NBD_INFO_NAME;
		c->info.description |= type == NBD_INFO_DESCRIPTION;
		c->info.block_size |= type == NBD_INFO_BLOCK_SIZE;
	}
	set_export(c, name);
	export_open(c, info_opened);
}

/* --- telling what there is --- */

static void send_export(struct conn *c, const struct export_name *x)
{
	uint32_t name_len = (uint32_t)strlen(x->name);
	uint32_t text_len = x->description ? (uint32_t)strlen(x->description) : 0;
	struct buf b;

	if (!nbd_is_string(x->name, name_len)) { /* a file may be called anything; who knows its name can have it */
		say_debug("connection=%" PRIu64 " an export is not listed: its name is not UTF-8, or too long", c->client.id);
		return;
	}
	if (text_len && !nbd_is_string(x->description, text_len))
		text_len = 0;
	buf_init(&b, 4 + 2 * NBD_MAX_STRING);
	if (buf_reserve(&b, 4 + name_len + text_len)) {
		put_be32((uint8_t *)b.p, name_len);
		b.len = 4;
		buf_add(&b, x->name, name_len);
		buf_add(&b, x->description, text_len);
		option_reply(c, NBD_REP_SERVER, b.p, (uint32_t)b.len);
	}
	buf_free(&b);
}

static void listed(struct conn *c, struct req *r)
{
	struct exports *x = &c->exports;
	int err = r->err;

	req_free(r);
	for (size_t i = 0; !err && i < x->count && !c->eof; i++)
		send_export(c, &x->list[i]);
	exports_free(x);
	if (err == EPERM)
		option_error(c, NBD_REP_ERR_POLICY, strerror(err));
	else if (err)
		option_error(c, err == ESHUTDOWN ? NBD_REP_ERR_SHUTDOWN : NBD_REP_ERR_PLATFORM, "the exports cannot be listed");
	else
		ack(c);
}

static void opt_list(struct conn *c, struct cursor d)
{
	if (d.left) {
		option_error(c, NBD_REP_ERR_INVALID, "NBD_OPT_LIST has no data");
		return;
	}
	conn_ask(c, OP_LIST, &c->exports, listed);
}

/* --- how replies look --- */

static void opt_style(struct conn *c, struct cursor d, enum reply_style style)
{
	if (d.left)
		option_error(c, NBD_REP_ERR_INVALID, "this option has no data");
	else if (c->config->no_structured)
		option_error(c, NBD_REP_ERR_UNSUP, "structured replies are switched off");
	else if (c->style == REPLY_EXTENDED && style == REPLY_STRUCTURED)
		option_error(c, NBD_REP_ERR_EXT_HEADER_REQD, "extended headers are already negotiated");
	else if (c->style == style)
		option_error(c, NBD_REP_ERR_INVALID, "already negotiated");
	else {
		c->style = style;
		ack(c);
	}
}

/* --- metadata contexts --- */

static void send_context(struct conn *c, uint32_t id)
{
	uint8_t body[4 + sizeof allocation - 1];
	memcpy(put_be32(body, id), allocation, sizeof allocation - 1);
	option_reply(c, NBD_REP_META_CONTEXT, body, sizeof body);
}

/* True when the query asks for base:allocation.  An unknown namespace is not an error. */
static bool query_matches(const char *query, bool set)
{
	return strcmp(query, allocation) == 0 || (!set && strcmp(query, "base:") == 0);
}

static void opt_meta_context(struct conn *c, struct cursor d, bool set)
{
	const char *why;
	char *name;
	uint32_t queries;
	bool found = false;

	if (set) {
		c->meta_allocation = false;
		free(c->meta_export);
		c->meta_export = NULL;
	}
	if (c->style == REPLY_SIMPLE) {
		option_error(c, NBD_REP_ERR_INVALID, "negotiate structured replies first");
		return;
	}
	if (!(name = take_name(&d, &why)))
		goto invalid;
	why = "the length does not match the number of queries";
	if (!take_u32(&d, &queries))
		goto invalid;
	found = !set && queries == 0;
	while (queries-- > 0) {
		char *query = take_name(&d, &why);
		if (!query)
			goto invalid;
		found |= query_matches(query, set);
		free(query);
	}
	why = "the length does not match the number of queries";
	if (d.left)
		goto invalid;
	if (found)
		send_context(c, set ? META_ALLOCATION_ID : 0);
	ack(c);
	if (set) {
		c->meta_allocation = found;
		c->meta_export = name;
		name = NULL;
	}
	free(name);
	return;
invalid:
	free(name);
	option_error(c, NBD_REP_ERR_INVALID, why);
}

/* --- which option --- */

void option_run(struct conn *c, const uint8_t *data, uint32_t len)
{
	struct cursor d = { data, len };

	say_debug("connection=%" PRIu64 " %s, %" PRIu32 " bytes", c->client.id, nbd_option_name(c->option), len);
	switch (c->option) {
	case NBD_OPT_EXPORT_NAME:
		opt_export_name(c, d);
		break;
	case NBD_OPT_ABORT:
		ack(c);
		conn_goodbye(c);
		break;
	case NBD_OPT_LIST:
		opt_list(c, d);
		break;
	case NBD_OPT_INFO:
	case NBD_OPT_GO:
		opt_info_or_go(c, d);
		break;
	case NBD_OPT_STRUCTURED_REPLY:
		opt_style(c, d, REPLY_STRUCTURED);
		break;
	case NBD_OPT_EXTENDED_HEADERS:
		opt_style(c, d, REPLY_EXTENDED);
		break;
	case NBD_OPT_LIST_META_CONTEXT:
	case NBD_OPT_SET_META_CONTEXT:
		opt_meta_context(c, d, c->option == NBD_OPT_SET_META_CONTEXT);
		break;
	case NBD_OPT_STARTTLS:
		option_starttls(c, len);
		break;
	default:
		option_error(c, NBD_REP_ERR_UNSUP, "unknown option");
	}
}
