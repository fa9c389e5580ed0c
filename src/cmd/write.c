/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/write.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/say.h"

int write_file(const char *path, const struct buf *b, struct err *e)
{
	char temp[PATH_MAX];
	struct stat st;
	/* what is no file (/dev/stdout) can't be replaced by one */
	bool straight = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
	int n = snprintf(temp, sizeof temp, "%s%s", path, straight ? "" : ".part");
	if (n < 0 || (size_t)n >= sizeof temp)
		return err_set(e, "%s: name too long", path);
	/* a new one: what others put there in a folder of all is not followed */
	if (!straight && unlink(temp) < 0 && errno != ENOENT)
		return err_set(e, "%s: %s", temp, strerror(errno));
	FILE *f = fopen(temp, straight ? "wbe" : "wbxe");
	if (!f)
		return err_set(e, "%s: %s", path, strerror(errno));
	errno = 0;
	bool good = fwrite(b->p, 1, b->len, f) == b->len;
	if (fclose(f) || !good || (!straight && rename(temp, path))) {
		err_set(e, "%s: %s", path, errno ? strerror(errno) : "cannot write");
		if (!straight)
			unlink(temp);
		return -1;
	}
	return 0;
}

int write_stdout(const struct buf *b, struct err *e)
{
	errno = 0;
	if (fwrite(b->p, 1, b->len, stdout) != b->len || fflush(stdout))
		return err_set(e, "cannot write to stdout: %s", strerror(errno));
	return 0;
}

void write_notes(const char *path, const char *notes)
{
	for (const char *end; (end = strchr(notes, '\n')); notes = end + 1)
		say_error("%s: %.*s", path, (int)(end - notes), notes);
}
