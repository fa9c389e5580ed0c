/* SPDX-License-Identifier: BSD-2-Clause */
/* view_contents: the disk that `blkscope view' shows, as bytes: a moment of its recording, or the image that --disk names. */
#pragma once
#include "view/contents.h"

struct view_contents {
	const char *recording; /* borrowed */
	const char *image;     /* an image, or what else disk_open() takes; borrowed; NULL: the recording */
};

/* c is borrowed by it. */
struct contents view_contents(struct view_contents *c);
