/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include "base/util.h"
#include "view/filter.h"

/* Room for one more behind n, which grows by powers of two. */
static void *more_of(void *p, size_t n, size_t each)
{
	return n & (n - 1) ? p : reallocarray(p, n ? 2 * n : 1, each);
}

bool filter_add_conn(struct filter *f, uint64_t conn)
{
	uint64_t *more = f->conns < FILTER_CONNS_MAX ? more_of(f->conn, f->conns, sizeof *more) : NULL;

	if (!more)
		return false;
	f->conn = more;
	f->conn[f->conns++] = conn;
	return true;
}

bool filter_add_range(struct filter *f, uint64_t off, uint64_t len)
{
	struct range *more;

	if (!len)
		return true;
	more = f->ranges < FILTER_RANGES_MAX ? more_of(f->range, f->ranges, sizeof *more) : NULL;
	if (!more)
		return false;
	f->range = more;
	f->range[f->ranges++] = (struct range){ off, len > UINT64_MAX - off ? UINT64_MAX : off + len };
	return true;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static int by_place(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	return (x->off > y->off) - (x->off < y->off);
}

void filter_ready(struct filter *f)
{
	size_t n = 0;

	if (f->conns)
		qsort(f->conn, f->conns, sizeof *f->conn, by_number);
	if (f->ranges)
		qsort(f->range, f->ranges, sizeof *f->range, by_place);
	for (size_t i = 0; i < f->ranges; i++) {
		if (n && f->range[i].off <= f->range[n - 1].end)
			f->range[n - 1].end = MAX(f->range[n - 1].end, f->range[i].end);
		else
			f->range[n++] = f->range[i];
	}
	f->ranges = n;
}

void filter_free(struct filter *f)
{
	free(f->conn);
	free(f->range);
	*f = (struct filter){ 0 };
}

/* Is any of [off, end) in a range? */
static bool in_range(const struct filter *f, uint64_t off, uint64_t end)
{
	size_t low = 0, high = f->ranges; /* the first range that ends behind off */

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (f->range[mid].end <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return off < end && low < f->ranges && f->range[low].off < end;
}

bool filter_passes(const struct filter *f, const struct event *begin)
{
	if (f->ops && !(f->ops >> begin->op & 1))
		return false;
	if (f->conns && !bsearch(&begin->conn, f->conn, f->conns, sizeof *f->conn, by_number))
		return false;
	if (!f->ranges || begin->op == EV_FLUSH)
		return true;
	return in_range(f, begin->off, begin->len > UINT64_MAX - begin->off ? UINT64_MAX : begin->off + begin->len);
}
