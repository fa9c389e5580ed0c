/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include "base/util.h"
#include "view/pace.h"

#define TIME_BIN (100 * NS_PER_US)
#define BYTES_BIN 4096u

void tally_add(struct tally *t, uint64_t value, uint64_t bin)
{
	t->n[MIN(value / bin, PACE_BINS - 1)]++;
	t->max = MAX(t->max, value);
}

uint64_t tally_percentile(const struct tally *t, unsigned percent, uint64_t bin)
{
	uint64_t all = 0, below = 0;

	for (unsigned i = 0; i < PACE_BINS; i++)
		all += t->n[i];
	for (unsigned i = 0; i < PACE_BINS - 1; i++) {
		below += t->n[i];
		if (all && below * 100 >= all * percent)
			return MIN((i + 1) * bin, t->max);
	}
	return t->max;
}

void pace_frame(struct pace *p, const struct frame *f)
{
	if (p->frames++)
		tally_add(&p->interval, f->shown - p->last, TIME_BIN);
	else
		p->first = f->shown;
	p->last = f->shown;
	tally_add(&p->work, f->work, TIME_BIN);
	tally_add(&p->paint, f->paint, TIME_BIN);
	tally_add(&p->bytes, f->bytes, BYTES_BIN);
	if (f->age)
		tally_add(&p->age, f->age, TIME_BIN);
}

static void print_times(const char *name, const struct tally *t, FILE *to)
{
	fprintf(to, " %s_ms_p50=%.1f %s_ms_p99=%.1f %s_ms_max=%.1f", name,
		(double)tally_percentile(t, 50, TIME_BIN) / NS_PER_MS, name,
		(double)tally_percentile(t, 99, TIME_BIN) / NS_PER_MS, name, (double)t->max / NS_PER_MS);
}

void pace_print(const struct pace *p, FILE *to)
{
	double seconds = (double)(p->last - p->first) / NS_PER_S;

	fprintf(to, "frames=%" PRIu64 " seconds=%.2f fps=%.1f", p->frames, seconds,
		p->frames > 1 ? (double)(p->frames - 1) / seconds : 0);
	print_times("interval", &p->interval, to);
	print_times("work", &p->work, to);
	print_times("paint", &p->paint, to);
	print_times("age", &p->age, to);
	fprintf(to, " behind_bytes_p50=%" PRIu64 " behind_bytes_p99=%" PRIu64 " behind_bytes_max=%" PRIu64 "\n",
		tally_percentile(&p->bytes, 50, BYTES_BIN), tally_percentile(&p->bytes, 99, BYTES_BIN), p->bytes.max);
}
