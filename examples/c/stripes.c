/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk of stripes: each sector says which one it is.  Build it outside of any tree:
 *
 *     cc -shared -fPIC $(pkg-config --cflags blkscope) stripes.c -o stripes.so
 *     nbdkit ./stripes.so size=1M --run 'qemu-io -r -f raw -c "read -v 1024 32" "$uri"'
 */
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>
#include <stdio.h>
#include <string.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static int64_t size = 1 << 20;

static int stripes_config(const char *key, const char *value)
{
	if (strcmp(key, "size") != 0) {
		nbdkit_error("unknown parameter '%s'", key);
		return -1;
	}
	size = nbdkit_parse_size(value);
	return size < 0 ? -1 : 0;
}

static void *stripes_open(int readonly)
{
	(void)readonly;
	return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t stripes_get_size(void *handle)
{
	(void)handle;
	return size;
}

static int stripes_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	char sector[513];
	char *to = buf;
	(void)handle;
	(void)flags;
	while (count > 0) {
		uint32_t at = offset % 512, n = 512 - at < count ? 512 - at : count;
		snprintf(sector, sizeof sector, "sector %-504llu\n", (unsigned long long)(offset / 512));
		memcpy(to, sector + at, n);
		to += n;
		offset += n;
		count -= n;
	}
	return 0;
}

static struct nbdkit_plugin plugin = {
	.name = "stripes",
	.longname = "a disk whose sectors know their numbers",
	.magic_config_key = "size",
	.config = stripes_config,
	.config_help = "size=<SIZE>    size of the disk (default: 1M)",
	.open = stripes_open,
	.get_size = stripes_get_size,
	.pread = stripes_pread,
};

NBDKIT_REGISTER_PLUGIN(plugin)
