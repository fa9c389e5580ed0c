/* SPDX-License-Identifier: BSD-2-Clause */
/* One operation as a call into a filter; where it has no callback, as a call into what lies below: nbdkit-filter(3). */
#include <errno.h>
#include <string.h>
#include "base/say.h"
#include "bridge/api_lists.h"
#include "bridge/loaded.h"

/* What the filter gets as next; NULL: it opened nothing. */
static nbdkit_next *next_of(const struct opened *o)
{
	struct next *n = atomic_load(&o->next);
	return n ? &n->ops : NULL;
}

/* A call that failed without a reason is EIO. */
static int errno_of(int rc, int err)
{
	return rc >= 0 ? 0 : err > 0 ? err : EIO;
}

/* The callback, or the same function of next; without either the operation fails. */
#define CALL(name, ...)                                                               \
	({                                                                            \
		nbdkit_next *next_ = next_of(o);                                      \
		int err_ = EIO;                                                       \
		int rc_ = p->f.name ? p->f.name(next_, o->handle, __VA_ARGS__, &err_) \
			  : next_   ? next_->name(next_, __VA_ARGS__, &err_)          \
				    : -1;                                             \
		errno_of(rc_, err_);                                                  \
	})

static int do_read(struct loaded *p, const struct opened *o, void *buf, uint32_t n, uint64_t off)
{
	return CALL(pread, buf, n, off, 0);
}

static int do_write(struct loaded *p, const struct opened *o, const void *buf, uint32_t n, uint64_t off, uint32_t flags)
{
	return CALL(pwrite, buf, n, off, flags);
}

static int do_flush(struct loaded *p, const struct opened *o)
{
	return CALL(flush, 0);
}

static int do_trim(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off, uint32_t flags)
{
	return CALL(trim, n, off, flags);
}

static int do_zero(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off, uint32_t flags)
{
	return CALL(zero, n, off, flags);
}

static int do_cache(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off)
{
	return CALL(cache, n, off, 0);
}

static int do_extents(struct loaded *p, const struct opened *o, uint32_t n, uint64_t off, uint32_t flags, struct extents *x)
{
	struct nbdkit_extents list = { .x = x };
	int err = CALL(extents, n, off, flags, &list);
	if (!err && x->at == x->start) {
		nbdkit_error("extents: the filter told nothing of the range");
		err = EINVAL;
	}
	return err;
}

/* --- what an export can do --- */

#define ASK(name)                                       \
	({                                              \
		nbdkit_next *next_ = next_of(o);        \
		p->f.name ? p->f.name(next_, o->handle) \
		: next_   ? next_->name(next_)          \
			  : -1;                         \
	})

static const char *description(struct loaded *p, const struct opened *o)
{
	nbdkit_next *next = next_of(o);
	const char *text = p->f.export_description ? p->f.export_description(next, o->handle)
			   : next ? next->export_description(next) : NULL;
	return text && strlen(text) <= NBD_NAME_MAX ? text : NULL;
}

static bool block_size(struct loaded *p, const struct opened *o, struct limits *m)
{
	nbdkit_next *next = next_of(o);
	uint32_t min = 0, pref = 0, max = 0;
	int rc = p->f.block_size ? p->f.block_size(next, o->handle, &min, &pref, &max)
		 : next ? next->block_size(next, &min, &pref, &max) : 0;
	return rc >= 0 && call_block_size(m, min, pref, max);
}

/* Asked in an order in which no question is put that a no before it answers; false: the filter cannot say. */
static bool abilities(struct loaded *p, struct opened *o, struct limits *m)
{
	int64_t size = ASK(get_size);
	int write = ASK(can_write), flush = ASK(can_flush), rotational = ASK(is_rotational), extents = ASK(can_extents);
	int trim = write > 0 ? ASK(can_trim) : 0, zero = write > 0 ? ASK(can_zero) : NBDKIT_ZERO_NONE;
	int fast = zero > 0 ? ASK(can_fast_zero) : 0, fua = write > 0 ? ASK(can_fua) : NBDKIT_FUA_NONE;
	int multi = ASK(can_multi_conn), cache = ASK(can_cache);

	if (size < 0 || write < 0 || flush < 0 || rotational < 0 || extents < 0 || trim < 0 || zero < 0 || zero > NBDKIT_ZERO_NATIVE
	    || fast < 0 || fua < 0 || fua > NBDKIT_FUA_NATIVE || multi < 0 || cache < 0 || cache > NBDKIT_CACHE_NATIVE)
		return false;
	o->zero_native = zero == NBDKIT_ZERO_NATIVE;
	o->fua = fua;
	o->cache_native = cache == NBDKIT_CACHE_NATIVE;
	*m = (struct limits){
		.size = (uint64_t)size, .can_write = write, .can_flush = flush, .can_trim = trim, .can_extents = extents,
		.can_multi_conn = multi, .can_fast_zero = fast, .rotational = rotational, .zero = (enum ability)zero,
		.fua = (enum ability)fua, .cache = (enum ability)cache, .description = description(p, o),
	};
	return block_size(p, o, m);
}

/* What is left as it is below may go there without a call. */
bool call_passes(const struct loaded *p, const struct opened *o, const struct req *r)
{
	const struct nbdkit_filter *f = &p->f;

	if (r->op >= OP_READ && (!atomic_load(&o->next) || p->model != PARALLEL))
		return false;
	switch (r->op) {
	case OP_PRECONNECT:
		return !f->preconnect;
	case OP_LIST:
		return !f->list_exports;
	case OP_DEFAULT:
		return !f->default_export;
	case OP_READ:
		return !f->pread;
	case OP_WRITE:
		return !f->pwrite;
	case OP_FLUSH:
		return !f->flush;
	case OP_TRIM:
		return !f->trim;
	case OP_ZERO:
		return o->zero_native ? !f->zero : !f->pwrite;
	case OP_CACHE:
		return o->cache_native ? !f->cache : !f->pread;
	case OP_EXTENTS:
		return !f->extents;
	default:
		return false;
	}
}

/* --- opening and closing --- */

static int open_next(nbdkit_context *c, int readonly, const char *export)
{
	struct opened *o = (struct opened *)c;
	int err = next_open(o->conn.main, readonly, export);
	if (!err)
		atomic_store(&o->next, o->conn.main);
	return err ? -1 : 0;
}

/* All that was opened below for this connection and is open still. */
static void close_below(struct opened *o)
{
	struct next *main = o->conn.main, *n;

	atomic_store(&o->next, NULL);
	next_close(main);
	while ((n = next_left(main->loop, &o->conn.nexts, main))) {
		next_close(n);
		next_free(n);
	}
}

static void close_filter(struct loaded *p, struct opened *o)
{
	if (o->handle && p->f.close)
		p->f.close(o->handle);
	o->handle = NULL;
	close_below(o);
}

static int do_open(struct loaded *p, struct opened *o, const struct client *client, struct limits *m)
{
	nbdkit_context *c = (nbdkit_context *)o;

	if (p->f.open)
		o->handle = p->f.open(open_next, c, client->readonly, client->export, client->tls);
	else if (open_next(c, client->readonly, client->export) == 0)
		o->handle = NBDKIT_HANDLE_NOT_NEEDED;
	if (!o->handle) {
		close_below(o);
		return EIO;
	}
	bool ready = !p->f.prepare || p->f.prepare(next_of(o), o->handle, client->readonly) == 0;
	if (ready && abilities(p, o, m))
		return 0;
	if (ready && p->f.finalize)
		p->f.finalize(next_of(o), o->handle);
	close_filter(p, o);
	return EIO;
}

static void do_close(struct loaded *p, struct opened *o)
{
	if (p->f.finalize && o->handle)
		p->f.finalize(next_of(o), o->handle);
	close_filter(p, o);
}

/* --- before an export is open: the connection is the one that this thread serves --- */

static int ask_below(bool readonly, enum op op, void *data)
{
	const struct opened *o = context->layer->data;
	return next_ask(o->conn.main, context->layer->client, readonly, op, data);
}

static int next_preconnect(nbdkit_backend *backend, int readonly)
{
	(void)backend;
	return ask_below(readonly, OP_PRECONNECT, NULL) ? -1 : 0;
}

static int do_preconnect(struct loaded *p, const struct client *client)
{
	nbdkit_backend *backend = (nbdkit_backend *)context->layer->stage;
	int rc = p->f.preconnect ? p->f.preconnect(next_preconnect, backend, client->readonly)
				 : next_preconnect(backend, client->readonly);
	return errno_of(rc, EIO);
}

static int next_list_exports(nbdkit_backend *backend, int readonly, struct nbdkit_exports *exports)
{
	struct exports found = { 0 };
	int rc = ask_below(readonly, OP_LIST, &found) ? -1 : 0;

	(void)backend;
	for (size_t i = 0; i < found.count && rc == 0; i++)
		rc = nbdkit_add_export(exports, found.list[i].name, found.list[i].description);
	exports_free(&found);
	return rc;
}

static const char *next_default_export(nbdkit_backend *backend, int readonly)
{
	struct exports found = { 0 };
	const char *name = NULL;

	(void)backend;
	if (ask_below(readonly, OP_DEFAULT, &found) == 0 && found.count)
		name = nbdkit_strdup_intern(found.list[0].name);
	exports_free(&found);
	return name;
}

static int do_default(struct loaded *p, const struct client *client, struct exports *x)
{
	nbdkit_backend *backend = (nbdkit_backend *)context->layer->stage;
	const char *name = p->f.default_export
			   ? p->f.default_export(next_default_export, backend, client->readonly, client->tls)
			   : next_default_export(backend, client->readonly);
	return name && strlen(name) <= NBD_NAME_MAX && exports_add(x, name, NULL) < 0 ? ENOMEM : 0;
}

static int do_list(struct loaded *p, const struct client *client, struct exports *x)
{
	nbdkit_backend *backend = (nbdkit_backend *)context->layer->stage;
	struct nbdkit_exports list = { .x = x };
	int rc = p->f.list_exports ? p->f.list_exports(next_list_exports, backend, client->readonly, client->tls, &list)
				   : next_list_exports(backend, client->readonly, &list);

	if (rc < 0)
		return EIO;
	return list.use_default ? do_default(p, client, x) : 0;
}

const struct callbacks filter_calls = {
	.preconnect = do_preconnect,
	.list_exports = do_list,
	.default_export = do_default,
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
