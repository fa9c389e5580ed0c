// SPDX-License-Identifier: BSD-2-Clause
// Firefox, spoken to by WebDriver BiDi: the page draws, plays, zooms, exports a picture and tells of a block there, too.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { check, DIR, same, serve, Skip, test, until, WAIT, WebSocket } from './rig.mjs';

class Firefox {
	static async start() {
		const profile = mkdtempSync(`${DIR}/firefox-`),
			f = new Firefox();
		mkdirSync(`${profile}/home`);
		f.process = spawn(
			process.env.FIREFOX,
			['--headless', '--no-remote', '--remote-debugging-port', '0', '--profile', profile],
			{
				stdio: ['ignore', 'ignore', 'pipe'],
				env: { ...process.env, HOME: `${profile}/home`, MOZ_CRASHREPORTER_DISABLE: '1' },
			},
		);
		let said = '';
		f.process.stderr.on('data', (d) => (said = (said + d).slice(-100000)));
		f.gone = new Promise((r) => f.process.on('exit', r));
		try {
			const where = await until('Firefox listens', () => {
				if (f.process.exitCode !== null)
					throw new Skip(`Firefox ended with ${f.process.exitCode}: ${said.trim().split('\n').pop()}`);
				return /BiDi listening on (ws:\S+)/.exec(said)?.[1];
			});
			await f.connect(where + '/session');
		} catch (e) {
			f.process.kill('SIGKILL');
			throw e instanceof Skip ? e : new Skip(`Firefox cannot be spoken to: ${e.message}`);
		}
		return f;
	}

	async connect(where) {
		this.socket = new WebSocket(where);
		this.waiting = new Map();
		this.wrong = [];
		this.n = 0;
		await new Promise((yes, no) => this.socket.on('open', yes).on('error', no));
		this.socket.on('message', (m) => {
			const a = JSON.parse(m);
			if (a.id) this.waiting.get(a.id)?.(a);
			else if (a.method === 'log.entryAdded' && a.params.level === 'error' && a.params.type === 'javascript')
				this.wrong.push(a.params.text);
		});
		await this.call('session.new', { capabilities: {} });
		this.context = (await this.call('browsingContext.getTree')).contexts[0].context;
		await this.call('session.subscribe', { events: ['log.entryAdded'] });
	}

	async call(method, params = {}) {
		const id = ++this.n;
		const answer = await new Promise((yes, no) => {
			const late = setTimeout(() => no(new Error(`${method}: no answer`)), WAIT);
			this.waiting.set(id, (a) => {
				clearTimeout(late);
				yes(a);
			});
			this.socket.send(JSON.stringify({ id, method, params }));
		});
		if (answer.type === 'error') throw new Error(`${method}: ${answer.message}`);
		return answer.result;
	}

	async evaluate(text) {
		const r = await this.call('script.evaluate', {
			expression: `(async () => JSON.stringify(await (${text})))()`,
			target: { context: this.context },
			awaitPromise: true,
		});
		if (r.type === 'exception') throw new Error(r.exceptionDetails.text);
		return r.result.value === undefined ? undefined : JSON.parse(r.result.value);
	}

	key(value) {
		return this.call('input.performActions', {
			context: this.context,
			actions: [
				{
					type: 'key',
					id: 'k',
					actions: [
						{ type: 'keyDown', value },
						{ type: 'keyUp', value },
					],
				},
			],
		});
	}

	async stop() {
		await this.call('browser.close').catch(() => {});
		const late = setTimeout(() => this.process.kill('SIGKILL'), WAIT);
		await this.gone;
		clearTimeout(late);
	}
}

test('firefox_shows_the_same', async () => {
	if (!process.env.FIREFOX) throw new Skip('no firefox-esr');
	const f = await Firefox.start(),
		server = await serve(`${DIR}/small.log`);
	try {
		await f.call('browsingContext.setViewport', { context: f.context, viewport: { width: 1280, height: 800 } });
		await f.call('browsingContext.navigate', { context: f.context, url: server.url, wait: 'complete' });
		const settled = () =>
			until('a picture', () =>
				f.evaluate('globalThis.blkscope && blkscope.maps.length > 0 && blkscope.maps.every((m) => m.settled())'),
			);
		await until('the first picture', () => f.evaluate('!!globalThis.blkscope?.maps[0]?.frame'));
		await f.key('\uE012'); // to the left: no longer live
		await f.evaluate('void (blkscope.see.t = 100e9)');
		await settled();
		const colours = await f.evaluate(`(() => {
			const m = blkscope.maps[0], at = (x, y) => [...m.offCtx.getImageData(x, y, 1, 1).data].slice(0, 3).join();
			return [at(0, 0), at(44, 2), at(6, 4), at(8, 6), at(100, 100)];
		})()`);
		const dark = await f.evaluate("blkscope.see.palette.name === 'default'");
		same(
			colours,
			dark
				? ['213,94,0', '213,94,0', '0,158,115', '245,245,245', '27,27,31']
				: ['213,94,0', '213,94,0', '78,175,143', '28,28,34', '232,232,236'],
		);
		await f.key('h');
		await settled();
		same(await f.evaluate("[blkscope.see.order, document.getElementById('order').getAttribute('aria-pressed')]"), [
			'hilbert',
			'true',
		]);
		await f.key('h');
		await f.key('i');
		await settled();
		check(await f.evaluate('blkscope.maps[0].zoomed()'), 'it zooms');
		await f.evaluate("document.querySelector('.surface').focus()");
		await f.key('\uE014');
		await until('the panel', async () =>
			/written by|never changed/.test(await f.evaluate("document.getElementById('block-state').textContent")),
		);
		await f.key('\uE011'); // Home
		await settled();
		same(await f.evaluate('[blkscope.see.t, blkscope.maps[0].frame.events <= 1]'), [0, true]);
		await f.evaluate("document.getElementById('play').click()");
		await until('time goes on', () => f.evaluate('blkscope.see.t > 1e8'));
		same(await f.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'), 0, 'too wide by');
		same(f.wrong, [], 'errors of the page');
	} finally {
		await f.stop();
		await server.stop();
	}
});
