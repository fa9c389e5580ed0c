/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/util.h"
#include "view/glow.h"

/* Halves every FADE_HALF, straight lines between. */
unsigned fade(uint64_t now, uint64_t last)
{
	uint64_t age = now > last ? now - last : 0, halves = age / FADE_HALF;

	if (!last || halves > 8)
		return 0;
	unsigned full = 256u >> halves;
	return full - (unsigned)((uint64_t)full * (age % FADE_HALF) / FADE_HALF / 2);
}

/* The newest, of those that are as bright the one that changed the disk. */
static unsigned newest_of(const struct cell *c, uint64_t now, uint64_t newest, enum class *which)
{
	static const enum class rank[] = { CL_WRITE, CL_TRIM, CL_ZERO };
	unsigned best = fade(now, newest);

	for (size_t i = 0; i < ARRAY_LEN(rank); i++) {
		uint64_t last = c->last[rank[i]];
		/* half a strength later is never as bright */
		if (last == newest || (newest - last < FADE_HALF && fade(now, last) == best)) {
			*which = rank[i];
			break;
		}
	}
	return best;
}

static unsigned flash_of(const struct cell *c, uint64_t now, bool many, enum class *which)
{
	static const enum class rank[] = { CL_ERROR, CL_WRITE, CL_TRIM, CL_ZERO, CL_READ };
	unsigned best = 0;
	uint64_t newest = 0;

	/* most cells have been at rest for long */
	for (int i = 0; i < CLASSES; i++)
		newest = MAX(newest, c->last[i]);
	if (!c->reading && !glow_lasts(now, newest))
		return 0;
	if (!c->reading && !c->last[CL_ERROR] && !many)
		return newest_of(c, now, newest, which);
	for (size_t i = 0; i < ARRAY_LEN(rank); i++) {
		unsigned f = rank[i] == CL_READ && c->reading ? 256 : fade(now, c->last[rank[i]]);
		if (f > best) {
			best = f;
			*which = rank[i];
		}
		if (f >= 128 && (many || rank[i] == CL_ERROR))
			break;
	}
	return best;
}

unsigned cell_glow(const struct cell *c, uint64_t now, uint64_t exposed, bool many, enum class *which)
{
	*which = CL_READ;
	unsigned strength = flash_of(c, now, many, which);
	bool lit = exposed && c->last[CL_READ] > exposed && cell_state(c) == ST_NONE;
	return *which == CL_READ && lit ? MAX(strength, GLOW_EXPOSED) : strength;
}
