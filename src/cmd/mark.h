/* SPDX-License-Identifier: BSD-2-Clause */
/* mark, at: the small commands of blkscope that need no program of their own. */
#pragma once
#include "base/err.h"

/* blkscope mark [--recording=FILE] TEXT: a mark into a recording that is being made.  0, or -1 with e set. */
int command_mark(int argc, char **argv, struct err *e);
/* blkscope at REC [MOMENT] [OPTION]...: the words of `blkscope serve` that mean the same, NULL at the end, malloc'd (the words
 * are argv's, or static, or one malloc'd).  NULL with e set. */
char **command_at(int argc, char **argv, struct err *e);
