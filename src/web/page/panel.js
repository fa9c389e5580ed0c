/* SPDX-License-Identifier: BSD-2-Clause */
/* panel: what is told in words: the counters, and the block under the pointer or pinned. */
import { ask } from './data.js';
import { bytesWords, countWords, digitsFor, hexWords, timeWords } from './words.js';
import { goTo, momentWords, on, see } from './see.js';
import { active, maps, pointed, unpin } from './maps.js';

const $ = (id) => document.getElementById(id);

/* A new element: its tag, its class, its text or children. */
export function make(tag, cls = '', ...inside) {
	const e = document.createElement(tag);
	if (cls) e.className = cls;
	e.append(...inside);
	return e;
}

/* Other entries for a list, unless they are the same as told by sign: who is just pressing one, or has the focus there, keeps it. */
export function refill(list, sign, items) {
	if (list.sign === sign) return false;
	const i = [...list.children].findIndex((li) => li.contains(document.activeElement));
	list.sign = sign;
	list.replaceChildren(...items());
	if (i >= 0) (list.children[Math.min(i, list.children.length - 1)]?.querySelector('button') || list).focus({ preventScroll: true });
	return true;
}

/* --- counters; they are the legend, too --- */

const ROWS = [
	['write', 'write'],
	['read', 'read'],
	['trim', 'trim'],
	['zero', 'zero'],
	['flush', 'flush'],
	['error', 'error'],
	['untouched', 'never changed'],
];
const counters = new Map();

function makeCounters() {
	for (const [name, words] of ROWS) {
		const sample = make('span', `sample sample-${name}`),
			row = make('tr');
		const head = make('th', '', sample, words),
			cells = [1, 2, 3, 4].map(() => make('td'));
		head.scope = 'row';
		if (name === 'untouched') head.colSpan = 5;
		row.append(head, ...(name === 'untouched' ? [] : cells));
		$('counters').append(row);
		counters.set(name, cells);
	}
}

function put(cell, text) {
	if (cell.textContent !== text) cell.textContent = text;
}

function tellCounters() {
	const f = active().frame;
	if (!f) return;
	for (const [name, o] of Object.entries(f.ops)) {
		const cells = counters.get(name),
			bytes = name !== 'flush';
		put(cells[0], countWords(o.n));
		put(cells[1], bytes ? bytesWords(o.bytes) : '');
		put(cells[2], o.rate ? countWords(o.rate) : '');
		put(cells[3], bytes && o.rateBytes ? `${bytesWords(o.rateBytes)}/s` : '');
	}
	put(counters.get('error')[0], countWords(f.errors));
	put($('flying'), countWords(f.flying));
	put($('events'), countWords(f.events));
	put($('last-flush'), f.lastFlush === null ? 'never' : timeWords(f.lastFlush, digitsFor(see.length)));
}

/* --- the block --- */

let blockAsked = false,
	blockKey = '',
	blockNotBefore = 0,
	block = null;

/* What is to be told of: where it is pinned, else where the pointer is. */
function subject() {
	const pinned = maps.find((m) => m.pinned),
		map = pinned || pointed;
	if (!map) return null;
	const unit = map.unitAt(pinned ? map.pinned : map.cursor);
	return unit && { map, pinned: !!pinned, words: { ...map.gridWords(), px: unit.x, py: unit.y } };
}

export async function tickPanel(now) {
	if (blockAsked || now < blockNotBefore) return;
	const about = subject(),
		words = about && { ...about.words, ...momentWords() };
	const key = about ? JSON.stringify([words, about.pinned]) : '';
	const wait = block && (block.ready === false || block.known === false);
	if (key === blockKey && !(about && (wait || (see.live && block && block.newest !== about.map.frame?.events)))) return;
	if (!about) {
		blockKey = '';
		return; /* the last one stays readable */
	}
	blockAsked = true;
	delete words.filter; /* a block's history is all of it */
	try {
		block = await ask('block', words);
		block.newest = about.map.frame?.events;
		tellBlock(block, about);
	} catch (e) {
		$('block-name').textContent = e.message;
	}
	blockKey = key;
	blockNotBefore = performance.now() + (see.way || see.live || block?.ready === false || block?.known === false ? 150 : 0);
	blockAsked = false;
}

const VERB = { read: 'read', write: 'written', trim: 'trimmed', zero: 'zeroed', flush: 'flushed' };

function connectionName(disk, id) {
	const c = see.session.connections.find((x) => x.disk === disk && x.id === id);
	return c && c.name ? `${c.name} (connection ${id})` : id ? `connection ${id}` : 'an unknown connection';
}

function tellBlock(b, about) {
	$('block').classList.toggle('pinned', about.pinned);
	$('block-empty').hidden = true;
	$('block-body').hidden = false;
	$('unpin').hidden = !about.pinned;
	$('block-name').textContent = b.words || (b.volume ? 'not known' : stateWords(b));
	$('block-name').style.color = (!['nothing', 'data'].includes(b.class) && see.palette.structure[b.class]) || '';
	put($('block-path'), b.path || '');
	$('block-path').hidden = !b.path || b.words.includes(b.path);
	const of = see.session.disks.length > 1 ? ` of ${about.map.disk.name}` : '';
	put($('block-at'), `${hexWords(b.at)} · ${bytesWords(b.at)} · ${bytesWords(b.len)}${of}`);
	put($('block-volume'), [b.volume, ...(b.flags || [])].filter((x) => x).join(' · '));
	const digits = digitsFor(see.length),
		w = b.writer;
	put(
		$('block-state'),
		w ? `${stateWords(b)} by ${connectionName(about.map.index, w.conn)} at ${timeWords(w.t, digits)}` : stateWords(b),
	);
	tellHistory(b, about, digits);
	tellHex(b);
}

function stateWords(b) {
	const counts = Object.entries(b.blocks || {}).filter(([, n]) => n);
	if (counts.length < 2) return b.state === 'untouched' ? 'never changed' : b.state;
	return counts.map(([state, n]) => `${countWords(n)} ${state === 'untouched' ? 'never changed' : state}`).join(', ');
}

const deed = (h) => (h.error ? `${h.op} failed: ${h.error}` : VERB[h.op] || h.op);

function tellHistory(b, about, digits) {
	const list = $('block-history');
	const n = b.history.length + (b.more || 0);
	$('block-count').textContent = n ? `${countWords(n)} request${n > 1 ? 's' : ''}` : '';
	const items = () =>
		b.history.slice(0, 100).map((h) => {
			const go = make(
				'button',
				'jump',
				make('span', `sample sample-${h.error ? 'error' : h.op}`),
				make('span', 'when', timeWords(h.t, digits)),
				make('span', 'what', `${deed(h)}, ${bytesWords(h.len)} at ${hexWords(h.at)}`),
			);
			go.type = 'button';
			go.title = connectionName(about.map.index, h.conn);
			if (h.t > b.t) go.classList.add('later');
			go.addEventListener('click', () => {
				see.way = 0;
				goTo(h.t);
			});
			return make('li', '', go);
		});
	const before = () => (b.more ? [make('li', 'faint', `and ${countWords(b.more)} before`)] : []);
	const later = b.history.filter((h) => h.t > b.t).length;
	refill(list, JSON.stringify([about.map.index, b.at, digits, b.more, later, b.history]), () => [...items(), ...before()]);
}

/* 16 bytes a line, or 8 where there is less room: offset, hexadecimal, text; lines that are the same are told once. */
function tellHex(b) {
	const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
	const each = $('block').clientWidth > 74 * 0.84 * 0.62 * rem ? 16 : 8,
		bytes = (b.hex || '').match(/../g) || [],
		lines = [];
	const letter = (n) => (n >= 32 && n < 127 ? String.fromCharCode(n) : '·');
	let before = '';
	for (let i = 0; i < bytes.length; i += each) {
		const part = bytes.slice(i, i + each),
			now = part.join(' ');
		if (now === before) {
			if (lines[lines.length - 1] !== '*') lines.push('*');
			continue;
		}
		before = now;
		const text = part.map((h) => letter(parseInt(h, 16))).join('');
		lines.push(`${i.toString(16).padStart(4, '0')}  ${now.padEnd(3 * each)} ${text}`);
	}
	put($('block-hex'), lines.join('\n'));
	$('block-hex').hidden = !lines.length;
	put($('block-why'), lines.length ? '' : b.why || '');
}

export function makePanel() {
	makeCounters();
	$('unpin').addEventListener('click', unpin);
	on('frame disk', tellCounters);
}

/* For the live region: what the cursor is on. */
export function blockWords() {
	if (!block) return '';
	return [block.words || '', block.path || '', `offset ${bytesWords(block.at)}`, $('block-state').textContent]
		.filter((x) => x)
		.join(', ');
}
