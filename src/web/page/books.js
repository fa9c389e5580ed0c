/* SPDX-License-Identifier: BSD-2-Clause */
/* books: what is known of the session over time: tables of heat, series, marks; of all of it, and of the stretch that was zoomed into. */
import { answers, ask, decodeHeat } from './data.js';
import { changed, filterWords, on, see } from './see.js';
import { stretch } from './span.js';

export const books = { offset: null, latency: null, series: null, marks: [] }; /* of the disk that is shown */
let close = null; /* the same of a stretch that was zoomed into, when it is all there: { key, from, to, offset ... } */

let asking = false,
	askedFor = '',
	notBefore = 0;

/* One round at a time, again as the session grows. */
export async function tickBooks(now) {
	tickClose(now);
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
}

on('marks filter', () => (askedFor = ''));

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
export const finest = () => (close && close.key === closeWanted ? close : books);

export function markBefore(t) {
	return books.marks.filter((m) => m.t <= t).pop() || null;
}
