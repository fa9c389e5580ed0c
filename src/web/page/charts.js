/* SPDX-License-Identifier: BSD-2-Clause */
/* charts: rates, queue depth and latencies over time. */
import { OPS } from './data.js';
import { bytesWords, countShort, durationWords } from './words.js';
import { see } from './see.js';
import { inView, shownFrom, shownSpan } from './span.js';
import { finest } from './books.js';
import { acrossFor, fitCanvas, heatImageOf, isDrawn, layerOf, lineAt, putHeat, xOf } from './timepaint.js';

export const charts = [
	{ id: 'chart-ops', of: 'ops', unit: (n) => `${countShort(Math.round(n))}/s`, words: 'Operations per second' },
	{ id: 'chart-bytes', of: 'bytes', unit: (n) => `${bytesWords(n)}/s`, words: 'Bytes per second' },
	{ id: 'chart-depth', of: 'depth', unit: (n) => String(Math.round(n)), words: 'Requests in flight' },
	{ id: 'chart-latency', of: 'latency', unit: durationWords, words: 'Latency' },
].map((c) => ({ ...c, box: document.getElementById(c.id) }));

const stackOf = { ops: OPS, bytes: ['read', 'write', 'trim', 'zero'] };

/* For each column of the picture, the greatest of its bins. */
function columns(series, values, w, scale) {
	const out = new Float64Array(w);
	values.forEach((v, i) => {
		const at = (n) => Math.floor((((series.start || 0) + n * series.bin - shownFrom()) / shownSpan()) * w),
			a = at(i),
			b = Math.max(a + 1, at(i + 1));
		for (let x = Math.max(0, a); x < b && x < w; x++) out[x] = Math.max(out[x], v * scale);
	});
	return out;
}

export function drawChart(chart) {
	const canvas = chart.box.querySelector('canvas'),
		size = fitCanvas(canvas),
		c = canvas.getContext('2d');
	if (!see.palette || !size.w || !size.h || isDrawn(canvas, inView(see.t) && Math.round(2 * xOf(see.t, size)))) return;
	c.drawImage(
		layerOf(canvas, size, (l) => {
			l.fillStyle = see.palette.untouched;
			l.fillRect(0, 0, size.w, size.h);
			if (chart.of === 'latency') drawLatency(l, size, chart);
			else if (finest().series) drawSeries(l, size, chart);
		}),
		0,
		0,
	);
	lineAt(c, see.t, size, 0, size.h, see.palette.ink, 1.5);
}

function drawSeries(c, size, chart) {
	const s = finest().series,
		scale = chart.of === 'depth' ? 1 : 1e9 / s.bin;
	const stack = chart.of === 'depth' ? [['depth', s.depth]] : stackOf[chart.of].map((op) => [op, s[chart.of][op] || []]);
	const cols = stack.map(([name, values]) => [name, columns(s, values, size.w, scale)]);
	const sums = new Float64Array(size.w);
	for (const [, v] of cols) v.forEach((n, x) => (sums[x] += n));
	const top = sums.reduce((a, b) => Math.max(a, b), 0);
	const base = new Float64Array(size.w).fill(size.h);
	for (const [name, v] of cols) {
		c.fillStyle = name === 'flush' ? see.palette.flush : see.palette.classes[name] || see.palette.faint;
		v.forEach((n, x) => {
			if (!n) return;
			const h = Math.max(size.dpr, (n / top) * size.h * 0.94);
			base[x] -= h;
			c.fillRect(x, base[x], 1, h);
		});
	}
	tellChart(chart, top ? `at most ${chart.unit(top)}` : 'nothing yet');
}

function drawLatency(c, size, chart) {
	const heat = finest().latency,
		used = [];
	if (!heat) return;
	for (let row = 0; row < heat.rows; row++)
		if (heat.table.some((t) => t.subarray(row * heat.bins, (row + 1) * heat.bins).some((n) => n))) used.push(row);
	if (!used.length) {
		tellChart(chart, 'nothing yet');
		return;
	}
	const first = used[0],
		last = used[used.length - 1],
		rows = [];
	for (let row = last; row >= first; row--) rows.push(row);
	putHeat(
		c,
		heat,
		heatImageOf(
			heat,
			rows.map((r) => [r]),
			acrossFor(heat, size.w),
		),
		0,
		0,
		size.w,
		size.h,
	);
	tellChart(chart, `${durationWords(2 ** first)} to ${durationWords(2 ** (last + 1))}`);
}

function tellChart(chart, words) {
	chart.box.querySelector('.chart-most').textContent = words;
	chart.box.querySelector('canvas').setAttribute('aria-label', `${chart.words} over time: ${words}`);
}
