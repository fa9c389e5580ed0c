/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk behind an NBD server.  It is cut in stretches, and when one is first read from, the server is asked which of it are zeroes, which
 * then nobody reads.  What is long is read in pieces that are under way together. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/util.h"
#include "cmd/disk_kinds.h"
#include "plugins/nbd_lib.h"

enum {
	STRETCHES_MAX = 4096,
	RUNS_MAX = 4096,           /* kept of an answer; what lies behind them is read */
	PIECE = 128 << 10,         /* bytes of a request */
};
#define STRETCH_MIN ((uint64_t)64 << 20)
#define STRETCH_MAX ((uint64_t)UINT32_MAX - (64 << 10) + 1) /* what one request can ask for, without extended headers */

struct run {
	uint64_t end;              /* bytes of the disk */
	bool zero;
};

struct stretch {
	bool asked;
	uint32_t runs;
	struct run *run;           /* sorted; ours */
};

struct pieces {
	int err;
	unsigned left;
};

struct far {
	struct disk disk;
	int line;                  /* the socket once more; -1: none */
	pthread_mutex_t lock;      /* guards all below */
	struct nbd_handle *nbd;
	bool extents;
	uint64_t least;            /* bytes: requests are multiples of it; a power of two */
	size_t most;               /* bytes of a request */
	uint8_t *aligned;          /* KNOW_READ_MAX bytes, when that is more than 1; ours */
	struct pieces pieces;      /* here and not on a stack: answers may come as late as in nbd_close() */
	uint64_t stretch;          /* bytes */
	size_t stretches;
	struct stretch *at;
};

static const char gone[] = "the connection to the server is lost";

/* --- what is zero --- */

struct answer {
	uint64_t at;
	struct run *run;
	uint32_t runs;
};

static int got_extents(void *arg, const char *context, uint64_t off, uint32_t *entries, size_t n, int *error)
{
	struct answer *a = arg;

	(void)error;
	if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0 || off != a->at)
		return 0;
	for (size_t i = 0; i + 1 < n && a->runs < RUNS_MAX; i += 2) {
		bool zero = entries[i + 1] & LIBNBD_STATE_ZERO;
		a->at += entries[i];
		if (a->runs && a->run[a->runs - 1].zero == zero)
			a->run[a->runs - 1].end = a->at;
		else
			a->run[a->runs++] = (struct run){ a->at, zero };
	}
	return 0;
}

static void ask(struct far *f, struct stretch *s)
{
	uint64_t from = (uint64_t)(s - f->at) * f->stretch;
	struct answer a = { .at = from, .run = malloc(RUNS_MAX * sizeof *a.run) };

	s->asked = true;
	if (a.run && nbd_block_status(f->nbd, MIN(f->stretch, f->disk.size - from), from,
				      (nbd_extent_callback){ .callback = got_extents, .user_data = &a }, 0) == 0) {
		s->run = realloc(a.run, MAX(a.runs, 1u) * sizeof *a.run);
		s->run = s->run ? s->run : a.run;
		s->runs = a.runs;
	} else {
		free(a.run);
	}
}

/* How far from off on it is all zeroes (*zero), or not known to be; not past end. */
static uint64_t run_of(struct far *f, uint64_t off, uint64_t end, bool *zero)
{
	uint32_t low = 0, high;

	*zero = false;
	if (!f->extents)
		return end;
	size_t i = (size_t)(off / f->stretch);
	struct stretch *s = &f->at[i];
	if (!s->asked)
		ask(f, s);
	for (high = s->runs; low < high;) {
		uint32_t middle = low + (high - low) / 2;
		if (s->run[middle].end <= off)
			low = middle + 1;
		else
			high = middle;
	}
	*zero = low < s->runs && s->run[low].zero;
	return MIN(end, low < s->runs ? s->run[low].end : (i + 1) * f->stretch);
}

/* --- reading --- */

static int got_piece(void *arg, int *error)
{
	struct pieces *p = arg;
	p->err = p->err ? p->err : *error;
	p->left--;
	return 1;
}

static int read_pieces(struct far *f, uint64_t off, size_t len, uint8_t *to)
{
	struct pieces *p = &f->pieces;

	if (len <= f->most)
		return nbd_pread(f->nbd, to, len, off, 0) < 0 ? MAX(nbd_get_errno(), 1) : 0;
	*p = (struct pieces){ 0 };
	for (size_t done = 0, n; done < len; done += n) {
		n = MIN(len - done, f->most);
		p->left++;
		if (nbd_aio_pread(f->nbd, to + done, n, off + done,
				  (nbd_completion_callback){ .callback = got_piece, .user_data = p }, 0) < 0) {
			p->left--;
			p->err = EIO;
			break;
		}
	}
	while (p->left && nbd_poll(f->nbd, -1) >= 0)
		;
	if (p->left)
		f->disk.lost = gone;
	return p->left ? EIO : p->err;
}

static int read_data(struct far *f, uint64_t off, size_t len, uint8_t *to)
{
	uint64_t from = off & ~(f->least - 1), end = (off + len + f->least - 1) & ~(f->least - 1);

	if (from == off && end == off + len)
		return read_pieces(f, off, len, to);
	if (end > f->disk.size)
		return EIO;
	for (int rc; len;) {
		size_t n = (size_t)MIN(end - from, (uint64_t)KNOW_READ_MAX), skip = (size_t)(off - from), part = MIN(len, n - skip);
		if ((rc = read_pieces(f, from, n, f->aligned)))
			return rc;
		memcpy(to, f->aligned + skip, part);
		to += part;
		len -= part;
		off += part;
		from += n;
	}
	return 0;
}

static int far_read(struct disk *d, uint64_t off, size_t len, void *to)
{
	struct far *f = container_of(d, struct far, disk);
	uint64_t end = off + len;
	uint8_t *p = to;
	int rc = 0;

	pthread_mutex_lock(&f->lock);
	while (off < end && rc == 0 && !d->lost) {
		bool zero, next;
		uint64_t stop = run_of(f, off, end, &zero), more;
		/* what lies between zeroes is read in one go when they are few */
		while (!zero && stop < end && ((more = run_of(f, stop, end, &next)) - stop < KIB(32) || !next))
			stop = more;
		if (zero)
			memset(p, 0, (size_t)(stop - off));
		else
			rc = read_data(f, off, (size_t)(stop - off), p);
		p += stop - off;
		off = stop;
	}
	if (nbd_aio_is_dead(f->nbd) || nbd_aio_is_closed(f->nbd))
		d->lost = gone;
	pthread_mutex_unlock(&f->lock);
	return d->lost ? ENOTCONN : rc;
}

/* The library's own lock is held by who waits. */
static void far_give_up(struct disk *d)
{
	struct far *f = container_of(d, struct far, disk);
	if (f->line >= 0)
		shutdown(f->line, SHUT_RDWR);
}

static void far_close(struct disk *d)
{
	struct far *f = container_of(d, struct far, disk);

	if (f->nbd && !d->lost && nbd_aio_is_ready(f->nbd)) /* lost: what is still under way has no place to go to */
		nbd_shutdown(f->nbd, 0);
	nbd_close(f->nbd);
	if (f->line >= 0)
		close(f->line);
	for (size_t i = 0; i < f->stretches; i++)
		free(f->at[i].run);
	free(f->at);
	free(f->aligned);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static const struct disk_ops ops = { .read = far_read, .close = far_close, .give_up = far_give_up };

static int connect_to(struct far *f, const char *uri, struct err *e)
{
	int64_t size, least, most;

	if (nbd_add_meta_context(f->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0 || nbd_set_uri_allow_local_file(f->nbd, true) < 0 ||
	    nbd_connect_uri(f->nbd, uri) < 0 || (size = nbd_get_size(f->nbd)) < 0)
		return err_set(e, "%s: %s", uri, nbd_get_error());
	f->disk.size = (uint64_t)size;
	f->line = fcntl(nbd_aio_get_fd(f->nbd), F_DUPFD_CLOEXEC, 0);
	f->extents = nbd_can_meta_context(f->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) > 0;
	least = nbd_get_block_size(f->nbd, LIBNBD_SIZE_MINIMUM);
	most = nbd_get_block_size(f->nbd, LIBNBD_SIZE_MAXIMUM);
	if (least > PIECE || (least > 0 && (least & (least - 1))))
		return err_set(e, "%s: the server wants requests of at least %lld bytes", uri, (long long)least);
	f->least = (uint64_t)MAX(least, (int64_t)1);
	f->most = most > 0 && most < PIECE ? (size_t)most & ~(f->least - 1) : PIECE;
	f->most = MAX(f->most, (size_t)f->least);
	f->stretch = MIN(MAX(f->disk.size / STRETCHES_MAX, STRETCH_MIN) & ~(uint64_t)0xffff, STRETCH_MAX);
	/* a disk that is larger than all stretches is read without asking */
	f->extents &= f->disk.size / f->stretch < STRETCHES_MAX * 4u;
	f->stretches = f->extents ? (size_t)(f->disk.size / f->stretch) + 1 : 1;
	f->at = calloc(f->stretches, sizeof *f->at);
	f->aligned = f->least > 1 ? malloc(KNOW_READ_MAX) : NULL;
	f->stretches = f->at ? f->stretches : 0;
	return f->at && (f->aligned || f->least == 1) ? 0 : err_set(e, "out of memory");
}

struct disk *disk_open_uri(const char *uri, struct err *e)
{
	if (nbd_lib_load(e) < 0)
		return NULL;
	struct far *f = calloc(1, sizeof *f);
	if (!f || !(f->nbd = nbd_create())) {
		free(f);
		err_set(e, "out of memory");
		return NULL;
	}
	f->disk.ops = &ops;
	f->line = -1;
	pthread_mutex_init(&f->lock, NULL);
	if (connect_to(f, uri, e) == 0)
		return &f->disk;
	far_close(&f->disk);
	return NULL;
}
