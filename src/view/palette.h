/* SPDX-License-Identifier: BSD-2-Clause */
/* palette: which colour means what.  Constant tables. */
#pragma once
#include "view/canvas.h"
#include "view/map.h"

struct palette {
	const char *name;
	rgb paper;      /* around everything */
	rgb untouched;  /* a block nothing happened to */
	rgb frame;      /* lines around things */
	rgb ink, faint; /* text; less important text */
	rgb warn;       /* text that must be seen */
	rgb class[CLASSES];
	rgb flush;
};

extern const struct palette palette_default, palette_classic;
const struct palette *palette_find(const char *name); /* NULL: no such */
