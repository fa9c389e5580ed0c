/* SPDX-License-Identifier: BSD-2-Clause */
/* crc32: the one of zip, Ethernet, GPT and LVM2 (polynomial 0x04c11db7, bits reflected).  Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* state before the bytes to state after; GPT begins with ~0 and inverts the end, LVM2 does neither. */
uint32_t crc32_update(uint32_t state, const void *p, size_t n);
static inline uint32_t crc32_gpt(const void *p, size_t n) { return ~crc32_update(~0u, p, n); }
