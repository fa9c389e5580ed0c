/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include "filters/filters.h"
#include "plugins/plugins.h"
#include "unit/rig.h"

static struct rig t;
static const struct module *const offset_alone[] = { &mod_offset, NULL };
static const struct module *const on_memory[] = { &mod_offset, &mod_memory, NULL };

static bool start(const char *offset, const char *range)
{
	return rig_start(&t, offset_alone) && (!offset || rig_option(&t, 0, "offset", offset)) &&
	       (!range || rig_option(&t, 0, "range", range)) && rig_go(&t);
}

TEST(offset_moves_requests_down_and_back_again)
{
	static const enum op moved[] = { OP_READ, OP_WRITE, OP_TRIM, OP_ZERO, OP_CACHE };
	CHECK(start("4096", "8192"));
	CHECK_EQ_U(stack_limits(t.stack)->size, 8192);
	for (unsigned i = 0; i < ARRAY_LEN(moved); i++) {
		rig_send(&t, moved[i], 512, 512, 0, NULL);
		CHECK_EQ_U(t.reached[i].off, 4096 + 512);
		CHECK_EQ_U(t.came[i].off, 512);
	}
	rig_send(&t, OP_FLUSH, 0, 0, 0, NULL);
	CHECK_EQ_U(t.reached[ARRAY_LEN(moved)].off, 0);
	rig_stop(&t);
}

TEST(without_parameters_offset_serves_all)
{
	CHECK(start(NULL, NULL));
	CHECK_EQ_U(stack_limits(t.stack)->size, MIB(1));
	rig_send(&t, OP_READ, 512, 512, 0, NULL);
	CHECK_EQ_U(t.reached[0].off, 512);
	rig_stop(&t);
}

TEST(a_range_may_end_at_the_end_and_be_empty)
{
	CHECK(start("512K", "512K"));
	CHECK_EQ_U(stack_limits(t.stack)->size, KIB(512));
	rig_stop(&t);
	CHECK(start("1M", NULL));
	CHECK_EQ_U(stack_limits(t.stack)->size, 0);
	rig_stop(&t);
	CHECK(start("0", "0"));
	CHECK_EQ_U(stack_limits(t.stack)->size, 0);
	rig_stop(&t);
}

TEST(a_range_past_the_end_is_refused_and_what_was_opened_below_is_closed)
{
	static const char *const bad[][2] = {
		{ "1048577", NULL }, { "512K", "524289" }, { "0", "1048577" }, { "1M", "9223372036854775807" },
		{ "9223372036854775807", NULL },
	};
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK(!start(bad[i][0], bad[i][1]));
		CHECK_EQ_U(t.reached[0].op, OP_OPEN);
		CHECK_EQ_U(t.reached[1].op, OP_CLOSE);
		CHECK_EQ_U(t.came[0].err, EINVAL);
		rig_stop(&t);
	}
}

TEST(extents_and_holes_are_told_in_the_offsets_of_the_part)
{
	static uint8_t data[KIB(64)];
	struct extents x;
	CHECK(rig_start(&t, on_memory));
	CHECK(rig_option(&t, 0, "offset", "64K"));
	CHECK(rig_option(&t, 1, "size", "1M"));
	CHECK(rig_go(&t));
	memset(data, 'x', sizeof data);
	rig_send(&t, OP_WRITE, KIB(128), KIB(32), 0, data);
	extents_init(&x, KIB(64), stack_limits(t.stack)->size - KIB(64), 100);
	rig_send(&t, OP_EXTENTS, KIB(64), KIB(128), 0, &x);
	CHECK_EQ_U(x.start, KIB(64));
	CHECK_EQ_U(x.end, MIB(1) - KIB(64));
	CHECK_EQ_U(x.at, KIB(192));
	CHECK_EQ_U(x.count, 3);
	CHECK_EQ_U(x.list[0].len, KIB(64));
	CHECK_EQ_U(x.list[1].len, KIB(32));
	CHECK_EQ_U(x.list[1].flags, 0);
	extents_free(&x);

	struct req *r = req_new(stack_top(t.stack), OP_READ);
	r->off = KIB(96);
	r->len = KIB(64);
	r->flags = REQ_PLACE;
	r->data = data;
	r->holes = &x;
	extents_init(&x, r->off, r->len, 100);
	req_down(stack_top(t.stack), r);
	CHECK_EQ_U(x.start, KIB(96));
	CHECK_EQ_U(x.at, KIB(160));
	CHECK_EQ_U(x.count, 2);
	CHECK_EQ_U(x.list[0].flags, EXTENT_HOLE | EXTENT_ZERO);
	CHECK_EQ_U(x.list[0].len, KIB(32));
	extents_free(&x);
	rig_stop(&t);
}

static uint64_t err_off;

static void fail(struct layer *l, struct req *r)
{
	if (r->op == OP_OPEN)
		l->limits = (struct limits){ .size = KIB(4), .can_write = true };
	if (r->op == OP_READ)
		r->err_off = r->off + 10;
	req_up(l, r, r->op < OP_READ ? 0 : EIO);
}

static void look(struct layer *l, struct req *r)
{
	if (r->op >= OP_READ)
		err_off = r->err_off;
	req_up(l, r, r->err);
}

TEST(where_an_error_is_is_told_in_the_offsets_of_the_part)
{
	static const struct module looks = { .name = "looks", .filter = true, .done = look };
	static const struct module fails = { .name = "fails", .submit = fail };
	static const struct module *const mods[] = { &looks, &mod_offset, &fails, NULL };
	CHECK(rig_start(&t, mods));
	CHECK(rig_option(&t, 1, "offset", "64"));
	CHECK(rig_go(&t));
	rig_send(&t, OP_READ, 5, 100, 0, NULL);
	CHECK_EQ_U(err_off, 15);
	rig_send(&t, OP_WRITE, 5, 100, 0, NULL);
	CHECK_EQ_U(err_off, UINT64_MAX);
	rig_stop(&t);
}

TEST(offset_refuses_what_is_no_size)
{
	CHECK(rig_start(&t, offset_alone));
	CHECK(!rig_option(&t, 0, "offset", "-1"));
	CHECK(!rig_option(&t, 0, "offset", ""));
	CHECK(!rig_option(&t, 0, "range", "-5"));
	CHECK(!rig_option(&t, 0, "range", "1Q"));
	rig_stop(&t);
}
