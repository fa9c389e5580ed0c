/* SPDX-License-Identifier: BSD-2-Clause */
/* out_recording: writes recordings (docs/recording-format.md), with the parts of the record filter. */
#pragma once
#include "formats/format.h"

extern const struct fmt_writer fmt_out_recording;
