/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of ext that do no I/O: checksums, superblocks, and the blocks of a journal. */
#include "know/ext.h"
#include "know/ext_jbd.h"
#include "test.h"

/* --- checksums --- */

TEST(crc16_is_that_of_group_descriptors)
{
	CHECK_EQ_U(ext_crc16(0, "123456789", 9), 0xbb3d); /* CRC-16/ARC */
	CHECK_EQ_U(ext_crc16(0xffff, "123456789", 9), 0x4b37);
	CHECK_EQ_U(ext_crc16(0xffff, "", 0), 0xffff);
	CHECK_EQ_U(ext_crc16(ext_crc16(0xffff, "1234", 4), "56789", 5), 0x4b37);
}

TEST(a_superblocks_checksum_is_of_all_before_it)
{
	uint8_t raw[1024] = { 0 };
	CHECK(!ext_super_csum_ok(raw));
	raw[5] = 7;
	put_le32(raw + 1020, crc32c(~0u, raw, 1020));
	CHECK(ext_super_csum_ok(raw));
	raw[1019] ^= 1;
	CHECK(!ext_super_csum_ok(raw));
}

/* --- superblocks --- */

static void good_super(uint8_t *p)
{
	memset(p, 0, 1024);
	put_le32(p, 4096);              /* inodes */
	put_le32(p + 4, 20000);         /* blocks */
	put_le32(p + 0x14, 1);
	put_le32(p + 0x20, 8192);
	put_le32(p + 0x24, 8192);
	put_le32(p + 0x28, 2048);
	p[0x38] = 0x53;
	p[0x39] = 0xef;
	put_le32(p + 0x4c, 1);
	put_le32(p + 0x54, 11);
	put_le32(p + 0x58, 256);
}

TEST(a_superblock_is_understood)
{
	uint8_t p[1024];
	struct ext_super s;

	good_super(p);
	CHECK(ext_super_parse(&s, p));
	CHECK_EQ_U(s.block, 1024);
	CHECK_EQ_U(s.inode_size, 256);
	CHECK_EQ_U(s.desc_size, 32);
	CHECK_EQ_U(s.ratio, 1);
	CHECK_EQ_U(s.blocks, 20000);
	put_le32(p + 0x60, EXT_INCOMPAT_64BIT);
	put_le32(p + 0xfc, 64u << 16);
	put_le32(p + 0x150, 1);
	CHECK(ext_super_parse(&s, p));
	CHECK_EQ_U(s.desc_size, 64);
	CHECK_EQ_U(s.blocks, (1ull << 32) + 20000);
}

TEST(a_superblock_that_cannot_be_is_refused)
{
	static const struct { unsigned at; uint32_t value; } lies[] = {
		{ 0x38, 0xef54 }, { 0x18, 7 }, { 0x4c, 2 }, { 0x20, 0 }, { 0x20, 8193 }, { 0x20, 16384 }, { 0x28, 0 }, { 0x28, 8193 },
		{ 0x28, UINT32_MAX },
		{ 0x58, 0 }, { 0x58, 64 }, { 0x58, 192 }, { 0x58, 2048 }, { 0x14, 2 }, { 4, 0 }, { 4, 1 }, { 0, 0 },
		{ 0x60, EXT_INCOMPAT_64BIT }, { 0x64, EXT_RO_BIGALLOC | EXT_RO_METADATA_CSUM },
	};
	struct ext_super s;
	uint8_t p[1024];

	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		good_super(p);
		put_le32(p + lies[i].at, lies[i].value);
		if (lies[i].at == 0x64)
			put_le32(p + 0x1c, 40); /* clusters of 2^40 blocks */
		if (ext_super_parse(&s, p))
			test_failed(__FILE__, __LINE__, "taken: %u at 0x%x", lies[i].value, lies[i].at);
	}
}

TEST(copies_are_where_the_features_say)
{
	struct ext_super s = { .ro_compat = EXT_RO_SPARSE_SUPER };
	uint64_t found[20];
	size_t n = 0;

	for (uint64_t g = 0; g < 350; g++)
		if (ext_has_super(&s, g))
			found[n++] = g;
	static const uint64_t want[] = { 0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243, 343 };
	CHECK_EQ_U(n, ARRAY_LEN(want));
	CHECK(memcmp(found, want, sizeof want) == 0);
	s.ro_compat = 0;
	CHECK(ext_has_super(&s, 2) && ext_has_super(&s, 348));
	s.compat = EXT_COMPAT_SPARSE_SUPER2;
	s.backup_bgs[0] = 1;
	s.backup_bgs[1] = 17;
	CHECK(ext_has_super(&s, 0) && ext_has_super(&s, 1) && ext_has_super(&s, 17) && !ext_has_super(&s, 3));
}

/* --- the journal --- */

static void header(uint8_t *p, uint32_t type, uint32_t seq)
{
	put_be32(put_be32(put_be32(p, 0xc03b3998), type), seq);
}

static uint8_t *v1_tag(uint8_t *p, uint32_t block, uint16_t csum, uint16_t flags)
{
	return put_be16(put_be16(put_be32(p, block), csum), flags);
}

TEST(tags_have_the_size_of_their_features)
{
	static const struct { uint32_t features; unsigned size; } sizes[] = {
		{ 0, 8 }, { JBD_64BIT, 12 }, { JBD_CSUM_V2, 10 }, { JBD_CSUM_V2 | JBD_64BIT, 14 }, { JBD_CSUM_V3, 16 },
		{ JBD_CSUM_V3 | JBD_64BIT, 16 },
	};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct jbd_super s = { .incompat = sizes[i].features };
		CHECK_EQ_U(jbd_tag_size(&s), sizes[i].size);
	}
}

TEST(old_tags_are_followed_by_a_uuid_unless_it_is_the_same)
{
	struct jbd_super s = { .block = 1024 };
	struct jbd_tag tag[10];
	uint8_t p[1024] = { 0 };

	uint8_t *at = v1_tag(p + 12, 100, 0, 0) + 16; /* a UUID */
	at = v1_tag(at, 200, 0, 2 | 1);               /* the same; escaped */
	at = v1_tag(at, 300, 0, 2 | 8);               /* the last one */
	v1_tag(at, 400, 0, 2);
	CHECK_EQ_U(jbd_tags(&s, p, tag, 10), 3);
	CHECK(tag[0].home == 100 && !tag[0].escaped && tag[1].home == 200 && tag[1].escaped && tag[2].home == 300);
	CHECK_EQ_U(jbd_tags(&s, p, tag, 2), 2);
}

TEST(tags_of_64_bits_and_of_version_3)
{
	struct jbd_super s = { .block = 1024, .incompat = JBD_64BIT | JBD_CSUM_V2 };
	struct jbd_tag tag[200];
	uint8_t p[1024] = { 0 };

	put_be32(v1_tag(p + 12, 5, 0xabcd, 2 | 8), 1);
	CHECK_EQ_U(jbd_tags(&s, p, tag, 200), 1);
	CHECK(tag[0].home == (1ull << 32) + 5 && tag[0].csum == 0xabcd);
	s.incompat = JBD_64BIT | JBD_CSUM_V3;
	put_be32(put_be32(put_be32(put_be32(p + 12, 6), 2 | 8 | 1), 2), 0x12345678);
	CHECK_EQ_U(jbd_tags(&s, p, tag, 200), 1);
	CHECK(tag[0].home == (2ull << 32) + 6 && tag[0].csum == 0x12345678 && tag[0].escaped);
}

TEST(a_descriptor_without_a_last_tag_ends_with_its_block)
{
	struct jbd_super s = { .block = 1024, .incompat = JBD_CSUM_V3 };
	struct jbd_tag tag[200];
	uint8_t p[1024];

	memset(p, 0, sizeof p);
	CHECK_EQ_U(jbd_tags(&s, p, tag, 200), (1024 - 12 - 4 - 16) / 32 + 1); /* all with a UUID */
	memset(p, 2, sizeof p);                                               /* SAME_UUID, and not the last */
	CHECK_EQ_U(jbd_tags(&s, p, tag, 200), (1024 - 12 - 4) / 16);
}

TEST(revoke_blocks_are_cut_to_their_block)
{
	struct jbd_super s = { .block = 1024 };
	uint64_t home[300];
	uint8_t p[1024] = { 0 };

	put_be32(put_be32(put_be32(p + 12, 16 + 8), 7), 9);
	CHECK_EQ_U(jbd_revoked(&s, p, home, 300), 2);
	CHECK(home[0] == 7 && home[1] == 9);
	put_be32(p + 12, UINT32_MAX);
	CHECK_EQ_U(jbd_revoked(&s, p, home, 300), (1024 - 16) / 4);
	put_be32(p + 12, 3);
	CHECK_EQ_U(jbd_revoked(&s, p, home, 300), 0);
	s.incompat = JBD_64BIT;
	put_be64(put_be32(p + 12, 16 + 8), 1ull << 40);
	CHECK_EQ_U(jbd_revoked(&s, p, home, 300), 1);
	CHECK(home[0] == 1ull << 40);
}

TEST(a_journals_superblock_must_make_sense)
{
	struct jbd_super s;
	uint8_t p[1024] = { 0 };
	uint32_t seq = 0;

	header(p, JBD_SUPER2, 0);
	put_be32(put_be32(put_be32(put_be32(put_be32(p + 12, 1024), 4096), 1), 77), 4095);
	CHECK(jbd_super_parse(&s, p));
	CHECK(s.block == 1024 && s.blocks == 4096 && s.first == 1 && s.seq == 77 && s.start == 4095 && s.end == 4096);
	put_be32(p + 40, JBD_FAST_COMMIT);
	CHECK(!jbd_super_parse(&s, p)); /* the log ends before its start */
	put_be32(p + 28, 1);
	CHECK(jbd_super_parse(&s, p) && s.end == 4096 - 256);
	put_be32(p + 20, 0);
	CHECK(!jbd_super_parse(&s, p));
	CHECK_EQ_U(jbd_type(p, &seq), JBD_SUPER2);
	p[0] = 0;
	CHECK_EQ_U(jbd_type(p, &seq), JBD_NONE);
}

TEST(blocks_of_the_log_have_checksums)
{
	struct jbd_super s = { .block = 1024, .incompat = JBD_CSUM_V3, .seed = 0x1234 };
	uint8_t p[1024] = { 0 }, be[4];
	struct jbd_tag tag = { 0 };

	header(p, JBD_DESC, 5);
	CHECK(!jbd_csum_ok(&s, p, JBD_DESC));
	put_be32(p + 1020, crc32c(s.seed, p, 1024)); /* with zeroes in its place */
	CHECK(jbd_csum_ok(&s, p, JBD_DESC));
	put_be32(be, 5);
	tag.csum = crc32c(crc32c(s.seed, be, 4), p, 1024);
	CHECK(jbd_data_csum_ok(&s, p, &tag, 5) && !jbd_data_csum_ok(&s, p, &tag, 6));
	s.incompat = JBD_CSUM_V2;
	tag.csum &= 0xffff;
	CHECK(jbd_data_csum_ok(&s, p, &tag, 5));
	s.incompat = 0;
	CHECK(jbd_data_csum_ok(&s, p, &tag, 6) && jbd_csum_ok(&s, p, JBD_COMMIT));
	CHECK(jbd_newer(1, UINT32_MAX) && !jbd_newer(UINT32_MAX, 1) && !jbd_newer(3, 3));
}
