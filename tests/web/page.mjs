// SPDX-License-Identifier: BSD-2-Clause
// The page around the pictures: panel, filters, themes, export, keyboard, names, phones.
import { readFileSync, writeFileSync } from 'node:fs';
import vm from 'node:vm';
import { check, DIR, goTo, openPage, painted, placeOf, png, same, seen, settled, test, until, withPage } from './rig.mjs';

// What makes an exported page of them: imports are left out, exports are plain.
test('all_scripts_can_be_one', () => {
	const src = process.env.SRC,
		list = /page_files = files\(([^)]*)\)/.exec(readFileSync(`${src}/src/meson.build`, 'utf8'))[1].match(/[\w/.]+\.js/g),
		names = new Map();
	let whole = '';
	for (const file of list) {
		const text = readFileSync(`${src}/src/${file}`, 'utf8');
		for (const [, from] of text.matchAll(/^import .* from '\.\/(.*)';$/gm))
			check(
				list.findIndex((f) => f.endsWith('/' + from)) < list.indexOf(file),
				`${file} needs ${from}, which comes later`,
			);
		for (const [, name] of text.matchAll(/^(?:export )?(?:async )?(?:function|class|const|let) (\w+)/gm)) {
			check(!names.has(name), `${name} is in ${file} and in ${names.get(name)}`);
			names.set(name, file);
		}
		check(!/^export (default|\{|\*)|^import [^;]*$/m.test(text), `${file}: an import or export that is not one plain line`);
		whole += text.replace(/^import .*$/gm, '').replace(/^export /gm, '');
	}
	check(names.size > 100, 'names');
	new vm.Script(`(async () => { ${whole} })`); // throws when it is no program
});

test('the_block_under_the_pointer_is_told', () =>
	withPage(`${DIR}/small.log`, {}, async (page) => {
		const at = await placeOf(page, 44, 2);
		await page.mouse.move(at.x, at.y);
		await until('block 300', async () => (await page.textContent('#block-at')).startsWith('0x12c000'));
		check(/written by connection 1 at/.test(await page.textContent('#block-state')), 'who wrote it');
		await page.mouse.click(at.x, at.y);
		const other = await placeOf(page, 90, 90);
		await page.mouse.move(other.x, other.y);
		await settled(page);
		check((await page.textContent('#block-at')).startsWith('0x12c000'), 'a pinned block stays');
		await page.locator('#block-history button').first().click();
		await settled(page);
		same(await page.evaluate(() => blkscope.see.t / 1e9).then((s) => s > 1 && s < 10), true, 'the history goes to when it was');
		await page.keyboard.press('Escape');
		await page.mouse.move(other.x + 8, other.y);
		await until('another block', async () => !(await page.textContent('#block-at')).startsWith('0x12c000'));
	}));

test('what_a_block_is_for_is_told_and_drawn', () =>
	withPage(`${DIR}/ext4.rec`, {}, async (page) => {
		await goTo(page, 1e6);
		const parts = await until('the structure', () =>
			page.evaluate(() => blkscope.maps[0].structure?.parts.regions.length && blkscope.maps[0].structure.parts),
		);
		const words = parts.regions.map((r) => r.words).join('; ');
		check(/inode table/.test(words) && /journal/.test(words), words);
		const journal = parts.regions.find((r) => r.class === 'journal');
		const at = await placeOf(page, journal.box[0], journal.box[1]);
		await page.mouse.move(at.x, at.y);
		await until('words of the block', async () => /journal/.test(await page.textContent('#block-name')));
		const picture = () => page.evaluate(() => blkscope.maps[0].canvas.toDataURL());
		await page.mouse.move(1, 1);
		await settled(page);
		const drawn = await picture();
		await page.keyboard.press('u');
		await settled(page);
		check((await picture()) !== drawn, 'U takes the outlines away');
		await page.keyboard.press('u');
		await settled(page);
		same(await picture(), drawn, 'and brings them back');
		// every write to a file, and nothing of the other
		await page.keyboard.press('f');
		await page.fill('#file', '/two');
		await page.click('#filter button.primary');
		await page.waitForSelector('#filter-chip:not([hidden])');
		await until('only this file', async () => {
			await settled(page);
			const written = (await painted(page)).units.filter((u) => u === 'write').length;
			return written >= 49 && written < 90; // 49 blocks, and what tells of them; both files and the rest are over 100
		});
	}));

test('bytes_are_those_of_the_moment', () =>
	withPage(`${DIR}/marked.rec`, {}, async (page) => {
		const at = await placeOf(page, 0, 0);
		await goTo(page, 1e6);
		await page.mouse.move(at.x, at.y);
		await until('what was written last', async () => /^0000 {2}42 42/.test(await page.textContent('#block-hex')));
		await page.keyboard.press('PageUp');
		await until('what was there before', async () => /^0000 {2}41 41/.test(await page.textContent('#block-hex')));
	}));

test('a_filter_shows_only_what_it_says', () =>
	withPage(`${DIR}/random.log`, {}, async (page) => {
		await goTo(page, 100);
		const all = (await painted(page)).units;
		await page.keyboard.press('f');
		for (const op of ['read', 'write', 'zero', 'flush']) await page.uncheck(`#filter input[value=${op}]`);
		await page.click('#filter button.primary');
		await page.waitForSelector('#filter-chip:not([hidden])');
		await until('only trims', async () => {
			await settled(page);
			const units = (await painted(page)).units;
			return !units.includes('write') && !units.includes('zero') && units.includes('trim');
		});
		await page.click('#filter-chip');
		await settled(page);
		await until('everything again', async () => JSON.stringify((await painted(page)).units) === JSON.stringify(all));
		// a region, drawn on the map
		await page.keyboard.press('f');
		await page.click('#region-draw');
		const a = await placeOf(page, 10, 10),
			b = await placeOf(page, 40, 30);
		await page.mouse.move(a.x, a.y);
		await page.mouse.down();
		await page.mouse.move(b.x, b.y, { steps: 3 });
		await page.mouse.up();
		check(/31 × 21 squares from column 10, row 10/.test(await page.textContent('#box-words')), 'the rectangle is told');
		await page.click('#filter button.primary');
		await page.waitForSelector('#filter-chip:not([hidden])');
		await until('only the region', async () => {
			await settled(page);
			const units = (await painted(page)).units;
			return units[128 * 127 + 100] === 'none' && units[5] === 'none';
		});
		await page.click('#filter-chip');
		// nonsense is told, not sent
		await page.keyboard.press('f');
		await page.fill('#from', 'here');
		await page.click('#filter button.primary');
		same(await page.evaluate(() => [document.getElementById('filter').open, document.getElementById('from').validity.valid]), [
			true,
			false,
		]);
	}));

test('a_filter_that_the_server_has_forgotten_is_set_again', () =>
	withPage(`${DIR}/random.log`, {}, async (page, server) => {
		await goTo(page, 100);
		await page.keyboard.press('f');
		for (const op of ['read', 'write', 'zero', 'flush']) await page.uncheck(`#filter input[value=${op}]`);
		await page.click('#filter button.primary');
		await page.waitForSelector('#filter-chip:not([hidden])');
		await settled(page);
		const id = await page.evaluate(() => blkscope.see.filter.id),
			few = (await painted(page)).units;
		for (let i = 0; i < 4; i++)
			// only so many are kept: those of others take its place
			same((await page.request.post(`${server.url}filter`, { data: '{"ops":["read"]}' })).status(), 200);
		same((await page.request.get(`${server.url}frame?disk=0&filter=${id}`)).status(), 410);
		await goTo(page, 0);
		await until('a new number', () => page.evaluate((old) => blkscope.see.filter?.id > old, id));
		await goTo(page, 100);
		same(await page.isVisible('#filter-chip'), true, 'it is still told');
		await until('the same as before', async () => JSON.stringify((await painted(page)).units) === JSON.stringify(few));
	}));

test('a_picture_that_is_on_its_way_says_so', () =>
	withPage(`${DIR}/random.log`, {}, async (page) => {
		// the server is as slow as for a file of hours: flag 1, twice, then the picture
		let behind = 2;
		await page.route('**/frame?*', async (route) => {
			const answer = await route.fetch(),
				body = await answer.body();
			if (behind-- > 0) body[4] |= 1;
			await route.fulfill({ response: answer, body });
		});
		await page.evaluate(() => {
			const wait = blkscope.maps[0].wait;
			new MutationObserver(() => wait.hidden || (globalThis.wasSaid = wait.textContent)).observe(wait, { attributes: true });
		});
		await page.keyboard.press('Home');
		same(await until('it is told', () => page.evaluate(() => globalThis.wasSaid)), 'getting there');
		await settled(page);
		same(await page.evaluate(() => blkscope.maps[0].wait.hidden), true, 'and is there');
	}));

test('colours_follow_the_system_and_can_be_chosen', () =>
	withPage(`${DIR}/small.log`, { colorScheme: 'light' }, async (page) => {
		const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
		same(await paper(), 'rgb(255, 255, 255)');
		await page.emulateMedia({ colorScheme: 'dark' });
		await until('dark', async () => (await paper()) === 'rgb(12, 12, 15)');
		await page.selectOption('#theme', 'light');
		same(await paper(), 'rgb(255, 255, 255)');
		await page.reload();
		await settled(page);
		same([await paper(), await page.inputValue('#theme')], ['rgb(255, 255, 255)', 'light'], 'it is kept');
		await page.selectOption('#theme', 'classic');
		await goTo(page, 100);
		same(await seen(page, 0, 0), '#ff0000');
	}));

test('the_picture_that_is_saved_shows_the_map', () =>
	withPage(`${DIR}/small.log`, {}, async (page) => {
		await goTo(page, 100);
		await page.keyboard.press('e');
		const [file] = await Promise.all([page.waitForEvent('download'), page.click('#export-png')]);
		check(/^small\.log-.*\.png$/.test(file.suggestedFilename()), file.suggestedFilename());
		const p = png(readFileSync(await file.path())),
			counts = {};
		for (let y = 0; y < p.h; y += 2) for (let x = 0; x < p.w; x += 2) counts[p.at(x, y)] = (counts[p.at(x, y)] || 0) + 1;
		check(
			counts['213,94,0'] > 20 && counts['27,27,31'] > 10000,
			`writes and untouched blocks are there: ${counts['213,94,0']} ${counts['27,27,31']}`,
		);
	}));

test('the_exported_page_opens_without_a_server', async () => {
	const saved = `${DIR}/saved.html`;
	let rows = null,
		hilbert = null;
	await withPage(`${DIR}/marked.rec`, {}, async (page, server) => {
		const link = await page.getAttribute('#export-page', 'href');
		const answer = await page.request.get(server.url + link);
		same(answer.status(), 200);
		writeFileSync(saved, await answer.body());
		await goTo(page, 1e6);
		rows = (await painted(page)).units;
		await page.keyboard.press('h');
		await settled(page);
		hilbert = (await painted(page)).units;
	});
	const page = await openPage(`file://${saved}`);
	await page.keyboard.press('End');
	await settled(page);
	const flash = await page.evaluate(() => [...blkscope.maps[0].frame.cells].map((c) => c >> 8));
	(await painted(page)).units.forEach((u, i) => flash[i] || same(u, rows[i], `cell ${i}`));
	await page.keyboard.press('h');
	await settled(page);
	check(
		(await painted(page)).units.filter((u, i) => u !== hilbert[i] && u !== '?' && hilbert[i] !== '?').length === 0,
		'along the curve',
	);
	await page.keyboard.press('h');
	await page.keyboard.press('Home');
	await settled(page);
	same((await painted(page)).units.filter((u) => u === 'write').length, 0, 'at the beginning nothing is written');
	await page.keyboard.press('PageDown');
	await until('a mark', async () => (await page.textContent('#step-name')) !== '');
	await page.keyboard.press('End');
	const at = await placeOf(page, 0, 0);
	await page.mouse.move(at.x, at.y);
	await until('the panel', async () => /written by/.test(await page.textContent('#block-state')));
	same(await page.isVisible('#open-filter'), false, 'no filter without a server');
	same(page.wrong, []);
	await page.context().close();
});

test('a_story_is_told_whose_sentences_go_to_their_events', async () => {
	const saved = `${DIR}/story.html`,
		texts = (page) => page.locator('#story-list .what').allTextContents();
	let told = null;
	await withPage(`${DIR}/ext4.rec`, {}, async (page, server) => {
		await page.waitForSelector('#story:not([hidden])');
		told = await texts(page);
		check(told.length > 3 && told.some((s) => /inode table|journal/.test(s)), told.join('\n'));
		const answer = await (await page.request.get(`${server.url}story?disk=0`)).json(),
			all = answer.story.steps.flatMap((s) => s.sentences);
		same([answer.ready, answer.current, all.map((s) => s.text)], [true, true, told]);
		await page.keyboard.press('Home');
		await settled(page);
		same(await page.evaluate(() => blkscope.maps[0].frame.events < 5), true, 'nearly nothing has happened');
		const one = all.findIndex((s) => s.last_event > s.first_event && s.last_event < answer.story.events - 2);
		await page.locator('#story-list button').nth(one).click();
		await settled(page);
		check(await page.evaluate((n) => blkscope.maps[0].frame.events >= n, all[one].last_event), 'what it tells of is seen');
		same(await page.locator('#story-list .now .what').textContent(), told[one], 'it is the one that is shown');
		const link = await page.getAttribute('#export-page', 'href');
		writeFileSync(saved, await (await page.request.get(server.url + link)).body());
	});
	const page = await openPage(`file://${saved}`);
	await page.waitForSelector('#story:not([hidden])');
	same(await texts(page), told, 'the exported page tells it, too');
	await page.keyboard.press('Home');
	await page.locator('#story-list button').last().click();
	await settled(page);
	check(await page.evaluate(() => blkscope.see.t > 0), 'and goes there');
	same(page.wrong, []);
	await page.context().close();
});

test('everything_can_be_reached_by_keyboard', () =>
	withPage(`${DIR}/small.log`, {}, async (page) => {
		const reached = new Set();
		await page.waitForSelector('#story:not([hidden])'); // it comes when it is told
		for (let i = 0; i < 120; i++) {
			await page.keyboard.press('Tab');
			const now = await page.evaluate(() => {
				const e = document.activeElement,
					s = getComputedStyle(e);
				if (e === document.body) return null;
				return {
					id: e.id || e.dataset.step || e.dataset.open || e.className,
					ring: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0,
				};
			});
			if (!now) break;
			check(now.ring, `${now.id} shows that it has the focus`);
			reached.add(now.id);
			if (now.id === 'surface')
				// the map tells of the block in the corner, with a history that can be reached, too
				await page.waitForSelector('#block-body:not([hidden])');
		}
		const wanted = await page.evaluate(() =>
			[...document.querySelectorAll('button, select, input, a, [tabindex="0"]')]
				.filter((e) => e.checkVisibility() && !e.closest('dialog') && !e.disabled)
				.map((e) => e.id || e.dataset.step || e.dataset.open || e.className),
		);
		same(
			wanted.filter((id) => !reached.has(id)),
			[],
			'not reached by Tab',
		);
		await page.focus('.surface');
		await page.keyboard.press('ArrowRight');
		await page.keyboard.press('Shift+ArrowDown');
		const unit = await page.evaluate(() => blkscope.maps[0].unitAt(blkscope.maps[0].cursor));
		await page.keyboard.press('Enter');
		await until('it is pinned', () => page.evaluate(() => blkscope.maps[0].pinned));
		await until('a screen reader hears of the block', async () => /offset/.test(await page.textContent('#said')));
		same(unit.y >= 8, true);
		await page.keyboard.press('?');
		same(await page.evaluate(() => document.getElementById('help').open), true, '? shows the keys');
		check((await page.textContent('#keys')).includes('play backwards'), 'with words');
		await page.keyboard.press('Escape');
		same(await page.evaluate(() => document.getElementById('help').open), false);
		await page.keyboard.press('Home');
		await until('time is told', async () => /^0 seconds/.test(await page.textContent('#said')));
	}));

test('every_control_has_a_name_and_a_role', () =>
	withPage(`${DIR}/small.log`, {}, async (page) => {
		const client = await page.context().newCDPSession(page);
		for (const dialog of [null, 'filter', 'mark', 'export', 'help']) {
			if (dialog) await page.evaluate((id) => document.getElementById(id).showModal(), dialog);
			const { nodes } = await client.send('Accessibility.getFullAXTree');
			const controls = nodes.filter(
				(n) =>
					!n.ignored &&
					[
						'button',
						'link',
						'checkbox',
						'combobox',
						'textbox',
						'spinbutton',
						'slider',
						'application',
						'dialog',
						'img',
						'list',
						'table',
						'toolbar',
					].includes(n.role?.value),
			);
			same(
				controls.filter((n) => !n.name?.value?.trim() && n.role.value !== 'list').map((n) => n.role.value),
				[],
				`without a name${dialog ? ` in ${dialog}` : ''}`,
			);
			check(controls.length > (dialog ? 1 : 20), `${controls.length} controls`);
			if (dialog) await page.evaluate((id) => document.getElementById(id).close(), dialog);
		}
		const roles = await page.evaluate(() => [
			document.getElementById('said').getAttribute('aria-live'),
			document.querySelectorAll('main').length,
			document.documentElement.lang,
		]);
		same(roles, ['polite', 1, 'en']);
	}));

for (const [name, width, height, mobile] of [
	['phone', 390, 844, true],
	['small_laptop', 1024, 640, false],
	['projector', 1920, 1080, false],
	['large_screen', 3840, 2160, false],
]) {
	test(`it_fits_a_${name}`, () =>
		withPage(`${DIR}/small.log`, { viewport: { width, height }, isMobile: mobile, hasTouch: mobile }, async (page) => {
			const size = await page.evaluate(() => {
				const out = [],
					wide = document.documentElement.clientWidth;
				for (const e of document.querySelectorAll('header *, main canvas, footer *'))
					if (e.checkVisibility() && !e.closest('.hidden, .skip, [role=status]')) {
						const r = e.getBoundingClientRect();
						if (r.right > wide + 1 || r.left < -1) out.push(`${e.tagName} ${e.id}`);
					}
				const map = document.querySelector('.surface canvas').getBoundingClientRect();
				return {
					scroll: document.documentElement.scrollWidth - wide,
					out,
					map: map.width / innerWidth,
					text: parseFloat(getComputedStyle(document.documentElement).fontSize),
					hit: Math.min(
						...[...document.querySelectorAll('header button, footer button')]
							.filter((e) => e.checkVisibility())
							.map((e) => e.getBoundingClientRect().height),
					),
				};
			});
			same([size.scroll, size.out], [0, []], 'what reaches beyond the screen');
			check(size.map > (mobile ? 0.7 : 0.2), `the map is ${size.map} of the width`);
			check(size.text >= Math.max(13, width / 160), `letters of ${size.text} pixels`);
			check(size.hit >= (mobile ? 32 : 24), `a button of ${size.hit} pixels`);
		}));
}

test('less_motion_when_asked_for', () =>
	withPage(`${DIR}/small.log`, { reducedMotion: 'reduce' }, async (page) => {
		const names = await page.evaluate(() =>
			document
				.getAnimations()
				.map((a) => a.animationName || a.transitionProperty)
				.concat(
					[...document.querySelectorAll('*')]
						.filter((e) => getComputedStyle(e).animationName !== 'none')
						.map((e) => e.className),
				),
		);
		same(names, []);
	}));
