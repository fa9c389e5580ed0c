/* SPDX-License-Identifier: BSD-2-Clause */
/* span: which stretch of the session the pictures over time show: all of it, or what was zoomed into. */
import { changed, on, see } from './see.js';

const SPAN_LEAST = 1000; /* ns */
let zoomedTo = null, /* { from, to } in ns; null: all */
	drawn = 0, /* ns: the length of the session, as it is drawn */
	rides = true; /* the moment was in view when it was last looked */

export const stretch = () => zoomedTo;
export const shownFrom = () => (zoomedTo ? zoomedTo.from : 0);
export const shownSpan = () => (zoomedTo ? zoomedTo.to - zoomedTo.from : Math.max(drawn, 1));
export const inView = (t) => !zoomedTo || (t >= zoomedTo.from && t <= zoomedTo.to);

/* Of a session that grows, from time to time. */
export function takeLength() {
	drawn = see.length;
}

/* room: it may reach beyond the end, as more may come. */
function showSpan(from, span, room = 0) {
	const least = Math.max(SPAN_LEAST, Math.round(span)),
		at = Math.round(Math.max(0, Math.min(from, see.length + room - least)));
	zoomedTo = least < see.length ? { from: at, to: at + least } : null;
	rides = inView(see.t);
	changed('span');
}

/* What is at that moment stays where it is. */
export function zoomTime(factor, at = inView(see.t) ? see.t : shownFrom() + shownSpan() / 2) {
	const share = (at - shownFrom()) / shownSpan(),
		span = Math.max(SPAN_LEAST, shownSpan() / factor);
	showSpan(at - share * span, span);
}

export function wholeTime() {
	showSpan(0, Infinity);
}

/* By so much of what is shown. */
export function panTime(share) {
	if (zoomedTo) showSpan(shownFrom() + share * shownSpan(), shownSpan());
}

/* The moment stays in view: a page is turned where it goes on, and where somebody goes to is shown.  Who has looked away while time goes
 * on is left alone. */
on('t', () => {
	if (inView(see.t)) {
		rides = true;
		return;
	}
	if (!rides && (see.live || see.way)) return;
	const span = shownSpan(),
		pages = (see.t - shownFrom()) / span;
	if (pages >= 1 && pages <= 2) showSpan(zoomedTo.to, span, span);
	else if (pages < 0 && pages >= -1) showSpan(zoomedTo.from - span, span);
	else showSpan(see.t - span / 10, span, span);
});
