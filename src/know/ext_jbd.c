/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bytes.h"
#include "know/crc32c.h"
#include "know/ext_jbd.h"

enum { MAGIC = 0xc03b3998, HEAD = 12, ESCAPE = 1, SAME_UUID = 2, LAST_TAG = 8, TAIL = 4, CSUM_IN_SUPER = 252, CSUM_IN_COMMIT = 16,
	FAST_BLOCKS = 256 };

static const uint8_t zeroes[4];

bool jbd_has_csum(const struct jbd_super *s)
{
	return s->incompat & (JBD_CSUM_V2 | JBD_CSUM_V3);
}

unsigned jbd_type(const uint8_t *p, uint32_t *seq)
{
	uint32_t type = get_be32(p + 4);

	if (get_be32(p) != MAGIC || type < JBD_DESC || type > JBD_REVOKE)
		return JBD_NONE;
	*seq = get_be32(p + 8);
	return type;
}

bool jbd_super_parse(struct jbd_super *s, const uint8_t p[1024])
{
	uint32_t seq, type = jbd_type(p, &seq), fast;

	*s = (struct jbd_super){ 0 };
	if (type != JBD_SUPER1 && type != JBD_SUPER2)
		return false;
	s->block = get_be32(p + 12);
	s->end = s->blocks = get_be32(p + 16);
	s->first = get_be32(p + 20);
	s->seq = get_be32(p + 24);
	s->start = get_be32(p + 28);
	if (type == JBD_SUPER2) {
		s->incompat = get_be32(p + 40);
		s->seed = crc32c(~0u, p + 48, 16);
		fast = get_be32(p + 84) ? get_be32(p + 84) : FAST_BLOCKS;
		if (s->incompat & JBD_FAST_COMMIT && fast < s->blocks)
			s->end = s->blocks - fast;
		uint32_t crc = crc32c(~0u, p, CSUM_IN_SUPER);
		crc = crc32c(crc32c(crc, zeroes, 4), p + CSUM_IN_SUPER + 4, 1024 - CSUM_IN_SUPER - 4);
		s->csum_bad = jbd_has_csum(s) && crc != get_be32(p + CSUM_IN_SUPER);
	}
	return s->first >= 1 && s->first < s->end && (!s->start || (s->start >= s->first && s->start < s->end));
}

unsigned jbd_tag_size(const struct jbd_super *s)
{
	if (s->incompat & JBD_CSUM_V3)
		return 16;
	return 8 + (s->incompat & JBD_64BIT ? 4 : 0) + (s->incompat & JBD_CSUM_V2 ? 2 : 0);
}

unsigned jbd_tags(const struct jbd_super *s, const uint8_t *block, struct jbd_tag *tag, unsigned max)
{
	size_t end = s->block - (jbd_has_csum(s) ? TAIL : 0), size = jbd_tag_size(s);
	bool v3 = s->incompat & JBD_CSUM_V3;
	unsigned n = 0;

	for (size_t at = HEAD; at + size <= end && n < max;) {
		const uint8_t *t = block + at;
		uint32_t flags = v3 ? get_be32(t + 4) : get_be16(t + 6);
		tag[n++] = (struct jbd_tag){
			.home = get_be32(t) | (s->incompat & JBD_64BIT ? (uint64_t)get_be32(t + 8) << 32 : 0),
			.csum = v3 ? get_be32(t + 12) : get_be16(t + 4),
			.escaped = flags & ESCAPE,
		};
		if (flags & LAST_TAG)
			break;
		at += size + (flags & SAME_UUID ? 0 : 16);
	}
	return n;
}

unsigned jbd_revoked(const struct jbd_super *s, const uint8_t *block, uint64_t *home, unsigned max)
{
	size_t end = get_be32(block + HEAD), size = s->incompat & JBD_64BIT ? 8 : 4;
	unsigned n = 0;

	if (end > s->block)
		end = s->block;
	for (size_t at = HEAD + 4; at + size <= end && n < max; at += size)
		home[n++] = size == 8 ? get_be64(block + at) : get_be32(block + at);
	return n;
}

bool jbd_csum_ok(const struct jbd_super *s, const uint8_t *p, unsigned type)
{
	size_t at = type == JBD_COMMIT ? CSUM_IN_COMMIT : s->block - TAIL;

	if (!jbd_has_csum(s))
		return true;
	uint32_t crc = crc32c(crc32c(s->seed, p, at), zeroes, 4);
	return crc32c(crc, p + at + 4, s->block - at - 4) == get_be32(p + at);
}

bool jbd_data_csum_ok(const struct jbd_super *s, const uint8_t *p, const struct jbd_tag *t, uint32_t seq)
{
	uint8_t be[4];

	if (!jbd_has_csum(s))
		return true;
	put_be32(be, seq);
	uint32_t crc = crc32c(crc32c(s->seed, be, 4), p, s->block);
	return s->incompat & JBD_CSUM_V3 ? crc == t->csum : (uint16_t)crc == (uint16_t)t->csum;
}
