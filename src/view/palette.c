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
	.structure = { 0x3a3a42, 0xf0e442, 0xff8fd0, 0xe6b04a, 0x8fd3ff, 0xb9a0ff, 0xb8e986, 0x8fd9c0, 0xa6a6b2, 0xffffff },
};

/* For bright rooms and paper.  Measured the same way: 31 for normal sight, 21 without red cones, 21 without green, 22 without blue. */
const struct palette palette_light = {
	.name = "light",
	.paper = 0xffffff, .untouched = 0xe8e8ec, .frame = 0x9a9aa4, .ink = 0x17171b, .faint = 0x5a5a65,
	.warn = 0xb0005c,
	.class = {
		[CL_READ] = 0x2439cf, [CL_WRITE] = 0xd55e00, [CL_TRIM] = 0x4eaf8f,
		[CL_ZERO] = 0x1c1c22, [CL_ERROR] = 0xca6ef8,
	},
	.flush = 0x8a6d00,
	.structure = { 0xc8c8d0, 0x7a6500, 0xb0006a, 0x9a5200, 0x005a9c, 0x6a2be2, 0x3c7a00, 0x00705a, 0x5f5f6b, 0x000000 },
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
	.structure = { 0xb0b0b0, 0x6a5800, 0xa00060, 0x8a4a00, 0x004f8a, 0x5a22c8, 0x336a00, 0x00604d, 0x505058, 0x000000 },
};

const struct palette *const palettes[] = { &palette_default, &palette_light, &palette_classic, NULL };

const struct palette *palette_find(const char *name)
{
	for (size_t i = 0; palettes[i]; i++)
		if (!strcmp(palettes[i]->name, name))
			return palettes[i];
	return NULL;
}
