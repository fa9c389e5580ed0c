/* SPDX-License-Identifier: BSD-2-Clause */
/* time: the scrub bar: offsets by time, with marks and flushes; and when the pictures over time are drawn.  The time of a click is where
 * the picture goes. */
import { bytesWords, digitsFor, niceTimeStep, spokenTime, timeWords } from './words.js';
import { changed, goTo, on, see } from './see.js';
import { inView, panTime, shownFrom, shownSpan, stretch, takeLength, wholeTime, zoomTime } from './span.js';
import { books, finest, markBefore, tickBooks } from './books.js';
import { charts, drawChart } from './charts.js';
import { acrossFor, clearLayers, fitCanvas, grouped, heatImageOf, isDrawn, layerOf, lineAt, putHeat, xOf } from './timepaint.js';

const bar = document.getElementById('scrub'),
	barCanvas = bar.querySelector('canvas'),
	tip = document.getElementById('scrub-tip');

const RENEW_MS = 250; /* the bar of a session that grows is not drawn anew for each picture */
let dirty = true,
	stale = false,
	renewed = 0;

function renew() {
	clearLayers();
	takeLength();
	renewed = performance.now();
	dirty = true;
	stale = false;
}

on('books palette resized disk span', renew);
on('length', () => (stale = true));
on('t hover', () => (dirty = true));
addEventListener('resize', () => changed('resized'));
const sizes = new ResizeObserver(() => changed('resized'));
for (const canvas of [barCanvas, ...charts.map((c) => c.box.querySelector('canvas'))]) sizes.observe(canvas);

export function tickTime(now) {
	tickBooks(now);
	if (stale && now >= renewed + RENEW_MS) renew();
	if (dirty) {
		dirty = false;
		drawBar();
		charts.forEach(drawChart);
	}
}

/* --- drawing --- */

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
	if (hover !== null) lineAt(c, hover, size, top, bottom, p.faint, 1);
	tellBar();
	if (!inView(see.t)) return;
	lineAt(c, see.t, size, top - 0.2 * rem, bottom, p.ink, 2);
	const x = xOf(see.t, size);
	c.fillStyle = p.ink;
	c.beginPath();
	c.moveTo(x - 0.5 * rem, bottom + 0.55 * rem);
	c.lineTo(x + 0.5 * rem, bottom + 0.55 * rem);
	c.lineTo(x, bottom);
	c.fill();
}

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
