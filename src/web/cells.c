/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/cells.h"
#include "base/bytes.h"
#include "base/util.h"

enum { WORTH = 3 }; /* equal units that take less as a run than within a stretch */

static size_t equal(const uint16_t *cell, size_t n)
{
	size_t i = 1;
	while (i < n && cell[i] == cell[0])
		i++;
	return i;
}

/* Up to where a run that is worth it begins. */
static size_t stretch(const uint16_t *cell, size_t n)
{
	size_t i = 1;
	while (i < n && !(i + WORTH <= n && cell[i] == cell[i + 1] && cell[i] == cell[i + 2]))
		i++;
	return i;
}

uint8_t *cells_put(uint8_t *to, const uint16_t *cell, size_t n)
{
	while (n) {
		size_t most = MIN(n, (size_t)CELLS_MOST), len = equal(cell, most);
		if (len >= WORTH) {
			to = put_le16(to, (uint16_t)len);
			to = put_le16(to, cell[0]);
		} else {
			len = stretch(cell, most);
			to = put_le16(to, (uint16_t)(CELLS_AS_THEY_ARE | len));
			for (size_t i = 0; i < len; i++)
				to = put_le16(to, cell[i]);
		}
		cell += len;
		n -= len;
	}
	return to;
}
