/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cvm/report.h"
#include "rv/pcpu.h"

extern u8 rootvisor_digest[CVM_DIGEST_SIZE], guardian_digest[CVM_DIGEST_SIZE];
extern struct cvm_report_key report_key;
