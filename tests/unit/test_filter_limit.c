/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include "base/say.h"
#include "filters/filters.h"
#include "unit/rig.h"

static struct rig t;
static const struct module *const limit_alone[] = { &mod_limit, NULL };

static bool start(const char *limit)
{
	say_start("test", SAY_NULL, false);
	return rig_start(&t, limit_alone) && (!limit || rig_option(&t, 0, "limit", limit)) && rig_go(&t);
}

static int ask(enum op op)
{
	t.home = 0;
	rig_send(&t, op, 0, 0, 0, NULL);
	return t.home == 1 ? t.came[0].err : -1;
}

/* The rig's stack is one client; this is another one of the same server. */
static struct stack *second(struct stack *first)
{
	struct stack *s = stack_new(t.at, first->layers[0].mod, &t.loop, &t.client);
	s->home_user = &t;
	t.stack = s;
	return s;
}

TEST(one_client_at_a_time_is_the_default)
{
	CHECK(start(NULL)); /* and has opened */
	struct stack *a = t.stack, *b = second(a);
	CHECK_EQ_U(ask(OP_PRECONNECT), EBUSY);
	CHECK_EQ_U(ask(OP_OPEN), EBUSY);
	t.stack = a;
	CHECK_EQ_U(ask(OP_CLOSE), 0);
	t.stack = b;
	CHECK_EQ_U(ask(OP_PRECONNECT), 0);
	CHECK_EQ_U(ask(OP_OPEN), 0);
	stack_reset(a);
	t.stack = a;
	CHECK_EQ_U(ask(OP_OPEN), EBUSY);
	stack_free(b); /* gone without a CLOSE */
	CHECK_EQ_U(ask(OP_OPEN), 0);
	rig_stop(&t);
}

TEST(an_open_that_fails_below_is_not_counted)
{
	CHECK(start("1"));
	CHECK_EQ_U(ask(OP_CLOSE), 0);
	t.bottom_err = EIO;
	CHECK_EQ_U(ask(OP_OPEN), EIO);
	t.bottom_err = 0;
	struct stack *a = t.stack, *b = second(a);
	CHECK_EQ_U(ask(OP_OPEN), 0);
	t.stack = a;
	CHECK_EQ_U(ask(OP_OPEN), EBUSY);
	stack_free(b);
	rig_stop(&t);
}

TEST(zero_is_any_number_and_others_count)
{
	struct stack *more[5];
	for (unsigned max = 0; max < 5; max += 4) { /* 0 and 4 */
		CHECK(start(max ? "4" : "0"));
		struct stack *first = t.stack;
		for (unsigned i = 0; i < ARRAY_LEN(more); i++) {
			more[i] = second(first);
			CHECK_EQ_U(ask(OP_OPEN), max && i >= max - 1 ? EBUSY : 0);
		}
		for (unsigned i = 0; i < ARRAY_LEN(more); i++)
			stack_free(more[i]);
		t.stack = first;
		rig_stop(&t);
	}
}
