/* SPDX-License-Identifier: BSD-2-Clause */
/* map: what the picture of one disk is made of.  It asks for the cells that are in view, once for each picture while something moves, and the
 * newest answer there is gets painted; between two answers the picture moves and scales the one it has. */
import { ask, askFrame, askOverlay } from './data.js';
import { MapPicture } from './picture.js';
import { changed, momentWords, see } from './see.js';

const AHEAD = 3; /* questions on their way: the next is answered while the one before is fetched and another drawn */
const ALL_AHEAD = 4; /* of all disks: browsers have six connections, and there is more to ask */
const WAIT_MS = 8; /* until the same is asked again; twice as long each time that nothing is new */
const SILENT_MS = 200; /* at most */
const BEHIND_MS = 40;
const STRUCTURE_MS = 700;

export class DiskMap extends MapPicture {
	constructor(index, canvas) {
		super(index, canvas);
		this.ahead = Math.max(1, Math.min(AHEAD, Math.floor(ALL_AHEAD / see.session.disks.length)));
		this.flying = 0; /* questions on their way */
		this.asked = { count: 0, key: null };
		this.answered = { number: 0, frame: null }; /* the newest answer, and which question it is for */
		this.waiting = []; /* answers that are still to be seen */
	}

	gridWords() {
		return { disk: this.index, order: see.order, cols: see.order === 'row' ? this.cols : null, zoom: this.depth() };
	}

	viewWords() {
		const v = this.view,
			u = this.units(),
			g = this.grid();
		const x = Math.max(0, Math.floor(v.x * u)),
			y = Math.max(0, Math.floor(v.y * u));
		const right = Math.min(g.w * u, Math.ceil((v.x + (this.canvas.width - this.gutter) / v.s) * u));
		const bottom = Math.min(g.h * u, Math.ceil((v.y + this.canvas.height / v.s) * u));
		return { ...this.gridWords(), x, y, w: Math.max(1, right - x), h: Math.max(1, bottom - y) };
	}

	/* The question whose answer should be seen now. */
	wanted() {
		const view = this.viewWords(),
			words = { ...view, ...momentWords(), keep: see.keep ? 1 : null };
		return { view, words, key: JSON.stringify(words) };
	}

	/* Is what is seen what is wanted? */
	settled() {
		return !!this.frame && !this.flying && !this.waiting.length && !this.dirty && !this.frame.behind && this.shown === this.wanted().key;
	}

	/* Called for each picture; asks when there is something new to ask. */
	tick(now) {
		if (!this.view) return;
		this.next(now);
		this.takeNext();
		if (see.structure && this.disk.structure && !this.askingStructure && now >= (this.structureNotBefore || 0)) {
			const view = this.viewWords(),
				words = { ...view, ...momentWords() };
			delete words.event;
			const key = JSON.stringify(words);
			if (key !== this.structureShown || see.live) this.askStructure(key, words, view);
		}
		if (this.dirty) this.draw(now);
	}

	next(now) {
		if (now < (this.notBefore || 0)) return;
		const { view, words, key } = this.wanted();
		if (this.flying >= (see.live || key !== this.asked.key ? this.ahead : 1)) return;
		if (key !== this.shown || see.live || this.answered.frame?.behind) this.askFrame(key, words, view);
	}

	async askFrame(key, words, view) {
		const asked = performance.now(),
			number = ++this.asked.count;
		this.asked.key = key;
		this.flying++;
		try {
			const f = await askFrame(words);
			const { number: newest, frame: before } = this.answered;
			if (number < newest) return; /* a newer one was faster */
			this.answered = { number, frame: f };
			const same = before && key === this.shown && f.events === before.events && f.t === before.t;
			this.shown = key;
			this.stats.answers++;
			this.waiting.push({ f, view, asked, live: !!words.live });
			this.quiet = see.live && same ? Math.min((this.quiet || WAIT_MS / 2) * 2, SILENT_MS) : 0;
			/* 0, not now: the time of the next picture may be said to be earlier */
			const wait = f.behind ? BEHIND_MS : this.quiet;
			this.notBefore = wait ? performance.now() + wait : 0;
			this.failed(null);
		} catch (e) {
			this.notBefore = performance.now() + 1000;
			this.failed(e, words);
		} finally {
			this.flying--;
		}
	}

	failed(e, words) {
		const text = e ? e.message : '';
		if (e && e.status === 410 && words.filter !== undefined) changed('forgotten');
		if (this.trouble !== text) {
			this.trouble = text;
			changed('trouble');
		}
	}

	/* One answer for each picture.  What moves is seen step by step: of two that came at once, the second waits for the next
	 * picture; else it is the newest that counts. */
	takeNext() {
		const most = see.live || see.way ? 2 : 1;
		if (this.waiting.length > most) this.waiting.splice(0, this.waiting.length - most);
		if (this.waiting.length) this.take(this.waiting.shift());
	}

	take({ f, view, asked, live }) {
		if (this.frame && f.replaced !== this.frame.replaced) {
			location.reload(); /* another file, maybe of another disk: all is asked again */
			return;
		}
		this.frame = f;
		this.askedAt = asked;
		this.source = view;
		this.fresh = this.dirty = true;
		if (f.newest > see.length) {
			see.length = f.newest;
			changed('length');
		}
		if (live && see.live && this.index === see.disk) {
			see.t = Math.min(f.t, see.length); /* flashes fade on after the last event */
			changed('t');
		}
		if (this.index === see.disk) changed('frame');
	}

	async askStructure(key, words, view) {
		this.askingStructure = true;
		try {
			const [overlay, parts] = await Promise.all([askOverlay(words), ask('structure', words)]);
			this.structure = { overlay, parts, view };
			if (!overlay.behind && parts.ready !== false) this.structureShown = key;
			this.layer = null;
			this.dirty = true;
			if (this.index === see.disk) changed('structure');
		} catch {
			this.structureShown = key; /* frame tells of a server that is gone */
		}
		this.structureNotBefore = performance.now() + STRUCTURE_MS;
		this.askingStructure = false;
	}
}
