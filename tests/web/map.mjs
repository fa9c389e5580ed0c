// SPDX-License-Identifier: BSD-2-Clause
// The disk map: what is painted is what nbdview --dump says; zoom, order, pointers.
import { check, DIR, dump, goTo, painted, placeOf, same, seen, settled, test, until, withPage } from './rig.mjs';

const STILL = 100; // seconds: every flash is over, where a case is about states

test('the_map_is_painted_as_dump_says', () =>
	withPage(`${DIR}/random.log`, {}, async (page) => {
		const length = await page.evaluate(() => blkscope.see.length / 1e9);
		for (const at of [0.4, 1.1, length]) {
			await goTo(page, at);
			const want = dump(`${DIR}/random.log`, at.toFixed(9)),
				got = await painted(page),
				flash = await page.evaluate(() => [...blkscope.maps[0].frame.cells].map((c) => c >> 8));
			same(got.units.length, 128 * 128);
			let still = 0;
			got.units.forEach((state, cell) => {
				if (flash[cell]) return;
				still++;
				same(state, want.states.get(cell) || 'none', `cell ${cell} at ${at}`);
			});
			check(still > 1000, `only ${still} cells without a flash`);
			const told = await page.evaluate(() =>
				[...document.querySelectorAll('#counters tr')].map((tr) => [
					tr.cells[0].textContent,
					Number(tr.cells[1]?.textContent.replace(/\D/g, '')),
				]),
			);
			for (const [name, n] of told.filter(([k]) => want.totals[k]))
				same(n, want.totals[name].n, `the counter of ${name}s at ${at}`);
		}
	}));

test('what_is_seen_has_the_colours_of_the_palette', () =>
	withPage(`${DIR}/small.log`, {}, async (page) => {
		const colours = { dark: ['#d55e00', '#f5f5f5', '#1b1b1f'], light: ['#d55e00', '#1c1c22', '#e8e8ec'] };
		await goTo(page, STILL);
		for (const theme of ['dark', 'light']) {
			await page.emulateMedia({ colorScheme: theme });
			const want = JSON.stringify(colours[theme]);
			await until(
				`${theme}: ${want}`,
				async () =>
					JSON.stringify([await seen(page, 0, 0), await seen(page, 8, 6), await seen(page, 100, 100)]) ===
					want,
			);
			const trim = await seen(page, 6, 4, 0.9, 0.9);
			check(trim !== colours[theme][2] && trim !== colours[theme][0], `a trim is seen as ${trim}`);
		}
	}));

test('zoom_goes_down_to_single_blocks_and_back', () =>
	withPage(`${DIR}/big.log`, {}, async (page) => {
		await goTo(page, STILL);
		const disk = await page.evaluate(() => blkscope.maps[0].disk);
		same([disk.size, disk.zoom > 0, disk.cell > disk.block], [2 ** 34, true, true], 'a disk with several blocks in a cell');
		const per = disk.cell / disk.block,
			cell = 3 * disk.cols + 5; // the log writes one block of this cell
		same(await page.evaluate(() => blkscope.maps[0].depth()), 0, 'the depth at first');
		const p = await placeOf(page, 5, 3);
		await page.mouse.move(p.x, p.y);
		for (let i = 0; i < 14; i++) await page.mouse.wheel(0, -240);
		await settled(page);
		same(await page.evaluate(() => blkscope.maps[0].depth()), disk.zoom, 'the depth');
		const got = await painted(page),
			words = await page.evaluate(() => blkscope.maps[0].source),
			u = 2 ** disk.zoom;
		check(got.w < disk.cols, 'only what is in view is asked for');
		let written = 0,
			units = 0;
		got.units.forEach((state, i) => {
			const x = words.x + (i % got.w),
				y = words.y + Math.floor(i / got.w);
			if (Math.floor(x / u) === cell % disk.cols && Math.floor(y / u) === Math.floor(cell / disk.cols)) {
				units++;
				written += state === 'write';
			}
		});
		same([units, written], [u * u, Math.max(1, (u * u) / per)], 'units of the cell, and of its one written block');
		await page.keyboard.press('0');
		await settled(page);
		same(await page.evaluate(() => blkscope.maps[0].zoomed()), false);
	}));

test('keys_and_buttons_zoom_and_move', () =>
	withPage(`${DIR}/small.log`, {}, async (page) => {
		const view = () => page.evaluate(() => ({ ...blkscope.maps[0].view }));
		const fit = await view();
		await page.keyboard.press('i');
		const near = await view();
		check(near.s > fit.s * 1.9, 'I zooms in');
		await page.keyboard.press('d');
		await page.keyboard.press('s');
		const moved = await view();
		check(moved.x > near.x && moved.y > near.y, 'D and S move');
		await page.keyboard.press('o');
		check((await view()).s < moved.s, 'O zooms out');
		await page.click('#zoom-in');
		await page.click('#zoom-in');
		const p = await placeOf(
			page,
			...(await page.evaluate(() => [blkscope.maps[0].view.x + 20, blkscope.maps[0].view.y + 20].map(Math.floor))),
		);
		const before = await view();
		await page.mouse.move(p.x, p.y);
		await page.mouse.down();
		await page.mouse.move(p.x - 60, p.y - 30, { steps: 4 });
		await page.mouse.up();
		const after = await view();
		check(after.x > before.x && after.y > before.y, 'dragging moves');
		same(await page.evaluate(() => blkscope.maps[0].pinned), null, 'a drag is no click');
		await page.click('#zoom-fit');
		same((await view()).s, fit.s);
	}));

test('two_fingers_zoom', () =>
	withPage(`${DIR}/small.log`, { hasTouch: true, viewport: { width: 390, height: 844 }, isMobile: true }, async (page) => {
		const before = await page.evaluate(() => blkscope.maps[0].view.s),
			p = await placeOf(page, 64, 64);
		const client = await page.context().newCDPSession(page);
		const touch = (type, d) =>
			client.send('Input.dispatchTouchEvent', {
				type,
				touchPoints: d
					? [
							{ x: p.x - d, y: p.y, id: 1 },
							{ x: p.x + d, y: p.y, id: 2 },
						]
					: [],
			});
		await touch('touchStart', 20);
		for (let d = 30; d <= 80; d += 10) await touch('touchMove', d);
		await touch('touchEnd');
		const after = await page.evaluate(() => blkscope.maps[0].view.s);
		check(after > 2 * before, `a pinch zooms: ${before} to ${after}`);
	}));

// The curve once more, as plainly as possible: cell d of a square of side n.
function curve(n, d) {
	let x = 0,
		y = 0;
	for (let s = 1; s < n; s *= 2, d = Math.floor(d / 4)) {
		const right = Math.floor(d / 2) % 2,
			down = (d + right) % 2;
		if (!down) {
			if (right) [x, y] = [s - 1 - x, s - 1 - y];
			[x, y] = [y, x];
		}
		x += s * right;
		y += s * down;
	}
	return [x, y];
}

test('the_order_can_be_a_hilbert_curve', () =>
	withPage(`${DIR}/random.log`, {}, async (page) => {
		await goTo(page, STILL);
		const rows = (await painted(page)).units;
		await page.keyboard.press('h');
		await settled(page);
		same(await page.getAttribute('#order', 'aria-pressed'), 'true');
		const got = await painted(page);
		same([got.w, got.h], [128, 128]);
		rows.forEach((state, cell) => {
			const [x, y] = curve(128, cell);
			same(got.units[y * 128 + x], state, `cell ${cell}`);
		});
		await page.click('#order');
		await settled(page);
		same((await painted(page)).units, rows, 'row by row again');
	}));

test('rows_can_be_wider', () =>
	withPage(`${DIR}/small.log`, { viewport: { width: 1920, height: 1080 } }, async (page) => {
		await goTo(page, STILL);
		same((await painted(page)).units[2 * 128 + 44], 'write', 'block 300');
		await page.keyboard.press(']');
		await settled(page);
		const wide = await painted(page);
		same([wide.w, wide.units[2 * 129 + 42]], [129, 'write']);
		await page.fill('#width', '256');
		await page.press('#width', 'Enter');
		await settled(page);
		same((await painted(page)).units[256 + 44], 'write', 'in rows of 256');
	}));

test('several_disks_have_one_clock', () =>
	withPage([`${DIR}/small.log`, `${DIR}/random.log`], {}, async (page) => {
		same(await page.locator('.surface').count(), 2);
		await goTo(page, 0.5);
		same(await page.evaluate(() => blkscope.maps.map((m) => m.frame.t)), [5e8, 5e8]);
		check(
			(await painted(page, 1)).units.some((u) => u !== 'none'),
			'the second disk is painted',
		);
		await page.keyboard.press('n');
		same(await page.evaluate(() => blkscope.see.disk), 1, 'N goes to the next disk');
		await page.locator('.disk-name').first().click();
		same(await page.evaluate(() => blkscope.see.disk), 0);
	}));

test('no_write_is_lost_where_cells_are_smaller_than_pixels', () =>
	withPage(`${DIR}/wide.log`, { viewport: { width: 360, height: 640 } }, async (page) => {
		await goTo(page, 100);
		const [share, lit] = await page.evaluate(() => {
			const m = blkscope.maps[0],
				w = m.canvas.width - m.gutter,
				d = m.ctx.getImageData(m.gutter, 0, w, m.canvas.height).data;
			let n = 0;
			// orange, as strong as so little of a cell makes it; nothing else is
			for (let i = 0; i < d.length; i += 4) n += d[i] > 100 && d[i + 2] < 30;
			return [m.view.s, n];
		});
		check(share < 0.5, `${share} pixels for a cell`);
		same(lit, 40, 'each of the writes is seen');
	}));
