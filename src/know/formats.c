/* SPDX-License-Identifier: BSD-2-Clause */
/* The row of decoders.  The order is that of how sure a sign is when an older one was left on the disk: MD 1.x has checksums and may have
 * a partition table inside; a table's maker leaves a file system's superblock at 1024 alone, and the makers of file systems wipe tables. */
#include <string.h>
#include "base/util.h"
#include "know/inside.h"

static know_decoder *const decoders[] = {
	know_md, know_part, know_label, know_ext, know_fat, know_ntfs, know_xfs, know_btrfs, know_part_lost, know_ext_lost,
};

void know_look(struct know_build *b, unsigned volume)
{
	struct know_volume *v = know_volume_set(b, volume), before = *v;

	for (size_t i = 0; i < ARRAY_LEN(decoders) && !know_ask(b); i++)
		if (decoders[i](b, volume))
			break;
	if (!v->name[0])
		memcpy(v->name, before.name, sizeof v->name);
	if (!v->id[0])
		memcpy(v->id, before.id, sizeof v->id);
}
