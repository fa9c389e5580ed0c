/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/rewalk.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int rewalk_open(struct rewalk *w, int fd, struct err *e)
{
	*w = (struct rewalk){ .tape.fd = -1 };
	if (cursor_init(&w->cursor, e) < 0)
		return -1;
	if (!inflight_init(&w->open))
		err_set(e, "no memory for the table of requests");
	else if ((w->tape.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
		err_set(e, "cannot open the file again: %s", strerror(errno));
	if (w->tape.fd >= 0)
		return 0;
	rewalk_close(w);
	return -1;
}

void rewalk_close(struct rewalk *w)
{
	cursor_free(&w->cursor);
	inflight_free(&w->open);
	tape_forget(&w->tape);
	if (w->tape.fd >= 0)
		close(w->tape.fd);
	w->tape.fd = -1;
}
