/* SPDX-License-Identifier: BSD-2-Clause */
#include "expect/private.h"

ssize_t mexp_send_line(mexp_h *h, const char *line)
{
	return mexp_printf(h, "%s\n", line);
}

int mexp_send_control(mexp_h *h, char c)
{
	char byte = (char)(c == '?' ? 0x7f : c & 0x1f);
	return (int)mexp_write(h, &byte, 1);
}

int mexp_send_eof(mexp_h *h)
{
	return mexp_send_control(h, 'd');
}
