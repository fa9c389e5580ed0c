/* SPDX-License-Identifier: BSD-2-Clause */
/* label: the row behind know_label(): each says false when the volume is none of its own. */
#pragma once
#include "know/build.h"

know_decoder label_lvm;       /* lvm.c: a physical volume of LVM2 */
know_decoder label_md_090;    /* md.c: a superblock of the old kind, near the end */
know_decoder label_swap;      /* swap.c */
know_decoder label_luks;      /* luks.c */
