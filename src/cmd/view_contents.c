/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include "cmd/disk.h"
#include "cmd/view_contents.h"

static void *open_disk(void *arg, uint64_t events, struct know_disk *d, struct err *e)
{
	const struct view_contents *c = arg;
	char moment[40];

	if (!c->image && !events) {
		err_set(e, "%s: nothing had happened yet", c->recording);
		return NULL;
	}
	snprintf(moment, sizeof moment, "event=%" PRIu64, events - 1);
	struct disk *disk = c->image ? disk_open(c->image, NULL, e) : disk_open(c->recording, moment, e);
	if (disk)
		*d = disk_to_know(disk);
	return disk;
}

static void close_disk(void *handle)
{
	disk_close(handle);
}

struct contents view_contents(struct view_contents *c)
{
	return (struct contents){ .open = open_disk, .close = close_disk, .moves = !c->image, .arg = c };
}
