/* SPDX-License-Identifier: BSD-2-Clause */
/* A terminal in cooked mode silently cuts off what is more than a line may have.  state->line counts the unfinished line. */
#include <string.h>
#include <termios.h>
#include "expect/private.h"

enum { LINE_BYTES = 4095 }; /* of a line, with its end: N_TTY_BUF_SIZE - 1 in Linux */

/* Does c end a line, or empty it?  t: the terminal's settings, NULL: they are as always. */
static bool ends_line(char c, const struct termios *t)
{
	cc_t cc = (cc_t)c;
	if (!t)
		return c && strchr("\n\r\003\004\025\032\034", c);
	return c == '\n' || (c == '\r' && t->c_iflag & ICRNL) ||
	       (c && (cc == t->c_cc[VEOF] || cc == t->c_cc[VEOL] || cc == t->c_cc[VKILL])) ||
	       (c && t->c_lflag & ISIG && (cc == t->c_cc[VINTR] || cc == t->c_cc[VQUIT] || cc == t->c_cc[VSUSP]));
}

bool mx_line_too_long(mexp_h *h, const char *bytes, size_t len)
{
	struct termios t;
	size_t line = h->state->line;
	bool safe = line <= LINE_BYTES && len <= LINE_BYTES - line; /* whatever the settings are: most need not be asked for */
	bool cooked = !safe && !h->state->socket && tcgetattr(h->fd, &t) == 0 && t.c_lflag & ICANON;
	if (!safe && !cooked)
		line = 0;
	for (size_t i = 0; i < len && (safe || cooked); i++) {
		if (++line > LINE_BYTES)
			return true;
		if (ends_line(bytes[i], cooked ? &t : NULL))
			line = 0;
	}
	h->state->line = line;
	return false;
}
