/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/shift.h"

/* Modulo 2^64, so that one function does for both ways. */
static void move_list(struct extents *x, uint64_t by)
{
	x->start += by;
	x->end += by;
	x->at += by;
}

static void move(struct req *r, uint64_t by)
{
	if (r->op < OP_READ || r->op == OP_FLUSH)
		return;
	r->off += by;
	if (r->op == OP_READ && r->holes)
		move_list(r->holes, by);
	else if (r->op == OP_EXTENTS)
		move_list(r->data, by);
	if (r->err_off != UINT64_MAX)
		r->err_off += by;
}

void shift_down(struct req *r, uint64_t by)
{
	move(r, by);
}

void shift_up(struct req *r, uint64_t by)
{
	move(r, -by);
}
