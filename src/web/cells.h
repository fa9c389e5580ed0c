/* SPDX-License-Identifier: BSD-2-Clause */
/* cells: what frames and overlays say of each unit, 16 bits of it, as runs of equal ones and stretches as they are (docs/web.md).
 * A picture all of whose neighbours differ takes 2 bytes a unit and hardly more, one that is all alike next to nothing.  Pure functions. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { CELLS_MOST = 0x7fff /* units of a run or stretch */, CELLS_AS_THEY_ARE = 0x8000 };

/* Bytes that cells_put() writes at most. */
static inline size_t cells_room(size_t n) { return 2 * n + 2 * (n / CELLS_MOST) + 8; }
/* to: cells_room(n) bytes; what is returned lies behind the last one written. */
uint8_t *cells_put(uint8_t *to, const uint16_t *cell, size_t n);
