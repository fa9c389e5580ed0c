/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/input.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/read_fd.h"

int input_open(struct input *i, const char *path, const char *from, struct err *e)
{
	struct stat st;
	struct err why;

	*i = (struct input){ .fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) };
	if (i->fd < 0 || fstat(i->fd, &st) < 0)
		return err_set(e, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, "%s: %s", path, S_ISDIR(st.st_mode) ? strerror(EISDIR) : "no plain file");
	const struct rec_source s = { .read = read_fd, .owner = &i->fd, .size = (uint64_t)st.st_size };
	return fmt_open(&i->in, &s, from, &why) < 0 ? err_set(e, "%s: %s", path, why.msg) : 0;
}

void input_close(struct input *i)
{
	fmt_close(&i->in);
	if (i->fd >= 0)
		close(i->fd);
	i->fd = -1;
}
