/* SPDX-License-Identifier: BSD-2-Clause */
/* Checksums: gdt_csum's CRC-16 of descriptors, and metadata_csum's CRC-32C of all the rest; neither inverts anything. */
#include "know/ext.h"

static const uint8_t zeroes[8];

uint16_t ext_crc16(uint16_t crc, const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n--) {
		crc ^= *b++;
		for (unsigned i = 0; i < 8; i++)
			crc = (uint16_t)(crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1);
	}
	return crc;
}

static uint32_t le32_into(uint32_t crc, uint32_t v)
{
	uint8_t le[4];

	put_le32(le, v);
	return crc32c(crc, le, 4);
}

static uint32_t le64_into(uint32_t crc, uint64_t v)
{
	uint8_t le[8];

	put_le64(le, v);
	return crc32c(crc, le, 8);
}

bool ext_super_csum_ok(const uint8_t raw[1024])
{
	return crc32c(~0u, raw, 0x3fc) == get_le32(raw + 0x3fc);
}

bool ext_desc_csum_ok(const struct ext *x, uint64_t group, const uint8_t *d)
{
	enum { AT = 0x1e };
	uint32_t size = x->s.desc_size;
	uint8_t number[4];

	put_le32(number, (uint32_t)group);
	if (x->csum) {
		uint32_t crc = crc32c(x->s.seed, number, 4);
		crc = crc32c(crc, d, AT);
		crc = crc32c(crc, zeroes, 2);
		crc = crc32c(crc, d + AT + 2, size - AT - 2);
		return (uint16_t)crc == get_le16(d + AT);
	}
	uint16_t crc = ext_crc16(0xffff, x->s.uuid, 16);
	crc = ext_crc16(crc, number, 4);
	crc = ext_crc16(crc, d, AT);
	if (size > 32)
		crc = ext_crc16(crc, d + AT + 2, size - AT - 2);
	return crc == get_le16(d + AT);
}

uint32_t ext_ino_seed(const struct ext *x, uint32_t ino, const uint8_t *inode)
{
	return crc32c(le32_into(x->s.seed, ino), inode + 100, 4); /* i_generation */
}

bool ext_inode_csum_ok(const struct ext *x, uint32_t ino, const uint8_t *inode)
{
	enum { LOW = 124, HIGH = 130 };
	uint32_t size = x->s.inode_size, want = get_le16(inode + LOW);
	uint32_t crc = crc32c(ext_ino_seed(x, ino, inode), inode, LOW);

	crc = crc32c(crc, zeroes, 2);
	crc = crc32c(crc, inode + LOW + 2, 128 - LOW - 2);
	if (size == 128)
		return (uint16_t)crc == want;
	crc = crc32c(crc, inode + 128, 2);
	if (get_le16(inode + 128) < HIGH + 2 - 128) { /* i_extra_isize: too few for the upper half */
		crc = crc32c(crc, inode + HIGH, size - HIGH);
		return (uint16_t)crc == want;
	}
	crc = crc32c(crc, zeroes, 2);
	crc = crc32c(crc, inode + HIGH + 2, size - HIGH - 2);
	return crc == (want | (uint32_t)get_le16(inode + HIGH) << 16);
}

bool ext_bitmap_csum_ok(const struct ext *x, const uint8_t *bitmap, uint32_t bytes, uint32_t csum)
{
	uint32_t crc = crc32c(x->s.seed, bitmap, bytes);
	return x->s.desc_size >= 64 ? crc == csum : (uint16_t)crc == (uint16_t)csum;
}

bool ext_node_csum_ok(const struct ext *x, uint32_t seed, const uint8_t *node)
{
	uint32_t at = 12 + get_le16(node + 4) * 12u; /* behind eh_max entries */
	return at + 4 <= x->s.block && crc32c(seed, node, at) == get_le32(node + at);
}

bool ext_dirblock_csum_ok(const struct ext *x, uint32_t seed, const uint8_t *p)
{
	const uint8_t *tail = p + x->s.block - 12;
	return get_le32(tail) == 0 && get_le32(tail + 4) == (0xde000000 | 12) && crc32c(seed, p, x->s.block - 12) == get_le32(tail + 8);
}

bool ext_dx_csum_ok(const struct ext *x, uint32_t seed, const uint8_t *p, unsigned countlimit)
{
	unsigned limit = get_le16(p + countlimit), count = get_le16(p + countlimit + 2);
	size_t tail = countlimit + (size_t)limit * 8;

	if (count > limit || tail + 8 > x->s.block)
		return false;
	uint32_t crc = crc32c(seed, p, countlimit + (size_t)count * 8);
	crc = crc32c(crc, p + tail, 4);
	return crc32c(crc, zeroes, 4) == get_le32(p + tail + 4);
}

bool ext_xattr_csum_ok(const struct ext *x, uint64_t at, const uint8_t *p)
{
	uint32_t crc = crc32c(le64_into(x->s.seed, at), p, 16);

	crc = crc32c(crc, zeroes, 4);
	return crc32c(crc, p + 20, x->s.block - 20) == get_le32(p + 16);
}

bool ext_orphan_csum_ok(const struct ext *x, uint32_t seed, uint64_t at, const uint8_t *p)
{
	return crc32c(le64_into(seed, at), p, x->s.block - 8) == get_le32(p + x->s.block - 4);
}

bool ext_mmp_csum_ok(const struct ext *x, const uint8_t *p)
{
	return crc32c(x->s.seed, p, 1020) == get_le32(p + 1020);
}
