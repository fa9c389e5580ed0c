/* SPDX-License-Identifier: BSD-2-Clause */
/* nbdkit-version: the release of nbdkit whose plug-in API these headers have.  Which server a plug-in is loaded into
 * later cannot be told from it.  Include nbdkit-plugin.h instead. */
#ifndef NBDKIT_VERSION_H
#define NBDKIT_VERSION_H

#define NBDKIT_VERSION_MAJOR 1
#define NBDKIT_VERSION_MINOR 46
#define NBDKIT_VERSION_MICRO 0
#define NBDKIT_VERSION_STRING "1.46.0"

#endif
