/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bytes.h"
#include "unit/test.h"

TEST(numbers_stand_big_end_first_at_any_address)
{
	uint8_t raw[32] = { 0 };
	for (unsigned at = 0; at < 8; at++) {
		uint8_t *p = raw + at;
		p = put_be16(p, 0x0102);
		p = put_be32(p, 0x03040506);
		p = put_be64(p, 0x0708090a0b0c0d0eull);
		CHECK_EQ_U(p - (raw + at), 14);
		for (unsigned i = 0; i < 14; i++)
			CHECK_EQ_U(raw[at + i], i + 1);
		CHECK_EQ_U(get_be16(raw + at), 0x0102);
		CHECK_EQ_U(get_be32(raw + at + 2), 0x03040506);
		CHECK_EQ_U(get_be64(raw + at + 6), 0x0708090a0b0c0d0eull);
	}
}
