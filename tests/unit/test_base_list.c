/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/list.h"
#include "unit/test.h"

struct item {
	int n;
	struct list link;
};

static unsigned digits(struct list *l)
{
	unsigned sum = 0;
	list_for_each_safe(l, p, next)
		sum = sum * 10 + (unsigned)list_entry(p, struct item, link)->n;
	return sum;
}

static void fill(struct list *l, struct item *items, int n)
{
	list_init(l);
	for (int i = 0; i < n; i++) {
		items[i].n = i + 1;
		list_add_tail(l, &items[i].link);
	}
}

TEST(a_list_keeps_the_order_of_adding)
{
	struct list l;
	struct item items[4];
	fill(&l, items, 4);
	CHECK(!list_empty(&l));
	CHECK_EQ_U(digits(&l), 1234);
	CHECK(list_first(&l, struct item, link) == &items[0]);
}

TEST(taking_a_link_out_twice_is_harmless)
{
	struct list l;
	struct item items[3];
	fill(&l, items, 3);
	list_del(&items[1].link);
	list_del(&items[1].link);
	CHECK(list_empty(&items[1].link));
	CHECK_EQ_U(digits(&l), 13);
}

TEST(pop_takes_the_first_until_none_is_left)
{
	struct list l;
	struct item items[2];
	fill(&l, items, 2);
	CHECK(list_pop(&l) == &items[0].link);
	CHECK(list_pop(&l) == &items[1].link);
	CHECK(list_pop(&l) == NULL);
	CHECK(list_empty(&l));
}

TEST(splice_moves_everything_to_the_end)
{
	struct list a, b;
	struct item x[2], y[2];
	fill(&a, x, 2);
	fill(&b, y, 2);
	y[0].n = 3;
	y[1].n = 4;
	list_splice(&a, &b);
	CHECK_EQ_U(digits(&a), 1234);
	CHECK(list_empty(&b));
	list_splice(&a, &b);
	CHECK_EQ_U(digits(&a), 1234);
	list_splice(&b, &a);
	CHECK_EQ_U(digits(&b), 1234);
	CHECK(list_empty(&a));
}

TEST(a_walk_may_take_out_where_it_stands)
{
	struct list l;
	struct item items[5];
	fill(&l, items, 5);
	list_for_each_safe(&l, p, next)
		if (list_entry(p, struct item, link)->n % 2)
			list_del(p);
	CHECK_EQ_U(digits(&l), 24);
}
