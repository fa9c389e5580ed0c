/* SPDX-License-Identifier: BSD-2-Clause */
/* paint: from what a frame says of a unit to its colour.  Pure functions, tables. */

export function rgbOf(hex) {
	const n = parseInt(hex.slice(1), 16);
	return [n >> 16, (n >> 8) & 255, n & 255];
}

/* weight: 0 is a, 1 is b. */
export function mix(a, b, weight) {
	return a.map((v, i) => Math.round(v + (b[i] - v) * weight));
}

const pack = (c) => ((255 << 24) | (c[2] << 16) | (c[1] << 8) | c[0]) >>> 0;

const BASE_OF = [null, 'write', 'trim', 'zero'];
const FLASH_OF = [null, 'read', 'write', 'trim', 'zero', 'error'];
const SHARE = [1, 0.8, 0.62, 0.48]; /* all blocks of the unit, half, an eighth, fewer */

/* The colour of each entry of a frame: index is what | strength << 8.  Little-endian RGBA, as ImageData has it; what lies
 * outside of the disk is transparent.  Classes are never mixed, but for the glow that fades into what stays. */
export function colourTable(palette) {
	const table = new Uint32Array(65536);
	const untouched = rgbOf(palette.untouched),
		ink = rgbOf(palette.ink);
	for (let what = 0; what < 256; what++) {
		const state = what & 7,
			flash = FLASH_OF[(what >> 3) & 7];
		if (state > 3) continue;
		const base = state ? mix(untouched, rgbOf(palette.classes[BASE_OF[state]]), SHARE[what >> 6]) : untouched;
		/* a write on what is written must be seen, too: it glows towards the ink */
		const glow = !flash
			? base
			: flash === BASE_OF[state]
				? mix(rgbOf(palette.classes[flash]), ink, 0.5)
				: rgbOf(palette.classes[flash]);
		for (let strength = 0; strength < 256; strength++)
			table[what | (strength << 8)] = pack(strength ? mix(base, glow, strength / 255) : base);
	}
	return table;
}

/* What one sees of cells that share a pixel: what glows, else what is written, else anything but untouched. */
const telling = (cell) => (cell & 0x38 ? 4 + (cell >> 8) : 0) + [0, 3, 1, 2, 0, 0, 0, 0][cell & 7];

/* Cells that are smaller than pixels, p of one (less than 1): of those that share one, the colour of that which tells most, so that none is
 * lost.  { w, h, pixels }. */
export function shrunk(frame, table, p) {
	const w = Math.max(1, Math.ceil(frame.w * p)),
		h = Math.max(1, Math.ceil(frame.h * p)),
		best = new Int32Array(w * h).fill(-1),
		pixels = new Uint32Array(w * h);
	for (let y = 0, i = 0; y < frame.h; y++)
		for (let x = 0, row = Math.floor(y * p) * w; x < frame.w; x++, i++) {
			const cell = frame.cells[i],
				at = row + Math.floor(x * p),
				tells = telling(cell);
			if (tells > best[at]) {
				best[at] = tells;
				pixels[at] = table[cell];
			}
		}
	return { w, h, pixels };
}

/* The second cue besides colour, for units of some pixels: trims are hatched, zeroes have a dot.  A tile of one unit. */
export function textures(ctx, size, palette) {
	const make = (draw) => {
		const tile = document.createElement('canvas');
		tile.width = tile.height = size;
		const t = tile.getContext('2d');
		t.strokeStyle = t.fillStyle = palette.untouched;
		draw(t);
		return ctx.createPattern(tile, 'repeat');
	};
	return [
		null,
		null,
		make((t) => {
			t.globalAlpha = 0.42;
			t.lineWidth = Math.max(1, size / 6);
			t.beginPath();
			for (const d of [-size, 0, size]) {
				t.moveTo(d - 1, size + 1);
				t.lineTo(d + size + 1, -1);
			}
			t.stroke();
		}),
		make((t) => {
			const dot = Math.max(1, Math.round(size / 4)),
				at = Math.floor((size - dot) / 2);
			t.globalAlpha = 0.5;
			t.fillRect(at, at, dot, dot);
		}),
	];
}

/* The edges between units of different class, as one path for each class: a line belongs to what it surrounds. */
export function outlines(overlay, scale) {
	const paths = new Map(),
		{ w, h, cells } = overlay;
	const path = (c) => {
		if (!paths.has(c)) paths.set(c, new Path2D());
		return paths.get(c);
	};
	const edge = (x0, y0, x1, y1, c) => {
		const p = path(c);
		p.moveTo(x0 * scale, y0 * scale);
		p.lineTo(x1 * scale, y1 * scale);
	};
	for (let y = 0; y <= h; y++) {
		let from = 0,
			owner = 0; /* an edge goes on as long as its owner is the same */
		for (let x = 0; x <= w; x++) {
			const a = x < w && y > 0 ? cells[(y - 1) * w + x] & 255 : 0,
				b = x < w && y < h ? cells[y * w + x] & 255 : 0;
			const now = x < w && a !== b && y > 0 && y < h ? strongest(a, b) : 0;
			if (now !== owner) {
				if (owner) edge(from, y, x, y, owner);
				from = x;
				owner = now;
			}
		}
	}
	for (let x = 1; x < w; x++) {
		let from = 0,
			owner = 0;
		for (let y = 0; y <= h; y++) {
			const a = y < h ? cells[y * w + x - 1] & 255 : 0,
				b = y < h ? cells[y * w + x] & 255 : 0;
			const now = y < h && a !== b ? strongest(a, b) : 0;
			if (now !== owner) {
				if (owner) edge(x, from, x, y, owner);
				from = y;
				owner = now;
			}
		}
	}
	return paths;
}

/* Of two neighbours, the one that is rarer on a disk: its outline is what one wants to see. */
function strongest(a, b) {
	const rank = (c) => (c === 0 ? 0 : c === 8 ? 1 : 2);
	return rank(a) === rank(b) ? Math.min(a, b) : rank(a) > rank(b) ? a : b;
}
