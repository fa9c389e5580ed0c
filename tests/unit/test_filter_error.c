/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/say.h"
#include "filters/filters.h"
#include "unit/rig.h"

static struct rig t;
static const struct module *const error_alone[] = { &mod_error, NULL };
static const enum op data_ops[] = { OP_READ, OP_WRITE, OP_TRIM, OP_ZERO, OP_EXTENTS, OP_CACHE };

/* key, value, key, value ... NULL */
static bool start(const char *const *options)
{
	say_start("test", SAY_NULL, false); /* each error is a line */
	if (!rig_start(&t, error_alone))
		return false;
	for (; *options; options += 2)
		if (!rig_option(&t, 0, options[0], options[1]))
			return false;
	return rig_go(&t);
}

static unsigned failures(enum op op, unsigned n)
{
	unsigned before = t.home, bad = 0;
	for (unsigned i = 0; i < n; i++)
		rig_send(&t, op, 0, 512, 0, NULL);
	for (unsigned i = before; i < t.home; i++)
		bad += t.came[i % RIG_MAX].err != 0;
	return bad;
}

TEST(error_does_nothing_unless_a_rate_is_given)
{
	CHECK(start((const char *[]){ "error", "ENOSPC", NULL }));
	for (unsigned i = 0; i < ARRAY_LEN(data_ops); i++)
		CHECK_EQ_U(failures(data_ops[i], 50), 0);
	rig_stop(&t);
}

TEST(a_rate_of_100_percent_fails_every_request_but_flush_and_none_reaches_the_bottom)
{
	CHECK(start((const char *[]){ "error-rate", "100%", NULL }));
	for (unsigned i = 0; i < ARRAY_LEN(data_ops); i++)
		CHECK_EQ_U(failures(data_ops[i], 50), 50);
	CHECK_EQ_U(t.bottom, 0);
	CHECK_EQ_U(t.came[0].err, EIO);
	CHECK_EQ_U(failures(OP_FLUSH, 50), 0);
	CHECK_EQ_U(failures(OP_CLOSE, 1), 0);
	rig_stop(&t);
}

TEST(each_kind_has_its_own_rate_and_error)
{
	static const char *const keys[] = {
		"error-pread-rate", "error-pwrite-rate", "error-trim-rate", "error-zero-rate", "error-extents-rate", "error-cache-rate",
	};
	static const char *const kinds[] = { "error-pread", "error-pwrite", "error-trim", "error-zero", "error-extents", "error-cache" };
	for (unsigned k = 0; k < ARRAY_LEN(keys); k++) {
		CHECK(start((const char *[]){ "error", "ESHUTDOWN", kinds[k], "ENOSPC", keys[k], "1", NULL }));
		for (unsigned i = 0; i < ARRAY_LEN(data_ops); i++)
			CHECK_EQ_U(failures(data_ops[i], 3), i == k ? 3 : 0);
		CHECK_EQ_U(t.came[3 * k].err, ENOSPC);
		rig_stop(&t);
	}
}

TEST(the_later_of_two_parameters_for_a_kind_counts)
{
	CHECK(start((const char *[]){ "error-pread", "ENOSPC", "error", "EPERM", "error-rate", "1", "error-trim-rate", "0%", NULL }));
	CHECK_EQ_U(failures(OP_READ, 1), 1);
	CHECK_EQ_U(t.came[0].err, EPERM);
	CHECK_EQ_U(failures(OP_TRIM, 10), 0);
	rig_stop(&t);
}

TEST(half_the_requests_fail_at_a_rate_of_one_half)
{
	static const char *const halves[] = { "50%", "0.5", ".5", "5e-1" };
	for (unsigned i = 0; i < ARRAY_LEN(halves); i++) {
		CHECK(start((const char *[]){ "error-rate", halves[i], NULL }));
		unsigned bad = failures(OP_READ, RIG_MAX);
		CHECK(bad > RIG_MAX / 2 - 400 && bad < RIG_MAX / 2 + 400); /* 12 standard deviations */
		rig_stop(&t);
	}
}

TEST(errors_come_only_while_the_file_exists)
{
	char path[] = "/tmp/blkscope-test-error-XXXXXX";
	int fd = mkstemp(path);
	CHECK(fd >= 0);
	close(fd);
	CHECK(start((const char *[]){ "error-rate", "1", "error-file", path, "error-trim-file", "/nonexistent/file", NULL }));
	CHECK_EQ_U(failures(OP_READ, 5), 5);
	CHECK_EQ_U(failures(OP_TRIM, 5), 0);
	unlink(path);
	CHECK_EQ_U(failures(OP_READ, 5), 0);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ_U(failures(OP_WRITE, 5), 5);
	unlink(path);
	rig_stop(&t);
}

TEST(error_refuses_unknown_errors_and_rates_out_of_range)
{
	static const char *const bad[][2] = {
		{ "error", "EFOO" }, { "error", "enospc" }, { "error", "" }, { "error-rate", "101%" }, { "error-rate", "1.5" },
		{ "error-rate", "abc" }, { "error-rate", "-1" }, { "error-rate", "10%x" }, { "error-rate", "" }, { "error-rate", "nan" },
		{ "error-rate", "inf" }, { "error-rate", " 1" }, { "error-rate", "%" }, { "error-pread-rate", "2" }, { "error-file", "" },
	};
	CHECK(rig_start(&t, error_alone));
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!rig_option(&t, 0, bad[i][0], bad[i][1]));
	rig_stop(&t);
}
