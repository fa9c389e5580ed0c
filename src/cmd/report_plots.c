/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/report_plots.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "cmd/plot.h"
#include "view/fmt.h"

enum { POINTS = 160, HEAT_LEVELS = 6, DISK_COLUMNS = 160 };

/* --- over time --- */

/* Where steps begin: a line each, numbered where there is room. */
static void put_marks(struct plot *p, const struct stats *st)
{
	double last = -100;
	for (unsigned i = 0; st && i < st->steps; i++) {
		double x = plot_x(p, (double)(st->step[i]->begin - st->start));
		buf_printf(p->b, "<path class=\"mark\" d=\"M%.1f %dV%d\"/>", x, PLOT_TOP - 2, PLOT_H - PLOT_BOTTOM);
		if (x - last >= 14)
			buf_printf(p->b, "<text class=\"tm\" x=\"%.1f\" y=\"%d\">%u</text>", x + 2, PLOT_TOP - 3, i + 1);
		last = x - last >= 14 ? x : last;
	}
	buf_printf(p->b, "\n");
}

/* Bins joined to POINTS of them or fewer, as numbers a second; the last, which may be narrow, is as wide as what is left of time, and
 * joined with the one before when that is less than half.  Returns how many. */
static unsigned rates(const struct section *s, unsigned op, bool bytes, double *out, double *width)
{
	unsigned n = section_bins(s), join = (n + POINTS - 1) / POINTS, points = 0;
	double length = (double)(s->end - s->begin);

	*width = (double)join * (double)s->bin_ns;
	for (unsigned i = 0; i < n; i += join, points++) {
		double sum = 0, wide = MIN(*width, length - points * *width);
		for (unsigned k = i; k < i + join && k < n; k++)
			sum += (double)(bytes ? s->bin[k].bytes[op] : s->bin[k].ops[op]);
		if (wide < *width / 2 && points) {
			out[points - 1] = (out[points - 1] * *width / 1e9 + sum) / ((*width + MAX(wide, 0.0)) / 1e9);
			out[points] = out[points - 1];
		} else {
			out[points] = wide > 0 ? sum / (wide / 1e9) : 0;
		}
	}
	return points;
}

static double largest(const double *v, unsigned n, double so_far)
{
	for (unsigned i = 0; i < n; i++)
		so_far = MAX(so_far, v[i]);
	return so_far;
}

static void put_rates(struct buf *b, const struct section *s, const struct stats *marks, bool bytes)
{
	static double v[REC_OPS][SECTION_BINS];
	const char *legend[REC_OPS + 1] = { 0 };
	unsigned ops[REC_OPS], count = 0, n = 0;
	double width = 1, max = 0;
	struct plot p;

	for (unsigned op = 0; op < REC_OPS; op++) {
		if (!s->op[op].ops || (bytes && (op == REC_FLUSH || op == REC_EXTENTS || op == REC_CACHE)))
			continue;
		n = rates(s, op, bytes, v[op], &width);
		max = largest(v[op], n, max);
		legend[count] = stats_op_names[op];
		ops[count++] = op;
	}
	if (!count || s->end == s->begin)
		return;
	plot_begin(&p, b, bytes ? "Throughput" : "Requests", bytes ? "bytes a second" : "answered a second", legend);
	p.y_max = max;
	plot_y_axis(&p, bytes ? plot_label_bytes : plot_label_number, bytes ? 1024 : 1000);
	plot_x_time(&p, s->end - s->begin);
	put_marks(&p, marks);
	for (unsigned i = 0; i < count; i++)
		plot_steps(&p, legend[i], v[ops[i]], n, width, ops[i] == REC_READ || ops[i] == REC_WRITE);
	plot_end(&p);
}

static void put_depth(struct buf *b, const struct section *s, const struct stats *marks)
{
	static const char *const legend[] = { "mean", "most", NULL };
	unsigned n = section_bins(s), join = (n + POINTS - 1) / POINTS, points = 0;
	double mean[SECTION_BINS], most[SECTION_BINS], max = 1;
	struct plot p;

	if (!s->depth.n || !s->depth.max)
		return;
	for (unsigned i = 0; i < n; i += join, points++) {
		double wide = MIN((double)join * (double)s->bin_ns, (double)(s->end - s->begin) - i * (double)s->bin_ns);
		mean[points] = most[points] = 0;
		for (unsigned k = i; k < i + join && k < n; k++) {
			mean[points] += wide > 0 ? s->bin[k].depth_area / wide : 0;
			most[points] = MAX(most[points], (double)s->bin[k].depth_max);
		}
		max = MAX(max, most[points]);
	}
	plot_begin(&p, b, "Queue depth", "requests in flight", legend);
	p.y_max = max;
	plot_y_axis(&p, plot_label_number, 1000);
	plot_x_time(&p, s->end - s->begin);
	put_marks(&p, marks);
	plot_steps(&p, "most", most, points, join * (double)s->bin_ns, false);
	plot_steps(&p, "mean", mean, points, join * (double)s->bin_ns, true);
	plot_end(&p);
}

void plots_over_time(struct buf *b, const struct section *s, const struct stats *marks)
{
	put_rates(b, s, marks, true);
	put_rates(b, s, marks, false);
	put_depth(b, s, marks);
}

/* --- latency --- */

/* From the median of each to where only one request in 10,000 is slower. */
static void put_percentiles(struct buf *b, const struct section *s)
{
	static const char *const ticks[] = { "0", "90 %", "99 %", "99.9 %", "99.99 %" };
	const char *legend[REC_OPS + 1] = { 0 };
	unsigned count = 0;
	struct plot p;
	double min = 1e18, max = 1;

	for (unsigned op = 0; op < REC_OPS; op++)
		if (s->op[op].latency.n) {
			legend[count++] = stats_op_names[op];
			min = MIN(min, (double)s->op[op].latency.min);
			max = MAX(max, (double)s->op[op].latency.max);
		}
	if (!count)
		return;
	plot_begin(&p, b, "Latency", "not exceeded by this share of requests", legend);
	p.y_min = MAX(min, 100.0);
	p.y_max = max;
	p.x_max = 4.2;
	plot_y_log_axis(&p);
	for (unsigned i = 0; i < ARRAY_LEN(ticks); i++)
		buf_printf(b, "<path class=\"grid\" d=\"M%.1f %dV%d\"/><text class=\"tx\" x=\"%.1f\" y=\"%d\">%s</text>\n", plot_x(&p, i),
			   PLOT_TOP, PLOT_H - PLOT_BOTTOM + 4, plot_x(&p, i), PLOT_H - PLOT_BOTTOM + 17, ticks[i]);
	for (unsigned op = 0; op < REC_OPS; op++) {
		const struct hist *h = &s->op[op].latency;
		if (!h->n)
			continue;
		double last = MIN(log10((double)h->n), 4.0);
		buf_printf(b, "<path class=\"s-%s\" d=\"M%.1f %.1f", stats_op_names[op], plot_x(&p, 0), plot_y(&p, (double)h->min));
		for (unsigned i = 1; i / 10.0 <= last; i++) {
			unsigned q = (unsigned)lround(10000 * (1 - pow(10, -(i / 10.0))));
			buf_printf(b, "L%.1f %.1f", plot_x(&p, i / 10.0), plot_y(&p, (double)hist_percentile(h, q)));
		}
		buf_printf(b, "\"/><circle class=\"b-%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>slowest</title></circle>\n",
			   stats_op_names[op], plot_x(&p, MIN(last + 0.1, 4.2)), plot_y(&p, (double)h->max));
	}
	plot_end(&p);
}

static void heat_cells(struct plot *p, const struct section *s, unsigned op, unsigned level, double most, unsigned top)
{
	double width = 4.0 * (double)s->bin_ns;
	for (unsigned col = 0; col < SECTION_COLS; col++)
		for (unsigned row = 0; row < top; row++) {
			uint32_t n = s->heat[op][col][row];
			if (!n || (unsigned)(log(n) / MAX(log(most), 1e-9) * (HEAT_LEVELS - 1) + 0.5) != level)
				continue;
			double x = plot_x(p, col * width), y = plot_y(p, MAX((double)section_row_ns(row + 1), p->y_min));
			double low = plot_y(p, MAX((double)section_row_ns(row), p->y_min));
			buf_printf(p->b, "M%.1f %.1fH%.1fV%.1fH%.1fZ", x, y, plot_x(p, (col + 1) * width), low, x);
		}
}

static void put_heat(struct buf *b, const struct section *s, unsigned op, const struct stats *marks)
{
	unsigned top = 1, bottom = SECTION_ROWS;
	uint32_t most = 1;
	char title[64], unit[64];
	struct plot p;

	for (unsigned col = 0; col < SECTION_COLS; col++)
		for (unsigned row = 0; row < SECTION_ROWS; row++)
			if (s->heat[op][col][row]) {
				top = MAX(top, row + 1);
				bottom = MIN(bottom, row);
				most = MAX(most, s->heat[op][col][row]);
			}
	if (!s->op[op].latency.n || s->end == s->begin)
		return;
	snprintf(title, sizeof title, "Latency of each %s", stats_op_names[op]);
	snprintf(unit, sizeof unit, "over time; strongest: %" PRIu32 " requests", most);
	plot_begin(&p, b, title, unit, NULL);
	p.y_min = MAX((double)section_row_ns(bottom), 100.0);
	p.y_max = (double)section_row_ns(top);
	plot_y_log_axis(&p);
	plot_x_time(&p, s->end - s->begin);
	put_marks(&p, marks);
	for (unsigned level = 0; level < HEAT_LEVELS; level++) {
		buf_printf(b, "<path class=\"b-%s h%u\" d=\"", stats_op_names[op], level);
		heat_cells(&p, s, op, level, most, top);
		buf_printf(b, "\"/>\n");
	}
	plot_end(&p);
}

void plots_latency(struct buf *b, const struct section *s, const struct stats *marks)
{
	put_percentiles(b, s);
	for (unsigned op = 0; op < REC_OPS; op++)
		put_heat(b, s, op, marks);
}

/* --- shape --- */

static const char *const read_write[] = { "read", "write", NULL };

/* Shares of reads and of writes in places first to last of two rows. */
static void put_shares(struct buf *b, const struct section *s, const char *title, const char *unit, bool sizes)
{
	double share[2][SECTION_SIZES] = { 0 }, *series[2], max = 0;
	struct plot_name names[SECTION_SIZES];
	unsigned n = sizes ? SECTION_SIZES : SECTION_ALIGNS, first = n, end = 0, count = 0;
	const char *legend[3] = { 0 };
	struct plot p;

	for (unsigned w = 0; w < 2; w++) {
		const struct op_stats *st = &s->op[w];
		for (unsigned i = 0; st->ops && i < n; i++) {
			uint64_t v = sizes ? st->size[i] : st->align[i];
			share[count][i] = 100.0 * (double)v / (double)st->ops;
			first = v ? MIN(first, i) : first;
			end = v ? MAX(end, i + 1) : end;
		}
		if (st->ops)
			legend[count++] = read_write[w];
	}
	if (!count || end <= first)
		return;
	for (unsigned i = first; i < end; i++) {
		char text[FMT_ROOM];
		fmt_short(text, sizes ? 1ull << i : section_align(i));
		snprintf(names[i].text, sizeof names[i].text, "%.8s%s", text, !sizes && i == SECTION_ALIGNS - 1 ? "+" : "");
	}
	for (unsigned k = 0; k < count; k++) {
		max = largest(share[k], n, max);
		series[k] = share[k] + first;
	}
	plot_begin(&p, b, title, unit, legend);
	p.y_max = max;
	plot_y_axis(&p, plot_label_percent, 1000);
	plot_bars(&p, legend, (const double *const *)series, count, end - first, names + first, plot_label_percent);
	plot_end(&p);
}

static void put_order(struct buf *b, const struct section *s)
{
	if (!s->op[REC_READ].ops && !s->op[REC_WRITE].ops)
		return;
	buf_printf(b, "<figure><figcaption><b>Sequential</b> <span>share of requests, and of bytes; the rest is random</span></figcaption>"
		      "\n<div class=\"order\">");
	for (unsigned op = REC_READ; op <= REC_WRITE; op++) {
		const struct op_stats *st = &s->op[op];
		if (!st->ops)
			continue;
		double ops = 100.0 * (double)st->seq_ops / (double)st->ops;
		double bytes = st->bytes ? 100.0 * (double)st->seq_bytes / (double)st->bytes : 0;
		buf_printf(b, "<span>%s requests</span><div><b class=\"b-%s\" style=\"width:%.2f%%\"></b></div><em>%.1f %%</em>"
			      "<span>%s bytes</span><div><b class=\"b-%s\" style=\"width:%.2f%%\"></b></div><em>%.1f %%</em>\n",
			   stats_op_names[op], stats_op_names[op], ops, ops, stats_op_names[op], stats_op_names[op], bytes, bytes);
	}
	buf_printf(b, "</div></figure>\n");
}

void plots_shape(struct buf *b, const struct section *s)
{
	put_shares(b, s, "Sizes", "from this on, below the next; share of requests", true);
	put_shares(b, s, "Alignment", "largest that offset and length are multiples of", false);
	put_order(b, s);
}

/* --- histograms by powers of two --- */

typedef void octave_label(char out[16], unsigned octave);

static void put_octaves(struct buf *b, const struct hist *h, const char *title, const char *unit, const char *class, octave_label *name)
{
	uint64_t n[HIST_OCTAVES];
	double share[HIST_OCTAVES];
	struct plot_name names[HIST_OCTAVES];
	const double *series[] = { share };
	unsigned first = HIST_OCTAVES, end = 0;
	struct plot p;

	hist_octaves(h, n);
	for (unsigned i = 0; i < HIST_OCTAVES; i++)
		if (n[i]) {
			first = MIN(first, i);
			end = i + 1;
		}
	if (first >= end)
		return;
	for (unsigned i = first; i < end; i++) {
		share[i - first] = 100.0 * (double)n[i] / (double)h->n;
		name(names[i - first].text, i);
	}
	plot_begin(&p, b, title, unit, NULL);
	p.y_max = largest(share, end - first, 0);
	plot_y_axis(&p, plot_label_percent, 1000);
	plot_bars(&p, &class, series, 1, end - first, names, plot_label_percent);
	plot_end(&p);
}

static uint64_t octave_from(unsigned i) { return i ? 1ull << (i - 1) : 0; }

static void label_depth(char out[16], unsigned i)
{
	if (i < 2)
		snprintf(out, 16, "%u", i);
	else
		snprintf(out, 16, "%" PRIu64 "–%" PRIu64, octave_from(i) % 1000000, (2 * octave_from(i) - 1) % 1000000);
}

static void label_time(char out[16], unsigned i)
{
	static const char *const units[] = { "ns", "µs", "ms", "s" };
	double v = (double)octave_from(i);
	unsigned u = 0;
	for (; v >= 1000 && u + 1 < ARRAY_LEN(units); u++)
		v /= 1000;
	snprintf(out, 16, "%.3g %s", v, units[u]);
}

static void label_size(char out[16], unsigned i)
{
	char text[FMT_ROOM];
	snprintf(out, 16, "%.8s", fmt_short(text, octave_from(i)));
}

void plots_depth(struct buf *b, const struct section *s)
{
	if (s->depth.max)
		put_octaves(b, &s->depth, "Queue depth", "requests in flight; share of time", "depth", label_depth);
}

void plots_flushes(struct buf *b, const struct section *s)
{
	put_octaves(b, &s->flush_gap, "Between flushes", "from this time on, below the next; share of flushes", "flush", label_time);
	put_octaves(b, &s->flush_bytes, "Written between flushes", "from this many bytes on; share of flushes", "write", label_size);
}

/* --- the disk --- */

void plots_disk(struct buf *b, const struct section *s)
{
	unsigned n = section_regions(s), join = (n + DISK_COLUMNS - 1) / DISK_COLUMNS;
	double v[2][SECTION_REGIONS], max = 0;
	unsigned columns = 0;
	struct plot p;

	if (!n)
		return;
	for (unsigned i = 0; i < n; i += join, columns++) {
		for (unsigned k = 0; k < 2; k++)
			v[k][columns] = 0;
		for (unsigned r = i; r < i + join && r < n; r++)
			for (unsigned k = 0; k < 2; k++)
				v[k][columns] += (double)s->region[r].bytes[k];
		max = MAX(max, v[0][columns]);
		max = MAX(max, v[1][columns]);
	}
	plot_begin(&p, b, "Where on the disk", "bytes, by offset", read_write);
	p.y_max = max;
	plot_y_axis(&p, plot_label_bytes, 1024);
	plot_x_bytes(&p, n * s->region_size);
	for (unsigned k = 0; k < 2; k++)
		if (s->op[k].bytes)
			plot_steps(&p, read_write[k], v[k], columns, join * (double)s->region_size, true);
	plot_end(&p);
}
