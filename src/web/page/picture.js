/* SPDX-License-Identifier: BSD-2-Clause */
/* picture: one disk's map on its canvas: which part of it is seen and how large, and how the newest answer is painted.  What there is to
 * paint comes from map.js. */
import { curveSide, STRUCTURES } from './data.js';
import { colourTable, outlines, shrunk, textures } from './paint.js';
import { bytesShort } from './words.js';
import { changed, see } from './see.js';

const UNIT_MIN = 4; /* device pixels: a unit is cut further when its parts have as many */
const ZOOM_MAX = 96; /* device pixels of the smallest unit, greatest */

export class MapPicture {
	constructor(index, canvas) {
		this.index = index;
		this.disk = see.session.disks[index];
		this.canvas = canvas;
		this.ctx = canvas.getContext('2d');
		this.cols = this.disk.cols;
		this.cursor = null; /* { x, y } in cells, may be fractions */
		this.pinned = null; /* the same */
		this.box = null; /* a region that is being drawn: [x, y, w, h] in cells */
		this.gutter = 0; /* device pixels left of the map */
		this.line = 1; /* device pixels of a line that is seen as well on a projector as on a phone */
		this.view = null; /* { s: device pixels of a cell, x, y: in cells, of the upper left corner } */
		this.off = document.createElement('canvas');
		this.frame = null;
		this.structure = null;
		this.dirty = true;
		this.stats = { answers: 0, draws: 0, lag: [] };
	}

	/* --- geometry --- */

	/* Cells across and down. */
	grid() {
		if (see.order === 'row') return { w: this.cols, h: Math.max(1, Math.ceil(this.disk.cells / this.cols)) };
		const side = curveSide(this.disk.cells);
		return { w: side * Math.max(1, Math.ceil(this.disk.cells / (side * side))), h: side };
	}

	resize(width, height, gutter, scale) {
		this.canvas.width = width;
		this.canvas.height = height;
		this.ruler = null;
		const fitted = !this.view || this.view.s <= this.fit;
		this.gutter = gutter;
		this.fit = scale;
		this.line = (parseFloat(getComputedStyle(document.documentElement).fontSize) / 15) * (devicePixelRatio || 1);
		if (fitted) this.view = { s: scale, x: 0, y: 0 };
		this.keepInside();
		this.dirty = true;
	}

	/* How deep the units in view are cut; units in a cell, along one side. */
	depth() {
		return Math.max(0, Math.min(this.disk.zoom, Math.floor(Math.log2(this.view.s / UNIT_MIN))));
	}

	units() {
		return 2 ** this.depth();
	}

	zoomed() {
		return this.view.s > this.fit * 1.001;
	}

	keepInside() {
		const v = this.view,
			g = this.grid();
		v.s = Math.max(this.fit, Math.min(v.s, Math.max(ZOOM_MAX, this.fit) * 2 ** this.disk.zoom));
		const w = (this.canvas.width - this.gutter) / v.s,
			h = this.canvas.height / v.s;
		v.x = Math.max(0, Math.min(v.x, g.w - w));
		v.y = Math.max(0, Math.min(v.y, g.h - h));
	}

	/* A place of the canvas, in CSS pixels, to cells. */
	cellAt(x, y) {
		const k = this.canvas.width / Math.max(1, this.canvas.clientWidth);
		return { x: this.view.x + (x * k - this.gutter) / this.view.s, y: this.view.y + (y * k) / this.view.s };
	}

	/* The unit of a place; null: not on the map. */
	unitAt(place) {
		const u = this.units(),
			g = this.grid();
		if (!place || place.x < 0 || place.y < 0 || place.x >= g.w || place.y >= g.h) return null;
		return { x: Math.floor(place.x * u), y: Math.floor(place.y * u) };
	}

	zoomBy(factor, at = null) {
		const v = this.view;
		at = at || this.cursor || this.cellAt(this.canvas.clientWidth / 2, this.canvas.clientHeight / 2);
		const before = v.s;
		v.s *= factor;
		if (v.s < this.fit) v.s = this.fit;
		this.keepInside();
		const k = before / v.s; /* what lies below the pointer stays there */
		v.x = at.x - (at.x - v.x) * k;
		v.y = at.y - (at.y - v.y) * k;
		this.keepInside();
		this.moved();
	}

	panBy(cells, down) {
		this.view.x += cells;
		this.view.y += down;
		this.keepInside();
		this.moved();
	}

	fitAll() {
		this.view = { s: this.fit, x: 0, y: 0 };
		this.moved();
	}

	moved() {
		this.dirty = true;
		changed('view');
	}

	/* The view follows the cursor. */
	reveal(place) {
		const v = this.view,
			w = (this.canvas.width - this.gutter) / v.s,
			h = this.canvas.height / v.s,
			step = 1 / this.units();
		if (place.x < v.x || place.x + step > v.x + w) v.x = place.x - w / 2;
		if (place.y < v.y || place.y + step > v.y + h) v.y = place.y - h / 2;
		this.keepInside();
		this.dirty = true;
	}

	/* --- drawing --- */

	setPalette(palette) {
		this.palette = palette;
		this.table = colourTable(palette);
		this.tiles = null;
		this.layer = null;
		this.ruler = null;
		this.fresh = this.dirty = true;
	}

	/* The frame's cells as pixels, one for each. */
	paintCells() {
		const f = this.frame;
		this.fresh = false;
		if (!this.image || this.image.width !== f.w || this.image.height !== f.h) {
			this.image = new ImageData(f.w, f.h);
			this.pixels = new Uint32Array(this.image.data.buffer);
			this.off.width = f.w;
			this.off.height = f.h;
			this.offCtx = this.off.getContext('2d');
		}
		const { pixels, table } = this,
			cells = f.cells;
		for (let i = 0; i < cells.length; i++) pixels[i] = table[cells[i]];
		this.offCtx.putImageData(this.image, 0, 0);
	}

	/* From units of a picture to the canvas: pixels of a unit, and where unit 0 lies. */
	placeOf(view) {
		const u = 2 ** view.zoom,
			p = this.view.s / u;
		return { p, x: this.gutter - this.view.x * this.view.s, y: -this.view.y * this.view.s };
	}

	draw() {
		const { ctx, canvas } = this;
		this.dirty = false;
		ctx.setTransform(1, 0, 0, 1, 0, 0);
		const ruler = this.gutter ? `${see.order} ${this.view.s} ${this.view.y} ${this.gutter} ${canvas.width} ${canvas.height}` : null;
		const left = this.gutter && this.gutter - 3 * this.line; /* words are dear, and stay as they are mostly */
		const from = ruler && ruler === this.ruler ? left : 0;
		ctx.fillStyle = this.palette.paper;
		ctx.fillRect(from, 0, canvas.width - from, canvas.height);
		if (!this.frame) return;
		if (this.fresh) this.paintCells();
		ctx.save();
		ctx.beginPath();
		ctx.rect(left, 0, canvas.width, canvas.height);
		ctx.clip();
		const s = this.source;
		if (s.order === see.order && (s.cols === null || s.cols === this.cols)) {
			const at = this.placeOf(s);
			ctx.imageSmoothingEnabled = false;
			ctx.drawImage(at.p < 1 ? this.small(at.p) : this.off, at.x + s.x * at.p, at.y + s.y * at.p, s.w * at.p, s.h * at.p);
			if (at.p >= 4) this.drawTextures(at);
		}
		if (see.structure && this.structure) this.drawStructure();
		if (this.box) this.drawBox();
		if (this.pinned) this.drawCursor(this.pinned, true);
		if (this.cursor) this.drawCursor(this.cursor, false);
		ctx.restore();
		if (ruler && ruler !== this.ruler) this.drawRuler();
		this.ruler = ruler;
		if (this.askedAt) {
			this.stats.draws++;
			if (this.stats.lag.length < 100000) this.stats.lag.push(performance.now() - this.askedAt);
			this.askedAt = 0;
		}
	}

	/* The picture in pixels, where several cells share one. */
	small(p) {
		if (this.shrunkOf !== this.frame || this.shrunkTo !== p || this.shrunkBy !== this.table) {
			const { w, h, pixels } = shrunk(this.frame, this.table, p);
			this.few = this.few || document.createElement('canvas');
			this.few.width = w;
			this.few.height = h;
			this.few.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), w, h), 0, 0);
			this.shrunkOf = this.frame;
			this.shrunkTo = p;
			this.shrunkBy = this.table;
		}
		return this.few;
	}

	drawTextures(at) {
		const { ctx, frame, source } = this,
			size = Math.round(at.p);
		if (!this.tiles || this.tiles.size !== size) this.tiles = { size, of: textures(ctx, size, this.palette) };
		const { cells, w, h } = frame;
		for (const state of [2, 3]) {
			const tile = this.tiles.of[state];
			tile.setTransform(new DOMMatrix([at.p / size, 0, 0, at.p / size, at.x, at.y]));
			ctx.fillStyle = tile;
			ctx.beginPath();
			for (let y = 0; y < h; y++) {
				for (let x = 0, i = y * w; x < w; x++, i++) {
					if ((cells[i] & 7) !== state || cells[i] >> 8 > 100) continue;
					const from = x;
					while (x + 1 < w && (cells[i + 1] & 7) === state && cells[i + 1] >> 8 <= 100) {
						x++;
						i++;
					}
					ctx.rect(
						at.x + (source.x + from) * at.p,
						at.y + (source.y + y) * at.p,
						(x + 1 - from) * at.p,
						at.p,
					);
				}
			}
			ctx.fill();
		}
	}

	drawStructure() {
		const { ctx, canvas } = this,
			v = this.structure.view;
		if (v.order !== see.order || (v.cols !== null && v.cols !== this.cols)) return;
		const key = `${this.view.s} ${this.view.x} ${this.view.y} ${canvas.width} ${canvas.height}`;
		if (!this.layer || this.layer.key !== key) {
			this.layer = this.layer || { canvas: document.createElement('canvas') };
			this.layer.key = key;
			this.layer.canvas.width = canvas.width;
			this.layer.canvas.height = canvas.height;
			this.paintStructure(this.layer.canvas.getContext('2d'), v);
		}
		ctx.drawImage(this.layer.canvas, 0, 0);
	}

	paintStructure(c, v) {
		const at = this.placeOf(v),
			dpr = devicePixelRatio || 1,
			k = this.line,
			thin = Math.max(2, Math.round(1.5 * k));
		if (!this.structure.paths || this.structure.scale !== at.p) {
			this.structure.paths = outlines(this.structure.overlay, at.p);
			this.structure.scale = at.p;
		}
		c.translate(at.x + v.x * at.p, at.y + v.y * at.p);
		for (const pass of [0, 1]) {
			/* a line of paper below each line: it is seen on every colour */
			for (const [cls, path] of this.structure.paths) {
				c.strokeStyle = pass ? this.palette.structure[STRUCTURES[cls]] || this.palette.frame : this.palette.paper;
				c.globalAlpha = pass ? 1 : 0.6;
				c.lineWidth = pass ? thin : thin + 2 * k;
				c.stroke(path);
			}
		}
		c.setTransform(1, 0, 0, 1, 0, 0);
		const size = Math.round(parseFloat(getComputedStyle(this.canvas).fontSize) * 0.82 * dpr),
			taken = [];
		c.font = `600 ${size}px system-ui, sans-serif`;
		c.textBaseline = 'middle';
		for (const r of this.structure.parts.regions || []) {
			const [bx, by, bw, bh] = r.box;
			const w = c.measureText(r.words).width,
				room = 0.6 * size;
			const left = Math.max(at.x + bx * at.p, this.gutter),
				middle = at.y + (by + bh / 2) * at.p;
			if (bh * at.p < size * 0.28 || middle < size / 2 || middle > this.canvas.height - size / 2) continue;
			/* inside when it fits; else right beside it */
			const inside = bw * at.p >= w + 2 * room && bh * at.p >= size * 1.15;
			let x = inside ? left + room : Math.max(left, at.x + (bx + bw) * at.p) + room;
			if (x + w + room > this.canvas.width) x = this.canvas.width - w - room;
			const mine = [x - room, middle - size * 0.75, x + w + room, middle + size * 0.75];
			if (x < this.gutter || taken.some((o) => mine[0] < o[2] && o[0] < mine[2] && mine[1] < o[3] && o[1] < mine[3]))
				continue;
			taken.push(mine);
			c.globalAlpha = 0.86;
			c.fillStyle = this.palette.paper;
			c.beginPath();
			c.roundRect(x - room * 0.7, middle - size * 0.68, w + 1.4 * room, size * 1.36, size * 0.3);
			c.fill();
			c.globalAlpha = 1;
			c.fillStyle = this.palette.structure[r.class] || this.palette.ink;
			c.fillText(r.words, x, middle + size * 0.04);
		}
	}

	drawCursor(place, pinned) {
		const unit = this.unitAt(place);
		if (!unit) return;
		const { ctx } = this,
			p = this.view.s / this.units(),
			at = this.placeOf({ zoom: this.depth() });
		const k = this.line,
			grow = Math.max(k, (7 * k - p) / 2);
		const rect = [at.x + unit.x * p - grow, at.y + unit.y * p - grow, p + 2 * grow, p + 2 * grow];
		ctx.lineWidth = 4.5 * k;
		ctx.strokeStyle = this.palette.paper;
		ctx.strokeRect(...rect);
		ctx.lineWidth = 2.2 * k;
		ctx.strokeStyle = pinned ? this.palette.flush : this.palette.ink;
		ctx.strokeRect(...rect);
	}

	drawBox() {
		const { ctx } = this,
			at = this.placeOf({ zoom: 0 }),
			s = this.view.s;
		const [x, y, w, h] = this.box;
		ctx.fillStyle = this.palette.ink;
		ctx.globalAlpha = 0.16;
		ctx.fillRect(at.x + x * s, at.y + y * s, w * s, h * s);
		ctx.globalAlpha = 1;
		ctx.lineWidth = 2 * this.line;
		ctx.strokeStyle = this.palette.ink;
		ctx.strokeRect(at.x + x * s, at.y + y * s, w * s, h * s);
	}

	/* Offsets of the rows; along a curve rows have none. */
	drawRuler() {
		const { ctx, canvas, view: v } = this,
			dpr = devicePixelRatio || 1;
		if (see.order !== 'row') return;
		const size = Math.round(parseFloat(getComputedStyle(canvas).fontSize) * 0.8 * dpr),
			row = this.cols * this.disk.cell;
		const edge = this.gutter - 3 * this.line; /* right of it is drawn anew each time */
		let step = 1; /* rows */
		while (step * v.s < size * 2.6) step *= 2;
		ctx.font = `${size}px system-ui, sans-serif`;
		ctx.textAlign = 'right';
		ctx.textBaseline = 'middle';
		ctx.fillStyle = this.palette.faint;
		for (let r = Math.ceil(v.y / step) * step; r * row < this.disk.size; r += step) {
			const y = (r - v.y) * v.s;
			if (y > canvas.height - size / 2) break;
			ctx.fillText(bytesShort(r * row), edge - 7 * dpr, Math.max(size / 2, y));
			ctx.fillRect(edge - 4 * dpr, Math.round(y), 4 * dpr, Math.max(1, Math.round(dpr)));
		}
		ctx.textAlign = 'left';
	}
}
