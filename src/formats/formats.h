/* SPDX-License-Identifier: BSD-2-Clause */
/* formats: the readers and writers there are, each in the file of its name. */
#pragma once
#include "formats/format.h"

extern const struct fmt_reader fmt_in_recording, fmt_in_log, fmt_in_dmlog, fmt_in_iolog, fmt_in_blktrace, fmt_in_nbdlog;
extern const struct fmt_writer fmt_out_json, fmt_out_csv, fmt_out_iolog, fmt_out_dmlog, fmt_out_blktrace;
