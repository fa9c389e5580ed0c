/* SPDX-License-Identifier: BSD-2-Clause */
/* page: the beginning, and what is done for each picture. */
import { answers, ask } from './data.js';
import { advance, changed, follows, see, speedFor } from './see.js';
import { makeMaps, maps } from './maps.js';
import { stretch } from './span.js';
import { tickTime } from './time.js';
import { makePanel, tickPanel } from './panel.js';
import { makeControls, setOrder } from './controls.js';
import { makeDialogs } from './dialogs.js';
import { makeKeys } from './keys.js';

let before = 0;

function tick(now) {
	advance(before ? now - before : 0);
	before = now;
	for (const m of maps) m.tick(now);
	tickTime(now);
	tickPanel(now);
	requestAnimationFrame(tick);
}

async function start() {
	const trouble = document.getElementById('trouble');
	try {
		see.session = await ask('session');
	} catch (e) {
		trouble.hidden = false;
		trouble.textContent = `${e.message}; reload the page when it is there again`;
		return;
	}
	const empty = see.session.disks.find((d) => !d.cells);
	trouble.hidden = !empty;
	if (empty) {
		/* a log whose first client is still to come */
		trouble.textContent = `${empty.name}: waiting for its first connection`;
		setTimeout(start, 300);
		return;
	}
	see.order = see.session.hilbert && (!answers || answers.curve) ? 'hilbert' : 'row';
	see.length = see.session.length;
	see.live = follows;
	see.speed = speedFor(see.length);
	makePanel();
	makeMaps();
	makeControls();
	makeDialogs();
	makeKeys();
	see.t = see.length;
	if (see.order !== 'row') setOrder(see.order);
	for (const what of ['motion', 't', 'disk', 'view']) changed(what);
	document.documentElement.classList.add('ready');
	requestAnimationFrame(tick);
}

/* For those who look behind the curtain, and for the tests. */
globalThis.blkscope = { see, maps, stretch, again: changed };
start();
