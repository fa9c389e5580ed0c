/* SPDX-License-Identifier: BSD-2-Clause */
/* One operation as a call into a plug-in, of either age of the API: nbdkit-plugin(3).  What an export can do, and what
 * the absence of a callback means, is settled when it is opened. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "bridge/api_lists.h"
#include "bridge/loaded.h"

/* --- both ages of the API behind one call each; 0 or an errno --- */

static bool is_v1(const struct loaded *p)
{
	return p->p._api_version < 2;
}

static int do_flush(struct loaded *p, const struct opened *o)
{
	int rc = 0;
	context->errnum = 0;
	if (is_v1(p) ? p->p.flush_v1_ != NULL : p->p.flush != NULL)
		rc = is_v1(p) ? p->p.flush_v1_(o->handle) : p->p.flush(o->handle, 0);
	else
		return EINVAL;
	return rc < 0 ? call_failed(p) : 0;
}

static int do_read(struct loaded *p, const struct opened *o, void *buf, uint32_t n, uint64_t off)
{
	context->errnum = 0;
	int rc = is_v1(p) ? p->p.pread_v1_(o->handle, buf, n, off) : p->p.pread(o->handle, buf, n, off, 0);
	return rc < 0 ? call_failed(p) : 0;
}

static int do_write(struct loaded *p, const struct opened *o, const void *buf, uint32_t n, uint64_t off, uint32_t flags)
{
	context->errnum = 0;
	if (is_v1(p) ? !p->p.pwrite_v1_ : !p->p.pwrite)
		return EROFS;
	int rc = is_v1(p) ? p->p.pwrite_v1_(o->handle, buf, n, off) : p->p.pwrite(o->handle, buf, n, off, flags);
	return rc < 0 ? call_failed(p) : 0;
}

static int do_trim(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off, uint32_t flags)
{
	context->errnum = 0;
	if (is_v1(p) ? !p->p.trim_v1_ : !p->p.trim)
		return EINVAL;
	int rc = is_v1(p) ? p->p.trim_v1_(o->handle, n, off) : p->p.trim(o->handle, n, off, flags);
	return rc < 0 ? call_failed(p) : 0;
}

static int do_zero(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off, uint32_t flags)
{
	if (is_v1(p) && flags & NBDKIT_FLAG_FAST_ZERO)
		return EOPNOTSUPP; /* it could not be told */
	context->errnum = 0;
	int rc = is_v1(p) ? p->p.zero_v1_(o->handle, n, off, flags & NBDKIT_FLAG_MAY_TRIM ? 1 : 0)
		 : p->p.zero(o->handle, n, off, flags);
	return rc < 0 ? call_failed(p) : 0;
}

static int do_cache(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off)
{
	context->errnum = 0;
	return p->p.cache && p->p.cache(o->handle, n, off, 0) < 0 ? call_failed(p) : 0;
}

static int do_extents(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off, uint32_t flags, struct extents *x)
{
	struct nbdkit_extents list = { .x = x };
	context->errnum = 0;
	if (p->p.extents(o->handle, n, off, flags, &list) < 0)
		return call_failed(p);
	if (x->at == x->start) {
		nbdkit_error("extents: the plug-in told nothing of offset %" PRIu64, off);
		return EINVAL;
	}
	return 0;
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
	if (p->p.block_size && p->p.block_size(h, &min, &pref, &max) < 0)
		return -1;
	return call_block_size(m, min, pref, max) ? 0 : -1;
}

/* Asked in nbdkit's order, until one fails; what a read-only export cannot use is not asked. */
static int abilities(struct loaded *p, struct opened *o, bool readonly, struct limits *m)
{
	const struct nbdkit_plugin *f = &p->p;
	void *h = o->handle;
	bool v1 = is_v1(p);
	bool has_write = v1 ? f->pwrite_v1_ != NULL : f->pwrite != NULL, has_flush = v1 ? f->flush_v1_ != NULL : f->flush != NULL;
	bool has_trim = v1 ? f->trim_v1_ != NULL : f->trim != NULL, has_zero = v1 ? f->zero_v1_ != NULL : f->zero != NULL;
	int write = 0, can_zero = 0, fast = 0, trim = 0, fua = NBDKIT_FUA_NONE, flush, rotational, multi, caches, tells_extents;
	int64_t size = f->get_size(h);

	if (size < 0 || (!readonly && (write = ask(f->can_write, h, has_write)) < 0))
		return -1;
	/* A fast zero fails at once where there is no .zero, or none that is told what is asked of it. */
	if (write && ((can_zero = ask(f->can_zero, h, has_zero)) < 0
		      || (fast = ask(f->can_fast_zero, h, v1 || !has_zero || !can_zero)) < 0
		      || (trim = ask(f->can_trim, h, has_trim)) < 0
		      || (fua = ask(f->can_fua, h, has_flush ? NBDKIT_FUA_EMULATE : NBDKIT_FUA_NONE)) < 0))
		return -1;
	if ((flush = ask(f->can_flush, h, has_flush)) < 0 || (rotational = ask(f->is_rotational, h, 0)) < 0
	    || (multi = ask(f->can_multi_conn, h, 0)) < 0
	    || (caches = ask(f->can_cache, h, f->cache ? NBDKIT_CACHE_NATIVE : NBDKIT_CACHE_NONE)) < 0
	    || (tells_extents = ask(f->can_extents, h, f->extents != NULL)) < 0 || block_size(p, h, m) < 0)
		return -1;
	if (fua > NBDKIT_FUA_NATIVE || caches > NBDKIT_CACHE_NATIVE) {
		nbdkit_error("can_fua and can_cache must return NONE, EMULATE or NATIVE");
		return -1;
	}
	if (v1 && fua == NBDKIT_FUA_NATIVE)
		fua = NBDKIT_FUA_EMULATE; /* its calls have no flags */
	o->zero_native = can_zero && has_zero;
	o->fua = fua;
	o->cache_native = caches == NBDKIT_CACHE_NATIVE;
	m->size = (uint64_t)size;
	m->can_write = write;
	m->can_flush = flush;
	m->rotational = rotational;
	m->can_trim = trim;
	m->zero = !write ? NONE : o->zero_native ? NATIVE : EMULATE;
	m->can_fast_zero = fast;
	m->can_extents = tells_extents && f->extents;
	m->fua = (enum ability)fua;
	m->can_multi_conn = multi;
	m->cache = (enum ability)caches;
	const char *text = f->export_description ? f->export_description(h) : NULL;
	m->description = text && strlen(text) <= NBD_NAME_MAX ? text : NULL;
	return 0;
}

static int do_open(struct loaded *p, struct opened *o, const struct client *client, struct limits *m)
{
	o->handle = p->p.open(client->readonly);
	if (o->handle && abilities(p, o, client->readonly, m) == 0)
		return 0;
	int err = call_failed(p);
	if (o->handle && p->p.close)
		p->p.close(o->handle);
	o->handle = NULL;
	return err;
}

static void do_close(struct loaded *p, struct opened *o)
{
	if (p->p.close && o->handle)
		p->p.close(o->handle);
	o->handle = NULL;
}

/* --- before an export is open --- */

static int do_preconnect(struct loaded *p, const struct client *client)
{
	return p->p.preconnect && p->p.preconnect(client->readonly) < 0 ? call_failed(p) : 0;
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
		return call_failed(p);
	if (!list.use_default)
		return 0;
	return default_export(p, client, x);
}

const struct callbacks plugin_calls = {
	.preconnect = do_preconnect,
	.list_exports = list_exports,
	.default_export = default_export,
	.open = do_open,
	.close = do_close,
	.read = do_read,
	.write = do_write,
	.flush = do_flush,
	.trim = do_trim,
	.zero = do_zero,
	.cache = do_cache,
	.extents = do_extents,
};
