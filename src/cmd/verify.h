/* SPDX-License-Identifier: BSD-2-Clause */
/* verify: what a disk must hold, by what was written to it; in sectors of 512 bytes.
 * What nobody wrote is not known, nor what a trim or a failed write left.  Memory: what was written.  Main thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct sparse;

struct verify {
	uint64_t size;               /* bytes of the disk, whole sectors */
	struct sparse *bytes, *known; /* known: a byte for each sector */
	uint64_t good, bad, unknown; /* sectors that were looked at */
	uint64_t first_bad;          /* offset of the first, once there is one */
};

bool verify_init(struct verify *v, uint64_t size); /* false: no memory */
void verify_free(struct verify *v);
/* The range holds data now (NULL: zeroes); known false: nobody knows what.  False: no memory. */
bool verify_put(struct verify *v, uint64_t off, uint64_t len, const uint8_t *data, bool known);
/* data was read there. */
void verify_look(struct verify *v, uint64_t off, uint64_t len, const uint8_t *data);
