/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/report.h"
bool report_html(struct buf *b, const struct report *r) { return buf_printf(b, "%s", r->name); }
