/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leases out of a broker's log: one that starts anew knows who must attest again, and tells of those that did not meanwhile. */
#ifndef CVM_ATTEST_BROKER_REPLAY_H
#define CVM_ATTEST_BROKER_REPLAY_H

#include <json-c/json.h>

/* What an event of the log means for leases: begun, renewed, over. @data: struct cvm_leases. An event that names no machine means nothing. */
void cvm_broker_replay(void *data, json_object *event);

#endif
