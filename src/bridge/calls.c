/* SPDX-License-Identifier: BSD-2-Clause */
/* One request, carried out by calls into a plug-in or filter: what it lacks is replaced here, as nbdkit-plugin(3)
 * tells for each callback.  On a thread that may block. */
#include <errno.h>
#include <stdlib.h>
#include "base/say.h"
#include "bridge/loaded.h"

static const uint8_t zeroes[ZERO_PIECE];

int call_failed(const struct loaded *p)
{
	int err = context->errnum ? context->errnum : p->p.errno_is_preserved ? errno : EIO;
	return err > 0 ? err : EIO;
}

bool call_block_size(struct limits *m, uint32_t min, uint32_t pref, uint32_t max)
{
	bool none = !min && !pref && !max;
	bool ok = min >= 1 && min <= 65536 && !(min & (min - 1)) && pref >= 512 && pref <= 32 << 20 && !(pref & (pref - 1))
		  && min <= pref && (max == UINT32_MAX || max % min == 0) && pref <= max;
	if (!none && !ok) {
		nbdkit_error("%s must set minimum block size between 1 and 64K, and a preferred and maximum one that fit",
			     context->module);
		return false;
	}
	m->min_block = min;
	m->pref_block = pref;
	m->max_block = max;
	return true;
}

/* --- what is asked for, out of what there is --- */

/* Whoever asked has gone: one request of 64 bits may be so many calls that they would never end. */
static bool given_up(void)
{
	return context->cancelled && atomic_load(context->cancelled);
}

static int zero_by_writing(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off, uint32_t flags)
{
	int err = 0;
	for (uint32_t k; n && !err; n -= k, off += k) {
		k = MIN(n, (uint32_t)ZERO_PIECE);
		err = given_up() ? ESHUTDOWN : p->calls->write(p, o, zeroes, k, off, flags & NBDKIT_FLAG_FUA);
	}
	return err;
}

static int zero(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off, uint32_t flags)
{
	int err = EOPNOTSUPP;
	if (o->zero_native)
		err = p->calls->zero(p, o, n, off, flags);
	if (err != EOPNOTSUPP)
		return err;
	if (flags & NBDKIT_FLAG_FAST_ZERO)
		return EOPNOTSUPP; /* writing would not be fast */
	return zero_by_writing(p, o, n, off, flags);
}

static int cache(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off)
{
	if (o->cache_native)
		return p->calls->cache(p, o, n, off);
	uint32_t piece = MIN(n, (uint32_t)ZERO_PIECE), k;
	uint8_t *thrown_away = malloc(piece);
	int err = thrown_away ? 0 : ENOMEM;
	for (; n && !err; n -= k, off += k) {
		k = MIN(n, piece);
		err = given_up() ? ESHUTDOWN : p->calls->read(p, o, thrown_away, k, off);
	}
	free(thrown_away);
	return err;
}

/* Requests of 64 bits in pieces of 30: TRIM, ZERO, CACHE. */
static int in_pieces(struct loaded *p, const struct opened *o, const struct req *r, uint32_t flags)
{
	uint64_t off = r->off, left = r->len;
	int err = 0;
	for (uint32_t n; left && !err; left -= n, off += n) {
		n = (uint32_t)MIN(left, (uint64_t)PIECE_MAX);
		if (given_up())
			err = ESHUTDOWN;
		else if (r->op == OP_TRIM)
			err = p->calls->trim(p, o, n, off, flags & NBDKIT_FLAG_FUA);
		else if (r->op == OP_ZERO)
			err = zero(p, o, n, off, flags);
		else
			err = cache(p, o, n, off);
	}
	return err;
}

static int data(struct loaded *p, const struct opened *o, struct req *r)
{
	/* A filter hands FUA on, whatever it says of itself: the plug-in below settles it. */
	bool fua = r->flags & REQ_FUA, flush_after = fua && o->fua != NBDKIT_FUA_NATIVE && !p->mod.filter;
	uint32_t flags = fua && !flush_after ? NBDKIT_FLAG_FUA : 0;
	int err;

	switch (r->op) {
	case OP_READ:
		return p->calls->read(p, o, r->data, (uint32_t)r->len, r->off);
	case OP_WRITE:
		err = p->calls->write(p, o, r->data, (uint32_t)r->len, r->off, flags);
		break;
	case OP_FLUSH:
		return p->calls->flush(p, o);
	case OP_EXTENTS:
		return p->calls->extents(p, o, (uint32_t)MIN(r->len, (uint64_t)PIECE_MAX), r->off,
					 r->flags & REQ_ONE ? NBDKIT_FLAG_REQ_ONE : 0, r->data);
	case OP_ZERO:
		flags |= r->flags & REQ_NO_HOLE ? 0 : NBDKIT_FLAG_MAY_TRIM;
		flags |= r->flags & REQ_FAST ? NBDKIT_FLAG_FAST_ZERO : 0;
		/* fall through */
	default:
		err = in_pieces(p, o, r, flags);
		break;
	}
	return !err && flush_after ? p->calls->flush(p, o) : err;
}

int call_data(struct layer *l, struct req *r)
{
	struct opened *o = l->data;
	struct loaded *p = loaded_of(l->mod);
	struct context *before = context;
	struct context c = { .module = p->mod.name, .client = l->client, .stack = l->stack, .layer = l,
			     .export = l->client->export, .strings = &o->conn.strings,
			     .cancelled = before ? before->cancelled : NULL };

	context = &c;
	errno = 0;
	int err = data(p, o, r);
	context = before;
	return err;
}

/* --- which --- */

void call_run(struct loaded *p, struct call *c)
{
	struct opened *o = c->layer->data;
	struct req *r = c->req;
	const struct client *client = c->layer->client;
	struct context *before = context;

	/* Before it is opened no export is chosen, as nbdkit_export_name() has it. */
	c->context = (struct context){ .module = p->mod.name, .client = client, .stack = c->layer->stack, .layer = c->layer,
				       .export = r->op < OP_OPEN ? NULL : client->export, .strings = &o->conn.strings,
				       .cancelled = &c->cancelled };
	context = &c->context;
	errno = 0;
	c->err = 0;
	switch (r->op) {
	case OP_PRECONNECT:
		c->err = p->calls->preconnect(p, client);
		break;
	case OP_LIST:
		c->err = p->calls->list_exports(p, client, r->data);
		break;
	case OP_DEFAULT:
		c->err = p->calls->default_export(p, client, r->data);
		break;
	case OP_OPEN:
		c->err = p->calls->open(p, o, client, &c->limits);
		if (c->err)
			interned_free(&o->conn.strings); /* no CLOSE will come */
		break;
	case OP_CLOSE:
		p->calls->close(p, o);
		interned_free(&o->conn.strings);
		break;
	default:
		c->err = data(p, o, r);
	}
	context = before;
	if (c->err && r->op == OP_READ)
		r->holes = NULL;
}
