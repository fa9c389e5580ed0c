/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/needs.h"
#include <fcntl.h>
#include <unistd.h>

void needs_fd(struct needs *n, int fd, unsigned rights)
{
	if (n->readonly)
		rights &= ~(unsigned)PATH_WRITE;
	if (n->allow)
		n->allow(n, fd, rights);
}

void needs_path(struct needs *n, int dir, const char *path, unsigned rights)
{
	int fd = n->allow ? openat(dir, path, O_PATH | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	needs_fd(n, fd, rights);
	close(fd);
}

void stages_needs(const struct stages *ss, struct needs *n)
{
	for (unsigned i = 0; i < ss->count; i++) {
		const struct stage *s = &ss->at[i];
		if (s->mod->needs)
			s->mod->needs(s, n);
		if (n->what & NEED_ANYTHING && !n->who)
			n->who = s->mod->name;
	}
}
