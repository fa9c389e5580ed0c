/* SPDX-License-Identifier: BSD-2-Clause */
/* blktrace: the layout of its binary records, version 7 (Linux: include/uapi/linux/blktrace_api.h): these 48 bytes in the
 * byte order of the machine, then pdu_len bytes. */
#pragma once
#include <stdint.h>

#define BLKTRACE_MAGIC 0x65617400u /* the lowest byte is the version */
enum { BLKTRACE_VERSION = 7, BLKTRACE_SECTOR = 512 };

struct blktrace_record {
	uint32_t magic, sequence;
	uint64_t time, sector; /* ns; of 512 bytes */
	uint32_t bytes, action, pid, device, cpu;
	uint16_t error, pdu_len;
};
_Static_assert(sizeof(struct blktrace_record) == 48, "as it lies in the file");

enum { BLKTRACE_QUEUE = 1, BLKTRACE_COMPLETE = 8 };                     /* action, the lower half, without bit 8 (a cgroup) */
enum { BLKTRACE_TIMESTAMP = 1, BLKTRACE_MESSAGE = 2 };                  /* the same, of a NOTIFY */
enum { BLKTRACE_CGROUP = 1 << 8 };
#define BLKTRACE_CAT(n) (1u << (16 + (n)))
#define BLKTRACE_READ BLKTRACE_CAT(0)
#define BLKTRACE_WRITE BLKTRACE_CAT(1)
#define BLKTRACE_FLUSH BLKTRACE_CAT(2)
#define BLKTRACE_SYNC BLKTRACE_CAT(3)
#define BLKTRACE_Q BLKTRACE_CAT(4)
#define BLKTRACE_C BLKTRACE_CAT(7)
#define BLKTRACE_NOTIFY BLKTRACE_CAT(10)
#define BLKTRACE_DISCARD BLKTRACE_CAT(13)
#define BLKTRACE_FUA BLKTRACE_CAT(15)
