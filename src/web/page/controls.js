/* SPDX-License-Identifier: BSD-2-Clause */
/* controls: the buttons around the pictures, marks, the story, and what a screen reader is told. */
import { answers, ask } from './data.js';
import { digitsFor, spokenTime, timeWords } from './words.js';
import { changed, follows, goLive, goTo, on, play, see, setSpeed, SPEEDS, stepBy } from './see.js';
import { shownFrom, shownSpan, stretch, wholeTime, zoomTime } from './span.js';
import { active, maps } from './maps.js';
import { books, markBefore } from './books.js';
import { blockWords, make, refill } from './panel.js';

const byId = (id) => document.getElementById(id);

/* --- the clock and how it moves --- */

function tellMotion() {
	const playing = see.way > 0,
		back = see.way < 0;
	byId('play').setAttribute('aria-label', playing ? 'Pause' : 'Play');
	byId('play').classList.toggle('on', playing);
	byId('back').classList.toggle('on', back);
	byId('back').setAttribute('aria-label', back ? 'Pause' : 'Play backwards');
	byId('live').setAttribute('aria-pressed', String(see.live));
	if (!SPEEDS.includes(see.speed) && ![...byId('speed').options].some((o) => Number(o.value) === see.speed))
		byId('speed').append(new Option(`${see.speed}×`, see.speed));
	byId('speed').value = String(see.speed);
}

function tellTime() {
	const digits = digitsFor(shownSpan()),
		words = timeWords(see.t, digits);
	if (byId('clock').textContent !== words) byId('clock').textContent = words;
	byId('length').textContent = `of ${timeWords(see.length, digitsFor(see.length))}`;
	const mark = markBefore(see.t),
		step = mark ? mark.text : '';
	if (byId('step-name').textContent !== step) byId('step-name').textContent = step;
	tellLists();
}

const orTell = (promise) => promise.catch((e) => say(e.message));

export function toggle(way) {
	if (see.way === way) {
		see.way = 0;
		changed('motion');
		changed('told');
	} else {
		play(way);
	}
}

export function step(by, way) {
	return orTell(stepBy(by, way));
}

export function faster(way) {
	const i = SPEEDS.findIndex((s) => s >= see.speed);
	setSpeed(SPEEDS[Math.max(0, Math.min((i < 0 ? SPEEDS.length - 1 : i) + way, SPEEDS.length - 1))]);
	say(`${see.speed} times as fast`);
}

export function seekBy(seconds) {
	see.way = 0;
	goTo(see.t + seconds * 1e9);
	changed('motion');
}

function tellSpan() {
	byId('time-out').disabled = byId('time-fit').disabled = !stretch();
}

function spanWords() {
	const digits = digitsFor(shownSpan());
	return stretch() ? `shown: ${timeWords(shownFrom(), digits)} to ${timeWords(shownFrom() + shownSpan(), digits)}` : 'all time is shown';
}

/* --- how it looks --- */

export function setOrder(order) {
	if (answers && order === 'hilbert' && !(answers.curve || []).length) return;
	see.order = order;
	byId('order').setAttribute('aria-pressed', String(order === 'hilbert'));
	byId('width').disabled = order !== 'row';
	changed('order');
	say(order === 'row' ? 'row by row' : 'along a Hilbert curve');
}

export function setStructure(yes) {
	see.structure = yes;
	byId('structure').setAttribute('aria-pressed', String(yes));
	changed('look');
	say(yes ? 'outlines shown' : 'outlines hidden');
}

export function setCols(cols) {
	for (const m of maps) m.cols = Math.max(m.disk.minCols, Math.min(cols, m.disk.maxCols));
	byId('width').value = String(active().cols);
	changed('cols');
}

/* Dark, light, classic; without a choice as the system has it. */
const THEMES = { default: 'Dark', light: 'Light', classic: 'Classic' };
const systemLight = matchMedia('(prefers-color-scheme: light)');
let chosen = null;

function setTheme(name, keep = true) {
	const all = see.session.palettes,
		wanted = name || (systemLight.matches ? 'light' : 'default');
	const p = all.find((x) => x.name === wanted) || (wanted === 'light' && all.find((x) => x.name === 'classic')) || all[0];
	chosen = name;
	see.palette = p;
	const root = document.documentElement;
	for (const k of ['paper', 'untouched', 'frame', 'ink', 'faint', 'warn', 'flush']) root.style.setProperty(`--${k}`, p[k]);
	for (const [k, v] of Object.entries(p.classes)) root.style.setProperty(`--class-${k}`, v);
	root.style.colorScheme = p.name === 'default' ? 'dark' : 'light';
	root.dataset.theme = p.name;
	byId('theme').value = name || '';
	try {
		if (keep) localStorage.setItem('blkscope-theme', name || '');
	} catch {
		/* a page that may keep nothing: so be it */
	}
	changed('palette');
}

function makeThemes() {
	const select = byId('theme');
	select.append(new Option('Auto', ''));
	for (const p of see.session.palettes) select.append(new Option(THEMES[p.name] || p.name, p.name));
	select.addEventListener('change', () => setTheme(select.value || null));
	systemLight.addEventListener('change', () => chosen || setTheme(null, false));
	let kept = null;
	try {
		kept = localStorage.getItem('blkscope-theme');
	} catch {
		/* none */
	}
	const first = see.session.palettes[0].name; /* asked for on the command line, when it is not the usual one */
	setTheme(first !== 'default' ? first : see.session.palettes.some((p) => p.name === kept) ? kept : null, false);
}

export function nextTheme() {
	const names = [...byId('theme').options].map((o) => o.value),
		i = names.indexOf(chosen || '');
	setTheme(names[(i + 1) % names.length] || null);
	say(`colours: ${byId('theme').selectedOptions[0].textContent}`);
}

/* --- marks and the story --- */

let sentences = [],
	storyEvents = -1, /* of which the list tells */
	storyLater = 0,
	gone = null; /* the entry that was gone to last */

/* The story of the disk, each sentence at the moment when all that it tells of had happened; of a file that grows it is asked for
 * from time to time. */
export async function askStory() {
	const disk = see.disk;
	let a = null;
	clearTimeout(storyLater);
	storyLater = 0;
	try {
		a = await ask('story', { disk });
	} catch {
		/* an exported page without one, or no server: no list */
	}
	if (disk !== see.disk) return; /* that one was asked for, too */
	tellStory(a);
	if (a && !answers && !(a.ready && a.current)) askStoryIn(a.ready ? 3000 : 500);
}

function askStoryIn(ms) {
	if (!storyLater) storyLater = setTimeout(askStory, ms);
}

function tellStory(a) {
	const story = a?.ready ? a.story : null;
	if (story && story.events === storyEvents) return;
	storyEvents = story ? story.events : -1;
	const nameOf = (step) => step.name || (step.end ? 'At the end' : '');
	sentences = (story?.steps || []).flatMap((step) =>
		step.sentences.map((s, i) => ({
			t: s.end_ns + a.offset,
			text: s.text,
			head: i ? '' : nameOf(step),
			about: s.last_event > s.first_event ? `events ${s.first_event} to ${s.last_event}` : `event ${s.first_event}`,
		})),
	);
	byId('story').hidden = !sentences.length;
	fillList(
		byId('story-list'),
		sentences,
		(s) => s.text,
		(s) => goTo(s.t),
	);
}

function fillList(list, items, text, go) {
	const digits = digitsFor(see.length) > 3 ? digitsFor(see.length) : 1;
	refill(list, JSON.stringify([digits, items]), () =>
		items.map((item) => {
			const b = make('button', 'jump', make('span', 'when', timeWords(item.t, digits)), make('span', 'what', text(item)));
			b.type = 'button';
			b.title = item.about || '';
			b.addEventListener('click', () => {
				see.way = 0;
				gone = item;
				go(item);
				changed('motion');
			});
			return make('li', '', ...(item.head ? [make('h3', '', item.head)] : []), b);
		}),
	);
	tellLists();
}

/* The entry that the moment lies in; the one that was clicked, where several end at once. */
function tellLists() {
	for (const [id, items] of [
		['marks-list', books.marks],
		['story-list', sentences],
	]) {
		let i = -1;
		items.forEach((item, n) => (i = item.t <= see.t ? n : i));
		const there = gone && gone.t === see.t ? items.findIndex((item) => item.t === gone.t && item.text === gone.text) : -1;
		if (there >= 0) i = there;
		[...byId(id).children].forEach((li, n) => {
			const now = n === i && items[n];
			if (now && !li.classList.contains('now')) {
				const pane = li.parentElement; /* the list scrolls, the page does not */
				pane.scrollTop +=
					Math.max(0, li.offsetTop + li.offsetHeight - pane.scrollTop - pane.clientHeight) -
					Math.max(0, pane.scrollTop - li.offsetTop);
			}
			li.classList.toggle('now', !!now);
			if (now) li.setAttribute('aria-current', 'step');
			else li.removeAttribute('aria-current');
		});
	}
}

export async function setMark(text) {
	const t = see.live ? see.length : Math.round(see.t);
	books.marks = await ask('mark', { disk: see.disk, t }, text);
	changed('books');
	changed('marks');
	say(`marked: ${text}`);
}

/* --- what a screen reader is told --- */

let sayLater = 0;

export function say(text) {
	byId('said').textContent = text;
}

/* When things have come to rest. */
function saySoon(words, after) {
	clearTimeout(sayLater);
	sayLater = setTimeout(() => say(words()), after);
}

/* --- all of them --- */

/* An exported page goes from moment to moment of those that it has. */
function tellKept() {
	for (const b of document.querySelectorAll('[data-step^=event]')) {
		const next = b.dataset.step.endsWith('next');
		b.title = b.title.replace('event', 'moment').replace('Event', 'Moment');
		b.setAttribute('aria-label', next ? 'Next moment' : 'Moment before');
		b.parentElement.setAttribute('aria-label', 'Moments');
		b.parentElement.querySelector('span').textContent = 'moment';
	}
	const n = Math.max(...answers.frames.map((f) => f.t.length));
	see.session.notes.push(`An exported page: it shows the disk at ${n} moments, and has no filter.`);
}

const troubleWords = () => maps.map((m) => m.trouble).filter((x) => x)[0] || '';

export function makeControls() {
	for (const s of SPEEDS) byId('speed').append(new Option(`${s}×`, s));
	byId('speed').addEventListener('change', () => setSpeed(Number(byId('speed').value)));
	byId('play').addEventListener('click', () => toggle(1));
	byId('back').addEventListener('click', () => toggle(-1));
	for (const [id, f] of [
		['time-in', () => zoomTime(2)],
		['time-out', () => zoomTime(0.5)],
		['time-fit', wholeTime],
	])
		byId(id).addEventListener('click', () => {
			f();
			changed('told-span');
			if (byId(id).disabled) byId('time-in').focus(); /* not to be lost */
		});
	for (const b of document.querySelectorAll('[data-step]')) {
		const [by, way] = b.dataset.step.split(' ');
		b.addEventListener('click', () => step(by, way));
	}
	if (answers) tellKept();
	byId('live').addEventListener('click', goLive);
	byId('live').hidden = !follows;
	byId('order').addEventListener('click', () => setOrder(see.order === 'row' ? 'hilbert' : 'row'));
	byId('order').hidden = !!answers && !(answers.curve || []).length;
	byId('structure').addEventListener('click', () => setStructure(!see.structure));
	byId('structure').hidden = !see.session.disks.some((d) => d.structure);
	const d = see.session.disks[0],
		width = byId('width');
	width.min = String(d.minCols);
	width.max = String(d.maxCols);
	width.value = String(d.cols);
	byId('width-field').hidden = d.minCols === d.maxCols;
	width.addEventListener('change', () => setCols(Number(width.value) || d.cols));
	byId('keep').addEventListener('change', () => {
		see.keep = byId('keep').checked;
		changed('look');
	});
	byId('keep-field').hidden = !!answers;
	byId('zoom-in').addEventListener('click', () => active().zoomBy(2));
	byId('zoom-out').addEventListener('click', () => active().zoomBy(0.5));
	byId('zoom-fit').addEventListener('click', () => active().fitAll());
	byId('title').textContent = see.session.title;
	document.title = `${see.session.title} · blkscope`;
	makeThemes();
	for (const note of see.session.notes || []) byId('notes').append(make('li', '', note));
	byId('notes').hidden = !(see.session.notes || []).length;
	on('motion', tellMotion);
	on('frame', () => byId('live').classList.toggle('growing', !!active().frame?.live));
	on('t length books span', tellTime);
	on('span', tellSpan);
	on('told-span', () => saySoon(spanWords, 400));
	on('books', () => {
		byId('marks').hidden = !books.marks.length;
		fillList(
			byId('marks-list'),
			books.marks,
			(m) => m.text,
			(m) => goTo(m.t),
		);
	});
	on('disk', () => {
		tellStory(null);
		askStory();
	});
	if (!answers) on('length', () => askStoryIn(3000));
	on('told', () =>
		saySoon(
			() => `${see.live ? 'live, ' : ''}${spokenTime(see.t)}${markBefore(see.t) ? `, ${markBefore(see.t).text}` : ''}`,
			400,
		),
	);
	on('told-cursor', () => saySoon(blockWords, 350));
	on('trouble', () => {
		byId('trouble').hidden = !troubleWords();
		byId('trouble').textContent = troubleWords();
	});
	tellMotion();
	tellTime();
	tellSpan();
}
