/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include "expect/private.h"
#include "base/util.h"

enum {
	BYTES = 4096,
	SIZE_MS = 250, /* how often the size of the person's terminal is looked at: a handler of SIGWINCH would be a global */
};

static int put_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };
			poll(&p, 1, -1);
		} else if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static void pass_on_size(mexp_h *h, int in, struct winsize *last)
{
	struct winsize now;
	if (ioctl(in, TIOCGWINSZ, &now) < 0 || memcmp(&now, last, sizeof(now)) == 0)
		return;
	*last = now;
	mexp_set_winsize(h, now.ws_row, now.ws_col);
}

/* What the person typed: MEXP_AGAIN: go on; 1: the escape; MEXP_ERROR. */
static int typed(mexp_h *h, int *in, int escape)
{
	char bytes[BYTES];
	ssize_t n = read(*in, bytes, sizeof(bytes));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return MEXP_AGAIN;
	if (n <= 0) { /* no more of it; the program goes on */
		*in = -1;
		return MEXP_AGAIN;
	}
	const char *end = escape >= 0 ? memchr(bytes, escape, (size_t)n) : NULL;
	if (mx_send(h, bytes, end ? (size_t)(end - bytes) : (size_t)n, false, mx_in_ms(h->timeout)) < 0)
		return errno == EPIPE ? MEXP_AGAIN : MEXP_ERROR; /* its end is seen when all that it printed is shown */
	return end ? 1 : MEXP_AGAIN;
}

/* Show what has arrived. */
static int show(mexp_h *h, int out)
{
	int r = put_all(out, h->buffer, h->len);
	mx_drop(h, h->len);
	return r;
}

static int connect_person(mexp_h *h, int in, int out, int escape)
{
	struct winsize size = { 0 };
	for (;;) {
		pass_on_size(h, in, &size);
		ssize_t n = mx_read(h, false);
		if (show(h, out) < 0 || n == -1)
			return MEXP_ERROR;
		if (n == MX_EOF)
			return MEXP_EOF;
		struct pollfd fds[] = { { .fd = h->fd, .events = POLLIN }, { .fd = in, .events = POLLIN },
					{ .fd = mexp_get_exit_fd(h), .events = POLLIN } };
		if (n == 0 && poll(fds, ARRAY_LEN(fds), SIZE_MS) < 0 && errno != EINTR)
			return MEXP_ERROR;
		int r = n == 0 && fds[1].revents ? typed(h, &in, escape) : MEXP_AGAIN;
		if (r != MEXP_AGAIN)
			return show(h, out) < 0 ? MEXP_ERROR : r;
	}
}

int mexp_interact(mexp_h *h, int in, int out, int escape)
{
	struct termios before, raw;
	bool terminal = tcgetattr(in, &before) == 0;
	if (mx_begin(h, NULL) < 0)
		return MEXP_ERROR;
	h->state->waiting = false;
	if (terminal) {
		raw = before;
		cfmakeraw(&raw);
		tcsetattr(in, TCSADRAIN, &raw);
	}
	int r = connect_person(h, in, out, escape);
	int saved = errno;
	if (terminal)
		tcsetattr(in, TCSADRAIN, &before);
	errno = saved;
	return r;
}
