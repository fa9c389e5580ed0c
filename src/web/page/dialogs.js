/* SPDX-License-Identifier: BSD-2-Clause */
/* dialogs: filter, mark, export, help; and the PNG of what is seen. */
import { addressOf, answers, ask } from './data.js';
import { digitsFor, parseBytes, timeWords } from './words.js';
import { changed, on, see, setFilter } from './see.js';
import { choose, maps, selectBox } from './maps.js';
import { say, setMark } from './controls.js';

const el = (id) => document.getElementById(id);

export function open(id) {
	const d = el(id);
	if (d.open) {
		d.close();
		return;
	}
	for (const other of document.querySelectorAll('dialog[open]')) other.close();
	d.showModal();
}

/* --- the filter --- */

const FILTER_OPS = ['read', 'write', 'trim', 'zero', 'flush'];
let box = null; /* the region that was drawn, as the server takes it */

function checks(where, items, name) {
	for (const [value, words] of items) {
		const label = document.createElement('label'),
			input = document.createElement('input');
		input.type = 'checkbox';
		input.name = name;
		input.value = value;
		input.checked = true;
		label.append(input, words);
		where.append(label);
	}
}

const boxesOf = (name) => [...document.querySelectorAll(`#filter input[name=${name}]`)];

/* What the form says, as POST filter takes it; null: everything. */
function filterBody() {
	const body = {},
		some = (name) =>
			boxesOf(name)
				.filter((i) => i.checked)
				.map((i) => i.value);
	if (some('op').length < FILTER_OPS.length) body.ops = some('op');
	if (some('conn').length < see.session.connections.length)
		body.connections = some('conn').map((v) => ({ disk: Number(v.split(':')[0]), id: Number(v.split(':')[1]) }));
	const from = parseBytes(el('from').value),
		to = parseBytes(el('to').value);
	if (box) body.region = box;
	else if (from !== null || to !== null)
		body.region = { disk: see.disk, from: from || 0, to: to === null ? see.session.disks[see.disk].size : to };
	if (el('file').value.trim()) body.path = el('file').value.trim();
	return Object.keys(body).length ? body : null;
}

function complainOfBytes() {
	let good = true;
	for (const id of ['from', 'to']) {
		const bad = el(id).value.trim() && parseBytes(el(id).value) === null;
		el(id).setCustomValidity(bad ? 'an offset: bytes, 64K, 12M, 0x1000' : '');
		good = good && !bad;
	}
	return good;
}

async function applyFilter() {
	try {
		await setFilter(filterBody());
		el('filter').close();
		say(see.filter ? `shown: ${see.filter.words}` : 'everything is shown');
	} catch (e) {
		el('filter-trouble').textContent = e.message;
	}
}

function clearFilter() {
	box = null;
	for (const i of [...boxesOf('op'), ...boxesOf('conn')]) i.checked = true;
	for (const id of ['from', 'to', 'file']) el(id).value = '';
	tellBox();
	setFilter(null);
	say('everything is shown');
}

function tellBox() {
	const words = box ? `rectangle of ${box.box[2]} × ${box.box[3]} squares from column ${box.box[0]}, row ${box.box[1]}` : '';
	el('box-words').textContent = words;
	el('from').disabled = el('to').disabled = !!box;
	el('box-clear').hidden = !box;
}

/* Draw on the map; then the dialog comes back. */
function drawRegion() {
	el('filter').close();
	el('selecting').hidden = false;
	say('draw a rectangle on the map; Escape to give up');
	selectBox((map, drawn) => {
		el('selecting').hidden = true;
		choose(map.index);
		box = { ...map.gridWords(), zoom: 0, box: drawn };
		tellBox();
		open('filter');
	});
}

export function giveUpRegion() {
	if (el('selecting').hidden) return false;
	el('selecting').hidden = true;
	selectBox(null);
	for (const m of maps) {
		m.box = null;
		m.dirty = true;
	}
	return true;
}

let filesAsked = '',
	filesTimer = 0;

function offerFiles() {
	clearTimeout(filesTimer);
	filesTimer = setTimeout(async () => {
		const like = el('file').value.trim();
		if (like === filesAsked) return;
		filesAsked = like;
		try {
			const got = await ask('files', { disk: see.disk, t: Math.round(see.t), like });
			el('files').replaceChildren(...got.files.map((f) => new Option(f, f)));
		} catch {
			el('files').replaceChildren();
		}
	}, 150);
}

/* New ones come while one looks: each time the dialog is opened they are asked for; who was left out stays out. */
function tellConnections() {
	const several = see.session.disks.length > 1,
		known = new Set(boxesOf('conn').map((i) => i.value));
	const fresh = see.session.connections.filter((c) => !known.has(`${c.disk}:${c.id}`));
	checks(
		el('filter-conns'),
		fresh.map((c) => [
			`${c.disk}:${c.id}`,
			`${c.id}${c.name ? ` ${c.name}` : ''}${several ? ` of ${see.session.disks[c.disk].name}` : ''}`,
		]),
		'conn',
	);
	el('filter-conns').parentElement.hidden = !see.session.connections.length;
}

export async function openFilter() {
	if (answers) return;
	open('filter');
	try {
		see.session.connections = (await ask('session')).connections;
		tellConnections();
	} catch {
		/* those that are known stay */
	}
}

function makeFilter() {
	checks(
		el('filter-ops'),
		FILTER_OPS.map((o) => [o, o]),
		'op',
	);
	tellConnections();
	el('filter-form').addEventListener('submit', (e) => {
		e.preventDefault();
		if (complainOfBytes()) applyFilter();
		else el('filter-form').reportValidity();
	});
	for (const id of ['from', 'to']) el(id).addEventListener('input', complainOfBytes);
	el('file').addEventListener('input', offerFiles);
	el('file').addEventListener('focus', offerFiles);
	el('region-draw').addEventListener('click', drawRegion);
	el('box-clear').addEventListener('click', () => {
		box = null;
		tellBox();
	});
	el('filter-clear').addEventListener('click', () => {
		clearFilter();
		el('filter').close();
	});
	el('filter-chip').addEventListener('click', clearFilter);
	on('filter', () => {
		el('filter-chip').hidden = !see.filter;
		el('filter-words').textContent = see.filter ? see.filter.words : '';
		el('open-filter').classList.toggle('on', !!see.filter);
	});
	let again = false;
	on('forgotten', async () => {
		/* the server keeps few filters: it is told again */
		if (again || !see.filter) return;
		again = true;
		await setFilter(see.filter.body).catch((e) => say(e.message));
		again = false;
	});
	el('open-filter').hidden = !!answers;
}

/* --- a mark --- */

function makeMark() {
	el('mark-form').addEventListener('submit', async (e) => {
		e.preventDefault();
		const text = el('mark-text').value.trim();
		if (!text) return;
		try {
			await setMark(text);
			el('mark').close();
			el('mark-text').value = '';
		} catch (problem) {
			el('mark-trouble').textContent = problem.message;
		}
	});
	el('open-mark').hidden = !!answers;
}

export function openMark() {
	if (answers) return;
	see.way = 0;
	changed('motion');
	el('mark-trouble').textContent = '';
	el('mark-when').textContent = `at ${timeWords(see.t, digitsFor(see.length))}`;
	open('mark');
}

/* --- export --- */

/* What is seen, as one picture: title, moment, maps with their names, the bar. */
export function picture() {
	const dpr = devicePixelRatio || 1,
		pad = Math.round(24 * dpr),
		p = see.palette,
		across = Math.ceil(Math.sqrt(maps.length)),
		size = Math.round(22 * dpr);
	const w = Math.max(...maps.map((m) => m.canvas.width)),
		h = Math.max(...maps.map((m) => m.canvas.height)) + Math.round(1.6 * size);
	const down = Math.ceil(maps.length / across),
		bar = document.querySelector('#scrub canvas'),
		all = Math.max(across * (w + pad) - pad, Math.round(560 * dpr));
	const barHeight = Math.round((bar.height * all) / bar.width),
		out = document.createElement('canvas'),
		top = pad + Math.round(2 * size);
	out.width = all + 2 * pad;
	out.height = top + down * (h + pad) + barHeight + pad + Math.round(1.4 * size);
	const c = out.getContext('2d');
	c.fillStyle = p.paper;
	c.fillRect(0, 0, out.width, out.height);
	c.textBaseline = 'top';
	c.fillStyle = p.ink;
	c.font = `600 ${size}px system-ui, sans-serif`;
	c.fillText(see.session.title, pad, pad, all * 0.6);
	c.textAlign = 'right';
	c.fillText(timeWords(see.t, digitsFor(see.length)), pad + all, pad);
	c.textAlign = 'left';
	maps.forEach((m, i) => {
		const x = pad + (i % across) * (w + pad),
			y = top + Math.floor(i / across) * (h + pad);
		c.font = `${Math.round(0.7 * size)}px system-ui, sans-serif`;
		c.fillStyle = p.faint;
		c.fillText(m.disk.name, x + m.gutter, y, w);
		m.draw();
		c.drawImage(m.canvas, x, y + Math.round(1.6 * size));
	});
	c.drawImage(bar, pad, top + down * (h + pad), all, barHeight);
	c.font = `${Math.round(0.65 * size)}px system-ui, sans-serif`;
	let x = pad;
	const y = out.height - pad - Math.round(0.4 * size),
		legend = [...Object.entries(p.classes), ['flush', p.flush], ['never changed', p.untouched]];
	for (const [name, colour] of legend) {
		c.fillStyle = colour;
		c.fillRect(x, y, Math.round(0.65 * size), Math.round(0.65 * size));
		c.fillStyle = p.ink;
		c.fillText(name, x + size, y);
		x += c.measureText(name).width + 2 * size;
	}
	return out;
}

function save(blob, name) {
	const a = document.createElement('a');
	a.href = URL.createObjectURL(blob);
	a.download = name;
	a.click();
	setTimeout(() => URL.revokeObjectURL(a.href), 10000);
}

function makeExport() {
	const base = see.session.title.replace(/[^\w.-]+/g, '_') || 'disk';
	el('export-png').addEventListener('click', () =>
		picture().toBlob((blob) => {
			save(blob, `${base}-${timeWords(see.t, 3).replaceAll(':', '.')}.png`);
			say('the picture is saved');
		}),
	);
	const link = () => {
		el('export-page').href = addressOf('export', { contents: el('export-contents').checked ? 1 : 0 });
		el('export-page').download = `${base}.html`;
	};
	el('export-contents').addEventListener('change', link);
	el('export-contents').disabled = !see.session.disks.some((d) => d.data);
	el('export-html').hidden = !!answers;
	link();
}

export function makeDialogs() {
	for (const b of document.querySelectorAll('[data-open]'))
		b.addEventListener('click', () =>
			(({ mark: openMark, filter: openFilter })[b.dataset.open] || (() => open(b.dataset.open)))(),
		);
	for (const b of document.querySelectorAll('dialog [data-close]')) b.addEventListener('click', () => b.closest('dialog').close());
	for (const d of document.querySelectorAll('dialog'))
		d.addEventListener('click', (e) => e.target === d && d.close()); /* beside it */
	makeFilter();
	makeMark();
	makeExport();
}
