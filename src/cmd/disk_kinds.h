/* SPDX-License-Identifier: BSD-2-Clause */
/* disk_kinds: what lies behind a struct disk.  Each kind embeds it; so who needs one kind links no other. */
#pragma once
#include <stdarg.h>
#include "base/buf.h"
#include "cmd/disk.h"

struct disk_ops {
	int (*read)(struct disk *d, uint64_t off, size_t len, void *to);
	void (*close)(struct disk *d); /* frees it, too */
	void (*give_up)(struct disk *d); /* NULL: no read waits for long */
};

struct disk {
	const struct disk_ops *ops;
	uint64_t size;             /* bytes */
	_Atomic(const char *) lost; /* static words */
	struct buf notes;
};

/* name: for messages. */
struct disk *disk_open_uri(const char *uri, struct err *e);
struct disk *disk_open_image(int fd, const char *name, struct err *e); /* fd becomes its own, also when it fails */
struct disk *disk_open_recording(int fd, const char *name, const char *at, struct err *e);
