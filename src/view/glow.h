/* SPDX-License-Identifier: BSD-2-Clause */
/* glow: how strongly a cell shows what happened to it of late.  Whole numbers, the same on every machine.  Pure functions. */
#pragma once
#include "view/map.h"

#define FADE_HALF (250 * NS_PER_MS) /* a flash loses half its strength in this */
#define FADE_HALVES 8u              /* and is not seen any more after so many of them */
#define GLOW_EXPOSED 176u           /* strength of a read on a still picture */

/* Is something that ended at last (0: never) still to be seen? */
static inline bool glow_lasts(uint64_t now, uint64_t last)
{
	return last && !(now > last && now - last >= (FADE_HALVES + 1) * FADE_HALF);
}
/* Strength of something that ended at last (0: never), 0..256, 256 when that is now. */
unsigned fade(uint64_t now, uint64_t last);

/* What a cell shows, and how strongly, 0..256: a rare important class for as long as its flash is strong, else the newest.
 * many: it stands for more than one block.  Reads since exposed (ns since 1970; 0: none) stay lit, as far as they do not hide
 * what changed the disk: a still picture has no time to flash. */
unsigned cell_glow(const struct cell *c, uint64_t now, uint64_t exposed, bool many, enum class *which);
