/* SPDX-License-Identifier: BSD-2-Clause */
/* lvm: between lvm.c, which knows where LVM2's metadata lies, and lvm_text.c, which reads it. */
#pragma once
#include "know/build.h"

/* The text of a volume group (n bytes, hostile): names the physical volume and adds the logical volumes that lie on it.  id: of this
 * physical volume, 32 characters.  False: it is not told of. */
bool lvm_text(struct know_build *b, unsigned volume, const char *text, size_t n, const char id[32]);
