/* SPDX-License-Identifier: BSD-2-Clause */
/* ext_jbd: the blocks of a jbd2 journal, understood.  No I/O; numbers are big-endian there.  Source: the kernel's
 * Documentation/filesystems/ext4/journal.rst. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	JBD_NONE, JBD_DESC, JBD_COMMIT, JBD_SUPER1, JBD_SUPER2, JBD_REVOKE, /* block types; NONE: no header */
	JBD_DATA = 0x10,             /* not on the disk: a block that a descriptor speaks of */

	JBD_64BIT = 2, JBD_CSUM_V2 = 8, JBD_CSUM_V3 = 0x10, JBD_FAST_COMMIT = 0x20, /* incompatible features */
};

struct jbd_super {
	uint32_t block, blocks;      /* bytes of one; how many the journal has */
	uint32_t first, end;         /* the log is in [first, end); behind are fast commits */
	uint32_t seq, start;         /* where to begin; start 0: nothing is to be played */
	uint32_t incompat, seed;     /* seed: of checksums */
	bool csum_bad;
};
bool jbd_super_parse(struct jbd_super *s, const uint8_t raw[1024]); /* false: it is none, or cannot be */

struct jbd_tag {
	uint64_t home;               /* block of the file system */
	uint32_t csum;               /* v2: the lower half */
	bool escaped;                /* the block began with the magic number, which is left out */
};

unsigned jbd_type(const uint8_t *block, uint32_t *seq); /* JBD_NONE or one of the types on the disk */
unsigned jbd_tag_size(const struct jbd_super *s);       /* bytes, without the UUID that may follow */
/* The tags of a descriptor, at most max; how many. */
unsigned jbd_tags(const struct jbd_super *s, const uint8_t *block, struct jbd_tag *tag, unsigned max);
/* The blocks that a revoke block names, at most max; how many. */
unsigned jbd_revoked(const struct jbd_super *s, const uint8_t *block, uint64_t *home, unsigned max);
bool jbd_has_csum(const struct jbd_super *s);
/* Of a descriptor, a revoke or a commit block. */
bool jbd_csum_ok(const struct jbd_super *s, const uint8_t *block, unsigned type);
bool jbd_data_csum_ok(const struct jbd_super *s, const uint8_t *block, const struct jbd_tag *t, uint32_t seq);
/* Transaction numbers go round. */
static inline bool jbd_newer(uint32_t a, uint32_t b) { return (int32_t)(a - b) > 0; }
