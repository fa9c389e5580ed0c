/* SPDX-License-Identifier: BSD-2-Clause */
/* recmark: marks for a recording that is being made, from `blkscope mark`.
 *
 * A recorder listens on an abstract Unix socket (unix(7)) whose name tells the file (trace/recorder.h), so nothing is
 * left behind and a mark finds its recording by the file.  A datagram is the text of a mark, or with a leading NUL nothing: it is
 * answered by "ok" when the mark is in, else by a line that says why not.  Only root and the recorder's own user are heard. */
#pragma once
#include "base/buf.h"
#include "core/core.h"
#include "filters/recwriter.h"

struct recmark;
/* Listen, with a thread; path: the recording, which exists.  NULL with e set. */
struct recmark *recmark_start(struct recwriter *w, const char *path, struct err *e);
void recmark_stop(struct recmark *m); /* NULL is fine */
/* Who is at the other end, in words: "192.0.2.1:53412", "uid 1000 pid 4711", or nothing. */
void recmark_peer(struct buf *b, const struct peer *p);
