/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include "unit/test.h"
#include "view/pace.h"

TEST(a_percentile_is_the_bound_of_its_bin_and_never_beyond_the_largest)
{
	static struct tally t;

	CHECK_EQ_U(tally_percentile(&t, 50, 10), 0);
	for (unsigned i = 1; i <= 100; i++)
		tally_add(&t, i * 10 - 5, 10);
	CHECK_EQ_U(tally_percentile(&t, 50, 10), 500);
	CHECK_EQ_U(tally_percentile(&t, 99, 10), 990);
	CHECK_EQ_U(tally_percentile(&t, 100, 10), 995);
	tally_add(&t, UINT64_MAX, 10);
	CHECK_EQ_U(tally_percentile(&t, 50, 10), 510);
	CHECK_EQ_U(tally_percentile(&t, 100, 10), UINT64_MAX);
}

TEST(pictures_are_counted_with_the_time_between_them)
{
	static struct pace p;
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	CHECK(f != NULL);
	for (unsigned i = 0; i < 61; i++)
		pace_frame(&p, &(struct frame){ .shown = NS_PER_S + i * NS_PER_S / 60, .work = 5 * NS_PER_MS,
			.paint = 4 * NS_PER_MS, .bytes = i == 7 ? 5000 : 0, .age = i ? 2 * NS_PER_MS : 0 });
	pace_print(&p, f);
	fclose(f);
	CHECK(strncmp(text, "frames=61 seconds=1.00 fps=60.0 interval_ms_p50=16.7 ", 53) == 0);
	CHECK(strstr(text, " work_ms_p50=5.0 work_ms_p99=5.0 work_ms_max=5.0 ") != NULL);
	CHECK(strstr(text, " age_ms_p50=2.0 ") != NULL);
	CHECK(strstr(text, " behind_bytes_p50=4096 behind_bytes_p99=5000 behind_bytes_max=5000\n") != NULL);
	free(text);
}
