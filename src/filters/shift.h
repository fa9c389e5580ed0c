/* SPDX-License-Identifier: BSD-2-Clause */
/* shift: for filters that serve a part of the disk below: every offset of a request and of the lists that it
 * carries, moved down by a number of bytes and back up again.  Nobody but the layers of the stack looks at them
 * meanwhile, so they are moved where they stand.  The caller made sure that the part lies within the disk. */
#pragma once
#include "core/core.h"

void shift_down(struct req *r, uint64_t by);
void shift_up(struct req *r, uint64_t by);
