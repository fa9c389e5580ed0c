/* SPDX-License-Identifier: BSD-2-Clause */
/* become: another program of ours in place of this one. */
#pragma once
#include "base/err.h"

/* Run blkscope-COMMAND, which lies beside this program (a build tree, a copied directory) or where they are installed.  Comes back, with e
 * set, only when that cannot be. */
void become(const char *command, char **argv, struct err *e);
