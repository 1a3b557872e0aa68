/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A setup header that cvmboot accepts; tests break it one field at a time. */
#ifndef CVMBOOT_FIXTURE_H
#define CVMBOOT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bzimage.h"
#include "mem.h"

#define FIXTURE_SETUP  20480u
#define FIXTURE_KERNEL 0x9000u

static inline void fixture_head(uint8_t head[BZIMAGE_HEAD]) {
    memset(head, 0xee, BZIMAGE_HEAD);
    head[0x1f1] = 39;
    put_le32(head + 0x1f4, FIXTURE_KERNEL / 16);
    put_le16(head + 0x1fe, 0xaa55);
    head[0x201] = 0x6a;
    memcpy(head + 0x202, "HdrS", 4);
    put_le16(head + 0x206, 0x20f);
    head[0x211] = 1;
    put_le32(head + 0x22c, 0x7fffffff);
    put_le32(head + 0x230, 0x200000);
    put_le16(head + 0x236, 0x7f);
    put_le32(head + 0x238, 2047);
    put_le64(head + 0x250, 0);
    put_le64(head + 0x258, 0x1000000);
    put_le32(head + 0x260, 0x800000);
}

#endif
