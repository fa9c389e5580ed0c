/* SPDX-License-Identifier: BSD-2-Clause */
/* One request, carried out by calls into a plug-in: what it lacks is replaced here, as nbdkit-plugin(3) tells
 * for each callback.  On a thread that may block. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/say.h"
#include "bridge/api_lists.h"
#include "bridge/loaded.h"

static const uint8_t zeroes[ZERO_PIECE];

/* The errno of a call that failed just now. */
static int failed(const struct loaded *p)
{
	int err = context->errnum ? context->errnum : p->p.errno_is_preserved ? errno : EIO;
	return err > 0 ? err : EIO;
}

/* --- both ages of the API behind one call each; 0 or an errno --- */

static bool is_v1(const struct loaded *p)
{
	return p->p._api_version < 2;
}

static int do_flush(struct loaded *p, void *h)
{
	int rc = 0;
	context->errnum = 0;
	if (is_v1(p) ? p->p.flush_v1_ != NULL : p->p.flush != NULL)
		rc = is_v1(p) ? p->p.flush_v1_(h) : p->p.flush(h, 0);
	else
		return EINVAL;
	return rc < 0 ? failed(p) : 0;
}

static int do_read(struct loaded *p, void *h, void *buf, uint32_t n, uint64_t off)
{
	context->errnum = 0;
	int rc = is_v1(p) ? p->p.pread_v1_(h, buf, n, off) : p->p.pread(h, buf, n, off, 0);
	return rc < 0 ? failed(p) : 0;
}

static int do_write(struct loaded *p, void *h, const void *buf, uint32_t n, uint64_t off, uint32_t flags)
{
	context->errnum = 0;
	if (is_v1(p) ? !p->p.pwrite_v1_ : !p->p.pwrite)
		return EROFS;
	int rc = is_v1(p) ? p->p.pwrite_v1_(h, buf, n, off) : p->p.pwrite(h, buf, n, off, flags);
	return rc < 0 ? failed(p) : 0;
}

static int do_trim(struct loaded *p, void *h, uint32_t n, uint64_t off, uint32_t flags)
{
	context->errnum = 0;
	if (is_v1(p) ? !p->p.trim_v1_ : !p->p.trim)
		return EINVAL;
	int rc = is_v1(p) ? p->p.trim_v1_(h, n, off) : p->p.trim(h, n, off, flags);
	return rc < 0 ? failed(p) : 0;
}

static int do_zero(struct loaded *p, void *h, uint32_t n, uint64_t off, uint32_t flags)
{
	context->errnum = 0;
	int rc = is_v1(p) ? p->p.zero_v1_(h, n, off, flags & NBDKIT_FLAG_MAY_TRIM ? 1 : 0) : p->p.zero(h, n, off, flags);
	return rc < 0 ? failed(p) : 0;
}

/* --- what is asked for, out of what there is --- */

static int zero_by_writing(struct loaded *p, void *h, uint32_t n, uint64_t off, uint32_t flags)
{
	int err = 0;
	for (uint32_t k; n && !err; n -= k, off += k) {
		k = MIN(n, (uint32_t)ZERO_PIECE);
		err = do_write(p, h, zeroes, k, off, flags & NBDKIT_FLAG_FUA);
	}
	return err;
}

static int zero(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off, uint32_t flags)
{
	int err = EOPNOTSUPP;
	if (o->zero_native)
		err = do_zero(p, o->handle, n, off, flags);
	if (err != EOPNOTSUPP)
		return err;
	if (flags & NBDKIT_FLAG_FAST_ZERO)
		return EOPNOTSUPP; /* writing would not be fast */
	return zero_by_writing(p, o->handle, n, off, flags);
}

static int cache(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off)
{
	static uint8_t thrown_away[ZERO_PIECE]; /* nobody looks at it */
	int err = 0;

	if (o->cache_native) {
		context->errnum = 0;
		return p->p.cache && p->p.cache(o->handle, n, off, 0) < 0 ? failed(p) : 0;
	}
	for (uint32_t k; n && !err; n -= k, off += k) {
		k = MIN(n, (uint32_t)ZERO_PIECE);
		err = do_read(p, o->handle, thrown_away, k, off);
	}
	return err;
}

static int extents(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off, uint32_t flags, struct extents *x)
{
	struct nbdkit_extents list = { .x = x };
	context->errnum = 0;
	if (p->p.extents(o->handle, n, off, flags, &list) < 0)
		return failed(p);
	if (x->at == x->start) {
		nbdkit_error("extents: the plug-in told nothing of offset %" PRIu64, off);
		return EINVAL;
	}
	return 0;
}

/* Requests of 64 bits in pieces of 30: TRIM, ZERO, CACHE. */
static int in_pieces(struct loaded *p, const struct opened *o, const struct req *r, uint32_t flags)
{
	uint64_t off = r->off, left = r->len;
	int err = 0;
	for (uint32_t n; left && !err; left -= n, off += n) {
		n = (uint32_t)MIN(left, (uint64_t)PIECE_MAX);
		if (r->op == OP_TRIM)
			err = do_trim(p, o->handle, n, off, flags & NBDKIT_FLAG_FUA);
		else if (r->op == OP_ZERO)
			err = zero(p, o, n, off, flags);
		else
			err = cache(p, o, n, off);
	}
	return err;
}

static int data(struct loaded *p, const struct opened *o, struct req *r)
{
	bool fua = r->flags & REQ_FUA, flush_after = fua && o->fua != NBDKIT_FUA_NATIVE;
	uint32_t flags = fua && !flush_after ? NBDKIT_FLAG_FUA : 0;
	int err;

	switch (r->op) {
	case OP_READ:
		return do_read(p, o->handle, r->data, (uint32_t)r->len, r->off);
	case OP_WRITE:
		err = do_write(p, o->handle, r->data, (uint32_t)r->len, r->off, flags);
		break;
	case OP_FLUSH:
		return do_flush(p, o->handle);
	case OP_EXTENTS:
		return extents(p, o, (uint32_t)MIN(r->len, (uint64_t)PIECE_MAX), r->off,
			       r->flags & REQ_ONE ? NBDKIT_FLAG_REQ_ONE : 0, r->data);
	case OP_ZERO:
		flags |= r->flags & REQ_NO_HOLE ? 0 : NBDKIT_FLAG_MAY_TRIM;
		flags |= r->flags & REQ_FAST ? NBDKIT_FLAG_FAST_ZERO : 0;
		/* fall through */
	default:
		err = in_pieces(p, o, r, flags);
		break;
	}
	return !err && flush_after ? do_flush(p, o->handle) : err;
}

/* --- opening --- */

/* A yes or no of the plug-in, or what its absence means.  -1: it failed. */
static int ask(int (*can)(void *), void *h, int otherwise)
{
	return can ? can(h) : otherwise;
}

static int block_size(struct loaded *p, void *h, struct limits *m)
{
	uint32_t min = 0, pref = 0, max = 0;
	if (!p->p.block_size)
		return 0;
	if (p->p.block_size(h, &min, &pref, &max) < 0)
		return -1;
	if (!min && !pref && !max)
		return 0;
	bool ok = min >= 1 && min <= 65536 && !(min & (min - 1)) && pref >= 512 && pref <= 32 << 20 && !(pref & (pref - 1))
		  && min <= pref && (max == UINT32_MAX || max % min == 0) && pref <= max;
	if (!ok) {
		nbdkit_error("plugin must set minimum block size between 1 and 64K, and a preferred and maximum one that fit");
		return -1;
	}
	m->min_block = min;
	m->pref_block = pref;
	m->max_block = max;
	return 0;
}

static int abilities(struct loaded *p, struct opened *o, struct limits *m)
{
	const struct nbdkit_plugin *f = &p->p;
	void *h = o->handle;
	bool v1 = is_v1(p);
	bool has_write = v1 ? f->pwrite_v1_ != NULL : f->pwrite != NULL, has_flush = v1 ? f->flush_v1_ != NULL : f->flush != NULL;
	bool has_trim = v1 ? f->trim_v1_ != NULL : f->trim != NULL, has_zero = v1 ? f->zero_v1_ != NULL : f->zero != NULL;
	int64_t size = f->get_size(h);
	int write = ask(f->can_write, h, has_write), flush = ask(f->can_flush, h, has_flush);
	int rotational = ask(f->is_rotational, h, 0), trim = ask(f->can_trim, h, has_trim);
	int can_zero = has_zero ? ask(f->can_zero, h, 1) : 0;
	int fast = ask(f->can_fast_zero, h, !has_zero || !can_zero);
	int tells_extents = f->extents ? ask(f->can_extents, h, 1) : 0;
	int fua = ask(f->can_fua, h, has_flush ? NBDKIT_FUA_EMULATE : NBDKIT_FUA_NONE);
	int multi = ask(f->can_multi_conn, h, 0);
	int caches = ask(f->can_cache, h, f->cache ? NBDKIT_CACHE_NATIVE : NBDKIT_CACHE_NONE);

	if (size < 0 || write < 0 || flush < 0 || rotational < 0 || trim < 0 || can_zero < 0 || fast < 0 || tells_extents < 0
	    || fua < 0 || fua > NBDKIT_FUA_NATIVE || multi < 0 || caches < 0 || caches > NBDKIT_CACHE_NATIVE
	    || block_size(p, h, m) < 0)
		return -1;
	if (v1 && fua == NBDKIT_FUA_NATIVE)
		fua = NBDKIT_FUA_EMULATE; /* its calls have no flags */
	o->zero_native = can_zero;
	o->fua = fua;
	o->cache_native = caches == NBDKIT_CACHE_NATIVE;
	m->size = (uint64_t)size;
	m->can_write = write;
	m->can_flush = flush;
	m->rotational = rotational;
	m->can_trim = write && trim;
	m->zero = !write ? NONE : can_zero ? NATIVE : EMULATE;
	m->can_fast_zero = write && fast;
	m->can_extents = tells_extents;
	m->fua = write ? (enum ability)fua : NONE;
	m->can_multi_conn = multi;
	m->cache = (enum ability)caches;
	const char *text = f->export_description ? f->export_description(h) : NULL;
	m->description = text && strlen(text) <= NBD_NAME_MAX ? text : NULL;
	return 0;
}

static int open_export(struct loaded *p, struct call *c, struct opened *o)
{
	const struct client *client = c->layer->client;

	int err = 0;
	o->handle = p->p.open(client->readonly);
	if (!o->handle || abilities(p, o, &c->limits) < 0)
		err = failed(p);
	if (!err)
		return 0;
	if (o->handle && p->p.close)
		p->p.close(o->handle);
	interned_free(&o->strings); /* no CLOSE will come */
	o->handle = NULL;
	return err;
}

/* No name: no default export, which is not a fault. */
static int default_export(struct loaded *p, const struct client *client, struct exports *x)
{
	const char *name = p->p.default_export ? p->p.default_export(client->readonly, client->tls) : "";
	return name && strlen(name) <= NBD_NAME_MAX && exports_add(x, name, NULL) < 0 ? ENOMEM : 0;
}

static int list_exports(struct loaded *p, const struct client *client, struct exports *x)
{
	struct nbdkit_exports list = { .x = x, .use_default = !p->p.list_exports };

	context->errnum = 0;
	if (p->p.list_exports && p->p.list_exports(client->readonly, client->tls, &list) < 0)
		return failed(p);
	if (!list.use_default)
		return 0;
	return default_export(p, client, x);
}

/* --- which --- */

void call_run(struct loaded *p, struct call *c)
{
	struct opened *o = c->layer->data;
	struct req *r = c->req;
	const struct client *client = c->layer->client;

	c->context = (struct context){ .module = p->p.name, .client = client, .stack = c->layer->stack,
				       .export = client->export, .strings = &o->strings,
				       .cancelled = &c->cancelled };
	context = &c->context;
	errno = 0;
	c->err = 0;
	switch (r->op) {
	case OP_PRECONNECT:
		if (p->p.preconnect && p->p.preconnect(client->readonly) < 0)
			c->err = failed(p);
		break;
	case OP_LIST:
		c->err = list_exports(p, client, r->data);
		break;
	case OP_DEFAULT:
		c->err = default_export(p, client, r->data);
		break;
	case OP_OPEN:
		c->err = open_export(p, c, o);
		break;
	case OP_CLOSE:
		if (p->p.close && o->handle)
			p->p.close(o->handle);
		o->handle = NULL;
		interned_free(&o->strings);
		break;
	default:
		c->err = data(p, o, r);
	}
	context = NULL;
	if (c->err && r->op == OP_READ)
		r->holes = NULL;
}
