// SPDX-License-Identifier: BSD-2-Clause
// Time: the scrub bar, playing, steps, marks, live.
import { renameSync } from 'node:fs';
import { append, check, DIR, goTo, lines, painted, same, settled, test, until, withPage } from './rig.mjs';

const t = (page) => page.evaluate(() => blkscope.see.t / 1e9);

test('the_scrub_bar_goes_where_it_is_clicked_and_dragged', () =>
	withPage(`${DIR}/small.log`, {}, async (page) => {
		const r = await page.locator('#scrub').boundingBox(),
			length = await page.evaluate(() => blkscope.see.length / 1e9);
		await page.mouse.click(r.x + r.width / 2, r.y + r.height / 2);
		await settled(page);
		check(Math.abs((await t(page)) - length / 2) < length / 100, 'a click in the middle');
		same((await painted(page)).units.filter((u) => u === 'write').length < 3, true, 'the later writes are not there yet');
		await page.mouse.down();
		await page.mouse.move(r.x + r.width / 4, r.y + 20, { steps: 5 });
		await page.mouse.up();
		check(Math.abs((await t(page)) - length / 4) < length / 100, 'dragged back');
		same(await page.getAttribute('#scrub', 'aria-valuenow'), (await t(page)).toFixed(3));
	}));

test('keys_move_in_time', () =>
	withPage(`${DIR}/small.log`, {}, async (page) => {
		await page.keyboard.press('Home');
		await settled(page);
		same([await t(page), (await painted(page)).units.filter((u) => u === 'write').length], [0, 0]);
		await page.keyboard.press('ArrowRight');
		same(await t(page), 1);
		await page.keyboard.press('ArrowRight');
		await page.keyboard.press('ArrowLeft');
		same(await t(page), 1);
		await page.keyboard.press('Shift+ArrowRight');
		await settled(page);
		same(await t(page), await page.evaluate(() => blkscope.see.length / 1e9), 'ten seconds are more than there are');
		await page.keyboard.press('Home');
		await page.keyboard.press('End');
		await settled(page);
		same(await t(page), await page.evaluate(() => blkscope.see.length / 1e9));
	}));

test('playing_goes_on_and_backwards_goes_back', () =>
	withPage(`${DIR}/small.log`, {}, async (page) => {
		await page.keyboard.press('Home');
		await page.selectOption('#speed', '5');
		await page.click('#play');
		same(await page.getAttribute('#play', 'aria-label'), 'Pause');
		await until('time goes on', async () => (await t(page)) > 0.5);
		await page.keyboard.press(' '); // on the button that has the focus: as a click
		const stopped = await t(page);
		same(await page.getAttribute('#play', 'aria-label'), 'Play');
		await page.evaluate(() => new Promise((r) => setTimeout(r, 60)));
		same(await t(page), stopped, 'it stands');
		await page.keyboard.press('r');
		await until('the beginning', async () => (await t(page)) === 0);
		same(await page.evaluate(() => blkscope.see.way), 0, 'and there it stays');
		await page.keyboard.press('+');
		same(await page.inputValue('#speed'), '10');
		await page.click('#play');
		await until('the end', async () => await page.evaluate(() => blkscope.see.way === 0));
		same(await t(page), await page.evaluate(() => blkscope.see.length / 1e9));
	}));

test('steps_go_from_event_to_event', () =>
	withPage(`${DIR}/small.log`, {}, async (page) => {
		const events = () => page.evaluate(() => blkscope.maps[0].frame.events);
		const all = await events();
		await page.keyboard.press(',');
		await until('one event less', async () => (await events()) === all - 1);
		await settled(page);
		await page.keyboard.press(',');
		await until('two less', async () => (await events()) === all - 2);
		await page.keyboard.press('.');
		await until('one on', async () => (await events()) === all - 1);
		await page.keyboard.press('Home');
		await settled(page);
		await page.click('[data-step="flush next"]');
		await until('the flush', () => page.evaluate(() => blkscope.see.t > 0));
		await settled(page);
		const f = await page.evaluate(() => ({ t: blkscope.see.t, last: blkscope.maps[0].frame.lastFlush }));
		same(f.t, f.last, 'just when it was answered');
		await page.keyboard.press('<');
		await page.waitForTimeout(50);
		same(await t(page), f.t / 1e9, 'there is no flush before');
	}));

test('a_growing_log_is_followed', () =>
	withPage(`${DIR}/live.log`, {}, async (page) => {
		const more = lines('live.more');
		same(await page.getAttribute('#live', 'aria-pressed'), 'true');
		same((await painted(page)).units[0], 'none');
		append('live.log', more.slice(0, 4).join('\n') + '\n');
		await until('the first writes', async () => (await painted(page)).units.slice(0, 2).join() !== 'none,none');
		await page.click('#play'); // no longer live
		await page.keyboard.press('Home');
		same(await page.getAttribute('#live', 'aria-pressed'), 'false');
		append('live.log', more.slice(4).join('\n') + '\n');
		await page.click('#live');
		await until('the last write', async () => !['none', 'outside'].includes((await painted(page)).units[more.length / 2 - 1]));
		await until('what is told of it', async () => (await page.textContent('#events')) !== '0');
	}));

test('a_replaced_file_is_begun_anew', () =>
	withPage(`${DIR}/replaced.log`, {}, async (page) => {
		await until('the old one', async () => (await painted(page)).units[0] === 'write');
		renameSync(`${DIR}/replaced.new`, `${DIR}/replaced.log`);
		await until('the new one', async () => {
			const units = await painted(page).then(
				(p) => p.units,
				() => [],
			); // the page may just be loading
			return units[128] === 'write' && units[0] === 'none';
		});
	}));

test('pictures_over_time_are_drawn', () =>
	withPage(`${DIR}/random.log`, {}, async (page) => {
		await page.waitForFunction(() => document.querySelector('#chart-ops .chart-most').textContent.startsWith('at most'));
		for (const id of ['scrub', 'chart-ops', 'chart-bytes', 'chart-depth', 'chart-latency']) {
			const colours = await page.evaluate((which) => {
				const c = document.querySelector(`#${which} canvas`),
					d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data,
					all = new Set();
				for (let i = 0; i < d.length; i += 4) all.add((d[i] << 16) | (d[i + 1] << 8) | d[i + 2]);
				return all.size;
			}, id);
			check(colours > 3, `${id} has ${colours} colours`);
			if (id !== 'scrub')
				check(/over time: ./.test(await page.getAttribute(`#${id} canvas`, 'aria-label')), `${id} has words`);
		}
		await goTo(page, 0);
		const r = await page.locator('#chart-ops canvas').boundingBox();
		await page.mouse.click(r.x + r.width / 2, r.y + 5);
		check((await t(page)) > 0, 'a click on a chart goes there');
	}));

const stretch = (page) => page.evaluate(() => blkscope.stretch());

test('the_time_bar_can_be_zoomed_into', () =>
	withPage(`${DIR}/random.log`, {}, async (page) => {
		const r = await page.locator('#scrub').boundingBox(),
			length = await page.evaluate(() => blkscope.see.length),
			most = () => page.textContent('#chart-ops .chart-most');
		await page.waitForFunction(() => document.querySelector('#chart-ops .chart-most').textContent.startsWith('at most'));
		const coarse = await most();
		same(await page.isDisabled('#time-fit'), true);
		await page.mouse.click(r.x + r.width / 4, r.y + 40);
		await page.mouse.move(r.x + r.width / 2, r.y + 40);
		await page.mouse.wheel(0, -1250);
		await until('it is zoomed in 32 times', async () => {
			const s = await stretch(page);
			return s && Math.abs((s.to - s.from) * 32 - length) < 100;
		});
		const s = await stretch(page);
		check(Math.abs((s.from + s.to) / 2 - length / 2) < length / 1000, 'about the pointer');
		await until('it is told of that stretch', async () => (await most()) !== coarse);
		await page.mouse.click(r.x + r.width / 4, r.y + 40);
		check(Math.abs((await t(page)) * 1e9 - (s.from + (s.to - s.from) / 4)) < (s.to - s.from) / 200, 'a click goes there');
		await page.keyboard.press('ArrowRight'); // the bar has the focus
		check(Math.abs((await t(page)) * 1e9 - (s.from + (s.to - s.from) * 0.26)) < (s.to - s.from) / 200, 'an arrow key: a hundredth');
		await page.keyboard.press('i');
		check(Math.abs((await stretch(page)).to - (await stretch(page)).from - (s.to - s.from) / 2) < 2, 'I zooms in');
		await page.keyboard.down('Shift');
		await page.mouse.wheel(0, 300);
		await page.keyboard.up('Shift');
		await until('the wheel with Shift moves it', async () => (await stretch(page)).from > s.from + (s.to - s.from) / 4);
		await page.keyboard.press('0');
		same(await stretch(page), null, '0: all of it');
		await until('as it was', async () => (await most()) === coarse);
		for (let i = 0; i < 40; i++) await page.click('#time-in');
		const least = await stretch(page);
		same(least.to - least.from, 1000, 'a microsecond is the least');
		await page.keyboard.press('Home');
		check((await stretch(page)).from === 0, 'who goes elsewhere is shown that');
		await page.click('#time-fit');
		same([await stretch(page), await page.evaluate(() => document.activeElement.id)], [null, 'time-in'], 'the focus is not lost');
	}));

test('a_page_is_turned_when_time_leaves_what_is_shown', () =>
	withPage(`${DIR}/small.log`, {}, async (page) => {
		await page.focus('#scrub');
		await page.keyboard.press('Home');
		for (let i = 0; i < 5; i++) await page.keyboard.press('i');
		const s = await stretch(page);
		same(s.from, 0);
		await goTo(page, (s.to * 1.5) / 1e9);
		await page.evaluate(() => blkscope.see.t && document.getElementById('time-in').focus());
		await page.selectOption('#speed', '0.05');
		await page.click('#play');
		await until('the next page', async () => (await stretch(page)).from >= s.to);
		await page.click('#play');
		await page.keyboard.press('End');
		await until('the end', async () => (await stretch(page)).to >= (await page.evaluate(() => blkscope.see.length)));
	}));

test('the_focus_stays_in_a_list_that_is_told_again', () =>
	withPage(`${DIR}/marked.rec`, {}, async (page) => {
		await page.waitForFunction(() => document.querySelectorAll('#marks-list li').length >= 2);
		await page.locator('#marks-list button').first().focus();
		const was = await page.evaluateHandle(() => document.activeElement);
		await page.request.post(`${page.url()}mark?disk=0&t=1`, { data: 'one more', headers: { Origin: new URL(page.url()).origin } });
		await page.evaluate(() => blkscope.again('marks'));
		await until('the new one', async () => (await page.locator('#marks-list button', { hasText: 'one more' }).count()) === 1);
		same(await page.evaluate((old) => [document.activeElement.className, document.activeElement !== old], was), ['jump', true]);
	}));

test('a_mark_can_be_set_and_found', () =>
	withPage(`${DIR}/marked.rec`, {}, async (page) => {
		await page.waitForFunction(() => document.querySelectorAll('#marks-list li').length >= 2);
		const count = await page.locator('#marks-list li').count();
		await page.keyboard.press('Home');
		await page.keyboard.press('PageDown');
		await until('the first mark', async () => (await t(page)) > 0 || (await page.textContent('#step-name')) !== '');
		await goTo(page, await page.evaluate(() => blkscope.see.length / 2e9));
		await page.keyboard.press('m');
		await page.keyboard.type('half way <b>');
		await page.keyboard.press('Enter');
		await until('it is in the list', async () => (await page.locator('#marks-list li').count()) === count + 1);
		await page.keyboard.press('Home');
		await page.locator('#marks-list button', { hasText: 'half way <b>' }).click();
		await settled(page);
		same(await page.textContent('#step-name'), 'half way <b>', 'a click goes there');
	}));
