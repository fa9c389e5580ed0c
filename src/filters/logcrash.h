/* SPDX-License-Identifier: BSD-2-Clause */
/* logcrash: when the program dies of a signal (a crash, an abort), the lines that still wait in memory are
 * written first: they tell what led to it.  Best effort: a line that was being added may be torn.
 * Guard and release: main thread, before and after serving. */
#pragma once
#include "base/buf.h"

/* From now on b's bytes go to fd when the program dies.  Both borrowed until released.  Signals that somebody else
 * handles already are left alone.  A few buffers are enough; more are not guarded. */
void logcrash_guard(const struct buf *b, int fd);
void logcrash_release(const struct buf *b);
