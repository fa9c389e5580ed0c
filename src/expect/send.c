/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing.  The master side must stay blocking for those who read from it, and a blocking write to a terminal whose program
 * is itself blocked writing would never end: so no more is written at once than poll(2) promises room for, and what the
 * program prints is read meanwhile. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "expect/private.h"
#include "base/util.h"

enum { CHUNK = 256 }; /* bytes: a terminal is writable while it has room for as many (WAKEUP_CHARS in Linux) */

/* Some of it: how much, or -1. */
static ssize_t put(const mexp_h *h, const char *bytes, size_t len)
{
	ssize_t n = h->state->socket ? send(h->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) : write(h->fd, bytes, MIN(len, (size_t)CHUNK));
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

ssize_t mx_send(mexp_h *h, const char *bytes, size_t len, bool hidden, uint64_t deadline)
{
	size_t done = 0;
	if (mx_line_too_long(h, bytes, len))
		return errno = EMSGSIZE, -1;
	while (done < len) {
		bool has_room = h->len < h->state->max_buffer;
		short revents;
		bool exited;
		if (mx_poll(h, has_room ? POLLIN | POLLOUT : POLLOUT, deadline, &revents, &exited) < 0)
			return -1;
		if (revents & (POLLHUP | POLLERR | POLLNVAL) || exited)
			return errno = EPIPE, -1;
		if (revents & POLLIN) {
			ssize_t n = mx_read(h, true);
			if (n < 0)
				return n == MX_EOF ? errno = EPIPE, -1 : -1;
		}
		if (revents & POLLOUT) {
			ssize_t n = put(h, bytes + done, len - done);
			if (n < 0)
				return -1;
			done += (size_t)n;
		}
		if (done < len && mx_over(deadline))
			return errno = ETIMEDOUT, -1;
	}
	static const char secret[] = "********";
	const char *shown = hidden ? secret : bytes;
	size_t shown_len = hidden ? sizeof(secret) - 1 : len;
	if (h->debug_fp)
		mx_debug(h, hidden ? "password" : "wrote", shown, shown_len);
	if (h->state->tap)
		h->state->tap(h, 'i', shown, shown_len);
	return (ssize_t)len;
}

static int send_format(mexp_h *h, bool hidden, const char *fmt, va_list args)
{
	char *text;
	int len = vasprintf(&text, fmt, args);
	if (len < 0)
		return -1;
	ssize_t n = mx_send(h, text, (size_t)len, hidden, mx_in_ms(h->timeout));
	int saved = errno;
	if (hidden)
		explicit_bzero(text, (size_t)len);
	free(text);
	errno = saved;
	return (int)n;
}

int mexp_printf(mexp_h *h, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int n = send_format(h, false, fmt, args);
	va_end(args);
	return n;
}

int mexp_printf_password(mexp_h *h, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int n = send_format(h, true, fmt, args);
	va_end(args);
	return n;
}

ssize_t mexp_write(mexp_h *h, const void *data, size_t len)
{
	return mx_send(h, data, len, false, mx_in_ms(h->timeout));
}

int mexp_send_interrupt(mexp_h *h)
{
	ssize_t n;
	do
		n = h->state->socket ? send(h->fd, "\003", 1, MSG_NOSIGNAL) : write(h->fd, "\003", 1);
	while (n < 0 && errno == EINTR);
	h->state->line = 0; /* ^C empties it */
	if (n > 0 && h->debug_fp)
		mx_debug(h, "wrote", "\003", 1);
	return (int)n;
}
