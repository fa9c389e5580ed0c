/* SPDX-License-Identifier: BSD-2-Clause */
/* The transmission phase in all its styles, over a memory disk and several stacks of filters: see client.h for what is held
 * against the server.  Of the input, the first byte chooses the stack, the second the style and how it ends, the third the
 * pieces that its bytes arrive in; the rest are requests. */
/* Aims at src: server/conn server/request server/reply server/rx server/send server/payload core/core core/split core/lists filters/.* */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "filters/filters.h"
#include "fuzz/client.h"
#include "fuzz/disk.h"
#include "plugins/plugins.h"
#include "trace/read_log.h"

enum { LOG_MAX = 8 << 20, PARTITION_SECTOR = 16, PARTITION_SECTORS = 80 };

struct kind {
	const struct module *mods[7];
	const char *options[11];
	uint64_t base, size;  /* bytes: what is served of the disk below */
	uint32_t min;         /* its blocks */
	bool constant, hold, partitioned;
	unsigned fails;       /* command types */
};

static char log_name[40];

static const struct kind kinds[] = {
	{ { &mod_memory }, { "size", "60001" }, .size = 60001 },
	{ { &mod_blocksize, &mod_fuzz_disk }, { "minblock", "1K", "maxdata", "8K", "maxlen", "16K" }, .size = DISK_MAX, .min = 1024 },
	{ { &mod_cow, &mod_fuzz_disk }, { "cow-block-size", "4K" }, .size = DISK_MAX - 777, .constant = true },
	{ { &mod_offset, &mod_fuzz_disk }, { "offset", "12345", "range", "40001" }, .base = 12345, .size = 40001 },
	{ { &mod_partition, &mod_fuzz_disk }, { "partition", "1" },
	  .base = PARTITION_SECTOR * 512, .size = PARTITION_SECTORS * 512, .partitioned = true },
	{ { &mod_log, &mod_memory }, { "size", "60001", "logfile", log_name }, .size = 60001 },
	{ { &mod_delay, &mod_cow, &mod_fuzz_disk }, { "rdelay", "3ms", "wdelay", "5ms", "delay-extents", "1ms" },
	  .size = DISK_MAX, .constant = true, .hold = true },
	{ { &mod_error, &mod_passthrough, &mod_memory },
	  { "size", "64K", "error-zero-rate", "1", "error-trim-rate", "100%", "error-trim", "ESHUTDOWN", "error-extents-rate", "1" },
	  .size = DISK_MAX, .fails = 1 << NBD_CMD_WRITE_ZEROES | 1 << NBD_CMD_TRIM | 1 << NBD_CMD_BLOCK_STATUS },
	{ { &mod_log, &mod_cow, &mod_blocksize, &mod_offset, &mod_fuzz_disk },
	  { "logfile", log_name, "cow-on-read", "true", "cow-on-cache", "true", "offset", "8K", "minblock", "512" },
	  .base = 8192, .size = DISK_MAX - 8192, .min = 512, .constant = true, .hold = true },
	{ { &mod_blocksize, &mod_delay, &mod_fuzz_disk }, { "minblock", "4K", "rdelay", "2ms" },
	  .size = DISK_MAX, .min = 4096, .hold = true },
};

static struct fuzz_client client;

static void release(void)
{
	disk_release();
}

static void prepare(const struct kind *k)
{
	disk_reset();
	disk.size = MIN((uint64_t)DISK_MAX, k->base + k->size);
	if (k->partitioned) {
		uint8_t *entry = disk.bytes + 446;
		disk.size = DISK_MAX;
		entry[4] = 0x83;
		entry[8] = PARTITION_SECTOR;
		entry[12] = PARTITION_SECTORS;
		disk.bytes[510] = 0x55;
		disk.bytes[511] = 0xaa;
	}
	disk.min = k->min;
	disk.constant = k->constant;
	disk.hold = k->hold;
	memset(&client, 0, sizeof client);
	if (k->mods[0] != &mod_memory && k->mods[1] != &mod_memory && k->mods[2] != &mod_memory)
		memcpy(client.model, disk.bytes + k->base, k->size);
	client.faithful = true;
	client.fails = k->fails;
	client.release = release;
}

/* Each request that the log tells of has its end there, too. */
static void check_log(int fd)
{
	static char text[LOG_MAX];
	struct log_reader r = { 0 };
	struct event ev;
	uint64_t begun = 0, ended = 0;
	ssize_t n = pread(fd, text, sizeof text, 0);
	const char *p = text;

	MUST(n >= 0);
	if (n == sizeof text)
		return;
	while (log_next(&r, &p, text + n, &ev)) {
		begun += ev.kind == EV_BEGIN;
		ended += ev.kind == EV_END;
	}
	MUST(p == text + n && r.bad == 0 && r.lost == 0 && begun == ended);
}

/* What lies in the array is what was written, and nothing else of it has changed. */
static void check_disk(const struct kind *k)
{
	const uint8_t *served = disk.bytes + k->base;
	uint64_t from = k->partitioned ? 512 : 0;

	if (k->constant) {
		MUST(memcmp(disk.bytes, disk_pattern, DISK_MAX) == 0);
		return;
	}
	MUST(k->base <= from || memcmp(disk.bytes + from, disk_pattern + from, k->base - from) == 0);
	MUST(memcmp(served + k->size, disk_pattern + k->base + k->size, DISK_MAX - k->base - k->size) == 0);
	for (uint64_t i = 0, n; i < k->size; i += n) {
		n = MIN(k->size - i, (uint64_t)256);
		bool known = !memchr(client.unknown + i, 1, n);
		MUST(!known || memcmp(served + i, client.model + i, n) == 0);
		for (uint64_t b = i; b < i + n && !known; b++)
			MUST(client.unknown[b] || served[b] == client.model[b]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct input in = { p, n };
	const struct kind *k = &kinds[input_pick(&in, ARRAY_LEN(kinds))];
	unsigned style = (unsigned)input_take(&in, 1), piece = (unsigned)input_take(&in, 1);
	int log = memfd_create("log", MFD_CLOEXEC);

	snprintf(log_name, sizeof log_name, "/proc/self/fd/%d", log);
	prepare(k);
	MUST(log >= 0 && conn_rig_start(&client.rig, k->mods, k->options));
	MUST(client_enter(&client, (enum reply_style)(style % 3), style & 4));
	MUST(client.size == k->size);
	client.rig.piece = piece & 0x7f ? (size_t)(piece & 0x7f) * (piece & 0x80 ? 97 : 1) : 0;
	client_requests(&client, &in);
	bool settled = client.count == 0;
	client_end(&client, style >> 4);
	check_log(log);
	if (settled && !client.left && k->mods[1] && k->mods[1] != &mod_memory && k->mods[2] != &mod_memory)
		check_disk(k);
	close(log);
	return 0;
}
