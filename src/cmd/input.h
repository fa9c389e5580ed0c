/* SPDX-License-Identifier: BSD-2-Clause */
/* input: the file that convert and replay read, of any format that formats/ knows.  Main thread. */
#pragma once
#include "formats/format.h"

struct input {
	int fd;
	struct fmt_in in;
};

/* from: the format, or NULL.  -1 with e set, which names the file; it is to be closed in any case. */
int input_open(struct input *i, const char *path, const char *from, struct err *e);
void input_close(struct input *i);
