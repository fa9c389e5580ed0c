/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include "plugins/plugins.h"

bool plugin_handshake(struct layer *l, struct req *r)
{
	int err = 0;
	switch (r->op) {
	case OP_PRECONNECT:
	case OP_CLOSE:
		break;
	case OP_LIST:
	case OP_DEFAULT:
		err = exports_add(r->data, "", NULL) < 0 ? ENOMEM : 0;
		break;
	default:
		return false;
	}
	req_up(l, r, err);
	return true;
}
