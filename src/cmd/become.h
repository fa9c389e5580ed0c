/* SPDX-License-Identifier: BSD-2-Clause */
/* become: another program of ours in place of this one. */
#pragma once
#include <stddef.h>
#include "base/err.h"

/* Where blkscope-COMMAND is: beside this program (a build tree, a copied directory), else where they are installed.  Returns path. */
char *find_command(const char *command, char *path, size_t room);
/* Run blkscope-COMMAND, in place of this program.  Comes back, with e
 * set, only when that cannot be. */
void become(const char *command, char **argv, struct err *e);
