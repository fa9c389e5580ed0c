/* SPDX-License-Identifier: BSD-2-Clause */
/* contents: the bytes of the disk that is looked at, at a moment of a recording, or of an image of it.  The window and the pictures
 * are given one; who implements it knows the files.  Any thread, one call for each handle at a time. */
#pragma once
#include "base/err.h"
#include "know/know.h"

struct contents {
	/* The disk after the first `events' events of the recording, as they are numbered there; an image is the same at each moment.
	 * d is valid until the handle is closed.  NULL with e set. */
	void *(*open)(void *arg, uint64_t events, struct know_disk *d, struct err *e);
	void (*close)(void *handle); /* NULL is fine */
	bool moves;                  /* what it holds depends on the moment */
	void *arg;
};
