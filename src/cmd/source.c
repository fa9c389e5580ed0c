/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/source.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/read_fd.h"
#include "trace/read_log.h"
#include "trace/rec_walk.h"

enum { ROOM = 1 << 20, NOTES_MAX = 64 << 10 };
_Static_assert((int)ROOM > 2 * LOG_LINE_MAX, "what is left of a line fits");

int source_open(struct source *s, const char *path, struct err *e)
{
	struct stat st;
	struct err why;
	uint8_t magic[4];

	*s = (struct source){ .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), .notes = { .limit = NOTES_MAX } };
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return err_set(e, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return err_set(e, "%s: %s", path, strerror(EISDIR));
	if (!S_ISREG(st.st_mode) || read_fd(&s->fd, magic, sizeof magic, 0) || memcmp(magic, "REC1", sizeof magic) != 0)
		return 0;
	char damage[REC_DAMAGE_ROOM];
	const struct rec_source from = { .read = read_fd, .owner = &s->fd, .size = (uint64_t)st.st_size };
	if (rec_open(&s->file, &from, &why) < 0)
		return err_set(e, "%s: at byte 0: %s", path, why.msg);
	s->recording = true;
	/* events may be older than the file, which is begun when there is something to write */
	s->start = s->file.events.count ? MIN(s->file.start, s->file.events.at[0].time) : s->file.start;
	s->wall = s->file.wall - MIN(s->file.wall, s->file.start - s->start);
	s->bytes = (uint64_t)st.st_size;
	if (rec_damage(&s->file, false, damage))
		buf_printf(&s->notes, "%s\n", damage);
	return 0;
}

void source_close(struct source *s)
{
	rec_close(&s->file);
	buf_free(&s->notes);
	if (s->path && s->fd >= 0)
		close(s->fd);
	*s = (struct source){ .fd = -1 };
}

static int walk_recording(struct source *s, source_see *see, void *arg)
{
	struct rec_walk w;
	struct rec_event ev;
	uint64_t bad = 0, number, next = 0;

	rec_walk_start(&w, &s->file, 0);
	while (rec_walk_next(&w, &ev, &number)) {
		if (w.bad > bad)
			buf_printf(&s->notes, "%" PRIu64 " chunks of events that cannot be read, before byte %" PRIu64 "\n", w.bad - bad,
				   s->file.events.at[w.chunk - 1].at);
		if (number > next)
			buf_printf(&s->notes, "%" PRIu64 " events are missing before event %" PRIu64 "\n", number - next, number);
		bad = w.bad;
		next = MAX(next, number + (ev.type != REC_CARRY));
		s->number = number;
		if (!see(arg, &ev, NULL))
			break;
	}
	if (w.bad > bad)
		buf_printf(&s->notes,
			   "%" PRIu64 " chunks of events at the end cannot be read to their end, the last at byte %" PRIu64 "%s%s\n",
			   w.bad - bad, s->file.events.at[w.chunk - 1].at, w.decoder.bad ? ": " : "", w.decoder.bad ? w.decoder.bad : "");
	rec_walk_end(&w);
	return 0;
}

/* Where, from p on, the first line begins that the reader (as it was there) does not understand. */
static const char *first_bad(struct log_reader r, const char *p, const char *end)
{
	struct event ev;
	uint64_t bad = r.bad + r.overlong;
	for (const char *line = p; p < end; line = p) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		log_next(&r, &p, nl ? nl + 1 : end, &ev);
		if (r.bad + r.overlong > bad)
			return line;
	}
	return p;
}

static int walk_log(struct source *s, source_see *see, void *arg, struct err *e)
{
	struct log_reader r = { 0 }, before;
	char *room = malloc(ROOM);
	size_t have = 0;
	uint64_t first = UINT64_MAX;
	ssize_t got = 0;

	s->number = 0;
	if (!room)
		return err_set(e, "out of memory");
	while ((got = read(s->fd, room + have, ROOM - have)) > 0 || (got < 0 && errno == EINTR)) {
		const char *p = room, *from = p, *end = room + have + MAX(got, (ssize_t)0);
		struct event ev;
		uint64_t at = s->bytes - have;
		s->bytes += (uint64_t)MAX(got, (ssize_t)0);
		before = r;
		for (; log_next(&r, &p, end, &ev) && see(arg, NULL, &ev); s->number++)
			;
		if (first == UINT64_MAX && r.bad + r.overlong)
			first = at + (uint64_t)(first_bad(before, from, p) - room);
		have = (size_t)(end - p);
		memmove(room, p, have);
	}
	int rc = got < 0 ? err_set(e, "%s: at byte %" PRIu64 ": %s", s->path, s->bytes, strerror(errno)) : 0;
	if (r.bad || r.overlong)
		buf_printf(&s->notes,
			   "of %" PRIu64 " lines, %" PRIu64 " not understood and %" PRIu64 " too long, the first at byte %" PRIu64 "\n",
			   r.lines, r.bad, r.overlong, first);
	if (have || r.in_overlong)
		buf_printf(&s->notes, "the last line, at byte %" PRIu64 ", has no end: left out\n", s->bytes - have);
	if (r.set_back)
		buf_printf(&s->notes, "the clock was set back %" PRIu64 " times: taken as no time\n", r.set_back);
	free(room);
	return rc;
}

int source_walk(struct source *s, source_see *see, void *arg, struct err *e)
{
	return s->recording ? walk_recording(s, see, arg) : walk_log(s, see, arg, e);
}
