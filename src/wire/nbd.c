/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/nbd.h"
#include <errno.h>
#include <string.h>
#include "base/bytes.h"
#include "base/utf8.h"

struct nbd_option nbd_get_option(const uint8_t p[NBD_OPTION_SIZE])
{
	return (struct nbd_option){ .magic = get_be64(p), .option = get_be32(p + 8), .len = get_be32(p + 12) };
}

uint8_t *nbd_put_option_reply(uint8_t *p, uint32_t option, uint32_t type, uint32_t len)
{
	p = put_be64(p, NBD_REP_MAGIC);
	p = put_be32(p, option);
	p = put_be32(p, type);
	return put_be32(p, len);
}

uint8_t *nbd_put_chunk(uint8_t *p, bool extended, uint16_t flags, uint16_t type, uint64_t cookie, uint64_t off, uint32_t len)
{
	p = put_be32(p, extended ? NBD_EXTENDED_REPLY_MAGIC : NBD_STRUCTURED_REPLY_MAGIC);
	p = put_be16(p, flags);
	p = put_be16(p, type);
	p = put_be64(p, cookie);
	if (!extended)
		return put_be32(p, len);
	p = put_be64(p, off);
	return put_be64(p, len);
}

uint8_t *nbd_put_oldstyle(uint8_t *p, uint64_t size, uint32_t flags)
{
	memset(p, 0, NBD_OLDSTYLE_SIZE);
	put_be64(p, NBD_MAGIC);
	put_be64(p + 8, NBD_OLDSTYLE_MAGIC);
	put_be64(p + 16, size);
	put_be32(p + 24, flags);
	return p + NBD_OLDSTYLE_SIZE;
}

uint32_t nbd_error(int err)
{
	switch (err) {
	case 0:
		return 0;
	case EPERM:
	case EROFS:
		return 1;
	case EIO:
		return 5;
	case ENOMEM:
		return 12;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return 28;
	case EOPNOTSUPP:
		return 95;
	case ESHUTDOWN:
		return 108;
	default:
		return 22;
	}
}

const char *nbd_option_name(uint32_t option)
{
	static const char *const names[] = {
		[NBD_OPT_EXPORT_NAME] = "NBD_OPT_EXPORT_NAME",
		[NBD_OPT_ABORT] = "NBD_OPT_ABORT",
		[NBD_OPT_LIST] = "NBD_OPT_LIST",
		[NBD_OPT_STARTTLS] = "NBD_OPT_STARTTLS",
		[NBD_OPT_INFO] = "NBD_OPT_INFO",
		[NBD_OPT_GO] = "NBD_OPT_GO",
		[NBD_OPT_STRUCTURED_REPLY] = "NBD_OPT_STRUCTURED_REPLY",
		[NBD_OPT_LIST_META_CONTEXT] = "NBD_OPT_LIST_META_CONTEXT",
		[NBD_OPT_SET_META_CONTEXT] = "NBD_OPT_SET_META_CONTEXT",
		[NBD_OPT_EXTENDED_HEADERS] = "NBD_OPT_EXTENDED_HEADERS",
	};
	if (option >= sizeof names / sizeof *names || !names[option])
		return "unknown option";
	return names[option];
}

bool nbd_is_string(const char *str, size_t len)
{
	const uint8_t *p = (const uint8_t *)str;

	if (len > NBD_MAX_STRING)
		return false;
	for (size_t at = 0, n; at < len; at += n)
		if (!p[at] || !(n = utf8_len(p + at, len - at)))
			return false;
	return true;
}
