/* SPDX-License-Identifier: BSD-2-Clause */
/* timepaint: what all pictures over time are painted with: a layer that stays while only the moment moves, heat, where a moment lies. */
import { mix, rgbOf } from './paint.js';
import { see } from './see.js';
import { inView, shownFrom, shownSpan } from './span.js';

const layers = new Map(); /* of a canvas: what does not change with the moment */

export function clearLayers() {
	layers.clear();
}

export function fitCanvas(canvas) {
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

export function heatImageOf(heat, rows, across) {
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
export function grouped(n, room, least) {
	const each = Math.max(1, Math.ceil((n * least) / Math.max(room, 1))),
		groups = [];
	for (let i = 0; i < n; i += each) groups.push(Array.from({ length: Math.min(each, n - i) }, (_, k) => i + k));
	return groups;
}

export const acrossFor = (heat, w) => Math.max(1, Math.ceil(shownSpan() / heat.bin / Math.max(w, 1)));

export function putHeat(c, heat, image, x, y, w, h) {
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
export function isDrawn(canvas, what) {
	const layer = layers.get(canvas),
		same = !!layer && layer.drawn === what;
	if (layer) layer.drawn = what;
	return same;
}

export function layerOf(canvas, size, draw) {
	if (!layers.has(canvas)) {
		const layer = document.createElement('canvas');
		layer.width = Math.max(1, size.w);
		layer.height = Math.max(1, size.h);
		draw(layer.getContext('2d'));
		layers.set(canvas, layer);
	}
	return layers.get(canvas);
}

/* Device pixels from the left. */
export const xOf = (t, size) => Math.max(0, Math.min((t - shownFrom()) / shownSpan(), 1)) * size.w;

/* At a moment, from top to bottom. */
export function lineAt(c, t, size, top, bottom, colour, width) {
	if (!inView(t)) return;
	const w = Math.max(1, Math.round(width * size.dpr)),
		x = Math.min(Math.round(xOf(t, size) - w / 2), size.w - w);
	c.fillStyle = see.palette.paper;
	c.fillRect(x - w, top, 3 * w, bottom - top);
	c.fillStyle = colour;
	c.fillRect(x, top, w, bottom - top);
}
