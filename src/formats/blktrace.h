/* SPDX-License-Identifier: BSD-2-Clause */
/* blktrace: the layout of its binary records (Linux: include/uapi/linux/blktrace_api.h), in the byte order of the machine, and then
 * pdu_len bytes.  Version 7 is 48 bytes; version 8 (struct blk_io_trace2, Linux 6.19) has more room for actions, those of zones, whose
 * half is not looked at here. */
#pragma once
#include <stdint.h>

#define BLKTRACE_MAGIC 0x65617400u /* the lowest byte is the version */
enum { BLKTRACE_VERSION = 7, BLKTRACE_VERSION2 = 8, BLKTRACE_SECTOR = 512 };

struct blktrace_record {
	uint32_t magic, sequence;
	uint64_t time, sector; /* ns; of 512 bytes */
	uint32_t bytes, action, pid, device, cpu;
	uint16_t error, pdu_len;
};
_Static_assert(sizeof(struct blktrace_record) == 48, "as it lies in the file");

struct blktrace_record2 {
	uint32_t magic, sequence;
	uint64_t time, sector;
	uint32_t bytes, pid;
	uint64_t action;
	uint32_t device, cpu;
	uint16_t error, pdu_len;
	uint8_t pad[12];
};
_Static_assert(sizeof(struct blktrace_record2) == 64, "as it lies in the file");

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
