/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rv/types.h"

/* Serial (COM1). Formats: %s %u %x %lu %lx. Each line begins with "rootvisor: ". */
void rv_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints "ROOTVISOR PANIC: " and the message, then halts this CPU for ever. */
void rv_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#define RV_BUG_ON(c)	do { if (c) rv_panic("%s:%d: %s", __FILE__, __LINE__, #c); } while (0)
