/* SPDX-License-Identifier: BSD-2-Clause */
/* write: how report and diff hand out what they made.  Main thread. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#define WRITE_MAX (256u << 20) /* bytes of a report */

/* The whole file, or none that looks whole: written beside and renamed. */
int write_file(const char *path, const struct buf *b, struct err *e);
int write_stdout(const struct buf *b, struct err *e);
/* Each line of notes to stderr. */
void write_notes(const char *path, const char *notes);
