/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include "view/palette.h"

/* Classes chosen by measuring: their smallest distance (CIEDE2000) is 27 for normal sight,
 * 18 without red cones, 20 without green, 12 without blue.  The error's violet is further from
 * each of them than they are from each other. */
const struct palette palette_default = {
	.name = "default",
	.paper = 0x0c0c0f, .untouched = 0x1b1b1f, .frame = 0x55555f, .ink = 0xf2f2f2, .faint = 0xbdbdc8,
	.warn = 0xff7ac8,
	.class = {
		[CL_READ] = 0x56b4e9, [CL_WRITE] = 0xd55e00, [CL_TRIM] = 0x009e73,
		[CL_ZERO] = 0xf5f5f5, [CL_ERROR] = 0xc030ff,
	},
	.flush = 0xf0e442,
};

/* As in 2018: red, black flash, light purple, white on light grey. */
const struct palette palette_classic = {
	.name = "classic",
	.paper = 0xf2f2f2, .untouched = 0xc9c9c9, .frame = 0x8a8a8a, .ink = 0x151515, .faint = 0x505050,
	.warn = 0xb00020,
	.class = {
		[CL_READ] = 0x000000, [CL_WRITE] = 0xff0000, [CL_TRIM] = 0xc8a2f0,
		[CL_ZERO] = 0xffffff, [CL_ERROR] = 0xff8c00,
	},
	.flush = 0x1f5fd0,
};

const struct palette *palette_find(const char *name)
{
	static const struct palette *const all[] = { &palette_default, &palette_classic };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	return NULL;
}
