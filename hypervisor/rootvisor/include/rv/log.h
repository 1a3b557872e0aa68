/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The security log: a ring of events, numbered without gaps. */
#pragma once

#include "cvm/abi.h"
#include "rv/types.h"

/* vm = 0, uuid = NULL for the host. Also prints one line on the serial port (rate-limited). */
void log_event(u32 type, u32 reason, u32 vm, const u8 *uuid, u64 arg0, u64 arg1);
/* Fills a page with events from sequence number `first` on (or the oldest held). Returns count. */
u32 log_read(u64 first, struct cvm_event_page *out);
