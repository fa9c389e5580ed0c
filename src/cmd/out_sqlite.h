/* SPDX-License-Identifier: BSD-2-Clause */
/* out_sqlite: a database of SQLite, with a table each for requests, connections and marks. */
#pragma once
#include "formats/format.h"

extern const struct fmt_writer fmt_out_sqlite;
