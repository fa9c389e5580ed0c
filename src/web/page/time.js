/* SPDX-License-Identifier: BSD-2-Clause */
/* time: the session as pictures over time: the scrub bar (offsets by time, with marks and flushes), rates, latencies.  The time
 * of a click is where the picture goes. */
import { answers, ask, decodeHeat, OPS } from './data.js';
import { mix, rgbOf } from './paint.js';
import { bytesWords, countShort, digitsFor, durationWords, niceTimeStep, spokenTime, timeWords } from './words.js';
import { changed, filterWords, goTo, on, see } from './see.js';
import { inView, panTime, shownFrom, shownSpan, stretch, takeLength, wholeTime, zoomTime } from './span.js';

export const books = { offset: null, latency: null, series: null, marks: [] }; /* of the disk that is shown */
let close = null; /* the same of a stretch that was zoomed into, when it is all there: { key, from, to, offset ... } */
const bar = document.getElementById('scrub'),
	barCanvas = bar.querySelector('canvas'),
	tip = document.getElementById('scrub-tip');
const charts = [
	{ id: 'chart-ops', of: 'ops', unit: (n) => `${countShort(Math.round(n))}/s`, words: 'Operations per second' },
	{ id: 'chart-bytes', of: 'bytes', unit: (n) => `${bytesWords(n)}/s`, words: 'Bytes per second' },
	{ id: 'chart-depth', of: 'depth', unit: (n) => String(Math.round(n)), words: 'Requests in flight' },
	{ id: 'chart-latency', of: 'latency', unit: durationWords, words: 'Latency' },
].map((c) => ({ ...c, box: document.getElementById(c.id) }));

/* --- asking: one round at a time, again as the session grows --- */

let asking = false,
	askedFor = '',
	notBefore = 0;

export async function tickTime(now) {
	const key = JSON.stringify([see.disk, filterWords()]);
	const old = key !== askedFor || see.length > (books.length || 0) || (books.offset && books.offset.behind);
	if (!asking && old && now >= notBefore) {
		asking = true;
		try {
			const words = { disk: see.disk, ...filterWords() },
				length = see.length;
			const [offset, latency, series, marks] = await Promise.all([
				ask('heat', { ...words, what: 'offset' }),
				ask('heat', { ...words, what: 'latency' }),
				ask('series', words),
				ask('marks', { disk: see.disk }),
			]);
			Object.assign(books, { offset: decodeHeat(offset), latency: decodeHeat(latency), series, marks, length });
			askedFor = key;
			changed('books');
		} catch {
			/* the map tells of a server that is gone */
		}
		notBefore = performance.now() + 1000;
		asking = false;
	}
	tickClose(now);
	if (stale && now >= renewed + RENEW_MS) renew();
	if (dirty) {
		dirty = false;
		drawBar();
		charts.forEach(drawChart);
	}
}

let closeAsking = false,
	closeWanted = '',
	closeNotBefore = 0;

/* The stretch that is shown in bins of its own, once it stands still; an exported page has none. */
async function tickClose(now) {
	const s = answers ? null : stretch(),
		words = s && { disk: see.disk, from: s.from, to: s.to, ...filterWords() },
		key = s ? JSON.stringify(words) : '';
	if (key !== closeWanted) {
		closeWanted = key;
		closeNotBefore = now + 150;
	}
	const grows = close && close.length < Math.min(see.length, close.to);
	if (!s || closeAsking || now < closeNotBefore || (close && close.key === key && !grows)) return;
	closeAsking = true;
	closeNotBefore = now + 1000;
	try {
		const length = see.length,
			offset = decodeHeat(await ask('heat', { ...words, what: 'offset' }));
		if (offset.behind) {
			closeNotBefore = 0; /* it is being read */
		} else {
			const [latency, series] = await Promise.all([ask('heat', { ...words, what: 'latency' }), ask('series', words)]);
			close = { key, from: s.from, to: s.to, offset, latency: decodeHeat(latency), series, length };
			changed('books');
		}
	} catch {
		/* the map tells of a server that is gone */
	}
	closeAsking = false;
}

/* What tells most finely of what is shown. */
const finest = () => (close && close.key === closeWanted ? close : books);

const RENEW_MS = 250; /* the bar of a session that grows is not drawn anew for each picture */
let dirty = true,
	stale = false,
	renewed = 0,
	layers = new Map(); /* what does not change with the moment */

function renew() {
	layers.clear();
	takeLength();
	renewed = performance.now();
	dirty = true;
	stale = false;
}

on('books palette resized disk span', renew);
on('length', () => (stale = true));
on('t hover', () => (dirty = true));
on('marks filter', () => (askedFor = ''));
addEventListener('resize', () => changed('resized'));
const sizes = new ResizeObserver(() => changed('resized'));
for (const canvas of [barCanvas, ...charts.map((c) => c.box.querySelector('canvas'))]) sizes.observe(canvas);

/* --- drawing --- */

function fitCanvas(canvas) {
	const dpr = devicePixelRatio || 1;
	if (layers.has(canvas)) return { w: canvas.width, h: canvas.height, dpr };
	const w = Math.round(canvas.clientWidth * dpr),
		h = Math.round(canvas.clientHeight * dpr);
	if (canvas.width !== w || canvas.height !== h) {
		canvas.width = w;
		canvas.height = h;
	}
	return { w, h, dpr };
}

const images = new WeakMap(); /* of a heat table, the last one made */

function heatImageOf(heat, rows, across) {
	const key = JSON.stringify([rows.length, rows[0], across, see.palette.name]);
	if (images.get(heat)?.key !== key) images.set(heat, { key, image: heatImage(heat, rows, across) });
	return images.get(heat).image;
}

/* Each place has the hue of the class that happened most, stronger the more happened.  rows: for each row of the picture, the
 * rows of the table that it sums; across: so many bins are one column. */
function heatImage(heat, rows, across) {
	const w = Math.ceil(heat.bins / across);
	const image = new ImageData(w, rows.length);
	const names = ['read', 'write', 'trim', 'zero', 'flush'];
	const hues = names.map((c) => rgbOf(c === 'flush' ? see.palette.flush : see.palette.classes[c]));
	const ground = rgbOf(see.palette.untouched);
	const sums = heat.table.map(() => new Float64Array(w * rows.length));
	let most = 1;
	heat.table.forEach((table, c) => {
		rows.forEach((of, y) => {
			for (const row of of) {
				for (let bin = 0; bin < heat.bins; bin++) {
					const n = table[row * heat.bins + bin];
					if (n) most = Math.max(most, (sums[c][y * w + Math.floor(bin / across)] += n));
				}
			}
		});
	});
	for (let i = 0; i < w * rows.length; i++) {
		let best = -1;
		for (let c = 0; c < sums.length; c++) if (sums[c][i] > (best < 0 ? 0 : sums[best][i])) best = c;
		const strength = best < 0 ? 0 : 0.6 + (0.4 * Math.log(1 + sums[best][i])) / Math.log(1 + most);
		image.data.set([...(best < 0 ? ground : mix(ground, hues[best], strength)), 255], 4 * i);
	}
	const canvas = document.createElement('canvas');
	canvas.width = w;
	canvas.height = rows.length;
	canvas.getContext('2d').putImageData(image, 0, 0);
	return { canvas, across, rows: rows.length * rows[0].length }; /* bins in a column; rows of the table in all */
}

/* Neighbours are summed until each is seen: two pixels high, one wide. */
function grouped(n, room, least) {
	const each = Math.max(1, Math.ceil((n * least) / Math.max(room, 1))),
		groups = [];
	for (let i = 0; i < n; i += each) groups.push(Array.from({ length: Math.min(each, n - i) }, (_, k) => i + k));
	return groups;
}

const acrossFor = (heat, w) => Math.max(1, Math.ceil(shownSpan() / heat.bin / Math.max(w, 1)));

function putHeat(c, heat, image, x, y, w, h) {
	c.imageSmoothingEnabled = false;
	c.save();
	c.beginPath();
	c.rect(x, y, w, h);
	c.clip();
	/* the last row may reach beyond the disk, and the last column beyond the newest */
	const rows = heat.rowBytes ? Math.max(1, see.session.disks[see.disk].size / heat.rowBytes) : image.rows;
	const wide = ((heat.bin * image.across * image.canvas.width) / shownSpan()) * w;
	c.drawImage(image.canvas, x + ((heat.start - shownFrom()) / shownSpan()) * w, y, Math.max(1, wide), (h * image.rows) / rows);
	c.restore();
}

/* Is it drawn like that already?  what: all that changes on top of the layer. */
function isDrawn(canvas, what) {
	const layer = layers.get(canvas),
		same = !!layer && layer.drawn === what;
	if (layer) layer.drawn = what;
	return same;
}

function layerOf(canvas, size, draw) {
	if (!layers.has(canvas)) {
		const layer = document.createElement('canvas');
		layer.width = Math.max(1, size.w);
		layer.height = Math.max(1, size.h);
		draw(layer.getContext('2d'));
		layers.set(canvas, layer);
	}
	return layers.get(canvas);
}

function barParts(size) {
	const rem = parseFloat(getComputedStyle(bar).fontSize) * size.dpr;
	return { rem, top: 1.45 * rem, bottom: size.h - 1.5 * rem };
}

function drawBar() {
	const size = fitCanvas(barCanvas),
		c = barCanvas.getContext('2d'),
		p = see.palette;
	if (!p || !size.w) return;
	const pixel = (t) => (inView(t) ? Math.round(2 * xOf(t, size)) : '');
	if (isDrawn(barCanvas, `${pixel(see.t)} ${hover === null ? '' : pixel(hover)} ${see.live ? '' : see.t}`)) return;
	const { rem, top, bottom } = barParts(size);
	c.drawImage(
		layerOf(barCanvas, size, (l) => {
			l.fillStyle = p.paper;
			l.fillRect(0, 0, size.w, size.h);
			l.fillStyle = p.untouched;
			l.fillRect(0, top, size.w, bottom - top);
			const { offset } = finest();
			if (offset)
				putHeat(
					l,
					offset,
					heatImageOf(offset, grouped(offset.rows, bottom - top, 2 * size.dpr), acrossFor(offset, size.w)),
					0,
					top,
					size.w,
					bottom - top,
				);
			drawFlushes(l, size, bottom, rem);
			drawAxis(l, size, bottom, rem);
			drawMarks(l, size, top, bottom, rem);
			drawPart(l, size, rem);
		}),
		0,
		0,
	);
	if (hover !== null) line(c, hover, size, top, bottom, p.faint, 1);
	tellBar();
	if (!inView(see.t)) return;
	line(c, see.t, size, top - 0.2 * rem, bottom, p.ink, 2);
	const x = xOf(see.t, size);
	c.fillStyle = p.ink;
	c.beginPath();
	c.moveTo(x - 0.5 * rem, bottom + 0.55 * rem);
	c.lineTo(x + 0.5 * rem, bottom + 0.55 * rem);
	c.lineTo(x, bottom);
	c.fill();
}

const xOf = (t, size) => Math.max(0, Math.min((t - shownFrom()) / shownSpan(), 1)) * size.w;

/* Which part of the session is shown, when it is not all. */
function drawPart(c, size, rem) {
	if (!stretch()) return;
	const high = Math.max(3 * size.dpr, 0.22 * rem),
		wide = Math.max(6 * size.dpr, (shownSpan() / see.length) * size.w);
	c.fillStyle = see.palette.untouched;
	c.fillRect(0, 0, size.w, high);
	c.fillStyle = see.palette.flush;
	c.fillRect(Math.min((shownFrom() / see.length) * size.w, size.w - wide), 0, wide, high);
}

function line(c, t, size, top, bottom, colour, width) {
	if (!inView(t)) return;
	const w = Math.max(1, Math.round(width * size.dpr)),
		x = Math.min(Math.round(xOf(t, size) - w / 2), size.w - w);
	c.fillStyle = see.palette.paper;
	c.fillRect(x - w, top, 3 * w, bottom - top);
	c.fillStyle = colour;
	c.fillRect(x, top, w, bottom - top);
}

function drawFlushes(c, size, bottom, rem) {
	c.fillStyle = see.palette.flush;
	for (const t of ((finest().series || {}).flushes || []).filter(inView))
		c.fillRect(Math.min(xOf(t, size), size.w - size.dpr), bottom - 0.55 * rem, Math.max(1, size.dpr), 0.55 * rem);
}

function drawAxis(c, size, bottom, rem) {
	const end = shownFrom() + shownSpan(),
		digitsOf = (ns) => (ns < 1e9 ? Math.min(9, Math.ceil(-Math.log10(ns / 1e9) - 1e-9)) : 0);
	let step = niceTimeStep((shownSpan() * 5.5 * rem) / size.w);
	c.font = `${Math.round(0.78 * rem)}px system-ui, sans-serif`;
	const widest = c.measureText(timeWords(end, digitsOf(step))).width + 1.5 * rem;
	step = niceTimeStep(Math.max(step, (shownSpan() * widest) / size.w));
	const digits = digitsOf(step);
	c.textBaseline = 'bottom';
	c.fillStyle = see.palette.faint;
	for (let t = Math.ceil(shownFrom() / step) * step; t <= end; t += step) {
		const words = timeWords(t, digits),
			w = c.measureText(words).width,
			x = xOf(t, size);
		c.fillRect(Math.min(Math.round(x), size.w - size.dpr), bottom, Math.max(1, size.dpr), 0.3 * rem);
		if (x + w / 2 < size.w) c.fillText(words, Math.max(0, x - w / 2), size.h);
	}
}

/* Flags with names, as far as there is room. */
function drawMarks(c, size, top, bottom, rem) {
	c.font = `${Math.round(0.8 * rem)}px system-ui, sans-serif`;
	c.textBaseline = 'middle';
	let taken = 0;
	const marks = books.marks.filter((m) => inView(m.t));
	marks.forEach((m, i) => {
		const x = Math.min(xOf(m.t, size), size.w - size.dpr),
			next = marks[i + 1];
		const room = (next ? xOf(next.t, size) : size.w) - x - 0.5 * rem;
		c.fillStyle = see.palette.faint;
		c.fillRect(Math.round(x), 0.3 * rem, Math.max(1, size.dpr), bottom - 0.3 * rem);
		let words = cutWords(c, m.text, room - 0.4 * rem),
			at = x + 0.4 * rem;
		if (!next && x > size.w / 2 && words !== m.text) {
			/* the last one, near the end: its name is in front of it, when there is more room */
			const front = x - 0.4 * rem - taken;
			words = cutWords(c, m.text, front);
			at = x - 0.4 * rem - c.measureText(words).width;
		}
		taken = at + c.measureText(words).width + 0.6 * rem;
		c.fillStyle = see.palette.ink;
		c.fillText(words, at, top / 2);
	});
}

function cutWords(c, text, room) {
	if (c.measureText(text).width <= room) return text;
	let n = text.length;
	while (n > 1 && c.measureText(text.slice(0, n) + '…').width > room) n--;
	return n > 1 ? text.slice(0, n).trimEnd() + '…' : '';
}

/* --- charts --- */

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

function drawChart(chart) {
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
	line(c, see.t, size, 0, size.h, see.palette.ink, 1.5);
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

/* --- the pointer and the keys --- */

let hover = null;

function timeAt(e, element) {
	const r = element.getBoundingClientRect();
	return shownFrom() + Math.max(0, Math.min((e.clientX - r.left) / r.width, 1)) * shownSpan();
}

for (const element of [bar, ...charts.map((c) => c.box.querySelector('canvas'))]) {
	const fingers = new Map(); /* where they are, in CSS pixels; two of them zoom */
	let down = false;
	element.addEventListener('pointerdown', (e) => {
		if (e.button) return;
		element.setPointerCapture(e.pointerId);
		fingers.set(e.pointerId, e);
		down = fingers.size === 1;
		if (!down) return;
		see.way = 0;
		goTo(timeAt(e, element), { quiet: true });
		changed('motion');
	});
	element.addEventListener('pointermove', (e) => {
		hover = timeAt(e, element);
		if (down) goTo(hover, { quiet: true });
		else if (fingers.size === 2 && fingers.has(e.pointerId)) pinch(fingers, e, element);
		showTip(e, element);
		changed('hover');
	});
	const up = (e) => {
		fingers.delete(e.pointerId);
		if (down) changed('told');
		down = false;
	};
	element.addEventListener('pointerup', up);
	element.addEventListener('pointercancel', up);
	element.addEventListener('pointerleave', () => {
		hover = null;
		tip.hidden = true;
		changed('hover');
	});
}

/* One of two fingers has moved: what was between them stays there. */
function pinch(fingers, e, element) {
	const apart = () => {
		const [a, b] = [...fingers.values()];
		return Math.max(12, Math.abs(a.clientX - b.clientX));
	};
	const middle = () => ({ clientX: [...fingers.values()].reduce((n, f) => n + f.clientX, 0) / 2 });
	const was = apart(),
		at = timeAt(middle(), element);
	fingers.set(e.pointerId, e);
	panTime((at - timeAt(middle(), element)) / shownSpan());
	zoomTime(apart() / was, timeAt(middle(), element));
}

function showTip(e, element) {
	tip.hidden = element !== bar;
	if (tip.hidden) return;
	const mark = markBefore(hover),
		{ top, bottom } = barParts(fitCanvas(barCanvas)),
		r = bar.getBoundingClientRect();
	const k = barCanvas.height / r.height,
		share = ((e.clientY - r.top) * k - top) / (bottom - top);
	const size = see.session.disks[see.disk].size,
		row = (books.offset || {}).rowBytes || size / 64;
	const at = share >= 0 && share < 1 ? ` · near ${bytesWords(Math.floor((share * size) / row) * row)}` : '';
	tip.textContent = timeWords(hover, digitsFor(shownSpan())) + at + (mark ? ` · ${mark.text}` : '');
	tip.style.left = `${Math.max(0, Math.min(e.clientX - r.left - tip.offsetWidth / 2, r.width - tip.offsetWidth))}px`;
}

export function markBefore(t) {
	return books.marks.filter((m) => m.t <= t).pop() || null;
}

bar.addEventListener('keydown', (e) => {
	const far = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[e.key];
	if (far && !e.ctrlKey && !e.altKey && !e.metaKey) {
		e.preventDefault();
		e.stopPropagation();
		see.way = 0;
		goTo(see.t + far * shownSpan() * (e.shiftKey ? 0.1 : 0.01));
		changed('motion');
	}
	const zoom = { i: () => zoomTime(2), o: () => zoomTime(0.5), 0: wholeTime }[e.key.toLowerCase()];
	if (zoom && !e.ctrlKey && !e.altKey && !e.metaKey) {
		e.preventDefault();
		e.stopPropagation();
		zoom();
		changed('told-span');
	}
});

bar.addEventListener(
	'wheel',
	(e) => {
		e.preventDefault();
		const lines = e.deltaMode === 1 ? 30 : e.deltaMode === 2 ? 300 : 1,
			aside = e.shiftKey ? e.deltaX || e.deltaY : e.deltaX;
		if (Math.abs(aside) > Math.abs(e.shiftKey ? 0 : e.deltaY)) panTime((aside * lines) / bar.clientWidth);
		else zoomTime(2 ** ((-e.deltaY * lines * (e.ctrlKey ? 3 : 1)) / 250), timeAt(e, bar));
		hover = timeAt(e, bar);
		showTip(e, bar);
	},
	{ passive: false },
);

function tellBar() {
	const mark = markBefore(see.t),
		s = (ns) => (ns / 1e9).toFixed(3);
	bar.setAttribute('aria-valuemax', s(see.length));
	bar.setAttribute('aria-valuenow', s(see.t));
	bar.setAttribute('aria-valuetext', `${spokenTime(see.t)} of ${spokenTime(see.length)}${mark ? `, ${mark.text}` : ''}`);
}
