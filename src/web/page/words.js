/* SPDX-License-Identifier: BSD-2-Clause */
/* words: numbers as people read them.  Pure functions. */

export const S = 1e9; /* ns in a second */

/* ns as 1:04.813; digits: behind the seconds' point. */
export function timeWords(ns, digits = 3) {
	const unit = 10 ** digits,
		all = Math.floor((Math.max(ns, 0) / S) * unit + 1e-6);
	const seconds = Math.floor(all / unit),
		rest = digits ? '.' + String(all % unit).padStart(digits, '0') : '';
	const s = seconds % 60,
		m = Math.floor(seconds / 60) % 60,
		h = Math.floor(seconds / 3600);
	const two = (n) => String(n).padStart(2, '0');
	return (h ? `${h}:${two(m)}` : String(m)) + `:${two(s)}${rest}`;
}

/* As many digits as a session of this length needs. */
export function digitsFor(length) {
	return length < S / 1000 ? 9 : length < S ? 6 : length < 10 * S ? 4 : 3;
}

/* For a screen reader: 1 minute 4.8 seconds. */
export function spokenTime(ns) {
	const m = Math.floor(ns / S / 60),
		s = ns / S - 60 * m;
	return (m ? `${m} minute${m > 1 ? 's' : ''} ` : '') + `${Number(s.toFixed(ns < 10 * S ? 3 : 1))} seconds`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

export function bytesWords(n) {
	let u = 0;
	while (n >= 1024 && u < UNITS.length - 1) {
		n /= 1024;
		u++;
	}
	return `${Number(n >= 100 || u === 0 ? n.toFixed(0) : n.toFixed(n >= 10 ? 1 : 2))} ${UNITS[u]}`;
}

/* 12M: for a ruler. */
export function bytesShort(n) {
	let u = 0;
	while (n >= 1024 && u < UNITS.length - 1 && Number.isInteger((n / 1024) * 8)) {
		n /= 1024;
		u++;
	}
	return n === 0 ? '0' : `${n}${UNITS[u][0]}`;
}

export function countWords(n) {
	return n.toLocaleString('en'); /* 12,345: as the story has them */
}

export function countShort(n) {
	for (const [size, name] of [
		[1e9, 'G'],
		[1e6, 'M'],
		[1e3, 'k'],
	])
		if (n >= size) return `${Number((n / size).toFixed(n / size < 10 ? 1 : 0))}${name}`;
	return String(n);
}

export function hexWords(n) {
	return '0x' + n.toString(16);
}

/* A duration from ns: 41.3 ms. */
export function durationWords(ns) {
	for (const [size, name] of [
		[S, 's'],
		[1e6, 'ms'],
		[1e3, 'µs'],
	])
		if (ns >= size) return `${Number((ns / size).toPrecision(3))} ${name}`;
	return `${Math.round(ns)} ns`;
}

/* "64K", "0x1000", "12.5M", "131072s": bytes, or null. */
export function parseBytes(text) {
	const m = /^\s*(0x[0-9a-f]+|\d+(?:\.\d+)?)\s*([kmgtpes]?)(?:i?b)?\s*$/i.exec(text);
	if (!m) return null;
	const unit = m[2].toLowerCase(),
		scale = unit === 's' ? 512 : unit ? 1024 ** ('kmgtpe'.indexOf(unit) + 1) : 1;
	return Math.round(Number(m[1]) * scale);
}

/* A step of 1, 2 or 5 times a power of ten (of bytes: a power of two), at least so large. */
function niceStep(least) {
	const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
	return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= least);
}

/* The same for time, whose minutes have 60 seconds. */
export function niceTimeStep(least) {
	if (least <= S) return niceStep(least);
	const seconds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400].find((n) => n * S >= least);
	return seconds ? seconds * S : niceStep(least / (86400 * S)) * 86400 * S;
}
