/* SPDX-License-Identifier: BSD-2-Clause */
/* One request as it goes to the far server: in pieces that it takes, as commands of libnbd's.
 *
 * A piece ends when libnbd frees its completion callback: that happens exactly once to each, answered or not, even
 * when the command was refused at once or the handle is closed. */
#include <errno.h>
#include <string.h>
#include "plugins/nbd.h"

enum {
	WINDOW = 16,              /* pieces of a call in flight */
	ZERO_PIECE = 1 << 20,     /* bytes written at once where there is no command for zeroes */
	DATA_DEFAULT = 32 << 20,  /* bytes that any server takes: proto.md, "Block size constraints" */
	DATA_MAX = 64 << 20,      /* libnbd's own limit */
};
#define PIECE_MAX ((uint64_t)1 << 30) /* bytes: lengths have 32 bits, and stay aligned */

static const uint8_t zeroes[ZERO_PIECE];

int call_errno(int err)
{
	switch (err) {
	case 0:
		return EIO; /* libnbd knows no number */
	case ENOTCONN:
	case EPIPE:
	case ECONNRESET:
		return ESHUTDOWN;
	default:
		return err;
	}
}

/* --- inside libnbd: note what came --- */

static int piece_answered(void *user, int *error)
{
	struct call *c = user;
	c->answered = true;
	if (*error && !c->err)
		c->err = call_errno(*error);
	return 1; /* libnbd may forget it */
}

static void piece_freed(void *user)
{
	struct call *c = user;
	if (!c->answered && !c->err)
		c->err = ESHUTDOWN;
	c->answered = false;
	c->flying--;
	if (list_empty(&c->link))
		list_add_tail(&c->far->came, &c->link);
}

static int chunk_came(void *user, const void *data, size_t len, uint64_t off, unsigned status, int *error)
{
	struct call *c = user;
	if (status == LIBNBD_READ_ERROR) {
		c->err_off = off;
		return 0;
	}
	c->seen += len;
	if (c->extents && off == c->extents->at) /* else they come in disorder, and the range will not be told */
		extents_add(c->extents, len, status == LIBNBD_READ_HOLE ? EXTENT_HOLE | EXTENT_ZERO : 0);
	return 0;
}

static int extents_came(void *user, const char *context, uint64_t off, uint32_t *entries, size_t count, int *error)
{
	struct call *c = user;
	if (c->told || strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0)
		return 0;
	c->told = true;
	for (size_t i = 0; i + 1 < count; i += 2)
		if (!extents_add(c->extents, entries[i], entries[i + 1] & (EXTENT_HOLE | EXTENT_ZERO)))
			break;
	return 0;
}

/* --- pieces --- */

static bool writes_zeroes(const struct call *c)
{
	return c->op == OP_ZERO && c->far->writes_zeroes;
}

static uint64_t piece_max(const struct call *c)
{
	if (c->op == OP_READ || c->op == OP_WRITE)
		return c->far->max_data;
	return writes_zeroes(c) ? MIN((uint64_t)ZERO_PIECE, c->far->max_data) : PIECE_MAX;
}

static int64_t issue(struct call *c, uint64_t off, uint64_t n)
{
	struct nbd_handle *h = c->far->nbd;
	nbd_completion_callback then = { .callback = piece_answered, .free = piece_freed, .user_data = c };
	nbd_chunk_callback chunk = { .callback = chunk_came, .user_data = c };
	nbd_extent_callback extent = { .callback = extents_came, .user_data = c };
	uint32_t fua = c->flags & REQ_FUA ? LIBNBD_CMD_FLAG_FUA : 0;

	switch (c->op) {
	case OP_READ:
		return nbd_aio_pread_structured(h, (uint8_t *)c->data + (off - c->off), n, off, chunk, then, 0);
	case OP_WRITE:
		return nbd_aio_pwrite(h, (uint8_t *)c->data + (off - c->off), n, off, then, fua);
	case OP_FLUSH:
		return nbd_aio_flush(h, then, 0);
	case OP_TRIM:
		return nbd_aio_trim(h, n, off, then, fua);
	case OP_ZERO:
		if (writes_zeroes(c))
			return nbd_aio_pwrite(h, zeroes, n, off, then, fua);
		return nbd_aio_zero(h, n, off, then, fua | (c->flags & REQ_NO_HOLE ? LIBNBD_CMD_FLAG_NO_HOLE : 0)
							     | (c->flags & REQ_FAST ? LIBNBD_CMD_FLAG_FAST_ZERO : 0));
	case OP_CACHE:
		return nbd_aio_cache(h, n, off, then, 0);
	case OP_EXTENTS:
		return nbd_aio_block_status(h, n, off, extent, then, c->flags & REQ_ONE ? LIBNBD_CMD_FLAG_REQ_ONE : 0);
	default:
		return -1;
	}
}

static void send_piece(struct call *c)
{
	uint64_t off = c->at, end = c->off + c->len, n = MIN(end - off, piece_max(c));
	int err = c->err;

	c->from = off;
	c->at = off + n;
	c->more = c->at < end;
	c->flying++;
	if (issue(c, off, n) < 0)
		c->err = err ? err : call_errno(nbd_get_errno()); /* piece_freed() could not know */
}

static void send_more(struct call *c)
{
	unsigned window = c->op == OP_EXTENTS ? 1 : WINDOW; /* where the next one begins, the answer tells */
	while (c->more && !c->err && c->flying < window)
		if (c->far->state == FAR_OPEN)
			send_piece(c);
		else
			c->err = ESHUTDOWN;
}

/* The far server tells what it likes to, at least something.  Only where it told all of a piece there may be more. */
static void after_extents(struct call *c)
{
	struct extents *x = c->extents;

	if (!c->err && x->at <= c->from)
		c->err = EIO;
	c->told = false;
	c->more = !c->err && x->at >= c->at && x->at < c->off + c->len && x->count < x->max && !(c->flags & REQ_ONE);
	c->at = x->at;
}

void call_go_on(struct call *c)
{
	if (c->op == OP_EXTENTS && !c->flying)
		after_extents(c);
	send_more(c);
	if (c->flying || !list_empty(&c->link))
		return;
	if (c->op == OP_READ && !c->err && c->seen < c->len)
		c->err = EIO; /* chunks were missing, which libnbd 1.14 does not mind */
	c->done(c);
}

void call_start(struct far *f, struct call *c)
{
	far_enter(f);
	c->far = f;
	c->at = c->off;
	c->err = 0;
	c->err_off = UINT64_MAX;
	c->flying = 0;
	c->seen = 0;
	c->more = true;
	c->answered = c->told = false;
	list_init(&c->link);
	if (writes_zeroes(c) && c->flags & REQ_FAST)
		c->err = EOPNOTSUPP; /* writing would not be fast */
	send_more(c);
	if (!c->flying && list_empty(&c->link))
		list_add_tail(&f->came, &c->link);
	far_leave(f);
}

void call_give_up(struct call *c)
{
	if (c->more && !c->err)
		c->err = ESHUTDOWN;
}

/* --- what it can do --- */

static void block_sizes(struct far *f, struct limits *m)
{
	int64_t min = nbd_get_block_size(f->nbd, LIBNBD_SIZE_MINIMUM), pref = nbd_get_block_size(f->nbd, LIBNBD_SIZE_PREFERRED);
	int64_t max = nbd_get_block_size(f->nbd, LIBNBD_SIZE_MAXIMUM);
	bool ok = min >= 1 && min <= 65536 && !(min & (min - 1)) && pref >= MAX(min, 512) && pref <= UINT32_MAX && !(pref & (pref - 1))
		  && max >= pref && max <= UINT32_MAX && (max == UINT32_MAX || max % min == 0);

	f->max_data = ok ? MIN((uint64_t)max, (uint64_t)DATA_MAX) : DATA_DEFAULT;
	if (!ok)
		return; /* it told nothing, or nonsense */
	f->max_data -= f->max_data % (uint64_t)min;
	m->min_block = (uint32_t)min;
	m->pref_block = (uint32_t)pref;
	m->max_block = (uint32_t)max;
}

int call_limits(struct far *f, struct limits *m)
{
	struct nbd_handle *h = f->nbd;
	int64_t size = nbd_get_size(h);

	*m = (struct limits){ 0 };
	if (size < 0)
		return call_errno(nbd_get_errno());
	bool write = nbd_is_read_only(h) == 0;
	block_sizes(f, m);
	f->writes_zeroes = nbd_can_zero(h) != 1;
	m->size = (uint64_t)size;
	m->can_write = write;
	m->can_flush = nbd_can_flush(h) == 1;
	m->can_trim = write && nbd_can_trim(h) == 1;
	m->can_extents = nbd_can_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1;
	m->can_multi_conn = nbd_can_multi_conn(h) == 1;
	m->can_fast_zero = write && nbd_can_fast_zero(h) == 1;
	m->rotational = nbd_is_rotational(h) == 1;
	m->zero = !write ? NONE : f->writes_zeroes ? EMULATE : NATIVE;
	m->fua = write && nbd_can_fua(h) == 1 ? NATIVE : NONE;
	m->cache = nbd_can_cache(h) == 1 ? NATIVE : NONE;
	return 0;
}
