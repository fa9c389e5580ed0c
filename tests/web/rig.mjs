// SPDX-License-Identifier: BSD-2-Clause
// rig: what the cases stand on: `blkscope view --web` on a file of the test's folder, a page of Chromium on it, and what is said of a case.
import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { appendFileSync, readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';

const require = createRequire(process.env.NODE_MODULES_OF + '/');
const { chromium } = require('playwright-core');
export const WebSocket = require('ws');
export const DIR = process.env.FIXTURES,
	BIN = process.env.BIN;
const SLOWER = Number(process.env.SLOWER || 1);
export const WAIT = 15000 * SLOWER; // ms: only ends a test that would wait for ever

const cases = [];
export const test = (name, f) => cases.push([name, f]);

export function same(got, want, what = '') {
	const a = JSON.stringify(got),
		b = JSON.stringify(want);
	if (a !== b) throw new Error(`${what}: got ${a?.slice(0, 600)}, expected ${b?.slice(0, 600)}`);
}

export function check(good, what) {
	if (!good) throw new Error(what);
}

export async function until(what, f) {
	const end = Date.now() + WAIT;
	for (;;) {
		const got = await f();
		if (got) return got;
		if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
		await new Promise((r) => setTimeout(r, 20));
	}
}

// --- the server ---

export async function serve(...args) {
	const p = spawn(BIN + '/nbdview', ['--web', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
	let out = '',
		err = '';
	p.stderr.on('data', (d) => (err += d));
	p.stdout.on('data', (d) => (out += d));
	await until('the server says its address', () => {
		if (p.exitCode !== null) throw new Error(`nbdview --web ${args.join(' ')}: ended with ${p.exitCode}: ${err}`);
		return out.includes('\n');
	});
	const gone = new Promise((r) => p.on('exit', r));
	return {
		url: out.split('\n')[0],
		process: p,
		async stop() {
			p.kill('SIGTERM');
			const late = setTimeout(() => p.kill('SIGKILL'), WAIT);
			const code = await gone;
			clearTimeout(late);
			same([code, err], [0, ''], 'the end of the server');
		},
	};
}

// What --dump says of a moment: for each cell its state, and the totals.
export function dump(file, at = null) {
	const r = spawnSync(BIN + '/nbdview', [file, '--dump', ...(at === null ? [] : [`--at=${at}`])], {
		encoding: 'utf8',
		maxBuffer: 1 << 28,
	});
	same(r.status, 0, r.stderr);
	const states = new Map(),
		totals = {};
	for (const line of r.stdout.split('\n')) {
		const w = line.split(' ');
		if (w[0] === 'pixel') states.set(Number(w[1]), w[2]);
		else if (w[0] === 'total') totals[w[1]] = { n: Number(w[2].split('=')[1]), bytes: Number(w[3].split('=')[1]) };
	}
	return { states, totals };
}

// --- the browser ---

let browser = null;
export const CHROMIUM = [
	'--no-sandbox',
	'--headless',
	'--disable-gpu',
	'--disable-quic',
	'--no-first-run',
	'--disable-background-networking',
	'--disable-component-update',
	'--disable-sync',
];

// A page that has shown its first picture.  Errors in it, and any address but its own, end the case.
export async function openPage(url, options = {}) {
	browser = browser || (await chromium.launch({ executablePath: process.env.CHROMIUM, args: CHROMIUM }));
	const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'dark', ...options });
	const page = await context.newPage();
	page.setDefaultTimeout(WAIT);
	page.wrong = [];
	page.on('pageerror', (e) => page.wrong.push(`${e.message} ${e.stack}`));
	page.on('console', (m) => m.type() === 'error' && !/status of 4(04|10)/.test(m.text()) && page.wrong.push(m.text()));
	const home = new URL(url).origin;
	page.on('request', (r) => {
		if (!/^(data|blob):/.test(r.url()) && new URL(r.url()).origin !== home) page.wrong.push(`asked for ${r.url()}`);
	});
	await page.goto(url);
	await settled(page);
	return page;
}

export async function settled(page) {
	await page.waitForFunction(
		() => globalThis.blkscope?.maps.length && blkscope.maps.every((m) => m.settled() || (blkscope.see.live && m.frame)),
	);
}

// With a server on a file and a page on it, until f is done.
export async function withPage(args, options, f) {
	const server = await serve(...[].concat(args));
	let page = null;
	try {
		page = await openPage(server.url, options);
		await f(page, server);
		same(page.wrong, [], 'errors of the page');
		await page.context().close();
		await server.stop();
	} catch (e) {
		if (page && process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/failed.png` }).catch(() => {});
		await page
			?.context()
			.close()
			.catch(() => {});
		server.process.kill('SIGKILL');
		throw e;
	}
}

// To a moment, as a script would; for cases that are about something else.
export async function goTo(page, seconds) {
	await page.evaluate((s) => {
		const { see } = blkscope;
		see.live = false;
		see.way = 0;
		see.event = null;
		see.t = Math.round(s * 1e9);
	}, seconds);
	await settled(page);
}

// The state of each unit in view, told by the colours that are painted, row by row; '?' for any other colour.
export const painted = (page, disk = 0) =>
	page.evaluate((i) => {
		const m = blkscope.maps[i],
			p = blkscope.see.palette,
			{ w, h } = m.frame;
		const number = (hex) => parseInt(hex.slice(1), 16);
		const names = new Map([
			[number(p.untouched), 'none'],
			[number(p.classes.write), 'write'],
			[number(p.classes.trim), 'trim'],
			[number(p.classes.zero), 'zero'],
			[number(p.classes.read), 'read'],
			[number(p.classes.error), 'error'],
		]);
		const d = m.offCtx.getImageData(0, 0, w, h).data,
			out = [];
		for (let k = 0; k < w * h; k++)
			out.push(d[4 * k + 3] === 0 ? 'outside' : names.get((d[4 * k] << 16) | (d[4 * k + 1] << 8) | d[4 * k + 2]) || '?');
		return { w, h, units: out };
	}, disk);

// The colour that is seen at a part of a unit (0..1, 0..1 within it), from the canvas on the screen.
export const seen = (page, x, y, fx = 0.06, fy = 0.06) =>
	page.evaluate(
		([ux, uy, dx, dy]) => {
			const m = blkscope.maps[0],
				u = m.units(),
				s = m.view.s;
			const px = Math.floor(m.gutter + ((ux + dx) / u - m.view.x) * s),
				py = Math.floor(((uy + dy) / u - m.view.y) * s);
			const d = m.ctx.getImageData(px, py, 1, 1).data;
			return '#' + [0, 1, 2].map((k) => d[k].toString(16).padStart(2, '0')).join('');
		},
		[x, y, fx, fy],
	);

// Where the middle of a unit is on the screen.
export const placeOf = (page, x, y, disk = 0) =>
	page.evaluate(
		([i, ux, uy]) => {
			const m = blkscope.maps[i],
				u = m.units(),
				r = m.canvas.getBoundingClientRect(),
				k = m.canvas.clientWidth / m.canvas.width;
			return {
				x: r.left + (m.gutter + ((ux + 0.5) / u - m.view.x) * m.view.s) * k,
				y: r.top + ((uy + 0.5) / u - m.view.y) * m.view.s * k,
			};
		},
		[disk, x, y],
	);

// An 8-bit PNG as the browser writes it: { w, h, at(x, y) } with [r, g, b].
export function png(bytes) {
	const w = bytes.readUInt32BE(16),
		h = bytes.readUInt32BE(20),
		k = { 2: 3, 6: 4 }[bytes[25]],
		parts = [];
	for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at))
		if (bytes.toString('latin1', at + 4, at + 8) === 'IDAT')
			parts.push(bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)));
	const raw = inflateSync(Buffer.concat(parts)),
		out = Buffer.alloc(w * h * k),
		line = w * k;
	for (let y = 0; y < h; y++) {
		const kind = raw[y * (line + 1)];
		for (let x = 0; x < line; x++) {
			const a = x >= k ? out[y * line + x - k] : 0,
				b = y ? out[(y - 1) * line + x] : 0,
				c = x >= k && y ? out[(y - 1) * line + x - k] : 0;
			const p = a + b - c,
				near =
					Math.abs(p - a) <= Math.abs(p - b) && Math.abs(p - a) <= Math.abs(p - c)
						? a
						: Math.abs(p - b) <= Math.abs(p - c)
							? b
							: c;
			out[y * line + x] = raw[y * (line + 1) + 1 + x] + [0, a, b, (a + b) >> 1, near][kind];
		}
	}
	return { w, h, at: (x, y) => [...out.subarray((y * w + x) * k, (y * w + x) * k + 3)] };
}

export const lines = (name) =>
	readFileSync(`${DIR}/${name}`, 'utf8')
		.split('\n')
		.filter((l) => l);
export const append = (name, text) => appendFileSync(`${DIR}/${name}`, text);

export const browserEnds = () => browser?.close();

// --- running ---

export class Skip extends Error {}

export async function main() {
	const word = process.argv[2] || '';
	let bad = 0;
	for (const [name, f] of cases) {
		if (!name.includes(word)) continue;
		console.log('#', name);
		const start = Date.now();
		try {
			await f();
			console.log('ok', name, process.env.TIMES ? `${Date.now() - start} ms` : '');
		} catch (e) {
			if (e instanceof Skip) {
				console.log(`skip ${name}: ${e.message}`);
			} else {
				bad++;
				console.log(e.stack);
				console.log('not ok', name);
			}
		}
	}
	await browserEnds();
	process.exit(bad ? 1 : 0);
}
