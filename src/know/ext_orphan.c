/* SPDX-License-Identifier: BSD-2-Clause */
/* Orphans: files that had no name any more while somebody had them open, and files that were being cut, when the disk was last written.
 * The older way is a list from inode to inode, the newer one a file of numbers. */
#include <inttypes.h>
#include "base/util.h"
#include "know/ext.h"

enum { ORPHAN_MAGIC = 0x0b10ca04 };

bool ext_orphan_block(struct ext *x, uint32_t seed, uint64_t block)
{
	const uint8_t *p = ext_peek(x, block);

	if (!p || get_le32(p + x->s.block - 8) != ORPHAN_MAGIC || (x->csum && !ext_orphan_csum_ok(x, seed, block, p)))
		return false;
	for (uint32_t i = 0; i + 8 < x->s.block; i += 4)
		x->in_orphan_file += get_le32(p + i) != 0;
	return true;
}

void ext_orphans(struct ext *x)
{
	uint32_t ino = x->s.last_orphan, listed = 0;
	uint8_t *inode = x->piece;

	while (ino && listed <= x->inos && !know_stopped(x->b)) {
		if (ext_file(x, ino) == KNOW_NO_FILE || !ext_inode_read(x, ino, inode)) {
			know_note(x->b, x->volume, "the list of orphans leads to inode %" PRIu32 ", which is not in use", ino);
			break;
		}
		listed++;
		ino = get_le32(inode + 20); /* i_dtime is the next one */
	}
	if (listed > x->inos)
		know_note(x->b, x->volume, "the list of orphans is a loop");
	else if (listed || x->in_orphan_file)
		know_note(x->b, x->volume, "%" PRIu32 " orphans, %" PRIu32 " of them without a name: deleted or being cut while open, to be seen to at the next mount",
			listed + x->in_orphan_file, x->orphans);
	if (x->deleted)
		know_note(x->b, x->volume, "%" PRIu32 " deleted inodes still tell where their files were", x->deleted);
}
