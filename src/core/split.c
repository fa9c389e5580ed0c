/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/split.h"

void open_refuse(struct layer *l, struct req *r, int err)
{
	struct req *close = req_new(l, OP_CLOSE);

	r->err = err;
	if (!close) { /* gone() below tidies up instead */
		req_up(l, r, err);
		return;
	}
	close->parent = r;
	req_down(l, close);
}

bool open_refused(struct layer *l, struct req *r)
{
	struct req *open = r->parent;

	if (r->home != l || r->op != OP_CLOSE)
		return false;
	req_free(r);
	req_up(l, open, open->err);
	return true;
}
