/* SPDX-License-Identifier: BSD-2-Clause */
/* data: the one way to what there is to show: ask().  It fetches from the server (docs/web.md), or, in a page that was
 * exported, looks up the answers that the page carries.  Whoever asks does not know which. */

const embedded = document.getElementById('answers');
export const answers = embedded ? JSON.parse(embedded.textContent) : null;

/* An answer that says no: what the server said, in one line. */
class Refusal extends Error {
	constructor(status, text) {
		super(text);
		this.status = status; /* as HTTP has them; 0: nobody answered */
	}
}

export function addressOf(what, words = {}) {
	const pairs = Object.entries(words).filter(([, v]) => v !== null && v !== undefined && v !== '');
	return what + (pairs.length ? '?' + new URLSearchParams(pairs) : '');
}

/* What the server answers: an object, or an ArrayBuffer when the answer is binary.  body: POST it. */
export async function ask(what, words = {}, body = undefined) {
	if (answers) return lookUp(what, words);
	let r, binary;
	try {
		r = await fetch(
			addressOf(what, words),
			body === undefined
				? { cache: 'no-store' }
				: { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) },
		);
		if (!r.ok) throw new Refusal(r.status, (await r.text()).slice(0, 400).trim() || `${what}: error ${r.status}`);
		binary = (r.headers.get('Content-Type') || '').startsWith('application/octet-stream');
		return binary ? await r.arrayBuffer() : await r.json();
	} catch (e) {
		throw e instanceof Refusal ? e : new Refusal(0, 'the server does not answer');
	}
}

/* --- binary answers; a wrong one throws, nothing is drawn of it --- */

function expectMagic(d, magic) {
	for (let i = 0; i < 4; i++)
		if (d.byteLength < 4 || d.getUint8(i) !== magic.charCodeAt(i)) throw new Error(`an answer that is no ${magic}`);
}

const u64 = (d, at) => Number(d.getBigUint64(at, true));
const NEVER = 2 ** 64;

/* Runs, u16 count and what | strength << 8, and stretches, 0x8000 | count and as many; the machines that browsers run on are
 * little-endian, too. */
function decodeRuns(d, at, cells) {
	const out = new Uint16Array(cells),
		words = new Uint16Array(d.buffer, at, (d.byteLength - at) >> 1);
	let n = 0,
		i = 0;
	while (i + 1 < words.length && n < cells) {
		const count = words[i] & 0x7fff,
			stretch = words[i] & 0x8000;
		if (!count || n + count > cells || (stretch && i + count >= words.length)) break;
		if (count < 32) {
			/* for a few a loop is faster than a call */
			for (let k = 0; k < count; k++) out[n + k] = words[stretch ? i + 1 + k : i + 1];
		} else if (stretch) {
			out.set(words.subarray(i + 1, i + 1 + count), n);
		} else {
			out.fill(words[i + 1], n, n + count);
		}
		n += count;
		i += stretch ? 1 + count : 2;
	}
	if (n !== cells || at + 2 * i !== d.byteLength) throw new Error('an answer whose runs do not fill its picture');
	return out;
}

export const OPS = ['read', 'write', 'trim', 'zero', 'flush'];
export const STRUCTURES = ['nothing', 'table', 'super', 'bitmap', 'inodes', 'journal', 'directory', 'tree', 'data', 'database'];

function decodeFrame(buffer) {
	const d = new DataView(buffer);
	expectMagic(d, 'BSF2');
	const flags = d.getUint32(4, true),
		w = d.getUint32(32, true),
		h = d.getUint32(36, true);
	const f = {
		behind: !!(flags & 1),
		live: !!(flags & 2),
		torn: !!(flags & 4),
		replaced: flags >>> 16, /* how often */
		t: u64(d, 8),
		events: u64(d, 16),
		newest: u64(d, 24),
		w,
		h,
		flying: d.getUint32(40, true),
		errors: u64(d, 48),
		lastFlush: u64(d, 56),
		lastError: u64(d, 64),
		ops: {},
	};
	if (f.lastFlush >= NEVER) f.lastFlush = null;
	if (f.lastError >= NEVER) f.lastError = null;
	OPS.forEach((op, i) => {
		const at = 72 + 24 * i;
		f.ops[op] = {
			n: u64(d, at),
			bytes: u64(d, at + 8),
			rate: d.getUint32(at + 16, true),
			rateBytes: d.getUint32(at + 20, true) * 1024,
		};
	});
	f.cells = decodeRuns(d, 192, w * h);
	return f;
}

function decodeOverlay(buffer) {
	const d = new DataView(buffer);
	expectMagic(d, 'BSO2');
	const w = d.getUint32(8, true),
		h = d.getUint32(12, true);
	return { behind: !!(d.getUint32(4, true) & 1), w, h, cells: decodeRuns(d, 16, w * h) };
}

export function decodeHeat(buffer) {
	const d = new DataView(buffer);
	expectMagic(d, 'BSH1');
	const bins = d.getUint32(24, true),
		rows = d.getUint32(28, true),
		classes = d.getUint32(32, true);
	const heat = {
		behind: !!(d.getUint32(4, true) & 1),
		start: u64(d, 8),
		bin: u64(d, 16),
		bins,
		rows,
		rowBytes: u64(d, 40),
		table: [],
	};
	if (d.byteLength !== 48 + 4 * bins * rows * classes) throw new Error('a heat map of another size than it says');
	for (let c = 0; c < classes; c++) heat.table.push(new Uint32Array(buffer, 48 + 4 * c * bins * rows, bins * rows));
	return heat;
}

/* --- answers that the page carries --- */

function bytesOf(base64) {
	const text = atob(base64),
		bytes = new Uint8Array(text.length);
	for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
	return bytes;
}

const unpacked = new Map(); /* of base64 texts, by their owner */

async function unpack(owner) {
	if (!unpacked.has(owner)) {
		const plain = new Blob([bytesOf(owner.z)]).stream().pipeThrough(new DecompressionStream('gzip'));
		unpacked.set(owner, new Response(plain).arrayBuffer());
	}
	return unpacked.get(owner);
}

/* The last of the sorted numbers that is <= x; 0 when none is. */
function lastBefore(sorted, x) {
	let low = 0,
		high = sorted.length;
	while (high - low > 1) {
		const middle = (low + high) >> 1;
		if (sorted[middle] <= x) low = middle;
		else high = middle;
	}
	return low;
}

const momentOf = (words) => (words.t === undefined ? Infinity : Number(words.t));
const ofDisk = (list, words) => (list || []).find((e) => e.disk === Number(words.disk));

/* Cells along one side of a Hilbert square; squares stand side by side. */
export function curveSide(cells) {
	let side = 1;
	while (side < 512 && side * side < cells) side *= 2;
	return side;
}

/* Where each cell lies: { w, h, x, y }.  Along the curve the server tells it, in a table. */
async function placesOf(words) {
	const disk = answers.session.disks[Number(words.disk)];
	if (words.order !== 'hilbert')
		return { w: disk.cols, h: Math.ceil(disk.cells / disk.cols), x: (i) => i % disk.cols, y: (i) => Math.floor(i / disk.cols) };
	const table = new Uint16Array(await unpack(ofDisk(answers.curve, words))),
		side = curveSide(disk.cells);
	return { w: side * Math.ceil(disk.cells / side ** 2), h: side, x: (i) => table[2 * i], y: (i) => table[2 * i + 1] };
}

/* The part of a whole picture in row order that was asked for, in the order that was asked for. */
async function cut(cells, words, outside) {
	const [x0, y0, width, height] = ['x', 'y', 'w', 'h'].map((k) => Number(words[k]));
	const out = new Uint16Array(width * height).fill(outside),
		places = await placesOf(words);
	const n = answers.session.disks[Number(words.disk)].cells;
	for (let i = 0; i < n; i++) {
		const x = places.x(i) - x0,
			y = places.y(i) - y0;
		if (x >= 0 && x < width && y >= 0 && y < height) out[y * width + x] = cells[i];
	}
	return out;
}

async function embeddedFrame(words) {
	const mine = ofDisk(answers.frames, words),
		all = await unpack(mine),
		d = new DataView(all);
	if (!mine.at) {
		mine.at = [];
		for (let at = 0; at + 4 <= all.byteLength; at += 4 + d.getUint32(at, true)) mine.at.push(at);
	}
	const i = lastBefore(mine.t, momentOf(words)),
		at = mine.at[i] + 4;
	const f = decodeFrame(all.slice(at, at + d.getUint32(at - 4, true)));
	return { ...f, cells: await cut(f.cells, words, 7), w: Number(words.w), h: Number(words.h) };
}

async function embeddedOverlay(words) {
	const mine = ofDisk(answers.structure, words),
		o = decodeOverlay(bytesOf(mine.overlay[lastBefore(mine.t, momentOf(words))]).buffer);
	return { ...o, cells: await cut(o.cells, words, 0), w: Number(words.w), h: Number(words.h) };
}

/* Boxes of the curve are of one cell each: where the part begins. */
async function embeddedStructure(words) {
	const mine = ofDisk(answers.structure, words),
		found = mine.json[lastBefore(mine.t, momentOf(words))];
	if (words.order !== 'hilbert') return found;
	const places = await placesOf(words),
		cell = answers.session.disks[Number(words.disk)].cell;
	const boxed = (r) => ({ ...r, box: [places.x(Math.floor(r.off / cell)), places.y(Math.floor(r.off / cell)), 1, 1] });
	return { ...found, volumes: found.volumes.map(boxed), regions: found.regions.map(boxed) };
}

/* The embedded panel knows each cell at the recording's end, with its history: the moment is found in that. */
async function embeddedBlock(words) {
	const mine = ofDisk(answers.blocks, words),
		disk = answers.session.disks[mine.disk],
		places = await placesOf(words);
	if (!mine.all) {
		mine.all = JSON.parse(new TextDecoder().decode(await unpack(mine)));
		mine.offsets = mine.all.map((b) => b.at);
	}
	let at = words.at === undefined ? -1 : Number(words.at);
	if (at < 0)
		for (let i = 0; i < disk.cells && at < 0; i++)
			if (places.x(i) === Number(words.px) && places.y(i) === Number(words.py)) at = i * disk.cell;
	if (!(at >= 0 && at < disk.size)) throw new Refusal(404, 'outside of the disk');
	const cell = Math.floor(at / disk.cell),
		b = mine.all[lastBefore(mine.offsets, at)],
		t = momentOf(words);
	const known =
		b && b.at <= at && at < b.at + b.len
			? b
			: {
					at: cell * disk.cell,
					len: Math.min(disk.cell, disk.size - cell * disk.cell),
					words: '',
					class: 'nothing',
					volume: '',
					path: '',
					flags: [],
					history: [],
					more: 0,
					hex: '',
					why: '',
				};
	const writer = known.history.find((h) => h.t <= t && ['write', 'trim', 'zero'].includes(h.op) && !h.error) || null;
	const state = writer ? { write: 'written', trim: 'trimmed', zero: 'zeroed' }[writer.op] : 'untouched';
	return { ...known, t, writer, state, x: places.x(cell), y: places.y(cell) };
}

function embeddedStep(words) {
	const of = (what) => answers.get[addressOf(what, { disk: words.disk })];
	const moments =
		words.by === 'mark'
			? (of('marks') || []).map((m) => m.t)
			: words.by === 'flush'
				? (of('series') || { flushes: [] }).flushes
				: ofDisk(answers.frames, words).t;
	const t = Number(words.t),
		found = words.way === 'next' ? moments.find((m) => m > t) : moments.filter((m) => m < t).pop();
	return { t: found === undefined ? t : found, event: null };
}

async function lookUp(what, words) {
	switch (what) {
		case 'session':
			return answers.session;
		case 'frame':
			return embeddedFrame(words);
		case 'overlay':
			return embeddedOverlay(words);
		case 'structure':
			return embeddedStructure(words);
		case 'block':
			return embeddedBlock(words);
		case 'step':
			return embeddedStep(words);
	}
	const found = answers.get[addressOf(what, what === 'heat' ? { disk: words.disk, what: words.what } : { disk: words.disk })];
	if (!found) throw new Refusal(404, 'not in this exported page');
	return found.z ? unpack(found) : found;
}

/* What frame and overlay give is decoded here, as the embedded ones are already. */
export async function askFrame(words) {
	const a = await ask('frame', words);
	return a instanceof ArrayBuffer ? decodeFrame(a) : a;
}

export async function askOverlay(words) {
	const a = await ask('overlay', words);
	return a instanceof ArrayBuffer ? decodeOverlay(a) : a;
}
