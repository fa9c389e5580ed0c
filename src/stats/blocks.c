/* SPDX-License-Identifier: BSD-2-Clause */
#include "stats/blocks.h"
#include <stdlib.h>
#include "base/util.h"
#include "stats/hist.h"

enum { ROOM_MIN = 64, SAMPLED_MAX = 32 };

struct blocks_page {
	uint64_t number;
	uint32_t epoch, n;     /* n: bits that are set */
	uint64_t bits[BLOCKS_PAGE / 64];
};

static uint64_t hash(uint64_t page)
{
	page = (page ^ (page >> 31)) * 0x7fb5d329728ea185u;
	page = (page ^ (page >> 27)) * 0x81dadef4bc2dd44du;
	return page ^ (page >> 33);
}

static bool is_kept(const struct blocks *s, uint64_t page)
{
	return !s->sampled || hash(page) >> (64 - s->sampled) == 0;
}

/* Its place, or the free one where it would be. */
static struct blocks_page **place(struct blocks_page **at, size_t room, uint64_t page)
{
	size_t i = hash(page) & (room - 1);
	while (at[i] && at[i]->number != page)
		i = (i + 1) & (room - 1);
	return &at[i];
}

/* All pages that are kept move to a table of room. */
static bool rebuild(struct blocks *s, size_t room)
{
	struct blocks_page **at = calloc(room, sizeof(struct blocks_page *));
	if (!at)
		return false;
	for (size_t i = 0; i < s->room; i++)
		if (s->at[i])
			*place(at, room, s->at[i]->number) = s->at[i];
	free(s->at);
	s->at = at;
	s->room = room;
	return true;
}

/* Those behind it move up, so that no search ends too early. */
static void drop(struct blocks *s, size_t hole)
{
	size_t mask = s->room - 1;
	s->n -= s->at[hole]->epoch == s->epoch ? s->at[hole]->n : 0;
	s->pages--;
	free(s->at[hole]);
	s->at[hole] = NULL;
	for (size_t i = (hole + 1) & mask; s->at[i]; i = (i + 1) & mask) {
		size_t home = hash(s->at[i]->number) & mask;
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		s->at[hole] = s->at[i];
		s->at[i] = NULL;
		hole = i;
	}
}

/* Keep one page of two. */
static void thin(struct blocks *s)
{
	s->sampled++;
	for (size_t i = 0; i < s->room;) {
		if (s->at[i] && !is_kept(s, s->at[i]->number))
			drop(s, i); /* another may be here now */
		else
			i++;
	}
}

/* The page, made when it is not there; NULL: it is not kept. */
static struct blocks_page *page_of(struct blocks *s, uint64_t number, bool make)
{
	if (!is_kept(s, number))
		return NULL;
	struct blocks_page **p = s->room ? place(s->at, s->room, number) : NULL;
	if (!make && (!p || !*p || (*p)->epoch != s->epoch))
		return NULL;
	while (!p || !*p) {
		bool full = s->pages >= BLOCKS_PAGES_MAX || (s->pages * 2 >= s->room && !rebuild(s, MAX((size_t)ROOM_MIN, 2 * s->room)));
		if (s->room && !full)
			p = place(s->at, s->room, number);
		if (!full && (*p = malloc(sizeof **p))) {
			**p = (struct blocks_page){ .number = number, .epoch = s->epoch };
			s->pages++;
			break;
		}
		if (s->sampled == SAMPLED_MAX)
			return NULL;
		thin(s);
		if (!is_kept(s, number))
			return NULL;
	}
	struct blocks_page *page = *p;
	if (page->epoch != s->epoch)
		*page = (struct blocks_page){ .number = number, .epoch = s->epoch };
	return page;
}

void blocks_free(struct blocks *s)
{
	for (size_t i = 0; i < s->room; i++)
		free(s->at[i]);
	free(s->at);
	*s = (struct blocks){ 0 };
}

/* The bits of [from, to) that are set become set or not; how many of them were set. */
static unsigned change(struct blocks *s, struct blocks_page *p, unsigned from, unsigned to, bool set)
{
	unsigned were = 0;
	while (from < to) {
		unsigned in = from % 64, n = MIN(64 - in, to - from);
		uint64_t mask = (n == 64 ? UINT64_MAX : (1ull << n) - 1) << in, *word = &p->bits[from / 64];
		unsigned there = (unsigned)__builtin_popcountll(*word & mask);
		were += there;
		*word = set ? *word | mask : *word & ~mask;
		p->n += set ? n - there : 0u - there;
		s->n += set ? n - there : 0 - (uint64_t)there;
		from += n;
	}
	return were;
}

static uint64_t walk(struct blocks *s, uint64_t first, uint64_t end, bool set)
{
	uint64_t were = 0;
	while (first < end) {
		uint64_t number = first / BLOCKS_PAGE, stop = MIN(end, (number + 1) * BLOCKS_PAGE);
		struct blocks_page *p = page_of(s, number, set);
		if (p)
			were += (uint64_t)change(s, p, (unsigned)(first % BLOCKS_PAGE), (unsigned)(stop - number * BLOCKS_PAGE), set)
				<< s->sampled;
		first = stop;
	}
	return were;
}

uint64_t blocks_add(struct blocks *s, uint64_t first, uint64_t end) { return walk(s, first, end, true); }
uint64_t blocks_remove(struct blocks *s, uint64_t first, uint64_t end) { return walk(s, first, end, false); }

void blocks_clear(struct blocks *s)
{
	s->n = 0;
	if (++s->epoch == 0) /* pages of the first epoch would be full again */
		blocks_free(s);
}

uint64_t blocks_count(const struct blocks *s)
{
	return s->n > UINT64_MAX >> s->sampled ? UINT64_MAX : s->n << s->sampled;
}
