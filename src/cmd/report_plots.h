/* SPDX-License-Identifier: BSD-2-Clause */
/* report_plots: the figures of a section of the HTML page.  Each appends nothing when there is nothing to show.  No I/O. */
#pragma once
#include "cmd/report.h"

/* marks: of the whole session, to be shown on time axes; NULL: none. */
void plots_over_time(struct buf *b, const struct section *s, const struct stats *marks);
void plots_latency(struct buf *b, const struct section *s, const struct stats *marks);
void plots_shape(struct buf *b, const struct section *s); /* sizes, alignment, order */
void plots_depth(struct buf *b, const struct section *s);
void plots_flushes(struct buf *b, const struct section *s);
void plots_disk(struct buf *b, const struct section *s);
