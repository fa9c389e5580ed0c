// SPDX-License-Identifier: BSD-2-Clause
// How the page keeps up, in Chromium at 1920 × 1080: pictures in a second and from request to pixel; no test, and no part of run.mjs.
//     web-page.py --measure [SECONDS]
// A picture counts when it was drawn and the browser calls for the next one.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { BIN, browserEnds, DIR, openPage, serve, until } from './rig.mjs';

const SECONDS = Number(process.argv[3] || 10),
	RATE = 400000; // lines in a second: 200,000 requests that begin and end
const GENLOG = `${BIN}/../bench/bench-genlog`;

const percentile = (values, p) => {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] : NaN;
};

const told = (values) =>
	['median', '99 %', 'most'].map((w, i) => `${w} ${percentile(values, [0.5, 0.99, 1][i]).toFixed(1)}`).join(', ') + ' ms';

// Times of all calls of requestAnimationFrame, of drawn pictures, and how old the newest event in each was.
async function watch(page, seconds) {
	return page.evaluate(async (s) => {
		const m = blkscope.maps[0],
			wall = Number(BigInt(blkscope.see.session.wall) / 1000n) / 1000,
			calls = [],
			drawn = [],
			ages = [];
		const draw = m.draw;
		let events = 0;
		m.draw = function (...a) {
			draw.apply(this, a);
			drawn.push(performance.now());
			if (this.frame && this.frame.events !== events) {
				events = this.frame.events;
				ages.push(performance.timeOrigin + performance.now() - (wall + this.frame.newest / 1e6));
			}
		};
		m.stats.lag.length = 0;
		const end = performance.now() + s * 1000;
		await new Promise((r) => {
			const tick = (now) => {
				calls.push(now);
				return now < end ? requestAnimationFrame(tick) : r();
			};
			requestAnimationFrame(tick);
		});
		delete m.draw;
		return { calls, drawn, ages, lag: [...m.stats.lag], events: m.frame.events };
	}, seconds);
}

function report(name, w, age) {
	const gaps = w.calls.slice(1).map((t, i) => t - w.calls[i]),
		s = (w.calls[w.calls.length - 1] - w.calls[0]) / 1000;
	console.log(
		`${name}: ${((w.calls.length - 1) / s).toFixed(1)} frames/s (${told(gaps)} apart), ` +
			`${(w.drawn.length / s).toFixed(1)} drawn/s, question to pixel ${told(w.lag)}` +
			(age ? `, request to pixel ${told(w.ages)}, ${w.events} events at the end` : ''),
	);
}

const screen = { viewport: { width: 1920, height: 1080 } };

// Everything is random all over the disk, so that no two neighbours are alike: the largest answers there are.
for (const size of ['64M', '2G']) {
	const log = `${DIR}/play.log`,
		out = openSync(log, 'w');
	const ended = new Promise((r) =>
		spawn(GENLOG, ['--lines=2000000', `--rate=${RATE / 4}`, `--size=${size}`], { stdio: ['ignore', out, 'inherit'] }).on(
			'exit',
			r,
		),
	);
	closeSync(out);
	await ended;
	const server = await serve(log),
		page = await openPage(server.url, screen);
	await page.keyboard.press('Home');
	await page.click('#play');
	report(`playing 50,000 requests/s of ${size}`, await watch(page, SECONDS));
	await page.context().close();
	await server.stop();
}

for (const size of ['64M', '2G']) {
	const log = `${DIR}/growing.log`,
		out = openSync(log, 'w');
	const lines = `--lines=${RATE * (SECONDS + 6)}`;
	const writer = spawn(GENLOG, ['--live', `--rate=${RATE}`, lines, `--size=${size}`], { stdio: ['ignore', out, 'ignore'] });
	closeSync(out);
	const ended = new Promise((r) => writer.on('exit', r));
	const server = await serve(log),
		page = await openPage(server.url, screen);
	await until('it is live', () => page.evaluate(() => blkscope.see.live && blkscope.maps[0].frame.events > 0));
	await new Promise((r) => setTimeout(r, 1500));
	report(`live, 200,000 requests/s of ${size}`, await watch(page, SECONDS), true);
	await ended;
	await page.context().close();
	await server.stop();
}
await browserEnds();
