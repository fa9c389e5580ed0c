/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/loglanes.h"

enum { CLOCK_TRIES = 8 };
#define CLOCK_DOUBT_NS 10000ull /* between reading two clocks; an offset that differs by less is the same */

/* How far the time of day is ahead of CLOCK_MONOTONIC, ns modulo 2^64: that changes only when somebody sets the clock.  Asked
 * for when a lane begins to fill; so all lines of a busy moment have one offset, and their stamps the order of their lines. */
static uint64_t look_at_clock(struct loglanes *l)
{
	uint64_t known = atomic_load_explicit(&l->ahead, memory_order_relaxed), ahead = known, best = UINT64_MAX;

	for (int i = 0; i < CLOCK_TRIES && best > CLOCK_DOUBT_NS; i++) {
		struct timespec now;
		uint64_t before = monotonic_ns();
		clock_gettime(CLOCK_REALTIME, &now);
		uint64_t took = monotonic_ns() - before;
		if (took < best) {
			best = took;
			ahead = timespec_ns(&now) - before;
		}
	}
	if (ahead - known + CLOCK_DOUBT_NS + best <= 2 * (CLOCK_DOUBT_NS + best))
		return known;
	atomic_store_explicit(&l->ahead, ahead, memory_order_relaxed);
	return ahead;
}

/* --- adding --- */

static struct loglane *mine(struct loglanes *l)
{
	static atomic_uint threads;
	static _Thread_local unsigned number; /* 0: not yet */

	if (unlikely(!number))
		number = 1 + atomic_fetch_add(&threads, 1);
	return &l->at[MIN(number, (unsigned)LOGLANES) - 1];
}

static bool is_shared(const struct loglanes *l, const struct loglane *lane)
{
	return lane == l->at + LOGLANES - 1;
}

struct loglane *loglanes_open(struct loglanes *l, size_t len, size_t limit, char **p)
{
	struct loglane *lane = mine(l);

	if (unlikely(is_shared(l, lane)))
		spin_lock(&lane->shared);
	biased_lock(&lane->lock);
	struct buf *text = &lane->fill.text;
	size_t need = LOGSTAMP_LEN + len + LOGLINE_DIGITS + 2;
	if (text->len + need > limit || !buf_reserve(text, need) || !buf_reserve(&lane->fill.marks, sizeof(struct logmark))) {
		lane->ns = 0;
		*p = len + LOGLINE_DIGITS <= sizeof lane->scrap ? lane->scrap : NULL;
		return lane;
	}
	lane->ns = monotonic_ns();
	*p = text->p + text->len;
	if (l->text) {
		uint64_t ns = lane->ns + (text->len ? atomic_load_explicit(&l->ahead, memory_order_relaxed) : look_at_clock(l));
		const struct timespec now = { .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };
		*p = logline_stamp(*p, &lane->stamp, &now);
		*(*p)++ = ' ';
	}
	return lane;
}

static enum loglane_news add(const struct loglanes *l, struct loglane *lane, char *end)
{
	struct buf *text = &lane->fill.text, *marks = &lane->fill.marks;
	size_t before = text->len;

	if (!lane->ns)
		return LOGLANE_LOST;
	if (l->text)
		*end++ = '\n';
	text->len = (size_t)(end - text->p);
	*(struct logmark *)(void *)(marks->p + marks->len) = (struct logmark){ lane->ns, (uint32_t)(text->len - before) };
	marks->len += sizeof(struct logmark);
	if (text->len > LOGLANE_SOFT)
		atomic_store_explicit(&lane->full, true, memory_order_relaxed);
	if (!before)
		return LOGLANE_FIRST;
	return before < LOGLANE_EAGER && text->len >= LOGLANE_EAGER ? LOGLANE_PLENTY : LOGLANE_QUIET;
}

enum loglane_news loglane_close(const struct loglanes *l, struct loglane *lane, char *end)
{
	enum loglane_news news = add(l, lane, end);
	biased_unlock(&lane->lock);
	if (unlikely(is_shared(l, lane)))
		spin_unlock(&lane->shared);
	return news;
}

bool loglanes_full(struct loglanes *l)
{
	return atomic_load_explicit(&mine(l)->full, memory_order_relaxed);
}

/* --- taking --- */

static void swap(struct loglines *a, struct loglines *b)
{
	buf_swap(&a->text, &b->text);
	buf_swap(&a->marks, &b->marks);
}

/* How far the lines of a lane have gone. */
struct walk {
	struct loglines *lines; /* lane's kept, or taken */
	struct loglane *lane;
	size_t text, mark;   /* bytes */
	uint64_t ns;         /* of the next line; UINT64_MAX: none is left */
};

static struct logmark mark_at(const struct walk *w)
{
	return *(struct logmark *)(void *)(w->lines->marks.p + w->mark);
}

static void look(struct walk *w)
{
	w->ns = w->mark < w->lines->marks.len ? mark_at(w).ns : UINT64_MAX;
}

/* Add the lines of w that are not younger than ns; the first one in any case. */
static bool add_run(struct walk *w, uint64_t ns, struct buf *out)
{
	size_t from = w->text;
	do {
		w->text += mark_at(w).len;
		w->mark += sizeof(struct logmark);
		look(w);
	} while (w->ns <= ns && w->ns != UINT64_MAX);
	return buf_add(out, w->lines->text.p + from, w->text - from);
}

/* The lines that are older than end, in order.  How many are lost, for want of memory. */
static uint64_t merge(struct walk *walks, unsigned n, uint64_t end, struct buf *out)
{
	uint64_t lost = 0;
	for (;;) {
		struct walk *first = walks;
		uint64_t second = end - 1;
		for (struct walk *w = walks + 1; w < walks + n; w++) {
			if (w->ns < first->ns) {
				second = MIN(second, first->ns);
				first = w;
			} else {
				second = MIN(second, w->ns);
			}
		}
		if (first->ns >= end)
			return lost;
		size_t mark = first->mark;
		if (!add_run(first, second, out))
			lost += (first->mark - mark) / sizeof(struct logmark);
	}
}

static unsigned begin_walk(struct walk *walks, unsigned n, struct loglane *lane, struct loglines *lines)
{
	if (!lines->marks.len)
		return n;
	walks[n] = (struct walk){ .lines = lines, .lane = lane };
	look(&walks[n]);
	return n + 1;
}

static uint64_t latest(const struct loglines *lines)
{
	return ((const struct logmark *)(const void *)(lines->marks.p + lines->marks.len))[-1].ns;
}

static void forget(struct loglines *lines)
{
	lines->text.len = lines->marks.len = 0;
}

/* What w has not come to is kept.  How many lines are lost instead, for want of memory. */
static uint64_t keep_rest(const struct walk *w)
{
	struct loglines *kept = &w->lane->kept;
	const struct buf *text = &w->lines->text, *marks = &w->lines->marks;
	size_t bytes = text->len - w->text, more = marks->len - w->mark;

	if (!buf_reserve(&kept->text, bytes) || !buf_reserve(&kept->marks, more))
		return more / sizeof(struct logmark);
	buf_add(&kept->text, text->p + w->text, bytes);
	buf_add(&kept->marks, marks->p + w->mark, more);
	return 0;
}

bool loglanes_take(struct loglanes *l, bool all, struct buf *out, uint64_t *lost)
{
	struct walk walks[2 * LOGLANES];
	unsigned n = 0;
	bool more = false;
	uint64_t end = all ? UINT64_MAX : monotonic_ns();

	for (unsigned i = 0; i < LOGLANES; i++)
		biased_want(&l->at[i].lock);
	biased_meet();
	for (unsigned i = 0; i < LOGLANES; i++) {
		struct loglane *lane = &l->at[i];
		biased_seize(&lane->lock);
		swap(&lane->fill, &lane->taken);
		atomic_store_explicit(&lane->full, false, memory_order_relaxed);
		biased_release(&lane->lock);
		n = begin_walk(walks, n, lane, &lane->kept);
		n = begin_walk(walks, n, lane, &lane->taken);
	}
	*lost = 0;
	if (n == 1 && latest(walks->lines) < end) {
		buf_swap(out, &walks->lines->text);
		walks->mark = walks->lines->marks.len;
		walks->text = 0;
	} else if (n) {
		*lost = merge(walks, n, end, out);
	}
	for (struct walk *w = walks; w < walks + n; w++) {
		if (w->mark < w->lines->marks.len) {
			*lost += keep_rest(w);
			more = true;
		}
		forget(w->lines);
	}
	return more;
}

/* --- begin and end --- */

static void lines_init(struct loglines *lines)
{
	buf_init(&lines->text, LOGLANES_MAX);
	buf_init(&lines->marks, LOGLANES_MAX);
}

static void lines_free(struct loglines *lines)
{
	buf_free(&lines->text);
	buf_free(&lines->marks);
}

void loglanes_init(struct loglanes *l, bool text)
{
	l->text = text;
	for (struct loglane *lane = l->at; lane < l->at + LOGLANES; lane++) {
		lane->lock = (struct biased){ 0 };
		lane->shared = (struct spin){ 0 };
		lines_init(&lane->fill);
		lines_init(&lane->taken);
		lines_init(&lane->kept);
	}
}

void loglanes_free(struct loglanes *l)
{
	for (struct loglane *lane = l->at; lane < l->at + LOGLANES; lane++) {
		lines_free(&lane->fill);
		lines_free(&lane->taken);
		lines_free(&lane->kept);
	}
}
