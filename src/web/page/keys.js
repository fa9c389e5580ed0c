/* SPDX-License-Identifier: BSD-2-Clause */
/* keys: everything by keyboard.  One table: what is pressed, what it does, and its words for the help. */
import { answers } from './data.js';
import { changed, follows, goLive, goTo, see } from './see.js';
import { active, choose, maps, unpin } from './maps.js';
import { faster, nextTheme, seekBy, setCols, setOrder, setStructure, step, toggle } from './controls.js';
import { giveUpRegion, open, openFilter, openMark } from './dialogs.js';

const GROUPS = [
	[
		'Time',
		[
			[[' '], 'Space', 'play; pause', () => toggle(1)],
			[['r'], 'R', 'play backwards; pause', () => toggle(-1)],
			[['.', ','], '. ,', `one ${answers ? 'moment' : 'event'} forward; back`, (k) => step('event', k === '.' ? 'next' : 'last')],
			[['>', '<'], '> <', 'to the next flush; the one before', (k) => step('flush', k === '>' ? 'next' : 'last')],
			[
				['PageDown', 'PageUp'],
				'PgDn PgUp',
				'to the next mark; the one before',
				(k) => step('mark', k === 'PageDown' ? 'next' : 'last'),
			],
			[
				['ArrowLeft', 'ArrowRight'],
				'← →',
				'one second; with Shift, ten',
				(k, e) => seekBy((k === 'ArrowLeft' ? -1 : 1) * (e.shiftKey ? 10 : 1)),
			],
			[
				['Home', 'End'],
				'Home End',
				'to the beginning; to the end',
				(k) => {
					see.way = 0;
					if (k === 'End' && follows) goLive();
					else goTo(k === 'Home' ? 0 : see.length);
					changed('motion');
				},
			],
			[['+', '=', '-'], '+ −', 'faster; slower', (k) => faster(k === '-' ? -1 : 1)],
			[[], 'I O 0', 'on the time bar: zoom in; out; all of it', null],
			[['l'], 'L', 'live: follow the newest', () => follows && goLive()],
			[['m'], 'M', 'set a mark', openMark],
		],
	],
	[
		'Map',
		[
			[[], '← ↑ ↓ →', 'on the map: from block to block; with Shift, eight', null],
			[[], 'Enter', 'on the map: pin the block; let it go', null],
			[['i', 'o'], 'I O', 'zoom in; out', (k) => active().zoomBy(k === 'i' ? 2 : 0.5)],
			[['0'], '0', 'the whole disk', () => active().fitAll()],
			[
				['w', 'a', 's', 'd'],
				'W A S D',
				'move a map that is zoomed in',
				(k) => {
					const m = active(),
						far = m.canvas.height / m.view.s / 6;
					m.panBy(k === 'a' ? -far : k === 'd' ? far : 0, k === 'w' ? -far : k === 's' ? far : 0);
				},
			],
			[['h'], 'H', 'along a Hilbert curve; row by row', () => setOrder(see.order === 'row' ? 'hilbert' : 'row')],
			[['[', ']'], '[ ]', 'rows one square narrower; wider', (k) => setCols(active().cols + (k === '[' ? -1 : 1))],
			[
				['{', '}'],
				'{ }',
				'rows half as wide; twice',
				(k) => setCols(k === '{' ? Math.ceil(active().cols / 2) : active().cols * 2),
			],
			[['u'], 'U', 'outlines and labels of the structure', () => setStructure(!see.structure)],
			[['n'], 'N', 'the next disk', () => choose((see.disk + 1) % maps.length)],
		],
	],
	[
		'Page',
		[
			[['f'], 'F', 'filter', openFilter],
			[['e'], 'E', 'export', () => open('export')],
			[['t'], 'T', 'colours: dark, light, classic', nextTheme],
			[['?', 'F1'], '?', 'these keys', () => open('help')],
			[['Escape'], 'Esc', 'close; let go of the pinned block', () => giveUpRegion() || unpin()],
		],
	],
];

export function makeKeys() {
	const does = new Map();
	for (const [title, rows] of GROUPS) {
		const section = document.createElement('section'),
			head = document.createElement('h3'),
			list = document.createElement('dl');
		head.textContent = title;
		for (const [keys, names, words, f] of rows) {
			if (answers && ['F', 'L', 'M'].includes(names)) continue; /* there is no server to ask */
			const dt = document.createElement('dt'),
				dd = document.createElement('dd');
			for (const name of names.split(' ')) {
				const kbd = document.createElement('kbd');
				kbd.textContent = name;
				dt.append(kbd, ' ');
			}
			dd.textContent = words;
			list.append(dt, dd);
			for (const k of keys) does.set(k, f);
		}
		section.append(head, list);
		document.getElementById('keys').append(section);
	}
	addEventListener('keydown', (e) => {
		const at = e.target,
			typing = at.matches?.('input:not([type=checkbox]), select, textarea'),
			k = e.key.length === 1 ? e.key.toLowerCase() : e.key;
		if (e.ctrlKey || e.altKey || e.metaKey || typing || (document.querySelector('dialog[open]') && k !== '?')) return;
		if ((k === ' ' || k === 'Enter') && at.matches?.('button, a, summary, input')) return; /* theirs */
		const f = does.get(k);
		if (f) {
			e.preventDefault();
			f(k, e);
		}
	});
}
