/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/plot.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "view/fmt.h"

static const double inner_w = PLOT_W - PLOT_LEFT - PLOT_RIGHT, inner_h = PLOT_H - PLOT_TOP - PLOT_BOTTOM;

void plot_begin(struct plot *p, struct buf *b, const char *title, const char *unit, const char *const *legend)
{
	*p = (struct plot){ .b = b, .x_max = 1, .y_max = 1 };
	buf_printf(b, "<figure><figcaption><b>%s</b> <span>%s</span>", title, unit);
	for (; legend && *legend; legend++)
		buf_printf(b, "<i class=\"l-%s\">%s</i>", *legend, *legend);
	buf_printf(b, "</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", PLOT_W, PLOT_H, title);
}

void plot_end(struct plot *p)
{
	buf_printf(p->b, "</svg></figure>\n");
}

double plot_x(const struct plot *p, double v)
{
	return PLOT_LEFT + inner_w * MIN(MAX(p->x_max > 0 ? v / p->x_max : 0, 0.0), 1.0);
}

double plot_y(const struct plot *p, double v)
{
	double part = p->y_log ? log(MAX(v, p->y_min) / p->y_min) / log(p->y_max / p->y_min) : (v - p->y_min) / (p->y_max - p->y_min);
	return PLOT_TOP + inner_h * (1 - MIN(MAX(part, 0.0), 1.0));
}

/* --- axes --- */

const char *plot_label_number(char *out, double v)
{
	static const char *const units[] = { "", "k", "M", "G", "T" };
	unsigned u = 0;
	for (; v >= 1000 && u + 1 < ARRAY_LEN(units); u++)
		v /= 1000;
	snprintf(out, FMT_ROOM, "%.3g%s", v, units[u]);
	return out;
}

const char *plot_label_bytes(char *out, double v)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned u = 0;
	for (; v >= 1024 && u + 1 < ARRAY_LEN(units); u++)
		v /= 1024;
	snprintf(out, FMT_ROOM, "%.4g %s", v, units[u]);
	return out;
}

const char *plot_label_percent(char *out, double v)
{
	snprintf(out, FMT_ROOM, "%.3g %%", v);
	return out;
}

/* The next of 1, 2, 5, 10 ... that is not below v. */
static double round_up(double v)
{
	double ten = pow(10, floor(log10(v)));
	return v <= ten ? ten : v <= 2 * ten ? 2 * ten : v <= 5 * ten ? 5 * ten : 10 * ten;
}

/* A round step that cuts max into want parts or fewer, in units of a power of base (1000, or 1024 for bytes). */
static double round_step(double max, unsigned want, double base)
{
	double unit = 1;
	while (base > 1000 && max / unit >= base)
		unit *= base;
	return round_up(max / unit / want) * unit;
}

static void grid_y(struct plot *p, double v, const char *label)
{
	double y = plot_y(p, v);
	buf_printf(p->b, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"ty\" x=\"%d\" y=\"%.1f\">%s</text>\n", PLOT_LEFT, y,
		   PLOT_W - PLOT_RIGHT, PLOT_LEFT - 5, y + 4, label);
}

void plot_y_axis(struct plot *p, plot_label *label, double base)
{
	char text[FMT_ROOM];
	double max = p->y_max > 0 && isfinite(p->y_max) ? p->y_max : 1, step = round_step(max, 4, base);
	p->y_max = ceil(max / step - 1e-9) * step;
	for (unsigned i = 0; i * step <= p->y_max * 1.0001; i++)
		grid_y(p, i * step, label(text, i * step));
}

static const char *label_ns(char *out, double ns)
{
	static const char *const units[] = { "ns", "µs", "ms", "s" };
	unsigned u = 0;
	for (; ns >= 1000 && u + 1 < ARRAY_LEN(units); u++)
		ns /= 1000;
	snprintf(out, FMT_ROOM, "%.4g %s", ns, units[u]);
	return out;
}

/* y_min and y_max become powers of ten around what they were. */
void plot_y_log_axis(struct plot *p)
{
	char text[FMT_ROOM];
	p->y_log = true;
	p->y_min = pow(10, floor(log10(MAX(p->y_min, 1.0))));
	p->y_max = pow(10, ceil(log10(MAX(p->y_max, p->y_min * 10)) - 1e-9));
	int first = (int)lround(log10(p->y_min)), last = (int)lround(log10(p->y_max));
	for (int decade = first; decade <= last; decade++)
		grid_y(p, pow(10, decade), label_ns(text, pow(10, decade)));
}

static void tick_x(const struct plot *p, double v, const char *label, bool last)
{
	double x = plot_x(p, v);
	const char *anchor = x > PLOT_W - PLOT_RIGHT - 18 || last ? " class=\"tx end\"" : " class=\"tx\"";
	buf_printf(p->b, "<path class=\"grid\" d=\"M%.1f %dv%d\"/><text%s x=\"%.1f\" y=\"%d\">%s</text>\n", x, PLOT_H - PLOT_BOTTOM, 4,
		   anchor, x, PLOT_H - PLOT_BOTTOM + 17, label);
}

void plot_x_time(struct plot *p, uint64_t ns)
{
	static const double above[] = { 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600, 86400 };
	char text[FMT_ROOM];
	double max = (double)MAX(ns, 1u), step = round_up(max / 6);
	if (step >= 1e10)
		for (unsigned i = 0; i < ARRAY_LEN(above); i++)
			if (max / (above[i] * 1e9) <= 6) {
				step = above[i] * 1e9;
				break;
			}
	p->x_max = max;
	for (unsigned i = 0; i * step <= max && i < 20; i++)
		tick_x(p, i * step, step >= 1e10 ? fmt_tick(text, (uint64_t)(i * step)) : i ? label_ns(text, i * step) : "0", false);
}

void plot_x_bytes(struct plot *p, uint64_t bytes)
{
	char text[FMT_ROOM];
	double max = (double)MAX(bytes, 1u), step = 1;
	while (max / step > 5)
		step *= 2;
	p->x_max = max;
	for (unsigned i = 0; i * step <= max; i++)
		tick_x(p, i * step, i ? plot_label_bytes(text, i * step) : "0", false);
}

/* --- what is drawn --- */

void plot_steps(struct plot *p, const char *class, const double *v, unsigned n, double width, bool area)
{
	for (unsigned pass = area ? 0 : 1; pass < 2; pass++) {
		buf_printf(p->b, "<path class=\"%s-%s\" d=\"M%.1f %.1f", pass ? "s" : "a", class, plot_x(p, 0),
			   plot_y(p, pass && n ? v[0] : p->y_min));
		for (unsigned i = 0; i < n; i++)
			buf_printf(p->b, "V%.1fH%.1f", plot_y(p, v[i]), plot_x(p, (i + 1) * width));
		buf_printf(p->b, pass ? "\"/>\n" : "V%.1fZ\"/>\n", plot_y(p, p->y_min));
	}
}

void plot_bars(struct plot *p, const char *const *classes, const double *const *series, unsigned count, unsigned n,
	       const struct plot_name *names, plot_label *label)
{
	double room = inner_w / MAX(n, 1u), bar = MIN(room * 0.8, 60.0) / count;
	unsigned longest = 1;
	char text[FMT_ROOM];

	for (unsigned i = 0; i < n; i++)
		longest = MAX(longest, (unsigned)strlen(names[i].text)); /* bytes: at least as many as characters */
	unsigned every = (unsigned)ceil((longest * 6.6 + 8) / room);
	for (unsigned i = 0; i < n; i++) {
		double left = PLOT_LEFT + room * (i + 0.5) - bar * count / 2;
		for (unsigned k = 0; k < count; k++) {
			double y = plot_y(p, series[k][i]);
			if (series[k][i] > 0)
				buf_printf(
					p->b,
					"<rect class=\"b-%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
					"<title>%s: %s</title></rect>\n",
					classes[k], left + bar * k, MIN(y, PLOT_H - PLOT_BOTTOM - 1.0), bar - (bar > 4),
					MAX(PLOT_H - PLOT_BOTTOM - y, 1.0), names[i].text, label(text, series[k][i]));
		}
		if (i % every == 0)
			buf_printf(p->b, "<text class=\"tx\" x=\"%.1f\" y=\"%d\">%s</text>\n", PLOT_LEFT + room * (i + 0.5),
				   PLOT_H - PLOT_BOTTOM + 17, names[i].text);
	}
	buf_printf(p->b, "<path class=\"grid\" d=\"M%d %dH%d\"/>\n", PLOT_LEFT, PLOT_H - PLOT_BOTTOM, PLOT_W - PLOT_RIGHT);
}
