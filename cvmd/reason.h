/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The numbers of cvm/abi.h and the SDM in words. */
#ifndef CVMD_REASON_H
#define CVMD_REASON_H

#include "cvm/abi.h"

#include <stdbool.h>

/* For people; never NULL. */
const char *reason_text(uint32_t reason);
/* The same for a VM that stopped, with what @arg (arg[0] of the event) adds; never NULL. */
const char *stop_text(uint32_t reason, uint64_t arg);
/* Identifier of an event type ("vm-stopped"); never NULL. */
const char *event_name(uint32_t type);
/* SDM vol. 3, appendix C, table C-1, lower case with dashes ("ept-violation"); NULL if unnamed. */
const char *exit_reason_name(unsigned basic);
/* True if a VM that stopped for @reason ended its life in order, not by a violation or fault. */
bool reason_is_orderly(uint32_t reason);

#endif
