/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/json.h"
#include "cmd/report.h"
#include "cmd/story.h"
#include "view/fmt.h"

enum { NAME_MAX_SHOWN = 200, HANG = 3, LINK_ROOM = 160 };
#define HARD_SPACE '\x01' /* where a line is not to be broken */

/* "events 120–841, 12.3–12.9 s" */
static const char *link_text(char out[LINK_ROOM], const struct reach *r)
{
	uint64_t begin = r->begin / NS_PER_MS, end = r->end / NS_PER_MS; /* as the clock shows them: nothing is rounded up */
	double from = (double)begin / 1000, to = (double)end / 1000;
	int n = r->first == r->last ? snprintf(out, LINK_ROOM, "event %" PRIu64 ", ", r->first) :
				      snprintf(out, LINK_ROOM, "events %" PRIu64 "–%" PRIu64 ", ", r->first, r->last);
	if (to - from < 0.1)
		snprintf(out + n, (size_t)(LINK_ROOM - n), "%.3f s", from);
	else
		snprintf(out + n, (size_t)(LINK_ROOM - n), "%.1f–%.1f s", from, to);
	return out;
}

/* Before the steps: whose story it is. */
static const char *headline(const struct telling *t, char *out, size_t room)
{
	char size[FMT_ROOM], n[FMT_ROOM], clock[FMT_ROOM], when[64] = "";
	time_t sec = (time_t)(t->wall / NS_PER_S);
	struct tm tm;

	if (t->wall && gmtime_r(&sec, &tm) && strftime(when, sizeof when, ", from %Y-%m-%d %H:%M:%S UTC on", &tm) == 0)
		*when = '\0';
	snprintf(out, room, "a disk%s%s, %s events in %s%s", t->size ? " of " : "", t->size ? fmt_size(size, t->size) : "",
		 fmt_count(n, t->events), fmt_clock(clock, t->length), when);
	return out;
}

static bool is_end(const struct telling *t, unsigned i) { return i + 1 == t->story->steps; }

static const char *step_name(const struct telling *t, unsigned i)
{
	const struct story_step *s = &t->story->step[i];
	if (s->name)
		return s->name;
	return is_end(t, i) ? "At the end" : strcmp(t->cut, "pauses") == 0 ? "" : "(before the first step)";
}

/* "(at 0:36.123, 2.3 s)" */
static void put_times(struct buf *b, const struct story_step *s)
{
	char clock[FMT_ROOM], ns[FMT_ROOM];
	buf_printf(b, "(at %s", fmt_clock(clock, s->reach.begin));
	if (s->reach.end > s->reach.begin)
		buf_printf(b, ", %s", report_ns(ns, s->reach.end - s->reach.begin));
	buf_printf(b, ")");
}

/* --- text --- */

static unsigned width(const char *p, size_t n)
{
	unsigned w = 0;
	for (size_t i = 0; i < n; i++)
		w += ((unsigned char)p[i] & 0xc0) != 0x80;
	return w;
}

/* Words, broken into lines; the first begins at column `first`, the others are indented by hang. */
static void put_wrapped(struct buf *b, const char *text, unsigned first, unsigned hang, unsigned columns)
{
	unsigned at = first;
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " ");
		unsigned w = width(p, n);
		if (at > hang && at + w > columns) {
			buf_printf(b, "\n%*s", (int)hang, "");
			at = hang;
		}
		for (size_t i = 0; i < n; i++)
			buf_add(b, p[i] == HARD_SPACE ? " " : &p[i], 1);
		at += w;
		p += n;
		if (*p == ' ' && at < columns)
			buf_add(b, " ", 1);
		at += *p == ' ';
		p += *p == ' ';
	}
	/* no blank at the end of a line: they were put before it was known whether a word follows */
	buf_printf(b, "\n");
}

static void put_sentence(struct buf *b, const struct sentence *s, unsigned columns)
{
	struct buf all = { .limit = 2 * SENTENCE_MAX }; /* room for '?' and "…" */
	char link[LINK_ROOM];

	report_put(&all, FOR_TERMINAL, s->text, SIZE_MAX);
	buf_printf(&all, " [%s]", link_text(link, &s->reach));
	/* the link stays in one piece */
	char *p = all.len ? strrchr(all.p, '[') : NULL;
	for (; p && p < all.p + all.len; p++)
		if (*p == ' ')
			*p = HARD_SPACE;
	buf_printf(b, "%*s", HANG, "");
	put_wrapped(b, buf_str(&all), HANG, HANG + 2, columns);
	buf_free(&all);
}

/* Lines that were broken leave a blank at their ends. */
static void trim_lines(struct buf *b)
{
	size_t to = 0;
	for (size_t i = 0; i < b->len; i++) {
		if (b->p[i] == '\n')
			while (to && b->p[to - 1] == ' ')
				to--;
		b->p[to++] = b->p[i];
	}
	b->len = to;
}

bool story_text(struct buf *b, const struct telling *t)
{
	char line[512];

	report_put(b, FOR_TERMINAL, t->name, SIZE_MAX);
	buf_printf(b, ": %s\n", headline(t, line, sizeof line));
	snprintf(line, sizeof line, "(%s)", t->how);
	put_wrapped(b, line, 0, 1, t->columns);
	for (unsigned i = 0; i < t->story->steps; i++) {
		const struct story_step *s = &t->story->step[i];
		if (is_end(t, i) && !s->n)
			continue;
		if (is_end(t, i)) {
			buf_printf(b, "\n");
			report_put(b, FOR_TERMINAL, step_name(t, i), SIZE_MAX);
		} else {
			buf_printf(b, "\n%u. ", i + 1);
			report_put(b, FOR_TERMINAL, step_name(t, i), NAME_MAX_SHOWN);
			buf_printf(b, *step_name(t, i) ? " " : "");
			put_times(b, s);
		}
		buf_printf(b, "\n");
		for (unsigned k = 0; k < s->n; k++)
			put_sentence(b, &s->at[k], t->columns);
	}
	if (!buf_printf(b, "%s", ""))
		return false;
	trim_lines(b);
	return true;
}

/* --- JSON --- */

static void put_reach(struct buf *b, const struct reach *r)
{
	buf_printf(b, "\"first_event\": %" PRIu64 ", \"last_event\": %" PRIu64 ", \"begin_ns\": %" PRIu64 ", \"end_ns\": %" PRIu64,
		   r->first, r->last, r->begin, r->end);
}

static void put_notes(struct buf *b, const char *notes)
{
	for (const char *p = notes, *end; (end = strchr(p, '\n')); p = end + 1) {
		char line[1024] = { 0 };
		memcpy(line, p, MIN((size_t)(end - p), sizeof line - 1));
		buf_printf(b, "%s", p == notes ? "" : ", ");
		json_string(b, line);
	}
}

bool story_json(struct buf *b, const struct telling *t)
{
	buf_printf(b, "{\"file\": ");
	json_string(b, t->name);
	buf_printf(b, ", \"kind\": \"%s\", \"start_ns\": %" PRIu64 ", \"duration_ns\": %" PRIu64 ", \"events\": %" PRIu64
		   ", \"size\": %" PRIu64 ", \"cut\": \"%s\",\n\"trouble\": [", t->recording ? "recording" : "log",
		   t->wall, t->length, t->events, t->size, t->cut);
	put_notes(b, t->notes);
	buf_printf(b, "],\n\"steps\": [");
	for (unsigned i = 0; i < t->story->steps; i++) {
		const struct story_step *s = &t->story->step[i];
		buf_printf(b, "%s\n{\"name\": ", i ? "," : "");
		if (s->name)
			json_string(b, s->name);
		else
			buf_printf(b, "null");
		buf_printf(b, ", \"end\": %s, ", is_end(t, i) ? "true" : "false");
		put_reach(b, &s->reach);
		buf_printf(b, ", \"sentences\": [");
		for (unsigned k = 0; k < s->n; k++) {
			buf_printf(b, "%s\n  {\"says\": \"%s\", \"text\": ", k ? "," : "", story_kind_names[s->at[k].kind]);
			json_string(b, s->at[k].text);
			buf_printf(b, ", ");
			put_reach(b, &s->at[k].reach);
			buf_printf(b, "}");
		}
		buf_printf(b, "]}");
	}
	return buf_printf(b, "]}\n");
}

/* --- Markdown --- */

/* What would mean something to Markdown, or to the HTML that may stand in it, is escaped. */
static void put_plain(struct buf *b, const char *text)
{
	struct buf clean = { .limit = 2 * SENTENCE_MAX };
	report_put(&clean, FOR_TERMINAL, text, SIZE_MAX);
	for (const char *p = buf_str(&clean); *p; p++)
		buf_printf(b, strchr("\\`*_{}[]<>#|&~", *p) ? "\\%c" : "%c", *p);
	buf_free(&clean);
}

bool story_markdown(struct buf *b, const struct telling *t)
{
	char line[256];

	buf_printf(b, "# ");
	put_plain(b, t->name);
	buf_printf(b, "\n\nThis is the story of %s (%s). The numbers are those of the events in the file, the times count from its "
		   "beginning.\n", headline(t, line, sizeof line), t->how);
	for (unsigned i = 0; i < t->story->steps; i++) {
		const struct story_step *s = &t->story->step[i];
		if (is_end(t, i) && !s->n)
			continue;
		buf_printf(b, "\n## ");
		if (!is_end(t, i))
			buf_printf(b, "%u. ", i + 1);
		put_plain(b, step_name(t, i));
		if (!is_end(t, i)) {
			buf_printf(b, *step_name(t, i) ? " " : "");
			put_times(b, s);
		}
		buf_printf(b, "\n\n");
		for (unsigned k = 0; k < s->n; k++) {
			buf_printf(b, "* ");
			put_plain(b, s->at[k].text);
			buf_printf(b, " *(%s)*\n", link_text(line, &s->at[k].reach));
		}
	}
	return buf_printf(b, "%s", "");
}

/* --- HTML --- */

static const char style[] =
	"<style>:root{color-scheme:light dark}body{font:1rem/1.55 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}"
	"h2{font-size:1.1rem;margin:2rem 0 .5rem}h2 small,.how,cite{color:GrayText;font-weight:normal;font-style:normal;font-size:.85em}"
	"p{margin:.4rem 0}p:target{outline:2px solid Highlight}cite{white-space:nowrap}</style>";

bool story_html(struct buf *b, const struct telling *t)
{
	char line[256], link[LINK_ROOM];

	buf_printf(b, "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
		   "<meta name=\"viewport\" content=\"width=device-width\">\n<title>The story of ");
	report_put(b, FOR_HTML, t->name, SIZE_MAX);
	buf_printf(b, "</title>\n%s\n<h1>", style);
	report_put(b, FOR_HTML, t->name, SIZE_MAX);
	buf_printf(b, "</h1>\n<p>The story of %s.</p>\n<p class=\"how\">%s; behind each sentence stand the numbers of its events and their "
		   "times.</p>\n", headline(t, line, sizeof line), t->how);
	for (unsigned i = 0; i < t->story->steps; i++) {
		const struct story_step *s = &t->story->step[i];
		if (is_end(t, i) && !s->n)
			continue;
		buf_printf(b, "<h2 id=\"step-%u\">", i + 1);
		if (!is_end(t, i))
			buf_printf(b, "%u. ", i + 1);
		report_put(b, FOR_HTML, step_name(t, i), SIZE_MAX);
		buf_printf(b, " <small>");
		if (!is_end(t, i))
			put_times(b, s);
		buf_printf(b, "</small></h2>\n");
		for (unsigned k = 0; k < s->n; k++) {
			const struct reach *r = &s->at[k].reach;
			buf_printf(b, "<p id=\"s%u-%u\" class=\"%s\" ", i + 1, k + 1, story_kind_names[s->at[k].kind]);
			buf_printf(b, "data-first=\"%" PRIu64 "\" data-last=\"%" PRIu64 "\" data-begin=\"%" PRIu64
				   "\" data-end=\"%" PRIu64 "\">", r->first, r->last, r->begin, r->end);
			report_put(b, FOR_HTML, s->at[k].text, SIZE_MAX);
			buf_printf(b, " <cite>%s</cite></p>\n", link_text(link, r));
		}
	}
	return buf_printf(b, "</html>\n");
}
