/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk whose partition tables are anybody's: the filter opens a partition that lies on the disk, or refuses; never reads
 * past its end, never for ever (disk.h aborts).  A primary partition that is good by the rules said here again is served, and
 * no other.  The first bytes choose partition, block size and size of the disk; the rest are fields of tables. */
/* Aims at src: filters/partition filters/shift core/split */
#include <endian.h>
#include <string.h>
#include "base/say.h"
#include "filters/filters.h"
#include "fuzz/client.h"
#include "fuzz/disk.h"

enum { SECTOR = 512 };

static struct fuzz_client client;

static void poke(uint64_t at, uint64_t v, unsigned n)
{
	for (; n && at < DISK_MAX; n--, v >>= 8)
		disk.bytes[at++] = (uint8_t)v;
}

static uint64_t number(struct input *in)
{
	static const uint64_t some[] = { 0, 1, 2, 34, 63, 100, 127, 128, UINT32_MAX, UINT64_MAX, INT64_MAX, (uint64_t)1 << 32 };
	uint8_t v = (uint8_t)input_take(in, 1);
	return v < 0x80 ? v : v < 0xf0 ? some[v % ARRAY_LEN(some)] : input_take(in, 8);
}

static void put_entry(struct input *in, uint64_t sector, unsigned i)
{
	static const uint8_t types[] = { 0x83, 0x05, 0x0f, 0x85, 0x00, 0xee, 0x07, 0x05 };
	uint64_t at = sector * SECTOR + 446 + (uint64_t)i * 16;
	poke(at + 4, types[input_pick(in, 8)], 1);
	poke(at + 8, number(in), 4);
	poke(at + 12, number(in), 4);
	poke(sector * SECTOR + 510, 0xaa55, 2);
}

static void put_field(struct input *in)
{
	uint64_t at;
	switch (input_pick(in, 6)) {
	case 0:
		put_entry(in, 0, input_pick(in, 4));
		break;
	case 1: /* an extended boot record */
		put_entry(in, input_take(in, 1) % (DISK_MAX / SECTOR), input_pick(in, 2));
		break;
	case 2: /* a GPT's header */
		memcpy(disk.bytes + SECTOR, "EFI PART", 8);
		poke(SECTOR + 72, number(in), 8);
		poke(SECTOR + 80, number(in), 4);
		poke(SECTOR + 84, number(in) * 8, 4);
		break;
	case 3: /* an entry of it */
		at = 2 * SECTOR + input_take(in, 1) * 128;
		poke(at, number(in), 8);
		poke(at + 32, number(in), 8);
		poke(at + 40, number(in), 8);
		break;
	case 4:
		at = input_take(in, 2) % DISK_MAX;
		poke(at, input_take(in, 1), 1);
		break;
	default: /* a chain of many links that are good */
		for (unsigned i = 1, n = (unsigned)input_take(in, 1) % (DISK_MAX / SECTOR - 1); i < n; i++) {
			uint64_t first = (uint64_t)i * SECTOR + 446;
			poke(first + 4, 0x83, 1);
			poke(first + 8, 1, 4);
			poke(first + 12, i, 4);
			poke(first + 16 + 4, 0x05, 1);
			poke(first + 16 + 8, i, 4); /* counted from the extended partition at 1 */
			poke(first + 16 + 12, 1, 4);
			poke((uint64_t)i * SECTOR + 510, 0xaa55, 2);
		}
		poke(446 + 4, 0x05, 1);
		poke(446 + 8, 1, 4);
		poke(446 + 12, 100, 4);
		poke(510, 0xaa55, 2);
	}
}

static uint64_t le(const uint8_t *p, unsigned n)
{
	return n ? le(p + 1, n - 1) << 8 | *p : 0;
}

/* Bytes that a primary partition has; 0: it is none that can be served. */
static uint64_t primary(unsigned number)
{
	const uint8_t *e = disk.bytes + 446 + (size_t)(number - 1) * 16;
	uint64_t first = le(e + 8, 4), count = le(e + 12, 4), sectors = (disk.size + disk.beyond) / SECTOR;
	bool extended = e[4] == 0x05 || e[4] == 0x0f || e[4] == 0x85;
	return !e[4] || extended || first > sectors || count > sectors - first ? 0 : count * SECTOR;
}

static void read_ends(struct input *in)
{
	static const uint8_t ends[] = { 0, 0, 0x80, 4, 7, 1, 0, 0, 0x80, 1, 1, 7, 1 }; /* first byte, last byte: see client.c */
	struct input more = { ends, sizeof ends };
	client_requests(&client, &more);
	client_requests(&client, in);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const numbers[] = { "1", "2", "3", "4", "5", "6", "9", "127", "128", "260", "261", "4294967295" };
	static const uint64_t beyond[] = { 0, 1, 511, 1 << 20, (uint64_t)1 << 41, INT64_MAX - DISK_MAX, 0, 0 };
	static const uint64_t sizes[] = { DISK_MAX, DISK_MAX, 0, 511, 512, 1000, 1024, 34 * SECTOR };
	static const struct module *const mods[] = { &mod_partition, &mod_fuzz_disk, NULL };
	struct input in = { p, n };
	unsigned which = input_pick(&in, ARRAY_LEN(numbers)), block = input_pick(&in, 3), size = (unsigned)input_take(&in, 1);
	const char *const options[] = { "partition", numbers[which], NULL };

	say_start("fuzz", SAY_NULL, false);
	disk_reset();
	memset(disk.bytes, 0, DISK_MAX);
	memset(&client, 0, offsetof(struct fuzz_client, model));
	disk.size = sizes[size / 8 % ARRAY_LEN(sizes)];
	disk.beyond = disk.size == DISK_MAX ? beyond[size % 8] : 0;
	for (unsigned i = 0, fields = input_pick(&in, 16); i < fields; i++)
		put_field(&in);
	MUST(conn_rig_start(&client.rig, mods, options));
	disk.min = block == 0 ? 0 : block == 1 ? 512 : 4096;
	if (disk.beyond % 512)
		disk.min = 0;
	bool gpt = disk.size >= 2 * SECTOR && memcmp(disk.bytes + SECTOR, "EFI PART", 8) == 0;
	bool mbr = disk.size >= SECTOR && disk.bytes[510] == 0x55 && disk.bytes[511] == 0xaa;
	bool served = client_enter(&client, REPLY_SIMPLE, false);
	MUST(!served || client.size <= disk.size + disk.beyond);
	if (which < 4 && !gpt)
		MUST(client.size == (mbr ? primary(which + 1) : 0));
	if (served && client.size)
		disk.min = 0, read_ends(&in);
	client_end(&client, 1);
	return 0;
}
