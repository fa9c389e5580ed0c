/* SPDX-License-Identifier: BSD-2-Clause */
#include <sys/ioctl.h>
#include "expect/private.h"

void mexp_set_order(mexp_h *h, enum mexp_order order)
{
	h->state->order = order;
}

void mexp_set_settle_ms(mexp_h *h, int ms)
{
	h->state->settle_ms = ms;
}

void mexp_set_keep(mexp_h *h, size_t bytes)
{
	h->state->keep = bytes;
}

void mexp_set_max_buffer(mexp_h *h, size_t bytes)
{
	h->state->max_buffer = bytes;
	h->state->max_is_set = true;
}

unsigned long long mexp_lost(const mexp_h *h)
{
	return h->state->lost;
}

int mexp_get_exit_fd(const mexp_h *h)
{
	return h->state->tty_eof ? -1 : h->state->pidfd;
}

int mexp_set_winsize(mexp_h *h, unsigned short rows, unsigned short cols)
{
	return ioctl(h->fd, TIOCSWINSZ, &(struct winsize){ .ws_row = rows, .ws_col = cols });
}
