/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "view/fmt.h"
#include "view/output.h"

/* ---- distinct blocks: a bit each, in pages that appear when touched ---- */

#define SET_SHIFT 15 /* blocks in a page of 4 KiB, log2 */

struct block_set {
	uint64_t **page; /* pages, ours */
	uint32_t pages;
	uint64_t n; /* blocks in the set */
	bool full;  /* out of memory: n is too low */
};

static bool set_init(struct block_set *s, uint64_t blocks)
{
	*s = (struct block_set){ .pages = (uint32_t)((blocks >> SET_SHIFT) + 1) };
	s->page = calloc(s->pages, sizeof *s->page);
	return s->page;
}

static void set_clear(struct block_set *s)
{
	for (uint32_t i = 0; s->page && i < s->pages; i++) {
		free(s->page[i]);
		s->page[i] = NULL;
	}
	s->n = 0;
}

static void set_free(struct block_set *s)
{
	set_clear(s);
	free(s->page);
	s->page = NULL;
}

static void set_add(struct block_set *s, uint64_t block)
{
	uint64_t **p = &s->page[block >> SET_SHIFT];
	if (!*p && !(*p = calloc(1, 1u << (SET_SHIFT - 3)))) {
		s->full = true;
		return;
	}
	uint64_t *word = &(*p)[(block & ((1u << SET_SHIFT) - 1)) / 64], bit = 1ull << (block % 64);
	s->n += !(*word & bit);
	*word |= bit;
}

/* ---- the table ---- */

struct line {
	char name[16];
	const char *caption;
	uint64_t begin, end; /* ns */
	struct count op[EV_OPS];
	uint64_t errors;
	struct block_set written;
};

struct book {
	const struct play *play;
	const struct steps *steps;
	struct line step, total;
	int at; /* the step that is being counted; -1: before the first */
};

static void heading(void)
{
	printf("%-5s %-40s %9s %8s %10s %8s %10s %8s", "step", "what", "time", "reads", "bytes", "writes",
		"bytes", "blocks");
	printf(" %8s %10s %8s %10s %7s %7s\n", "trims", "bytes", "zeroes", "bytes", "flushes", "errors");
}

/* Captions are UTF-8: cut and padded by characters, not bytes. */
static void put_caption(const char *s, int width)
{
	for (; *s && width > 0; width--) {
		putchar((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
		for (s++; ((unsigned char)*s & 0xc0) == 0x80; s++)
			putchar(*s);
	}
	printf("%*s ", width, "");
}

static void put_count(const struct count *c)
{
	char a[FMT_ROOM];
	printf(" %8" PRIu64 " %10s", c->ops, fmt_size(a, c->bytes));
}

static void put_line(const struct line *l)
{
	char clock[FMT_ROOM], blocks[24];

	snprintf(blocks, sizeof blocks, "%" PRIu64 "%s", l->written.n, l->written.full ? "+" : "");
	printf("%-5s ", l->name);
	put_caption(l->caption, 40);
	printf("%9s", fmt_clock(clock, l->end - l->begin));
	put_count(&l->op[EV_READ]);
	put_count(&l->op[EV_WRITE]);
	printf(" %8s", blocks);
	put_count(&l->op[EV_TRIM]);
	put_count(&l->op[EV_ZERO]);
	printf(" %7" PRIu64 " %7" PRIu64 "\n", l->op[EV_FLUSH].ops, l->errors);
}

static void count_request(struct line *l, const struct map *m, const struct outcome *out)
{
	const struct event *r = &out->req;

	if (out->err) {
		l->errors++;
		return;
	}
	l->op[r->op].ops++;
	l->op[r->op].bytes += r->len;
	if (r->op == EV_WRITE && r->len)
		for (uint64_t b = r->off / m->block; b <= (r->off + r->len - 1) / m->block; b++)
			set_add(&l->written, b);
}

static uint64_t step_end(const struct book *b)
{
	int next = b->at + 1;
	if (!b->steps || next >= (int)b->steps->n)
		return b->play->end;
	return MIN(steps_begin(b->steps, (size_t)next, b->play->start), b->play->end);
}

static void begin_step(struct book *b, int at)
{
	struct block_set set = b->step.written;

	set_clear(&set);
	b->at = at;
	b->step = (struct line){ .written = set, .caption = "(before the first step)", .name = "-" };
	b->step.begin = b->play->start;
	if (at >= 0) {
		snprintf(b->step.name, sizeof b->step.name, "%d", at + 1);
		b->step.caption = b->steps->step[at].text;
		b->step.begin = MIN(steps_begin(b->steps, (size_t)at, b->play->start), b->play->end);
	}
	b->step.end = step_end(b);
}

static bool anything(const struct line *l)
{
	uint64_t sum = l->errors + l->op[EV_FLUSH].ops;
	for (int i = 0; i < EV_OPS; i++)
		sum += l->op[i].ops;
	return sum;
}

/* Print steps until the one that t lies in is being counted. */
static void turn_page(struct book *b, uint64_t t)
{
	while (b->steps && b->at + 1 < (int)b->steps->n &&
	       steps_begin(b->steps, (size_t)(b->at + 1), b->play->start) <= t) {
		if (b->at >= 0 || anything(&b->step))
			put_line(&b->step);
		begin_step(b, b->at + 1);
	}
}

static void watch(void *arg, const struct event *ev, const struct outcome *out)
{
	struct book *b = arg;

	turn_page(b, ev->time);
	if (!out->ended)
		return;
	if (b->steps)
		count_request(&b->step, &b->play->model.map, out);
	count_request(&b->total, &b->play->model.map, out);
}

int output_summary(struct play *p, const struct look_options *o, struct err *e)
{
	struct book b = { .play = p, .steps = output_steps(p, o), .at = -1 };
	uint64_t now;
	int r = -1;

	if (output_seek(p, o, 0, &now, e) < 0)
		return -1;
	b.total = (struct line){ .name = "total", .caption = "", .begin = p->start, .end = p->end };
	if (!set_init(&b.step.written, p->model.map.blocks) || !set_init(&b.total.written, p->model.map.blocks)) {
		err_set(e, "no memory to count blocks");
		goto done;
	}
	begin_step(&b, -1);
	heading();
	play_rewind(p);
	p->watch = watch;
	p->watch_arg = &b;
	r = play_to(p, p->end, PLAY_ALL, e);
	p->watch = NULL;
	p->watch_arg = NULL;
	turn_page(&b, UINT64_MAX);
	if (b.at >= 0)
		put_line(&b.step);
	put_line(&b.total);
	if (fflush(stdout) || ferror(stdout))
		r = err_set(e, "cannot write to stdout");
done:
	set_free(&b.step.written);
	set_free(&b.total.written);
	return r;
}
