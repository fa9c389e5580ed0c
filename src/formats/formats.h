/* SPDX-License-Identifier: BSD-2-Clause */
/* formats: the readers and writers there are, each in the file of its name. */
#pragma once
#include "formats/format.h"

extern const struct fmt_reader fmt_in_recording, fmt_in_log;
extern const struct fmt_writer fmt_out_json, fmt_out_csv, fmt_out_iolog, fmt_out_dmlog;
