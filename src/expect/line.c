/* SPDX-License-Identifier: BSD-2-Clause */
#include <termios.h>
#include "expect/private.h"

enum { LINE_BYTES = 4095 }; /* of a line, with its end: N_TTY_BUF_SIZE - 1 in Linux */

/* What the terminal would silently cut off.  Counts on from the last call. */
bool mx_line_too_long(mexp_h *h, const char *bytes, size_t len)
{
	struct termios t;
	if (h->state->socket || tcgetattr(h->fd, &t) < 0 || !(t.c_lflag & ICANON))
		return h->state->line = 0, false;
	size_t line = h->state->line;
	for (size_t i = 0; i < len; i++) {
		cc_t c = (cc_t)bytes[i];
		bool ends = c == '\n' || (c == '\r' && t.c_iflag & ICRNL) ||
			    (c && (c == t.c_cc[VEOF] || c == t.c_cc[VEOL] || c == t.c_cc[VKILL])) ||
			    (c && t.c_lflag & ISIG && (c == t.c_cc[VINTR] || c == t.c_cc[VQUIT] || c == t.c_cc[VSUSP]));
		if (++line > LINE_BYTES)
			return true;
		if (ends)
			line = 0;
	}
	h->state->line = line;
	return false;
}
