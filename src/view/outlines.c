/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include "view/outlines.h"

#define LEAST 6 /* cells in a box for a name */

bool outlines_make(struct outlines *o, const struct know_map *k, const struct map *m, bool hilbert)
{
	struct units u = units_of(m, 0, hilbert, 0);
	struct area all = { 0, 0, u.w, u.h };

	if (o->know == k && o->units.w == u.w && o->units.h == u.h && o->units.grid.hilbert == hilbert && o->units.size == u.size)
		return true;
	outlines_free(o);
	if (!(o->class = malloc(MAX((size_t)u.w * u.h, 1))))
		return false;
	o->know = k;
	o->units = u;
	parts_fill(&u, k, all, o->class);
	o->parts = parts_find(&u, k, all, LEAST, o->part, OUTLINES_NAMES);
	return true;
}

void outlines_free(struct outlines *o)
{
	free(o->class);
	*o = (struct outlines){ 0 };
}
