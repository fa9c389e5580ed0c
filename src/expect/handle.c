/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "expect/private.h"

enum {
	STORE_MIN = 4096,            /* bytes */
	STORE_LARGE = 4 << 20,       /* given back when empty */
	KEEP = 1 << 20,
	MAX_BUFFER = 1 << 30,
	TIMEOUT_MS = 60000,
	READ_SIZE = 1024,
	SETTLE_MS = 2000,
	JIT_STACK_MAX = 1 << 20,
	HEAP_LIMIT_KIB = 256 << 10,  /* of pcre2_match() */
	LARGE = 64 << 10,
};

mexp_h *mx_new(void)
{
	mexp_h *h = calloc(1, sizeof(*h));
	struct mexp_state *s = calloc(1, sizeof(*s));
	char *store = malloc(STORE_MIN);
	if (!h || !s || !store || !(s->context = pcre2_match_context_create(NULL))) {
		free(store);
		free(s);
		free(h);
		return errno = ENOMEM, NULL;
	}
	*h = (mexp_h){ .fd = -1, .timeout = TIMEOUT_MS, .buffer = store, .alloc = STORE_MIN, .next_match = -1, .read_size = READ_SIZE,
		       .state = s };
	store[0] = 0;
	s->store = store;
	s->store_size = STORE_MIN;
	s->keep = KEEP;
	s->max_buffer = MAX_BUFFER;
	s->large = LARGE;
	s->settle_ms = SETTLE_MS;
	s->kept = true; /* what is read while the first thing is sent */
	s->wake = s->deadline = MX_NEVER;
	s->pidfd = -1;
	/* The small stack that JIT has without one of ours is on the thread's stack: out of memory is no error here. */
	if ((s->jit_stack = pcre2_jit_stack_create(32 << 10, JIT_STACK_MAX, NULL)))
		pcre2_jit_stack_assign(s->context, NULL, s->jit_stack);
	pcre2_set_heap_limit(s->context, HEAP_LIMIT_KIB);
	return h;
}

void mx_adopt(mexp_h *h, int fd, pid_t pid, unsigned flags)
{
	struct stat st;
	h->fd = fd;
	h->pid = pid;
	h->state->tty_eof = flags & MEXP_SPAWN_TTY_EOF;
	h->state->socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
	/* Without one (Linux before 5.3, a pid that is not there, no descriptor left), the end is that of the terminal. */
	if (pid > 0)
		h->state->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
}

void mx_free(mexp_h *h)
{
	if (!h)
		return;
	struct mexp_state *s = h->state;
	mx_transcript_end(h);
	if (h->fd >= 0)
		close(h->fd);
	if (s->pidfd >= 0)
		close(s->pidfd);
	pcre2_match_data_free(s->own);
	pcre2_jit_stack_free(s->jit_stack);
	pcre2_match_context_free(s->context);
	free(s->want);
	free(s->store);
	free(s);
	free(h);
}

mexp_h *mexp_attach(int fd, pid_t pid, unsigned flags)
{
	if (fcntl(fd, F_GETFD) < 0)
		return NULL;
	mexp_h *h = mx_new();
	if (h)
		mx_adopt(h, fd, pid, flags);
	return h;
}

/* --- the buffer: h->buffer moves through the store, so that dropping its beginning costs nothing --- */

static void put_store(mexp_h *h, char *store, size_t size)
{
	h->state->store = h->buffer = store;
	h->state->store_size = h->alloc = size;
}

int mx_room(mexp_h *h, size_t n)
{
	struct mexp_state *s = h->state;
	size_t head = (size_t)(h->buffer - s->store), need, size;
	if (__builtin_add_overflow(h->len, n + 1, &need) || need > SIZE_MAX / 2)
		return errno = ENOMEM, -1;
	if (head + need <= s->store_size)
		return 0;
	if (need <= s->store_size && head >= h->len) { /* moving is paid for by what was dropped */
		memmove(s->store, h->buffer, h->len + 1);
		put_store(h, s->store, s->store_size);
		return 0;
	}
	size = need > STORE_LARGE ? need + need / 2 : need * 2;
	char *store = head ? malloc(size) : realloc(s->store, size);
	if (!store)
		return errno = ENOMEM, -1;
	if (head) {
		memcpy(store, h->buffer, h->len + 1);
		free(s->store);
	}
	put_store(h, store, size);
	return 0;
}

void mx_arrived(mexp_h *h, size_t n)
{
	const char *bytes = h->buffer + h->len;
	h->len += n;
	h->buffer[h->len] = 0;
	if (h->debug_fp)
		mx_debug(h, "read", bytes, n);
	if (h->state->tap)
		h->state->tap(h, 'o', bytes, n);
}

void mx_drop(mexp_h *h, size_t n)
{
	struct mexp_state *s = h->state;
	h->buffer += n;
	h->alloc -= n;
	h->len -= n;
	if (h->len == 0 && s->store_size > STORE_LARGE) {
		char *store = malloc(STORE_MIN);
		if (!store)
			return;
		free(s->store);
		store[0] = 0;
		put_store(h, store, STORE_MIN);
	}
}
