/* SPDX-License-Identifier: BSD-2-Clause */
#include "expect/private.h"

/* One line for each piece: `DEBUG: read: what`, what is not ASCII as \xHH. */
void mx_debug(const mexp_h *h, const char *what, const char *bytes, size_t len)
{
	FILE *fp = h->debug_fp;
	flockfile(fp);
	fprintf(fp, "DEBUG: %s: ", what);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c == '\n')
			fputs("\\n", fp);
		else if (c == '\r')
			fputs("\\r", fp);
		else if (c >= ' ' && c < 0x7f)
			putc_unlocked(c, fp);
		else
			fprintf(fp, "\\x%02x", c);
	}
	putc_unlocked('\n', fp);
	fflush(fp);
	funlockfile(fp);
}
