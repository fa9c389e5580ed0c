/* SPDX-License-Identifier: BSD-2-Clause */
/* split: children of a request: what a layer in the middle sends down on its own account.
 *
 * A child's home is the layer that made it, so it comes up in that layer's done(), which asks here first
 * whether what came is a child.  Loop thread only, like everything about requests. */
#pragma once
#include "core/core.h"

/* An OPEN that went well below and is refused here: CLOSE goes down as a child, then r goes up with err.
 * In done(): the layer must also call open_refused(). */
void open_refuse(struct layer *l, struct req *r, int err);
/* True: r was the CLOSE of an OPEN that was refused, and all is done. */
bool open_refused(struct layer *l, struct req *r);
