/* SPDX-License-Identifier: BSD-2-Clause */
/* page: the beginning, and what is done for each picture. */
import { ask } from './data.js';
import { advance, changed, goTo, see, speedFor } from './see.js';
import { makeMaps, maps } from './maps.js';
import { tickTime } from './time.js';
import { makePanel, tickPanel } from './panel.js';
import { askStory, makeControls } from './controls.js';
import { makeDialogs } from './dialogs.js';
import { makeKeys } from './keys.js';

let before = 0;

function tick(now) {
	advance(before ? now - before : 0);
	before = now;
	for (const m of maps)
		m.tick(now);
	tickTime(now);
	tickPanel(now);
	requestAnimationFrame(tick);
}

async function start() {
	try {
		see.session = await ask('session');
	} catch (e) {
		const trouble = document.getElementById('trouble');
		trouble.hidden = false;
		trouble.textContent = `${e.message}; reload the page when it is there again`;
		return;
	}
	see.length = see.session.length;
	see.live = see.session.live;
	see.speed = speedFor(see.length);
	makePanel();
	makeMaps();
	makeControls();
	makeDialogs();
	makeKeys();
	if (see.live)
		see.t = see.length;
	else
		goTo(see.length, { quiet: true });
	askStory();
	for (const what of ['motion', 't', 'disk', 'view'])
		changed(what);
	document.documentElement.classList.add('ready');
	requestAnimationFrame(tick);
}

/* For those who look behind the curtain, and for the tests. */
globalThis.blkscope = { see, maps };
start();
