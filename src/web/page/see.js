/* SPDX-License-Identifier: BSD-2-Clause */
/* see: what is being looked at: the moment, the way it moves, the order, the filter.  Not what the disks are: that is asked
 * for.  Whoever changes it says so by changed(), and those who showed it are told. */
import { answers, ask } from './data.js';

export const follows = !answers; /* a file may grow; an exported page does not */

export const see = {
	session: null, /* as the server tells it */
	t: 0, /* ns: the moment that is wanted */
	event: null, /* exactly so many events, or null: all up to t */
	length: 0, /* ns: the newest there is */
	live: false, /* follow the newest */
	way: 0, /* playing: 1, backwards: -1, standing: 0 */
	speed: 1, /* recorded seconds in a second */
	order: 'row',
	structure: true, /* outlines and labels */
	keep: false, /* reads stay lit */
	disk: 0, /* whose counters, timeline and panel are shown */
	filter: null, /* { id, words, body }, or null: everything */
	palette: null,
};

const listeners = new Map();

export function on(what, f) {
	for (const w of what.split(' ')) listeners.set(w, [...(listeners.get(w) || []), f]);
}

export function changed(what) {
	for (const f of listeners.get(what) || []) f();
}

/* --- the moment --- */

/* quiet: not to be read aloud. */
export function goTo(t, { event = null, quiet = false } = {}) {
	see.t = Math.max(0, Math.min(Math.round(t), see.length));
	see.event = event;
	if (see.live) {
		see.live = false;
		changed('motion');
	}
	changed('t');
	if (!quiet) changed('told');
}

export function goLive() {
	see.live = true;
	see.way = 0;
	see.event = null;
	see.t = see.length;
	changed('motion');
	changed('t');
	changed('told');
}

export function play(way) {
	if (way > 0 && see.t >= see.length) see.t = 0; /* again from the beginning */
	if (way < 0 && see.t <= 0) see.t = see.length;
	see.way = way;
	see.event = null;
	see.live = false;
	changed('motion');
	changed('t');
}

/* dt: ms since the picture before. */
export function advance(dt) {
	if (!see.way) return;
	see.t += see.way * see.speed * Math.min(dt, 250) * 1e6;
	if (see.t >= see.length) {
		see.t = see.length;
		see.way = 0;
		if (follows) goLive();
		changed('motion');
	} else if (see.t <= 0) {
		see.t = 0;
		see.way = 0;
		changed('motion');
	}
	changed('t');
}

export async function stepBy(by, way) {
	see.way = 0;
	const to = await ask('step', { disk: see.disk, t: Math.round(see.t), event: see.event, by, way, ...filterWords() });
	goTo(to.t, { event: by === 'event' ? to.event : null });
	changed('motion');
}

export const SPEEDS = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1000];

export function setSpeed(speed) {
	see.speed = speed;
	changed('motion');
}

/* A session of a moment is watched slowly. */
export function speedFor(length) {
	return length >= 5e9 || !length ? 1 : SPEEDS.filter((s) => length / s >= 5e9).pop() || SPEEDS[0];
}

/* --- the filter: the server keeps it under a number, and may forget it --- */

export function filterWords() {
	return see.filter ? { filter: see.filter.id } : {};
}

export async function setFilter(body) {
	if (!body) {
		see.filter = null;
	} else {
		const got = await ask('filter', {}, body);
		see.filter = { id: got.filter, words: got.words, body };
	}
	changed('filter');
}

/* A number for the moment and the filter, as frame, block and structure take it. */
export function momentWords() {
	const words = see.live ? { live: 1 } : see.event !== null ? { t: Math.round(see.t), event: see.event } : { t: Math.round(see.t) };
	return { ...words, ...filterWords() };
}
