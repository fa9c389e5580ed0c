/* SPDX-License-Identifier: BSD-2-Clause */
/* disk: a bottom for fuzzers: an array that demands what each layer above owes it (requests inside the disk, in whole blocks,
 * no write where none may be) and aborts otherwise; it lends, tells holes and keeps requests as real ones do. */
#pragma once
#include "core/core.h"

enum { DISK_MAX = 64 << 10, DISK_HELD = 4096, DISK_GRAIN = 512 /* bytes: of holes */ };

struct disk {
	uint8_t bytes[DISK_MAX];
	uint64_t size, beyond;  /* bytes; beyond: more, zeroes that forget what is written (a large disk) */
	uint32_t min;           /* its blocks; 0: any */
	bool constant;          /* nothing may change it */
	bool hold;              /* keep requests until disk_release() */
	unsigned held_count;
	struct req *held[DISK_HELD];
	struct layer *holder;
};

extern struct disk disk;
extern const struct module mod_fuzz_disk;

extern uint8_t disk_pattern[DISK_MAX]; /* what it holds at first: bytes with zeroes between; set by disk_reset() */

void disk_reset(void);      /* whole size, the pattern */
bool disk_release(void);    /* what is held goes up, the last first; false: nothing was held */
