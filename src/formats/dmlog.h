/* SPDX-License-Identifier: BSD-2-Clause */
/* dmlog: the layout of a dm-log-writes log (Linux: drivers/md/dm-log-writes.c, Documentation/admin-guide/device-mapper/log-writes.rst).
 *
 * Little-endian.  A super block of one sector: magic, version, entries (8 bytes each), bytes of a sector (4).  Then for each
 * entry a sector, with sector and sectors (of that size), flags, bytes of data behind the four (8 bytes each), and that: a mark's
 * text; and then, unless it is a discard, as many sectors of data. */
#pragma once

#define DMLOG_MAGIC 0x6a736677736872ull
enum { DMLOG_FLUSH = 1, DMLOG_FUA = 2, DMLOG_DISCARD = 4, DMLOG_MARK = 8, DMLOG_METADATA = 16 };
enum { DMLOG_SUPER = 28, DMLOG_ENTRY = 32, DMLOG_SECTOR = 512 };
