/* SPDX-License-Identifier: BSD-2-Clause */
/* crc32c: Castagnoli's checksum, as ext4, XFS and btrfs keep it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* crc goes on from what was returned before; nothing is inverted here: start with ~0u, and invert the end where the format wants that. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
/* The same as if the 4 bytes at `hole` were zeroes, since a checksum often lies in what it is of; hole + 4 <= n.  Both ends inverted. */
uint32_t crc32c_holed(const void *p, size_t n, size_t hole);
