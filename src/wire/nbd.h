/* SPDX-License-Identifier: BSD-2-Clause */
/* nbd: the NBD protocol's bytes, as proto.md defines them, and structs for the two headers that
 * are read and written for every request.  Pure functions, no I/O, any thread.
 * Names are proto.md's. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"

#define NBD_MAGIC 0x4e42444d41474943ull          /* "NBDMAGIC" */
#define NBD_OLDSTYLE_MAGIC 0x00420281861253ull
#define NBD_IHAVEOPT 0x49484156454f5054ull       /* "IHAVEOPT" */
#define NBD_REP_MAGIC 0x0003e889045565a9ull
#define NBD_REQUEST_MAGIC 0x25609513u
#define NBD_EXTENDED_REQUEST_MAGIC 0x21e41c71u
#define NBD_SIMPLE_REPLY_MAGIC 0x67446698u
#define NBD_STRUCTURED_REPLY_MAGIC 0x668e33efu
#define NBD_EXTENDED_REPLY_MAGIC 0x6e8a278cu

enum {
	NBD_MAX_STRING = 4096,          /* bytes: names, descriptions, queries */
	NBD_MAX_PAYLOAD = 64 << 20,     /* bytes of one read or write; nbdkit's limit, twice the spec's default */
	NBD_OLDSTYLE_SIZE = 152,
	NBD_OPTION_SIZE = 16,
	NBD_REQUEST_SIZE = 28,
	NBD_EXTENDED_REQUEST_SIZE = 32,
	NBD_SIMPLE_REPLY_SIZE = 16,
	NBD_STRUCTURED_REPLY_SIZE = 20,
	NBD_EXTENDED_REPLY_SIZE = 32,
};

enum { /* handshake flags, client flags */
	NBD_FLAG_FIXED_NEWSTYLE = 1 << 0,
	NBD_FLAG_NO_ZEROES = 1 << 1,
};

enum { /* transmission flags */
	NBD_FLAG_HAS_FLAGS = 1 << 0,
	NBD_FLAG_READ_ONLY = 1 << 1,
	NBD_FLAG_SEND_FLUSH = 1 << 2,
	NBD_FLAG_SEND_FUA = 1 << 3,
	NBD_FLAG_ROTATIONAL = 1 << 4,
	NBD_FLAG_SEND_TRIM = 1 << 5,
	NBD_FLAG_SEND_WRITE_ZEROES = 1 << 6,
	NBD_FLAG_SEND_DF = 1 << 7,
	NBD_FLAG_CAN_MULTI_CONN = 1 << 8,
	NBD_FLAG_SEND_CACHE = 1 << 10,
	NBD_FLAG_SEND_FAST_ZERO = 1 << 11,
	NBD_FLAG_BLOCK_STATUS_PAYLOAD = 1 << 12,
};

enum {
	NBD_OPT_EXPORT_NAME = 1,
	NBD_OPT_ABORT = 2,
	NBD_OPT_LIST = 3,
	NBD_OPT_STARTTLS = 5,
	NBD_OPT_INFO = 6,
	NBD_OPT_GO = 7,
	NBD_OPT_STRUCTURED_REPLY = 8,
	NBD_OPT_LIST_META_CONTEXT = 9,
	NBD_OPT_SET_META_CONTEXT = 10,
	NBD_OPT_EXTENDED_HEADERS = 11,
};

#define NBD_REP_ERR(n) (0x80000000u | (n))
enum {
	NBD_REP_ACK = 1,
	NBD_REP_SERVER = 2,
	NBD_REP_INFO = 3,
	NBD_REP_META_CONTEXT = 4,
};
#define NBD_REP_ERR_UNSUP NBD_REP_ERR(1)
#define NBD_REP_ERR_POLICY NBD_REP_ERR(2)
#define NBD_REP_ERR_INVALID NBD_REP_ERR(3)
#define NBD_REP_ERR_PLATFORM NBD_REP_ERR(4)
#define NBD_REP_ERR_TLS_REQD NBD_REP_ERR(5)
#define NBD_REP_ERR_UNKNOWN NBD_REP_ERR(6)
#define NBD_REP_ERR_SHUTDOWN NBD_REP_ERR(7)
#define NBD_REP_ERR_BLOCK_SIZE_REQD NBD_REP_ERR(8)
#define NBD_REP_ERR_TOO_BIG NBD_REP_ERR(9)
#define NBD_REP_ERR_EXT_HEADER_REQD NBD_REP_ERR(10)

enum {
	NBD_INFO_EXPORT = 0,
	NBD_INFO_NAME = 1,
	NBD_INFO_DESCRIPTION = 2,
	NBD_INFO_BLOCK_SIZE = 3,
};

enum {
	NBD_CMD_READ = 0,
	NBD_CMD_WRITE = 1,
	NBD_CMD_DISC = 2,
	NBD_CMD_FLUSH = 3,
	NBD_CMD_TRIM = 4,
	NBD_CMD_CACHE = 5,
	NBD_CMD_WRITE_ZEROES = 6,
	NBD_CMD_BLOCK_STATUS = 7,
};

enum { /* command flags */
	NBD_CMD_FLAG_FUA = 1 << 0,
	NBD_CMD_FLAG_NO_HOLE = 1 << 1,
	NBD_CMD_FLAG_DF = 1 << 2,
	NBD_CMD_FLAG_REQ_ONE = 1 << 3,
	NBD_CMD_FLAG_FAST_ZERO = 1 << 4,
	NBD_CMD_FLAG_PAYLOAD_LEN = 1 << 5,
};

enum { NBD_REPLY_FLAG_DONE = 1 << 0 };

enum {
	NBD_REPLY_TYPE_NONE = 0,
	NBD_REPLY_TYPE_OFFSET_DATA = 1,
	NBD_REPLY_TYPE_OFFSET_HOLE = 2,
	NBD_REPLY_TYPE_BLOCK_STATUS = 5,
	NBD_REPLY_TYPE_BLOCK_STATUS_EXT = 6,
	NBD_REPLY_TYPE_ERROR = (1 << 15) + 1,
	NBD_REPLY_TYPE_ERROR_OFFSET = (1 << 15) + 2,
};

struct nbd_option {
	uint64_t magic;
	uint32_t option, len;   /* len: bytes of data that follow */
};

struct nbd_request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t cookie, off, len;
};

struct nbd_option nbd_get_option(const uint8_t p[NBD_OPTION_SIZE]);
/* NBD_REQUEST_SIZE bytes, or NBD_EXTENDED_REQUEST_SIZE when extended. */
static inline struct nbd_request nbd_get_request(const uint8_t *p, bool extended)
{
	return (struct nbd_request){
		.magic = get_be32(p),
		.flags = get_be16(p + 4),
		.type = get_be16(p + 6),
		.cookie = get_be64(p + 8),
		.off = get_be64(p + 16),
		.len = extended ? get_be64(p + 24) : get_be32(p + 24),
	};
}

/* Each put returns the address behind what it wrote. */
uint8_t *nbd_put_option_reply(uint8_t *p, uint32_t option, uint32_t type, uint32_t len);
static inline uint8_t *nbd_put_simple_reply(uint8_t *p, uint32_t err, uint64_t cookie)
{
	p = put_be32(p, NBD_SIMPLE_REPLY_MAGIC);
	p = put_be32(p, err);
	return put_be64(p, cookie);
}
/* A chunk's header, structured or extended; off is the request's, used by extended ones only. */
uint8_t *nbd_put_chunk(uint8_t *p, bool extended, uint16_t flags, uint16_t type, uint64_t cookie, uint64_t off, uint32_t len);
uint8_t *nbd_put_oldstyle(uint8_t *p, uint64_t size, uint32_t flags);

/* The protocol's number for a positive errno: those it defines, EINVAL for the rest; so for EOVERFLOW, which is for
 * servers that cannot read in one piece. */
uint32_t nbd_error(int err);
/* A string as proto.md has it ("Conventions"): at most NBD_MAX_STRING bytes of UTF-8, none of them NUL. */
bool nbd_is_string(const char *p, size_t len);
/* "NBD_OPT_GO" ...; "unknown" for the rest. */
const char *nbd_option_name(uint32_t option);
