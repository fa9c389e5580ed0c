/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/overlay.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/say.h"

enum { ZEROES = 64 << 10 };

static int nameless_file(const char *dir)
{
	char path[PATH_MAX];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || snprintf(path, sizeof path, "%s/blkscope-cow-XXXXXX", dir) >= (int)sizeof path)
		return fd;
	fd = mkostemp(path, O_CLOEXEC); /* a file system without O_TMPFILE */
	if (fd >= 0)
		unlink(path);
	return fd;
}

int overlay_start(struct overlay *o, uint64_t block, struct err *e)
{
	const char *dir = getenv("TMPDIR");

	*o = (struct overlay){ .block = block };
	o->fd = nameless_file(dir && *dir ? dir : "/var/tmp");
	return o->fd >= 0 ? 0 : err_set(e, "cow: cannot make a temporary file in %s: %s", dir && *dir ? dir : "/var/tmp", strerror(errno));
}

void overlay_stop(struct overlay *o)
{
	if (!o->block)
		return; /* never started */
	for (unsigned n = 0; n < OVERLAY_LEVELS; n++)
		if (o->level[n].at)
			munmap((void *)o->level[n].at, o->level[n].count);
	if (o->fd >= 0)
		close(o->fd);
	*o = (struct overlay){ 0 };
}

int overlay_size(struct overlay *o, uint64_t size)
{
	bool known = o->level[OVERLAY_LEVELS - 1].at;
	if (known && size != o->size) {
		say_error("cow: the disk below had %" PRIu64 " bytes, and has %" PRIu64 " now", o->size, size);
		return EINVAL;
	}
	uint64_t count = size / o->block + 1;
	for (unsigned n = 0; n < OVERLAY_LEVELS && !known; n++, count = count / OVERLAY_SPAN + 1) {
		void *p = o->level[n].at ? (void *)o->level[n].at
			: mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED) {
			say_error("cow: the disk is too large for blocks of %" PRIu64 " bytes: %s", o->block, strerror(errno));
			return ENOMEM;
		}
		o->level[n].at = p;
		o->level[n].count = count;
		o->size = size;
	}
	return 0;
}

uint64_t overlay_run(const struct overlay *o, uint64_t off, uint64_t end)
{
	enum block_state first = overlay_state(o, off);
	uint64_t at = off;
	do
		at = (at / o->block + 1) * o->block;
	while (at < end && overlay_state(o, at) == first);
	return at < end ? at : end;
}

/* The highest level with a byte for blocks [i, end), or the first of them, that nobody below disagrees with. */
static unsigned highest(const struct overlay *o, uint64_t i, uint64_t end)
{
	for (unsigned n = OVERLAY_LEVELS - 1; n; n--) {
		uint64_t span = 1ull << n * OVERLAY_SPAN_SHIFT;
		if (i % span == 0 && end - i >= span
		    && !(atomic_load_explicit(&o->level[n].at[i / span], memory_order_relaxed) & BLOCK_SOME))
			return n;
	}
	return 0;
}

/* Who has all blocks of a byte for himself changes it; only its SOME is changed by whoever has one of them. */
static void set_states(struct overlay *o, uint64_t off, uint64_t len, enum block_state state)
{
	uint64_t end = (off + len - 1) / o->block + 1;
	for (uint64_t i = off / o->block, span; i < end; i += span) {
		unsigned n = highest(o, i, end);
		span = 1ull << n * OVERLAY_SPAN_SHIFT;
		atomic_store_explicit(&o->level[n].at[i / span], (uint8_t)state, memory_order_release);
		for (uint64_t above = i / span; ++n < OVERLAY_LEVELS;) {
			_Atomic uint8_t *p = &o->level[n].at[above >>= OVERLAY_SPAN_SHIFT];
			if (!(atomic_load_explicit(p, memory_order_relaxed) & BLOCK_SOME))
				atomic_fetch_or_explicit(p, BLOCK_SOME, memory_order_relaxed);
		}
	}
}

static int read_all(int fd, uint8_t *p, uint64_t off, uint64_t len)
{
	while (len) {
		ssize_t n = pread(fd, p, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0) { /* a hole at the end: dropped while we looked */
			memset(p, 0, len);
			return 0;
		}
		p += n;
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

static int write_all(int fd, const uint8_t *p, uint64_t off, uint64_t len)
{
	static const uint8_t zeroes[ZEROES];
	while (len) {
		ssize_t n = p ? pwrite(fd, p, len, (off_t)off) : pwrite(fd, zeroes, len < ZEROES ? len : ZEROES, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		p = p ? p + n : NULL;
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

int overlay_read(const struct overlay *o, void *p, uint64_t off, uint64_t len)
{
	int err = 0;
	for (uint64_t end = off + len, at = off, next; at < end && !err; at = next) {
		enum block_state state = overlay_state(o, at);
		uint8_t *to = (uint8_t *)p + (at - off);
		next = (at / o->block + 1) * o->block;
		while (next < end && overlay_state(o, next) == state)
			next += o->block;
		next = next < end ? next : end;
		if (state == BLOCK_OURS)
			err = read_all(o->fd, to, at, next - at);
		else if (state == BLOCK_ZERO)
			memset(to, 0, next - at);
	}
	return err;
}

int overlay_write(struct overlay *o, const void *p, uint64_t off, uint64_t len)
{
	int err = len ? write_all(o->fd, p, off, len) : 0;
	if (!err && len)
		set_states(o, off, len, BLOCK_OURS);
	return err;
}

void overlay_drop(struct overlay *o, uint64_t off, uint64_t len)
{
	if (!len)
		return;
	set_states(o, off, len, BLOCK_ZERO);
	/* Only to save space. */
	if (fallocate(o->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) < 0)
		return;
}
