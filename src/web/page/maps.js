/* SPDX-License-Identifier: BSD-2-Clause */
/* maps: all disks side by side: how large they are, and what pointers and keys do on them. */
import { DiskMap } from './map.js';
import { bytesWords, bytesShort } from './words.js';
import { changed, on, see } from './see.js';

export const maps = [];
const room = document.getElementById('maps');
const CLICK = 5; /* CSS pixels that a finger may move in a click */

export function makeMaps() {
	see.session.disks.forEach((disk, i) => {
		const figure = document.createElement('figure'),
			caption = document.createElement('figcaption');
		const name = document.createElement('button'),
			about = document.createElement('span'),
			surface = document.createElement('div');
		const canvas = document.createElement('canvas'),
			wait = document.createElement('span');
		figure.className = 'disk';
		name.type = 'button';
		name.className = 'disk-name';
		name.textContent = disk.name;
		name.hidden = see.session.disks.length === 1 && disk.name === see.session.title;
		name.setAttribute('aria-pressed', 'false');
		name.addEventListener('click', () => choose(i));
		about.className = 'faint';
		wait.className = 'wait';
		wait.hidden = true;
		wait.textContent = 'getting there';
		caption.append(name, about, wait);
		surface.className = 'surface';
		surface.tabIndex = 0;
		surface.setAttribute('role', 'application');
		surface.setAttribute('aria-roledescription', 'disk map');
		surface.setAttribute('aria-label', `Map of ${disk.name}, ${bytesWords(disk.size)}`);
		surface.setAttribute('aria-describedby', 'map-help');
		surface.append(canvas);
		figure.append(caption, surface);
		room.append(figure);
		const map = new DiskMap(i, canvas);
		Object.assign(map, { figure, surface, name, about, wait });
		maps.push(map);
		listen(map);
	});
	addEventListener('resize', layout);
	on('order cols', () => {
		for (const m of maps) {
			m.view = null;
			m.frame = m.structure = null;
			m.shown = m.structureShown = null;
			m.cursor = m.pinned = null;
		}
		layout();
		changed('cursor');
	});
	on('filter', () => maps.forEach((m) => (m.shown = null)));
	on('look', () => maps.forEach((m) => (m.dirty = true)));
	on('palette', () => maps.forEach((m) => m.setPalette(see.palette)));
	on('frame trouble', () => maps.forEach((m) => (m.wait.hidden = !(m.frame && m.frame.behind))));
	on('disk', () => maps.forEach((m) => m.name.setAttribute('aria-pressed', String(m.index === see.disk))));
	on('view order cols', tellScale);
	layout();
	changed('disk');
}

export function choose(i) {
	if (see.disk === i) return;
	see.disk = i;
	changed('disk');
	changed('frame');
	changed('told');
}

export const active = () => maps[see.disk];

function tellScale() {
	for (const m of maps) {
		const d = m.disk,
			unit = d.cell / 4 ** m.depth();
		const row = see.order === 'row' ? `, a row is ${bytesShort(d.cell * m.cols)}` : '';
		const square = unit <= d.block ? `a block of ${bytesWords(d.block)}` : bytesWords(unit);
		m.about.textContent = maps.length > 1 ? bytesWords(d.size) : `${bytesWords(d.size)} · a square is ${square}${row}`;
		m.surface.style.touchAction = m.zoomed() || selecting ? 'none' : 'pan-y';
	}
}

/* Device pixels of a cell when the whole disk fits: whole ones, so that all are of one size, unless that wastes much room. */
function scaleFor(grid, w, h) {
	const s = Math.min(w / grid.w, h / grid.h, 64),
		whole = Math.floor(s);
	return whole >= 0.93 * s ? whole : s;
}

/* As many in a row as makes them largest. */
function layout() {
	const main = document.getElementById('main'),
		stacked = matchMedia('(max-width: 55rem)').matches,
		dpr = devicePixelRatio || 1;
	const rem = parseFloat(getComputedStyle(document.documentElement).fontSize),
		gap = 1.25 * rem,
		n = maps.length;
	const style = getComputedStyle(main),
		inner = main.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
	const width = stacked ? inner : inner - 23 * rem - gap;
	const height = stacked ? innerHeight * 0.62 : main.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
	const air = 0.6 * rem; /* for the ring of the focus */
	const gutter = see.order === 'row' ? 3.2 * rem : 0,
		caption = 2.1 * rem;
	let best = null;
	for (let across = 1; across <= n; across++) {
		const down = Math.ceil(n / across),
			grids = maps.map((m) => m.grid());
		const w = (width - gap * (across - 1)) / across - gutter,
			h = (height - air - gap * (down - 1)) / down - caption;
		const scale = Math.min(...grids.map((g) => scaleFor(g, w * dpr, h * dpr)));
		if (!best || scale > best.scale * 1.05) best = { across, scale };
	}
	for (const m of maps) {
		const g = m.grid(),
			left = Math.round(gutter * dpr),
			w = left + Math.max(1, Math.ceil(g.w * best.scale)),
			h = Math.max(1, Math.ceil(g.h * best.scale));
		m.resize(w, h, left, best.scale);
		m.canvas.style.width = `${w / dpr}px`;
		m.canvas.style.height = `${h / dpr}px`;
		m.surface.style.setProperty('--gutter', `${gutter}px`);
	}
	room.style.gridTemplateColumns = `repeat(${best.across}, max-content)`;
	tellScale();
}

/* --- pointers --- */

let selecting = null; /* told the box when it is drawn */

/* The next drag draws a region; f gets (map, [x, y, w, h] in units of depth 0), or nothing when it is given up. */
export function selectBox(f) {
	selecting = f;
	room.classList.toggle('selecting', !!f);
	tellScale();
}

export let pointed = null; /* the map that has the pointer */

/* The same place of all disks on one clock is shown: in a RAID, the members of a stripe. */
function setCursor(map, place) {
	const inside = map.unitAt(place);
	for (const m of maps) {
		m.cursor = inside && (m === map || sameGrid(m, map)) ? place : null;
		m.dirty = true;
	}
	pointed = inside ? map : null;
	changed('cursor');
}

const sameGrid = (a, b) => a.grid().w === b.grid().w && a.grid().h === b.grid().h;

export function pin(map, place) {
	const unit = map.unitAt(place),
		old = map.pinned && map.unitAt(map.pinned);
	for (const m of maps) {
		m.pinned = null;
		m.dirty = true;
	}
	if (unit && !(old && old.x === unit.x && old.y === unit.y)) map.pinned = place;
	choose(map.index);
	changed('cursor');
}

export function unpin() {
	const had = maps.some((m) => m.pinned);
	maps.forEach((m) => {
		m.pinned = null;
		m.dirty = true;
	});
	changed('cursor');
	return had;
}

function listen(map) {
	const { surface } = map,
		down = new Map();
	let moved = 0,
		spread = 0,
		start = null;
	const place = (e) => {
		const r = map.canvas.getBoundingClientRect();
		return map.cellAt(e.clientX - r.left, e.clientY - r.top);
	};
	const middle = () => {
		const all = [...down.values()];
		return {
			clientX: all.reduce((n, e) => n + e.clientX, 0) / all.length,
			clientY: all.reduce((n, e) => n + e.clientY, 0) / all.length,
		};
	};
	const apart = () => {
		const [a, b] = [...down.values()];
		return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
	};
	surface.addEventListener('pointerdown', (e) => {
		if (e.button) return;
		down.set(e.pointerId, e);
		surface.setPointerCapture(e.pointerId);
		moved = 0;
		start = place(e);
		if (down.size === 2) spread = apart();
	});
	surface.addEventListener('pointermove', (e) => {
		const before = down.get(e.pointerId);
		if (!before) {
			setCursor(map, place(e));
			return;
		}
		moved += Math.hypot(e.clientX - before.clientX, e.clientY - before.clientY);
		const from = middle();
		down.set(e.pointerId, e);
		const to = middle(),
			k = map.canvas.width / Math.max(1, map.canvas.clientWidth) / map.view.s;
		if (selecting) {
			map.box = boxOf(map, start, place(e));
			map.dirty = true;
		} else if (moved > CLICK || down.size > 1) {
			map.panBy(-(to.clientX - from.clientX) * k, -(to.clientY - from.clientY) * k);
			if (down.size === 2 && spread > 0) {
				const now = apart();
				map.zoomBy(now / spread, place(to));
				spread = now;
			}
		}
	});
	const up = (e) => {
		if (!down.delete(e.pointerId) || down.size) return;
		if (e.type === 'pointerup' && selecting) {
			const f = selecting,
				box = map.box;
			map.box = null;
			map.dirty = true;
			selectBox(null);
			f(map, box || boxOf(map, start, start));
		} else if (e.type === 'pointerup' && moved <= CLICK) {
			setCursor(map, place(e));
			pin(map, place(e));
		}
	};
	surface.addEventListener('pointerup', up);
	surface.addEventListener('pointercancel', up);
	surface.addEventListener('pointerleave', () => down.size || setCursor(map, null));
	surface.addEventListener('dblclick', (e) => map.zoomBy(4, place(e)));
	surface.addEventListener(
		'wheel',
		(e) => {
			e.preventDefault();
			const lines = e.deltaMode === 1 ? 30 : e.deltaMode === 2 ? 300 : 1;
			map.zoomBy(2 ** ((-e.deltaY * lines * (e.ctrlKey ? 3 : 1)) / 250), place(e));
		},
		{ passive: false },
	);
	surface.addEventListener('keydown', (e) => {
		const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
		if (way && !e.ctrlKey && !e.altKey && !e.metaKey) {
			e.preventDefault();
			e.stopPropagation();
			moveCursor(map, way[0] * (e.shiftKey ? 8 : 1), way[1] * (e.shiftKey ? 8 : 1));
		} else if (e.key === 'Enter' && map.cursor) {
			e.preventDefault();
			pin(map, map.cursor);
		}
	});
	surface.addEventListener('focus', () => {
		choose(map.index);
		if (!map.cursor && surface.matches(':focus-visible')) moveCursor(map, 0, 0);
	});
}

/* Whole cells, cut to the map. */
function boxOf(map, a, b) {
	const g = map.grid(),
		clamp = (v, n) => Math.max(0, Math.min(Math.floor(v), n - 1));
	const x = [clamp(a.x, g.w), clamp(b.x, g.w)].sort((p, q) => p - q),
		y = [clamp(a.y, g.h), clamp(b.y, g.h)].sort((p, q) => p - q);
	return [x[0], y[0], x[1] - x[0] + 1, y[1] - y[0] + 1];
}

/* By units; the view follows. */
function moveCursor(map, dx, dy) {
	const u = map.units(),
		g = map.grid();
	const at = map.cursor || map.pinned || { x: map.view.x, y: map.view.y };
	const x = Math.max(0, Math.min(Math.floor(at.x * u) + dx, g.w * u - 1)),
		y = Math.max(0, Math.min(Math.floor(at.y * u) + dy, g.h * u - 1));
	const place = { x: (x + 0.5) / u, y: (y + 0.5) / u };
	setCursor(map, place);
	map.reveal(place);
	changed('told-cursor');
}
