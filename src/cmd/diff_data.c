/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include "cmd/diff.h"
#include "trace/rec_at.h"

enum { WINDOW = 1 << 20, MAP_MAX = 1 << 30 };

struct side {
	struct rec_at *at;
	struct buf map;             /* struct rec_extent */
	const struct rec_extent *x; /* n of them */
	size_t n, next;
	uint8_t *bytes;             /* WINDOW */
};

/* Where, from pos on, the next stored bytes are, and where that extent ends; false: nowhere. */
static bool next_data(struct side *s, uint64_t pos, uint64_t *off, uint64_t *end)
{
	while (s->next < s->n && (s->x[s->next].addr == REC_ZEROES || s->x[s->next].off + s->x[s->next].len <= pos))
		s->next++;
	if (s->next == s->n)
		return false;
	*off = MAX(pos, s->x[s->next].off);
	*end = s->x[s->next].off + s->x[s->next].len;
	return true;
}

static void note_range(struct diff_data *d, uint64_t off, uint64_t len)
{
	unsigned last = d->ranges - 1;
	if (d->ranges && d->range[last].off + d->range[last].len == off) {
		d->range[last].len += len;
	} else if (d->ranges < DIFF_RANGES && !d->more) {
		d->range[d->ranges].off = off;
		d->range[d->ranges++].len = len;
	} else {
		d->more = true;
	}
}

static bool open_side(struct side *s, struct source *from, struct err *e)
{
	s->map.limit = MAP_MAX;
	s->at = rec_at_open(&from->file, from->file.count, e);
	if (!s->at)
		return false; /* e says why */
	s->bytes = malloc(WINDOW);
	if (!s->bytes || rec_at_map(s->at, 0, INT64_MAX, &s->map)) {
		err_set(e, "%s: the disk at the end cannot be read", from->path);
		return false;
	}
	s->x = (const void *)s->map.p;
	s->n = s->map.len / sizeof *s->x;
	return true;
}

static void compare_window(struct diff_data *d, const struct side *s, uint64_t at, void (*differs)(void *, uint64_t, uint64_t), void *arg)
{
	for (uint64_t i = 0; i < WINDOW; i += REC_BLOCK) {
		/* written by neither: not compared */
		bool any = false;
		for (unsigned k = 0; k < 2 && !any; k++) {
			size_t x = rec_find_extent(s[k].x, s[k].n, at + i);
			any = x < s[k].n && s[k].x[x].off < at + i + REC_BLOCK;
		}
		if (!any)
			continue;
		d->blocks++;
		if (memcmp(s[0].bytes + i, s[1].bytes + i, REC_BLOCK) == 0)
			continue;
		d->differ++;
		note_range(d, at + i, REC_BLOCK);
		if (differs)
			differs(arg, at + i, REC_BLOCK);
	}
}

int diff_data(struct diff *d, void (*differs)(void *arg, uint64_t off, uint64_t len), void *arg, struct err *e)
{
	struct side s[2] = { 0 };
	int rc = 0;

	for (unsigned k = 0; k < 2; k++)
		if (!d->source[k].recording || d->source[k].file.info.data != REC_DATA_YES)
			return 0;
	for (unsigned k = 0; k < 2 && !rc; k++)
		rc = open_side(&s[k], &d->source[k], e) ? 0 : -1;
	for (uint64_t pos = 0; !rc;) {
		uint64_t off[2], end[2];
		bool have[2] = { next_data(&s[0], pos, &off[0], &end[0]), next_data(&s[1], pos, &off[1], &end[1]) };
		if (!have[0] && !have[1])
			break;
		unsigned first = !have[0] || (have[1] && off[1] < off[0]);
		uint64_t at = off[first] / WINDOW * WINDOW;
		if (rec_at_read(s[0].at, at, WINDOW, s[0].bytes) || rec_at_read(s[1].at, at, WINDOW, s[1].bytes)) {
			/* an extent that claims bytes which are not there may be very long */
			pos = MAX(end[first], at + WINDOW);
			d->data.unreadable = sat_add(d->data.unreadable, pos - off[first]);
			continue;
		}
		compare_window(&d->data, s, at, differs, arg);
		pos = at + WINDOW;
	}
	d->data.compared = !rc;
	for (unsigned k = 0; k < 2; k++) {
		rec_at_close(s[k].at);
		buf_free(&s[k].map);
		free(s[k].bytes);
	}
	return rc;
}
