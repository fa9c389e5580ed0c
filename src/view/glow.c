/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/util.h"
#include "view/glow.h"

/* A picture has half a million cells, and what happened to one says nothing of the next: so there are few branches here that a
 * processor could guess wrongly. */

#define GONE ((uint32_t)((FADE_HALVES + 1) * FADE_HALF))

/* Halves every FADE_HALF, straight lines between. */
unsigned fade(uint64_t now, uint64_t last)
{
	uint64_t age = now > last ? now - last : 0;
	uint32_t seen = last ? (uint32_t)MIN(age, (uint64_t)GONE) : GONE, halves = seen / (uint32_t)FADE_HALF;
	uint32_t full = 256u >> halves; /* 0 once it is gone */

	return full - (uint32_t)((uint64_t)full * (seen % (uint32_t)FADE_HALF) / (2 * FADE_HALF));
}

/* The greatest age at which it is as strong as that, 1..256. */
static uint64_t age_of(unsigned strength)
{
	unsigned log = strength > 1 ? 32 - (unsigned)__builtin_clz(strength - 1) : 0, full = 1u << log;
	uint64_t next = ((full - strength + 1) * (2 * FADE_HALF) + full - 1) >> log; /* there it is one weaker */

	return (8 - log) * FADE_HALF + MIN(next, (uint64_t)FADE_HALF) - 1;
}

/* The newest, of those that are as bright the one that changed the disk. */
static unsigned newest_of(const struct cell *c, uint64_t now, uint64_t newest, enum class *which)
{
	unsigned best = fade(now, newest);
	uint64_t age = best ? age_of(best) : 0, from = !best ? UINT64_MAX : now > age ? now - age : 1;
	enum class found = CL_READ;

	found = c->last[CL_ZERO] >= from ? CL_ZERO : found;
	found = c->last[CL_TRIM] >= from ? CL_TRIM : found;
	found = c->last[CL_WRITE] >= from ? CL_WRITE : found;
	*which = found;
	return best;
}

static unsigned flash_of(const struct cell *c, uint64_t now, bool many, enum class *which)
{
	static const enum class rank[] = { CL_ERROR, CL_WRITE, CL_TRIM, CL_ZERO, CL_READ };
	unsigned best = 0;
	uint64_t newest = 0;

	for (int i = 0; i < CLASSES; i++)
		newest = MAX(newest, c->last[i]);
	if (!c->reading && !c->last[CL_ERROR] && !many)
		return newest_of(c, now, newest, which);
	/* most cells have been at rest for long */
	if (!c->reading && !glow_lasts(now, newest))
		return 0;
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
